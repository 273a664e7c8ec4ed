//===- Checks.h - Checks before a key loop runs -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the backends.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_KEYLOOP_CHECKS_H
#define ATTN_LIB_CONVERSION_KEYLOOP_CHECKS_H

#include "Emit.h"
#include "Outline.h"
#include "attn/Dialect/Attn/IR/Attn.h"

namespace mlir::attn {
/// Calls into the runtime that refuse what the verifier could not see: sizes that
/// do not agree, lengths and page entries out of range.
/// `name` is the op that errors name.
void emitChecks(Emit &e, Outliner &outliner, KeyLoopOp op,
                StringRef name = "attn.attention");
/// Those of them without which a block table would read outside of a buffer; it
/// runs before its key loop. What the buffers hold is left to the key loop.
void emitChecks(Emit &e, Outliner &outliner, BlockTableOp op);
} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_KEYLOOP_CHECKS_H
