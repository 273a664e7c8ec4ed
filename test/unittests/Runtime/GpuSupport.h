//===- GpuSupport.h - Helpers of the device tests ---------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The hand-made GPU package, and tensors that claim to be on a device: the fake
// driver's device memory is host memory.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TEST_RUNTIME_GPUSUPPORT_H
#define ATTN_TEST_RUNTIME_GPUSUPPORT_H

#include "TestSupport.h"

#include <memory>

namespace attn::test {

/// An opened package that is closed again.
struct OpenPackage {
  AttnPackage *package = nullptr;
  explicit OpenPackage(const char *name) {
    if (attnPackageOpen(packagePath(name).c_str(), &package) != ATTN_OK)
      package = nullptr;
  }
  OpenPackage(const OpenPackage &) = delete;
  ~OpenPackage() { attnPackageClose(package); }
};

/// The operands of `add`: rows x 4 of a, b and out, on one device.
struct AddTensors {
  Tensor<float> a, b, out;
  explicit AddTensors(int64_t rows, DLDevice device = {kDLCPU, 0})
      : a({rows, 4}), b({rows, 4}), out({rows, 4}) {
    a.iota(0);
    b.iota(1000);
    for (Tensor<float> *t : {&a, &b, &out})
      t->view.device = device;
  }

  int run(AttnPackage *package, const char *entry,
          const AttnInvokeOptions *options, AttnCounters *counters = nullptr) {
    const DLTensor *args[] = {&a.view, &b.view};
    DLTensor *results[] = {&out.view};
    return attnInvoke(package, attnPackageFindEntry(package, entry), args, 2,
                      results, 1, options, counters);
  }

  bool isSum() const {
    for (size_t i = 0; i + 1 < out.values.size(); ++i)
      if (out.values[i] != a.values[i] + b.values[i])
        return false;
    return true;
  }
};

/// Runs `fn()` inside of a call of `package` on a device.
template <typename Function>
int runOnDevice(AttnPackage *package, Function &fn,
                const AttnInvokeOptions &options,
                AttnCounters *counters = nullptr,
                DLDevice device = {kDLCUDA, 0}) {
  void (*trampoline)(void *) = [](void *p) { (*static_cast<Function *>(p))(); };
  Tensor<int64_t> what({2}), out({0});
  what.values[0] = reinterpret_cast<intptr_t>(trampoline);
  what.values[1] = reinterpret_cast<intptr_t>(&fn);
  what.view.device = out.view.device = device;
  const DLTensor *args[] = {&what.view};
  DLTensor *results[] = {&out.view};
  return attnInvoke(package, attnPackageFindEntry(package, "call"), args, 1,
                    results, 1, &options, counters);
}

/// Options with a device.
inline AttnInvokeOptions onDevice(const char *device, void *stream = nullptr) {
  AttnInvokeOptions options = {};
  options.device = device;
  options.stream = stream;
  return options;
}

} // namespace attn::test

#endif // ATTN_TEST_RUNTIME_GPUSUPPORT_H
