//===- Transforms.h - Functions behind the passes -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each does the work of the pass with the same stem.
//===----------------------------------------------------------------------===//

#ifndef ATTN_DIALECT_ATTN_TRANSFORMS_TRANSFORMS_H
#define ATTN_DIALECT_ATTN_TRANSFORMS_TRANSFORMS_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/IR/PatternMatch.h"

namespace mlir::attn {

/// Moves what the mask algebra can say from `op`'s mask_mod to its mask; whether
/// there was any of it.
bool matchMask(RewriterBase &rewriter, AttentionOp op);
bool matchMask(RewriterBase &rewriter, AttentionGradOp op);

/// The schedule of `op` from the table row `isa`, or failure (with no message)
/// when there is no such row. Rows: avx512bf16, avx512, avx2, sse4, neon, generic.
FailureOr<ScheduleAttr> chooseSchedule(AttentionOp op, StringRef isa);
/// That of a gradient, whose tiles are read five times and not twice.
FailureOr<ScheduleAttr> chooseSchedule(AttentionGradOp op, StringRef isa);

/// Rewrites merge_states as elementwise ops; exact up to rounding.
void expandMergeStates(RewriterBase &rewriter, MergeStatesOp op);

/// Replaces `op` by its key loop (see the op's description).
FailureOr<KeyLoopOp> planKeys(RewriterBase &rewriter, AttentionOp op);
/// The same of a gradient: the key plan of its attention, with its derivative.
FailureOr<KeyLoopGradOp> planKeys(RewriterBase &rewriter, AttentionGradOp op);

/// Writes `op`'s score_grad and scatters from its score (reverse mode).
void differentiateScore(OpBuilder &b, KeyLoopGradOp op);

/// How slots and positions of one attention are written in its scalar regions.
/// Built once per region by planKeys; all values are i32.
struct SlotView {
  Value b, h, g, i, j, sq, sk;
};

/// Bounds in key slots, as index values: no pair outside [begin, end) is
/// visible, every pair inside [fullBegin, fullEnd) is.
struct KeyRange {
  Value begin, fullBegin, fullEnd, end;
};

/// Bufferization of key_loop, block_table and documents.
void registerBufferizableOpInterfaceExternalModels(DialectRegistry &registry);

} // namespace mlir::attn

#endif // ATTN_DIALECT_ATTN_TRANSFORMS_TRANSFORMS_H
