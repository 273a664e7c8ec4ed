//===- RowKernel.cpp - The kernel of a few query rows -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decode: keys in the lanes of the scores, head dims in the lanes of the products.
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Strips.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace mlir::attn;

// One task is one part of the keys of one key/value head, for all query rows of
// its group (a row is a query head and a query). K and V are read in place, in
// address order. Rows go in blocks: a row alone, or kBlock rows that share every
// vector of K and V they multiply; where rows are missing the last is computed
// again. The part's state goes to a workspace, and the merge kernel merges parts in
// order; where there is one part, the task writes the result itself.
//
// Columns (head dims) of bf16 are widened two vectors at a time, the even ones and
// the odd ones: shifting a pair left gives its second number, masking its first.
// So q and the outputs lie in scratch as [even | odd] blocks; with 4 lanes columns
// 0 .. 7 are stored 0 2 4 6 | 1 3 5 7.
//
// With products of pairs of bf16 (`dot`) nothing is widened: scores are of pairs of
// columns, as K and q lie in memory, and values of pairs of keys. Of two rows of V,
// a0 a1 and b0 b1, the even columns become (a0 b0) and the odd ones (a1 b1), which
// the weights of the two keys, as a pair, multiply.

namespace {

/// Rows of one block.
constexpr int64_t kBlock = 4;
/// Keys of one row alone: more rows of K at a time than hardware prefetchers
/// follow would be slower (16 keys: 0.65 of the speed of 8).
constexpr int64_t kKeys = 8;
/// How many bytes of K a tile holds: blocks of rows read a tile of K and V from the
/// innermost cache, while the next one, which is asked for, comes to the second.
/// Hardware prefetchers stop at the end of a page of memory.
constexpr int64_t kTileBytes = 16384;

int64_t bytesOf(Type type) { return type.getIntOrFloatBitWidth() / 8; }

/// Keys of a tile: 32 with 128 f32 a row. 64 and more keys of blocks of rows did not
/// overlap reading and computing (f32, groups of 4 out of memory: 0.8 of the
/// machine's reading speed with 128 keys, all of it with 32).
int64_t tileKeys(const LoopView &host, int64_t lanes) {
  int64_t keys = kTileBytes / (bytesOf(host.storage) * host.d) / lanes * lanes;
  int64_t most = host.schedule.getKvTile(), least = std::min(2 * lanes, most);
  return std::clamp(keys, least, most);
}

/// Columns of a row of this width that lie in scratch as [even | odd] blocks.
int64_t pairedColumns(const Emit &e, const LoopView &host, int64_t width) {
  bool pairs = host.storage.isBF16() && e.state.isF32();
  return pairs ? width / (2 * e.lanes) * (2 * e.lanes) : 0;
}

Value ninfOf(Emit &e) { return e.num(-std::numeric_limits<double>::infinity(), e.state); }

} // namespace

//===----------------------------------------------------------------------===//
// The end of a row
//===----------------------------------------------------------------------===//

/// A row's sums and its state, which is in natural units where there is a sink:
/// divides, and writes what was asked for.
static void writeRow(Emit &e, const LoopView &host, const LoopView &view, Value b, Value h,
                     Value i, const Line &line, Value top, Value l) {
  Value zero = e.num(0.0, e.state), one = e.num(1.0, e.state);
  Value empty = e.fcmp(arith::CmpFPredicate::OEQ, l, zero);
  Value safeSum = e.select(empty, one, l);
  Value inverse = e.fdiv(one, safeSum);
  Value inverses = e.splat(inverse);
  // Never -0: what hidden keys add, 0 or -0, would tell of them.
  auto columns = [&](Value d) {
    Value x = e.loadVec(line.buffer, line.column(d));
    return e.narrow(e.fma(x, inverses, e.numVec(0.0)), host.storage);
  };
  int64_t w = e.lanes, paired = pairedColumns(e, host, host.dv), whole = host.dv / w * w;
  if (paired)
    e.loop(e.idx(0), e.idx(paired), 2 * w, [&](Value d) {
      Value pairs = e.zipPairs(columns(d), columns(e.add(d, w)));
      pairs = vector::BitCastOp::create(e.b, e.loc, VectorType::get({2 * w}, host.storage), pairs);
      e.storeVec(pairs, view.out, view.qAt(b, h, i, d));
    });
  e.loop(e.idx(paired), e.idx(whole), w,
         [&](Value d) { e.storeVec(columns(d), view.out, view.qAt(b, h, i, d)); });
  e.loop(e.idx(whole), e.idx(host.dv), 1, [&](Value d) {
    Value x = e.fma(e.load(line.buffer, line.column(d)), inverse, e.num(0.0, e.state));
    e.store(e.narrow(x, host.storage), view.out, view.qAt(b, h, i, d));
  });
  if (view.lse) {
    Value lse = e.logSumExp(top, view.sinks ? 1.0 : host.naturalFactor(), safeSum);
    e.store(e.select(empty, ninfOf(e), lse), view.lse, {b, h, i});
  }
}

