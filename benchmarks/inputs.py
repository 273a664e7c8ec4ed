# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The arrays and the masks of a case: the same bits in every process that asks."""

from __future__ import annotations

import functools

import numpy as np

from benchmarks.cases import Case

#: The side of a kept or hidden block of a block list.
BLOCK = 128


def numpy_type(dtype: str) -> np.dtype:
    if dtype == "bf16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype({"f64": "float64", "f32": "float32", "f16": "float16"}[dtype])


def arrays(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """q, k and v, each [batch, heads, length, dim] and contiguous."""
    rng = np.random.default_rng(0)

    def draw(heads: int, length: int) -> np.ndarray:
        drawn = rng.standard_normal((case.batch, heads, length, case.dim), dtype=np.float32)
        return drawn.astype(numpy_type(case.dtype), copy=False)

    return draw(case.heads, case.queries), draw(case.kv_heads, case.keys), draw(case.kv_heads, case.keys)


#: c of the softcap c tanh(s / c).
SOFTCAP = 3.0


def slopes(case: Case) -> np.ndarray:
    """ALiBi's slope of each head: key j gets slope * (j - i) beside query i."""
    return np.exp2(-8.0 * np.arange(1, case.heads + 1) / case.heads).astype(np.float32)


def bias(case: Case) -> np.ndarray:
    """The same as numbers, [1, heads, queries, keys], for those that take no formula."""
    away = np.arange(case.keys, dtype=np.float32) - np.arange(case.queries, dtype=np.float32)[:, None]
    return (slopes(case)[:, None, None] * away)[None].astype(numpy_type(case.dtype))


def dout(case: Case) -> np.ndarray:
    """The gradient of the result, for a case with `backward`."""
    shape = (case.batch, case.heads, case.queries, case.dim)
    return np.random.default_rng(4).standard_normal(shape, dtype=np.float32).astype(numpy_type(case.dtype))


def gradients(found: tuple[np.ndarray, ...]) -> np.ndarray:
    """dq, dk and dv side by side, so that a row holds all three."""
    return np.concatenate([np.asarray(x, np.float32) for x in found[:3]], axis=3)


def documents(case: Case) -> np.ndarray:
    """The document of each slot: equal parts, or the packed lengths."""
    if case.lengths:
        return np.repeat(np.arange(len(case.lengths), dtype=np.int32), case.lengths)
    return (np.arange(case.keys, dtype=np.int64) * case.documents // case.keys).astype(np.int32)


def offsets(lengths: tuple[int, ...]) -> np.ndarray:
    """Where packed sequences begin: (3, 2) -> [0, 3, 5]."""
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)


def block_list(case: Case) -> np.ndarray:
    """Which blocks are kept; the diagonal always, so that every query sees a key.

    The share is kept exactly: of 32 x 32 blocks at 25 %, 256.
    """
    assert case.blocks is not None
    side = -(-case.keys // BLOCK)
    rng = np.random.default_rng(1)
    order = rng.random((side, side))
    order[np.arange(side), np.arange(side)] = -1
    keep = max(side, round(case.blocks * side * side))
    return order <= np.sort(order, axis=None)[keep - 1]


def pages(case: Case, keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pools of k and v, [pages, heads, page, dim], and the page table."""
    count = case.keys // case.page
    order = np.arange(count)
    if case.shuffled:
        order = np.random.default_rng(2).permutation(count)

    def pool(x: np.ndarray) -> np.ndarray:
        split = x[0].reshape(case.kv_heads, count, case.page, case.dim).transpose(1, 0, 2, 3)
        out = np.empty(split.shape, split.dtype)
        out[order] = split
        return out

    return pool(keys), pool(values), order.astype(np.int32)[None]


def visible(case: Case, rows: np.ndarray) -> np.ndarray:
    """bool[rows, keys]: what these queries see."""
    key = np.arange(case.keys)
    query = rows[:, None] + (case.keys - case.queries)
    seen = np.ones((len(rows), case.keys), bool)
    if case.causal:
        seen &= key <= query
    if case.window:
        seen &= (key >= query - case.window[0]) & (key <= query + case.window[1])
    if case.documents or case.lengths:
        of = documents(case)
        seen &= of[rows][:, None] == of[None]
    if case.blocks is not None:
        seen &= block_list(case)[rows[:, None] // BLOCK, key[None] // BLOCK]
    return seen


@functools.lru_cache(maxsize=None)
def kept_pairs(case: Case) -> int:
    """How many pairs the mask keeps, counted."""
    rows = np.arange(case.queries)
    return sum(int(visible(case, rows[at : at + 256]).sum()) for at in range(0, case.queries, 256))
