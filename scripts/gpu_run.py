#!/usr/bin/env python3
# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a folder that `scripts/gpu_suite.py --pack` wrote, on a GPU or on the emulator.

It needs a Python with numpy and what lies beside it: libattnrt, compiled packages, their inputs, the float64 oracle's
results and how far a result may be from them. Neither a compiler nor a build of attn has to be there.

    python3 run.py                        on cuda:0
    python3 run.py --device emulated      on the PTX emulator
    python3 run.py --only decode,pages    programs with one of these in their name
    python3 run.py --target sm_80         packages for another GPU than the one that was found

Each failure is a line; the last line is `N passed, N failed, N skipped`, counted in programs. Without a GPU all of them
are skipped. Programs run in a process of their own that is started again after a fault of the device or a hang.
"""

from __future__ import annotations

import argparse
import ctypes as c
import json
import lzma
import os
import re
import selectors
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator

import numpy as np

HERE = Path(__file__).resolve().parent
DEVICE_ERROR = 9  # ATTN_DEVICE_ERROR


# ---- libattnrt -------------------------------------------------------------------


class DataType(c.Structure):
    """DLDataType"""

    _fields_ = [("code", c.c_uint8), ("bits", c.c_uint8), ("lanes", c.c_uint16)]


class Tensor(c.Structure):
    """DLTensor"""

    _fields_ = [
        ("data", c.c_void_p), ("device_type", c.c_int32), ("device_id", c.c_int32), ("ndim", c.c_int32),
        ("dtype", DataType), ("shape", c.POINTER(c.c_int64)), ("strides", c.POINTER(c.c_int64)),
        ("byte_offset", c.c_uint64),
    ]  # fmt: skip


class Options(c.Structure):
    """AttnInvokeOptions"""

    _fields_ = [
        ("num_threads", c.c_int32), ("poll", c.c_void_p), ("poll_arg", c.c_void_p), ("device", c.c_char_p),
        ("stream", c.c_void_p), ("worst_rounding", c.c_int32), ("step_limit", c.c_int64),
        ("progress", c.c_void_p), ("progress_arg", c.c_void_p),
    ]  # fmt: skip


# What a dtype is in DLPack (code and bits) and in numpy, which has no bf16: its bits travel as uint16.
DTYPES = {
    "f64": (2, 64, np.float64), "f32": (2, 32, np.float32), "f16": (2, 16, np.float16), "bf16": (4, 16, np.uint16),
    "i64": (0, 64, np.int64), "i32": (0, 32, np.int32), "i8": (0, 8, np.int8), "i1": (6, 8, np.bool_),
}  # fmt: skip


def open_library(folder: Path) -> c.CDLL:
    library = c.CDLL(str(folder / "lib" / "libattnrt.so.0"))
    for name in ("attnLastError", "attnDeviceInfo", "attnDeviceReport", "attnRuntimeVersion"):
        getattr(library, name).restype = c.c_char_p
    library.attnPackageOpen.argtypes = [c.c_char_p, c.POINTER(c.c_void_p)]
    library.attnPackageClose.argtypes = [c.c_void_p]
    library.attnPackageFindEntry.argtypes = [c.c_void_p, c.c_char_p]
    library.attnDeviceAlloc.argtypes = [c.c_char_p, c.c_int64, c.POINTER(c.c_void_p)]
    library.attnDeviceFree.argtypes = [c.c_char_p, c.c_void_p]
    library.attnDeviceCopyIn.argtypes = [c.c_char_p, c.c_void_p, c.c_void_p, c.c_int64]
    library.attnDeviceCopyOut.argtypes = [c.c_char_p, c.c_void_p, c.c_void_p, c.c_int64]
    tensors = c.POINTER(c.POINTER(Tensor))
    library.attnResultShapes.argtypes = [c.c_void_p, c.c_int, tensors, c.c_int, c.POINTER(c.c_int64)]
    library.attnInvoke.argtypes = [
        c.c_void_p, c.c_int, tensors, c.c_int, tensors, c.c_int, c.POINTER(Options), c.c_void_p,
    ]  # fmt: skip
    return library


class Failure(Exception):
    """What the runtime or a comparison said; `status` is an AttnStatus or 0."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Runtime:
    """The library and one device."""

    def __init__(self, folder: Path, device: str) -> None:
        self.library = open_library(folder)
        self.device = device
        self.name = device.encode()

    def check(self, status: int) -> None:
        if status:
            raise Failure(self.library.attnLastError().decode(errors="replace"), status)

    def arch(self) -> tuple[str, str]:
        """The architecture of the device and why there is none ('' for the other of the two)."""
        wanted = "cuda:0" if self.device == "cuda" else self.device
        found = {d["device"]: d for d in json.loads(self.library.attnDeviceInfo())}
        mine = found.get(wanted) or next((d for d in found.values() if d["device"].startswith("cuda")), {})
        if mine.get("available") and mine["device"] == wanted:
            return mine["arch"], ""
        return "", mine.get("reason") or f"there is no device {wanted}"


