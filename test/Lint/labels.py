# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Follows every label of docs/Spec.md to the code that checks it and the test that breaks it.

A `_c` label must stand in TableGen, in the dialect's C++ (the verifier) and in a test; a `_r` label in the oracle, in
the lowering or the runtime, and in a test. A label that the code or a test uses must be in the specification.
"""

from __future__ import annotations

import re
import sys

import tree

# `attention_c7`, also as the start of a test's name: `attention_c7_five_heads_over_two`.
LABEL = r"\b([a-z]+(?:_[a-z]+)*_[cr]\d+)(?!\d)(?=\b|_)"

# Labels that TableGen's own types check, so that no line of the verifier is about them.
BY_TABLEGEN = {
    "load_c3": "the operand type of the indices",
    "load_c4": "the trait TypesMatchWith",
}


def found_in(root, below: list[str], suffixes: tuple[str, ...]) -> dict[str, str]:
    """Label -> the first file of the folders that holds it."""
    out: dict[str, str] = {}
    for folder in below:
        for path in tree.walk(root, folder, suffixes):
            if path.parent.name == "Lint":
                continue
            for label in re.findall(LABEL, tree.read(path)):
                out.setdefault(label, path.relative_to(root).as_posix())
    return out


def main() -> int:
    root = tree.root_of(sys.argv)
    spec = root / "docs/Spec.md"
    text = tree.read(spec) if spec.is_file() else ""
    labels = re.findall(rf"^- `{LABEL}`:", text, re.M)
    tablegen = found_in(root, ["include"], (".td",))
    verifier = found_in(root, ["lib/Dialect"], (".cpp", ".h"))
    oracle = found_in(root, ["lib/Interpreter"], (".cpp", ".h"))
    lowering = found_in(root, ["lib/Conversion", "lib/Dialect/Attn/Transforms", "lib/Transforms", "lib/Runtime"], (".cpp", ".h"))
    tests = found_in(root, ["test"], (".mlir", ".test", ".py", ".cpp", ".c"))

    findings = [f"docs/Spec.md: {label} is defined twice" for label in sorted({x for x in labels if labels.count(x) > 1})]
    for label in labels:
        static = "_c" in label
        places = [("TableGen", tablegen), ("the verifier", verifier)] if static else [("the oracle", oracle), ("the lowering", lowering)]
        for name, where in [*places, ("a test", tests)]:
            if label not in where and not (name == "the verifier" and label in BY_TABLEGEN):
                findings.append(f"docs/Spec.md: {label} is not in {name}")
    for where in (tablegen, verifier, oracle, lowering, tests):
        findings += [f"{path}: {label} is not in docs/Spec.md" for label, path in where.items() if label not in labels]
    return tree.finish(findings, len(labels), "labels")


if __name__ == "__main__":
    sys.exit(main())
