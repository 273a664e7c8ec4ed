//===- CudaModule.cpp - Images and kernels in a CUDA context --------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What can be wrong with an image is said with the driver's own log.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Device/CudaModule.h"

#include <algorithm>

using namespace attn::rt;
using namespace attn::rt::cuda;

//===----------------------------------------------------------------------===//
// Images
//===----------------------------------------------------------------------===//

/// The first lines of the driver's log, in one.
static std::string logText(const char *log) {
  std::string text(log);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
    text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (text.size() > 600)
    text = text.substr(0, 600) + "...";
  return text.empty() ? text : ": " + text;
}

/// A refused image. `log` is the driver's.
static Status refused(const CudaDevice &device, const AttnGpuImage &image,
                      const char *origin, Result result, const char *log) {
  switch (result) {
  case kInvalidImage:
  case kInvalidPtx:
  case kNoBinaryForGpu:
    return failure(ATTN_DEVICE_ERROR,
                   "device %s expects a whole %s for %s, but got %s%s; the "
                   "package is damaged or was made by another compiler: "
                   "compile it again",
                   device.describe().c_str(), origin, image.arch,
                   device.driver().errorText(result).c_str(),
                   logText(log).c_str());
  case kUnsupportedPtxVersion:
    return failure(ATTN_DEVICE_ERROR,
                   "device %s expects PTX of a version that its driver knows, "
                   "but got %s%s; update the driver, or compile the package "
                   "with a cubin for '%s'",
                   device.describe().c_str(),
                   device.driver().errorText(result).c_str(),
                   logText(log).c_str(), device.arch().c_str());
  default:
    return device.failed(format("loading a %s for %s%s", origin, image.arch,
                                logText(log).c_str()),
                         result);
  }
}

Status CudaModule::load(const CudaDevice &device, const AttnGpuImage &image,
                        std::unique_ptr<CudaModule> &module) {
  Arch built;
  if (!image.arch || !parseArch(image.arch, built))
    return failure(ATTN_DEVICE_ERROR,
                   "an image expects an architecture such as sm_80, but got "
                   "'%s'",
                   image.arch ? image.arch : "");
  const Arch &own = device.facts().arch;
  bool hasCubin = image.cubin && image.cubin_bytes > 0;
  bool cubinFits = hasCubin && runsCubin(built, own);
  bool hasPtx = image.ptx && image.ptx_bytes > 0;
  if (!cubinFits && !(hasPtx && runsPtx(built, own)))
    return failure(ATTN_DEVICE_ERROR,
                   "device %s expects kernels for its architecture, but got a "
                   "package for %s%s; compile it for target '%s'",
                   device.describe().c_str(), image.arch,
                   hasPtx ? "" : " without PTX", device.arch().c_str());
  const char *origin = cubinFits ? "cubin" : "ptx";
  // The driver reads PTX up to a NUL.
  std::string text;
  if (!cubinFits)
    text.assign(image.ptx, static_cast<size_t>(image.ptx_bytes));
  const void *data = cubinFits ? image.cubin : text.c_str();
  char log[4096] = {0};
  int options[] = {kJitErrorLog, kJitErrorLogBytes};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log) - 1)};
  std::unique_ptr<CudaModule> made(new CudaModule(device, origin));
  if (Result result = device.driver().moduleLoadDataEx(&made->handle, data, 2,
                                                       options, values);
      result != kSuccess) {
    made->handle = nullptr;
    return refused(device, image, origin, result, log);
  }
  module = std::move(made);
  return Status();
}

