// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s
// RUN: attn-opt %s --cse | FileCheck %s --check-prefix=CSE

// On buffers it writes its out.
// CHECK-LABEL: func.func @on_buffers
// CHECK: attn.block_table sizes(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) aux ["mask_tensor"](%{{.*}} : memref<?x?xi1>)
// CHECK-SAME: outs(%{{.*}} : memref<1x1x?x?xi8>) range {
// CHECK: attn.yield %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : index, index, index, index
// CHECK: } visible {
// CHECK: attn.yield %{{.*}} : i1
// CHECK: } {key_block = 128 : i64, query_block = 48 : i64}
// CHECK-NOT: ->
func.func @on_buffers(%n: index, %m: memref<?x?xi1>, %out: memref<1x1x?x?xi8>) {
  attn.block_table sizes(%n, %n, %n, %n, %n) aux ["mask_tensor"](%m : memref<?x?xi1>) outs(%out : memref<1x1x?x?xi8>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index, %t: memref<?x?xi1>):
        %zero = arith.constant 0 : index
        attn.yield %zero, %zero, %zero, %sk : index, index, index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32, %t: memref<?x?xi1>):
        %p = attn.load %t[%i, %j] : memref<?x?xi1>
        attn.yield %p : i1
      } {query_block = 48 : i64, key_block = 128 : i64}
  return
}

// On tensors it is pure: the same mask is looked at once.
// CHECK-LABEL: func.func @on_tensors
// CHECK-COUNT-2: attn.block_table
// CHECK: -> tensor<1x1x?x?xi8>
// CSE-LABEL: func.func @on_tensors
// CSE: %[[T:.*]] = attn.block_table
// CSE-NOT: attn.block_table
// CSE: return %[[T]], %[[T]]
func.func @on_tensors(%n: index, %out: tensor<1x1x?x?xi8>) -> (tensor<1x1x?x?xi8>, tensor<1x1x?x?xi8>) {
  %x = attn.block_table sizes(%n, %n, %n, %n, %n) aux [] outs(%out : tensor<1x1x?x?xi8>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %i0, %sk : index, index, index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        %p = arith.cmpi ne, %i, %j : i32
        attn.yield %p : i1
      } {query_block = 48 : i64, key_block = 128 : i64} -> tensor<1x1x?x?xi8>
  %y = attn.block_table sizes(%n, %n, %n, %n, %n) aux [] outs(%out : tensor<1x1x?x?xi8>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %i0, %sk : index, index, index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        %p = arith.cmpi ne, %i, %j : i32
        attn.yield %p : i1
      } {query_block = 48 : i64, key_block = 128 : i64} -> tensor<1x1x?x?xi8>
  return %x, %y : tensor<1x1x?x?xi8>, tensor<1x1x?x?xi8>
}

// Another predicate is another table.
// CSE-LABEL: func.func @not_the_same
// CSE-COUNT-2: attn.block_table
func.func @not_the_same(%n: index, %out: tensor<1x1x?x?xi8>) -> (tensor<1x1x?x?xi8>, tensor<1x1x?x?xi8>) {
  %x = attn.block_table sizes(%n, %n, %n, %n, %n) aux [] outs(%out : tensor<1x1x?x?xi8>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %i0, %sk : index, index, index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        %p = arith.cmpi ne, %i, %j : i32
        attn.yield %p : i1
      } {query_block = 48 : i64, key_block = 128 : i64} -> tensor<1x1x?x?xi8>
  %y = attn.block_table sizes(%n, %n, %n, %n, %n) aux [] outs(%out : tensor<1x1x?x?xi8>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        attn.yield %i0, %i0, %i0, %sk : index, index, index, index
      }
      visible {
      ^bb0(%b: i32, %h: i32, %g: i32, %i: i32, %j: i32, %sq: i32, %sk: i32):
        %p = arith.cmpi eq, %i, %j : i32
        attn.yield %p : i1
      } {query_block = 48 : i64, key_block = 128 : i64} -> tensor<1x1x?x?xi8>
  return %x, %y : tensor<1x1x?x?xi8>, tensor<1x1x?x?xi8>
}
