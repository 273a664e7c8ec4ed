//===- Import.h - Arrays of any library as tensors --------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PYTHON_RUNTIME_IMPORT_H
#define ATTN_PYTHON_RUNTIME_IMPORT_H

#include "Tensor.h"

namespace attn::py {

/// Whether an array is a torch tensor that autograd follows.
bool requiresGrad(nanobind::handle object, const TypeFacts &facts);

/// Takes an array without copying; its axes end up in the order bhsd. With
/// `writable` it must be one to write to.
Tensor importTensor(nanobind::handle object, bool writable, int layout);

} // namespace attn::py

#endif // ATTN_PYTHON_RUNTIME_IMPORT_H
