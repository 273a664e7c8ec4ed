//===- CudaCall.h - One call on a CUDA device -------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The stream of a call and what is ordered on it.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_DEVICE_CUDACALL_H
#define ATTN_RUNTIME_DEVICE_CUDACALL_H

#include "attn/Runtime/Device/CudaModule.h"

#include <optional>

namespace attn::rt {

/// What a call launched on a CUDA device.
class CudaReport final : public CallReport {
public:
  explicit CudaReport(const CudaDevice &device) : device(device) {}
  std::string json() const override;

  struct Launch {
    std::shared_ptr<const CudaKernel> kernel;
    int64_t grid[3];
    int32_t threads;
    int64_t sharedBytes;
    int activeBlocks;
  };
  const CudaDevice &device;
  std::vector<Launch> launches;
  /// Of the device, for a call that was waited for; negative if not measured.
  float milliseconds = -1;
};

/// See `DeviceCall`.
class CudaCall final : public DeviceCall {
public:
  CudaCall(CudaDevice &device, const DeviceRequest &request);
  ~CudaCall() override;

  /// What can fail of the construction.
  Status start();

  Status launch(const KernelLaunch &launch) override;
  Status allocate(int64_t bytes, void *&memory) override;
  Status release(void *memory, bool &known) override;
  Status copyRows(void *to, int64_t toPitch, const void *from,
                  int64_t fromPitch, int64_t width, int64_t rows) override;
  Status copyIn(void *to, const void *host, int64_t bytes) override;
  Status copyOut(void *host, const void *from, int64_t bytes) override;
  bool countsFlags() const override { return counters; }
  bool sharesHostMemory() const override { return false; }
  Status finish() override;
  std::shared_ptr<const CallReport> report() const override { return written; }

private:
  cuda::Result free(cuda::DevicePtr memory);
  Status wait(const char *doing);

  CudaDevice &device;
  const cuda::Driver &driver;
  ModuleTable &modules;
  const cuda::Stream stream;
  /// The caller gave no stream.
  const bool waits;
  const bool counters;
  std::optional<CurrentContext> current;
  cuda::Event began = nullptr, ended = nullptr;
  std::vector<cuda::DevicePtr> allocations;
  std::shared_ptr<CudaReport> written;
};

} // namespace attn::rt

#endif // ATTN_RUNTIME_DEVICE_CUDACALL_H
