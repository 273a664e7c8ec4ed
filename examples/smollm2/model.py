# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The llama architecture in float32 numpy, with the attention left to a callable.

One sequence at a time. Keys and values live in a cache allocated once; attention
sees views of it that grow by a step per token, and nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .weights import Weights

# q [1, heads, new, head_dim], k and v [1, kv_heads, present, head_dim] -> the shape of q.
# The last new query sees every present key, the one before it all but the last, and so on.
Attention = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class Model:
    """A model with a cache for `capacity` tokens, of which `length` are filled."""

    def __init__(self, weights: Weights, attention: Attention, capacity: int) -> None:
        config = weights.config
        if not 0 < capacity <= config.context:
            raise ValueError(
                f"expects a capacity of 1 to {config.context} tokens, but got {capacity}"
            )
        self.config = config
        self.length = 0
        self._attention = attention
        self._tensors = weights.tensors
        self._embedding = weights["token_embd.weight"]
        self._layers = [_layer(weights, index) for index in range(config.layers)]
        shape = (config.layers, 1, config.kv_heads, capacity, config.head_dim)
        self._keys = np.zeros(shape, np.float32)
        self._values = np.zeros(shape, np.float32)
        # RoPE turns the pair (2i, 2i+1) of each head by position * base^(-2i/d). The file's q
        # and k rows are stored in that interleaved order, so a pair is one complex number.
        exponents = np.arange(0, config.head_dim, 2) / config.head_dim
        angles = np.arange(capacity)[:, None] * config.rope_base**-exponents
        self._rotations = np.exp(1j * angles).astype(np.complex64)

    def forward(self, tokens: np.ndarray) -> np.ndarray:
        """Appends `tokens`, ints [new]; returns the next token's logits, float32 [vocabulary]."""
        new, begin, end = len(tokens), self.length, self.length + len(tokens)
        if new == 0 or end > self._keys.shape[3]:
            raise ValueError(
                f"expects 1 to {self._keys.shape[3] - begin} tokens to append, but got {new}"
            )
        config, epsilon = self.config, self.config.norm_epsilon
        x = np.ascontiguousarray(self._embedding[:, tokens].T)
        for index, layer in enumerate(self._layers):
            keys, values = self._keys[index], self._values[index]
            h = _rms_norm(x, layer["attn_norm"], epsilon)
            # Rows of one product: all query heads, then all key heads, then all value heads.
            heads = (h @ layer["attn_qkv"]).reshape(new, -1, config.head_dim)
            q, k, v = np.split(heads, (config.heads, config.heads + config.kv_heads), axis=1)
            keys[0, :, begin:end] = self._rotate(k, begin).swapaxes(0, 1)
            values[0, :, begin:end] = v.swapaxes(0, 1)
            q = self._rotate(q, begin).swapaxes(0, 1)[None]
            out = self._attention(q, keys[:, :, :end], values[:, :, :end])
            x += out[0].swapaxes(0, 1).reshape(new, config.width) @ layer["attn_output"]
            h = _rms_norm(x, layer["ffn_norm"], epsilon)
            gate, up = np.split(h @ layer["ffn_gate_up"], 2, axis=1)
            x += (_silu(gate) * up) @ layer["ffn_down"]
        self.length = end
        last = _rms_norm(x[-1:], self._tensors["output_norm.weight"], epsilon)
        return (last @ self._embedding)[0]

    def _rotate(self, heads: np.ndarray, begin: int) -> np.ndarray:
        """RoPE in place on heads [new, any, head_dim], the first row at position `begin`."""
        pairs = heads.view(np.complex64)
        pairs *= self._rotations[begin : begin + len(heads), None]
        return heads


def _layer(weights: Weights, index: int) -> dict[str, np.ndarray]:
    names = "attn_norm attn_qkv attn_output ffn_norm ffn_gate_up ffn_down"
    return {name: weights[f"blk.{index}.{name}.weight"] for name in names.split()}


def _rms_norm(x: np.ndarray, gain: np.ndarray, epsilon: float) -> np.ndarray:
    mean_square = np.einsum("ij,ij->i", x, x)[:, None] / np.float32(x.shape[1])
    return x * (1 / np.sqrt(mean_square + np.float32(epsilon))) * gain


def _silu(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # exp(-x) = inf gives the right limit, 0.
        return x / (1 + np.exp(-x))
