//===- KeyRange.cpp - Interval arithmetic of masks on key slots -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See KeyRange.h for the idea.
//===----------------------------------------------------------------------===//

#include "KeyRange.h"

using namespace mlir;
using namespace mlir::attn;

Value KeyRangeBuilder::load(StringRef role, ValueRange indices) {
  SmallVector<Value> narrow;
  for (Value value : indices)
    narrow.push_back(arith::IndexCastOp::create(b, loc, b.getI32Type(), value));
  Value tensor = aux(role);
  Value loaded = LoadOp::create(b, loc, cast<ShapedType>(tensor.getType()).getElementType(),
                                tensor, narrow);
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), loaded);
}

KeyRange KeyRangeBuilder::conjunction(const KeyRange &x, const KeyRange &y) {
  return {max(x.begin, y.begin), max(x.fullBegin, y.fullBegin), min(x.fullEnd, y.fullEnd),
          min(x.end, y.end)};
}

KeyRange KeyRangeBuilder::disjunction(const KeyRange &x, const KeyRange &y) {
  // An empty side must not widen the hull.
  Value xEmpty = less(sub(x.end, x.begin), index(1)), yEmpty = less(sub(y.end, y.begin), index(1));
  Value begin = select(xEmpty, y.begin, select(yEmpty, x.begin, min(x.begin, y.begin)));
  Value end = select(xEmpty, y.end, select(yEmpty, x.end, max(x.end, y.end)));
  Value yLonger = less(sub(x.fullEnd, x.fullBegin), sub(y.fullEnd, y.fullBegin));
  return {begin, select(yLonger, y.fullBegin, x.fullBegin), select(yLonger, y.fullEnd, x.fullEnd),
          end};
}

/// Finds the documents at both ends of the query block. A slot beyond the last
/// document has segment -2: then nothing is known about that end.
void KeyRangeBuilder::openDocuments() {
  Value last = sub(i1, index(1));
  Value firstSegment = load("q_segments", {batch, i0}), lastSegment = load("q_segments", {batch, last});
  auto bounds = [&](Value segment, Value &begin, Value &end) {
    Value outside = less(segment, zero);
    Value safe = max(segment, zero);
    // cu_kv has at least one entry; a document n needs entry n + 1 as well.
    begin = select(outside, sk, load("cu_kv", safe));
    Value next = select(outside, zero, add(safe, index(1)));
    end = select(outside, sk, load("cu_kv", next));
  };
  bounds(firstSegment, firstBegin, firstEnd);
  bounds(lastSegment, lastBegin, lastEnd);
  Value same = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, firstSegment, lastSegment);
  Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, firstSegment, zero);
  oneDocument = arith::AndIOp::create(b, loc, same, inside);
}

