//===- AttnToCPU.cpp - Key loops to scf, vector and the thread pool -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The host side: checks, choice of kernel, workspaces, parallel calls.
//===----------------------------------------------------------------------===//

#include "Checks.h"
#include "LoopView.h"
#include "attn/Conversion/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"

namespace mlir::attn {
#define GEN_PASS_DEF_CONVERTATTNTOCPU
#include "attn/Conversion/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

/// The instruction sets with fused multiply-add also convert f16.
static bool hasFma(StringRef isa) { return isa == "avx512" || isa == "avx2" || isa == "neon"; }

/// The tile kernel: every query block of every head is a task.
static void lowerToTiles(Emit &e, Outliner &outliner, const LoopView &host) {
  func::FuncOp guarded = emitTileKernel(e, outliner, host, /*guarded=*/true, {});
  func::FuncOp fast = emitTileKernel(e, outliner, host, /*guarded=*/false, guarded);
  auto [tasks, scratch] = tileKernelSize(e, host);
  outliner.parallelFor(fast, outliner.pack(host.values()), tasks, scratch);
}

/// The row kernel over parts of the keys, then the merge of the parts.
static void lowerToRows(Emit &e, Outliner &outliner, const LoopView &host) {
  constexpr int64_t dynamic = ShapedType::kDynamic;
  int64_t part = llvm::alignTo(host.schedule.getSplitKeys(), host.schedule.getKvTile());
  // The cut depends on the number of keys alone, never on threads or batch.
  Value splits = e.max(e.ceilDiv(host.sk, part), e.idx(1));
  auto alloc = [&](int64_t width) -> Value {
    auto type = MemRefType::get({dynamic, dynamic, dynamic, dynamic, width}, e.state);
    return memref::AllocOp::create(e.b, e.loc, type,
                                   ValueRange{host.batch, host.hq, host.sq, splits});
  };
  RowWorkspace work{alloc(host.dv), alloc(2), splits};
  func::FuncOp guarded = emitRowKernel(e, outliner, host, work, /*guarded=*/true, {});
  func::FuncOp fast = emitRowKernel(e, outliner, host, work, /*guarded=*/false, guarded);
  func::FuncOp merge = emitMergeKernel(e, outliner, host, work);
  SmallVector<Value> values = host.values();
  values.append({work.out, work.state, work.splits});
  Value context = outliner.pack(values);
  Value tasks = e.mul(e.mul(host.batch, host.hkv), splits);
  outliner.parallelFor(fast, context, tasks, rowKernelScratch(e, host));
  int64_t line = llvm::alignTo(host.dv, e.lanes) * (e.state.getWidth() / 8);
  outliner.parallelFor(merge, context, e.mul(host.batch, host.hq), e.idx(line));
  memref::DeallocOp::create(e.b, e.loc, work.out);
  memref::DeallocOp::create(e.b, e.loc, work.state);
}

static LogicalResult lowerKeyLoop(ModuleOp module, OpBuilder &b, KeyLoopOp op) {
  if (!op.getSchedule())
    return op.emitOpError() << "expects a schedule, but got none; run attn-schedule first";
  ScheduleAttr schedule = *op.getSchedule();
  b.setInsertionPoint(op);
  Emit e(b, op.getLoc(), op.getStateType(), schedule.getLanes(), hasFma(schedule.getIsa()),
         /*hasHalf=*/hasFma(schedule.getIsa()));
  Outliner outliner(module, b, op.getLoc());
  emitChecks(e, outliner, op);
  LoopView host = LoopView::onHost(e, op);
  // Few rows: reading K and V in place beats staging them.
  Value few = e.le(host.sq, e.idx(schedule.getFewRows()));
  e.when(
      few, [&] { lowerToRows(e, outliner, host); }, [&] { lowerToTiles(e, outliner, host); });
  op.erase();
  return success();
}

/// A contiguous copy, so that the runtime gets plain arrays.
static Value contiguous(OpBuilder &b, Location loc, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  auto target = MemRefType::get(type.getShape(), type.getElementType());
  SmallVector<Value> sizes;
  for (int64_t axis = 0; axis < type.getRank(); ++axis)
    if (type.isDynamicDim(axis))
      sizes.push_back(memref::DimOp::create(b, loc, buffer, axis));
  Value copy = memref::AllocOp::create(b, loc, target, sizes);
  memref::CopyOp::create(b, loc, buffer, copy);
  return copy;
}

static void lowerDocuments(ModuleOp module, OpBuilder &b, DocumentsOp op) {
  b.setInsertionPoint(op);
  Location loc = op.getLoc();
  Emit e(b, loc, Float32Type::get(b.getContext()), 1, false);
  Outliner outliner(module, b, loc);
  SmallVector<Value> copies;
  auto plain = [&](Value buffer) {
    copies.push_back(contiguous(b, loc, buffer));
    return copies.back();
  };
  auto i64 = [&](Value index) { return e.toI64(index); };
  Value bottomRight = arith::ConstantIntOp::create(b, loc, op.getBottomRight(), 32);
  Value qPosition = op.getOuts()[0], kvPosition = op.getOuts()[1];
  Value sq = e.dim(qPosition, 1), sk = e.dim(kvPosition, 1);
  if (op.getCuQ()) {
    Value q = plain(op.getCuQ()), kv = plain(op.getCuKv());
    Value nq = e.dim(q, 0), nk = e.dim(kv, 0);
    outliner.call("attnrt_check_eq",
                  {i64(nk), i64(nq),
                   outliner.text("'attn.attention' op expects cu_q and cu_kv to have the same "
                                 "size")});
    auto increasing = [&](Value buffer, Value count, Value slots, StringRef name) { // attention_r6
      outliner.call("attnrt_check_increasing_i32",
                    {outliner.address(buffer), i64(count), i64(e.idx(1)), i64(slots),
                     outliner.text(("'attn.attention' op expects " + name +
                                    " to start at 0, never decrease and end within the sequence")
                                       .str())});
    };
    increasing(q, nq, sq, "cu_q");
    increasing(kv, nk, sk, "cu_kv");
    outliner.call("attnrt_documents_cu",
                  {outliner.address(q), i64(nq), outliner.address(kv), i64(nk), bottomRight,
                   i64(sq), i64(sk), outliner.address(op.getOuts()[2]),
                   outliner.address(qPosition), outliner.address(op.getOuts()[3]),
                   outliner.address(kvPosition)});
  } else {
    Value q = plain(op.getQSegments()), kv = plain(op.getKvSegments());
    Value none = LLVM::ZeroOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext()));
    // Sizes are checked here as well: this runs before the key loop's checks.
    auto same = [&](Value got, Value want, StringRef message) {
      outliner.call("attnrt_check_eq", {i64(got), i64(want), outliner.text(message)});
    };
    same(e.dim(q, 1), sq, "'attn.attention' op expects axis 1 (i) of q_segments to be the query "
                          "length");
    same(e.dim(kv, 1), sk, "'attn.attention' op expects axis 1 (j) of kv_segments to be the key "
                           "length");
    Value batch = e.dim(qPosition, 0);
    auto rows = [&](Value buffer, StringRef name) {
      Value size = e.dim(buffer, 0);
      Value want = e.select(e.cmp(arith::CmpIPredicate::eq, size, e.idx(1)), size, batch);
      same(size, want, ("'attn.attention' op expects axis 0 (b) of " + name +
                        " to be 1 or the batch size")
                           .str());
      return i64(size);
    };
    Value qRows = rows(q, "q_segments"), kvRows = rows(kv, "kv_segments");
    auto lengths = [&](Value buffer, Value limit, StringRef name) -> Value {
      if (!buffer)
        return none;
      Value copy = plain(buffer);
      same(e.dim(copy, 0), batch,
           ("'attn.attention' op expects axis 0 (b) of " + name + " to be the batch size").str());
      outliner.call("attnrt_check_values_i32",
                    {outliner.address(copy), i64(e.idx(1)), i64(batch), i64(e.idx(0)),
                     i64(e.idx(1)), i64(e.idx(0)), i64(limit),
                     outliner.text(("'attn.attention' op expects every entry of " + name +
                                    " to lie between 0 and the sequence length")
                                       .str())});
      return outliner.address(copy);
    };
    Value qLengths = lengths(op.getQLengths(), sq, "q_lengths");
    Value kvLengths = lengths(op.getKvLengths(), sk, "kv_lengths");
    outliner.call("attnrt_documents_seg",
                  {outliner.address(q), outliner.address(kv), qLengths, kvLengths, qRows, kvRows,
                   i64(batch), i64(sq), i64(sk), bottomRight, outliner.address(qPosition),
                   outliner.address(kvPosition)});
  }
  for (Value copy : copies)
    memref::DeallocOp::create(b, loc, copy);
  op.erase();
}

namespace {
struct ConvertAttnToCPUPass : public attn::impl::ConvertAttnToCPUBase<ConvertAttnToCPUPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    OpBuilder b(&getContext());
    SmallVector<Operation *> ops;
    module.walk([&](Operation *op) {
      if (isa<KeyLoopOp, BlockTableOp, DocumentsOp>(op))
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
        lowerBlockTable(module, b, table);
      else if (failed(lowerKeyLoop(module, b, cast<KeyLoopOp>(op))))
        return signalPassFailure();
    }
  }
};
} // namespace
