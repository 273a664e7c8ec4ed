//===- ForwardKernel.cpp - The GPU kernel of a block of queries -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scores, weights and sums stay in registers, as fragments of matrix
// instructions.
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Warp.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

// A block has `warps` warps of 16 queries each. Tiles of `kt` keys pass through
// two stages of shared memory, copied asynchronously one tile ahead:
//
//   ask for tile t+1 | S = Q K^T | softmax | O += P V | barrier
//
// A fragment of 16 x 8 holds, in lane l, rows l/4 and l/4 + 8 and columns 2
// (l%4) and one more: c[0], c[1] of the first row, c[2], c[3] of the second.
// The four lanes of a row exchange maxima and sums. P is packed to the input
// type in place: the layout of a product is the layout of a left operand.
//
// With f32 inputs there is no matrix instruction that keeps f32's precision;
// the same fragments are filled by FMA.

ForwardShape::ForwardShape(const LoopView &host) {
  unsigned bits = host.storage.getIntOrFloatBitWidth();
  tensorCores = bits == 16;
  bytes = bits / 8;
  chunk = 16 / bytes;
  warps = host.schedule.getStrips();
  rows = 16 * warps;
  kt = host.schedule.getKvTile();
  dp = llvm::alignTo(host.d, tensorCores ? 16 : 4);
  ep = llvm::alignTo(host.dv, tensorCores ? 16 : 8);
  // An odd number of 16-byte pieces: eight rows at one column lie in eight
  // different groups of banks.
  qkPitch = 16 * (dp / chunk | 1);
  vPitch = 16 * (ep / chunk | 1);
  kAt = rows * qkPitch;
  vAt = kAt + 2 * kStage();
  sharedBytes = vAt + 2 * vStage();
  fewRegisters = ep > (host.hasScore() ? 64 : 128);
}

/// What every GPU since sm_80 gives a block.
static constexpr int64_t kMostShared = 99 << 10;

std::string ForwardShape::problem(ScheduleAttr schedule) const {
  auto wrong = [](StringRef what, int64_t want, int64_t got) {
    return ("expects " + what + " of a GPU's schedule to be " + Twine(want) +
            ", but got " + Twine(got))
        .str();
  };
  int64_t strip = schedule.getLanes() * schedule.getQVectors();
  if (strip != 16)
    return wrong("lanes * q_vectors", 16, strip);
  if (warps != kThreads / 32)
    return wrong("strips", kThreads / 32, warps);
  if (int64_t step = tensorCores ? 16 : 8; kt % step)
    return wrong("kv_tile", llvm::alignTo(kt, step), kt);
  if (sharedBytes > kMostShared)
    return ("expects a kv_tile whose keys and values fit " +
            Twine(kMostShared) + " bytes of shared memory, but got " +
            Twine(kt) + ", which takes " + Twine(sharedBytes))
        .str();
  return "";
}

namespace {

class ForwardKernel {
public:
  ForwardKernel(Emit &e, const LoopView &host, const DeviceWork &work)
      : e(e), warp(e), host(host), work(work), shape(host) {}

  KernelModule::Kernel emit(KernelModule &kernels);

private:
  using Values = SmallVector<Value>;

  void
  copyRows(Value rowCount, int64_t rowsAtMost, int64_t width, int64_t padded,
           int64_t pitch, Value at,
           llvm::function_ref<LoopView::Row(Value)> locate, Value buffer,
           llvm::function_ref<Values(const LoopView::Row &, Value)> indices);
  void loadQueries();
  void stage(Value j0, Value at);
  Value stageAt(Value j0) {
    return e.toI32(e.rem(e.div(e.sub(j0, from), shape.kt), e.idx(2)));
  }

  void bindRegions();
  Values scores(Value kAt);
  void scoresByFma(Value kAt, Values &acc);
  Values values(Value vAt, ArrayRef<Value> p, ArrayRef<Value> out);
  Values valuesByFma(Value vAt, ArrayRef<Value> p, ArrayRef<Value> out);
  Values adjust(Value j0, ArrayRef<Value> s, Value tableFull);
  Value tableSays(Value j0);
  Values tile(Value j0, ValueRange carried);
  Values compute(Value j0, Value at, ValueRange carried);
  void finish(ValueRange carried);

