//===- CudaDriver.cpp - The CUDA driver, opened at run time ---------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Opening, looking up, and the one sentence for those who have no GPU.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Device/CudaDriver.h"

#include <cstdlib>
#include <dlfcn.h>
#include <mutex>
#include <unistd.h>

using namespace attn::rt;
using namespace attn::rt::cuda;

/// A failure to have a driver at all.
static Status noDriver(const std::string &why) {
  return failure(ATTN_DEVICE_ERROR,
                 "CUDA expects libcuda.so.1 (an NVIDIA driver) and a GPU, but "
                 "%s; use device='emulated' to run without a GPU",
                 why.c_str());
}

std::string Driver::errorText(Result result) const {
  const char *name = nullptr, *text = nullptr;
  if (getErrorName(result, &name) != kSuccess || !name)
    return format("CUDA error %d", result);
  if (getErrorString(result, &text) != kSuccess || !text)
    return name;
  return format("%s (%s)", name, text);
}

/// Looks up all functions.
static Status findFunctions(void *library, Driver &driver) {
  const char *missing = nullptr;
#define X(field, symbol, parameters)                                           \
  driver.field =                                                               \
      reinterpret_cast<decltype(driver.field)>(dlsym(library, symbol));
  ATTN_CUDA_FUNCTIONS(X)
  ATTN_CUDA_NEWER_FUNCTIONS(X)
#undef X
#define X(field, symbol, parameters)                                           \
  if (!driver.field && !missing)                                               \
    missing = symbol;
  ATTN_CUDA_FUNCTIONS(X)
#undef X
  if (missing)
    return noDriver(format("it has no %s; update the driver", missing));
  return Status();
}

Status cuda::openDriver(const Driver *&out) {
  static std::mutex mutex;
  static Driver *opened = nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  if (opened && opened->process != getpid())
    return failure(ATTN_DEVICE_ERROR,
                   "CUDA expects to be used in the process that used it first, "
                   "but got a fork of it; start workers with the method "
                   "'spawn', or use CUDA only after the fork");
  if (opened) {
    out = opened;
    return Status();
  }
  const char *name = std::getenv("ATTN_LIBCUDA");
  if (!name || !*name)
    name = "libcuda.so.1";
  // Never closed: its threads run until the process ends.
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    return noDriver(format("it cannot be opened: %s", why ? why : name));
  }
  Driver driver;
  if (Status status = findFunctions(library, driver); !status.ok())
    return status;
  if (Result result = driver.init(0); result != kSuccess)
    return noDriver(result == kStubLibrary
                        ? "got the stub that programs are linked with"
                        : "it does not start: " + driver.errorText(result));
  driver.process = getpid();
  opened = new Driver(driver);
  out = opened;
  return Status();
}
