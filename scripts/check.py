#!/usr/bin/env python3
# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs every test of the project in parts, times each, and sums them up.

Each part is a command whose own output is passed through untouched, its usual summary line included. The last line of
this script is `N passed, N failed, N skipped` over all parts; the exit status is 0 only when every part exited with 0,
failed nothing and ran at least one test.

    scripts/check.py                     all parts
    scripts/check.py --only lit,python   some parts
    scripts/check.py --list              what the parts run
    scripts/check.py --device            what needs a GPU; where there is none, all of it counts as skipped

Lines `gpu summary: ...` that a part prints are shown again at the end.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parent.parent
LLVM_BIN = Path("/usr/lib/llvm-22/bin")


@dataclasses.dataclass
class Counts:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def count_ctest(text: str) -> Counts | None:
    """Reads `100% tests passed, 0 tests failed out of 12` and the list of tests that did not run."""
    found = re.search(r"^\d+% tests passed, (\d+) tests? failed out of (\d+)", text, re.M)
    if not found:
        return None
    failed, total = int(found[1]), int(found[2])
    skipped = len(re.findall(r"^\s*\d+ - .* \((?:Skipped|Disabled)\)\s*$", text, re.M))
    return Counts(total - failed - skipped, failed, skipped)


def count_lit(text: str) -> Counts | None:
    """Reads lit's table: `Passed: 3 (100.00%)`, one row per kind of result."""
    rows = {m[1]: int(m[2]) for m in re.finditer(r"^\s*([A-Z][A-Za-z ]+?)\s*: +(\d+) \(", text, re.M)}
    if not rows:
        return None
    good = ("Passed", "Passed With Retry", "Expectedly Failed")
    idle = ("Unsupported", "Skipped", "Excluded")
    # Tests that --filter left out belong to another part.
    skipped = sum(rows.get(k, 0) for k in idle if k != "Excluded")
    passed = sum(rows.get(k, 0) for k in good)
    failed = sum(v for k, v in rows.items() if k not in good and k not in idle)
    return Counts(passed, failed, skipped)


def count_pytest(text: str) -> Counts | None:
    """Reads `==== 1 failed, 5 passed, 1 skipped in 2.10s ====` (with -q: without the bars)."""
    lines = re.findall(r"^(?:=+ )?(\d+ [a-z]+(?:, \d+ [a-z]+)*) in [\d.]+s\b", text, re.M)
    if not lines:
        return None
    rows = {word: int(n) for n, word in re.findall(r"(\d+) ([a-z]+)", lines[-1])}
    failed = rows.get("failed", 0) + rows.get("error", 0) + rows.get("errors", 0)
    passed = rows.get("passed", 0) + rows.get("xfailed", 0)
    return Counts(passed, failed, rows.get("skipped", 0))


def count_plain(text: str) -> Counts | None:
    """Reads the last `N passed, N failed, N skipped`."""
    lines = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$", text, re.M)
    if not lines:
        return None
    passed, failed, skipped = lines[-1]
    return Counts(int(passed), int(failed), int(skipped or 0))


@dataclasses.dataclass
class Part:
    """A named command with the reader of its summary and a limit in minutes."""

    name: str
    command: list[str]
    count: Callable[[str], Counts | None]
    limit: float = 20.0
    env: dict[str, str] = dataclasses.field(default_factory=dict)


# On the emulator nothing needs machine code, so the suites there do without ptxas.
NO_PTXAS = {"ATTN_PTXAS": ""}
GPU_LINE = re.compile(r"^\.*gpu summary: (.*)$", re.M)


def parts(build: Path) -> list[Part]:
    """The parts, in the order of how soon they tell something."""
    lit = [sys.executable, str(LLVM_BIN / "lit"), str(build / "test")]
    pytest = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    jobs = str(os.cpu_count() or 1)
    python = ROOT / "test" / "python"
    # The random cases have a part, and so a time, of their own; so have the GPU's kernels.
    random, kernels = python / "test_random.py", python / "test_gpu_kernels.py"
    return [
        Part("lint", [*lit, "-sv", "--filter", r"Lint/"], count_lit, 5),
        Part("ctest", ["ctest", "--test-dir", str(build), "-j", jobs, "--output-on-failure"], count_ctest, 10),
        Part("lit", [*lit, "-sv", "--filter-out", r"Lint/"], count_lit, 15),
        Part(
            "integration",
            [str(build / "bin" / "attn-run"), "--suite", str(ROOT / "test" / "Integration"), "--backend=cpu"],
            count_plain,
            15,
        ),
        Part(
            "gpu",
            [str(build / "bin" / "attn-run"), "--suite", str(GPU_SUITE), "--backend=emulated"],
            count_plain,
            10,
            NO_PTXAS,
        ),
        Part("gpu-kernels", [*pytest, "-s", str(kernels)], count_pytest, 10),
        Part("python", [*pytest, str(python), f"--ignore={random}", f"--ignore={kernels}"], count_pytest, 25),
        Part("random", [*pytest, "-s", str(random)], count_pytest, 15),
    ]