  int64_t keyFragments() const { return shape.kt / 8; }
  int64_t valueFragments() const { return shape.ep / 8; }
  Value ninf() {
    return e.num(-std::numeric_limits<double>::infinity(), e.state);
  }
  Value zero() { return e.num(0.0, e.state); }
  Value empty(Value m) { return e.fcmp(arith::CmpFPredicate::OEQ, m, ninf()); }
  /// 2^((x - y) * factor). f32 inputs keep the exact difference and our own
  /// exp2.
  Value weight(Value x, Value y) {
    if (!shape.tensorCores)
      return e.weight(x, y, host.log2Factor());
    return warp.exp2Fast(
        e.fmul(e.fsub(x, y), e.num(host.log2Factor(), e.state)));
  }

  Emit &e;
  Warp warp;
  const LoopView &host;
  DeviceWork work;
  ForwardShape shape;
  LoopView view;
  KeySlots range;
  Value task, split, b, h, g, i0, from, to;
  Value quad;               // this lane's place in its row, i32
  SmallVector<Value> slots; // this lane's two query slots, index
  /// The plan's regions for each of the two; what no key takes part in is
  /// written before the loop.
  SmallVector<ScalarRegion> score, visible;
};

} // namespace

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

/// Rows [0, rowsAtMost) of `padded` elements to shared memory at `at`; what
/// lies beyond `width`, beyond `rowCount` or in an absent page is zero.
void ForwardKernel::copyRows(
    Value rowCount, int64_t rowsAtMost, int64_t width, int64_t padded,
    int64_t pitch, Value at, llvm::function_ref<LoopView::Row(Value)> locate,
    Value buffer,
    llvm::function_ref<Values(const LoopView::Row &, Value)> indices) {
  Value thread = shape.fewRegisters ? warp.fresh(warp.thread()) : warp.thread();
  int64_t pieces = padded / shape.chunk, total = rowsAtMost * pieces;
  auto piece = [&](Value index, bool async) {
    // Eight lanes write at a time. They take one row where its pieces come in
    // eights, else eight rows at one column, which the odd pitch keeps apart.
    Value row, column;
    if (pieces % 8 == 0) {
      row = warp.div(index, pieces);
      column = warp.rem(index, pieces);
    } else {
      Value eights = warp.div(index, 8);
      row = warp.add(warp.mul(warp.div(eights, pieces), 8), warp.rem(index, 8));
      column = warp.rem(eights, pieces);
    }
    Value target =
        warp.add(at, warp.add(warp.mul(row, pitch), warp.mul(column, 16)));
    Value inside = e.lt(e.toIndex(row), rowCount);
    Value first = e.mul(e.toIndex(column), shape.chunk);
    // Rows beyond the end are never located: their page does not exist.
    LoopView::Row place = locate(e.select(inside, e.toIndex(row), e.idx(0)));
    if (place.present)
      inside = e.band(inside, place.present);
    if (place.present)
      place.outer = e.max(place.outer, e.idx(0));
    if (async) {
      if (padded != width)
        inside = e.band(inside, e.lt(first, e.idx(width)));
      Values where = indices(place, e.select(inside, first, e.idx(0)));
      auto metadata =
          memref::ExtractStridedMetadataOp::create(e.b, e.loc, buffer);
      Value offset = metadata.getOffset();
      for (auto [stride, index] : llvm::zip(metadata.getStrides(), where))
        offset = e.add(offset, e.mul(stride, index));
      Value base =
          memref::ExtractAlignedPointerAsIndexOp::create(e.b, e.loc, buffer);
      warp.copyAsync(target, e.add(base, e.mul(offset, shape.bytes)),
                     e.select(inside, warp.i32(16), warp.i32(0)));
      return;
    }
    Values elements;
    for (int64_t n = 0; n < shape.chunk; ++n) {
      Value column = e.add(first, n);
      Value there = e.band(inside, e.lt(column, e.idx(width)));
      elements.push_back(e.choose(
          there,
          [&]() -> Values { return {e.load(buffer, indices(place, column))}; },
          [&]() -> Values { return {e.num(0.0, host.storage)}; })[0]);
    }
    Value vector = vector::FromElementsOp::create(
        e.b, e.loc, VectorType::get({shape.chunk}, host.storage), elements);
    warp.storeShared(vector, target, 16);
  };
  auto all = [&](bool async) {
    for (int64_t begin = 0; begin < total; begin += kThreads) {
      Value index = warp.add(thread, begin);
      if (begin + kThreads <= total)
        piece(index, async);
      else
        e.when(e.cmp(arith::CmpIPredicate::ult, index, warp.i32(total)),
               [&] { piece(index, async); });
    }
  };
  auto slowly = [&] {
    e.loop(e.idx(0), e.idx(total), kThreads, [&](Value begin) {
      Value index = warp.add(thread, e.toI32(begin));
      e.when(e.cmp(arith::CmpIPredicate::ult, index, warp.i32(total)),
             [&] { piece(index, false); });
    });
  };
  if (width % shape.chunk) // some piece is cut in the middle
    return slowly();
  e.when(
      e.cmp(arith::CmpIPredicate::ne, work.aligned, e.idx(0)),
      [&] { all(true); }, slowly);
}

