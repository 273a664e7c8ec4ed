//===- StridedRangeTest.cpp - Tests of memory extents ---------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The overlap tests against sets of bytes: never a "no" for a real overlap, and
// no "yes" for the layouts that matter.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/StridedRange.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

using attn::rt::StridedRange;

namespace {
/// A range with its sizes and strides.
struct Range {
  std::vector<int64_t> sizes, strides;
  uint64_t address;
  int64_t bytes;

  StridedRange get() const {
    StridedRange range;
    range.address = address;
    range.elementBytes = bytes;
    range.rank = int(sizes.size());
    range.sizes = sizes.data();
    range.strides = strides.data();
    return range;
  }

  /// Calls `visit` with every byte.
  template <typename Visit> void forEachByte(Visit visit) const {
    std::vector<int64_t> index(sizes.size(), 0);
    if (get().isEmpty())
      return;
    for (;;) {
      uint64_t at = address;
      for (size_t i = 0; i < sizes.size(); ++i)
        at += uint64_t(index[i] * strides[i] * bytes);
      for (int64_t b = 0; b < bytes; ++b)
        visit(at + uint64_t(b));
      size_t axis = sizes.size();
      while (axis > 0 && ++index[axis - 1] == sizes[axis - 1])
        index[--axis] = 0;
      if (axis == 0)
        return;
    }
  }
};
} // namespace

TEST(StridedRange, Extent) {
  uint64_t begin, end;
  Range plain{{2, 3}, {3, 1}, 100, 4};
  ASSERT_TRUE(plain.get().extent(begin, end));
  EXPECT_EQ(begin, 100u);
  EXPECT_EQ(end, 124u);
  Range negative{{2, 3}, {-3, 1}, 100, 4};
  ASSERT_TRUE(negative.get().extent(begin, end));
  EXPECT_EQ(begin, 88u);
  EXPECT_EQ(end, 112u);
  Range scalar{{}, {}, 100, 8};
  ASSERT_TRUE(scalar.get().extent(begin, end));
  EXPECT_EQ(end - begin, 8u);
  Range empty{{2, 0}, {INT64_MAX, 1}, 100, 4};
  ASSERT_TRUE(empty.get().extent(begin, end));
  EXPECT_EQ(begin, end);
}

TEST(StridedRange, ExtentOverflow) {
  uint64_t begin, end;
  EXPECT_FALSE((Range{{2}, {INT64_MAX}, 0, 4}.get().extent(begin, end)));
  EXPECT_FALSE((Range{{INT64_MAX}, {2}, 0, 1}.get().extent(begin, end)));
  EXPECT_FALSE((Range{{2}, {-200}, 100, 1}.get().extent(begin, end)));
  EXPECT_FALSE(
      (Range{{200}, {1}, UINT64_MAX - 100, 1}.get().extent(begin, end)));
}

TEST(StridedRange, HeadsOfOnePackedProjection) {
  // q, k and v of [B, S, 3, H, D], seen as [B, H, S, D].
  const int64_t S = 5, H = 4, D = 8;
  auto part = [&](uint64_t which) {
    return Range{{2, H, S, D},
                 {S * 3 * H * D, D, 3 * H * D, 1},
                 4096 + which * uint64_t(H * D) * 4,
                 4};
  };
  EXPECT_FALSE(mayOverlap(part(0).get(), part(1).get()));
  EXPECT_FALSE(mayOverlap(part(2).get(), part(0).get()));
  EXPECT_TRUE(mayOverlap(part(1).get(), part(1).get()));
}

TEST(StridedRange, AgainstSetsOfBytes) {
  unsigned seed = 9;
  auto next = [&](int below) {
    seed = seed * 1664525u + 1013904223u;
    return int(seed >> 8) % below;
  };
  int truths = 0, saidNo = 0, falseAlarms = 0;
  for (int round = 0; round < 20000; ++round) {
    auto random = [&] {
      Range range;
      for (int axis = next(4); axis > 0; --axis) {
        range.sizes.push_back(next(12) == 0 ? 0 : 1 + next(4));
        range.strides.push_back(next(25) - 8);
      }
      range.address = uint64_t(1000 + next(60));
      range.bytes = 1 << next(3);
      return range;
    };
    Range a = random(), b = random();
    std::set<uint64_t> bytes;
    size_t visits = 0;
    a.forEachByte([&](uint64_t at) {
      bytes.insert(at);
      ++visits;
    });
    bool truth = false;
    b.forEachByte([&](uint64_t at) { truth |= bytes.count(at) != 0; });
    bool answer = mayOverlap(a.get(), b.get());
    EXPECT_EQ(answer, mayOverlap(b.get(), a.get()));
    EXPECT_TRUE(answer || !truth) << round;
    truths += truth;
    saidNo += !answer;
    falseAlarms += answer && !truth;
    bool itself = mayOverlapItself(a.get());
    EXPECT_TRUE(itself || visits == bytes.size()) << round;
  }
  EXPECT_GT(truths, 1000);
  EXPECT_GT(saidNo, 1000);
  // Random strides are worse than any tensor's.
  EXPECT_LT(falseAlarms, 4000);
}

TEST(StridedRange, Itself) {
  EXPECT_FALSE(mayOverlapItself(Range{{2, 3}, {3, 1}, 0, 4}.get()));
  EXPECT_FALSE(mayOverlapItself(Range{{3, 2}, {1, 3}, 0, 4}.get()));
  EXPECT_FALSE(mayOverlapItself(Range{{2, 3}, {-4, 1}, 0, 4}.get()));
  EXPECT_FALSE(mayOverlapItself(Range{{1, 3}, {0, 1}, 0, 4}.get()));
  EXPECT_FALSE(mayOverlapItself(Range{{0, 3}, {0, 0}, 0, 4}.get()));
  EXPECT_TRUE(mayOverlapItself(Range{{2, 3}, {0, 1}, 0, 4}.get()));
  EXPECT_TRUE(mayOverlapItself(Range{{2, 3}, {2, 1}, 0, 4}.get()));
}
