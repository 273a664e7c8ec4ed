# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The packed GPU suite: made here, run where there is no compiler, on the emulator."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import attn

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ATTN_BUILD_DIR", ROOT / "build"))
SCRIPTS = ROOT / "scripts"

pytestmark = pytest.mark.skipif(not (BUILD / "bin" / "attn-run").exists(), reason="expects the tools of a build tree")

# bf16, f16 and f32; several sizes, several launches, integers and lengths, given inputs, one random program.
PROGRAMS = "suite-decode-sinks,suite-head-20-f32,suite-pages-64,suite-leak-nan,suite-elements,kernel-documents-causal,random-000041"


def has_gpu() -> bool:
    return any(d.name == "cuda:0" and d.available for d in attn.devices())


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed") / "gpu"
    done = subprocess.run([sys.executable, SCRIPTS / "gpu_suite.py", "--pack", folder, "--build", BUILD, "--target",
                           "sm_80,sm_90", "--random", "41:1", "--only", PROGRAMS], text=True, capture_output=True,
                          env={**os.environ, "ATTN_PTXAS": ""})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("7 programs with ")
    return folder


def run(folder: Path, *options: str, prefix: list[str] = []) -> subprocess.CompletedProcess:
    """Runs the folder's own script; nothing of attn is on Python's path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ATTN_", "PYTHONPATH"))}
    return subprocess.run([*prefix, sys.executable, folder / "run.py", *options], text=True, capture_output=True,
                          env=environment, cwd="/", timeout=600)


@pytest.fixture
def copy(packed: Path, tmp_path: Path) -> Path:
    """A pack that may be spoiled."""
    return Path(shutil.copytree(packed, tmp_path / "gpu"))


@pytest.mark.timeout(900)
def test_runs_without_llvm_and_without_a_build(packed):
    """In a mount namespace where neither LLVM's folder nor the build tree has anything."""
    hide = " && ".join(f"mount -t tmpfs none {folder}" for folder in ("/usr/lib/llvm-22", BUILD) if os.path.isdir(folder))
    prefix = ["unshare", "-rm", "sh", "-c", f'{hide} && exec "$@"', "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("mount namespaces are not allowed here")
    seen = subprocess.run([*prefix, "ls", BUILD], text=True, capture_output=True)
    assert seen.stdout == ""
    done = run(packed, "--device", "emulated", prefix=prefix)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "7 programs for sm_80 on emulated"
    assert lines[-1] == "7 passed, 0 failed, 0 skipped"


@pytest.mark.timeout(900)
def test_other_architectures_and_worst_rounding(packed):
    done = run(packed, "--device", "emulated", "--target", "sm_90", "--worst-rounding", "--only", "decode,leak")
    assert done.stdout.splitlines()[-1] == "2 passed, 0 failed, 0 skipped", done.stdout + done.stderr


def test_a_wrong_result_is_told(copy):
    listed = json.loads((copy / "cases.json").read_text())
    case = next(program for program in listed["programs"] if program["name"] == "suite-decode-sinks")["cases"][0]
    path = copy / "data" / case["data"]
    arrays = dict(np.load(path))
    arrays["expect0"].flat[3] += 1
    np.savez(path, **arrays)
    done = run(copy, "--device", "emulated", "--only", "decode,leak")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"
    assert "FAIL suite-decode-sinks: @" in done.stdout and "at [0, 0, 0, 3], but got" in done.stdout


def test_a_damaged_package_fails_alone(copy):
    (copy / "sm_80" / "suite-leak-nan.so.xz").write_bytes(b"no package")
    done = run(copy, "--device", "emulated", "--only", "decode,leak")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"


def test_programs_that_hang_are_stopped(packed):
    done = run(packed, "--device", "emulated", "--only", "decode,leak", "--timeout", "0.001")
    assert done.stdout.splitlines()[-1] == "0 passed, 2 failed, 0 skipped"
    assert done.stdout.count("did not end within 0.001 seconds") == 2


@pytest.mark.skipif(has_gpu(), reason="expects a machine without a GPU")
def test_without_a_gpu_everything_is_skipped(packed):
    done = run(packed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("no cuda, all programs are skipped: ")
    assert done.stdout.splitlines()[-1] == "0 passed, 0 failed, 7 skipped"


@pytest.mark.parametrize("options, text", [
    (["--device", "cuda", "--worst-rounding"], "expects --worst-rounding with --device emulated"),
    (["--device", "emulated", "--only", "nothing"], "expects --only to name some of 7 programs, but got 'nothing'"),
    (["--device", "emulated", "--target", "sm_70"], "expects packages for sm_70, but got sm_80, sm_90"),
    (["--folder", "/"], "expects a folder that gpu_suite.py --pack wrote"),
])  # fmt: skip
def test_wrong_options_are_refused(packed, options, text):
    done = run(packed, *options)
    assert done.returncode == 2 and text in done.stderr, done.stdout + done.stderr


# ---- judging -------------------------------------------------------------------------

spec = importlib.util.spec_from_file_location("gpu_run", SCRIPTS / "gpu_run.py")
gpu_run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gpu_run)

INF, NAN = np.inf, np.nan


@pytest.mark.parametrize("dtype, got, expect, allowed, right", [
    ("f32", [1.0, 2.0], [1.0, 2.1], 0.11, True),
    ("f32", [1.0, 2.0], [1.0, 2.1], 0.09, False),
    ("f32", [NAN, 1.0], [NAN, 1.0], 0.0, True),
    ("f32", [1.0, NAN], [NAN, 1.0], 9.0, False),
    ("f32", [INF], [INF], 0.0, True),
    ("f32", [-INF], [INF], 0.0, False),
    ("f32", [3.0], [INF], 9.0, False),
    ("f32", [INF], [1e39], 0.0, True),  # overflow
    ("f32", [INF], [3e38], 0.0, False),
    ("f16", [INF], [65520.0], 0.0, True),
    ("f16", [65504.0], [65519.0], 16.0, True),
    ("f16", [INF], [65519.0], 16.0, False),
    ("i32", [1, 2], [1, 2], 0.0, True),
    ("i32", [1, 3], [1, 2], 9.0, False),
    ("i1", [True], [False], 9.0, False),
    ("f32", [], [], 0.0, True),
])  # fmt: skip
def test_judging(dtype, got, expect, allowed, right):
    kind = gpu_run.DTYPES[dtype][2]
    assert (gpu_run.judge(dtype, np.array(got, kind), np.array(expect), allowed) == "") == right


def test_judging_bf16():
    # 1.0, 2.0 and infinity as bits.
    got = np.array([0x3F80, 0x4000, 0x7F80], np.uint16)
    assert gpu_run.judge("bf16", got, np.array([1.0, 2.01, 3.4e38]), 0.02) == ""
    assert "expects 2.01 +- 0.001 at [1], but got 2" in gpu_run.judge("bf16", got, np.array([1.0, 2.01, 3.4e38]), 0.001)


def test_the_newest_target_that_fits():
    assert gpu_run.best_target(["sm_80", "sm_90"], "sm_86") == "sm_80"
    assert gpu_run.best_target(["sm_80", "sm_90"], "sm_90") == "sm_90"
    assert gpu_run.best_target(["sm_80", "sm_90"], "sm_100") == "sm_90"
    assert gpu_run.best_target(["sm_90"], "sm_80") == ""
