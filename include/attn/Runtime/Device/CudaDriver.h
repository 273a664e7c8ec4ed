//===- CudaDriver.h - The CUDA driver, opened at run time -------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The part of the driver API that this runtime uses, declared here so that
// building needs no CUDA, and looked up in libcuda.so.1 when first needed, so
// that running needs none either. Names, types and numbers are the public API's
// (cuda.h); a test compares them with that header where there is one.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_DEVICE_CUDADRIVER_H
#define ATTN_RUNTIME_DEVICE_CUDADRIVER_H

#include "attn/Runtime/Status.h"

#include <cstddef>
#include <string>

namespace attn::rt::cuda {

using Result = int;
using DeviceId = int;
using DevicePtr = unsigned long long;
using Context = struct ContextHandle *;
using Module = struct ModuleHandle *;
using Function = struct FunctionHandle *;
using Stream = struct StreamHandle *;
using Event = struct EventHandle *;

/// CUresult, as far as messages depend on it.
enum : Result {
  kSuccess = 0,
  kOutOfMemory = 2,
  kNotInitialized = 3,
  kStubLibrary = 34,
  kNoDevice = 100,
  kInvalidImage = 200,
  kNoBinaryForGpu = 209,
  kInvalidPtx = 218,
  kUnsupportedPtxVersion = 222,
  kNotFound = 500,
  kIllegalAddress = 700,
  kLaunchOutOfResources = 701,
  kLaunchTimeout = 702,
  kIllegalInstruction = 715,
  kMisalignedAddress = 716,
  kLaunchFailed = 719,
};

/// CUdevice_attribute.
enum DeviceAttribute : int {
  kMaxThreadsPerBlock = 1,
  kMaxGridX = 5,
  kMaxGridY = 6,
  kMaxGridZ = 7,
  kMaxSharedPerBlock = 8,
  kMaxPitch = 11,
  kMultiprocessors = 16,
  kMaxThreadsPerMultiprocessor = 39,
  kComputeMajor = 75,
  kComputeMinor = 76,
  kMaxSharedPerBlockOptIn = 97,
  kMemoryPools = 115,
};

/// CUfunction_attribute.
enum FunctionAttribute : int {
  kFunctionMaxThreads = 0,
  kFunctionSharedBytes = 1,
  kFunctionLocalBytes = 3,
  kFunctionRegisters = 4,
  kFunctionMaxDynamicShared = 8,
};

/// CUjit_option.
enum JitOption : int {
  kJitErrorLog = 5,
  kJitErrorLogBytes = 6,
};

/// CUmemorytype.
enum MemoryType : int { kMemoryDevice = 2 };

/// CUDA_MEMCPY2D.
struct Memcpy2D {
  size_t srcXInBytes, srcY;
  MemoryType srcMemoryType;
  const void *srcHost;
  DevicePtr srcDevice;
  void *srcArray;
  size_t srcPitch;
  size_t dstXInBytes, dstY;
  MemoryType dstMemoryType;
  void *dstHost;
  DevicePtr dstDevice;
  void *dstArray;
  size_t dstPitch;
  size_t widthInBytes, height;
};

/// CU_STREAM_LEGACY and the words of cuLaunchKernel's `extra`.
constexpr uintptr_t kStreamLegacy = 1;
constexpr uintptr_t kLaunchParamEnd = 0;
constexpr uintptr_t kLaunchParamPointer = 1;
constexpr uintptr_t kLaunchParamSize = 2;

// X(field, symbol, parameters): what every driver of CUDA 11 and later has.
#define ATTN_CUDA_FUNCTIONS(X)                                                 \
  X(init, "cuInit", (unsigned))                                                \
  X(getErrorName, "cuGetErrorName", (Result, const char **))                   \
  X(getErrorString, "cuGetErrorString", (Result, const char **))               \
  X(deviceGetCount, "cuDeviceGetCount", (int *))                               \
  X(deviceGet, "cuDeviceGet", (DeviceId *, int))                               \
  X(deviceGetName, "cuDeviceGetName", (char *, int, DeviceId))                 \
  X(deviceGetAttribute, "cuDeviceGetAttribute", (int *, int, DeviceId))        \
  X(deviceTotalMem, "cuDeviceTotalMem_v2", (size_t *, DeviceId))               \
  X(primaryCtxRetain, "cuDevicePrimaryCtxRetain", (Context *, DeviceId))       \
  X(ctxPushCurrent, "cuCtxPushCurrent_v2", (Context))                          \
  X(ctxPopCurrent, "cuCtxPopCurrent_v2", (Context *))                          \
  X(ctxSynchronize, "cuCtxSynchronize", ())                                    \
  X(moduleLoadDataEx, "cuModuleLoadDataEx",                                    \
    (Module *, const void *, unsigned, int *, void **))                        \
  X(moduleUnload, "cuModuleUnload", (Module))                                  \
  X(moduleGetFunction, "cuModuleGetFunction",                                  \
    (Function *, Module, const char *))                                        \
  X(funcGetAttribute, "cuFuncGetAttribute", (int *, int, Function))            \
  X(funcSetAttribute, "cuFuncSetAttribute", (Function, int, int))              \
  X(maxActiveBlocks, "cuOccupancyMaxActiveBlocksPerMultiprocessor",            \
    (int *, Function, int, size_t))                                            \
  X(launchKernel, "cuLaunchKernel",                                            \
    (Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,     \
     unsigned, Stream, void **, void **))                                      \
  X(streamSynchronize, "cuStreamSynchronize", (Stream))                        \
  X(eventCreate, "cuEventCreate", (Event *, unsigned))                         \
  X(eventDestroy, "cuEventDestroy_v2", (Event))                                \
  X(eventRecord, "cuEventRecord", (Event, Stream))                             \
  X(eventElapsedTime, "cuEventElapsedTime", (float *, Event, Event))           \
  X(memAlloc, "cuMemAlloc_v2", (DevicePtr *, size_t))                          \
  X(memFree, "cuMemFree_v2", (DevicePtr))                                      \
  X(memcpyHtoDAsync, "cuMemcpyHtoDAsync_v2",                                   \
    (DevicePtr, const void *, size_t, Stream))                                 \
  X(memcpyDtoHAsync, "cuMemcpyDtoHAsync_v2",                                   \
    (void *, DevicePtr, size_t, Stream))                                       \
  X(memcpyDtoDAsync, "cuMemcpyDtoDAsync_v2",                                   \
    (DevicePtr, DevicePtr, size_t, Stream))                                    \
  X(memcpy2DAsync, "cuMemcpy2DAsync_v2", (const Memcpy2D *, Stream))

// Of CUDA 11.2 and later; null in an older driver.
#define ATTN_CUDA_NEWER_FUNCTIONS(X)                                           \
  X(memAllocAsync, "cuMemAllocAsync", (DevicePtr *, size_t, Stream))           \
  X(memFreeAsync, "cuMemFreeAsync", (DevicePtr, Stream))

/// The driver's functions.
struct Driver {
#define X(field, symbol, parameters) Result(*field) parameters = nullptr;
  ATTN_CUDA_FUNCTIONS(X)
  ATTN_CUDA_NEWER_FUNCTIONS(X)
#undef X
  /// The process that initialized it: CUDA does not survive a fork.
  int process = 0;

  /// "CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected)".
  std::string errorText(Result result) const;
};

/// Opens the driver and initializes it, once per process; a failure is tried
/// again. ATTN_LIBCUDA names another file than libcuda.so.1.
Status openDriver(const Driver *&driver);

} // namespace attn::rt::cuda

#endif // ATTN_RUNTIME_DEVICE_CUDADRIVER_H
