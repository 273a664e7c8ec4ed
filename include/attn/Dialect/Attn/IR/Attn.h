//===- Attn.h - The attn dialect --------------------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dialect, attributes and ops.
//===----------------------------------------------------------------------===//

#ifndef ATTN_DIALECT_ATTN_IR_ATTN_H
#define ATTN_DIALECT_ATTN_IR_ATTN_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "llvm/ADT/SetVector.h"

#include "attn/Dialect/Attn/IR/AttnDialect.h.inc"
#include "attn/Dialect/Attn/IR/AttnEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "attn/Dialect/Attn/IR/AttnAttrs.h.inc"

#define GET_OP_CLASSES
#include "attn/Dialect/Attn/IR/AttnOps.h.inc"

namespace mlir::attn {
/// Roles of the axes of q, k and v, in the order of the default layout.
enum AxisRole : int64_t { kBatch = 0, kHead = 1, kSeq = 2, kDim = 3 };

/// True if `op` may stand in score_mod, mask_mod or a region of key_loop:
/// speculatable arithmetic on scalars, attn.load and attn.yield.
bool isAllowedInScalarRegion(Operation *op);

/// True if a gradient can pass through `op` of a score_mod.
bool isDifferentiable(Operation *op);

/// The values of a score_mod on a way from `score`, or from a load of one of
/// `tensors` (arguments of the block), to what it yields: those that have a
/// gradient. A way ends at a comparison.
llvm::SetVector<Value> findActive(Block &block, Value score, ArrayRef<Value> tensors);
} // namespace mlir::attn

#endif // ATTN_DIALECT_ATTN_IR_ATTN_H
