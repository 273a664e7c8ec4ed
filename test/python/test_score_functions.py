# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions that a score_mod calls: how far compiled code is from the true value, in units in the last place.

One query of 1.0 and keys of one column: the score of key x is f(x), which the op gives as a result.
"""

from __future__ import annotations

import os
import pathlib
import subprocess

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = pathlib.Path(os.environ.get("ATTN_BUILD_DIR", ROOT / "build")) / "bin" / "attn-run"

PROGRAM = """
func.func @main(%q: tensor<1x1x1x1xf32> {{attn.name = "q"}}, %k: tensor<1x1x?x1xf32> {{attn.name = "k"}})
    -> tensor<1x1x1x?xf32> {{
  %out, %scores = attn.attention %q, %k, %k {{{softcap}scale = 1.0 : f64}}
      {score_mod}
      : tensor<1x1x1x1xf32>, tensor<1x1x?x1xf32>, tensor<1x1x?x1xf32> -> tensor<1x1x1x1xf32> scores score : tensor<1x1x1x?xf32>
  return %scores : tensor<1x1x1x?xf32>
}}
"""
SCORE_MOD = """score_mod {{
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %y = math.{} %s : f32
        attn.yield %y : f32
      }}"""


def program(function: str) -> str:
    if function == "softcap":
        return PROGRAM.format(softcap="softcap = 1.0 : f64, ", score_mod="")
    text = PROGRAM.format(softcap="", score_mod="SCORE_MOD")
    # Clauses come before the attributes.
    text = text.replace(" {scale = 1.0 : f64}\n      SCORE_MOD", f"\n      {SCORE_MOD.format(function)} {{scale = 1.0 : f64}}")
    return text


def samples(function: str) -> np.ndarray:
    """Random numbers over all sizes that matter, the edges of the ranges, and what is no number at all."""
    rng = np.random.default_rng(11)
    wide = {"exp": 110.0, "exp2": 160.0}.get(function, 12.0)
    small = np.exp2(rng.uniform(-30, 4, 30_000)) * rng.choice([-1, 1], 30_000)
    edges = np.array([0.625, 88.722839, 88.72284, -87.33655, -103.97, -104.5, 127.9999, 128, 0.5, 9.01, 1e-38, 1e-45])
    some = np.concatenate([rng.uniform(-wide, wide, 60_000), small, edges, -edges, np.nextafter(edges, 0), [0.0, -0.0]])
    return np.concatenate([some, [np.inf, -np.inf, np.nan, 3e38, -3e38]]).astype(np.float32)


def cpu_has(target: str) -> bool:
    needs = {"avx512": "avx512f", "avx2": "avx2", "sse4": "sse4_2"}.get(target)
    return needs is None or needs in pathlib.Path("/proc/cpuinfo").read_text()


@pytest.mark.parametrize("target", ["avx512", "avx2", "sse4", "generic"])
@pytest.mark.parametrize("function", ["tanh", "softcap", "exp", "exp2"])
def test_within_two_units_in_the_last_place(function, target, tmp_path):
    if not cpu_has(target):
        pytest.skip(f"this CPU has no {target}")
    x = samples(function)
    (tmp_path / "program.mlir").write_text(program(function))
    np.savez(tmp_path / "in.npz", q=np.ones((1, 1, 1, 1), np.float32), k=x.reshape(1, 1, -1, 1))
    subprocess.run([RUN, "program.mlir", f"--target={target}", "--inputs", "in.npz", "--save", "out.npz"], check=True,
                   cwd=tmp_path, capture_output=True)  # fmt: skip
    with np.load(tmp_path / "out.npz") as saved:
        got = saved[saved.files[0]].ravel()
    of = {"exp": np.exp, "exp2": np.exp2}.get(function, np.tanh)
    with np.errstate(over="ignore", invalid="ignore"):
        true = of(x.astype(np.float64))
        rounded = true.astype(np.float32)
        finite = np.isfinite(rounded)
        normal = finite & (np.abs(true) >= np.finfo(np.float32).tiny)
        units = np.abs(got[normal] - true[normal]) / np.spacing(np.abs(rounded[normal]))
    assert np.array_equal(got[~finite], rounded[~finite], equal_nan=True)
    assert np.abs(got[finite & ~normal] - true[finite & ~normal]).max() <= np.finfo(np.float32).tiny
    worst = units.argmax()
    assert units[worst] <= 2, (x[normal][worst], got[normal][worst], true[normal][worst], units[worst])
    assert (np.sign(got) == np.sign(rounded))[normal].all()
