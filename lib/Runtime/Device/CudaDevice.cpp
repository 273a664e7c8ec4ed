//===- CudaDevice.cpp - A GPU behind the CUDA driver ----------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Devices and their contexts are opened at first use and kept: retaining a
// primary context costs tenths of a second.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Device/CudaDevice.h"

#include "attn/Runtime/Device/CudaCall.h"
#include "attn/Runtime/Device/Report.h"

#include <map>
#include <mutex>

using namespace attn::rt;
using namespace attn::rt::cuda;

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

Status CudaDevice::count(int &devices) {
  const Driver *driver = nullptr;
  if (Status status = openDriver(driver); !status.ok())
    return status;
  devices = 0;
  if (Result result = driver->deviceGetCount(&devices); result != kSuccess)
    return failure(ATTN_DEVICE_ERROR,
                   "CUDA expects to count its devices, but got %s",
                   driver->errorText(result).c_str());
  return Status();
}

Status CudaDevice::read(int ordinal) {
  deviceName = format("cuda:%d", ordinal);
  if (Result result = cuda->deviceGet(&id, ordinal); result != kSuccess)
    return failed("opening it", result);
  char product[256] = {0};
  if (cuda->deviceGetName(product, sizeof(product) - 1, id) == kSuccess)
    constant.product = product;
  int major = 0, minor = 0, optIn = 0, plain = 0, pools = 0;
  const std::pair<DeviceAttribute, int *> wanted[] = {
      {kComputeMajor, &major},
      {kComputeMinor, &minor},
      {kMaxThreadsPerBlock, &constant.maxThreads},
      {kMaxGridX, &constant.maxGrid[0]},
      {kMaxGridY, &constant.maxGrid[1]},
      {kMaxGridZ, &constant.maxGrid[2]},
      {kMultiprocessors, &constant.multiprocessors},
      {kMaxThreadsPerMultiprocessor, &constant.maxThreadsPerMultiprocessor},
      {kMaxPitch, &constant.maxPitch},
      {kMaxSharedPerBlock, &plain},
      {kMaxSharedPerBlockOptIn, &optIn},
      {kMemoryPools, &pools}};
  for (auto [attribute, value] : wanted)
    if (Result result = cuda->deviceGetAttribute(value, attribute, id);
        result != kSuccess)
      return failed(format("reading its attribute %d", attribute), result);
  constant.arch.number = 10 * major + minor;
  archText = format("sm_%d", constant.arch.number);
  constant.maxShared = std::max(optIn, plain);
  constant.pools = pools && cuda->memAllocAsync && cuda->memFreeAsync;
  cuda->deviceTotalMem(&constant.memory, id);
  return Status();
}

Status CudaDevice::retain() const {
  std::lock_guard<std::mutex> lock(primaryMutex);
  if (primary)
    return Status();
  if (Result result = cuda->primaryCtxRetain(&primary, id);
      result != kSuccess) {
    primary = nullptr;
    return failed("making its context", result);
  }
  return Status();
}

