# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The questions: what is held against what, and what each row has to reach.

A question is a table. Its contests are run one after another; what takes part in
one contest takes turns. A row's `target` is what attn wants to reach; its `gate`,
where it has one, is what must never be lost (`make bench-check`): a regression
shows there without noise doing so.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Callable

from benchmarks import cases, compiling, machine
from benchmarks.cases import Case
from benchmarks.peers import FOREIGN
from benchmarks.rounds import PAUSE, Arena, Readings

Entrants = dict[str, tuple[str, Case]]


@dataclasses.dataclass
class Row:
    """A line of a table: `value` against `target`."""

    name: str
    value: float | None
    target: float | None = None
    most: bool = False
    gate: float | None = None
    median: float | None = None
    columns: list[str] = dataclasses.field(default_factory=list)
    note: str = ""
    wrong: bool = False
    #: What geometric mean the row belongs to.
    group: str = ""

    def _keeps(self, bound: float | None) -> bool | None:
        if bound is None or self.value is None:
            return None
        return not self.wrong and (self.value <= bound if self.most else self.value >= bound)

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None where there is nothing to judge."""
        return self._keeps(self.target)

    @property
    def held(self) -> bool | None:
        """Whether the gate holds; None where there is none, or nothing to judge."""
        return False if self.wrong else self._keeps(self.gate)

    @property
    def share(self) -> float | None:
        """How much of the target is reached: 1 is all of it."""
        if not self.target or not self.value:
            return None
        return self.target / self.value if self.most else self.value / self.target


Sums = Callable[[list[Row]], list[Row]]


@dataclasses.dataclass
class Contest:
    """What takes turns, and the rows that come of it."""

    name: str
    judge: Callable[[Readings], list[Row]]
    entrants: Entrants = dataclasses.field(default_factory=dict)
    probes: tuple[str, ...] = ()
    gate: bool = False
    #: Where nothing takes turns: measures by itself.
    work: Callable[[Arena], Readings] | None = None
    #: A guess at its seconds, without pauses.
    guess: float = 0.0

    def run(self, arena: Arena) -> Readings:
        return self.work(arena) if self.work else arena.run(self.name, self.entrants, self.probes)

    def estimate(self, rounds: int, budget: float) -> float:
        """Seconds that this takes, roughly."""
        if self.work:
            return self.guess * min(1.0, rounds / 12)
        calls = [expected(peer, case) for peer, case in self.entrants.values()]
        one = sum(max(0.06, c) + PAUSE for c in calls) + 0.07 * len(self.probes)
        ready = sum(4 * c + (25 if peer == "flex" else 0.3) for c, (peer, _) in zip(calls, self.entrants.values()))
        return ready + max(min(3, rounds) * one, min(rounds * one, budget))


def expected(peer: str, case: Case) -> float:
    """Seconds that a call may take, for the estimate alone."""
    slower = {"attn": 1, "numpy": 4, "torch": 2, "onnxruntime": 2, "flex": 4, "jax": 7}[peer]
    # The pairs of a mask take a while to count, and this is a guess.
    pairs = float(case.queries) * case.keys * (0.5 if case.causal else 1)
    return slower * max(4 * case.dim * pairs * case.heads * case.batch / 1.2e11, case.kv_bytes / 2e10, 2e-5)


@dataclasses.dataclass
class Question:
    """A table."""

    name: str
    title: str
    #: Heads of the value and of the columns before it.
    value: str
    columns: list[str]
    contests: list[Contest]
    #: Rows over all rows, such as a mean.
    sums: Sums | None = None
    show: Callable[[float], str] = "{:.2f}".format
    #: Among those that bench.py measures when it is not told.
    core: bool = False


def time_text(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} us"


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def _wrong(readings: Readings, label: str = "attn") -> bool:
    """Whether a result was further from float64 than it may be."""
    return readings.errors.get(label, 0.0) > 1.0


def _peak(case: Case, readings: Readings) -> float:
    """What the case's type can reach here: bf16 has a dot product where the CPU has."""
    if case.dtype == "bf16" and "dot" in readings.peaks and readings.peak("dot") > 0:
        return readings.peak("dot")
    return readings.peak("fma")


# ---- a share of the peak ----------------------------------------------------------------------------------------


def share(case: Case, target: float | None | Callable[[Readings], float], gate: float | None,
          question: str) -> Contest:  # fmt: skip
    """One case against the peak."""

    def judge(r: Readings) -> list[Row]:
        peak = _peak(case, r)
        best = r.best("attn")
        wanted = target(r) if callable(target) else target
        return [Row(case.name, case.flops / best / peak, wanted, gate=gate, wrong=_wrong(r),
                    median=case.flops / r.median("attn") / peak, columns=[f"{case.flops / best / 1e9:.1f}"])]

    probes = ("fma", "dot") if case.dtype == "bf16" else ("fma",)
    return Contest(f"{question} {case.name}", judge, {"attn": ("attn", case)}, probes, gate is not None)


