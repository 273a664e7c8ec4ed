// The inner loops of a gradient keep their sums in registers, like those of attention (code-shape.mlir).
// REQUIRES: x86
// RUN: attn-compile %s --target=avx512bf16 --emit=llvm -o %t.dot.ll
// RUN: llc -O3 -mcpu=x86-64-v4 -mattr=+avx512bf16 %t.dot.ll -o %t.dot.s
// RUN: %python %S/code_shape.py attn_grad_tile < %t.dot.s > %t.dot.tile
// RUN: FileCheck %s --check-prefix=DOT < %t.dot.tile
// RUN: FileCheck %s --check-prefix=ROUND < %t.dot.s
// RUN: sed s/bf16/f32/g %s | attn-compile - --target=avx512 --emit=llvm -o %t.512.ll
// RUN: llc -O3 -mcpu=x86-64-v4 %t.512.ll -o %t.512.s
// RUN: %python %S/code_shape.py attn_grad_tile < %t.512.s > %t.512.tile
// RUN: FileCheck %s --check-prefix=FMA < %t.512.tile

// K Q^T and V dO^T, unrolled four times, then dV, dK and dQ: all five of pairs. Between them the weights.
// DOT-NOT: {{[1-9][0-9]}} spills
// DOT: zmm: 96 dot on 24 accumulators, {{[0-2]}} spills
// DOT: zmm: 96 dot on 24 accumulators, {{[0-2]}} spills
// DOT: zmm: 24 dot on 24 accumulators, {{[0-2]}} spills
// DOT: zmm: 24 dot on 24 accumulators, {{[0-2]}} spills
// DOT: zmm: 24 dot on 24 accumulators, {{[0-2]}} spills
// Pairs of queries as they come, pairs of keys by a shuffle.
// ROUND-LABEL: attn_grad_tile:
// ROUND: vcvtne2ps2bf16
// ROUND: vextractf64x4
// ROUND: vpermw
// FMA: zmm: 96 fma on 24 accumulators, {{[0-2]}} spills
// FMA: zmm: 96 fma on 24 accumulators, {{[0-2]}} spills
// FMA: zmm: 24 fma on 24 accumulators, {{[0-2]}} spills
// FMA: zmm: 24 fma on 24 accumulators, {{[0-2]}} spills
// FMA: zmm: 24 fma on 24 accumulators, {{[0-2]}} spills
func.func @main(%q: tensor<?x8x?x64xbf16>, %k: tensor<?x8x?x64xbf16>, %out: tensor<?x8x?x64xbf16>, %lse: tensor<?x8x?xf32>)
    -> (tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>) {
  %dq, %dk, %dv = attn.attention_grad %q, %k, %k mask <causal>
      out(%out : tensor<?x8x?x64xbf16>) lse(%lse : tensor<?x8x?xf32>) dout(%out : tensor<?x8x?x64xbf16>)
      : tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>
      -> tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>
  return %dq, %dk, %dv : tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>
}
