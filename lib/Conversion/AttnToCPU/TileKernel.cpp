//===- TileKernel.cpp - The kernel of a block of queries -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Queries in the lanes, keys and value columns as broadcast rows.
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Strips.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace mlir::attn;

// One task is one block of rows: `strips` strips of `lanes * q_vectors` of them. A
// row is a query of the task's head; where few queries share lanes (TileRows), row
// r is query r % Sq of head r / Sq of the task's group. Per tile of keys:
//
//   stage   K and V rows to f32 scratch (strides, pages, dtypes end here)
//   S^T     = K Q^T, key_rows keys by q_vectors vectors of queries at a time
//   score   what the plan adds, then the mask where the plan asks for it
//   softmax all vertical: a lane is a query, so max and sum need no shuffles
//   O^T    += V^T P^T, key_rows value columns by q_vectors vectors at a time
//
// With products of pairs of bf16 (`dot`) K, V, Q^T and P^T stay bf16 in scratch: two
// head dims of a key, or two keys of a value column, are one i32, and one
// instruction multiplies 16 lanes of them. Scores and sums are f32 as ever.
//
// The running maximum moves only when it lags by more than 8 (in log2 units):
// P then stays below 2^8, and after the division by l the result is the same.

namespace {

class TileKernel {
public:
  TileKernel(Emit &e, Outliner &outliner, const LoopView &host, TileRows kind, bool guarded)
      : e(e), outliner(outliner), host(host), guarded(guarded),
        shared(kind == TileRows::OfGroup), dot(usesDot(e, host)), w(e.lanes),
        qv(host.schedule.getQVectors()), strips(host.schedule.getStrips()),
        kr(host.schedule.getKeyRows()), kt(host.schedule.getKvTile()), qs(w * qv),
        ep((host.dv + kr - 1) / kr * kr) {}

  func::FuncOp emit(func::FuncOp guardedForm);
  static int64_t scratchBytes(Emit &e, const LoopView &host);

private:
  using Vectors = SmallVector<Value>;

  /// A factor folded into q would round q again.
  static bool usesDot(Emit &e, const LoopView &host) {
    return e.multipliesPairs(host.storage) && host.queryFactor() == 1.0;
  }
  void openScratch(Value scratch);
  /// Whose row it is; rows and places may be index or vectors of i32.
  struct Place {
    Value head, query;
  };
  Place placeOf(Value row);
  SmallVector<Place> lanePlaces(Value s);
  SmallVector<Value> rowAt(Value row, Value d) {
    Place place = placeOf(row);
    return view.qAt(b, place.head, place.query, d);
  }
  KeySlots rangeOf(Value first, Value last);
  Value sinksOf(Value s, int64_t v);
  void loadQueries();
  int64_t transposeOutputs(Value s, Value v, Value i);
  void writeOutputs();
  void stage(Value j0, Value from, Value count);
  void stagePairs(Value j0, Value from, Value count);
  Line keyLine(const LoopView::Row &row) {
    return {view.k, view.kAt(row, g, e.idx(0))};
  }
  Line valueLine(const LoopView::Row &row) {
    return {view.v, view.vAt(row, g, e.idx(0))};
  }
  Line scratchLine(Value buffer, Value row) {
    return {buffer, {row, e.idx(0)}};
  }
  Value multiplyAdd(Value x, Value y, Value z) {
    return dot ? e.dotPairs(x, y, z) : e.fma(x, y, z);
  }
  void endOnPairs(Value &low, Value &high);
  void hide(Value low, Value high);
  bool asksAhead() const { return !guarded && !host.pageSize && !shared; }
  void prefetchLine(const Line &line, int64_t width, bool write = false);
  void prefetchQueries(Value r0);
  void prefetchKeys(Value s, Value column);
  void overTiles(const KeySlots &range,
                 llvm::function_ref<void(Value, Value)> body);
  void strip(Value s, Value j0, Value count);
  Vectors scores(Value s, Value low, Value high, bool track);
  Vectors adjust(Value s, Value j0, Value low, Value high, bool masked);
  void softmax(Value s, Value low, Value high, Vectors max);
  void values(Value s, Value low, Value high);
  Value tableEntry(Value s, Value j0);
  Value anyStrip(Value j0);
  void tally(int64_t which, Value n);
  Value divide(bool check);

  Value lane(int64_t v) { return e.idx(v * w); }
  Vectors many(Value value, int64_t count) { return Vectors(count, value); }

  Emit &e;
  Outliner &outliner;
  const LoopView &host;
  bool guarded, shared, dot;
  Value lag; // how far the maximum may lag, of the state type
  int64_t w, qv, strips, kr, kt, qs, ep;

  LoopView view;
  Value b, h, g; // h where lanes are not shared
  Value i0, rows, stripCount; // rows from i0 on
  /// The head that comes next, whose operands are asked for in time.
  Value nextB, nextH, nextG;
  /// The keys of it that are asked for on this tile.
  Value aheadFirst, aheadCount;
  Value qt, kb, vb, st, ot, state; // scratch buffers
};

} // namespace