def prefill() -> Question:
    # Rows of their own names: README quotes them.
    contests = [dataclasses.replace(share(c, c.floor or 0, c.floor, ""), name=c.name) for c in cases.PREFILL]
    return Question("prefill", "f32, B=1, H=8", "of peak", ["GFLOP/s"], contests, core=True)


def forward() -> Question:
    wanted = {64: 0.85 if machine.wide() else 0.80, 128: 0.85 if machine.wide() else 0.83}
    contests = [share(c, wanted[c.dim], 0.75, "forward") for c in cases.FORWARD]
    return Question("forward", "forward, full: f32, B=1, H=8", "of peak", ["GFLOP/s"], contests)


def causal() -> Question:
    wanted = {64: 0.75, 128: 0.78}
    # A quarter of the pairs of n = 1024 lies in blocks on the diagonal: shown, not judged.
    contests = [
        share(c, wanted[c.dim] if c.queries >= 2048 else None, 0.65 if c.queries >= 2048 else None, "causal")
        for c in cases.CAUSAL
    ]
    contests += [ratio("causal", f"time of {a.name} / full", a, b, 0.56, gate=0.65) for a, b in cases.CAUSAL_RATIO]
    return Question("causal", "forward, causal: f32, B=1, H=8", "of peak", ["GFLOP/s"], contests)


def half() -> Question:
    def wanted(case: Case) -> Callable[[Readings], float]:
        def of(r: Readings) -> float:
            dot = case.dtype == "bf16" and r.peak("dot") > 0
            return (0.68 if case.causal else 0.75) if dot else (0.73 if case.causal else 0.78)

        return of

    # One size of each is held.
    contests = [share(c, wanted(c), (0.55 if c.causal else 0.65) if c.queries == 2048 else None, "half")
                for c in cases.HALF]
    return Question("half", "bf16 (of the bf16 dot peak where the CPU has one) and f16 (of the f32 peak)", "of peak",
                    ["GFLOP/s"], contests)


# ---- one time beside another ------------------------------------------------------------------------------------


def ratio(question: str, name: str, case: Case, other: Case, target: float, gate: float | None = None,
          factor: float = 1.0) -> Contest:  # fmt: skip
    """time(case) / (factor x time(other)), at most the target."""

    def judge(r: Readings) -> list[Row]:
        return [Row(name, r.best("attn") / r.best("other") / factor, target, most=True, gate=gate, wrong=_wrong(r),
                    median=r.median("attn") / r.median("other") / factor,
                    columns=[time_text(r.best("attn"))])]

    return Contest(f"{question} {name}", judge, {"attn": ("attn", case), "other": ("attn", other)}, (),
                   gate is not None)


def shapes() -> Question:
    def contest(case: Case, near: Case) -> Contest:
        def judge(r: Readings) -> list[Row]:
            def rate(c: Case, seconds: float) -> float:
                return c.flops / seconds

            return [Row(f"{case.name} / {near.name}", rate(case, r.best("attn")) / rate(near, r.best("other")), 0.85,
                        wrong=_wrong(r), median=rate(case, r.median("attn")) / rate(near, r.median("other")),
                        columns=[f"{rate(case, r.best('attn')) / 1e9:.1f}"])]

        return Contest(f"shapes {case.name}", judge, {"attn": ("attn", case), "other": ("attn", near)})

    return Question("shapes", "odd shapes beside the nearest round one: FLOP/s over its FLOP/s", "ratio", ["GFLOP/s"],
                    [contest(a, b) for a, b in cases.SHAPES])


def sparse() -> Question:
    def contest(case: Case) -> Contest:
        dense = case.but("dense", window=None, documents=0, blocks=None)

        def judge(r: Readings) -> list[Row]:
            kept = case.kept
            over = r.best("attn") / r.best("dense") / kept
            return [Row(case.name, over, 1.25 if kept > 0.12 else 1.5, most=True, wrong=_wrong(r),
                        gate=1.5 if kept > 0.12 else 1.8,
                        median=r.median("attn") / r.median("dense") / kept,
                        columns=[time_text(r.best("attn")), f"{kept:.4f}"])]

        return Contest(f"sparse {case.name}", judge, {"attn": ("attn", case), "dense": ("attn", dense)},
                       gate=case.dim == 64)

    return Question("sparse", "masks that hide most: time / (dense time x kept share), n=4096, f32, H=8", "over",
                    ["time", "kept"], [contest(c) for c in cases.SPARSE])


def varlen() -> Question:
    contests = [
        ratio("varlen", f"{c.name}: packed / separate", c, c.but("separate", separate=True), 1.05, gate=1.25)
        for c in cases.VARLEN
    ]
    return Question("varlen", "packed sequences in one call beside a call for each: f32, H=8", "ratio", ["time"],
                    contests)


