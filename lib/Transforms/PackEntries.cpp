//===- PackEntries.cpp - Entry points of the package ABI -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One pointer to an array of descriptor pointers instead of an argument each.
//===----------------------------------------------------------------------===//

#include "attn/Transforms/Passes.h"

namespace mlir::attn {
#define GEN_PASS_DEF_PACKENTRIES
#include "attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;

/// attn_entry_f(descs): calls the C wrapper with descs[0], descs[1], ...
/// attn_shape_f(descs, dims): the last argument is a descriptor over `dims`.
static void packEntry(LLVM::LLVMFuncOp wrapper, StringRef name, bool shape) {
  OpBuilder b(wrapper);
  b.setInsertionPointAfter(wrapper);
  Location loc = wrapper.getLoc();
  Type ptr = LLVM::LLVMPointerType::get(b.getContext());
  Type i64 = b.getI64Type();
  SmallVector<Type> inputs(shape ? 2 : 1, ptr);
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), inputs);
  auto entry = LLVM::LLVMFuncOp::create(b, loc, name, type);
  Block *block = entry.addEntryBlock(b);
  b.setInsertionPointToStart(block);
  SmallVector<Value> arguments;
  unsigned count = wrapper.getNumArguments();
  for (unsigned n = 0; n < count; ++n) {
    if (shape && n + 1 == count) {
      // { allocated, aligned, offset, sizes[1], strides[1] } over dims.
      auto array = LLVM::LLVMArrayType::get(i64, 1);
      auto descriptor = LLVM::LLVMStructType::getLiteral(b.getContext(), {ptr, ptr, i64, array, array});
      Value one = LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(1));
      Value zero = LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(0));
      Value value = LLVM::PoisonOp::create(b, loc, Type(descriptor));
      Value dims = block->getArgument(1);
      value = LLVM::InsertValueOp::create(b, loc, value, dims, ArrayRef<int64_t>{0});
      value = LLVM::InsertValueOp::create(b, loc, value, dims, ArrayRef<int64_t>{1});
      value = LLVM::InsertValueOp::create(b, loc, value, zero, ArrayRef<int64_t>{2});
      value = LLVM::InsertValueOp::create(b, loc, value, one, ArrayRef<int64_t>{3, 0});
      value = LLVM::InsertValueOp::create(b, loc, value, one, ArrayRef<int64_t>{4, 0});
      Value memory = LLVM::AllocaOp::create(b, loc, ptr, descriptor, one, /*alignment=*/0);
      LLVM::StoreOp::create(b, loc, value, memory);
      arguments.push_back(memory);
      continue;
    }
    Value slot = LLVM::GEPOp::create(b, loc, ptr, ptr, block->getArgument(0),
                                     ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(n)});
    arguments.push_back(LLVM::LoadOp::create(b, loc, ptr, slot));
  }
  LLVM::CallOp::create(b, loc, wrapper, arguments);
  LLVM::ReturnOp::create(b, loc, ValueRange{});
}

namespace {
struct PackEntriesPass : public attn::impl::PackEntriesBase<PackEntriesPass> {
  void runOnOperation() override {
    SmallVector<LLVM::LLVMFuncOp> wrappers;
    for (auto func : getOperation().getOps<LLVM::LLVMFuncOp>())
      if (!func.isExternal())
        wrappers.push_back(func);
    for (LLVM::LLVMFuncOp func : wrappers) {
      StringRef name = func.getName();
      if (name.consume_front("_mlir_ciface_attn_call_"))
        packEntry(func, ("attn_entry_" + name).str(), /*shape=*/false);
      else if (name.consume_front("_mlir_ciface_attn_dims_"))
        packEntry(func, ("attn_shape_" + name).str(), /*shape=*/true);
    }
  }
};
} // namespace
