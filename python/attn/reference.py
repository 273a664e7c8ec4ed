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
