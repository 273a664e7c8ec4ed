//===- HostCopy.h - Device arrays that host code reads and writes --*- C++
//-*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Some checks and preparations read index arrays on the host. In a call on the
// CPU, and on a device that shares the host's memory, these classes hand the
// array through.
//
// They have no destructors, since a failed call leaves by longjmp; what they
// allocated is freed with the call, or earlier by `release`.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_DEVICE_HOSTCOPY_H
#define ATTN_RUNTIME_DEVICE_HOSTCOPY_H

#include <cstdint>

namespace attn::rt {

/// An array to read: `data()` is indexed as the array is.
class HostCopy {
public:
  /// A strided array; null stays null.
  HostCopy(const int32_t *array, const int64_t *sizes, const int64_t *strides,
           int rank);
  /// `count` elements in a row.
  HostCopy(const int32_t *array, int64_t count);

  const int32_t *data() const { return values; }
  void release();

private:
  const int32_t *values;
  void *copy = nullptr;
};

/// `count` elements to write; `store` brings them to the array and releases the
/// copy.
class HostResult {
public:
  HostResult(int32_t *array, int64_t count);

  int32_t *data() const { return values; }
  void store();

private:
  int32_t *const array;
  const int64_t count;
  int32_t *values;
};

} // namespace attn::rt

#endif // ATTN_RUNTIME_DEVICE_HOSTCOPY_H
