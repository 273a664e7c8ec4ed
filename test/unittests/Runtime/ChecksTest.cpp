//===- ChecksTest.cpp - Tests of the run-time checks ----------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each check of generated code: what passes, and the whole message of what does
// not.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"

#include <gtest/gtest.h>

using namespace attn::test;

/// The message of a failing check without the entry, or "" when it passed.
template <typename Function> static std::string failureOf(Function fn) {
  if (runInCall(fn) == ATTN_OK)
    return "";
  std::string text = attnLastError(), prefix = "entry 'call': ";
  EXPECT_EQ(text.compare(0, prefix.size(), prefix), 0) << text;
  return text.substr(prefix.size());
}

TEST(Checks, Eq) {
  EXPECT_EQ(failureOf([] { attnrt_check_eq(3, 3, "m"); }), "");
  EXPECT_EQ(failureOf([] {
              attnrt_check_eq(128, -64, "key and value expect the same length");
            }),
            "key and value expect the same length, but got 128 and -64");
}

TEST(Checks, FailuresAreShapeErrors) {
  auto fn = [] { attnrt_check_eq(1, 2, "m"); };
  EXPECT_EQ(runInCall(fn), ATTN_SHAPE_ERROR);
}

TEST(Checks, Heads) {
  EXPECT_EQ(failureOf([] {
              attnrt_check_heads(8, 8);
              attnrt_check_heads(8, 2);
              attnrt_check_heads(0, 4);
              attnrt_check_heads(0, 0);
            }),
            "");
  EXPECT_EQ(failureOf([] { attnrt_check_heads(6, 4); }),
            "'attn.attention' op expects the query head count to be a multiple "
            "of the key/value head count, but got 6 and 4");
  EXPECT_NE(failureOf([] { attnrt_check_heads(6, 0); }), "");
  EXPECT_NE(failureOf([] { attnrt_check_heads(2, 4); }), "");
}

TEST(Checks, Range) {
  EXPECT_EQ(failureOf([] {
              attnrt_check_range(0, 0, 5, "m");
              attnrt_check_range(5, 0, 5, "m");
            }),
            "");
  EXPECT_EQ(failureOf([] { attnrt_check_range(6, 0, 5, "x expects 0..5"); }),
            "x expects 0..5, but got 6");
  EXPECT_EQ(failureOf([] { attnrt_check_range(-1, 0, 5, "x expects 0..5"); }),
            "x expects 0..5, but got -1");
}

TEST(Checks, Product) {
  auto check = [](std::vector<int64_t> dims, int64_t bytes) {
    return failureOf([&] {
      attnrt_check_product(dims.data(), int64_t(dims.size()), bytes,
                           "out expects to fit memory");
    });
  };
  EXPECT_EQ(check({}, 4), "");
  EXPECT_EQ(check({1 << 30, 1 << 30}, 4), "");
  EXPECT_EQ(check({int64_t(1) << 32, int64_t(1) << 32, 4}, 4),
            "out expects to fit memory, but got sizes [4294967296, 4294967296, "
            "4] with 4-byte elements");
  // 2^60 elements fit, 2^60 * 8 bytes do not.
  EXPECT_EQ(check({int64_t(1) << 60}, 4), "");
  EXPECT_NE(check({int64_t(1) << 60}, 8), "");
  EXPECT_EQ(check({int64_t(1) << 60, 0, int64_t(1) << 60}, 8), "");
  EXPECT_NE(check({0, -1}, 4), "");
  EXPECT_NE(check({-1, -1}, 4), "");
}

TEST(Checks, Values) {
  int32_t values[] = {0, 1, 2, 3, 4, 5, 6, 7};
  auto check = [&](int64_t n0, int64_t n1, int64_t s0, int64_t s1, int64_t hi) {
    return failureOf([&] {
      attnrt_check_values_i32(values, n0, n1, s0, s1, 0, hi,
                              "lengths expect 0 to the limit");
    });
  };
  EXPECT_EQ(check(2, 4, 4, 1, 7), "");
  EXPECT_EQ(check(2, 4, 4, 1, 5),
            "lengths expect 0 to the limit, but got 6 at [1, 2]");
  // Columns 0 and 1 only.
  EXPECT_EQ(check(2, 2, 4, 1, 5), "");
  // A broadcast axis, and an empty array.
  EXPECT_EQ(check(5, 4, 0, 1, 3), "");
  EXPECT_EQ(check(0, 4, 4, 1, -1), "");
  EXPECT_EQ(check(2, 1, 4, 1, 3),
            "lengths expect 0 to the limit, but got 4 at [1, 0]");
  // Negative stride, from the last row.
  EXPECT_EQ(failureOf([&] {
              attnrt_check_values_i32(values + 4, 2, 4, -4, 1, 0, 6, "m");
            }),
            "m, but got 7 at [0, 3]");
}

