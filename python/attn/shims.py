# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The calls of others: torch's scaled_dot_product_attention and flash-attn's flash_attn_func."""

from __future__ import annotations

import sys
from typing import Any, Callable, Mapping, Sequence

from . import _runtime, checks, tracing
from .errors import ShapeError
from .frontend import attention, requires_grad

_tensor = _runtime.tensor


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """torch.nn.functional.scaled_dot_product_attention, for any library's arrays.

    Args:
      query: ``[..., Hq, L, E]``, rank 2 to 5; all three have one rank.
      key: ``[..., H, S, E]``.
      value: ``[..., H, S, Ev]``. Leading axes are equal, or 1 where they broadcast.
      attn_mask: broadcasts to ``[..., Hq, L, S]``; bool (True = attend), or float and
        then added to the scores. The last axis must be S.
      dropout_p: must be 0.
      is_causal: the top-left causal mask, ANDed with attn_mask.
      scale: 1 / sqrt(E) when left out.
      enable_gqa: allow Hq to be a multiple of H.

    Returns:
      ``[..., Hq, L, Ev]`` of query's dtype and library.

    Raises:
      ShapeError: the shapes do not fit, or leading axes cannot be broadcast and folded
        without a copy (the text shows the strides).
    """
    _no_dropout("scaled_dot_product_attention", dropout_p)
    is_causal = checks.flag("is_causal", is_causal)
    enable_gqa = checks.flag("enable_gqa", enable_gqa)
    if "torch" in sys.modules and requires_grad(query, key, value, attn_mask):
        from . import torch_grad

        return torch_grad.scaled_dot_product_attention(
            query, key, value, attn_mask, is_causal, scale, enable_gqa
        )
    tq, tk, tv = _tensor(query), _tensor(key), _tensor(value)
    shapes = {"query": tq.shape, "key": tk.shape, "value": tv.shape}
    lead = leading_axes(shapes)
    tq, tk, tv = (_fold(t, n, lead) for t, n in zip((tq, tk, tv), shapes))
    check_heads(tq.size(1), tk.size(1), enable_gqa)
    bias = mask = None
    if attn_mask is not None:
        tm = _mask(_tensor(attn_mask), len(shapes["query"]), lead, tk.size(2))
        bias, mask = (None, tm) if tm.dtype == "i1" else (tm, None)
    result = attention(
        tq, tk, tv, mask=mask, bias=bias, scale=scale,
        causal="top_left" if is_causal else None,
    )  # fmt: skip
    if len(shapes["query"]) == 4:
        return result
    return result.reshape((*lead, *shapes["query"][-3:-1], tv.size(3)))