void ForwardKernel::loadQueries() {
  Value rows = e.min(e.sub(view.sq, i0), e.idx(shape.rows));
  copyRows(
      rows, shape.rows, host.d, shape.dp, shape.qkPitch, warp.i32(0),
      [&](Value row) { return LoopView::Row{b, e.add(i0, row), {}}; }, view.q,
      [&](const LoopView::Row &row, Value d) {
        return view.qAt(row.outer, h, row.inner, d);
      });
}

/// K and V of the tile at j0 to stage `at` (0 or 1).
void ForwardKernel::stage(Value j0, Value at) {
  Value count = e.min(e.sub(to, j0), e.idx(shape.kt));
  auto locate = [&](Value row) { return view.locate(e, b, g, e.add(j0, row)); };
  copyRows(
      count, shape.kt, host.d, shape.dp, shape.qkPitch,
      warp.add(warp.mul(at, shape.kStage()), shape.kAt), locate, view.k,
      [&](const LoopView::Row &row, Value d) { return view.kAt(row, g, d); });
  copyRows(
      count, shape.kt, host.dv, shape.ep, shape.vPitch,
      warp.add(warp.mul(at, shape.vStage()), shape.vAt), locate, view.v,
      [&](const LoopView::Row &row, Value d) { return view.vAt(row, g, d); });
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// S = Q K^T of the tile whose K lies at kAt: four numbers per fragment of 8
/// keys.
ForwardKernel::Values ForwardKernel::scores(Value kAt) {
  Values acc(4 * keyFragments(), zero());
  if (!shape.tensorCores) {
    scoresByFma(kAt, acc);
    return acc;
  }
  // Lane l holds the address of row l % 8 of matrix l / 8. Q: rows 0 and 8,
  // then the next 8 columns. K: the two halves of 16 columns, then the next 8
  // keys.
  Value l8 = warp.rem(warp.lane(), 8), matrix = warp.div(warp.lane(), 8);
  Value low = warp.rem(matrix, 2), high = warp.div(matrix, 2);
  Value qRow =
      warp.add(warp.mul(warp.warp(), 16), warp.add(l8, warp.mul(low, 8)));
  Value q = warp.add(warp.mul(qRow, shape.qkPitch), warp.mul(high, 16));
  Value kRow = warp.add(l8, warp.mul(high, 8));
  Value k =
      warp.add(kAt, warp.add(warp.mul(kRow, shape.qkPitch), warp.mul(low, 16)));
  for (int64_t d = 0; d < shape.dp; d += 16) {
    Values left =
        warp.ldmatrix(warp.add(q, d * shape.bytes), /*transposed=*/false);
    for (int64_t n = 0; n < keyFragments(); n += 2) {
      Values right =
          warp.ldmatrix(warp.add(k, n * 8 * shape.qkPitch + d * shape.bytes),
                        /*transposed=*/false);
      for (int64_t half = 0; half < 2; ++half) {
        auto at = acc.begin() + 4 * (n + half);
        Values sum = warp.mma(left, ArrayRef<Value>(right).slice(2 * half, 2),
                              Values(at, at + 4), host.storage);
        std::copy(sum.begin(), sum.end(), at);
      }
    }
  }
  return acc;
}

void ForwardKernel::scoresByFma(Value kAt, Values &acc) {
  Type four = VectorType::get({4}, e.state);
  Value row = warp.add(warp.mul(warp.warp(), 16), warp.div(warp.lane(), 4));
  Value q = warp.mul(row, shape.qkPitch);
  Value k = warp.add(kAt, warp.mul(quad, 2 * shape.qkPitch));
  auto element = [&](Value vector, int64_t n) -> Value {
    return vector::ExtractOp::create(e.b, e.loc, vector, n);
  };
  acc =
      e.loop(e.idx(0), e.idx(shape.dp), 4, acc, [&](Value d, ValueRange sums) {
        Values next(sums);
        Value offset = warp.mul(e.toI32(d), shape.bytes);
        Value rows[2];
        for (int64_t r = 0; r < 2; ++r)
          rows[r] = warp.loadShared(
              four, warp.add(warp.add(q, offset), r * 8 * shape.qkPitch), 16);
        for (int64_t n = 0; n < keyFragments(); ++n)
          for (int64_t c = 0; c < 2; ++c) {
            Value key = warp.loadShared(
                four,
                warp.add(warp.add(k, offset), (8 * n + c) * shape.qkPitch), 16);
            for (int64_t r = 0; r < 2; ++r)
              for (int64_t x = 0; x < 4; ++x) {
                Value &sum = next[4 * n + 2 * r + c];
                sum = e.fma(element(rows[r], x), element(key, x), sum);
              }
          }
        return next;
      });
}

/// O + P V.
ForwardKernel::Values ForwardKernel::values(Value vAt, ArrayRef<Value> p,
                                            ArrayRef<Value> out) {
  if (!shape.tensorCores)
    return valuesByFma(vAt, p, out);
  Values acc(out);
  // V: keys 0 and 8 of 16, then the next 8 columns.
  Value l8 = warp.rem(warp.lane(), 8), matrix = warp.div(warp.lane(), 8);
  Value row = warp.add(l8, warp.mul(warp.rem(matrix, 2), 8));
  Value v = warp.add(vAt, warp.add(warp.mul(row, shape.vPitch),
                                   warp.mul(warp.div(matrix, 2), 16)));
  for (int64_t k = 0; k < keyFragments(); k += 2) {
    Values left;
    for (int64_t n = 0; n < 2; ++n)
      for (int64_t r = 0; r < 2; ++r)
        left.push_back(warp.pack(p[4 * (k + n) + 2 * r],
                                 p[4 * (k + n) + 2 * r + 1], host.storage));
    for (int64_t n = 0; n < valueFragments(); n += 2) {
      Values right =
          warp.ldmatrix(warp.add(v, k * 8 * shape.vPitch + n * 8 * shape.bytes),
                        /*transposed=*/true);
      for (int64_t half = 0; half < 2; ++half) {
        auto at = acc.begin() + 4 * (n + half);
        Values sum = warp.mma(left, ArrayRef<Value>(right).slice(2 * half, 2),
                              Values(at, at + 4), host.storage);
        std::copy(sum.begin(), sum.end(), at);
      }
    }
  }
  return acc;
}

ForwardKernel::Values ForwardKernel::valuesByFma(Value vAt, ArrayRef<Value> p,
                                                 ArrayRef<Value> out) {
  Values acc(out);
  Type two = VectorType::get({2}, e.state);
  Value v = warp.add(vAt, warp.mul(quad, 2 * shape.bytes));
  for (int64_t n = 0; n < keyFragments(); ++n)
    for (int64_t key = 0; key < 8; ++key) {
      Value weights[2];
      for (int64_t r = 0; r < 2; ++r)
        weights[r] = warp.quadRead(p[4 * n + 2 * r + key % 2], key / 2);
      for (int64_t column = 0; column < valueFragments(); ++column) {
        Value x = warp.loadShared(two,
                                  warp.add(v, (8 * n + key) * shape.vPitch +
                                                  column * 8 * shape.bytes),
                                  8);
        for (int64_t c = 0; c < 2; ++c) {
          Value part = vector::ExtractOp::create(e.b, e.loc, x, c);
          for (int64_t r = 0; r < 2; ++r) {
            Value &sum = acc[4 * column + 2 * r + c];
            sum = e.fma(weights[r], part, sum);
          }
        }
      }
    }
  return acc;
}

//===----------------------------------------------------------------------===//
// One tile
//===----------------------------------------------------------------------===//

void ForwardKernel::bindRegions() {
  auto &op = const_cast<KeyLoopOp &>(host.op);
  auto open = [&](Region &region, bool isScore,
                  SmallVector<ScalarRegion> &forms) {
    for (Value slot : slots) {
      ScalarRegion &scalar = forms.emplace_back(region, isScore);
      view.bindCommon(e, scalar, b, h, g);
      scalar.bind(3, e.toI32(slot));
      scalar.hoist(e);
    }
  };
  if (host.hasScore())
    open(op.getScore(), true, score);
  if (host.hasVisible())
    open(op.getVisible(), false, visible);
}

/// What the plan adds to the scores, and -inf for masked pairs.
ForwardKernel::Values ForwardKernel::adjust(Value j0, ArrayRef<Value> s,
                                            Value tableFull) {
  Values result(s);
  if (host.hasScore() || host.scale <= 0)
    for (Value &x : result)
      x = e.fmul(x, e.num(host.scale, e.state));
  Value lastKey = e.toI32(e.sub(view.sk, e.idx(1)));
  // Slot of the key of column c of fragment n. The constant is added last: j0 +
  // (2 quad + constant) would be one register per column, kept across the loop.
  Value firstKey = warp.add(e.toI32(j0), warp.mul(quad, 2));
  auto slotAt = [&](int64_t n, int64_t c) {
    return warp.add(firstKey, 8 * n + c);
  };
  // The same, and beyond the last key the last.
  auto keyAt = [&](int64_t n, int64_t c) -> Value {
    return arith::MinSIOp::create(e.b, e.loc, slotAt(n, c), lastKey);
  };
  // Both rows of a column at a time: what is read for its key dies early.
  auto each = [&](auto &&body) {
    for (int64_t n = 0; n < keyFragments(); ++n)
      for (int64_t c = 0; c < 2; ++c)
        for (int64_t r = 0; r < 2; ++r)
          body(r, n, c, result[4 * n + 2 * r + c]);
  };
  auto form = [&](ScalarRegion &scalar, int64_t n, int64_t c, Value x) {
    scalar.bind(4, keyAt(n, c));
    return scalar.finish(e, x);
  };
  if (host.hasScore())
    each([&](int64_t r, int64_t n, int64_t c, Value &x) {
      x = form(score[r], n, c, x);
    });
  Value full = e.band(e.le(range.fullBegin, j0),
                      e.le(e.add(j0, shape.kt), e.min(range.fullEnd, to)));
  if (tableFull)
    full = e.bor(full, e.band(tableFull, e.le(e.add(j0, shape.kt), to)));
  return e.choose(
      full, [&] { return result; },
      [&] {
        each([&](int64_t r, int64_t n, int64_t c, Value &x) {
          Value j = slotAt(n, c);
          Value keep =
              e.band(e.cmp(arith::CmpIPredicate::sge, j, e.toI32(range.begin)),
                     e.cmp(arith::CmpIPredicate::slt, j, e.toI32(to)));
          if (host.hasVisible())
            keep = e.band(keep, form(visible[r], n, c, {}));
          x = e.select(keep, x, ninf());
        });
        return result;
      });
}

/// What the block table says of the block's strips on the tile at j0: 0 when
/// none sees a key, 2 when all see all, else 1. Without rows (few queries) it
/// says 1.
Value ForwardKernel::tableSays(Value j0) {
  Value rows = e.dim(view.blockTable, 2), column = e.div(j0, shape.kt);
  Value first = e.div(i0, 16);
  return e.choose(
      e.lt(e.idx(0), rows),
      [&]() -> Values {
        Value low, high;
        for (int64_t n = 0; n < shape.warps; ++n) {
          // A strip beyond the last query repeats the last one.
          Value row = e.min(e.add(first, n), e.sub(rows, e.idx(1)));
          Value entry = arith::ExtUIOp::create(
              e.b, e.loc, e.b.getI32Type(),
              e.load(view.blockTable, {b, h, row, column}));
          low = low ? arith::MinUIOp::create(e.b, e.loc, low, entry).getResult()
                    : entry;
          high =
              high ? arith::MaxUIOp::create(e.b, e.loc, high, entry).getResult()
                   : entry;
        }
        // 0, 1 and 2 join to the common answer, or to 1.
        Value same = e.cmp(arith::CmpIPredicate::eq, low, high);
        return {e.select(same, low, warp.i32(1))};
      },
      [&]() -> Values { return {warp.i32(1)}; })[0];
}

/// One tile on m[2], l[2] and O.
ForwardKernel::Values ForwardKernel::tile(Value j0, ValueRange carried) {
  Value at = stageAt(j0), next = e.add(j0, shape.kt);
  e.when(e.lt(next, to), [&] {
    stage(next, arith::XOrIOp::create(e.b, e.loc, at, warp.i32(1)));
  });
  // A commit also where nothing was asked for: the wait counts commits.
  warp.commit();
  warp.wait(1);
  warp.barrier();
  Values state = compute(j0, at, carried);
  warp.barrier(); // the next tile but one overwrites this stage
  return state;
}

ForwardKernel::Values ForwardKernel::compute(Value j0, Value at,
                                             ValueRange carried) {
  auto body = [&](Value tableFull) -> Values {
    Values s =
        adjust(j0, scores(warp.add(warp.mul(at, shape.kStage()), shape.kAt)),
               tableFull);
    Values state(carried.take_front(4)), out(carried.drop_front(4));
    for (int64_t r = 0; r < 2; ++r) {
      Value max = ninf();
      for (int64_t n = 0; n < keyFragments(); ++n)
        for (int64_t c = 0; c < 2; ++c)
          max = e.fmax(s[4 * n + 2 * r + c], max);
      Value old = state[r];
      max = e.fmax(warp.quadMax(max), old);
      // A row that has seen nothing has m = -inf: 0 is subtracted instead.
      Value safe = e.select(empty(max), zero(), max);
      Value shrink = weight(old, safe);
      Value sum = e.fmul(state[2 + r], shrink);
      for (int64_t n = 0; n < keyFragments(); ++n)
        for (int64_t c = 0; c < 2; ++c) {
          Value &x = s[4 * n + 2 * r + c];
          x = weight(x, safe);
          sum = e.fadd(sum, x);
        }
      state[r] = max;
      state[2 + r] = sum;
      for (int64_t n = 0; n < valueFragments(); ++n)
        for (int64_t c = 0; c < 2; ++c) {
          Value &x = out[4 * n + 2 * r + c];
          x = e.fmul(x, shrink);
        }
    }
    out = values(warp.add(warp.mul(at, shape.vStage()), shape.vAt), s, out);
    state.append(out);
    return state;
  };
  if (!view.blockTable)
    return body({});
  Value says = tableSays(j0);
  return e.choose(
      e.cmp(arith::CmpIPredicate::ne, says, warp.i32(0)),
      [&] { return body(e.cmp(arith::CmpIPredicate::eq, says, warp.i32(2))); },
      [&] { return Values(carried); });
}

//===----------------------------------------------------------------------===//
// The block
//===----------------------------------------------------------------------===//

void ForwardKernel::finish(ValueRange carried) {
  Values out(carried.drop_front(4));
  Value bad = zero();
  Values m, l;
  for (int64_t r = 0; r < 2; ++r) {
    m.push_back(carried[r]);
    l.push_back(warp.quadSum(carried[2 + r]));
    bad = e.fadd(bad, e.fsub(l[r], l[r]));
  }
  Value parts = e.cmp(arith::CmpIPredicate::sgt, work.splits, e.idx(1));
  for (int64_t r = 0; r < 2; ++r) {
    RowEnd end = endRow(e, view, h, m[r], l[r]);
    Value factor = e.select(parts, e.num(1.0, e.state), end.factor);
    Value row = warp.add(warp.mul(warp.warp(), 16),
                         warp.add(warp.div(warp.lane(), 4), 8 * r));
    Value i = e.add(i0, e.toIndex(row));
    e.when(e.lt(i, view.sq), [&] {
      for (int64_t n = 0; n < valueFragments(); ++n)
        for (int64_t c = 0; c < 2; ++c) {
          Value x = e.fmul(out[4 * n + 2 * r + c], factor);
          out[4 * n + 2 * r + c] = x;
          Value column = e.toIndex(warp.add(warp.mul(quad, 2), 8 * n + c));
          auto write = [&] {
            e.when(
                parts, [&] { e.store(x, work.out, {b, h, i, split, column}); },
                [&] {
                  e.store(e.narrow(x, host.storage), view.out,
                          view.qAt(b, h, i, column));
                });
          };
          if (8 * n + 7 < host.dv)
            write();
          else
            e.when(e.lt(column, e.idx(host.dv)), write);
        }
      // One lane of the four.
      e.when(e.cmp(arith::CmpIPredicate::eq, quad, warp.i32(0)), [&] {
        e.when(
            parts,
            [&] {
              e.store(m[r], work.state, {b, h, i, split, e.idx(0)});
              e.store(l[r], work.state, {b, h, i, split, e.idx(1)});
            },
            [&] {
              if (view.lse)
                e.store(end.lse, view.lse, {b, h, i});
            });
      });
    });
  }
  // x - x is 0 for finite x, NaN otherwise. Rows beyond the end are zeros of q.
  for (Value x : carried.drop_front(4))
    bad = e.fadd(bad, e.fsub(x, x));
  Value broken = warp.any(e.fcmp(arith::CmpFPredicate::UNO, bad, bad));
  // One flag per warp to shared memory, where K was; warp 0 joins them.
  Value mark = e.select(broken, warp.i32(1), warp.i32(0));
  e.when(e.cmp(arith::CmpIPredicate::eq, warp.lane(), warp.i32(0)), [&] {
    warp.storeShared(mark, warp.add(warp.mul(warp.warp(), 4), shape.kAt), 4);
  });
  warp.barrier();
  e.when(e.cmp(arith::CmpIPredicate::eq, warp.thread(), warp.i32(0)), [&] {
    Value all = warp.i32(0);
    for (int64_t n = 0; n < shape.warps; ++n)
      all = arith::OrIOp::create(
          e.b, e.loc, all,
          warp.loadShared(e.b.getI32Type(), warp.i32(shape.kAt + 4 * n), 4));
    e.store(all, work.flags, {e.add(e.mul(task, work.splits), split)});
  });
}

KernelModule::Kernel ForwardKernel::emit(KernelModule &kernels) {
  Values captured = host.values();
  size_t own = captured.size();
  captured.append(work.values());
  KernelModule::Kernel kernel =
      kernels.open("attn_forward", ValueRange(captured).getTypes());
  view = host.over(ValueRange(kernel.captured).take_front(own));
  work = DeviceWork::over(ValueRange(kernel.captured).drop_front(own));
  warp.open(kernel.shared);
  task = kernel.block;
  split = kernel.part;
  // Heads fastest; within a head the last queries first, since under a causal
  // mask they see most keys.
  Value heads = e.mul(view.batch, view.hq),
        blocks = e.ceilDiv(view.sq, shape.rows);
  Value head = e.rem(task, heads);
  Value index = e.sub(e.sub(blocks, e.idx(1)), e.div(task, heads));
  b = e.div(head, view.hq);
  h = e.rem(head, view.hq);
  g = e.div(h, view.group);
  i0 = e.mul(index, shape.rows);
  quad = warp.rem(warp.lane(), 4);
  Value lastQuery = e.sub(view.sq, e.idx(1));
  for (int64_t r = 0; r < 2; ++r) {
    Value row = warp.add(warp.mul(warp.warp(), 16),
                         warp.add(warp.div(warp.lane(), 4), 8 * r));
    slots.push_back(e.min(e.add(i0, e.toIndex(row)), lastQuery));
  }
  bindRegions();
  range =
      view.range(e, b, h, g, i0, e.min(e.add(i0, e.idx(shape.rows)), view.sq));
  int64_t part = llvm::alignTo(host.schedule.getSplitKeys(), shape.kt);
  Value parts = e.cmp(arith::CmpIPredicate::sgt, work.splits, e.idx(1));
  Value begin = e.mul(split, part);
  from = e.max(e.roundDown(range.begin, shape.kt), begin);
  to = e.select(parts, e.min(range.end, e.add(begin, e.idx(part))), range.end);
  loadQueries();
  e.when(e.lt(from, to), [&] { stage(from, warp.i32(0)); });
  warp.commit();
  Values start = {ninf(), ninf(), zero(), zero()};
  start.append(4 * valueFragments(), zero());
  Values end =
      e.loop(from, to, shape.kt, start,
             [&](Value j0, ValueRange carried) { return tile(j0, carried); });
  // With no tile at all the queries may still be on their way.
  warp.wait(0);
  warp.barrier();
  finish(end);
  kernels.close();
  return kernel;
}

KernelModule::Kernel mlir::attn::emitForward(Emit &e, KernelModule &kernels,
                                             const LoopView &host,
                                             const DeviceWork &work) {
  return ForwardKernel(e, host, work).emit(kernels);
}
