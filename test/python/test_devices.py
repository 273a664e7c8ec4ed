# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Packages with GPU kernels from Python: on the emulator, on a CUDA driver that needs no GPU, and refused.

The package is the runtime tests' hand-made one, so that neither a GPU nor the compiler is needed. What needs a GPU is
skipped where there is none.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import attn
from attn import _runtime, compiler

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ATTN_BUILD_DIR", ROOT / "build"))
PACKAGES = BUILD / "test" / "unittests" / "Runtime" / "packages"

pytestmark = pytest.mark.skipif(
    not (PACKAGES / "gpu.so").exists(), reason="expects the runtime's test packages of a build tree"
)
needs_emulator = pytest.mark.skipif(
    not any(d.name == "emulated" and d.available for d in attn.devices()), reason="expects libattnemu"
)
needs_gpu = pytest.mark.skipif(
    not any(d.name == "cuda:0" and d.available for d in attn.devices()), reason="expects a GPU"
)
no_gpu = pytest.mark.skipif(
    any(d.name == "cuda:0" and d.available for d in attn.devices()), reason="expects a machine without a GPU"
)


def operands(rows: int = 100) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((rows, 4), np.float32), rng.random((rows, 4), np.float32)


@pytest.fixture
def add() -> attn.Plan:
    return attn.load(PACKAGES / "gpu.so", entry="add")


# ---- the emulated device ---------------------------------------------------------


@needs_emulator
def test_emulated_runs_on_numpy_arrays(add):
    a, b = operands()
    np.testing.assert_array_equal(add.run(a, b, device="emulated"), a + b)
    out = np.empty_like(a)
    assert add.run(a, b=b, out=out, device="emulated", num_threads=2) is out
    np.testing.assert_array_equal(out, a + b)
    report = attn.device_report()
    assert report["device"] == "emulated" and report["arch"] == "sm_80"
    (launch,) = report["launches"]
    assert launch["kernel"] == "add" and launch["findings"] == []
    assert launch["counters"]["bank_conflicts"] == 0


@needs_emulator
def test_a_finding_is_an_error_with_its_place():
    a, b = operands(1)
    bad = attn.load(PACKAGES / "gpu.so", entry="bad")
    with pytest.raises(attn.DeviceError, match=r"out-of-bounds at PTX line \d+ \(ld\.global\.f32.*thread \(3, 0, 0\)"):
        bad.run(a, b, device="emulated")
    (finding,) = attn.device_report()["launches"][0]["findings"]
    assert finding["kind"] == "out-of-bounds" and finding["allocation"] == "b"


@needs_emulator
def test_worst_rounding_and_step_limit_come_from_the_environment(add, monkeypatch):
    a, b = operands(1)
    monkeypatch.setenv("ATTN_EMULATOR_WORST_ROUNDING", "1")
    np.testing.assert_array_equal(add.run(a, b, device="emulated"), a + b)
    monkeypatch.setenv("ATTN_EMULATOR_STEP_LIMIT", "3")
    with pytest.raises(attn.DeviceError, match="add"):
        add.run(a, b, device="emulated")


# ---- refusals ----------------------------------------------------------------------


def test_cpu_arrays_for_a_gpu_package_are_refused_with_the_way_out(add):
    a, b = operands()
    with pytest.raises(attn.DeviceError, match="tensors on the CPU; copy them there, or use device='emulated'"):
        add.run(a, b)
    with pytest.raises(attn.DeviceError, match="but got 'cpu'"):
        add.run(a, b, device="cpu")
    with pytest.raises(attn.DeviceError, match="'tpu'"):
        add.run(a, b, device="tpu")


@no_gpu
def test_without_a_gpu_one_sentence(add):
    a, b = operands()
    with pytest.raises(attn.DeviceError, match="CUDA expects .*; use device='emulated' to run without"):
        add.run(a, b, device="cuda")
    with pytest.raises(RuntimeError):  # also what a reader would expect
        add.run(a, b, device="cuda:3")
    found = {d.name: d for d in attn.devices()}
    assert found["cpu"].available and not found["cuda"].available and found["cuda"].reason


def test_a_cpu_package_takes_no_other_device(small_package):
    q = np.ones((1, 2, 3, 64), np.float32)
    plan = attn.load(small_package)
    np.testing.assert_allclose(plan.run(q, q, q, device="cpu"), q, rtol=1e-6)
    with pytest.raises(attn.DeviceError, match="compiled for the CPU .* compile it for target 'cuda'"):
        plan.run(q, q, q, device="emulated")
    assert attn.device_report() == {}


def test_unknown_devices_and_targets_are_refused_before_compiling(stand_in):
    q = np.ones((1, 2, 3, 64), np.float32)
    for device in ("gpu", "cuda:", "cuda:x", "", 7):
        with pytest.raises(attn.DeviceError, match="device expects 'cpu', 'cuda', 'cuda:N' or 'emulated'"):
            attn.attention(q, q, q, device=device)
    with pytest.raises(attn.DeviceError):
        attn.jit(lambda x: x, device="gpu")
    with pytest.raises(attn.CompileError, match="cuda or sm_NN, but got 'sm_x'"):
        attn.compile(attn.attention, q, q, q, target="sm_x")
    assert stand_in.compiled == 0


