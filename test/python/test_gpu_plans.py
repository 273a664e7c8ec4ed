# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Plans for GPUs in Python: what they tell of themselves, which ptxas they take, what the emulator asks of results."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import attn
from attn import compiler

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ATTN_BUILD_DIR", ROOT / "build"))


def arrays(rows: int = 20, keys: int = 70) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((1, 2, n, 16)).astype(np.float16) for n in (rows, keys, keys)]


@pytest.fixture(scope="module")
def plan() -> attn.Plan:
    return attn.compile(attn.attention, *arrays(), target="sm_80")


# ---- what a plan tells -----------------------------------------------------------


def test_explain_speaks_of_blocks_and_warps(plan):
    plan.run(*arrays(), device="emulated")
    text = plan.explain()
    assert "a block of 128 threads for each 64 queries (4 warps of 16 queries), tiles of 64 keys in two stages" in text
    assert "up to 16 queries have a block for each 512 keys, and attn_merge puts the parts together" in text
    assert "kernel attn_forward: " in text and "guard recomputations: 0" in text
    assert not re.search("row kernel|lanes|strips|key tiles|mask blocks", text)
    on_cpu = attn.compile(attn.attention, *arrays()).explain()
    assert "row kernel" in on_cpu and "key tiles computed: " in on_cpu


def test_ptx_is_a_stage(plan):
    text = plan.mlir("ptx")
    assert text.lstrip().startswith("//") and ".visible .entry attn_forward(" in text and ".target sm_80" in text
    with pytest.raises(attn.CompileError, match='expects text, but got "cubin"; "ptx" prints the kernels'):
        plan.mlir("cubin")
    with pytest.raises(attn.CompileError, match="expects a GPU as the target"):
        attn.compile(attn.attention, *arrays()).mlir("ptx")


# ---- ptxas -------------------------------------------------------------------------


@pytest.fixture
def packaged_ptxas(tmp_path: Path) -> Path:
    """A ptxas where NVIDIA's package has it, which only says that it was asked."""
    path = tmp_path / "site" / "nvidia" / "cu13" / "bin" / "ptxas"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\necho asked for ptxas\nexit 3\n")
    path.chmod(0o755)
    return path


def test_ptxas_of_a_package_is_found(packaged_ptxas, monkeypatch):
    monkeypatch.syspath_prepend(str(packaged_ptxas.parents[3]))
    assert compiler.installed_ptxas() == str(packaged_ptxas)
    packaged_ptxas.chmod(0o644)
    assert compiler.installed_ptxas() != str(packaged_ptxas)


@pytest.fixture
def spilling_ptxas(tmp_path, monkeypatch):
    """A stand-in that reports spills for one kernel."""
    ptxas = tmp_path / "ptxas"
    ptxas.write_text("""#!/bin/sh
echo "ptxas info    : Compiling entry function 'attn_forward' for 'sm_80'"
echo "ptxas info    : Function properties for attn_forward"
echo "    144 bytes stack frame, 220 bytes spill stores, 148 bytes spill loads"
echo "ptxas info    : Used 255 registers, used 1 barriers"
while [ $# -gt 0 ]; do [ "$1" = -o ] && echo machine code > "$2"; shift; done
""")
    ptxas.chmod(0o755)
    monkeypatch.setenv("ATTN_PTXAS", str(ptxas))
    monkeypatch.setenv("ATTN_CACHE_DIR", str(tmp_path / "cache"))


def test_spills_are_an_error_with_a_remedy(spilling_ptxas):
    q = np.zeros((1, 1, 4, 40), np.float16)
    with pytest.raises(attn.CompileError, match="220 bytes of spill stores.*ATTN_ALLOW_SPILLS=1"):
        attn.compile(attn.attention, q, q, q, target="sm_80")


def test_allowed_spills_are_told(spilling_ptxas, monkeypatch):
    monkeypatch.setenv("ATTN_ALLOW_SPILLS", "1")
    q = np.zeros((1, 1, 4, 40), np.float16)
    text = attn.compile(attn.attention, q, q, q, target="sm_80").explain()
    assert "255 registers, 368 bytes spilled, 144 bytes of stack, 2 blocks of 128 threads" in text


