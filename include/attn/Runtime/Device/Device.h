//===- Device.h - Where kernels run -----------------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A device launches the kernels of a package and holds the memory that they
// read and write. `Device` is the thing itself and lives as long as the
// process; `DeviceCall` is one call's use of it: its stream, its workspaces,
// and what it has to report.
//
// Generated code leaves a failed call by longjmp, so nothing here fails that
// way: all functions return a Status, and `Kernels.cpp` turns it into a failure
// of the call when no object is left on the stack.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_DEVICE_DEVICE_H
#define ATTN_RUNTIME_DEVICE_DEVICE_H

#include "attn/Runtime/ABI.h"
#include "attn/Runtime/Device/ModuleTable.h"
#include "attn/Runtime/Status.h"
#include "attn/Runtime/StridedRange.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace attn::rt {

/// The memory of one tensor of a call, or of several that lie in each other.
struct TensorMemory {
  std::string name;
  uint64_t begin = 0;
  uint64_t end = 0;
  /// An argument: it has values before the call.
  bool initialized = false;
};

/// One result of a call, which has to be written as a whole.
struct ResultMemory {
  std::string name;
  StridedRange range;
};

/// What a call asks of its device.
struct DeviceRequest {
  /// Where to keep what is loaded from the package's images.
  ModuleTable *modules = nullptr;
  /// What the package was compiled for, such as "sm_80".
  std::string arch;
  /// The caller's stream, or null for one that is waited for.
  void *stream = nullptr;
  /// The caller asked for counters.
  bool counters = false;
  /// For the emulated device.
  int threads = 1;
  bool worstRounding = false;
  int64_t stepLimit = 0;
  /// Asks the caller whether to stop; may be null.
  bool (*poll)(void *) = nullptr;
  void *pollArg = nullptr;
  /// Told how far a kernel is; may be null.
  void (*progress)(void *, const char *, uint64_t, uint64_t) = nullptr;
  void *progressArg = nullptr;
  std::vector<TensorMemory> tensors;
  /// Valid as long as the call.
  std::vector<ResultMemory> results;
};

/// One launch, as `attnrt_gpu_launch` gets it.
struct KernelLaunch {
  const AttnGpuImage *image;
  const char *kernel;
  int64_t grid[3];
  int32_t threads;
  int64_t sharedBytes;
  const void *params;
  int64_t paramBytes;
};

/// What one call did. Outlives the call, for `attnDeviceReport`.
class CallReport {
public:
  virtual ~CallReport() = default;
  virtual std::string json() const = 0;
};

/// One call's use of a device. Only the invoking thread may use it.
class DeviceCall {
public:
  /// Frees what the call allocated.
  virtual ~DeviceCall() = default;

  virtual Status launch(const KernelLaunch &launch) = 0;

  /// Allocates memory on the device until the call ends.
  virtual Status allocate(int64_t bytes, void *&memory) = 0;
  /// Frees it earlier. `known` tells whether this call allocated it.
  virtual Status release(void *memory, bool &known) = 0;

  /// Copies `rows` rows of `width` bytes on the device.
  virtual Status copyRows(void *to, int64_t toPitch, const void *from,
                          int64_t fromPitch, int64_t width, int64_t rows) = 0;
  /// Copies from and to host memory; `host` may be used again on return.
  virtual Status copyIn(void *to, const void *host, int64_t bytes) = 0;
  virtual Status copyOut(void *host, const void *from, int64_t bytes) = 0;

  /// Whether reading values back is worth its price.
  virtual bool countsFlags() const = 0;

  /// Whether its memory is host memory.
  virtual bool sharesHostMemory() const = 0;

  /// Ends the call after its last launch: waits where the caller did not give a
  /// stream, and says what went wrong.
  virtual Status finish() = 0;

  virtual std::shared_ptr<const CallReport> report() const = 0;
};

/// Where kernels run.
class Device {
public:
  virtual ~Device() = default;

  /// "cuda:0", "emulated".
  virtual const std::string &name() const = 0;
  /// "sm_90"; empty for a device that takes the package's.
  virtual const std::string &arch() const = 0;

  virtual Status begin(const DeviceRequest &request,
                       std::unique_ptr<DeviceCall> &call) = 0;

  // Outside of calls.
  virtual Status allocate(int64_t bytes, void *&memory) = 0;
  virtual Status release(void *memory) = 0;
  virtual Status copyIn(void *to, const void *host, int64_t bytes) = 0;
  virtual Status copyOut(void *host, const void *from, int64_t bytes) = 0;

  /// A JSON object for `attnDeviceInfo`.
  virtual std::string json() const = 0;
};

/// Judges the numbers of a launch that no device would take.
Status checkLaunch(const KernelLaunch &launch);

} // namespace attn::rt

#endif // ATTN_RUNTIME_DEVICE_DEVICE_H
