# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""torch.nn.functional.scaled_dot_product_attention on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks import inputs
from benchmarks.cases import Case
from benchmarks.peers import Unsupported, Variant, Variants

sdpa = torch.nn.functional.scaled_dot_product_attention


def tensor(x: np.ndarray) -> torch.Tensor:
    """The same bits as a tensor; bfloat16 goes by way of its bits."""
    if x.dtype.name == "bfloat16":
        return torch.from_numpy(x.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(x)


def array(x: torch.Tensor) -> np.ndarray:
    return x.detach().to(torch.float32).numpy()


def grad_runner(case: Case, call: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
    """The backward half alone: the forward's graph is kept."""
    for x in (q, k, v):
        x.requires_grad_(True)
    out = call()
    dout = tensor(inputs.dout(case))
    return lambda: torch.autograd.grad(out, (q, k, v), dout, retain_graph=True)


def separate(case: Case, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Variants:
    """Packed sequences, which SDPA does not know on the CPU: a call for each, and their results as they come."""
    bounds = inputs.offsets(case.lengths).tolist()
    parts = [tuple(x[:, :, a:b] for x in (q, k, v)) for a, b in zip(bounds, bounds[1:])]
    yield Variant(
        "a call for each sequence", lambda: [sdpa(*part, is_causal=case.causal) for part in parts],
        lambda found: np.concatenate([array(x) for x in found], axis=2),
    )


def variants(case: Case) -> Variants:
    torch.set_num_threads(case.threads)
    torch.set_grad_enabled(case.backward)
    if case.page:
        raise Unsupported("SDPA has no pages on the CPU")
    if case.score == "softcap":
        raise Unsupported("SDPA has no softcap")
    q, k, v = (tensor(x) for x in inputs.arrays(case))
    if case.lengths:
        yield from separate(case, q, k, v)
        return
    mask = None
    if case.window or case.documents or case.blocks is not None:
        mask = torch.from_numpy(inputs.visible(case, np.arange(case.queries)))[None, None]
    causal = case.causal and not case.decode
    if case.score == "alibi":  # it takes a bias or a causal mask
        mask = tensor(inputs.bias(case))
        if causal:
            hidden = torch.from_numpy(~inputs.visible(case, np.arange(case.queries)))
            mask, causal = mask.masked_fill(hidden, -torch.inf), False
    more = {"attn_mask": mask, "is_causal": causal, "enable_gqa": case.group > 1}

    def natural() -> Any:
        return sdpa(q, k, v, **more)

    if case.backward:
        yield Variant("backward", grad_runner(case, natural, q, k, v), lambda got: inputs.gradients(tuple(map(array, got))))
        return
    yield Variant("[b, h, s, d]", natural, array)
    # The layout that projections leave behind.
    tq, tk, tv = (x.transpose(1, 2).contiguous().transpose(1, 2) for x in (q, k, v))
    yield Variant("[b, s, h, d]", lambda: sdpa(tq, tk, tv, **more), array)
    if case.decode and case.group > 1:
        # The queries of a group are rows that see the same keys.
        rows = q.reshape(case.batch, case.kv_heads, case.group, case.dim)
        yield Variant("groups as rows", lambda: sdpa(rows, k, v), lambda out: array(out).reshape(q.shape))
