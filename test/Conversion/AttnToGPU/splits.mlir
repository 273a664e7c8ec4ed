// Up to 16 queries: the keys are cut into parts of 512, by the number of keys alone, and the parts merged in their order.
// RUN: attn-opt %s --attn-stage-schedule=isa=sm_80 --attn-stage-plan --attn-stage-bufferize --attn-stage-gpu-kernels \
// RUN:   | FileCheck %s

// CHECK-LABEL: func.func @attn_call_decode
// CHECK: %[[UP:.*]] = arith.addi %{{.*}}, %c511 : index
// CHECK: %[[PARTS:.*]] = arith.divui %[[UP]], %c512 : index
// CHECK: %[[SPLITS:.*]] = arith.maxsi %[[PARTS]], %c1 : index
// CHECK: %[[MANY:.*]] = arith.cmpi sgt, %[[SPLITS]], %c1 : index
// No workspace for one part.
// CHECK: %[[SLOTS:.*]] = arith.select %[[MANY]], %[[SPLITS]], %c0 : index
// CHECK: memref.alloc(%{{.*}}, %[[SLOTS]]) : memref<?x4x1x?x64xf32>
// CHECK: %[[Y:.*]] = arith.index_cast %[[SPLITS]] : index to i64
// CHECK: call @attnrt_gpu_launch({{.*}}, %[[Y]], %c1_i64, %c128_i32
// CHECK: scf.if %[[MANY]] {
// CHECK: call @attnrt_gpu_launch
// CHECK: }
// CHECK: call @attnrt_gpu_launch

// More queries: one part, and no merge.
// CHECK-LABEL: func.func @attn_call_prefill
// CHECK: memref.alloc(%{{.*}}) : memref<?x4x17x0x64xf32>
// CHECK: call @attnrt_gpu_launch
// CHECK-NOT: scf.if
// CHECK: call @attnrt_gpu_launch
// CHECK-NOT: call @attnrt_gpu_launch

// One gpu.module for the whole program; names are numbered.
// CHECK: gpu.module @attn_kernels
// CHECK: gpu.func @attn_forward(
// The block index along y is the part.
// CHECK: %[[PART:.*]] = gpu.block_id y
// CHECK: %[[AT:.*]] = arith.muli %[[PART]], %c512 : index
// CHECK: arith.addi %[[AT]], %c512 : index
// CHECK: gpu.func @attn_merge(
// CHECK: gpu.func @attn_guard(
// CHECK: gpu.func @attn_forward_1(
// CHECK: gpu.func @attn_merge_1(
// CHECK: gpu.func @attn_guard_1(
// CHECK-NOT: gpu.module
func.func @decode(%q: tensor<?x4x1x64xf16>, %k: tensor<?x2x?x64xf16>) -> tensor<?x4x1x64xf16> {
  %out = attn.attention %q, %k, %k : tensor<?x4x1x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16> -> tensor<?x4x1x64xf16>
  return %out : tensor<?x4x1x64xf16>
}
func.func @prefill(%q: tensor<?x4x17x64xf16>, %k: tensor<?x2x?x64xf16>) -> tensor<?x4x17x64xf16> {
  %out = attn.attention %q, %k, %k : tensor<?x4x17x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16> -> tensor<?x4x17x64xf16>
  return %out : tensor<?x4x17x64xf16>
}
