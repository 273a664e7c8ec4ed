// RUN: attn-opt %s --split-input-file --verify-diagnostics

// One function per label of docs/Spec.md, named after it.

func.func @attention_c1_rank_3_query(%q: tensor<8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects q to have rank 4 [batch, heads, seq, dim], but got rank 3}}
  %out = attn.attention %q, %k, %v
      : tensor<8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<8x16x64xf32>
  return
}

// -----

func.func @attention_c2_integer_keys(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xi8>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects k to have element type f64, f32, f16 or bf16, but got 'i8'}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xi8>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c2_mixed_types(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xbf16>) {
  // expected-error@+1 {{'attn.attention' op expects q, k and v to have the same element type, but got 'f32' for q and 'bf16' for v}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xbf16> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c3_head_dims_differ(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x32xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects q and k to have the same head dim, but got 64 and 32}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x2x16x32xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c4_dynamic_head_dim(%q: tensor<2x8x16x?xf32>, %k: tensor<2x2x16x?xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects head dims to be static, but got ? for q, ? for k and 64 for v}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x?xf32>, tensor<2x2x16x?xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x?xf32>
  return
}

// -----

func.func @attention_c4_head_dim_257(%q: tensor<2x8x16x257xf32>, %k: tensor<2x2x16x257xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects head dims between 1 and 256, but got 257}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x257xf32>, tensor<2x2x16x257xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c4_no_value_dim(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x0xf32>) {
  // expected-error@+1 {{'attn.attention' op expects head dims between 1 and 256, but got 0}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x0xf32> -> tensor<2x8x16x0xf32>
  return
}

// -----

func.func @attention_c5_batch_sizes_differ(%q: tensor<2x8x16x64xf32>, %k: tensor<3x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects k to have the batch size of q, but got 2 for q and 3 for k}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<3x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c5_batch_size_of_values(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<1x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects v to have the batch size of q, but got 2 for q and 1 for v}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<1x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c6_head_counts_of_keys_and_values(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x4x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects k and v to have the same head count, but got 2 and 4}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x4x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c6_key_value_length_mismatch(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x17x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects k and v to have the same key count, but got 16 and 17}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x17x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c6_page_counts_of_keys_and_values(%q: tensor<2x8x16x64xf32>, %k: tensor<100x2x16x64xf32>, %v: tensor<99x2x16x64xf32>, %t: tensor<2x1x4xi32>) {
  // expected-error@+1 {{'attn.attention' op expects k and v to have the same page count, but got 100 and 99}}
  %out = attn.attention %q, %k, %v page_table(%t : tensor<2x1x4xi32>) {page_size = 16 : i64}
      : tensor<2x8x16x64xf32>, tensor<100x2x16x64xf32>, tensor<99x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c7_eight_heads_over_three(%q: tensor<2x8x16x64xf32>, %k: tensor<2x3x16x64xf32>, %v: tensor<2x3x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects the query head count to be a multiple of the key/value head count, but got 8 and 3}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x3x16x64xf32>, tensor<2x3x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c7_no_key_value_heads(%q: tensor<2x8x16x64xf32>, %k: tensor<2x0x16x64xf32>, %v: tensor<2x0x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects the query head count to be a multiple of the key/value head count, but got 8 and 0}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x0x16x64xf32>, tensor<2x0x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c8_result_shape(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x32xf32>) {
  // expected-error@+1 {{'attn.attention' op expects out to be [2, 8, 16, 32] of 'f32', but got [2, 8, 16, 64] of 'f32'}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x32xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c8_result_type(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects out to be [2, 8, 16, 64] of 'f32', but got [2, 8, 16, 64] of 'f16'}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf16>
  return
}

// -----

func.func @attention_c8_result_rank(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects out to be [2, 8, 16, 64] of 'f32', but got [8, 16, 64] of 'f32'}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<8x16x64xf32>
  return
}

// -----

func.func @attention_c9_lse_shape(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects lse to be [2, 8, 16] of 'f32', but got [2, 16, 8] of 'f32'}}
  %out, %lse = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>, tensor<2x16x8xf32>
  return
}

// -----

