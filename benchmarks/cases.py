# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cases: which attentions are measured. benchmarks/questions.py says what each has to reach."""

from __future__ import annotations

import dataclasses

THREADS = 2


@dataclasses.dataclass(frozen=True)
class Case:
    """One attention of `heads` query heads on `kv_heads`.

    At most one of the fields that restrict the keys is used. `floor` is the share
    of the FMA peak that a prefill of the plain rows has to reach.
    """

    name: str
    heads: int
    kv_heads: int
    queries: int
    keys: int
    dim: int
    causal: bool = False
    floor: float | None = None
    dtype: str = "f32"
    batch: int = 1
    threads: int = THREADS
    #: (left, right): how many keys before and behind its own a query sees.
    window: tuple[int, int] | None = None
    #: Documents of equal length that see themselves only.
    documents: int = 0
    #: The share of 128 x 128 blocks that is kept, drawn at random.
    blocks: float | None = None
    #: Slots of a KV page, and whether the pages lie shuffled in their pool.
    page: int = 0
    shuffled: bool = False
    #: Packed sequences; `separate` calls once for each instead.
    lengths: tuple[int, ...] = ()
    separate: bool = False
    #: The gradients of q, k and v instead of the result.
    backward: bool = False
    #: Rows whose bits are their own (attn's batch_invariant).
    invariant: bool = False
    #: What becomes of a score: "softcap" (inputs.SOFTCAP) or "alibi" (inputs.slopes).
    score: str = ""

    @property
    def decode(self) -> bool:
        return self.queries == 1

    @property
    def group(self) -> int:
        return self.heads // self.kv_heads

    @property
    def itemsize(self) -> int:
        return {"f64": 8, "f32": 4}.get(self.dtype, 2)

    @property
    def pairs(self) -> float:
        """Pairs of a query and a key that it sees, of one head and batch entry."""
        if self.lengths:
            return sum(n * (n + 1) / 2 if self.causal else n * n for n in self.lengths)
        if self.window or self.documents or self.blocks is not None:
            from benchmarks import inputs

            return float(inputs.kept_pairs(self))
        if self.causal:
            return self.queries * (self.queries + 1) / 2 + self.queries * (self.keys - self.queries)
        return self.queries * self.keys

    @property
    def kept(self) -> float:
        """The share of all pairs that is kept."""
        return self.pairs / (self.queries * self.keys)

    @property
    def flops(self) -> float:
        """4 d x kept pairs, over all heads; a gradient has 5 products where the result has 2."""
        return (10.0 if self.backward else 4.0) * self.dim * self.pairs * self.heads * self.batch

    @property
    def kv_bytes(self) -> float:
        return 2.0 * self.itemsize * self.kv_heads * self.keys * self.dim * self.batch

    def but(self, name: str, **changes: object) -> Case:
        """This case under another name, with some fields changed."""
        return dataclasses.replace(self, name=name, **changes)  # type: ignore[arg-type]


def square(name: str, n: int, d: int, **more: object) -> Case:
    """Self-attention of 8 heads."""
    return Case(name, 8, 8, n, n, d, **more)  # type: ignore[arg-type]


# ---- the plain rows, which README quotes ------------------------------------------------------------------------

PREFILL = [
    square(f"prefill d{d} n{n} {'causal' if causal else 'full'}", n, d, causal=causal, floor=0.60)
    for d in (64, 128)
    for n in (1024, 2048)
    for causal in (False, True)
]
DECODE = [
    Case(f"decode d128 kv{keys} group{8 // kv_heads}", 8, kv_heads, 1, keys, 128)
    for keys in (4096, 16384)
    for kv_heads in (8, 2)
]

# ---- the questions ----------------------------------------------------------------------------------------------

