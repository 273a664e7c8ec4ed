# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs that are wrong: an error with a place and a reason, and the process goes on."""

from __future__ import annotations

import os
import pathlib
import subprocess

import numpy as np
import pytest

import attn
from attn import reference

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("ATTN_BUILD_DIR", ROOT / "build")) / "bin" / "attn-opt"

GOOD = """
func.func @main(%q: tensor<?x2x?x16xf32>, %k: tensor<?x2x?x16xf32>, %v: tensor<?x2x?x16xf32>) -> tensor<?x2x?x16xf32> {
  %out = attn.attention %q, %k, %v mask <causal> align top_left
      : tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32> -> tensor<?x2x?x16xf32>
  return %out : tensor<?x2x?x16xf32>
}
"""


def still_works() -> None:
    q = np.ones((1, 2, 3, 16), np.float32)
    np.testing.assert_allclose(attn.attention(q, q, q), q, rtol=1e-6)


@pytest.mark.parametrize(
    "text, line",
    [
        ("this is no program", 1),
        (GOOD.replace("align top_left", "align middle"), 3),
        (GOOD.replace("%v mask", "%w mask"), 3),
        (GOOD.replace("return %out", "return"), 5),
        (GOOD[: len(GOOD) // 2], 3),
        (GOOD.replace("attn.attention", "attn.atention"), 3),
    ],
    ids=["words", "keyword", "unknown value", "missing operand", "cut off", "unknown op"],
)
def test_fault_01_bad_programs_are_refused_with_their_line(text, line):
    with pytest.raises(attn.CompileError) as caught:
        attn.compile(text)
    assert f":{line}:" in str(caught.value)
    still_works()


def bytecode() -> bytes:
    return subprocess.run([TOOL, "-", "--emit-bytecode"], input=GOOD.encode(), capture_output=True, check=True).stdout


def test_fault_03_truncated_and_future_bytecode_is_refused():
    whole = bytecode()
    broken = [whole[:n] for n in range(4, len(whole), max(1, len(whole) // 24))]
    broken.append(whole[:4] + b"\xff" + whole[5:])  # a version from the future
    for data in broken:
        with pytest.raises(attn.AttnError) as caught:
            attn.compile(data)
        assert str(caught.value).strip()
    still_works()


def test_fault_05_static_sizes_that_overflow_are_refused():
    huge = GOOD.replace("?x2x?x16", "4611686018427387904x2x8x16")
    with pytest.raises(attn.AttnError, match="expects the byte size of q to fit 63 bits, but got shape"):
        attn.compile(huge)
    still_works()


@pytest.mark.parametrize("queries", [1, 20])
@pytest.mark.parametrize("dtype, large", [("f4", 3e36), ("f8", 1e306)])
def test_fault_13_large_values_do_not_overflow_on_the_way(dtype, large, queries):
    """One key of 512 has a value near the largest number: a share of it is finite."""
    q = np.ones((1, 1, queries, 1), dtype)
    k, v = np.zeros((1, 1, 512, 1), dtype), np.zeros((1, 1, 512, 1), dtype)
    k[..., -1, :], v[..., -1, :] = 5.5, large
    want = large * (np.exp(5.5) / (np.exp(5.5) + 511))
    np.testing.assert_allclose(attn.attention(q, k, v, scale=1.0), want, rtol=1e-5)


@pytest.mark.parametrize("target", ["host", "avx2", "sse4", "generic"])
def test_pages_that_start_between_groups_of_keys(target):
    """Windows whose first key is in no aligned group; f64 has the fewest lanes."""
    rng = np.random.default_rng(6)

    def call(q, k, v, table, lengths):
        return attn.attention(q, k, v, page_table=table, page_size=8, kv_lengths=lengths, causal="bottom_right",
                              window=(601, 0))

    spec = attn.spec
    try:
        plan = attn.compile(call, spec((None, 2, None, 16), "f64"), spec((None, 1, 8, 16), "f64"),
                            spec((None, 1, 8, 16), "f64"), spec((None, 1, None), "i32"), spec((None,), "i32"),
                            target=target)
    except attn.CacheError as error:
        pytest.skip(str(error))  # this CPU has not got it
    pages = 180
    for length in (620, 801, 983, 984, 985, 1201, 1320, 1440):
        q = rng.standard_normal((1, 2, 1, 16))
        k, v = rng.standard_normal((2, pages, 1, 8, 16))
        table = rng.permutation(pages).astype(np.int32)[None, None]
        keys, values = (x[table[0, 0]].reshape(1, 1, -1, 16) for x in (k, v))
        distance = np.arange(pages * 8)[None] - (length - 1)
        seen = (distance <= 0) & (distance >= -601)
        want = reference.attention(q, keys, values, mask=seen)[0]
        got = plan.run(q, k, v, table, np.array([length], np.int32))
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
