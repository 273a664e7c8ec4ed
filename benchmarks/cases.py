# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cases: what is measured, and what each row has to reach."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Case:
    """One attention: B = 1, f32, `heads` query heads on `kv_heads`.

    `floor` is the share of the FMA peak a prefill has to reach; a decode case
    (`queries` = 1) has to be no slower than numpy instead.
    """

    name: str
    heads: int
    kv_heads: int
    queries: int
    keys: int
    dim: int
    causal: bool = False
    floor: float | None = None
    dtype: str = "float32"

    @property
    def decode(self) -> bool:
        return self.queries == 1

    @property
    def flops(self) -> float:
        """4 d x kept pairs, over all heads."""
        pairs = self.queries * self.keys
        if self.causal:
            pairs = self.queries * (self.queries + 1) / 2 + self.queries * (self.keys - self.queries)
        return 4.0 * self.dim * pairs * self.heads

    @property
    def kv_bytes(self) -> float:
        return 2.0 * 4 * self.kv_heads * self.keys * self.dim


PREFILL = [
    Case(f"prefill d{d} n{n} {'causal' if causal else 'full'}", 8, 8, n, n, d, causal, floor=0.60)
    for d in (64, 128)
    for n in (1024, 2048)
    for causal in (False, True)
]
DECODE = [
    Case(f"decode d128 kv{keys} group{8 // kv_heads}", 8, kv_heads, 1, keys, 128)
    for keys in (4096, 16384)
    for kv_heads in (8, 2)
]
#: Gradients: their time, over that of the attention that they are of, and what it may be. Five products
#: against two make 2.5 at equal speed.
BACKWARD = [
    Case(f"backward d{d} n{n} {'causal' if causal else 'full'}{'' if dtype == 'float32' else ' f16'}", 8, 8, n, n, d,
         causal, dtype=dtype)
    for dtype, sizes in (("float32", (1024, 2048, 4096)), ("float16", (2048,)))
    for d in (64, 128)
    for n in sizes
    for causal in (False, True)
]
BACKWARD_RATIO = 3.0
THREADS = 2
