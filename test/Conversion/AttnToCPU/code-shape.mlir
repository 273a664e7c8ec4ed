// The inner loops of the tile kernel keep their sums in registers, on CPUs that this machine need not have.
// REQUIRES: x86
// RUN: attn-opt %s --attn-lower-to-cpu=isa=avx512 | mlir-translate --mlir-to-llvmir \
// RUN:   | opt -O3 -mcpu=skylake-avx512 -mtriple=x86_64-linux-gnu -o %t.512.bc
// RUN: llc -O3 -mcpu=skylake-avx512 -mtriple=x86_64-linux-gnu %t.512.bc -o %t.512.s
// RUN: %python %S/code_shape.py attn_tile < %t.512.s > %t.512.tile
// RUN: FileCheck %s --check-prefix=TILE512 < %t.512.tile
// RUN: %python %S/code_shape.py attn_row < %t.512.s | FileCheck %s --check-prefix=ROW512
// RUN: attn-opt %s --attn-lower-to-cpu=isa=avx2 | mlir-translate --mlir-to-llvmir \
// RUN:   | opt -O3 -mcpu=haswell -mtriple=x86_64-linux-gnu -o %t.256.bc
// RUN: llc -O3 -mcpu=haswell -mtriple=x86_64-linux-gnu %t.256.bc -o %t.256.s
// RUN: %python %S/code_shape.py attn_tile < %t.256.s > %t.256.tile
// RUN: FileCheck %s --check-prefix=TILE256 < %t.256.tile
// RUN: %python %S/code_shape.py attn_row < %t.256.s | FileCheck %s --check-prefix=ROW256

// Q K^T and P V: most of the registers are accumulators, and next to nothing goes through the stack.
// TILE512-COUNT-2: zmm: {{[0-9]+}} fma on {{1[6-9]|2[0-9]}} accumulators, {{[0-2]}} spills
// TILE256-COUNT-2: ymm: {{[0-9]+}} fma on {{[89]|1[0-9]}} accumulators, {{[0-3]}} spills

// Decode: vectors as wide as the machine's.
// ROW512: zmm: {{[0-9]+}} fma on {{[0-9]+}} accumulators, 0 spills
// ROW256: ymm: {{[0-9]+}} fma on {{[0-9]+}} accumulators, 0 spills
func.func @main(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>, %v: tensor<?x8x?x64xf32>) -> tensor<?x8x?x64xf32> {
  %out = attn.attention %q, %k, %v
      : tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32> -> tensor<?x8x?x64xf32>
  return %out : tensor<?x8x?x64xf32>
}
