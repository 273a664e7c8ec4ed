# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the lints share: walking a source tree and reporting findings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Iterator

SKIPPED = {".git", ".venv", ".venv-peers", ".setup", "__pycache__", "node_modules", ".pytest_cache", ".hypothesis", ".cache"}


def walk(root: Path, below: str = "", suffixes: tuple[str, ...] = ()) -> Iterator[Path]:
    """The files of a tree under one folder, in a fixed order, without build trees and the lints' own bad samples."""
    start = root / below
    if not start.is_dir():
        return
    for path in sorted(start.iterdir()):
        relative = path.relative_to(root).as_posix()
        if path.is_dir():
            if path.name in SKIPPED or relative.startswith("build") or relative == "test/Lint/Inputs":
                continue
            yield from walk(root, relative, suffixes)
        elif not suffixes or path.name.endswith(suffixes):
            yield path


def read(path: Path) -> str:
    """A file's text; bytes that are no UTF-8 become replacement characters."""
    return path.read_text(encoding="utf-8", errors="replace")


def finish(findings: list[str], looked_at: int, what: str) -> int:
    """Prints the findings. Exit status 1 for any, and also when there was nothing to look at."""
    for finding in findings:
        print(finding)
    if not looked_at:
        print(f"expects {what} to look at, but got none")
        return 1
    if not findings:
        print(f"looked at {looked_at} {what}: clean")
    return 1 if findings else 0


def root_of(argv: list[str]) -> Path:
    """The tree to look at, from the command line."""
    if len(argv) != 2:
        sys.exit(f"usage: {argv[0]} ROOT")
    return Path(argv[1]).resolve()
