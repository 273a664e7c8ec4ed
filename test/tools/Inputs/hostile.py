# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes files that a recursive parser does not survive into the folder that is the argument."""

import pathlib
import sys


def regions(levels: int) -> str:
    return "module {\n" * levels + "}\n" * levels


FILES = {
    "regions900": regions(900),
    "regions20000": regions(20000),
    "tuples": "func.func private @f(" + "tuple<" * 50000 + "i1" + ">" * 50000 + ")\n",
    "arrays": "func.func private @f() attributes {x = " + "[" * 900000 + "}\n",
    "locations": "func.func private @f() loc(" + "callsite(" * 50000,
    "functions": "func.func private @f() -> " + "(() -> " * 30000,
    "aliases": "".join(f"#a{i} = [{f'#a{i - 1}' if i else 1}]\n" for i in range(20000)),
    "types": "".join(f"!t{i} = tuple<{f'!t{i - 1}' if i else 'i1'}>\n" for i in range(20000)),
    "sum": "#m = affine_map<(d0) -> (" + " + ".join(["d0"] * 200000) + ")>\n",
    "minus": "#m = affine_map<(d0) -> (" + "-" * 200000 + " d0)>\n",
    "number": "func.func private @f() attributes {\n  x = " + "9" * 1000000 + " : i64}\n",
    "blob": "func.func private @f()\n{-#\n  dialect_resources: {\n    builtin: {\n"
    '      ok: "0x04000000AABBCCDD",\n      blob: "0x00000000AABBCCDD"\n    }\n  }\n#-}\n',
    "large": 'func.func private @f() attributes {x = dense<"0x' + "00" * 50000000 + '"> : tensor<12500000xf32>}\n',
    "shallow": "// " + "[" * 5000 + '\nfunc.func private @shallow() attributes {s = "' + "[{(<" * 5000 + '\\"[",\n'
    # Arrows and comparisons are no brackets; signs of constants are no operators of one expression.
    "  a = affine_set<(d0) : (" + ", ".join(["d0 >= 0"] * 1500) + ")>,\n"
    "  b = array<i32: " + ", ".join(["-1"] * 20000) + ">,\n"
    "  c = [" + ", ".join(["() -> ()"] * 1500) + "]}\n",
}

if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (folder / f"{name}.mlir").write_text(text)