//===----------------------------------------------------------------------===//
// Scratch
//===----------------------------------------------------------------------===//

/// The scratch buffers, in order: Q^T, K, V, S^T, O^T, (m, l). Pairs halve
/// the axis that they run along.
static SmallVector<MemRefType> scratchBuffers(Emit &e, const LoopView &host, bool dot) {
  ScheduleAttr s = host.schedule;
  int64_t w = e.lanes, qs = w * s.getQVectors(), kr = s.getKeyRows(), kt = s.getKvTile();
  int64_t ep = (host.dv + kr - 1) / kr * kr, pairs = llvm::divideCeil(host.d, 2);
  Type state = e.state, pair = e.b.getI32Type();
  auto buffer = [](ArrayRef<int64_t> shape, Type type) { return MemRefType::get(shape, type); };
  SmallVector<MemRefType> inputs = {buffer({s.getStrips(), host.d, qs}, state),
                                    buffer({kt, host.d}, state), buffer({kt, ep}, state)};
  if (dot)
    inputs = {buffer({s.getStrips(), pairs, qs}, pair), buffer({kt, pairs}, pair),
              buffer({kt / 2, ep}, pair)};
  inputs.append({buffer({kt, qs}, state), buffer({s.getStrips(), ep, qs}, state),
                 buffer({s.getStrips(), 2, qs}, state)});
  return inputs;
}

static int64_t bytesOf(MemRefType type) {
  return llvm::alignTo(type.getNumElements() * type.getElementTypeBitWidth() / 8, 64);
}

int64_t TileKernel::scratchBytes(Emit &e, const LoopView &host) {
  int64_t bytes = 0;
  for (MemRefType type : scratchBuffers(e, host, usesDot(e, host)))
    bytes += bytesOf(type);
  return bytes;
}

