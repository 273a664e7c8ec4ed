# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Ten lines of numpy that say what attention is, in float64.

They share nothing with the compiler, its oracle or the runtime; a test holds
all of them together. Masks and biases come as plain arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def attention(
    q: Any, k: Any, v: Any, *, mask: Any = True, bias: Any = 0.0, scale: float | None = None,
    softcap: float | None = None, sinks: Any = None, log_weight: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """Returns (out, lse) in float64.

    Args:
      q, k, v: ``[B, Hq, Sq, D]``, ``[B, Hkv, Sk, D]``, ``[B, Hkv, Sk, Dv]``, any float dtype.
      mask: bool, broadcasts to ``[B, Hq, Sq, Sk]``; True = attend.
      bias: float, broadcasts likewise.
      scale, softcap: as in `attn.attention`.
      sinks: ``[Hq]``.
      log_weight: ``[B|1, Hkv|1, Sk]``.
    """
    q, k, v = (np.asarray(x, np.float64) for x in (q, k, v))
    k, v = (np.repeat(x, q.shape[1] // k.shape[1], axis=1) for x in (k, v))
    seen = np.broadcast_to(mask, (*q.shape[:3], k.shape[2]))
    with np.errstate(all="ignore"):
        s = np.einsum("bhid,bhjd->bhij", q, k) * (q.shape[3] ** -0.5 if scale is None else scale)
        s = s if softcap is None else softcap * np.tanh(s / softcap)
        s = s + bias
        if log_weight is not None:
            w = np.asarray(log_weight, np.float64)
            s = s + np.repeat(w, q.shape[1] // w.shape[1] if w.shape[1] > 1 else 1, 1)[:, :, None]
        seen = seen & (s != -np.inf)
        s = np.where(seen, s, -np.inf)
        sink = np.full(q.shape[1], -np.inf) if sinks is None else np.asarray(sinks, np.float64)
        top = np.maximum(s.max(axis=3, initial=-np.inf), sink[:, None])
        top = np.where(np.isfinite(top), top, 0.0)
        p = np.where(seen, np.exp(s - top[..., None]), 0.0)
        lse = np.log(p.sum(axis=3) + np.exp(sink[:, None] - top)) + top
        # A masked value contributes nothing, whatever it holds: 0 * NaN is not 0.
        p = np.where(seen, np.exp(s - np.where(lse == -np.inf, 0.0, lse)[..., None]), 0.0)
        out = np.einsum("bhij,bhje->bhie", p, np.where(np.isfinite(v), v, 0.0))
        for b, h, j, e in np.argwhere(~np.isfinite(v)):
            rows = seen[b, h, :, j]
            out[b, h, rows, e] += p[b, h, rows, j] * v[b, h, j, e]
    return out, lse


def attention_grad(
    q: Any, k: Any, v: Any, dout: Any, *, dlse: Any = None, mask: Any = True, bias: Any = None,
    scale: float | None = None, softcap: float | None = None, sinks: Any = None,
    log_weight: Any = None,
) -> dict[str, Any]:  # fmt: skip
    """Returns the gradients by name ("dq", ...) in float64, for finite inputs.

    Args:
      q, k, v, mask, bias, scale, softcap, sinks, log_weight: as for `attention`.
      dout, dlse: the gradients by its results.
    """
    out, lse = attention(
        q, k, v, mask=mask, bias=0.0 if bias is None else bias, scale=scale, softcap=softcap,
        sinks=sinks, log_weight=log_weight,
    )  # fmt: skip
    q, k, v, dout = (np.asarray(x, np.float64) for x in (q, k, v, dout))
    groups = q.shape[1] // k.shape[1]
    wide_k, wide_v = (np.repeat(x, groups, axis=1) for x in (k, v))
    unit = q.shape[3] ** -0.5 if scale is None else scale
    product = np.einsum("bhid,bhjd->bhij", q, wide_k) * unit
    s, slope = product, np.ones_like(product)
    if softcap is not None:
        bent = np.tanh(product / softcap)
        s, slope = softcap * bent, 1.0 - bent * bent
    s = s + (0.0 if bias is None else np.asarray(bias, np.float64))
    if log_weight is not None:
        w = np.asarray(log_weight, np.float64)
        s = s + np.repeat(w, q.shape[1] // w.shape[1] if w.shape[1] > 1 else 1, 1)[:, :, None]
    seen = np.broadcast_to(mask, s.shape) & (s != -np.inf) & (lse != -np.inf)[..., None]
    p = np.where(seen, np.exp(np.where(seen, s - np.where(seen, lse[..., None], 0.0), 0.0)), 0.0)
    delta = (out * dout).sum(axis=3) - (0.0 if dlse is None else np.asarray(dlse, np.float64))
    ds = p * (np.einsum("bhie,bhje->bhij", dout, wide_v) - delta[..., None])
    dr = ds * slope * unit

    def per_group(x: Any) -> Any:
        return x.reshape(x.shape[0], k.shape[1], groups, *x.shape[2:]).sum(axis=2)

    def like(x: Any, operand: Any) -> Any:
        """Sums over the axes along which the operand broadcasts."""
        shape = (1,) * (x.ndim - np.ndim(operand)) + np.shape(operand)
        axes = tuple(n for n, size in enumerate(shape) if size == 1 and x.shape[n] != 1)
        return x.sum(axis=axes, keepdims=True).reshape(np.shape(operand))

    result = {
        "dq": np.einsum("bhij,bhjd->bhid", dr, wide_k),
        "dk": per_group(np.einsum("bhij,bhid->bhjd", dr, q)),
        "dv": per_group(np.einsum("bhij,bhie->bhje", p, dout)),
    }
    if bias is not None:
        result["dbias"] = like(ds, bias)
    if log_weight is not None:
        result["dlog_weight"] = like(per_group(ds.sum(axis=2)), log_weight)
    if sinks is not None:
        sink = np.asarray(sinks, np.float64)[:, None]
        share = np.where(lse == -np.inf, 0.0, np.exp(sink - np.where(lse == -np.inf, 0.0, lse)))
        result["dsinks"] = -(share * delta).sum(axis=(0, 2))
    return result
