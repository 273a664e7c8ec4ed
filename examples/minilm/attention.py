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


def make_attention(backend: str, threads: int | None = None) -> Attention:
    if backend == "numpy":
        return numpy_attention
    if backend == "attn":
        import attn  # Not needed for --help, nor for the numpy backend.

        if threads is not None:
            attn.set_num_threads(threads)
        return lambda q, k, v, lengths: attn.attention(q, k, v, kv_lengths=lengths)
    raise ValueError(f"expects a backend out of {', '.join(BACKENDS)}, but got '{backend}'")
