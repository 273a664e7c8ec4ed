//===- Passes.td - Module-level passes ----------------------*- tablegen -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#ifndef ATTN_TRANSFORMS_PASSES_TD
#define ATTN_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def MakeEntries : Pass<"attn-make-entries", "::mlir::ModuleOp"> {
  let summary = "Gives each public function its two entry points";
  let description = [{
    Before: public functions from ranked tensors to ranked tensors, with internal
    calls inlined. After: for each function `f`, `attn_call_f`, which takes
    buffers (any strides but the last, which is 1) for arguments and results and
    writes the results in place, and `attn_dims_f`, which writes the sizes of the
    results' axes, without running loops that leave a size as it is. A scalar
    argument or result is refused.

    Example: test/Transforms/make-entries.mlir.
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect",
                           "::mlir::func::FuncDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::tensor::TensorDialect"];
}

def PackEntries : Pass<"attn-pack-entries", "::mlir::ModuleOp"> {
  let summary = "Writes the entry points of the package ABI";
  let description = [{
    Before: `attn_call_f` and `attn_dims_f` in the LLVM dialect with their
    C wrappers. After: `attn_entry_f(ptr)` and `attn_shape_f(ptr, ptr)`, which
    take an array of pointers to memref descriptors.

    Example: test/Transforms/pack-entries.mlir.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // ATTN_TRANSFORMS_PASSES_TD
