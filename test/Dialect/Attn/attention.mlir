// Custom form, parsed again; generic form and bytecode, parsed again.
// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s
// RUN: attn-opt %s --emit-bytecode | attn-opt | FileCheck %s

// CHECK-LABEL: func.func @plain
// CHECK: %[[OUT:.*]] = attn.attention %{{.*}}, %{{.*}}, %{{.*}} : tensor<2x8x16x64xf32>, tensor<2x2x24x64xf32>, tensor<2x2x24x32xf32> -> tensor<2x8x16x32xf32>
func.func @plain(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x24x64xf32>, %v: tensor<2x2x24x32xf32>)
    -> tensor<2x8x16x32xf32> {
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x2x24x64xf32>, tensor<2x2x24x32xf32> -> tensor<2x8x16x32xf32>
  return %out : tensor<2x8x16x32xf32>
}

// CHECK-LABEL: func.func @with_lse
// CHECK: %{{.*}}, %{{.*}} = attn.attention {{.*}} -> tensor<2x8x16x64xbf16>, tensor<2x8x16xf32>
func.func @with_lse(%q: tensor<2x8x16x64xbf16>, %k: tensor<2x8x16x64xbf16>) -> tensor<2x8x16xf32> {
  %out, %lse = attn.attention %q, %k, %k
      : tensor<2x8x16x64xbf16>, tensor<2x8x16x64xbf16>, tensor<2x8x16x64xbf16>
      -> tensor<2x8x16x64xbf16>, tensor<2x8x16xf32>
  return %lse : tensor<2x8x16xf32>
}

// CHECK-LABEL: func.func @masks
// CHECK: mask <causal> :
// CHECK: mask <band<3, inf>> align top_left :
// CHECK: mask <or(and(causal, band<511, 0>), prefix<4>)> align bottom_right
// CHECK-SAME: kv_lengths(%{{.*}} : tensor<?xi32>)
func.func @masks(%q: tensor<?x4x?x8xf32>, %n: tensor<?xi32>) {
  %0 = attn.attention %q, %q, %q mask <causal>
      : tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32> -> tensor<?x4x?x8xf32>
  %1 = attn.attention %q, %q, %q mask #attn.mask<band<3, inf>> align top_left
      : tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32> -> tensor<?x4x?x8xf32>
  %2 = attn.attention %q, %q, %q mask <or(and(causal, band<511, 0>), prefix<4>)> align bottom_right
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32> -> tensor<?x4x?x8xf32>
  return
}

// Every operand at once, as far as they go together.
// CHECK-LABEL: func.func @operands
// CHECK: attn.attention
// CHECK-SAME: mask <and(document, prefix)>
// CHECK-SAME: bias(%{{[^ ]*}} : tensor<1x4x1x32xf32>)
// CHECK-SAME: mask_tensor(%{{[^ ]*}} : tensor<16x32xi1>)
// CHECK-SAME: q_lengths(%{{[^ ]*}} : tensor<2xi32>)
// CHECK-SAME: kv_lengths(%{{[^ ]*}} : tensor<2xi32>)
// CHECK-SAME: q_positions(%{{[^ ]*}} : tensor<1x16xi32>)
// CHECK-SAME: kv_positions(%{{[^ ]*}} : tensor<1x32xi32>)
// CHECK-SAME: q_segments(%{{[^ ]*}} : tensor<2x16xi32>)
// CHECK-SAME: kv_segments(%{{[^ ]*}} : tensor<2x32xi32>)
// CHECK-SAME: prefix_lengths(%{{[^ ]*}} : tensor<2xi32>)
// CHECK-SAME: page_table(%{{[^ ]*}} : tensor<2x1x2xi32>)
// CHECK-SAME: log_weight(%{{[^ ]*}} : tensor<1x2x32xf32>)
// CHECK-SAME: sinks(%{{[^ ]*}} : tensor<4xf32>)
// CHECK-SAME: page_size = 16
// CHECK-SAME: scale = 1.250000e-01
// CHECK-SAME: softcap = 3.000000e+01
func.func @operands(%q: tensor<2x4x16x64xf32>, %pool: tensor<9x2x16x64xf32>, %bias: tensor<1x4x1x32xf32>,
    %mask: tensor<16x32xi1>, %n: tensor<2xi32>, %qp: tensor<1x16xi32>, %kp: tensor<1x32xi32>,
    %qs: tensor<2x16xi32>, %ks: tensor<2x32xi32>, %table: tensor<2x1x2xi32>, %lw: tensor<1x2x32xf32>,
    %sinks: tensor<4xf32>) {
  %out = attn.attention %q, %pool, %pool mask <and(document, prefix)>
      bias(%bias : tensor<1x4x1x32xf32>) mask_tensor(%mask : tensor<16x32xi1>)
      q_lengths(%n : tensor<2xi32>) kv_lengths(%n : tensor<2xi32>)
      q_positions(%qp : tensor<1x16xi32>) kv_positions(%kp : tensor<1x32xi32>)
      q_segments(%qs : tensor<2x16xi32>) kv_segments(%ks : tensor<2x32xi32>)
      prefix_lengths(%n : tensor<2xi32>) page_table(%table : tensor<2x1x2xi32>)
      log_weight(%lw : tensor<1x2x32xf32>) sinks(%sinks : tensor<4xf32>)
      {scale = 0.125 : f64, softcap = 30.0 : f64, page_size = 16 : i64}
      : tensor<2x4x16x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32> -> tensor<2x4x16x64xf32>
  return
}

