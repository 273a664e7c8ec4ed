// RUN: attn-opt %s --split-input-file --verify-diagnostics

// One function per label of docs/Spec.md, named after it.

func.func @load_c1_outside_of_a_region(%t: tensor<8xf32>, %i: i32) -> f32 {
  // expected-error@+1 {{'attn.load' op expects to stand in a region of attn.attention, attn.attention_grad, attn.block_table, attn.key_loop or attn.key_loop_grad, but got 'func.func'}}
  %x = attn.load %t[%i] : tensor<8xf32>
  return %x : f32
}

// -----

func.func @load_c2_one_index_for_two_axes(%q: tensor<1x1x4x8xf32>, %t: tensor<4x4xf32>) {
  %out = attn.attention %q, %q, %q captures(%t : tensor<4x4xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<4x4xf32>):
        // expected-error@+1 {{'attn.load' op expects 2 indices, one per axis, but got 1}}
        %x = attn.load %c[%i] : tensor<4x4xf32>
        attn.yield %x : f32
      } : tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32> -> tensor<1x1x4x8xf32>
  return
}

// -----

func.func @load_c3_index_type(%q: tensor<1x1x4x8xf32>, %t: tensor<4xf32>) {
  %out = attn.attention %q, %q, %q captures(%t : tensor<4xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<4xf32>):
        %w = arith.extsi %i : i32 to i64
        // expected-error@+1 {{'attn.load' op operand #1 must be variadic of 32-bit signless integer, but got 'i64'}}
        %x = "attn.load"(%c, %w) : (tensor<4xf32>, i64) -> f32
        attn.yield %x : f32
      } : tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32> -> tensor<1x1x4x8xf32>
  return
}

// -----

func.func @load_c4_result_type(%q: tensor<1x1x4x8xf32>, %t: tensor<4xf32>) {
  %out = attn.attention %q, %q, %q captures(%t : tensor<4xf32>)
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32, %c: tensor<4xf32>):
        // expected-error@+1 {{'attn.load' op failed to verify that result is the tensor's element type}}
        %x = "attn.load"(%c, %i) : (tensor<4xf32>, i32) -> i1
        attn.yield %x : i1
      } : tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32> -> tensor<1x1x4x8xf32>
  return
}

// -----

func.func @load_c5_tensor_that_is_no_capture(%q: tensor<1x1x4x8xf32>) {
  %out = attn.attention %q, %q, %q
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %t = arith.constant dense<1.0> : tensor<4xf32>
        // expected-error@+1 {{'attn.load' op expects a captured tensor, but got another value}}
        %x = attn.load %t[%i] : tensor<4xf32>
        attn.yield %x : f32
      } : tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32> -> tensor<1x1x4x8xf32>
  return
}
