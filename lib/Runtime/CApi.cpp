//===- CApi.cpp - C API of the runtime half -------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The C functions: null checks, statuses to integers, and nothing thrown past
// this line.
//
//===----------------------------------------------------------------------===//

#include "attn-c/Runtime.h"

#include "attn/Runtime/Device/Report.h"
#include "attn/Runtime/Device/Selection.h"
#include "attn/Runtime/Invoke.h"
#include "attn/Runtime/Package.h"
#include "attn/Runtime/PackageFile.h"
#include "attn/Runtime/ThreadCount.h"

#include <cstdio>
#include <exception>
#include <new>

using namespace attn::rt;

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

/// A buffer, not a string: running out of memory is among what it has to tell.
static thread_local char lastError[4096];

const char *attnLastError(void) { return lastError; }

/// Keeps the text of `status` and returns its code.
static int report(const Status &status) {
  lastError[0] = '\0';
  if (!status.ok())
    std::snprintf(lastError, sizeof(lastError), "%s", status.message().c_str());
  return status.code();
}

/// Runs `fn`, which returns a Status, and turns whatever happens into a code.
template <typename Function>
static int guarded(Function fn) {
  try {
    return report(fn());
  } catch (const std::bad_alloc &) {
    std::snprintf(lastError, sizeof(lastError), "out of memory");
    return ATTN_RESOURCE_ERROR;
  } catch (const std::exception &error) {
    std::snprintf(lastError, sizeof(lastError), "%s", error.what());
    return ATTN_RESOURCE_ERROR;
  }
}

/// A failure of a null argument.
static Status nullArgument(const char *function, const char *argument) {
  return failure(ATTN_INVALID, "%s expects %s, but got a null pointer",
                 function, argument);
}

//===----------------------------------------------------------------------===//
// Version and threads
//===----------------------------------------------------------------------===//

const char *attnRuntimeVersion(void) { return ATTN_RUNTIME_VERSION_STRING; }

int attnSetNumThreads(int threads) {
  return guarded([&] { return setThreadCount(threads); });
}

int attnGetNumThreads(void) {
  int threads = 0;
  int code = guarded([&] { return resolveThreadCount(0, threads); });
  return code == ATTN_OK ? threads : 0;
}

//===----------------------------------------------------------------------===//
// Packages
//===----------------------------------------------------------------------===//

int attnPackageOpen(const char *path, AttnPackage **out) {
  return guarded([&]() -> Status {
    if (!path || !out)
      return nullArgument("attnPackageOpen", path ? "an output" : "a path");
    *out = nullptr;
    std::unique_ptr<AttnPackage> package;
    if (Status status = openPackage(path, package); !status.ok())
      return status;
    *out = package.release();
    return Status();
  });
}

int attnPackageClose(AttnPackage *package) {
  return guarded([&]() -> Status {
    if (!package)
      return Status();
    int calls = package->callsInFlight.load(std::memory_order_acquire);
    if (calls > 0)
      return failure(ATTN_INVALID,
                     "package '%s' expects no running call when it is closed, "
                     "but got %d",
                     package->path.c_str(), calls);
    delete package;
    return Status();
  });
}

const char *attnPackageJson(const AttnPackage *package) {
  return package ? package->json.c_str() : nullptr;
}

int attnPackageFindEntry(const AttnPackage *package, const char *name) {
  return package && name ? package->signature.findEntry(name) : -1;
}

int attnPackageSeal(const char *path) {
  return guarded([&]() -> Status {
    if (!path)
      return nullArgument("attnPackageSeal", "a path");
    return sealPackageFile(path);
  });
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

int attnResultShapes(AttnPackage *package, int entry,
                     const DLTensor *const *args, int numArgs, int64_t *dims) {
  return guarded([&]() -> Status {
    if (!package || !dims)
      return nullArgument("attnResultShapes", package ? "dims" : "a package");
    return resultShapes(*package, entry, args, numArgs, dims);
  });
}

int attnInvoke(AttnPackage *package, int entry, const DLTensor *const *args,
               int numArgs, DLTensor *const *results, int numResults,
               const AttnInvokeOptions *options, AttnCounters *counters) {
  return guarded([&]() -> Status {
    if (!package)
      return nullArgument("attnInvoke", "a package");
    ResultSource source;
    source.tensors = results;
    source.count = numResults;
    return invoke(*package, entry, args, numArgs, source, options, counters);
  });
}

int attnInvokeAllocating(AttnPackage *package, int entry,
                         const DLTensor *const *args, int numArgs,
                         AttnAllocate allocate, void *arg,
                         const AttnInvokeOptions *options,
                         AttnCounters *counters) {
  return guarded([&]() -> Status {
    if (!package || !allocate)
      return nullArgument("attnInvokeAllocating",
                          package ? "an allocate function" : "a package");
    ResultSource source;
    source.allocate = allocate;
    source.arg = arg;
    return invoke(*package, entry, args, numArgs, source, options, counters);
  });
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

/// Keeps a text until the next one of its kind on this thread; `instead` when
/// there is no memory for it.
template <typename Function>
static const char *keepText(std::string &kept, const char *instead,
                            Function text) {
  try {
    kept = text();
    return kept.c_str();
  } catch (const std::exception &) {
    return instead;
  }
}

const char *attnDeviceInfo(void) {
  static thread_local std::string kept;
  return keepText(kept, "[]", devicesJson);
}

const char *attnDeviceReport(void) {
  static thread_local std::string kept;
  return keepText(kept, "{}", lastReportJson);
}

/// Opens a device and hands it to `use`.
template <typename Function>
static int withDevice(const char *function, const char *name, Function use) {
  return guarded([&]() -> Status {
    if (!name)
      return nullArgument(function, "a device");
    Device *device = nullptr;
    if (Status status = openDevice(name, device); !status.ok())
      return status;
    return use(*device);
  });
}

int attnDeviceAlloc(const char *name, int64_t bytes, void **out) {
  return withDevice("attnDeviceAlloc", name, [&](Device &device) -> Status {
    if (!out)
      return nullArgument("attnDeviceAlloc", "an output");
    *out = nullptr;
    return device.allocate(bytes, *out);
  });
}

int attnDeviceFree(const char *name, void *memory) {
  return withDevice("attnDeviceFree", name, [&](Device &device) -> Status {
    return memory ? device.release(memory) : Status();
  });
}

/// A copy of at least nothing from somewhere to somewhere.
static Status checkCopy(const char *function, const void *to, const void *from,
                        int64_t bytes) {
  if (bytes < 0)
    return failure(ATTN_INVALID, "%s expects 0 bytes or more, but got %lld",
                   function, static_cast<long long>(bytes));
  if (bytes > 0 && (!to || !from))
    return nullArgument(function, "memory");
  return Status();
}

int attnDeviceCopyIn(const char *name, void *to, const void *from,
                     int64_t bytes) {
  return withDevice("attnDeviceCopyIn", name, [&](Device &device) -> Status {
    Status status = checkCopy("attnDeviceCopyIn", to, from, bytes);
    return status.ok() && bytes ? device.copyIn(to, from, bytes) : status;
  });
}

int attnDeviceCopyOut(const char *name, void *to, const void *from,
                      int64_t bytes) {
  return withDevice("attnDeviceCopyOut", name, [&](Device &device) -> Status {
    Status status = checkCopy("attnDeviceCopyOut", to, from, bytes);
    return status.ok() && bytes ? device.copyOut(to, from, bytes) : status;
  });
}
