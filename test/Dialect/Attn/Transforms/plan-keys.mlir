// RUN: attn-opt %s --attn-plan-keys --canonicalize --cse | FileCheck %s

// Nothing hides a key and nothing is added: only the range is left.
// CHECK-LABEL: func.func @full
// CHECK: attn.key_loop ins(%{{.*}}) aux [] outs(%{{.*}}) range {
// CHECK-NEXT: ^bb0(%{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %[[SK:.*]]: index):
// CHECK: attn.yield %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : index, index, index, index
// CHECK-NEXT: } {scale = 0.35355339059327373 : f64} -> tensor<1x4x16x8xf32>
func.func @full(%q: tensor<1x4x16x8xf32>, %k: tensor<1x2x24x8xf32>) -> tensor<1x4x16x8xf32> {
  %out = attn.attention %q, %k, %k
      : tensor<1x4x16x8xf32>, tensor<1x2x24x8xf32>, tensor<1x2x24x8xf32> -> tensor<1x4x16x8xf32>
  return %out : tensor<1x4x16x8xf32>
}

// Causal without an alignment: the lengths must turn out equal (attention_r4).
// A block [i0, i1) needs the keys up to i1, and all of those up to i0.
// CHECK-LABEL: func.func @causal
// CHECK: range {
// CHECK-NEXT: ^bb0(%{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %[[I0:.*]]: index, %[[I1:.*]]: index, %{{.*}}: index, %[[SK:.*]]: index):
// CHECK-DAG: arith.addi %[[I0]], %c1
// CHECK-DAG: arith.minsi %[[I1]], %[[SK]]
// CHECK: } visible {
// CHECK-NEXT: ^bb0(%{{.*}}: i32, %{{.*}}: i32, %{{.*}}: i32, %[[I:.*]]: i32, %[[J:.*]]: i32, %{{.*}}: i32, %{{.*}}: i32):
// CHECK-NEXT: %[[P:.*]] = arith.cmpi sle, %[[J]], %[[I]] : i32
// CHECK-NEXT: attn.yield %[[P]] : i1
// CHECK-NEXT: } {equal_lengths, scale
func.func @causal(%q: tensor<1x4x?x8xf32>, %k: tensor<1x4x?x8xf32>) -> tensor<1x4x?x8xf32> {
  %out = attn.attention %q, %k, %k mask <causal>
      : tensor<1x4x?x8xf32>, tensor<1x4x?x8xf32>, tensor<1x4x?x8xf32> -> tensor<1x4x?x8xf32>
  return %out : tensor<1x4x?x8xf32>
}

// bottom_right: a query's position is its slot plus (valid keys - valid queries). Softcap comes before the bias.
// CHECK-LABEL: func.func @window_behind_a_cache
// CHECK: aux ["kv_lengths", "bias"]
// CHECK: visible {
// CHECK-NEXT: ^bb0(%[[B:.*]]: i32, %{{.*}}: i32, %{{.*}}: i32, %[[I:.*]]: i32, %[[J:.*]]: i32, %[[SQ:.*]]: i32, %{{.*}}: i32, %[[N:.*]]: tensor<?xi32>, %{{.*}}: tensor<4x1x?xf32>):
// CHECK: %[[LEN:.*]] = attn.load %[[N]][%[[B]]] : tensor<?xi32>
// CHECK: arith.cmpi slt, %[[J]], %[[LEN]]
// CHECK: %[[OFFSET:.*]] = arith.subi %{{.*}}, %[[SQ]] : i32
// CHECK: %[[POS:.*]] = arith.addi %[[I]], %[[OFFSET]] : i32
// CHECK: %[[D:.*]] = arith.subi %[[J]], %[[POS]] : i32
// CHECK-DAG: arith.cmpi sge, %[[D]], %c-7_i32
// CHECK-DAG: arith.cmpi sle, %[[D]], %c0_i32
// CHECK: } score {
// CHECK: %[[TANH:.*]] = math.tanh
// CHECK: %[[CAPPED:.*]] = arith.mulf %[[TANH]],
// CHECK: %[[BIAS:.*]] = attn.load %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}] : tensor<4x1x?xf32>
// CHECK: arith.addf %[[CAPPED]], %[[BIAS]] : f32
func.func @window_behind_a_cache(%q: tensor<?x4x?x8xf32>, %k: tensor<?x2x?x8xf32>, %n: tensor<?xi32>,
                                 %bias: tensor<4x1x?xf32>) -> tensor<?x4x?x8xf32> {
  %out = attn.attention %q, %k, %k mask <band<7, 0>> align bottom_right
      bias(%bias : tensor<4x1x?xf32>) kv_lengths(%n : tensor<?xi32>) {softcap = 30.0 : f64}
      : tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32> -> tensor<?x4x?x8xf32>
  return %out : tensor<?x4x?x8xf32>
}

// Given positions may be any i32, so their distance is taken in 64 bits; no interval is known.
// CHECK-LABEL: func.func @given_positions
// CHECK: aux ["q_positions", "kv_positions"]
// CHECK: visible {
// CHECK-COUNT-2: arith.extsi %{{.*}} : i32 to i64
// CHECK: arith.subi %{{.*}}, %{{.*}} : i64
func.func @given_positions(%q: tensor<1x4x16x8xf32>, %p: tensor<1x16xi32>) -> tensor<1x4x16x8xf32> {
  %out = attn.attention %q, %q, %q mask <band<3, 3>>
      q_positions(%p : tensor<1x16xi32>) kv_positions(%p : tensor<1x16xi32>)
      : tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32> -> tensor<1x4x16x8xf32>
  return %out : tensor<1x4x16x8xf32>
}

