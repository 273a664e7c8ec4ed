//===- StridedRange.cpp - Which bytes a strided tensor covers -------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The question whether two strided tensors share a byte is hard in general. Two
// tests answer it for all layouts that tensors come in: are the extents
// apart, and if not, do the two lie in different residues of a common stride?
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/StridedRange.h"

#include "attn/Runtime/Signature.h"

#include <algorithm>
#include <numeric>

using namespace attn::rt;

bool StridedRange::isEmpty() const {
  return std::find(sizes, sizes + rank, 0) != sizes + rank;
}

bool StridedRange::extent(uint64_t &begin, uint64_t &end) const {
  begin = end = address;
  if (isEmpty())
    return true;
  if (__builtin_add_overflow(end, uint64_t(elementBytes), &end))
    return false;
  for (int axis = 0; axis < rank; ++axis) {
    int64_t bytes;
    if (__builtin_mul_overflow(strides[axis], elementBytes, &bytes) ||
        __builtin_mul_overflow(bytes, sizes[axis] - 1, &bytes))
      return false;
    bool bad = bytes < 0
                   ? __builtin_sub_overflow(begin, -uint64_t(bytes), &begin)
                   : __builtin_add_overflow(end, uint64_t(bytes), &end);
    if (bad)
      return false;
  }
  return true;
}

namespace {
/// An axis with more than one element, by the absolute value of its stride:
/// which way an axis runs does not change which bytes it covers.
struct Axis {
  uint64_t stride;
  uint64_t size;
};

/// The axes of a range from the smallest stride to the largest.
struct SortedAxes {
  Axis axes[kMaxRank];
  int count = 0;

  explicit SortedAxes(const StridedRange &range) {
    for (int i = 0; i < range.rank; ++i) {
      if (range.sizes[i] <= 1)
        continue;
      int64_t bytes = range.strides[i] * range.elementBytes;
      axes[count++] = {bytes < 0 ? -uint64_t(bytes) : uint64_t(bytes),
                       uint64_t(range.sizes[i])};
    }
    std::sort(axes, axes + count,
              [](const Axis &a, const Axis &b) { return a.stride < b.stride; });
  }
};

/// A range as equal runs of bytes without gaps, whose starts differ by
/// multiples of `step` (0: there is one run).
struct Runs {
  uint64_t length;
  uint64_t step = 0;

  explicit Runs(const StridedRange &range) : length(range.elementBytes) {
    SortedAxes sorted(range);
    int i = 0;
    for (; i < sorted.count && sorted.axes[i].stride <= length; ++i)
      length += sorted.axes[i].stride * (sorted.axes[i].size - 1);
    for (; i < sorted.count; ++i)
      step = std::gcd(step, sorted.axes[i].stride);
  }
};
} // namespace

bool attn::rt::mayOverlap(const StridedRange &a, const StridedRange &b) {
  uint64_t aBegin, aEnd, bBegin, bEnd;
  if (!a.extent(aBegin, aEnd) || !b.extent(bBegin, bEnd))
    return true;
  if (aBegin == aEnd || bBegin == bEnd)
    return false;
  if (aEnd <= bBegin || bEnd <= aBegin)
    return false;
  Runs aRuns(a), bRuns(b);
  uint64_t step = std::gcd(aRuns.step, bRuns.step);
  if (step == 0)
    return true;
  // On a circle of `step` bytes every run of a range falls on the same place.
  uint64_t fromAToB = (bBegin % step + step - aBegin % step) % step;
  uint64_t fromBToA = (step - fromAToB) % step;
  return fromAToB < aRuns.length || fromBToA < bRuns.length;
}

bool attn::rt::mayOverlapItself(const StridedRange &range) {
  if (range.isEmpty())
    return false;
  SortedAxes sorted(range);
  uint64_t covered = uint64_t(range.elementBytes);
  for (int i = 0; i < sorted.count; ++i) {
    if (sorted.axes[i].stride < covered)
      return true;
    covered += sorted.axes[i].stride * (sorted.axes[i].size - 1);
  }
  return false;
}
