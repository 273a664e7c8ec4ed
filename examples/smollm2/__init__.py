# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""SmolLM2-135M in numpy, with every attention compiled by attn.

    python -m examples.smollm2 "The capital of France is"
"""
