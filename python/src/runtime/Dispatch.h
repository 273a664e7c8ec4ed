//===- Dispatch.h - Calls that were made before -----------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PYTHON_RUNTIME_DISPATCH_H
#define ATTN_PYTHON_RUNTIME_DISPATCH_H

#include <nanobind/nanobind.h>

namespace attn::py {

/// Adds the types `Dispatch` and `PlainCall` to the module.
void addDispatch(nanobind::module_ &m);

} // namespace attn::py

#endif // ATTN_PYTHON_RUNTIME_DISPATCH_H
