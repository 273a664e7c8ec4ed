//===- Kernels.h - The GPU's kernels of a key loop -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to AttnToGPU.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_ATTNTOGPU_KERNELS_H
#define ATTN_LIB_CONVERSION_ATTNTOGPU_KERNELS_H

#include "../KeyLoop/LoopView.h"
#include "KernelModule.h"

namespace mlir::attn {

/// What the kernels of one key loop hand to each other, in the order of
/// `values()`, which follow those of the view.
struct DeviceWork {
  Value out;     // f32 [B, Hq, Sq, splits, Dv], empty with one split
  Value state;   // f32 [B, Hq, Sq, splits, 2]: m and l
  Value flags;   // i32 [tasks * splits]: 1 where a result is not finite
  Value splits;  // index
  Value aligned; // index: 1 when rows may be read 16 bytes at a time

  SmallVector<Value> values() const {
    return {out, state, flags, splits, aligned};
  }
  static DeviceWork over(ValueRange values) {
    return {values[0], values[1], values[2], values[3], values[4]};
  }
};

/// Tiles and the layout of shared memory of the forward kernel.
struct ForwardShape {
  ForwardShape(const LoopView &host);

  /// Why the kernel cannot be written for this schedule, or nothing.
  std::string problem(ScheduleAttr schedule) const;

  bool tensorCores; // 16-bit inputs; f32 goes through FMA
  int64_t bytes;    // per element
  int64_t warps, rows, kt;
  int64_t dp, ep;          // D and Dv, padded to whole fragments
  int64_t chunk;           // elements in 16 bytes
  int64_t qkPitch, vPitch; // bytes from row to row; odd in 16 bytes
  int64_t kAt, vAt, sharedBytes;

  /// Two stages of each.
  int64_t kStage() const { return kt * qkPitch; }
  int64_t vStage() const { return kt * vPitch; }
  /// Whether addresses are computed anew for each tile: the sums take ep / 2 of
  /// 255 registers, and what is added to the scores is there before the
  /// addition.
  bool fewRegisters;
};

/// Lowers a block table to a kernel and its launch
/// (AttnToGPU/BlockTableKernel.cpp).
void lowerBlockTableToKernel(ModuleOp module, OpBuilder &b, BlockTableOp op);

/// Lowers a loop over elements to a kernel and its launch
/// (AttnToGPU/ElementwiseKernel.cpp); false when it is not one of those.
bool lowerParallelToKernel(ModuleOp module, OpBuilder &b, scf::ParallelOp loop);

/// One block of queries, or one part of its keys (AttnToGPU/ForwardKernel.cpp).
KernelModule::Kernel emitForward(Emit &e, KernelModule &kernels,
                                 const LoopView &host, const DeviceWork &work);
/// The parts of one row, merged (AttnToGPU/MergeKernel.cpp).
KernelModule::Kernel emitMerge(Emit &e, KernelModule &kernels,
                               const LoopView &host, const DeviceWork &work);
/// Query blocks with a flag, again, selecting values of masked pairs away
/// (AttnToGPU/GuardKernel.cpp).
KernelModule::Kernel emitGuard(Emit &e, KernelModule &kernels,
                               const LoopView &host, const DeviceWork &work,
                               int64_t rows, int64_t &sharedBytes);

/// The end of a row: what to multiply its sum of values by, and its lse.
struct RowEnd {
  Value factor, lse;
};
/// From the running maximum (in stored scores) and the sum of weights.
RowEnd endRow(Emit &e, const LoopView &view, Value h, Value m, Value l);

/// Copies between buffers become calls of the runtime; `skips` names code that
/// has no device.
void lowerCopies(ModuleOp module, OpBuilder &b,
                 llvm::function_ref<bool(Operation *)> skips);

/// Elements that host code loads and stores one at a time are copied between
/// the device and the host; `skips` names code that has no device. Loops over
/// elements that became no kernel are refused.
LogicalResult lowerHostElements(ModuleOp module, OpBuilder &b,
                                llvm::function_ref<bool(Operation *)> skips);

} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_ATTNTOGPU_KERNELS_H
