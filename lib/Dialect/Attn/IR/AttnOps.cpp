//===- AttnOps.cpp - Accessors of the ops -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the ops know about themselves; rules are in AttnVerifiers.cpp, folds in AttnFolds.cpp.
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/IR/IRMapping.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

#define GET_OP_CLASSES
#include "attn/Dialect/Attn/IR/AttnOps.cpp.inc"

static FloatType stateTypeOf(Type operand) {
  Type element = cast<ShapedType>(operand).getElementType();
  MLIRContext *context = operand.getContext();
  return element.isF64() ? FloatType(Float64Type::get(context))
                         : FloatType(Float32Type::get(context));
}

//===----------------------------------------------------------------------===//
// attention
//===----------------------------------------------------------------------===//

static int64_t dimOf(Value value, ArrayRef<int64_t> order, int64_t role) {
  return cast<ShapedType>(value.getType()).getDimSize(order[role]);
}

static bool readsQueryPosition(Region &region, unsigned index) {
  return !region.empty() && region.front().getNumArguments() > index &&
         !region.front().getArgument(index).use_empty();
}

/// Positions of keys alone (prefix) do not need to know how queries line up.
template <typename Op>
static bool comparesPositions(Op op) {
  if (op.getMask() && op.getMask()->comparesPositions())
    return true;
  return readsQueryPosition(op.getScoreMod(), 3) || readsQueryPosition(op.getMaskMod(), 2);
}

template <typename Op>
static double scaleOf(Op op) {
  if (op.getScale())
    return op.getScale()->convertToDouble();
  return 1.0 / std::sqrt(static_cast<double>(op.getQDim(kDim)));
}

AxesAttr AttentionOp::getAxesOrDefault() {
  return getAxesAttr() ? getAxesAttr() : AxesAttr::getDefault(getContext());
}
int64_t AttentionOp::getQDim(int64_t role) {
  return dimOf(getQ(), getAxesOrDefault().getQ(), role);
}
int64_t AttentionOp::getKDim(int64_t role) {
  return dimOf(getK(), getAxesOrDefault().getK(), role);
}
int64_t AttentionOp::getVDim(int64_t role) {
  return dimOf(getV(), getAxesOrDefault().getV(), role);
}
double AttentionOp::getScaleValue() { return scaleOf(*this); }
bool AttentionOp::readsPositions() {
  return comparesPositions(*this) || readsQueryPosition(getProbMod(), 3);
}
FloatType AttentionOp::getStateType() { return stateTypeOf(getQ().getType()); }

//===----------------------------------------------------------------------===//
// attention_grad
//===----------------------------------------------------------------------===//

AxesAttr AttentionGradOp::getAxesOrDefault() {
  return getAxesAttr() ? getAxesAttr() : AxesAttr::getDefault(getContext());
}
int64_t AttentionGradOp::getQDim(int64_t role) {
  return dimOf(getQ(), getAxesOrDefault().getQ(), role);
}
int64_t AttentionGradOp::getKDim(int64_t role) {
  return dimOf(getK(), getAxesOrDefault().getK(), role);
}
int64_t AttentionGradOp::getVDim(int64_t role) {
  return dimOf(getV(), getAxesOrDefault().getV(), role);
}
double AttentionGradOp::getScaleValue() { return scaleOf(*this); }
bool AttentionGradOp::readsPositions() { return comparesPositions(*this); }
FloatType AttentionGradOp::getStateType() { return stateTypeOf(getQ().getType()); }

ArrayRef<int64_t> AttentionGradOp::getGradCaptures() {
  return getCaptureGrads() ? *getCaptureGrads() : ArrayRef<int64_t>();
}

AttentionOp AttentionGradOp::makeForward(OpBuilder &builder) {
  auto forward = AttentionOp::create(
      builder, getLoc(), getOut().getType(), getLse().getType(),
      /*scores=*/Type(), getQ(), getK(), getV(), getBias(), getMaskTensor(),
      getQLengths(), getKvLengths(), getQPositions(), getKvPositions(),
      getQSegments(), getKvSegments(), getCuQ(), getCuKv(), getPrefixLengths(),
      getPageTable(), getLogWeight(), getSinks(), getCaptures(), getMaskAttr(),
      getAlignAttr(), getScaleAttr(), getSoftcapAttr(), getPageSizeAttr(),
      getAxesAttr(), /*scores_kind=*/nullptr, getScheduleAttr(),
      /*batch_invariant=*/nullptr);
  IRMapping mapping;
  getScoreMod().cloneInto(&forward.getScoreMod(), mapping);
  getMaskMod().cloneInto(&forward.getMaskMod(), mapping);
  return forward;
}

//===----------------------------------------------------------------------===//
// key_loop
//===----------------------------------------------------------------------===//

AxesAttr KeyLoopOp::getAxesOrDefault() {
  return getAxesAttr() ? getAxesAttr() : AxesAttr::getDefault(getContext());
}

Value KeyLoopOp::getAux(StringRef role) {
  for (auto [name, value] : llvm::zip(getAuxRoles().getAsValueRange<StringAttr>(), getAux()))
    if (name == role)
      return value;
  return {};
}

FloatType KeyLoopGradOp::getStateType() { return stateTypeOf(getQ().getType()); }
FloatType KeyLoopOp::getStateType() { return stateTypeOf(getQ().getType()); }

/// On tensors such an op is pure; on buffers it reads its inputs and writes outs.
static void
bufferEffects(Operation *op, ValueRange outs,
              SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    bool isOut = llvm::is_contained(outs, operand.get());
    effects.emplace_back(isOut ? static_cast<MemoryEffects::Effect *>(MemoryEffects::Write::get())
                               : MemoryEffects::Read::get(),
                         &operand);
  }
}

void KeyLoopGradOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  bufferEffects(*this, getOuts(), effects);
}

void KeyLoopOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  bufferEffects(*this, getOuts(), effects);
}

//===----------------------------------------------------------------------===//
// documents and block_table
//===----------------------------------------------------------------------===//

void DocumentsOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  bufferEffects(*this, getOuts(), effects);
}

void BlockTableOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  bufferEffects(*this, getOut(), effects);
}
