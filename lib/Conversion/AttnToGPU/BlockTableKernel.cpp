//===- BlockTableKernel.cpp - Looking at a mask block by block on a GPU -*- C++
//-*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One thread block per block of the mask; its threads share the pairs.
//===----------------------------------------------------------------------===//

#include "../KeyLoop/Checks.h"
#include "Kernels.h"
#include "Warp.h"

using namespace mlir;
using namespace mlir::attn;

void mlir::attn::lowerBlockTableToKernel(ModuleOp module, OpBuilder &b,
                                         BlockTableOp op) {
  b.setInsertionPoint(op);
  Location loc = op.getLoc();
  Emit e(b, loc, b.getF32Type(), /*lanes=*/0, /*hasFma=*/true,
         /*hasHalf=*/true);
  Outliner outliner(module, b, loc);
  KernelModule kernels(module, b, loc, outliner);
  emitChecks(e, outliner, op);
  Value hostOut = op.getOut();
  Value perGroup =
      e.max(e.div(op.getHeads(), e.max(op.getKvHeads(), e.idx(1))), e.idx(1));
  AuxViews views = viewAux(e, op.getAuxRoles(), op.getAux());
  SmallVector<Value> values = {hostOut, perGroup, op.getQueries(),
                               op.getKeys()};
  llvm::append_range(values, views.buffers);
  SmallVector<Type> types(ValueRange(values).getTypes());
  Value entries = e.idx(1);
  for (int64_t axis = 0; axis < 4; ++axis)
    entries = e.mul(entries, e.dim(hostOut, axis));

  KernelModule::Kernel kernel = kernels.open("attn_block_table", types);
  Warp warp(e);
  warp.open(kernel.shared);
  Value out = kernel.captured[0], group = kernel.captured[1],
        sq = kernel.captured[2], sk = kernel.captured[3];
  ArrayRef<Value> aux = ArrayRef<Value>(kernel.captured).drop_front(4);
  Value rest = kernel.block;
  SmallVector<Value> at(4);
  for (int64_t axis = 3; axis >= 0; --axis) {
    Value size = e.dim(out, axis);
    at[axis] = e.rem(rest, size);
    rest = e.div(rest, size);
  }
  Value bIndex = at[0], h = at[1], g = e.div(h, group);
  int64_t width = op.getKeyBlock();
  Value i0 = e.mul(at[2], op.getQueryBlock()), j0 = e.mul(at[3], width);
  Value i1 = e.min(e.add(i0, e.idx(op.getQueryBlock())), sq);
  Value j1 = e.min(e.add(j0, e.idx(width)), sk);
  SmallVector<Value> arguments = {bIndex, h, g, i0, i1, sq, sk};
  llvm::append_range(arguments, aux);
  KeySlots range = writeRange(e, op.getRange(), arguments);

  // Bit 0: a visible pair was met; bit 1: a hidden one.
  Value pairs = e.mul(e.sub(i1, i0), width);
  Value bits = e.loop(
      e.toIndex(warp.thread()), pairs, kThreads, {warp.i32(0)},
      [&](Value pair, ValueRange carried) {
        Value i = e.add(i0, e.div(pair, width)),
              j = e.add(j0, e.rem(pair, e.idx(width)));
        Value inside = e.band(e.le(range.begin, j), e.lt(j, range.end));
        Value mine = e.choose(
            e.lt(j, j1),
            [&]() -> SmallVector<Value> {
              return e.choose(
                  inside,
                  [&]() -> SmallVector<Value> {
                    ScalarRegion form(op.getVisible(), /*isScore=*/false);
                    for (auto [index, value] : llvm::enumerate(
                             ArrayRef<Value>{bIndex, h, g, i, j, sq, sk}))
                      form.bind(index, e.toI32(value));
                    form.bindAux(aux, views.captures);
                    return {e.select(form.finish(e), warp.i32(1), warp.i32(2))};
                  },
                  [&]() -> SmallVector<Value> { return {warp.i32(2)}; });
            },
            [&]() -> SmallVector<Value> { return {warp.i32(0)}; })[0];
        return SmallVector<Value>{
            arith::OrIOp::create(b, loc, carried[0], mine)};
      })[0];
  auto has = [&](Value x, int64_t bit) {
    return e.cmp(arith::CmpIPredicate::ne,
                 arith::AndIOp::create(b, loc, x, warp.i32(bit)), warp.i32(0));
  };
  Value joined = arith::OrIOp::create(
      b, loc, e.select(warp.any(has(bits, 1)), warp.i32(1), warp.i32(0)),
      e.select(warp.any(has(bits, 2)), warp.i32(2), warp.i32(0)));
  e.when(e.cmp(arith::CmpIPredicate::eq, warp.lane(), warp.i32(0)),
         [&] { warp.storeShared(joined, warp.mul(warp.warp(), 4), 4); });
  warp.barrier();
  e.when(e.cmp(arith::CmpIPredicate::eq, warp.thread(), warp.i32(0)), [&] {
    Value all = warp.i32(0);
    for (int64_t n = 0; n < kThreads / 32; ++n)
      all = arith::OrIOp::create(
          b, loc, all, warp.loadShared(b.getI32Type(), warp.i32(4 * n), 4));
    auto byte = [&](int64_t value) -> Value {
      return arith::ConstantIntOp::create(b, loc, value, 8);
    };
    Value some = e.select(has(all, 2), byte(1), byte(2));
    e.store(e.select(has(all, 1), some, byte(0)), out, at);
  });
  kernels.close();
  kernels.launch(e, kernel, entries, e.idx(1), 4 * (kThreads / 32),
                 outliner.pack(values));
  op.erase();
}
