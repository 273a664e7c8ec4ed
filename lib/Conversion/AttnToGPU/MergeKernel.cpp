//===- MergeKernel.cpp - The GPU kernel that merges parts of keys -*- C++
//-*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One block per row; a thread per value column. Parts are merged in their
// order.
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Warp.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

RowEnd mlir::attn::endRow(Emit &e, const LoopView &view, Value h, Value m,
                          Value l) {
  Value ninf = e.num(-std::numeric_limits<double>::infinity(), e.state);
  Value zero = e.num(0.0, e.state), one = e.num(1.0, e.state);
  double natural = view.naturalFactor();
  Value factor = one;
  if (view.sinks) {
    // One extra state (o = 0, lse = sink), merged once, in natural units.
    Value sink = e.widen(e.load(view.sinks, {h}));
    Value top = e.fmax(sink, e.fmul(m, e.num(natural, e.state)));
    Value none = e.fcmp(arith::CmpFPredicate::OEQ, top, ninf);
    Value safe = e.select(none, zero, top);
    Value away = e.scaledSum(m, natural, e.fsub(zero, safe));
    factor = e.exp2(e.fmul(away, e.num(LoopView::kLog2e, e.state)));
    // No key at all: -inf times the parts of a factor need not be -inf.
    factor = e.select(e.fcmp(arith::CmpFPredicate::OEQ, m, ninf), zero, factor);
    l = e.fadd(e.fmul(l, factor), e.weight(sink, safe, LoopView::kLog2e));
    m = top;
    natural = 1.0;
  }
  Value empty = e.fcmp(arith::CmpFPredicate::OEQ, l, zero);
  Value safeSum = e.select(empty, one, l);
  Value lse = e.select(empty, ninf, e.logSumExp(m, natural, safeSum));
  return {e.fmul(factor, e.fdiv(one, safeSum)), lse};
}

KernelModule::Kernel mlir::attn::emitMerge(Emit &e, KernelModule &kernels,
                                           const LoopView &host,
                                           const DeviceWork &hostWork) {
  SmallVector<Value> captured = host.values();
  size_t own = captured.size();
  captured.append(hostWork.values());
  KernelModule::Kernel kernel =
      kernels.open("attn_merge", ValueRange(captured).getTypes());
  LoopView view = host.over(ValueRange(kernel.captured).take_front(own));
  DeviceWork work =
      DeviceWork::over(ValueRange(kernel.captured).drop_front(own));
  Warp warp(e);
  warp.open(kernel.shared);
  Value i = e.rem(kernel.block, view.sq), head = e.div(kernel.block, view.sq);
  Value b = e.div(head, view.hq), h = e.rem(head, view.hq);
  Value ninf = e.num(-std::numeric_limits<double>::infinity(), e.state);
  Value zero = e.num(0.0, e.state);
  auto stateAt = [&](Value s, int64_t n) {
    return e.load(work.state, {b, h, i, s, e.idx(n)});
  };
  Value top = e.loop(
      e.idx(0), work.splits, 1, {ninf}, [&](Value s, ValueRange carried) {
        return SmallVector<Value>{e.fmax(stateAt(s, 0), carried[0])};
      })[0];
  Value safe =
      e.select(e.fcmp(arith::CmpFPredicate::OEQ, top, ninf), zero, top);
  auto share = [&](Value s) {
    return e.weight(stateAt(s, 0), safe, host.log2Factor());
  };
  Value sum = e.loop(
      e.idx(0), work.splits, 1, {zero}, [&](Value s, ValueRange carried) {
        return SmallVector<Value>{e.fma(stateAt(s, 1), share(s), carried[0])};
      })[0];
  RowEnd end = endRow(e, view, h, top, sum);
  e.loop(e.toIndex(warp.thread()), e.idx(host.dv), kThreads, [&](Value column) {
    Value total = e.loop(
        e.idx(0), work.splits, 1, {zero}, [&](Value s, ValueRange carried) {
          return SmallVector<Value>{e.fma(
              e.load(work.out, {b, h, i, s, column}), share(s), carried[0])};
        })[0];
    e.store(e.narrow(e.fmul(total, end.factor), host.storage), view.out,
            view.qAt(b, h, i, column));
  });
  if (view.lse)
    e.when(e.cmp(arith::CmpIPredicate::eq, warp.thread(), warp.i32(0)),
           [&] { e.store(end.lse, view.lse, {b, h, i}); });
  kernels.close();
  return kernel;
}
