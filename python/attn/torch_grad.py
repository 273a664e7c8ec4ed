# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention of torch tensors that require grad, as a function of torch's autograd.

Nothing imports this but a call with such a tensor, so torch is there already.
"""

from __future__ import annotations

import functools
from typing import Any

from . import frontend, shims
from .errors import CompileError, ShapeError

#: The arguments of `attention` that may require grad, in the order of the function's inputs.
NAMES = ("q", "k", "v", "bias", "log_weight", "sinks")


@functools.cache
def _function() -> Any:
    """The function of autograd, made once; torch is imported by then."""
    import torch

    def _plain(values: Any) -> list[Any]:
        """The tensors without their place in the graph; what is no tensor as it is."""
        return [x.detach() if isinstance(x, torch.Tensor) else x for x in values]

    class _Attention(torch.autograd.Function):
        """out and lse of `attn.attention`."""

        @staticmethod
        def forward(ctx: Any, options: dict[str, Any], *inputs: Any) -> Any:
            q, k, v, *rest = _plain(inputs)
            extra = dict(zip(NAMES[3:], rest))
            out, lse = frontend.attention(q, k, v, return_lse=True, **extra, **options)
            ctx.is_tensor = [isinstance(x, torch.Tensor) for x in inputs]
            # What is saved may not be written before it is used: a page table or lengths that
            # went on with the next step would give gradients of another attention.
            ctx.held = [n for n, x in options.items() if isinstance(x, torch.Tensor)]
            ctx.save_for_backward(
                *[x for x in inputs if isinstance(x, torch.Tensor)],
                *[options[n] for n in ctx.held], out, lse,
            )  # fmt: skip
            ctx.rest = [None if t else x for x, t in zip(inputs, ctx.is_tensor)]
            ctx.options = {n: x for n, x in options.items() if n not in ctx.held}
            ctx.set_materialize_grads(False)
            return out, lse

        @staticmethod
        def backward(ctx: Any, dout: Any, dlse: Any) -> Any:
            *saved, out, lse = ctx.saved_tensors
            kept = iter(saved)
            inputs = [next(kept) if t else x for t, x in zip(ctx.is_tensor, ctx.rest)]
            options = {**ctx.options, **dict(zip(ctx.held, kept))}
            needs = ctx.needs_input_grad[1:]
            if dout is None:
                dout = torch.zeros_like(out)
            grads = iter(_AttentionGrad.apply(options, needs, out, lse, dout, dlse, *inputs))
            return None, *(next(grads) if need else None for need in needs)

    class _AttentionGrad(torch.autograd.Function):
        """The gradients that are needed, in order; they have no gradient themselves."""

        @staticmethod
        def forward(ctx: Any, options: dict[str, Any], needs: Any, *given: Any) -> Any:
            out, lse, dout, dlse, q, k, v, *rest = _plain(given)
            # An expanded gradient, such as a sum's, has no unit stride.
            grads = frontend.attention_grad(
                q, k, v, out, lse, dout.contiguous(), dlse=None if dlse is None else dlse.contiguous(),
                grads=[n for n, need in zip(NAMES[3:], needs[3:]) if need],
                **dict(zip(NAMES[3:], rest)), **options,
            )._asdict()  # fmt: skip
            return tuple(grads[f"d{n}"] for n, need in zip(NAMES, needs) if need)

        @staticmethod
        def backward(ctx: Any, *unused: Any) -> Any:
            raise CompileError(
                "attention expects to be differentiated once, but got a gradient of its gradient; attn "
                "has no double backward"
            )

    return _Attention


def attention(q: Any, k: Any, v: Any, *, return_lse: bool, out: Any, layout: str, **options: Any) -> Any:
    """`attn.attention` of tensors of which some require grad."""
    if out is not None:
        raise ShapeError("attention expects no out where tensors require grad, but got one")
    if options.get("device") is None:
        options.pop("device", None)
    swap = layout == "bshd"
    if layout == "thd":
        raise ShapeError(
            "attention of tensors that require grad expects layout 'bhsd' or 'bshd', but got 'thd'"
        )
    if swap:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    inputs = [q, k, v, *(options.pop(n) for n in NAMES[3:])]
    result, lse = _function().apply(options, *inputs)
    if swap:
        result = result.transpose(1, 2)
    return (result, lse) if return_lse else result


def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, attn_mask: Any, is_causal: bool, scale: float | None,
    enable_gqa: bool,
) -> Any:  # fmt: skip
    """torch's function over tensors of which some require grad: leading axes by torch's views."""
    rank = query.dim()
    lead = shims.leading_axes({"query": query.shape, "key": key.shape, "value": value.shape})

    def four(x: Any) -> Any:
        x = x.reshape((1,) * (4 - x.dim()) + tuple(x.shape)).expand(*(lead or (1,)), -1, -1, -1)
        return x.flatten(0, 1) if x.dim() == 5 else x

    q, k, v = map(four, (query, key, value))
    shims.check_heads(q.shape[1], k.shape[1], enable_gqa)
    bias = mask = None
    if attn_mask is not None:
        full = attn_mask
        if shims.mask_axes(attn_mask.shape, rank, lead, k.shape[2]):
            full = four(attn_mask)
        elif attn_mask.dim() == 5:
            full = attn_mask[0]
        bias, mask = (None, full) if str(full.dtype) == "torch.bool" else (full, None)
    out = frontend.attention(
        q, k, v, mask=mask, bias=bias, scale=scale, causal="top_left" if is_causal else None
    )
    return out.reshape((*lead, *query.shape[len(lead) : -1], value.shape[-1]))
