# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a first call, a disk hit and a repeated call cost. Run as a process of its own.

`first` prints the seconds of the first attention call of this process (a
compilation with an empty cache folder, a disk hit with a warm one); `repeat`
prints the seconds that one call of the smallest problem takes, kernel included.
"""

from __future__ import annotations

import sys
import time

import numpy as np


def main() -> None:
    import attn

    shape = (1, 8, 128, 64) if sys.argv[1] == "first" else (1, 1, 1, 64)
    q, k, v = (np.ones(shape, np.float32) for _ in range(3))

    def call():
        return attn.attention(q, k, v, causal="bottom_right", num_threads=1)

    if sys.argv[1] == "first":
        start = time.perf_counter()
        call()
        print(time.perf_counter() - start)
        return
    for _ in range(200):
        call()
    best = float("inf")
    for _ in range(50):
        start = time.perf_counter()
        for _ in range(100):
            call()
        best = min(best, (time.perf_counter() - start) / 100)
    print(best)


if __name__ == "__main__":
    main()