class Memory:
    """An array on the device, with its description."""

    def __init__(self, runtime: Runtime, dtype: str, values: np.ndarray) -> None:
        self.runtime = runtime
        self.host = np.ascontiguousarray(values)
        self.pointer = c.c_void_p()
        runtime.check(runtime.library.attnDeviceAlloc(runtime.name, max(self.host.nbytes, 1), c.byref(self.pointer)))
        self.send()
        code, bits, _ = DTYPES[dtype]
        self.shape = (c.c_int64 * max(values.ndim, 1))(*values.shape)
        on_cuda = runtime.device.startswith("cuda")
        self.tensor = Tensor(self.pointer, 2 if on_cuda else 1, 0, values.ndim, DataType(code, bits, 1), self.shape,
                             None, 0)

    def send(self) -> None:
        self.runtime.check(self.runtime.library.attnDeviceCopyIn(
            self.runtime.name, self.pointer, self.host.ctypes.data, self.host.nbytes))

    def fetch(self) -> np.ndarray:
        values = np.empty_like(self.host)
        self.runtime.check(self.runtime.library.attnDeviceCopyOut(
            self.runtime.name, values.ctypes.data, self.pointer, values.nbytes))
        return values

    def free(self) -> None:
        self.runtime.library.attnDeviceFree(self.runtime.name, self.pointer)


# ---- judging -----------------------------------------------------------------------


