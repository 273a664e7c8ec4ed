//===- AttnFolds.cpp - Folds and result shapes -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rewrites that keep the meaning exactly, and the shapes of results.
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Result shapes
//===----------------------------------------------------------------------===//

/// Key slots of a page table: 5 pages of 16 are 80.
static OpFoldResult slotCount(OpBuilder &builder, AttentionOp op) {
  OpFoldResult pages = tensor::getMixedSize(builder, op.getLoc(), op.getPageTable(), 2);
  int64_t size = *op.getPageSize();
  if (std::optional<int64_t> known = getConstantIntValue(pages))
    return builder.getIndexAttr(*known * size);
  Value factor = arith::ConstantIndexOp::create(builder, op.getLoc(), size);
  return arith::MulIOp::create(builder, op.getLoc(), cast<Value>(pages), factor).getResult();
}

LogicalResult AttentionOp::reifyResultShapes(OpBuilder &builder,
                                             ReifiedRankedShapedTypeDims &shapes) {
  // out and lse follow q's axis order; only the last axis of out is v's.
  SmallVector<OpFoldResult> out;
  for (int64_t dim = 0; dim < 4; ++dim)
    out.push_back(tensor::getMixedSize(builder, getLoc(), getQ(), dim));
  SmallVector<OpFoldResult> lse = {out[getAxesOrDefault().getQ()[kBatch]],
                                   out[getAxesOrDefault().getQ()[kHead]],
                                   out[getAxesOrDefault().getQ()[kSeq]]};
  SmallVector<OpFoldResult> scores = lse;
  if (getScores())
    scores.push_back(isPaged() ? slotCount(builder, *this)
                               : tensor::getMixedSize(builder, getLoc(), getK(),
                                                      getAxesOrDefault().getK()[kSeq]));
  out[3] = builder.getIndexAttr(getVDim(kDim));
  auto refine = [&](Value result, SmallVector<OpFoldResult> sizes) {
    auto type = cast<RankedTensorType>(result.getType());
    for (auto [dim, size] : llvm::enumerate(type.getShape()))
      if (!ShapedType::isDynamic(size))
        sizes[dim] = builder.getIndexAttr(size);
    shapes.push_back(sizes);
  };
  refine(getOut(), out);
  if (getLse())
    refine(getLse(), lse);
  if (getScores())
    refine(getScores(), scores);
  return success();
}

LogicalResult AttentionGradOp::reifyResultShapes(OpBuilder &builder,
                                                 ReifiedRankedShapedTypeDims &shapes) {
  // Each gradient is shaped like its operand.
  SmallVector<Value> like = {getQ(), getK(), getV()};
  if (getDbias())
    like.push_back(getBias());
  if (getDlogWeight())
    like.push_back(getLogWeight());
  if (getDsinks())
    like.push_back(getSinks());
  for (int64_t number : getGradCaptures())
    like.push_back(getCaptures()[number]);
  for (Value value : like)
    shapes.push_back(tensor::getMixedSizes(builder, getLoc(), value));
  return success();
}

LogicalResult KeyLoopOp::reifyResultShapes(OpBuilder &builder,
                                           ReifiedRankedShapedTypeDims &shapes) {
  if (getResults().empty())
    return failure();
  for (Value out : getOuts())
    shapes.push_back(tensor::getMixedSizes(builder, getLoc(), out));
  return success();
}

LogicalResult MergeStatesOp::reifyResultShapes(OpBuilder &builder,
                                               ReifiedRankedShapedTypeDims &shapes) {
  shapes.push_back(tensor::getMixedSizes(builder, getLoc(), getOuts().front()));
  shapes.push_back(tensor::getMixedSizes(builder, getLoc(), getLses().front()));
  return success();
}

//===----------------------------------------------------------------------===//
// attention
//===----------------------------------------------------------------------===//

namespace {
/// Brings the mask to its simplest form; a mask that keeps everything goes.
template <typename Op>
struct SimplifyMask : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!op.getMask())
      return rewriter.notifyMatchFailure(op, "no mask");
    MaskAttr simple = op.getMask()->simplify();
    bool full = simple.getKind() == MaskKind::Full;
    // An operand that only the dropped part read would be left without a reader.
    if (simple == *op.getMask())
      return rewriter.notifyMatchFailure(op, "already simple");
    if (op.hasDocuments() && !simple.contains(MaskKind::Document))
      return rewriter.notifyMatchFailure(op, "documents would lose their mask");
    if (op.getPrefixLengths() && !simple.readsPrefixLengths())
      return rewriter.notifyMatchFailure(op, "prefix_lengths would lose its mask");
    rewriter.modifyOpInPlace(op, [&] {
      if (full)
        op.removeMaskAttr();
      else
        op.setMaskAttr(simple);
    });
    return success();
  }
};

