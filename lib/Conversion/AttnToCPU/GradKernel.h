//===- GradKernel.h - The kernels of a gradient -----------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to the files Grad*.cpp; docs/Rationale/0006.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_ATTNTOCPU_GRADKERNEL_H
#define ATTN_LIB_CONVERSION_ATTNTOCPU_GRADKERNEL_H

#include "Kernels.h"
#include "Strips.h"

namespace mlir::attn {

// First every strip of queries is laid out twice, Q and dO each with queries in
// the lanes and with head dims in the lanes, with lse and delta beside them.
// Then a task takes one part of the keys of one KV head and one part of the
// queries. Per tile of keys and block of queries:
//
//   P^T  = K Q^T     queries in the lanes, then exp(s - lse), 0 where hidden
//   dS^T = V dO^T    queries in the lanes, then P (dP - delta) and the score
//   dV  += P^T dO    head dims in the lanes, P broadcast
//   dK  += dS^T Q
//   dQ  += dS K      dS broadcast
//
// dV and dK of a part of keys belong to its task. dQ of a part of queries
// belongs to it for one step: with n parts of each, step t pairs keys p with
// queries (p + t) % n, so no two tasks of a step write the same rows, every sum
// has one order, and there are no partial results. n depends on sizes alone.
//
// With products of pairs of bf16 (`dot`) every operand lies as pairs along the
// axis that its product sums over: head dims for the first two, queries for dV
// and dK, keys for dQ. P and dS are rounded when a few rows of both are done.
// Of dS at keys a and b, neighbours, and at queries 0 to 3:
//
//   (a0 a1) (a2 a3)                  a row of pairs of queries, for dK
//   (b0 b1) (b2 b3)                  the next row
//   (a0 b0) (a1 b1) (a2 b2) (a3 b3)  a row of pairs of keys, for dQ

// With pages dK and dV are summed by slots of each batch entry all the same, so
// that tiles share no rows. Once all are done, an index of the table says which
// batch entries list a page; the task of a page adds their rows in that order.

/// Buffers beside those of the key loop; the order of `all` is their order in a
/// block function's context.
struct GradBuffers {
  Value dout, dlse, dq, dk, dv, dsinks;   // dlse and dsinks may be null
  Value qt, doutT, qrows, dorows, rows, odd; // queries, laid out
  Value dqSum, dkSum, dvSum;
  Value step, parts, keyPart, queryPart; // index, but step, which is a cell
  Value pageStarts, pageOwners;          // the index of a page table, or null
  SmallVector<Value> sums;               // of aux operands
  SmallVector<Value *> all() {
    SmallVector<Value *> list;
    for (Value *value : {&dout, &dlse, &dq, &dk, &dv, &dsinks, &qt, &doutT,
                         &qrows, &dorows, &rows, &odd, &dqSum, &dkSum, &dvSum,
                         &step, &parts, &keyPart, &queryPart, &pageStarts,
                         &pageOwners})
      if (*value)
        list.push_back(value);
    for (Value &value : sums)
      list.push_back(&value);
    return list;
  }
};

class GradKernel {
public:
  GradKernel(Emit &e, Outliner &outliner, const LoopView &host,
             KeyLoopGradOp grad)
      : e(e), outliner(outliner), host(host), grad(grad), w(e.lanes),
        qv(host.schedule.getQVectors()), strips(host.schedule.getStrips()),
        kr(host.schedule.getKeyRows()), kt(host.schedule.getKvTile()),
        qs(w * qv), blk(strips * qs), dp(llvm::alignTo(host.d, w)),
        ep(llvm::alignTo(host.dv, w)), dot(e.multipliesPairs(host.storage)),
        unit(dot && kr % 2 ? 2 * kr : kr), tileRows(llvm::alignTo(kt, unit)),
        stepRows(dot ? 4 * unit : tileRows) {
    // Products with head dims in the lanes: as many accumulators as the others
    // have, in rows that divide strips and tiles.
    columns = kr * qv >= 24 ? 4 : 2;
    for (rowTile = std::max<int64_t>(kr * qv / columns, 1); kt % rowTile || qs % rowTile;)
      --rowTile;
    clearUnit = dot && rowTile % 2 ? 2 * rowTile : rowTile;
  }

  void run();

private:
  using Vectors = SmallVector<Value>;
  enum class Form { Plain, Masked, Careful };

