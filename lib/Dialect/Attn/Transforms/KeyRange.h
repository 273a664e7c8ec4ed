//===- KeyRange.h - Interval arithmetic of masks on key slots -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to PlanKeys: which key slots a block of queries may and surely sees.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_TRANSFORMS_KEYRANGE_H
#define ATTN_LIB_DIALECT_ATTN_TRANSFORMS_KEYRANGE_H

#include "attn/Dialect/Attn/Transforms/Transforms.h"

#include <functional>

namespace mlir::attn {

/// Writes the range region of a key loop.
///
/// Each mask node becomes two intervals of key slots for the query block
/// [i0, i1): `any`, outside which no query sees a key, and `all`, inside which
/// every query sees every key. `and` intersects both; `or` takes the hull of
/// `any` and the longer `all`.
///
/// Example: causal, top_left, block [64, 128): any = [0, 128), all = [0, 65).
class KeyRangeBuilder {
public:
  KeyRangeBuilder(OpBuilder &b, Location loc, AttentionOp op,
                  std::function<Value(StringRef)> aux)
      : b(b), loc(loc), op(op), aux(std::move(aux)) {}

  /// `arguments` are b, h, g, i0, i1, Sq, Sk, as index.
  KeyRange build(ValueRange arguments);

private:
  KeyRange mask(MaskAttr node, bool inDocument);
  KeyRange conjunction(const KeyRange &x, const KeyRange &y);
  KeyRange disjunction(const KeyRange &x, const KeyRange &y);
  /// Everything may be visible, nothing surely is.
  KeyRange unknown() { return {zero, zero, zero, sk}; }
  KeyRange everything() { return {zero, zero, sk, sk}; }
  void openDocuments();

  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }
  Value min(Value x, Value y) { return arith::MinSIOp::create(b, loc, x, y); }
  Value max(Value x, Value y) { return arith::MaxSIOp::create(b, loc, x, y); }
  Value less(Value x, Value y) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y);
  }
  Value select(Value c, Value x, Value y) { return arith::SelectOp::create(b, loc, c, x, y); }
  Value load(StringRef role, ValueRange indices);

  OpBuilder &b;
  Location loc;
  AttentionOp op;
  std::function<Value(StringRef)> aux;
  Value batch, i0, i1, sq, sk, zero;
  // Positions of the first and last query of the block, where they are affine.
  Value firstPosition, lastPosition;
  // Documents from cumulative lengths: key slots [begin, end) of the documents of
  // the first and the last query, and whether they are one.
  Value firstBegin, firstEnd, lastBegin, lastEnd, oneDocument;
};

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_TRANSFORMS_KEYRANGE_H
