//===- RowKernel.cpp - The kernel of a few query rows -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decode: keys in the lanes of the scores, head dims in the lanes of the products.
//===----------------------------------------------------------------------===//

#include "Kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace mlir::attn;

// One task is one part of the keys of one key/value head, for all query rows of
// its group (a row is a query head and a query). K and V are read in place, each
// row fully and in address order, and stay in the cache for the next row. The
// part's state goes to a workspace; the merge kernel merges parts in order.

namespace {

/// Keys whose dot products run side by side.
constexpr int64_t kKeys = 4;
/// How many bytes ahead rows are asked for: hardware prefetchers stop at the end
/// of a page of memory.
constexpr int64_t kAhead = 4096;

class RowKernel {
public:
  RowKernel(Emit &e, Outliner &outliner, const LoopView &host, bool guarded)
      : e(e), outliner(outliner), host(host), guarded(guarded), w(e.lanes),
        kt(host.schedule.getKvTile()), dp(llvm::alignTo(host.d, w)),
        ep(llvm::alignTo(host.dv, w)) {}

  func::FuncOp emit(const RowWorkspace &work, func::FuncOp guardedForm);

private:
  using Values = SmallVector<Value>;
  void openScratch(Value scratch, Value rowCount);
  void loadRow(Value r);
  void row(Value r, Value j0, Value count);
  void prefetch(const LoopView::Row &row, Value d, bool ofValues);
  Value dot(Value r, const LoopView::Row &key, int64_t offset);
  void scores(Value r, Value j0, Value low, Value high);
  Value adjust(Value h, Value i, Value j0, Value low, Value high, bool masked);
  void softmax(Value r, Value low, Value high, Value max);
  void values(Value r, Value j0, Value low, Value high);

  Value ninf() { return e.num(-std::numeric_limits<double>::infinity(), e.state); }

  Emit &e;
  Outliner &outliner;
  const LoopView &host;
  bool guarded;
  int64_t w, kt, dp, ep;
  LoopView view;
  Value b, g;
  Value qr, orow, state, st;
  bool first = false; // of the rows that read a tile
};

} // namespace

Value mlir::attn::rowKernelScratch(Emit &e, const LoopView &host) {
  int64_t w = e.lanes, bytes = e.state.getWidth() / 8;
  int64_t perRow = llvm::alignTo(host.d, w) + llvm::alignTo(host.dv, w) + 2;
  Value rows = e.mul(host.group, host.sq);
  return e.mul(e.add(e.mul(rows, perRow), host.schedule.getKvTile()), bytes);
}

void RowKernel::openScratch(Value scratch, Value rowCount) {
  int64_t bytes = e.state.getWidth() / 8;
  constexpr int64_t dynamic = ShapedType::kDynamic;
  Value offset = e.idx(0);
  st = outliner.scratchBuffer(scratch, offset, MemRefType::get({kt}, e.state), {});
  offset = e.idx(kt * bytes);
  auto rows = [&](int64_t width) {
    Value buffer = outliner.scratchBuffer(scratch, offset,
                                          MemRefType::get({dynamic, width}, e.state), rowCount);
    offset = e.add(offset, e.mul(rowCount, width * bytes));
    return buffer;
  };
  qr = rows(dp);
  orow = rows(ep);
  state = rows(2);
}

void RowKernel::loadRow(Value r) {
  Value h = e.add(e.mul(g, view.group), e.div(r, view.sq)), i = e.rem(r, view.sq);
  e.loop(e.idx(0), e.idx(host.d), 1, [&](Value d) {
    Value x = e.widen(e.load(view.q, view.qAt(b, h, i, d)));
    e.store(e.fmul(x, e.num(host.queryFactor(), e.state)), qr, {r, d});
  });
  e.loop(e.idx(0), e.idx(ep), w, [&](Value d) { e.storeVec(e.numVec(0.0), orow, {r, d}); });
  e.store(ninf(), state, {r, e.idx(0)});
  e.store(e.num(0.0, e.state), state, {r, e.idx(1)});
}

