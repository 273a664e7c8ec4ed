//===- Copies.cpp - Copies between buffers of the device -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The lowering to LLVM makes a memcpy of the host of a copy whose two sides are
// compact. Here every copy becomes the runtime's, which asks the device.
//===----------------------------------------------------------------------===//

#include "KernelModule.h"
#include "Kernels.h"

using namespace mlir;
using namespace mlir::attn;

/// The address of {rank, address of the descriptor}, as memrefCopy reads it.
static Value unranked(OpBuilder &b, Location loc, Outliner &outliner,
                      Value buffer) {
  int64_t rank = cast<MemRefType>(buffer.getType()).getRank();
  Value count = arith::ConstantIntOp::create(b, loc, rank, /*width=*/64);
  return outliner.pack({count, outliner.pack(buffer)});
}

void mlir::attn::lowerCopies(ModuleOp module, OpBuilder &b,
                             llvm::function_ref<bool(Operation *)> skips) {
  SmallVector<memref::CopyOp> copies;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<gpu::GPUModuleOp>(op))
      return WalkResult::skip();
    if (auto copy = dyn_cast<memref::CopyOp>(op); copy && !skips(copy))
      copies.push_back(copy);
    return WalkResult::advance();
  });
  for (memref::CopyOp copy : copies) {
    b.setInsertionPoint(copy);
    Location loc = copy.getLoc();
    Outliner outliner(module, b, loc);
    auto type = cast<MemRefType>(copy.getSource().getType());
    Value bytes = arith::ConstantIntOp::create(
        b, loc, llvm::divideCeil(type.getElementTypeBitWidth(), 8),
        /*width=*/64);
    Value from = unranked(b, loc, outliner, copy.getSource());
    Value to = unranked(b, loc, outliner, copy.getTarget());
    outliner.call("memrefCopy", {bytes, from, to});
    copy.erase();
  }
}
