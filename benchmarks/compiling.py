# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What compiling, calling and memory cost: benchmarks.latency, run in fresh processes with caches of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks import machine
from benchmarks.rounds import ROOT, Arena, Readings


def _run(mode: str, cache: str) -> str:
    env = dict(os.environ, ATTN_CACHE_DIR=cache)
    return subprocess.run([sys.executable, "-m", "benchmarks.latency", mode], cwd=ROOT, env=env, text=True,
                          stdout=subprocess.PIPE, check=True, timeout=600).stdout


def _tries(arena: Arena) -> int:
    return max(1, min(5, arena.rounds // 4))


def calls(arena: Arena) -> Readings:
    """First calls with an empty cache and a filled one, and repeated calls."""
    found = Readings(load=machine.load(), times={"cold": [], "warm": [], "repeat": []})
    for number in range(_tries(arena)):
        arena.progress(f"latency: round {number + 1} of {_tries(arena)}")
        with tempfile.TemporaryDirectory() as cache:
            os.chmod(cache, 0o700)
            found.times["cold"].append(float(_run("first", cache)))
            found.times["warm"] += [float(_run("first", cache)) for _ in range(3)]
            found.times["repeat"].append(float(_run("repeat", cache)))
    return found


def stages(arena: Arena) -> Readings:
    """The steps of a first call."""
    found = Readings(load=machine.load())
    for number in range(_tries(arena)):
        arena.progress(f"stages: round {number + 1} of {_tries(arena)}")
        with tempfile.TemporaryDirectory() as cache:
            os.chmod(cache, 0o700)
            for line in _run("stages", cache).splitlines():
                name, _, took = line.rpartition(": ")
                found.times.setdefault(name, []).append(float(took))
    return found


def resources(arena: Arena) -> Readings:
    """Compilations of further lengths, and memory.

    Lengths come first: they fill the cache, and a program off the disk leaves no compiler's memory behind that a
    workspace could go into unseen.
    """
    found = Readings(load=machine.load())
    with tempfile.TemporaryDirectory() as cache:
        os.chmod(cache, 0o700)
        for mode in ("lengths", "workspace"):
            arena.progress(f"{mode}")
            found.figures[mode] = float(_run(mode, cache))
    return found