KeyRange KeyRangeBuilder::mask(MaskAttr node, bool inDocument) {
  bool documents = static_cast<bool>(op.getCuQ()) && !op.getQPositions();
  bool affine = !op.getQPositions() && !op.hasDocuments();
  switch (node.getKind()) {
  case MaskKind::Full:
    return everything();
  case MaskKind::Document: {
    if (!op.getCuQ())
      return unknown();
    // Documents lie in order, so those of the block cover one interval.
    return {firstBegin, select(oneDocument, firstBegin, zero), select(oneDocument, firstEnd, zero),
            lastEnd};
  }
  case MaskKind::Causal:
  case MaskKind::Band:
  case MaskKind::Prefix: {
    if (!affine && !(documents && inDocument))
      return unknown();
    // Key slot = start + key position.
    Value start0 = affine ? zero : firstBegin, start1 = affine ? zero : lastBegin;
    Value low = affine ? zero : firstBegin, high = affine ? sk : lastEnd;
    KeyRange range{low, low, high, high};
    if (node.getKind() == MaskKind::Prefix) {
      Value bound = node.getBounds().empty() ? load("prefix_lengths", batch)
                                             : index(std::min<int64_t>(node.getBounds()[0], INT32_MAX));
      range.end = add(start1, bound);
      range.fullEnd = range.end;
    } else {
      bool causal = node.getKind() == MaskKind::Causal;
      int64_t left = causal ? MaskAttr::kInf : node.getBounds()[0];
      int64_t right = causal ? 0 : node.getBounds()[1];
      if (left <= INT32_MAX) {
        range.begin = add(start0, sub(firstPosition, index(left)));
        range.fullBegin = add(start0, sub(lastPosition, index(left)));
        if (!affine) // the first document's window may lie beyond its end
          range.begin = min(range.begin, firstEnd);
      }
      if (right <= INT32_MAX) {
        range.end = add(start1, add(lastPosition, index(right + 1)));
        range.fullEnd = add(start1, add(firstPosition, index(right + 1)));
        if (!affine) // keys of earlier documents lie before the last one's start
          range.end = max(range.end, lastBegin);
      }
    }
    range.begin = max(range.begin, low);
    range.fullBegin = max(range.fullBegin, low);
    range.end = min(range.end, high);
    range.fullEnd = min(range.fullEnd, high);
    if (!affine) {
      range.fullBegin = select(oneDocument, range.fullBegin, zero);
      range.fullEnd = select(oneDocument, range.fullEnd, zero);
    }
    return range;
  }
  case MaskKind::And:
  case MaskKind::Or: {
    bool isAnd = node.getKind() == MaskKind::And;
    // Inside `and(document, ...)` positions need only be understood within the
    // documents of the block.
    bool inner = inDocument || (isAnd && llvm::any_of(node.getChildren(), [](Attribute child) {
                                  return cast<MaskAttr>(child).getKind() == MaskKind::Document;
                                }));
    KeyRange result;
    for (auto [index, child] : llvm::enumerate(node.getChildren())) {
      KeyRange next = mask(cast<MaskAttr>(child), inner);
      result = index == 0 ? next : isAnd ? conjunction(result, next) : disjunction(result, next);
    }
    return result;
  }
  }
  llvm_unreachable("covered switch");
}

KeyRange KeyRangeBuilder::build(ValueRange arguments) {
  batch = arguments[0];
  i0 = arguments[3];
  i1 = arguments[4];
  sq = arguments[5];
  sk = arguments[6];
  zero = index(0);
  KeyRange range = everything();
  if (op.getKvLengths()) {
    Value length = load("kv_lengths", batch);
    range = conjunction(range, {zero, zero, length, length});
  }
  if (op.getQLengths()) {
    Value length = load("q_lengths", batch);
    range.end = select(less(i0, length), range.end, zero);
    range.fullEnd = select(less(length, i1), zero, range.fullEnd);
  }
  if (op.getMask()) {
    Value last = sub(i1, index(1));
    if (op.getCuQ()) {
      openDocuments();
      firstPosition = load("q_positions", {batch, i0});
      lastPosition = load("q_positions", {batch, last});
    } else if (op.getAlign() == Alignment::BottomRight && !op.hasDocuments()) {
      Value keys = op.getKvLengths() ? load("kv_lengths", batch) : sk;
      Value queries = op.getQLengths() ? load("q_lengths", batch) : sq;
      Value offset = sub(keys, queries);
      firstPosition = add(i0, offset);
      lastPosition = add(last, offset);
    } else {
      firstPosition = i0;
      lastPosition = last;
    }
    range = conjunction(range, mask(*op.getMask(), /*inDocument=*/false));
  }
  // Predicates that no interval describes: every pair has to be looked at.
  if (op.getMaskTensor() || !op.getMaskMod().empty() || op.isPaged())
    range.fullEnd = zero;
  // 0 <= begin <= end <= Sk, and the full part lies inside, empty or not.
  range.end = max(min(range.end, sk), zero);
  range.begin = min(max(range.begin, zero), range.end);
  range.fullBegin = min(max(range.fullBegin, range.begin), range.end);
  range.fullEnd = min(max(range.fullEnd, range.fullBegin), range.end);
  return range;
}
