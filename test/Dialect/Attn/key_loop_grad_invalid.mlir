// RUN: attn-opt %s --split-input-file --verify-diagnostics

// One function per label of docs/Spec.md, named after it.

func.func @key_loop_grad_c1_role_without_operand(%q: memref<1x1x4x8xf32>, %lse: memref<1x1x4xf32>) {
  // expected-error@+1 {{'attn.key_loop_grad' op expects one role per aux operand, but got 1 roles and 0 operands}}
  attn.key_loop_grad ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>) state(%q, %lse, %q : memref<1x1x4x8xf32>, memref<1x1x4xf32>, memref<1x1x4x8xf32>)
      aux ["bias"] outs(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      } {scale = 1.0 : f64, aux_grads = array<i64>, scatters = array<i64>}
  return
}

// -----

func.func @key_loop_grad_c2_two_outs(%q: memref<1x1x4x8xf32>, %lse: memref<1x1x4xf32>) {
  // expected-error@+1 {{'attn.key_loop_grad' op expects 3 outs (dq, dk, dv and one per entry of aux_grads), but got 2}}
  attn.key_loop_grad ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>) state(%q, %lse, %q : memref<1x1x4x8xf32>, memref<1x1x4xf32>, memref<1x1x4x8xf32>)
      aux [] outs(%q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      } {scale = 1.0 : f64, aux_grads = array<i64>, scatters = array<i64>}
  return
}

// -----

func.func @key_loop_grad_c2_no_such_aux(%q: memref<1x1x4x8xf32>, %lse: memref<1x1x4xf32>) {
  // expected-error@+1 {{'attn.key_loop_grad' op expects aux_grads to list aux operands from 0 to -1 in rising order, but got 0}}
  attn.key_loop_grad ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>) state(%q, %lse, %q : memref<1x1x4x8xf32>, memref<1x1x4xf32>, memref<1x1x4x8xf32>)
      aux [] outs(%q, %q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      } {scale = 1.0 : f64, aux_grads = array<i64: 0>, scatters = array<i64>}
  return
}

// -----

func.func @key_loop_grad_c3_score_without_grad(%q: memref<1x1x4x8xf32>, %lse: memref<1x1x4xf32>) {
  // expected-error@+1 {{'attn.key_loop_grad' op expects score and score_grad together, but got only score}}
  attn.key_loop_grad ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>) state(%q, %lse, %q : memref<1x1x4x8xf32>, memref<1x1x4xf32>, memref<1x1x4x8xf32>)
      aux [] outs(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      }
      score {
      ^bb0(%s: f32, %b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        attn.yield %s : f32
      } {scale = 1.0 : f64, aux_grads = array<i64>, scatters = array<i64>}
  return
}

// -----

func.func @key_loop_grad_c2_scatter_of_another_operand(%q: memref<1x1x4x8xf32>, %lse: memref<1x1x4xf32>, %t: memref<4xf32>) {
  // expected-error@+1 {{'attn.key_loop_grad' op expects scatters to name entries of aux_grads, but got 1}}
  attn.key_loop_grad ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>) state(%q, %lse, %q : memref<1x1x4x8xf32>, memref<1x1x4xf32>, memref<1x1x4x8xf32>)
      aux ["capture0"] (%t : memref<4xf32>) outs(%q, %q, %q, %t : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<4xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index, %c: memref<4xf32>):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      } score {
      ^bb0(%s: f32, %b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32, %c: memref<4xf32>):
        attn.yield %s : f32
      } score_grad {
      ^bb0(%s: f32, %ds: f32, %b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32, %c: memref<4xf32>):
        attn.yield %ds : f32
      } {scale = 1.0 : f64, aux_grads = array<i64: 0>, scatters = array<i64: 1>}
  return
}

// -----

func.func @key_loop_grad_c3_no_gradient_by_the_score(%q: memref<1x1x4x8xf32>, %lse: memref<1x1x4xf32>, %t: memref<4xf32>) {
  // expected-error@+1 {{'attn.key_loop_grad' op expects score_grad to take ('f32', 'f32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'memref<4xf32>'), but got ('f32', 'memref<4xf32>')}}
  attn.key_loop_grad ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>) state(%q, %lse, %q : memref<1x1x4x8xf32>, memref<1x1x4xf32>, memref<1x1x4x8xf32>)
      aux ["capture0"] (%t : memref<4xf32>) outs(%q, %q, %q, %t : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<4xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index, %c: memref<4xf32>):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      } score {
      ^bb0(%s: f32, %b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32, %c: memref<4xf32>):
        attn.yield %s : f32
      } score_grad {
      ^bb0(%s: f32, %c: memref<4xf32>):
        attn.yield %s : f32
      } {scale = 1.0 : f64, aux_grads = array<i64: 0>, scatters = array<i64>}
  return
}

// -----

func.func @key_loop_grad_c3_scatter_without_index(%q: memref<1x1x4x8xf32>, %lse: memref<1x1x4xf32>, %t: memref<4xf32>) {
  // expected-error@+1 {{'attn.key_loop_grad' op expects score_grad to yield ('f32', 'f32', 'i32'), but got ('f32', 'f32')}}
  attn.key_loop_grad ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>) state(%q, %lse, %q : memref<1x1x4x8xf32>, memref<1x1x4xf32>, memref<1x1x4x8xf32>)
      aux ["capture0"] (%t : memref<4xf32>) outs(%q, %q, %q, %t : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<4xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index, %c: memref<4xf32>):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      } score {
      ^bb0(%s: f32, %b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32, %c: memref<4xf32>):
        attn.yield %s : f32
      } score_grad {
      ^bb0(%s: f32, %ds: f32, %b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32, %c: memref<4xf32>):
        attn.yield %ds, %ds : f32, f32
      } {scale = 1.0 : f64, aux_grads = array<i64: 0>, scatters = array<i64: 0>}
  return
}

// -----

func.func @key_loop_grad_c4_page_size_alone(%q: memref<1x1x4x8xf32>, %lse: memref<1x1x4xf32>) {
  // expected-error@+1 {{'attn.key_loop_grad' op expects page_table and page_size together, but got only page_size}}
  attn.key_loop_grad ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>) state(%q, %lse, %q : memref<1x1x4x8xf32>, memref<1x1x4xf32>, memref<1x1x4x8xf32>)
      aux [] outs(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      } {scale = 1.0 : f64, page_size = 8 : i64, aux_grads = array<i64>, scatters = array<i64>}
  return
}
