//===- WholeRowKernel.cpp - The kernel of materialised rows -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// For results that hold a number per pair, and for prob_mod: what they need is
// known only once a row's sum is.
//===----------------------------------------------------------------------===//

#include "Kernels.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

// One task is one query of one head. Its scores lie side by side in scratch
// memory, keys in the lanes; no running maximum, no merge. K and V are read in
// place.
//
//   scores   [x x x x x x -inf -inf]   products, then all that is added and
//   hidden counts   [2 2 1 2 2 2  0    0  ]   0: masked, 1: its score is -inf,
//   2: it counts
//
// then scores become weights, and the values of pairs that count are summed.

namespace {

/// Keys whose dot products run side by side.
constexpr int64_t kKeys = 4;

/// Room for the scores of a row, whole vectors: 10 keys in lanes of 8 take 16.
Value scoreSlots(Emit &e, Value sk) {
  return e.add(e.roundDown(sk, e.lanes), e.lanes);
}

class WholeRowKernel {
public:
  WholeRowKernel(Emit &e, Outliner &outliner, const LoopView &host)
      : e(e), outliner(outliner), host(host),
        kind(const_cast<KeyLoopOp &>(host.op).getScoresKind()), w(e.lanes),
        dp(llvm::alignTo(host.d, w)) {}

  func::FuncOp emit();

private:
  using Values = SmallVector<Value>;
  using AtVector =
      llvm::function_ref<Value(Value c, Value carried, bool inside)>;
  bool tells(ScoresKind which) const { return kind && *kind == which; }
  bool tellsHidden() const {
    return tells(ScoresKind::Product) || tells(ScoresKind::Softcapped);
  }

  void openScratch(Value scratch);
  void loadQuery();
  Value dot(const LoopView::Row &key, int64_t offset);
  void products();
  Value overVectors(Value carried, AtVector body);
  Value inRegion(Region &region, bool isScore, Value x, Value c, bool inside);
  void tell(Value c, Value x, bool inside);
  Value scores();
  Value weights(Value max);
  void reweigh(Value total, Value scoreless);
  void values();

  Value num(double value) { return e.num(value, e.state); }
  Value ninf() { return num(-std::numeric_limits<double>::infinity()); }

  Emit &e;
  Outliner &outliner;
  const LoopView &host;
  std::optional<ScoresKind> kind;
  int64_t w, dp;
  LoopView view;
  Value b, h, g, i;
  Value low, high;                // keys that may be visible
  Value first, last;              // keys that are looked at
  Value query, row, counts, line; // scratch
};

} // namespace

void WholeRowKernel::openScratch(Value scratch) {
  int64_t bytes = e.state.getWidth() / 8;
  Value count = scoreSlots(e, view.sk), offset = e.idx(0);
  auto next = [&](int64_t size) {
    bool dynamic = ShapedType::isDynamic(size);
    Value buffer = outliner.scratchBuffer(
        scratch, offset, MemRefType::get({size}, e.state),
        dynamic ? ValueRange(count) : ValueRange());
    offset = e.add(offset, e.mul(dynamic ? count : e.idx(size), bytes));
    return buffer;
  };
  query = next(dp);
  line = next(w);
  row = next(ShapedType::kDynamic);
  counts = next(ShapedType::kDynamic);
}

void WholeRowKernel::loadQuery() {
  e.loop(e.idx(0), e.idx(host.d), 1, [&](Value d) {
    e.store(e.widen(e.load(view.q, view.qAt(b, h, i, d))), query, {d});
  });
}

/// q . k for the key `offset` rows after `key`.
Value WholeRowKernel::dot(const LoopView::Row &key, int64_t offset) {
  LoopView::Row at = key;
  at.inner = e.add(key.inner, offset);
  int64_t whole = host.d / w * w;
  Value total = num(0.0);
  if (whole) {
    Value sum =
        e.loop(e.idx(0), e.idx(whole), w, {e.numVec(0.0)},
               [&](Value d, ValueRange sums) {
                 Value x = e.widen(e.loadVec(view.k, view.kAt(at, g, d)));
                 return Values{e.fma(x, e.loadVec(query, {d}), sums[0])};
               })[0];
    total = e.sumLanes(sum);
  }
  for (int64_t d = whole; d < host.d; ++d) {
    Value x = e.widen(e.load(view.k, view.kAt(at, g, e.idx(d))));
    total = e.fadd(total, e.fmul(x, e.load(query, {e.idx(d)})));
  }
  return total;
}

