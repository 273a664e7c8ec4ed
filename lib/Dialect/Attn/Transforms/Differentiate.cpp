//===- Differentiate.cpp - The derivative of a score region -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reverse mode over straight-line scalar code: the region again, then each op
// backwards.
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Transforms.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::attn;

namespace {

/// Example: of `y = tanh(s)` with the gradient `ds` by y it writes y again and
/// yields `ds * (1 - y * y)`.
class ScoreGrad {
public:
  ScoreGrad(OpBuilder &b, KeyLoopGradOp op)
      : b(b), op(op), loc(op.getLoc()), state(op.getStateType()), source(op.getScore().front()) {}

  void write();

private:
  /// A primal value, in the type that gradients have.
  Value primal(Value value) {
    Value mapped = map.lookup(value);
    auto type = cast<FloatType>(mapped.getType());
    if (type == state)
      return mapped;
    if (type.getWidth() < state.getWidth())
      return arith::ExtFOp::create(b, loc, state, mapped);
    return arith::TruncFOp::create(b, loc, state, mapped);
  }
  Value num(double value) {
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(state, value));
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) {
    return arith::CmpFOp::create(b, loc, predicate, x, y);
  }
  Value select(Value c, Value x, Value y) { return arith::SelectOp::create(b, loc, c, x, y); }

  void pass(Value operand, Value gradient);
  void backward(Operation &inner, Value gradient);
  /// The slope of `inner` by operand `n`, where it is not a matter of choice.
  Value slope(Operation &inner, unsigned n);
  void larger(Operation &inner, Value gradient, bool isMax);

  OpBuilder &b;
  KeyLoopGradOp op;
  Location loc;
  FloatType state;
  Block &source;
  IRMapping map;
  llvm::SetVector<Value> active;
  DenseMap<Value, Value> gradients;
  SmallVector<Value> yielded;
  SmallVector<int64_t> scatters;
};

} // namespace

void ScoreGrad::pass(Value operand, Value gradient) {
  if (!active.contains(operand))
    return;
  Value &sum = gradients[operand];
  sum = sum ? add(sum, gradient) : gradient;
}

Value ScoreGrad::slope(Operation &inner, unsigned n) {
  auto x = [&](unsigned index) { return primal(inner.getOperand(index)); };
  Value y = primal(inner.getResult(0));
  constexpr double ln2 = 0.69314718055994530942;
  StringRef name = inner.getName().getStringRef();
  if (name == "arith.mulf")
    return x(1 - n);
  if (name == "arith.divf") {
    if (n == 0)
      return div(num(1.0), x(1));
    return div(arith::NegFOp::create(b, loc, y), x(1));
  }
  if (name == "math.exp")
    return y;
  if (name == "math.exp2")
    return mul(y, num(ln2));
  if (name == "math.log")
    return div(num(1.0), x(0));
  if (name == "math.log2")
    return div(num(1.0 / ln2), x(0));
  if (name == "math.log1p")
    return div(num(1.0), add(num(1.0), x(0)));
  if (name == "math.tanh")
    return sub(num(1.0), mul(y, y));
  if (name == "math.sqrt")
    return div(num(0.5), y);
  if (name == "math.rsqrt")
    return mul(num(-0.5), mul(y, mul(y, y)));
  if (name == "math.absf") {
    Value up = select(compare(arith::CmpFPredicate::OGT, x(0), num(0.0)), num(1.0), num(0.0));
    return select(compare(arith::CmpFPredicate::OLT, x(0), num(0.0)), num(-1.0), up);
  }
  if (name == "math.sin")
    return math::CosOp::create(b, loc, x(0));
  if (name == "math.cos")
    return arith::NegFOp::create(b, loc, math::SinOp::create(b, loc, x(0)));
  if (name == "math.powf") {
    if (n == 0)
      return mul(x(1), math::PowFOp::create(b, loc, x(0), sub(x(1), num(1.0))));
    Value positive = compare(arith::CmpFPredicate::OGT, x(0), num(0.0));
    return select(positive, mul(y, math::LogOp::create(b, loc, x(0))), num(0.0));
  }
  assert(name == "math.erf" && "the verifier let through an op without a derivative");
  Value square = arith::NegFOp::create(b, loc, mul(x(0), x(0)));
  return mul(num(1.12837916709551257390), math::ExpOp::create(b, loc, square));
}

