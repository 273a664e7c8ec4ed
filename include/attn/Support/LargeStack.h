//===- LargeStack.h - Work on a thread with a large stack -------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parser, printer and verifier recurse over nested regions. What SourceGuard
// lets through needs more than the 8 MB of a usual main thread.
//===----------------------------------------------------------------------===//

#ifndef ATTN_SUPPORT_LARGESTACK_H
#define ATTN_SUPPORT_LARGESTACK_H

#include "attn/Support/Fault.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

namespace attn {

/// Runs `work` on a new thread with a stack of 256 MB of address space and
/// waits for it. False and a fault if no such thread can be made.
bool runOnLargeStack(llvm::function_ref<void()> work, Fault &fault);

/// The same, and a crash of `work` (a fatal error or a bad memory access inside
/// LLVM) becomes a fault that names `what`. What `work` had allocated is lost.
bool runRecovering(llvm::StringRef what, llvm::function_ref<void()> work,
                   Fault &fault);

} // namespace attn

#endif // ATTN_SUPPORT_LARGESTACK_H
