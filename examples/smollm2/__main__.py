# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Command line of the SmolLM2 example."""

from __future__ import annotations

import argparse
import os
import sys


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.smollm2",
        description="Continues a prompt with SmolLM2-135M, greedily. Every attention, of the "
        "prompt and of each new token, runs through one function compiled by attn; the rest of "
        "the model is numpy. The text goes to standard output, everything else to standard error.",
    )
    parser.add_argument("prompt", help="the text to continue")
    parser.add_argument("--chat", action="store_true", help="ask the prompt as a chat message")
    parser.add_argument("--max-tokens", type=int, default=64, metavar="N", help="default: 64")
    parser.add_argument(
        "--ignore-eos", action="store_true", help="go on after the model has ended its text"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object with the ids")
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="for attn and for numpy's BLAS, whose threads wait for each other by spinning: take "
        "1 on a busy machine (default: one per available core)",
    )
    parser.add_argument(
        "--backend", choices=("attn", "numpy"), default="attn", help="who computes the attention"
    )
    parser.add_argument(
        "--no-check", action="store_true", help="leave out the float64 reference run"
    )
    options = parser.parse_args(arguments)
    if options.max_tokens < 1:
        parser.error(f"expects --max-tokens of at least 1, but got {options.max_tokens}")
    if options.threads is not None and options.threads < 1:
        parser.error(f"expects --threads of at least 1, but got {options.threads}")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    if options.threads is not None:
        # numpy's BLAS reads this once, when it is loaded: hence before any import of numpy.
        os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)
    from .app import run

    try:
        return run(options)
    except (FileNotFoundError, ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
