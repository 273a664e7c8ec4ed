// RUN: attn-opt %s --split-input-file --verify-diagnostics

// One function per label of docs/Spec.md, named after it.

func.func @block_table_c1_role_without_operand(%n: index, %out: memref<1x1x?x?xi8>) {
  // expected-error@+1 {{'attn.block_table' op expects one role per aux operand, but got 1 roles and 0 operands}}
  attn.block_table sizes(%n, %n, %n, %n, %n) aux ["mask_tensor"] outs(%out : memref<1x1x?x?xi8>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %i0, %sk : index, index, index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        %p = arith.cmpi ne, %i, %j : i32
        attn.yield %p : i1
      } {query_block = 48 : i64, key_block = 128 : i64}
  return
}

// -----

func.func @block_table_c2_out_has_two_axes(%n: index, %out: memref<?x?xi8>) {
  // expected-error@+1 {{'attn.block_table' op expects an out of rank 4 and of i8, but got 'memref<?x?xi8>'}}
  attn.block_table sizes(%n, %n, %n, %n, %n) aux [] outs(%out : memref<?x?xi8>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %i0, %sk : index, index, index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        %p = arith.cmpi ne, %i, %j : i32
        attn.yield %p : i1
      } {query_block = 48 : i64, key_block = 128 : i64}
  return
}

// -----

func.func @block_table_c2_out_of_flags(%n: index, %out: memref<1x1x?x?xi1>) {
  // expected-error@+1 {{'attn.block_table' op expects an out of rank 4 and of i8, but got 'memref<1x1x?x?xi1>'}}
  attn.block_table sizes(%n, %n, %n, %n, %n) aux [] outs(%out : memref<1x1x?x?xi1>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %i0, %sk : index, index, index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        %p = arith.cmpi ne, %i, %j : i32
        attn.yield %p : i1
      } {query_block = 48 : i64, key_block = 128 : i64}
  return
}

// -----

func.func @block_table_c3_no_queries_in_a_block(%n: index, %out: memref<1x1x?x?xi8>) {
  // expected-error@+1 {{'attn.block_table' op expects blocks of at least 1 query and 1 key, but got 0 and 128}}
  attn.block_table sizes(%n, %n, %n, %n, %n) aux [] outs(%out : memref<1x1x?x?xi8>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %i0, %sk : index, index, index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        %p = arith.cmpi ne, %i, %j : i32
        attn.yield %p : i1
      } {query_block = 0 : i64, key_block = 128 : i64}
  return
}

// -----

func.func @block_table_c3_no_keys_in_a_block(%n: index, %out: memref<1x1x?x?xi8>) {
  // expected-error@+1 {{'attn.block_table' op expects blocks of at least 1 query and 1 key, but got 48 and -1}}
  attn.block_table sizes(%n, %n, %n, %n, %n) aux [] outs(%out : memref<1x1x?x?xi8>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %i0, %sk : index, index, index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        %p = arith.cmpi ne, %i, %j : i32
        attn.yield %p : i1
      } {query_block = 48 : i64, key_block = -1 : i64}
  return
}

// -----

func.func @block_table_c4_range_arguments(%n: index, %out: memref<1x1x?x?xi8>) {
  // expected-error@+1 {{'attn.block_table' op expects range to take ('index', 'index', 'index', 'index', 'index', 'index', 'index'), but got ('index', 'index', 'index', 'index')}}
  attn.block_table sizes(%n, %n, %n, %n, %n) aux [] outs(%out : memref<1x1x?x?xi8>)
      range {
      ^bb0(%i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %i0, %sk : index, index, index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        %p = arith.cmpi ne, %i, %j : i32
        attn.yield %p : i1
      } {query_block = 48 : i64, key_block = 128 : i64}
  return
}

// -----

func.func @block_table_c4_range_yields_an_interval_only(%n: index, %out: memref<1x1x?x?xi8>) {
  // expected-error@+1 {{'attn.block_table' op expects range to yield begin, full_begin, full_end and end as index}}
  attn.block_table sizes(%n, %n, %n, %n, %n) aux [] outs(%out : memref<1x1x?x?xi8>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %sk : index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        %p = arith.cmpi ne, %i, %j : i32
        attn.yield %p : i1
      } {query_block = 48 : i64, key_block = 128 : i64}
  return
}

// -----

func.func @block_table_c4_visible_arguments(%n: index, %out: memref<1x1x?x?xi8>) {
  // expected-error@+1 {{'attn.block_table' op expects visible to take (b, h, g, i, j, Sq, Sk) as}}
  attn.block_table sizes(%n, %n, %n, %n, %n) aux [] outs(%out : memref<1x1x?x?xi8>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %i0, %sk : index, index, index, index
      }
      visible {
      ^bb0(%i: i32, %j: i32):
        %p = arith.cmpi ne, %i, %j : i32
        attn.yield %p : i1
      } {query_block = 48 : i64, key_block = 128 : i64}
  return
}

// -----

func.func @block_table_c4_visible_yields_a_number(%n: index, %out: memref<1x1x?x?xi8>) {
  // expected-error@+1 {{'attn.block_table' op expects visible to yield one 'i1', but got ('i32')}}
  attn.block_table sizes(%n, %n, %n, %n, %n) aux [] outs(%out : memref<1x1x?x?xi8>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %i0, %sk : index, index, index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        attn.yield %i : i32
      } {query_block = 48 : i64, key_block = 128 : i64}
  return
}
