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

// CHECK-LABEL: func.func @paged
func.func @paged(%q: memref<1x1x4x8xf32>, %k: memref<3x1x8x8xf32>, %lse: memref<1x1x4xf32>, %t: memref<1x1x2xi32>) {
  // CHECK: attn.key_loop_grad ins(%{{.*}}) state(%{{.*}}) page_table(%{{.*}} : memref<1x1x2xi32>) aux ["page_table"](%{{.*}} : memref<1x1x2xi32>) outs(
  // CHECK: page_size = 8 : i64
  attn.key_loop_grad ins(%q, %k, %k : memref<1x1x4x8xf32>, memref<3x1x8x8xf32>, memref<3x1x8x8xf32>) state(%q, %lse, %q : memref<1x1x4x8xf32>, memref<1x1x4xf32>, memref<1x1x4x8xf32>)
      page_table(%t : memref<1x1x2xi32>) aux ["page_table"] (%t : memref<1x1x2xi32>)
      outs(%q, %k, %k : memref<1x1x4x8xf32>, memref<3x1x8x8xf32>, memref<3x1x8x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index, %p: memref<1x1x2xi32>):
        attn.yield %i0, %i0, %i0, %sk : index, index, index, index
      } {scale = 1.0 : f64, page_size = 8 : i64, aux_grads = array<i64>, scatters = array<i64>}
  return
}
