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

#endif // ATTN_CONVERSION_PASSES_TD