LENGTHS = (1024, 2048, 4096, 8192)
FORWARD = [square(f"full d{d} n{n}", n, d) for d in (64, 128) for n in LENGTHS]
CAUSAL = [square(f"causal d{d} n{n}", n, d, causal=True) for d in (64, 128) for n in LENGTHS]
#: Causal beside full in the same rounds.
CAUSAL_RATIO = [
    (square(f"causal d{d} n4096", 4096, d, causal=True), square(f"full d{d} n4096", 4096, d)) for d in (64, 128)
]
HALF = [
    square(f"{dtype} {'causal' if causal else 'full'} d{d} n{n}", n, d, causal=causal, dtype=dtype)
    for dtype in ("bf16", "f16")
    for causal in (False, True)
    for d in (64, 128)
    for n in (2048, 4096)
]
#: A shape, beside the nearest round one.
SHAPES = [
    (square("full d32 n2048", 2048, 32), square("full d64 n2048", 2048, 64)),
    (square("full d80 n2048", 2048, 80), square("full d64 n2048", 2048, 64)),
    (square("full d96 n2048", 2048, 96), square("full d128 n2048", 2048, 128)),
    (square("full d256 n2048", 2048, 256), square("full d128 n2048", 2048, 128)),
    (square("full d64 n1000", 1000, 64), square("full d64 n1024", 1024, 64)),
    (square("full d128 n1000", 1000, 128), square("full d128 n1024", 1024, 128)),
    (square("full d64 n4097", 4097, 64), square("full d64 n4096", 4096, 64)),
    (square("full d128 n4097", 4097, 128), square("full d128 n4096", 4096, 128)),
    (square("causal d64 n1000", 1000, 64, causal=True), square("causal d64 n1024", 1024, 64, causal=True)),
    (square("causal d128 n4097", 4097, 128, causal=True), square("causal d128 n4096", 4096, 128, causal=True)),
]
#: n = 4096; windows of w keys to both sides keep 2 w / n - (w / n)^2 of the pairs.
SPARSE = [
    square(f"{name} d{d}", 4096, d, **more)  # type: ignore[arg-type]
    for d in (64, 128)
    for name, more in (
        ("window 25%", {"window": (549, 549)}),
        ("window 6%", {"window": (127, 127)}),
        ("causal window 6%", {"window": (255, 0)}),
        ("4 documents 25%", {"documents": 4}),
        ("16 documents 6%", {"documents": 16}),
        ("block list 25%", {"blocks": 0.25}),
        ("block list 6%", {"blocks": 0.0625}),
    )
]


def decode_case(dtype: str, keys: int, group: int, page: int = 0, shuffled: bool = False) -> Case:
    """One query on 8 KV heads of d = 128."""
    place = f"page {page} {'shuffled' if shuffled else 'ordered'}" if page else "contiguous"
    return Case(f"{dtype} kv{keys} group{group} {place}", 8 * group, 8, 1, keys, 128, dtype=dtype, page=page,
                shuffled=shuffled)


DECODE_CONTIGUOUS = [
    decode_case(dtype, keys, group)
    for dtype in ("f32", "bf16")
    for keys in (4096, 8192, 16384, 32768)
    for group in (1, 4, 8)
]
DECODE_PAGED = [
    decode_case(dtype, 16384, group, page, shuffled)
    for dtype in ("f32", "bf16")
    for group in (1, 4, 8)
    for page in (16, 64, 256)
    for shuffled in (False, True)
]
#: One head alone: only splitting its keys occupies a second thread.
DECODE_SPLIT = [Case(f"{dtype} kv32768 one head", 1, 1, 1, 32768, 128, dtype=dtype) for dtype in ("f32", "bf16")]

_ZIPF = (2048, 1024, 683, 512, 410, 341, 293, 256, 228, 205, 186, 171, 158, 146, 137, 128)
_UNIFORM = (512,) * 12
_SHORT = tuple(33 + 17 * i % 160 for i in range(48))
VARLEN = [
    Case(f"{name} d{d} causal", 8, 8, sum(lengths), sum(lengths), d, causal=True, lengths=lengths)
    for d in (64, 128)
    for name, lengths in (("16 lengths 128..2048", _ZIPF), ("12 of 512", _UNIFORM), ("48 lengths 33..192", _SHORT))
]
TINY = [
    Case(f"256 problems of n={n} d{d}", 4, 4, n, n, d, batch=256, causal=causal)
    for d in (32, 64)
    for n, causal in ((8, False), (16, False), (32, False), (64, False), (64, True))
]
#: With something done to every score, beside the same without.
SCORES = [
    square(f"{dtype} full d{d} n2048 {score}", 2048, d, dtype=dtype, score=score)
    for dtype in ("f32", "bf16")
    for d in (64, 128)
    for score in ("softcap", "alibi")
]
#: With batch_invariant, beside the same without.
INVARIANT = [
    square("full d64 n2048", 2048, 64, invariant=True),
    square("causal d128 n2048", 2048, 128, causal=True, invariant=True),
    square("bf16 full d128 n2048", 2048, 128, dtype="bf16", invariant=True),
    Case("12 of 512 packed d64 causal", 8, 8, sum(_UNIFORM), sum(_UNIFORM), 64, causal=True, lengths=_UNIFORM,
         invariant=True),
    Case("1 query kv4096 group1 d128", 8, 8, 1, 4096, 128, invariant=True),
    Case("1 query kv4096 group4 d128", 32, 8, 1, 4096, 128, invariant=True),
    Case("1 query kv4096 group8 d128", 64, 8, 1, 4096, 128, invariant=True),
    Case("8 queries kv4096 group4 d128", 32, 8, 8, 4096, 128, invariant=True),
]
#: Gradients beside the forward of the same case.
BACKWARD = [
    square(f"{dtype} {'causal' if causal else 'full'} d{d} n2048", 2048, d, causal=causal, dtype=dtype)
    for dtype in ("f32", "bf16")
    for d in (64, 128)
    for causal in (False, True)
]

