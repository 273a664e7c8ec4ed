//===- CudaDevice.h - A GPU behind the CUDA driver --------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Uses the device's primary context, as the CUDA runtime and so torch do: their
// memory and streams are valid here and ours there.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_DEVICE_CUDADEVICE_H
#define ATTN_RUNTIME_DEVICE_CUDADEVICE_H

#include "attn/Runtime/Device/Arch.h"
#include "attn/Runtime/Device/CudaDriver.h"
#include "attn/Runtime/Device/Device.h"

#include <mutex>

namespace attn::rt {

/// A CUDA device by its number.
class CudaDevice final : public Device {
public:
  /// The device `ordinal`, opened at first and kept.
  static Status open(int ordinal, CudaDevice *&device);
  /// How many there are.
  static Status count(int &devices);

  const std::string &name() const override { return deviceName; }
  const std::string &arch() const override { return archText; }
  Status begin(const DeviceRequest &request,
               std::unique_ptr<DeviceCall> &call) override;
  Status allocate(int64_t bytes, void *&memory) override;
  Status release(void *memory) override;
  Status copyIn(void *to, const void *host, int64_t bytes) override;
  Status copyOut(void *host, const void *from, int64_t bytes) override;
  std::string json() const override;

  /// A failure of the driver while `doing` something, with what may help.
  Status failed(const std::string &doing, cuda::Result result) const;

  /// "cuda:0 (NVIDIA A100, sm_80)".
  std::string describe() const;

  /// What does not change, read once.
  struct Facts {
    std::string product;
    Arch arch;
    int maxThreads = 0, maxGrid[3] = {}, multiprocessors = 0;
    int maxThreadsPerMultiprocessor = 0, maxPitch = 0;
    int maxShared = 0;
    bool pools = false;
    size_t memory = 0;
  };
  const Facts &facts() const { return constant; }
  const cuda::Driver &driver() const { return *cuda; }
  /// Null before the first `retain`.
  cuda::Context context() const { return primary; }
  /// Makes the context, once. It takes time and memory of the device, so
  /// looking at a device does without.
  Status retain() const;

private:
  CudaDevice() = default;
  Status read(int ordinal);

  const cuda::Driver *cuda = nullptr;
  cuda::DeviceId id = 0;
  mutable std::mutex primaryMutex;
  mutable cuda::Context primary = nullptr;
  std::string deviceName, archText;
  Facts constant;
};

/// Makes a device's context current for as long as it lives.
class CurrentContext {
public:
  explicit CurrentContext(const CudaDevice &device);
  CurrentContext(const CurrentContext &) = delete;
  ~CurrentContext();
  const Status &status() const { return state; }

private:
  const cuda::Driver &driver;
  Status state;
};

} // namespace attn::rt

#endif // ATTN_RUNTIME_DEVICE_CUDADEVICE_H
