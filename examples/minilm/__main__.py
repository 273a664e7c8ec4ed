# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Command line of the MiniLM example."""

from __future__ import annotations

import argparse
import os
import sys
import time

SENTENCES = [
    "A cat sits on the mat.",
    "A kitten is resting on a rug.",
    "The central bank raised interest rates by a quarter of a percent after its meeting.",
    "Borrowing became more expensive.",
    "Dogs bark.",
]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.minilm",
        description="Embeds sentences with all-MiniLM-L6-v2 as one padded batch, prints how "
        "similar they are, and compares the embeddings with a float64 reference. The attention "
        "is compiled by attn; the rest of the model is numpy.",
    )
    parser.add_argument("sentences", nargs="*", help="default: five sentences on three subjects")
    parser.add_argument("--threads", type=int, metavar="N", help="default: one per available core")
    parser.add_argument(
        "--backend", choices=("attn", "numpy"), default="attn", help="who computes the attention"
    )
    options = parser.parse_args(arguments)
    if options.threads is not None and options.threads < 1:
        parser.error(f"expects --threads of at least 1, but got {options.threads}")
    return options


def run(options: argparse.Namespace) -> int:
    import numpy as np

    from .attention import make_attention
    from .files import Files
    from .model import Model
    from .reference import Reference

    sentences = options.sentences or SENTENCES
    files = Files()
    begin = time.perf_counter()
    attention = make_attention(options.backend, files.head_dim, options.threads)
    compile_seconds = time.perf_counter() - begin
    batch = files.batch(sentences)
    begin = time.perf_counter()
    embeddings = Model(files, attention).embed(batch)
    seconds = time.perf_counter() - begin
    similar = embeddings @ embeddings.T
    for row, sentence in enumerate(sentences):
        cells = "  ".join(f"{value:6.3f}" for value in similar[row])
        print(f"[{row}]  {cells}   {sentence}")
    print(
        f"{len(sentences)} sentences of {batch.lengths.min()} to {batch.lengths.max()} tokens "
        f"in {seconds * 1e3:.1f} ms; compile time {compile_seconds:.3f} s"
    )
    expected = Reference(files).embed(sentences)
    # Both have length 1, the float32 ones nearly: rounding must not flatter the cosine.
    lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1)
    cosine = ((expected * embeddings).sum(axis=1) / lengths).min()
    print(f"smallest cosine with the float64 reference: {cosine:.9f}")
    return 0 if cosine >= 0.9999 else 1


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    if options.threads is not None:
        # numpy's BLAS reads this once, when it is loaded: hence before any import of numpy.
        os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)
    try:
        return run(options)
    except (FileNotFoundError, ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
