//===- GradKernel.cpp - The kernels of a gradient -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Buffers, the order of the tasks, and the task of one part of the keys.
//===----------------------------------------------------------------------===//

#include "GradKernel.h"

using namespace mlir;
using namespace mlir::attn;

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
  if (host.pageSize) {
    Value tables = e.dim(host.pageTable, 1), entries = e.dim(host.pageTable, 2);
    Type index = e.b.getIndexType();
    to.pageStarts = alloc({tables, e.add(pageCount(host), 2)}, {}, index);
    to.pageOwners = alloc({tables, e.mul(host.batch, entries)}, {2}, index);
  }
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
  if (host.pageSize) {
    outliner.parallelFor(emitPageIndex(), context, e.dim(host.pageTable, 1), none);
    Value units = e.ceilDiv(pageCount(host), pagesAtOnce());
    outliner.parallelFor(emitWritePages(), context, e.mul(host.hkv, units), none);
  } else {
    outliner.parallelFor(emitWrite(/*keys=*/true), context,
                         e.mul(keyHeads, e.ceilDiv(host.sk, kt)), none);
  }
  if (host_.dsinks)
    outliner.parallelFor(emitSinks(), context, host.hq, none);
  if (!host_.sums.empty()) {
    outliner.parallelFor(emitTiles(/*side=*/true), context, host_.parts, scratch);
    finishSums();
  }
  freeAll();
}

//===----------------------------------------------------------------------===//
// A tile of keys and a block of queries
//===----------------------------------------------------------------------===//

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