/// Asks for the element kAhead bytes after element d of a row: row 8 at row 0, with
/// 128 f32 a row. Beside every load, since all of a row at once would be slower,
/// and for contiguous rows only: of pages nobody knows here which is next.
void RowKernel::prefetch(const LoopView::Row &row, Value d, bool ofValues) {
  if (!first || view.pageSize || guarded)
    return;
  int64_t rowBytes = host.storage.getIntOrFloatBitWidth() / 8 * (ofValues ? host.dv : host.d);
  LoopView::Row ahead = row;
  ahead.inner = e.add(row.inner, e.idx(llvm::divideCeil(kAhead, rowBytes)));
  memref::PrefetchOp::create(e.b, e.loc, ofValues ? view.v : view.k,
                             ofValues ? view.vAt(ahead, g, d) : view.kAt(ahead, g, d),
                             /*isWrite=*/false, /*localityHint=*/3, /*isDataCache=*/true);
}

/// q_r . k for the key `offset` rows after `key`.
Value RowKernel::dot(Value r, const LoopView::Row &key, int64_t offset) {
  LoopView::Row row = key;
  row.inner = e.add(key.inner, offset);
  int64_t whole = host.d / w;
  auto term = [&](Value d, Value sum) {
    Value x = e.widen(e.loadVec(view.k, view.kAt(row, g, d)));
    prefetch(row, d, /*ofValues=*/false);
    return e.fma(x, e.loadVec(qr, {r, d}), sum);
  };
  Value sum = e.numVec(0.0);
  if (whole <= 8) {
    for (int64_t c = 0; c < whole; ++c)
      sum = term(e.idx(c * w), sum);
  } else {
    sum = e.loop(e.idx(0), e.idx(whole * w), w, {sum}, [&](Value d, ValueRange carried) {
      return Values{term(d, carried[0])};
    })[0];
  }
  Value total = whole ? e.sumLanes(sum) : e.num(0.0, e.state);
  for (int64_t d = whole * w; d < host.d; ++d) {
    Value x = e.widen(e.load(view.k, view.kAt(row, g, e.idx(d))));
    total = e.fadd(total, e.fmul(x, e.load(qr, {r, e.idx(d)})));
  }
  return total;
}

void RowKernel::scores(Value r, Value j0, Value low, Value high) {
  auto group = [&](Value j, int64_t count) {
    LoopView::Row key = view.locate(e, b, g, e.add(j0, j));
    auto dots = [&] {
      Values sums;
      for (int64_t n = 0; n < count; ++n)
        sums.push_back(dot(r, key, n));
      return sums;
    };
    Values sums = key.present
                      ? e.choose(key.present, dots, [&] { return Values(count, e.num(0.0, e.state)); })
                      : dots();
    for (int64_t n = 0; n < count; ++n)
      e.store(sums[n], st, {e.add(j, n)});
  };
  if (view.pageSize) {
    // Whole groups: they never cross a page, and slots next to [low, high) in the
    // same page may be read.
    Value from = e.sub(e.roundDown(e.add(j0, low), kKeys), j0);
    e.loop(from, high, kKeys, [&](Value j) { group(j, kKeys); });
    return;
  }
  Value whole = e.add(low, e.roundDown(e.sub(high, low), kKeys));
  e.loop(low, whole, kKeys, [&](Value j) { group(j, kKeys); });
  e.loop(whole, high, 1, [&](Value j) { group(j, 1); });
}

