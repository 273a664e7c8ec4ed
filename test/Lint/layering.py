# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks who includes whom.

Each folder is a component, and the table below says which components it may see. The picture:

    python -> attn-c -> CAPI -> InitAll -> Pipelines -> {Transforms, Conversion, Interpreter} -> Dialect/IR
    python -> attn-c (runtime half) -> Runtime                     with no LLVM on the way

Python modules may not import torch or jax when they are imported, and only the module that loads the compiler half
names it.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import tree

# Path prefix -> component; the longest prefix wins. Used for files and for what they include ("attn/..." is
# include/attn/...).
COMPONENTS = {
    "include/attn/Dialect/Attn/IR/": "IR",
    "lib/Dialect/Attn/IR/": "IR",
    "include/attn/Dialect/Attn/Transforms/": "DialectTransforms",
    "lib/Dialect/Attn/Transforms/": "DialectTransforms",
    "include/attn/Conversion/": "Conversion",
    "lib/Conversion/": "Conversion",
    "include/attn/Interpreter/": "Interpreter",
    "lib/Interpreter/": "Interpreter",
    "include/attn/Transforms/": "Transforms",
    "lib/Transforms/": "Transforms",
    "include/attn/Transforms/Pipelines": "Pipelines",
    "lib/Transforms/Pipelines/": "Pipelines",
    "include/attn/Runtime/": "Runtime",
    "lib/Runtime/": "Runtime",
    "include/attn/Runtime/DLPack.h": "DLPack",
    "include/attn/InitAll.h": "InitAll",
    "lib/InitAll.cpp": "InitAll",
    "include/attn-c/Runtime.h": "CRuntime",
    "include/attn-c/Compiler.h": "CCompiler",
    "include/attn-c/Emulator.h": "CEmulator",
    "lib/Emulator/": "Emulator",
    "tools/attn-emulate/": "EmulatorTool",
    "lib/CAPI/": "CAPI",
    "tools/": "Tools",
    "python/src/runtime": "PyRuntime",
    "python/src/compiler_module": "PyCompiler",
    "python/src/": "PyShared",
    # How IR comes in: limits, stack, bytecode; and the precompiled header.
    "include/attn/Support/": "Support",
    "lib/Support/": "Support",
    # From LLVM IR to a package.
    "include/attn/Target/": "Target",
    "lib/Target/": "Target",
}

# Component -> what it may see beside itself. LLVM stands for llvm/ and mlir/, Python for Python.h and nanobind.
ALLOWED = {
    "Support": {"LLVM"},
    "Target": {"Support", "LLVM"},
    "IR": {"LLVM"},
    "DialectTransforms": {"IR", "LLVM"},
    "Conversion": {"IR", "LLVM"},
    "Interpreter": {"IR", "LLVM"},
    "Transforms": {"IR", "DialectTransforms", "LLVM"},
    "Pipelines": {"IR", "DialectTransforms", "Transforms", "Conversion", "Interpreter", "LLVM"},
    "InitAll": {"IR", "DialectTransforms", "Transforms", "Conversion", "Interpreter", "Pipelines", "LLVM"},
    # The C API is the door to the interpreter and to packages too; what it runs it names by pipeline.
    "CAPI": {"InitAll", "IR", "Interpreter", "Support", "Target", "CCompiler", "CRuntime", "DLPack", "LLVM"},
    # The runtime half: no LLVM, no dialect, no Python.
    "DLPack": set(),
    # It opens the emulator as it opens the CUDA driver: by its C functions.
    "Runtime": {"DLPack", "CRuntime", "CEmulator"},
    "CRuntime": {"DLPack"},
    "CCompiler": {"DLPack"},
    # The emulator reads PTX and knows nothing else of the project.
    "CEmulator": set(),
    "Emulator": {"CEmulator"},
    "EmulatorTool": {"CEmulator"},
    "PyShared": {"DLPack", "Python"},
    "PyRuntime": {"CRuntime", "DLPack", "PyShared", "Python"},
    "PyCompiler": {"CCompiler", "DLPack", "PyShared", "Python"},
    # attn-run reads generator attributes and compares with the oracle.
    "Tools": {"InitAll", "IR", "Interpreter", "Support", "CCompiler", "CRuntime", "DLPack", "LLVM"},
}

