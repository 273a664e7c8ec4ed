# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where the time until a program could run went, stage by stage."""

from __future__ import annotations

from typing import Iterator, Mapping

#: The stages in the order in which they happen. The compiler measures those from
#: parse to link itself (`attn-compile --time` prints the same numbers).
STAGES = {
    "trace": "from the Python function to the program's text",
    "cache": "the key, the look-up on disk, and storing what was compiled",
    "set up": "the compiler's own start: LLVM and the dialects, loaded at first use",
    "parse": "from text to IR, verified",
    "passes": "MLIR passes: schedule, key plan, buffers, kernels",
    "translate": "from MLIR to LLVM IR",
    "optimize": "LLVM's optimisations",
    "codegen": "from LLVM IR to object code",
    "link": "from object code to a package",
    "load": "the package's check and dlopen",
    "other": "threads, temporary files, and what no stage counts",
}


class Timings(Mapping[str, float]):
    """Milliseconds by stage; stages that did not happen are left out.

    A mapping from a stage's name (see `STAGES`) to a float. `str` gives a table:

    >>> print(attn.compile(attn.attention, q, q, q).timings())  # doctest: +SKIP

    Attributes:
      source: ``"compiled"``, ``"disk"`` or ``"file"``: how the program was come by.
    """

    def __init__(self, milliseconds: Mapping[str, float], source: str) -> None:
        self._milliseconds = {s: milliseconds[s] for s in STAGES if s in milliseconds}
        self.source = source

    def __getitem__(self, stage: str) -> float:
        return self._milliseconds[stage]

    def __iter__(self) -> Iterator[str]:
        return iter(self._milliseconds)

    def __len__(self) -> int:
        return len(self._milliseconds)

    @property
    def total(self) -> float:
        """The sum of all stages, in milliseconds."""
        return sum(self._milliseconds.values())

    def __str__(self) -> str:
        lines = [f"{'stage':<10} {'ms':>9}  what"]
        lines += [f"{s:<10} {ms:>9.2f}  {STAGES[s]}" for s, ms in self.items()]
        return "\n".join([*lines, f"{'total':<10} {self.total:>9.2f}  {self.source}"])

    def __repr__(self) -> str:
        stages = ", ".join(f"{s} {ms:.2f}" for s, ms in self.items())
        return f"<attn.Timings of a program {self.source}, in ms: {stages}>"