def backward() -> Question:
    contests = [ratio("backward", f"{c.name}: backward / forward", c.but("gradient", backward=True), c, 3.0, gate=3.5)
                for c in cases.BACKWARD]
    return Question("backward", "gradients of q, k and v beside the forward: B=1, H=8", "ratio", ["time"],
                    contests)


# ---- decode -----------------------------------------------------------------------------------------------------


def plain_decode() -> Question:
    """One query beside numpy; two kernels that both wait for memory differ by luck."""

    def contest(case: Case) -> Contest:
        def judge(r: Readings) -> list[Row]:
            best = r.best("attn")
            read = case.kv_bytes / best / r.peak("read")
            faster = r.best("numpy") / best
            bound = faster < 1.0 and read >= 0.95
            return [Row(case.name, max(faster, 1.0) if bound else faster, 1.0, gate=1.0, wrong=_wrong(r),
                        median=r.median("numpy") / r.median("attn"),
                        columns=[f"{case.kv_bytes / best / 1e9:.1f}", f"{read:.2f}"],
                        note=" (memory speed)" if bound else "")]

        return Contest(case.name, judge, {"attn": ("attn", case), "numpy": ("numpy", case)}, ("read",), True)

    return Question("decode", "one query, f32, H=8", "x numpy", ["GB/s", "of read"],
                    [contest(c) for c in cases.DECODE], core=True)


def decode() -> Question:
    """Of the bound: the linear read, or 0.85 of the FMA peak where a group shares much arithmetic per byte."""

    def bound(case: Case, r: Readings) -> float:
        return min(r.peak("read"), 0.85 * r.peak("fma") / (case.flops / case.kv_bytes))

    def target(case: Case) -> float:
        if case.page and case.shuffled:
            return {16: 0.45, 64: 0.65, 256: 0.75}[case.page]
        return 0.80

    def contest(case: Case) -> Contest:
        # Memory is shared with whoever else is on the machine: half of the target is held.
        gate = 0.60 if not case.page and case.keys == 16384 else None

        def judge(r: Readings) -> list[Row]:
            speed, most = case.kv_bytes / r.best("attn"), bound(case, r)
            # Ordered pages are shown; what they have to reach is not set.
            return [Row(case.name, speed / most, None if case.page and not case.shuffled else target(case),
                        gate=gate, wrong=_wrong(r), median=case.kv_bytes / r.median("attn") / most,
                        columns=[f"{speed / 1e9:.1f}", "read" if most == r.peak("read") else "FMA"])]

        return Contest(f"decode {case.name}", judge, {"attn": ("attn", case)}, ("read", "fma"), gate is not None)

    def split(case: Case) -> Contest:
        def judge(r: Readings) -> list[Row]:
            return [Row(f"{case.name}: 2 threads / 1", r.best("one") / r.best("attn"), 1.4, wrong=_wrong(r),
                        median=r.median("one") / r.median("attn"),
                        columns=[f"{case.kv_bytes / r.best('attn') / 1e9:.1f}", ""])]

        return Contest(f"decode {case.name}", judge,
                       {"attn": ("attn", case), "one": ("attn", case.but("one", threads=1))})

    every = [*cases.DECODE_CONTIGUOUS, *cases.DECODE_PAGED]
    return Question("decode", "one query, d=128, 8 KV heads: of the bound min(linear read, 0.85 FMA peak / intensity)",
                    "of bound", ["GB/s", "bound"], [*map(contest, every), *map(split, cases.DECODE_SPLIT)])


def scores() -> Question:
    # A softcap costs a tanh of each pair, as much as some 35 of the 128 multiply-adds at d = 64; those of bf16 are 64.
    wanted = {"softcap f32": 1.4, "softcap bf16": 1.75, "alibi f32": 1.15, "alibi bf16": 1.15}

    def contest(case: Case) -> Contest:
        target = wanted[f"{case.score} {case.dtype}"]
        return ratio("scores", f"{case.name} / plain", case, case.but("plain", score=""), target)

    return Question("scores", "what a softcap and ALiBi cost: time / the time without, B=1, H=8", "ratio", ["time"],
                    [contest(c) for c in cases.SCORES])


def invariant() -> Question:
    def contest(case: Case) -> Contest:
        def judge(r: Readings) -> list[Row]:
            return [Row(f"{case.name}: batch_invariant / plain", r.best("attn") / r.best("plain"), wrong=_wrong(r),
                        median=r.median("attn") / r.median("plain"), columns=[time_text(r.best("attn"))])]

        return Contest(f"invariant {case.name}", judge,
                       {"attn": ("attn", case), "plain": ("attn", case.but("plain", invariant=False))})

    return Question("invariant", "what rows whose bits are their own cost", "ratio", ["time"],
                    [contest(c) for c in cases.INVARIANT])


