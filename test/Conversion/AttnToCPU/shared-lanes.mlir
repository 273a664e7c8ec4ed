// Few rows whose bits are their own: the heads of a group share the lanes, unless a head has a range of keys of its own.
// RUN: attn-opt %s --convert-attn-to-cpu --canonicalize --cse --split-input-file | FileCheck %s

// 8 lanes: a task for 8 of the group's 4 * Sq rows, and beside it one for 3 vectors of one head's rows.
// CHECK-LABEL: func.func @group
// CHECK: scf.if
// CHECK: %[[HEADS:.*]] = arith.muli %{{.*}}, %c2 : index
// CHECK: %[[BLOCKS:.*]] = arith.divui %{{.*}}, %c8 : index
// CHECK: arith.muli %[[HEADS]], %[[BLOCKS]]
// CHECK: call @attnrt_parallel_for
// CHECK: else
// CHECK: %[[ALL:.*]] = arith.muli %{{.*}}, %c8 : index
// CHECK: %[[LONG:.*]] = arith.divui %{{.*}}, %c24 : index
// CHECK: arith.muli %[[ALL]], %[[LONG]]
// CHECK: call @attnrt_parallel_for
func.func @group(%q: memref<?x8x?x64xf32>, %k: memref<?x2x?x64xf32>, %out: memref<?x8x?x64xf32>) {
  attn.key_loop ins(%q, %k, %k : memref<?x8x?x64xf32>, memref<?x2x?x64xf32>, memref<?x2x?x64xf32>) aux [] outs(%out : memref<?x8x?x64xf32>) range {
  ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
    %c0 = arith.constant 0 : index
    attn.yield %c0, %c0, %sk, %sk : index, index, index, index
  } {batch_invariant, scale = 1.250000e-01 : f64, schedule = #attn.schedule<isa = "avx2", lanes = 8, q_vectors = 3, strips = 1, key_rows = 4, kv_tile = 128, few_rows = 16, split_keys = 1024>}
  return
}

// -----

// CHECK-LABEL: func.func @per_head
// CHECK: scf.if
// CHECK: arith.muli %{{.*}}, %c8 : index
// CHECK: arith.divui %{{.*}}, %c8 : index
// CHECK: call @attnrt_parallel_for
func.func @per_head(%q: memref<?x8x?x64xf32>, %k: memref<?x2x?x64xf32>, %out: memref<?x8x?x64xf32>) {
  attn.key_loop ins(%q, %k, %k : memref<?x8x?x64xf32>, memref<?x2x?x64xf32>, memref<?x2x?x64xf32>) aux [] outs(%out : memref<?x8x?x64xf32>) range {
  ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
    %c0 = arith.constant 0 : index
    %end = arith.minsi %h, %sk : index
    attn.yield %c0, %c0, %end, %end : index, index, index, index
  } {batch_invariant, scale = 1.250000e-01 : f64, schedule = #attn.schedule<isa = "avx2", lanes = 8, q_vectors = 3, strips = 1, key_rows = 4, kv_tile = 128, few_rows = 16, split_keys = 1024>}
  return
}
