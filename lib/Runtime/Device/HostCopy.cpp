//===- HostCopy.cpp - Device arrays that host code reads and writes -------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A strided array is copied as the range that it spans.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Device/HostCopy.h"

#include "attn/Runtime/CallContext.h"

#include <algorithm>

using namespace attn::rt;

/// The current call when its memory cannot be read here, else null.
static CallContext *callWithFarMemory() {
  CallContext *call = threadState().call;
  bool far = call && call->device() && !call->device()->sharesHostMemory();
  return far ? call : nullptr;
}

HostCopy::HostCopy(const int32_t *array, const int64_t *sizes,
                   const int64_t *strides, int rank)
    : values(array) {
  CallContext *call = callWithFarMemory();
  if (!call || !array)
    return;
  int64_t low = 0, high = 0;
  for (int axis = 0; axis < rank; ++axis) {
    if (sizes[axis] <= 0)
      return;
    int64_t reach = (sizes[axis] - 1) * strides[axis];
    (reach < 0 ? low : high) += reach;
  }
  const int64_t bytes = (high - low + 1) * int64_t(sizeof(int32_t));
  copy = allocateOnHost(bytes);
  call->leaveIfFailed(call->device()->copyOut(copy, array + low, bytes));
  values = static_cast<int32_t *>(copy) - low;
}

/// For the constructor below to refer to.
static const int64_t unitStride = 1;

HostCopy::HostCopy(const int32_t *array, int64_t count)
    : HostCopy(array, &count, &unitStride, 1) {}

void HostCopy::release() {
  freeOnHost(copy);
  copy = nullptr;
}

HostResult::HostResult(int32_t *array, int64_t count)
    : array(array), count(std::max<int64_t>(count, 0)), values(array) {
  if (array && callWithFarMemory())
    values = static_cast<int32_t *>(
        allocateOnHost(this->count * int64_t(sizeof(int32_t))));
}

void HostResult::store() {
  CallContext *call = threadState().call;
  if (!call || !call->device() || !array || count == 0)
    return;
  // Where the memory is shared the device still wants to know what was written.
  call->leaveIfFailed(
      call->device()->copyIn(array, values, count * int64_t(sizeof(int32_t))));
  if (values != array)
    freeOnHost(values);
  values = array;
}
