//===- Explain.h - Facts about key loops ------------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CAPI_EXPLAIN_H
#define ATTN_LIB_CAPI_EXPLAIN_H

#include "mlir/IR/BuiltinOps.h"

#include "llvm/Support/JSON.h"

namespace attn::capi {

/// For entry `entry` of a planned program, one object per key loop.
llvm::json::Array describeKeyLoops(mlir::ModuleOp planned,
                                   llvm::StringRef entry);

/// The same as sentences, for the notes of a package.
std::vector<std::string> keyLoopNotes(const llvm::json::Array &keyLoops);

/// Both for gradients: one object per key loop of a gradient, and sentences.
llvm::json::Array describeGradients(mlir::ModuleOp planned,
                                    llvm::StringRef entry);
std::vector<std::string> gradientNotes(const llvm::json::Array &gradients);

} // namespace attn::capi

#endif // ATTN_LIB_CAPI_EXPLAIN_H
