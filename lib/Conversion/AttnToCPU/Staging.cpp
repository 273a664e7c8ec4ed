//===- Staging.cpp - Rows of operands to scratch -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Strides, dtypes and odd widths end here: kernels read scratch alone.
//===----------------------------------------------------------------------===//

#include "Strips.h"

using namespace mlir;
using namespace mlir::attn;

static Value zeroOf(Emit &e, Value buffer) {
  Type element = cast<MemRefType>(buffer.getType()).getElementType();
  return arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(element));
}

/// x - x is 0 for finite x, NaN otherwise; sums keep NaN.
static void addTerms(Emit &e, Value x, Value *odd) {
  Value term = e.fsub(x, x);
  *odd = e.fadd(*odd, isa<VectorType>(x.getType()) ? term : e.splat(term));
}

void mlir::attn::copyLine(Emit &e, const Line &from, int64_t width,
                          const Line &to, int64_t padded, Value *odd) {
  int64_t column = 0;
  auto read = [&] { return from.column(e.idx(column)); };
  auto written = [&] { return to.column(e.idx(column)); };
  for (; column + e.lanes <= width; column += e.lanes) {
    Value x = e.widen(e.loadVec(from.buffer, read()));
    e.storeVec(x, to.buffer, written());
    if (odd)
      addTerms(e, x, odd);
  }
  for (; column < width; ++column) {
    Value x = e.widen(e.load(from.buffer, read()));
    e.store(x, to.buffer, written());
    if (odd)
      addTerms(e, x, odd);
  }
  for (; column < padded; ++column)
    e.store(zeroOf(e, to.buffer), to.buffer, written());
}

Value mlir::attn::addOdd(Emit &e, const Line &line, int64_t width, Value odd) {
  int64_t column = 0;
  for (; column + e.lanes <= width; column += e.lanes)
    addTerms(e, e.widen(e.loadVec(line.buffer, line.column(e.idx(column)))),
             &odd);
  for (; column < width; ++column)
    addTerms(e, e.widen(e.load(line.buffer, line.column(e.idx(column)))), &odd);
  return odd;
}

void mlir::attn::copyPairs(Emit &e, const Line &from, int64_t width,
                           const Line &to) {
  Type element = cast<MemRefType>(from.buffer.getType()).getElementType();
  auto read = [&](int64_t d) {
    return e.load(from.buffer, from.column(e.idx(d)));
  };
  int64_t d = 0;
  // Neighbours already: a row goes as it lies.
  for (; d + 2 * e.lanes <= width; d += 2 * e.lanes)
    e.storeVec(e.loadPairs(from.buffer, from.column(e.idx(d))), to.buffer,
               to.column(e.idx(d / 2)));
  for (; d < width; d += 2) {
    Value second = d + 1 < width ? read(d + 1) : e.num(0.0, element);
    e.store(e.zipPairs(read(d), second), to.buffer, to.column(e.idx(d / 2)));
  }
}

void mlir::attn::zipLines(Emit &e, const Line &first, const Line *second,
                          int64_t width, const Line &to, int64_t padded) {
  auto zip = [&](int64_t column, bool whole) {
    auto part = [&](const Line &line) -> Value {
      SmallVector<Value> at = line.column(e.idx(column));
      return whole ? e.loadVec(line.buffer, at) : e.load(line.buffer, at);
    };
    Value x = part(first);
    Value y = second ? part(*second) : e.num(0.0, x.getType());
    return e.zipPairs(x, y);
  };
  int64_t column = 0;
  for (; column + e.lanes <= width; column += e.lanes)
    e.storeVec(zip(column, true), to.buffer, to.column(e.idx(column)));
  for (; column < width; ++column)
    e.store(zip(column, false), to.buffer, to.column(e.idx(column)));
  for (; column < padded; ++column)
    e.store(zeroOf(e, to.buffer), to.buffer, to.column(e.idx(column)));
}

void mlir::attn::zeroLine(Emit &e, const Line &to) {
  Value zero = zeroOf(e, to.buffer);
  auto type = cast<MemRefType>(to.buffer.getType());
  int64_t width = type.getShape().back(), column = 0;
  for (; column + e.lanes <= width; column += e.lanes)
    e.storeVec(e.splat(zero), to.buffer, to.column(e.idx(column)));
  for (; column < width; ++column)
    e.store(zero, to.buffer, to.column(e.idx(column)));
}

void mlir::attn::layLanes(Emit &e, llvm::function_ref<Line(Value)> line,
                          Value count, int64_t width, bool pairs, double factor,
                          bool squares, const LaneTarget &to) {
  int64_t w = e.lanes, each = pairs ? 2 : 1,
          columns = llvm::divideCeil(width, each);
  // Columns [from, columns) of row r.
  auto oneByOne = [&](Value r, int64_t from) {
    Line row = line(r);
    auto store = [&](Value x, Value d) { e.store(x, to.buffer, to.at(d, r)); };
    auto element = [&](Value d) { return e.load(row.buffer, row.column(d)); };
    if (!pairs) {
      Value by = e.num(factor, e.state);
      e.loop(e.idx(from), e.idx(width), 1,
             [&](Value d) { store(e.fmul(e.widen(element(d)), by), d); });
      return;
    }
    e.loop(e.idx(from), e.idx(width / 2), 1, [&](Value t) {
      Value d = e.mul(t, 2);
      store(e.zipPairs(element(d), element(e.add(d, 1))), t);
    });
    if (width % 2) {
      Value last = element(e.idx(width - 1));
      store(e.zipPairs(last, e.num(0.0, last.getType())), e.idx(width / 2));
    }
  };
  auto some = [&] {
    e.loop(e.idx(0), e.idx(columns), 1, [&](Value d) {
      e.storeVec(e.splat(zeroOf(e, to.buffer)), to.buffer, to.at(d, e.idx(0)));
    });
    e.loop(e.idx(0), count, 1, [&](Value r) { oneByOne(r, 0); });
  };
  if (!squares)
    return some();
  // Column d of w rows is one vector of their transposed square.
  int64_t whole = width / (w * each) * w;
  auto all = [&] {
    e.loop(e.idx(0), e.idx(whole), w, [&](Value column) {
      SmallVector<Value> rows;
      for (int64_t r = 0; r < w; ++r) {
        Line row = line(e.idx(r));
        SmallVector<Value> at = row.column(e.mul(column, each));
        rows.push_back(pairs ? e.loadPairs(row.buffer, at)
                             : e.fmul(e.widen(e.loadVec(row.buffer, at)),
                                      e.numVec(factor)));
      }
      for (auto [n, x] : llvm::enumerate(e.transpose(rows)))
        e.storeVec(x, to.buffer,
                   to.at(e.add(column, static_cast<int64_t>(n)), e.idx(0)));
    });
    if (whole < columns)
      e.loop(e.idx(0), e.idx(w), 1, [&](Value r) { oneByOne(r, whole); });
  };
  e.when(e.le(e.idx(w), count), all, some);
}
