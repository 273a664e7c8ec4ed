//===- EmulatedDevice.cpp - The PTX emulator as a device ------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every call gets a machine of its own, so that calls on several threads do not
// see each other's memory.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Device/EmulatedDevice.h"

#include "attn/Runtime/Device/Emulator.h"
#include "attn/Runtime/Device/Report.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace attn::rt;

/// As CUDA aligns what it allocates.
static constexpr size_t kAlignment = 256;

static Status allocateAligned(int64_t bytes, void *&memory) {
  memory = nullptr;
  if (bytes >= 0 && posix_memalign(&memory, kAlignment,
                                   std::max<size_t>(size_t(bytes), 1)) == 0)
    return Status();
  return failure(ATTN_RESOURCE_ERROR,
                 "the emulated device is out of memory: cannot allocate %lld "
                 "bytes",
                 static_cast<long long>(bytes));
}

namespace {
/// The emulator's reports, one per launch.
class EmulatedReport final : public CallReport {
public:
  std::string json() const override {
    std::string text =
        "{\"device\":\"emulated\",\"arch\":" + quoted(arch) + ",\"launches\":[";
    for (const std::string &launch : launches)
      text += (&launch == &launches.front() ? "" : ",") + launch;
    return text + "],\"findings\":[" + findings + "]}";
  }

  /// Those of the call as a whole; a launch has its own.
  std::string findings;
  std::string arch;
  std::vector<std::string> launches;
};

/// See `DeviceCall`.
class EmulatedCall final : public DeviceCall {
public:
  ~EmulatedCall() override {
    emulator.reset();
    for (void *memory : allocations)
      std::free(memory);
  }

  Status start(const DeviceRequest &request) {
    written->arch = request.arch;
    results = request.results;
    if (Status status = Emulator::create(request, emulator); !status.ok())
      return status;
    for (const TensorMemory &tensor : request.tensors)
      if (Status status =
              emulator->map(reinterpret_cast<void *>(uintptr_t(tensor.begin)),
                            int64_t(tensor.end - tensor.begin), tensor.name,
                            tensor.initialized);
          !status.ok())
        return status;
    return Status();
  }

  Status launch(const KernelLaunch &launch) override {
    std::string report;
    Status status = emulator->launch(launch, report);
    if (!report.empty())
      written->launches.push_back(std::move(report));
    return status;
  }

  Status allocate(int64_t bytes, void *&memory) override {
    if (Status status = allocateAligned(bytes, memory); !status.ok())
      return status;
    allocations.push_back(memory);
    return emulator->map(memory, bytes,
                         format("workspace %d", ++numAllocations),
                         /*initialized=*/false);
  }

  Status release(void *memory, bool &known) override {
    auto it = std::find(allocations.begin(), allocations.end(), memory);
    known = it != allocations.end();
    if (!known)
      return Status();
    allocations.erase(it);
    emulator->unmap(memory);
    std::free(memory);
    return Status();
  }

  Status copyRows(void *to, int64_t toPitch, const void *from,
                  int64_t fromPitch, int64_t width, int64_t rows) override {
    for (int64_t row = 0; row < rows; ++row) {
      char *begin = static_cast<char *>(to) + row * toPitch;
      const char *source = static_cast<const char *>(from) + row * fromPitch;
      std::memcpy(begin, source, size_t(width));
      // What nobody wrote stays so, wherever it is copied to.
      for (int64_t at = 0; at < width; ++at) {
        int64_t whole = emulator->writtenBytes(source + at, width - at);
        emulator->markWritten(begin + at, whole);
        at += whole;
      }
    }
    return Status();
  }

  Status copyIn(void *to, const void *host, int64_t bytes) override {
    if (to != host)
      std::memcpy(to, host, size_t(bytes));
    emulator->markWritten(to, bytes);
    return Status();
  }

  Status copyOut(void *host, const void *from, int64_t bytes) override {
    if (host != from)
      std::memcpy(host, from, size_t(bytes));
    return Status();
  }

