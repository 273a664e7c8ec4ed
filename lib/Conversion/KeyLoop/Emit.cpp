//===- Emit.cpp - Short names for building scf and vector code -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loops, branches and lane reductions; numbers are in VectorMath.cpp.
//===----------------------------------------------------------------------===//

#include "Emit.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::attn;

Value Emit::fma(Value x, Value y, Value z) {
  if (!lanes && hasFma)
    return math::FmaOp::create(b, loc, x, y, z);
  if (!hasFma || !isa<VectorType>(x.getType()))
    return fadd(fmul(x, y), z);
  return vector::FMAOp::create(b, loc, x, y, z);
}

Value Emit::sumLanes(Value vector) {
  // Free association: lanes are summed as a tree.
  return vector::ReductionOp::create(b, loc, vector::CombiningKind::ADD, vector,
                                     arith::FastMathFlags::reassoc);
}

Value Emit::maxLanes(Value vector) {
  return vector::ReductionOp::create(b, loc, vector::CombiningKind::MAXNUMF, vector,
                                     arith::FastMathFlags::nnan);
}

Value Emit::anyLane(Value mask) {
  return vector::ReductionOp::create(b, loc, vector::CombiningKind::OR, mask);
}

Value Emit::iota() {
  SmallVector<int32_t> values;
  for (int64_t lane = 0; lane < lanes; ++lane)
    values.push_back(static_cast<int32_t>(lane));
  return arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(vec(b.getI32Type()), ArrayRef<int32_t>(values)));
}

SmallVector<Value> Emit::loop(Value from, Value to, int64_t step, ValueRange carried,
                              LoopBody body) {
  auto loop = scf::ForOp::create(b, loc, from, to, idx(step), carried);
  OpBuilder::InsertionGuard guard(b);
  Block *block = loop.getBody();
  if (carried.empty()) {
    b.setInsertionPoint(block->getTerminator());
    body(loop.getInductionVar(), {});
    return {};
  }
  b.setInsertionPointToEnd(block);
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(loop.getResults());
}

void Emit::when(Value condition, llvm::function_ref<void()> then,
                llvm::function_ref<void()> otherwise) {
  auto branch = scf::IfOp::create(b, loc, condition, static_cast<bool>(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  then();
  if (otherwise) {
    b.setInsertionPoint(branch.elseBlock()->getTerminator());
    otherwise();
  }
}

SmallVector<Value> Emit::choose(Value condition, llvm::function_ref<SmallVector<Value>()> then,
                                llvm::function_ref<SmallVector<Value>()> otherwise) {
  // The result types are known only once a side is built: build it in a block of
  // its own first.
  OpBuilder::InsertionGuard guard(b);
  Region thenRegion, elseRegion;
  auto build = [&](Region &region, llvm::function_ref<SmallVector<Value>()> side) {
    OpBuilder::InsertionGuard inner(b);
    b.createBlock(&region);
    SmallVector<Value> values = side();
    scf::YieldOp::create(b, loc, values);
    return SmallVector<Type>(ValueRange(values).getTypes());
  };
  SmallVector<Type> types = build(thenRegion, then);
  build(elseRegion, otherwise);
  auto branch = scf::IfOp::create(b, loc, types, condition, /*addThenBlock=*/false,
                                  /*addElseBlock=*/false);
  branch.getThenRegion().takeBody(thenRegion);
  branch.getElseRegion().takeBody(elseRegion);
  return SmallVector<Value>(branch.getResults());
}
