// The whole road at once and stage by stage is the same road; up to buffers it is the CPU's.
// RUN: attn-opt %s --attn-lower-to-gpu=arch=sm_80 -o %t.whole.mlir
// RUN: attn-opt %s --attn-stage-schedule=isa=sm_80 -o %t.1.mlir
// RUN: attn-opt %t.1.mlir --attn-stage-plan -o %t.2.mlir
// RUN: attn-opt %t.2.mlir --attn-stage-bufferize -o %t.3.mlir
// RUN: attn-opt %t.3.mlir --attn-stage-gpu-kernels -o %t.4.mlir
// RUN: attn-opt %t.4.mlir --attn-stage-gpu-llvm -o %t.5.mlir
// RUN: diff %t.whole.mlir %t.5.mlir

// RUN: FileCheck %s --check-prefix=SCHEDULED < %t.1.mlir
// RUN: FileCheck %s --check-prefix=KERNELS < %t.4.mlir
// RUN: FileCheck %s --check-prefix=LLVM < %t.5.mlir

// SCHEDULED: attn.attention {{.*}}schedule = #attn.schedule<isa = "sm_80"

// KERNELS: call @attnrt_gpu_launch
// KERNELS-NOT: attn.key_loop
// KERNELS: gpu.module @attn_kernels
// KERNELS: gpu.func @attn_forward

// Host code with the package ABI, and kernels in which nothing but LLVM and NVVM is left.
// LLVM: llvm.func @attn_entry_main(
// LLVM: gpu.module @attn_kernels
// LLVM: llvm.func @attn_forward({{.*}}nvvm.kernel
// LLVM-NOT: {{(scf|memref|vector|arith|cf)\.}}
// LLVM: nvvm.mma.sync
// LLVM-NOT: builtin.unrealized_conversion_cast
func.func @main(%q: tensor<?x2x?x8xf16>, %k: tensor<?x2x?x8xf16>) -> tensor<?x2x?x8xf16> {
  %out = attn.attention %q, %k, %k mask <and(causal, band<3, 5>)> align bottom_right
      : tensor<?x2x?x8xf16>, tensor<?x2x?x8xf16>, tensor<?x2x?x8xf16> -> tensor<?x2x?x8xf16>
  return %out : tensor<?x2x?x8xf16>
}