GPU_SUITE = ROOT / "test" / "Integration" / "GPU"


def device_parts(build: Path) -> list[Part]:
    """What runs on a GPU: the same programs, random programs and kernels as on the emulator, and the device tests."""
    python = ROOT / "test" / "python"
    files = [str(python / f"test_{name}.py") for name in ("random", "gpu_kernels", "devices")]
    pytest = [sys.executable, "-m", "pytest", "-q", "-s", "-rs", "-p", "no:cacheprovider", "-m", "device"]
    return [
        Part(
            "gpu",
            [str(build / "bin" / "attn-run"), "--suite", str(GPU_SUITE), "--backend=cuda"],
            count_plain,
            10,
        ),
        Part("device", [*pytest, *files], count_pytest, 20),
    ]


def no_device() -> str:
    """Why no GPU can be used; '' when one can."""
    code = (
        "import attn\n"
        "found = [d for d in attn.devices() if d.name.startswith('cuda')]\n"
        "print('' if any(d.available for d in found) else next((d.reason for d in found if d.reason), 'no device'))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def count_device_tests(build: Path) -> int:
    """How many tests device_parts would run."""
    suite = sum("cuda" in path.open().readline() for path in GPU_SUITE.rglob("*.mlir"))
    collect = [*device_parts(build)[-1].command, "--collect-only"]
    done = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True)
    return suite + sum("::" in line for line in done.stdout.splitlines())


def run(part: Part) -> tuple[Counts, float, str, list[str]]:
    """Runs one part, passing its output through.

    Returns counts, minutes, what went wrong ('' for nothing) and its lines on GPU kernels.
    """
    start = time.monotonic()
    text: list[str] = []
    try:
        child = subprocess.Popen(
            part.command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **part.env},
            start_new_session=True,
        )
    except OSError as error:
        return Counts(failed=1), 0.0, f"did not start: {error}", []
    assert child.stdout is not None

    # A part that hangs must not hang the whole run: its process group goes when its time is up.
    late = False

    def stop(*_: object) -> None:
        nonlocal late
        late = True
        os.killpg(child.pid, signal.SIGKILL)

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(int(part.limit * 60))
    try:
        for line in child.stdout:
            text.append(line)
            sys.stdout.write(line)
            sys.stdout.flush()
        status = child.wait()
    except KeyboardInterrupt:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait()
        raise
    finally:
        signal.alarm(0)
    minutes = (time.monotonic() - start) / 60

    counts = part.count("".join(text))
    if late:
        wrong = f"stopped after {part.limit:g} minutes"
    elif counts is None:
        wrong = f"ended with status {status} and without its summary line"
    elif status != 0 and counts.failed == 0:
        wrong = f"ended with status {status}"
    elif counts.passed + counts.failed == 0:
        wrong = "ran no test"
    else:
        wrong = ""
    counts = counts or Counts()
    if wrong and counts.failed == 0:
        # Something failed that no test stands for; it counts as one.
        counts.failed = 1
    elif counts.failed and not wrong:
        wrong = f"{counts.failed} failed"
    return counts, minutes, wrong, GPU_LINE.findall("".join(text))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build tree (default: build)")
    parser.add_argument("--only", default="", help="names of parts, with commas between")
    parser.add_argument("--list", action="store_true", help="print the parts and their commands")
    parser.add_argument("--device", action="store_true", help="what needs a GPU")
    args = parser.parse_args(argv)

    build = args.build.resolve()
    everything = device_parts(build) if args.device else parts(build)
    if args.list:
        for part in everything:
            print(f"{part.name:12} {shlex.join(part.command)}")
        return 0
    names = [n for n in args.only.split(",") if n]
    unknown = sorted(set(names) - {p.name for p in everything})
    if unknown:
        parser.error(f"expects parts among {[p.name for p in everything]}, but got {unknown}")
    chosen = [p for p in everything if not names or p.name in names]
    if args.device and (reason := no_device()):
        print(f"no GPU, all of its tests are skipped: {reason}")
        print(Counts(skipped=count_device_tests(build)), flush=True)
        return 0

    results = []
    for part in chosen:
        print(f"\n===== {part.name}: {shlex.join(part.command)}", flush=True)
        results.append((part, *run(part)))

    print("\n===== summary")
    total = Counts()
    for part, counts, minutes, wrong, _ in results:
        total += counts
        print(f"{part.name:12} {minutes:6.2f} min   {counts}{'   FAILED: ' + wrong if wrong else ''}")
    print(f"{'all parts':12} {sum(r[2] for r in results):6.2f} min")
    for part, counts, _, _, lines in results:
        if part.name == "gpu":
            print(f"gpu: {counts.passed} programs of test/Integration/GPU passed, {counts.failed} failed")
        for line in lines:
            print(f"gpu: {line}")
    print(total, flush=True)
    return 1 if any(r[3] for r in results) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
