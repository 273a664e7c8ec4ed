#!/usr/bin/env python3
# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Re-runs the marked commands of a Markdown page and finds the page's figures in what they print.

A block of the page that shows figures stands between two HTML comments, and says which figures they are:

    <!-- figure: make bench -->
    | causal, d=64 | 0.71 of peak |
    <!-- expect: causal d=64 share=({}) => 0.71 within 10% -->
    <!-- end figure -->

* `figure:` is a shell command, run once in the repository's root with no input. Blocks with the same command share its
  run.
* `expect:` is a regular expression that must match a line of the output (standard output and errors together). Its one
  group is the figure; `{}` stands for a number. What follows ` => ` says what it must be:
      => 12               the same text, or the same number
      => 12 within 10%    a number at most 10 percent away
      => 12 within 0.5    a number at most 0.5 away
      => at least 12      a number of 12 or more;  `at most` likewise
  An expectation without ` => ` only has to match.
* The expected figure must also stand, as it is written, in the text between the comments: this is how a page cannot
  print one figure and check another. `at least` and `at most` figures too.

Exit status 0: every figure was found. A page without figures, or a block without an expectation, is an error.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NUMBER = r"[-+]?[0-9][0-9,]*(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"


@dataclasses.dataclass
class Expectation:
    """One `expect:` comment: a pattern and, optionally, the rule for its group."""

    pattern: str
    rule: str
    line: int


@dataclasses.dataclass
class Block:
    """One `figure:` block: its command, its visible text, its expectations."""

    command: str
    text: str
    expectations: list[Expectation]
    line: int


class PageError(Exception):
    """The page's markup is not what this script expects."""


def parse(page: str) -> list[Block]:
    """Reads the blocks of a page; raises PageError for a block that is not closed or checks nothing."""
    blocks: list[Block] = []
    current: Block | None = None
    for number, line in enumerate(page.splitlines(), 1):
        start = re.fullmatch(r"\s*<!-- figure: (.+?) -->\s*", line)
        expect = re.fullmatch(r"\s*<!-- expect: (.+?) -->\s*", line)
        if start:
            if current:
                raise PageError(f"line {number}: expects the block of line {current.line} to end first")
            current = Block(start[1], "", [], number)
        elif re.fullmatch(r"\s*<!-- end figure -->\s*", line):
            if not current:
                raise PageError(f"line {number}: expects a figure block to end, but got none open")
            if not current.expectations:
                raise PageError(f"line {current.line}: expects at least one `expect:` in the block, but got none")
            blocks.append(current)
            current = None
        elif expect:
            if not current:
                raise PageError(f"line {number}: expects `expect:` inside a figure block")
            pattern, arrow, rule = expect[1].rpartition(" => ")
            current.expectations.append(Expectation(pattern, rule, number) if arrow else Expectation(expect[1], "", number))
        elif current:
            current.text += line + "\n"
    if current:
        raise PageError(f"line {current.line}: expects the block to end with `<!-- end figure -->`")
    return blocks


def number(text: str) -> float | None:
    """The number that a text is, thousands separators allowed, or None."""
    return float(text.replace(",", "")) if re.fullmatch(NUMBER, text) else None


def holds(got: str, rule: str) -> tuple[bool, str]:
    """Whether a figure keeps a rule, and the figure that the rule names."""
    bound = re.fullmatch(rf"(at least|at most) ({NUMBER})", rule)
    near = re.fullmatch(rf"({NUMBER}) within ({NUMBER})(%?)", rule)
    value = number(got)
    if bound:
        limit = number(bound[2])
        assert limit is not None
        return value is not None and (value >= limit if bound[1] == "at least" else value <= limit), bound[2]
    if near:
        middle, slack = number(near[1]), number(near[2])
        assert middle is not None and slack is not None
        if near[3]:
            slack = abs(middle) * slack / 100
        return value is not None and abs(value - middle) <= slack, near[1]
    same = number(rule)
    return got == rule or (same is not None and value == same), rule


def check(block: Block, output: str) -> list[str]:
    """What is wrong with a block, given its command's output: one line of text each."""
    wrong = []
    for expectation in block.expectations:
        pattern = expectation.pattern.replace("{}", NUMBER)
        lines = [m for m in (re.search(pattern, line) for line in output.splitlines()) if m]
        if not lines:
            wrong.append(f"line {expectation.line}: expects output to match '{expectation.pattern}', but no line does")
            continue
        if not expectation.rule:
            continue
        if lines[0].re.groups != 1:
            wrong.append(f"line {expectation.line}: expects one group in '{expectation.pattern}'")
            continue
        # A command may print a figure more than once (rounds); the last one counts.
        got = lines[-1][1]
        good, named = holds(got, expectation.rule)
        if not good:
            wrong.append(f"line {expectation.line}: expects '{expectation.pattern}' to be {expectation.rule}, but got {got}")
        if named not in block.text:
            wrong.append(f"line {expectation.line}: expects the text of the block to show {named}, but it does not")
    return wrong


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for one command (default: 1800)")
    parser.add_argument("--list", action="store_true", help="print the commands and stop")
    args = parser.parse_args(argv)
    try:
        blocks = parse(args.page.read_text())
    except PageError as error:
        print(f"{args.page}: {error}")
        return 2
    if not blocks:
        print(f"{args.page}: expects at least one figure block, but got none")
        return 2

    outputs: dict[str, tuple[str, str]] = {}
    failed = 0
    for block in blocks:
        if args.list:
            print(f"{args.page}:{block.line}: {block.command} ({len(block.expectations)} expectations)")
            continue
        if block.command not in outputs:
            print(f"running: {block.command}", flush=True)
            start = time.monotonic()
            try:
                done = subprocess.run(
                    ["bash", "-c", block.command],
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    timeout=args.timeout,
                )
                trouble = f"exit status {done.returncode}" if done.returncode else ""
                outputs[block.command] = (done.stdout, trouble)
            except subprocess.TimeoutExpired:
                outputs[block.command] = ("", f"no end within {args.timeout:g} s")
            print(f"  took {time.monotonic() - start:.1f} s", flush=True)
        output, trouble = outputs[block.command]
        wrong = ([f"line {block.line}: '{block.command}': {trouble}"] if trouble else []) + check(block, output)
        for text in wrong:
            print(f"{args.page}: {text}")
        if trouble:
            print("".join(f"  | {line}\n" for line in output.splitlines()[-20:]), end="")
        failed += bool(wrong)
    if args.list:
        return 0
    print(f"{len(blocks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
