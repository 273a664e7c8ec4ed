// RUN: attn-opt %s --attn-schedule=isa=avx512 --attn-plan-keys --canonicalize | FileCheck %s
// RUN: not attn-opt %s --attn-schedule=isa=sm_80 2>&1 | FileCheck %s --check-prefix=GPU
// RUN: not attn-opt %s --attn-schedule=isa=vax 2>&1 | FileCheck %s --check-prefix=VAX

// VAX: 'attn.attention_grad' op expects isa to be avx512bf16, avx512, avx2, sse4, neon or generic, but got 'vax'
// GPU: 'attn.attention_grad' op expects isa to be a CPU's (avx512bf16, avx512, avx2, sse4, neon, generic), but got 'sm_80': gradients have no GPU kernels yet

// The key plan is that of the attention; nothing is added to a score, so there is no derivative.
// CHECK-LABEL: func.func @causal
func.func @causal(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x?x64xf32>, %out: tensor<?x8x?x64xf32>, %lse: tensor<?x8x?xf32>)
    -> (tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>) {
  // CHECK: %[[DQ:.*]] = tensor.empty(%{{.*}}, %{{.*}}) : tensor<?x8x?x64xf32>
  // CHECK: attn.key_loop_grad ins(%{{.*}}) state(%{{.*}}) aux [] outs(%[[DQ]],
  // CHECK: range
  // CHECK: visible
  // CHECK-NOT: score_grad
  // CHECK: aux_grads = array<i64>
  // CHECK-SAME: schedule = #attn.schedule<isa = "avx512", lanes = 16, q_vectors = 3, strips = 2, key_rows = 8, kv_tile = 96
  %dq, %dk, %dv = attn.attention_grad %q, %k, %k mask <causal> align top_left
      out(%out : tensor<?x8x?x64xf32>) lse(%lse : tensor<?x8x?xf32>) dout(%out : tensor<?x8x?x64xf32>)
      : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

// The score again, then backwards: what a load has read gets the gradient at its indices.
// CHECK-LABEL: func.func @bent
func.func @bent(%q: tensor<1x2x4x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %t: tensor<2xf32>)
    -> (tensor<1x2x4x8xf32>, tensor<2xf32>) {
  // CHECK: score_grad {
  // CHECK-NEXT: ^bb0(%[[S:[a-z0-9]+]]: f32, %[[DS:[a-z0-9]+]]: f32, %{{[a-z0-9]+}}: i32, %[[H:[a-z0-9]+]]: i32,
  // CHECK: %[[X:.*]] = attn.load %{{.*}}[%[[H]]]
  // CHECK: %[[Y:.*]] = math.tanh %[[S]] : f32
  // CHECK: %[[NONE:.*]] = arith.cmpf oeq, %[[DS]],
  // CHECK: %[[DY:.*]] = arith.mulf %[[DS]], %[[X]]
  // CHECK: %[[BYY:.*]] = arith.select %[[NONE]], %{{.*}}, %[[DY]]
  // CHECK: %[[DX:.*]] = arith.mulf %[[DS]], %[[Y]]
  // CHECK: %[[BYX:.*]] = arith.select %[[NONE]], %{{.*}}, %[[DX]]
  // CHECK: %[[SQUARE:.*]] = arith.mulf %[[Y]], %[[Y]]
  // CHECK: arith.subf %{{.*}}, %[[SQUARE]]
  // CHECK: attn.yield %{{.*}}, %[[BYX]], %[[H]] : f32, f32, i32
  // CHECK: aux_grads = array<i64: 0>
  // CHECK-SAME: scatters = array<i64: 0>
  %dq, %dk, %dv, %dt = attn.attention_grad %q, %q, %q captures(%t : tensor<2xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<2xf32>):
        %x = attn.load %c[%h] : tensor<2xf32>
        %y = math.tanh %s : f32
        %z = arith.mulf %y, %x : f32
        attn.yield %z : f32
      }
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%out : tensor<1x2x4x8xf32>)
      {capture_grads = array<i64: 0>}
      : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>
      dcaptures(tensor<2xf32>)
  return %dq, %dt : tensor<1x2x4x8xf32>, tensor<2xf32>
}

// A mask that no interval describes has the block table that its attention would have.
// CHECK-LABEL: func.func @table
func.func @table(%q: tensor<1x2x300x8xf32>, %out: tensor<1x2x300x8xf32>, %lse: tensor<1x2x300xf32>, %m: tensor<300x300xi1>)
    -> tensor<1x2x300x8xf32> {
  // CHECK: %[[TABLE:.*]] = attn.block_table
  // CHECK: key_block = 96 : i64, query_block = 48 : i64
  // CHECK: attn.key_loop_grad {{.*}} block_table(%[[TABLE]] : tensor<1x1x7x4xi8>)
  %dq, %dk, %dv = attn.attention_grad %q, %q, %q mask_tensor(%m : tensor<300x300xi1>)
      out(%out : tensor<1x2x300x8xf32>) lse(%lse : tensor<1x2x300xf32>) dout(%out : tensor<1x2x300x8xf32>)
      : tensor<1x2x300x8xf32>, tensor<1x2x300x8xf32>, tensor<1x2x300x8xf32> -> tensor<1x2x300x8xf32>, tensor<1x2x300x8xf32>, tensor<1x2x300x8xf32>
  return %dq : tensor<1x2x300x8xf32>
}

// With pages, the table says which keys there are; dk and dv are made like the pools.
// CHECK-LABEL: func.func @pages
func.func @pages(%q: tensor<1x2x300x8xf32>, %k: tensor<9x2x16x8xf32>, %t: tensor<1x1x20xi32>, %lse: tensor<1x2x300xf32>)
    -> tensor<9x2x16x8xf32> {
  // CHECK: %[[POOL:.*]] = tensor.empty() : tensor<9x2x16x8xf32>
  // CHECK: attn.key_loop_grad {{.*}} page_table(%[[T:[a-z0-9]+]] : tensor<1x1x20xi32>) block_table(%{{.*}} : tensor<1x1x7x4xi8>) aux ["page_table"](%[[T]] : tensor<1x1x20xi32>) outs(%{{[a-z0-9]+}}, %[[POOL]],
  // CHECK: page_size = 16 : i64
  %dq, %dk, %dv = attn.attention_grad %q, %k, %k page_table(%t : tensor<1x1x20xi32>)
      out(%q : tensor<1x2x300x8xf32>) lse(%lse : tensor<1x2x300xf32>) dout(%q : tensor<1x2x300x8xf32>)
      {page_size = 16 : i64}
      : tensor<1x2x300x8xf32>, tensor<9x2x16x8xf32>, tensor<9x2x16x8xf32> -> tensor<1x2x300x8xf32>, tensor<9x2x16x8xf32>, tensor<9x2x16x8xf32>
  return %dk : tensor<9x2x16x8xf32>
}
