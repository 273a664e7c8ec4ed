//===- BlockTable.cpp - The block table of a key loop -----------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a mask depends on, and the op that looks at it once.
//===----------------------------------------------------------------------===//

#include "BlockTable.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"

#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace mlir::attn;

/// Arguments of `range` and `visible`, in order.
enum : unsigned { kArgBatch, kArgHead, kArgGroup, kArgAux = 7 };

/// The operations that what the block yields depends on, in order. A traced
/// mask_mod may hold others.
static SmallVector<Operation *> liveOps(Block &block) {
  SmallPtrSet<Operation *, 16> needed = {block.getTerminator()};
  SmallVector<Operation *> live;
  for (Operation &op : llvm::reverse(block)) {
    if (!needed.contains(&op))
      continue;
    live.push_back(&op);
    for (Value operand : op.getOperands())
      if (Operation *source = operand.getDefiningOp())
        needed.insert(source);
  }
  std::reverse(live.begin(), live.end());
  return live;
}

namespace {
/// What the regions of a loop read.
struct Reads {
  llvm::SmallBitVector arguments; // of the leading seven
  llvm::SmallBitVector aux;
};
} // namespace

/// Marks what `block` reads. An index along an axis of size 1 is no read: the
/// axis broadcasts, as in a mask tensor [B, 1, Sq, Sk] that all heads share.
/// (Captured tensors do not broadcast: there another index means another
/// thing.)
static void markReads(KeyLoopOp loop, Block &block, Reads &reads) {
  auto role = [&](unsigned aux) {
    return cast<StringAttr>(loop.getAuxRoles()[aux]).getValue();
  };
  for (Operation *op : liveOps(block)) {
    if (isa<arith::IndexCastOp>(op)) // seen through where it is used
      continue;
    for (OpOperand &operand : op->getOpOperands()) {
      Value value = operand.get();
      while (auto cast = value.getDefiningOp<arith::IndexCastOp>())
        value = cast.getIn();
      auto argument = dyn_cast<BlockArgument>(value);
      if (!argument)
        continue;
      unsigned number = argument.getArgNumber();
      if (number >= kArgAux) {
        reads.aux.set(number - kArgAux);
        continue;
      }
      if (auto load = dyn_cast<LoadOp>(op)) {
        unsigned aux =
            cast<BlockArgument>(load.getTensor()).getArgNumber() - kArgAux;
        unsigned axis = operand.getOperandNumber() - 1;
        if (!role(aux).starts_with("capture") &&
            cast<ShapedType>(load.getTensor().getType()).getDimSize(axis) == 1)
          continue;
      }
      reads.arguments.set(number);
    }
  }
}

/// Copies what is live of `source` to `target`, over the aux operands in
/// `used`.
static void copyRegion(OpBuilder &b, Region &source, Region &target,
                       const llvm::SmallBitVector &used) {
  OpBuilder::InsertionGuard guard(b);
  Block &from = source.front();
  SmallVector<BlockArgument> arguments(from.getArguments().take_front(kArgAux));
  for (unsigned index : used.set_bits())
    arguments.push_back(from.getArgument(kArgAux + index));
  Block *to = b.createBlock(&target);
  IRMapping map;
  for (BlockArgument argument : arguments)
    map.map(argument, to->addArgument(argument.getType(), argument.getLoc()));
  for (Operation *op : liveOps(from))
    b.clone(*op, map);
}

void mlir::attn::addBlockTable(OpBuilder &b, KeyLoopOp loop,
                               const LoopSizes &sizes) {
  ScheduleAttr schedule = loop.getScheduleAttr();
  if (!schedule || loop.getVisible().empty())
    return;
  int64_t few = schedule.getFewRows();
  std::optional<int64_t> queries = getConstantIntValue(sizes.queries);
  if (queries && *queries <= few)
    return;
  Location loc = loop.getLoc();
  int64_t queryBlock = schedule.getLanes() * schedule.getQVectors();
  int64_t keyBlock = schedule.getKvTile();

  auto index = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(b, loc, value);
  };
  auto blocks = [&](OpFoldResult size, int64_t block) -> OpFoldResult {
    if (std::optional<int64_t> known = getConstantIntValue(size))
      return b.getIndexAttr(llvm::divideCeil(*known, block));
    Value padded =
        arith::AddIOp::create(b, loc, cast<Value>(size), index(block - 1));
    return arith::DivUIOp::create(b, loc, padded, index(block)).getResult();
  };
  OpFoldResult queryBlocks = blocks(sizes.queries, queryBlock);
  if (!queries) { // few rows take a kernel that reads no table: then it has
                  // none
    Value isFew = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle,
                                        cast<Value>(sizes.queries), index(few));
    queryBlocks = arith::SelectOp::create(b, loc, isFew, index(0),
                                          cast<Value>(queryBlocks))
                      .getResult();
  }

  Reads reads{llvm::SmallBitVector(kArgAux),
              llvm::SmallBitVector(loop.getAux().size())};
  markReads(loop, loop.getRange().front(), reads);
  markReads(loop, loop.getVisible().front(), reads);
  bool perHead = reads.arguments[kArgHead] || reads.arguments[kArgGroup];
  OpFoldResult one = b.getIndexAttr(1);
  OpFoldResult shape[] = {reads.arguments[kArgBatch] ? sizes.batch : one,
                          perHead ? sizes.heads : one, queryBlocks,
                          blocks(sizes.keys, keyBlock)};
  Value out = tensor::EmptyOp::create(b, loc, shape, b.getI8Type());

  SmallVector<Value> aux;
  SmallVector<Attribute> roles;
  for (unsigned n : reads.aux.set_bits()) {
    aux.push_back(loop.getAux()[n]);
    roles.push_back(loop.getAuxRoles()[n]);
  }
  auto size = [&](OpFoldResult value) {
    return getValueOrCreateConstantIndexOp(b, loc, value);
  };
  auto table = BlockTableOp::create(
      b, loc, out.getType(), size(sizes.batch), size(sizes.heads),
      size(sizes.kvHeads), size(sizes.queries), size(sizes.keys), aux, out,
      b.getArrayAttr(roles), b.getI64IntegerAttr(queryBlock),
      b.getI64IntegerAttr(keyBlock));
  copyRegion(b, loop.getRange(), table.getRange(), reads.aux);
  copyRegion(b, loop.getVisible(), table.getVisible(), reads.aux);
  loop.getBlockTableMutable().assign(table.getResult());
}
