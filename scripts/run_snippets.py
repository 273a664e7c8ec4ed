#!/usr/bin/env python3
# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the code blocks of Markdown pages, so that what a page shows is what happens.

    scripts/run_snippets.py [--attn-opt PATH] PAGE...

* ```python blocks of one page run in one interpreter, in order, as a reader would type them.
* ```mlir blocks must parse and verify with attn-opt (left out without --attn-opt).
* A ```text block right after one of the two is what it prints; `...` in a line stands for anything.
* `<!-- snippet: skip REASON -->` before a block leaves it out.

Ends in `N passed, N failed, N skipped`; exit status 1 when a block failed, or when a page has none.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import re
import subprocess
import sys
import traceback
from pathlib import Path


@dataclasses.dataclass
class Snippet:
    """One code block, and the output the page promises (None: nothing promised)."""

    language: str
    code: str
    line: int
    skip: str = ""
    output: str | None = None


def snippets(page: str) -> list[Snippet]:
    """The python and mlir blocks of a page."""
    out: list[Snippet] = []
    lines = page.splitlines()
    skip, fresh, i = "", False, 0
    while i < len(lines):
        if found := re.fullmatch(r"<!-- snippet: skip (.+) -->", lines[i].strip()):
            skip = found[1]
        elif found := re.match(r"```(\w+)\s*$", lines[i]):
            end = next((n for n in range(i + 1, len(lines)) if lines[n].startswith("```")), len(lines))
            code = "\n".join(lines[i + 1 : end]) + "\n"
            if found[1] in ("python", "mlir"):
                out.append(Snippet(found[1], code, i + 2, skip))
            elif found[1] == "text" and fresh:
                out[-1].output = code
            fresh, skip = found[1] in ("python", "mlir"), ""
            i = end
        elif lines[i].strip() and not lines[i].startswith("<!--"):
            fresh = False
        i += 1
    return out


def matches(promised: str, got: str) -> bool:
    """Whether an output is the promised one, `...` standing for anything within a line."""
    pattern = r"\s*".join(
        r"[^\n]*".join(re.escape(part.rstrip() if n else part) for n, part in enumerate([*line.rstrip().split("...")]))
        if "..." in line
        else re.escape(line.rstrip())
        for line in promised.strip().splitlines()
    )
    return re.fullmatch(pattern, "\n".join(line.rstrip() for line in got.strip().splitlines())) is not None


def run(snippet: Snippet, page: Path, scope: dict[str, object], attn_opt: str | None) -> str:
    """Runs one block; what went wrong, or ''."""
    if snippet.language == "python":
        out = io.StringIO()
        try:
            # The line numbers of a traceback are those of the page.
            code = compile("\n" * (snippet.line - 1) + snippet.code, str(page), "exec")
            with contextlib.redirect_stdout(out):
                exec(code, scope)
        except BaseException:
            return traceback.format_exc()
        printed = out.getvalue()
    else:
        done = subprocess.run([attn_opt or "attn-opt"], input=snippet.code, capture_output=True, text=True)
        if done.returncode:
            return done.stderr
        printed = done.stdout
    if snippet.output is not None and not matches(snippet.output, printed):
        return f"expects the output\n{snippet.output}but got\n{printed}"
    return ""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--attn-opt", help="the tool that checks mlir blocks")
    args = parser.parse_args(argv)
    passed = failed = skipped = 0
    for page in args.pages:
        found = snippets(page.read_text())
        if not found:
            print(f"{page}: expects a python or mlir block, but got none")
            failed += 1
        scope: dict[str, object] = {"__name__": "__main__"}
        for snippet in found:
            if snippet.skip or (snippet.language == "mlir" and not args.attn_opt):
                skipped += 1
                continue
            wrong = run(snippet, page, scope, args.attn_opt)
            if wrong:
                print(f"{page}:{snippet.line}: the {snippet.language} block fails:\n{wrong}")
                failed += 1
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
