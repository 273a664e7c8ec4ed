// The reducer drops what the test script does not ask for.

// RUN: attn-reduce %s -reduction-tree='traversal-mode=0 test=%S/Inputs/has-attention.sh' | FileCheck %s
// RUN: attn-reduce --help | FileCheck %s --check-prefix=HELP
// RUN: not attn-reduce %t.none.mlir 2>&1 | FileCheck %s --check-prefix=NONE

// CHECK-NOT: @unrelated
// CHECK: attn.attention
// CHECK-NOT: @unrelated

// HELP: EXAMPLE:
// NONE: expects a readable file

func.func @unrelated0(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func @main(%q: tensor<1x1x8x16xf32>) -> tensor<1x1x8x16xf32> {
  %o = attn.attention %q, %q, %q : tensor<1x1x8x16xf32>, tensor<1x1x8x16xf32>, tensor<1x1x8x16xf32> -> tensor<1x1x8x16xf32>
  return %o : tensor<1x1x8x16xf32>
}
func.func @unrelated1(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
