//===- KernelModule.cpp - Kernels of one program -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See KernelModule.h.
//===----------------------------------------------------------------------===//

#include "KernelModule.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace mlir::attn;

gpu::GPUModuleOp KernelModule::kernels() {
  if (auto found = module.lookupSymbol<gpu::GPUModuleOp>(kKernelsSymbol))
    return found;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(module.getBody());
  module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(),
                  b.getUnitAttr());
  return gpu::GPUModuleOp::create(b, loc, kKernelsSymbol);
}

/// Where the block's dynamic shared memory starts; how much there is, the
/// launch says.
static LLVM::GlobalOp sharedMemory(gpu::GPUModuleOp home, OpBuilder &b,
                                   Location loc) {
  constexpr StringLiteral name = "attn_shared";
  if (auto found = home.lookupSymbol<LLVM::GlobalOp>(name))
    return found;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(home.getBody());
  return LLVM::GlobalOp::create(
      b, loc, LLVM::LLVMArrayType::get(b.getI8Type(), 0),
      /*isConstant=*/false, LLVM::Linkage::External, name, Attribute(),
      /*alignment=*/16, kSharedSpace);
}

KernelModule::Kernel KernelModule::open(StringRef stem, TypeRange captured) {
  saved = b.saveInsertionPoint();
  gpu::GPUModuleOp home = kernels();
  std::string name = stem.str();
  for (unsigned n = 1; home.lookupSymbol(name); ++n)
    name = (stem + "_" + Twine(n)).str();
  b.setInsertionPointToEnd(home.getBody());
  LLVM::LLVMStructType type = outliner.structOf(captured);
  auto func =
      gpu::GPUFuncOp::create(b, loc, name, b.getFunctionType({type}, {}));
  func->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  func.setKnownBlockSizeAttr(
      b.getDenseI32ArrayAttr({static_cast<int32_t>(kThreads), 1, 1}));
  // One block per processor is enough: ptxas would rather spill than use a
  // register more than two or three blocks leave each other.
  func->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                b.getI32IntegerAttr(1));
  Block &entry = func.getBody().front();
  b.setInsertionPointToStart(&entry);
  Kernel kernel{
      func, outliner.unpack(entry.getArgument(0), captured), {}, {}, {}};
  // Laid out as the struct is: every field at a multiple of its size.
  for (Type field : captured) {
    int64_t bytes = 8;
    if (auto buffer = dyn_cast<MemRefType>(field))
      bytes = 8 * (3 + 2 * buffer.getRank()); // pointers, sizes and strides
    else if (field.isIntOrFloat())
      bytes = llvm::divideCeil(field.getIntOrFloatBitWidth(), 8);
    kernel.paramBytes =
        llvm::alignTo(kernel.paramBytes, std::min<int64_t>(bytes, 8)) + bytes;
  }
  kernel.paramBytes = llvm::alignTo(kernel.paramBytes, 8);
  kernel.shared = LLVM::AddressOfOp::create(b, loc, sharedMemory(home, b, loc));
  // The host passes memory of the device: loads and stores need not find out.
  for (Value &value : kernel.captured)
    if (auto buffer = dyn_cast<MemRefType>(value.getType())) {
      auto global = MemRefType::get(buffer.getShape(), buffer.getElementType(),
                                    buffer.getLayout(),
                                    b.getI64IntegerAttr(kGlobalSpace));
      value = memref::MemorySpaceCastOp::create(b, loc, global, value);
    }
  kernel.block = gpu::BlockIdOp::create(b, loc, gpu::Dimension::x);
  kernel.part = gpu::BlockIdOp::create(b, loc, gpu::Dimension::y);
  return kernel;
}

void KernelModule::close() {
  gpu::ReturnOp::create(b, loc);
  b.restoreInsertionPoint(saved);
}

/// The host's AttnGpuImage; its fields are set when the device code is there.
static LLVM::GlobalOp image(ModuleOp module, OpBuilder &b, Location loc) {
  if (auto found = module.lookupSymbol<LLVM::GlobalOp>(kImageSymbol))
    return found;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(module.getBody());
  Type ptr = LLVM::LLVMPointerType::get(b.getContext()), i64 = b.getI64Type();
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(),
                                               {ptr, i64, ptr, i64, ptr});
  return LLVM::GlobalOp::create(b, loc, type, /*isConstant=*/true,
                                LLVM::Linkage::External, kImageSymbol,
                                Attribute());
}

void KernelModule::launch(Emit &e, Kernel kernel, Value blocks, Value parts,
                          int64_t sharedBytes, Value params) {
  kernel.func->setAttr(kSharedBytesAttr, b.getI64IntegerAttr(sharedBytes));
  kernel.func->setAttr(kParamBytesAttr, b.getI64IntegerAttr(kernel.paramBytes));
  auto i64 = [&](int64_t value) { return e.toI64(e.idx(value)); };
  outliner.call("attnrt_gpu_launch",
                {LLVM::AddressOfOp::create(b, loc, image(module, b, loc)),
                 outliner.text(kernel.func.getName()), e.toI64(blocks),
                 e.toI64(parts), i64(1),
                 arith::ConstantIntOp::create(b, loc, kThreads, 32),
                 i64(sharedBytes), params, i64(kernel.paramBytes)});
}

LogicalResult KernelModule::checkParams(Operation *op, const Kernel &kernel) {
  if (kernel.paramBytes <= kMostParamBytes)
    return success();
  return op->emitOpError() << "expects operands that " << kMostParamBytes
                           << " bytes of kernel parameters describe, but got "
                           << kernel.paramBytes << "; capture fewer tensors";
}
