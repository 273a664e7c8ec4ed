// An attention that materialises takes the kernel of whole rows and no other, in vectors.
// RUN: attn-opt %s --attn-stage-schedule=isa=avx2 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-cpu \
// RUN:   | FileCheck %s

// CHECK-LABEL: func.func @attn_call_main
// CHECK: call @attnrt_check_eq
// CHECK: call @attnrt_parallel_for
// CHECK-NOT: call @attnrt_parallel_for
// CHECK-NOT: attn.key_loop

// CHECK-NOT: @attn_tile
// CHECK: func.func private @attn_whole_row(
// CHECK: vector.fma {{.*}} : vector<8xf32>
// The exponential is ours, and the weights leave by vectors where whole vectors fit.
// CHECK-NOT: math.exp
// CHECK: arith.divf {{.*}} : vector<8xf32>
// CHECK: vector.store {{.*}} : memref<?x8x?x?xf32
// CHECK-NOT: @attn_tile
func.func @main(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x?x64xf32>, %v: tensor<?x2x?x64xf32>)
    -> (tensor<?x8x?x64xf32>, tensor<?x8x?x?xf32>) {
  %out, %scores = attn.attention %q, %k, %v mask <causal> align bottom_right
      : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x?x64xf32> scores weight : tensor<?x8x?x?xf32>
  return %out, %scores : tensor<?x8x?x64xf32>, tensor<?x8x?x?xf32>
}
