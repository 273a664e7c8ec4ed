//===- Invoke.h - Calling an entry ------------------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A call from start to end: checks, sizes, the generated code, and how it went.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_INVOKE_H
#define ATTN_RUNTIME_INVOKE_H

#include "attn/Runtime/Package.h"

namespace attn::rt {

/// See `attnResultShapes`.
Status resultShapes(AttnPackage &package, int entry,
                    const DLTensor *const *args, int numArgs, int64_t *dims);

/// Where the results of a call come from: tensors of the caller's, or what
/// `allocate` makes when their sizes are known.
struct ResultSource {
  DLTensor *const *tensors = nullptr;
  int count = 0;
  AttnAllocate allocate = nullptr;
  void *arg = nullptr;
};

/// See `attnInvoke` and `attnInvokeAllocating`.
Status invoke(AttnPackage &package, int entry, const DLTensor *const *args,
              int numArgs, const ResultSource &source,
              const AttnInvokeOptions *options, AttnCounters *counters);

} // namespace attn::rt

#endif // ATTN_RUNTIME_INVOKE_H
