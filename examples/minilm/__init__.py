# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sentence embeddings of all-MiniLM-L6-v2 in numpy, with the attention compiled by attn.

    python -m examples.minilm "A cat sits." "A kitten is sitting." "Interest rates rose."
"""
