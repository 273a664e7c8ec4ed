# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints what an editor says to a language server: hello, a file with an error, good-bye."""

import json
import sys

# Five query heads cannot share two key/value heads.
TEXT = (
    "func.func @f(%q: tensor<1x5x8x16xf32>, %k: tensor<1x2x8x16xf32>) -> tensor<1x5x8x16xf32> {\n"
    "  %o = attn.attention %q, %k, %k : tensor<1x5x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>"
    " -> tensor<1x5x8x16xf32>\n"
    "  return %o : tensor<1x5x8x16xf32>\n}\n"
)
MESSAGES = [
    {"id": 0, "method": "initialize", "params": {"processId": 1, "rootUri": None, "capabilities": {}}},
    {"method": "initialized", "params": {}},
    {
        "method": "textDocument/didOpen",
        "params": {"textDocument": {"uri": "test:///f.mlir", "languageId": "mlir", "version": 1, "text": TEXT}},
    },
    {"id": 1, "method": "shutdown"},
    {"method": "exit"},
]

for message in MESSAGES:
    text = json.dumps({"jsonrpc": "2.0", **message})
    sys.stdout.write(f"Content-Length: {len(text)}\r\n\r\n{text}")