  // Host side.
  void allocate();
  void freeAll();
  void check();
  void finishSums();
  void forEach(Value buffer, int64_t skip, llvm::function_ref<void(ArrayRef<Value>)> body);
  Outliner::Block open(StringRef name);
  void close(Outliner::Block &block);
  func::FuncOp emitLayOut();
  func::FuncOp emitTiles(bool side);
  func::FuncOp emitWrite(bool keys);
  func::FuncOp emitPageIndex();
  func::FuncOp emitWritePages();
  func::FuncOp emitSinks();

  // In a block function.
  Value delta(const Line &dout, const Line &out);
  Value layRows(Value first, Value count);
  void write(const Line &sum, int64_t width, const Line &to);
  SmallVector<MemRefType> scratchBuffers();
  void stage(Value j0, Value count);
  void stagePairs(Value j0, Value count);
  void products(Value s, Value low, Value high, Value keys, Value lanes,
                Value to);
  void pairs(Value s, Value j0, Value low, Value high, Form form, bool side);
  void roundRows(Value s, Value low, Value high, Value mark);
  void dropLast(Value low, Value high);
  void scatter(Value sum, bool capture, Value gradient, ValueRange indices);
  Vectors findBounds(Value j0, Value count);
  void block(Value j0, Value count, bool side);
  void clear(Value s, Value from, Value to, Value mark);
  void keyGradients(Value j0, Value low, Value high);
  void queryGradients();
  void panels(int64_t width, llvm::function_ref<void(Value, int64_t)> body);
  void accumulate(Value sum, int64_t count, Value from, Value to,
                  llvm::function_ref<SmallVector<Value>(int64_t)> at,
                  llvm::function_ref<Value(int64_t, Value)> factor,
                  llvm::function_ref<Line(Value)> row);
  void carefully(Value j0, Value low, Value high);
  void carefullyInPairs(Value j0, Value low, Value high);

  Value multiplyAdd(Value x, Value y, Value z) {
    return dot ? e.dotPairs(x, y, z) : e.fma(x, y, z);
  }
  Value pairsOf(Value n) { return dot ? e.ceilDiv(n, 2) : n; }
  int64_t pairsOf(int64_t n) const { return dot ? llvm::divideCeil(n, 2) : n; }
  /// Where a vector of scores, or of dout . v, of row r of the tile lies.
  SmallVector<Value> cell(Value s, Value r, int64_t v) {
    if (dot)
      return {e.sub(r, base), e.idx(v * w)};
    return {r, lane(s, v)};
  }
  Value lane(Value s, int64_t v) { return e.add(e.mul(s, qs), e.idx(v * w)); }
  /// With pages: how many there are, in the view at hand or on the host side.
  Value pageCount(const LoopView &of) { return e.dim(of.k, of.axes.getK()[kBatch]); }
  /// Pages of a task: as many keys as a tile has, or one page.
  int64_t pagesAtOnce() const { return std::max<int64_t>(kt / host.pageSize, 1); }
  void tally(int64_t which, Value n) {
    outliner.call("attnrt_count",
                  {arith::ConstantIntOp::create(e.b, e.loc, which, 32), e.toI64(n)});
  }

  Emit &e;
  Outliner &outliner;
  const LoopView &host;
  KeyLoopGradOp grad;
  int64_t w, qv, strips, kr, kt, qs, blk, dp, ep;
  bool dot;
  // Rows of keys: that scores are computed in, of a tile, that are scored
  // before they are rounded, of an accumulated product, that are cleared.
  int64_t unit, tileRows, stepRows, columns, rowTile, clearUnit;
  GradBuffers host_, buf;
  SmallVector<Value> allocated;
  SmallVector<Type> contextTypes;

  LoopView view;
  Value b, h, g, i0, rows, stripCount, part;
  Value kb, vb, pt, st, bounds; // scratch
  // Pairs only: K by pairs of keys, P and dS by pairs of queries, dS by pairs
  // of keys, and P number by number, where -1 marks hidden pairs.
  Value kPairs, pq, sq, sk, marks;
  Value base; // pairs only: the row of the tile that pt and st begin with
  Value oddKeys;                // i1 in a cell: some number of the tile is not finite
};

} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_ATTNTOCPU_GRADKERNEL_H