/// Scores [low, high) of the tile with all that is added, -inf outside and where
/// masked; the maximum.
Value RowKernel::adjust(Value h, Value i, Value j0, Value low, Value high, bool masked) {
  auto &op = const_cast<KeyLoopOp &>(host.op);
  Value none = e.numVec(-std::numeric_limits<double>::infinity());
  Value lowLane = e.splat(e.toI32(low)), highLane = e.splat(e.toI32(high));
  Value last = e.splat(e.toI32(e.sub(view.sk, e.idx(1))));
  Value i32 = e.toI32(i);
  // Forms for tiles whose vectors lie within the keys, and for the one that may
  // reach beyond the last key.
  auto vectorAt = [&](Value c, Value max, bool inside) {
    Value inTile = arith::AddIOp::create(e.b, e.loc, e.splat(e.toI32(c)), e.iota());
    Value first = e.toI32(e.add(j0, c));
    Value slots = arith::AddIOp::create(e.b, e.loc, e.splat(first), e.iota());
    if (!inside)
      slots = arith::MinSIOp::create(e.b, e.loc, slots, last);
    auto form = [&](Region &region, bool isScore, Value x) {
      ScalarRegion scalar(region, isScore);
      view.bindCommon(e, scalar, b, h, g);
      scalar.bind(3, i32);
      scalar.bind(4, slots, inside ? first : Value());
      return scalar.finish(e, x);
    };
    Value x = e.loadVec(st, {c});
    if (host.hasScore())
      x = form(op.getScore(), true, e.fmul(x, e.numVec(host.scale)));
    Value keep = e.band(e.cmp(arith::CmpIPredicate::sge, inTile, lowLane),
                        e.cmp(arith::CmpIPredicate::slt, inTile, highLane));
    if (masked)
      keep = e.band(keep, form(op.getVisible(), false, {}));
    x = e.select(keep, x, none);
    e.storeVec(x, st, {c});
    return Values{e.fmax(x, max)};
  };
  // st holds a multiple of `lanes` scores, so vectors may start below `low`.
  Value from = e.roundDown(low, w);
  Value whole = e.max(from, e.roundDown(e.min(high, e.sub(view.sk, j0)), w));
  if (guarded) // one form for both
    whole = from;
  Value max = guarded ? none : e.loop(from, whole, w, {none}, [&](Value c, ValueRange carried) {
    return vectorAt(c, carried[0], true);
  })[0];
  max = e.loop(whole, high, w, {max}, [&](Value c, ValueRange carried) {
    return vectorAt(c, carried[0], false);
  })[0];
  return e.maxLanes(max);
}

void RowKernel::softmax(Value r, Value low, Value high, Value max) {
  Value zero = e.num(0.0, e.state);
  double scaling = host.log2Factor();
  Value old = e.load(state, {r, e.idx(0)});
  Value moves = e.fcmp(arith::CmpFPredicate::OGT, max, e.fadd(old, e.num(guarded ? 0.0 : host.lag(), e.state)));
  Value next = e.select(moves, max, old);
  e.when(moves, [&] {
    Value factor = e.weight(old, next, scaling);
    e.store(next, state, {r, e.idx(0)});
    e.store(e.fmul(e.load(state, {r, e.idx(1)}), factor), state, {r, e.idx(1)});
    Value factors = e.splat(factor);
    e.loop(e.idx(0), e.idx(ep), w, [&](Value d) {
      e.storeVec(e.fmul(e.loadVec(orow, {r, d}), factors), orow, {r, d});
    });
  });
  Value safe = e.splat(e.select(e.fcmp(arith::CmpFPredicate::OEQ, next, ninf()), zero, next));
  Value none = e.splat(ninf()), nothing = e.numVec(0.0);
  Value sum = e.loop(e.roundDown(low, w), high, w, {nothing}, [&](Value c, ValueRange carried) {
    Value x = e.loadVec(st, {c});
    Value p = e.weight(x, safe, scaling);
    Value total = carried[0];
    if (guarded) {
      Value dead = e.fcmp(arith::CmpFPredicate::OEQ, x, none);
      total = e.fadd(total, e.select(dead, nothing, p));
      p = e.select(dead, e.numVec(-1.0), p);
    } else {
      total = e.fadd(total, p);
    }
    e.storeVec(p, st, {c});
    return Values{total};
  })[0];
  e.store(e.fadd(e.load(state, {r, e.idx(1)}), e.sumLanes(sum)), state, {r, e.idx(1)});
}

