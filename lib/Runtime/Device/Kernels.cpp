//===- Kernels.cpp - Launches for generated code --------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What generated code asks of the device of its call.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/CallContext.h"
#include "attn/Runtime/Device/Device.h"
#include "attn/Runtime/Device/HostCopy.h"

using namespace attn::rt;

/// The numbers of a launch, for messages.
static std::string launchText(const KernelLaunch &launch) {
  return format("kernel '%s' with grid [%lld, %lld, %lld]", launch.kernel,
                static_cast<long long>(launch.grid[0]),
                static_cast<long long>(launch.grid[1]),
                static_cast<long long>(launch.grid[2]));
}

Status attn::rt::checkLaunch(const KernelLaunch &launch) {
  if (!launch.image || !launch.kernel || !launch.image->arch)
    return failure(ATTN_INVALID,
                   "a launch expects an image with an architecture and a "
                   "kernel, but got a null pointer");
  // The PTX ISA's own limits; y and z are the same on all devices.
  static constexpr int64_t kMaxGrid[] = {INT32_MAX, 65535, 65535};
  for (int axis = 0; axis < 3; ++axis)
    if (launch.grid[axis] < 0 || launch.grid[axis] > kMaxGrid[axis])
      return failure(ATTN_DEVICE_ERROR,
                     "%s expects axis %d of the grid to be at most %lld; use a "
                     "smaller batch, fewer heads or shorter sequences in one "
                     "call",
                     launchText(launch).c_str(), axis,
                     static_cast<long long>(kMaxGrid[axis]));
  if (launch.threads < 1 || launch.threads > 1024)
    return failure(ATTN_DEVICE_ERROR,
                   "%s expects 1 to 1024 threads per block, but got %d",
                   launchText(launch).c_str(), launch.threads);
  if (launch.sharedBytes < 0 || launch.sharedBytes > INT32_MAX)
    return failure(ATTN_DEVICE_ERROR,
                   "%s expects 0 to 2^31 - 1 bytes of dynamic shared memory, "
                   "but got %lld",
                   launchText(launch).c_str(),
                   static_cast<long long>(launch.sharedBytes));
  // The parameter space of sm_70 and later.
  if (launch.paramBytes < 0 || launch.paramBytes > 32764 ||
      (launch.paramBytes > 0 && !launch.params))
    return failure(ATTN_DEVICE_ERROR,
                   "%s expects a parameter of 0 to 32764 bytes, but got %lld",
                   launchText(launch).c_str(),
                   static_cast<long long>(launch.paramBytes));
  return Status();
}

/// Launches on the device of a call.
static Status launchOn(DeviceCall &device, const KernelLaunch &launch) {
  if (Status status = checkLaunch(launch); !status.ok())
    return status;
  for (int64_t size : launch.grid)
    if (size == 0)
      return Status();
  return device.launch(launch);
}

void attnrt_gpu_launch(const AttnGpuImage *image, const char *kernel,
                       int64_t gridX, int64_t gridY, int64_t gridZ,
                       int32_t threads, int64_t sharedBytes, const void *params,
                       int64_t paramBytes) {
  CallContext *call = threadState().call;
  if (!call || !call->device())
    fail(ATTN_INVALID, "internal error: a kernel expects a call on a device, "
                       "but got one on the CPU");
  // Cancelled between two kernels.
  call->pollIfDue();
  if (call->stopRequested())
    call->unwind();
  KernelLaunch launch = {image,     kernel,      {gridX, gridY, gridZ},
                         threads,   sharedBytes, params,
                         paramBytes};
  call->leaveIfFailed(launchOn(*call->device(), launch));
}

/// The call that copies, which is one on a device.
static CallContext &copyingCall() {
  CallContext *call = threadState().call;
  if (!call || !call->device())
    fail(ATTN_INVALID, "internal error: a copy expects a call on a device, but "
                       "got one on the CPU");
  return *call;
}

void attnrt_gpu_upload(void *to, const void *from, int64_t bytes) {
  CallContext &call = copyingCall();
  if (bytes > 0)
    call.leaveIfFailed(call.device()->copyIn(to, from, bytes));
}

void attnrt_gpu_download(void *to, const void *from, int64_t bytes) {
  CallContext &call = copyingCall();
  if (bytes > 0)
    call.leaveIfFailed(call.device()->copyOut(to, from, bytes));
}

void attnrt_gpu_count_flags(int32_t which, const int32_t *flags, int64_t n) {
  CallContext *call = threadState().call;
  if (!call || n <= 0 || (call->device() && !call->device()->countsFlags()))
    return;
  HostCopy copy(flags, n);
  int64_t set = 0;
  for (int64_t i = 0; i < n; ++i)
    set += copy.data()[i] != 0;
  copy.release();
  call->count(which, set);
}