/// q . k of the keys that are looked at; 0 for a slot of a missing page.
void WholeRowKernel::products() {
  auto group = [&](Value j, int64_t count) {
    LoopView::Row key = view.locate(e, b, g, j);
    auto dots = [&] {
      Values sums;
      for (int64_t n = 0; n < count; ++n)
        sums.push_back(dot(key, n));
      return sums;
    };
    Values sums = key.present
                      ? e.choose(key.present, dots,
                                 [&] { return Values(count, num(0.0)); })
                      : dots();
    for (int64_t n = 0; n < count; ++n)
      e.store(sums[n], row, {e.add(j, n)});
  };
  Value from = tellsHidden() ? e.idx(0) : low,
        to = tellsHidden() ? view.sk : high;
  Value whole = from;
  if (!view.pageSize) { // several rows side by side may cross a page
    whole = e.add(from, e.roundDown(e.max(e.sub(to, from), e.idx(0)), kKeys));
    e.loop(from, whole, kKeys, [&](Value j) { group(j, kKeys); });
  }
  e.loop(whole, to, 1, [&](Value j) { group(j, 1); });
}

/// `body` on every vector of keys that are looked at: once for those that lie
/// within the keys, once for the one that may reach beyond the last.
Value WholeRowKernel::overVectors(Value carried, AtVector body) {
  Value whole = e.max(first, e.roundDown(e.min(last, view.sk), w));
  for (bool inside : {true, false})
    carried = e.loop(inside ? first : whole, inside ? whole : last, w,
                     {carried}, [&](Value c, ValueRange now) {
                       return Values{body(c, now[0], inside)};
                     })[0];
  return carried;
}

/// A scalar region on the pairs of query i and keys c, c + 1, ...
Value WholeRowKernel::inRegion(Region &region, bool isScore, Value x, Value c,
                               bool inside) {
  Value begin = e.toI32(c);
  Value keys = arith::AddIOp::create(e.b, e.loc, e.splat(begin), e.iota());
  if (!inside)
    keys = arith::MinSIOp::create(e.b, e.loc, keys,
                                  e.splat(e.toI32(e.sub(view.sk, e.idx(1)))));
  ScalarRegion scalar(region, isScore);
  view.bindCommon(e, scalar, b, h, g);
  scalar.bind(3, e.toI32(i));
  scalar.bind(4, keys, inside ? begin : Value());
  return scalar.finish(e, x);
}

/// Writes a vector to the result scores, as far as there are keys.
void WholeRowKernel::tell(Value c, Value x, bool inside) {
  if (inside) {
    e.storeVec(e.narrow(x, host.storage), view.scores, {b, h, i, c});
    return;
  }
  e.storeVec(x, line, {e.idx(0)});
  e.loop(e.idx(0), e.min(e.sub(view.sk, c), e.idx(w)), 1, [&](Value lane) {
    e.store(e.narrow(e.load(line, {lane}), host.storage), view.scores,
            {b, h, i, e.add(c, lane)});
  });
}

