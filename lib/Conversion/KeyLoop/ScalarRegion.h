//===- ScalarRegion.h - Vector form of a key loop's scalar regions -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the backends.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_KEYLOOP_SCALARREGION_H
#define ATTN_LIB_CONVERSION_KEYLOOP_SCALARREGION_H

#include "Emit.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/DenseSet.h"

namespace mlir::attn {

/// Writes `visible` or `score` for one vector of pairs: the pairs differ along
/// one axis (the lanes), and every value that does not depend on that axis stays
/// a scalar.
///
/// Without lanes (a thread of a GPU) everything is a scalar.
///
/// Example, lanes along keys: `attn.load %bias[%b, %h, %i, %j]` becomes one vector
/// load, `attn.load %slopes[%h]` one scalar load.
class ScalarRegion {
public:
  /// `scores`: how many floats stand before b: 0 for `visible`, 1 for `score`, 2
  /// for `score_grad`.
  ScalarRegion(Region &region, unsigned scores) : block(region.front()), scores(scores) {}

  /// Binds argument `index` (b, h, g, i, j, Sq, Sk) to a scalar or vector of i32.
  /// With `first`, the lanes are first, first+1, ... and all of them may be read,
  /// so that loads along them are vector loads.
  void bind(unsigned index, Value value, Value first = {});
  /// Binds the aux buffers. Reads of the last `captures` of them are checked: a
  /// user's index may leave the tensor where a mask hides the pair; such a read
  /// gives NaN (0 for integers) and touches no memory outside.
  void bindAux(ValueRange buffers, int64_t captures);

  /// Writes the operations that need none of the arguments still unbound; call
  /// outside the loop over the unbound one.
  void hoist(Emit &e);
  /// Writes the rest; `score` is the score vector for a score region. Every
  /// argument must be bound. Returns a vector, or a scalar where there are no lanes.
  Value finish(Emit &e, Value score = {});
  /// The same with all floats given, and all that the region yields; what does not
  /// depend on the lanes is a scalar.
  SmallVector<Value> finishAll(Emit &e, ValueRange floats);
  Value vectorOf(Emit &e, Value mapped);

private:
  void write(Emit &e, Operation &op);
  Value load(Emit &e, Value buffer, ValueRange indices);
  Value loadScalar(Emit &e, Value buffer, ValueRange indices);
  bool ready(Operation &op);

  Block &block;
  unsigned scores;
  IRMapping map;
  // Mapped values whose lanes are consecutive, with the scalar of lane 0.
  DenseMap<Value, Value> firstLane;
  llvm::DenseSet<Operation *> written;
  llvm::DenseSet<Value> checked;
};

} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_KEYLOOP_SCALARREGION_H