def leading_axes(shapes: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    """The sizes of the axes before the heads, where those of query, key and value agree.

    An axis of size 1 stands for any size, as in torch.
    """
    ranks = [len(shape) for shape in shapes.values()]
    if len(set(ranks)) != 1 or not 2 <= ranks[0] <= 5:
        raise ShapeError(
            "scaled_dot_product_attention expects query, key and value of one rank, a rank of 2 to "
            f"5, but got {ranks[0]}, {ranks[1]} and {ranks[2]}"
        )
    lead = []
    for axis, sizes in enumerate(zip(*(shape[:-3] for shape in shapes.values()))):
        wide = set(sizes) - {1}
        if len(wide) > 1:
            raise ShapeError(
                f"scaled_dot_product_attention expects sizes of axis {axis} that are equal or 1, "
                f"but got {sizes[0]} for query, {sizes[1]} for key and {sizes[2]} for value"
            )
        lead.append(wide.pop() if wide else 1)
    return tuple(lead)


def check_heads(heads: int, kv_heads: int, enable_gqa: bool) -> None:
    """Refuses heads that torch would not pair."""
    if heads != kv_heads and not enable_gqa and kv_heads != 1:
        raise ShapeError(
            "scaled_dot_product_attention expects as many key heads as query heads unless "
            f"enable_gqa is set, but got {heads} and {kv_heads}"
        )


def mask_axes(shape: Sequence[int], rank: int, lead: Sequence[int], length: int) -> bool:
    """Checks an attn_mask's axes; whether it has leading axes that must become one.

    Args:
      shape: its shape.
      rank: that of query.
      lead: `leading_axes`.
      length: how many keys there are.
    """
    shape = tuple(shape)
    if not 1 <= len(shape) <= rank:
        raise ShapeError(f"attn_mask expects a rank of 1 to query's {rank}, but got shape {shape}")
    if shape[-1] != length:
        raise ShapeError(
            f"attn_mask expects its last axis to be the key length {length}, but got shape {shape}"
        )
    own = shape[:-3]
    if any(n not in (1, size) for n, size in zip(own[::-1], lead[::-1])):
        raise ShapeError(
            f"attn_mask expects leading axes that broadcast to {list(lead)}, but got shape {shape}"
        )
    return rank == 5 and any(n != 1 for n in own)


def _mask(t: Any, rank: int, lead: Sequence[int], length: int) -> Any:
    """A mask or bias for ``[*lead, Hq, L, S]``, of rank 2 to 4."""
    if mask_axes(t.shape, rank, lead, length):
        while t.ndim < rank:
            t = t.insert(0)
        return _fold(t, "attn_mask", lead)
    if t.ndim == 5:
        return t.select(0, 0)
    return t.insert(0) if t.ndim == 1 else t


def _fold(t: Any, name: str, lead: Sequence[int]) -> Any:
    """Brings a tensor of rank 2 to 5 to rank 4, with its leading axes those of all, without copying."""
    while t.ndim < 4:
        t = t.insert(0)
    for axis, size in enumerate(lead):
        if t.size(axis) != size:
            t = t.expand(axis, size)
    if t.ndim == 4:
        return t
    merged = t.merge(0)
    if merged is None:
        raise ShapeError(
            f"scaled_dot_product_attention expects leading axes of {name} that fold into one "
            f"without a copy, but got shape {t.shape} with strides {t.strides}"
        )
    return merged


def _no_dropout(name: str, dropout_p: Any) -> None:
    if checks.number("dropout_p", dropout_p) != 0.0:
        raise ShapeError(f"{name} expects dropout_p = 0, but got {dropout_p}: attn has no dropout")


def flash_attn_func(
    q: Any,
    k: Any,
    v: Any,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Any = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    *,
    batch_invariant: bool = False,
) -> Any:
    """flash_attn.flash_attn_func: ``[B, S, H, D]`` and bottom-right alignment.

    Args:
      q: ``[B, Sq, Hq, D]``.
      k: ``[B, Sk, Hkv, D]``.
      v: ``[B, Sk, Hkv, D]``.
      dropout_p: must be 0.
      softmax_scale: 1 / sqrt(D) when left out.
      causal: the bottom-right causal mask.
      window_size: (left, right), -1 for open.
      softcap: 0 for none.
      alibi_slopes: ``float32[H]`` or ``[B, H]``; adds -slope * |distance|.
      deterministic: attn always is.
      return_attn_probs: must be False.
      batch_invariant: see `attention`.

    Returns:
      ``[B, Sq, Hq, D]`` of q's dtype and library.

    Raises:
      ShapeError: dropout or probabilities were asked for, or shapes do not fit.
    """
    _no_dropout("flash_attn_func", dropout_p)
    causal = checks.flag("causal", causal)
    if checks.flag("return_attn_probs", return_attn_probs):
        raise ShapeError(
            "flash_attn_func expects return_attn_probs=False, but got True: the probabilities "
            "are never formed; attn.attention(..., return_lse=True) gives the log-sum-exp"
        )
    wants = "a pair (left, right) of integers, -1 for open"
    left, right = checks.pair("window_size", window_size, wants)
    left, right = (checks.whole("window_size", n, wants=wants) for n in (left, right))
    return attention(
        q, k, v, scale=softmax_scale, layout="bshd", align="bottom_right",
        causal="bottom_right" if causal else None,
        window=None if left < 0 and right < 0 else (max(left, -1), max(right, -1)),
        softcap=checks.number("softcap", softcap) or None,
        score_mod=None if alibi_slopes is None else _alibi(alibi_slopes),
        batch_invariant=batch_invariant,
    )  # fmt: skip


def _alibi(slopes: Any) -> Callable[..., Any]:
    slopes = checks.listed("alibi_slopes", slopes, "float32")
    if not tracing.is_array(slopes) or len(slopes.shape) not in (1, 2):
        raise checks.refusal("alibi_slopes", "float32[H] or [B, H]", slopes)
    if len(slopes.shape) == 2:

        def score_mod(score: Any, b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
            return score - slopes[b, h] * abs(q_idx - kv_idx)

    else:

        def score_mod(score: Any, b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
            return score - slopes[h] * abs(q_idx - kv_idx)

    return score_mod
