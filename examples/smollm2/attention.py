# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The attention functions that the model can be given, each with a stopwatch."""

from __future__ import annotations

import time

import numpy as np

from .weights import Config


class TimedAttention:
    """Counts the calls, their seconds, and the seconds spent to compile beforehand.

    `source` tells whether the function was "compiled" now or taken from "disk".
    """

    def __init__(self) -> None:
        self.calls = 0
        self.seconds = 0.0
        self.compile_seconds = 0.0
        self.source = "numpy"

    def compute(self, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def __call__(self, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        begin = time.perf_counter()
        out = self.compute(q, k, v)
        self.seconds += time.perf_counter() - begin
        self.calls += 1
        return out


class NumpyAttention(TimedAttention):
    """Plain float32 numpy: something to measure attn against, never used unasked."""

    def compute(self, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        _, heads, new, dim = q.shape
        kv_heads, present = k.shape[1:3]
        grouped = q.reshape(kv_heads, heads // kv_heads * new, dim)
        scores = grouped @ k[0].swapaxes(1, 2) * np.float32(dim**-0.5)
        scores = scores.reshape(kv_heads, -1, new, present)
        if new > 1:
            future = np.arange(present) > np.arange(present - new, present)[:, None]
            scores[:, :, future] = -np.inf
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        out = scores.reshape(kv_heads, -1, present) @ v[0]
        return out.reshape(q.shape)


class AttnAttention(TimedAttention):
    """One function compiled by attn, for prefill and decode alike: lengths stay open."""

    def __init__(self, config: Config, threads: int | None) -> None:
        super().__init__()
        import attn  # Here, so that --help and --backend=numpy work without it.

        self._threads = threads
        rows = attn.spec((None, None, None, config.head_dim), "float32")
        begin = time.perf_counter()
        self.plan = attn.compile(attn.attention, rows, rows, rows, causal="bottom_right")
        self.compile_seconds = time.perf_counter() - begin
        self.source = self.plan.source

    def compute(self, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        # q is a view with the heads innermost; a result laid out like it needs no copy later.
        return self.plan.run(q, k, v, out=np.empty_like(q), num_threads=self._threads)


BACKENDS = ("attn", "numpy")


def make_attention(backend: str, config: Config, threads: int | None = None) -> TimedAttention:
    """The attention function named `backend`, compiled and ready."""
    if backend == "numpy":
        return NumpyAttention()
    if backend == "attn":
        return AttnAttention(config, threads)
    raise ValueError(f"expects a backend out of {', '.join(BACKENDS)}, but got '{backend}'")
