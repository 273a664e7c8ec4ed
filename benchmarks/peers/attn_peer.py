# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""attn itself."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

import attn
from benchmarks import inputs
from benchmarks.cases import Case
from benchmarks.peers import Unsupported, Variant, Variants


def arguments(case: Case) -> dict[str, Any]:
    """The keywords of a case's call."""
    more: dict[str, Any] = {"batch_invariant": True} if case.invariant else {}
    if case.score == "softcap":
        more["softcap"] = inputs.SOFTCAP
    elif case.score == "alibi":
        slopes = inputs.slopes(case)
        more["score_mod"] = lambda s, b, h, i, j: s + slopes[h] * (j - i)
    return {**masked(case), **more}


def masked(case: Case) -> dict[str, Any]:
    """Those that say which keys are seen."""
    if case.window:
        return {"window": case.window, "align": "bottom_right"}
    if case.documents:
        of = inputs.documents(case)
        bounds = inputs.offsets(tuple(np.bincount(of)))
        return {"cu_seqlens_q": bounds, "causal": "bottom_right" if case.causal else None}
    if case.blocks is not None:
        blocks = inputs.block_list(case)
        return {"mask_mod": lambda b, h, q, kv: blocks[q // inputs.BLOCK, kv // inputs.BLOCK]}
    return {"causal": "bottom_right"} if case.causal else {}


def variants(case: Case) -> Variants:
    q, k, v = inputs.arrays(case)
    if case.lengths:
        run, out = packed(case, q, k, v)
    elif case.backward:
        run, out = gradients(case, q, k, v), None
    else:
        more = arguments(case)
        if case.page:
            k, v, table = inputs.pages(case, k, v)
            more["page_table"] = table
        out = np.empty_like(q)

        def run() -> Any:
            return attn.attention(q, k, v, out=out, num_threads=case.threads, **more)

    def result(value: Any) -> np.ndarray:
        if case.backward:
            return inputs.gradients(value)
        # Packed results are [slots, heads, dim].
        return value.transpose(1, 0, 2)[None] if case.lengths else value

    yield Variant("attn", run, result)


def packed(case: Case, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> tuple[Callable[[], Any], np.ndarray]:
    """All sequences in one call, or one call for each of them."""
    q, k, v = (np.ascontiguousarray(x[0].transpose(1, 0, 2)) for x in (q, k, v))
    out = np.empty_like(q)
    bounds = inputs.offsets(case.lengths)
    causal = "bottom_right" if case.causal else None

    def together() -> Any:
        return attn.attention(q, k, v, cu_seqlens_q=bounds, causal=causal, layout="thd", out=out,
                              num_threads=case.threads, batch_invariant=case.invariant)

    parts = [tuple(x[None, a:b] for x in (q, k, v, out)) for a, b in zip(bounds[:-1], bounds[1:])]

    def apart() -> Any:
        for pq, pk, pv, po in parts:
            attn.attention(pq, pk, pv, causal=causal, layout="bshd", out=po, num_threads=case.threads)
        return out

    return (apart if case.separate else together), out


def gradients(case: Case, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> Callable[[], Any]:
    """The gradients of q, k and v: attn.attention_grad(q, k, v, out, lse, dout, ...)."""
    grad = getattr(attn, "attention_grad", None)
    if grad is None:
        raise Unsupported("attn has no attention_grad")
    more = arguments(case)
    out, lse = attn.attention(q, k, v, return_lse=True, num_threads=case.threads, **more)
    dout = inputs.dout(case)
    return lambda: grad(q, k, v, out, lse, dout, num_threads=case.threads, **more)
