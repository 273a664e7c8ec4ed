//===- Shuffles.cpp - Transposes and sums across the lanes of vectors -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Both are butterflies of two-operand shuffles, which every target has.
//===----------------------------------------------------------------------===//

#include "Emit.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;

/// The lanes of x and y (numbered on from those of x) that `pick` names.
static Value shuffle(Emit &e, Value x, Value y, llvm::function_ref<int64_t(int64_t)> pick) {
  SmallVector<int64_t> order;
  for (int64_t lane = 0; lane < e.lanes; ++lane)
    order.push_back(pick(lane));
  return vector::ShuffleOp::create(e.b, e.loc, x, y, order);
}

SmallVector<Value> Emit::transpose(ArrayRef<Value> rows) {
  // Step `span` swaps the off-diagonal blocks of every square of 2 * span lanes:
  // with span 1, rows (a b c d) and (e f g h) become (a e c g) and (b f d h).
  SmallVector<Value> result(rows);
  for (int64_t span = 1; span < lanes; span *= 2)
    for (int64_t r = 0; r < lanes; ++r) {
      if (r & span)
        continue;
      Value x = result[r], y = result[r + span];
      result[r] = shuffle(*this, x, y, [&](int64_t lane) {
        return lane & span ? lanes + lane - span : lane;
      });
      result[r + span] = shuffle(*this, x, y, [&](int64_t lane) {
        return lane & span ? lanes + lane : lane + span;
      });
    }
  return result;
}

Value Emit::sumEach(ArrayRef<Value> vectors) {
  // Step `span` folds pairs of vectors into one, like the first half of a
  // transpose: lane i of the last vector is the sum of vector i. Sums are trees.
  assert(llvm::isPowerOf2_64(lanes) && static_cast<int64_t>(vectors.size()) <= lanes);
  SmallVector<Value> terms(vectors);
  terms.resize(lanes, numVec(0.0));
  for (int64_t span = 1; span < lanes; span *= 2) {
    SmallVector<Value> next;
    for (size_t n = 0; n < terms.size(); n += 2) {
      Value x = terms[n], y = terms[n + 1];
      Value even = shuffle(*this, x, y, [&](int64_t lane) {
        return lane & span ? lanes + lane - span : lane;
      });
      Value odd = shuffle(*this, x, y, [&](int64_t lane) {
        return lane & span ? lanes + lane : lane + span;
      });
      next.push_back(fadd(even, odd));
    }
    terms = std::move(next);
  }
  return terms.front();
}
