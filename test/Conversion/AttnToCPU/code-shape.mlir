// The inner loops of the kernels keep their sums in registers, on CPUs that this machine need not have. Code of the
// real pipeline; llc alone prints which moves are spills.
// REQUIRES: x86
// RUN: attn-compile %s --target=avx512 --emit=llvm -o %t.512.ll
// RUN: llc -O3 -mcpu=x86-64-v4 %t.512.ll -o %t.512.s
// RUN: %python %S/code_shape.py attn_tile < %t.512.s > %t.512.tile
// RUN: FileCheck %s --check-prefix=TILE512 < %t.512.tile
// RUN: %python %S/code_shape.py attn_row < %t.512.s | FileCheck %s --check-prefix=ROW512
// RUN: sed s/f32/bf16/g %s | attn-compile - --target=avx512bf16 --emit=llvm -o %t.dot.ll
// RUN: llc -O3 -mcpu=x86-64-v4 -mattr=+avx512bf16 %t.dot.ll -o %t.dot.s
// RUN: %python %S/code_shape.py attn_tile < %t.dot.s > %t.dot.tile
// RUN: FileCheck %s --check-prefix=TILEDOT < %t.dot.tile
// RUN: %python %S/code_shape.py attn_row < %t.dot.s | FileCheck %s --check-prefix=ROWDOT
// RUN: attn-compile %s --target=avx2 --emit=llvm -o %t.256.ll
// RUN: llc -O3 -mcpu=x86-64-v3 %t.256.ll -o %t.256.s
// RUN: %python %S/code_shape.py attn_tile < %t.256.s > %t.256.tile
// RUN: FileCheck %s --check-prefix=TILE256 < %t.256.tile
// RUN: %python %S/code_shape.py attn_row < %t.256.s | FileCheck %s --check-prefix=ROW256

// Q K^T, unrolled four times, then P V: an accumulator in every register that keys, queries and weights leave; what goes
// through the stack are addresses.
// TILE512: zmm: 64 fma on 16 accumulators, 0 spills
// TILE512: zmm: 16 fma on 16 accumulators, {{[0-8]}} spills
// With products of pairs of bf16 the same loops, twice the products.
// TILEDOT: zmm: 64 dot on 16 accumulators, 0 spills
// TILEDOT: zmm: 16 dot on 16 accumulators, 0 spills
// TILE256: ymm: 48 fma on 12 accumulators, {{[0-3]}} spills
// TILE256: ymm: 12 fma on 12 accumulators, {{[0-4]}} spills

// Decode: vectors as wide as the machine's, and both products of a group's rows of pairs.
// ROW512: zmm: {{[0-9]+}} fma on {{[0-9]+}} accumulators, 0 spills
// ROW256: ymm: {{[0-9]+}} fma on {{[0-9]+}} accumulators, 0 spills
// ROWDOT: zmm: {{[0-9]+}} dot on 8 accumulators, 0 spills
// ROWDOT: zmm: 16 dot on 16 accumulators, {{[0-4]}} spills
// ROWDOT: zmm: 16 dot on 16 accumulators, {{[0-4]}} spills
func.func @main(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>, %v: tensor<?x8x?x64xf32>) -> tensor<?x8x?x64xf32> {
  %out = attn.attention %q, %k, %v
      : tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32> -> tensor<?x8x?x64xf32>
  return %out : tensor<?x8x?x64xf32>
}
