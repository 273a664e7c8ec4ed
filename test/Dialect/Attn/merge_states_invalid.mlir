// RUN: attn-opt %s --split-input-file --verify-diagnostics

// One function per label of docs/Spec.md, named after it.

func.func @merge_states_c1_more_outs_than_lses(%o: tensor<2x4x8xf32>, %l: tensor<2x4xf32>) {
  // expected-error@+1 {{'attn.merge_states' op expects at least one out and as many lses as outs, but got 2 and 1}}
  %r:2 = attn.merge_states outs(%o, %o : tensor<2x4x8xf32>, tensor<2x4x8xf32>) lses(%l : tensor<2x4xf32>)
      -> tensor<2x4x8xf32>, tensor<2x4xf32>
  return
}

// -----

func.func @merge_states_c1_no_state() {
  // expected-error@+1 {{'attn.merge_states' op expects at least one out and as many lses as outs, but got 0 and 0}}
  %r:2 = "attn.merge_states"() {operandSegmentSizes = array<i32: 0, 0>} : () -> (tensor<2x4x8xf32>, tensor<2x4xf32>)
  return
}

// -----

func.func @merge_states_c2_integer_outs(%o: tensor<2x4x8xi32>, %l: tensor<2x4xf32>) {
  // expected-error@+1 {{'attn.merge_states' op expects outs of rank 1 or more with element type f64, f32, f16 or bf16, but got 'tensor<2x4x8xi32>'}}
  %r:2 = attn.merge_states outs(%o : tensor<2x4x8xi32>) lses(%l : tensor<2x4xf32>)
      -> tensor<2x4x8xi32>, tensor<2x4xf32>
  return
}

// -----

func.func @merge_states_c2_outs_differ(%o: tensor<2x4x8xf32>, %p: tensor<2x5x8xf32>, %l: tensor<2x4xf32>) {
  // expected-error@+1 {{'attn.merge_states' op expects every out to have type 'tensor<2x4x8xf32>', but got 'tensor<2x5x8xf32>'}}
  %r:2 = attn.merge_states outs(%o, %p : tensor<2x4x8xf32>, tensor<2x5x8xf32>)
      lses(%l, %l : tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4x8xf32>, tensor<2x4xf32>
  return
}

// -----

func.func @merge_states_c3_lse_shape(%o: tensor<2x4x8xf32>, %l: tensor<2x8xf32>) {
  // expected-error@+1 {{'attn.merge_states' op expects every lse to have shape [2, 4], but got [2, 8]}}
  %r:2 = attn.merge_states outs(%o : tensor<2x4x8xf32>) lses(%l : tensor<2x8xf32>)
      -> tensor<2x4x8xf32>, tensor<2x8xf32>
  return
}

// -----

func.func @merge_states_c4_lse_of_half_outs_is_f32(%o: tensor<2x4x8xbf16>, %l: tensor<2x4xbf16>) {
  // expected-error@+1 {{'attn.merge_states' op expects every lse to have element type 'f32', but got 'bf16'}}
  %r:2 = attn.merge_states outs(%o : tensor<2x4x8xbf16>) lses(%l : tensor<2x4xbf16>)
      -> tensor<2x4x8xbf16>, tensor<2x4xbf16>
  return
}

// -----

func.func @merge_states_c4_lse_of_double_outs_is_f64(%o: tensor<2x4x8xf64>, %l: tensor<2x4xf32>) {
  // expected-error@+1 {{'attn.merge_states' op expects every lse to have element type 'f64', but got 'f32'}}
  %r:2 = attn.merge_states outs(%o : tensor<2x4x8xf64>) lses(%l : tensor<2x4xf32>)
      -> tensor<2x4x8xf64>, tensor<2x4xf32>
  return
}

// -----

func.func @merge_states_c5_result_types(%o: tensor<2x4x8xbf16>, %l: tensor<2x4xf32>) {
  // expected-error@+1 {{'attn.merge_states' op expects results of types 'tensor<2x4x8xbf16>' and 'tensor<2x4xf32>', but got 'tensor<2x4x8xf32>' and 'tensor<2x4xf32>'}}
  %r:2 = attn.merge_states outs(%o : tensor<2x4x8xbf16>) lses(%l : tensor<2x4xf32>)
      -> tensor<2x4x8xf32>, tensor<2x4xf32>
  return
}
