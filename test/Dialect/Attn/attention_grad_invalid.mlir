// RUN: attn-opt %s --split-input-file --verify-diagnostics

// One function per label of docs/Spec.md, named after it.

func.func @attention_grad_c1_out_of_another_width(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x7xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x7xf32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects out to be [1, 2, 4, 8] of 'f32', but got [1, 2, 4, 7] of 'f32'}}
  %g:3 = attn.attention_grad %q, %k, %k
      out(%out : tensor<1x2x4x7xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x7xf32>)
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32>
  return
}

// -----

func.func @attention_grad_c1_dout_of_another_length(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x5x8xf32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects dout to have the type of out, 'tensor<1x2x4x8xf32>', but got 'tensor<1x2x5x8xf32>'}}
  %g:3 = attn.attention_grad %q, %k, %k
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x5x8xf32>)
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32>
  return
}

// -----

func.func @attention_grad_c1_dout_of_another_type(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf16>) {
  // expected-error@+1 {{'attn.attention_grad' op expects dout to have the type of out, 'tensor<1x2x4x8xf32>', but got 'tensor<1x2x4x8xf16>'}}
  %g:3 = attn.attention_grad %q, %k, %k
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf16>)
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32>
  return
}

// -----

func.func @attention_grad_c2_lse_of_kv_heads(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x1x4xf32>, %dout: tensor<1x2x4x8xf32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects lse to be [1, 2, 4] of 'f32', but got [1, 1, 4] of 'f32'}}
  %g:3 = attn.attention_grad %q, %k, %k
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x1x4xf32>) dout(%dout : tensor<1x2x4x8xf32>)
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32>
  return
}

// -----

func.func @attention_grad_c2_dlse_of_another_type(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf32>, %dlse: tensor<1x2x4xf64>) {
  // expected-error@+1 {{'attn.attention_grad' op expects dlse to have the type of lse, 'tensor<1x2x4xf32>', but got 'tensor<1x2x4xf64>'}}
  %g:3 = attn.attention_grad %q, %k, %k
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf32>) dlse(%dlse : tensor<1x2x4xf64>)
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32>
  return
}

// -----

func.func @attention_grad_c3_dq_of_another_type(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects dq to have the type of q, 'tensor<1x2x4x8xf32>', but got 'tensor<1x2x4x8xf16>'}}
  %g:3 = attn.attention_grad %q, %k, %k
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf32>)
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf16>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32>
  return
}

// -----

func.func @attention_grad_c3_slots_instead_of_pages(%q: tensor<1x2x4x8xf32>, %k: tensor<3x1x8x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf32>, %t: tensor<1x1x2xi32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects dk to have the type of k, 'tensor<3x1x8x8xf32>', but got 'tensor<1x1x16x8xf32>'}}
  %g:3 = attn.attention_grad %q, %k, %k
      page_table(%t : tensor<1x1x2xi32>)
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf32>)
      {page_size = 8 : i64} : tensor<1x2x4x8xf32>, tensor<3x1x8x8xf32>, tensor<3x1x8x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x16x8xf32>, tensor<1x1x16x8xf32>
  return
}

// -----

func.func @attention_grad_c4_invariant(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %lse: tensor<1x2x4xf32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects no batch_invariant, but got it: dk and dv are sums over rows; the attention itself may have it}}
  %g:3 = attn.attention_grad %q, %k, %k
      out(%q : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%q : tensor<1x2x4x8xf32>) {batch_invariant}
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32>
  return
}

// -----

func.func @attention_grad_c5_dbias_without_bias(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects dbias to come with bias, but got no bias}}
  %g:4 = attn.attention_grad %q, %k, %k
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf32>)
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> dbias(tensor<4x6xf32>)
  return
}

// -----

func.func @attention_grad_c5_dsinks_of_another_type(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf32>, %s: tensor<2xf32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects dsinks to have the type of sinks, 'tensor<2xf32>', but got 'tensor<2xf16>'}}
  %g:4 = attn.attention_grad %q, %k, %k
      sinks(%s : tensor<2xf32>)
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf32>)
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> dsinks(tensor<2xf16>)
  return
}

// -----

