//===- CudaModule.h - Images and kernels in a CUDA context ------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An image becomes a module: the cubin where it fits the device, else the PTX,
// which the driver compiles. Kernels are looked up once, together with what the
// driver knows of them.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_DEVICE_CUDAMODULE_H
#define ATTN_RUNTIME_DEVICE_CUDAMODULE_H

#include "attn/Runtime/Device/CudaDevice.h"

#include <map>
#include <mutex>

namespace attn::rt {

/// A kernel of a loaded module.
struct CudaKernel {
  std::string name;
  cuda::Function function = nullptr;
  /// "cubin" or "ptx".
  const char *origin = "";
  int registers = 0, staticShared = 0, localBytes = 0, maxThreads = 0;
  /// What was asked for so far.
  int64_t dynamicShared = 0;
  /// Blocks per multiprocessor by (threads, dynamic shared memory).
  std::map<std::pair<int32_t, int64_t>, int> activeBlocks;
};

/// An image loaded into the context of a device.
class CudaModule final : public LoadedModule {
public:
  /// Loads `image`; the context of `device` is current.
  static Status load(const CudaDevice &device, const AttnGpuImage &image,
                     std::unique_ptr<CudaModule> &module);
  ~CudaModule() override;

  /// Makes ready what `launch` needs: finds the kernel, refuses what it cannot
  /// have, and raises its limit of dynamic shared memory.
  Status prepare(const KernelLaunch &launch,
                 std::shared_ptr<CudaKernel> &kernel, int &activeBlocks);

private:
  CudaModule(const CudaDevice &device, const char *origin)
      : device(device), origin(origin) {}
  Status find(const char *name, std::shared_ptr<CudaKernel> &kernel);

  const CudaDevice &device;
  const char *const origin;
  cuda::Module handle = nullptr;
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<CudaKernel>> kernels;
};

} // namespace attn::rt

#endif // ATTN_RUNTIME_DEVICE_CUDAMODULE_H
