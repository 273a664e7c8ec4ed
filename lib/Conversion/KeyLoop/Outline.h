//===- Outline.h - Block functions of a parallel loop -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the backends.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_KEYLOOP_OUTLINE_H
#define ATTN_LIB_CONVERSION_KEYLOOP_OUTLINE_H

#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"

namespace mlir::attn {

/// Passes values to functions that the runtime's pool calls with one pointer:
/// packs them into a struct on the host side, opens it in the function.
class Outliner {
public:
  Outliner(ModuleOp module, OpBuilder &b, Location loc)
      : module(module), b(b), loc(loc), converter(b.getContext()) {}

  /// A private function (ctx: ptr, task: i64, scratch: ptr) with an empty body
  /// and a name made of `stem`; the builder stands in its entry block, whose
  /// copies of `captured` come back. Call `close` when done. `rare`: kept apart
  /// from its caller, and small rather than fast.
  struct Block {
    func::FuncOp func;
    SmallVector<Value> captured;
    Value context, task, scratch; // ptr, index, ptr
  };
  Block open(StringRef stem, TypeRange captured, bool rare = false);
  void close(Block &block);

  /// On the host side: memory for one value, as long as the function runs.
  Value variable(Type type);
  /// On the host side: the packed struct's address.
  Value pack(ValueRange values);
  /// The struct that `pack` makes of values of these types, and values of these
  /// types out of such a struct.
  LLVM::LLVMStructType structOf(TypeRange types);
  SmallVector<Value> unpack(Value packed, TypeRange types);
  /// Calls attnrt_parallel_for(func, context, tasks, scratchBytes).
  void parallelFor(func::FuncOp func, Value context, Value tasks, Value scratchBytes);
  /// A call to a function of the runtime, declared on first use.
  void call(StringRef name, ValueRange operands);
  /// The address of a constant zero-terminated string.
  Value text(StringRef text);
  /// A buffer of static or dynamic shape at `bytes` into the scratch pointer.
  Value scratchBuffer(Value scratch, Value bytes, MemRefType type, ValueRange sizes);
  /// The address of a buffer's first element, as ptr.
  Value address(Value memref);

private:
  ModuleOp module;
  OpBuilder &b;
  Location loc;
  LLVMTypeConverter converter;
  OpBuilder::InsertPoint saved;
};

} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_KEYLOOP_OUTLINE_H
