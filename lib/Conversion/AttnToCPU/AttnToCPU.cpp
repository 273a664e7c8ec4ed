//===- AttnToCPU.cpp - Key loops to scf, vector and the thread pool -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The host side: checks, choice of kernel, workspaces, parallel calls.
//===----------------------------------------------------------------------===//

#include "../KeyLoop/Checks.h"
#include "../KeyLoop/Documents.h"
#include "Kernels.h"
#include "attn/Conversion/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"

namespace mlir::attn {
#define GEN_PASS_DEF_CONVERTATTNTOCPU
#include "attn/Conversion/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

/// The instruction sets with fused multiply-add also convert f16.
static bool hasFma(StringRef isa) {
  return isa.starts_with("avx512") || isa == "avx2" || isa == "neon";
}

void mlir::attn::finishBlock(Emit &e, Outliner &outliner,
                             Outliner::Block &block, double lag, bool guarded,
                             func::FuncOp guardedForm,
                             llvm::function_ref<Value(Value lag)> compute,
                             llvm::function_ref<void()> write) {
  Value some = e.num(lag, e.state);
  if (!guarded) {
    Value broken = compute(some);
    if (!broken)
      return write();
    return e.when(
        broken,
        [&] {
          outliner.call("attnrt_count",
                        {arith::ConstantIntOp::create(e.b, e.loc, 0, 32),
                         arith::ConstantIntOp::create(e.b, e.loc, 1, 64)});
          func::CallOp::create(
              e.b, e.loc, guardedForm,
              ValueRange{block.context, e.toI64(block.task), block.scratch});
        },
        write);
  }
  Value yes = arith::ConstantIntOp::create(e.b, e.loc, 1, 1);
  e.loop(e.idx(0), e.idx(2), 1, {yes}, [&](Value n, ValueRange again) {
    return e.choose(
        again[0],
        [&]() -> SmallVector<Value> {
          Value last = e.cmp(arith::CmpIPredicate::ne, n, e.idx(0));
          Value broken = compute(e.select(last, e.num(0.0, e.state), some));
          Value more =
              e.band(broken, arith::XOrIOp::create(e.b, e.loc, last, yes));
          e.when(more, [] {}, write);
          return {more};
        },
        [&]() -> SmallVector<Value> { return {again[0]}; });
  });
}

/// The tile kernel: every block of rows is a task.
static void lowerToTiles(Emit &e, Outliner &outliner, const LoopView &host,
                         TileRows kind = TileRows::OfHead) {
  func::FuncOp guarded = emitTileKernel(e, outliner, host, kind, /*guarded=*/true, {});
  func::FuncOp fast = emitTileKernel(e, outliner, host, kind, /*guarded=*/false, guarded);
  auto [tasks, scratch] = tileKernelSize(e, host, kind);
  outliner.parallelFor(fast, outliner.pack(host.values()), tasks, scratch);
}

/// Rows whose bits are their own: always tiles, whose lanes do not know of each
/// other. A few rows take short strips of them instead of the row kernel, which
/// sums in another order, and read no block table, as there; the heads of a group
/// share the lanes, and K and V in scratch.
static void lowerToInvariantTiles(Emit &e, Outliner &outliner,
                                  const LoopView &host) {
  ScheduleAttr s = host.schedule;
  LoopView narrow = host;
  narrow.blockTable = {};
  // One vector of rows leaves registers for 8 keys, without which each product waits
  // for the one before. Groups of 4 keys, whose weights are summed, stay the same.
  bool more = s.getKeyRows() == 4 && s.getKvTile() % 8 == 0;
  narrow.schedule = ScheduleAttr::get(
      e.b.getContext(), s.getIsa(), s.getLanes(), /*q_vectors=*/1,
      /*strips=*/1, more ? 8 : s.getKeyRows(), s.getKvTile(), s.getFewRows(),
      s.getSplitKeys());
  auto &op = const_cast<KeyLoopOp &>(host.op);
  bool perHead = !op.getRange().getArgument(1).use_empty();
  TileRows kind = perHead ? TileRows::OfHead : TileRows::OfGroup;
  Value few = e.le(host.sq, e.idx(s.getFewRows()));
  e.when(
      few, [&] { lowerToTiles(e, outliner, narrow, kind); },
      [&] { lowerToTiles(e, outliner, host); });
}

/// The row kernel over parts of the keys, then the merge of the parts.
static void lowerToRows(Emit &e, Outliner &outliner, const LoopView &host) {
  constexpr int64_t dynamic = ShapedType::kDynamic;
  int64_t part = llvm::alignTo(host.schedule.getSplitKeys(), host.schedule.getKvTile());
  // The cut depends on the number of keys alone, never on threads or batch.
  Value splits = e.max(e.ceilDiv(host.sk, part), e.idx(1));
  // One part needs no workspace and no merge.
  Value whole = e.cmp(arith::CmpIPredicate::eq, splits, e.idx(1));
  Value merged = e.select(whole, e.idx(0), splits);
  auto alloc = [&](int64_t width) -> Value {
    auto type = MemRefType::get({dynamic, dynamic, dynamic, dynamic, width}, e.state);
    return memref::AllocOp::create(e.b, e.loc, type,
                                   ValueRange{host.batch, host.hq, host.sq, merged});
  };
  RowWorkspace work{alloc(llvm::alignTo(host.dv, e.lanes)), alloc(2), splits};
  func::FuncOp guarded = emitRowKernel(e, outliner, host, work, /*guarded=*/true, {});
  func::FuncOp fast = emitRowKernel(e, outliner, host, work, /*guarded=*/false, guarded);
  func::FuncOp merge = emitMergeKernel(e, outliner, host, work);
  SmallVector<Value> values = host.values();
  values.append({work.out, work.state, work.splits});
  Value context = outliner.pack(values);
  Value tasks = e.mul(e.mul(host.batch, host.hkv), splits);
  outliner.parallelFor(fast, context, tasks, rowKernelScratch(e, host));
  int64_t line = llvm::alignTo(host.dv, e.lanes) * (e.state.getWidth() / 8);
  Value rows = e.select(whole, e.idx(0), e.mul(host.batch, host.hq));
  outliner.parallelFor(merge, context, rows, e.idx(line));
  memref::DeallocOp::create(e.b, e.loc, work.out);
  memref::DeallocOp::create(e.b, e.loc, work.state);
}

/// The kernel of whole rows: every query of every head is a task.
static void lowerToWholeRows(Emit &e, Outliner &outliner, const LoopView &host) {
  func::FuncOp kernel = emitWholeRowKernel(e, outliner, host);
  Value tasks = e.mul(e.mul(host.batch, host.hq), host.sq);
  outliner.parallelFor(kernel, outliner.pack(host.values()), tasks, wholeRowScratch(e, host));
}

/// A builder that knows what the instruction set of a schedule has.
static Emit emitFor(OpBuilder &b, Location loc, FloatType state, ScheduleAttr schedule) {
  StringRef isa = schedule.getIsa();
  Emit e(b, loc, state, schedule.getLanes(), hasFma(isa), /*hasHalf=*/hasFma(isa));
  // Both work on whole registers; a schedule may ask for shorter vectors.
  bool wholeRegisters = schedule.getLanes() * state.getWidth() == 512;
  e.hasScale = isa.starts_with("avx512") && wholeRegisters;
  e.hasDot = isa == "avx512bf16" && wholeRegisters;
  return e;
}

static LogicalResult lowerKeyLoop(ModuleOp module, OpBuilder &b, KeyLoopOp op) {
  if (!op.getSchedule())
    return op.emitOpError() << "expects a schedule, but got none; run attn-schedule first";
  ScheduleAttr schedule = *op.getSchedule();
  b.setInsertionPoint(op);
  Emit e = emitFor(b, op.getLoc(), op.getStateType(), schedule);
  Outliner outliner(module, b, op.getLoc());
  emitChecks(e, outliner, op);
  LoopView host = LoopView::onHost(e, op);
  if (op.materialises()) {
    lowerToWholeRows(e, outliner, host);
    op.erase();
    return success();
  }
  // An error that all weights share cancels in the outputs, not in the logarithm
  // of their sum.
  e.shortExp2 = !host.lse;
  if (host.invariant()) {
    lowerToInvariantTiles(e, outliner, host);
    op.erase();
    return success();
  }
  // Few rows: reading K and V in place beats staging them.
  Value few = e.le(host.sq, e.idx(schedule.getFewRows()));
  e.when(
      few, [&] { lowerToRows(e, outliner, host); }, [&] { lowerToTiles(e, outliner, host); });
  op.erase();
  return success();
}

/// A gradient, through the key loop of its attention, which no kernel is written
/// of.
static LogicalResult lowerKeyLoopGrad(ModuleOp module, OpBuilder &b, KeyLoopGradOp op) {
  if (!op.getSchedule())
    return op.emitOpError() << "expects a schedule, but got none; run attn-schedule first";
  ScheduleAttr schedule = *op.getSchedule();
  b.setInsertionPoint(op);
  Emit e = emitFor(b, op.getLoc(), op.getStateType(), schedule);
  Outliner outliner(module, b, op.getLoc());
  auto forward = KeyLoopOp::create(
      b, op.getLoc(), TypeRange(), op.getQ(), op.getK(), op.getV(),
      op.getPageTable(), op.getSinks(), op.getBlockTable(), op.getAux(),
      ValueRange{op.getOut(), op.getLse()}, op.getScaleAttr(),
      op.getAuxRolesAttr(), op.getPageSizeAttr(), op.getAxesAttr(),
      op.getScheduleAttr(), /*scores_kind=*/nullptr, /*softcap=*/nullptr,
      op.getEqualLengthsAttr(),
      /*batch_invariant=*/nullptr);
  forward.getRange().takeBody(op.getRange());
  forward.getVisible().takeBody(op.getVisible());
  forward.getScore().takeBody(op.getScore());
  emitChecks(e, outliner, forward, "attn.attention_grad");
  // Gradients of 16-bit operands are rounded far more coarsely than weights are
  // off.
  LoopView host = LoopView::onHost(e, forward);
  e.shortExp2 = host.storage.getIntOrFloatBitWidth() == 16;
  lowerGradToTasks(e, outliner, host, op);
  forward.erase();
  op.erase();
  return success();
}

namespace {
struct ConvertAttnToCPUPass : public attn::impl::ConvertAttnToCPUBase<ConvertAttnToCPUPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    OpBuilder b(&getContext());
    SmallVector<Operation *> ops;
    module.walk([&](Operation *op) {
      if (isa<KeyLoopOp, KeyLoopGradOp, BlockTableOp, DocumentsOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      for (Value operand : op->getOperands())
        if (isa<TensorType>(operand.getType())) {
          op->emitOpError() << "expects buffers, but got " << operand.getType()
                            << "; bufferize first";
          return signalPassFailure();
        }
      if (auto documents = dyn_cast<DocumentsOp>(op))
        lowerDocuments(module, b, documents);
      else if (auto table = dyn_cast<BlockTableOp>(op))
        lowerBlockTableToTasks(module, b, table);
      else if (auto gradient = dyn_cast<KeyLoopGradOp>(op)) {
        if (failed(lowerKeyLoopGrad(module, b, gradient)))
          return signalPassFailure();
      } else if (failed(lowerKeyLoop(module, b, cast<KeyLoopOp>(op))))
        return signalPassFailure();
    }
  }
};
} // namespace
