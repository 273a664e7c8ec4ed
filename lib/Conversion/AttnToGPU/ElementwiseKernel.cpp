//===- ElementwiseKernel.cpp - Loops over elements as kernels -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Arithmetic around attention: one thread per element of a parallel loop.
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Warp.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mlir::attn;

/// True when the body only computes, loads and stores: other operations on
/// buffers would not follow them into device memory's address space.
static bool isPlain(scf::ParallelOp loop) {
  if (loop.getNumResults())
    return false;
  return !loop.walk([&](Operation *op) {
                bool memory =
                    isa_and_nonnull<memref::MemRefDialect>(op->getDialect());
                return memory && !isa<memref::LoadOp, memref::StoreOp>(op)
                           ? WalkResult::interrupt()
                           : WalkResult::advance();
              })
              .wasInterrupted();
}

/// Example: a loop over [2, 300) x [0, 64) becomes 149 blocks of 128 threads;
/// thread 70 of block 1 has number 198, which is element (3, 6): i = 2 + 3.
bool mlir::attn::lowerParallelToKernel(ModuleOp module, OpBuilder &b,
                                       scf::ParallelOp loop) {
  if (!isPlain(loop))
    return false;
  b.setInsertionPoint(loop);
  Location loc = loop.getLoc();
  Emit e(b, loc, b.getF32Type(), /*lanes=*/0, /*hasFma=*/true,
         /*hasHalf=*/true);
  Outliner outliner(module, b, loc);
  KernelModule kernels(module, b, loc, outliner);

  SmallVector<Value> sizes;
  Value total = e.idx(1);
  for (auto [low, high, step] :
       llvm::zip(loop.getLowerBound(), loop.getUpperBound(), loop.getStep())) {
    Value extent = e.max(e.sub(high, low), e.idx(0));
    sizes.push_back(e.div(e.add(extent, e.sub(step, e.idx(1))), step));
    total = e.mul(total, sizes.back());
  }
  // Constants are copied along, everything else is passed.
  llvm::SetVector<Value> used, constants, passed;
  getUsedValuesDefinedAbove(loop.getRegion(), used);
  for (Value value : used) {
    Operation *source = value.getDefiningOp();
    (source && source->hasTrait<OpTrait::ConstantLike>() ? constants : passed)
        .insert(value);
  }
  SmallVector<Value> values(passed.begin(), passed.end());
  llvm::append_range(values, sizes);
  llvm::append_range(values, loop.getLowerBound());
  llvm::append_range(values, loop.getStep());
  values.push_back(total);

  KernelModule::Kernel kernel =
      kernels.open("attn_elementwise", ValueRange(values).getTypes());
  Warp warp(e);
  warp.open(kernel.shared);
  ValueRange captured = kernel.captured;
  size_t own = passed.size(), rank = sizes.size();
  Value number = e.add(e.mul(kernel.block, kThreads), e.toIndex(warp.thread()));
  e.when(e.lt(number, captured.back()), [&] {
    IRMapping map;
    for (auto [from, to] : llvm::zip(passed, captured.take_front(own)))
      map.map(from, to);
    for (Value constant : constants)
      b.clone(*constant.getDefiningOp(), map);
    Value rest = number;
    for (size_t axis = rank; axis-- > 0;) {
      Value size = captured[own + axis], low = captured[own + rank + axis],
            step = captured[own + 2 * rank + axis];
      map.map(loop.getInductionVars()[axis],
              e.add(low, e.mul(e.rem(rest, size), step)));
      rest = e.div(rest, size);
    }
    for (Operation &op : loop.getBody()->without_terminator())
      b.clone(op, map);
  });
  kernels.close();
  kernels.launch(e, kernel, e.ceilDiv(total, kThreads), e.idx(1), 0,
                 outliner.pack(values));
  loop.erase();
  return true;
}
