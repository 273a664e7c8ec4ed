# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""jax.nn.dot_product_attention, jitted."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from benchmarks import inputs
from benchmarks.cases import Case
from benchmarks.peers import Unsupported, Variant, Variants


def variants(case: Case) -> Variants:
    if case.page or case.lengths or case.backward:
        raise Unsupported("jax has no pages or packed sequences here")
    if case.score == "softcap":
        raise Unsupported("jax has no softcap here")
    # [batch, length, heads, dim] is the only layout.
    q, k, v = (jax.numpy.asarray(np.ascontiguousarray(x.transpose(0, 2, 1, 3))) for x in inputs.arrays(case))
    mask = None
    if case.documents or case.blocks is not None:
        mask = jax.numpy.asarray(inputs.visible(case, np.arange(case.queries)))[None, None]
    bias = jax.numpy.asarray(inputs.bias(case)) if case.score == "alibi" else None
    causal = case.causal and not case.decode

    @jax.jit
    def call(q: Any, k: Any, v: Any, mask: Any, bias: Any) -> Any:
        return jax.nn.dot_product_attention(q, k, v, bias=bias, mask=mask, is_causal=causal,
                                            local_window_size=case.window)  # fmt: skip

    yield Variant(
        "jit",
        lambda: call(q, k, v, mask, bias).block_until_ready(),
        lambda out: np.asarray(out.astype(np.float32)).transpose(0, 2, 1, 3),
    )
