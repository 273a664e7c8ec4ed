# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that every pass and every named pipeline is named by a test."""

from __future__ import annotations

import re
import sys

import tree


def main() -> int:
    root = tree.root_of(sys.argv)
    arguments: list[tuple[str, str]] = []
    for path in tree.walk(root, "include", ("Passes.td",)):
        for found in re.finditer(r'^def\s+\w+\s*:\s*(?:Interface)?Pass<\s*"([^"]+)"', tree.read(path), re.M):
            arguments.append((found[1], path.relative_to(root).as_posix()))
    for path in tree.walk(root, "lib", (".cpp",)):
        for found in re.finditer(r'PassPipelineRegistration<[^;]*?\(\s*"([^"]+)"', tree.read(path), re.S):
            arguments.append((found[1], path.relative_to(root).as_posix()))
    tests = "\n".join(
        tree.read(p) for p in tree.walk(root, "test", (".mlir", ".test", ".py", ".cpp", ".c")) if p.parent.name != "Lint"
    )
    findings = [
        f"{where}: '{name}' is named by no test"
        for name, where in arguments
        if not re.search(rf"(?<!\w)(?<!\w-){re.escape(name)}(?![\w-])", tests)
    ]
    return tree.finish(findings, len(arguments), "passes and pipelines")


if __name__ == "__main__":
    sys.exit(main())