# Folders of Conversion that every conversion may see; they see none of them.
SHARED_CONVERSIONS = {"KeyLoop"}

# (file, component) -> why this one file may see it.
EXCEPTIONS: dict[tuple[str, str], str] = {}


def component(path: str) -> str | None:
    """The component of a path relative to the root, or None for a path that belongs to none."""
    best = max((p for p in COMPONENTS if path.startswith(p)), key=len, default=None)
    return COMPONENTS[best] if best else None


def target(root: Path, source: Path, name: str) -> tuple[str | None, str]:
    """The component and the path that an include names."""
    if re.match(r"(mlir|llvm)(-c)?/", name):
        return "LLVM", name
    if re.match(r"(nanobind|pybind11)/|Python\.h$", name):
        return "Python", name
    if re.match(r"attn(-c)?/", name):
        return component("include/" + name), "include/" + name
    beside = (source.parent / name).resolve()
    if beside.is_file() and beside.is_relative_to(root):
        relative = beside.relative_to(root).as_posix()
        return component(relative), relative
    return None, name


def includes(root: Path) -> tuple[list[str], int]:
    """Findings over the C and C++ files."""
    findings, count = [], 0
    for below in ("include", "lib", "tools", "python/src"):
        for path in tree.walk(root, below, (".h", ".cpp", ".c", ".td")):
            relative = path.relative_to(root).as_posix()
            own = component(relative)
            count += 1
            if own is None:
                findings.append(f"{relative}:1: belongs to no component of {Path(__file__).name}; give it one")
                continue
            for number, line in enumerate(tree.read(path).splitlines(), 1):
                found = re.match(r'\s*#?\s*include\s*["<]([^">]+)[">]', line)
                if not found:
                    continue
                seen, where = target(root, path, found[1])
                if seen is None or seen == own or seen in ALLOWED[own] or (relative, seen) in EXCEPTIONS:
                    # One conversion does not see another, but for what they share.
                    ours, theirs = (re.match(r"(?:lib|include/attn)/Conversion/(\w+)/", p) for p in (relative, where))
                    if ours and theirs and theirs[1] not in {ours[1], *SHARED_CONVERSIONS}:
                        findings.append(f"{relative}:{number}: conversion {ours[1]} may not see conversion {theirs[1]}")
                    continue
                findings.append(f"{relative}:{number}: {own} may not see {seen} ({found[1]})")
    return findings, count


def imports_at_import(module: ast.Module) -> list[tuple[int, str]]:
    """The (line, module) pairs that importing a Python module imports, `if TYPE_CHECKING:` left out."""
    out: list[tuple[int, str]] = []

    def visit(nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if isinstance(node, ast.Import):
                out.extend((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                out.append((node.lineno, "." * node.level + (node.module or "")))
                out.extend((node.lineno, "." * node.level + alias.name) for alias in node.names if node.module is None)
            elif isinstance(node, ast.If):
                if "TYPE_CHECKING" not in ast.unparse(node.test):
                    visit(node.body)
                visit(node.orelse)
            elif isinstance(node, (ast.Try, ast.With, ast.ClassDef)):
                visit(node.body)
                for handler in getattr(node, "handlers", []):
                    visit(handler.body)
                visit(getattr(node, "orelse", []))
                visit(getattr(node, "finalbody", []))

    visit(module.body)
    return out


def python(root: Path) -> tuple[list[str], int]:
    """Findings over the Python package."""
    findings, count = [], 0
    for path in tree.walk(root, "python/attn", (".py",)):
        count += 1
        relative = path.relative_to(root).as_posix()
        for line, name in imports_at_import(ast.parse(tree.read(path))):
            guest = name.split(".")[0]
            if guest in ("torch", "jax", "onnx", "onnxruntime"):
                findings.append(f"{relative}:{line}: imports {guest} when it is imported; guests are imported where used")
            if name.split(".")[-1] == "_compiler":
                findings.append(f"{relative}:{line}: loads the compiler half when it is imported; load it where used")
    return findings, count


def main() -> int:
    root = tree.root_of(sys.argv)
    findings, count = includes(root)
    more, python_count = python(root)
    return tree.finish(findings + more, count + python_count, "source files")


if __name__ == "__main__":
    sys.exit(main())
