# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One run of the command line: load, compile, generate, compare, report."""

from __future__ import annotations

import argparse
import json
import sys
import time

from . import weights as model_weights
from .attention import TimedAttention, make_attention
from .generate import Comparison, Generation, compare, generate
from .model import Model
from .reference import Reference
from .tokenizer import SmolLM2Tokenizer


def run(options: argparse.Namespace) -> int:
    """Runs parsed `options`; the exit status is 1 when the reference prefers another text."""
    begin = time.perf_counter()
    weights = model_weights.load(report=_say)
    tokenizer = SmolLM2Tokenizer(weights)
    try:
        options.prompt.encode()  # Bytes that are not UTF-8 arrive as lone surrogates.
    except UnicodeEncodeError:
        raise ValueError("expects a prompt in UTF-8, but got other bytes") from None
    prompt = (tokenizer.encode_chat if options.chat else tokenizer.encode)(options.prompt)
    if lost := tokenizer.lost(options.prompt):
        _say(f"the model's vocabulary cannot spell {lost}: left out")
    total = len(prompt) + options.max_tokens
    if not prompt or total > weights.config.context:
        raise ValueError(
            f"expects a prompt of at least 1 token that leaves room for {options.max_tokens} more "
            f"in {weights.config.context} positions, but got {len(prompt)} tokens"
        )
    _say(f"model ready in {time.perf_counter() - begin:.2f} s ({weights.source})")

    attention = make_attention(options.backend, weights.config, options.threads)
    if options.backend == "attn":
        how = "compiled" if attention.source == "compiled" else "taken from attn's cache"
        _say(f"attention {how} in {attention.compile_seconds:.3f} s")
    model = Model(weights, attention, total)
    text = tokenizer.stream()
    show = not options.json
    if show and not options.chat:
        print(options.prompt, end="", flush=True)

    def on_token(token: int) -> None:
        if show:
            print(text.step(token), end="", flush=True)

    stops = () if options.ignore_eos else tokenizer.stops
    done = generate(model, prompt, options.max_tokens, stops, _Progress(len(prompt)), on_token)
    if show:
        print(flush=True)
    share = attention.seconds / (done.prefill_seconds + done.decode_seconds)
    _say(
        f"prompt: {len(prompt)} tokens at {done.prefill_rate:.1f} tokens/s; "
        f"generated: {len(done.ids)} tokens at {done.decode_rate:.1f} tokens/s"
    )
    _say(
        f"attention: {attention.calls} calls, {attention.seconds:.3f} s, {share:.1%} of the time; "
        f"compile time {attention.compile_seconds:.3f} s"
    )
    comparison = None
    if not options.no_check:
        begin = time.perf_counter()
        comparison = compare(Reference(weights), done)
        _say(
            f"float64 reference: largest logit difference {comparison.largest_difference:.2e} over "
            f"{comparison.steps} steps, {_verdict(comparison)} "
            f"({time.perf_counter() - begin:.1f} s)"
        )
    if options.json:
        print(json.dumps(_as_json(options, tokenizer, done, attention, share, comparison)))
    return 1 if comparison is not None and comparison.wrong else 0


class _Progress:
    """Says how far a long prefill is; a prompt of one chunk needs no such line."""

    def __init__(self, total: int) -> None:
        self._total = total

    def __call__(self, done: int) -> None:
        if done < self._total:
            _say(f"read {done} of {self._total} prompt tokens")


def _say(line: str) -> None:
    print(f"[smollm2] {line}", file=sys.stderr, flush=True)


def _verdict(comparison: Comparison) -> str:
    if comparison.wrong:
        return f"which prefers another token at steps {comparison.wrong}"
    if comparison.draws:
        return f"the same greedy tokens but for draws at steps {comparison.draws}"
    return "the same greedy tokens"


def _as_json(
    options: argparse.Namespace,
    tokenizer: SmolLM2Tokenizer,
    done: Generation,
    attention: TimedAttention,
    share: float,
    comparison: Comparison | None,
) -> dict[str, object]:
    result: dict[str, object] = {
        "backend": options.backend,
        "prompt_ids": done.prompt,
        "ids": done.ids,
        "text": tokenizer.decode(done.ids),
        "ended": done.stopped,
        "prefill_tokens_per_second": done.prefill_rate,
        "tokens_per_second": done.decode_rate,
        "compile_seconds": attention.compile_seconds,
        "compile_source": attention.source,
        "attention_calls": attention.calls,
        "attention_share": share,
    }
    if comparison is not None:
        result["largest_logit_difference"] = comparison.largest_difference
        result["draws"] = comparison.draws
        result["wrong"] = comparison.wrong
    return result
