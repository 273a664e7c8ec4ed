# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What compiling and calling cost. Run as a process of its own: `python -m benchmarks.latency MODE`.

`first` prints the seconds of the first attention call of this process (a
compilation with an empty cache folder, a disk hit with a warm one); `repeat`
prints the seconds that one call of the smallest problem takes, kernel included.
`stages` prints the seconds of each step of a first call, one a line with its name;
`lengths` how many programs 64 calls of different lengths compile after the first;
`workspace` the bytes by which memory grows in a program's first call, over those of its scores.
"""

from __future__ import annotations

import sys
import time

import numpy as np


def call_of(shape: tuple[int, ...], threads: int = 1):
    import attn

    q, k, v = (np.ones(shape, np.float32) for _ in range(3))
    return lambda: attn.attention(q, k, v, causal="bottom_right", num_threads=threads)


def first() -> None:
    call = call_of((1, 8, 128, 64))
    start = time.perf_counter()
    call()
    print(time.perf_counter() - start)


def repeat() -> None:
    call = call_of((1, 1, 1, 64))
    for _ in range(200):
        call()
    best = float("inf")
    for _ in range(50):
        start = time.perf_counter()
        for _ in range(100):
            call()
        best = min(best, (time.perf_counter() - start) / 100)
    print(best)


def stages() -> None:
    """The steps of a first call. A stage's time is what emitting it takes longer than the one before it."""
    start = time.perf_counter()
    import attn
    from attn import compiler

    print("import attn:", time.perf_counter() - start)
    q = np.ones((1, 8, 128, 64), np.float32)
    start = time.perf_counter()
    backend = compiler.backend()
    print("load the compiler:", time.perf_counter() - start)
    start = time.perf_counter()
    plan = attn.compile(attn.attention, q, q, q, causal="bottom_right")
    total = time.perf_counter() - start
    text = plan.mlir()
    before = 0.0
    for kind, stage in enumerate(compiler.STAGES):
        took = min(_seconds(lambda: backend.emit(text, kind, None, 3)) for _ in range(3))
        print(f"to {stage}:", max(0.0, took - before))
        before = took
    print("link, load and the rest:", max(0.0, total - before))
    print("first run:", _seconds(lambda: plan.run(q, q, q, num_threads=1)))


def _seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def lengths() -> None:
    from attn import compiler

    call_of((1, 2, 128, 64))()
    before = dict(compiler.counters)
    for n in range(1, 65):
        # Odd and even, short and long, and another batch and head count now and then.
        call_of((1 + n % 2, 2 + n % 3, 7 * n + n % 5, 64))()
    print(sum(compiler.counters.values()) - sum(before.values()))


def workspace() -> None:
    """One head of 16,384 queries and keys, the strictest case: heads share what a thread needs.

    The program is loaded and has not run, so that what its threads allocate once and keep counts too.
    """
    import attn

    n = 16384
    q, k, v = (np.ones((1, 1, n, 64), np.float32) for _ in range(3))
    plan = attn.compile(attn.attention, q, k, v, causal="bottom_right")
    out = 4 * n * 64
    # The highest memory so far, counted anew from here.
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = _status("VmRSS")
    plan.run(q, k, v, num_threads=2)
    print((_status("VmHWM") - before - out) / (4.0 * n * n))


def _status(field: str) -> int:
    """Bytes of a line of /proc/self/status."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field + ":"))


def main() -> None:
    import attn  # noqa: F401  what importing costs is `stages`' business

    {"first": first, "repeat": repeat, "lengths": lengths, "workspace": workspace}[sys.argv[1]]()


if __name__ == "__main__":
    stages() if sys.argv[1] == "stages" else main()
