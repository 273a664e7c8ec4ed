//===- SizeOrigin.cpp - Where the size of a tensor comes from -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See SizeOrigin.h.
//===----------------------------------------------------------------------===//

#include "SizeOrigin.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
class Tracer {
public:
  explicit Tracer(OpBuilder &b) : b(b) {}
  AxisSize trace(AxisSize size);

private:
  AxisSize throughLoop(scf::ForOp loop, AxisSize size);
  AxisSize throughBranch(scf::IfOp branch, AxisSize size);
  AxisSize throughRule(ReifyRankedShapedTypeOpInterface op, AxisSize size);

  OpBuilder &b;
  /// Arguments of the loops around, with what their sizes are taken to be.
  SmallVector<std::pair<AxisSize, AxisSize>> assumed;
};
} // namespace

/// By induction: if each turn keeps the size that the first value has, all do.
AxisSize Tracer::throughLoop(scf::ForOp loop, AxisSize size) {
  unsigned index = cast<OpResult>(size.tensor).getResultNumber();
  AxisSize before = trace({loop.getInitArgs()[index], size.axis});
  assumed.push_back({{loop.getRegionIterArg(index), size.axis}, before});
  AxisSize yielded = trace({loop.getYieldedValues()[index], size.axis});
  assumed.pop_back();
  return yielded == before ? before : size;
}

AxisSize Tracer::throughBranch(scf::IfOp branch, AxisSize size) {
  unsigned index = cast<OpResult>(size.tensor).getResultNumber();
  AxisSize then = trace({branch.thenYield()->getOperand(index), size.axis});
  AxisSize other = trace({branch.elseYield()->getOperand(index), size.axis});
  return then == other ? then : size;
}

/// By the operation's own rule: a size that is the `tensor.dim` of something.
AxisSize Tracer::throughRule(ReifyRankedShapedTypeOpInterface op,
                             AxisSize size) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op);
  ReifiedRankedShapedTypeDims shapes;
  if (failed(op.reifyResultShapes(b, shapes)))
    return size;
  unsigned index = cast<OpResult>(size.tensor).getResultNumber();
  if (index >= shapes.size() ||
      size.axis >= static_cast<int64_t>(shapes[index].size()))
    return size;
  auto value = dyn_cast<Value>(shapes[index][size.axis]);
  auto dim = value ? value.getDefiningOp<tensor::DimOp>() : tensor::DimOp();
  std::optional<int64_t> axis = dim ? dim.getConstantIndex() : std::nullopt;
  return axis ? trace({dim.getSource(), *axis}) : size;
}

AxisSize Tracer::trace(AxisSize size) {
  Operation *op = size.tensor.getDefiningOp();
  if (!op) {
    for (const auto &[argument, taken] : assumed)
      if (argument == size)
        return taken;
    return size;
  }
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return throughLoop(loop, size);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return throughBranch(branch, size);
  if (auto cast = dyn_cast<tensor::CastOp>(op))
    return trace({cast.getSource(), size.axis});
  if (auto insert = dyn_cast<tensor::InsertOp>(op))
    return trace({insert.getDest(), size.axis});
  if (op->hasTrait<OpTrait::Elementwise>()) {
    for (Value operand : op->getOperands())
      if (isa<RankedTensorType>(operand.getType()))
        return trace({operand, size.axis});
    return size;
  }
  if (auto rule = dyn_cast<ReifyRankedShapedTypeOpInterface>(op))
    return throughRule(rule, size);
  return size;
}

AxisSize mlir::attn::sizeOrigin(OpBuilder &b, AxisSize size) {
  return Tracer(b).trace(size);
}
