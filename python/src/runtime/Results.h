//===- Results.h - New arrays for results -----------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PYTHON_RUNTIME_RESULTS_H
#define ATTN_PYTHON_RUNTIME_RESULTS_H

#include "Errors.h"
#include "Tensor.h"

#include <cstdlib>
#include <vector>

namespace attn::py {

/// Memory that a library such as jax takes over through DLPack.
struct Buffer {
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  DType dtype;
  void *data = nullptr;

  Buffer(const std::vector<int64_t> &dims, DType t) : shape(dims), dtype(t) {
    strides.resize(shape.size());
    int64_t n = 1;
    for (size_t i = shape.size(); i-- > 0;) {
      strides[i] = n;
      n *= shape[i];
    }
    size_t bytes = size_t(n * elementBytes(t));
    if (posix_memalign(&data, 64, bytes ? bytes : 64) != 0)
      raiseError("ResourceError", "a result expects " + std::to_string(bytes) +
                                      " bytes, but they cannot be had");
  }
  Buffer(const Buffer &) = delete;
  ~Buffer() { std::free(data); }
};

/// `Buffer.__dlpack__`.
nanobind::object exportBuffer(nanobind::handle self, nanobind::kwargs);

/// torch's current stream on a device, as a number.
uintptr_t currentTorchStream(int device);

/// Allocates one result in the caller's library, on the caller's device and of
/// the caller's layout, and fills `t` with its view in the kernel's layout.
nanobind::object allocate(Library library, const Tensor *like, DType dtype,
                          const int64_t *dims, int rank, int layout, Tensor &t);

/// Hands a result to its library.
nanobind::object deliver(Library library, nanobind::object result);

} // namespace attn::py

#endif // ATTN_PYTHON_RUNTIME_RESULTS_H
