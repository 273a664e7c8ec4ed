//===- DeviceCode.cpp - From NVVM kernels to PTX ----------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "attn/Target/DeviceCode.h"

#include "Detail.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/ModuleTranslation.h"

#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <mutex>

using namespace attn;
using namespace mlir;

/// sm_90 needs PTX 8.0, which every driver since CUDA 12.0 knows. A kernel with
/// more than 4,096 bytes of parameters needs 8.1, which those since 12.1 know.
static const char *ptxVersion(gpu::GPUModuleOp kernels) {
  for (auto func : kernels.getOps<LLVM::LLVMFuncOp>())
    if (auto bytes = func->getAttrOfType<IntegerAttr>("attn.param_bytes"))
      if (bytes.getInt() > 4096)
        return "+ptx81";
  return "+ptx80";
}

static gpu::GPUModuleOp kernelsOf(ModuleOp module) {
  for (auto kernels : module.getOps<gpu::GPUModuleOp>())
    return kernels;
  return {};
}

bool attn::generatePtx(ModuleOp lowered, llvm::StringRef arch, DeviceCode &code,
                       Fault &fault) {
  gpu::GPUModuleOp kernels = kernelsOf(lowered);
  if (!kernels)
    return false;
  for (auto func : kernels.getOps<LLVM::LLVMFuncOp>())
    if (auto shared = func->getAttrOfType<IntegerAttr>("attn.shared_bytes")) {
      KernelReport &kernel = code.kernels.emplace_back();
      kernel.name = func.getName().str();
      kernel.sharedBytes = shared.getInt();
    }
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
  });
  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string error;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return fault.set(FaultClass::Compile,
                     "expects an LLVM with the NVPTX target, but got: " +
                         error);
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, arch, ptxVersion(kernels), llvm::TargetOptions(), std::nullopt,
      std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  llvm::LLVMContext context;
  context.setDiagnosticHandler(std::make_unique<ErrorHandler>(fault));
  std::unique_ptr<llvm::Module> module =
      translateModuleToLLVMIR(kernels, context, "attn_kernels");
  if (!module)
    return fault.set(FaultClass::Compile,
                     "the kernels do not translate to LLVM IR");
  module->setTargetTriple(machine->getTargetTriple());
  module->setDataLayout(machine->createDataLayout());

  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(machine.get());
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3)
      .run(*module, modules);

  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream os(text);
  llvm::legacy::PassManager passes;
  passes.add(llvm::createTargetTransformInfoWrapperPass(
      machine->getTargetIRAnalysis()));
  if (machine->addPassesToEmitFile(passes, os, nullptr,
                                   llvm::CodeGenFileType::AssemblyFile))
    return fault.set(FaultClass::Compile,
                     "LLVM cannot write PTX for " + arch.str());
  passes.run(*module);
  code.arch = arch.str();
  code.ptx.assign(text.data(), text.size());
  return !fault;
}

/// A constant byte array, and its address in `type`'s field `index`.
static LLVM::GlobalOp bytes(OpBuilder &b, Location loc, StringRef name,
                            StringRef text) {
  auto type = LLVM::LLVMArrayType::get(b.getI8Type(), text.size());
  return LLVM::GlobalOp::create(b, loc, type, /*isConstant=*/true,
                                LLVM::Linkage::Internal, name,
                                b.getStringAttr(text), /*alignment=*/64);
}

void attn::embedDeviceCode(ModuleOp lowered, const DeviceCode &code) {
  if (gpu::GPUModuleOp kernels = kernelsOf(lowered))
    kernels.erase();
  auto image = lowered.lookupSymbol<LLVM::GlobalOp>("attn_gpu_image");
  if (!image)
    return;
  OpBuilder b(lowered.getContext());
  Location loc = lowered.getLoc();
  b.setInsertionPointToStart(lowered.getBody());
  // Zero-terminated: the driver reads PTX as a C string.
  LLVM::GlobalOp ptx =
      bytes(b, loc, "attn_gpu_ptx", code.ptx + std::string(1, 0));
  LLVM::GlobalOp arch =
      bytes(b, loc, "attn_gpu_arch", code.arch + std::string(1, 0));
  LLVM::GlobalOp cubin;
  if (!code.cubin.empty())
    cubin = bytes(b, loc, "attn_gpu_cubin",
                  StringRef(code.cubin.data(), code.cubin.size()));
  Block *block = b.createBlock(&image.getInitializerRegion());
  b.setInsertionPointToStart(block);
  Type ptr = LLVM::LLVMPointerType::get(b.getContext()), i64 = b.getI64Type();
  Value value = LLVM::UndefOp::create(b, loc, image.getGlobalType());
  auto set = [&](int64_t index, Value field) {
    value = LLVM::InsertValueOp::create(b, loc, value, field, index);
  };
  auto number = [&](int64_t n) -> Value {
    return LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(n));
  };
  set(0, LLVM::AddressOfOp::create(b, loc, ptx));
  set(1, number(code.ptx.size()));
  set(2, cubin ? LLVM::AddressOfOp::create(b, loc, cubin).getResult()
               : LLVM::ZeroOp::create(b, loc, ptr).getResult());
  set(3, number(code.cubin.size()));
  set(4, LLVM::AddressOfOp::create(b, loc, arch));
  LLVM::ReturnOp::create(b, loc, value);
  image.setLinkage(LLVM::Linkage::Internal);
}
