//===- ScalarRegion.cpp - Vector form of a key loop's scalar regions -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See ScalarRegion.h.
//===----------------------------------------------------------------------===//

#include "ScalarRegion.h"

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

void ScalarRegion::bind(unsigned index, Value value, Value first) {
  map.map(block.getArgument(index + scores), value);
  if (first)
    firstLane[value] = first;
}

void ScalarRegion::bindAux(ValueRange buffers, int64_t captures) {
  map.map(block.getArguments().take_back(buffers.size()), buffers);
  for (Value buffer : buffers.take_back(captures))
    checked.insert(buffer);
}

Value ScalarRegion::loadScalar(Emit &e, Value buffer, ValueRange indices) {
  SmallVector<Value> at;
  for (Value index : indices)
    at.push_back(e.toIndex(index));
  if (!checked.contains(buffer))
    return e.load(buffer, at);
  Value inside;
  for (auto [axis, index] : llvm::enumerate(at)) {
    // Unsigned, so that a negative index is outside as well.
    Value ok = e.cmp(arith::CmpIPredicate::ult, index, e.dim(buffer, axis));
    inside = inside ? e.band(inside, ok) : ok;
  }
  if (!inside)
    return e.load(buffer, at);
  Type type = cast<MemRefType>(buffer.getType()).getElementType();
  return e.choose(
      inside, [&]() -> SmallVector<Value> { return {e.load(buffer, at)}; },
      [&]() -> SmallVector<Value> {
        if (auto real = dyn_cast<FloatType>(type))
          return {e.num(std::numeric_limits<double>::quiet_NaN(), real)};
        return {arith::ConstantOp::create(e.b, e.loc, e.b.getIntegerAttr(type, 0)).getResult()};
      })[0];
}

bool ScalarRegion::ready(Operation &op) {
  return llvm::all_of(op.getOperands(), [&](Value operand) { return map.contains(operand); });
}

void ScalarRegion::hoist(Emit &e) {
  for (Operation &op : block.without_terminator())
    if (!written.contains(&op) && ready(op))
      write(e, op);
}

Value ScalarRegion::finish(Emit &e, Value score) {
  return vectorOf(e, finishAll(e, score ? ValueRange(score) : ValueRange())[0]);
}

SmallVector<Value> ScalarRegion::finishAll(Emit &e, ValueRange floats) {
  IRMapping saved = map;
  DenseMap<Value, Value> savedLanes = firstLane;
  map.map(block.getArguments().take_front(floats.size()), floats);
  SmallVector<Operation *> here;
  for (Operation &op : block.without_terminator())
    if (!written.contains(&op)) {
      here.push_back(&op);
      write(e, op);
    }
  SmallVector<Value> results;
  for (Value yielded : block.getTerminator()->getOperands())
    results.push_back(map.lookup(yielded));
  // What was written inside a loop body is not there for the next call.
  for (Operation *op : here)
    written.erase(op);
  map = saved;
  firstLane = savedLanes;
  return results;
}

Value ScalarRegion::vectorOf(Emit &e, Value mapped) {
  return !e.lanes || isa<VectorType>(mapped.getType()) ? mapped : e.splat(mapped);
}