/// O_r += P V over keys [low, high) of the tile.
void RowKernel::values(Value r, Value j0, Value low, Value high) {
  Value zero = e.num(0.0, e.state);
  int64_t whole = host.dv / w;
  // As many accumulators as leave registers for the rest.
  int64_t chunk = w * e.state.getWidth() >= 512 ? 16 : 8;
  auto weightAt = [&](Value j, Value &dead) {
    Value p = e.load(st, {j});
    if (guarded) {
      dead = e.fcmp(arith::CmpFPredicate::OLT, p, zero);
      p = e.select(dead, zero, p);
    }
    return p;
  };
  auto key = [&](Value j, ValueRange carried,
                 llvm::function_ref<Values(const LoopView::Row &, Value, Value, ValueRange)> body) {
    LoopView::Row row = view.locate(e, b, g, e.add(j0, j));
    Value dead;
    Value p = weightAt(j, dead);
    if (!row.present)
      return body(row, p, dead, carried);
    return e.choose(
        row.present, [&] { return body(row, p, dead, carried); },
        [&] { return Values(carried); });
  };
  for (int64_t base = 0; base < whole; base += chunk) {
    int64_t count = std::min(chunk, whole - base);
    Values acc;
    for (int64_t c = 0; c < count; ++c)
      acc.push_back(e.loadVec(orow, {r, e.idx((base + c) * w)}));
    acc = e.loop(low, high, 1, acc, [&](Value j, ValueRange carried) {
      return key(j, carried, [&](const LoopView::Row &row, Value p, Value dead, ValueRange sums) {
        Values next(sums);
        Value weight = e.splat(p), nothing = e.numVec(0.0);
        for (int64_t c = 0; c < count; ++c) {
          Value d = e.idx((base + c) * w);
          Value x = e.widen(e.loadVec(view.v, view.vAt(row, g, d)));
          prefetch(row, d, /*ofValues=*/true);
          if (guarded)
            x = e.select(e.splat(dead), nothing, x);
          next[c] = e.fma(x, weight, next[c]);
        }
        return next;
      });
    });
    for (int64_t c = 0; c < count; ++c)
      e.storeVec(acc[c], orow, {r, e.idx((base + c) * w)});
  }
  if (whole * w == host.dv)
    return;
  e.loop(e.idx(whole * w), e.idx(host.dv), 1, [&](Value d) {
    Value sum = e.load(orow, {r, d});
    sum = e.loop(low, high, 1, {sum}, [&](Value j, ValueRange carried) {
      return key(j, carried, [&](const LoopView::Row &row, Value p, Value dead, ValueRange sums) {
        Value x = e.widen(e.load(view.v, view.vAt(row, g, d)));
        if (guarded)
          x = e.select(dead, zero, x);
        return Values{e.fadd(sums[0], e.fmul(x, p))};
      });
    })[0];
    e.store(sum, orow, {r, d});
  });
}

void RowKernel::row(Value r, Value j0, Value count) {
  Value h = e.add(e.mul(g, view.group), e.div(r, view.sq)), i = e.rem(r, view.sq);
  KeySlots range = view.range(e, b, h, g, i, e.add(i, 1));
  Value low = e.max(e.sub(range.begin, j0), e.idx(0));
  Value high = e.min(e.sub(range.end, j0), count);
  e.when(e.lt(low, high), [&] {
    scores(r, j0, low, high);
    Value max;
    if (host.hasVisible() && guarded) {
      // The rare form need not know that a mask hides nothing.
      max = adjust(h, i, j0, low, high, true);
    } else if (host.hasVisible()) {
      Value full = e.band(e.le(range.fullBegin, e.add(j0, low)),
                          e.le(e.add(j0, high), range.fullEnd));
      max = e.choose(
          full, [&] { return Values{adjust(h, i, j0, low, high, false)}; },
          [&] { return Values{adjust(h, i, j0, low, high, true)}; })[0];
    } else {
      max = adjust(h, i, j0, low, high, false);
    }
    softmax(r, low, high, max);
    values(r, j0, low, high);
  });
}

