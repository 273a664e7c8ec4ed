# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Finds what no file of the project should hold: paths of one machine, left-over markers, files without a licence
banner, lines with trailing blanks."""

from __future__ import annotations

import re
import sys

import tree

# The words are spelled with a class in them, so that this file does not find itself.
FORBIDDEN = [
    (r"(?<![\w.])/(?:wor[k]|roo[t]|far[m])/", "a path of one machine"),
    (r"(?<![\w.])/hom[e]/(?!x\b)\w", "a path of one machine"),
    (r"\b(?:FIXM[E]|XX[X]|HAC[K])\b", "a left-over marker"),
    (r"\bTOD[O]\b", "a left-over marker"),
]

BANNER = "SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"
TEXT = (
    ".h", ".cpp", ".c", ".td", ".py", ".pyi", ".md", ".mlir", ".test", ".txt", ".cmake", ".toml", ".in", ".sh", ".yml",
    "Makefile", "run", ".clang-tidy", ".clang-format",
)


def main() -> int:
    root = tree.root_of(sys.argv)
    findings, count = [], 0
    for path in tree.walk(root, "", TEXT):
        relative = path.relative_to(root).as_posix()
        text = tree.read(path)
        count += 1
        for number, line in enumerate(text.splitlines(), 1):
            for pattern, what in FORBIDDEN:
                if found := re.search(pattern, line):
                    findings.append(f"{relative}:{number}: holds {what}: '{found[0]}'")
            if line != line.rstrip() and not relative.endswith(".md"):
                findings.append(f"{relative}:{number}: ends in blanks")
        if relative.endswith((".h", ".cpp", ".c", ".td", ".py")) and BANNER not in "\n".join(text.splitlines()[:10]):
            findings.append(f"{relative}:1: has no licence banner ('{BANNER}')")
    return tree.finish(findings, count, "files")


if __name__ == "__main__":
    sys.exit(main())
