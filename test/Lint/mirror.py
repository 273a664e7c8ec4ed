# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that tests stand where a reader looks for them.

* The pass of lib/A/B/SplitKV.cpp is tested in test/A/B/split-kv.mlir (or a folder test/A/B/split-kv/).
* The op `attn.name` is tested in test/Dialect/Attn/name.mlir and name_invalid.mlir.
* A conversion lib/Conversion/AToB/ has a folder test/Conversion/AToB/ with a test.
* A named pipeline's file lib/Transforms/Pipelines/ has tests in test/Transforms/Pipelines/.
"""

from __future__ import annotations

import re
import sys

import tree

# What has no test under its own name, and why.
EXCEPTIONS: dict[str, str] = {
    "attn.yield": "the terminator of attn.attention's regions; its rule yield_c1 is tested with them",
}


def kebab(name: str) -> str:
    """SplitKVCache -> split-kv-cache."""
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1-\2", name).lower()


def main() -> int:
    root = tree.root_of(sys.argv)
    findings, count = [], 0

    def expect(what: str, *candidates: str) -> None:
        nonlocal count
        count += 1
        if what in EXCEPTIONS:
            return
        for candidate in candidates:
            path = root / candidate
            if path.is_file() or (path.is_dir() and any(tree.walk(path, "", (".mlir", ".test")))):
                return
        findings.append(f"{what}: expects a test at {' or '.join(candidates)}, but got none")

    for below in ("lib/Dialect/Attn/Transforms", "lib/Transforms"):
        for path in tree.walk(root, below, (".cpp",)):
            # A file is a pass when it defines one from Passes.td.
            if not re.search(r"#define GEN_PASS_DEF_", tree.read(path)):
                continue
            relative = path.relative_to(root).as_posix()
            stem = relative.replace("lib/", "test/", 1)[: -len(path.name)] + kebab(path.stem)
            expect(relative, stem + ".mlir", stem)
    if (root / "lib/Conversion").is_dir():
        for folder in sorted(p for p in (root / "lib/Conversion").iterdir() if p.is_dir()):
            expect(f"lib/Conversion/{folder.name}", f"test/Conversion/{folder.name}")
    if list(tree.walk(root, "lib/Transforms/Pipelines", (".cpp",))):
        expect("lib/Transforms/Pipelines", "test/Transforms/Pipelines")
    for path in tree.walk(root, "include/attn/Dialect", ("Ops.td",)):
        for found in re.finditer(r'^def\s+Attn_\w+\s*:\s*Attn_\w*Op<\s*"([^"]+)"', tree.read(path), re.M):
            name = found[1]
            expect(f"attn.{name}", f"test/Dialect/Attn/{name}.mlir")
            expect(f"attn.{name}", f"test/Dialect/Attn/{name}_invalid.mlir")
    return tree.finish(findings, count, "passes, conversions and ops")


if __name__ == "__main__":
    sys.exit(main())
