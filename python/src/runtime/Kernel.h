//===- Kernel.h - One entry of an opened package ----------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PYTHON_RUNTIME_KERNEL_H
#define ATTN_PYTHON_RUNTIME_KERNEL_H

#include "Tensor.h"

#include "attn-c/Runtime.h"

#include <atomic>
#include <string>
#include <vector>

namespace attn::py {

/// One entry of an opened package.
struct Kernel {
  AttnPackage *package = nullptr;
  int entry = -1;
  std::string json;
  std::vector<DType> resultTypes;
  std::vector<int> resultRanks;
  int totalRank = 0;
  std::atomic<int64_t> calls{0};
  std::atomic<int64_t> counters[8] = {};

  Kernel(const std::string &path, const std::string &name);
  Kernel(const Kernel &) = delete;
  ~Kernel() { attnPackageClose(package); }

  void setResults(const std::vector<std::string> &types,
                  const std::vector<int> &ranks);
};

/// How to run one call.
struct RunOptions {
  /// How new results are laid out, a `Layout`.
  int layout = BHSD;
  /// 0 for the default.
  int numThreads = 0;
  /// Null asks the tensors.
  const char *device = nullptr;
};

/// Runs a kernel on `count` tensors. Results are new arrays of the first
/// argument's library: one, or a tuple of them.
nanobind::object runKernel(Kernel &kernel, const Tensor *const *args, int count,
                           const RunOptions &options);

/// Runs a kernel that writes to the `outCount` tensors `out`.
void runKernelInto(Kernel &kernel, const Tensor *const *args, int count,
                   Tensor *const *out, int outCount, const RunOptions &options);

/// The sizes of all results, `totalRank` numbers.
void resultSizes(Kernel &kernel, const Tensor *const *args, int count,
                 int64_t *dims);

} // namespace attn::py

#endif // ATTN_PYTHON_RUNTIME_KERNEL_H
