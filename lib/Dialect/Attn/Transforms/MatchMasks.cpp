//===- MatchMasks.cpp - From mask_mod to the mask algebra -------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Comparisons of positions become causal, band and prefix masks, exactly.
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/Attn/Transforms/Transforms.h"

#include "mlir/IR/Matchers.h"

namespace mlir::attn {
#define GEN_PASS_DEF_MATCHMASKS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {

/// b, h, i and j, each with a factor, and a constant.
///
/// Example: `%i - (%j + 3)` has the factors 0, 0, 1, -1 and the constant -3.
struct Linear {
  int64_t factors[4] = {0, 0, 0, 0};
  int64_t constant = 0;
  bool isOf(int64_t i, int64_t j) const {
    return factors[0] == 0 && factors[1] == 0 && factors[2] == i &&
           factors[3] == j;
  }
};

/// Matches the values of one mask_mod.
class Matcher {
public:
  /// `anyPosition`: positions may be any i32, so that sums of them may wrap.
  Matcher(Block &block, bool anyPosition)
      : block(block), context(block.getParent()->getContext()),
        anyPosition(anyPosition) {}

  /// The mask equal to a boolean value, or to its negation; null if none is.
  MaskAttr match(Value value, bool negated = false);

private:
  MaskAttr compare(arith::CmpIOp op, bool negated);
  bool addTo(Linear &form, Value value, int64_t factor);
  MaskAttr leaf(MaskKind kind, ArrayRef<int64_t> bounds = {}) {
    return MaskAttr::getLeaf(context, kind, bounds);
  }
  MaskAttr truth(bool value) {
    return value ? leaf(MaskKind::Full) : leaf(MaskKind::Prefix, {0});
  }

  Block &block;
  MLIRContext *context;
  bool anyPosition;
};

} // namespace

/// Without given positions all are below 2^30 in size: more slots fit no
/// memory. Constants up to as much then keep every sum inside i32.
static constexpr int64_t kLargest = 1 << 30;

bool Matcher::addTo(Linear &form, Value value, int64_t factor) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (argument.getOwner() != &block || argument.getArgNumber() >= 4)
      return false;
    form.factors[argument.getArgNumber()] += factor;
    return true;
  }
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant))) {
    form.constant += factor * constant.getSExtValue();
    return std::abs(constant.getSExtValue()) <= kLargest;
  }
  Operation *op = value.getDefiningOp();
  if (anyPosition || !isa<arith::AddIOp, arith::SubIOp>(op))
    return false;
  return addTo(form, op->getOperand(0), factor) &&
         addTo(form, op->getOperand(1),
               isa<arith::SubIOp>(op) ? -factor : factor);
}

MaskAttr Matcher::compare(arith::CmpIOp op, bool negated) {
  using Predicate = arith::CmpIPredicate;
  Predicate predicate = op.getPredicate();
  if (negated)
    predicate = arith::invertPredicate(predicate);
  bool less = predicate == Predicate::slt || predicate == Predicate::sle;
  bool greater = predicate == Predicate::sgt || predicate == Predicate::sge;
  if ((!less && !greater) || !op.getLhs().getType().isInteger(32))
    return {};
  // Every comparison is `d <= 0` of a difference: x >= y of y - x, and x < y of
  // x - y + 1, since these are integers.
  Linear d;
  if (!addTo(d, op.getLhs(), less ? 1 : -1) ||
      !addTo(d, op.getRhs(), less ? -1 : 1) || std::abs(d.constant) > kLargest)
    return {};
  if (predicate == Predicate::slt || predicate == Predicate::sgt)
    ++d.constant;
  if (d.isOf(0, 0))
    return truth(d.constant <= 0);
  if (d.isOf(0, 1)) // j + c <= 0: j < 1 - c
    return leaf(MaskKind::Prefix, {std::max<int64_t>(1 - d.constant, 0)});
  // The bounds of a band are not negative: `j < i` is none.
  if (d.isOf(-1, 1)) // j - i + c <= 0: j - i <= -c
    return d.constant > 0 ? MaskAttr()
           : d.constant == 0
               ? leaf(MaskKind::Causal)
               : leaf(MaskKind::Band, {MaskAttr::kInf, -d.constant});
  if (d.isOf(1, -1)) // i - j + c <= 0: j - i >= c
    return d.constant > 0 ? MaskAttr()
                          : leaf(MaskKind::Band, {-d.constant, MaskAttr::kInf});
  return {};
}

