# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random programs and configurations: compiled code against the float64 oracle.

Half of the cases are the same in every run, the others follow a seed that is
printed (`ATTN_RANDOM_SEED` sets it). One program serves several sizes with one
compilation. A failure prints the command that repeats it.

The kernels for GPUs run on the PTX emulator, whose findings fail a case, and on
a device where there is one.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATE = ROOT / "test" / "Random" / "generate.py"
BUILD = pathlib.Path(os.environ.get("ATTN_BUILD_DIR", ROOT / "build"))
RUN = BUILD / "bin" / "attn-run"
PROGRAMS, SIZES = 32, 8  # twice 256 cases
GRAD_PROGRAMS, GRAD_SIZES = 26, 5  # twice 130 cases
GPU_FIRST, GPU_PROGRAMS, GPU_SIZES = 40, 20, 4  # twice 80 cases

sys.path.insert(0, str(GENERATE.parent))
import attn  # noqa: E402
import generate  # noqa: E402


def run_programs(folder: pathlib.Path, first: int, programs: int = PROGRAMS, target: str = "host") -> None:
    cases = run_suite(folder, first, programs, SIZES, ["--backend=cpu", f"--target={target}"])
    print(f"{cases} random cases from seed {first} for {target}: all match the oracle")


def run_suite(folder: pathlib.Path, first: int, programs: int, sizes: int, options: list[str],
              generator: list[str] = [], env: dict[str, str] = {}) -> int:
    """Runs random programs with attn-run's options; returns how many cases passed, which are all."""
    subprocess.run([sys.executable, GENERATE, "--count", str(programs), "--sizes", str(sizes), "--seed",
                    str(first), *generator, "--out", str(folder)], check=True)
    done = subprocess.run([RUN, "--suite", folder, *options], text=True, capture_output=True,
                          env={**os.environ, **env})
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    for line in failed:
        number = int(re.search(r"program-(\d+)\.mlir", line)[1])
        named = re.search(r" with ([^:]*):", line)
        dims = "".join(f" --dim {size}" for size in named[1].split()) if named else ""
        words = "".join(f" {word}" for word in generator)
        print(f"{line}\n  again: python3 test/Random/generate.py --program {number} --sizes {sizes}{words} > program.mlir"
              f" && {RUN.name} program.mlir --check {' '.join(options)}{dims}")
    assert not failed and done.returncode == 0, done.stdout + done.stderr
    cases = sum(int(n) for n in re.findall(r"\((\d+) runs", done.stdout))
    assert cases == programs * sizes, done.stdout
    return cases


@pytest.mark.timeout(900)
def test_fixed_cases(tmp_path):
    run_programs(tmp_path, 0)


@pytest.mark.timeout(900)
def test_rotating_cases(tmp_path):
    run_programs(tmp_path, rotating_seed())


# ---- gradients -------------------------------------------------------------------


def run_gradients(folder: pathlib.Path, first: int, programs: int = GRAD_PROGRAMS, target: str = "host") -> None:
    cases = run_suite(folder, first, programs, GRAD_SIZES, ["--backend=cpu", f"--target={target}"], ["--grad"])
    print(f"{cases} random gradients from seed {first} for {target}: all match the oracle")


@pytest.mark.timeout(900)
def test_gradients_fixed_cases(tmp_path):
    run_gradients(tmp_path, 0)


@pytest.mark.timeout(900)
def test_gradients_rotating_cases(tmp_path):
    run_gradients(tmp_path, rotating_seed())


@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", ["avx2", "sse4", "generic"])
def test_gradients_of_narrower_targets(tmp_path, target):
    run_gradients(tmp_path, 700, programs=4, target=target)


def test_gradient_programs_cover_every_operand():
    texts = [generate.Program(seed, GRAD_SIZES, grad=True).text() for seed in range(GRAD_PROGRAMS)]
    together = "\n".join(texts)
    clauses = [f"{c}(" for c in generate.Program.ORDER if c not in ("mask", "align")]
    wanted = clauses + ["mask <", "align top_left", "align bottom_right", "score_mod {", "mask_mod {", "softcap",
                        "causal", "band<", "prefix", "document", "f64", "f16", "bf16", "dlse(", " dbias(",
                        "dlog_weight(", "dsinks(", "dcaptures("]
    assert not [w for w in wanted if w not in together]


