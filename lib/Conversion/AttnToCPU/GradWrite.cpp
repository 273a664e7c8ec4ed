//===- GradWrite.cpp - The sums of a gradient to its results -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding, and what is added up once all tiles are done.
//===----------------------------------------------------------------------===//

#include "GradKernel.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

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

/// A row of sums to a result, in its type.
void GradKernel::write(const Line &sum, int64_t width, const Line &to) {
  int64_t column = 0;
  auto at = [&](const Line &line) { return line.column(e.idx(column)); };
  for (; column + w <= width; column += w)
    e.storeVec(e.narrow(e.loadVec(sum.buffer, at(sum)), host.storage), to.buffer, at(to));
  for (; column < width; ++column)
    e.store(e.narrow(e.load(sum.buffer, at(sum)), host.storage), to.buffer, at(to));
}

/// Sums of slots to results.
func::FuncOp GradKernel::emitWrite(bool keys) {
  Outliner::Block block = open(keys ? "attn_grad_write_keys" : "attn_grad_write_queries");
  int64_t unit = keys ? kt : qs;
  Value size = keys ? view.sk : view.sq, heads = keys ? view.hkv : view.hq;
  Value units = e.ceilDiv(size, unit);
  Value first = e.mul(e.rem(block.task, units), unit), head = e.div(block.task, units);
  b = e.div(head, heads);
  h = e.rem(head, heads);
  Value zero = e.idx(0);
  e.loop(first, e.min(e.add(first, unit), size), 1, [&](Value row) {
    auto sums = [&](Value sum, int64_t width, Value to, ArrayRef<int64_t> order) {
      write({sum, {b, h, row, zero}}, width, {to, LoopView::at(order, b, h, row, zero)});
    };
    if (!keys)
      return sums(buf.dqSum, host.d, buf.dq, view.axes.getQ());
    sums(buf.dkSum, host.d, buf.dk, view.axes.getK());
    sums(buf.dvSum, host.dv, buf.dv, view.axes.getV());
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
// Pages
//===----------------------------------------------------------------------===//

/// The index of one head's part of the page table, by counting: owners
/// [starts[n], starts[n + 1]) are what lists page n, each a batch entry and its
/// first slot there, in rising order of batch entries.
func::FuncOp GradKernel::emitPageIndex() {
  Outliner::Block block = open("attn_grad_page_index");
  Value t = block.task, pages = pageCount(view), zero = e.idx(0);
  Value starts = buf.pageStarts, owners = buf.pageOwners;
  e.loop(zero, e.add(pages, 2), 1, [&](Value n) { e.store(zero, starts, {t, n}); });
  auto forEntries = [&](llvm::function_ref<void(Value b, Value place, Value n)> body) {
    e.loop(zero, view.batch, 1, [&](Value b) {
      e.loop(zero, e.dim(view.pageTable, 2), 1, [&](Value place) {
        Value n = e.toIndex(e.load(view.pageTable, {b, t, place}));
        e.when(e.le(zero, n), [&] { body(b, place, n); });
      });
    });
  };
  // Counts stand two places on; their sums, one place on, are where the next
  // owner goes, and so end as starts.
  forEntries([&](Value, Value, Value n) {
    SmallVector<Value> at = {t, e.add(n, 2)};
    e.store(e.add(e.load(starts, at), 1), starts, at);
  });
  e.loop(zero, pages, 1, {zero}, [&](Value n, ValueRange before) {
    SmallVector<Value> at = {t, e.add(n, 1)};
    Value sum = e.add(before[0], e.load(starts, at));
    e.store(sum, starts, at);
    return Vectors{sum};
  });
  forEntries([&](Value b, Value place, Value n) {
    SmallVector<Value> at = {t, e.add(n, 1)};
    Value next = e.load(starts, at);
    e.store(b, owners, {t, next, zero});
    e.store(e.mul(place, host.pageSize), owners, {t, next, e.idx(1)});
    e.store(e.add(next, 1), starts, at);
  });
  close(block);
  return block.func;
}

/// Sums of slots to pages. The first owner's rows gain those of the others: no
/// other task has any of them.
func::FuncOp GradKernel::emitWritePages() {
  Outliner::Block block = open("attn_grad_write_pages");
  Value pages = pageCount(view), zero = e.idx(0), size = e.idx(host.pageSize);
  Value units = e.ceilDiv(pages, pagesAtOnce());
  Value unit = e.rem(block.task, units), first = e.mul(unit, pagesAtOnce());
  g = e.div(block.task, units);
  Value tables = e.dim(view.pageTable, 1);
  // One table for all heads, or one each.
  Value t = e.min(g, e.sub(tables, e.idx(1)));
  struct Result {
    Value sum, to;
    ArrayRef<int64_t> order;
    int64_t width, padded;
  };
  Result results[] = {{buf.dkSum, buf.dk, view.axes.getK(), host.d, dp},
                      {buf.dvSum, buf.dv, view.axes.getV(), host.dv, ep}};
  auto forRows = [&](llvm::function_ref<void(const Result &, Value row)> body) {
    e.loop(zero, size, 1, [&](Value row) {
      for (const Result &result : results)
        body(result, row);
    });
  };
  // A row of the sums of a page's owner.
  auto owned = [&](const Result &result, Value owner, Value row) {
    Value batch = e.load(buf.pageOwners, {t, owner, zero});
    Value slot = e.load(buf.pageOwners, {t, owner, e.idx(1)});
    return Line{result.sum, {batch, g, e.add(slot, row), zero}};
  };
  e.loop(first, e.min(e.add(first, pagesAtOnce()), pages), 1, [&](Value n) {
    Value begin = e.load(buf.pageStarts, {t, n}), end = e.load(buf.pageStarts, {t, e.add(n, 1)});
    auto to = [&](const Result &result, Value row) {
      return Line{result.to, LoopView::at(result.order, n, g, row, zero)};
    };
    auto sums = [&] {
      e.loop(e.add(begin, 1), end, 1, [&](Value owner) {
        forRows([&](const Result &result, Value row) {
          Line sum = owned(result, begin, row), more = owned(result, owner, row);
          for (int64_t column = 0; column < result.padded; column += w) {
            Value c = e.idx(column);
            Value x = e.loadVec(sum.buffer, sum.column(c));
            Value y = e.loadVec(more.buffer, more.column(c));
            e.storeVec(e.fadd(x, y), sum.buffer, sum.column(c));
          }
        });
      });
      forRows([&](const Result &result, Value row) {
        write(owned(result, begin, row), result.width, to(result, row));
      });
    };
    e.when(e.lt(begin, end), sums, [&] {
      forRows([&](const Result &result, Value row) { zeroLine(e, to(result, row)); });
    });
  });
  close(block);
  return block.func;
}
