//===- Memory.cpp - Allocation and copies for generated code --------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `attnrt_alloc` and its kin put a small header before each block, which links
// it into the list of the current call; `memrefCopy` copies between strided
// buffers. In a call on a device both are the device's.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/CallContext.h"

#include <cstdlib>
#include <cstring>

using namespace attn::rt;

//===----------------------------------------------------------------------===//
// Allocation
//===----------------------------------------------------------------------===//

static_assert(sizeof(CallContext::Allocation) <= ScratchArenas::kAlignment,
              "the header must fit the gap that alignment leaves anyway");

/// The header of the block at `p`.
static CallContext::Allocation *headerOf(void *p) {
  return reinterpret_cast<CallContext::Allocation *>(
      static_cast<char *>(p) - sizeof(CallContext::Allocation));
}

/// Allocates host memory for the current call, or for nobody outside of one.
static void *allocate(int64_t align, int64_t size) {
  if (align < ScratchArenas::kAlignment)
    align = ScratchArenas::kAlignment;
  // The data starts one alignment unit in, which leaves room for the header.
  int64_t total = 0;
  void *raw = nullptr;
  if (size < 0 || (align & (align - 1)) != 0 ||
      __builtin_add_overflow(size, align, &total) ||
      posix_memalign(&raw, static_cast<size_t>(align),
                     static_cast<size_t>(total)) != 0)
    fail(ATTN_RESOURCE_ERROR,
         "out of memory: cannot allocate %lld bytes aligned to %lld",
         static_cast<long long>(size), static_cast<long long>(align));
  void *data = static_cast<char *>(raw) + align;
  CallContext::Allocation *header = headerOf(data);
  header->raw = raw;
  header->owner = nullptr;
  if (CallContext *call = threadState().call)
    call->link(header);
  return data;
}

void *attn::rt::allocateOnHost(int64_t bytes) {
  return allocate(ScratchArenas::kAlignment, bytes);
}

void attn::rt::freeOnHost(void *p) {
  if (!p)
    return;
  CallContext::Allocation *header = headerOf(p);
  // The owner, not the current call: a nested call may free for an outer one.
  if (header->owner)
    header->owner->unlink(header);
  std::free(header->raw);
}

/// The current call when it runs on a device, else null.
static CallContext *callOnDevice() {
  CallContext *call = threadState().call;
  return call && call->device() ? call : nullptr;
}

/// Allocates where the current call runs.
static void *allocateForCall(int64_t align, int64_t size) {
  CallContext *call = callOnDevice();
  if (!call)
    return allocate(align, size);
  void *memory = nullptr;
  call->leaveIfFailed(call->device()->allocate(size, memory));
  return memory;
}

void *attnrt_alloc(int64_t bytes) {
  return allocateForCall(ScratchArenas::kAlignment, bytes);
}

void attnrt_free(void *p) {
  CallContext *call = callOnDevice();
  if (call && p) {
    // Device memory has no header to look at.
    bool known = false;
    call->leaveIfFailed(call->device()->release(p, known));
    if (!known)
      fail(ATTN_INVALID, "attnrt_free expects memory of this call on its "
                         "device, but got another address");
    return;
  }
  freeOnHost(p);
}

void *_mlir_memref_to_llvm_alloc(int64_t size) { return attnrt_alloc(size); }

void *_mlir_memref_to_llvm_aligned_alloc(int64_t align, int64_t size) {
  return allocateForCall(align, size);
}

void _mlir_memref_to_llvm_free(void *p) { attnrt_free(p); }

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

namespace {
/// A ranked memref descriptor, seen without its element type.
struct Descriptor {
  char *data;
  const int64_t *sizes;
  const int64_t *strides;
};
} // namespace

/// Reads the descriptor of an unranked memref: allocated, aligned, offset,
/// sizes, strides, one word each.
static Descriptor readDescriptor(const AttnUnrankedMemRef &memref,
                                 int64_t elemSize) {
  auto *words = static_cast<int64_t *>(memref.descriptor);
  char *aligned;
  std::memcpy(&aligned, words + 1, sizeof(aligned));
  return {aligned + words[2] * elemSize, words + 3, words + 3 + memref.rank};
}

/// Copies axes `axis` and up. The innermost axes that are contiguous on both
/// sides, `run` bytes from axis `runAxis` on, go in one piece.
static void copyAxes(const Descriptor &src, const Descriptor &dst,
                     const char *from, char *to, int64_t axis, int64_t runAxis,
                     int64_t run, int64_t elemSize) {
  if (axis == runAxis) {
    std::memcpy(to, from, static_cast<size_t>(run));
    return;
  }
  for (int64_t i = 0, n = src.sizes[axis]; i < n; ++i)
    copyAxes(src, dst, from + i * src.strides[axis] * elemSize,
             to + i * dst.strides[axis] * elemSize, axis + 1, runAxis, run,
             elemSize);
}

/// The same on a device, where a copy costs microseconds whatever its size: the
/// axis outside of the contiguous ones goes as rows of one copy.
static Status copyAxesOnDevice(DeviceCall &device, const Descriptor &src,
                               const Descriptor &dst, const char *from,
                               char *to, int64_t axis, int64_t runAxis,
                               int64_t run, int64_t elemSize) {
  if (axis == runAxis)
    return device.copyRows(to, run, from, run, run, 1);
  const int64_t fromStep = src.strides[axis] * elemSize;
  const int64_t toStep = dst.strides[axis] * elemSize;
  const int64_t n = src.sizes[axis];
  if (axis + 1 == runAxis && fromStep >= run && toStep >= run)
    return device.copyRows(to, toStep, from, fromStep, run, n);
  for (int64_t i = 0; i < n; ++i)
    if (Status status =
            copyAxesOnDevice(device, src, dst, from + i * fromStep,
                             to + i * toStep, axis + 1, runAxis, run, elemSize);
        !status.ok())
      return status;
  return Status();
}

void memrefCopy(int64_t elemSize, AttnUnrankedMemRef *srcArg,
                AttnUnrankedMemRef *dstArg) {
  Descriptor src = readDescriptor(*srcArg, elemSize);
  Descriptor dst = readDescriptor(*dstArg, elemSize);
  const int64_t rank = srcArg->rank;
  for (int64_t axis = 0; axis < rank; ++axis)
    if (src.sizes[axis] == 0)
      return;
  int64_t run = elemSize, runElements = 1, runAxis = rank;
  while (runAxis > 0) {
    int64_t axis = runAxis - 1;
    if (src.sizes[axis] != 1 &&
        (src.strides[axis] != runElements || dst.strides[axis] != runElements))
      break;
    runElements *= src.sizes[axis];
    run *= src.sizes[axis];
    runAxis = axis;
  }
  if (CallContext *call = callOnDevice())
    call->leaveIfFailed(copyAxesOnDevice(*call->device(), src, dst, src.data,
                                         dst.data, 0, runAxis, run, elemSize));
  else
    copyAxes(src, dst, src.data, dst.data, 0, runAxis, run, elemSize);
}
