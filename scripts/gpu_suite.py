#!/usr/bin/env python3
# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles what `make check-gpu` runs, for a machine that has a GPU and no compiler.

    scripts/gpu_suite.py --pack DIR       here, with a build of attn
    python3 DIR/run.py                    there, with Python, numpy and a driver

DIR gets the programs of test/Integration/GPU, random programs (`--random FIRST:COUNT`, which may be given often) and the
cases of test/python/test_gpu_kernels.py as packages with PTX and, where `ptxas` was found, a cubin; their inputs, the
float64 oracle's results and how far a result may be from them; libattnrt, libattnemu and `run.py`.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
# The random programs of test_random.py's fixed half, and some that no other test runs.
RANDOM = ["40:20", "7000:20"]
GPU_SIZES = 4


class Source:
    """A program with a name, and the arrays that are given for it."""

    def __init__(self, name: str, path: Path, inputs: Path | None = None) -> None:
        self.name, self.path, self.inputs = name, path, inputs


def integration() -> list[Source]:
    folder = ROOT / "test" / "Integration" / "GPU"
    found = sorted(path for path in folder.rglob("*.mlir") if "cuda" in path.open().readline())
    return [Source("suite-" + "-".join(path.relative_to(folder).with_suffix("").parts), path) for path in found]


def random_programs(ranges: list[str], folder: Path) -> list[Source]:
    sys.path.insert(0, str(ROOT / "test" / "Random"))
    import generate

    sources = []
    for text in ranges:
        first, count = (int(number) for number in text.split(":"))
        for seed in range(first, first + count):
            path = folder / f"random-{seed:06}.mlir"
            path.write_text(generate.Program(seed, GPU_SIZES, gpu=True).text())
            sources.append(Source(path.stem, path))
    return sources


def kernel_cases(folder: Path) -> list[Source]:
    sys.path.insert(0, str(ROOT / "test" / "python"))
    import test_gpu_kernels as kernels

    sources = []
    for case in kernels.MASKS + kernels.HEADS:
        place = folder / f"kernel-{case.name}"
        place.mkdir()
        words = case.write(place)
        sources.append(Source(place.name, Path(words[0]), Path(words[2]) if len(words) > 1 else None))
    return sources


def narrowed(expect: np.ndarray, allowed: float) -> np.ndarray:
    """Expected numbers as f32 where that is closer than a thousandth of what a result may be off by."""
    if expect.dtype != np.float64:
        return expect
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = expect.astype(np.float32)
        off = np.abs(np.where(np.isfinite(expect), narrow - expect, 0.0))
    return narrow if (off <= allowed / 1000).all() else expect


def compress_arrays(path: Path, results: list[dict]) -> None:
    with np.load(path) as data:
        arrays = dict(data)
    for number, result in enumerate(results):
        if f"expect{number}" in arrays:
            arrays[f"expect{number}"] = narrowed(arrays[f"expect{number}"], result["allowed"])
    np.savez_compressed(path, **arrays)


def compress_package(path: Path) -> None:
    """PTX and machine code are a twelfth of their size then."""
    path.with_suffix(".so.xz").write_bytes(lzma.compress(path.read_bytes()))
    path.unlink()


def pack(source: Source, tools: Path, out: Path, targets: list[str]) -> dict:
    """Writes the packages and cases of one program."""
    prefix = out / "data" / source.name
    inputs = ["--inputs", source.inputs] if source.inputs else []
    commands = [[tools / "attn-run", source.path, "--backend=cuda", *inputs, "--pack", prefix]]
    commands += [[tools / "attn-compile", source.path, f"--target={target}", "-o", out / target / f"{source.name}.so"]
                 for target in targets]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"error: {source.path}: {done.stderr.strip()}")
    listed = prefix.with_name(source.name + ".json")
    cases = json.loads(listed.read_text())
    listed.unlink()
    for case in cases:
        compress_arrays(out / "data" / case["data"], case["results"])
    for target in targets:
        compress_package(out / target / f"{source.name}.so")
    return {"name": source.name, "cases": cases}


def library(build: Path, name: str) -> Path:
    for path in build.rglob(name):
        return path.resolve()
    raise SystemExit(f"error: expects {name} in {build}, but got none; run make build")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pack", type=Path, required=True, metavar="DIR", help="where to write; new or empty")
    parser.add_argument("--target", default="sm_80,sm_90", help="GPUs, with commas between (sm_80,sm_90)")
    parser.add_argument("--random", action="append", metavar="FIRST:COUNT",
                        help=f"random programs by their seeds ({' and '.join(RANDOM)}; 0:0 for none)")
    parser.add_argument("--only", default="", help="programs with one of these in their name")
    parser.add_argument("--build", type=Path, default=Path(os.environ.get("ATTN_BUILD_DIR", ROOT / "build")))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="programs at a time")
    args = parser.parse_args(argv)

    # Cases of test_gpu_kernels.py come with a module that asks the package for its devices.
    sys.path.insert(0, str(args.build / "python"))
    targets = args.target.replace("cuda/", "").split(",")
    if args.pack.exists() and any(args.pack.iterdir()):
        parser.error(f"expects --pack to name a new or an empty folder, but got {args.pack}")
    for name in ["data", "lib", *targets]:
        (args.pack / name).mkdir(parents=True, exist_ok=True)
    for name in ("libattnrt.so.0", "libattnemu.so.0"):
        shutil.copy(library(args.build, name), args.pack / "lib" / name)
    shutil.copy(ROOT / "scripts" / "gpu_run.py", args.pack / "run.py")

    with tempfile.TemporaryDirectory() as folder:
        sources = integration() + random_programs(args.random or RANDOM, Path(folder)) + kernel_cases(Path(folder))
        chosen = [source for source in sources if any(part in source.name for part in args.only.split(","))]
        if not chosen:
            parser.error(f"expects --only to name some of {len(sources)} programs, but got '{args.only}'")
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            tools = args.build / "bin"
            programs = list(pool.map(lambda source: pack(source, tools, args.pack, targets), chosen))
    (args.pack / "cases.json").write_text(json.dumps({"targets": targets, "programs": programs}))
    size = sum(path.stat().st_size for path in args.pack.rglob("*") if path.is_file())
    cases = sum(len(program["cases"]) for program in programs)
    print(f"{len(programs)} programs with {cases} cases for {', '.join(targets)}, {size / 2**20:.1f} MiB")
    print(f"run them with: python3 {args.pack}/run.py")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
