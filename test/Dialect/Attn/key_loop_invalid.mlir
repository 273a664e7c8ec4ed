// RUN: attn-opt %s --split-input-file --verify-diagnostics

// One function per label of docs/Spec.md, named after it.

func.func @key_loop_c1_role_without_operand(%q: memref<1x1x4x8xf32>) {
  // expected-error@+1 {{'attn.key_loop' op expects one role per aux operand, but got 1 roles and 0 operands}}
  attn.key_loop ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      aux ["bias"] outs(%q : memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      } {scale = 1.0 : f64}
  return
}

// -----

func.func @key_loop_c2_three_outs(%q: memref<1x1x4x8xf32>) {
  // expected-error@+1 {{'attn.key_loop' op expects out, or out and lse, or with a kind of scores out, lse and scores, but got 3 outs}}
  attn.key_loop ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      aux [] outs(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      } {scale = 1.0 : f64}
  return
}

// -----

func.func @key_loop_c2_kind_and_two_outs(%q: memref<1x1x4x8xf32>) {
  // expected-error@+1 {{but got 2 outs and a kind}}
  attn.key_loop ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      aux [] outs(%q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      } scores weight {scale = 1.0 : f64}
  return
}

// -----

func.func @key_loop_c3_range_arguments(%q: memref<1x1x4x8xf32>) {
  // expected-error@+1 {{'attn.key_loop' op expects range to take ('index', 'index', 'index', 'index', 'index', 'index', 'index'), but got ('index', 'index')}}
  attn.key_loop ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      aux [] outs(%q : memref<1x1x4x8xf32>)
      range {
      ^bb0(%sq: index, %sk: index):
        attn.yield %sq, %sq, %sk, %sk : index, index, index, index
      } {scale = 1.0 : f64}
  return
}

// -----

func.func @key_loop_c3_range_yields_an_interval_only(%q: memref<1x1x4x8xf32>) {
  // expected-error@+1 {{'attn.key_loop' op expects range to yield begin, full_begin, full_end and end as index}}
  attn.key_loop ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      aux [] outs(%q : memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %sk : index, index
      } {scale = 1.0 : f64}
  return
}

// -----

func.func @key_loop_c3_range_is_empty(%q: memref<1x1x4x8xf32>) {
  // expected-error@+1 {{empty block: expect at least a terminator}}
  attn.key_loop ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      aux [] outs(%q : memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
      } {scale = 1.0 : f64}
  return
}

// -----

func.func @key_loop_c3_visible_arguments(%q: memref<1x1x4x8xf32>) {
  // expected-error@+1 {{'attn.key_loop' op expects visible to take (b, h, g, i, j, Sq, Sk) as}}
  attn.key_loop ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      aux [] outs(%q : memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      }
      visible {
      ^bb0(%i: i32, %j: i32):
        %p = arith.cmpi sle, %j, %i : i32
        attn.yield %p : i1
      } {scale = 1.0 : f64}
  return
}

// -----

func.func @key_loop_c3_score_yields_a_flag(%q: memref<1x1x4x8xf32>) {
  // expected-error@+1 {{'attn.key_loop' op expects score to yield one 'f32', but got ('i1')}}
  attn.key_loop ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      aux [] outs(%q : memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      }
      score {
      ^bb0(%s: f32, %b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        %p = arith.cmpi sle, %j, %i : i32
        attn.yield %p : i1
      } {scale = 1.0 : f64}
  return
}

// -----

func.func @key_loop_c4_table_of_flags(%q: memref<1x1x4x8xf32>, %t: memref<1x1x1x1xi1>) {
  // expected-error@+1 {{'attn.key_loop' op expects a block table of rank 4 and of i8, but got 'memref<1x1x1x1xi1>'}}
  attn.key_loop ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      block_table(%t : memref<1x1x1x1xi1>) aux [] outs(%q : memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %sk, %sk : index, index, index, index
      } {scale = 1.0 : f64}
  return
}