CudaModule::~CudaModule() {
  if (!handle)
    return;
  // Kernels of a call that did not wait may still run. After the driver's own
  // end both calls fail, and there is nothing left to unload.
  CurrentContext current(device);
  if (current.status().ok() && device.driver().ctxSynchronize() == kSuccess)
    device.driver().moduleUnload(handle);
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

Status CudaModule::find(const char *name, std::shared_ptr<CudaKernel> &kernel) {
  std::shared_ptr<CudaKernel> &slot = kernels[name];
  if (slot) {
    kernel = slot;
    return Status();
  }
  auto made = std::make_shared<CudaKernel>();
  made->name = name;
  made->origin = origin;
  const Driver &driver = device.driver();
  Result result = driver.moduleGetFunction(&made->function, handle, name);
  if (result == kNotFound)
    return failure(ATTN_DEVICE_ERROR,
                   "the package expects its image to have a kernel '%s', but "
                   "got none; compile it again",
                   name);
  const std::pair<FunctionAttribute, int *> wanted[] = {
      {kFunctionRegisters, &made->registers},
      {kFunctionSharedBytes, &made->staticShared},
      {kFunctionLocalBytes, &made->localBytes},
      {kFunctionMaxThreads, &made->maxThreads}};
  for (auto [attribute, value] : wanted)
    if (result == kSuccess)
      result = driver.funcGetAttribute(value, attribute, made->function);
  if (result != kSuccess)
    return device.failed(format("looking at kernel '%s'", name), result);
  slot = made;
  kernel = made;
  return Status();
}

/// Refuses what the device or the kernel's registers do not allow.
static Status checkResources(const CudaDevice &device,
                             const KernelLaunch &launch,
                             const CudaKernel &kernel) {
  const CudaDevice::Facts &facts = device.facts();
  for (int axis = 0; axis < 3; ++axis)
    if (launch.grid[axis] > facts.maxGrid[axis])
      return failure(ATTN_DEVICE_ERROR,
                     "kernel '%s' expects at most %d blocks on axis %d of the "
                     "grid on device %s, but got %lld; use a smaller batch or "
                     "shorter sequences in one call",
                     launch.kernel, facts.maxGrid[axis], axis,
                     device.describe().c_str(),
                     static_cast<long long>(launch.grid[axis]));
  int most = std::min(facts.maxThreads, kernel.maxThreads);
  if (launch.threads > most)
    return failure(ATTN_DEVICE_ERROR,
                   "kernel '%s' expects at most %d threads per block on device "
                   "%s (it uses %d registers), but got %d",
                   launch.kernel, most, device.describe().c_str(),
                   kernel.registers, launch.threads);
  int64_t shared = launch.sharedBytes + kernel.staticShared;
  if (shared > facts.maxShared)
    return failure(ATTN_DEVICE_ERROR,
                   "kernel '%s' expects %lld bytes of shared memory per block, "
                   "but device %s has %d; compile for target '%s', or use a "
                   "smaller head size",
                   launch.kernel, static_cast<long long>(shared),
                   device.describe().c_str(), facts.maxShared,
                   device.arch().c_str());
  return Status();
}

Status CudaModule::prepare(const KernelLaunch &launch,
                           std::shared_ptr<CudaKernel> &kernel,
                           int &activeBlocks) {
  std::lock_guard<std::mutex> lock(mutex);
  if (Status status = find(launch.kernel, kernel); !status.ok())
    return status;
  auto [it, isNew] =
      kernel->activeBlocks.try_emplace({launch.threads, launch.sharedBytes}, 0);
  if (isNew || launch.grid[1] > 1 || launch.grid[2] > 1)
    if (Status status = checkResources(device, launch, *kernel); !status.ok()) {
      kernel->activeBlocks.erase(it);
      return status;
    }
  if (isNew) {
    const Driver &driver = device.driver();
    // Up to 48 KiB need no asking.
    constexpr int64_t kWithoutAsking = 48 * 1024;
    Result result = kSuccess;
    if (launch.sharedBytes > kernel->dynamicShared &&
        launch.sharedBytes + kernel->staticShared > kWithoutAsking) {
      result =
          driver.funcSetAttribute(kernel->function, kFunctionMaxDynamicShared,
                                  static_cast<int>(launch.sharedBytes));
      kernel->dynamicShared = launch.sharedBytes;
    }
    if (result == kSuccess)
      result =
          driver.maxActiveBlocks(&it->second, kernel->function, launch.threads,
                                 static_cast<size_t>(launch.sharedBytes));
    if (result != kSuccess) {
      kernel->activeBlocks.erase(it);
      return device.failed(format("preparing kernel '%s'", launch.kernel),
                           result);
    }
  }
  activeBlocks = it->second;
  return Status();
}
