# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention in numpy, with its matrix products in the BLAS that numpy has."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import inputs
from benchmarks.cases import Case
from benchmarks.peers import Unsupported, Variant, Variants


def variants(case: Case) -> Variants:
    if case.dtype != "f32" or case.page or case.lengths or case.backward or case.batch > 1 or case.score:
        raise Unsupported("numpy computes f32 in one batch entry without a softcap or ALiBi only here")
    q, k, v = inputs.arrays(case)
    grouped = q.reshape(case.kv_heads, case.group * case.queries, case.dim)
    keys, values = k[0], v[0]
    scale = np.float32(case.dim**-0.5)
    hidden = None
    if case.causal or case.window or case.documents or case.blocks is not None:
        hidden = ~inputs.visible(case, np.arange(case.queries))

    def run() -> Any:
        scores = grouped @ keys.transpose(0, 2, 1)
        scores *= scale
        if hidden is not None:
            scores.reshape(case.kv_heads, case.group, case.queries, case.keys)[..., hidden] = -np.inf
        scores -= scores.max(-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(-1, keepdims=True)
        return scores @ values

    yield Variant("numpy", run, lambda out: out.reshape(q.shape))