// CHECK-LABEL: func.func @cumulative_lengths
// CHECK: mask <and(document, causal)> align bottom_right cu_q(%{{.*}} : tensor<?xi32>) cu_kv(%{{.*}} : tensor<?xi32>)
func.func @cumulative_lengths(%q: tensor<1x4x?x64xf16>, %k: tensor<1x4x?x64xf16>, %cu: tensor<?xi32>) {
  %out = attn.attention %q, %k, %k mask <and(document, causal)> align bottom_right
      cu_q(%cu : tensor<?xi32>) cu_kv(%cu : tensor<?xi32>)
      : tensor<1x4x?x64xf16>, tensor<1x4x?x64xf16>, tensor<1x4x?x64xf16> -> tensor<1x4x?x64xf16>
  return
}

// CHECK-LABEL: func.func @regions
// CHECK: captures(%{{.*}} : tensor<4xf32>) score_mod {
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32, %{{.*}}: i32, %[[H:.*]]: i32, %{{.*}}: i32, %{{.*}}: i32, %[[C:.*]]: tensor<4xf32>):
// CHECK: attn.load %[[C]][%[[H]]] : tensor<4xf32>
// CHECK: attn.yield %{{.*}} : f32
// CHECK: } mask_mod {
// CHECK: attn.yield %{{.*}} : i1
// CHECK-NEXT: } :
func.func @regions(%q: tensor<2x4x16x64xf32>, %slopes: tensor<4xf32>) {
  %out = attn.attention %q, %q, %q captures(%slopes : tensor<4xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<4xf32>):
        %slope = attn.load %c[%h] : tensor<4xf32>
        %d = arith.subi %j, %i : i32
        %f = arith.sitofp %d : i32 to f32
        %x = arith.mulf %slope, %f : f32
        %r = arith.addf %s, %x : f32
        attn.yield %r : f32
      }
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<4xf32>):
        %p = arith.cmpi sle, %j, %i : i32
        attn.yield %p : i1
      } : tensor<2x4x16x64xf32>, tensor<2x4x16x64xf32>, tensor<2x4x16x64xf32> -> tensor<2x4x16x64xf32>
  return
}