MaskAttr Matcher::match(Value value, bool negated) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return truth(constant.isOne() != negated);
  Operation *op = value.getDefiningOp();
  if (!op)
    return {};
  if (auto comparison = dyn_cast<arith::CmpIOp>(op))
    return compare(comparison, negated);
  if (isa<arith::AndIOp, arith::OrIOp>(op)) {
    MaskAttr x = match(op->getOperand(0), negated);
    MaskAttr y = x ? match(op->getOperand(1), negated) : MaskAttr();
    if (!y)
      return {};
    // De Morgan: a negated `and` is the `or` of the negated parts.
    MaskKind kind =
        isa<arith::AndIOp>(op) != negated ? MaskKind::And : MaskKind::Or;
    return MaskAttr::get(context, kind, {}, {x, y}).simplify();
  }
  if (isa<arith::XOrIOp>(
          op)) // x ^ true is `not x`; canonical constants stand right
    if (matchPattern(op->getOperand(1), m_ConstantInt(&constant)))
      return match(op->getOperand(0), negated != constant.isOne());
  return {};
}

/// The parts that all have to hold: those of an `and`, or the value itself.
static void conjuncts(Value value, SmallVectorImpl<Value> &parts) {
  if (auto both = value.getDefiningOp<arith::AndIOp>()) {
    conjuncts(both.getLhs(), parts);
    conjuncts(both.getRhs(), parts);
    return;
  }
  parts.push_back(value);
}

template <typename Op>
static bool moveToMask(RewriterBase &rewriter, Op op) {
  if (op.getMaskMod().empty())
    return false;
  Block &block = op.getMaskMod().front();
  Operation *yield = block.getTerminator();
  Matcher matcher(block, /*anyPosition=*/static_cast<bool>(op.getQPositions()));
  SmallVector<Value> parts, rest;
  SmallVector<Attribute> masks;
  if (op.getMask())
    masks.push_back(*op.getMask());
  conjuncts(yield->getOperand(0), parts);
  for (Value part : parts) {
    if (MaskAttr mask = matcher.match(part))
      masks.push_back(mask);
    else
      rest.push_back(part);
  }
  if (rest.size() == parts.size())
    return false;

  MaskAttr mask = cast<MaskAttr>(masks.front());
  if (masks.size() > 1)
    mask = MaskAttr::get(op.getContext(), MaskKind::And, {}, masks);
  mask = mask.simplify();
  rewriter.modifyOpInPlace(op, [&] {
    if (mask.getKind() == MaskKind::Full)
      op.removeMaskAttr();
    else
      op.setMaskAttr(mask);
  });
  // What is left is the region; none left is a region that yields true, which
  // canonicalization drops with the captures that only it read.
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(yield);
  Value result;
  for (Value part : rest)
    result = result ? arith::AndIOp::create(rewriter, op.getLoc(), result, part)
                          .getResult()
                    : part;
  if (!result)
    result = arith::ConstantIntOp::create(rewriter, op.getLoc(), 1, 1);
  rewriter.modifyOpInPlace(yield, [&] { yield->setOperand(0, result); });
  SmallVector<Operation *> inner = llvm::map_to_vector(
      block.without_terminator(), [](Operation &each) { return &each; });
  for (Operation *each : llvm::reverse(inner))
    if (each->use_empty())
      rewriter.eraseOp(each);
  return true;
}

bool mlir::attn::matchMask(RewriterBase &rewriter, AttentionOp op) {
  return moveToMask(rewriter, op);
}
bool mlir::attn::matchMask(RewriterBase &rewriter, AttentionGradOp op) {
  return moveToMask(rewriter, op);
}

namespace {
struct MatchMasksPass : public attn::impl::MatchMasksBase<MatchMasksPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    getOperation().walk([&](AttentionOp op) { matchMask(rewriter, op); });
    getOperation().walk([&](AttentionGradOp op) { matchMask(rewriter, op); });
  }
};
} // namespace
