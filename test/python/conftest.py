# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the Python tests share: the package of the build tree, and a stand-in compiler."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ATTN_BUILD_DIR", ROOT / "build"))

if importlib.util.find_spec("attn") is None:
    sys.path.insert(0, str(BUILD / "python"))


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory):
    """A cache of the tests' own, unless the caller chose one."""
    if "ATTN_CACHE_DIR" not in os.environ:
        os.environ["ATTN_CACHE_DIR"] = str(tmp_path_factory.mktemp("attn-cache") / "cache")
    yield


@pytest.fixture
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder that is not there yet, with nothing in memory either."""
    from attn import compiler, frontend

    root = tmp_path / "cache"
    monkeypatch.setenv("ATTN_CACHE_DIR", str(root))
    monkeypatch.setattr(compiler, "_programs", {})
    monkeypatch.setattr(frontend, "_kernels", {})
    frontend.attention.forget()
    yield root
    frontend.attention.forget()


@pytest.fixture(scope="session")
def small_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package made with the C compiler: plain f32 attention with a head dim of 64."""
    folder = tmp_path_factory.mktemp("package")
    path = folder / "small.so"
    cc = next(c for c in ("clang-22", "clang", "cc") if shutil.which(c))
    source = Path(__file__).parent / "small_package.c"
    subprocess.run([cc, "-O2", "-shared", "-fPIC", str(source), "-o", str(path), "-lm"], check=True)
    return path


class StandInCompiler:
    """Gives every program the same package, and counts how often it was asked."""

    def __init__(self, package: Path) -> None:
        self.package = package
        self.compiled = 0

    def compile_to_file(self, ir: str, path: str, *options: object) -> None:
        self.compiled += 1
        shutil.copy(self.package, path)

    def compile_times(self) -> str:
        return '{"parse": 0.25, "total": 0.25}'


@pytest.fixture
def stand_in(small_package: Path, monkeypatch: pytest.MonkeyPatch) -> StandInCompiler:
    """Replaces the compiler half, for tests of what surrounds it."""
    from attn import compiler

    fake = StandInCompiler(small_package)
    monkeypatch.setattr(compiler, "backend", lambda: fake)
    return fake


class ClaimedTensor:
    """A DLPack producer that claims any shape, strides and device for an address."""

    class Struct(ctypes.Structure):
        _fields_ = [
            ("data", ctypes.c_void_p), ("device_type", ctypes.c_int32),
            ("device_id", ctypes.c_int32), ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8),
            ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("shape", ctypes.c_void_p),
            ("strides", ctypes.c_void_p), ("offset", ctypes.c_uint64),
            ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
        ]  # fmt: skip

    def __init__(self, address, shape, strides, device=(1, 0)):
        self.shape = (ctypes.c_int64 * len(shape))(*shape)
        self.strides = (ctypes.c_int64 * len(shape))(*strides)
        self.struct = self.Struct(
            address, *device, len(shape), 2, 32, 1, ctypes.addressof(self.shape),
            ctypes.addressof(self.strides), 0, None, None,
        )  # fmt: skip

    def __dlpack__(self, **_):
        new = ctypes.pythonapi.PyCapsule_New
        new.restype = ctypes.py_object
        return new(ctypes.c_void_p(ctypes.addressof(self.struct)), b"dltensor", None)


@pytest.fixture(scope="session")
def claimed_tensor():
    return ClaimedTensor