def test_a_device_decides_what_is_compiled(stand_in, cache_dir, monkeypatch):
    asked = []
    compile_to_file = stand_in.compile_to_file

    def remember(ir, path, target, *rest):
        asked.append(target)
        compile_to_file(ir, path, target, *rest)

    monkeypatch.setattr(stand_in, "compile_to_file", remember)
    q = np.ones((1, 2, 3, 64), np.float32)
    attn.attention(q, q, q)
    attn.attention(q, q, q, device="cpu")
    # The stand-in gives a package for the CPU whatever it is asked for.
    for call in (
        lambda: attn.attention(q, q, q, device="emulated"),
        lambda: attn.merge_states([q, q], [q[..., 0], q[..., 0]], device="emulated"),
        lambda: attn.jit(attn.attention, device="emulated")(q, q, q),
        lambda: attn.compile(attn.attention, q, q, q, causal=True, device="emulated").run(q, q, q),
    ):
        with pytest.raises(attn.AttnError):
            call()
    assert asked[0] is None and set(asked[1:]) == {"cuda"}
    assert attn.compile(attn.attention, q, q, q, softcap=2.0, target="sm_90")._program.options.target == "sm_90"
    with pytest.raises(attn.CompileError, match="nor device"):
        attn.jit(lambda x: attn.attention(x, x, x, device="emulated"))(q)


def test_signatures_tell_cuda_arrays_apart(claimed_tensor):
    a = _runtime.tensor(claimed_tensor(4096, (1, 2, 3, 64), (384, 192, 64, 1)))
    b = _runtime.tensor(claimed_tensor(4096, (1, 2, 3, 64), (384, 192, 64, 1), device=(2, 1)))
    assert (a.device, b.device) == ("cpu", "cuda:1") and b.on_cuda and not a.on_cuda
    for name in ("head_signature", "signature", "full_signature"):
        assert getattr(a, name) != getattr(b, name)
    assert b.swap(0, 1).device == "cuda:1"


# ---- CUDA, by a driver without a GPU ---------------------------------------------------


def with_fake_driver(code: str) -> str:
    """Runs code in a process whose libcuda.so.1 is the tests' own: its device memory is host memory."""
    head = (
        "import sys, numpy as np, attn\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from conftest import ClaimedTensor\n"
        f"plan = attn.load({str(PACKAGES / 'gpu.so')!r}, entry='add')\n"
        "a, b = np.arange(8, dtype=np.float32).reshape(2, 4), np.ones((2, 4), np.float32)\n"
        "out = np.zeros_like(a)\n"
        "def on(x, n=0): return ClaimedTensor(x.ctypes.data, x.shape, (4, 1), device=(2, n))\n"
    )
    env = {
        **os.environ,
        "ATTN_LIBCUDA": str(PACKAGES / "fake-libcuda.so"),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    done = subprocess.run([sys.executable, "-c", head + code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_cuda_arrays_run_on_their_device():
    text = with_fake_driver(
        "r = plan.run(on(a, 1), on(b, 1), out=on(out, 1))\n"
        "assert (out == a + b).all()\n"
        "report = attn.device_report()\n"
        "print(report['device'], report['launches'][0]['registers'])\n"
        "print([d.name for d in attn.devices() if d.available])\n"
    )
    assert text.splitlines()[0] == "cuda:1 20"
    assert "'cuda:0', 'cuda:1'" in text


def test_cuda_results_need_a_place():
    text = with_fake_driver(
        "for call in (lambda: plan.run(on(a), on(b)), lambda: plan.run(on(a), b, out=on(out)),\n"
        "             lambda: plan.run(a, b, device='cuda'),\n"
        "             lambda: plan.run(on(a, 1), on(b), out=on(out))):\n"
        "    try: call()\n"
        "    except attn.DeviceError as e: print(e)\n"
    ).splitlines()
    assert len(text) == 4
    assert text[0].endswith("pass out=")
    assert "argument 'b' expects a tensor on CUDA device 0, but got one on the CPU" in text[1]
    assert "argument 'a' expects a tensor on CUDA device 0, but got one on the CPU" in text[2]
    assert "argument 'b' expects a tensor on CUDA device 1, but got one on CUDA device 0" in text[3]


def test_cuda_arrays_ask_for_cuda_code():
    text = with_fake_driver(
        "from attn import compiler\n"
        "seen = []\n"
        "def find(text, options, entry): seen.append(options.target); raise attn.CompileError('enough')\n"
        "compiler._find = find\n"
        "q = np.ones((1, 2, 3, 64), np.float32)\n"
        "t = ClaimedTensor(q.ctypes.data, q.shape, (384, 192, 64, 1), device=(2, 0))\n"
        "for call in (lambda: attn.attention(t, t, t), lambda: attn.jit(attn.attention)(t, t, t)):\n"
        "    try: call()\n"
        "    except attn.CompileError: pass\n"
        "print(seen)\n"
    )
    assert text.strip() == "['cuda', 'cuda']"


@pytest.mark.device
@needs_gpu
def test_torch_tensors_on_their_stream(add):
    torch = pytest.importorskip("torch")
    a, b = (torch.from_numpy(x).cuda() for x in operands())
    with torch.cuda.stream(torch.cuda.Stream()):
        out = add.run(a, b)
    torch.cuda.synchronize()
    assert out.device == a.device and torch.equal(out, a + b)
