# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""docs/Spec.md, section 6: 1,000 calls of each kernel on the same inputs give the same bits, on any number of threads.

Shapes are small, so that a kernel's calls take seconds, and as many as it takes for each kernel to have several tasks
and, where it merges, several parts.
"""

from __future__ import annotations

import os
import re

import ml_dtypes
import numpy as np
import pytest

import attn

REPEATS = int(os.environ.get("ATTN_DETERMINISM_REPEATS", "1000"))

WEIGHTS = """
func.func @main(%q: tensor<?x?x?x16xT>, %k: tensor<?x?x?x16xT>, %v: tensor<?x?x?x16xT>)
    -> (tensor<?x?x?x16xT>, tensor<?x?x?xf32>, tensor<?x?x?x?xT>) {
  %out, %lse, %scores = attn.attention %q, %k, %v
      : tensor<?x?x?x16xT>, tensor<?x?x?x16xT>, tensor<?x?x?x16xT>
      -> tensor<?x?x?x16xT>, tensor<?x?x?xf32> scores weight : tensor<?x?x?x?xT>
  return %out, %lse, %scores : tensor<?x?x?x16xT>, tensor<?x?x?xf32>, tensor<?x?x?x?xT>
}
"""


def arrays(dtype, queries: int, keys: int, heads: int = 2):
    """q [1, 2 heads, queries, 16], k and v [1, heads, keys, 16].

    Numbers of many sizes, so that sums feel their order.
    """
    rng = np.random.default_rng(11)

    def numbers(h, s):
        x = rng.standard_normal((1, h, s, 16), np.float32) * np.exp2(rng.integers(-6, 2, (1, h, s, 1)))
        return x.astype(dtype)

    return numbers(2 * heads, queries), numbers(heads, keys), numbers(heads, keys)


def tile(dtype):
    q, k, v = arrays(dtype, 130, 200)
    return lambda n: attn.attention(q, k, v, causal="bottom_right", return_lse=True, num_threads=n)


def invariant_tile(dtype):
    q, k, v = arrays(dtype, 5, 300)
    options = {"causal": "bottom_right", "return_lse": True, "batch_invariant": True}
    return lambda n: attn.attention(q, k, v, num_threads=n, **options)


def row_in_parts(dtype):
    q, k, v = arrays(dtype, 2, 2500)  # three parts of 1,024 keys
    return lambda n: attn.attention(q, k, v, return_lse=True, num_threads=n)


def guarded(dtype):
    q, k, v = arrays(dtype, 60, 90)
    v[:, :, 70:] = np.inf  # behind the length: hidden, but the fast form meets it
    mask = np.arange(90) < 70
    return lambda n: attn.attention(q, k, v, mask=mask, return_lse=True, num_threads=n)


def block_table(dtype):
    q, k, v = arrays(dtype, 100, 300)
    mask = np.random.default_rng(2).random((100, 300)) < 0.4
    return lambda n: attn.attention(q, k, v, mask=mask, return_lse=True, num_threads=n)


def whole_rows(dtype):
    plan = attn.compile(WEIGHTS.replace("xT", "xf32" if dtype == np.float32 else "xbf16"))
    q, k, v = arrays(dtype, 20, 60)
    return lambda n: plan.run(q, k, v, num_threads=n)


def gradient(dtype):
    q, k, v = arrays(dtype, 70, 110)
    out, lse = attn.attention(q, k, v, causal="bottom_right", return_lse=True)
    return lambda n: attn.attention_grad(q, k, v, out, lse, q, causal="bottom_right", num_threads=n)[:3]


def paged_gradient(dtype):
    q, k, v = (np.repeat(x, 3, axis=0) for x in arrays(dtype, 40, 56))
    pools = [x.reshape(3, 2, 7, 8, 16).transpose(0, 2, 1, 3, 4).reshape(21, 2, 8, 16) for x in (k, v)]
    # Three sequences over nine pages: all but one are shared.
    table = np.stack([np.random.default_rng(n).permutation(9)[:7] for n in range(3)]).astype(np.int32)[:, None]
    options = {"page_table": table, "causal": "bottom_right"}
    out, lse = attn.attention(q, *pools, return_lse=True, **options)
    return lambda n: attn.attention_grad(q, *pools, out, lse, q, num_threads=n, **options)[:3]


def merge(dtype):
    outs = [x for n in range(3) for x in arrays(dtype, 40, 40 + n)[:1]]
    lses = [np.random.default_rng(n).standard_normal(outs[0].shape[:3], np.float32) for n in range(3)]
    return lambda n: attn.merge_states(outs, lses, num_threads=n)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16], ids=["f32", "bf16"])
@pytest.mark.parametrize(
    "kernel", [tile, invariant_tile, row_in_parts, guarded, block_table, whole_rows, gradient, paged_gradient, merge]
)
def test_a_thousand_calls_give_the_same_bits(kernel, dtype):
    run = kernel(dtype)

    def bits(threads: int) -> list[bytes]:
        return [np.asarray(x).tobytes() for x in run(threads)]

    first = bits(1)
    assert any(any(x) for x in first)  # not all zero
    for n in range(REPEATS):
        assert bits(1 + n % 2) == first, f"call {n}, {1 + n % 2} threads"


def test_the_row_kernel_has_parts():
    """The shapes above do reach the kernels that they are for."""
    plan = attn.compile(attn.attention, *(attn.spec((None, None, None, 16), "f32"),) * 3)
    told = re.search(r"up to (\d+) queries take the row kernel, in parts of (\d+) keys", plan.explain())
    assert told and 2 <= int(told[1]) < 60 and 2 * int(told[2]) < 2500
    assert "materialises" in attn.compile(WEIGHTS.replace("xT", "xf32")).explain()


def test_the_guarded_form_ran():
    x = attn.spec((None, None, None, 16), "f32")
    plan = attn.compile(attn.attention, x, x, x, mask=attn.spec((1, 1, None, None), "i1"))
    q, k, v = arrays(np.float32, 60, 90)
    v[:, :, 70:] = np.inf
    before = plan._program.kernel.counters["guard_recomputations"]
    plan.run(q, k, v, np.broadcast_to(np.arange(90) < 70, (1, 1, 60, 90)))
    assert plan._program.kernel.counters["guard_recomputations"] > before
