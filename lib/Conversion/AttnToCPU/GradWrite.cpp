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
