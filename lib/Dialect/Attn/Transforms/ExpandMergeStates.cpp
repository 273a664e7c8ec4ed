//===- ExpandMergeStates.cpp - merge_states as elementwise ops -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// lse = m + ln(sum exp(lse_k - m)); out = sum exp(lse_k - lse) out_k.
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/Attn/Transforms/Transforms.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

namespace mlir::attn {
#define GEN_PASS_DEF_EXPANDMERGESTATES
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

/// max over k, 0 where every state is empty (so that exp(lse_k - m) is 0).
static Value safeMax(OpBuilder &b, Location loc, ValueRange lses) {
  Value max = lses.front();
  for (Value lse : lses.drop_front())
    max = arith::MaximumFOp::create(b, loc, max, lse);
  auto type = cast<FloatType>(max.getType());
  Value zero = arith::ConstantOp::create(b, loc, b.getFloatAttr(type, 0.0));
  Value ninf = arith::ConstantOp::create(
      b, loc, b.getFloatAttr(type, -std::numeric_limits<double>::infinity()));
  Value empty = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, max, ninf);
  return arith::SelectOp::create(b, loc, empty, zero, max);
}

void mlir::attn::expandMergeStates(RewriterBase &b, MergeStatesOp op) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op);
  Location loc = op.getLoc();
  unsigned count = op.getOuts().size();
  auto lseType = cast<RankedTensorType>(op.getLse().getType());
  auto outType = cast<RankedTensorType>(op.getOut().getType());
  auto identity = b.getMultiDimIdentityMap(outType.getRank());
  auto drop = AffineMap::get(outType.getRank(), 0, identity.getResults().drop_back(), op.getContext());
  auto lseIdentity = b.getMultiDimIdentityMap(lseType.getRank());
  SmallVector<utils::IteratorType> parallel(outType.getRank(), utils::IteratorType::parallel);

  Value lseInit = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, op.getLses().front()), lseType.getElementType());
  Value lse = linalg::GenericOp::create(
                  b, loc, lseType, op.getLses(), lseInit,
                  SmallVector<AffineMap>(count + 1, lseIdentity),
                  ArrayRef<utils::IteratorType>(parallel).drop_back(),
                  [&](OpBuilder &nb, Location l, ValueRange args) {
                    Value max = safeMax(nb, l, args.drop_back());
                    Value sum;
                    for (Value lse : args.drop_back()) {
                      Value term = math::ExpOp::create(nb, l, arith::SubFOp::create(nb, l, lse, max));
                      sum = sum ? arith::AddFOp::create(nb, l, sum, term).getResult() : term;
                    }
                    Value log = math::LogOp::create(nb, l, sum);
                    linalg::YieldOp::create(nb, l, ValueRange{arith::AddFOp::create(nb, l, max, log)});
                  })
                  .getResult(0);

  SmallVector<Value> inputs(op.getOuts());
  llvm::append_range(inputs, op.getLses());
  inputs.push_back(lse);
  SmallVector<AffineMap> maps(count, identity);
  maps.append(count + 1, drop);
  maps.push_back(identity);
  Value outInit = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, op.getOuts().front()), outType.getElementType());
  Value out = linalg::GenericOp::create(
                  b, loc, outType, inputs, outInit, maps, parallel,
                  [&](OpBuilder &nb, Location l, ValueRange args) {
                    auto state = cast<FloatType>(lseType.getElementType());
                    Value zero = arith::ConstantOp::create(nb, l, nb.getFloatAttr(state, 0.0));
                    Value ninf = arith::ConstantOp::create(
                        nb, l, nb.getFloatAttr(state, -std::numeric_limits<double>::infinity()));
                    Value total = args[2 * count];
                    Value sum = zero;
                    for (unsigned k = 0; k < count; ++k) {
                      Value value = args[k];
                      if (value.getType() != state)
                        value = arith::ExtFOp::create(nb, l, state, value);
                      Value weight = math::ExpOp::create(
                          nb, l, arith::SubFOp::create(nb, l, args[count + k], total));
                      Value term = arith::MulFOp::create(nb, l, weight, value);
                      // An empty state contributes nothing, whatever it holds.
                      Value empty = arith::CmpFOp::create(nb, l, arith::CmpFPredicate::OEQ,
                                                          args[count + k], ninf);
                      term = arith::SelectOp::create(nb, l, empty, zero, term);
                      sum = arith::AddFOp::create(nb, l, sum, term);
                    }
                    if (sum.getType() != outType.getElementType())
                      sum = arith::TruncFOp::create(nb, l, outType.getElementType(), sum);
                    linalg::YieldOp::create(nb, l, sum);
                  })
                  .getResult(0);
  b.replaceOp(op, {out, lse});
}

namespace {
struct ExpandMergeStatesPass : public attn::impl::ExpandMergeStatesBase<ExpandMergeStatesPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    getOperation().walk([&](MergeStatesOp op) { expandMergeStates(rewriter, op); });
  }
};
} // namespace
