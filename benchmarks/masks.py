# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Masks that no interval describes, beside dense attention: `python -m benchmarks.masks`.

`over` is the time over (dense time x kept share of the pairs): 1 would be a mask
whose hidden pairs cost nothing and whose visible ones cost no more than without it.
`hidden` rows hide everything, so that what is left is the look at the mask.
Rounds go through all rows in turn, so that a busy machine disturbs all alike.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from benchmarks.cases import THREADS

HEADS, LENGTH, DIM = 8, 2048, 64


def rows():
    rng = np.random.default_rng(0)
    blocks = rng.random((LENGTH // 128, LENGTH // 128)) < 0.25
    block_mask = np.kron(blocks, np.ones((128, 128), bool))
    slot = np.arange(LENGTH)
    y, x = slot // 64, slot % 64
    near = (abs(y[:, None] - y) <= 6) & (abs(x[:, None] - x) <= 6)
    yield "dense", 1.0, {}
    yield "tensor, blocks of 128", block_mask.mean(), {"mask": block_mask}
    yield "mask_mod, blocks of 128", block_mask.mean(), {
        "mask_mod": lambda b, h, q, kv: blocks[q // 128, kv // 128]
    }
    yield "mask_mod, 13 x 13 of 64 x 32", near.mean(), {
        "mask_mod": lambda b, h, q, kv: (abs(q // 64 - kv // 64) <= 6) & (abs(q % 64 - kv % 64) <= 6)
    }
    yield "mask_mod, every 5th", 0.2, {"mask_mod": lambda b, h, q, kv: (q - kv) % 5 == 0}
    yield "tensor, hidden", 0.0, {"mask": np.zeros((LENGTH, LENGTH), bool)}
    yield "mask_mod, hidden", 0.0, {
        "mask_mod": lambda b, h, q, kv: (abs(q // 64 - kv // 64) > 99) & (abs(q % 64 - kv % 64) > 99)
    }


def main() -> None:
    import attn

    rng = np.random.default_rng(1)
    q, k, v = (rng.standard_normal((1, HEADS, LENGTH, DIM), dtype=np.float32) for _ in range(3))
    cases = list(rows())
    times = {name: [] for name, _, _ in cases}
    for turn in range(int(sys.argv[1]) if len(sys.argv) > 1 else 12):
        for name, _, named in cases:
            start = time.perf_counter()
            attn.attention(q, k, v, num_threads=THREADS, **named)
            if turn:  # the first compiles
                times[name].append(time.perf_counter() - start)
    dense = min(times["dense"])
    print(f"{'B=1 H=8 n=2048 d=64 f32':32} {'ms':>8} {'kept':>7} {'/ dense':>8} {'over':>6}")
    for name, kept, _ in cases:
        best = min(times[name])
        over = f"{best / dense / kept:6.2f}" if kept else "     -"
        print(f"{name:32} {best * 1e3:8.2f} {kept:7.3f} {best / dense:8.3f} {over}")


if __name__ == "__main__":
    main()
