//===- LowerToGPU.cpp - From attn to NVVM kernels -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The stages up to buffers are the CPU's.
//===----------------------------------------------------------------------===//

#include "attn/Conversion/Passes.h"
#include "attn/Transforms/Pipelines.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void attn::buildLowerKeyLoopsToGPU(OpPassManager &pm) {
  // Arithmetic around attention: its loops become kernels as well.
  pm.addPass(createConvertLinalgToParallelLoopsPass());
  pm.addPass(createConvertAttnToGPU());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void attn::buildGPUToLLVM(OpPassManager &pm) {
  OpPassManager &kernels = pm.nest<gpu::GPUModuleOp>();
  kernels.addPass(arith::createArithExpandOpsPass());
  kernels.addPass(createSCFToControlFlowPass());
  kernels.addPass(memref::createExpandStridedMetadataPass());
  kernels.addPass(createLowerAffinePass());
  kernels.addPass(createConvertVectorToLLVMPass());
  ConvertGpuOpsToNVVMOpsOptions nvvm;
  nvvm.indexBitwidth = 64;
  kernels.addPass(createConvertGpuOpsToNVVMOps(nvvm));
  kernels.addPass(createReconcileUnrealizedCastsPass());
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
  buildToLLVM(pm);
}

void attn::buildLowerToGPU(OpPassManager &pm, const GPUPipelineOptions &options) {
  CPUPipelineOptions schedule;
  schedule.isa = options.arch;
  buildSchedule(pm, schedule);
  buildPlan(pm);
  buildBufferize(pm);
  buildLowerKeyLoopsToGPU(pm);
  buildGPUToLLVM(pm);
}