TEST(Checks, Increasing) {
  auto check = [](std::vector<int32_t> cu, int64_t lastMax) {
    return failureOf([&] {
      attnrt_check_increasing_i32(cu.data(), int64_t(cu.size()), 1, lastMax,
                                  "cu expects offsets");
    });
  };
  EXPECT_EQ(check({0}, 0), "");
  EXPECT_EQ(check({0, 0, 5, 5, 9}, 9), "");
  EXPECT_EQ(check({1, 5}, 9),
            "cu expects offsets, but got 1 at [0], where it starts with 0");
  EXPECT_EQ(check({0, 5, 4}, 9),
            "cu expects offsets, but got 4 at [2] after 5");
  EXPECT_EQ(check({0, 5, 10}, 9),
            "cu expects offsets, but got 10 at [2], beyond 9");
  EXPECT_EQ(check({0, -1}, 9), "cu expects offsets, but got -1 at [1] after 0");
  EXPECT_EQ(check({}, 9),
            "cu expects offsets, but got no entries (the first one is 0)");
  int32_t spaced[] = {0, 77, 3, -5, 8};
  EXPECT_EQ(
      failureOf([&] { attnrt_check_increasing_i32(spaced, 3, 2, 8, "m"); }),
      "");
}

TEST(Checks, PageTable) {
  // [2, 2, 3]
  std::vector<int32_t> table = {0,       1, 2,  /**/ 2, 1,  0,
                                /**/ -1, 3, -1, /**/ 0, -1, 1};
  auto check = [&](int64_t pages) {
    return failureOf([&] {
      attnrt_check_page_table(table.data(), 2, 2, 3, 6, 3, 1, pages);
    });
  };
  EXPECT_EQ(check(4), "");
  EXPECT_EQ(check(3), "the page table expects -1 or a page from 0 to 2, but "
                      "got 3 in row [1, 0], entry 1");
  table[11] = -2;
  EXPECT_EQ(check(4), "the page table expects -1 or a page from 0 to 3, but "
                      "got -2 in row [1, 1], entry 2");
  table[11] = 0;
  EXPECT_EQ(check(4), "the page table expects no page twice in a row, but got "
                      "page 0 in row [1, 1], entries 0 and 2");
  // The same page in several rows is fine, and so is a table without entries.
  table[11] = 3;
  EXPECT_EQ(check(4), "");
  EXPECT_EQ(
      failureOf([] { attnrt_check_page_table(nullptr, 2, 1, 0, 0, 0, 1, 0); }),
      "");
}

TEST(Checks, PageTableAgainstPlainSearch) {
  // Random tables with few collisions; the strides are those of a transposed
  // array with one row repeated over the heads.
  unsigned seed = 1;
  auto next = [&] { return seed = seed * 1664525u + 1013904223u, seed >> 8; };
  int duplicates = 0;
  for (int round = 0; round < 300; ++round) {
    int64_t b = 1 + next() % 3, h = 2, n = 1 + next() % 70;
    int32_t pages = int32_t(n * n * 2 + 1);
    std::vector<int32_t> table(static_cast<size_t>(b * n));
    for (int32_t &page : table)
      page = next() % 5 == 0 ? -1 : int32_t(next() % unsigned(pages));
    bool expected = true;
    for (int64_t r = 0; r < b; ++r)
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < i; ++j)
          if (int32_t page = table[size_t(i * b + r)]; page >= 0)
            expected &= page != table[size_t(j * b + r)];
    duplicates += !expected;
    auto call = [&] {
      attnrt_check_page_table(table.data(), b, h, n, 1, 0, b, pages);
    };
    EXPECT_EQ(runInCall(call) == ATTN_OK, expected);
  }
  // Both outcomes were seen.
  EXPECT_GT(duplicates, 20);
  EXPECT_LT(duplicates, 280);
}
