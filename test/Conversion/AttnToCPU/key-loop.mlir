// The stages before the conversion, then the conversion, for the two classes of CPU.
// RUN: attn-opt %s --attn-stage-schedule=isa=avx512 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-cpu \
// RUN:   | FileCheck %s --check-prefixes=CHECK,AVX512
// RUN: attn-opt %s --attn-stage-schedule=isa=avx2 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-cpu \
// RUN:   | FileCheck %s --check-prefixes=CHECK,AVX2

// Sizes are checked first, with the text of the error in a constant; then blocks of queries, or few rows, go to the pool.
// CHECK-DAG: llvm.mlir.global {{.*}}'attn.attention' op expects k to have the batch size of q
// CHECK-LABEL: func.func @attn_call_main
// CHECK: call @attnrt_check_eq
// CHECK: call @attnrt_check_heads
// CHECK-COUNT-3: call @attnrt_parallel_for
// CHECK-NOT: attn.key_loop

// The row kernel reads K and V in place, and its guarded twin comes with it.
// CHECK: func.func private @attn_row_guarded
// CHECK: func.func private @attn_row(
// CHECK: func.func private @attn_merge

// The block function of queries: lanes are queries, so scores and sums stay in registers. A hidden pair is
// selected away, from the score before and from the weight after the exponential.
// CHECK: func.func private @attn_tile(
// AVX512: vector.fma {{.*}} : vector<16xf32>
// AVX2: vector.fma {{.*}} : vector<8xf32>
// CHECK: arith.select
// The exponential is ours.
// CHECK-NOT: math.exp
// CHECK: call @attnrt_count
func.func @main(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x?x64xf32>, %v: tensor<?x2x?x64xf32>) -> tensor<?x8x?x64xf32> {
  %out = attn.attention %q, %k, %v mask <causal> align bottom_right
      : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x?x64xf32>
  return %out : tensor<?x8x?x64xf32>
}
