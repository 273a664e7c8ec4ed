# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The compiler half: text in, packages or other text out. Importing it loads LLVM."""

from typing import Sequence

def compile_to_file(
    program: str | bytes, path: str, target: str | None = None, opt_level: int = 3, verify: bool = True,
    ptxas: str = "",
) -> None: ...
def run_pipeline(program: str | bytes, pipeline: str) -> str: ...
def emit(program: str | bytes, kind: int, target: str | None = None, opt_level: int = 3) -> str: ...
def signature(program: str | bytes, entry: str) -> str: ...
def explain(program: str | bytes, target: str | None = None, opt_level: int = 3) -> str: ...
def interpret(program: str | bytes, entry: str, args: Sequence[int], results: Sequence[int]) -> None:
    """Runs the float64 oracle on the addresses of DLTensors."""

def interpret_shapes(
    program: str | bytes, entry: str, args: Sequence[int], total_rank: int
) -> list[int]: ...
def compile_times() -> str:
    """Seconds by stage of this thread's last compilation, as JSON; '' before the first."""

def fingerprint() -> str: ...