func.func @attention_c9_lse_of_half_inputs_is_f32(%q: tensor<2x8x16x64xf16>, %k: tensor<2x2x16x64xf16>, %v: tensor<2x2x16x64xf16>) {
  // expected-error@+1 {{'attn.attention' op expects lse to be [2, 8, 16] of 'f32', but got [2, 8, 16] of 'f16'}}
  %out, %lse = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf16>, tensor<2x2x16x64xf16>, tensor<2x2x16x64xf16> -> tensor<2x8x16x64xf16>, tensor<2x8x16xf16>
  return
}

// -----

func.func @attention_c9_lse_of_double_inputs_is_f64(%q: tensor<2x8x16x64xf64>, %k: tensor<2x2x16x64xf64>, %v: tensor<2x2x16x64xf64>) {
  // expected-error@+1 {{'attn.attention' op expects lse to be [2, 8, 16] of 'f64', but got [2, 8, 16] of 'f32'}}
  %out, %lse = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf64>, tensor<2x2x16x64xf64>, tensor<2x2x16x64xf64> -> tensor<2x8x16x64xf64>, tensor<2x8x16xf32>
  return
}

// -----

func.func @attention_c10_axis_named_twice(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{expects q to name each of b, hq, i, d exactly once, but got 'b'}}
  %out = attn.attention %q, %k, %v {axes = #attn.axes<q = [b, b, i, d], k = [b, hkv, j, d], v = [b, hkv, j, e]>}
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c10_unknown_axis(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{expects k to name each of b, hkv, j, d exactly once, but got 'hq'}}
  %out = attn.attention %q, %k, %v {axes = #attn.axes<q = [b, hq, i, d], k = [b, hq, j, d], v = [b, hkv, j, e]>}
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c10_axis_missing(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{expects v to name 4 axes, but got 3}}
  %out = attn.attention %q, %k, %v {axes = #attn.axes<q = [b, hq, i, d], k = [b, hkv, j, d], v = [b, hkv, e]>}
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c10_last_axis(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{expects the last axis of q to be d, but got it at position 2}}
  %out = attn.attention %q, %k, %v {axes = #attn.axes<q = [b, hq, d, i], k = [b, hkv, j, d], v = [b, hkv, j, e]>}
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c11_infinite_scale(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects scale to be 0 or between 1e-30 and 1e30 in size, but got}}
  %out = attn.attention %q, %k, %v {scale = 0x7FF0000000000000 : f64}
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c12_softcap_zero(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects softcap to be between 1e-30 and 1e30, but got 0}}
  %out = attn.attention %q, %k, %v {softcap = 0.0 : f64}
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c12_softcap_nan(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects softcap to be between 1e-30 and 1e30, but got}}
  %out = attn.attention %q, %k, %v {softcap = 0x7FF8000000000000 : f64}
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c13_bias_type(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<16x16xf64>) {
  // expected-error@+1 {{'attn.attention' op expects bias to have element type 'f32' or 'f32', but got 'f64'}}
  %out = attn.attention %q, %k, %v bias(%x : tensor<16x16xf64>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c13_bias_query_axis(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<2x16xf32>) {
  // expected-error@+1 {{'attn.attention' op expects axis 0 (i) of bias to be 1 or 16, but got 2}}
  %out = attn.attention %q, %k, %v bias(%x : tensor<2x16xf32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c13_bias_key_axis_does_not_broadcast(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<16x1xf32>) {
  // expected-error@+1 {{'attn.attention' op expects axis 1 (j) of bias to be 16, but got 1}}
  %out = attn.attention %q, %k, %v bias(%x : tensor<16x1xf32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c13_bias_rank(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<1x1x1x16x16xf32>) {
  // expected-error@+1 {{'attn.attention' op expects bias to have rank 1 to 4, but got rank 5}}
  %out = attn.attention %q, %k, %v bias(%x : tensor<1x1x1x16x16xf32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c14_mask_type(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<16x16xf32>) {
  // expected-error@+1 {{'attn.attention' op expects mask_tensor to have element type 'i1' (true = attend), but got 'f32'; a float mask is a bias}}
  %out = attn.attention %q, %k, %v mask_tensor(%x : tensor<16x16xf32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c14_mask_head_axis(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<2x2x16x16xi1>) {
  // expected-error@+1 {{'attn.attention' op expects axis 1 (hq) of mask_tensor to be 1 or 8, but got 2}}
  %out = attn.attention %q, %k, %v mask_tensor(%x : tensor<2x2x16x16xi1>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c14_mask_wider_than_keys(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<16x17xi1>) {
  // expected-error@+1 {{'attn.attention' op expects axis 1 (j) of mask_tensor to be 16, but got 17}}
  %out = attn.attention %q, %k, %v mask_tensor(%x : tensor<16x17xi1>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c15_lengths_per_batch(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<3xi32>) {
  // expected-error@+1 {{'attn.attention' op expects axis 0 (b) of kv_lengths to be 2, but got 3}}
  %out = attn.attention %q, %k, %v kv_lengths(%x : tensor<3xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c15_lengths_type(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<2xi64>) {
  // expected-error@+1 {{'attn.attention' op expects q_lengths to have element type 'i32', but got 'i64'}}
  %out = attn.attention %q, %k, %v q_lengths(%x : tensor<2xi64>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c16_positions_of_queries_alone(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<2x16xi32>) {
  // expected-error@+1 {{'attn.attention' op expects q_positions and kv_positions together, but got only q_positions}}
  %out = attn.attention %q, %k, %v q_positions(%x : tensor<2x16xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c16_positions_shape(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<1x16xi32>, %y: tensor<1x15xi32>) {
  // expected-error@+1 {{'attn.attention' op expects axis 1 (j) of kv_positions to be 16, but got 15}}
  %out = attn.attention %q, %k, %v q_positions(%x : tensor<1x16xi32>) kv_positions(%y : tensor<1x15xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c17_positions_and_alignment(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<1x16xi32>) {
  // expected-error@+1 {{'attn.attention' op expects no align with given positions, but got align top_left}}
  %out = attn.attention %q, %k, %v align top_left q_positions(%x : tensor<1x16xi32>) kv_positions(%x : tensor<1x16xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c18_causal_over_unequal_lengths(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x24x64xf32>, %v: tensor<2x2x24x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects align top_left or align bottom_right when query and key lengths differ, but got neither for lengths 16 and 24}}
  %out = attn.attention %q, %k, %v mask <causal>
      : tensor<2x8x16x64xf32>, tensor<2x2x24x64xf32>, tensor<2x2x24x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c18_causal_with_lengths(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<2xi32>) {
  // expected-error@+1 {{'attn.attention' op expects align top_left or align bottom_right when positions are compared and lengths are given, but got neither}}
  %out = attn.attention %q, %k, %v mask <causal> kv_lengths(%x : tensor<2xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c18_causal_within_documents(%q: tensor<1x2x16x64xf32>, %cu: tensor<3xi32>) {
  // expected-error@+1 {{'attn.attention' op expects align top_left or align bottom_right when positions are compared within documents, but got neither}}
  %out = attn.attention %q, %q, %q mask <and(document, causal)> cu_q(%cu : tensor<3xi32>) cu_kv(%cu : tensor<3xi32>)
      : tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32> -> tensor<1x2x16x64xf32>
  return
}

// -----

func.func @attention_c18_band_inside_or(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x24x64xf32>, %v: tensor<2x2x24x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects align top_left or align bottom_right when query and key lengths differ, but got neither for lengths 16 and 24}}
  %out = attn.attention %q, %k, %v mask <or(prefix<4>, band<3, 0>)>
      : tensor<2x8x16x64xf32>, tensor<2x2x24x64xf32>, tensor<2x2x24x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c18_region_reads_query_position(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x24x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects align top_left or align bottom_right when query and key lengths differ, but got neither for lengths 16 and 24}}
  %out = attn.attention %q, %k, %k
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %p = arith.cmpi sle, %j, %i : i32
        attn.yield %p : i1
      } : tensor<2x8x16x64xf32>, tensor<2x2x24x64xf32>, tensor<2x2x24x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c19_document_without_operands(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects q_segments and kv_segments, or cu_q and cu_kv, with a document mask, but got none}}
  %out = attn.attention %q, %k, %v mask <document>
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c19_half_of_the_segments(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<2x16xi32>) {
  // expected-error@+1 {{'attn.attention' op expects q_segments and kv_segments together, but got only kv_segments}}
  %out = attn.attention %q, %k, %v mask <document> kv_segments(%x : tensor<2x16xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c19_half_of_the_cumulative_lengths(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<3xi32>) {
  // expected-error@+1 {{'attn.attention' op expects cu_q and cu_kv together, but got only cu_q}}
  %out = attn.attention %q, %k, %v mask <document> cu_q(%x : tensor<3xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c19_both_forms(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<2x16xi32>, %y: tensor<3xi32>) {
  // expected-error@+1 {{'attn.attention' op expects segments or cumulative lengths, but got both}}
  %out = attn.attention %q, %k, %v mask <document> q_segments(%x : tensor<2x16xi32>) kv_segments(%x : tensor<2x16xi32>) cu_q(%y : tensor<3xi32>) cu_kv(%y : tensor<3xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c20_segments_without_document(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<2x16xi32>) {
  // expected-error@+1 {{'attn.attention' op expects mask to hold document when q_segments is given, but got no mask}}
  %out = attn.attention %q, %k, %v q_segments(%x : tensor<2x16xi32>) kv_segments(%x : tensor<2x16xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c20_cumulative_lengths_without_document(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %y: tensor<3xi32>) {
  // expected-error@+1 {{'attn.attention' op expects mask to hold document when cu_q is given, but got a mask without it}}
  %out = attn.attention %q, %k, %v mask <prefix<3>> cu_q(%y : tensor<3xi32>) cu_kv(%y : tensor<3xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c21_segments_shape(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<2x17xi32>) {
  // expected-error@+1 {{'attn.attention' op expects axis 1 (i) of q_segments to be 16, but got 17}}
  %out = attn.attention %q, %k, %v mask <document> q_segments(%x : tensor<2x17xi32>) kv_segments(%x : tensor<2x17xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c21_segments_rank(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<16xi32>) {
  // expected-error@+1 {{'attn.attention' op expects q_segments to have rank 2, but got rank 1}}
  %out = attn.attention %q, %k, %v mask <document> q_segments(%x : tensor<16xi32>) kv_segments(%x : tensor<16xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c22_different_document_counts(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<3xi32>, %y: tensor<4xi32>) {
  // expected-error@+1 {{'attn.attention' op expects cu_q and cu_kv to have the same size, but got 3 and 4}}
  %out = attn.attention %q, %k, %v mask <document> cu_q(%x : tensor<3xi32>) cu_kv(%y : tensor<4xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c22_no_entry(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<0xi32>) {
  // expected-error@+1 {{'attn.attention' op expects cu_q to have at least one entry, but got 0}}
  %out = attn.attention %q, %k, %v mask <document> cu_q(%x : tensor<0xi32>) cu_kv(%x : tensor<0xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c23_prefix_without_lengths(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects prefix_lengths and a prefix without a constant together, but got only the prefix}}
  %out = attn.attention %q, %k, %v mask <prefix>
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c23_lengths_without_prefix(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<2xi32>) {
  // expected-error@+1 {{'attn.attention' op expects prefix_lengths and a prefix without a constant together, but got only prefix_lengths}}
  %out = attn.attention %q, %k, %v mask <prefix<3>> prefix_lengths(%x : tensor<2xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c23_prefix_lengths_shape(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<2x1xi32>) {
  // expected-error@+1 {{'attn.attention' op expects prefix_lengths to have rank 1, but got rank 2}}
  %out = attn.attention %q, %k, %v mask <prefix> prefix_lengths(%x : tensor<2x1xi32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c24_page_table_without_size(%q: tensor<2x8x16x64xf32>, %k: tensor<100x2x16x64xf32>, %v: tensor<100x2x16x64xf32>, %t: tensor<2x1x4xi32>) {
  // expected-error@+1 {{'attn.attention' op expects page_table and page_size together, but got only page_table}}
  %out = attn.attention %q, %k, %v page_table(%t : tensor<2x1x4xi32>)
      : tensor<2x8x16x64xf32>, tensor<100x2x16x64xf32>, tensor<100x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c24_page_size_without_table(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects page_table and page_size together, but got only page_size}}
  %out = attn.attention %q, %k, %v {page_size = 16 : i64}
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c25_page_size_24(%q: tensor<2x8x16x64xf32>, %k: tensor<100x2x24x64xf32>, %v: tensor<100x2x24x64xf32>, %t: tensor<2x1x4xi32>) {
  // expected-error@+1 {{'attn.attention' op expects page_size to be a power of two between 8 and 256, but got 24}}
  %out = attn.attention %q, %k, %v page_table(%t : tensor<2x1x4xi32>) {page_size = 24 : i64}
      : tensor<2x8x16x64xf32>, tensor<100x2x24x64xf32>, tensor<100x2x24x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c25_page_size_4(%q: tensor<2x8x16x64xf32>, %k: tensor<100x2x4x64xf32>, %v: tensor<100x2x4x64xf32>, %t: tensor<2x1x4xi32>) {
  // expected-error@+1 {{'attn.attention' op expects page_size to be a power of two between 8 and 256, but got 4}}
  %out = attn.attention %q, %k, %v page_table(%t : tensor<2x1x4xi32>) {page_size = 4 : i64}
      : tensor<2x8x16x64xf32>, tensor<100x2x4x64xf32>, tensor<100x2x4x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c25_page_size_512(%q: tensor<2x8x16x64xf32>, %k: tensor<100x2x512x64xf32>, %v: tensor<100x2x512x64xf32>, %t: tensor<2x1x4xi32>) {
  // expected-error@+1 {{'attn.attention' op expects page_size to be a power of two between 8 and 256, but got 512}}
  %out = attn.attention %q, %k, %v page_table(%t : tensor<2x1x4xi32>) {page_size = 512 : i64}
      : tensor<2x8x16x64xf32>, tensor<100x2x512x64xf32>, tensor<100x2x512x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c25_page_axis(%q: tensor<2x8x16x64xf32>, %k: tensor<100x2x16x64xf32>, %v: tensor<100x2x16x64xf32>, %t: tensor<2x1x4xi32>) {
  // expected-error@+1 {{'attn.attention' op expects the page axis of k to be page_size 32, but got 16}}
  %out = attn.attention %q, %k, %v page_table(%t : tensor<2x1x4xi32>) {page_size = 32 : i64}
      : tensor<2x8x16x64xf32>, tensor<100x2x16x64xf32>, tensor<100x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c26_table_rank(%q: tensor<2x8x16x64xf32>, %k: tensor<100x2x16x64xf32>, %v: tensor<100x2x16x64xf32>, %t: tensor<2x4xi32>) {
  // expected-error@+1 {{'attn.attention' op expects page_table to have rank 3, but got rank 2}}
  %out = attn.attention %q, %k, %v page_table(%t : tensor<2x4xi32>) {page_size = 16 : i64}
      : tensor<2x8x16x64xf32>, tensor<100x2x16x64xf32>, tensor<100x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c26_table_batch(%q: tensor<2x8x16x64xf32>, %k: tensor<100x2x16x64xf32>, %v: tensor<100x2x16x64xf32>, %t: tensor<1x1x4xi32>) {
  // expected-error@+1 {{'attn.attention' op expects axis 0 (b) of page_table to be 2, but got 1}}
  %out = attn.attention %q, %k, %v page_table(%t : tensor<1x1x4xi32>) {page_size = 16 : i64}
      : tensor<2x8x16x64xf32>, tensor<100x2x16x64xf32>, tensor<100x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c26_table_heads(%q: tensor<2x8x16x64xf32>, %k: tensor<100x2x16x64xf32>, %v: tensor<100x2x16x64xf32>, %t: tensor<2x8x4xi32>) {
  // expected-error@+1 {{'attn.attention' op expects axis 1 (hkv) of page_table to be 1 or 2, but got 8}}
  %out = attn.attention %q, %k, %v page_table(%t : tensor<2x8x4xi32>) {page_size = 16 : i64}
      : tensor<2x8x16x64xf32>, tensor<100x2x16x64xf32>, tensor<100x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c27_half_log_weight(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<1x1x16xbf16>) {
  // expected-error@+1 {{'attn.attention' op expects log_weight to have element type 'f32', but got 'bf16'}}
  %out = attn.attention %q, %k, %v log_weight(%x : tensor<1x1x16xbf16>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c27_log_weight_per_query_head(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<1x8x16xf32>) {
  // expected-error@+1 {{'attn.attention' op expects axis 1 (hkv) of log_weight to be 1 or 2, but got 8}}
  %out = attn.attention %q, %k, %v log_weight(%x : tensor<1x8x16xf32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c28_sinks_per_key_value_head(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<2xf32>) {
  // expected-error@+1 {{'attn.attention' op expects axis 0 (hq) of sinks to be 8, but got 2}}
  %out = attn.attention %q, %k, %v sinks(%x : tensor<2xf32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c28_sinks_type(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<8xf16>) {
  // expected-error@+1 {{'attn.attention' op expects sinks to have element type 'f32', but got 'f16'}}
  %out = attn.attention %q, %k, %v sinks(%x : tensor<8xf16>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c29_score_missing(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects score_mod to take (score, b, h, i, j) as ('f32', 'i32', 'i32', 'i32', 'i32'), but got ('i32', 'i32', 'i32', 'i32')}}
  %out = attn.attention %q, %k, %k
      score_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %c = arith.constant 0.0 : f32
        attn.yield %c : f32
      } : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c29_score_of_double_inputs_is_f64(%q: tensor<2x8x16x64xf64>, %k: tensor<2x2x16x64xf64>) {
  // expected-error@+1 {{'attn.attention' op expects score_mod to take (score, b, h, i, j) as ('f64', 'i32', 'i32', 'i32', 'i32'), but got ('f32', 'i32', 'i32', 'i32', 'i32')}}
  %out = attn.attention %q, %k, %k
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        attn.yield %s : f32
      } : tensor<2x8x16x64xf64>, tensor<2x2x16x64xf64>, tensor<2x2x16x64xf64> -> tensor<2x8x16x64xf64>
  return
}

// -----

func.func @attention_c29_capture_missing_from_arguments(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %c: tensor<8xf32>) {
  // expected-error@+1 {{'attn.attention' op expects score_mod to take (score, b, h, i, j, captures...) as ('f32', 'i32', 'i32', 'i32', 'i32', 'tensor<8xf32>'), but got ('f32', 'i32', 'i32', 'i32', 'i32')}}
  %out = attn.attention %q, %k, %k captures(%c : tensor<8xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        attn.yield %s : f32
      } : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c30_mask_with_score(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects mask_mod to take (b, h, i, j) as ('i32', 'i32', 'i32', 'i32'), but got ('f32', 'i32', 'i32', 'i32', 'i32')}}
  %out = attn.attention %q, %k, %k
      mask_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %p = arith.cmpi sle, %j, %i : i32
        attn.yield %p : i1
      } : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c31_region_with_side_effect(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>) {
  %out = attn.attention %q, %k, %k
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        // expected-error@+1 {{'vector.print' op is not allowed in score_mod: expects scalar arith and math ops, attn.load and attn.yield, but got 'vector.print'}}
        vector.print %s : f32
        attn.yield %s : f32
      } : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c31_region_with_a_loop(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>) {
  %out = attn.attention %q, %k, %k
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %p = arith.cmpi sle, %j, %i : i32
        // expected-error@+1 {{'scf.if' op is not allowed in mask_mod}}
        %r = scf.if %p -> i1 {
          scf.yield %p : i1
        } else {
          scf.yield %p : i1
        }
        attn.yield %r : i1
      } : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c32_captures_without_region(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>, %x: tensor<8xf32>) {
  // expected-error@+1 {{'attn.attention' op expects captures to come with score_mod, mask_mod or prob_mod, but got 1 captures and no region}}
  %out = attn.attention %q, %k, %v captures(%x : tensor<8xf32>)
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c32_capture_type(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %c: tensor<8xi7>) {
  // expected-error@+1 {{'attn.attention' op expects captures to have element type f64, f32, f16, bf16, i64, i32, i8 or i1, but got 'i7'}}
  %out = attn.attention %q, %k, %k captures(%c : tensor<8xi7>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %c0: tensor<8xi7>):
        attn.yield %s : f32
      } : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c33_query_bytes_overflow(%q: tensor<4611686018427387904x8x16x64xf32>, %k: tensor<4611686018427387904x2x16x64xf32>, %v: tensor<4611686018427387904x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects the byte size of q to fit 63 bits, but got shape [4611686018427387904, 8, 16, 64]}}
  %out = attn.attention %q, %k, %v
      : tensor<4611686018427387904x8x16x64xf32>, tensor<4611686018427387904x2x16x64xf32>, tensor<4611686018427387904x2x16x64xf32> -> tensor<4611686018427387904x8x16x64xf32>
  return
}

// -----

func.func @attention_c33_dynamic_axes_do_not_hide_it(%q: tensor<?x3037000500x16x64xf32>, %k: tensor<?x3037000500x3037000500x64xf32>, %v: tensor<?x3037000500x3037000500x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects the byte size of k to fit 63 bits, but got shape [?, 3037000500, 3037000500, 64]}}
  %out = attn.attention %q, %k, %v
      : tensor<?x3037000500x16x64xf32>, tensor<?x3037000500x3037000500x64xf32>, tensor<?x3037000500x3037000500x64xf32> -> tensor<?x3037000500x16x64xf32>
  return
}

// -----

func.func @attention_c33_capture_bytes_overflow(%q: tensor<1x2x1x64xf32>, %c: tensor<4611686018427387904xf32>) {
  // expected-error@+1 {{'attn.attention' op expects the byte size of every operand to fit 63 bits, but got shape [4611686018427387904]}}
  %out = attn.attention %q, %q, %q captures(%c : tensor<4611686018427387904xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %t: tensor<4611686018427387904xf32>):
        attn.yield %s : f32
      } : tensor<1x2x1x64xf32>, tensor<1x2x1x64xf32>, tensor<1x2x1x64xf32> -> tensor<1x2x1x64xf32>
  return
}

// -----

func.func @attention_c34_too_many_keys(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x2147483648x64xf32>, %v: tensor<2x2x2147483648x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects the sequence of k to be at most 2147483647 long, but got 2147483648}}
  %out = attn.attention %q, %k, %v
      : tensor<2x8x16x64xf32>, tensor<2x2x2147483648x64xf32>, tensor<2x2x2147483648x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c34_too_many_queries(%q: tensor<1x1x2147483648x1xf32>, %k: tensor<1x1x16x1xf32>, %v: tensor<1x1x16x1xf32>) {
  // expected-error@+1 {{'attn.attention' op expects the sequence of q to be at most 2147483647 long, but got 2147483648}}
  %out = attn.attention %q, %k, %v
      : tensor<1x1x2147483648x1xf32>, tensor<1x1x16x1xf32>, tensor<1x1x16x1xf32> -> tensor<1x1x2147483648x1xf32>
  return
}

// -----

func.func @attention_c34_too_many_pages(%q: tensor<1x2x1x64xf32>, %k: tensor<9x2x16x64xf32>, %t: tensor<1x1x134217728xi32>) {
  // expected-error@+1 {{'attn.attention' op expects page_table to hold at most 134217727 pages of 16 slots, but got 134217728}}
  %out = attn.attention %q, %k, %k page_table(%t : tensor<1x1x134217728xi32>) {page_size = 16 : i64}
      : tensor<1x2x1x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32> -> tensor<1x2x1x64xf32>
  return
}

// -----

func.func @attention_c35_no_lanes(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{expects lanes of the schedule to lie between 1 and 64, but got 0}}
  %out = attn.attention %q, %k, %v {schedule = #attn.schedule<isa = "avx2", lanes = 0, q_vectors = 1, strips = 4, key_rows = 4, kv_tile = 64, few_rows = 4, split_keys = 512>}
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c35_tile_is_no_multiple_of_lanes(%q: tensor<1x2x16x64xf32>) {
  %out = attn.attention %q, %q, %q
      // expected-error@+1 {{expects kv_tile of the schedule to be a multiple of lanes, but got 60 and 8}}
      {schedule = #attn.schedule<isa = "avx2", lanes = 8, q_vectors = 1, strips = 4, key_rows = 4, kv_tile = 60, few_rows = 4, split_keys = 512>}
      : tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32> -> tensor<1x2x16x64xf32>
  return
}

// -----

func.func @attention_c35_tile_is_no_multiple(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %v: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{expects kv_tile of the schedule to be a multiple of key_rows, but got 63 and 4}}
  %out = attn.attention %q, %k, %v {schedule = #attn.schedule<isa = "avx2", lanes = 1, q_vectors = 1, strips = 4, key_rows = 4, kv_tile = 63, few_rows = 4, split_keys = 512>}
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @yield_c1_score_of_another_type(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects score_mod to yield one 'f32', but got ('i32')}}
  %out = attn.attention %q, %k, %k
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        attn.yield %i : i32
      } : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @yield_c1_two_values(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects mask_mod to yield one 'i1', but got ('i1', 'i1')}}
  %out = attn.attention %q, %k, %k
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %p = arith.cmpi sle, %j, %i : i32
        attn.yield %p, %p : i1, i1
      } : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c36_kind_without_a_result(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects a result scores and its kind together, but got only the kind}}
  %out = attn.attention %q, %k, %k
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32> scores weight
  return
}

// -----

func.func @attention_c36_result_without_a_kind(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects a result scores and its kind together, but got only the result}}
  %out, %s = attn.attention %q, %k, %k
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32> : tensor<2x8x16x16xf32>
  return
}

// -----

func.func @attention_c37_key_heads(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x9x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects scores to be [2, 8, 16, 9] of 'f32', but got [2, 2, 16, 9] of 'f32'}}
  %out, %s = attn.attention %q, %k, %k
      : tensor<2x8x16x64xf32>, tensor<2x2x9x64xf32>, tensor<2x2x9x64xf32> -> tensor<2x8x16x64xf32> scores score : tensor<2x2x16x9xf32>
  return
}

// -----

func.func @attention_c37_type(%q: tensor<2x8x16x64xbf16>, %k: tensor<2x2x9x64xbf16>) {
  // expected-error@+1 {{'attn.attention' op expects scores to be [2, 8, 16, 9] of 'bf16', but got [2, 8, 16, 9] of 'f32'}}
  %out, %s = attn.attention %q, %k, %k
      : tensor<2x8x16x64xbf16>, tensor<2x2x9x64xbf16>, tensor<2x2x9x64xbf16> -> tensor<2x8x16x64xbf16> scores score : tensor<2x8x16x9xf32>
  return
}

// -----

func.func @attention_c38_no_indices(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects prob_mod to take (weight, b, h, i, j) as ('f32', 'i32', 'i32', 'i32', 'i32'), but got ('f32')}}
  %out = attn.attention %q, %k, %k
      prob_mod {
      ^bb0(%p: f32):
        attn.yield %p : f32
      } : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c38_weight_of_f64(%q: tensor<2x8x16x64xf64>, %k: tensor<2x2x16x64xf64>) {
  // expected-error@+1 {{'attn.attention' op expects prob_mod to take (weight, b, h, i, j) as ('f64', 'i32', 'i32', 'i32', 'i32'), but got ('f32', 'i32', 'i32', 'i32', 'i32')}}
  %out = attn.attention %q, %k, %k
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        attn.yield %p : f32
      } : tensor<2x8x16x64xf64>, tensor<2x2x16x64xf64>, tensor<2x2x16x64xf64> -> tensor<2x8x16x64xf64>
  return
}

// -----

func.func @attention_c39_segments(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %s: tensor<1x16xi32>) {
  // expected-error@+1 {{'attn.attention' op expects documents as cu_q and cu_kv with batch_invariant, but got q_segments: where a segment's keys lie follows from the others}}
  %out = attn.attention %q, %k, %k mask <document>
      q_segments(%s : tensor<1x16xi32>) kv_segments(%s : tensor<1x16xi32>) {batch_invariant}
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c39_other_documents(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x16x64xf32>, %cu: tensor<?xi32>) {
  // expected-error@+1 {{'attn.attention' op expects `document` as the mask or a part of its `and` with batch_invariant, but got}}
  %out = attn.attention %q, %k, %k mask <or(document, prefix<2>)> align top_left
      cu_q(%cu : tensor<?xi32>) cu_kv(%cu : tensor<?xi32>) {batch_invariant}
      : tensor<2x8x16x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x8x16x64xf32>
  return
}

// -----

func.func @attention_c39_scores(%q: tensor<2x8x16x64xf32>, %k: tensor<2x2x9x64xf32>) {
  // expected-error@+1 {{'attn.attention' op expects neither scores nor prob_mod with batch_invariant, but got scores}}
  %out, %s = attn.attention %q, %k, %k {batch_invariant}
      : tensor<2x8x16x64xf32>, tensor<2x2x9x64xf32>, tensor<2x2x9x64xf32> -> tensor<2x8x16x64xf32> scores score : tensor<2x8x16x9xf32>
  return
}
