# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Feeds scripts/check.py runners that pass, fail, crash, hang and run nothing, and looks at what it makes of them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

path = Path(sys.argv[1]) / "scripts" / "check.py"
spec = importlib.util.spec_from_file_location("check", path)
assert spec and spec.loader
check = importlib.util.module_from_spec(spec)
sys.modules["check"] = check
spec.loader.exec_module(check)

CTEST = "75% tests passed, 1 tests failed out of 4\n\nThe following tests did not run:\n\t  3 - a.b (Skipped)\n"
LIT = "Testing Time: 1.00s\n\nTotal Discovered Tests: 9\n  Excluded   : 2 (22.22%)\n  Unsupported: 1 (11.11%)\n  Passed     : 5 (55.56%)\n  Failed     : 1 (11.11%)\n"
PYTEST = "1 failed, 5 passed, 2 skipped, 1 error in 3.21s\n"
BARS = "===== 5 passed, 1 warning in 3.21s (0:00:03) =====\n"
PLAIN = "case a\n12 passed, 3 failed, 4 skipped\n"

for reader, text in [
    (check.count_ctest, CTEST),
    (check.count_lit, LIT),
    (check.count_pytest, PYTEST),
    (check.count_pytest, BARS),
    (check.count_plain, PLAIN),
]:
    print(f"{reader.__name__}: {reader(text)}")


def part(name: str, script: str, limit: float = 1) -> None:
    counts, _, wrong, _ = check.run(check.Part(name, ["bash", "-c", script], check.count_plain, limit))
    print(f"{name}: {counts}; {wrong or 'fine'}")


part("good", "echo 3 passed, 0 failed, 1 skipped")
part("failing", "echo 3 passed, 2 failed, 0 skipped; exit 1")
part("lying", "echo 3 passed, 2 failed, 0 skipped")
part("crashing", "echo 3 passed, 0 failed, 0 skipped; exit 7")
part("silent", "true")
part("empty", "echo 0 passed, 0 failed, 5 skipped")
part("hanging", "echo 3 passed, 0 failed; sleep 60", 1 / 60)
*_, lines = check.run(check.Part("gpu", ["bash", "-c", "echo .gpu summary: 3 $KERNELS; echo 1 passed, 0 failed"],
                                 check.count_plain, 1, {"KERNELS": "kernels"}))
print(f"gpu lines: {lines}")
