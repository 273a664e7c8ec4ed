//===- Outline.cpp - Block functions of a parallel loop -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Outline.h.
//===----------------------------------------------------------------------===//

#include "Outline.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mlir::attn;

LLVM::LLVMStructType Outliner::structOf(TypeRange types) {
  SmallVector<Type> fields;
  for (Type type : types)
    fields.push_back(type.isIndex() ? b.getI64Type() : converter.convertType(type));
  return LLVM::LLVMStructType::getLiteral(b.getContext(), fields);
}

static Value castTo(OpBuilder &b, Location loc, Type type, Value value) {
  if (value.getType() == type)
    return value;
  if (value.getType().isIndex() || type.isIndex())
    return arith::IndexCastOp::create(b, loc, type, value);
  return UnrealizedConversionCastOp::create(b, loc, type, value).getResult(0);
}

Value Outliner::variable(Type type) {
  OpBuilder::InsertionGuard guard(b);
  // Once per call of the host function, not once per turn of a loop in it.
  Operation *parent = b.getInsertionBlock()->getParentOp();
  auto func = isa<func::FuncOp>(parent) ? cast<func::FuncOp>(parent)
                                        : parent->getParentOfType<func::FuncOp>();
  b.setInsertionPointToStart(&func.getBody().front());
  Value one = LLVM::ConstantOp::create(b, loc, b.getI64Type(), b.getI64IntegerAttr(1));
  Type ptr = LLVM::LLVMPointerType::get(b.getContext());
  return LLVM::AllocaOp::create(b, loc, ptr, type, one, 16);
}

Value Outliner::pack(ValueRange values) {
  LLVM::LLVMStructType type = structOf(values.getTypes());
  Value packed = LLVM::PoisonOp::create(b, loc, type);
  for (auto [index, value] : llvm::enumerate(values))
    packed = LLVM::InsertValueOp::create(b, loc, packed,
                                         castTo(b, loc, type.getBody()[index], value), index);
  Value address = variable(type);
  LLVM::StoreOp::create(b, loc, packed, address);
  return address;
}

SmallVector<Value> Outliner::unpack(Value packed, TypeRange types) {
  SmallVector<Value> values;
  for (auto [index, want] : llvm::enumerate(types))
    values.push_back(castTo(b, loc, want, LLVM::ExtractValueOp::create(b, loc, packed, index)));
  return values;
}

Outliner::Block Outliner::open(StringRef stem, TypeRange captured, bool rare) {
  saved = b.saveInsertionPoint();
  SymbolTable symbols(module);
  Type ptr = LLVM::LLVMPointerType::get(b.getContext());
  b.setInsertionPointToEnd(module.getBody());
  auto func = func::FuncOp::create(b, loc, stem,
                                   b.getFunctionType({ptr, b.getI64Type(), ptr}, {}));
  func.setPrivate();
  if (rare) // attributes that LLVM's functions take over as they are
    func->setAttr("passthrough", b.getStrArrayAttr({"noinline", "cold", "optsize"}));
  symbols.insert(func); // makes the name unique
  mlir::Block *entry = func.addEntryBlock();
  b.setInsertionPointToStart(entry);
  Block block{func, {}, entry->getArgument(0), {}, entry->getArgument(2)};
  block.task = arith::IndexCastOp::create(b, loc, b.getIndexType(), entry->getArgument(1));
  LLVM::LLVMStructType type = structOf(captured);
  Value packed = LLVM::LoadOp::create(b, loc, type, entry->getArgument(0));
  block.captured = unpack(packed, captured);
  return block;
}

void Outliner::close(Block &block) {
  func::ReturnOp::create(b, loc);
  b.restoreInsertionPoint(saved);
}

void Outliner::call(StringRef name, ValueRange operands) {
  func::FuncOp func = module.lookupSymbol<func::FuncOp>(name);
  if (!func) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    func = func::FuncOp::create(b, loc, name, b.getFunctionType(operands.getTypes(), {}));
    func.setPrivate();
  }
  func::CallOp::create(b, loc, func, operands);
}

void Outliner::parallelFor(func::FuncOp func, Value context, Value tasks, Value scratchBytes) {
  Value function = func::ConstantOp::create(b, loc, func.getFunctionType(),
                                            FlatSymbolRefAttr::get(func));
  Type ptr = LLVM::LLVMPointerType::get(b.getContext());
  function = UnrealizedConversionCastOp::create(b, loc, ptr, function).getResult(0);
  call("attnrt_parallel_for",
       {function, context, castTo(b, loc, b.getI64Type(), tasks),
        castTo(b, loc, b.getI64Type(), scratchBytes)});
}

Value Outliner::text(StringRef text) {
  std::string name;
  std::string bytes = text.str() + '\0';
  for (unsigned n = 0;; ++n) {
    name = "attn_text_" + std::to_string(n);
    Operation *symbol = module.lookupSymbol(name);
    if (!symbol)
      break;
    auto global = dyn_cast<LLVM::GlobalOp>(symbol);
    if (global && global.getValueOrNull() == b.getStringAttr(bytes))
      return LLVM::AddressOfOp::create(b, loc, global);
  }
  OpBuilder::InsertionGuard guard(b);
  LLVM::GlobalOp global;
  {
    OpBuilder::InsertionGuard inner(b);
    b.setInsertionPointToStart(module.getBody());
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), bytes.size());
    global = LLVM::GlobalOp::create(b, loc, type, /*isConstant=*/true, LLVM::Linkage::Internal, name,
                                    b.getStringAttr(bytes));
  }
  return LLVM::AddressOfOp::create(b, loc, global);
}

Value Outliner::scratchBuffer(Value scratch, Value bytes, MemRefType type, ValueRange sizes) {
  Type i64 = b.getI64Type();
  Type ptr = LLVM::LLVMPointerType::get(b.getContext());
  Value at = LLVM::GEPOp::create(b, loc, ptr, b.getI8Type(), scratch,
                                 ValueRange{castTo(b, loc, i64, bytes)});
  auto descriptor = MemRefDescriptor::poison(b, loc, converter.convertType(type));
  descriptor.setAllocatedPtr(b, loc, at);
  descriptor.setAlignedPtr(b, loc, at);
  auto number = [&](int64_t value) -> Value {
    return LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(value));
  };
  descriptor.setOffset(b, loc, number(0));
  // Row-major, from the last axis.
  Value stride = number(1);
  unsigned dynamic = sizes.size();
  for (int64_t axis = type.getRank() - 1; axis >= 0; --axis) {
    Value size = type.isDynamicDim(axis) ? castTo(b, loc, i64, sizes[--dynamic])
                                         : number(type.getDimSize(axis));
    descriptor.setSize(b, loc, axis, size);
    descriptor.setStride(b, loc, axis, stride);
    stride = LLVM::MulOp::create(b, loc, stride, size);
  }
  Value packed = descriptor;
  return UnrealizedConversionCastOp::create(b, loc, type, packed).getResult(0);
}

Value Outliner::address(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  auto metadata = memref::ExtractStridedMetadataOp::create(b, loc, memref);
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, memref);
  int64_t bytes = std::max<int64_t>(1, type.getElementTypeBitWidth() / 8);
  Value offset = arith::MulIOp::create(b, loc, metadata.getOffset(),
                                       arith::ConstantIndexOp::create(b, loc, bytes));
  Value sum = arith::AddIOp::create(b, loc, base, offset);
  Type ptr = LLVM::LLVMPointerType::get(b.getContext());
  return LLVM::IntToPtrOp::create(b, loc, ptr, castTo(b, loc, b.getI64Type(), sum));
}