func::FuncOp RowKernel::emit(const RowWorkspace &work, func::FuncOp guardedForm) {
  Values captured = host.values();
  size_t own = captured.size();
  captured.append({work.out, work.state, work.splits});
  Outliner::Block block = outliner.open(guarded ? "attn_row_guarded" : "attn_row",
                                        ValueRange(captured).getTypes(), /*rare=*/guarded);
  view = host.over(ValueRange(block.captured).take_front(own));
  Value workOut = block.captured[own], workState = block.captured[own + 1],
        splits = block.captured[own + 2];
  Value split = e.rem(block.task, splits), head = e.div(block.task, splits);
  b = e.div(head, view.hkv);
  g = e.rem(head, view.hkv);
  Value rowCount = e.mul(view.group, view.sq);
  openScratch(block.scratch, rowCount);
  e.loop(e.idx(0), rowCount, 1, [&](Value r) { loadRow(r); });
  int64_t part = llvm::alignTo(host.schedule.getSplitKeys(), kt);
  KeySlots range = view.range(e, b, e.mul(g, view.group), g, e.idx(0), view.sq);
  Value partBegin = e.mul(split, part);
  // Whole vectors of scores, and whole groups of keys of one page.
  Value from = e.max(partBegin, e.roundDown(range.begin, std::max(w, kKeys)));
  Value to = e.min(e.add(partBegin, part), range.end);
  e.loop(from, to, kt, [&](Value j0) {
    Value count = e.min(e.sub(to, j0), e.idx(kt));
    // The first row finds the tile in memory, the others in the cache.
    Value one = e.min(e.idx(1), rowCount);
    first = true;
    e.loop(e.idx(0), one, 1, [&](Value r) { row(r, j0, count); });
    first = false;
    e.loop(one, rowCount, 1, [&](Value r) { row(r, j0, count); });
  });
  if (!guarded) {
    outliner.call("attnrt_count", {arith::ConstantIntOp::create(e.b, e.loc, 1, 32),
                                   e.toI64(e.ceilDiv(e.max(e.sub(to, from), e.idx(0)), kt))});
  }
  auto write = [&] {
    e.loop(e.idx(0), rowCount, 1, [&](Value r) {
      Value h = e.add(e.mul(g, view.group), e.div(r, view.sq)), i = e.rem(r, view.sq);
      e.loop(e.idx(0), e.idx(host.dv), 1, [&](Value d) {
        e.store(e.load(orow, {r, d}), workOut, {b, h, i, split, d});
      });
      for (int64_t n = 0; n < 2; ++n)
        e.store(e.load(state, {r, e.idx(n)}), workState, {b, h, i, split, e.idx(n)});
    });
  };
  if (!guardedForm || guarded) {
    write();
  } else {
    Value bad = e.loop(e.idx(0), rowCount, 1, {e.numVec(0.0)}, [&](Value r, ValueRange carried) {
      // x - x is 0 for finite x, NaN otherwise; the padding is 0.
      return e.loop(e.idx(0), e.idx(ep), w, carried, [&](Value d, ValueRange sum) {
        Value x = e.loadVec(orow, {r, d});
        return Values{e.fadd(sum[0], e.fsub(x, x))};
      });
    })[0];
    Value total = e.sumLanes(bad);
    e.when(
        e.fcmp(arith::CmpFPredicate::UNO, total, total),
        [&] {
          outliner.call("attnrt_count", {arith::ConstantIntOp::create(e.b, e.loc, 0, 32),
                                         arith::ConstantIntOp::create(e.b, e.loc, 1, 64)});
          func::CallOp::create(e.b, e.loc, guardedForm,
                               ValueRange{block.context, e.toI64(block.task), block.scratch});
        },
        write);
  }
  outliner.close(block);
  return block.func;
}

func::FuncOp mlir::attn::emitRowKernel(Emit &e, Outliner &outliner, const LoopView &host,
                                       const RowWorkspace &work, bool guarded,
                                       func::FuncOp guardedForm) {
  return RowKernel(e, outliner, host, guarded).emit(work, guardedForm);
}

//===----------------------------------------------------------------------===//
// Merge
//===----------------------------------------------------------------------===//

