# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where the time of one case goes: samples of its machine code, by the kind of loop they fall into.

    profile.py "full d64 n4096" "f32 one call n=16 d64"     names of cases (--list shows them)

The kernel is a shared object that perf sees without symbols. So its code is disassembled, and a sample counts for the
innermost loop around it:

    products      multiply-adds, or products of pairs of bf16, of Q K^T and P V
    weights       exponentials: loops that also scale by a power of two, or round to an integer
    the rest      maxima, copies to scratch, transposes, loops over blocks

Needs Linux's perf and objdump. Samples are of the CPU's time and need no hardware counters.
"""

from __future__ import annotations

import argparse
import bisect
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import cases, machine  # noqa: E402
from benchmarks.cases import Case  # noqa: E402

PRODUCTS = re.compile(r"vfn?madd\d+p[sd]|vdpbf16ps|fmla")
EXPONENTIALS = re.compile(r"vscalefp[sd]|vcvtt?p[sd]2dq|vcvtp[sd]2qq|vroundp[sd]|vrndscalep[sd]|fcvt[nz]s|frint")
#: A loop with fewer is bookkeeping that happens to multiply.
FEWEST_PRODUCTS = 2


def known() -> dict[str, Case]:
    """Every case by its name."""
    found: dict[str, Case] = {}

    def collect(value: Any) -> None:
        if isinstance(value, Case):
            found.setdefault(value.name, value)
        elif isinstance(value, dict):
            collect(list(value.values()))
        elif isinstance(value, (list, tuple)):
            for each in value:
                collect(each)

    for value in vars(cases).values():
        collect(value)
    return found


# ---- the process that is sampled ---------------------------------------------------------


def repeat(case: Case, seconds: float) -> None:
    """Runs the case for so long, and prints how long a call took."""
    from benchmarks.peers import attn_peer

    os.sched_setaffinity(0, machine.cpus(case.threads))
    run = next(iter(attn_peer.variants(case))).run
    run()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    print(best)


# ---- the code that was sampled -----------------------------------------------------------


class Loops:
    """The innermost loop around an address, and its kind."""

    def __init__(self, package: Path):
        # perf counts from the start of the file, objdump says where code is loaded.
        headers = subprocess.run(["objdump", "-h", package], check=True, capture_output=True, text=True).stdout
        loaded, offset = re.search(r"\.text\s+\w+\s+(\w+)\s+\w+\s+(\w+)", headers).groups()  # type: ignore[union-attr]
        self.shift = int(loaded, 16) - int(offset, 16)
        text = subprocess.run(
            ["objdump", "-d", "--no-show-raw-insn", package], check=True, capture_output=True, text=True
        ).stdout
        self.code = [
            (int(m[1], 16), m[2]) for m in re.finditer(r"^\s*([0-9a-f]+):\s+(.+)$", text, re.M)
        ]
        self.addresses = [address for address, _ in self.code]
        self.loops = []
        for address, line in self.code:
            jump = re.match(r"(?:j\w+|b\.?\w*|cbn?z|tbn?z)\s+(?:.*,\s*)?([0-9a-f]+)\b", line)
            if jump and int(jump[1], 16) <= address:
                self.loops.append((address - int(jump[1], 16), int(jump[1], 16), address))
        self.loops.sort()

    def kind(self, address: int) -> str:
        address += self.shift
        for _, begin, end in self.loops:
            if begin <= address <= end:
                return self._kind_of(begin, end)
        return "the rest of the kernel"

    def _kind_of(self, begin: int, end: int) -> str:
        low = bisect.bisect_left(self.addresses, begin)
        high = bisect.bisect_right(self.addresses, end)
        lines = [line for _, line in self.code[low:high]]
        if any(EXPONENTIALS.match(line) for line in lines):
            return "weights"
        if sum(bool(PRODUCTS.match(line)) for line in lines) >= FEWEST_PRODUCTS:
            return "products"
        return "the rest of the kernel"


def machine_code(folder: Path) -> Loops:
    """The code of the only package of a cache: a shared object behind a header."""
    packages = list(folder.rglob("*.attnpkg"))
    if len(packages) != 1:
        sys.exit(f"expects a case of one kernel, but got {len(packages)}")
    content = packages[0].read_bytes()
    path = folder / "package.so"
    path.write_bytes(content[content.index(b"\x7fELF") :])
    return Loops(path)


LIBRARIES = (
    (r"libattnrt|_runtime", "attn's runtime"),
    (r"python|numpy|_umath", "Python"),
    (r"kernel|vdso", "the system's kernel"),
)


def shares(case: Case, seconds: float) -> tuple[float, dict[str, float]]:
    """The best call in seconds, and the share of samples of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        record = f"{folder}/perf.data"
        environment = {**os.environ, "ATTN_CACHE_DIR": f"{folder}/cache"}
        command = [sys.executable, __file__, "--repeat", str(seconds), case.name]
        # Once for the cache, so that no sample is of the compiler.
        subprocess.run([*command[:3], "0", case.name], check=True, capture_output=True, env=environment)
        ran = subprocess.run(
            ["perf", "record", "-q", "-e", "cpu-clock", "-F", "4999", "-o", record, *command],
            check=True, capture_output=True, text=True, env=environment,
        )  # fmt: skip
        report = subprocess.run(
            ["perf", "report", "-i", record, "--stdio", "-q", "--sort", "dso,sym", "-t", ";"],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        loops = machine_code(Path(folder))
    found: collections.Counter[str] = collections.Counter()
    for line in report.splitlines():
        fields = [field.strip() for field in line.split(";")]
        if len(fields) < 3 or not re.fullmatch(r"[\d.]+%?", fields[0]):
            continue
        share, library, symbol = float(fields[0].rstrip("%")) / 100, fields[1], fields[2]
        address = re.search(r"0x([0-9a-f]+)", symbol)
        if "package.so" in library and address:
            found[loops.kind(int(address[1], 16))] += share
        else:
            names = (name for pattern, name in LIBRARIES if re.search(pattern, library))
            found[next(names, "other libraries")] += share
    return float(ran.stdout.split()[-1]), dict(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="CASE", help="names of cases")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each case runs (4)")
    parser.add_argument("--threads", type=int, help="threads of the call (the case's)")
    parser.add_argument("--repeat", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    everything = known()
    if options.list:
        print("\n".join(everything))
        return 0
    unknown = [name for name in options.names if name not in everything]
    if unknown or not options.names:
        sys.exit(f"expects names of cases (--list), but got {', '.join(map(repr, unknown)) or 'none'}")
    chosen = [everything[name] for name in options.names]
    if options.threads:
        chosen = [replace(case, threads=options.threads) for case in chosen]
    if options.repeat is not None:
        repeat(chosen[0], options.repeat)
        return 0
    missing = [tool for tool in ("perf", "objdump") if not shutil.which(tool)]
    if missing:
        sys.exit(f"expects {' and '.join(missing)} in PATH (Debian: linux-perf, binutils)")
    print(machine.cpu_name())
    for case in chosen:
        best, found = shares(case, options.seconds)
        print(f"\n{case.name}: {best * 1e6:.1f} us a call")
        for kind, share in sorted(found.items(), key=lambda item: -item[1]):
            if share >= 0.005:
                print(f"  {share:6.1%}  {kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
