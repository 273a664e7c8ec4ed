//===- CudaCall.cpp - One call on a CUDA device ---------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything is ordered on one stream, workspaces included, so that only a
// caller without a stream, and a check that reads an index array, waits.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Device/CudaCall.h"

#include "attn/Runtime/Device/Report.h"

#include <algorithm>

using namespace attn::rt;
using namespace attn::rt::cuda;

static DevicePtr address(const void *p) {
  return reinterpret_cast<uintptr_t>(p);
}

//===----------------------------------------------------------------------===//
// Beginning and end
//===----------------------------------------------------------------------===//

CudaCall::CudaCall(CudaDevice &device, const DeviceRequest &request)
    : device(device), driver(device.driver()), modules(*request.modules),
      stream(request.stream ? static_cast<Stream>(request.stream)
                            : reinterpret_cast<Stream>(kStreamLegacy)),
      waits(!request.stream), counters(request.counters),
      written(std::make_shared<CudaReport>(device)) {}

Status CudaCall::start() {
  current.emplace(device);
  if (!current->status().ok())
    return current->status();
  if (!waits)
    return Status();
  // Events for the report's time; a device without them is none that we know.
  for (Event *event : {&began, &ended})
    if (Result result = driver.eventCreate(event, 0); result != kSuccess)
      return device.failed("making an event", result);
  if (Result result = driver.eventRecord(began, stream); result != kSuccess)
    return device.failed("recording an event", result);
  return Status();
}

Result CudaCall::free(DevicePtr memory) {
  return device.facts().pools ? driver.memFreeAsync(memory, stream)
                              : driver.memFree(memory);
}

CudaCall::~CudaCall() {
  // What fails here failed before, and was said then.
  if (current && current->status().ok()) {
    for (DevicePtr memory : allocations)
      free(memory);
    for (Event event : {began, ended})
      if (event)
        driver.eventDestroy(event);
  }
}

Status CudaCall::wait(const char *doing) {
  if (Result result = driver.streamSynchronize(stream); result != kSuccess)
    return device.failed(doing, result);
  return Status();
}

