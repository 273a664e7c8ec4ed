# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures attn beside its peers and beside the machine's own peak, in one run.

    bench.py                     the plain rows: prefill, decode, latency
    bench.py --only forward      one question (--list shows them); several with commas between
    bench.py --all               every question, the peers too where `make bench-peers` installed them
    bench.py --check             the rows that have a gate; status 1 when one does not hold

All that is compared takes turns within each round, each peer in its own process,
and the peak is probed in every round. The reading is the best of all rounds on both
sides of a ratio: machines are shared, and only the best says what the code can do.
Medians are printed beside. benchmarks/README.md says more.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import json
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import machine, questions  # noqa: E402
from benchmarks.cases import THREADS  # noqa: E402
from benchmarks.peers import FOREIGN  # noqa: E402
from benchmarks.questions import Contest, Question, Row, time_text  # noqa: E402
from benchmarks.rounds import Arena, PeerDied, Readings  # noqa: E402

#: Seconds of rounds for one contest, of --check and --quick.
BUDGET, BUDGET_CHECK, BUDGET_QUICK = 10.0, 6.0, 0.5


def progress(text: str) -> None:
    """One line that is written over again, where somebody looks on."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:110]}", end="", file=sys.stderr, flush=True)


def header(question: Question) -> str:
    heads = "".join(f" {c:>11}" for c in question.columns)
    return f"\n{question.title}\n{'':44}{heads} {question.value:>10} {'median':>10} {'target':>10}"


def verdict(row: Row) -> str:
    if row.wrong:
        return "FALLS SHORT (the result is wrong)"
    text = {None: "" if row.target is None else "not judged", True: "pass", False: "FALLS SHORT"}[row.reached]
    if row.gate is not None and row.gate != row.target:
        text += {None: "", True: "  gate holds", False: f"  GATE {row.gate:g} FAILS"}[row.held]
    return text


def line(question: Question, row: Row) -> str:
    cells = "".join(f" {c:>11}" for c in row.columns or [""] * len(question.columns))
    show = question.show

    def number(value: float | None) -> str:
        return "-" if value is None else show(value)

    return (f"{row.name:44}{cells} {number(row.value):>10} {number(row.median):>10} {number(row.target):>10}  "
            f"{verdict(row)}{row.note}").rstrip()


@dataclasses.dataclass
class Counts:
    """What came of the rows."""

    reached: int = 0
    short: int = 0
    unjudged: int = 0
    gates: int = 0
    broken: int = 0

    def add(self, row: Row) -> None:
        self.reached += row.reached is True
        self.short += row.reached is False
        self.unjudged += row.target is not None and row.reached is None
        self.gates += row.gate is not None and row.held is not None
        self.broken += row.held is False


class Record:
    """The JSON file: written anew after every contest, so that nothing measured is lost."""

    def __init__(self, path: pathlib.Path | None, resume: bool, options: dict[str, object]):
        self.path = path
        self.data: dict = {
            "cpu": machine.cpu_name(), "threads": THREADS, **options, "started": time.strftime("%Y-%m-%d %H:%M"),
            "load": [], "contests": {}, "rows": [],
        }  # fmt: skip
        self.known: dict[str, dict] = {}
        if resume and path and path.exists():
            before = json.loads(path.read_text())
            if before.get("cpu") != self.data["cpu"]:
                raise SystemExit(f"bench: {path} expects '{before.get('cpu')}', but got '{self.data['cpu']}'; "
                                 "leave out --resume to begin anew")
            self.known = before["contests"]
            self.data.update(started=before["started"], load=before["load"], contests=dict(self.known))

    def add(self, contest: Contest, found: Readings) -> None:
        self.data["contests"][contest.name] = dataclasses.asdict(found)
        self.data["load"].append(round(machine.load(), 2))
        self.write()

    def row(self, question: Question, row: Row) -> None:
        self.data["rows"].append({
            "question": question.name, "title": question.title, "heads": question.columns, "measure": question.value,
            "row": row.name, **{k: v for k, v in dataclasses.asdict(row).items() if k != "name"},
            "reached": row.reached, "share": row.share, "text": line(question, row), "head": header(question),
        })  # fmt: skip

    def write(self) -> None:
        if self.path:
            beside = self.path.with_suffix(".new")
            beside.write_text(json.dumps(self.data, indent=1))
            os.replace(beside, self.path)


class Bench:
    """One run over some tables."""

    def __init__(self, tables: list[Question], arena: Arena, record: Record):
        self.tables, self.arena, self.record = tables, arena, record
        self.counts = Counts()
        self.absent: dict[str, str] = {}

    def contest(self, contest: Contest) -> Readings:
        known = self.record.known.get(contest.name)
        if known:
            return Readings(**known)
        found = contest.run(self.arena)
        self.record.add(contest, found)
        return found

    def rows(self, contest: Contest) -> list[Row]:
        found = self.contest(contest)
        for label, why in found.absent.items():
            if "is not installed" in why:
                self.absent[label] = why
        if "attn" in found.absent:
            if contest.gate:
                raise PeerDied(f"attn does not compute '{contest.name}', which has a gate: {found.absent['attn']}")
            return [Row(contest.name, None, 0.0, note=f" ({found.absent['attn']})")]
        return contest.judge(found)

    def table(self, question: Question) -> None:
        print(header(question), flush=True)
        rows: list[Row] = []

        def show(row: Row) -> None:
            progress("")
            print(line(question, row), flush=True)
            self.counts.add(row)
            self.record.row(question, row)

        for contest in question.contests:
            for row in self.rows(contest):
                rows.append(row)
                show(row)
        for row in question.sums(rows) if question.sums else []:
            show(row)

    def run(self) -> None:
        for question in self.tables:
            self.table(question)


def gated(sums: questions.Sums | None) -> questions.Sums | None:
    """Of rows over all rows, those with a gate."""
    return sums and (lambda rows: [row for row in sums(rows) if row.gate is not None])


def choose(options: argparse.Namespace) -> list[Question]:
    """The tables that were asked for."""
    tables = questions.every()
    names = list(dict.fromkeys(t.name for t in tables))
    if options.only:
        wanted = options.only.split(",")
        for name in wanted:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise SystemExit(f"bench: --only expects one of {', '.join(names)}, but got '{name}'{hint}")
        tables = [t for t in tables if t.name in wanted]
    elif not (options.all or options.check):
        tables = [t for t in tables if t.core]
    if options.check:
        tables = [dataclasses.replace(t, contests=[c for c in t.contests if c.gate], sums=gated(t.sums)) for t in tables]
    if options.match:
        tables = [dataclasses.replace(t, contests=[c for c in t.contests if options.match in c.name]) for t in tables]
    tables = [t for t in tables if t.contests]
    if not tables:
        raise SystemExit(f"bench: --match expects a part of a contest's name, but no contest has '{options.match}' in it")
    return tables


def command(options: argparse.Namespace) -> str:
    """The options that say what was measured, without this machine's paths."""
    words = [f"--{name}" for name in ("all", "check", "quick") if getattr(options, name)]
    words += [f"--only {options.only}"] if options.only else []
    words += [f"--match '{options.match}'"] if options.match else []
    return " ".join([*words, *([f"--rounds {options.rounds}"] if options.rounds else [])])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every question")
    parser.add_argument("--only", help="names of questions, with commas between")
    parser.add_argument("--match", default="", metavar="TEXT", help="only contests with this in their names")
    parser.add_argument("--list", action="store_true", help="print the questions and stop")
    parser.add_argument("--check", action="store_true", help="only rows with a gate; status 1 when one does not hold")
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it works")
    parser.add_argument("--rounds", type=int, help="most rounds for a contest (12); told, it is never fewer")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build tree")
    parser.add_argument("--json", type=pathlib.Path, help="write all figures there, after every contest")
    parser.add_argument("--resume", action="store_true", help="go on where the file of --json ends")
    options = parser.parse_args()
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds expects at least 1, but got {options.rounds}")
    if options.resume and not options.json:
        parser.error("--resume expects --json, but got none")
    tables = choose(options)
    if options.list:
        for t in tables if options.only or options.match else questions.every():
            print(f"{t.name:10} {len(t.contests):4} contests  {t.title}")
            if options.match or options.only:
                print("\n".join(f"    {c.name}{'  (gate)' if c.gate else ''}" for c in t.contests))
        return 0

    budget = BUDGET_QUICK if options.quick else BUDGET_CHECK if options.check else BUDGET
    rounds = options.rounds or (2 if options.quick else 12)
    if options.rounds:
        budget = float("inf")
    arena = Arena(options.build, rounds, budget, progress)
    if arena.absent("attn"):
        raise SystemExit("bench: expects to import attn, but cannot; run `make build` and set PYTHONPATH to "
                         f"{options.build / 'python'}, as `make bench` does")
    record = Record(options.json, options.resume, {"rounds": rounds, "command": command(options)})
    if any(t.name == "peers" for t in tables):
        record.data["versions"] = arena.versions()
    left = [c for t in tables for c in t.contests if c.name not in record.known]
    minutes = sum(c.estimate(rounds, budget) for c in left) / 60
    print(f"{machine.cpu_name()}, {THREADS} threads; best of at most {rounds} interleaved rounds; load "
          f"{machine.load():.1f}; about {max(1, round(minutes))} minutes", flush=True)

    bench = Bench(tables, arena, record)
    stopped = False
    try:
        bench.run()
    except KeyboardInterrupt:
        stopped = True
        arena.close(kill=True)
    except PeerDied as error:
        arena.close(kill=True)
        record.write()
        raise SystemExit(f"\nbench: {error}") from None
    except BaseException:
        arena.close(kill=True)
        raise
    arena.close()
    record.data["seconds"] = {k: round(v, 1) for k, v in arena.spent.items()}
    record.write()
    return finish(bench, options, stopped)


def finish(bench: Bench, options: argparse.Namespace, stopped: bool) -> int:
    """The last lines, and the status."""
    counts = bench.counts
    print()
    for peer in FOREIGN:
        if peer in bench.absent:
            print(f"peer {peer} did not take part: {bench.absent[peer]}")
    if bench.absent:
        print(f"{len(bench.absent)} of {len(FOREIGN)} peers absent; {counts.unjudged} rows not judged")
    if options.check or options.all or options.only:
        print(f"{counts.gates - counts.broken} of {counts.gates} gates hold")
    if stopped:
        print("stopped; what was measured is kept" if options.json else "stopped")
        return 130
    print(f"{counts.short} rows fall short, {counts.reached} reach their target" if counts.short
          else "every row reaches its target")
    return 1 if options.check and counts.broken else 0


if __name__ == "__main__":
    sys.exit(main())
