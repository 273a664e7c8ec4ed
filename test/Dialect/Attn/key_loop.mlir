// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s

// CHECK-LABEL: func.func @on_buffers
// CHECK: attn.key_loop ins(%{{.*}}, %{{.*}}, %{{.*}} : memref<2x4x16x64xf32>, memref<2x2x32x64xf32>, memref<2x2x32x64xf32>)
// CHECK-SAME: sinks(%{{.*}} : memref<4xf32>) block_table(%{{.*}} : memref<1x4x2x1xi8>) aux ["bias"](%{{.*}} : memref<32xf32>)
// CHECK-SAME: outs(%{{.*}} : memref<2x4x16x64xf32>) range {
// CHECK: attn.yield %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : index, index, index, index
// CHECK: } visible {
// CHECK: attn.yield %{{.*}} : i1
// CHECK: } score {
// CHECK: attn.yield %{{.*}} : f32
// CHECK: } {scale = 1.250000e-01 : f64}
func.func @on_buffers(%q: memref<2x4x16x64xf32>, %k: memref<2x2x32x64xf32>, %bias: memref<32xf32>,
                      %sinks: memref<4xf32>, %table: memref<1x4x2x1xi8>, %out: memref<2x4x16x64xf32>) {
  attn.key_loop ins(%q, %k, %k : memref<2x4x16x64xf32>, memref<2x2x32x64xf32>, memref<2x2x32x64xf32>)
      sinks(%sinks : memref<4xf32>) block_table(%table : memref<1x4x2x1xi8>) aux ["bias"](%bias : memref<32xf32>)
      outs(%out : memref<2x4x16x64xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index, %a: memref<32xf32>):
        %zero = arith.constant 0 : index
        attn.yield %zero, %zero, %i0, %i1 : index, index, index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32, %a: memref<32xf32>):
        %p = arith.cmpi sle, %j, %i : i32
        attn.yield %p : i1
      }
      score {
      ^bb0(%s: f32, %b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32, %a: memref<32xf32>):
        %x = attn.load %a[%j] : memref<32xf32>
        %r = arith.addf %s, %x : f32
        attn.yield %r : f32
      } {scale = 0.125 : f64}
  return
}

// On tensors it has results, and the regions that say nothing are left out.
// CHECK-LABEL: func.func @on_tensors
// CHECK: attn.key_loop ins({{.*}}) aux [] outs(%{{.*}}, %{{.*}} : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>) range {
// CHECK-NOT: visible
// CHECK-NOT: score
// CHECK: } {scale = 1.000000e+00 : f64} -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
func.func @on_tensors(%q: tensor<?x4x?x64xf32>, %o: tensor<?x4x?x64xf32>, %l: tensor<?x4x?xf32>) -> tensor<?x4x?xf32> {
  %r:2 = attn.key_loop ins(%q, %q, %q : tensor<?x4x?x64xf32>, tensor<?x4x?x64xf32>, tensor<?x4x?x64xf32>)
      aux [] outs(%o, %l : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        %zero = arith.constant 0 : index
        attn.yield %zero, %zero, %sk, %sk : index, index, index, index
      } {scale = 1.0 : f64} -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %r#1 : tensor<?x4x?xf32>
}
