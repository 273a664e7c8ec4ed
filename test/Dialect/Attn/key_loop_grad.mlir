// RUN: attn-opt %s | attn-opt | FileCheck %s

// CHECK-LABEL: func.func @scored
func.func @scored(%q: memref<1x1x4x8xf32>, %lse: memref<1x1x4xf32>, %bias: memref<4x4xf32>) {
  // CHECK: attn.key_loop_grad ins(%{{.*}}) state(%{{.*}}) aux ["bias"](%{{.*}} : memref<4x4xf32>) outs(
  // CHECK: score_grad {
  // CHECK: attn.yield %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : f32, f32, i32, i32
  // CHECK: aux_grads = array<i64: 0>, scale = 1.000000e+00 : f64, scatters = array<i64: 0>
  attn.key_loop_grad ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>) state(%q, %lse, %q : memref<1x1x4x8xf32>, memref<1x1x4xf32>, memref<1x1x4x8xf32>)
      aux ["bias"] (%bias : memref<4x4xf32>) outs(%q, %q, %q, %bias : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<4x4xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index, %t: memref<4x4xf32>):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      } score {
      ^bb0(%s: f32, %b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32, %t: memref<4x4xf32>):
        %x = attn.load %t[%i, %j] : memref<4x4xf32>
        %y = arith.addf %s, %x : f32
        attn.yield %y : f32
      } score_grad {
      ^bb0(%s: f32, %ds: f32, %b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32, %t: memref<4x4xf32>):
        attn.yield %ds, %ds, %i, %j : f32, f32, i32, i32
      } {scale = 1.0 : f64, aux_grads = array<i64: 0>, scatters = array<i64: 0>}
  return
}
