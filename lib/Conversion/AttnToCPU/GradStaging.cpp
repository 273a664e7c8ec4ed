//===- GradStaging.cpp - Operands of a gradient to scratch -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Queries for the whole call, keys for one tile; strides and dtypes end here.
//===----------------------------------------------------------------------===//

#include "GradKernel.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

/// A vector of zeros and NaN: whether there is any NaN.
static Value anyNaN(Emit &e, Value found) {
  return e.anyLane(e.fcmp(arith::CmpFPredicate::UNO, found, found));
}

/// dout . out of one row. A row that sees one key has equal numbers here and in
/// dout . v, and a gradient of 0: summed as stripProducts sums, to the last rounding
/// the same. Beside roundings to bf16 that does not show.
Value GradKernel::delta(const Line &dout, const Line &out) {
  Value lanes = e.numVec(0.0), sum = e.num(0.0, e.state);
  if (!dot) {
    auto chain = [&](Value from, Value to) {
      return e.loop(from, to, 1, {sum}, [&](Value d, ValueRange carried) {
        Value x = e.widen(e.load(dout.buffer, dout.column(d)));
        Value y = e.widen(e.load(out.buffer, out.column(d)));
        // One number has no vector.fma.
        return Vectors{e.hasFma ? math::FmaOp::create(e.b, e.loc, y, x, carried[0]).getResult()
                                : e.fadd(carried[0], e.fmul(y, x))};
      })[0];
    };
    Value width = e.idx(host.dv);
    if (host.dv <= kChain)
      return chain(e.idx(0), width);
    return e.loop(e.idx(0), width, kChain, {sum}, [&](Value d, ValueRange carried) {
      return Vectors{e.fadd(carried[0], chain(d, e.min(e.add(d, kChain), width)))};
    })[0];
  }
  int64_t column = 0;
  for (; column + w <= host.dv; column += w) {
    Value x = e.loadVec(dout.buffer, dout.column(e.idx(column)));
    Value y = e.loadVec(out.buffer, out.column(e.idx(column)));
    lanes = e.fadd(lanes, e.fmul(e.widen(x), e.widen(y)));
  }
  if (column)
    sum = e.sumLanes(lanes);
  for (; column < host.dv; ++column) {
    Value x = e.load(dout.buffer, dout.column(e.idx(column)));
    Value y = e.load(out.buffer, out.column(e.idx(column)));
    sum = e.fadd(sum, e.fmul(e.widen(x), e.widen(y)));
  }
  return sum;
}

/// Q and dO of `count` queries from `first` with head dims in the lanes;
/// whether all numbers are finite, as `addOdd` says it.
Value GradKernel::layRows(Value first, Value count) {
  auto lines = [&](Value i) {
    SmallVector<Value> at = view.qAt(b, h, i, e.idx(0));
    return std::pair<Line, Line>({view.q, at}, {buf.dout, at});
  };
  auto to = [&](Value buffer, Value i) {
    return Line{buffer, {b, h, i, e.idx(0)}};
  };
  if (dot)
    e.loop(e.idx(0), pairsOf(count), 1, [&](Value t) {
      Value i = e.add(first, e.mul(t, 2)), target = e.add(e.div(first, 2), t);
      auto zip = [&](bool partner) {
        auto [q, dout] = lines(i);
        auto [nextQ, nextDout] = lines(e.add(i, 1));
        zipLines(e, q, partner ? &nextQ : nullptr, host.d,
                 to(buf.qrows, target), dp);
        zipLines(e, dout, partner ? &nextDout : nullptr, host.dv,
                 to(buf.dorows, target), ep);
      };
      e.when(
          e.lt(e.add(e.mul(t, 2), 1), count), [&] { zip(true); },
          [&] { zip(false); });
    });
  return e.loop(
      e.idx(0), count, 1, {e.numVec(0.0)}, [&](Value r, ValueRange carried) {
        Value i = e.add(first, r), odd = carried[0];
        auto [q, dout] = lines(i);
        if (dot)
          return Vectors{addOdd(e, dout, host.dv, addOdd(e, q, host.d, odd))};
        copyLine(e, q, host.d, to(buf.qrows, i), dp, &odd);
        copyLine(e, dout, host.dv, to(buf.dorows, i), ep, &odd);
        return Vectors{odd};
      })[0];
}

