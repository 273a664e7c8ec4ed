# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Scores as a result and prob_mod, oracle and compiled, against a few lines of numpy."""

from __future__ import annotations

import numpy as np
import pytest

import attn

KINDS = ("product", "softcapped", "score", "weight")
PROGRAM = """
func.func @main(%q: tensor<?x?x?x16xf32>, %k: tensor<?x?x?x16xf32>, %v: tensor<?x?x?x12xf32>,
                %bias: tensor<?x?xf32>, %n: tensor<?xi32>, %sinks: tensor<?xf32>, %factors: tensor<?xf32>)
    -> (tensor<?x?x?x12xf32>, tensor<?x?x?xf32>, tensor<?x?x?x?xf32>) {
  %out, %lse, %scores = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      bias(%bias : tensor<?x?xf32>) kv_lengths(%n : tensor<?xi32>) sinks(%sinks : tensor<?xf32>)
      captures(%factors : tensor<?xf32>)
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32, %of_head: tensor<?xf32>):
        %f = attn.load %of_head[%h] : tensor<?xf32>
        %d = arith.subi %i, %j : i32
        %e = arith.sitofp %d : i32 to f32
        %x = arith.mulf %p, %e : f32
        %r = arith.addf %x, %f : f32
        attn.yield %r : f32
      } {softcap = 2.0 : f64, scale = 0.5 : f64}
      : tensor<?x?x?x16xf32>, tensor<?x?x?x16xf32>, tensor<?x?x?x12xf32>
      -> tensor<?x?x?x12xf32>, tensor<?x?x?xf32> scores KIND : tensor<?x?x?x?xf32>
  return %out, %lse, %scores : tensor<?x?x?x12xf32>, tensor<?x?x?xf32>, tensor<?x?x?x?xf32>
}
"""


def twin(q, k, v, bias, n, sinks, factors, kind):
    """The formula, whole arrays at a time."""
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    k, v = (np.repeat(x, q.shape[1] // x.shape[1], 1) for x in (k, v))
    i, j = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])[None, :]
    place = i + (n - q.shape[2]).reshape(-1, 1, 1, 1)
    product = 0.5 * q @ k.swapaxes(-1, -2)
    capped = 2 * np.tanh(product / 2)
    keep = np.broadcast_to((j <= place) & (j < n.reshape(-1, 1, 1, 1)), product.shape)
    score = np.where(keep, capped + bias, -np.inf)
    sink = sinks.astype(np.float64).reshape(1, -1, 1, 1)
    lse = np.log(np.exp(score).sum(-1, keepdims=True) + np.exp(sink))
    weight = np.exp(score - lse)
    # A row that sees nothing gives 0, and so does a score of -inf unless prob_mod raises it.
    p = np.where(keep, weight * (place - j) + factors.reshape(1, -1, 1, 1), 0)
    p = np.where(np.isneginf(score).all(-1, keepdims=True), 0, p)
    return p @ v, lse[..., 0], (product, capped, score, weight)[kind]


@pytest.mark.parametrize("kind", range(4), ids=KINDS)
@pytest.mark.parametrize("sizes", [(2, 1, 2, 5, 9), (1, 2, 1, 1, 40), (3, 2, 3, 33, 17)])
def test_oracle_and_kernel_against_numpy(kind: int, sizes: tuple[int, ...]) -> None:
    b, hkv, group, queries, keys = sizes
    rng = np.random.default_rng(sum(sizes) + kind)
    q = rng.standard_normal((b, hkv * group, queries, 16), dtype=np.float32)
    k = rng.standard_normal((b, hkv, keys, 16), dtype=np.float32)
    v = rng.standard_normal((b, hkv, keys, 12), dtype=np.float32)
    bias = rng.standard_normal((queries, keys), dtype=np.float32)
    bias[:, ::7] = -np.inf  # prob_mod raises these
    n = rng.integers(0, keys + 1, b).astype(np.int32)
    sinks, factors = rng.standard_normal((2, hkv * group), dtype=np.float32)
    arrays = (q, k, v, bias, n, sinks, factors)
    plan = attn.compile(PROGRAM.replace("KIND", KINDS[kind]))
    want = twin(*arrays, kind)
    for got, exact, right in zip(plan.run(*arrays), plan.oracle(*arrays), want):
        np.testing.assert_allclose(exact, right, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(got, right, rtol=2e-5, atol=2e-5)


def test_the_same_bits_on_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    q, k = (rng.standard_normal((2, 2, 70, 16), dtype=np.float32) for _ in range(2))
    v = rng.standard_normal((2, 2, 70, 12), dtype=np.float32)
    arrays = (q, k, v, rng.standard_normal((70, 70), dtype=np.float32), np.array([70, 30], np.int32),
              *rng.standard_normal((2, 2), dtype=np.float32))  # fmt: skip
    plan = attn.compile(PROGRAM.replace("KIND", "weight"))
    first = plan.run(*arrays, num_threads=1)
    for threads in (2, 5):
        for a, b in zip(first, plan.run(*arrays, num_threads=threads)):
            np.testing.assert_array_equal(a, b)


def test_explain_says_that_it_materialises() -> None:
    text = attn.compile(PROGRAM.replace("KIND", "weight")).explain()
    assert (
        "materialises: the result scores (weight) takes a number per query, head and key, and prob_mod "
        "needs a row's weights as a whole"
    ) in text
