//===- MemoryTest.cpp - Tests of allocation and copies --------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Allocations end with their call, however it ends; strided copies.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"

#include <gtest/gtest.h>

#include <cstring>
#include <malloc.h>
#include <tuple>

using namespace attn::test;

/// Bytes that the heap has given out.
static int64_t heapBytes() {
  struct mallinfo2 info = mallinfo2();
  return int64_t(info.uordblks) + int64_t(info.hblkhd);
}

TEST(Alloc, AlignedAndWritable) {
  bool good = true;
  auto call = [&] {
    for (int64_t bytes : {0, 1, 63, 64, 65, 100000}) {
      void *p = attnrt_alloc(bytes);
      good &= p && reinterpret_cast<uintptr_t>(p) % 64 == 0;
      std::memset(p, 1, size_t(bytes));
      void *q = _mlir_memref_to_llvm_aligned_alloc(4096, bytes);
      good &= reinterpret_cast<uintptr_t>(q) % 4096 == 0;
      std::memset(q, 1, size_t(bytes));
      void *r = _mlir_memref_to_llvm_aligned_alloc(8, bytes);
      good &= reinterpret_cast<uintptr_t>(r) % 64 == 0;
      void *s = _mlir_memref_to_llvm_alloc(bytes);
      good &= s != p && s != q;
      attnrt_free(p);
      _mlir_memref_to_llvm_free(q);
      attnrt_free(r);
      _mlir_memref_to_llvm_free(s);
    }
    attnrt_free(nullptr);
  };
  ASSERT_EQ(runInCall(call), ATTN_OK);
  EXPECT_TRUE(good);
}

TEST(Alloc, ImpossibleSizesAreResourceErrors) {
  for (int64_t bytes : {int64_t(-1), int64_t(1) << 60, INT64_MAX}) {
    auto call = [&] { attnrt_alloc(bytes); };
    EXPECT_EQ(runInCall(call), ATTN_RESOURCE_ERROR);
    EXPECT_NE(std::string(attnLastError()).find(std::to_string(bytes)),
              std::string::npos)
        << attnLastError();
  }
  auto odd = [] { _mlir_memref_to_llvm_aligned_alloc(100, 8); };
  EXPECT_EQ(runInCall(odd), ATTN_RESOURCE_ERROR);
}

TEST(Alloc, FreedWhateverTheEnd) {
  // Each call leaves 1 MB behind: by failing, by failing in a task, and by
  // forgetting.
  int how = 0;
  auto body = [&](int64_t task, void *) {
    std::memset(attnrt_alloc(1 << 17), 1, 1 << 17);
    if (how == 1 && task == 6)
      attnrt_fail(ATTN_SHAPE_ERROR, "in a task");
  };
  auto call = [&] {
    attnrt_free(attnrt_alloc(100));
    parallelFor(8, 64, body);
    if (how == 0)
      attnrt_fail(ATTN_SHAPE_ERROR, "after the loop");
  };
  auto options = threads(2);
  auto round = [&] {
    how = (how + 1) % 3;
    EXPECT_EQ(runInCall(call, &options), how == 2 ? ATTN_OK : ATTN_SHAPE_ERROR);
  };
  for (int i = 0; i < 10; ++i)
    round();
  int64_t before = heapBytes();
  for (int i = 0; i < 100; ++i)
    round();
  EXPECT_LT(heapBytes() - before, int64_t(4) << 20);
}

TEST(Alloc, FreeInAnyOrderAndThread) {
  void *blocks[40];
  auto make = [&](int64_t task, void *) { blocks[task] = attnrt_alloc(1000); };
  auto drop = [&](int64_t task, void *) {
    attnrt_free(blocks[(task * 7) % 40]);
  };
  auto call = [&] {
    parallelFor(40, 64, make);
    parallelFor(40, 64, drop);
  };
  auto options = threads(4);
  for (int i = 0; i < 50; ++i)
    ASSERT_EQ(runInCall(call, &options), ATTN_OK);
}

TEST(Alloc, OutsideOfACall) {
  void *p = attnrt_alloc(10);
  ASSERT_NE(p, nullptr);
  auto call = [&] { attnrt_free(p); };
  EXPECT_EQ(runInCall(call), ATTN_OK);
}

//===----------------------------------------------------------------------===//
// memrefCopy
//===----------------------------------------------------------------------===//

namespace {
/// A ranked descriptor of at most rank 3.
struct Descriptor {
  void *allocated, *aligned;
  int64_t offset;
  int64_t rest[6];

  Descriptor(void *data, int64_t offset, std::vector<int64_t> sizes,
             std::vector<int64_t> strides)
      : allocated(data), aligned(data), offset(offset), rest() {
    std::copy(sizes.begin(), sizes.end(), rest);
    std::copy(strides.begin(), strides.end(), rest + sizes.size());
  }
};
} // namespace

TEST(MemrefCopy, AgainstPlainLoops) {
  using Strides = std::vector<int64_t>;
  // Sizes [2, 3, 4]; source and destination strides and offsets.
  std::vector<std::tuple<Strides, int64_t, Strides, int64_t>> layouts = {
      {{12, 4, 1}, 0, {12, 4, 1}, 0},   {{12, 4, 1}, 0, {1, 2, 6}, 0},
      {{1, 2, 6}, 3, {12, 4, 1}, 5},    {{0, 4, 1}, 0, {12, 4, 1}, 0},
      {{-12, 4, 1}, 12, {12, 4, 1}, 1}, {{20, 5, 1}, 0, {16, 4, 1}, 0},
      {{12, 4, 1}, 0, {12, 4, -1}, 3},  {{12, -4, 1}, 8, {12, 4, 1}, 0},
  };
  for (auto &[ss, so, ds, doff] : layouts) {
    std::vector<int16_t> src(64), dst(64, -1), expected(64, -1);
    for (int i = 0; i < 64; ++i)
      src[size_t(i)] = int16_t(i);
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 3; ++j)
        for (int k = 0; k < 4; ++k)
          expected[size_t(doff + i * ds[0] + j * ds[1] + k * ds[2])] =
              src[size_t(so + i * ss[0] + j * ss[1] + k * ss[2])];
    Descriptor from(src.data(), so, {2, 3, 4}, ss);
    Descriptor to(dst.data(), doff, {2, 3, 4}, ds);
    AttnUnrankedMemRef fromRef = {3, &from}, toRef = {3, &to};
    memrefCopy(2, &fromRef, &toRef);
    EXPECT_EQ(dst, expected);
  }
}

TEST(MemrefCopy, RankZeroAndEmpty) {
  double from = 3, to = 0;
  Descriptor source(&from, 0, {}, {}), target(&to, 0, {}, {});
  AttnUnrankedMemRef a = {0, &source}, b = {0, &target};
  memrefCopy(8, &a, &b);
  EXPECT_EQ(to, 3);
  Descriptor none(nullptr, 0, {4, 0}, {0, 1});
  AttnUnrankedMemRef c = {2, &none}, d = {2, &none};
  memrefCopy(8, &c, &d);
}
