# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Says what the inner loops of a function look like in x86 assembly.

Reads what llc prints. A loop is a basic block that ends in a jump to itself; for each loop of FUNCTION that multiplies
and adds, prints the registers it uses, how many multiply-adds it has on how many accumulators, and how many registers it
saves to and takes back from the stack:

    zmm: 16 fma on 16 accumulators, 0 spills

Products of pairs of bf16 count as `dot`.

    llc ... | code_shape.py FUNCTION
"""

from __future__ import annotations

import re
import sys


def blocks(assembly: str, function: str) -> list[tuple[str, list[str]]]:
    """(label, lines) of the function's basic blocks."""
    body = re.search(rf"^{re.escape(function)}:.*?^\.Lfunc_end", assembly, re.M | re.S)
    if not body:
        sys.exit(f"expects a function {function}, but got none")
    out: list[tuple[str, list[str]]] = [(function, [])]
    for line in body[0].splitlines():
        if label := re.match(r"(\.LBB\w+):", line):
            out.append((label[1], []))
        else:
            out[-1][1].append(line)
    return out


def main(function: str) -> int:
    found = 0
    for label, lines in blocks(sys.stdin.read(), function):
        loops = any(re.match(rf"\s*j\w+\s+{re.escape(label)}\b", line) for line in lines)
        # The accumulator is the last operand; scalar multiply-adds are not counted.
        sums = [m for m in (re.match(r"\s*(?:vfn?madd\d+p[sd]|vdpbf16ps)\s.*%([xyz]mm)(\d+)\s*(?:#.*)?$", line) for line in lines) if m]
        if not loops or not sums:
            continue
        found += 1
        kinds = sorted({m[1] for m in sums})
        accumulators = len({m[2] for m in sums})
        spills = sum("Spill" in line or "Reload" in line for line in lines)
        what = "dot" if any("vdpbf16ps" in line for line in lines) else "fma"
        print(f"{'/'.join(kinds)}: {len(sums)} {what} on {accumulators} accumulators, {spills} spills")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
