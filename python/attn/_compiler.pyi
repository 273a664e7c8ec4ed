# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The compiler half: text in, packages or other text out. Importing it loads LLVM."""

from typing import Sequence

def compile_to_file(
    ir: str, path: str, target: str | None = None, opt_level: int = 3, verify: bool = True
) -> None: ...
def run_pipeline(ir: str, pipeline: str) -> str: ...
def signature(ir: str, entry: str) -> str: ...
def explain(ir: str, target: str | None = None, opt_level: int = 3) -> str: ...
def interpret(ir: str, entry: str, args: Sequence[int], results: Sequence[int]) -> None:
    """Runs the float64 oracle on the addresses of DLTensors."""

def interpret_shapes(
    ir: str, entry: str, args: Sequence[int], total_rank: int
) -> list[int]: ...
def fingerprint() -> str: ...
