//===- BlockTable.cpp - Looking at a mask block by block --------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Keys in the lanes: a mask tensor's rows are contiguous along keys.
//===----------------------------------------------------------------------===//

#include "../KeyLoop/Checks.h"
#include "Kernels.h"

#include "mlir/IR/Matchers.h"

#include <numeric>

using namespace mlir;
using namespace mlir::attn;

// One task is one row of blocks: `query_block` queries of one batch entry and
// head. A block is looked at a vector of keys at a time, all of its queries
// each, until it is known to hold both visible and hidden pairs: most mixed
// blocks are given away by their first vector.

namespace {

class BlockTable {
public:
  BlockTable(Emit &e, Outliner &outliner, BlockTableOp op)
      : e(e), outliner(outliner), op(op), w(e.lanes),
        queryBlock(op.getQueryBlock()), keyBlock(op.getKeyBlock()),
        queryStep(grain(3)), keyStep(grain(4)) {}

  void lower();

private:
  // A vector of keys this far apart stays inside 32 bits.
  static constexpr int64_t kLargestGrain = 1 << 20;
  /// How many slots in a row a mask cannot tell apart, along argument 3 (i) or
  /// 4 (j).
  int64_t grain(unsigned argument);
  void row(Outliner::Block &block);
  /// Visible among the pairs of these keys and queries [i0, i1), per lane.
  Value countLanes(Value keys, Value first);
  /// Visible pairs, and pairs looked at, of keys [low, high).
  SmallVector<Value> count(Value low, Value high);
  Value countOf(Value lanes) {
    return e.toIndex(vector::ReductionOp::create(
        e.b, e.loc, vector::CombiningKind::ADD, lanes));
  }

  Emit &e;
  Outliner &outliner;
  BlockTableOp op;
  int64_t w, queryBlock, keyBlock, queryStep, keyStep;

  // In the block function.
  Value out, batch, heads, group, sq, sk;
  AuxViews aux;
  Value b, h, g, i0, i1;
};

} // namespace

/// Example: a mask that reads j as `j / 64` and `(j / 64) % 2` only is the same
/// for keys 0 to 63, 64 to 127, ...: one key of each is enough to look at.
int64_t BlockTable::grain(unsigned argument) {
  int64_t common = 0;
  for (Operation *user :
       op.getVisible().front().getArgument(argument).getUsers()) {
    APInt divisor;
    if (!isa<arith::DivSIOp, arith::FloorDivSIOp, arith::ShRSIOp,
             arith::ShRUIOp>(user) ||
        user->getOperand(0) != op.getVisible().front().getArgument(argument) ||
        !matchPattern(user->getOperand(1), m_ConstantInt(&divisor)))
      return 1;
    int64_t value = divisor.getSExtValue();
    if (isa<arith::ShRSIOp, arith::ShRUIOp>(user))
      value = value >= 0 && value < 31 ? int64_t(1) << value : 1;
    if (value <= 0) // rounds another way
      return 1;
    common = std::gcd(common, value);
  }
  // 0: the mask does not read the slot at all.
  int64_t block = argument == 3 ? queryBlock : keyBlock;
  return common == 0 ? block : common > kLargestGrain ? 1 : common;
}

Value BlockTable::countLanes(Value keys, Value first) {
  ScalarRegion form(op.getVisible(), /*isScore=*/false);
  form.bind(0, e.toI32(b));
  form.bind(1, e.toI32(h));
  form.bind(2, e.toI32(g));
  form.bind(4, keys, first);
  form.bind(5, e.toI32(sq));
  form.bind(6, e.toI32(sk));
  form.bindAux(aux.buffers, aux.captures);
  form.hoist(e);
  VectorType lanes = e.vec(e.b.getI32Type());
  Value none = e.splat(arith::ConstantIntOp::create(e.b, e.loc, 0, 32));
  // Slot 130 stands for 128 to 191 when the mask cannot tell these apart.
  Value start = e.roundDown(i0, queryStep);
  return e.loop(start, i1, queryStep, {none}, [&](Value i, ValueRange carried) {
    form.bind(3, e.toI32(i));
    Value visible = arith::ExtUIOp::create(e.b, e.loc, lanes, form.finish(e));
    return SmallVector<Value>{e.add(carried[0], visible)};
  })[0];
}

