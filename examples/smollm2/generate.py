# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Greedy generation, and its check against the float64 reference."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from .model import Model
from .reference import Reference

# Tokens per prefill pass: large enough for fast matrix products, small enough to show progress.
PREFILL_CHUNK = 256

# Two best float64 logits closer than this are a draw, which float32 may call either way.
DRAW = 1e-3


@dataclass
class Generation:
    """What a run produced: ids, the logits [vocabulary] each was chosen from, and seconds."""

    prompt: list[int]
    ids: list[int] = field(default_factory=list)
    logits: list[np.ndarray] = field(default_factory=list)
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    stopped: bool = False

    @property
    def decode_rate(self) -> float:
        """Tokens per second after the first, which the prefill yields."""
        steps = len(self.ids) - 1
        return steps / self.decode_seconds if steps > 0 else 0.0

    @property
    def prefill_rate(self) -> float:
        return len(self.prompt) / self.prefill_seconds


def generate(
    model: Model,
    prompt: Sequence[int],
    max_tokens: int,
    stops: Collection[int] = (),
    on_prefill: Callable[[int], None] = lambda done: None,
    on_token: Callable[[int], None] = lambda token: None,
) -> Generation:
    """Appends the most likely token to `prompt`, `max_tokens` times or until one of `stops`."""
    run = Generation(list(prompt))
    begin = time.perf_counter()
    for start in range(0, len(prompt), PREFILL_CHUNK):
        logits = model.forward(np.asarray(prompt[start : start + PREFILL_CHUNK]))
        on_prefill(min(start + PREFILL_CHUNK, len(prompt)))
    run.prefill_seconds = time.perf_counter() - begin
    begin = time.perf_counter()
    while True:
        token = int(np.argmax(logits))
        run.ids.append(token)
        run.logits.append(logits)
        on_token(token)
        run.stopped = token in stops
        if run.stopped or len(run.ids) == max_tokens:
            run.decode_seconds = time.perf_counter() - begin
            return run
        logits = model.forward(np.asarray([token]))


@dataclass
class Comparison:
    """How a run relates to the reference that read the same tokens.

    A step is wrong when the reference prefers another token by more than DRAW. While no
    step is wrong or a draw lost, the ids are by induction the reference's own greedy ids.
    """

    steps: int = 0
    largest_difference: float = 0.0
    draws: list[int] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)


def compare(reference: Reference, run: Generation, block: int = 128) -> Comparison:
    """Reads the run's text once in float64 and compares the logits of every generated step."""
    result = Comparison(steps=len(run.ids))
    hidden = reference.hidden(run.prompt + run.ids[:-1])[len(run.prompt) - 1 :]
    for begin in range(0, len(run.ids), block):
        expected = reference.logits(hidden[begin : begin + block])
        for step, row in enumerate(expected, begin):
            difference = float(np.abs(row - run.logits[step]).max())
            # NaN must count as the worst difference, not as none.
            if not difference <= result.largest_difference:
                result.largest_difference = difference
            best = float(row.max())
            if run.ids[step] == int(np.argmax(row)):
                continue
            if best - float(row[run.ids[step]]) <= DRAW:
                result.draws.append(step)
            else:
                result.wrong.append(step)
    return result
