// The whole road at once and stage by stage is the same road.
// RUN: attn-opt %s --attn-lower-to-cpu=isa=avx2 -o %t.whole.mlir
// RUN: attn-opt %s --attn-stage-schedule=isa=avx2 -o %t.1.mlir
// RUN: attn-opt %t.1.mlir --attn-stage-plan -o %t.2.mlir
// RUN: attn-opt %t.2.mlir --attn-stage-bufferize -o %t.3.mlir
// RUN: attn-opt %t.3.mlir --attn-stage-kernels -o %t.4.mlir
// RUN: attn-opt %t.4.mlir --attn-stage-llvm -o %t.5.mlir
// RUN: diff %t.whole.mlir %t.5.mlir

// What each seam says.
// RUN: FileCheck %s --check-prefix=SCHEDULED < %t.1.mlir
// RUN: FileCheck %s --check-prefix=PLANNED < %t.2.mlir
// RUN: FileCheck %s --check-prefix=BUFFERS < %t.3.mlir
// RUN: FileCheck %s --check-prefix=KERNELS < %t.4.mlir
// RUN: FileCheck %s --check-prefix=LLVM < %t.5.mlir

// Internal calls are gone, and the mask is in its simplest form.
// SCHEDULED-NOT: call
// SCHEDULED: attn.attention {{.*}} mask <band<3, 0>> {{.*}}schedule = #attn.schedule<isa = "avx2"
// SCHEDULED-NOT: @inner

// PLANNED: func.func @attn_call_main
// PLANNED: attn.key_loop
// PLANNED-NOT: attn.attention
// PLANNED: func.func @attn_dims_main
// PLANNED-NOT: attn.

// The result is written where the caller wants it: no allocation, no copy.
// BUFFERS: func.func @attn_call_main
// BUFFERS-NOT: memref.alloc
// BUFFERS-NOT: memref.copy
// BUFFERS: attn.key_loop
// BUFFERS-NOT: tensor<

// KERNELS: call @attnrt_parallel_for
// KERNELS-NOT: attn.key_loop

// LLVM: llvm.func @attn_entry_main(
// LLVM: llvm.func @attn_shape_main(
// LLVM-NOT: builtin.unrealized_conversion_cast
func.func private @inner(%q: tensor<?x2x?x8xf32>, %k: tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32> {
  %out = attn.attention %q, %k, %k mask <and(causal, band<3, 5>)> align bottom_right
      : tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32> -> tensor<?x2x?x8xf32>
  return %out : tensor<?x2x?x8xf32>
}
func.func @main(%q: tensor<?x2x?x8xf32>, %k: tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32> {
  %out = call @inner(%q, %k) : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32>
  return %out : tensor<?x2x?x8xf32>
}
