//===- Passes.td - Conversions ------------------------------*- tablegen -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#ifndef ATTN_CONVERSION_PASSES_TD
#define ATTN_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertAttnToCPU : Pass<"convert-attn-to-cpu", "::mlir::ModuleOp"> {
  let summary = "Lowers key loops to scf and vector for CPUs";
  let description = [{
    Before: `attn.key_loop` and `attn.documents` on buffers, scheduled. After:
    checks of sizes and values, then calls of the runtime's thread pool with
    outlined block functions made of scf, vector, memref and arith. Two kernels:
    one for blocks of queries (queries in the lanes), one for few query rows
    (decode), which also splits the keys and merges the parts.

    Example: test/Conversion/AttnToCPU/key-loop.mlir.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::func::FuncDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ConvertAttnToGPU : Pass<"convert-attn-to-gpu", "::mlir::ModuleOp"> {
  let summary = "Lowers key loops to GPU kernels and their launches";
  let description = [{
    Before: `attn.key_loop`, `attn.block_table` and `attn.documents` on buffers,
    scheduled for a GPU. After: checks of sizes and values, workspaces, and calls
    of `attnrt_gpu_launch`; and a `gpu.module` with one kernel per block table and
    per parallel loop over elements, and three per key loop: the forward kernel (matrix instructions m16n8k16 for f16
    and bf16, FMA for f32), the merge of parts of the keys (few queries), and the
    guarded form that repeats blocks whose result is not finite.

    Refused with a reason: f64, elementary functions that need a library, elements
    of tensors that the host would have to read, and operands that do not fit the
    parameters of a kernel. docs/GPU.md walks through one kernel.

    Example: test/Conversion/AttnToGPU/key-loop.mlir.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect",
                           "::mlir::func::FuncDialect", "::mlir::gpu::GPUDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

#endif // ATTN_CONVERSION_PASSES_TD