/// From products to scores, -inf where hidden; the maximum.
Value WholeRowKernel::scores() {
  auto &op = const_cast<KeyLoopOp &>(host.op);
  Value none = e.splat(ninf());
  Value lowLane = e.splat(e.toI32(low)), highLane = e.splat(e.toI32(high));
  Value max = overVectors(none, [&](Value c, Value top, bool inside) {
    Value x = e.fmul(e.loadVec(row, {c}), e.numVec(host.scale));
    if (tells(ScoresKind::Product))
      tell(c, x, inside);
    if (tells(ScoresKind::Softcapped)) {
      Value capped = x;
      if (op.getSoftcap()) {
        Value cap = e.numVec(op.getSoftcap()->convertToDouble());
        capped = e.fmul(e.anyTanh(e.fdiv(x, cap)), cap);
      }
      tell(c, capped, inside);
    }
    if (host.hasScore())
      x = inRegion(op.getScore(), true, x, c, inside);
    Value keys =
        arith::AddIOp::create(e.b, e.loc, e.splat(e.toI32(c)), e.iota());
    Value keep = e.band(e.cmp(arith::CmpIPredicate::sge, keys, lowLane),
                        e.cmp(arith::CmpIPredicate::slt, keys, highLane));
    if (host.hasVisible())
      keep = e.band(keep, inRegion(op.getVisible(), false, {}, c, inside));
    x = e.select(keep, x, none);
    e.storeVec(x, row, {c});
    Value dead = e.fcmp(arith::CmpFPredicate::OEQ, x, none);
    Value visible = e.select(keep, e.numVec(1.0), e.numVec(0.0));
    e.storeVec(e.select(dead, visible, e.numVec(2.0)), counts, {c});
    if (tells(ScoresKind::Score))
      tell(c, x, inside);
    return e.fmax(x, top);
  });
  return e.maxLanes(max);
}

/// From scores to exponentials below a maximum; their sum.
Value WholeRowKernel::weights(Value max) {
  Value none = e.splat(ninf()), nothing = e.numVec(0.0), top = e.splat(max);
  Value sum = overVectors(nothing, [&](Value c, Value total, bool) {
    Value x = e.loadVec(row, {c});
    Value p = e.select(e.fcmp(arith::CmpFPredicate::OEQ, x, none), nothing,
                       e.weight(x, top, LoopView::kLog2e));
    e.storeVec(p, row, {c});
    return e.fadd(total, p);
  });
  return e.sumLanes(sum);
}

/// From exponentials to weights, and what prob_mod makes of them.
void WholeRowKernel::reweigh(Value total, Value scoreless) {
  auto &op = const_cast<KeyLoopOp &>(host.op);
  Value divisor = e.splat(total), nothing = e.numVec(0.0);
  overVectors(nothing, [&](Value c, Value carried, bool inside) {
    Value p = e.fdiv(e.loadVec(row, {c}), divisor);
    Value count = e.loadVec(counts, {c});
    if (tells(ScoresKind::Weight)) {
      // A hidden pair has no weight even where the row is NaN.
      Value hidden = e.fcmp(arith::CmpFPredicate::OLT, count, e.numVec(1.5));
      tell(c, e.select(hidden, nothing, p), inside);
    }
    if (host.hasProb()) {
      p = e.select(e.fcmp(arith::CmpFPredicate::OLT, count, e.numVec(1.5)),
                   nothing, p);
      p = inRegion(op.getProb(), true, p, c, inside);
      // A key that its score hides counts only if it got a weight.
      Value weighs =
          e.band(e.fcmp(arith::CmpFPredicate::UNE, p, nothing),
                 e.fcmp(arith::CmpFPredicate::OEQ, count, e.numVec(1.0)));
      count = e.select(weighs, e.numVec(2.0), count);
      count = e.select(e.splat(scoreless), nothing, count);
      e.storeVec(count, counts, {c});
    }
    e.storeVec(p, row, {c});
    return carried;
  });
}

