# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Interleaved rounds: everything that is compared takes turns, each peer in its own process.

A round probes the machine, then lets every entrant run for a moment, with a pause
between two of them in which the pool of the last one goes to sleep. The reading is
the best of all rounds on both sides of a ratio: machines are shared, and only the
best says what the code can do. Medians are kept beside.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import selectors
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Callable, Mapping

import numpy as np

from benchmarks import machine, reference
from benchmarks.cases import Case
from benchmarks.peers import FOREIGN, PEERS

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOREIGN_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
#: Pause between two turns.
PAUSE = 0.03
#: How long one entrant runs in one turn, at least one call.
TURN = 0.06
#: What no answer may take: a compilation of torch's takes half a minute.
PATIENCE = 600.0


class PeerDied(Exception):
    """A worker ended, or did not answer; with the end of what it wrote."""


def interpreter(peer: str) -> str:
    """The Python that a peer runs in: this one where it has the package."""
    if peer in FOREIGN and FOREIGN_PYTHON.exists():
        return str(FOREIGN_PYTHON)
    return sys.executable


def missing(peer: str) -> str | None:
    """Why a peer cannot take part; None when it can."""
    package = PEERS[peer][0]
    done = subprocess.run(
        [interpreter(peer), "-c", f"import importlib.util as u, sys; sys.exit(u.find_spec({package!r}) is None)"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return f"{package} is not installed (make bench-peers)" if done.returncode else None


class Peer:
    """A worker process."""

    def __init__(self, name: str, threads: int):
        self.name = name
        count = str(threads)
        env = dict(os.environ, OMP_NUM_THREADS=count, OPENBLAS_NUM_THREADS=count, MKL_NUM_THREADS=count)
        self.log = tempfile.TemporaryFile()
        # A session of its own: Ctrl-C is answered here, once, and not by every library.
        self.process = subprocess.Popen(
            [interpreter(name), "-m", "benchmarks.worker", name, count], cwd=ROOT, env=env, bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, start_new_session=True)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
        self.pending = b""

    def _why(self, what: str) -> PeerDied:
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return PeerDied(f"the worker of {self.name} {what}: {lines[-1] if lines else 'it wrote nothing'}")

    def ask(self, patience: float = PATIENCE, **request: object) -> dict:
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
        except OSError:
            raise self._why("ended") from None
        late = time.monotonic() + patience
        while b"\n" not in self.pending:
            if not self.selector.select(max(0.0, late - time.monotonic())):
                self.kill()
                raise self._why(f"gave no answer within {patience:g} s")
            got = os.read(self.process.stdout.fileno(), 1 << 16)
            if not got:
                raise self._why("ended")
            self.pending += got
        line, _, self.pending = self.pending.partition(b"\n")
        return dict(json.loads(line))

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclasses.dataclass
class Readings:
    """What a contest read. All of it is kept in the JSON file."""

    #: Entrant -> seconds of each call.
    times: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    #: Probe -> what it read in each round.
    peaks: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    #: Entrant -> the way that was fastest.
    variants: dict[str, str] = dataclasses.field(default_factory=dict)
    #: Entrant -> why it did not take part.
    absent: dict[str, str] = dataclasses.field(default_factory=dict)
    #: Entrant -> its error over the one that is allowed.
    errors: dict[str, float] = dataclasses.field(default_factory=dict)
    #: Figures that are no times.
    figures: dict[str, float] = dataclasses.field(default_factory=dict)
    load: float = 0.0
    stolen: float = 0.0
    wall: float = 0.0

    def best(self, entrant: str) -> float:
        return min(self.times[entrant])

    def median(self, entrant: str) -> float:
        return statistics.median(self.times[entrant])

    def peak(self, probe: str) -> float:
        return max(self.peaks[probe])


class Arena:
    """Runs contests; holds the workers, one for each peer and number of threads."""

    def __init__(self, build: pathlib.Path, rounds: int, budget: float, progress: Callable[[str], None]):
        self.build, self.rounds, self.budget, self.progress = build, rounds, budget, progress
        self.workers: dict[tuple[str, int], Peer] = {}
        self.probes: dict[int, machine.Probes] = {}
        self.judge = reference.Judge()
        self.gone: dict[str, str | None] = {}
        #: Kind of contest -> seconds spent.
        self.spent: dict[str, float] = {}

    def versions(self) -> dict[str, str]:
        """Package -> version, of the peers that are there."""
        code = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
        found = {}
        for peer in FOREIGN:
            package = PEERS[peer][0]
            if package not in found and not self.absent(peer):
                found[package] = subprocess.run([interpreter(peer), "-c", code, package], text=True, cwd=ROOT,
                                                stdout=subprocess.PIPE, check=True).stdout.strip()
        return found

    def absent(self, peer: str) -> str | None:
        """Why a peer cannot take part, asked once."""
        if peer not in self.gone:
            self.gone[peer] = missing(peer)
        return self.gone[peer]

    def worker(self, peer: str, threads: int) -> Peer:
        key = (peer, threads)
        if key not in self.workers:
            self.workers[key] = Peer(peer, threads)
        return self.workers[key]

    def machine(self, threads: int) -> machine.Probes:
        if threads not in self.probes:
            self.probes[threads] = machine.Probes(self.build, threads)
        return self.probes[threads]

    def run(self, name: str, entrants: Mapping[str, tuple[str, Case]], probes: tuple[str, ...]) -> Readings:
        """Measures a contest: label -> (peer, case)."""
        found = Readings(load=machine.load())
        stolen, start = machine.stolen(), time.monotonic()
        ready: dict[str, tuple[Peer, float]] = {}
        for label, (peer, case) in entrants.items():
            why = self.absent(peer)
            if why:
                found.absent[label] = why
                continue
            self.progress(f"{name}: {label} gets ready")
            try:
                took = self._prepare(found, label, peer, case)
            except PeerDied as error:
                self.workers.pop((peer, case.threads)).kill()
                if peer == "attn":
                    raise
                found.absent[label] = str(error)
                continue
            if took is not None:
                ready[label] = self.worker(peer, case.threads), took
            elif label == "attn":
                break  # there is nothing to compare
        if "attn" in ready:
            self._rounds(name, found, ready, probes, max(c.threads for _, c in entrants.values()))
        for worker in {id(w): w for w, _ in ready.values()}.values():
            worker.ask(drop=True)
        found.stolen, found.wall = machine.stolen() - stolen, time.monotonic() - start
        kind = name.split(" ")[0]
        self.spent[kind] = self.spent.get(kind, 0.0) + found.wall
        return found

    def _prepare(self, found: Readings, label: str, peer: str, case: Case) -> float | None:
        """The seconds of a call, its result checked; None for a case that is not supported."""
        worker = self.worker(peer, case.threads)
        answer = worker.ask(prepare=label, case=dataclasses.asdict(case))
        if "unsupported" in answer:
            found.absent[label] = answer["unsupported"]
            return None
        found.variants[label] = answer["variant"]
        rows = reference.sample_rows(case)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows.npy")
            worker.ask(rows=rows.tolist(), of=label, to=path)
            error, allowed = self.judge.error(case, np.load(path))
        found.errors[label] = error / allowed
        found.times[label] = []
        return float(answer["seconds"])

    def rounds_of(self, one: float) -> int:
        """How many rounds of `one` second each fit the budget, which may be infinite; three at least."""
        return max(min(3, self.rounds), int(min(self.rounds, self.budget / one)))

    def _rounds(self, name: str, found: Readings, ready: Mapping[str, tuple[Peer, float]],
                probes: tuple[str, ...], threads: int) -> None:
        tries = {label: max(1, min(50, int(TURN / took))) for label, (_, took) in ready.items()}
        one = sum(PAUSE + tries[label] * took for label, (_, took) in ready.items()) + 0.07 * len(probes)
        rounds = self.rounds_of(one)
        for number in range(rounds):
            self.progress(f"{name}: round {number + 1} of {rounds}")
            for probe in probes:
                found.peaks.setdefault(probe, []).extend(self.machine(threads).probe(probe) for _ in range(3))
            for label, (worker, _) in ready.items():
                time.sleep(PAUSE)
                found.times[label] += worker.ask(time=label, count=tries[label])["times"]

    def close(self, kill: bool = False) -> None:
        for worker in self.workers.values():
            worker.kill() if kill else worker.close()
        self.workers.clear()
