# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The MiniLM example: a padded batch against float64 embeddings of single sentences."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from examples.minilm.attention import make_attention, numpy_attention  # noqa: E402
from examples.minilm.files import Batch, Files  # noqa: E402
from examples.minilm.model import Model  # noqa: E402
from examples.minilm.reference import Reference  # noqa: E402

BACKEND = "attn"

SENTENCES = [
    "Hi.",
    "A cat sits on the mat.",
    "Ein Kätzchen liegt auf dem Teppich, 2024 wie 1984.",
    "The committee met on Tuesday, argued for three hours over the wording of a single clause, "
    "and went home without having settled whether the bridge should be painted green or grey.",
    "",
    "word " * 300,
]


@pytest.fixture(scope="module")
def files() -> Files:
    return Files()


@pytest.fixture(scope="module")
def expected(files: Files) -> np.ndarray:
    return Reference(files).embed(SENTENCES)


@pytest.fixture(scope="module")
def attention(files: Files):
    return make_attention(BACKEND, files.head_dim)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    left, right = left.astype(np.float64), right.astype(np.float64)
    product = (left * right).sum(axis=1)
    return product / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


def test_padded_batch_matches_the_float64_reference(files, expected, attention):
    batch = files.batch(SENTENCES)
    # From an empty sentence's two tokens up to the model's limit: padding matters here.
    assert batch.lengths.min() == 2 and batch.lengths.max() == 256 == batch.ids.shape[1]
    found = Model(files, attention).embed(batch)
    assert found.dtype == np.float32 and found.shape == (len(SENTENCES), 384)
    print(f"smallest cosine {cosines(found, expected).min():.9f}")
    assert cosines(found, expected).min() >= 0.9999
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_more_padding_changes_nothing(files, attention):
    batch = files.batch(SENTENCES[:4])
    model = Model(files, attention)
    wider = np.pad(batch.ids, ((0, 0), (0, 37)), constant_values=1012)
    np.testing.assert_allclose(
        model.embed(Batch(wider, batch.lengths)), model.embed(batch), atol=2e-6, rtol=0
    )


def test_comparison_sees_a_wrong_attention(files, expected):
    def blind(q, k, v, lengths):
        return numpy_attention(q, k, v, np.full_like(lengths, k.shape[2]))

    found = Model(files, blind).embed(files.batch(SENTENCES))
    assert cosines(found, expected).min() < 0.9999


def test_like_sentences_are_alike(files, attention):
    cat, kitten, rates = Model(files, attention).embed(
        files.batch(["A cat sits on the mat.", "A kitten rests on a rug.", "Interest rates rose."])
    )
    assert cat @ kitten > 0.5 > 0.2 > cat @ rates


def test_empty_batch_is_refused(files):
    with pytest.raises(ValueError, match="expects at least one sentence, but got none"):
        files.batch([])


def test_cli_prints_a_table():
    import attn

    done = subprocess.run(
        [sys.executable, "-m", "examples.minilm", "--threads", "1", "A cat.", "A kitten."],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(Path(attn.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    table = done.stdout.splitlines()
    assert table[0].startswith("[0]   1.000") and table[0].endswith("A cat.")
    assert float(table[-1].rsplit(" ", 1)[1]) >= 0.9999
