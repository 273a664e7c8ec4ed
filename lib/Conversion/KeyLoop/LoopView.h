//===- LoopView.h - A key loop as its kernels see it -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the backends: buffers, sizes and addressing, on the host side or in a block function.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_KEYLOOP_LOOPVIEW_H
#define ATTN_LIB_CONVERSION_KEYLOOP_LOOPVIEW_H

#include "Emit.h"
#include "Outline.h"
#include "ScalarRegion.h"
#include "attn/Dialect/Attn/IR/Attn.h"

namespace mlir::attn {

/// The aux buffers of a planning op, as its regions read them: with stride 0 along
/// axes that broadcast. `captures` of them, the last, are captured tensors.
struct AuxViews {
  SmallVector<Value> buffers;
  int64_t captures = 0;
};
AuxViews viewAux(Emit &e, ArrayAttr roles, ValueRange aux);
/// The same buffer with stride 0 along every axis whose size is 1, so that any
/// index reads the one element there is; the last axis is left alone.
Value broadcastView(Emit &e, Value buffer);

/// begin, fullBegin, fullEnd and end, as a `range` region yields them.
struct KeySlots {
  Value begin, fullBegin, fullEnd, end;
};
/// Writes a `range` region over its arguments (b, h, g, i0, i1, Sq, Sk, aux).
KeySlots writeRange(Emit &e, Region &range, ValueRange arguments);

/// Buffers and sizes of one key loop. The same view exists twice: over the host
/// function's values, and over a block function's copies of them.
class LoopView {
public:
  /// The host side. Aux buffers are given stride 0 along axes that broadcast.
  static LoopView onHost(Emit &e, KeyLoopOp op);
  /// All values, in a fixed order, and the view over such a list.
  SmallVector<Value> values() const;
  LoopView over(ValueRange values) const;

  KeyLoopOp op;
  Value q, k, v, pageTable, sinks, blockTable, out, lse, scores;
  SmallVector<Value> aux;
  Value batch, hq, hkv, group, sq, sk; // index

  int64_t d, dv;
  double scale;
  AxesAttr axes;
  ScheduleAttr schedule;
  int64_t pageSize = 0, captures = 0;
  Type storage; // element type of q, k, v, out

  /// Indices of an element of q/out, k or v by role.
  static SmallVector<Value> at(ArrayRef<int64_t> order, Value b, Value h, Value s, Value d);
  SmallVector<Value> qAt(Value b, Value h, Value i, Value d) const {
    return at(axes.getQ(), b, h, i, d);
  }
  /// Where the row of key slot j lives: batch and row, or page and row in it.
  /// `present` is null unless paged; the row of an absent page must not be read.
  struct Row {
    Value outer, inner, present;
  };
  Row locate(Emit &e, Value b, Value g, Value j) const;
  SmallVector<Value> kAt(const Row &row, Value g, Value d) const {
    return at(axes.getK(), row.outer, g, row.inner, d);
  }
  SmallVector<Value> vAt(const Row &row, Value g, Value d) const {
    return at(axes.getV(), row.outer, g, row.inner, d);
  }

  /// The keys of query slots [i0, i1).
  KeySlots range(Emit &e, Value b, Value h, Value g, Value i0, Value i1) const;

  /// Where the scale goes. Stored scores are raw (q . k) or, with a score region,
  /// natural (scaled, with all that is added); `naturalFactor` makes either
  /// natural. A scale that is not positive is folded into q, so that the largest
  /// raw score is the largest.
  double queryFactor() const { return !hasScore() && scale <= 0 ? scale : 1.0; }
  double naturalFactor() const { return hasScore() || scale <= 0 ? 1.0 : scale; }
  /// From stored scores to exponents of 2.
  double log2Factor() const { return naturalFactor() * kLog2e; }
  static constexpr double kLog2e = 1.4426950408889634074;
  /// How far, in stored scores, the running maximum may lag behind: 8 in
  /// exponents, so that weights stay below 2^8. Not at all where a row's bits
  /// must be those of the guarded form: a hidden NaN may send a row there.
  double lag() const { return invariant() ? 0.0 : 8.0 / log2Factor(); }
  /// Whether the order of a row's sums may depend on its own keys alone.
  bool invariant() const {
    return const_cast<KeyLoopOp &>(op).getBatchInvariant();
  }
  /// The aux operand with this role.
  Value auxOf(StringRef role) const {
    for (auto [name, buffer] : llvm::zip(const_cast<KeyLoopOp &>(op)
                                             .getAuxRoles()
                                             .getAsValueRange<StringAttr>(),
                                         aux))
      if (name == role)
        return buffer;
    return {};
  }

  bool hasVisible() const { return !const_cast<KeyLoopOp &>(op).getVisible().empty(); }
  bool hasScore() const { return !const_cast<KeyLoopOp &>(op).getScore().empty(); }
  bool hasProb() const { return !const_cast<KeyLoopOp &>(op).getProb().empty(); }
  /// Binds everything of a scalar region but i and j (arguments 3 and 4). h may be a
  /// vector of i32, one of each lane.
  void bindCommon(Emit &e, ScalarRegion &region, Value b, Value h, Value g) const;
};

} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_KEYLOOP_LOOPVIEW_H
