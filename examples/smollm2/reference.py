# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The same model in float64, written apart: what the fast road is compared with.

No cache, no attn, and none of model.py's code. Where a thing can be said in two
ways it is said in the other one: the interleaved q and k rows are put back into
the order the model was trained in and rotated by halves, every query head gets
its own copy of its keys, and a whole text is one pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .weights import Weights


class Reference:
    """Float64 logits of whole texts; `keep` holds on to the 1 GB of converted weights."""

    def __init__(self, weights: Weights, keep: bool = False) -> None:
        self.config = weights.config
        self._weights = weights
        self._keep = keep
        self._kept: dict[str, np.ndarray] = {}

    def hidden(self, tokens: Sequence[int]) -> np.ndarray:
        """The last layer's states at every position, float64 [tokens, width]."""
        config = self.config
        count, half = len(tokens), config.head_dim // 2
        frequency = config.rope_base ** (-np.arange(half, dtype=np.float64) / half)
        angle = np.outer(np.arange(count, dtype=np.float64), frequency)
        cos, sin = np.cos(angle), np.sin(angle)

        def rotate(rows: np.ndarray) -> np.ndarray:
            first, second = rows[..., :half], rows[..., half:]
            return np.concatenate(
                [first * cos - second * sin, second * cos + first * sin], axis=-1
            )

        x = self._weights["token_embd.weight"][:, list(tokens)].T.astype(np.float64)
        for layer in range(config.layers):
            h = self._norm(x, f"blk.{layer}.attn_norm")
            qkv = self._linear(h, f"blk.{layer}.attn_qkv")
            kv_width = config.kv_heads * config.head_dim
            q = rotate(self._halves(qkv[:, : config.width]))
            k = rotate(self._halves(qkv[:, config.width : -kv_width]))
            v = qkv[:, -kv_width:].reshape(count, config.kv_heads, config.head_dim)
            group = config.heads // config.kv_heads
            k, v = np.repeat(k, group, axis=0), np.repeat(v.transpose(1, 0, 2), group, axis=0)
            mixed = attend(q, k, v)
            mixed = mixed.transpose(1, 0, 2).reshape(count, config.width)
            x = x + self._linear(mixed, f"blk.{layer}.attn_output")
            h = self._norm(x, f"blk.{layer}.ffn_norm")
            gate_up = self._linear(h, f"blk.{layer}.ffn_gate_up")
            gate, up = gate_up[:, : gate_up.shape[1] // 2], gate_up[:, gate_up.shape[1] // 2 :]
            # silu(g) = g * sigmoid(g), with the sigmoid written as a tanh.
            gate = gate * 0.5 * (1 + np.tanh(0.5 * gate))
            x = x + self._linear(gate * up, f"blk.{layer}.ffn_down")
        return self._norm(x, "output_norm")

    def logits(self, hidden: np.ndarray) -> np.ndarray:
        """Logits float64 [rows, vocabulary] of rows of `hidden`."""
        return self._linear(hidden, "token_embd")

    def greedy(self, prompt: Sequence[int], count: int) -> list[int]:
        """The `count` greedy tokens after `prompt`, a whole new pass for each."""
        tokens = list(prompt)
        for _ in range(count):
            tokens.append(int(np.argmax(self.logits(self.hidden(tokens)[-1:])[0])))
        return tokens[len(prompt) :]

    def _double(self, name: str) -> np.ndarray:
        if name in self._kept:
            return self._kept[name]
        values = self._weights[f"{name}.weight"].astype(np.float64)
        if self._keep:
            self._kept[name] = values
        return values

    def _linear(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self._double(name)

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        mean_square = np.einsum("ij,ij->i", x, x) / x.shape[1]
        return x / np.sqrt(mean_square + self.config.norm_epsilon)[:, None] * self._double(name)

    def _halves(self, rows: np.ndarray) -> np.ndarray:
        """Rows [tokens, heads * d] as [heads, tokens, d], even features first, then odd."""
        pairs = rows.reshape(len(rows), -1, self.config.head_dim // 2, 2)
        return pairs.transpose(1, 0, 3, 2).reshape(-1, len(rows), self.config.head_dim)


def attend(q: np.ndarray, k: np.ndarray, v: np.ndarray, block: int = 512) -> np.ndarray:
    """Causal softmax(q k^T / sqrt(d)) v on [heads, tokens, d], a block of rows at a time."""
    out = np.empty_like(q)
    tokens = q.shape[1]
    for begin in range(0, tokens, block):
        end = min(begin + block, tokens)
        scores = q[:, begin:end] @ k[:, :end].transpose(0, 2, 1) / np.sqrt(q.shape[-1])
        future = np.arange(end)[None, :] > np.arange(begin, end)[:, None]
        scores[:, future] = -np.inf
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        out[:, begin:end] = weights / weights.sum(axis=-1, keepdims=True) @ v[:, :end]
    return out
