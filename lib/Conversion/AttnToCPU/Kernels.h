//===- Kernels.h - The CPU's kernels of a key loop -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to AttnToCPU.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_ATTNTOCPU_KERNELS_H
#define ATTN_LIB_CONVERSION_ATTNTOCPU_KERNELS_H

#include "../KeyLoop/LoopView.h"

namespace mlir::attn {

/// Lowers a block table: its rows are tasks of the pool (AttnToCPU/BlockTable.cpp).
void lowerBlockTableToTasks(ModuleOp module, OpBuilder &b, BlockTableOp op);

/// What a block of the tile kernel holds: queries of one head, or those of all heads
/// of a group, head after head, so that few queries fill the lanes. With 4 heads and
/// 2 queries, row 5 is query 1 of head 2. A group's rows see one range of keys, which
/// must not depend on the head.
enum class TileRows { OfHead, OfGroup };

/// Writes the kernel of one block of queries (AttnToCPU/TileKernel.cpp).
/// `guarded`: the slower form that selects values of masked pairs away; the fast
/// form calls it when its result is not finite. Returns the block function.
func::FuncOp emitTileKernel(Emit &e, Outliner &outliner, const LoopView &host, TileRows kind,
                            bool guarded, func::FuncOp guardedForm);
/// The end of a block. `compute` takes how far the running maximum may lag and says
/// whether its result holds something that is not finite. The fast form hands such
/// a block to the guarded one. That computes it with the same lag first: every
/// step is as in the fast form, so that what a hidden key holds changes no bit.
/// Where a number is still not finite, it may be that weights of up to 2^lag were
/// too much: once more without any lag. `write` writes the results.
void finishBlock(Emit &e, Outliner &outliner, Outliner::Block &block, double lag,
                 bool guarded, func::FuncOp guardedForm,
                 llvm::function_ref<Value(Value lag)> compute,
                 llvm::function_ref<void()> write);
/// Tasks and scratch bytes of the tile kernel.
std::pair<Value, Value> tileKernelSize(Emit &e, const LoopView &host, TileRows kind);

/// Writes the kernel of a few query rows over one part of the keys, reading K and
/// V in place (AttnToCPU/RowKernel.cpp), and the kernel that merges the parts.
/// `values` of the host view are followed by the two workspaces and the split
/// count.
struct RowWorkspace {
  Value out, state, splits; // [B, Hq, Sq, splits, Dv], [.., 2], index
};
func::FuncOp emitRowKernel(Emit &e, Outliner &outliner, const LoopView &host,
                           const RowWorkspace &work, bool guarded, func::FuncOp guardedForm);
func::FuncOp emitMergeKernel(Emit &e, Outliner &outliner, const LoopView &host,
                             const RowWorkspace &work);
Value rowKernelScratch(Emit &e, const LoopView &host);

/// Writes the kernel of whole rows, for key loops that materialise: all scores of a
/// query side by side, then their softmax (AttnToCPU/WholeRowKernel.cpp). A task is
/// one query of one head.
func::FuncOp emitWholeRowKernel(Emit &e, Outliner &outliner, const LoopView &host);
Value wholeRowScratch(Emit &e, const LoopView &host);

/// Writes all of a gradient (AttnToCPU/GradKernel.cpp); `host` is the view of its
/// attention, whose outs are its results.
void lowerGradToTasks(Emit &e, Outliner &outliner, const LoopView &host, KeyLoopGradOp grad);

} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_ATTNTOCPU_KERNELS_H
