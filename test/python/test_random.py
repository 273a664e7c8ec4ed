# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random programs and configurations: compiled code against the float64 oracle.

Half of the cases are the same in every run, the others follow a seed that is
printed (`ATTN_RANDOM_SEED` sets it). One program serves several sizes with one
compilation. A failure prints the command that repeats it.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATE = ROOT / "test" / "Random" / "generate.py"
BUILD = pathlib.Path(os.environ.get("ATTN_BUILD_DIR", ROOT / "build"))
RUN = BUILD / "bin" / "attn-run"
PROGRAMS, SIZES = 32, 8  # twice 256 cases

sys.path.insert(0, str(GENERATE.parent))
import generate  # noqa: E402


def run_programs(folder: pathlib.Path, first: int, programs: int = PROGRAMS, target: str = "host") -> None:
    subprocess.run([sys.executable, GENERATE, "--count", str(programs), "--sizes", str(SIZES), "--seed",
                    str(first), "--out", str(folder)], check=True)
    done = subprocess.run([RUN, "--suite", folder, "--backend=cpu", f"--target={target}"], text=True, capture_output=True)
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    for line in failed:
        number = int(re.search(r"program-(\d+)\.mlir", line)[1])
        sizes = re.search(r" with ([^:]*):", line)
        dims = "".join(f" --dim {size}" for size in sizes[1].split()) if sizes else ""
        print(f"{line}\n  again: python3 test/Random/generate.py --program {number} --sizes {SIZES} > program.mlir"
              f" && {RUN.name} program.mlir --check --target={target}{dims}")
    assert not failed and done.returncode == 0, done.stdout + done.stderr
    cases = sum(int(n) for n in re.findall(r"\((\d+) runs", done.stdout))
    assert cases == programs * SIZES, done.stdout
    print(f"{cases} random cases from seed {first} for {target}: all match the oracle")


@pytest.mark.timeout(900)
def test_fixed_cases(tmp_path):
    run_programs(tmp_path, 0)


@pytest.mark.timeout(900)
def test_rotating_cases(tmp_path):
    seed = int(os.environ.get("ATTN_RANDOM_SEED", time.time_ns() // 10**9 % 10**6 + 1000))
    print(f"ATTN_RANDOM_SEED={seed}")
    run_programs(tmp_path, seed)


def cpu_flags() -> set[str]:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    return set(next((line for line in text.splitlines() if line.startswith("flags")), "").split())


@pytest.mark.timeout(900)
@pytest.mark.parametrize("target, needs", [("avx512", "avx512f"), ("avx2", "avx2"), ("sse4", "sse4_2"),
                                           ("generic", "sse2")])
def test_every_target_that_this_cpu_has(tmp_path, target, needs):
    """Not only the widest row of the schedule table is right."""
    if needs not in cpu_flags():
        pytest.skip(f"this CPU has no {needs}")
    run_programs(tmp_path, 500, programs=6, target=target)


def test_programs_cover_every_operand():
    """The fixed half alone uses every clause, region, dtype and layout there is."""
    texts = [generate.Program(seed, SIZES).text() for seed in range(PROGRAMS)]
    together = "\n".join(texts)
    clauses = [f"{c}(" for c in generate.Program.ORDER if c not in ("mask", "align")]
    wanted = clauses + ["mask <", "align top_left", "align bottom_right", "score_mod {", "mask_mod {",
                        "softcap", "axes = ", "causal", "band<", "prefix", "document", "f64", "f16", "bf16"]
    assert not [w for w in wanted if w not in together]


def test_a_program_follows_from_its_seed():
    assert generate.Program(7, SIZES).text() == generate.Program(7, SIZES).text()
    assert generate.Program(7, SIZES).text() != generate.Program(8, SIZES).text()
