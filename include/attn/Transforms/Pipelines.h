//===- Pipelines.h - Named pipelines -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The stages from attn to the LLVM dialect; each can be resumed from printed text.
//===----------------------------------------------------------------------===//

#ifndef ATTN_TRANSFORMS_PIPELINES_H
#define ATTN_TRANSFORMS_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace mlir::attn {

struct CPUPipelineOptions : PassPipelineOptions<CPUPipelineOptions> {
  Option<std::string> isa{*this, "isa",
                          llvm::cl::desc("Row of the schedule table: avx512bf16, avx512, avx2, sse4, neon or "
                                         "generic."),
                          llvm::cl::init("avx2")};
};

/// attn -> attn with schedules: internal calls inlined, masks simplified.
void buildSchedule(OpPassManager &pm, const CPUPipelineOptions &options);
/// scheduled attn -> key loops on tensors.
void buildPlan(OpPassManager &pm);
/// key loops on tensors -> key loops on buffers, with entry points.
void buildBufferize(OpPassManager &pm);
/// key loops on buffers -> scf, vector, memref and runtime calls.
void buildLowerKeyLoops(OpPassManager &pm);
/// -> LLVM dialect with the package ABI.
void buildToLLVM(OpPassManager &pm);
/// All of the above.
void buildLowerToCPU(OpPassManager &pm, const CPUPipelineOptions &options);

/// key loops on buffers -> host code, and kernels in a gpu.module.
void buildLowerKeyLoopsToGPU(OpPassManager &pm);
/// The same with all in the LLVM dialect; the gpu.module holds NVVM kernels.
void buildGPUToLLVM(OpPassManager &pm);

struct GPUPipelineOptions : PassPipelineOptions<GPUPipelineOptions> {
  Option<std::string> arch{*this, "arch", llvm::cl::desc("sm_80 and up."), llvm::cl::init("sm_80")};
};
/// attn -> LLVM dialect with the package ABI, and NVVM kernels.
void buildLowerToGPU(OpPassManager &pm, const GPUPipelineOptions &options);

/// attn-stage-schedule, attn-stage-plan, attn-stage-bufferize,
/// attn-stage-kernels, attn-stage-llvm and attn-lower-to-cpu; attn-stage-gpu-kernels,
/// attn-stage-gpu-llvm and attn-lower-to-gpu.
void registerPipelines();

} // namespace mlir::attn

#endif // ATTN_TRANSFORMS_PIPELINES_H
