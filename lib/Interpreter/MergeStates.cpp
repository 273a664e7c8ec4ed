//===- MergeStates.cpp - attn.merge_states in plain loops -----------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// lse = ln(sum exp(lse_n)), out = sum exp(lse_n - lse) * out_n.
//===----------------------------------------------------------------------===//

#include "Detail.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::detail;

/// One row of each state, merged in the order of the operands.
template <typename T>
static void mergeRow(llvm::ArrayRef<Ref> outs, llvm::ArrayRef<Ref> lses,
                     int64_t row, int64_t dim, bool baseTwo,
                     std::vector<T> &sums, T &lse) {
  std::fill(sums.begin(), sums.end(), T(0));
  T largest = T(-INFINITY), total = 0;
  bool poisoned = false;
  for (const Ref &state : lses) {
    T value = static_cast<T>(state->floats[row]);
    poisoned |= std::isnan(value) || value == T(INFINITY);
    largest = std::max(largest, value);
  }
  lse = largest;
  if (poisoned) {
    std::fill(sums.begin(), sums.end(), T(NAN));
    lse = T(NAN);
    return;
  }
  if (largest == T(-INFINITY))
    return; // No state saw a key.
  // The two plain ways; the second normalises last.
  T unit = baseTwo ? T(1.4426950408889634) : T(1), top = largest * unit;
  auto power = [&](T value, T origin) {
    return baseTwo ? std::exp2(value * unit - origin)
                   : std::exp(value - origin);
  };
  for (const Ref &state : lses)
    total += power(static_cast<T>(state->floats[row]), top);
  lse = baseTwo ? (top + std::log2(total)) * T(0.6931471805599453)
                : top + std::log(total);
  for (auto [out, state] : llvm::zip(outs, lses)) {
    T value = static_cast<T>(state->floats[row]);
    if (value == T(-INFINITY))
      continue; // Whatever its out holds.
    T weight = power(value, baseTwo ? top : lse);
    for (int64_t e = 0; e < dim; ++e)
      sums[e] += weight * static_cast<T>(out->floats[row * dim + e]);
  }
  if (baseTwo) {
    T share = T(1) / total;
    for (T &sum : sums)
      sum *= share;
  }
}

template <typename T>
static void mergeAll(llvm::ArrayRef<Ref> outs, llvm::ArrayRef<Ref> lses,
                     Datum &out, Datum &lse, bool plain, bool baseTwo) {
  int64_t dim = out.shape.back();
  std::vector<T> sums(dim);
  for (int64_t row = 0, rows = lse.size(); row < rows; ++row) {
    T rowLse;
    mergeRow<T>(outs, lses, row, dim, baseTwo, sums, rowLse);
    for (int64_t e = 0; e < dim; ++e)
      out.floats[row * dim + e] =
          plain ? roundTo(out.dtype, sums[e]) : static_cast<double>(sums[e]);
    lse.floats[row] = rowLse;
  }
}

llvm::Expected<SmallVector<Ref>> mlir::attn::detail::runMergeStates(
    MergeStatesOp op, llvm::ArrayRef<Ref> operands, RunMode &mode) {
  llvm::ArrayRef<Ref> outs = operands.take_front(op.getOuts().size()),
                      lses = operands.drop_front(op.getOuts().size());
  llvm::ArrayRef<int64_t> shape = outs.front()->shape;
  bool known = !mode.shapesOnly;
  for (auto [out, lse] : llvm::zip(outs, lses)) {
    if (llvm::ArrayRef<int64_t>(out->shape) != shape)
      return opError(op, "expects outs of one shape, but got " +
                             shapeText(shape) + " and " +
                             shapeText(out->shape));
    if (llvm::ArrayRef<int64_t>(lse->shape) != shape.drop_back())
      return opError(op, "expects each lse to have the shape of the outs "
                         "without the last axis, " +
                             shapeText(shape.drop_back()) + ", but got " +
                             shapeText(lse->shape));
  }
  auto out = makeDatum(op, outs.front()->dtype, shape, known);
  if (!out)
    return out.takeError();
  auto lse = makeDatum(op, lses.front()->dtype, shape.drop_back(), known);
  if (!lse)
    return lse.takeError();
  (*lse)->isLse = true;
  if (known) {
    for (const Ref &state : outs)
      for (double value : state->floats)
        if (std::isfinite(value))
          mode.facts.maxAbsValue =
              std::max(mode.facts.maxAbsValue, std::fabs(value));
    bool plain = mode.arithmetic == Arithmetic::Plain;
    if (plain && (*out)->dtype != DType::F64)
      mergeAll<float>(outs, lses, **out, **lse, plain, mode.variant % 2);
    else
      mergeAll<double>(outs, lses, **out, **lse, plain, false);
  }
  return SmallVector<Ref>{*out, *lse};
}