def widen(dtype: str, values: np.ndarray) -> np.ndarray:
    """A float result as float64."""
    if dtype == "bf16":
        return (values.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return values.astype(np.float64)


# The smallest numbers that round to an infinity.
OVERFLOW = {"f64": np.inf, "f32": 2.0**128 - 2.0**103, "bf16": 2.0**128 - 2.0**119, "f16": 65520.0}


def judge(dtype: str, got: np.ndarray, expect: np.ndarray, allowed: float) -> str:
    """Why a result is wrong, '' where it is right (docs/Spec.md, section 5).

    >>> judge("f32", np.float32([1, 2]), np.float64([1, 2.5]), 0.1)
    'expects 2.5 +- 0.1 at [1], but got 2'
    """
    if got.size == 0:
        return ""

    def at(wrong: np.ndarray, bound: str = "") -> str:
        index = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        want, have = np.asarray(expect)[index], values[index]
        where = "[" + ", ".join(str(int(n)) for n in index) + "]"
        return f"expects {want:.9g}{bound} at {where}, but got {have:.9g}"

    if dtype.startswith("i"):
        values = got.astype(np.int64)
        wrong = values != expect.astype(np.int64)
        return at(wrong) if wrong.any() else ""
    expect = np.asarray(expect, np.float64)
    values = widen(dtype, got)
    overflow = np.abs(expect) >= OVERFLOW[dtype]
    infinite = np.where(overflow, np.copysign(np.inf, expect), expect)
    with np.errstate(invalid="ignore"):
        special = np.isnan(expect) | np.isinf(infinite)
        same = np.where(np.isnan(expect), np.isnan(values), (values == infinite) | (values == expect))
        wrong = np.where(special, ~same, ~np.isfinite(values))
        if wrong.any():
            return at(wrong)
        error = np.where(special, 0.0, np.abs(np.where(special, 0.0, values) - np.where(special, 0.0, expect)))
    return at(error == error.max(), f" +- {allowed:.9g}") if error.max() > allowed else ""


# ---- running -----------------------------------------------------------------------


def pointers(memory: list[Memory]) -> Any:
    return (c.POINTER(Tensor) * max(len(memory), 1))(*(c.pointer(m.tensor) for m in memory))


def unwritten(dtype: str, shape: list[int]) -> np.ndarray:
    """What nobody writes shows: all ones are NaN, or -1."""
    kind = np.dtype(DTYPES[dtype][2])
    count = int(np.prod(shape, dtype=np.int64))
    return np.full(count * kind.itemsize, 255, np.uint8).view(kind).reshape(shape)


def run_case(runtime: Runtime, package: c.c_void_p, case: dict, data: Any, options: Options) -> None:
    """Runs one function with one set of sizes; raises Failure where it is wrong."""
    library = runtime.library
    entry = library.attnPackageFindEntry(package, case["entry"].encode())
    if entry < 0:
        raise Failure(f"expects the package to have the entry '{case['entry']}', but got none")
    arguments: list[Memory] = []
    outcomes: list[Memory] = []

    def invoke() -> list[np.ndarray]:
        for memory in outcomes:
            memory.send()
        runtime.check(library.attnInvoke(package, entry, inputs, count, pointers(outcomes), len(outcomes),
                                         c.byref(options), None))
        return [memory.fetch() for memory in outcomes]

    try:
        for number, dtype in enumerate(case["args"]):
            arguments.append(Memory(runtime, dtype, data[f"arg{number}"].astype(DTYPES[dtype][2], copy=False)))
        inputs, count = pointers(arguments), len(arguments)
        dims = (c.c_int64 * max(sum(result["rank"] for result in case["results"]), 1))()
        runtime.check(library.attnResultShapes(package, entry, inputs, count, dims))
        flat = list(dims)
        for result in case["results"]:
            shape, flat = flat[:result["rank"]], flat[result["rank"]:]
            if shape != result.get("shape", shape):
                raise Failure(f"{result['name']} expects shape {result['shape']}, but got {shape}")
            outcomes.append(Memory(runtime, result["dtype"], unwritten(result["dtype"], shape)))
        got = invoke()
        for number, (result, values) in enumerate(zip(case["results"], got)):
            if "error" in case:
                continue
            if why := judge(result["dtype"], values, data[f"expect{number}"], result["allowed"]):
                raise Failure(f"{result['name']} {why}")
        # The same inputs give the same bits; the emulator is too slow to be asked twice.
        if runtime.device.startswith("cuda"):
            for result, values, first in zip(case["results"], invoke(), got):
                if values.tobytes() != first.tobytes():
                    raise Failure(f"{result['name']} expects the same bits from the same inputs, but got others")
    except Failure as failure:
        # A function may be there to fail.
        if case.get("error", "\0") in str(failure):
            return
        raise
    finally:
        for memory in arguments + outcomes:
            memory.free()
    if "error" in case:
        raise Failure(f"expects the error '{case['error']}', but got results")


def open_package(runtime: Runtime, path: Path, package: c.c_void_p) -> None:
    """Opens a compressed package by way of a temporary file, which may go once it is open."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / path.stem
        try:
            plain.write_bytes(lzma.decompress(path.read_bytes()))
        except (OSError, EOFError, lzma.LZMAError) as error:
            raise Failure(f"cannot read {path}: {error}") from None
        runtime.check(runtime.library.attnPackageOpen(str(plain).encode(), c.byref(package)))


def run_program(runtime: Runtime, folder: Path, target: str, program: dict, options: Options) -> dict:
    """All cases of one program: how many ran, the first failure, and whether the device may be used further."""
    package = c.c_void_p()
    report = {"name": program["name"], "runs": 0, "failure": "", "sound": True}
    try:
        open_package(runtime, folder / target / f"{program['name']}.so.xz", package)
        for case in program["cases"]:
            where = " ".join(f"{name}={size}" for name, size in case["sizes"].items())
            try:
                with np.load(folder / "data" / case["data"]) as data:
                    run_case(runtime, package, case, data, options)
            except Failure as failure:
                head = f"@{case['entry']}{' with ' + where if where else ''}"
                raise Failure(f"{head}: {failure}", failure.status) from None
            report["runs"] += 1
    except Failure as failure:
        report["failure"] = str(failure)
        report["sound"] = failure.status != DEVICE_ERROR
    finally:
        runtime.library.attnPackageClose(package)
    return report


def worker(folder: Path, device: str, target: str, programs: list[dict], worst: bool) -> None:
    """Prints a line of JSON per program; ends early where the device cannot be trusted any more."""
    runtime = Runtime(folder, device)
    options = Options(device=device.encode(), worst_rounding=int(worst))
    for program in programs:
        report = run_program(runtime, folder, target, program, options)
        print(json.dumps(report), flush=True)
        if not report["sound"]:
            return


def lines_of(pipe: int, seconds: float) -> Iterator[str]:
    """Lines of a pipe to its end; TimeoutError where one takes longer than that."""
    watch = selectors.DefaultSelector()
    watch.register(pipe, selectors.EVENT_READ)
    rest = b""
    while True:
        if not watch.select(seconds):
            raise TimeoutError(f"did not end within {seconds:g} seconds")
        piece = os.read(pipe, 65536)
        if not piece:
            return
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line.decode() for line in lines)


def reports(folder: Path, arguments: list[str], programs: list[dict], seconds: float) -> Iterator[dict]:
    """The reports of all programs, by as many workers as it takes one after the other."""
    left = list(programs)
    while left:
        command = [sys.executable, __file__, "--folder", str(folder), "--worker", *arguments]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdin and child.stdout
        child.stdin.write(json.dumps([program["name"] for program in left]).encode())
        child.stdin.close()
        why = ""
        try:
            for line in lines_of(child.stdout.fileno(), seconds):
                yield json.loads(line)
                left = left[1:]
        except TimeoutError as error:
            child.kill()
            why = str(error)
        status = child.wait()
        if left and (why or status):
            yield {"name": left[0]["name"], "runs": 0, "failure": why or f"its process ended with status {status}"}
            left = left[1:]


def best_target(targets: list[str], arch: str) -> str:
    """The newest target that a GPU can run.

    >>> best_target(["sm_80", "sm_90"], "sm_89")
    'sm_80'
    """
    number = lambda name: int(re.sub(r"\D", "", name) or 0)  # noqa: E731
    fitting = [target for target in targets if number(target) <= number(arch)] if arch else targets[:1]
    return max(fitting, key=number, default="")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cuda", help="cuda (default), cuda:N or emulated")
    parser.add_argument("--target", help="which packages, such as sm_80 (default: the newest that the device can run)")
    parser.add_argument("--only", default="", help="programs with one of these in their name")
    parser.add_argument("--worst-rounding", action="store_true", help="on the emulator, round as badly as PTX allows")
    parser.add_argument("--timeout", type=float, default=300, help="seconds that one program may take (300)")
    parser.add_argument("--folder", type=Path, default=HERE, help="the packed folder (where this script lies)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)

    try:
        listed = json.loads((args.folder / "cases.json").read_text())
    except OSError as error:
        parser.error(f"expects a folder that gpu_suite.py --pack wrote, but got {error}")
    if args.worst_rounding and args.device != "emulated":
        parser.error(f"expects --worst-rounding with --device emulated, but got --device {args.device}")
    wanted = args.only.split(",")
    programs = [program for program in listed["programs"] if any(part in program["name"] for part in wanted)]
    if args.worker:
        names = set(json.load(sys.stdin))
        chosen = [program for program in programs if program["name"] in names]
        worker(args.folder, args.device, args.target, chosen, args.worst_rounding)
        return 0
    if not programs:
        parser.error(f"expects --only to name some of {len(listed['programs'])} programs, but got '{args.only}'")
    arch, missing = Runtime(args.folder, args.device).arch()
    if missing:
        print(f"no {args.device}, all programs are skipped: {missing}")
        print(f"0 passed, 0 failed, {len(programs)} skipped")
        return 0
    target = args.target or best_target(listed["targets"], arch)
    if target not in listed["targets"]:
        parser.error(f"expects packages for {arch or args.target}, but got {', '.join(listed['targets'])}")
    print(f"{len(programs)} programs for {target} on {args.device}{' (' + arch + ')' if arch else ''}", flush=True)
    options = ["--device", args.device, "--target", target] + ["--worst-rounding"] * args.worst_rounding
    passed = failed = runs = 0
    for report in reports(args.folder, options, programs, args.timeout):
        runs += report["runs"]
        if report["failure"]:
            failed += 1
            print(f"FAIL {report['name']}: {report['failure']}", flush=True)
        else:
            passed += 1
    print(f"{runs} runs agree with the float64 oracle")
    print(f"{passed} passed, {failed} failed, 0 skipped", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
