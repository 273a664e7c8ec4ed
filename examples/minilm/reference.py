# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The same encoder in float64, one unpadded sentence at a time, sharing no code with model.py."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .files import Files


class Reference:
    """Float64 embeddings, the slow and plain way."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def embed(self, sentences: Sequence[str]) -> np.ndarray:
        """Unit-length sentence embeddings, float64 [sentences, width]."""
        return np.stack([self._embed_one(sentence) for sentence in sentences])

    def _embed_one(self, sentence: str) -> np.ndarray:
        encoded = self._files.tokenizer.encode(sentence)
        ids = [token for token, real in zip(encoded.ids, encoded.attention_mask) if real]
        x = self._tensor("embeddings.word_embeddings.weight")[ids]
        x = x + self._tensor("embeddings.position_embeddings.weight")[: len(ids)]
        x = x + self._tensor("embeddings.token_type_embeddings.weight")[:1]
        x = self._layer_norm(x, "embeddings.LayerNorm")
        width = self._files.head_dim
        for layer in range(self._files.layers):
            prefix = f"encoder.layer.{layer}"
            q = self._dense(x, f"{prefix}.attention.self.query")
            k = self._dense(x, f"{prefix}.attention.self.key")
            v = self._dense(x, f"{prefix}.attention.self.value")
            heads = []
            for begin in range(0, self._files.width, width):
                head = slice(begin, begin + width)
                score = q[:, head] @ k[:, head].T / math.sqrt(width)
                weight = np.exp(score - score.max(axis=1, keepdims=True))
                heads.append(weight @ v[:, head] / weight.sum(axis=1, keepdims=True))
            x = x + self._dense(np.concatenate(heads, axis=1), f"{prefix}.attention.output.dense")
            x = self._layer_norm(x, f"{prefix}.attention.output.LayerNorm")
            h = self._dense(x, f"{prefix}.intermediate.dense")
            erf = np.array([math.erf(value) for value in (h / math.sqrt(2)).flat])
            h = h * (1 + erf.reshape(h.shape)) / 2
            x = x + self._dense(h, f"{prefix}.output.dense")
            x = self._layer_norm(x, f"{prefix}.output.LayerNorm")
        mean = x.mean(axis=0)
        return mean / math.sqrt(float(mean @ mean))

    def _tensor(self, name: str) -> np.ndarray:
        return self._files.tensors[name].astype(np.float64)

    def _dense(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self._tensor(f"{name}.weight").T + self._tensor(f"{name}.bias")

    def _layer_norm(self, x: np.ndarray, name: str) -> np.ndarray:
        mean = x.mean(axis=1, keepdims=True)
        variance = ((x - mean) ** 2).mean(axis=1, keepdims=True)
        normal = (x - mean) / np.sqrt(variance + self._files.norm_epsilon)
        return normal * self._tensor(f"{name}.weight") + self._tensor(f"{name}.bias")
