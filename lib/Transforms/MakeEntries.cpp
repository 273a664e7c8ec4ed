//===- MakeEntries.cpp - Entry points of public functions -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tensors in and out become buffers; results are written in place.
//===----------------------------------------------------------------------===//

#include "attn/Transforms/Passes.h"

#include "SizeOrigin.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"

namespace mlir::attn {
#define GEN_PASS_DEF_MAKEENTRIES
#include "attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;

/// Any strides but a unit last one; any offset.
static MemRefType bufferType(RankedTensorType type) {
  SmallVector<int64_t> strides(type.getRank(), ShapedType::kDynamic);
  if (!strides.empty())
    strides.back() = 1;
  return MemRefType::get(
      type.getShape(), type.getElementType(),
      StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, strides));
}

static LogicalResult checkSignature(func::FuncOp func) {
  if (!func.getBody().hasOneBlock())
    return func.emitError() << "expects an entry function with one block, but got "
                            << func.getBody().getBlocks().size();
  for (auto [what, types] : {std::pair<StringRef, TypeRange>{"argument", func.getArgumentTypes()},
                             {"result", func.getResultTypes()}})
    for (auto [index, type] : llvm::enumerate(types))
      if (!isa<RankedTensorType>(type))
        return func.emitError() << "expects " << what << " " << index << " of entry function '"
                                << func.getName() << "' to be a ranked tensor, but got " << type
                                << "; a scalar can be passed as a tensor of rank 0";
  return success();
}

/// A function over buffers holding the body of `func`; `finish` gets the values
/// that `func` returned and the buffers beyond the arguments.
static func::FuncOp makeEntry(func::FuncOp func, StringRef name, TypeRange extra,
                              function_ref<void(OpBuilder &, ValueRange, ValueRange)> finish) {
  OpBuilder b(func);
  Location loc = func.getLoc();
  SmallVector<Type> inputs;
  for (Type type : func.getArgumentTypes())
    inputs.push_back(bufferType(cast<RankedTensorType>(type)));
  llvm::append_range(inputs, extra);
  auto entry = func::FuncOp::create(b, loc, name, b.getFunctionType(inputs, {}));
  entry->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(), b.getUnitAttr());
  Block *block = entry.addEntryBlock();
  b.setInsertionPointToStart(block);
  IRMapping map;
  for (auto [argument, buffer] : llvm::zip(func.getArguments(), block->getArguments()))
    map.map(argument, bufferization::ToTensorOp::create(b, loc, argument.getType(), buffer,
                                                        /*restrict=*/true)
                          .getResult());
  Block &body = func.getBody().front();
  for (Operation &op : body.without_terminator())
    b.clone(op, map);
  SmallVector<Value> results;
  for (Value value : body.getTerminator()->getOperands())
    results.push_back(map.lookupOrDefault(value));
  finish(b, results, block->getArguments().take_back(extra.size()));
  func::ReturnOp::create(b, loc);
  return entry;
}

namespace {
struct MakeEntriesPass : public attn::impl::MakeEntriesBase<MakeEntriesPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<func::FuncOp> funcs;
    for (auto func : module.getOps<func::FuncOp>())
      funcs.push_back(func);
    for (func::FuncOp func : funcs) {
      if (func.isPublic() && !func.isExternal()) {
        if (failed(checkSignature(func)))
          return signalPassFailure();
        make(func);
      }
    }
    // What was called has been inlined; a call that is left is a recursion.
    for (func::FuncOp func : funcs)
      func.erase();
    WalkResult result = module.walk([&](func::CallOp call) {
      call.emitError() << "expects calls that can be inlined, but got a call of '"
                       << call.getCallee() << "', which is recursive or external";
      return WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

  void make(func::FuncOp func) {
    Location loc = func.getLoc();
    SmallVector<Type> results;
    for (Type type : func.getResultTypes())
      results.push_back(bufferType(cast<RankedTensorType>(type)));
    makeEntry(func, ("attn_call_" + func.getName()).str(), results,
              [&](OpBuilder &b, ValueRange values, ValueRange buffers) {
                for (auto [value, buffer] : llvm::zip(values, buffers))
                  bufferization::MaterializeInDestinationOp::create(
                      b, loc, TypeRange{}, value, buffer, /*restrict=*/true, /*writable=*/true);
              });
    int64_t axes = 0;
    for (Type type : func.getResultTypes())
      axes += cast<RankedTensorType>(type).getRank();
    Type dims = MemRefType::get({axes}, IntegerType::get(&getContext(), 64));
    makeEntry(func, ("attn_dims_" + func.getName()).str(), dims,
              [&](OpBuilder &b, ValueRange values, ValueRange buffers) {
                int64_t next = 0;
                for (Value value : values)
                  for (int64_t axis = 0; axis < cast<RankedTensorType>(value.getType()).getRank();
                       ++axis) {
                    attn::AxisSize origin = attn::sizeOrigin(b, {value, axis});
                    Value size = tensor::DimOp::create(b, loc, origin.tensor, origin.axis);
                    size = arith::IndexCastOp::create(b, loc, b.getI64Type(), size);
                    Value at = arith::ConstantIndexOp::create(b, loc, next++);
                    memref::StoreOp::create(b, loc, size, buffers[0], at);
                  }
              });
  }
};
} // namespace
