// RUN: attn-opt %s --canonicalize | FileCheck %s

// A mask that keeps everything goes.
// CHECK-LABEL: func.func @full_mask
// CHECK: attn.attention %{{.*}}, %{{.*}}, %{{.*}} : tensor
func.func @full_mask(%q: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32> {
  %out = attn.attention %q, %q, %q mask <or(full, causal)>
      : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return %out : tensor<1x2x4x8xf32>
}

// CHECK-LABEL: func.func @band_open_on_both_sides
// CHECK-NOT: mask
// CHECK: return
func.func @band_open_on_both_sides(%q: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32> {
  %out = attn.attention %q, %q, %q mask <and(band<inf, inf>, full)>
      : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return %out : tensor<1x2x4x8xf32>
}

// The bands of an `and` are one band, and causal is one of them.
// CHECK-LABEL: func.func @bands_meet
// CHECK: mask <band<5, 0>> align
func.func @bands_meet(%q: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32> {
  %out = attn.attention %q, %q, %q mask <and(band<9, 3>, and(causal, band<5, 7>))> align top_left
      : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return %out : tensor<1x2x4x8xf32>
}

// CHECK-LABEL: func.func @band_that_is_causal
// CHECK: mask <causal> align
func.func @band_that_is_causal(%q: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32> {
  %out = attn.attention %q, %q, %q mask <band<inf, 0>> align top_left
      : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return %out : tensor<1x2x4x8xf32>
}

// Nested parts are flattened and said once.
// CHECK-LABEL: func.func @nested_or
// CHECK: mask <or(prefix<2>, causal, band<1, 1>)> align
func.func @nested_or(%q: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32> {
  %out = attn.attention %q, %q, %q mask <or(prefix<2>, or(causal, prefix<2>), band<1, 1>)> align top_left
      : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return %out : tensor<1x2x4x8xf32>
}

// A mask stays while an operand needs it to have a reader.
// CHECK-LABEL: func.func @documents_keep_their_mask
// CHECK: mask <or(document, full)> q_segments
func.func @documents_keep_their_mask(%q: tensor<1x2x4x8xf32>, %s: tensor<1x4xi32>) -> tensor<1x2x4x8xf32> {
  %out = attn.attention %q, %q, %q mask <or(document, full)>
      q_segments(%s : tensor<1x4xi32>) kv_segments(%s : tensor<1x4xi32>)
      : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return %out : tensor<1x2x4x8xf32>
}

// Regions that change nothing go, and with the last region the captures.
// CHECK-LABEL: func.func @trivial_regions
// CHECK: attn.attention %{{.*}}, %{{.*}}, %{{.*}} align top_left : tensor
func.func @trivial_regions(%q: tensor<1x2x4x8xf32>, %c: tensor<3xf32>) -> tensor<1x2x4x8xf32> {
  %out = attn.attention %q, %q, %q align top_left captures(%c : tensor<3xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %t: tensor<3xf32>):
        attn.yield %s : f32
      }
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32, %t: tensor<3xf32>):
        %p = arith.constant true
        attn.yield %p : i1
      } : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return %out : tensor<1x2x4x8xf32>
}

// A mask_mod that hides everything stays.
// CHECK-LABEL: func.func @mask_mod_false
// CHECK: mask_mod {
func.func @mask_mod_false(%q: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32> {
  %out = attn.attention %q, %q, %q align top_left
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %p = arith.constant false
        attn.yield %p : i1
      } : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return %out : tensor<1x2x4x8xf32>
}

// CHECK-LABEL: func.func @default_axes
// CHECK-NOT: axes
// CHECK: return
func.func @default_axes(%q: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32> {
  %out = attn.attention %q, %q, %q
      {axes = #attn.axes<q = [b, hq, i, d], k = [b, hkv, j, d], v = [b, hkv, j, e]>}
      : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return %out : tensor<1x2x4x8xf32>
}

// No keys: out = 0 and lse = -inf.
// CHECK-LABEL: func.func @no_keys
// CHECK-DAG: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<1x2x4x8xf32>
// CHECK-DAG: %[[INF:.*]] = arith.constant dense<0xFF800000> : tensor<1x2x4xf32>
// CHECK-NOT: attn.attention
// CHECK: return %[[ZERO]], %[[INF]]
func.func @no_keys(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x0x8xf32>) -> (tensor<1x2x4x8xf32>, tensor<1x2x4xf32>) {
  %out, %lse = attn.attention %q, %k, %k
      : tensor<1x2x4x8xf32>, tensor<1x2x0x8xf32>, tensor<1x2x0x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x2x4xf32>
  return %out, %lse : tensor<1x2x4x8xf32>, tensor<1x2x4xf32>
}

// The sizes of dynamic results come from q.
// CHECK-LABEL: func.func @no_keys_for_any_number_of_queries
// CHECK-SAME: (%[[Q:.*]]: tensor<?x2x?x8xf32>
// CHECK: tensor.dim %[[Q]]
// CHECK: tensor.splat
// CHECK-NOT: attn.attention
func.func @no_keys_for_any_number_of_queries(%q: tensor<?x2x?x8xf32>, %k: tensor<?x2x0x8xf32>) -> tensor<?x2x?x8xf32> {
  %out = attn.attention %q, %k, %k
      : tensor<?x2x?x8xf32>, tensor<?x2x0x8xf32>, tensor<?x2x0x8xf32> -> tensor<?x2x?x8xf32>
  return %out : tensor<?x2x?x8xf32>
}

// With sinks the empty key set has an lse of its own.
// CHECK-LABEL: func.func @no_keys_but_sinks
// CHECK: attn.attention
func.func @no_keys_but_sinks(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x0x8xf32>, %s: tensor<2xf32>) -> tensor<1x2x4xf32> {
  %out, %lse = attn.attention %q, %k, %k sinks(%s : tensor<2xf32>)
      : tensor<1x2x4x8xf32>, tensor<1x2x0x8xf32>, tensor<1x2x0x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x2x4xf32>
  return %lse : tensor<1x2x4xf32>
}

// Merging one state is that state.
// CHECK-LABEL: func.func @merge_one
// CHECK-SAME: (%[[O:.*]]: tensor<4x8xf32>, %[[L:.*]]: tensor<4xf32>)
// CHECK-NEXT: return %[[O]], %[[L]]
func.func @merge_one(%o: tensor<4x8xf32>, %l: tensor<4xf32>) -> (tensor<4x8xf32>, tensor<4xf32>) {
  %r:2 = attn.merge_states outs(%o : tensor<4x8xf32>) lses(%l : tensor<4xf32>) -> tensor<4x8xf32>, tensor<4xf32>
  return %r#0, %r#1 : tensor<4x8xf32>, tensor<4xf32>
}

// Scores that nobody reads are not made; what else the op says stays.
// CHECK-LABEL: func.func @unused_scores
// CHECK: %[[OUT:.*]], %[[LSE:.*]] = attn.attention
// CHECK-NOT: scores
// CHECK: return %[[OUT]], %[[LSE]]
func.func @unused_scores(%q: tensor<1x2x4x8xf32>) -> (tensor<1x2x4x8xf32>, tensor<1x2x4xf32>) {
  %out, %lse, %s = attn.attention %q, %q, %q mask <causal>
      score_mod {
      ^bb0(%x: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %r = arith.addf %x, %x : f32
        attn.yield %r : f32
      } : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>
      -> tensor<1x2x4x8xf32>, tensor<1x2x4xf32> scores weight : tensor<1x2x4x4xf32>
  return %out, %lse : tensor<1x2x4x8xf32>, tensor<1x2x4xf32>
}

// CHECK-LABEL: func.func @read_scores
// CHECK: scores weight
func.func @read_scores(%q: tensor<1x2x4x8xf32>) -> tensor<1x2x4x4xf32> {
  %out, %s = attn.attention %q, %q, %q
      : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32> scores weight : tensor<1x2x4x4xf32>
  return %s : tensor<1x2x4x4xf32>
}

// A prob_mod that changes nothing goes, with the captures that only it read.
// CHECK-LABEL: func.func @trivial_prob_mod
// CHECK: attn.attention
// CHECK-NOT: captures
// CHECK-NOT: prob_mod
func.func @trivial_prob_mod(%q: tensor<1x2x4x8xf32>, %t: tensor<2xf32>) -> tensor<1x2x4x8xf32> {
  %out = attn.attention %q, %q, %q captures(%t : tensor<2xf32>)
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<2xf32>):
        attn.yield %p : f32
      } : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return %out : tensor<1x2x4x8xf32>
}
