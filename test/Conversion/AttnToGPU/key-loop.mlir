// The stages before the conversion, then the conversion, for 16-bit inputs and for f32.
// RUN: attn-opt %s --attn-stage-schedule=isa=sm_80 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-gpu -o %t.16
// RUN: FileCheck %s --check-prefixes=CHECK,MMA < %t.16
// RUN: sed s/bf16/f32/g %s | attn-opt --attn-stage-schedule=isa=sm_80 --attn-stage-plan --attn-stage-bufferize \
// RUN:   --convert-attn-to-gpu -o %t.32
// RUN: FileCheck %s --check-prefixes=CHECK,FMA --implicit-check-not=nvvm.mma.sync --implicit-check-not=nvvm.ldmatrix < %t.32

// The host checks what the CPU's host code checks; workspaces for parts of keys, states and flags.
// CHECK-DAG: llvm.mlir.global {{.*}}'attn.attention' op expects k to have the batch size of q
// CHECK-DAG: llvm.mlir.global external constant @attn_gpu_image()
// CHECK-LABEL: func.func @attn_call_main
// CHECK: llvm.alloca %{{.*}} x !llvm.struct<
// CHECK: call @attnrt_check_eq
// CHECK: call @attnrt_check_heads
// CHECK: %[[SPLITS:.*]] = arith.select %{{.*}}, %{{.*}}, %{{.*}} : index
// CHECK: %[[MANY:.*]] = arith.cmpi sgt, %[[SPLITS]], %{{.*}} : index
// CHECK: memref.alloc({{.*}}) : memref<?x?x?x?x64xf32>
// CHECK: memref.alloc({{.*}}) : memref<?x?x?x?x2xf32>
// CHECK: memref.alloc({{.*}}) : memref<?xi32>

// The forward kernel: a block per 64 queries and head along x, a part of the keys along y.
// CHECK: llvm.store %{{.*}} : !llvm.struct<
// CHECK: %[[Y:.*]] = arith.index_cast %[[SPLITS]] : index to i64
// MMA: arith.constant 46080 : index
// FMA: arith.constant 52224 : index
// CHECK: call @attnrt_gpu_launch({{.*}}, %[[Y]], %{{.*}}, %c128_i32
// The merge, where there are parts; the guard always.
// CHECK: scf.if %[[MANY]] {
// CHECK: call @attnrt_gpu_launch
// CHECK: }
// CHECK: call @attnrt_gpu_launch
// CHECK: call @attnrt_gpu_count_flags
// CHECK-NOT: attn.key_loop
// CHECK-NOT: call @attnrt_gpu_launch

// Kernels get one struct by value.
// CHECK: gpu.module @attn_kernels
// CHECK: llvm.mlir.global external @attn_shared() {addr_space = 3 : i32, alignment = 16 : i64}
// CHECK: gpu.func @attn_forward(%{{[a-z0-9]*}}: !llvm.struct<({{.*}})>) kernel attributes {{{.*}}known_block_size = array<i32: 128, 1, 1>
// CHECK: nvvm.cp.async.shared.global {{.*}}, 16, cache = cg
// CHECK: nvvm.cp.async.commit.group
// The loop asks for the next tile, waits for its own, and multiplies.
// CHECK: scf.for
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.cp.async.wait.group 1
// CHECK: gpu.barrier
// MMA: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<row>, num = 4
// MMA-COUNT-32: nvvm.mma.sync
// FMA: llvm.call_intrinsic "llvm.fma"
// Rows lie in four lanes.
// CHECK: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %c1_i32
// CHECK: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %c2_i32
// 16-bit weights by the special function unit, those of f32 by the polynomial of the CPU.
// MMA: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f"
// FMA-NOT: ex2.approx
// MMA: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<col>, num = 4
// MMA-COUNT-32: nvvm.mma.sync
// MMA-NOT: nvvm.mma.sync
// FMA: nvvm.shfl.sync idx
// CHECK: gpu.barrier
// CHECK: nvvm.cp.async.wait.group 0
// CHECK: nvvm.vote.sync any
// CHECK: gpu.return

// CHECK: gpu.func @attn_merge(
// CHECK: gpu.return
// CHECK: gpu.func @attn_guard(
// CHECK: gpu.return
// CHECK-NOT: gpu.func
func.func @main(%q: tensor<?x8x?x64xbf16>, %k: tensor<?x2x?x64xbf16>, %v: tensor<?x2x?x64xbf16>) -> tensor<?x8x?x64xbf16> {
  %out = attn.attention %q, %k, %v mask <causal> align bottom_right
      : tensor<?x8x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x8x?x64xbf16>
  return %out : tensor<?x8x?x64xbf16>
}