// Positions per document are values of their own, computed once per call.
// CHECK-LABEL: func.func @documents
// CHECK: %[[D:.*]]:4 = attn.documents cu(%{{.*}}, %{{.*}} : tensor<?xi32>, tensor<?xi32>) outs({{.*}}) {bottom_right}
// CHECK: attn.key_loop
// CHECK-SAME: aux ["q_positions", "kv_positions", "q_segments", "kv_segments", "cu_kv"](%[[D]]#0, %[[D]]#1, %[[D]]#2, %[[D]]#3, %{{[^ ]*}} :
// CHECK: visible {
// CHECK: arith.cmpi eq
// CHECK: arith.cmpi sle
func.func @documents(%q: tensor<1x4x?x8xf32>, %cu: tensor<?xi32>) -> tensor<1x4x?x8xf32> {
  %out = attn.attention %q, %q, %q mask <and(document, causal)> align bottom_right
      cu_q(%cu : tensor<?xi32>) cu_kv(%cu : tensor<?xi32>)
      : tensor<1x4x?x8xf32>, tensor<1x4x?x8xf32>, tensor<1x4x?x8xf32> -> tensor<1x4x?x8xf32>
  return %out : tensor<1x4x?x8xf32>
}

// A slot of an absent page is no key: entry >= 0 is part of visible, with slot j in entry j / 16.
// CHECK-LABEL: func.func @pages
// CHECK: page_table(%{{[^ ]*}} : tensor<2x1x4xi32>)
// CHECK-SAME: aux ["page_table"]
// CHECK: visible {
// CHECK: %[[PAGE:.*]] = arith.shrsi %{{.*}}, %c4_i32
// CHECK: %[[ENTRY:.*]] = attn.load %{{.*}}[%{{.*}}, %{{.*}}, %[[PAGE]]]
// CHECK: arith.cmpi sge, %[[ENTRY]], %c0_i32
// CHECK: page_size = 16
func.func @pages(%q: tensor<2x4x1x8xf32>, %k: tensor<9x2x16x8xf32>, %t: tensor<2x1x4xi32>) -> tensor<2x4x1x8xf32> {
  %out = attn.attention %q, %k, %k page_table(%t : tensor<2x1x4xi32>) {page_size = 16 : i64}
      : tensor<2x4x1x8xf32>, tensor<9x2x16x8xf32>, tensor<9x2x16x8xf32> -> tensor<2x4x1x8xf32>
  return %out : tensor<2x4x1x8xf32>
}

// The regions are inlined with logical positions, the score after softcap and before bias and log-weight.
// CHECK-LABEL: func.func @regions
// CHECK: aux ["bias", "log_weight", "capture0"]
// CHECK: visible {
// CHECK: arith.cmpi ne
// CHECK: } score {
// CHECK-NEXT: ^bb0(%[[S:[^:]*]]: f32
// CHECK: %[[C:.*]] = attn.load %{{.*}}[%{{.*}}] : tensor<4xf32>
// CHECK: %[[M:.*]] = arith.mulf %[[S]], %[[C]] : f32
// CHECK: %[[X:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK: %[[Y:.*]] = arith.addf %[[M]], %[[X]] : f32
// CHECK: arith.addf %[[Y]], %{{.*}} : f32
func.func @regions(%q: tensor<1x4x16x8xbf16>, %bias: tensor<16xbf16>, %w: tensor<1x4x16xf32>, %c: tensor<4xf32>)
    -> tensor<1x4x16x8xbf16> {
  %out = attn.attention %q, %q, %q
      bias(%bias : tensor<16xbf16>) log_weight(%w : tensor<1x4x16xf32>) captures(%c : tensor<4xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %t: tensor<4xf32>):
        %x = attn.load %t[%h] : tensor<4xf32>
        %r = arith.mulf %s, %x : f32
        attn.yield %r : f32
      }
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32, %t: tensor<4xf32>):
        %p = arith.cmpi ne, %j, %b : i32
        attn.yield %p : i1
      } : tensor<1x4x16x8xbf16>, tensor<1x4x16x8xbf16>, tensor<1x4x16x8xbf16> -> tensor<1x4x16x8xbf16>
  return %out : tensor<1x4x16x8xbf16>
}

// Scores come beside an lse, asked for or not; prob_mod is a region of its own; no block table is made.
// CHECK-LABEL: func.func @materialised
// CHECK-NOT: attn.block_table
// CHECK: %[[LOOP:.*]]:3 = attn.key_loop
// CHECK-SAME: outs(%{{.*}}, %{{.*}}, %{{.*}} : tensor<1x4x16x8xf32>, tensor<1x4x16xf32>, tensor<1x4x16x9xf32>)
// CHECK: prob {
// CHECK-NEXT: ^bb0(%[[P:[^:]*]]: f32
// CHECK-NEXT: arith.addf %[[P]], %[[P]] : f32
// CHECK: scores softcapped
// CHECK-SAME: softcap = 3.000000e+01
// CHECK: return %[[LOOP]]#0, %[[LOOP]]#2
func.func @materialised(%q: tensor<1x4x16x8xf32>, %k: tensor<1x4x9x8xf32>, %m: tensor<9xi1>)
    -> (tensor<1x4x16x8xf32>, tensor<1x4x16x9xf32>) {
  %out, %s = attn.attention %q, %k, %k mask_tensor(%m : tensor<9xi1>)
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %r = arith.addf %p, %p : f32
        attn.yield %r : f32
      } {softcap = 30.0 : f64}
      : tensor<1x4x16x8xf32>, tensor<1x4x9x8xf32>, tensor<1x4x9x8xf32> -> tensor<1x4x16x8xf32> scores softcapped : tensor<1x4x16x9xf32>
  return %out, %s : tensor<1x4x16x8xf32>, tensor<1x4x16x9xf32>
}