Status CudaCall::finish() {
  for (DevicePtr memory : std::exchange(allocations, {}))
    if (Result result = free(memory); result != kSuccess)
      return device.failed("freeing memory", result);
  if (!waits)
    return Status();
  if (Result result = driver.eventRecord(ended, stream); result != kSuccess)
    return device.failed("recording an event", result);
  if (Status status = wait("running the call's kernels"); !status.ok())
    return status;
  float milliseconds = -1;
  if (driver.eventElapsedTime(&milliseconds, began, ended) == kSuccess)
    written->milliseconds = milliseconds;
  return Status();
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

Status CudaCall::launch(const KernelLaunch &launch) {
  CudaModule *module = nullptr;
  auto load = [&](std::unique_ptr<CudaModule> &made) {
    return CudaModule::load(device, *launch.image, made);
  };
  if (Status status =
          modules.find(launch.image, device.context(), load, module);
      !status.ok())
    return status;
  std::shared_ptr<CudaKernel> kernel;
  int activeBlocks = 0;
  if (Status status = module->prepare(launch, kernel, activeBlocks);
      !status.ok())
    return status;
  // A buffer with its size, so that the driver reads no further than we have.
  size_t paramBytes = static_cast<size_t>(launch.paramBytes);
  void *extra[] = {reinterpret_cast<void *>(kLaunchParamPointer),
                   const_cast<void *>(launch.params),
                   reinterpret_cast<void *>(kLaunchParamSize), &paramBytes,
                   reinterpret_cast<void *>(kLaunchParamEnd)};
  if (Result result = driver.launchKernel(
          kernel->function, unsigned(launch.grid[0]), unsigned(launch.grid[1]),
          unsigned(launch.grid[2]), unsigned(launch.threads), 1, 1,
          unsigned(launch.sharedBytes), stream, nullptr, extra);
      result != kSuccess)
    return device.failed(format("launching kernel '%s'", launch.kernel),
                         result);
  CudaReport::Launch line{std::move(kernel),
                          {launch.grid[0], launch.grid[1], launch.grid[2]},
                          launch.threads,
                          launch.sharedBytes,
                          activeBlocks};
  written->launches.push_back(std::move(line));
  return Status();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Status CudaCall::allocate(int64_t bytes, void *&memory) {
  DevicePtr at = 0;
  // CUDA has no blocks of nothing.
  const size_t size = static_cast<size_t>(std::max<int64_t>(bytes, 1));
  Result result = bytes < 0 ? Result(kOutOfMemory)
                  : device.facts().pools
                      ? driver.memAllocAsync(&at, size, stream)
                      : driver.memAlloc(&at, size);
  if (result != kSuccess)
    return device.failed(format("allocating a workspace of %lld bytes",
                                static_cast<long long>(bytes)),
                         result);
  allocations.push_back(at);
  memory = reinterpret_cast<void *>(static_cast<uintptr_t>(at));
  return Status();
}

Status CudaCall::release(void *memory, bool &known) {
  auto it = std::find(allocations.begin(), allocations.end(), address(memory));
  known = it != allocations.end();
  if (!known)
    return Status();
  allocations.erase(it);
  if (Result result = free(address(memory)); result != kSuccess)
    return device.failed("freeing memory", result);
  return Status();
}

Status CudaCall::copyRows(void *to, int64_t toPitch, const void *from,
                          int64_t fromPitch, int64_t width, int64_t rows) {
  Result result = kSuccess;
  const int64_t pitchLimit = device.facts().maxPitch;
  if (rows == 1 || toPitch > pitchLimit || fromPitch > pitchLimit) {
    for (int64_t row = 0; row < rows && result == kSuccess; ++row)
      result = driver.memcpyDtoDAsync(address(to) + row * toPitch,
                                      address(from) + row * fromPitch,
                                      size_t(width), stream);
  } else {
    Memcpy2D copy = {};
    copy.srcMemoryType = copy.dstMemoryType = kMemoryDevice;
    copy.srcDevice = address(from);
    copy.srcPitch = size_t(fromPitch);
    copy.dstDevice = address(to);
    copy.dstPitch = size_t(toPitch);
    copy.widthInBytes = size_t(width);
    copy.height = size_t(rows);
    result = driver.memcpy2DAsync(&copy, stream);
  }
  if (result != kSuccess)
    return device.failed("copying on the device", result);
  return Status();
}

Status CudaCall::copyIn(void *to, const void *host, int64_t bytes) {
  if (Result result =
          driver.memcpyHtoDAsync(address(to), host, size_t(bytes), stream);
      result != kSuccess)
    return device.failed("copying from the host", result);
  // The driver may still read memory that is pinned.
  return wait("copying from the host");
}

Status CudaCall::copyOut(void *host, const void *from, int64_t bytes) {
  if (Result result =
          driver.memcpyDtoHAsync(host, address(from), size_t(bytes), stream);
      result != kSuccess)
    return device.failed("copying to the host", result);
  return wait("copying to the host");
}

//===----------------------------------------------------------------------===//
// Report
//===----------------------------------------------------------------------===//

std::string CudaReport::json() const {
  const CudaDevice::Facts &facts = device.facts();
  std::string text = format(
      "{\"device\":%s,\"name\":%s,\"arch\":%s,", quoted(device.name()).c_str(),
      quoted(facts.product).c_str(), quoted(device.arch()).c_str());
  if (milliseconds >= 0)
    text += format("\"milliseconds\":%.6g,", double(milliseconds));
  text += "\"launches\":[";
  for (const Launch &launch : launches) {
    // Whole warps count.
    int warps = (launch.threads + 31) / 32 * launch.activeBlocks;
    int most = std::max(facts.maxThreadsPerMultiprocessor / 32, 1);
    if (&launch != &launches.front())
      text += ",";
    text += format(
        "{\"kernel\":%s,\"from\":\"%s\",\"grid\":[%lld,%lld,%lld],\"threads\":"
        "%d,\"dynamic_shared_bytes\":%lld,\"registers\":%d,\"shared_bytes\":%d,"
        "\"local_bytes\":%d,\"blocks_per_multiprocessor\":%d,\"occupancy\":"
        "%.4g}",
        quoted(launch.kernel->name).c_str(), launch.kernel->origin,
        static_cast<long long>(launch.grid[0]),
        static_cast<long long>(launch.grid[1]),
        static_cast<long long>(launch.grid[2]), launch.threads,
        static_cast<long long>(launch.sharedBytes), launch.kernel->registers,
        launch.kernel->staticShared, launch.kernel->localBytes,
        launch.activeBlocks, double(warps) / most);
  }
  return text + "]}";
}
