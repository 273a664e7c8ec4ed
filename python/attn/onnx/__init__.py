# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ONNX models whose heart is attention: read, checked, compiled.

>>> model = attn.onnx.load("decoder_attention.onnx")  # doctest: +SKIP
>>> outputs = model(Q=q, K=k, V=v)                    # doctest: +SKIP

`Attention` of opsets 23 to 25 becomes `attn.attention`, and so does `FlexAttention`
of ai.onnx.preview, whose subgraphs become regions. A model that holds anything else
that this package does not compile is refused, with the node and the reason; nothing
is ever computed in another way. docs/ONNX.md says what maps to what.

Reading a model takes the package `onnx` (the extra ``attn[onnx]``), which is
imported at the first call.
"""

from ._model import Model, load, run_node

__all__ = ["Model", "load", "run_node"]
