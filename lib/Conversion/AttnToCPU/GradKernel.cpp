//===- GradKernel.cpp - The kernels of a gradient -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One pass over the tiles with five products per tile; docs/Rationale/0006.
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Strips.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

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

namespace {

/// Buffers beside those of the key loop; the order of `all` is their order in a
/// block function's context.
struct GradBuffers {
  Value dout, dlse, dq, dk, dv, dsinks;   // dlse and dsinks may be null
  Value qt, doutT, qrows, dorows, rows, odd; // queries, laid out
  Value dqSum, dkSum, dvSum;
  Value step, parts, keyPart, queryPart; // index, but step, which is a cell
  SmallVector<Value> sums;               // of aux operands
  SmallVector<Value *> all() {
    SmallVector<Value *> list;
    for (Value *value : {&dout, &dlse, &dq, &dk, &dv, &dsinks, &qt, &doutT,
                         &qrows, &dorows, &rows, &odd, &dqSum, &dkSum, &dvSum,
                         &step, &parts, &keyPart, &queryPart})
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
  func::FuncOp emitSinks();

  // In a block function.
  Value delta(const Line &dout, const Line &out);
  Value layRows(Value first, Value count);
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

} // namespace

//===----------------------------------------------------------------------===//
// Host side
//===----------------------------------------------------------------------===//

static int64_t bytesOf(MemRefType type) {
  int64_t bits =
      type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth();
  return llvm::alignTo(type.getNumElements() * bits / 8, 64);
}

void GradKernel::allocate() {
  auto alloc = [&](ArrayRef<Value> sizes, ArrayRef<int64_t> inner, Type element) -> Value {
    SmallVector<int64_t> shape(sizes.size(), ShapedType::kDynamic);
    llvm::append_range(shape, inner);
    Value buffer = memref::AllocOp::create(e.b, e.loc, MemRefType::get(shape, element),
                                           ValueRange(sizes));
    allocated.push_back(buffer);
    return buffer;
  };
  Value queryStrips = e.ceilDiv(host.sq, qs);
  Value queries = e.mul(queryStrips, qs), keys = e.mul(e.ceilDiv(host.sk, kt), kt);
  GradBuffers &to = host_;
  to.dout = grad.getDout();
  to.dlse = grad.getDlse();
  to.dq = grad.getOuts()[0];
  to.dk = grad.getOuts()[1];
  to.dv = grad.getOuts()[2];
  if (grad.getSinks())
    to.dsinks = grad.getOuts()[3];
  Type element = dot ? Type(e.b.getI32Type()) : Type(e.state);
  to.qt =
      alloc({host.batch, host.hq, queryStrips}, {pairsOf(host.d), qs}, element);
  to.doutT = alloc({host.batch, host.hq, queryStrips}, {pairsOf(host.dv), qs},
                   element);
  to.qrows = alloc({host.batch, host.hq, pairsOf(queries)}, {dp}, element);
  to.dorows = alloc({host.batch, host.hq, pairsOf(queries)}, {ep}, element);
  to.rows = alloc({host.batch, host.hq, e.idx(2), queries}, {}, e.state);
  to.odd = alloc({host.batch, host.hq, queryStrips}, {}, e.b.getI8Type());
  to.dqSum = alloc({host.batch, host.hq, queries}, {dp}, e.state);
  to.dkSum = alloc({host.batch, host.hkv, keys}, {dp}, e.state);
  to.dvSum = alloc({host.batch, host.hkv, keys}, {ep}, e.state);
  to.step = alloc({}, {1}, e.b.getIndexType());
  // Enough tasks for many threads, in parts that are worth a step.
  Value heads = e.max(e.mul(host.batch, host.hkv), e.idx(1));
  int64_t smallest = llvm::alignTo(host.schedule.getSplitKeys(), kt);
  Value wanted = e.div(e.add(heads, 31), heads);
  Value most = e.max(e.min(e.ceilDiv(host.sk, smallest), e.ceilDiv(host.sq, smallest)), e.idx(1));
  to.parts = e.min(wanted, most);
  auto partOf = [&](Value size, int64_t unit) {
    Value units = e.ceilDiv(size, unit);
    return e.mul(e.div(e.sub(e.add(units, to.parts), e.idx(1)), to.parts), unit);
  };
  to.keyPart = partOf(host.sk, kt);
  to.queryPart = partOf(host.sq, blk);
  // Sums of aux operands: in the operand's shape; captured tensors, whose elements
  // any pair may read, once per part of the keys.
  unsigned first = 3 + (grad.getSinks() ? 1 : 0);
  for (auto [number, out] : llvm::zip(grad.getAuxGrads(), grad.getOuts().drop_front(first))) {
    SmallVector<Value> sizes;
    bool capture = cast<StringAttr>(grad.getAuxRoles()[number]).getValue().starts_with("capture");
    if (capture)
      sizes.push_back(to.parts);
    for (int64_t axis = 0; axis < cast<MemRefType>(out.getType()).getRank(); ++axis)
      sizes.push_back(e.dim(out, axis));
    to.sums.push_back(alloc(sizes, {}, e.state));
  }
}

void GradKernel::freeAll() {
  for (Value buffer : allocated)
    memref::DeallocOp::create(e.b, e.loc, buffer);
}

/// attention_grad_r1: what the key loop's own checks do not know.
void GradKernel::check() {
  AxesAttr axes = host.axes;
  auto equal = [&](Value got, Value want, const Twine &message) {
    outliner.call("attnrt_check_eq",
                  {e.toI64(got), e.toI64(want),
                   outliner.text(("'attn.attention_grad' op expects " + message).str())});
  };
  static constexpr const char *kNames[] = {"batch size", "head count", "query count"};
  for (auto [name, buffer] : {std::pair<const char *, Value>{"out", host.out},
                              {"dout", grad.getDout()}})
    for (int64_t role : {kBatch, kHead, kSeq})
      equal(e.dim(buffer, axes.getQ()[role]), e.dim(host.q, axes.getQ()[role]),
            Twine(name) + " to have the " + kNames[role] + " of q");
  for (auto [name, buffer] : {std::pair<const char *, Value>{"lse", host.lse},
                              {"dlse", grad.getDlse()}})
    for (int64_t role : {kBatch, kHead, kSeq})
      if (buffer)
        equal(e.dim(buffer, role), e.dim(host.q, axes.getQ()[role]),
              Twine(name) + " to have the " + kNames[role] + " of q");
}

/// Every element of a buffer, but for the first `skip` axes, on the host side.
void GradKernel::forEach(Value buffer, int64_t skip,
                         llvm::function_ref<void(ArrayRef<Value>)> body) {
  int64_t rank = cast<MemRefType>(buffer.getType()).getRank();
  SmallVector<Value> at;
  std::function<void(int64_t)> nest = [&](int64_t axis) {
    if (axis == rank)
      return body(at);
    e.loop(e.idx(0), e.dim(buffer, axis), 1, [&](Value n) {
      at.push_back(n);
      nest(axis + 1);
      at.pop_back();
    });
  };
  nest(skip);
}

Outliner::Block GradKernel::open(StringRef name) {
  Outliner::Block block = outliner.open(name, contextTypes);
  size_t shared = host.values().size();
  view = host.over(ValueRange(block.captured).take_front(shared));
  buf = host_;
  size_t next = shared;
  for (Value *value : buf.all())
    *value = block.captured[next++];
  return block;
}

void GradKernel::close(Outliner::Block &block) { outliner.close(block); }

/// Sums over parts of the keys, in order, and rounding to the operand's type.
void GradKernel::finishSums() {
  unsigned first = 3 + (grad.getSinks() ? 1 : 0);
  for (auto [number, sum, out] :
       llvm::zip(grad.getAuxGrads(), host_.sums, grad.getOuts().drop_front(first))) {
    Type element = cast<MemRefType>(out.getType()).getElementType();
    bool capture = cast<StringAttr>(grad.getAuxRoles()[number]).getValue().starts_with("capture");
    forEach(sum, capture ? 1 : 0, [&, sum = sum, out = out](ArrayRef<Value> at) {
      Value total;
      if (!capture) {
        total = e.load(sum, at);
      } else {
        Value zero = e.num(0.0, e.state);
        total = e.loop(e.idx(0), host_.parts, 1, {zero}, [&](Value p, ValueRange carried) {
          SmallVector<Value> full = {p};
          llvm::append_range(full, at);
          return Vectors{e.fadd(carried[0], e.load(sum, full))};
        })[0];
      }
      unsigned bits = cast<FloatType>(element).getWidth(), have = e.state.getWidth();
      if (have == 64 && bits < 64) // narrow() knows f32 and below
        total = arith::TruncFOp::create(e.b, e.loc, e.b.getF32Type(), total);
      if (bits > have)
        total = arith::ExtFOp::create(e.b, e.loc, element, total);
      else
        total = e.narrow(total, element);
      e.store(total, out, at);
    });
  }
}

void GradKernel::run() {
  check();
  allocate();
  for (Value sum : host_.sums)
    forEach(sum, 0, [&](ArrayRef<Value> at) { e.store(e.num(0.0, e.state), sum, at); });
  SmallVector<Value> values = host.values();
  for (Value *value : host_.all())
    values.push_back(*value);
  contextTypes.assign(ValueRange(values).getTypes().begin(), ValueRange(values).getTypes().end());
  Value context = outliner.pack(values);
  int64_t bytes = 0;
  for (MemRefType type : scratchBuffers())
    bytes += bytesOf(type);
  Value scratch = e.idx(bytes);
  Value none = e.idx(64);
  Value queryTasks = e.mul(e.mul(host.batch, host.hq), e.ceilDiv(host.sq, qs));
  Value keyHeads = e.mul(host.batch, host.hkv);
  outliner.parallelFor(emitLayOut(), context, queryTasks, none);
  func::FuncOp tiles = emitTiles(/*side=*/false);
  e.loop(e.idx(0), host_.parts, 1, [&](Value t) {
    e.store(t, host_.step, {e.idx(0)});
    outliner.parallelFor(tiles, context, e.mul(keyHeads, host_.parts), scratch);
  });
  outliner.parallelFor(emitWrite(/*keys=*/false), context, queryTasks, none);
  outliner.parallelFor(emitWrite(/*keys=*/true), context, e.mul(keyHeads, e.ceilDiv(host.sk, kt)),
                       none);
  if (host_.dsinks)
    outliner.parallelFor(emitSinks(), context, host.hq, none);
  if (!host_.sums.empty()) {
    outliner.parallelFor(emitTiles(/*side=*/true), context, host_.parts, scratch);
    finishSums();
  }
  freeAll();
}

//===----------------------------------------------------------------------===//
// Queries, laid out
//===----------------------------------------------------------------------===//

/// A vector of zeros and NaN: whether there is any NaN.
static Value anyNaN(Emit &e, Value found) {
  return e.anyLane(e.fcmp(arith::CmpFPredicate::UNO, found, found));
}

/// dout . out of one row. A row that sees one key has equal numbers here and in
/// dout . v, and a gradient of 0: summed in one order, their roundings cancel.
/// Beside roundings to bf16 that does not show.
Value GradKernel::delta(const Line &dout, const Line &out) {
  Value lanes = e.numVec(0.0), sum = e.num(0.0, e.state);
  if (!dot)
    return e.loop(
        e.idx(0), e.idx(host.dv), 1, {sum}, [&](Value d, ValueRange carried) {
          Value x = e.widen(e.load(dout.buffer, dout.column(d)));
          Value y = e.widen(e.load(out.buffer, out.column(d)));
          return Vectors{e.fadd(carried[0], e.fmul(y, x))};
        })[0];
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

/// Sums to results, in their type.
func::FuncOp GradKernel::emitWrite(bool keys) {
  Outliner::Block block = open(keys ? "attn_grad_write_keys" : "attn_grad_write_queries");
  int64_t unit = keys ? kt : qs;
  Value size = keys ? view.sk : view.sq, heads = keys ? view.hkv : view.hq;
  Value units = e.ceilDiv(size, unit);
  Value first = e.mul(e.rem(block.task, units), unit), head = e.div(block.task, units);
  b = e.div(head, heads);
  h = e.rem(head, heads);
  auto write = [&](Value sum, Value to, ArrayRef<int64_t> order, int64_t width, Value row) {
    auto at = [&](int64_t column) { return LoopView::at(order, b, h, row, e.idx(column)); };
    int64_t column = 0;
    for (; column + w <= width; column += w)
      e.storeVec(e.narrow(e.loadVec(sum, {b, h, row, e.idx(column)}), host.storage), to,
                 at(column));
    for (; column < width; ++column)
      e.store(e.narrow(e.load(sum, {b, h, row, e.idx(column)}), host.storage), to, at(column));
  };
  e.loop(first, e.min(e.add(first, unit), size), 1, [&](Value row) {
    if (!keys)
      return write(buf.dqSum, buf.dq, view.axes.getQ(), host.d, row);
    write(buf.dkSum, buf.dk, view.axes.getK(), host.d, row);
    write(buf.dvSum, buf.dv, view.axes.getV(), host.dv, row);
  });
  close(block);
  return block.func;
}

/// dsinks(h): the sink's share of each row, times -delta, in order.
func::FuncOp GradKernel::emitSinks() {
  Outliner::Block block = open("attn_grad_sinks");
  Value zero = e.num(0.0, e.state);
  Value ninf = e.num(-std::numeric_limits<double>::infinity(), e.state);
  h = block.task;
  Value sink = e.load(view.sinks, {h});
  if (sink.getType() != e.state)
    sink = arith::ExtFOp::create(e.b, e.loc, e.state, sink);
  Value none = e.fcmp(arith::CmpFPredicate::OEQ, sink, ninf);
  Value total = e.loop(e.idx(0), view.batch, 1, {zero}, [&](Value b, ValueRange outer) {
    return e.loop(e.idx(0), view.sq, 1, outer, [&](Value i, ValueRange sum) {
      Value minusLse = e.load(buf.rows, {b, h, e.idx(0), i});
      Value delta = e.load(buf.rows, {b, h, e.idx(1), i});
      Value x = e.fmul(e.fadd(sink, minusLse), e.num(LoopView::kLog2e, e.state));
      Value share = e.select(none, zero, e.exp2(x));
      Value idle = e.fcmp(arith::CmpFPredicate::OEQ, share, zero);
      return Vectors{e.fsub(sum[0], e.select(idle, zero, e.fmul(share, delta)))};
    });
  })[0];
  e.store(e.narrow(total, cast<MemRefType>(buf.dsinks.getType()).getElementType()), buf.dsinks,
          {h});
  close(block);
  return block.func;
}

//===----------------------------------------------------------------------===//
// A tile of keys and a block of queries
//===----------------------------------------------------------------------===//

/// Whether all numbers of K and V of the tile are finite goes to `oddKeys`; as
/// f32 rows or as pairs they go to scratch. Keys up to the next multiple of
/// `unit` are zero: computed and never read.
void GradKernel::stage(Value j0, Value count) {
  auto to = [&](Value buffer, Value r) { return Line{buffer, {r, e.idx(0)}}; };
  Value odd = e.loop(e.idx(0), count, 1, {e.numVec(0.0)}, [&](Value r, ValueRange carried) {
    LoopView::Row row = view.locate(e, b, g, e.add(j0, r));
    Line key = {view.k, view.kAt(row, g, e.idx(0))},
         value = {view.v, view.vAt(row, g, e.idx(0))};
    Value odd = carried[0];
    if (dot) {
      copyPairs(e, key, host.d, to(kb, r));
      copyPairs(e, value, host.dv, to(vb, r));
      return Vectors{addOdd(e, value, host.dv, addOdd(e, key, host.d, odd))};
    }
    copyLine(e, key, host.d, to(kb, r), dp, &odd);
    copyLine(e, value, host.dv, to(vb, r), ep, &odd);
    return Vectors{odd};
  })[0];
  oddKeys = anyNaN(e, odd);
  e.loop(count, e.mul(e.ceilDiv(count, unit), unit), 1, [&](Value r) {
    zeroLine(e, to(kb, r));
    zeroLine(e, to(vb, r));
  });
  if (dot)
    stagePairs(j0, count);
}

/// K once more, by pairs of keys.
void GradKernel::stagePairs(Value j0, Value count) {
  e.loop(e.idx(0), pairsOf(count), 1, [&](Value m) {
    auto line = [&](Value r) {
      return Line{view.k,
                  view.kAt(view.locate(e, b, g, e.add(j0, r)), g, e.idx(0))};
    };
    Line to = {kPairs, {m, e.idx(0)}};
    Value r = e.mul(m, 2), next = e.add(r, 1);
    e.when(
        e.lt(next, count),
        [&] {
          Line first = line(r), second = line(next);
          zipLines(e, first, &second, host.d, to, dp);
        },
        [&] { zipLines(e, line(r), nullptr, host.d, to, dp); });
  });
}

/// Rows [low, high) of `keys` times the strip's queries, to the strip's cells
/// of `to`; low and high are multiples of key_rows.
void GradKernel::products(Value s, Value low, Value high, Value keys,
                          Value lanes, Value to) {
  Value strip = e.add(e.div(i0, qs), s);
  int64_t depth = cast<MemRefType>(lanes.getType()).getDimSize(3);
  e.loop(low, high, kr, [&](Value j) {
    Vectors sums = stripProducts(
        e, host.schedule, depth, dot,
        [&](int64_t r, Value d) { return e.load(keys, {e.add(j, r), d}); },
        [&](Value d, int64_t v) {
          return e.loadVec(lanes, {b, h, strip, d, e.idx(v * w)});
        });
    for (int64_t r = 0; r < kr; ++r)
      for (int64_t v = 0; v < qv; ++v)
        e.storeVec(sums[r * qv + v], to, cell(s, e.add(j, r), v));
  });
}

/// Products to weights and to gradients by the product, for rows [low, high).
/// `Careful`: hidden pairs get the weight -1 as a mark, and a score of -inf is
/// looked for. `side`: nothing is stored, what the aux operands get is.
void GradKernel::pairs(Value s, Value j0, Value low, Value high, Form form, bool side) {
  auto &op = const_cast<KeyLoopOp &>(host.op);
  bool masked = form != Form::Plain && host.hasVisible(), score = host.hasScore();
  Vectors lanes = queryLanes(e, view, e.add(i0, e.mul(s, qs)));
  SmallVector<ScalarRegion> scores, slopes, masks;
  auto bind = [&](SmallVector<ScalarRegion> &forms, Region &region, unsigned floats, Value query) {
    ScalarRegion &form = forms.emplace_back(region, floats);
    view.bindCommon(e, form, b, h, g);
    form.bind(3, query);
    form.hoist(e);
  };
  Vectors minusLse, delta;
  Value first = e.add(i0, e.mul(s, qs));
  for (int64_t v = 0; v < qv; ++v) {
    if (score) {
      bind(scores, op.getScore(), 1, lanes[v]);
      bind(slopes, grad.getScoreGrad(), 2, lanes[v]);
    }
    if (masked)
      bind(masks, op.getVisible(), 0, lanes[v]);
    minusLse.push_back(e.loadVec(buf.rows, {b, h, e.idx(0), e.add(first, v * w)}));
    delta.push_back(e.loadVec(buf.rows, {b, h, e.idx(1), e.add(first, v * w)}));
  }
  Value zero = e.numVec(0.0), mark = e.numVec(form == Form::Careful ? -1.0 : 0.0);
  Value ninf = e.numVec(-std::numeric_limits<double>::infinity());
  e.loop(low, high, 1, [&](Value r) {
    Value j = e.toI32(e.add(j0, r));
    for (int64_t v = 0; v < qv; ++v) {
      Value x = e.loadVec(pt, cell(s, r, v)),
            reach = e.loadVec(st, cell(s, r, v));
      Value away, scaled, total;
      if (score) {
        scaled = e.fmul(x, e.numVec(host.scale));
        scores[v].bind(4, j);
        total = scores[v].finish(e, scaled);
        away = e.fadd(total, minusLse[v]);
      } else {
        total = x;
        away = e.fma(x, e.numVec(host.scale), minusLse[v]);
      }
      Value p = e.exp2(e.fmul(away, e.numVec(LoopView::kLog2e)));
      Value seen;
      if (masked) {
        masks[v].bind(4, j);
        seen = masks[v].finish(e);
      }
      if (form == Form::Careful || (form == Form::Masked && score)) {
        // -inf hides its key; the raw product's sign is its score's for a scale above 0.
        Value natural = score ? total : e.fmul(x, e.numVec(host.scale));
        Value some = e.fcmp(arith::CmpFPredicate::UNE, natural, ninf);
        seen = seen ? e.band(seen, some) : some;
      }
      Value ds = e.fmul(p, e.fsub(reach, delta[v]));
      if (seen) {
        p = e.select(seen, p, mark);
        ds = e.select(seen, ds, zero);
      } else if (score) { // a score of -inf in a tile without a mask
        ds = e.select(e.fcmp(arith::CmpFPredicate::OEQ, total, ninf), zero, ds);
      }
      if (score) {
        slopes[v].bind(4, j);
        Vectors results = slopes[v].finishAll(e, {scaled, ds});
        ds = slopes[v].vectorOf(e, results[0]);
        if (seen)
          ds = e.select(seen, ds, zero);
        if (side) {
          ValueRange rest = ValueRange(results).drop_front();
          for (int64_t number : grad.getScatters()) {
            auto type = cast<MemRefType>(grad.getAux()[number].getType());
            int64_t index = llvm::find(grad.getAuxGrads(), number) - grad.getAuxGrads().begin();
            Value gradient = slopes[v].vectorOf(e, rest[0]);
            if (seen)
              gradient = e.select(seen, gradient, zero);
            bool capture =
                cast<StringAttr>(grad.getAuxRoles()[number]).getValue().starts_with("capture");
            scatter(buf.sums[index], capture, gradient, rest.slice(1, type.getRank()));
            rest = rest.drop_front(1 + type.getRank());
          }
        }
      }
      if (side)
        continue;
      e.storeVec(p, pt, cell(s, r, v));
      e.storeVec(e.fmul(ds, e.numVec(host.scale)), st, cell(s, r, v));
    }
  });
}

/// Adds a vector of gradients to the elements that it is of. An index outside of
/// a captured tensor (of a hidden pair) adds nowhere.
void GradKernel::scatter(Value sum, bool capture, Value gradient, ValueRange indices) {
  auto add = [&](Value number, ArrayRef<Value> index) {
    SmallVector<Value> at;
    Value inside;
    if (capture)
      at.push_back(part);
    for (Value n : index) {
      Value position = e.toIndex(n), size = e.dim(sum, at.size());
      if (capture) {
        Value ok = e.cmp(arith::CmpIPredicate::ult, position, size);
        inside = inside ? e.band(inside, ok) : ok;
      } else { // axes of size 1 broadcast
        position = e.select(e.cmp(arith::CmpIPredicate::eq, size, e.idx(1)), e.idx(0), position);
      }
      at.push_back(position);
    }
    auto write = [&] { e.store(e.fadd(e.load(sum, at), number), sum, at); };
    if (inside)
      e.when(inside, write);
    else
      write();
  };
  bool uniform = llvm::none_of(indices, [](Value v) { return isa<VectorType>(v.getType()); });
  if (uniform)
    return add(e.sumLanes(gradient), SmallVector<Value>(indices));
  for (int64_t n = 0; n < w; ++n) {
    SmallVector<Value> index;
    for (Value value : indices)
      index.push_back(isa<VectorType>(value.getType())
                          ? vector::ExtractOp::create(e.b, e.loc, value, n).getResult()
                          : value);
    add(vector::ExtractOp::create(e.b, e.loc, gradient, n), index);
  }
}

/// P and dS of rows [low, high), rounded, to their pairs. Where the range does
/// not end on pairs, the row added is one of hidden pairs.
void GradKernel::roundRows(Value s, Value low, Value high, Value mark) {
  auto hide = [&](Value r) {
    for (int64_t v = 0; v < qv; ++v) {
      e.storeVec(e.splat(mark), pt, cell(s, r, v));
      e.storeVec(e.numVec(0.0), st, cell(s, r, v));
    }
  };
  Value from = e.roundDown(low, 2), to = e.mul(e.ceilDiv(high, 2), 2);
  e.when(e.lt(from, low), [&] { hide(from); });
  e.when(e.lt(high, to), [&] { hide(high); });
  e.loop(from, to, 2, [&](Value r) {
    Value next = e.add(r, 1);
    for (int64_t v = 0; v < qv; ++v) {
      Value column = e.add(e.mul(s, qs / 2), v * w / 2);
      auto round = [&](Value numbers, Value pairs) {
        Value both = e.roundBoth(e.loadVec(numbers, cell(s, r, v)),
                                 e.loadVec(numbers, cell(s, next, v)));
        e.storeVec(e.half(both, 0), pairs, {r, column});
        e.storeVec(e.half(both, 1), pairs, {next, column});
        return both;
      };
      round(pt, pq);
      e.storeVec(e.zipHalves(round(st, sq)), sk, {e.div(r, 2), lane(s, v)});
    }
  });
}

/// The last of an odd number of queries has a neighbour that is none: no
/// weight.
void GradKernel::dropLast(Value low, Value high) {
  Value first = arith::ConstantIntOp::create(e.b, e.loc, 0xffff, 32);
  e.when(e.cmp(arith::CmpIPredicate::ne, e.rem(rows, e.idx(2)), e.idx(0)), [&] {
    e.loop(low, high, 1, [&](Value r) {
      for (Value pairs : {pq, sq}) {
        SmallVector<Value> at = {r, e.div(rows, 2)};
        e.store(e.band(e.load(pairs, at), first), pairs, at);
      }
    });
  });
}

/// Rows [from, to) of the strip's columns have no visible pair.
void GradKernel::clear(Value s, Value from, Value to, Value mark) {
  if (!dot)
    return e.loop(from, to, 1, [&](Value r) {
      for (int64_t v = 0; v < qv; ++v) {
        e.storeVec(e.splat(mark), pt, {r, lane(s, v)});
        e.storeVec(e.numVec(0.0), st, {r, lane(s, v)});
      }
    });
  Value none = e.numVec(0.0), marked = e.splat(mark);
  Value zeros = e.roundBoth(none, none),
        markedPairs = e.roundBoth(marked, marked);
  e.loop(from, to, 2, [&](Value r) {
    for (int64_t v = 0; v < qv; ++v) {
      Value column = e.add(e.mul(s, qs / 2), v * w / 2);
      for (Value row : {r, e.add(r, 1)}) {
        e.storeVec(e.half(markedPairs, 0), pq, {row, column});
        e.storeVec(e.half(zeros, 0), sq, {row, column});
      }
      e.storeVec(e.zipHalves(zeros), sk, {e.div(r, 2), lane(s, v)});
    }
  });
}

/// Columns of sums, as many vectors at a time as accumulators hold. What the
/// rows of a tile or block hold in one panel is read again for every rowTile
/// sums.
void GradKernel::panels(int64_t width,
                        llvm::function_ref<void(Value, int64_t)> body) {
  int64_t step = columns * w, whole = width / step * step;
  if (whole)
    e.loop(e.idx(0), e.idx(whole), step,
           [&](Value base) { body(base, columns); });
  if (whole < width)
    body(e.idx(whole), (width - whole) / w);
}

/// rowTile rows of sums by `count` vectors: sum[at(row) + vector] += sum over k
/// in [from, to) of factor(row, k) * row(k)[vector]; k may number pairs. The
/// last index of `at` and `row` is the panel's first column.
void GradKernel::accumulate(Value sum, int64_t count, Value from, Value to,
                            llvm::function_ref<SmallVector<Value>(int64_t)> at,
                            llvm::function_ref<Value(int64_t, Value)> factor,
                            llvm::function_ref<Line(Value)> row) {
  auto vectorAt = [&](SmallVector<Value> indices, int64_t c) {
    indices.back() = e.add(indices.back(), c * w);
    return indices;
  };
  Vectors sums;
  for (int64_t r = 0; r < rowTile; ++r)
    for (int64_t c = 0; c < count; ++c)
      sums.push_back(e.loadVec(sum, vectorAt(at(r), c)));
  sums = e.loop(from, to, 1, sums, [&](Value k, ValueRange carried) {
    Vectors next(carried), vectors;
    Line line = row(k);
    for (int64_t c = 0; c < count; ++c)
      vectors.push_back(e.loadVec(line.buffer, vectorAt(line.at, c)));
    for (int64_t r = 0; r < rowTile; ++r) {
      Value x = e.splat(factor(r, k));
      for (int64_t c = 0; c < count; ++c)
        next[r * count + c] = multiplyAdd(x, vectors[c], next[r * count + c]);
    }
    return next;
  });
  for (int64_t r = 0; r < rowTile; ++r)
    for (int64_t c = 0; c < count; ++c)
      e.storeVec(sums[r * count + c], sum, vectorAt(at(r), c));
}

/// dV += P^T dO and dK += dS^T Q over rows [low, high) of the tile.
void GradKernel::keyGradients(Value j0, Value low, Value high) {
  Value firstOfBlock = dot ? e.div(i0, 2) : i0; // of queries, or of their pairs
  auto rowsOfSums = [&](Value weights, Value sum, Value rowsOf, Value base,
                        int64_t count, Value j) {
    // From the first to the last strip that sees any of these keys.
    Vectors seen = e.loop(
        e.idx(0), stripCount, 1, {rows, e.idx(0)},
        [&](Value s, ValueRange carried) {
          Value sees =
              e.band(e.lt(e.load(bounds, {s, e.idx(0)}), e.add(j, rowTile)),
                     e.lt(j, e.load(bounds, {s, e.idx(1)})));
          Value from = e.mul(s, qs), to = e.min(e.add(from, qs), rows);
          return Vectors{e.select(sees, e.min(carried[0], from), carried[0]),
                         e.select(sees, to, carried[1])};
        });
    accumulate(
        sum, count, dot ? e.div(seen[0], 2) : seen[0], pairsOf(seen[1]),
        [&](int64_t r) { return Vectors{b, g, e.add(j0, e.add(j, r)), base}; },
        [&](int64_t r, Value i) { return e.load(weights, {e.add(j, r), i}); },
        [&](Value i) {
          return Line{rowsOf, {b, h, e.add(firstOfBlock, i), base}};
        });
  };
  panels(ep, [&](Value base, int64_t count) {
    e.loop(low, high, rowTile, [&](Value j) {
      rowsOfSums(dot ? pq : pt, buf.dvSum, buf.dorows, base, count, j);
    });
  });
  panels(dp, [&](Value base, int64_t count) {
    e.loop(low, high, rowTile, [&](Value j) {
      rowsOfSums(dot ? sq : st, buf.dkSum, buf.qrows, base, count, j);
    });
  });
}

/// dQ += dS K over the keys that each strip sees.
void GradKernel::queryGradients() {
  Value factors = dot ? sk : st, keys = dot ? kPairs : kb;
  auto strip = [&](Value s, Value base, int64_t count) {
    Value from = e.load(bounds, {s, e.idx(0)}), to = e.load(bounds, {s, e.idx(1)});
    e.when(e.lt(from, to), [&] {
      e.loop(e.mul(s, qs), e.mul(e.add(s, 1), qs), rowTile, [&](Value i) {
        accumulate(
            buf.dqSum, count, dot ? e.div(from, 2) : from, pairsOf(to),
            [&](int64_t r) {
              return Vectors{b, h, e.add(i0, e.add(i, r)), base};
            },
            [&](int64_t r, Value j) {
              return e.load(factors, {j, e.add(i, r)});
            },
            [&](Value j) { return Line{keys, {j, base}}; });
      });
    });
  };
  panels(dp, [&](Value base, int64_t count) {
    e.loop(e.idx(0), stripCount, 1, [&](Value s) { strip(s, base, count); });
  });
}

/// All three, pair by pair, without those marked as hidden: 0 times what is not
/// finite would not be 0. Every sum has the order of the fast form.
void GradKernel::carefully(Value j0, Value low, Value high) {
  if (dot)
    return carefullyInPairs(j0, low, high);
  Value zero = e.num(0.0, e.state);
  e.loop(low, high, 1, [&](Value j) {
    e.loop(e.idx(0), rows, 1, [&](Value i) {
      Value p = e.load(pt, {j, i}), ds = e.load(st, {j, i});
      Value seen = e.fcmp(arith::CmpFPredicate::UGE, p, zero);
      auto add = [&](Value sum, ArrayRef<Value> at, Value factor, Value from,
                     ArrayRef<Value> fromAt, int64_t width) {
        SmallVector<Value> to(at), source(fromAt);
        for (int64_t column = 0; column < width; column += w) {
          to.back() = source.back() = e.idx(column);
          Value x = e.fma(e.splat(factor), e.loadVec(from, source), e.loadVec(sum, to));
          e.storeVec(x, sum, to);
        }
      };
      e.when(seen, [&] {
        Value z = e.idx(0), key = e.add(j0, j), query = e.add(i0, i);
        add(buf.dvSum, {b, g, key, z}, p, buf.dorows, {b, h, query, z}, ep);
        add(buf.dkSum, {b, g, key, z}, ds, buf.qrows, {b, h, query, z}, dp);
        add(buf.dqSum, {b, h, query, z}, ds, kb, {j, z}, dp);
      });
    });
  });
}

/// The same with pairs: what is hidden becomes 0 in both of the pairs that are
/// multiplied.
void GradKernel::carefullyInPairs(Value j0, Value low, Value high) {
  auto word = [&](int64_t value) {
    return arith::ConstantIntOp::create(e.b, e.loc, value, 32);
  };
  // Ones where the weight is not the mark, -1 as bf16.
  auto seen = [&](Value j, Value i) {
    Value mark = arith::ConstantIntOp::create(e.b, e.loc, 0xbf80, 16);
    Value shown = e.cmp(arith::CmpIPredicate::ne, e.load(marks, {j, i}), mark);
    return e.select(shown, word(0xffff), word(0));
  };
  auto join = [&](Value first, Value second) -> Value {
    return e.bor(first, arith::ShLIOp::create(e.b, e.loc, second, word(16)));
  };
  auto add = [&](Value sum, ArrayRef<Value> at, Value factor, Value shown,
                 const Line &from, int64_t width) {
    Line to = {sum, SmallVector<Value>(at)};
    for (int64_t column = 0; column < width; column += w) {
      Value c = e.idx(column);
      Value row =
          e.band(e.loadVec(from.buffer, from.column(c)), e.splat(shown));
      Value x = e.dotPairs(e.splat(e.band(factor, shown)), row,
                           e.loadVec(sum, to.column(c)));
      e.storeVec(x, sum, to.column(c));
    }
  };
  auto some = [&](Value shown, llvm::function_ref<void()> body) {
    e.when(e.cmp(arith::CmpIPredicate::ne, shown, word(0)), body);
  };
  Value z = e.idx(0);
  e.loop(low, high, 1, [&](Value j) {
    e.loop(z, pairsOf(rows), 1, [&](Value t) {
      Value i = e.mul(t, 2), next = e.add(i, 1);
      Value shown =
          join(seen(j, i), e.select(e.lt(next, rows), seen(j, next), word(0)));
      some(shown, [&] {
        Value key = e.add(j0, j), pair = e.add(e.div(i0, 2), t);
        add(buf.dvSum, {b, g, key, z}, e.load(pq, {j, t}), shown,
            {buf.dorows, {b, h, pair, z}}, ep);
        add(buf.dkSum, {b, g, key, z}, e.load(sq, {j, t}), shown,
            {buf.qrows, {b, h, pair, z}}, dp);
      });
    });
  });
  e.loop(e.div(low, 2), pairsOf(high), 1, [&](Value m) {
    e.loop(z, rows, 1, [&](Value i) {
      Value j = e.mul(m, 2), shown = join(seen(j, i), seen(e.add(j, 1), i));
      some(shown, [&] {
        add(buf.dqSum, {b, h, e.add(i0, i), z}, e.load(sk, {m, i}), shown,
            {kPairs, {m, z}}, dp);
      });
    });
  });
}

/// Which keys of the tile each strip of the block sees, to `bounds`; from the first
/// to the last of all of them, and whether a strip holds numbers that are not finite.
GradKernel::Vectors GradKernel::findBounds(Value j0, Value count) {
  Value none = arith::ConstantIntOp::create(e.b, e.loc, 0, 8);
  return e.loop(e.idx(0), stripCount, 1, {count, e.idx(0), none}, [&](Value s, ValueRange carried) {
    Value first = e.add(i0, e.mul(s, qs));
    Value last = e.min(e.add(first, qs), e.add(i0, rows));
    KeySlots range = view.range(e, b, h, g, first, last);
    Value low = e.max(e.sub(range.begin, j0), e.idx(0));
    Value high = e.min(e.sub(range.end, j0), count);
    Value any = e.lt(low, high);
    Value full =
        e.band(e.le(range.fullBegin, e.add(j0, low)), e.le(e.add(j0, high), range.fullEnd));
    if (view.blockTable) {
      Value entry = e.load(view.blockTable, {b, h, e.div(first, qs), e.div(j0, kt)});
      any = e.band(any, e.cmp(arith::CmpIPredicate::ne, entry, none));
      full = e.bor(full, e.cmp(arith::CmpIPredicate::eq, entry,
                               arith::ConstantIntOp::create(e.b, e.loc, 2, 8)));
    }
    low = e.select(any, low, e.idx(0));
    high = e.select(any, high, e.idx(0));
    e.store(low, bounds, {s, e.idx(0)});
    e.store(high, bounds, {s, e.idx(1)});
    e.store(e.select(full, e.idx(1), e.idx(0)), bounds, {s, e.idx(2)});
    Value odd = e.load(buf.odd, {b, h, e.div(first, qs)});
    return Vectors{e.select(any, e.min(carried[0], low), carried[0]), e.max(carried[1], high),
                   e.bor(carried[2], odd)};
  });
}

/// The block of queries from i0 of head h on the tile from j0.
void GradKernel::block(Value j0, Value count, bool side) {
  Vectors found = findBounds(j0, count);
  Value none = arith::ConstantIntOp::create(e.b, e.loc, 0, 8);
  Value odd = e.bor(oddKeys, e.cmp(arith::CmpIPredicate::ne, found[2], none));
  e.when(e.lt(found[0], found[1]), [&] {
    Value from = e.roundDown(found[0], clearUnit);
    Value to = e.mul(e.ceilDiv(found[1], clearUnit), clearUnit);
    Value mark = e.select(odd, e.num(-1.0, e.state), e.num(0.0, e.state));
    e.loop(e.idx(0), stripCount, 1, [&](Value s) {
      Value low = e.load(bounds, {s, e.idx(0)}), high = e.load(bounds, {s, e.idx(1)});
      e.when(e.lt(low, high), [&] {
        Value lowTile = e.roundDown(low, unit),
              highTile = e.mul(e.ceilDiv(high, unit), unit);
        Value full = e.cmp(arith::CmpIPredicate::eq,
                           e.load(bounds, {s, e.idx(2)}), e.idx(1));
        auto score = [&](Value low, Value high) {
          auto plain = [&] {
            if (!host.hasVisible())
              return pairs(s, j0, low, high, Form::Plain, side);
            e.when(
                full, [&] { pairs(s, j0, low, high, Form::Plain, side); },
                [&] { pairs(s, j0, low, high, Form::Masked, side); });
          };
          e.when(
              odd, [&] { pairs(s, j0, low, high, Form::Careful, side); },
              plain);
        };
        // With pairs a few rows at a time: what is not rounded stays in the
        // innermost cache.
        e.loop(lowTile, highTile, stepRows, [&](Value j) {
          Value end = e.min(e.add(j, stepRows), highTile);
          base = j;
          products(s, j, end, kb, buf.qt, pt);
          products(s, j, end, vb, buf.doutT, st);
          Value first = e.max(j, low), last = e.min(end, high);
          score(first, last);
          if (dot && !side)
            roundRows(s, first, last, mark);
        });
        if (side)
          return;
        tally(1, e.idx(1));
        if (host.hasVisible())
          e.when(e.bor(full, odd), [] {}, [&] { tally(2, e.idx(1)); });
      });
      if (side)
        return;
      // Pairs outside of what the strip sees, inside of what the block does.
      Value empty = e.le(high, low);
      if (dot) {
        low = e.roundDown(low, 2);
        high = e.mul(e.ceilDiv(high, 2), 2);
      }
      clear(s, from, e.select(empty, to, low), mark);
      clear(s, e.select(empty, to, high), to, mark);
    });
    if (side)
      return;
    if (dot)
      dropLast(from, to);
    e.when(
        odd,
        [&] {
          tally(0, e.idx(1));
          carefully(j0, found[0], found[1]);
        },
        [&] {
          keyGradients(j0, from, to);
          queryGradients();
        });
  });
}

/// The scratch buffers of a task: bounds, K, V, P and dS, then what pairs need.
SmallVector<MemRefType> GradKernel::scratchBuffers() {
  Type state = e.state, pair = e.b.getI32Type(), index = e.b.getIndexType();
  auto buffer = [](ArrayRef<int64_t> shape, Type type) {
    return MemRefType::get(shape, type);
  };
  if (!dot)
    return {buffer({strips, 3}, index), buffer({tileRows, dp}, state),
            buffer({tileRows, ep}, state), buffer({tileRows, blk}, state),
            buffer({tileRows, blk}, state)};
  return {buffer({strips, 3}, index),
          buffer({tileRows, pairsOf(host.d)}, pair),
          buffer({tileRows, pairsOf(host.dv)}, pair),
          buffer({stepRows, qs}, state),
          buffer({stepRows, qs}, state),
          buffer({tileRows / 2, dp}, pair),
          buffer({tileRows, blk / 2}, pair),
          buffer({tileRows, blk / 2}, pair),
          buffer({tileRows / 2, blk}, pair)};
}

/// A task of one part of the keys and one of the queries; `side`: of one part of
/// the keys and all else.
func::FuncOp GradKernel::emitTiles(bool side) {
  Outliner::Block task = open(side ? "attn_grad_aux" : "attn_grad_tile");
  SmallVector<Value *> buffers = {&bounds, &kb, &vb, &pt, &st};
  if (dot)
    buffers.append({&kPairs, &pq, &sq, &sk});
  int64_t offset = 0;
  for (auto [buffer, type] : llvm::zip(buffers, scratchBuffers())) {
    *buffer = outliner.scratchBuffer(task.scratch, e.idx(offset), type, {});
    if (buffer == &pq)
      marks = outliner.scratchBuffer(
          task.scratch, e.idx(offset),
          MemRefType::get({tileRows, blk}, e.b.getI16Type()), {});
    offset += bytesOf(type);
  }

  auto tiles = [&](Value firstQuery, Value lastQuery) {
    Value firstKey = e.mul(part, buf.keyPart);
    Value lastKey = e.min(e.add(firstKey, buf.keyPart), view.sk);
    e.loop(firstKey, lastKey, kt, [&](Value j0) {
      Value count = e.min(e.sub(lastKey, j0), e.idx(kt));
      stage(j0, count);
      e.loop(e.idx(0), view.group, 1, [&](Value n) {
        h = e.add(e.mul(g, view.group), n);
        e.loop(firstQuery, lastQuery, blk, [&](Value i) {
          i0 = i;
          rows = e.min(e.sub(lastQuery, i0), e.idx(blk));
          stripCount = e.ceilDiv(rows, qs);
          block(j0, count, side);
        });
      });
    });
  };
  if (side) {
    part = task.task;
    e.loop(e.idx(0), view.batch, 1, [&](Value batch) {
      b = batch;
      e.loop(e.idx(0), view.hkv, 1, [&](Value group) {
        g = group;
        tiles(e.idx(0), view.sq);
      });
    });
    close(task);
    return task.func;
  }
  Value heads = e.mul(view.batch, view.hkv);
  Value head = e.rem(task.task, heads);
  part = e.div(task.task, heads);
  b = e.div(head, view.hkv);
  g = e.rem(head, view.hkv);
  Value step = e.load(buf.step, {e.idx(0)});
  // The first step finds the sums of its keys as they were allocated.
  e.when(e.cmp(arith::CmpIPredicate::eq, step, e.idx(0)), [&] {
    Value first = e.mul(part, buf.keyPart);
    Value end = e.min(e.add(first, buf.keyPart), e.mul(e.ceilDiv(view.sk, kt), kt));
    e.loop(first, end, 1, [&](Value j) {
      for (auto [sum, width] : {std::pair{buf.dkSum, dp}, {buf.dvSum, ep}})
        for (int64_t column = 0; column < width; column += w)
          e.storeVec(e.numVec(0.0), sum, {b, g, j, e.idx(column)});
    });
  });
  Value turn = e.rem(e.add(part, step), buf.parts);
  Value firstQuery = e.mul(turn, buf.queryPart);
  tiles(firstQuery, e.min(e.add(firstQuery, buf.queryPart), view.sq));
  close(task);
  return task.func;
}

void mlir::attn::lowerGradToTasks(Emit &e, Outliner &outliner, const LoopView &host,
                                  KeyLoopGradOp grad) {
  GradKernel(e, outliner, host, grad).run();
}
