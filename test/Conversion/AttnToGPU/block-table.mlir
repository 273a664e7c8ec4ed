// RUN: attn-opt %s --attn-stage-schedule=isa=sm_80 --attn-stage-plan --attn-stage-bufferize --attn-stage-gpu-kernels \
// RUN:   | FileCheck %s

// A byte per strip of 16 queries and tile of 64 keys, made by a kernel of its own before the attention runs.
// CHECK-LABEL: func.func @attn_call_main
// CHECK: memref.alloc() {{.*}}: memref<1x1x7x5xi8>
// CHECK: call @attnrt_check_eq
// A block for each of the 35 entries.
// CHECK: call @attnrt_gpu_launch(%{{.*}}, %{{.*}}, %c35_i64, %c1_i64, %c1_i64, %c128_i32, %c16_i64,
// CHECK: call @attnrt_check_heads
// CHECK: call @attnrt_gpu_launch
// CHECK-NOT: attn.block_table

// Threads share the pairs: bit 0 is a visible pair, bit 1 a hidden one; the answer is 0 none, 1 mixed, 2 full.
// CHECK-LABEL: gpu.func @attn_block_table
// CHECK: scf.for %{{.*}} = %{{.*}} to %{{.*}} step %c128
// CHECK: memref.load %{{.*}} : memref<?x?xi1, {{.*}}, 1>
// CHECK: arith.select %{{.*}}, %c1_i32, %c2_i32
// CHECK-COUNT-2: nvvm.vote.sync any
// CHECK: gpu.barrier
// CHECK: arith.select %{{.*}}, %c1_i8, %c2_i8
// CHECK: memref.store %{{.*}} : memref<1x1x7x5xi8, 1>

// A block of 64 queries joins the answers of its four strips; a tile that none of them sees is not multiplied.
// CHECK-LABEL: gpu.func @attn_forward(
// CHECK-COUNT-4: memref.load %{{.*}} : memref<1x1x7x5xi8, {{.*}}1>
// CHECK: arith.minui
// CHECK: arith.maxui
// CHECK: scf.if
// CHECK: nvvm.mma.sync
func.func @main(%q: tensor<2x8x100x64xf16>, %k: tensor<2x8x300x64xf16>, %m: tensor<?x?xi1>) -> tensor<2x8x100x64xf16> {
  %out = attn.attention %q, %k, %k mask_tensor(%m : tensor<?x?xi1>)
      : tensor<2x8x100x64xf16>, tensor<2x8x300x64xf16>, tensor<2x8x300x64xf16> -> tensor<2x8x100x64xf16>
  return %out : tensor<2x8x100x64xf16>
}