func::FuncOp GradKernel::emitLayOut() {
  Outliner::Block block = open("attn_grad_rows");
  Value queryStrips = e.ceilDiv(view.sq, qs);
  Value s = e.rem(block.task, queryStrips), head = e.div(block.task, queryStrips);
  b = e.div(head, view.hq);
  h = e.rem(head, view.hq);
  Value first = e.mul(s, qs), zero = e.num(0.0, e.state);
  Value none = e.numVec(0.0);
  Value ninf = e.num(-std::numeric_limits<double>::infinity(), e.state);
  Value count = e.min(e.sub(view.sq, first), e.idx(qs));
  Value odd = layRows(first, count);
  // Lanes without a query are zero.
  for (auto [source, target, width] :
       {std::tuple{view.q, buf.qt, host.d},
        std::tuple{buf.dout, buf.doutT, host.dv}})
    e.loop(e.idx(0), e.idx(qs), w,
           [&, source = source, target = target, width = width](Value r0) {
             auto line = [&](Value r) {
               Value i = e.add(first, e.add(r0, r));
               return Line{source, view.qAt(b, h, i, e.idx(0))};
             };
             auto at = [&](Value d, Value r) {
               return Vectors{b, h, s, d, e.add(r0, r)};
             };
             layLanes(e, line, e.min(e.sub(count, r0), e.idx(w)), width, dot,
                      /*factor=*/1.0,
                      /*squares=*/true, {target, at});
           });
  e.loop(e.idx(0), count, 1, [&](Value r) {
    Value i = e.add(first, r);
    SmallVector<Value> at = view.qAt(b, h, i, e.idx(0));
    Value sum = delta({buf.dout, at}, {view.out, at});
    if (buf.dlse)
      sum = e.fsub(sum, e.load(buf.dlse, {b, h, i}));
    // A row of no key has lse = -inf, which makes every weight 0.
    Value lse = e.load(view.lse, {b, h, i});
    Value empty = e.fcmp(arith::CmpFPredicate::OEQ, lse, ninf);
    e.store(e.select(empty, ninf, e.fsub(zero, lse)), buf.rows,
            {b, h, e.idx(0), i});
    e.store(sum, buf.rows, {b, h, e.idx(1), i});
  });
  e.loop(count, e.idx(qs), 1, [&](Value r) {
    e.store(ninf, buf.rows, {b, h, e.idx(0), e.add(first, r)});
    e.store(zero, buf.rows, {b, h, e.idx(1), e.add(first, r)});
  });
  e.loop(e.idx(0), e.idx(qs), 1, [&](Value r) {
    for (int64_t column = 0; column < dp; column += w)
      e.storeVec(none, buf.dqSum, {b, h, e.add(first, r), e.idx(column)});
  });
  Value flag = arith::ExtUIOp::create(e.b, e.loc, e.b.getI8Type(), anyNaN(e, odd));
  e.store(flag, buf.odd, {b, h, s});
  close(block);
  return block.func;
}

/// Whether all numbers of K and V of the tile are finite goes to `oddKeys`; as
/// f32 rows or as pairs they go to scratch. Keys up to the next multiple of
/// `unit`, and those of a missing page, are zero: computed and never read.
void GradKernel::stage(Value j0, Value count) {
  auto to = [&](Value buffer, Value r) { return Line{buffer, {r, e.idx(0)}}; };
  Value odd = e.loop(e.idx(0), count, 1, {e.numVec(0.0)}, [&](Value r, ValueRange carried) {
    LoopView::Row row = view.locate(e, b, g, e.add(j0, r));
    Line key = {view.k, view.kAt(row, g, e.idx(0))},
         value = {view.v, view.vAt(row, g, e.idx(0))};
    auto read = [&] {
      Value odd = carried[0];
      if (dot) {
        copyPairs(e, key, host.d, to(kb, r));
        copyPairs(e, value, host.dv, to(vb, r));
        return Vectors{addOdd(e, value, host.dv, addOdd(e, key, host.d, odd))};
      }
      copyLine(e, key, host.d, to(kb, r), dp, &odd);
      copyLine(e, value, host.dv, to(vb, r), ep, &odd);
      return Vectors{odd};
    };
    if (!row.present)
      return read();
    return e.choose(row.present, read, [&] {
      zeroLine(e, to(kb, r));
      zeroLine(e, to(vb, r));
      return Vectors(carried);
    });
  })[0];
  oddKeys = anyNaN(e, odd);
  e.loop(count, e.mul(e.ceilDiv(count, unit), unit), 1, [&](Value r) {
    zeroLine(e, to(kb, r));
    zeroLine(e, to(vb, r));
  });
  if (dot)
    stagePairs(j0, count);
}

/// K once more, by pairs of keys: both lie in one page, since pages hold a power
/// of two of keys and tiles start at multiples of the lanes.
void GradKernel::stagePairs(Value j0, Value count) {
  e.loop(e.idx(0), pairsOf(count), 1, [&](Value m) {
    Value r = e.mul(m, 2);
    LoopView::Row row = view.locate(e, b, g, e.add(j0, r)), next = row;
    next.inner = e.add(row.inner, 1);
    Line first = {view.k, view.kAt(row, g, e.idx(0))},
         second = {view.k, view.kAt(next, g, e.idx(0))},
         to = {kPairs, {m, e.idx(0)}};
    auto zip = [&] {
      e.when(
          e.lt(e.add(r, 1), count),
          [&] { zipLines(e, first, &second, host.d, to, dp); },
          [&] { zipLines(e, first, nullptr, host.d, to, dp); });
    };
    if (!row.present)
      return zip();
    e.when(row.present, zip, [&] { zeroLine(e, to); });
  });
}
