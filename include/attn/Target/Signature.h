//===- Signature.h - Entries of a program as JSON ---------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_SIGNATURE_H
#define ATTN_TARGET_SIGNATURE_H

#include "attn/Support/Fault.h"

#include "mlir/IR/BuiltinOps.h"

#include "llvm/Support/JSON.h"

namespace attn {

/// The public functions of a program that was not lowered yet, one object
/// {"name", "args", "results", "notes"} each; only `entry` unless that is
/// empty. Refused with a reason: a type that a package cannot pass, a name that
/// C cannot spell, a program without entries.
bool describeEntries(mlir::ModuleOp module, llvm::StringRef entry,
                     llvm::json::Array &entries, Fault &fault);

} // namespace attn

#endif // ATTN_TARGET_SIGNATURE_H