func.func @attention_grad_c5_dlog_weight_without_weight(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects dlog_weight to come with log_weight, but got no log_weight}}
  %g:4 = attn.attention_grad %q, %k, %k
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf32>)
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> dlog_weight(tensor<1x1x6xf32>)
  return
}

// -----

func.func @attention_grad_c6_integer_capture(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf32>, %t: tensor<2xi32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects capture 0 to have float elements to have a gradient, but got 'tensor<2xi32>'}}
  %g:4 = attn.attention_grad %q, %k, %k
      captures(%t : tensor<2xi32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<2xi32>):
        attn.yield %s : f32
      }
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf32>)
      {capture_grads = array<i64: 0>} : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> dcaptures(tensor<2xi32>)
  return
}

// -----

func.func @attention_grad_c6_no_such_capture(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf32>, %t: tensor<2xf32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects capture_grads to list captures from 0 to 0 in rising order, but got 1}}
  %g:4 = attn.attention_grad %q, %k, %k
      captures(%t : tensor<2xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<2xf32>):
        %x = attn.load %c[%h] : tensor<2xf32>
        %y = arith.addf %s, %x : f32
        attn.yield %y : f32
      }
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf32>)
      {capture_grads = array<i64: 1>} : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> dcaptures(tensor<2xf32>)
  return
}

// -----

func.func @attention_grad_c6_gradient_of_another_type(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf32>, %t: tensor<2xf32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects the gradient of capture 0 to be 'tensor<2xf32>', but got 'tensor<2xf16>'}}
  %g:4 = attn.attention_grad %q, %k, %k
      captures(%t : tensor<2xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<2xf32>):
        %x = attn.load %c[%h] : tensor<2xf32>
        %y = arith.addf %s, %x : f32
        attn.yield %y : f32
      }
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf32>)
      {capture_grads = array<i64: 0>} : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> dcaptures(tensor<2xf16>)
  return
}

// -----

func.func @attention_grad_c6_a_gradient_too_many(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf32>, %t: tensor<2xf32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects a dcapture per entry of capture_grads, but got 1 and 0}}
  %g:4 = attn.attention_grad %q, %k, %k
      captures(%t : tensor<2xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<2xf32>):
        %x = attn.load %c[%h] : tensor<2xf32>
        %y = arith.addf %s, %x : f32
        attn.yield %y : f32
      }
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf32>)
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> dcaptures(tensor<2xf32>)
  return
}

// -----

func.func @attention_grad_c6_read_by_the_mask_alone(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf32>, %t: tensor<2xf32>) {
  // expected-error@+1 {{'attn.attention_grad' op expects capture 0 to be read by score_mod to have a gradient, but got no score_mod}}
  %g:4 = attn.attention_grad %q, %k, %k
      captures(%t : tensor<2xf32>)
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<2xf32>):
        %y = arith.constant true
        attn.yield %y : i1
      }
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf32>)
      {capture_grads = array<i64: 0>} : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> dcaptures(tensor<2xf32>)
  return
}

// -----

func.func @attention_grad_c7_floor(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf32>) {
  %g:3 = attn.attention_grad %q, %k, %k
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        // expected-error@+1 {{'math.floor' op has no derivative: expects differentiable ops between what has a gradient and the result of score_mod, but got 'math.floor'}}
        %y = math.floor %s : f32
        attn.yield %y : f32
      }
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf32>)
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32>
  return
}

// -----

func.func @attention_grad_c7_index_made_of_the_score(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %out: tensor<1x2x4x8xf32>, %lse: tensor<1x2x4xf32>, %dout: tensor<1x2x4x8xf32>, %t: tensor<2xf32>) {
  %g:3 = attn.attention_grad %q, %k, %k
      captures(%t : tensor<2xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<2xf32>):
        // expected-error@+1 {{'arith.fptosi' op has no derivative}}
        %n = arith.fptosi %s : f32 to i32
        %y = attn.load %c[%n] : tensor<2xf32>
        attn.yield %y : f32
      }
      out(%out : tensor<1x2x4x8xf32>) lse(%lse : tensor<1x2x4xf32>) dout(%dout : tensor<1x2x4x8xf32>)
      : tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32>
  return
}
