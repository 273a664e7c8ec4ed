# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures attn beside its peers and beside the machine's own peak, in one run.

All peers take turns within each round, each in its own process; the peak is
probed in every round. The reading is the best of all rounds on both sides of a
ratio: machines are shared, and only the best says what the code can do. Medians
are printed beside.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.cases import BACKWARD, BACKWARD_RATIO, DECODE, PREFILL, THREADS, Case  # noqa: E402


class Peer:
    """A worker process; `None` answers mean that it died, which is an error."""

    def __init__(self, name: str):
        self.name = name
        env = dict(os.environ, OMP_NUM_THREADS=str(THREADS), OPENBLAS_NUM_THREADS=str(THREADS))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name], cwd=ROOT, env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"bench: the worker of {self.name} ended")
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=30)


# Share of the linear read of the run from which a decode step counts as bound by memory alone.
MEMORY_SPEED = 0.95


class Machine:
    """The probes of peak.cpp."""

    def __init__(self, build: pathlib.Path):
        found = sorted(build.rglob("libattnbench.so"))
        if not found:
            raise SystemExit(f"bench: expects libattnbench.so under {build}, but found none; run `make build`")
        self.library = ctypes.CDLL(str(found[0]))
        self.library.attnbench_fma_peak.restype = ctypes.c_double
        self.library.attnbench_linear_read.restype = ctypes.c_double
        self.library.attnbench_linear_read.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int]
        self.buffer = np.ones(1 << 26, np.float32)  # 256 MiB: beyond any cache here

    def fma(self) -> float:
        return self.library.attnbench_fma_peak(THREADS)

    def read(self) -> float:
        return self.library.attnbench_linear_read(self.buffer.ctypes.data, self.buffer.size, THREADS)


def cpu_name() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
            break
    else:
        name = "unknown CPU"
    flags = next((line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("flags")), "").split()
    isa = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return f"{name} ({isa})"


def measure(cases: list[Case], peers: list[str], rounds: int, machine: Machine, progress) -> list[dict]:
    rows = []
    for case in cases:
        workers = [Peer(name) for name in peers]
        for worker in workers:
            worker.ask(case=dataclasses.asdict(case))
        times: dict[str, list[float]] = {name: [] for name in peers}
        peaks = []
        for number in range(rounds):
            probe = machine.read if case.decode else machine.fma
            peaks += [probe() for _ in range(3)]
            for worker in workers:
                time.sleep(0.03)
                # A decode step is short and waits for memory: more tries find its best.
                times[worker.name] += worker.ask(time=12 if case.decode else 3)
            progress(f"{case.name}: round {number + 1} of {rounds}")
        for worker in workers:
            worker.close()
        rows.append({"case": case, "times": times, "peak": max(peaks)})
    return rows