#: Cases that the peers compute too, in groups with a geometric mean each.
PEERS: dict[str, list[Case]] = {
    "full": [square(f"f32 full d{d} n{n}", n, d) for d in (64, 128) for n in (1024, 2048, 4096)],
    "causal": [
        *(square(f"f32 causal d{d} n{n}", n, d, causal=True) for d in (64, 128) for n in (1024, 2048, 4096)),
        Case("f32 causal d64 n2048 9 heads on 3", 9, 3, 2048, 2048, 64, causal=True),
        Case("f32 causal d128 n2048 32 heads on 8", 32, 8, 2048, 2048, 128, causal=True),
    ],
    "bf16": [
        square(f"bf16 {'causal' if causal else 'full'} d{d} n{n}", n, d, causal=causal, dtype="bf16")
        for causal in (False, True)
        for d in (64, 128)
        for n in (2048, 4096)
    ],
    "window": [
        square("f32 causal window 256 d64 n4096", 4096, 64, window=(255, 0)),
        square("f32 causal window 1024 d128 n4096", 4096, 128, window=(1023, 0)),
        square("f32 8 documents d64 n4096", 4096, 64, documents=8),
        square("f32 block list 25% d64 n4096", 4096, 64, blocks=0.25),
    ],
    "scores": [
        square(f"{dtype} {'causal' if score == 'alibi' else 'full'} {score} d128 n2048", 2048, 128, dtype=dtype,
               causal=score == "alibi", score=score)
        for dtype in ("f32", "bf16")
        for score in ("softcap", "alibi")
    ],
    "f16": [
        square(f"f16 {'causal' if causal else 'full'} d{d} n2048", 2048, d, causal=causal, dtype="f16")
        for causal in (False, True)
        for d in (64, 128)
    ],
    "shapes": [
        square("f32 full d32 n2048", 2048, 32), square("f32 full d80 n2048", 2048, 80),
        square("f32 causal d96 n2048", 2048, 96, causal=True), square("f32 full d256 n1024", 1024, 256),
        square("f32 full d64 n1000", 1000, 64), square("f32 causal d128 n4097", 4097, 128, causal=True),
    ],
    "packed": [
        Case("f32 packed 16 lengths 128..2048 d64 causal", 8, 8, sum(_ZIPF), sum(_ZIPF), 64, causal=True, lengths=_ZIPF),
        Case("f32 packed 48 lengths 33..192 d64 causal", 8, 8, sum(_SHORT), sum(_SHORT), 64, causal=True, lengths=_SHORT),
    ],
    "decode": [
        Case(f"{dtype} decode kv{keys} group{group}", 8, 8 // group, 1, keys, 128, dtype=dtype)
        for dtype in ("f32", "bf16")
        for keys in (4096, 16384)
        for group in (1, 4, 8)
    ],
    "backward": [
        square(f"{dtype} causal backward d{d} n2048", 2048, d, causal=True, backward=True, dtype=dtype)
        for dtype in ("f32", "bf16")
        for d in (64, 128)
    ],
    "small": [
        Case("f32 256 problems of n=16 d32", 4, 4, 16, 16, 32, batch=256),
        Case("f32 256 problems of n=32 d64", 4, 4, 32, 32, 64, batch=256),
        Case("f32 256 problems of n=64 d64 causal", 4, 4, 64, 64, 64, batch=256, causal=True),
        Case("f32 one call n=16 d64", 1, 1, 16, 16, 64),
    ],
}
#: One of each group that must not be slower than its best peer.
PEERS_GATED = (
    "f32 full d64 n2048", "f32 causal d128 n2048", "bf16 full d128 n2048", "f32 causal window 256 d64 n4096",
    "f32 decode kv16384 group4",
)  # fmt: skip