/// Merges `count` parts of a row into `line`, which holds the one part there is
/// where `inPlace`, and writes the row. `state` gives a part's maximum (0) and sum
/// (1), `columns` its sums of V.
static void mergeRow(Emit &e, const LoopView &host, const LoopView &view, Value b, Value h,
                     Value i, Value count, bool inPlace, const Line &line,
                     llvm::function_ref<Value(Value, int64_t)> state,
                     llvm::function_ref<Value(Value, Value)> columns) {
  // The parts' maxima are stored scores; with a sink all become natural.
  double natural = host.naturalFactor(), factor = host.log2Factor();
  int64_t w = e.lanes, ep = llvm::alignTo(host.dv, w);
  Value ninf = ninfOf(e), zero = e.num(0.0, e.state);
  if (inPlace && !view.sinks) // nothing to merge with
    return writeRow(e, host, view, b, h, i, line, state(e.idx(0), 0), state(e.idx(0), 1));
  Value top = e.loop(e.idx(0), count, 1, {ninf}, [&](Value s, ValueRange carried) {
    return SmallVector<Value>{e.fmax(state(s, 0), carried[0])};
  })[0];
  Value sink;
  if (view.sinks) {
    sink = e.widen(e.load(view.sinks, {h}));
    top = e.fmax(sink, e.fmul(top, e.num(natural, e.state)));
  }
  Value safe = e.select(e.fcmp(arith::CmpFPredicate::OEQ, top, ninf), zero, top);
  if (!inPlace)
    e.loop(e.idx(0), e.idx(ep), w,
           [&](Value d) { e.storeVec(e.numVec(0.0), line.buffer, line.column(d)); });
  Value l = view.sinks ? e.weight(sink, safe, LoopView::kLog2e) : zero;
  l = e.loop(e.idx(0), count, 1, {l}, [&](Value s, ValueRange carried) {
    Value m = state(s, 0);
    Value share = view.sinks ? e.exp2(e.fmul(e.scaledSum(m, natural, e.fsub(zero, safe)),
                                             e.num(LoopView::kLog2e, e.state)))
                             : e.weight(m, safe, factor);
    // No key in this part: -inf times the parts of a factor need not be -inf.
    share = e.select(e.fcmp(arith::CmpFPredicate::OEQ, m, ninf), zero, share);
    Value shares = e.splat(share);
    e.loop(e.idx(0), e.idx(ep), w, [&](Value d) {
      Value x = e.fmul(columns(s, d), shares);
      if (!inPlace)
        x = e.fadd(e.loadVec(line.buffer, line.column(d)), x);
      e.storeVec(x, line.buffer, line.column(d));
    });
    return SmallVector<Value>{e.fadd(carried[0], e.fmul(state(s, 1), share))};
  })[0];
  writeRow(e, host, view, b, h, i, line, top, l);
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

namespace {

class RowKernel {
public:
  RowKernel(Emit &e, Outliner &outliner, const LoopView &host, bool guarded)
      : e(e), outliner(outliner), host(host), guarded(guarded), w(e.lanes),
        kt(tileKeys(host, e.lanes)), dp(llvm::alignTo(host.d, w)),
        ep(llvm::alignTo(host.dv, w)), dot(usesDot(e, host)) {}

  func::FuncOp emit(const RowWorkspace &work, func::FuncOp guardedForm);

private:
  using Values = SmallVector<Value>;
  /// Columns [column, column + vectors * lanes) that are widened together.
  struct Columns {
    int64_t column, vectors;
  };
  /// A factor folded into q would round q again.
  static bool usesDot(Emit &e, const LoopView &host) {
    return e.multipliesPairs(host.storage) && host.queryFactor() == 1.0 &&
           host.d % (2 * e.lanes) == 0 && host.dv % (2 * e.lanes) == 0;
  }
  SmallVector<Columns> wholeColumns(int64_t width) const;
  Values loadColumns(Value buffer, ArrayRef<Value> at, int64_t vectors);
  Values loadKeys(const LoopView::Row &key, Value column, int64_t vectors);
  Value loadQuery(Value r, Value column, int64_t v);
  Values loadValues(ArrayRef<LoopView::Row> rows, Columns columns);
  Value multiplyAdd(Value x, Value y, Value z) {
    return dot ? e.dotPairs(x, y, z) : e.fma(x, y, z);
  }
  Value position(Value column, int64_t width);

  void openScratch(Value scratch, Value rowCount);
  void loadRow(Value r);
  Value actual(Value r) { return e.min(r, e.sub(e.mul(view.group, view.sq), e.idx(1))); }
  Value headOf(Value r) { return e.add(e.mul(g, view.group), e.div(actual(r), view.sq)); }
  Value queryOf(Value r) { return e.rem(actual(r), view.sq); }
  KeySlots rangeOf(Value r);
  void rowBlock(Value r0, int64_t count, Value j0, Value keys);
  void prefetch(const LoopView::Row &row, Value column, bool ofValues);
  LoopView::Row rowAhead(const LoopView::Row &row, Value slot);
  Value dots(Value r0, int64_t count, const LoopView::Row &key, const LoopView::Row &ahead,
             int64_t keys);
  void scores(Value r0, int64_t count, Value j0, Value low, Value high);
  Value adjust(Value row, Value h, Value i, Value j0, KeySlots tile, bool masked);
  void softmax(Value row, Value r, Value low, Value high, Value max);
  void values(Value r0, int64_t count, Value j0, Value low, Value high);
  void lastValues(Value row, Value r, Value j0, Value low, Value high);
  using Rows = ArrayRef<LoopView::Row>;
  using KeyBody = llvm::function_ref<Values(Rows, Value, Rows, ValueRange)>;
  Values overKeys(Value j0, Value low, Value high, ValueRange start, KeyBody body);

  Value ninf() { return ninfOf(e); }

  Emit &e;
  Outliner &outliner;
  const LoopView &host;
  bool guarded;
  Value lag; // how far the maximum may lag, of the state type
  int64_t w, kt, dp, ep;
  bool dot;
  LoopView view;
  Value b, g;
  Value qr, orow, state, st;
  Value weights; // what st becomes for the products with V: itself, or bf16
  Value weightPairs;
};

} // namespace

Value mlir::attn::rowKernelScratch(Emit &e, const LoopView &host) {
  int64_t w = e.lanes, bytes = e.state.getWidth() / 8;
  int64_t perRow = llvm::alignTo(host.d, w) + llvm::alignTo(host.dv, w) + 2;
  Value rows = e.mul(e.ceilDiv(e.mul(host.group, host.sq), kBlock), kBlock);
  return e.mul(e.add(e.mul(rows, perRow), 2 * kBlock * tileKeys(host, w)), bytes);
}

void RowKernel::openScratch(Value scratch, Value rowCount) {
  int64_t bytes = e.state.getWidth() / 8;
  constexpr int64_t dynamic = ShapedType::kDynamic;
  Value offset = e.idx(0);
  auto tile = [&](int64_t keys, Type type) {
    return outliner.scratchBuffer(scratch, offset, MemRefType::get({kBlock, keys}, type), {});
  };
  weights = st = tile(kt, e.state);
  offset = e.idx(kBlock * kt * bytes);
  if (dot) { // the same bytes, to write single keys and to read pairs of them
    weights = tile(kt, host.storage);
    weightPairs = tile(kt / 2, e.b.getI32Type());
  }
  offset = e.idx(2 * kBlock * kt * bytes);
  auto rows = [&](int64_t width, Type type) {
    Value buffer = outliner.scratchBuffer(scratch, offset,
                                          MemRefType::get({dynamic, width}, type), rowCount);
    offset = e.add(offset, e.mul(rowCount, width * bytes));
    return buffer;
  };
  qr = dot ? rows(dp / 2, e.b.getI32Type()) : rows(dp, e.state);
  orow = rows(ep, e.state);
  state = rows(2, e.state);
}

//===----------------------------------------------------------------------===//
// Columns
//===----------------------------------------------------------------------===//

/// The groups of columns that whole vectors hold; the rest goes one by one.
SmallVector<RowKernel::Columns> RowKernel::wholeColumns(int64_t width) const {
  SmallVector<Columns> groups;
  int64_t column = 0;
  for (; column < pairedColumns(e, host, width); column += 2 * w)
    groups.push_back({column, 2});
  for (; column + w <= width; column += w)
    groups.push_back({column, 1});
  return groups;
}

/// One group of columns, widened.
RowKernel::Values RowKernel::loadColumns(Value buffer, ArrayRef<Value> at, int64_t vectors) {
  if (vectors == 1)
    return {e.widen(e.loadVec(buffer, at))};
  Value x = e.loadPairs(buffer, at);
  auto word = [&](int64_t value) {
    return e.splat(arith::ConstantIntOp::create(e.b, e.loc, value, 32));
  };
  auto number = [&](Value bits) { return arith::BitcastOp::create(e.b, e.loc, e.vec(), bits); };
  return {number(arith::ShLIOp::create(e.b, e.loc, x, word(16))),
          number(arith::AndIOp::create(e.b, e.loc, x, word(int64_t(0xffff0000) - (int64_t(1) << 32))))};
}

/// The columns of a key from `column` on, `vectors` times `lanes` of them, as what
/// the scores multiply: one vector of pairs for two of numbers.
RowKernel::Values RowKernel::loadKeys(const LoopView::Row &key, Value column, int64_t vectors) {
  SmallVector<Value> at = view.kAt(key, g, column);
  return dot ? Values{e.loadPairs(view.k, at)} : loadColumns(view.k, at, vectors);
}

/// What multiplies vector v of `loadKeys`.
Value RowKernel::loadQuery(Value r, Value column, int64_t v) {
  return e.loadVec(qr, {r, dot ? e.div(column, 2) : e.add(column, v * w)});
}

/// Columns of a key's row of V, widened, or of two keys as pairs.
RowKernel::Values RowKernel::loadValues(ArrayRef<LoopView::Row> rows, Columns columns) {
  Value column = e.idx(columns.column);
  if (!dot)
    return loadColumns(view.v, view.vAt(rows[0], g, column), columns.vectors);
  Value first = e.loadPairs(view.v, view.vAt(rows[0], g, column));
  Value second = e.loadPairs(view.v, view.vAt(rows[1], g, column));
  auto word = [&](int64_t value) {
    return e.splat(arith::ConstantIntOp::create(e.b, e.loc, value, 32));
  };
  auto join = [&](Value low, Value high) {
    Value lower = arith::AndIOp::create(e.b, e.loc, low, word(0xffff));
    Value upper = arith::AndIOp::create(e.b, e.loc, high,
                                        word(int64_t(0xffff0000) - (int64_t(1) << 32)));
    return arith::OrIOp::create(e.b, e.loc, lower, upper);
  };
  return {join(first, arith::ShLIOp::create(e.b, e.loc, second, word(16))),
          join(arith::ShRUIOp::create(e.b, e.loc, first, word(16)), second)};
}

/// Where a column lies in a row of scratch.
Value RowKernel::position(Value column, int64_t width) {
  int64_t paired = pairedColumns(e, host, width);
  if (!paired)
    return column;
  Value inGroup = e.rem(column, e.idx(2 * w));
  Value at = e.add(e.sub(column, inGroup),
                   e.add(e.mul(e.rem(inGroup, e.idx(2)), w), e.div(inGroup, 2)));
  return e.select(e.lt(column, e.idx(paired)), at, column);
}

void RowKernel::loadRow(Value r) {
  Value h = headOf(r), i = queryOf(r);
  if (dot)
    copyPairs(e, {view.q, view.qAt(b, h, i, e.idx(0))}, host.d, {qr, {r, e.idx(0)}});
  else
    e.loop(e.idx(0), e.idx(host.d), 1, [&](Value d) {
      Value x = e.widen(e.load(view.q, view.qAt(b, h, i, d)));
      e.store(e.fmul(x, e.num(host.queryFactor(), e.state)), qr, {r, position(d, host.d)});
    });
  e.loop(e.idx(0), e.idx(ep), w, [&](Value d) { e.storeVec(e.numVec(0.0), orow, {r, d}); });
  e.store(ninf(), state, {r, e.idx(0)});
  e.store(e.num(0.0, e.state), state, {r, e.idx(1)});
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

/// The row to ask for at `row`, which is that of a key slot: the one a tile later.
/// In pages it is where the table says, if it says so; pages smaller than a tile
/// make whole ones. Rows that follow it beyond the end of its page are asked for in
/// vain.
LoopView::Row RowKernel::rowAhead(const LoopView::Row &row, Value slot) {
  if (!view.pageSize) {
    LoopView::Row ahead = row;
    ahead.inner = e.add(row.inner, e.idx(kt));
    return ahead;
  }
  int64_t rows = view.pageSize < kt ? llvm::alignTo(kt, view.pageSize) : kt;
  Value last = e.roundDown(e.sub(view.sk, e.idx(1)), w);
  LoopView::Row ahead = view.locate(e, b, g, e.min(e.add(slot, rows), last));
  ahead.outer = e.select(ahead.present, ahead.outer, row.outer);
  return ahead;
}

/// Asks for an element of a row ahead. Beside every load, since all of a row at once
/// would be slower. It is used too late to go to the innermost cache.
void RowKernel::prefetch(const LoopView::Row &row, Value d, bool ofValues) {
  if (guarded)
    return;
  memref::PrefetchOp::create(e.b, e.loc, ofValues ? view.v : view.k,
                             ofValues ? view.vAt(row, g, d) : view.kAt(row, g, d),
                             /*isWrite=*/false, /*localityHint=*/2, /*isDataCache=*/true);
}

/// q . k of `count` rows and `keys` neighbours in K: lane r * keys + n of the result
/// is row r0 + r on the key n rows after `key`.
Value RowKernel::dots(Value r0, int64_t count, const LoopView::Row &key,
                      const LoopView::Row &ahead, int64_t keys) {
  Values sums(count * keys, e.numVec(0.0));
  auto keyRow = [&](const LoopView::Row &from, int64_t n) {
    LoopView::Row row = from;
    row.inner = e.add(from.inner, n);
    return row;
  };
  // `vectors` vectors of columns from `column` on: one load of a key for all rows.
  auto step = [&](Values sums, Value column, int64_t vectors) {
    int64_t parts = dot ? 1 : vectors;
    Values queries;
    for (int64_t r = 0; r < count; ++r)
      for (int64_t v = 0; v < parts; ++v)
        queries.push_back(loadQuery(e.add(r0, r), column, v));
    for (int64_t n = 0; n < keys; ++n) {
      Values xs = loadKeys(keyRow(key, n), column, vectors);
      prefetch(keyRow(ahead, n), column, /*ofValues=*/false);
      for (int64_t r = 0; r < count; ++r)
        for (int64_t v = 0; v < parts; ++v)
          sums[r * keys + n] = multiplyAdd(xs[v], queries[r * parts + v], sums[r * keys + n]);
    }
    return sums;
  };
  SmallVector<Columns> groups = wholeColumns(host.d);
  if (count == 1) {
    // A key's row is read fully before the next.
    for (int64_t n = 0; n < keys; ++n)
      for (Columns group : groups) {
        Value column = e.idx(group.column);
        Values xs = loadKeys(keyRow(key, n), column, group.vectors);
        prefetch(keyRow(ahead, n), column, /*ofValues=*/false);
        for (auto [v, x] : llvm::enumerate(xs))
          sums[n] = multiplyAdd(x, loadQuery(r0, column, v), sums[n]);
      }
  } else if (!groups.empty()) {
    int64_t vectors = groups[0].vectors;
    size_t same = 0;
    while (same < groups.size() && groups[same].vectors == vectors)
      ++same;
    sums = e.loop(e.idx(0), e.idx(same * vectors * w), vectors * w, sums,
                  [&](Value column, ValueRange carried) {
                    return step(Values(carried), column, vectors);
                  });
    for (Columns group : ArrayRef(groups).drop_front(same))
      sums = step(sums, e.idx(group.column), group.vectors);
  }
  Value total = e.sumEach(sums);
  int64_t done = host.d / w * w;
  if (done == host.d)
    return total;
  Values rest;
  for (int64_t r = 0; r < count; ++r)
    for (int64_t n = 0; n < keys; ++n) {
      LoopView::Row row = keyRow(key, n);
      rest.push_back(e.loop(e.idx(done), e.idx(host.d), 1, {e.num(0.0, e.state)},
                            [&](Value d, ValueRange sum) {
                              Value x = e.widen(e.load(view.k, view.kAt(row, g, d)));
                              Value q = e.load(qr, {e.add(r0, r), d});
                              return Values{e.fadd(sum[0], e.fmul(x, q))};
                            })[0]);
    }
  rest.resize(w, e.num(0.0, e.state));
  return e.fadd(total, vector::FromElementsOp::create(e.b, e.loc, e.vec(), rest));
}

/// Scores [low, high) of the tile of `count` rows to their rows of st.
void RowKernel::scores(Value r0, int64_t count, Value j0, Value low, Value high) {
  auto group = [&](Value j, int64_t keys) {
    Value slot = e.add(j0, j);
    LoopView::Row key = view.locate(e, b, g, slot);
    auto known = [&]() -> Values {
      LoopView::Row ahead = guarded ? key : rowAhead(key, slot);
      return {dots(r0, count, key, ahead, keys)};
    };
    Value sums = key.present
                     ? e.choose(key.present, known, [&]() -> Values { return {e.numVec(0.0)}; })[0]
                     : known()[0];
    for (int64_t r = 0; r < count; ++r) {
      Value part = sums;
      if (keys < w)
        part = vector::ExtractStridedSliceOp::create(e.b, e.loc, sums, r * keys, keys, 1);
      e.storeVec(part, st, {e.idx(r), j});
    }
  };
  // A block's scores fill a vector.
  int64_t keys = std::min(w, count == 1 ? kKeys : std::max<int64_t>(w / count, 1));
  if (view.pageSize) {
    // Whole groups: they never cross a page, and slots next to [low, high) in the
    // same page may be read.
    keys = std::min(keys, view.pageSize);
    Value from = e.sub(e.roundDown(e.add(j0, low), keys), j0);
    e.loop(from, high, keys, [&](Value j) { group(j, keys); });
    return;
  }
  Value whole = e.add(low, e.roundDown(e.sub(high, low), keys));
  e.loop(low, whole, keys, [&](Value j) { group(j, keys); });
  e.loop(whole, high, 1, [&](Value j) { group(j, 1); });
}

/// Scores of one row on tile.begin .. tile.end with all that is added, -inf outside
/// the row's own keys (tile.fullBegin .. tile.fullEnd) and where masked; the maximum.
Value RowKernel::adjust(Value row, Value h, Value i, Value j0, KeySlots tile, bool masked) {
  auto &op = const_cast<KeyLoopOp &>(host.op);
  Value none = e.numVec(-std::numeric_limits<double>::infinity());
  Value lowLane = e.splat(e.toI32(tile.fullBegin)), highLane = e.splat(e.toI32(tile.fullEnd));
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
    Value x = e.loadVec(st, {row, c});
    if (host.hasScore())
      x = form(op.getScore(), true, e.fmul(x, e.numVec(host.scale)));
    Value keep = e.band(e.cmp(arith::CmpIPredicate::sge, inTile, lowLane),
                        e.cmp(arith::CmpIPredicate::slt, inTile, highLane));
    if (masked)
      keep = e.band(keep, form(op.getVisible(), false, {}));
    x = e.select(keep, x, none);
    e.storeVec(x, st, {row, c});
    return Values{e.fmax(x, max)};
  };
  // st holds a multiple of `lanes` scores, so vectors may start below the range.
  Value from = e.roundDown(tile.begin, w);
  Value whole = e.max(from, e.roundDown(e.min(tile.end, e.sub(view.sk, j0)), w));
  if (guarded) // one form for both
    whole = from;
  Value max = guarded ? none : e.loop(from, whole, w, {none}, [&](Value c, ValueRange carried) {
    return vectorAt(c, carried[0], true);
  })[0];
  max = e.loop(whole, tile.end, w, {max}, [&](Value c, ValueRange carried) {
    return vectorAt(c, carried[0], false);
  })[0];
  return e.maxLanes(max);
}

void RowKernel::softmax(Value row, Value r, Value low, Value high, Value max) {
  Value zero = e.num(0.0, e.state);
  double scaling = host.log2Factor();
  Value old = e.load(state, {r, e.idx(0)});
  Value moves = e.fcmp(arith::CmpFPredicate::OGT, max, e.fadd(old, lag));
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
    Value x = e.loadVec(st, {row, c});
    Value p = e.weight(x, safe, scaling);
    Value total = carried[0];
    if (guarded) {
      Value dead = e.fcmp(arith::CmpFPredicate::OEQ, x, none);
      total = e.fadd(total, e.select(dead, nothing, p));
      p = e.select(dead, e.numVec(-1.0), p);
    } else {
      total = e.fadd(total, p);
    }
    e.storeVec(dot ? e.narrow(p, host.storage) : p, weights, {row, c});
    return Values{total};
  })[0];
  e.store(e.fadd(e.load(state, {r, e.idx(1)}), e.sumLanes(sum)), state, {r, e.idx(1)});
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// `body` for every key, or pair of keys, in slots [low, high) of the tile whose page
/// is there: its rows of V, its slot and the rows to ask for. A page is looked up
/// once. What weighs nothing makes whole pairs: the key before `low`, and once more
/// the last one.
RowKernel::Values RowKernel::overKeys(Value j0, Value low, Value high, ValueRange start,
                                      KeyBody body) {
  int64_t each = dot ? 2 : 1;
  low = e.roundDown(low, each);
  auto run = [&](Value from, Value to, const LoopView::Row &row, ValueRange carried) {
    LoopView::Row next = guarded ? row : rowAhead(row, e.add(j0, from));
    Value last = e.sub(e.sub(to, from), e.idx(1));
    return e.loop(from, to, each, carried, [&](Value j, ValueRange inner) {
      SmallVector<LoopView::Row> here(each, row), then(each, next);
      for (int64_t n = 0; n < each; ++n) {
        Value slot = e.add(e.sub(j, from), n);
        if (n)
          slot = e.min(slot, last);
        here[n].inner = e.add(row.inner, slot);
        then[n].inner = e.add(next.inner, slot);
      }
      return body(here, j, then, inner);
    });
  };
  if (!view.pageSize)
    return run(low, high, view.locate(e, b, g, e.add(j0, low)), start);
  // Pages from the one that holds `low` on; the first may begin before the tile.
  Value pageOfLow = e.roundDown(e.add(j0, low), view.pageSize);
  return e.loop(pageOfLow, e.add(j0, high), view.pageSize, start, [&](Value slot, ValueRange carried) {
    Value from = e.max(e.sub(slot, j0), low);
    Value to = e.min(e.sub(e.add(slot, view.pageSize), j0), high);
    LoopView::Row row = view.locate(e, b, g, e.add(j0, from));
    return e.choose(row.present, [&] { return run(from, to, row, carried); },
                    [&] { return Values(carried); });
  });
}