def latency(rounds: int) -> list[dict]:
    def run(mode: str, cache: str) -> float:
        env = dict(os.environ, ATTN_CACHE_DIR=cache)
        done = subprocess.run([sys.executable, "-m", "benchmarks.latency", mode], cwd=ROOT, env=env,
                              text=True, stdout=subprocess.PIPE, check=True)
        return float(done.stdout)

    cold, warm, repeat = [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as cache:
            os.chmod(cache, 0o700)
            cold.append(run("first", cache))
            warm.append(run("first", cache))
            repeat.append(run("repeat", cache))
    return [
        {"row": "first call, compilation included", "best": min(cold), "median": statistics.median(cold), "limit": 1.5},
        {"row": "first call, disk hit", "best": min(warm), "median": statistics.median(warm), "limit": 0.05},
        {"row": "repeated call, kernel included", "best": min(repeat), "median": statistics.median(repeat), "limit": 20e-6},
    ]


def time_text(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} us"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="exit 1 when a row misses its target")
    parser.add_argument("--rounds", type=int, default=12, help="rounds per case (default 12)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build tree")
    parser.add_argument("--json", type=pathlib.Path, help="write all figures there as well")
    parser.add_argument("--only", choices=["prefill", "backward", "decode", "latency"], help="one group of rows")
    options = parser.parse_args()

    def progress(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    machine = Machine(options.build)
    have_torch = importlib.util.find_spec("torch") is not None
    prefill_peers = ["attn"] + (["torch"] if have_torch else [])
    decode_peers = ["attn", "numpy"] + (["torch"] if have_torch else [])
    missed = 0
    record: dict = {"cpu": cpu_name(), "threads": THREADS, "rows": []}

    def verdict(good: bool) -> str:
        nonlocal missed
        missed += not good
        return "pass" if good else "FALLS SHORT"

    def report(name: str, **figures) -> None:
        record["rows"].append({"row": name, **figures})

    print(f"{cpu_name()}, {THREADS} threads; best of {options.rounds} interleaved rounds")
    if options.only in (None, "prefill"):
        print(f"\n{'f32, B=1, H=8':32} {'GFLOP/s':>8} {'of peak':>8} {'median':>7} {'target':>7}")
        for row in measure(PREFILL, prefill_peers, options.rounds, machine, progress):
            case, times = row["case"], row["times"]
            share = case.flops / min(times["attn"]) / row["peak"]
            median = case.flops / statistics.median(times["attn"]) / row["peak"]
            extra = f"   torch {case.flops / min(times['torch']) / row['peak']:.2f}" if have_torch else ""
            progress("")
            print(f"{case.name:32} {case.flops / min(times['attn']) / 1e9:8.1f} {share:8.2f} {median:7.2f} "
                  f"{case.floor:7.2f}  {verdict(share >= case.floor)}{extra}")
            report(case.name, share=share, median=median, peak=row["peak"], times=times)
    if options.only in (None, "backward"):
        print(f"\n{'gradients, B=1, H=8':32} {'GFLOP/s':>8} {'of peak':>8} {'x forward':>9} {'median':>7} {'target':>7}")
        for row in measure(BACKWARD, ["attn", "attn grad"], options.rounds, machine, progress):
            case, times = row["case"], row["times"]
            ratio = min(times["attn grad"]) / min(times["attn"])
            median = statistics.median(times["attn grad"]) / statistics.median(times["attn"])
            speed = 2.5 * case.flops / min(times["attn grad"])
            progress("")
            print(f"{case.name:32} {speed / 1e9:8.1f} {speed / row['peak']:8.2f} {ratio:9.2f} {median:7.2f} "
                  f"{BACKWARD_RATIO:7.2f}  {verdict(ratio <= BACKWARD_RATIO)}")
            report(case.name, ratio=ratio, median=median, peak=row["peak"], times=times)
    if options.only in (None, "decode"):
        print(f"\n{'one query, f32, H=8':32} {'GB/s':>8} {'of read':>8} {'x numpy':>8} {'target':>7}")
        for row in measure(DECODE, decode_peers, 2 * options.rounds, machine, progress):
            case, times = row["case"], row["times"]
            best = min(times["attn"])
            ratio = min(times["numpy"]) / best
            share = case.kv_bytes / best / row["peak"]
            # Two kernels that both wait for memory differ by luck: 0.95 of a linear read is memory's speed.
            bound = ratio < 1.0 and share >= MEMORY_SPEED
            extra = f"   torch {min(times['torch']) / best:.2f} x slower" if have_torch else ""
            progress("")
            print(f"{case.name:32} {case.kv_bytes / best / 1e9:8.1f} {share:8.2f} {ratio:8.2f} {1.0:7.2f}  "
                  f"{verdict(ratio >= 1.0 or bound)}{' (memory speed)' if bound else ''}{extra}")
            report(case.name, ratio=ratio, share=share, read=row["peak"], times=times)
    if options.only in (None, "latency"):
        print(f"\n{'latency':32} {'best':>10} {'median':>10} {'target':>10}")
        for row in latency(max(3, options.rounds // 4)):
            print(f"{row['row']:32} {time_text(row['best']):>10} {time_text(row['median']):>10} "
                  f"{time_text(row['limit']):>10}  {verdict(row['best'] <= row['limit'])}")
            report(row["row"], best=row["best"], median=row["median"])
    if options.json:
        options.json.write_text(json.dumps(record, indent=1))
    print(f"\n{missed} rows fall short" if missed else "\nevery row reaches its target")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