/// out = P V over the pairs that count.
void WholeRowKernel::values() {
  int64_t whole = host.dv / w;
  // As many accumulators as leave registers for the rest.
  int64_t chunk = w * e.state.getWidth() >= 512 ? 16 : 8;
  auto overKeys =
      [&](ValueRange start,
          llvm::function_ref<Values(const LoopView::Row &, Value, ValueRange)>
              body) {
        return e.loop(low, high, 1, start, [&](Value j, ValueRange sums) {
          Value counted =
              e.fcmp(arith::CmpFPredicate::OGT, e.load(counts, {j}), num(1.5));
          return e.choose(
              counted,
              [&] {
                return body(view.locate(e, b, g, j), e.load(row, {j}), sums);
              },
              [&] { return Values(sums); });
        });
      };
  for (int64_t base = 0; base < whole; base += chunk) {
    int64_t count = std::min(chunk, whole - base);
    auto dimAt = [&](int64_t c) { return e.idx((base + c) * w); };
    Values sums =
        overKeys(Values(count, e.numVec(0.0)),
                 [&](const LoopView::Row &key, Value p, ValueRange now) {
                   Values next;
                   for (int64_t c = 0; c < count; ++c)
                     next.push_back(e.fma(
                         e.widen(e.loadVec(view.v, view.vAt(key, g, dimAt(c)))),
                         e.splat(p), now[c]));
                   return next;
                 });
    for (int64_t c = 0; c < count; ++c)
      e.storeVec(e.narrow(sums[c], host.storage), view.out,
                 view.qAt(b, h, i, dimAt(c)));
  }
  e.loop(e.idx(whole * w), e.idx(host.dv), 1, [&](Value d) {
    Value sum = overKeys(Values{num(0.0)}, [&](const LoopView::Row &key,
                                               Value p, ValueRange now) {
      Value x = e.widen(e.load(view.v, view.vAt(key, g, d)));
      return Values{e.fadd(now[0], e.fmul(x, p))};
    })[0];
    e.store(e.narrow(sum, host.storage), view.out, view.qAt(b, h, i, d));
  });
}

func::FuncOp WholeRowKernel::emit() {
  Values captured = host.values();
  Outliner::Block block =
      outliner.open("attn_whole_row", ValueRange(captured).getTypes());
  view = host.over(block.captured);
  i = e.rem(block.task, view.sq);
  Value head = e.div(block.task, view.sq);
  h = e.rem(head, view.hq);
  b = e.div(head, view.hq);
  g = e.div(h, view.group);
  openScratch(block.scratch);
  loadQuery();
  KeySlots range = view.range(e, b, h, g, i, e.add(i, 1));
  low = e.max(range.begin, e.idx(0));
  high = e.min(range.end, view.sk);
  // A result for every pair is written for every pair.
  first = kind ? e.idx(0) : e.roundDown(low, w);
  last = kind ? view.sk : high;
  e.loop(e.idx(0), scoreSlots(e, view.sk), w,
         [&](Value c) { e.storeVec(e.numVec(0.0), row, {c}); });
  products();

  Value max = scores(), sink;
  // A row without a score has no weights that prob_mod could raise. (The
  // maximum forgets scores of NaN, their sum does not.)
  Value scoreless = e.fcmp(arith::CmpFPredicate::OEQ, max, ninf());
  if (view.sinks) {
    sink = e.widen(e.load(view.sinks, {h}));
    // A sink of NaN is one, a maximum forgets it.
    max = e.select(e.fcmp(arith::CmpFPredicate::UNO, sink, sink), sink,
                   e.fmax(sink, max));
  }
  Value safe =
      e.select(e.fcmp(arith::CmpFPredicate::OEQ, max, ninf()), num(0.0), max);
  Value total = weights(safe);
  if (view.sinks) {
    // Also where both are +inf, whose difference is NaN.
    Value largest = e.fcmp(arith::CmpFPredicate::OEQ, sink, safe);
    total = e.fadd(total, e.select(largest, num(1.0),
                                   e.weight(sink, safe, LoopView::kLog2e)));
  }
  Value empty = e.fcmp(arith::CmpFPredicate::OEQ, total, num(0.0));
  Value divisor = e.select(empty, num(1.0), total);
  reweigh(divisor,
          e.band(scoreless, e.fcmp(arith::CmpFPredicate::ORD, total, total)));
  values();
  if (view.lse)
    e.store(e.select(empty, ninf(), e.logSumExp(safe, 1.0, divisor)), view.lse,
            {b, h, i});
  outliner.close(block);
  return block.func;
}

func::FuncOp mlir::attn::emitWholeRowKernel(Emit &e, Outliner &outliner,
                                            const LoopView &host) {
  return WholeRowKernel(e, outliner, host).emit();
}

Value mlir::attn::wholeRowScratch(Emit &e, const LoopView &host) {
  int64_t bytes = e.state.getWidth() / 8, dp = llvm::alignTo(host.d, e.lanes);
  return e.mul(e.add(e.mul(scoreSlots(e, host.sk), 2), dp + e.lanes), bytes);
}