SmallVector<Value> BlockTable::count(Value low, Value high) {
  // Lanes `keyStep` apart from the group that `low` is in; beyond the end they
  // repeat the last key, which counts twice on both sides.
  int64_t reach = w * keyStep;
  Value queries = e.div(
      e.sub(e.add(i1, queryStep - 1), e.roundDown(i0, queryStep)), queryStep);
  Value perVector = e.mul(queries, w);
  Value last = e.splat(e.toI32(e.sub(high, e.idx(1))));
  Value offsets = arith::MulIOp::create(
      e.b, e.loc, e.iota(),
      e.splat(arith::ConstantIntOp::create(e.b, e.loc, keyStep, 32)));
  auto clamped = [&](Value at) -> Value {
    Value lanes =
        arith::AddIOp::create(e.b, e.loc, e.splat(e.toI32(at)), offsets);
    return arith::MinUIOp::create(e.b, e.loc, lanes, last);
  };
  auto scan =
      [&](llvm::function_ref<Value(Value)> lanesAt) -> SmallVector<Value> {
    Value zero = e.idx(0);
    auto search = scf::WhileOp::create(
        e.b, e.loc, TypeRange{low.getType(), low.getType(), low.getType()},
        ValueRange{e.roundDown(low, keyStep), zero, zero},
        [&](OpBuilder &, Location, ValueRange carried) {
          Value seen = e.cmp(arith::CmpIPredicate::ne, carried[1], zero);
          Value mixed = e.band(seen, e.lt(carried[1], carried[2]));
          Value open = e.cmp(arith::CmpIPredicate::eq, mixed,
                             arith::ConstantIntOp::create(e.b, e.loc, 0, 1));
          scf::ConditionOp::create(
              e.b, e.loc, e.band(e.lt(carried[0], high), open), carried);
        },
        [&](OpBuilder &, Location, ValueRange carried) {
          Value visible = countOf(lanesAt(carried[0]));
          scf::YieldOp::create(e.b, e.loc,
                               ValueRange{e.add(carried[0], reach),
                                          e.add(carried[1], visible),
                                          e.add(carried[2], perVector)});
        });
    return {search.getResult(1), search.getResult(2)};
  };
  auto apart = [&] {
    return scan([&](Value at) { return countLanes(clamped(at), {}); });
  };
  if (keyStep > 1)
    return apart();
  // Whole vectors can be loaded as such; the last one reaches back instead of
  // repeating, and what it sees again counts twice on both sides.
  auto together = [&] {
    return scan([&](Value at) {
      Value first = e.min(at, e.sub(high, e.idx(w)));
      Value scalar = e.toI32(first);
      Value lanes =
          arith::AddIOp::create(e.b, e.loc, e.splat(scalar), e.iota());
      return countLanes(lanes, scalar);
    });
  };
  return e.choose(e.le(e.idx(w), e.sub(high, low)), together, apart);
}

