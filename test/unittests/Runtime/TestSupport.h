//===- TestSupport.h - Helpers of the runtime's tests -----------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tensors that own their memory, the package that all tests use, and a way to
// run a lambda inside of a call.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TEST_RUNTIME_TESTSUPPORT_H
#define ATTN_TEST_RUNTIME_TESTSUPPORT_H

#include "attn/Runtime/ABI.h"

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <numeric>
#include <string>
#include <vector>

namespace attn::test {

/// The path of one of the packages that the build made.
inline std::string packagePath(const std::string &name) {
  return std::string(ATTNRT_TEST_PACKAGES) + "/" + name + ".so";
}

/// The DLPack type of T.
template <typename T>
DLDataType dtypeOf();
template <>
inline DLDataType dtypeOf<float>() {
  return {kDLFloat, 32, 1};
}
template <>
inline DLDataType dtypeOf<double>() {
  return {kDLFloat, 64, 1};
}
template <>
inline DLDataType dtypeOf<int32_t>() {
  return {kDLInt, 32, 1};
}
template <>
inline DLDataType dtypeOf<int64_t>() {
  return {kDLInt, 64, 1};
}
/// Stands for f16.
template <>
inline DLDataType dtypeOf<uint16_t>() {
  return {kDLFloat, 16, 1};
}
/// Stands for i1.
template <>
inline DLDataType dtypeOf<uint8_t>() {
  return {kDLBool, 8, 1};
}

/// A contiguous tensor with its memory; `view` may be changed by the test.
template <typename T>
struct Tensor {
  std::vector<int64_t> shape, strides;
  std::vector<T> values;
  DLTensor view{};

  explicit Tensor(std::vector<int64_t> sizes)
      : shape(std::move(sizes)), strides(shape.size()) {
    int64_t count = 1;
    for (size_t i = shape.size(); i-- > 0;) {
      strides[i] = count;
      count *= shape[i];
    }
    // Never empty, so that the address is not null.
    values.resize(static_cast<size_t>(count) + 1);
    view.data = values.data();
    view.device = {kDLCPU, 0};
    view.ndim = static_cast<int32_t>(shape.size());
    view.dtype = dtypeOf<T>();
    view.shape = shape.data();
    view.strides = strides.data();
  }
  Tensor(const Tensor &) = delete;

  /// Fills with start, start + 1, ...
  Tensor &iota(T start) {
    std::iota(values.begin(), values.end(), start);
    return *this;
  }
};

/// The good package, opened once and never closed.
inline AttnPackage *goodPackage() {
  static AttnPackage *package = [] {
    AttnPackage *opened = nullptr;
    if (attnPackageOpen(packagePath("good").c_str(), &opened) != ATTN_OK)
      std::abort();
    return opened;
  }();
  return package;
}

/// Invokes the entry `name` of the good package.
inline int invoke(const char *name, std::vector<const DLTensor *> args,
                  std::vector<DLTensor *> results,
                  const AttnInvokeOptions *options = nullptr,
                  AttnCounters *counters = nullptr) {
  AttnPackage *package = goodPackage();
  return attnInvoke(package, attnPackageFindEntry(package, name), args.data(),
                    static_cast<int>(args.size()), results.data(),
                    static_cast<int>(results.size()), options, counters);
}

/// Runs `fn()` inside of a call and returns the call's status. What fails by
/// `attnrt_fail` skips destructors, so such a lambda owns nothing.
template <typename Function>
int runInCall(Function &fn, const AttnInvokeOptions *options = nullptr,
              AttnCounters *counters = nullptr) {
  void (*trampoline)(void *) = [](void *p) { (*static_cast<Function *>(p))(); };
  Tensor<int64_t> what({2}), out({});
  what.values[0] = reinterpret_cast<intptr_t>(trampoline);
  what.values[1] = reinterpret_cast<intptr_t>(&fn);
  return invoke("call", {&what.view}, {&out.view}, options, counters);
}

/// Runs `body(task, scratch)` for all tasks, from inside of a call.
template <typename Body>
void parallelFor(int64_t tasks, int64_t scratchBytes, Body &body) {
  attnrt_parallel_for(
      [](void *context, int64_t task, void *scratch) {
        (*static_cast<Body *>(context))(task, scratch);
      },
      &body, tasks, scratchBytes);
}

/// Options with a thread count.
inline AttnInvokeOptions threads(int n) {
  AttnInvokeOptions options = {};
  options.num_threads = n;
  return options;
}

/// Keeps a core busy for a while.
inline void spinFor(double microseconds) {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  double start = t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
  for (double now = start; now - start < microseconds;) {
    clock_gettime(CLOCK_MONOTONIC, &t);
    now = t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
  }
}

} // namespace attn::test

#endif // ATTN_TEST_RUNTIME_TESTSUPPORT_H
