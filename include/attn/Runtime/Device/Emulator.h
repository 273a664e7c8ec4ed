//===- Emulator.h - The emulator's library, opened at run time --*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// libattnemu.so executes PTX on the CPU. It is opened when first needed, as the
// CUDA driver is. This file and its source are all that knows the library's C
// interface.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_DEVICE_EMULATOR_H
#define ATTN_RUNTIME_DEVICE_EMULATOR_H

#include "attn/Runtime/Device/Device.h"

namespace attn::rt {

/// An emulated machine with its global memory.
class Emulator {
public:
  /// Makes one for the request's architecture and options.
  static Status create(const DeviceRequest &request,
                       std::unique_ptr<Emulator> &emulator);
  ~Emulator();
  Emulator(const Emulator &) = delete;

  /// Where the library was found, or why it was not.
  static Status locate(std::string &path);

  /// Makes host memory known under a name, and unknown again.
  Status map(const void *memory, int64_t bytes, const std::string &name,
             bool initialized);
  void unmap(const void *memory);
  /// The host wrote there.
  void markWritten(const void *memory, int64_t bytes);
  /// How many bytes from the first on were written, by a kernel or the host.
  int64_t writtenBytes(const void *memory, int64_t bytes) const;

  /// Runs a kernel. `report` gets a JSON object with what was counted and
  /// found; a finding is a failure whose message tells the first ones.
  Status launch(const KernelLaunch &launch, std::string &report);

private:
  Emulator() = default;
  struct State;
  std::unique_ptr<State> state;
};

} // namespace attn::rt

#endif // ATTN_RUNTIME_DEVICE_EMULATOR_H
