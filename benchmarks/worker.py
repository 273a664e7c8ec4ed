# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One peer in a process of its own, driven by lines of JSON over a pipe.

Thread pools of different libraries in one process disturb each other by up to a
factor of two, so nothing is ever timed beside another peer's pool.

  {"prepare": ID, "case": {...}}  makes a case ready; answers {"variant": ...,
                                  "seconds": ..., "first": ...} or {"unsupported": WHY}
  {"rows": [...], "of": ID, "to": PATH}  saves these rows of its result, as float64
  {"time": ID, "count": N}        answers {"times": [...]}, in seconds
  {"drop": true}                  forgets all cases

The worker ends with its standard input.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.cases import Case
from benchmarks.peers import PEERS, Unsupported, Variant


def seconds(variant: Variant, count: int) -> list[float]:
    times = []
    for _ in range(count):
        start = time.perf_counter()
        variant.run()
        times.append(time.perf_counter() - start)
    return times


class Worker:
    """The cases that one peer has ready."""

    def __init__(self, peer: str):
        self.own = peer == "attn"
        self.module = importlib.import_module(PEERS[peer][1])
        self.ready: dict[str, Variant] = {}

    def prepare(self, name: str, case: Case) -> dict[str, Any]:
        """Tries every variant and keeps the fastest, warmed up."""
        best: tuple[float, Variant, float] | None = None
        refused = []
        found = iter(self.module.variants(case))
        while True:
            try:
                variant = next(found, None)
                if variant is None:
                    break
                first = seconds(variant, 1)[0]
                took = min(seconds(variant, 2 if first > 0.5 else 5))
            except Unsupported as why:
                refused.append(str(why))
                continue
            except Exception as error:
                # A bug of attn is no limit of attn: it ends the run.
                if self.own:
                    raise
                refused.append(f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}")
                continue
            if best is None or took < best[0]:
                best = took, variant, first
            variant = None
            gc.collect()
        if best is None:
            return {"unsupported": "; ".join(refused) or "no way to compute it"}
        self.ready[name] = best[1]
        return {"variant": best[1].name, "seconds": best[0], "first": best[2]}

    def rows(self, name: str, rows: list[int], path: str) -> dict[str, Any]:
        variant = self.ready[name]
        result = np.asarray(variant.result(variant.run()))
        np.save(path, result[:2, :, rows].astype(np.float64))
        return {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "prepare" in request:
            fields = request["case"]
            for name in ("window", "lengths"):
                if fields.get(name) is not None:
                    fields[name] = tuple(fields[name])
            return self.prepare(request["prepare"], Case(**fields))
        if "rows" in request:
            return self.rows(request["of"], request["rows"], request["to"])
        if "time" in request:
            return {"times": seconds(self.ready[request["time"]], request["count"])}
        self.ready.clear()
        gc.collect()
        return {}


def main() -> None:
    # Libraries print: the pipe of the answers is not theirs.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.sched_setaffinity(0, machine.cpus(int(sys.argv[2])))
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
