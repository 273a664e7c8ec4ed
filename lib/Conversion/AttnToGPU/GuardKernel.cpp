//===- GuardKernel.cpp - The GPU kernel that repeats a block with care -*- C++
//-*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// 0 * NaN is NaN: where a result is not finite, a masked value may have leaked.
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Warp.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

// One thread per row, one key after the other; masked keys are not read at all.
// Slow and rare: a block whose flag is not set ends at once.

KernelModule::Kernel mlir::attn::emitGuard(Emit &e, KernelModule &kernels,
                                           const LoopView &host,
                                           const DeviceWork &hostWork,
                                           int64_t rows, int64_t &sharedBytes) {
  SmallVector<Value> captured = host.values();
  size_t own = captured.size();
  captured.append(hostWork.values());
  KernelModule::Kernel kernel =
      kernels.open("attn_guard", ValueRange(captured).getTypes());
  LoopView view = host.over(ValueRange(kernel.captured).take_front(own));
  DeviceWork work =
      DeviceWork::over(ValueRange(kernel.captured).drop_front(own));
  auto &op = const_cast<KeyLoopOp &>(host.op);
  Warp warp(e);
  warp.open(kernel.shared);
  // The row's sum of values lies in shared memory: an odd pitch in words.
  int64_t pitch = 4 * (host.dv | 1);
  sharedBytes = rows * pitch;
  Value ninf = e.num(-std::numeric_limits<double>::infinity(), e.state);
  Value zero = e.num(0.0, e.state);
  Value task = kernel.block;
  Value heads = e.mul(view.batch, view.hq), blocks = e.ceilDiv(view.sq, rows);
  Value head = e.rem(task, heads);
  Value index = e.sub(e.sub(blocks, e.idx(1)), e.div(task, heads));
  Value b = e.div(head, view.hq), h = e.rem(head, view.hq),
        g = e.div(h, view.group);
  Value i = e.add(e.mul(index, rows), e.toIndex(warp.thread()));
  Value flag = e.loop(e.idx(0), work.splits, 1, {warp.i32(0)},
                      [&](Value s, ValueRange carried) {
                        Value one = e.load(
                            work.flags, {e.add(e.mul(task, work.splits), s)});
                        return SmallVector<Value>{
                            arith::OrIOp::create(e.b, e.loc, carried[0], one)};
                      })[0];
  Value mine = e.band(e.lt(i, view.sq), e.cmp(arith::CmpIPredicate::ult,
                                              warp.thread(), warp.i32(rows)));
  mine = e.band(mine, e.cmp(arith::CmpIPredicate::ne, flag, warp.i32(0)));
  e.when(mine, [&] {
    auto sumAt = [&](Value column) {
      return warp.add(warp.mul(warp.thread(), pitch),
                      warp.mul(e.toI32(column), 4));
    };
    e.loop(e.idx(0), e.idx(host.dv), 1,
           [&](Value column) { warp.storeShared(zero, sumAt(column), 4); });
    KeySlots range = view.range(e, b, h, g, i, e.add(i, 1));
    Value i32 = e.toI32(i);
    auto form = [&](Region &region, bool isScore, Value j, Value x) {
      ScalarRegion scalar(region, isScore);
      view.bindCommon(e, scalar, b, h, g);
      scalar.bind(3, i32);
      scalar.bind(4, e.toI32(j));
      return scalar.finish(e, x);
    };
    using Values = SmallVector<Value>;
    Values state = e.loop(
        range.begin, range.end, 1, {ninf, zero},
        [&](Value j, ValueRange carried) -> Values {
          LoopView::Row row = view.locate(e, b, g, j);
          auto key = [&]() -> Values {
            Value s =
                e.loop(e.idx(0), e.idx(host.d), 1, {zero},
                       [&](Value d, ValueRange sum) {
                         Value x =
                             e.widen(e.load(view.q, view.qAt(b, h, i, d)));
                         Value y = e.widen(e.load(view.k, view.kAt(row, g, d)));
                         return Values{e.fma(x, y, sum[0])};
                       })[0];
            if (host.hasScore() || host.scale <= 0)
              s = e.fmul(s, e.num(host.scale, e.state));
            if (host.hasScore())
              s = form(op.getScore(), true, j, s);
            // -inf hides its key as a mask would.
            Value hidden = e.fcmp(arith::CmpFPredicate::OEQ, s, ninf);
            return e.choose(
                hidden, [&]() -> Values { return Values(carried); },
                [&]() -> Values {
                  Value m = e.fmax(s, carried[0]);
                  Value shrink = e.weight(carried[0], m, host.log2Factor());
                  // Nothing was seen before: -inf - -inf is not 0.
                  shrink = e.select(
                      e.fcmp(arith::CmpFPredicate::OEQ, carried[0], ninf), zero,
                      shrink);
                  Value p = e.weight(s, m, host.log2Factor());
                  e.loop(e.idx(0), e.idx(host.dv), 1, [&](Value column) {
                    Value old = warp.loadShared(e.state, sumAt(column), 4);
                    Value y = e.widen(e.load(view.v, view.vAt(row, g, column)));
                    warp.storeShared(e.fma(p, y, e.fmul(old, shrink)),
                                     sumAt(column), 4);
                  });
                  return {m, e.fma(carried[1], shrink, p)};
                });
          };
          auto seen = [&]() -> Values {
            if (!host.hasVisible())
              return key();
            return e.choose(form(op.getVisible(), false, j, {}), key,
                            [&]() -> Values { return Values(carried); });
          };
          if (!row.present)
            return seen();
          return e.choose(row.present, seen,
                          [&]() -> Values { return Values(carried); });
        });
    RowEnd end = endRow(e, view, h, state[0], state[1]);
    e.loop(e.idx(0), e.idx(host.dv), 1, [&](Value column) {
      Value x = e.fmul(warp.loadShared(e.state, sumAt(column), 4), end.factor);
      e.store(e.narrow(x, host.storage), view.out, view.qAt(b, h, i, column));
    });
    if (view.lse)
      e.store(end.lse, view.lse, {b, h, i});
  });
  kernels.close();
  return kernel;
}
