# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""SmolLM2's tokenizer, built from the vocabulary and merges inside its GGUF file."""

from __future__ import annotations

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.decoders import DecodeStream

from .weights import Weights

# The file's own chat template for one user message, with its default system message.
CHAT = (
    "<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\n{prompt}<|im_end|>\n"
    "<|im_start|>assistant\n"
)


class SmolLM2Tokenizer:
    """Byte-level BPE in which every digit stands alone (`pre = smollm` in the file)."""

    def __init__(self, weights: Weights) -> None:
        vocabulary = {token: index for index, token in enumerate(weights.vocabulary)}
        merges = [tuple(merge.split(" ")) for merge in weights.merges]
        self._tokenizer = Tokenizer(models.BPE(vocabulary, merges))
        # Digits first: ByteLevel alone would keep "2024" together, and the model never saw
        # that in training.
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
        self._tokenizer.decoder = decoders.ByteLevel()
        self._tokenizer.add_special_tokens(
            [AddedToken(weights.vocabulary[index], special=True) for index in weights.special]
        )
        # Both mean that the text is over: the end of a turn, and the end of a document.
        self.stops = frozenset({weights.end_of_turn, vocabulary["<|endoftext|>"]})

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`; the names of special tokens become those tokens."""
        return self._tokenizer.encode(text).ids

    def lost(self, text: str) -> list[str]:
        """The characters of `text` that the vocabulary has no bytes for: encode drops those bytes.

        The file lacks six control characters, and the first bytes of U+40000 to U+BFFFF.
        """
        return [char for char in sorted(set(text)) if self.decode(self.encode(char)) != char]

    def encode_chat(self, prompt: str) -> list[int]:
        """Token ids of a conversation in which the user has just said `prompt`."""
        return self.encode(CHAT.format(prompt=prompt))

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`, special tokens left out."""
        return self._tokenizer.decode(ids, skip_special_tokens=True)

    def stream(self) -> "TextStream":
        """A decoder for ids that come one by one."""
        return TextStream(self._tokenizer)


class TextStream:
    """Turns ids into text as they come; a character cut in two waits for its other half."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)

    def step(self, token: int) -> str:
        return self._stream.step(self._tokenizer, token) or ""