/// O += P V of `count` rows over keys [low, high) of the tile.
void RowKernel::values(Value r0, int64_t count, Value j0, Value low, Value high) {
  // As many accumulators as leave registers for the rest.
  int64_t registers = w * e.state.getWidth() >= 512 ? 16 : 8;
  auto at = [&](int64_t r, int64_t column) -> SmallVector<Value> {
    return {e.add(r0, r), e.idx(column)};
  };
  SmallVector<Columns> groups = wholeColumns(host.dv);
  for (size_t next = 0; next < groups.size();) {
    size_t begin = next;
    int64_t vectors = 0;
    for (; next < groups.size() && (vectors + groups[next].vectors) * count <= registers; ++next)
      vectors += groups[next].vectors;
    ArrayRef<Columns> chunk = ArrayRef(groups).slice(begin, next - begin);
    Values acc;
    for (int64_t r = 0; r < count; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        acc.push_back(e.loadVec(orow, at(r, chunk[0].column + v * w)));
    acc = overKeys(
      j0, low, high, acc,
      [&](Rows rows, Value j, Rows ahead, ValueRange carried) {
        Values sums(carried), xs;
        for (Columns group : chunk) {
          xs.append(loadValues(rows, group));
          for (const LoopView::Row &row : ahead)
            prefetch(row, e.idx(group.column), /*ofValues=*/true);
        }
        for (int64_t r = 0; r < count; ++r) {
          Value weight = e.splat(dot ? e.load(weightPairs, {e.idx(r), e.div(j, 2)})
                                     : e.load(weights, {e.idx(r), j}));
          Value live;
          if (guarded) {
            live = liveBits(e, weight, dot);
            weight = maskBits(e, weight, live);
          }
          for (int64_t v = 0; v < vectors; ++v) {
            Value x = guarded ? maskBits(e, xs[v], live) : xs[v];
            sums[r * vectors + v] = multiplyAdd(x, weight, sums[r * vectors + v]);
          }
        }
        return sums;
      });
    for (int64_t r = 0; r < count; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        e.storeVec(acc[r * vectors + v], orow, at(r, chunk[0].column + v * w));
  }
  if (host.dv % w)
    for (int64_t r = 0; r < count; ++r)
      lastValues(e.idx(r), e.add(r0, r), j0, low, high);
}

/// The columns of one row that fill no vector.
void RowKernel::lastValues(Value row, Value r, Value j0, Value low, Value high) {
  Value zero = e.num(0.0, e.state);
  e.loop(e.idx(host.dv / w * w), e.idx(host.dv), 1, [&](Value d) {
    Value sum = e.load(orow, {r, d});
    sum = overKeys(j0, low, high, {sum},
                   [&](Rows rows, Value j, Rows, ValueRange carried) {
                     Value x = e.widen(e.load(view.v, view.vAt(rows[0], g, d)));
                     Value p = e.load(st, {row, j});
                     if (guarded) {
                       Value dead = e.fcmp(arith::CmpFPredicate::OLT, p, zero);
                       p = e.select(dead, zero, p);
                       x = e.select(dead, zero, x);
                     }
                     return Values{e.fadd(carried[0], e.fmul(x, p))};
                   })[0];
    e.store(sum, orow, {r, d});
  });
}

//===----------------------------------------------------------------------===//
// The task
//===----------------------------------------------------------------------===//

KeySlots RowKernel::rangeOf(Value r) {
  Value i = queryOf(r);
  return view.range(e, b, headOf(r), g, i, e.add(i, 1));
}

/// `count` rows from r0 on the tile of `keys` keys from j0: the keys that any of
/// them may see.
void RowKernel::rowBlock(Value r0, int64_t count, Value j0, Value keys) {
  auto within = [&](const KeySlots &range) {
    KeySlots tile = range;
    tile.begin = e.max(e.sub(range.begin, j0), e.idx(0));
    tile.end = e.min(e.sub(range.end, j0), keys);
    return tile;
  };
  KeySlots own = within(rangeOf(r0));
  Value low = own.begin, high = own.end;
  if (count > 1) {
    // A row that sees nothing here must not widen the range.
    Values bounds = e.loop(e.idx(0), e.idx(count), 1, {keys, e.idx(0)},
                           [&](Value r, ValueRange carried) -> Values {
                             KeySlots tile = within(rangeOf(e.add(r0, r)));
                             Value sees = e.lt(tile.begin, tile.end);
                             return {e.select(sees, e.min(carried[0], tile.begin), carried[0]),
                                     e.select(sees, e.max(carried[1], tile.end), carried[1])};
                           });
    low = bounds[0];
    high = bounds[1];
  }
  auto soften = [&](Value row) {
    Value r = e.add(r0, row), h = headOf(r), i = queryOf(r);
    KeySlots range = count > 1 ? rangeOf(r) : KeySlots();
    KeySlots tile = count > 1 ? within(range) : own;
    KeySlots lanes{low, tile.begin, tile.end, high};
    auto form = [&](bool masked) { return Values{adjust(row, h, i, j0, lanes, masked)}; };
    Value max;
    if (!host.hasVisible() || guarded) {
      // The rare form need not know that a mask hides nothing.
      max = form(host.hasVisible())[0];
    } else {
      Value full = e.band(e.le(tile.fullBegin, e.add(j0, tile.begin)),
                          e.le(e.add(j0, tile.end), tile.fullEnd));
      max = e.choose(full, [&] { return form(false); }, [&] { return form(true); })[0];
    }
    softmax(row, r, low, high, max);
  };
  e.when(e.lt(low, high), [&] {
    scores(r0, count, j0, low, high);
    if (count == 1)
      soften(e.idx(0));
    else
      e.loop(e.idx(0), e.idx(count), 1, soften);
    values(r0, count, j0, low, high);
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
  openScratch(block.scratch, e.mul(e.ceilDiv(rowCount, kBlock), kBlock));
  // A block's sums on one key have to fit a vector: two rows with two lanes of f64.
  int64_t rows = std::min(kBlock, w);
  Value alone = e.cmp(arith::CmpIPredicate::eq, rowCount, e.idx(1));
  Value paddedCount = e.mul(e.ceilDiv(rowCount, kBlock), kBlock);
  int64_t part = llvm::alignTo(host.schedule.getSplitKeys(), kt);
  KeySlots range = view.range(e, b, e.mul(g, view.group), g, e.idx(0), view.sq);
  Value partBegin = e.mul(split, part);
  // Whole vectors of scores, and whole groups of keys of one page.
  Value from = e.max(partBegin, e.roundDown(range.begin, std::max(w, kBlock)));
  Value to = e.min(e.add(partBegin, part), range.end);
  auto compute = [&](Value mayLag) -> Value {
    lag = mayLag;
    e.loop(e.idx(0), e.select(alone, rowCount, paddedCount), 1, [&](Value r) { loadRow(r); });
    e.loop(from, to, kt, [&](Value j0) {
      Value count = e.min(e.sub(to, j0), e.idx(kt));
      e.when(
          alone, [&] { rowBlock(e.idx(0), 1, j0, count); },
          [&] {
            e.loop(e.idx(0), rowCount, rows, [&](Value r) { rowBlock(r, rows, j0, count); });
          });
    });
    if (!guarded && !guardedForm)
      return {};
    Value bad = e.loop(e.idx(0), rowCount, 1, {e.numVec(0.0)}, [&](Value r, ValueRange carried) {
      // x - x is 0 for finite x, NaN otherwise; the padding is 0.
      return e.loop(e.idx(0), e.idx(ep), w, carried, [&](Value d, ValueRange sum) {
        Value x = e.loadVec(orow, {r, d});
        return Values{e.fadd(sum[0], e.fsub(x, x))};
      });
    })[0];
    Value total = e.sumLanes(bad);
    return e.fcmp(arith::CmpFPredicate::UNO, total, total);
  };
  if (!guarded) {
    outliner.call("attnrt_count", {arith::ConstantIntOp::create(e.b, e.loc, 1, 32),
                                   e.toI64(e.ceilDiv(e.max(e.sub(to, from), e.idx(0)), kt))});
  }
  auto write = [&] {
    Value whole = e.cmp(arith::CmpIPredicate::eq, splits, e.idx(1));
    e.loop(e.idx(0), rowCount, 1, [&](Value r) {
      Value h = e.add(e.mul(g, view.group), e.div(r, view.sq)), i = e.rem(r, view.sq);
      auto stateOf = [&](Value, int64_t n) { return e.load(state, {r, e.idx(n)}); };
      auto columnsOf = [&](Value, Value d) { return e.loadVec(orow, {r, d}); };
      auto toResult = [&] {
        mergeRow(e, host, view, b, h, i, e.idx(1), /*inPlace=*/true, {orow, {r, Value()}},
                 stateOf, columnsOf);
      };
      e.when(whole, toResult, [&] {
        e.loop(e.idx(0), e.idx(ep), w, [&](Value d) {
          e.storeVec(columnsOf({}, d), workOut, {b, h, i, split, d});
        });
        for (int64_t n = 0; n < 2; ++n)
          e.store(stateOf({}, n), workState, {b, h, i, split, e.idx(n)});
      });
    });
  };
  finishBlock(e, outliner, block, host.lag(), guarded, guardedForm, compute, write);
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
  int64_t ep = llvm::alignTo(host.dv, e.lanes);
  Value sums = outliner.scratchBuffer(block.scratch, e.idx(0), MemRefType::get({ep}, e.state), {});
  e.loop(e.idx(0), view.sq, 1, [&](Value i) {
    mergeRow(
        e, host, view, b, h, i, splits, /*inPlace=*/false, {sums, {Value()}},
        [&](Value s, int64_t n) { return e.load(workState, {b, h, i, s, e.idx(n)}); },
        [&](Value s, Value d) { return e.loadVec(workOut, {b, h, i, s, d}); });
  });
  outliner.close(block);
  return block.func;
}
