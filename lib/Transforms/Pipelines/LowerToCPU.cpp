//===- LowerToCPU.cpp - From attn to the LLVM dialect -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// addPass lines and the reasons between them.
//===----------------------------------------------------------------------===//

#include "attn/Conversion/Passes.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Transforms/Passes.h"
#include "attn/Transforms/Pipelines.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/Transforms/Passes.h"
#include "mlir/Dialect/Vector/Transforms/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void attn::buildSchedule(OpPassManager &pm, const CPUPipelineOptions &options) {
  // Functions that only structure the program go: schedules are per call site.
  pm.addPass(createInlinerPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  // Canonical comparisons have their constants on the right.
  pm.addNestedPass<func::FuncOp>(createMatchMasks());
  pm.addPass(createCanonicalizerPass());
  ScheduleOptions schedule;
  schedule.isa = options.isa;
  pm.addNestedPass<func::FuncOp>(createSchedule(schedule));
}

void attn::buildPlan(OpPassManager &pm) {
  pm.addNestedPass<func::FuncOp>(createExpandMergeStates());
  // Before the plan, so that result sizes still follow from attention's own
  // shape rules when the second entry point asks for them.
  pm.addPass(createMakeEntries());
  pm.addPass(memref::createResolveRankedShapeTypeResultDimsPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addNestedPass<func::FuncOp>(createPlanKeys());
}

void attn::buildBufferize(OpPassManager &pm) {
  pm.addPass(createConvertElementwiseToLinalgPass());
  // Sizes go back to those of the arguments, so that layers with one mask are
  // seen to have one block table.
  pm.addPass(memref::createResolveRankedShapeTypeResultDimsPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  // Results go straight to the caller's buffers where nothing else reads them.
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  pm.addPass(bufferization::createEmptyTensorToAllocTensorPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.allowReturnAllocsFromLoops = true; // the runtime's call owns them
  pm.addPass(bufferization::createOneShotBufferizePass(bufferize));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void attn::buildLowerKeyLoops(OpPassManager &pm) {
  pm.addPass(createConvertAttnToCPU());
  pm.addPass(createConvertLinalgToLoopsPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void attn::buildToLLVM(OpPassManager &pm) {
  // bf16 arithmetic outside the kernels by integer operations, not library calls.
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  pm.addPass(arith::createArithExpandOpsPass(expand));
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  // What LLVM has no intrinsic for (erf) is taken out of its vector first.
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  FinalizeMemRefToLLVMConversionPassOptions memref;
  memref.useGenericFunctions = true; // allocations belong to the runtime's call
  pm.addPass(createFinalizeMemRefToLLVMConversionPass(memref));
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createPackEntries());
}

void attn::buildLowerToCPU(OpPassManager &pm, const CPUPipelineOptions &options) {
  buildSchedule(pm, options);
  buildPlan(pm);
  buildBufferize(pm);
  buildLowerKeyLoops(pm);
  buildToLLVM(pm);
}