void BlockTable::row(Outliner::Block &block) {
  Value rows = e.dim(out, 2), tableHeads = e.dim(out, 1),
        columns = e.dim(out, 3);
  Value index = e.rem(block.task, rows), head = e.div(block.task, rows);
  h = e.rem(head, tableHeads);
  b = e.div(head, tableHeads);
  g = e.div(h, group);
  i0 = e.mul(index, queryBlock);
  i1 = e.min(e.add(i0, queryBlock), sq);
  SmallVector<Value> arguments = {b, h, g, i0, i1, sq, sk};
  llvm::append_range(arguments, aux.buffers);
  KeySlots range = writeRange(e, op.getRange(), arguments);
  auto byte = [&](int64_t value) -> Value {
    return arith::ConstantIntOp::create(e.b, e.loc, value, 8);
  };
  Value zero = e.idx(0), one = e.idx(1);
  // Blocks looked at, and of those the empty and the full ones.
  SmallVector<Value> counted = e.loop(
      zero, columns, 1, {zero, zero, zero},
      [&](Value column, ValueRange carried) {
        Value j0 = e.mul(column, keyBlock);
        Value end = e.min(e.add(j0, keyBlock), sk);
        Value low = e.max(j0, range.begin), high = e.min(end, range.end);
        SmallVector<Value> found = e.choose(
            e.lt(low, high),
            [&]() -> SmallVector<Value> {
              SmallVector<Value> pairs = count(low, high);
              // Keys outside the range are hidden.
              Value whole = e.band(e.cmp(arith::CmpIPredicate::eq, low, j0),
                                   e.cmp(arith::CmpIPredicate::eq, high, end));
              Value none = e.cmp(arith::CmpIPredicate::eq, pairs[0], zero);
              Value all = e.band(
                  whole, e.cmp(arith::CmpIPredicate::eq, pairs[0], pairs[1]));
              return {e.select(none, byte(0), e.select(all, byte(2), byte(1))),
                      one, e.select(none, one, zero), e.select(all, one, zero)};
            },
            [&]() -> SmallVector<Value> {
              return {byte(0), zero, zero, zero};
            });
        e.store(found[0], out, {b, h, index, column});
        SmallVector<Value> next;
        for (unsigned n = 0; n < 3; ++n)
          next.push_back(e.add(carried[n], found[n + 1]));
        return next;
      });
  for (auto [which, n] : llvm::enumerate(counted))
    outliner.call(
        "attnrt_count",
        {arith::ConstantIntOp::create(e.b, e.loc, 5 + which, 32), e.toI64(n)});
}

void BlockTable::lower() {
  emitChecks(e, outliner, op);
  Value hostOut = op.getOut();
  Value perGroup = e.div(op.getHeads(), e.max(op.getKvHeads(), e.idx(1)));
  AuxViews views = viewAux(e, op.getAuxRoles(), op.getAux());
  SmallVector<Value> values = {hostOut, perGroup, op.getQueries(),
                               op.getKeys()};
  llvm::append_range(values, views.buffers);
  Value context = outliner.pack(values);
  Value tasks =
      e.mul(e.mul(e.dim(hostOut, 0), e.dim(hostOut, 1)), e.dim(hostOut, 2));

  Outliner::Block block =
      outliner.open("attn_block_table", ValueRange(values).getTypes());
  out = block.captured[0];
  // Without heads there is no task; their group size only has to be a number.
  group = e.max(block.captured[1], e.idx(1));
  sq = block.captured[2];
  sk = block.captured[3];
  aux = views;
  llvm::copy(ArrayRef<Value>(block.captured).drop_front(4),
             aux.buffers.begin());
  row(block);
  outliner.close(block);
  outliner.parallelFor(block.func, context, tasks, e.idx(0));
}

void mlir::attn::lowerBlockTableToTasks(ModuleOp module, OpBuilder &b,
                                 BlockTableOp op) {
  b.setInsertionPoint(op);
  // The lanes of the schedule that the block is made of, 48 = 3 * 16; slots are
  // i32 in any case.
  int64_t lanes =
      std::min<int64_t>(op.getQueryBlock() & -op.getQueryBlock(), 16);
  bool wide = false; // f64 anywhere: what storage floats widen to
  op.getVisible().walk([&](Operation *inner) {
    wide |= llvm::any_of(inner->getResultTypes(),
                         [](Type type) { return type.isF64(); });
  });
  FloatType state = wide ? FloatType(Float64Type::get(b.getContext()))
                         : FloatType(Float32Type::get(b.getContext()));
  Emit e(b, op.getLoc(), state, std::max<int64_t>(lanes, 4), /*hasFma=*/false);
  Outliner outliner(module, b, op.getLoc());
  BlockTable(e, outliner, op).lower();
  op.erase();
}
