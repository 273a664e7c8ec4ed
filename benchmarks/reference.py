# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention in float64 on some rows of a case, and how far from it a result may be.

A few rows are enough to find a wrong kernel, and take milliseconds where all of
them would take minutes: rows of attention do not depend on each other.
"""

from __future__ import annotations

import numpy as np

from benchmarks import inputs
from benchmarks.cases import Case


def sample_rows(case: Case, count: int = 24) -> np.ndarray:
    """The first and the last query and some between, in order."""
    if case.queries <= count:
        return np.arange(case.queries)
    drawn = np.random.default_rng(3).choice(np.arange(1, case.queries - 1), count - 2, replace=False)
    return np.sort(np.concatenate(([0, case.queries - 1], drawn)))


def attention(case: Case, rows: np.ndarray, number: type = np.float64) -> tuple[np.ndarray, float]:
    """[batch, heads, rows, dim] of the rows, and the largest score.

    With float32, what "plain" means in section 5 of docs/Spec.md: scores and sums
    in f32, weights and result rounded to the case's type.
    """
    q, k, v = inputs.arrays(case)
    seen = inputs.visible(case, rows)
    batches = min(case.batch, 2)
    out = np.zeros((batches, case.heads, len(rows), case.dim), np.float64)
    largest = 0.0
    kind = inputs.numpy_type(case.dtype)
    for b in range(batches):
        for h in range(case.heads):
            keys, values = (x[b, h // case.group].astype(number) for x in (k, v))
            scores = q[b, h, rows].astype(number) @ keys.T * number(case.dim**-0.5)
            if case.score == "softcap":
                scores = number(inputs.SOFTCAP) * np.tanh(scores / number(inputs.SOFTCAP))
            elif case.score == "alibi":
                scores += number(inputs.slopes(case)[h]) * (np.arange(case.keys) - rows[:, None]).astype(number)
            largest = max(largest, float(np.abs(scores[seen]).max()))
            scores[~seen] = -np.inf
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            total = weights.sum(-1, keepdims=True)
            if number is np.float64:
                out[b, h] = weights @ values / total
            else:
                out[b, h] = ((weights.astype(kind).astype(number) @ values) / total).astype(kind)
    return out, largest


def gradients(case: Case, rows: np.ndarray) -> np.ndarray:
    """[1, heads, rows, 3 dim]: rows of dq, dk and dv of the first batch entry, for as many KV heads as heads."""
    assert case.group == 1 and case.queries == case.keys
    q, k, v = (x[0].astype(np.float64) for x in inputs.arrays(case))
    dout = inputs.dout(case)[0].astype(np.float64)
    seen = inputs.visible(case, np.arange(case.queries))
    out = np.zeros((1, case.heads, len(rows), 3 * case.dim))
    scale = case.dim**-0.5
    for h in range(case.heads):
        scores = np.where(seen, q[h] @ k[h].T * scale, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        dweights = dout[h] @ v[h].T
        dscores = weights * (dweights - (weights * dweights).sum(-1, keepdims=True)) * scale
        parts = dscores[rows] @ k[h], dscores[:, rows].T @ q[h], weights[:, rows].T @ dout[h]
        out[0, h] = np.concatenate(parts, axis=1)
    return out


def tolerance(case: Case, exact: np.ndarray, largest: float) -> float:
    """The error that section 5 of docs/Spec.md allows, against sampled rows."""
    value = float(np.abs(inputs.arrays(case)[2].astype(np.float32)).max())
    if case.dtype == "f32":
        return 2e-6 * value * max(1.0, largest / 8)
    ulp = {"bf16": 2.0**-7, "f16": 2.0**-10}[case.dtype] * 2.0 ** np.floor(np.log2(value))
    plain, _ = attention(case, sample_rows(case), np.float32)
    return max(2 * float(np.abs(plain - exact).max()), float(ulp))


class Judge:
    """Remembers the reference of a case while several peers are held against it."""

    def __init__(self) -> None:
        self.known: dict[tuple, tuple[np.ndarray, float]] = {}

    def error(self, case: Case, got: np.ndarray) -> tuple[float, float]:
        """The largest error of the sampled rows, and the one that is allowed."""
        key = (case.but("", floor=None, threads=0, page=0, shuffled=False, separate=False),)
        if key not in self.known:
            if case.backward:
                exact = gradients(case, sample_rows(case))
                # Sums over all queries: an error of the size of the largest gradient's rounding, some times over.
                allowed = (1e-5 if case.dtype == "f32" else 3e-2) * float(np.abs(exact).max())
            else:
                exact, largest = attention(case, sample_rows(case))
                allowed = tolerance(case, exact, largest)
            self.known = {**dict(list(self.known.items())[-3:]), key: (exact, allowed)}
        exact, allowed = self.known[key]
        got = got[: exact.shape[0]]
        if got.shape != exact.shape:
            raise ValueError(f"expects a result of shape {exact.shape}, but got {got.shape}")
        difference = np.abs(got - exact)
        # A NaN is no small error.
        return float(np.where(np.isnan(difference), np.inf, difference).max()), allowed
