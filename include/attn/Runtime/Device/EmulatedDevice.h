//===- EmulatedDevice.h - The PTX emulator as a device ----------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs kernels on the CPU and judges them while they run. Host memory is its
// global memory; a call's tensors and workspaces are known to it by name.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_DEVICE_EMULATEDDEVICE_H
#define ATTN_RUNTIME_DEVICE_EMULATEDDEVICE_H

#include "attn/Runtime/Device/Device.h"

namespace attn::rt {

/// The emulator. There is one per process.
class EmulatedDevice final : public Device {
public:
  /// Opens the emulator's library at first.
  static Status open(EmulatedDevice *&device);

  const std::string &name() const override;
  const std::string &arch() const override;
  Status begin(const DeviceRequest &request,
               std::unique_ptr<DeviceCall> &call) override;
  Status allocate(int64_t bytes, void *&memory) override;
  Status release(void *memory) override;
  Status copyIn(void *to, const void *host, int64_t bytes) override;
  Status copyOut(void *host, const void *from, int64_t bytes) override;
  std::string json() const override;
};

} // namespace attn::rt

#endif // ATTN_RUNTIME_DEVICE_EMULATEDDEVICE_H
