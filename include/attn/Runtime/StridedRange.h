//===- StridedRange.h - Which bytes a strided tensor covers -----*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arithmetic on the memory that strided tensors cover: extents that cannot
// overflow, and whether two tensors, or one with itself, share bytes.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_STRIDEDRANGE_H
#define ATTN_RUNTIME_STRIDEDRANGE_H

#include <cstdint>

namespace attn::rt {

/// The bytes of a strided tensor. Strides count elements and may be zero or
/// negative.
struct StridedRange {
  uint64_t address = 0;
  int64_t elementBytes = 1;
  int rank = 0;
  const int64_t *sizes = nullptr;
  const int64_t *strides = nullptr;

  bool isEmpty() const;

  /// The lowest byte and the one after the highest. False when the range does
  /// not fit the address space. Empty ranges give begin == end.
  bool extent(uint64_t &begin, uint64_t &end) const;
};

/// Whether two ranges may share a byte. Never says no when they do. Says no for
/// ranges that interleave regularly, such as heads or the q, k and v of a
/// packed projection. Both extents must fit.
bool mayOverlap(const StridedRange &a, const StridedRange &b);

/// Whether two elements of a range may share a byte, e.g. by a zero stride.
bool mayOverlapItself(const StridedRange &range);

} // namespace attn::rt

#endif // ATTN_RUNTIME_STRIDEDRANGE_H