Status CudaDevice::open(int ordinal, CudaDevice *&device) {
  static std::mutex mutex;
  static auto *devices = new std::map<int, std::unique_ptr<CudaDevice>>();
  const Driver *driver = nullptr;
  if (Status status = openDriver(driver); !status.ok())
    return status;
  std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<CudaDevice> &slot = (*devices)[ordinal];
  if (!slot) {
    int number = 0;
    if (Status status = count(number); !status.ok())
      return status;
    if (number == 0)
      return failure(ATTN_DEVICE_ERROR,
                     "CUDA expects a GPU, but got none that this process may "
                     "use (CUDA_VISIBLE_DEVICES hides some); use "
                     "device='emulated' to run without one");
    if (ordinal < 0 || ordinal >= number)
      return failure(ATTN_DEVICE_ERROR,
                     "CUDA expects a device from cuda:0 to cuda:%d, but got "
                     "cuda:%d",
                     number - 1, ordinal);
    std::unique_ptr<CudaDevice> made(new CudaDevice());
    made->cuda = driver;
    if (Status status = made->read(ordinal); !status.ok())
      return status;
    slot = std::move(made);
  }
  device = slot.get();
  return Status();
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

std::string CudaDevice::describe() const {
  return format("%s (%s, %s)", deviceName.c_str(), constant.product.c_str(),
                archText.c_str());
}

Status CudaDevice::failed(const std::string &doing, Result result) const {
  const char *remedy = "";
  switch (result) {
  case kOutOfMemory:
    return failure(ATTN_RESOURCE_ERROR,
                   "device %s is out of memory while %s; free memory on it, or "
                   "use a smaller batch or shorter sequences",
                   describe().c_str(), doing.c_str());
  case kIllegalAddress:
  case kMisalignedAddress:
  case kIllegalInstruction:
  case kLaunchFailed:
    // CUDA gives the context up after these.
    remedy = "; an earlier launch of this process is at fault, which has to be "
             "started anew; device='emulated' shows where a kernel goes wrong";
    break;
  case kLaunchTimeout:
    remedy = "; the device also serves a display, which limits the time of a "
             "kernel";
    break;
  case kLaunchOutOfResources:
    remedy = "; compile for fewer registers or threads per block";
    break;
  default:
    break;
  }
  return failure(ATTN_DEVICE_ERROR, "device %s failed while %s: %s%s",
                 describe().c_str(), doing.c_str(),
                 cuda->errorText(result).c_str(), remedy);
}

std::string CudaDevice::json() const {
  return format("{\"device\":%s,\"available\":true,\"name\":%s,\"arch\":%s,"
                "\"memory_bytes\":%zu,\"multiprocessors\":%d}",
                quoted(deviceName).c_str(), quoted(constant.product).c_str(),
                quoted(archText).c_str(), constant.memory,
                constant.multiprocessors);
}

//===----------------------------------------------------------------------===//
// Use
//===----------------------------------------------------------------------===//

CurrentContext::CurrentContext(const CudaDevice &device)
    : driver(device.driver()), state(device.retain()) {
  if (!state.ok())
    return;
  if (Result result = driver.ctxPushCurrent(device.context());
      result != kSuccess)
    state = device.failed("making its context current", result);
}

CurrentContext::~CurrentContext() {
  Context context = nullptr;
  if (state.ok())
    driver.ctxPopCurrent(&context);
}

Status CudaDevice::begin(const DeviceRequest &request,
                         std::unique_ptr<DeviceCall> &call) {
  // Said before anything is loaded, and with the package's own words.
  Arch built;
  if (parseArch(request.arch, built) && !runsPtx(built, constant.arch))
    return failure(ATTN_DEVICE_ERROR,
                   "the package is compiled for %s, but device %s is another "
                   "architecture; compile it for target '%s'",
                   request.arch.c_str(), describe().c_str(), archText.c_str());
  auto made = std::make_unique<CudaCall>(*this, request);
  if (Status status = made->start(); !status.ok())
    return status;
  call = std::move(made);
  return Status();
}

/// Runs `work` with the device's context; `doing` is for the message.
template <typename Work>
static Status inContext(const CudaDevice &device, const char *doing,
                        Work work) {
  CurrentContext current(device);
  if (!current.status().ok())
    return current.status();
  if (Result result = work(device.driver()); result != kSuccess)
    return device.failed(doing, result);
  return Status();
}

static Stream legacyStream() { return reinterpret_cast<Stream>(kStreamLegacy); }

static DevicePtr address(const void *p) {
  return reinterpret_cast<uintptr_t>(p);
}

Status CudaDevice::allocate(int64_t bytes, void *&memory) {
  return inContext(*this, "allocating memory", [&](const Driver &driver) {
    DevicePtr at = 0;
    Result result = driver.memAlloc(&at, size_t(std::max<int64_t>(bytes, 1)));
    memory = reinterpret_cast<void *>(static_cast<uintptr_t>(at));
    return result;
  });
}

Status CudaDevice::release(void *memory) {
  return inContext(*this, "freeing memory", [&](const Driver &driver) {
    return driver.memFree(address(memory));
  });
}

Status CudaDevice::copyIn(void *to, const void *host, int64_t bytes) {
  return inContext(*this, "copying from the host", [&](const Driver &driver) {
    Result result = driver.memcpyHtoDAsync(address(to), host, size_t(bytes),
                                           legacyStream());
    return result ? result : driver.streamSynchronize(legacyStream());
  });
}

Status CudaDevice::copyOut(void *host, const void *from, int64_t bytes) {
  return inContext(*this, "copying to the host", [&](const Driver &driver) {
    Result result = driver.memcpyDtoHAsync(host, address(from), size_t(bytes),
                                           legacyStream());
    return result ? result : driver.streamSynchronize(legacyStream());
  });
}
