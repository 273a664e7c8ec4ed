//===- Strips.cpp - Products of a strip of queries -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Queries in the lanes, keys as broadcast rows.
//===----------------------------------------------------------------------===//

#include "Strips.h"

using namespace mlir;
using namespace mlir::attn;

SmallVector<Value>
mlir::attn::stripProducts(Emit &e, ScheduleAttr schedule, int64_t depth,
                          bool pairs,
                          llvm::function_ref<Value(int64_t, Value)> key,
                          llvm::function_ref<Value(Value, int64_t)> query) {
  int64_t kr = schedule.getKeyRows(), qv = schedule.getQVectors();
  auto step = [&](Value d, ValueRange accumulators) {
    SmallVector<Value> next(accumulators), queries;
    for (int64_t v = 0; v < qv; ++v)
      queries.push_back(query(d, v));
    for (int64_t r = 0; r < kr; ++r) {
      Value x = e.splat(key(r, d));
      for (int64_t v = 0; v < qv; ++v)
        next[r * qv + v] = pairs ? e.dotPairs(x, queries[v], next[r * qv + v])
                                 : e.fma(x, queries[v], next[r * qv + v]);
    }
    return next;
  };
  SmallVector<Value> zeros(kr * qv, e.numVec(0.0));
  constexpr int64_t unroll = 4;
  // From column `from` on, `count` of them.
  auto chain = [&](Value from, int64_t count) {
    int64_t whole = count / unroll * unroll;
    SmallVector<Value> sums = zeros;
    if (whole)
      sums = e.loop(from, e.add(from, whole), unroll, sums,
                    [&](Value d, ValueRange accumulators) {
                      SmallVector<Value> next(accumulators);
                      for (int64_t u = 0; u < unroll; ++u)
                        next = step(e.add(d, u), next);
                      return next;
                    });
    for (int64_t d = whole; d < count; ++d)
      sums = step(e.add(from, d), sums);
    return sums;
  };
  auto plus = [&](ValueRange sums, ArrayRef<Value> more) {
    SmallVector<Value> totals;
    for (auto [sum, other] : llvm::zip(sums, more))
      totals.push_back(e.fadd(sum, other));
    return totals;
  };
  if (depth <= kChain)
    return chain(e.idx(0), depth);
  int64_t chains = depth / kChain * kChain;
  SmallVector<Value> sums = e.loop(
      e.idx(0), e.idx(chains), kChain, zeros,
      [&](Value d, ValueRange totals) { return plus(totals, chain(d, kChain)); });
  if (chains < depth)
    sums = plus(sums, chain(e.idx(chains), depth - chains));
  return sums;
}

SmallVector<Value> mlir::attn::rowLanes(Emit &e, ScheduleAttr schedule, Value first,
                                        Value count) {
  SmallVector<Value> lanes;
  Value last = e.splat(e.toI32(e.sub(count, e.idx(1))));
  for (int64_t v = 0; v < schedule.getQVectors(); ++v) {
    Value start = e.splat(e.toI32(e.add(first, v * e.lanes)));
    Value rows = arith::AddIOp::create(e.b, e.loc, start, e.iota());
    lanes.push_back(arith::MinSIOp::create(e.b, e.loc, rows, last));
  }
  return lanes;
}

Value mlir::attn::liveBits(Emit &e, Value weight, bool pairs) {
  unsigned width = pairs ? 32 : e.state.getWidth();
  Type bits = e.vec(e.b.getIntegerType(width));
  Value x = vector::BitCastOp::create(e.b, e.loc, bits, weight);
  auto all = [&](int64_t value) {
    return e.splat(arith::ConstantIntOp::create(e.b, e.loc, value, width));
  };
  auto sign = [&](Value y) -> Value {
    return arith::ShRSIOp::create(e.b, e.loc, y, all(width - 1));
  };
  Value dead = sign(x);
  if (pairs) {
    Value lower =
        sign(arith::ShLIOp::create(e.b, e.loc, x, all(16)));
    Value half = all(0xffff);
    Value upper = arith::ShLIOp::create(e.b, e.loc, dead, all(16));
    dead = arith::OrIOp::create(
        e.b, e.loc, upper, arith::AndIOp::create(e.b, e.loc, lower, half));
  }
  return arith::XOrIOp::create(e.b, e.loc, dead, all(-1));
}

Value mlir::attn::maskBits(Emit &e, Value x, Value bits) {
  Value raw = x.getType() == bits.getType()
                  ? x
                  : vector::BitCastOp::create(e.b, e.loc, bits.getType(), x);
  return vector::BitCastOp::create(
      e.b, e.loc, x.getType(), arith::AndIOp::create(e.b, e.loc, raw, bits));
}