# ---- small and first calls --------------------------------------------------------------------------------------


def tiny() -> Question:
    def contest(case: Case) -> Contest:
        def judge(r: Readings) -> list[Row]:
            best = r.best("attn")
            return [Row(f"{case.name}{' causal' if case.causal else ''}", best, wrong=_wrong(r),
                        median=r.median("attn"),
                        columns=[f"{best / case.batch / case.heads * 1e6:.2f}", f"{case.flops / best / 1e9:.1f}",
                                 f"{case.flops / best / r.peak('fma'):.2f}"])]

        causal = " causal" if case.causal else ""
        return Contest(f"tiny {case.name}{causal}", judge, {"attn": ("attn", case)}, ("fma",))

    return Question("tiny", "many small problems in one call, f32, 4 heads each", "time",
                    ["us a head", "GFLOP/s", "of peak"], [contest(c) for c in cases.TINY], show=time_text)


def latency() -> Question:
    limits = [("first call, compilation included", "cold", 1.0), ("first call, disk hit", "warm", 0.02),
              ("repeated call, kernel included", "repeat", 10e-6)]

    def judge(r: Readings) -> list[Row]:
        return [Row(name, r.best(key), limit, most=True, gate=limit, median=r.median(key))
                for name, key, limit in limits]

    contest = Contest("latency", judge, gate=True, work=compiling.calls, guess=20)
    return Question("latency", "latency", "best", [], [contest], show=time_text, core=True)


def compile_() -> Question:
    def stages(r: Readings) -> list[Row]:
        return [Row(f"  stage: {name}", r.best(name), median=r.median(name)) for name in r.times]

    contest = Contest("compile stages", stages, work=compiling.stages, guess=30)
    return Question("compile", "where the first call's time goes", "best", [], [contest], show=time_text)


def resources() -> Question:
    def judge(r: Readings) -> list[Row]:
        count, memory = r.figures["lengths"], r.figures["workspace"]
        return [Row("programs compiled by 64 more lengths", count, 0.0, most=True, gate=0.0),
                Row("workspace at n=16384 / score matrix", memory, 0.03, most=True, gate=0.03)]

    return Question("compile", "what calls must not need", "value", [],
                    [Contest("compile resources", judge, gate=True, work=compiling.resources, guess=10)],
                    show="{:.4g}".format)


# ---- peers ------------------------------------------------------------------------------------------------------


def peers() -> Question:
    def contest(group: str, case: Case) -> Contest:
        gate = 1.0 if case.name in cases.PEERS_GATED else None

        def judge(r: Readings) -> list[Row]:
            own = r.best("attn")
            there = {p: r.best(p) for p in FOREIGN if p in r.times}
            columns = [time_text(own), *(f"{there[p] / own:.2f}" if p in there else "-" for p in FOREIGN)]
            note = "".join(f" ({p}: off by {r.errors[p]:.0f} x what is allowed)"
                           for p in there if r.errors.get(p, 0) > 4)
            if not there:
                return [Row(case.name, None, 1.0, columns=columns, group=group, gate=gate, wrong=_wrong(r))]
            rival = min(there, key=there.__getitem__)
            return [Row(case.name, there[rival] / own, 1.0, wrong=_wrong(r), columns=columns, group=group, gate=gate,
                        note=f" ({rival}, {r.variants[rival]}){note}", median=r.median(rival) / r.median("attn"))]

        entrants: Entrants = {p: (p, case) for p in ("attn", *FOREIGN)}
        return Contest(f"peers {case.name}", judge, entrants, ("fma",), gate is not None)

    def means(rows: list[Row]) -> list[Row]:
        wanted = 1.3 if machine.wide() else 1.6

        def mean(name: str, chosen: list[Row], gate: float | None = None) -> Row:
            values = [row.value for row in chosen if row.value]
            slow = sum(v < 1 for v in values)
            return Row(f"geometric mean: {name}", geometric_mean(values) if values else None, wanted, gate=gate,
                       columns=[""] * (1 + len(FOREIGN)), note=f" ({len(values)} cases, {slow} below 1.0)")

        groups = list(dict.fromkeys(row.group for row in rows))
        return [*(mean(g, [row for row in rows if row.group == g]) for g in groups), mean("all", rows, gate=1.0)]

    return Question(
        "peers", "attn beside the best of its peers, each at its best: time of the peer / time of attn", "x best",
        ["attn", *FOREIGN], [contest(g, c) for g, found in cases.PEERS.items() for c in found], means)


def every() -> list[Question]:
    """All tables, in the order in which they are printed."""
    return [prefill(), plain_decode(), latency(), forward(), causal(), half(), shapes(), sparse(), decode(), varlen(),
            scores(), invariant(), tiny(), compile_(), resources(), backward(), peers()]