def rotating_seed() -> int:
    seed = int(os.environ.get("ATTN_RANDOM_SEED", time.time_ns() // 10**9 % 10**6 + 1000))
    print(f"ATTN_RANDOM_SEED={seed}")
    return seed


def cpu_flags() -> set[str]:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    return set(next((line for line in text.splitlines() if line.startswith("flags")), "").split())


@pytest.mark.timeout(900)
@pytest.mark.parametrize("target, needs", [("avx512bf16", "avx512_bf16"), ("avx512", "avx512f"), ("avx2", "avx2"), ("sse4", "sse4_2"),
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
                        "softcap", "axes = ", "causal", "band<", "prefix", "document", "f64", "f16", "bf16",
                        "batch_invariant"]
    assert not [w for w in wanted if w not in together]


# ---- kernels for GPUs ------------------------------------------------------------

# On the emulator nothing needs machine code, so ptxas does not run.
NO_PTXAS = {"ATTN_PTXAS": ""}


def run_gpu(folder: pathlib.Path, first: int, *options: str, backend: str = "emulated", programs: int = GPU_PROGRAMS) -> None:
    cases = run_suite(folder, first, programs, GPU_SIZES, [f"--backend={backend}", *options], ["--gpu"],
                      NO_PTXAS if backend == "emulated" else {})
    how = " with worst rounding" if options else ""
    print(f"gpu summary: {cases} random cases from seed {first}{how} passed ({backend}), 0 findings")


@pytest.mark.timeout(600)
def test_gpu_fixed_cases(tmp_path):
    run_gpu(tmp_path, GPU_FIRST)


@pytest.mark.timeout(600)
def test_gpu_fixed_cases_with_worst_rounding(tmp_path):
    run_gpu(tmp_path, GPU_FIRST, "--worst-rounding")


@pytest.mark.timeout(600)
def test_gpu_rotating_cases(tmp_path):
    run_gpu(tmp_path, rotating_seed())


@pytest.mark.timeout(600)
def test_gpu_rotating_cases_with_worst_rounding(tmp_path):
    run_gpu(tmp_path, rotating_seed(), "--worst-rounding")


@pytest.mark.timeout(900)
@pytest.mark.device
def test_gpu_cases_on_a_device(tmp_path):
    if not any(d.name == "cuda:0" and d.available for d in attn.devices()):
        pytest.skip("expects a GPU")
    run_gpu(tmp_path / "fixed", GPU_FIRST, backend="cuda")
    run_gpu(tmp_path / "rotating", rotating_seed(), backend="cuda")


FINDING = """
#define _GNU_SOURCE
#include <dlfcn.h>
const char *attnEmuReportJson(void *device) {
  (void)device;
  return "{\\"findings\\": [{\\"kind\\": \\"shared-race\\", \\"line\\": 7, \\"text\\": \\"st.shared\\"}]}";
}
"""


def test_gpu_findings_fail_a_case(tmp_path):
    """The emulator is the real one, but for a report that speaks of a race."""
    cc = next(c for c in ("clang-22", "clang", "cc") if shutil.which(c))
    (tmp_path / "finding.c").write_text(FINDING)
    shim = tmp_path / "libfinding.so"
    real = next(path for path in BUILD.rglob("libattnemu.so*") if not path.is_symlink())
    subprocess.run([cc, "-shared", "-fPIC", tmp_path / "finding.c", "-o", shim, "-Wl,--no-as-needed", real,
                    f"-Wl,-rpath,{real.parent}"], check=True)
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "one.mlir").write_text(generate.Program(GPU_FIRST, 1, gpu=True).text())
    command = [RUN, "--suite", tmp_path / "programs", "--backend=emulated"]
    env = {**os.environ, **NO_PTXAS}
    good = subprocess.run(command, text=True, capture_output=True, env=env)
    assert good.returncode == 0, good.stdout + good.stderr
    bad = subprocess.run(command, text=True, capture_output=True, env={**env, "ATTN_LIBATTNEMU": str(shim)})
    assert bad.returncode != 0
    assert re.search(r"FAIL one.mlir.*the emulator found 1 fault in kernel .*shared-race", bad.stdout), bad.stdout


def test_gpu_programs_cover_every_operand():
    texts = [generate.Program(seed, GPU_SIZES, gpu=True).text() for seed in range(GPU_FIRST, GPU_FIRST + GPU_PROGRAMS)]
    together = "\n".join(texts)
    clauses = [f"{c}(" for c in generate.Program.ORDER if c not in ("mask", "align")]
    wanted = clauses + ["mask <", "align top_left", "align bottom_right", "score_mod {", "mask_mod {", "softcap",
                        "axes = ", "causal", "band<", "prefix", "document", "f32>", "f16", "bf16", "scale = "]
    assert not [w for w in wanted if w not in together]


def test_a_program_follows_from_its_seed():
    assert generate.Program(7, SIZES).text() == generate.Program(7, SIZES).text()
    assert generate.Program(7, SIZES).text() != generate.Program(8, SIZES).text()
