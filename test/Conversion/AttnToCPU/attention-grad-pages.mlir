// The gradient of a pool: rows of a missing page are never read, and sums of slots go to pages by an index of the table.
// RUN: attn-opt %s --attn-stage-schedule=isa=avx512 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-cpu | FileCheck %s

// CHECK-DAG: llvm.mlir.global {{.*}}'attn.attention_grad' op expects k and v to have the same page count
// CHECK-LABEL: func.func @attn_call_main
// CHECK: call @attnrt_check_page_table
// CHECK: call @attnrt_parallel_for
// CHECK: scf.for
// CHECK: call @attnrt_parallel_for
// Queries are written, the table is indexed, pages are written.
// CHECK-COUNT-3: call @attnrt_parallel_for
// CHECK-NOT: call @attnrt_parallel_for
// CHECK: func.func private @attn_grad_tile(
// CHECK: %[[PRESENT:.*]] = arith.cmpi sle, %c0{{.*}}, %{{.*}} : index
// CHECK: scf.if %[[PRESENT]] -> (vector<16xf32>)
// CHECK: func.func private @attn_grad_page_index(
// CHECK: func.func private @attn_grad_write_pages(
// CHECK-NOT: @attn_grad_write_keys
func.func @main(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x16x64xf32>, %t: tensor<?x1x?xi32>, %lse: tensor<?x8x?xf32>)
    -> (tensor<?x8x?x64xf32>, tensor<?x2x16x64xf32>, tensor<?x2x16x64xf32>) {
  %dq, %dk, %dv = attn.attention_grad %q, %k, %k page_table(%t : tensor<?x1x?xi32>)
      out(%q : tensor<?x8x?x64xf32>) lse(%lse : tensor<?x8x?xf32>) dout(%q : tensor<?x8x?x64xf32>)
      {page_size = 16 : i64}
      : tensor<?x8x?x64xf32>, tensor<?x2x16x64xf32>, tensor<?x2x16x64xf32> -> tensor<?x8x?x64xf32>, tensor<?x2x16x64xf32>, tensor<?x2x16x64xf32>
  return %dq, %dk, %dv : tensor<?x8x?x64xf32>, tensor<?x2x16x64xf32>, tensor<?x2x16x64xf32>
}
