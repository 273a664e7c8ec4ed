# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes an attention whose score_mod captures N tensors and reads the first, the last and one between."""

import sys

count = int(sys.argv[1])
q, c = "tensor<1x1x8x16xf32>", "tensor<4x4x4x4xf32>"
names = [f"%c{n}" for n in range(count)]
read = "\n".join(
    f"        %x{n} = attn.load %t{at}[%b, %b, %b, %b] : {c}\n        %s{n + 1} = arith.addf %s{n}, %x{n} : f32"
    for n, at in enumerate([0, count // 2, count - 1])
)
print(f"""func.func @many(%q: {q}, {', '.join(f'{name}: {c}' for name in names)}) -> {q} {{
  %out = attn.attention %q, %q, %q
      captures({', '.join(names)} : {', '.join([c] * count)})
      score_mod {{
      ^bb0(%s0: f32, %b: i32, %h: i32, %i: i32, %j: i32, {', '.join(f'%t{n}: {c}' for n in range(count))}):
{read}
        attn.yield %s3 : f32
      }}
      : {q}, {q}, {q} -> {q}
  return %out : {q}
}}""")
