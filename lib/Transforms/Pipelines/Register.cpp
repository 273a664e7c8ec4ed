//===- Register.cpp - Names of the pipelines -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What attn-opt and Python may call by name.
//===----------------------------------------------------------------------===//

#include "attn/Transforms/Pipelines.h"

#include "mlir/Pass/PassRegistry.h"

using namespace mlir;
using namespace mlir::attn;

void attn::registerPipelines() {
  PassPipelineRegistration<CPUPipelineOptions>(
      "attn-stage-schedule", "attn to scheduled attn", buildSchedule);
  PassPipelineRegistration<>("attn-stage-plan", "Scheduled attn to key loops on tensors",
                             buildPlan);
  PassPipelineRegistration<>("attn-stage-bufferize", "Key loops on tensors to key loops on buffers",
                             buildBufferize);
  PassPipelineRegistration<>("attn-stage-kernels", "Key loops on buffers to scf and vector",
                             buildLowerKeyLoops);
  PassPipelineRegistration<>("attn-stage-llvm", "scf and vector to the LLVM dialect", buildToLLVM);
  PassPipelineRegistration<CPUPipelineOptions>(
      "attn-lower-to-cpu", "attn to the LLVM dialect with the package ABI: all stages in order",
      buildLowerToCPU);
  PassPipelineRegistration<>("attn-stage-gpu-kernels",
                             "Key loops on buffers to host code and a gpu.module",
                             buildLowerKeyLoopsToGPU);
  PassPipelineRegistration<>("attn-stage-gpu-llvm",
                             "Host code and a gpu.module to the LLVM and NVVM dialects",
                             buildGPUToLLVM);
  PassPipelineRegistration<GPUPipelineOptions>(
      "attn-lower-to-gpu", "attn to the LLVM dialect with NVVM kernels: all stages in order",
      buildLowerToGPU);
}