Value ScalarRegion::load(Emit &e, Value buffer, ValueRange indices) {
  auto type = cast<MemRefType>(buffer.getType());
  bool uniform = llvm::none_of(indices, [](Value v) { return isa<VectorType>(v.getType()); });
  if (uniform)
    return loadScalar(e, buffer, indices);
  // One vector load when only the last index varies, lane by lane.
  bool lastOnly = llvm::none_of(indices.drop_back(),
                                [](Value v) { return isa<VectorType>(v.getType()); });
  int64_t offset;
  SmallVector<int64_t> strides;
  bool unit = succeeded(type.getStridesAndOffset(strides, offset)) && strides.back() == 1;
  auto first = firstLane.find(indices.back());
  if (!checked.contains(buffer) && lastOnly && unit && first != firstLane.end()) {
    SmallVector<Value> at;
    for (Value index : indices.drop_back())
      at.push_back(e.toIndex(index));
    at.push_back(e.toIndex(first->second));
    if (!type.getElementType().isInteger(1))
      return e.loadVec(buffer, at);
    // Booleans are bytes in memory and bits in a vector.
    auto bytes = MemRefType::get(type.getShape(), e.b.getI8Type(), type.getLayout());
    Value view = UnrealizedConversionCastOp::create(e.b, e.loc, bytes, buffer).getResult(0);
    Value vector = e.loadVec(view, at);
    Value zero = e.splat(arith::ConstantIntOp::create(e.b, e.loc, 0, 8));
    return e.cmp(arith::CmpIPredicate::ne, vector, zero);
  }
  SmallVector<Value> elements;
  for (int64_t lane = 0; lane < e.lanes; ++lane) {
    SmallVector<Value> at;
    for (Value index : indices)
      at.push_back(isa<VectorType>(index.getType())
                       ? vector::ExtractOp::create(e.b, e.loc, index, lane).getResult()
                       : index);
    elements.push_back(loadScalar(e, buffer, at));
  }
  return vector::FromElementsOp::create(e.b, e.loc, e.vec(type.getElementType()), elements);
}

void ScalarRegion::write(Emit &e, Operation &op) {
  written.insert(&op);
  SmallVector<Value> operands;
  for (Value operand : op.getOperands())
    operands.push_back(map.lookup(operand));
  if (auto loadOp = dyn_cast<LoadOp>(op)) {
    map.map(loadOp.getResult(), load(e, operands.front(), ValueRange(operands).drop_front()));
    return;
  }
  // Storage conversions go through our own, which need no library.
  if (isa<arith::ExtFOp>(op)) {
    Value wide = e.widen(operands[0]);
    Type want = op.getResult(0).getType();
    if (getElementTypeOrSelf(wide) == want) {
      map.map(op.getResult(0), wide);
      return;
    }
  }
  // As are those functions which LLVM would call a library for, lane by lane. (A GPU
  // has instructions for them.)
  if (e.lanes) {
    auto result = llvm::TypeSwitch<Operation *, Value>(&op)
                      .Case([&](math::TanhOp) { return e.anyTanh(operands[0]); })
                      .Case([&](math::ExpOp) { return e.anyExp(operands[0]); })
                      .Case([&](math::Exp2Op) { return e.anyExp2(operands[0]); })
                      .Default(Value());
    if (result) {
      map.map(op.getResult(0), result);
      return;
    }
  }
  bool vector = llvm::any_of(operands, [](Value v) { return isa<VectorType>(v.getType()); });
  if (vector)
    for (Value &operand : operands)
      operand = vectorOf(e, operand);
  OperationState state(e.loc, op.getName());
  state.addOperands(operands);
  state.addAttributes(op.getAttrs());
  state.propertiesAttr = op.getPropertiesAsAttribute();
  for (Type type : op.getResultTypes())
    state.addTypes(vector ? Type(e.vec(type)) : type);
  Operation *copy = e.b.create(state);
  map.map(op.getResults(), copy->getResults());
  // n + uniform keeps consecutive lanes.
  if (isa<arith::AddIOp, arith::SubIOp>(op) && vector) {
    Value x = map.lookup(op.getOperand(0)), y = map.lookup(op.getOperand(1));
    auto lane = firstLane.find(x);
    if (lane != firstLane.end() && !isa<VectorType>(y.getType())) {
      Value first = isa<arith::AddIOp>(op)
                        ? arith::AddIOp::create(e.b, e.loc, lane->second, y).getResult()
                        : arith::SubIOp::create(e.b, e.loc, lane->second, y).getResult();
      firstLane[copy->getResult(0)] = first;
    }
  }
}
