// RUN: attn-opt %s | FileCheck %s
// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --canonicalize | FileCheck %s --check-prefix=CANON

// CHECK-LABEL: func.func @plain
func.func @plain(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x?x64xf32>, %out: tensor<?x8x?x64xf32>, %lse: tensor<?x8x?xf32>, %dout: tensor<?x8x?x64xf32>)
    -> (tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>) {
  // CHECK: attn.attention_grad %{{.*}}, %{{.*}}, %{{.*}} mask <causal> align bottom_right out(%{{.*}} : tensor<?x8x?x64xf32>) lse(%{{.*}} : tensor<?x8x?xf32>) dout(%{{.*}} : tensor<?x8x?x64xf32>) : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %k mask <causal> align bottom_right
      out(%out : tensor<?x8x?x64xf32>) lse(%lse : tensor<?x8x?xf32>) dout(%dout : tensor<?x8x?x64xf32>)
      : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

// All that can be asked for.
// CHECK-LABEL: func.func @everything
func.func @everything(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>,
                      %bias: tensor<4x6xf32>, %w: tensor<1x1x6xf32>, %s: tensor<2xf32>, %t: tensor<2xf32>)
    -> (tensor<4x6xf32>, tensor<1x1x6xf32>, tensor<2xf32>, tensor<2xf32>) {
  // CHECK: dlse(%{{.*}} : tensor<1x2x4xf32>) {capture_grads = array<i64: 0>} : {{.*}} dbias(tensor<4x6xf32>) dlog_weight(tensor<1x1x6xf32>) dsinks(tensor<2xf32>) dcaptures(tensor<2xf32>)
  %dq, %dk, %dv, %dbias, %dw, %ds, %dt = attn.attention_grad %q, %k, %k
      bias(%bias : tensor<4x6xf32>) log_weight(%w : tensor<1x1x6xf32>) sinks(%s : tensor<2xf32>) captures(%t : tensor<2xf32>)
      score_mod {
      ^bb0(%x: f32, %b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<2xf32>):
        %y = attn.load %c[%h] : tensor<2xf32>
        %z = arith.mulf %x, %y : f32
        attn.yield %z : f32
      }
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%out : tensor<1x2x4x8xf32>) dlse(%lse : tensor<1x2x4xf32>)
      {capture_grads = array<i64: 0>}
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32>
      dbias(tensor<4x6xf32>) dlog_weight(tensor<1x1x6xf32>) dsinks(tensor<2xf32>) dcaptures(tensor<2xf32>)
  return %dbias, %dw, %ds, %dt : tensor<4x6xf32>, tensor<1x1x6xf32>, tensor<2xf32>, tensor<2xf32>
}

// The gradients of pools are pools.
// CHECK-LABEL: func.func @pages
func.func @pages(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x16x64xf32>, %t: tensor<?x2x?xi32>, %out: tensor<?x8x?x64xf32>, %lse: tensor<?x8x?xf32>)
    -> (tensor<?x2x16x64xf32>, tensor<?x2x16x64xf32>) {
  // CHECK: attn.attention_grad %{{.*}}, %{{.*}}, %{{.*}} page_table(%{{.*}} : tensor<?x2x?xi32>) out({{.*}} {page_size = 16 : i64} : {{.*}} -> tensor<?x8x?x64xf32>, tensor<?x2x16x64xf32>, tensor<?x2x16x64xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %k page_table(%t : tensor<?x2x?xi32>)
      out(%out : tensor<?x8x?x64xf32>) lse(%lse : tensor<?x8x?xf32>) dout(%out : tensor<?x8x?x64xf32>)
      {page_size = 16 : i64}
      : tensor<?x8x?x64xf32>, tensor<?x2x16x64xf32>, tensor<?x2x16x64xf32> -> tensor<?x8x?x64xf32>, tensor<?x2x16x64xf32>, tensor<?x2x16x64xf32>
  return %dk, %dv : tensor<?x2x16x64xf32>, tensor<?x2x16x64xf32>
}

// Masks are simplified as those of attention are.
// CANON-LABEL: func.func @simplify
func.func @simplify(%q: tensor<1x2x4x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>) -> tensor<1x2x4x8xf32> {
  // CANON: attn.attention_grad %{{.*}}, %{{.*}}, %{{.*}} mask <causal> out
  // CANON-NOT: mask_mod
  %dq, %dk, %dv = attn.attention_grad %q, %q, %q mask <and(full, causal)>
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %true = arith.constant true
        attn.yield %true : i1
      }
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%out : tensor<1x2x4x8xf32>)
      : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>
  return %dq : tensor<1x2x4x8xf32>
}