/// A mask_mod that always yields true goes, and a score_mod or prob_mod that yields
/// its number unchanged; captures that nobody reads any more go with them.
struct DropTrivialRegions : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op, PatternRewriter &rewriter) const override {
    bool dropMask = false;
    auto yieldsItsNumber = [](Region &region) {
      return !region.empty() &&
             region.front().getTerminator()->getOperand(0) == region.front().getArgument(0);
    };
    bool dropScore = yieldsItsNumber(op.getScoreMod()), dropProb = yieldsItsNumber(op.getProbMod());
    if (!op.getMaskMod().empty()) {
      Value result = op.getMaskMod().front().getTerminator()->getOperand(0);
      dropMask = isConstantIntValue(result, -1) || isConstantIntValue(result, 1);
    }
    if (!dropMask && !dropScore && !dropProb)
      return rewriter.notifyMatchFailure(op, "no trivial region");
    rewriter.modifyOpInPlace(op, [&] {
      auto drop = [](Region &region) {
        region.front().dropAllReferences();
        region.getBlocks().clear();
      };
      if (dropMask)
        drop(op.getMaskMod());
      if (dropScore)
        drop(op.getScoreMod());
      if (dropProb)
        drop(op.getProbMod());
      if (op.getScoreMod().empty() && op.getMaskMod().empty() && op.getProbMod().empty())
        op.getCapturesMutable().clear();
    });
    return success();
  }
};

/// Scores that nobody reads are not made.
struct DropUnusedScores : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op, PatternRewriter &rewriter) const override {
    if (!op.getScores() || !op.getScores().use_empty())
      return rewriter.notifyMatchFailure(op, "no unused scores");
    OperationState state(op.getLoc(), op->getName());
    state.addOperands(op->getOperands());
    SmallVector<Type> types(llvm::drop_end(op->getResultTypes()));
    state.addTypes(types);
    state.propertiesAttr = op->getPropertiesAsAttribute();
    for (Region &region : op->getRegions())
      state.addRegion()->takeBody(region);
    auto plain = cast<AttentionOp>(rewriter.create(state));
    plain.removeScoresKindAttr();
    plain.getProperties().setResultSegmentSizes({1, op.getLse() ? 1 : 0, 0});
    for (auto [old, value] : llvm::zip(op->getResults(), plain->getResults()))
      rewriter.replaceAllUsesWith(old, value);
    rewriter.eraseOp(op);
    return success();
  }
};

/// The default axis order is not written down.
template <typename Op>
struct DropDefaultAxes : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!op.getAxesAttr() || !op.getAxesAttr().isDefault())
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.removeAxesAttr(); });
    return success();
  }
};

/// No keys at all: out = 0 and lse = -inf. With sinks lse is the sink, which the
/// general path gives.
struct FoldEmptyKeys : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op, PatternRewriter &rewriter) const override {
    if (op.isPaged() || op.getSinks() || op.getKDim(kSeq) != 0)
      return rewriter.notifyMatchFailure(op, "may have keys");
    ReifiedRankedShapedTypeDims shapes;
    if (failed(op.reifyResultShapes(rewriter, shapes)))
      return failure();
    SmallVector<Value> results;
    for (auto [result, sizes] : llvm::zip(op->getResults(), shapes)) {
      auto type = cast<RankedTensorType>(result.getType());
      double value = result == op.getOut() ? 0.0 : -std::numeric_limits<double>::infinity();
      Value fill = arith::ConstantOp::create(rewriter, op.getLoc(),
                                             rewriter.getFloatAttr(type.getElementType(), value));
      SmallVector<Value> dynamicSizes;
      for (auto [dim, size] : llvm::enumerate(sizes))
        if (type.isDynamicDim(dim))
          dynamicSizes.push_back(getValueOrCreateConstantIndexOp(rewriter, op.getLoc(), size));
      results.push_back(
          tensor::SplatOp::create(rewriter, op.getLoc(), fill, type, dynamicSizes));
    }
    rewriter.replaceOp(op, results);
    return success();
  }
};
} // namespace

void AttentionOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<SimplifyMask<AttentionOp>, DropTrivialRegions, DropDefaultAxes<AttentionOp>,
               DropUnusedScores, FoldEmptyKeys>(context);
}

//===----------------------------------------------------------------------===//
// attention_grad
//===----------------------------------------------------------------------===//

namespace {
/// A mask_mod that always yields true goes, unless captured tensors would be
/// left without a region while their gradients are asked for.
struct DropTrueMask : OpRewritePattern<AttentionGradOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionGradOp op, PatternRewriter &rewriter) const override {
    if (op.getMaskMod().empty())
      return rewriter.notifyMatchFailure(op, "no mask_mod");
    Value result = op.getMaskMod().front().getTerminator()->getOperand(0);
    if (!isConstantIntValue(result, -1) && !isConstantIntValue(result, 1))
      return rewriter.notifyMatchFailure(op, "no constant");
    rewriter.modifyOpInPlace(op, [&] {
      op.getMaskMod().front().dropAllReferences();
      op.getMaskMod().getBlocks().clear();
      if (op.getScoreMod().empty())
        op.getCapturesMutable().clear();
    });
    return success();
  }
};
} // namespace

void AttentionGradOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                                  MLIRContext *context) {
  patterns.add<SimplifyMask<AttentionGradOp>, DropTrueMask, DropDefaultAxes<AttentionGradOp>>(
      context);
}

//===----------------------------------------------------------------------===//
// merge_states
//===----------------------------------------------------------------------===//

namespace {
/// Merging one state is that state.
struct MergeOne : OpRewritePattern<MergeStatesOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MergeStatesOp op, PatternRewriter &rewriter) const override {
    if (op.getOuts().size() != 1 || op.getOuts()[0].getType() != op.getOut().getType() ||
        op.getLses()[0].getType() != op.getLse().getType())
      return rewriter.notifyMatchFailure(op, "more than one state");
    rewriter.replaceOp(op, ValueRange{op.getOuts()[0], op.getLses()[0]});
    return success();
  }
};
} // namespace

void MergeStatesOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                                MLIRContext *context) {
  patterns.add<MergeOne>(context);
}