// The order of axes is an attribute; the default one is not printed.
// CHECK-LABEL: func.func @axes
// CHECK: attn.attention
// CHECK-SAME: axes = #attn.axes<q = [b, i, hq, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>
// CHECK-SAME: -> tensor<2x16x4x64xf32>, tensor<2x4x16xf32>
func.func @axes(%q: tensor<2x16x4x64xf32>, %k: tensor<2x24x2x64xf32>) {
  %out, %lse = attn.attention %q, %k, %k
      {axes = #attn.axes<q = [b, i, hq, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>}
      : tensor<2x16x4x64xf32>, tensor<2x24x2x64xf32>, tensor<2x24x2x64xf32>
      -> tensor<2x16x4x64xf32>, tensor<2x4x16xf32>
  return
}

// The scheduled form.
// CHECK-LABEL: func.func @scheduled
// CHECK: schedule = #attn.schedule<isa = "avx2", lanes = 8, q_vectors = 3, strips = 8, key_rows = 4, kv_tile = 128, few_rows = 8, split_keys = 1024>
func.func @scheduled(%q: tensor<2x4x16x64xf32>) {
  %out = attn.attention %q, %q, %q
      {schedule = #attn.schedule<isa = "avx2", lanes = 8, q_vectors = 3, strips = 8, key_rows = 4,
                                 kv_tile = 128, few_rows = 8, split_keys = 1024>}
      : tensor<2x4x16x64xf32>, tensor<2x4x16x64xf32>, tensor<2x4x16x64xf32> -> tensor<2x4x16x64xf32>
  return
}

// Zero-size axes are shapes like any other.
// CHECK-LABEL: func.func @no_queries
// CHECK: attn.attention
func.func @no_queries(%q: tensor<0x4x0x8xf64>, %k: tensor<0x4x5x8xf64>) {
  %out, %lse = attn.attention %q, %k, %k
      : tensor<0x4x0x8xf64>, tensor<0x4x5x8xf64>, tensor<0x4x5x8xf64> -> tensor<0x4x0x8xf64>, tensor<0x4x0xf64>
  return
}

// CHECK-LABEL: func.func @generators
// CHECK-SAME: attn.input = #attn.gen<"normal", [1.000000e+00]>
// CHECK-SAME: attn.input = #attn.gen<"cu_seqlens">
func.func @generators(%q: tensor<?x4xf32> {attn.input = #attn.gen<"normal", [1.0]>},
                      %cu: tensor<?xi32> {attn.input = #attn.gen<"cu_seqlens">}) {
  return
}

// A number per pair as a third result, or as a second one; its shape does not follow the axes.
// CHECK-LABEL: func.func @scores
// CHECK: %{{.*}}, %{{.*}}, %{{.*}} = attn.attention
// CHECK-SAME: -> tensor<2x4x16x64xbf16>, tensor<2x4x16xf32> scores score : tensor<2x4x16x9xbf16>
// CHECK: %{{.*}}, %{{.*}} = attn.attention
// CHECK-SAME: -> tensor<?x?x4x8xf32> scores product : tensor<?x4x?x?xf32>
func.func @scores(%q: tensor<2x4x16x64xbf16>, %k: tensor<2x2x9x64xbf16>, %r: tensor<?x?x4x8xf32>) {
  %out, %lse, %scores = attn.attention %q, %k, %k
      : tensor<2x4x16x64xbf16>, tensor<2x2x9x64xbf16>, tensor<2x2x9x64xbf16>
      -> tensor<2x4x16x64xbf16>, tensor<2x4x16xf32> scores score : tensor<2x4x16x9xbf16>
  %out1, %scores1 = attn.attention %r, %r, %r
      {axes = #attn.axes<q = [b, i, hq, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>}
      : tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>
      -> tensor<?x?x4x8xf32> scores product : tensor<?x4x?x?xf32>
  return
}

// CHECK-LABEL: func.func @prob_mod
// CHECK: captures(%{{.*}} : tensor<4xf32>)
// CHECK-SAME: prob_mod {
// CHECK-NEXT: ^bb0(%[[P:.*]]: f32, %{{.*}}: i32, %[[H:.*]]: i32, %{{.*}}: i32, %{{.*}}: i32, %[[T:.*]]: tensor<4xf32>):
// CHECK: attn.load %[[T]][%[[H]]]
func.func @prob_mod(%q: tensor<2x4x16x64xf32>, %t: tensor<4xf32>) {
  %out = attn.attention %q, %q, %q captures(%t : tensor<4xf32>)
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32, %of_head: tensor<4xf32>):
        %f = attn.load %of_head[%h] : tensor<4xf32>
        %r = arith.mulf %p, %f : f32
        attn.yield %r : f32
      } : tensor<2x4x16x64xf32>, tensor<2x4x16x64xf32>, tensor<2x4x16x64xf32> -> tensor<2x4x16x64xf32>
  return
}

// CHECK-LABEL: func.func @batch_invariant
// CHECK: attn.attention %{{.*}} mask <document> cu_q(%{{.*}}) cu_kv(%{{.*}}) {batch_invariant}
func.func @batch_invariant(%q: tensor<1x4x16x64xf32>, %cu: tensor<3xi32>) -> tensor<1x4x16x64xf32> {
  %out = attn.attention %q, %q, %q mask <document>
      cu_q(%cu : tensor<3xi32>) cu_kv(%cu : tensor<3xi32>) {batch_invariant}
      : tensor<1x4x16x64xf32>, tensor<1x4x16x64xf32>, tensor<1x4x16x64xf32> -> tensor<1x4x16x64xf32>
  return %out : tensor<1x4x16x64xf32>
}