func::FuncOp mlir::attn::emitMergeKernel(Emit &e, Outliner &outliner, const LoopView &host,
                                         const RowWorkspace &work) {
  SmallVector<Value> captured = host.values();
  size_t own = captured.size();
  captured.append({work.out, work.state, work.splits});
  Outliner::Block block = outliner.open("attn_merge", ValueRange(captured).getTypes());
  LoopView view = host.over(ValueRange(block.captured).take_front(own));
  Value workOut = block.captured[own], workState = block.captured[own + 1],
        splits = block.captured[own + 2];
  Value b = e.div(block.task, view.hq), h = e.rem(block.task, view.hq);
  int64_t w = e.lanes, ep = llvm::alignTo(host.dv, w);
  Value line = outliner.scratchBuffer(block.scratch, e.idx(0), MemRefType::get({ep}, e.state), {});
  Value ninf = e.num(-std::numeric_limits<double>::infinity(), e.state);
  Value zero = e.num(0.0, e.state), one = e.num(1.0, e.state);
  e.loop(e.idx(0), view.sq, 1, [&](Value i) {
    auto stateAt = [&](Value s, int64_t n) { return e.load(workState, {b, h, i, s, e.idx(n)}); };
    // The parts' maxima are stored scores; with a sink all become natural.
    double natural = host.naturalFactor(), factor = host.log2Factor();
    Value top = e.loop(e.idx(0), splits, 1, {ninf}, [&](Value s, ValueRange carried) {
      return SmallVector<Value>{e.fmax(stateAt(s, 0), carried[0])};
    })[0];
    Value sink;
    if (view.sinks) {
      sink = e.widen(e.load(view.sinks, {h}));
      top = e.fmax(sink, e.fmul(top, e.num(natural, e.state)));
    }
    Value safe = e.select(e.fcmp(arith::CmpFPredicate::OEQ, top, ninf), zero, top);
    e.loop(e.idx(0), e.idx(ep), w, [&](Value d) { e.storeVec(e.numVec(0.0), line, {d}); });
    Value l = view.sinks ? e.weight(sink, safe, LoopView::kLog2e) : zero;
    l = e.loop(e.idx(0), splits, 1, {l}, [&](Value s, ValueRange carried) {
      Value m = stateAt(s, 0);
      Value share = view.sinks ? e.exp2(e.fmul(e.scaledSum(m, natural, e.fsub(zero, safe)),
                                               e.num(LoopView::kLog2e, e.state)))
                               : e.weight(m, safe, factor);
      // No key in this part: -inf times the parts of a factor need not be -inf.
      share = e.select(e.fcmp(arith::CmpFPredicate::OEQ, m, ninf), zero, share);
      e.loop(e.idx(0), e.idx(host.dv), 1, [&](Value d) {
        Value x = e.fmul(e.load(workOut, {b, h, i, s, d}), share);
        e.store(e.fadd(e.load(line, {d}), x), line, {d});
      });
      return SmallVector<Value>{e.fadd(carried[0], e.fmul(stateAt(s, 1), share))};
    })[0];
    Value empty = e.fcmp(arith::CmpFPredicate::OEQ, l, zero);
    Value safeSum = e.select(empty, one, l);
    Value inverse = e.fdiv(one, safeSum);
    int64_t d = 0;
    for (; d + w <= host.dv; d += w)
      e.storeVec(e.narrow(e.fmul(e.loadVec(line, {e.idx(d)}), e.splat(inverse)), host.storage),
                 view.out, view.qAt(b, h, i, e.idx(d)));
    for (; d < host.dv; ++d)
      e.store(e.narrow(e.fmul(e.load(line, {e.idx(d)}), inverse), host.storage), view.out,
              view.qAt(b, h, i, e.idx(d)));
    if (view.lse) {
      Value lse = e.logSumExp(top, view.sinks ? 1.0 : natural, safeSum);
      e.store(e.select(empty, ninf, lse), view.lse, {b, h, i});
    }
  });
  outliner.close(block);
  return block.func;
}
