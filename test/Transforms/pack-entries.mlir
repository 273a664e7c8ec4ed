// RUN: attn-opt %s --attn-pack-entries | FileCheck %s

// Each entry takes an array of pointers to memref descriptors, arguments then results.
llvm.func @_mlir_ciface_attn_call_main(%q: !llvm.ptr, %out: !llvm.ptr) {
  llvm.return
}
// CHECK-LABEL: llvm.func @attn_entry_main(
// CHECK-SAME: %[[DESCS:.*]]: !llvm.ptr)
// CHECK: %[[SLOT0:.*]] = llvm.getelementptr %[[DESCS]][0]
// CHECK: %[[Q:.*]] = llvm.load %[[SLOT0]] : !llvm.ptr -> !llvm.ptr
// CHECK: %[[SLOT1:.*]] = llvm.getelementptr %[[DESCS]][1]
// CHECK: %[[OUT:.*]] = llvm.load %[[SLOT1]] : !llvm.ptr -> !llvm.ptr
// CHECK: llvm.call @_mlir_ciface_attn_call_main(%[[Q]], %[[OUT]])

// Its twin writes the sizes of the results into an array of i64.
llvm.func @_mlir_ciface_attn_dims_main(%q: !llvm.ptr, %dims: !llvm.ptr) {
  llvm.return
}
// CHECK-LABEL: llvm.func @attn_shape_main(
// CHECK-SAME: %[[DESCS:.*]]: !llvm.ptr, %[[DIMS:.*]]: !llvm.ptr)
// CHECK: %[[Q:.*]] = llvm.load
// CHECK: llvm.insertvalue %[[DIMS]], %{{.*}}[0]
// CHECK: %[[MEMORY:.*]] = llvm.alloca
// CHECK: llvm.call @_mlir_ciface_attn_dims_main(%[[Q]], %[[MEMORY]])

// Other functions are left alone.
// CHECK-NOT: attn_entry_other
llvm.func @other(%q: !llvm.ptr) {
  llvm.return
}
