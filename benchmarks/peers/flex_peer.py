# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""torch's FlexAttention, compiled: the same mask as a program, with its block mask made beforehand."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from benchmarks import inputs
from benchmarks.cases import Case
from benchmarks.peers import Unsupported, Variant, Variants
from benchmarks.peers.torch_peer import array, tensor


def mask_mod(case: Case) -> Any:
    """The case's mask over (b, h, query, key); None for none."""
    if case.window:
        left, right = case.window
        return lambda b, h, q, kv: (kv >= q - left) & (kv <= q + right)
    if case.documents or case.lengths:
        of = torch.from_numpy(inputs.documents(case))
        if case.causal:
            return lambda b, h, q, kv: (of[q] == of[kv]) & (q >= kv)
        return lambda b, h, q, kv: of[q] == of[kv]
    if case.blocks is not None:
        blocks = torch.from_numpy(inputs.block_list(case))
        return lambda b, h, q, kv: blocks[q // inputs.BLOCK, kv // inputs.BLOCK]
    return (lambda b, h, q, kv: q >= kv) if case.causal and not case.decode else None


def score_mod(case: Case) -> Any:
    """What becomes of the case's scores; None for nothing."""
    if case.score == "softcap":
        return lambda s, b, h, q, kv: inputs.SOFTCAP * torch.tanh(s / inputs.SOFTCAP)
    if case.score == "alibi":
        slopes = torch.from_numpy(inputs.slopes(case))
        return lambda s, b, h, q, kv: s + slopes[h] * (kv - q)
    return None


def variants(case: Case) -> Variants:
    torch.set_num_threads(case.threads)
    torch.set_grad_enabled(False)
    if case.page or case.backward:
        raise Unsupported("FlexAttention has no pages and no gradients on the CPU")
    torch._dynamo.reset()
    q, k, v = (tensor(x) for x in inputs.arrays(case))
    mod, score, blocks = mask_mod(case), score_mod(case), None
    if mod is not None:
        blocks = create_block_mask(mod, None, None, case.queries, case.keys, device="cpu")
    compiled = torch.compile(flex_attention)
    yield Variant(
        "compiled",
        lambda: compiled(q, k, v, score_mod=score, block_mask=blocks, enable_gqa=case.group > 1),
        array,
    )