/// The larger (smaller) operand gets all, equal ones half each.
void ScoreGrad::larger(Operation &inner, Value gradient, bool isMax) {
  Value x = primal(inner.getOperand(0)), y = primal(inner.getOperand(1));
  Value first = compare(isMax ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT, x, y);
  Value equal = compare(arith::CmpFPredicate::OEQ, x, y);
  Value half = mul(gradient, num(0.5)), zero = num(0.0);
  pass(inner.getOperand(0), select(equal, half, select(first, gradient, zero)));
  pass(inner.getOperand(1), select(equal, half, select(first, zero, gradient)));
}

void ScoreGrad::backward(Operation &inner, Value gradient) {
  if (auto load = dyn_cast<LoadOp>(inner)) {
    unsigned first = source.getNumArguments() - op.getAux().size();
    scatters.push_back(cast<BlockArgument>(load.getTensor()).getArgNumber() - first);
    yielded.push_back(gradient);
    for (Value index : load.getIndices())
      yielded.push_back(map.lookup(index));
    return;
  }
  if (isa<arith::AddFOp, arith::ExtFOp, arith::TruncFOp>(inner)) {
    for (Value operand : inner.getOperands())
      pass(operand, gradient);
  } else if (isa<arith::SubFOp>(inner)) {
    pass(inner.getOperand(0), gradient);
    pass(inner.getOperand(1), arith::NegFOp::create(b, loc, gradient));
  } else if (isa<arith::NegFOp>(inner)) {
    pass(inner.getOperand(0), arith::NegFOp::create(b, loc, gradient));
  } else if (isa<arith::MaximumFOp, arith::MaxNumFOp>(inner)) {
    larger(inner, gradient, /*isMax=*/true);
  } else if (isa<arith::MinimumFOp, arith::MinNumFOp>(inner)) {
    larger(inner, gradient, /*isMax=*/false);
  } else if (isa<arith::SelectOp>(inner)) {
    Value condition = map.lookup(inner.getOperand(0)), zero = num(0.0);
    pass(inner.getOperand(1), select(condition, gradient, zero));
    pass(inner.getOperand(2), select(condition, zero, gradient));
  } else {
    // What passes on nothing passes on nothing, however steep it is there: the
    // branch of a select that was not taken may be at a pole.
    Value none = compare(arith::CmpFPredicate::OEQ, gradient, num(0.0));
    for (auto [n, operand] : llvm::enumerate(inner.getOperands()))
      if (active.contains(operand))
        pass(operand, select(none, num(0.0), mul(gradient, slope(inner, n))));
  }
}

void ScoreGrad::write() {
  OpBuilder::InsertionGuard guard(b);
  SmallVector<Type> types = {state};
  llvm::append_range(types, source.getArgumentTypes());
  Region &region = op.getScoreGrad();
  Block *block = b.createBlock(&region, region.end(), types,
                               SmallVector<Location>(types.size(), loc));
  // s, then ds, then the rest.
  map.map(source.getArgument(0), block->getArgument(0));
  map.map(source.getArguments().drop_front(), block->getArguments().drop_front(2));
  for (Operation &inner : source.without_terminator())
    b.clone(inner, map);
  SmallVector<Value> tensors;
  for (int64_t number : op.getAuxGrads())
    tensors.push_back(source.getArguments().take_back(op.getAux().size())[number]);
  active = findActive(source, source.getArgument(0), tensors);
  pass(source.getTerminator()->getOperand(0), block->getArgument(1));
  for (Operation &inner : llvm::reverse(source.without_terminator())) {
    if (!inner.getNumResults())
      continue;
    if (Value gradient = gradients.lookup(inner.getResult(0)))
      backward(inner, gradient);
  }
  Value byScore = gradients.lookup(source.getArgument(0));
  yielded.insert(yielded.begin(), byScore ? byScore : num(0.0));
  YieldOp::create(b, loc, yielded);
  op.setScatters(scatters);
}

void mlir::attn::differentiateScore(OpBuilder &b, KeyLoopGradOp op) { ScoreGrad(b, op).write(); }
