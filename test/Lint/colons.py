# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Finds test directives that silently check nothing.

lit and FileCheck ignore a directive whose colon or spelling is wrong, so the test passes whatever happens:

    // RUN attn-opt %s        no colon: never run
    // CHECK return           no colon: never checked
    // CHECK-NXT: return      no such directive
    // CHECK: return          in a file whose RUN lines never call FileCheck
    // expected-eror {{...}}  no such diagnostic
"""

from __future__ import annotations

import re
import sys

import tree

COMMENT = r"^\s*(?://|#|;)\s*"
SUFFIX = r"(?:-(?:NEXT|SAME|NOT|DAG|LABEL|EMPTY|COUNT-\d+))"
# What a command of this project's RUN lines starts with; prose about RUN lines does not.
COMMAND = r"(?:%|attn-|not\s|env\s|split-file|mlir-|FileCheck|python)"


def look(text: str) -> list[tuple[int, str]]:
    """The (line, finding)s of one test file."""
    runs = "\n".join(re.findall(COMMENT + r"RUN:(.*)$", text, re.M))
    prefixes = {"CHECK"}
    for group in re.findall(r"--?check-prefix(?:es)?[= ]([\w,-]+)", runs):
        prefixes.update(group.split(","))
    names = "|".join(sorted(map(re.escape, prefixes), key=len, reverse=True))
    out = []
    checks = False
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(COMMENT + rf"RUN(?!:)\s*{COMMAND}", line):
            out.append((number, "RUN without a colon is never run"))
        if found := re.match(COMMENT + r"(REQUIRES|UNSUPPORTED|XFAIL|DEFINE|REDEFINE)(?!:)\s", line):
            out.append((number, f"{found[1]} without a colon has no effect"))
        if re.match(COMMENT + rf"(?:{names}){SUFFIX}?:", line):
            checks = True
        elif found := re.match(COMMENT + rf"((?:{names}){SUFFIX}?)(?![\w:-])", line):
            out.append((number, f"{found[1]} without a colon is never checked"))
        elif found := re.match(COMMENT + rf"((?:{names})[-_][\w-]+)\s*:", line):
            if found[1] not in prefixes:
                out.append((number, f"{found[1]} is no directive of FileCheck and no prefix of a RUN line"))
        if found := re.search(r"//\s*(expected-(?!(?:error|warning|remark|note)(?:-re)?\b)[\w-]+)", line):
            out.append((number, f"{found[1]} is no diagnostic that --verify-diagnostics knows"))
    if checks and "FileCheck" not in runs:
        out.append((1, "holds checks, but no RUN line calls FileCheck"))
    if re.search(r"//\s*expected-(?:error|warning|remark|note)", text) and "verify-diagnostics" not in runs:
        out.append((1, "expects diagnostics, but no RUN line says --verify-diagnostics"))
    return out


def main() -> int:
    root = tree.root_of(sys.argv)
    findings, count = [], 0
    for path in tree.walk(root, "test", (".mlir", ".test", ".c")):
        text = tree.read(path)
        # The files of Integration are run by attn-run and have no RUN lines.
        if path.relative_to(root).as_posix().startswith("test/Integration/"):
            continue
        count += 1
        findings += [f"{path.relative_to(root)}:{line}: {what}" for line, what in look(text)]
    return tree.finish(findings, count, "test files")


if __name__ == "__main__":
    sys.exit(main())
