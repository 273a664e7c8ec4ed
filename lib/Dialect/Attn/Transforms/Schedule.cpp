//===- Schedule.cpp - Tiles, splits and micro-kernel -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The schedule table and the pass that writes its rows into the IR.
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/Attn/Transforms/Transforms.h"

namespace mlir::attn {
#define GEN_PASS_DEF_SCHEDULE
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
/// One row per instruction set. key_rows * q_vectors accumulators, q_vectors
/// query vectors and one broadcast must fit the register file: avx2 has 16
/// registers (4 * 3 + 3 + 1 = 16). avx512 has 32, of which 8 * 2 + 2 + 1 = 19 keep
/// two FMA units busy as well as 8 * 3 + 3 + 1 = 28 do (2 units * 4 cycles of
/// latency = 8 at once), and strips of 32 queries fit what people cut masks into:
/// of strips of 48, one in four lies across two blocks of 128.
struct Row {
  StringRef isa;
  int64_t vectorBytes, qVectors, strips, keyRows, kvTile;
};
constexpr Row kTable[] = {
    {"avx512bf16", 64, 2, 8, 8, 128}, {"avx512", 64, 2, 8, 8, 128},
    {"avx2", 32, 3, 8, 4, 128},       {"sse4", 16, 3, 8, 4, 64},
    {"neon", 16, 4, 8, 4, 64},        {"generic", 16, 2, 8, 4, 64},
};

/// The rows of gradients: blocks of strips * q_vectors vectors of queries,
/// tiles of keys that with a block's queries stay in the inner caches. Pairs of
/// bf16 are half as large, and sums over a tile's keys half as long.
constexpr Row kGradTable[] = {
    {"avx512bf16", 64, 3, 2, 8, 192}, {"avx512", 64, 3, 2, 8, 96},
    {"avx2", 32, 3, 4, 4, 96},        {"sse4", 16, 3, 4, 4, 48},
    {"neon", 16, 4, 4, 4, 64},        {"generic", 16, 2, 4, 4, 64},
};

/// One row for every GPU: four warps of 16 queries, and as many keys per tile as
/// two stages of K and V fit into the 99 KiB of shared memory that every GPU since
/// sm_80 has, next to the queries. Fragments are 8 keys wide.
ScheduleAttr gpuSchedule(AttentionOp op, StringRef isa) {
  unsigned bits = cast<ShapedType>(op.getQ().getType()).getElementType().getIntOrFloatBitWidth();
  auto axes = op.getAxesOrDefault();
  int64_t width = std::max(cast<ShapedType>(op.getQ().getType()).getDimSize(axes.getQ()[3]),
                           cast<ShapedType>(op.getV().getType()).getDimSize(axes.getV()[3]));
  int64_t kvTile = bits == 16 ? (width <= 128 ? 64 : 32) : (width <= 64 ? 32 : width <= 128 ? 16 : 8);
  return ScheduleAttr::get(op.getContext(), isa, /*lanes=*/8, /*q_vectors=*/2, /*strips=*/4,
                           /*key_rows=*/8, kvTile, /*few_rows=*/16, /*split_keys=*/512);
}

struct SchedulePass : public attn::impl::ScheduleBase<SchedulePass> {
  using ScheduleBase::ScheduleBase;
  void runOnOperation() override {
    WalkResult result = getOperation().walk([&](AttentionOp op) {
      if (op.getSchedule())
        return WalkResult::advance();
      FailureOr<ScheduleAttr> schedule = chooseSchedule(op, isa);
      if (failed(schedule)) {
        op.emitError() << "expects isa to be avx512bf16, avx512, avx2, sse4, neon, generic or a GPU such as "
                          "sm_80, but got '" << isa
                       << "'";
        return WalkResult::interrupt();
      }
      op.setScheduleAttr(*schedule);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    result = getOperation().walk([&](AttentionGradOp op) {
      if (op.getSchedule())
        return WalkResult::advance();
      FailureOr<ScheduleAttr> schedule = chooseSchedule(op, isa);
      if (failed(schedule)) {
        if (StringRef(isa).starts_with("sm_"))
          op.emitOpError() << "expects isa to be a CPU's (avx512bf16, avx512, avx2, sse4, neon, generic), but "
                              "got '"
                           << isa << "': gradients have no GPU kernels yet";
        else
          op.emitOpError() << "expects isa to be avx512bf16, avx512, avx2, sse4, neon or generic, but got '"
                           << isa << "'";
        return WalkResult::interrupt();
      }
      op.setScheduleAttr(*schedule);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace

FailureOr<ScheduleAttr> mlir::attn::chooseSchedule(AttentionOp op, StringRef isa) {
  if (isa.starts_with("sm_"))
    return gpuSchedule(op, isa);
  const Row *row = llvm::find_if(kTable, [&](const Row &row) { return row.isa == isa; });
  if (row == std::end(kTable))
    return failure();
  int64_t lanes = row->vectorBytes * 8 / op.getStateType().getWidth();
  // Up to this many queries read K and V in place: staging a tile, and strips whose
  // lanes are mostly empty, pay for more. Both take the same time with about 24 of
  // 32 lanes in f32 and 20 in bf16, and with 20 of 24.
  int64_t strip = lanes * row->qVectors;
  int64_t fewRows = std::max<int64_t>(8, strip * 2 / 3 / 4 * 4);
  return ScheduleAttr::get(op.getContext(), isa, lanes, row->qVectors, row->strips, row->keyRows,
                           row->kvTile, fewRows, /*split_keys=*/1024);
}

FailureOr<ScheduleAttr> mlir::attn::chooseSchedule(AttentionGradOp op, StringRef isa) {
  Type element = cast<ShapedType>(op.getQ().getType()).getElementType();
  StringRef name = isa == "avx512bf16" && !element.isBF16() ? "avx512" : isa;
  const Row *row = llvm::find_if(
      kGradTable, [&](const Row &row) { return row.isa == name; });
  if (row == std::end(kGradTable))
    return failure();
  int64_t lanes = row->vectorBytes * 8 / op.getStateType().getWidth();
  return ScheduleAttr::get(op.getContext(), isa, lanes, row->qVectors, row->strips, row->keyRows,
                           row->kvTile, /*few_rows=*/0, /*split_keys=*/256);
}