void TileKernel::openScratch(Value scratch) {
  Value *buffers[] = {&qt, &kb, &vb, &st, &ot, &state};
  int64_t offset = 0;
  for (auto [buffer, type] : llvm::zip(buffers, scratchBuffers(e, host, dot))) {
    *buffer = outliner.scratchBuffer(scratch, e.idx(offset), type, {});
    offset += bytesOf(type);
  }
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// How many rows there are beside each other.
static Value rowCount(Emit &e, const LoopView &view, bool shared) {
  return shared ? e.mul(view.group, view.sq) : view.sq;
}

/// How many such rows a batch entry has: a head's or a group's.
static Value perBatchEntry(const LoopView &view, bool shared) {
  return shared ? view.hkv : view.hq;
}

TileKernel::Place TileKernel::placeOf(Value row) {
  if (!shared)
    return {h, row};
  Value queries = view.sq, first = e.mul(g, view.group);
  if (isa<VectorType>(row.getType())) {
    queries = e.splat(e.toI32(queries));
    first = e.splat(e.toI32(first));
  }
  return {e.add(first, e.div(row, queries)), e.rem(row, queries)};
}

/// The places of the lanes of strip s, a vector each time; beyond the last row that
/// one is repeated.
SmallVector<TileKernel::Place> TileKernel::lanePlaces(Value s) {
  Value first = e.add(i0, e.mul(s, qs));
  SmallVector<Place> places;
  for (Value row : rowLanes(e, host.schedule, first, rowCount(e, view, shared)))
    places.push_back(placeOf(row));
  return places;
}

/// The keys that rows [first, last) see, and a few more where those are of several
/// heads.
KeySlots TileKernel::rangeOf(Value first, Value last) {
  if (!shared)
    return view.range(e, b, h, g, first, last);
  return view.range(e, b, e.mul(g, view.group), g, e.idx(0), view.sq);
}

/// The sinks of a vector of rows.
Value TileKernel::sinksOf(Value s, int64_t v) {
  auto sink = [&](Value head) { return e.widen(e.load(view.sinks, {head})); };
  if (!shared)
    return e.splat(sink(h));
  Vectors lanes;
  Value first = e.add(i0, e.add(e.mul(s, qs), v * w));
  Value last = e.sub(rowCount(e, view, shared), e.idx(1));
  for (int64_t n = 0; n < w; ++n)
    lanes.push_back(sink(placeOf(e.min(e.add(first, n), last)).head));
  return vector::FromElementsOp::create(e.b, e.loc, e.vec(), lanes);
}

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

/// Q^T of the block; rows beyond the last query are zero.
void TileKernel::loadQueries() {
  e.loop(e.idx(0), e.mul(stripCount, qv), 1, [&](Value group) {
    Value s = e.div(group, qv), lane = e.mul(e.rem(group, e.idx(qv)), w),
          r0 = e.mul(group, w);
    auto line = [&](Value r) {
      return Line{view.q, rowAt(e.add(i0, e.add(r0, r)), e.idx(0))};
    };
    auto at = [&](Value d, Value r) { return Vectors{s, d, e.add(lane, r)}; };
    if (asksAhead())
      prefetchQueries(r0);
    // The guarded form is rare and need not be fast.
    layLanes(e, line, e.min(e.sub(rows, r0), e.idx(w)), host.d, dot,
             host.queryFactor(),
             /*squares=*/!guarded, {qt, at});
  });
  // States: m = -inf, l = 0, O = 0.
  Value ninf = e.numVec(-std::numeric_limits<double>::infinity()), none = e.numVec(0.0);
  e.loop(e.idx(0), stripCount, 1, [&](Value s) {
    for (int64_t v = 0; v < qv; ++v) {
      e.storeVec(ninf, state, {s, e.idx(0), lane(v)});
      e.storeVec(none, state, {s, e.idx(1), lane(v)});
    }
    e.loop(e.idx(0), e.idx(ep), 1, [&](Value column) {
      for (int64_t v = 0; v < qv; ++v)
        e.storeVec(none, ot, {s, column, lane(v)});
    });
  });
}

/// K and V rows [j0 + from, j0 + count) to scratch. K rows up to the next multiple of
/// key_rows are zero: their scores are computed and never read.
void TileKernel::stage(Value j0, Value from, Value count) {
  if (dot)
    return stagePairs(j0, from, count);
  e.loop(from, count, 1, [&](Value r) {
    LoopView::Row row = view.locate(e, b, g, e.add(j0, r));
    auto copy = [&] {
      copyLine(e, keyLine(row), host.d, scratchLine(kb, r), host.d);
      copyLine(e, valueLine(row), host.dv, scratchLine(vb, r), ep);
    };
    if (!row.present)
      return copy();
    e.when(row.present, copy, [&] {
      zeroLine(e, scratchLine(kb, r));
      zeroLine(e, scratchLine(vb, r));
    });
  });
  e.loop(count, e.mul(e.ceilDiv(count, kr), kr), 1,
         [&](Value r) { zeroLine(e, scratchLine(kb, r)); });
}

/// Like `stage`, two keys at a time: both lie in one page, since pages hold a
/// power of two of keys and tiles start at multiples of key_rows.
void TileKernel::stagePairs(Value j0, Value from, Value count) {
  e.loop(e.div(from, 2), e.ceilDiv(count, 2), 1, [&](Value pair) {
    Value r = e.mul(pair, 2), next = e.add(r, 1);
    LoopView::Row first = view.locate(e, b, g, e.add(j0, r)), second = first;
    second.inner = e.add(first.inner, 1);
    auto zip = [&](const Line *partner) {
      zipLines(e, valueLine(first), partner, host.dv, scratchLine(vb, pair),
               ep);
    };
    auto copy = [&] {
      copyPairs(e, keyLine(first), host.d, scratchLine(kb, r));
      e.when(
          e.lt(next, count),
          [&] {
            copyPairs(e, keyLine(second), host.d, scratchLine(kb, next));
            Line partner = valueLine(second);
            zip(&partner);
          },
          [&] { zip(nullptr); });
    };
    if (!first.present)
      return copy();
    e.when(first.present, copy, [&] {
      zeroLine(e, scratchLine(kb, r));
      zeroLine(e, scratchLine(kb, next));
      zeroLine(e, scratchLine(vb, pair));
    });
  });
  e.loop(count, e.mul(e.ceilDiv(count, kr), kr), 1,
         [&](Value r) { zeroLine(e, scratchLine(kb, r)); });
}

//===----------------------------------------------------------------------===//
// Asking ahead
//===----------------------------------------------------------------------===//

// Many small problems wait for memory: 32 keys of 64 are 16 KB, which hardware
// prefetchers find out about when they are over (256 problems of 4 heads: 0.85 of
// the time with what follows). So the operands of the next head, which the same
// thread takes most often, are asked for during the last tile of this one. Of long
// problems that is little, and nothing is gained.

/// Asks for a row.
void TileKernel::prefetchLine(const Line &line, int64_t width, bool write) {
  int64_t step = 64 / (host.storage.getIntOrFloatBitWidth() / 8);
  for (int64_t column = 0; column < width; column += step)
    memref::PrefetchOp::create(e.b, e.loc, line.buffer, line.column(e.idx(column)),
                               write, /*localityHint=*/2, /*isDataCache=*/true);
}

/// The rows of Q ahead of those from r0 on, and those of O that will be written.
void TileKernel::prefetchQueries(Value r0) {
  e.loop(r0, e.min(rows, e.add(r0, w)), 1, [&](Value r) {
    Value i = e.add(i0, r), zero = e.idx(0);
    prefetchLine({view.q, view.qAt(nextB, nextH, i, zero)}, host.d);
    prefetchLine({view.out, view.qAt(b, h, i, zero)}, host.dv, /*write=*/true);
  });
}

/// A share of the keys ahead, on key_rows columns of the products with V: a few
/// lines at a time, which wait in vain for nobody.
void TileKernel::prefetchKeys(Value s, Value column) {
  auto share = [&](Value c) { return e.div(e.mul(c, aheadCount), ep); };
  e.when(e.cmp(arith::CmpIPredicate::eq, s, e.idx(0)), [&] {
    e.loop(share(column), share(e.add(column, kr)), 1, [&](Value r) {
      LoopView::Row row = view.locate(e, nextB, nextG, e.add(aheadFirst, r));
      prefetchLine({view.k, view.kAt(row, nextG, e.idx(0))}, host.d);
      prefetchLine({view.v, view.vAt(row, nextG, e.idx(0))}, host.dv);
    });
  });
}

//===----------------------------------------------------------------------===//
// One strip on one tile
//===----------------------------------------------------------------------===//

/// S^T rows [low, high), low and high multiples of key_rows (in the tile). With
/// `track`, also the maximum per lane.
TileKernel::Vectors TileKernel::scores(Value s, Value low, Value high, bool track) {
  Value ninf = e.numVec(-std::numeric_limits<double>::infinity());
  Vectors start = track ? many(ninf, qv) : Vectors{};
  return e.loop(low, high, kr, start, [&](Value j, ValueRange carried) {
    Vectors acc = stripProducts(
        e, host.schedule, cast<MemRefType>(kb.getType()).getDimSize(1), dot,
        [&](int64_t r, Value d) { return e.load(kb, {e.add(j, r), d}); },
        [&](Value d, int64_t v) { return e.loadVec(qt, {s, d, lane(v)}); });
    for (int64_t r = 0; r < kr; ++r)
      for (int64_t v = 0; v < qv; ++v)
        e.storeVec(acc[r * qv + v], st, {e.add(j, r), lane(v)});
    Vectors max(carried);
    if (track)
      for (int64_t v = 0; v < qv; ++v)
        for (int64_t r = 0; r < kr; ++r)
          max[v] = e.fmax(acc[r * qv + v], max[v]);
    return max;
  });
}

/// What the plan adds to scores [low, high) (rows of the tile), and -inf for
/// masked pairs; the maximum per lane.
TileKernel::Vectors TileKernel::adjust(Value s, Value j0, Value low, Value high, bool masked) {
  auto &op = const_cast<KeyLoopOp &>(host.op);
  bool score = host.hasScore();
  SmallVector<ScalarRegion> scoreForms, maskForms;
  for (const Place &place : lanePlaces(s)) {
    auto bind = [&](ScalarRegion &form) {
      view.bindCommon(e, form, b, place.head, g);
      form.bind(3, place.query);
      form.hoist(e);
    };
    if (score)
      bind(scoreForms.emplace_back(op.getScore(), /*isScore=*/true));
    if (masked)
      bind(maskForms.emplace_back(op.getVisible(), /*isScore=*/false));
  }
  Value ninf = e.numVec(-std::numeric_limits<double>::infinity());
  return e.loop(low, high, 1, many(ninf, qv), [&](Value r, ValueRange carried) {
    Vectors max(carried);
    Value j = e.toI32(e.add(j0, r));
    for (int64_t v = 0; v < qv; ++v) {
      Value x = e.loadVec(st, {r, lane(v)});
      if (score) {
        scoreForms[v].bind(4, j);
        x = scoreForms[v].finish(e, e.fmul(x, e.numVec(host.scale)));
      }
      if (masked) {
        maskForms[v].bind(4, j);
        x = e.select(maskForms[v].finish(e), x, ninf);
      }
      e.storeVec(x, st, {r, lane(v)});
      max[v] = e.fmax(x, max[v]);
    }
    return max;
  });
}

/// S^T to P^T in place, with l, and O^T rescaled where the maximum moved.
void TileKernel::softmax(Value s, Value low, Value high, Vectors max) {
  Value ninf = e.numVec(-std::numeric_limits<double>::infinity());
  Value zero = e.numVec(0.0);
  double factor = host.log2Factor();
  Vectors old, next, moves;
  Value any, begun;
  for (int64_t v = 0; v < qv; ++v) {
    old.push_back(e.loadVec(state, {s, e.idx(0), lane(v)}));
    moves.push_back(
        e.fcmp(arith::CmpFPredicate::OGT, max[v], e.fadd(old[v], e.splat(lag))));
    next.push_back(e.select(moves[v], max[v], old[v]));
    any = any ? e.bor(any, moves[v]) : moves[v];
    Value seen = e.fcmp(arith::CmpFPredicate::UNE, old[v], ninf);
    begun = begun ? e.bor(begun, seen) : seen;
  }
  e.when(e.anyLane(any), [&] {
    Vectors factors;
    for (int64_t v = 0; v < qv; ++v) {
      factors.push_back(
          e.select(moves[v], e.weight(old[v], next[v], factor), e.numVec(1.0)));
      e.storeVec(next[v], state, {s, e.idx(0), lane(v)});
      Value sum = e.loadVec(state, {s, e.idx(1), lane(v)});
      e.storeVec(e.fmul(sum, factors[v]), state, {s, e.idx(1), lane(v)});
    }
    // On a strip's first keys O is 0 still.
    e.when(e.anyLane(begun), [&] {
      e.loop(e.idx(0), e.idx(ep), 1, [&](Value column) {
        for (int64_t v = 0; v < qv; ++v) {
          Value x = e.loadVec(ot, {s, column, lane(v)});
          e.storeVec(e.fmul(x, factors[v]), ot, {s, column, lane(v)});
        }
      });
    });
  });
  // A lane that has seen nothing yet has m = -inf: subtract 0 instead, so that
  // its -inf scores stay -inf and weigh 0.
  Vectors safe;
  Vectors sums;
  for (int64_t v = 0; v < qv; ++v) {
    Value empty = e.fcmp(arith::CmpFPredicate::OEQ, next[v], ninf);
    safe.push_back(e.select(empty, zero, next[v]));
    sums.push_back(e.loadVec(state, {s, e.idx(1), lane(v)}));
  }
  // A weight, and the form of it that is stored.
  auto weigh = [&](Value r, int64_t v) -> std::pair<Value, Value> {
    Value x = e.loadVec(st, {r, lane(v)});
    Value p = e.weight(x, safe[v], factor);
    if (!guarded)
      return {p, p};
    // A negative weight marks a pair whose value must not be touched.
    Value dead = e.fcmp(arith::CmpFPredicate::OEQ, x, ninf);
    return {e.select(dead, zero, p), e.select(dead, e.numVec(-1.0), p)};
  };
  // Rows are summed in groups, as a tree: fewer roundings of the running sum.
  auto group = [&](Value from, Value to, int64_t count) {
    sums = e.loop(from, to, count, sums, [&](Value r, ValueRange carried) {
      Vectors total(carried);
      for (int64_t v = 0; v < qv; ++v) {
        Vectors terms, stored;
        for (int64_t n = 0; n < count; ++n) {
          auto [term, form] = weigh(e.add(r, n), v);
          terms.push_back(term);
          stored.push_back(form);
          if (!dot)
            e.storeVec(form, st, {e.add(r, n), lane(v)});
        }
        // Rows r and r + 1 become row r / 2, which nobody reads any more.
        for (int64_t n = 0; dot && n < count; n += 2)
          e.storeVec(vector::BitCastOp::create(e.b, e.loc, e.vec(),
                                               e.roundToPairs(stored[n], stored[n + 1])),
                     st, {e.add(e.div(r, 2), n / 2), lane(v)});
        for (int64_t width = count; width > 1; width /= 2)
          for (int64_t n = 0; n < width / 2; ++n)
            terms[n] = e.fadd(terms[2 * n], terms[2 * n + 1]);
        total[v] = e.fadd(total[v], terms[0]);
      }
      return total;
    });
  };
  // Groups that start at the strip's first key would tell of the other lanes.
  const int64_t kGroup = host.invariant() && kr % 4 ? 1 : 4;
  Value whole = e.add(low, e.roundDown(e.sub(high, low), kGroup));
  group(low, whole, kGroup);
  group(whole, high, dot ? 2 : 1);
  for (int64_t v = 0; v < qv; ++v)
    e.storeVec(sums[v], state, {s, e.idx(1), lane(v)});
}

/// Rows [low, high) to a range that ends on pairs: the rows added weigh nothing.
/// Their keys and values are in the tile, or zeros of its last pair.
void TileKernel::endOnPairs(Value &low, Value &high) {
  Value ninf = e.numVec(-std::numeric_limits<double>::infinity());
  auto odd = [&](Value r) {
    return e.cmp(arith::CmpIPredicate::ne, e.rem(r, e.idx(2)), e.idx(0));
  };
  auto hide = [&](Value r) {
    for (int64_t v = 0; v < qv; ++v)
      e.storeVec(ninf, st, {r, lane(v)});
  };
  e.when(odd(low), [&] { hide(e.sub(low, e.idx(1))); });
  e.when(odd(high), [&] { hide(high); });
  low = e.roundDown(low, 2);
  high = e.mul(e.ceilDiv(high, 2), 2);
}

/// Rows [low, high) of S^T weigh nothing.
void TileKernel::hide(Value low, Value high) {
  e.loop(low, high, 1, [&](Value r) {
    for (int64_t v = 0; v < qv; ++v)
      e.storeVec(e.numVec(-std::numeric_limits<double>::infinity()), st,
                 {r, lane(v)});
  });
}

/// O^T += V^T P^T over rows [low, high).
void TileKernel::values(Value s, Value low, Value high) {
  if (dot) { // rows are pairs of keys
    low = e.div(low, 2);
    high = e.div(high, 2);
  }
  e.loop(e.idx(0), e.idx(ep), kr, [&](Value column) {
    if (asksAhead())
      prefetchKeys(s, column);
    Vectors acc;
    for (int64_t r = 0; r < kr; ++r)
      for (int64_t v = 0; v < qv; ++v)
        acc.push_back(e.loadVec(ot, {s, e.add(column, r), lane(v)}));
    acc = e.loop(low, high, 1, acc, [&](Value j, ValueRange accumulators) {
      Vectors next(accumulators);
      Vectors weight, live;
      for (int64_t v = 0; v < qv; ++v) {
        weight.push_back(e.loadVec(st, {j, lane(v)}));
        if (guarded) {
          live.push_back(liveBits(e, weight[v], dot));
          weight[v] = maskBits(e, weight[v], live[v]);
        }
      }
      for (int64_t r = 0; r < kr; ++r) {
        Value value = e.splat(e.load(vb, {j, e.add(column, r)}));
        for (int64_t v = 0; v < qv; ++v) {
          Value x = guarded ? maskBits(e, value, live[v]) : value;
          next[r * qv + v] = multiplyAdd(x, weight[v], next[r * qv + v]);
        }
      }
      return next;
    });
    for (int64_t r = 0; r < kr; ++r)
      for (int64_t v = 0; v < qv; ++v)
        e.storeVec(acc[r * qv + v], ot, {s, e.add(column, r), lane(v)});
  });
}

/// What the block table says of strip s on the tile from j0: 0, 1 or 2.
Value TileKernel::tableEntry(Value s, Value j0) {
  Value queryBlock = e.add(e.div(i0, qs), s);
  return e.load(view.blockTable, {b, h, queryBlock, e.div(j0, kt)});
}

/// Whether the block table leaves any strip a key of the tile from j0.
Value TileKernel::anyStrip(Value j0) {
  Value none = arith::ConstantIntOp::create(e.b, e.loc, 0, 8);
  Value any = e.loop(e.idx(0), stripCount, 1, {none}, [&](Value s, ValueRange carried) -> Vectors {
    return {e.bor(carried[0], tableEntry(s, j0))};
  })[0];
  return e.cmp(arith::CmpIPredicate::ne, any, none);
}

/// Adds to a counter of the call; the guarded form repeats work that is counted.
void TileKernel::tally(int64_t which, Value n) {
  if (!guarded)
    outliner.call("attnrt_count",
                  {arith::ConstantIntOp::create(e.b, e.loc, which, 32), e.toI64(n)});
}

/// Strip s on the tile of `count` keys from j0: only the keys this strip may see.
void TileKernel::strip(Value s, Value j0, Value count) {
  Value first = e.add(i0, e.mul(s, qs));
  Value last = e.min(e.add(first, qs), e.add(i0, rows));
  KeySlots range = rangeOf(first, last);
  Value low = e.max(e.sub(range.begin, j0), e.idx(0));
  Value high = e.min(e.sub(range.end, j0), count);
  auto entryIs = [&](arith::CmpIPredicate predicate, int64_t value) {
    return e.cmp(predicate, tableEntry(s, j0),
                 arith::ConstantIntOp::create(e.b, e.loc, value, 8));
  };
  auto run = [&] {
    tally(1, e.idx(1));
    Value lowTile = e.roundDown(low, kr), highTile = e.mul(e.ceilDiv(high, kr), kr);
    Vectors max = scores(s, lowTile, highTile, /*track=*/!host.hasScore());
    auto adjusted = [&](bool masked) -> Vectors { return adjust(s, j0, low, high, masked); };
    Value full = e.band(e.le(range.fullBegin, e.add(j0, low)),
                        e.le(e.add(j0, high), range.fullEnd));
    if (view.blockTable)
      full = e.bor(full, entryIs(arith::CmpIPredicate::eq, 2));
    auto unmasked = [&]() -> Vectors {
      if (host.hasScore())
        return adjusted(false);
      // The maximum came with the scores, unless rows outside [low, high) were
      // computed along: a zero row's score must not enter it.
      Value exact = e.band(e.cmp(arith::CmpIPredicate::eq, low, lowTile),
                           e.cmp(arith::CmpIPredicate::eq, high, highTile));
      return e.choose(exact, [&] { return max; }, [&] { return adjusted(false); });
    };
    if (!host.hasVisible())
      max = unmasked();
    else if (guarded) // the rare form need not know that a mask hides nothing
      max = adjusted(true);
    else
      max = e.choose(full, unmasked, [&] {
        tally(2, e.idx(1));
        return adjusted(true);
      });
    if (dot)
      endOnPairs(low, high);
    if (host.invariant()) {
      // Groups of rows are those of the tile, whichever keys the strip's lanes
      // see.
      hide(lowTile, low);
      hide(high, highTile);
      softmax(s, lowTile, highTile, max);
    } else {
      softmax(s, low, high, max);
    }
    values(s, low, high);
  };
  e.when(e.lt(low, high), [&] {
    tally(3, e.idx(-1)); // counted in full at the end of the block
    if (!view.blockTable)
      return run();
    e.when(entryIs(arith::CmpIPredicate::ne, 0), run, [&] { tally(4, e.idx(1)); });
  });
}

//===----------------------------------------------------------------------===//
// The block
//===----------------------------------------------------------------------===//

/// Columns of w queries' outputs that transposed squares of O^T give. Returns how
/// many; the rest goes one by one.
int64_t TileKernel::transposeOutputs(Value s, Value v, Value row) {
  int64_t whole = host.dv / w * w;
  e.loop(e.idx(0), e.idx(whole), w, [&](Value column) {
    Vectors columns;
    for (int64_t n = 0; n < w; ++n)
      columns.push_back(e.loadVec(ot, {s, e.add(column, n), e.mul(v, w)}));
    for (auto [r, x] : llvm::enumerate(e.transpose(columns)))
      e.storeVec(e.narrow(x, host.storage), view.out,
                 rowAt(e.add(row, static_cast<int64_t>(r)), column));
  });
  return whole;
}

/// O^T, divided, and the log-sum-exps to the results.
void TileKernel::writeOutputs() {
  auto oneByOne = [&](Value r, int64_t from) {
    Value s = e.div(r, qs), column = e.rem(r, e.idx(qs));
    Place place = placeOf(e.add(i0, r));
    e.loop(e.idx(from), e.idx(host.dv), 1, [&](Value d) {
      e.store(e.narrow(e.load(ot, {s, d, column}), host.storage), view.out,
              view.qAt(b, place.head, place.query, d));
    });
    if (view.lse)
      e.store(e.load(state, {s, e.idx(0), column}), view.lse, {b, place.head, place.query});
  };
  e.loop(e.idx(0), e.mul(stripCount, qv), 1, [&](Value group) {
    Value s = e.div(group, qv), v = e.rem(group, e.idx(qv)), r0 = e.mul(group, w);
    auto some = [&] {
      e.loop(r0, e.min(rows, e.add(r0, w)), 1, [&](Value r) { oneByOne(r, 0); });
    };
    if (guarded) // the rare form need not be fast
      return some();
    auto all = [&] {
      int64_t done = transposeOutputs(s, v, e.add(i0, r0));
      if (done < host.dv || view.lse)
        e.loop(r0, e.add(r0, w), 1, [&](Value r) { oneByOne(r, done); });
    };
    e.when(e.le(e.add(r0, w), rows), all, some);
  });
}

/// Divides by l; whether something is not finite, where `check` asks for it.
Value TileKernel::divide(bool check) {
  Value ninf = e.numVec(-std::numeric_limits<double>::infinity());
  Value zero = e.numVec(0.0), one = e.numVec(1.0);
  // Sums of two columns at a time: one addition waits for the one before.
  int64_t step = ep % 2 ? 1 : 2;
  auto stripResult = [&](Value s, ValueRange carried) {
    Vectors inverses;
    for (int64_t v = 0; v < qv; ++v) {
      Value m = e.loadVec(state, {s, e.idx(0), lane(v)});
      Value l = e.loadVec(state, {s, e.idx(1), lane(v)});
      Value factor = one;
      double natural = host.naturalFactor();
      if (view.sinks) {
        // One extra state (o = 0, lse = sink), merged once, in natural units.
        Value sink = sinksOf(s, v);
        Value top = e.fmax(sink, e.fmul(m, e.numVec(natural)));
        Value none = e.fcmp(arith::CmpFPredicate::OEQ, top, ninf);
        Value safeTop = e.select(none, zero, top);
        Value away = e.scaledSum(m, natural, e.fsub(zero, safeTop));
        factor = e.exp2(e.fmul(away, e.numVec(LoopView::kLog2e)));
        // No key at all: -inf times the parts of a factor need not be -inf.
        factor = e.select(e.fcmp(arith::CmpFPredicate::OEQ, m, ninf), zero, factor);
        l = e.fadd(e.fmul(l, factor), e.weight(sink, safeTop, LoopView::kLog2e));
        m = top;
        natural = 1.0;
      }
      Value empty = e.fcmp(arith::CmpFPredicate::OEQ, l, zero);
      inverses.push_back(e.fmul(factor, e.fdiv(one, e.select(empty, one, l))));
      if (view.lse) { // in the place of m
        Value lse = e.logSumExp(m, natural, e.select(empty, one, l));
        e.storeVec(e.select(empty, ninf, lse), state, {s, e.idx(0), lane(v)});
      }
    }
    return e.loop(e.idx(0), e.idx(ep), step, carried, [&](Value column, ValueRange sums) {
      Vectors bad(sums);
      for (int64_t n = 0; n < step * qv; ++n) {
        SmallVector<Value> at = {s, e.add(column, n / qv), lane(n % qv)};
        // Never -0: what hidden keys add, 0 or -0, would tell of them.
        Value x = e.fma(e.loadVec(ot, at), inverses[n % qv], zero);
        e.storeVec(x, ot, at);
        // x - x is 0 for finite x, NaN otherwise; sums keep NaN.
        if (check)
          bad[n] = e.fadd(bad[n], e.fsub(x, x));
      }
      return bad;
    });
  };
  Vectors bad = e.loop(e.idx(0), stripCount, 1, check ? many(zero, step * qv) : Vectors{},
                       [&](Value s, ValueRange carried) { return stripResult(s, carried); });

  if (!check)
    return {};
  Value sum = bad[0];
  for (Value more : ArrayRef(bad).drop_front())
    sum = e.fadd(sum, more);
  Value finite = e.fcmp(arith::CmpFPredicate::ORD, sum, sum);
  return e.anyLane(arith::XOrIOp::create(
      e.b, e.loc, finite, e.splat(arith::ConstantIntOp::create(e.b, e.loc, 1, 1))));
}

/// `body` for every tile that holds keys of the range: its first slot, and how
/// many.
void TileKernel::overTiles(const KeySlots &range,
                           llvm::function_ref<void(Value, Value)> body) {
  auto from = [&](Value start, Value end) {
    e.loop(start, end, kt,
           [&](Value j0) { body(j0, e.min(e.sub(end, j0), e.idx(kt))); });
  };
  if (!host.invariant() || !view.auxOf("cu_kv")) {
    // A block table knows whole tiles only: then tiles start at multiples of
    // theirs. So they do where the rows of a block must not tell on each other.
    bool whole = view.blockTable || host.invariant();
    return from(e.roundDown(range.begin, whole ? kt : kr), range.end);
  }
  // Tiles of one document after the other, from its first key on, so that
  // nothing depends on the documents before it. -2 is the document of slots
  // behind the last.
  Value segments = view.auxOf("q_segments"), bounds = view.auxOf("cu_kv");
  Value none = e.sub(e.dim(bounds, 0), e.idx(1));
  auto documentOf = [&](Value i, Value otherwise) {
    Value n = e.toIndex(e.load(segments, {b, i}));
    return e.select(e.lt(n, e.idx(0)), otherwise, n);
  };
  Value firstQuery = shared ? e.idx(0) : i0;
  Value lastQuery = e.sub(shared ? view.sq : e.add(i0, rows), e.idx(1));
  Value first = documentOf(firstQuery, none);
  Value last = documentOf(lastQuery, e.sub(none, e.idx(1)));
  e.loop(first, e.add(last, 1), 1, [&](Value n) {
    Value origin = e.toIndex(e.load(bounds, {n}));
    Value end = e.min(range.end, e.toIndex(e.load(bounds, {e.add(n, 1)})));
    Value begin = e.sub(e.max(range.begin, origin), origin);
    from(e.add(origin, e.roundDown(begin, kt)), end);
  });
}

func::FuncOp TileKernel::emit(func::FuncOp guardedForm) {
  SmallVector<Value> values = host.values();
  Outliner::Block block = outliner.open(guarded ? "attn_tile_guarded" : "attn_tile",
                                        ValueRange(values).getTypes(), /*rare=*/guarded);
  view = host.over(block.captured);
  // Heads fastest; within a head the last queries first, since under a causal
  // mask they see most keys.
  Value perBatch = perBatchEntry(view, shared), count = rowCount(e, view, shared);
  Value heads = e.mul(view.batch, perBatch);
  Value blocks = e.ceilDiv(count, strips * qs);
  Value head = e.rem(block.task, heads);
  Value index = e.sub(e.sub(blocks, e.idx(1)), e.div(block.task, heads));
  b = e.div(head, perBatch);
  if (shared) {
    g = e.rem(head, perBatch);
  } else {
    h = e.rem(head, perBatch);
    g = e.div(h, view.group);
    Value next = e.min(e.add(head, 1), e.sub(heads, e.idx(1)));
    nextB = e.div(next, perBatch);
    nextH = e.rem(next, perBatch);
    nextG = e.div(nextH, view.group);
  }
  i0 = e.mul(index, strips * qs);
  rows = e.min(e.sub(count, i0), e.idx(strips * qs));
  stripCount = e.ceilDiv(rows, qs);
  openScratch(block.scratch);
  auto compute = [&](Value mayLag) {
    lag = mayLag;
    loadQueries();
    KeySlots range = rangeOf(i0, e.add(i0, rows));
    aheadFirst = e.roundDown(range.begin, kr);
    overTiles(range, [&](Value j0, Value count) {
      Value more = e.lt(e.add(j0, count), range.end);
      aheadCount = e.select(more, e.idx(0), e.min(e.sub(range.end, aheadFirst), e.idx(kt)));
      if (view.blockTable) {
        Value from = e.roundDown(e.max(e.sub(range.begin, j0), e.idx(0)), kr);
        e.when(anyStrip(j0), [&] { stage(j0, from, count); });
      } else {
        stage(j0, e.idx(0), count);
      }
      e.loop(e.idx(0), stripCount, 1, [&](Value s) { strip(s, j0, count); });
    });
    // Every strip on every tile, less those looked at: what the plan skipped.
    tally(3, e.mul(stripCount, e.ceilDiv(view.sk, kt)));
    return divide(/*check=*/guarded || guardedForm);
  };
  finishBlock(e, outliner, block, host.lag(), guarded, guardedForm, compute,
              [&] { writeOutputs(); });
  outliner.close(block);
  return block.func;
}

func::FuncOp mlir::attn::emitTileKernel(Emit &e, Outliner &outliner, const LoopView &host,
                                        TileRows kind, bool guarded, func::FuncOp guardedForm) {
  return TileKernel(e, outliner, host, kind, guarded).emit(guardedForm);
}

std::pair<Value, Value> mlir::attn::tileKernelSize(Emit &e, const LoopView &host, TileRows kind) {
  int64_t rows = host.schedule.getStrips() * host.schedule.getQVectors() * e.lanes;
  bool shared = kind == TileRows::OfGroup;
  Value heads = e.mul(host.batch, perBatchEntry(host, shared));
  Value tasks = e.mul(heads, e.ceilDiv(rowCount(e, host, shared), rows));
  return {tasks, e.idx(TileKernel::scratchBytes(e, host))};
}
