# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The machine: its name, how busy it is, and the probes of peak.cpp."""

from __future__ import annotations

import ctypes
import os
import pathlib

import numpy as np


def _cpuinfo(field: str) -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""


def flags() -> set[str]:
    return set(_cpuinfo("flags").split())


def isa() -> str:
    """The widest vectors of this CPU that matter here."""
    have = flags()
    if "avx512f" in have:
        return "AVX-512 with bf16 dot products" if "avx512_bf16" in have else "AVX-512"
    return "AVX2" if "avx2" in have else "no AVX2"


def wide() -> bool:
    return "avx512f" in flags()


def cpu_name() -> str:
    family = f"family {_cpuinfo('cpu family')} model {_cpuinfo('model')}" if _cpuinfo("cpu family") else ""
    return f"{_cpuinfo('model name') or 'unknown CPU'} {family} ({isa()})".replace("  ", " ")


def load() -> float:
    """How many processes ran or wanted to during the last minute."""
    return os.getloadavg()[0]


def stolen() -> float:
    """Seconds that the host took from this machine since it started."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK") if len(fields) > 8 else 0.0


def cpus(count: int) -> set[int]:
    """As many CPUs as that of those this process may use, on different cores where there are enough."""
    allowed = sorted(os.sched_getaffinity(0))
    chosen: dict[object, int] = {}
    for cpu in allowed:
        core = pathlib.Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        chosen.setdefault(core.read_text() if core.exists() else cpu, cpu)
    ordered = [*chosen.values(), *(c for c in allowed if c not in chosen.values())]
    return set(ordered[:count])


class Probes:
    """What this machine can do at most, asked in the same run as the kernels."""

    def __init__(self, build: pathlib.Path, threads: int):
        found = sorted(build.rglob("libattnbench.so"))
        if not found:
            raise SystemExit(f"bench: expects libattnbench.so under {build}, but found none; run `make build`")
        self.library = ctypes.CDLL(str(found[0]))
        for name in ("attnbench_fma_peak", "attnbench_dot_peak", "attnbench_linear_read"):
            getattr(self.library, name).restype = ctypes.c_double
        self.library.attnbench_linear_read.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int]
        self.threads = threads
        self._buffer: np.ndarray | None = None

    def fma(self) -> float:
        """f32 operations per second."""
        return float(self.library.attnbench_fma_peak(self.threads))

    def dot(self) -> float:
        """Operations per second of bf16 dot products; 0 without them."""
        return float(self.library.attnbench_dot_peak(self.threads))

    def read(self) -> float:
        """Bytes per second, in order."""
        if self._buffer is None:
            self._buffer = np.ones(1 << 26, np.float32)  # 256 MiB: beyond any cache here
        return float(self.library.attnbench_linear_read(self._buffer.ctypes.data, self._buffer.size, self.threads))

    def probe(self, name: str) -> float:
        return float({"fma": self.fma, "dot": self.dot, "read": self.read}[name]())
