//===- KernelModule.h - Kernels of one program -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to AttnToGPU.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_ATTNTOGPU_KERNELMODULE_H
#define ATTN_LIB_CONVERSION_ATTNTOGPU_KERNELMODULE_H

#include "../KeyLoop/Emit.h"
#include "../KeyLoop/Outline.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace mlir::attn {

/// The gpu.module of a program, and kernels that get the host's values in one
/// struct by value.
class KernelModule {
public:
  KernelModule(ModuleOp module, OpBuilder &b, Location loc, Outliner &outliner)
      : module(module), b(b), loc(loc), outliner(outliner) {}

  /// A kernel with an empty body and a name made of `stem`; the builder stands
  /// in it, whose copies of `captured` come back. Call `close` when done.
  struct Kernel {
    gpu::GPUFuncOp func;
    SmallVector<Value> captured;
    Value block, part; // block index along x and y
    Value shared;      // start of shared memory, ptr<3>
    int64_t paramBytes = 0;
  };
  Kernel open(StringRef stem, TypeRange captured);
  void close();

  /// On the host side: launches `blocks` x `parts` blocks with `sharedBytes` of
  /// shared memory and the values packed at `params`.
  void launch(Emit &e, Kernel kernel, Value blocks, Value parts,
              int64_t sharedBytes, Value params);

  /// Refuses a kernel whose parameters no launch takes.
  static LogicalResult checkParams(Operation *op, const Kernel &kernel);

private:
  gpu::GPUModuleOp kernels();

  ModuleOp module;
  OpBuilder &b;
  Location loc;
  Outliner &outliner;
  OpBuilder::InsertPoint saved;
};

/// LLVM's numbers of the memory spaces of NVIDIA GPUs.
constexpr unsigned kGlobalSpace = 1, kSharedSpace = 3;

/// The symbol of the host's description of the device code, an AttnGpuImage.
constexpr StringLiteral kImageSymbol = "attn_gpu_image";
/// Threads of every block.
constexpr int64_t kThreads = 128;
/// What PTX 8.1 allows a kernel; PTX 8.0, which older drivers read, 4,096.
constexpr int64_t kMostParamBytes = 32764;
/// On a kernel: the bytes of its parameter.
constexpr StringLiteral kParamBytesAttr = "attn.param_bytes";
/// On a kernel: the dynamic shared memory that it is launched with.
constexpr StringLiteral kSharedBytesAttr = "attn.shared_bytes";
/// The symbol of the gpu.module.
constexpr StringLiteral kKernelsSymbol = "attn_kernels";

} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_ATTNTOGPU_KERNELMODULE_H
