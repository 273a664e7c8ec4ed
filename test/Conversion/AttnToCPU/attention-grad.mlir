// The stages before the conversion, then the conversion, for the two classes of CPU.
// RUN: attn-opt %s --attn-stage-schedule=isa=avx512 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-cpu \
// RUN:   | FileCheck %s --check-prefixes=CHECK,AVX512
// RUN: attn-opt %s --attn-stage-schedule=isa=avx2 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-cpu \
// RUN:   | FileCheck %s --check-prefixes=CHECK,AVX2

// Sizes are checked first, in the op's own name; then queries are laid out, tiles run step by step, sums are written.
// CHECK-DAG: llvm.mlir.global {{.*}}'attn.attention_grad' op expects k to have the batch size of q
// CHECK-DAG: llvm.mlir.global {{.*}}'attn.attention_grad' op expects lse to have the query count of q
// CHECK-LABEL: func.func @attn_call_main
// CHECK: call @attnrt_check_eq
// CHECK: call @attnrt_parallel_for
// CHECK: scf.for
// CHECK: call @attnrt_parallel_for
// CHECK-COUNT-2: call @attnrt_parallel_for
// CHECK-NOT: attn.key_loop_grad

// CHECK: func.func private @attn_grad_rows(
// One pass of five products. Queries are in the lanes of scores and of dout . v ...
// CHECK: func.func private @attn_grad_tile(
// AVX512: vector.fma {{.*}} : vector<16xf32>
// AVX2: vector.fma {{.*}} : vector<8xf32>
// The exponential is ours.
// CHECK-NOT: math.exp
// CHECK: call @attnrt_count
// CHECK: func.func private @attn_grad_write_queries(
// CHECK: func.func private @attn_grad_write_keys(
func.func @main(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x?x64xf32>, %out: tensor<?x8x?x64xf32>, %lse: tensor<?x8x?xf32>)
    -> (tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>) {
  %dq, %dk, %dv = attn.attention_grad %q, %k, %k mask <causal> align bottom_right
      out(%out : tensor<?x8x?x64xf32>) lse(%lse : tensor<?x8x?xf32>) dout(%out : tensor<?x8x?x64xf32>)
      : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}
