//===- HostElements.cpp - Single elements that the host touches -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A condition that is read out of a tensor, a number put into one: the element
// is copied between the device and a variable of the host.
//===----------------------------------------------------------------------===//

#include "KernelModule.h"
#include "Kernels.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::attn;

/// The address of one element, on the device.
static Value elementAddress(OpBuilder &b, Location loc, Value buffer,
                            ValueRange indices, int64_t bytes) {
  auto metadata = memref::ExtractStridedMetadataOp::create(b, loc, buffer);
  Value at = metadata.getOffset();
  for (auto [index, stride] : llvm::zip(indices, metadata.getStrides()))
    at = arith::AddIOp::create(b, loc, at,
                               arith::MulIOp::create(b, loc, index, stride));
  Value size = arith::ConstantIndexOp::create(b, loc, bytes);
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, buffer);
  Value sum = arith::AddIOp::create(b, loc, base,
                                    arith::MulIOp::create(b, loc, at, size));
  Value number = arith::IndexCastOp::create(b, loc, b.getI64Type(), sum);
  return LLVM::IntToPtrOp::create(
      b, loc, LLVM::LLVMPointerType::get(b.getContext()), number);
}

/// True where every element of a tensor would be copied by itself.
static bool inParallelLoop(Operation *op) {
  return op->getParentOfType<scf::ParallelOp>() != nullptr;
}

template <typename Op>
static bool lowerElement(ModuleOp module, OpBuilder &b, Op op) {
  MemRefType type = op.getMemRefType();
  Type element = type.getElementType();
  if (!element.isIntOrFloat())
    return false;
  constexpr bool isLoad = std::is_same_v<Op, memref::LoadOp>;
  op->emitRemark() << "one element of a tensor is "
                   << (isLoad ? "read" : "written")
                   << " by the host: the call waits for the device";
  b.setInsertionPoint(op);
  Location loc = op.getLoc();
  Outliner outliner(module, b, loc);
  int64_t bytes = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  Value far = elementAddress(b, loc, op.getMemRef(), op.getIndices(), bytes);
  Value near = outliner.variable(element);
  Value size = arith::ConstantIntOp::create(b, loc, bytes, /*width=*/64);
  if constexpr (isLoad) {
    outliner.call("attnrt_gpu_download", {near, far, size});
    op.getResult().replaceAllUsesWith(
        LLVM::LoadOp::create(b, loc, element, near).getResult());
  } else {
    LLVM::StoreOp::create(b, loc, op.getValueToStore(), near);
    outliner.call("attnrt_gpu_upload", {far, near, size});
  }
  op.erase();
  return true;
}

LogicalResult
mlir::attn::lowerHostElements(ModuleOp module, OpBuilder &b,
                              llvm::function_ref<bool(Operation *)> skips) {
  SmallVector<Operation *> ops;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<gpu::GPUModuleOp>(op))
      return WalkResult::skip();
    if (isa<memref::LoadOp, memref::StoreOp>(op) && !skips(op))
      ops.push_back(op);
    return WalkResult::advance();
  });
  for (Operation *op : ops) {
    bool done = false;
    if (!inParallelLoop(op)) {
      if (auto load = dyn_cast<memref::LoadOp>(op))
        done = lowerElement(module, b, load);
      else
        done = lowerElement(module, b, cast<memref::StoreOp>(op));
    }
    if (done)
      continue;
    op->emitError() << "expects loops over the elements of a tensor that only "
                       "compute, load and store in a GPU program, but got one "
                       "that does more; do it before or after, or inside "
                       "score_mod";
    return failure();
  }
  return success();
}