def test_another_ptxas_is_another_package(packaged_ptxas, monkeypatch):
    key = lambda target: compiler.cache_key("text", compiler.Options(target))  # noqa: E731
    monkeypatch.setenv("ATTN_PTXAS", "")
    without, host = key("cuda"), key("host")
    monkeypatch.setenv("ATTN_PTXAS", str(packaged_ptxas))
    assert key("cuda") != without and key("host") == host


def test_ptxas_of_a_package_is_the_last_that_is_asked(packaged_ptxas, tmp_path):
    """In a mount namespace without a CUDA toolkit."""
    places = [path for path in ("/usr/local/cuda",) if os.path.isdir(path)]
    hide = "".join(f"mount -t tmpfs none {os.path.realpath(path)} && " for path in places)
    command = ["unshare", "-rm", "sh", "-c", f'{hide} exec "$@"', "sh"]
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("mount namespaces are not allowed here")
    script = (
        "import numpy as np, attn\n"
        "q = np.zeros((1, 1, 4, 24), np.float16)\n"
        "try: attn.compile(attn.attention, q, q, q, target='sm_80')\n"
        "except attn.CompileError as e: print(e)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("ATTN_PTXAS", "CUDA_HOME", "CUDA_ROOT")}
    environment |= {
        "PATH": os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if not os.path.exists(f"{p}/ptxas")),
        "PYTHONPATH": os.pathsep.join([str(packaged_ptxas.parents[3]), *(p for p in sys.path if p)]),
        "ATTN_CACHE_DIR": str(tmp_path / "cache"),
    }
    asked = subprocess.run([*command, sys.executable, "-c", script], text=True, capture_output=True, env=environment)
    assert f"expects {packaged_ptxas} to assemble the kernels for sm_80" in asked.stdout, asked.stdout + asked.stderr
    assert "asked for ptxas" in asked.stdout
    # None is wanted.
    none = subprocess.run([*command, sys.executable, "-c", script], text=True, capture_output=True,
                          env={**environment, "ATTN_PTXAS": ""})
    assert none.returncode == 0 and none.stdout == "", none.stdout + none.stderr


# ---- results on the emulator -----------------------------------------------------------


def test_what_lies_between_the_rows_of_a_result_is_nobodys(plan):
    q, k, v = arrays()
    wide = np.full((1, 2, 20, 40), np.nan, np.float16)
    plan.run(q, k, v, out=wide[..., 8:24], device="emulated")
    np.testing.assert_array_equal(wide[..., 8:24], plan.run(q, k, v, device="emulated"))
    assert np.isnan(wide[..., :8]).all() and np.isnan(wide[..., 24:]).all()
    assert attn.device_report()["findings"] == []


# ---- what is installed -------------------------------------------------------------------


@pytest.mark.skipif(not (BUILD / "CMakeCache.txt").exists(), reason="expects a build tree")
def test_a_wheel_has_all_libraries(tmp_path):
    """Laid out as the wheel is, by its own install component; the emulator is found and runs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["scikit-build"]
    assert {"attnrt", "attnemu", "attnc"} <= {*project["build"]["targets"], "attnrt", "attnc"}
    assert project["install"]["components"] == ["python"]
    subprocess.run(["cmake", "--install", BUILD, "--component", "python", "--prefix", tmp_path], check=True,
                   capture_output=True)
    folder = tmp_path / "attn"
    for library in ("libattnrt.so.0", "libattnemu.so.0", "libattnc.so.0"):
        assert (folder / "lib" / library).exists(), library
    for path in (ROOT / "python" / "attn").glob("*.py"):
        shutil.copy(path, folder)
    script = (
        "import numpy as np, attn\n"
        "q = np.ones((1, 1, 4, 16), np.float16)\n"
        "print(attn.__file__, (attn.attention(q, q, q, device='emulated') == 1).all())\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ATTN_LIB")}
    done = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, cwd=tmp_path,
                          env={**environment, "PYTHONPATH": str(tmp_path), "ATTN_PTXAS": ""})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(folder / "__init__.py"), "True"]
