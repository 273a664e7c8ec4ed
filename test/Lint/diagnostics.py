# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that every error of the dialect and of its passes is provoked by some test.

An error is a statement with emitOpError or emitError. The longest piece of text in it must stand in a test.
"""

from __future__ import annotations

import re
import sys

import tree

# Text -> why no test provokes it.
_BY_PARSER = "the parser builds no such attribute, and the text form is the only way in"
EXCEPTIONS: dict[str, str] = {
    "expects band to have 2 bounds, but got": _BY_PARSER,
    "expects prefix to have at most 1 bound, but got": _BY_PARSER,
    "to have no bounds, but got": _BY_PARSER,
    "to hold no masks, but got": _BY_PARSER,
    "expects the members of": _BY_PARSER,
    "to be an order of 4 axes": _BY_PARSER,
}


def errors(text: str) -> list[tuple[int, str]]:
    """(line, longest piece of text) of every statement that emits an error."""
    out = []
    for found in re.finditer(r"emit(?:Op)?Error\(", text):
        end = found.end()
        quoted = False
        while end < len(text) and (quoted or text[end] != ";"):
            if text[end] == "\\" and quoted:
                end += 1
            elif text[end] == '"':
                quoted = not quoted
            end += 1
        statement = text[found.start() : end]
        # Literals that only white space separates are one piece.
        statement = re.sub(r'"\s*"', "", statement)
        pieces = re.findall(r'"((?:[^"\\]|\\.)*)"', statement)
        if pieces:
            piece = max(pieces, key=len).replace('\\"', '"').replace("\\\\", "\\").strip()
            out.append((text.count("\n", 0, found.start()) + 1, piece))
    return out


def main() -> int:
    root = tree.root_of(sys.argv)
    tests = "\n".join(
        tree.read(p) for p in tree.walk(root, "test", (".mlir", ".test", ".py", ".cpp", ".c")) if p.parent.name != "Lint"
    )
    findings, count = [], 0
    for below in ("lib/Dialect", "lib/Conversion", "lib/Transforms"):
        for path in tree.walk(root, below, (".cpp",)):
            for line, piece in errors(tree.read(path)):
                count += 1
                if piece not in tests and piece not in EXCEPTIONS:
                    findings.append(f"{path.relative_to(root)}:{line}: no test provokes the error '{piece}'")
    return tree.finish(findings, count, "errors")


if __name__ == "__main__":
    sys.exit(main())
