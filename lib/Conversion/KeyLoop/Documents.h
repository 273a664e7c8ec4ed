//===- Documents.h - attn.documents to calls of the runtime -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the backends.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_KEYLOOP_DOCUMENTS_H
#define ATTN_LIB_CONVERSION_KEYLOOP_DOCUMENTS_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/IR/BuiltinOps.h"

namespace mlir::attn {
/// Replaces the op, on buffers, by checks and a call that fills its outs.
void lowerDocuments(ModuleOp module, OpBuilder &b, DocumentsOp op);
} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_KEYLOOP_DOCUMENTS_H
