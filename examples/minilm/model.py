# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""all-MiniLM-L6-v2 in float32 numpy: padded batches through a bidirectional encoder.

The projection of a batch yields q, k and v side by side; attention reads them as
strided views, and the key lengths keep the padding out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .files import Batch, Files

# q, k, v [batch, heads, padded, head_dim] and lengths int32 [batch] -> the shape of q. Every
# query of sentence b sees its first lengths[b] keys. Rows past the length are never read.
Attention = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class Model:
    """The encoder, with its attention left to a callable."""

    def __init__(self, files: Files, attention: Attention) -> None:
        self._files = files
        self._attention = attention
        self._layers = [_layer(files.tensors, index) for index in range(files.layers)]

    def embed(self, batch: Batch) -> np.ndarray:
        """Unit-length sentence embeddings, float32 [batch, width]."""
        files, tensors = self._files, self._files.tensors
        count, padded = batch.ids.shape
        x = (
            tensors["embeddings.word_embeddings.weight"][batch.ids]
            + tensors["embeddings.position_embeddings.weight"][:padded]
            + tensors["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._norm(x, tensors, "embeddings.LayerNorm")
        for index, layer in enumerate(self._layers):
            prefix = f"encoder.layer.{index}"
            fused = x @ layer["qkv"] + layer["qkv_bias"]
            fused = fused.reshape(count, padded, 3, files.heads, files.head_dim)
            q, k, v = fused.transpose(2, 0, 3, 1, 4)
            mixed = self._attention(q, k, v, batch.lengths)
            mixed = mixed.swapaxes(1, 2).reshape(count, padded, files.width)
            x = x + mixed @ layer["output"] + layer["output_bias"]
            x = self._norm(x, tensors, f"{prefix}.attention.output.LayerNorm")
            h = gelu(x @ layer["up"] + layer["up_bias"])
            x = x + h @ layer["down"] + layer["down_bias"]
            x = self._norm(x, tensors, f"{prefix}.output.LayerNorm")
        return _pool(x, batch.lengths)

    def _norm(self, x: np.ndarray, tensors: dict[str, np.ndarray], name: str) -> np.ndarray:
        x = x - x.mean(axis=-1, keepdims=True)
        scale = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self._files.norm_epsilon)
        return x * scale * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]


def _layer(tensors: dict[str, np.ndarray], index: int) -> dict[str, np.ndarray]:
    prefix = f"encoder.layer.{index}"
    mine: dict[str, np.ndarray] = {}
    projections = [f"{prefix}.attention.self.{name}" for name in ("query", "key", "value")]
    mine["qkv"] = np.concatenate([tensors[f"{name}.weight"].T for name in projections], axis=1)
    mine["qkv_bias"] = np.concatenate([tensors[f"{name}.bias"] for name in projections])
    for name, path in (
        ("output", "attention.output.dense"),
        ("up", "intermediate.dense"),
        ("down", "output.dense"),
    ):
        mine[name] = tensors[f"{prefix}.{path}.weight"].T
        mine[f"{name}_bias"] = tensors[f"{prefix}.{path}.bias"]
    return mine


def gelu(x: np.ndarray) -> np.ndarray:
    """x * Phi(x), with erf by the five-term formula 7.1.26 of Abramowitz and Stegun (1.5e-7)."""
    z = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * z)
    poly = np.zeros_like(t)
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        poly = (poly + np.float32(factor)) * t
    erf = np.copysign(1 - poly * np.exp(-z * z), x)
    return x * np.float32(0.5) * (1 + erf)


def _pool(x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The mean over the real tokens, scaled to length 1."""
    real = np.arange(x.shape[1]) < lengths[:, None]
    # A select, not a product with 0: what stands in the padding must not matter, NaN included.
    mean = np.where(real[:, :, None], x, 0).sum(axis=1) / lengths[:, None].astype(x.dtype)
    return mean / np.linalg.norm(mean, axis=-1, keepdims=True)
