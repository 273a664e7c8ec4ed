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
