# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The attention functions that the encoder can be given."""

from __future__ import annotations

import numpy as np

from .model import Attention


def numpy_attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Plain float32 numpy: something to measure attn against, never used unasked."""
    scores = q @ k.swapaxes(2, 3) * np.float32(q.shape[-1] ** -0.5)
    hidden = np.arange(k.shape[2]) >= lengths[:, None]
    scores = np.where(hidden[:, None, None, :], -np.inf, scores)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ v


BACKENDS = ("attn", "numpy")


def make_attention(backend: str, head_dim: int, threads: int | None = None) -> Attention:
    """The attention function named `backend`, compiled and ready."""
    if backend == "numpy":
        return numpy_attention
    if backend != "attn":
        raise ValueError(f"expects a backend out of {', '.join(BACKENDS)}, but got '{backend}'")
    import attn  # Here, so that --help and --backend=numpy work without it.

    rows = attn.spec((None, None, None, head_dim), "float32")
    lengths = attn.spec((None,), "int32")
    plan = attn.compile(attn.attention, rows, rows, rows, kv_lengths=lengths)
    # A result laid out like q, with the heads innermost, needs no copy later.
    return lambda q, k, v, lengths: plan.run(
        q, k, v, lengths, out=np.empty_like(q), num_threads=threads
    )