  bool countsFlags() const override { return true; }
  bool sharesHostMemory() const override { return true; }
  Status finish() override {
    for (const ResultMemory &result : results)
      if (Status status = checkWritten(result); !status.ok())
        return status;
    return Status();
  }
  std::shared_ptr<const CallReport> report() const override { return written; }

private:
  /// A finding where an element of a result was not written.
  Status checkWritten(const ResultMemory &result);

  std::unique_ptr<Emulator> emulator;
  std::vector<ResultMemory> results;
  std::vector<void *> allocations;
  int numAllocations = 0;
  std::shared_ptr<EmulatedReport> written = std::make_shared<EmulatedReport>();
};
} // namespace

Status EmulatedCall::checkWritten(const ResultMemory &result) {
  const StridedRange &range = result.range;
  if (range.isEmpty())
    return Status();
  // Rows along the last axis are compact; its elements are looked at together.
  const int64_t length = range.rank ? range.sizes[range.rank - 1] : 1;
  const int64_t bytes = length * range.elementBytes;
  int64_t rows = 1;
  for (int axis = 0; axis + 1 < range.rank; ++axis)
    rows *= range.sizes[axis];
  int64_t missing = 0;
  std::string first;
  for (int64_t row = 0; row < rows; ++row) {
    int64_t rest = row, offset = 0;
    std::string index;
    for (int axis = range.rank - 2; axis >= 0; --axis) {
      int64_t at = rest % range.sizes[axis];
      rest /= range.sizes[axis];
      offset += at * range.strides[axis];
      if (first.empty())
        index = std::to_string(at) + ", " + index;
    }
    uint64_t begin = range.address + uint64_t(offset * range.elementBytes);
    for (int64_t at = 0; at < bytes; ++at) {
      at += emulator->writtenBytes(reinterpret_cast<void *>(begin + at),
                                   bytes - at);
      if (at >= bytes)
        break;
      if (!missing++ && range.rank)
        first = index + std::to_string(at / range.elementBytes);
    }
  }
  if (!missing)
    return Status();
  std::string text = format(
      "unwritten-result: result '%s' has %lld bytes that no thread "
      "wrote, the first of them in element [%s]",
      result.name.c_str(), static_cast<long long>(missing), first.c_str());
  written->findings =
      format("{\"kind\":\"unwritten-result\",\"result\":%s,\"bytes\":%lld,"
             "\"first\":[%s],\"message\":%s}",
             quoted(result.name).c_str(), static_cast<long long>(missing),
             first.c_str(), quoted(text).c_str());
  return Status(ATTN_DEVICE_FINDING, "the emulator found 1 fault: " + text);
}

Status EmulatedDevice::open(EmulatedDevice *&device) {
  static EmulatedDevice theDevice;
  std::string path;
  if (Status status = Emulator::locate(path); !status.ok())
    return status;
  device = &theDevice;
  return Status();
}

const std::string &EmulatedDevice::name() const {
  static const std::string text = "emulated";
  return text;
}

const std::string &EmulatedDevice::arch() const {
  // It takes whatever a package was compiled for.
  static const std::string text;
  return text;
}

Status EmulatedDevice::begin(const DeviceRequest &request,
                             std::unique_ptr<DeviceCall> &call) {
  auto made = std::make_unique<EmulatedCall>();
  if (Status status = made->start(request); !status.ok())
    return status;
  call = std::move(made);
  return Status();
}

Status EmulatedDevice::allocate(int64_t bytes, void *&memory) {
  return allocateAligned(bytes, memory);
}

Status EmulatedDevice::release(void *memory) {
  std::free(memory);
  return Status();
}

Status EmulatedDevice::copyIn(void *to, const void *host, int64_t bytes) {
  std::memcpy(to, host, size_t(bytes));
  return Status();
}

Status EmulatedDevice::copyOut(void *host, const void *from, int64_t bytes) {
  std::memcpy(host, from, size_t(bytes));
  return Status();
}

std::string EmulatedDevice::json() const {
  std::string path;
  if (Status status = Emulator::locate(path); !status.ok())
    path.clear();
  return format("{\"device\":\"emulated\",\"available\":true,\"name\":\"PTX "
                "emulator\",\"arch\":\"\",\"library\":%s}",
                quoted(path).c_str());
}
