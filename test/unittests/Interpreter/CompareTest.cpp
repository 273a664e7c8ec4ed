//===- CompareTest.cpp - How close is equal -------------------------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The rule's bounds, one by one.
//===----------------------------------------------------------------------===//

#include "attn/Interpreter/Compare.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace mlir::attn;

namespace {
Array numbers(DType dtype, std::vector<double> values) {
  Array array(dtype, {static_cast<int64_t>(values.size())});
  array.floats = std::move(values);
  return array;
}

/// One result against one oracle's and one plain number.
ResultComparison judge(DType dtype, double got, double oracle, double plain,
                       RunFacts facts, bool isLse = false) {
  Array plainArray = numbers(dtype, {plain});
  return compareResult(numbers(dtype, {got}), numbers(dtype, {oracle}),
                       {&plainArray}, facts, isLse);
}

RunFacts facts(DType coarsest, double maxValue, double maxScore) {
  RunFacts result;
  result.coarsest = coarsest;
  result.maxAbsValue = maxValue;
  result.maxAbsScore = maxScore;
  return result;
}
} // namespace

TEST(Compare, TwiceThePlainError) {
  RunFacts bf16 = facts(DType::BF16, 0x1p-20, 1);
  EXPECT_TRUE(judge(DType::BF16, 0.5 + 0.019, 0.5, 0.51, bf16).pass);
  EXPECT_FALSE(judge(DType::BF16, 0.5 + 0.021, 0.5, 0.51, bf16).pass);
}

TEST(Compare, WorstOfThePlainWays) {
  Array exact = numbers(DType::BF16, {1.0}), off = numbers(DType::BF16, {1.1});
  Array got = numbers(DType::BF16, {1.15});
  RunFacts bf16 = facts(DType::BF16, 1, 1);
  EXPECT_TRUE(compareResult(got, exact, {&exact, &off}, bf16, false).pass);
  EXPECT_FALSE(compareResult(got, exact, {&exact}, bf16, false).pass);
}

TEST(Compare, OneUlpOfTheLargestValue) {
  RunFacts bf16 = facts(DType::BF16, 4.0, 1);
  EXPECT_TRUE(judge(DType::BF16, 1.0 + 0x1p-5, 1.0, 1.0, bf16).pass);
  EXPECT_FALSE(judge(DType::BF16, 1.0 + 0x1.1p-5, 1.0, 1.0, bf16).pass);
}

TEST(Compare, SinglePrecisionHasABoundOfItsOwn) {
  // Plain is far off, yet 2e-6 * 2 * (16 / 8) is all that f32 may be.
  RunFacts f32 = facts(DType::F32, 2.0, 16.0);
  EXPECT_TRUE(judge(DType::F32, 1.0 + 7.9e-6, 1.0, 1.1, f32).pass);
  EXPECT_FALSE(judge(DType::F32, 1.0 + 8.1e-6, 1.0, 1.1, f32).pass);
  // Not where a narrower type was on the way.
  RunFacts mixed = facts(DType::BF16, 2.0, 16.0);
  EXPECT_TRUE(judge(DType::F32, 1.05, 1.0, 1.1, mixed).pass);
}

TEST(Compare, LogSumExpUsesItsOwnSize) {
  RunFacts f32 = facts(DType::F32, 1000.0, 1.0);
  EXPECT_FALSE(judge(DType::F32, 0.5 + 0x1.1p-23, 0.5, 0.5, f32, true).pass);
  EXPECT_TRUE(judge(DType::F32, 0.5 + 0x1p-23, 0.5, 0.5, f32, true).pass);
  EXPECT_TRUE(judge(DType::F32, 0.5 + 0x1.1p-23, 0.5, 0.5, f32, false).pass);
}

TEST(Compare, EightRoundingsOfAttentionInSinglePrecision) {
  // Plain is exact by luck, as it may be with three keys.
  RunFacts few = facts(DType::F32, 1.0, 1.0);
  few.visiblePairs = 3;
  EXPECT_TRUE(judge(DType::F32, 0.5 + 4.9e-7, 0.5, 0.5, few).pass);
  EXPECT_FALSE(judge(DType::F32, 0.5 + 5.1e-7, 0.5, 0.5, few).pass);
  EXPECT_TRUE(judge(DType::F32, 0.5 + 4.9e-7, 0.5, 0.5, few, true).pass);
  EXPECT_FALSE(judge(DType::F32, 0.5 + 5.1e-7, 0.5, 0.5, few, true).pass);
  // The roundings of scores of 32 are in the weights and in the lse.
  RunFacts large = facts(DType::F32, 2.0, 32.0);
  large.visiblePairs = 3;
  EXPECT_TRUE(judge(DType::F32, 0.5 + 3.9e-6, 0.5, 0.5, large).pass);
  EXPECT_FALSE(judge(DType::F32, 0.5 + 4.1e-6, 0.5, 0.5, large).pass);
  EXPECT_TRUE(judge(DType::F32, 0.5 + 1.9e-6, 0.5, 0.5, large, true).pass);
  EXPECT_FALSE(judge(DType::F32, 0.5 + 2.1e-6, 0.5, 0.5, large, true).pass);
  // An lse is f32 beside 16-bit inputs too; their own results have one unit.
  RunFacts half = facts(DType::F16, 1.0, 1.0);
  half.visiblePairs = 3;
  EXPECT_FALSE(judge(DType::F32, 0.5 + 5.1e-7, 0.5, 0.5, half, true).pass);
  EXPECT_FALSE(judge(DType::F16, 0.5 + 0x1.1p-10, 0.5, 0.5, half).pass);
}

TEST(Compare, DoublePrecision) {
  RunFacts f64 = facts(DType::F64, 1.0, 1.0);
  EXPECT_TRUE(judge(DType::F64, 1.0 + 3e-15, 1.0, 1.0, f64).pass);
  EXPECT_FALSE(judge(DType::F64, 1.0 + 5e-15, 1.0, 1.0, f64).pass);
  // What another order of the sums is worth may be more than that.
  EXPECT_TRUE(judge(DType::F64, 1.0 + 1.9e-14, 1.0, 1.0 + 1e-14, f64).pass);
  EXPECT_FALSE(judge(DType::F64, 1.0 + 2.1e-14, 1.0, 1.0 + 1e-14, f64).pass);
}

TEST(Compare, WhatIsNotFinite) {
  RunFacts f32 = facts(DType::F32, 1.0, 1.0);
  EXPECT_TRUE(judge(DType::F32, NAN, NAN, NAN, f32).pass);
  EXPECT_FALSE(judge(DType::F32, 1.0, NAN, NAN, f32).pass);
  EXPECT_FALSE(judge(DType::F32, NAN, 1.0, 1.0, f32).pass);
  EXPECT_FALSE(judge(DType::F32, INFINITY, 1.0, 1.0, f32).pass);
  EXPECT_TRUE(judge(DType::F32, -INFINITY, -INFINITY, -INFINITY, f32).pass);
  EXPECT_FALSE(judge(DType::F32, INFINITY, -INFINITY, -INFINITY, f32).pass);
  // 70000 is beyond f16.
  EXPECT_TRUE(judge(DType::F16, INFINITY, 70000.0, INFINITY,
                    facts(DType::F16, 70000.0, 1.0))
                  .pass);
}

TEST(Compare, IntegersAreEqualOrNot) {
  Array a(DType::I32, {2}), b(DType::I32, {2});
  a.ints = {1, 2};
  b.ints = {1, 3};
  EXPECT_TRUE(compareResult(a, a, {&a}, {}, false).pass);
  ResultComparison verdict = compareResult(b, a, {&a}, {}, false);
  EXPECT_FALSE(verdict.pass);
  EXPECT_EQ(verdict.reason, "expects 2 at [1], but got 3");
}

TEST(Compare, SubnormalNumbersMayBeZero) {
  RunFacts attention = facts(DType::F32, 1e-42, 0);
  attention.visiblePairs = 1;
  EXPECT_TRUE(judge(DType::F32, 0, -4e-42, -4e-42, attention).pass);
  EXPECT_TRUE(judge(DType::F32, 0, 7.4e-37, 7.4e-37, attention).pass);
  EXPECT_FALSE(judge(DType::F32, 0, 7.7e-37, 7.7e-37, attention).pass);
  // Other programs multiply no pairs.
  EXPECT_FALSE(
      judge(DType::F32, 0, -4e-42, -4e-42, facts(DType::F32, 1e-42, 0)).pass);
}

TEST(Compare, ShapesAndTypes) {
  Array a(DType::F32, {2}), b(DType::F32, {3}), c(DType::BF16, {2});
  EXPECT_FALSE(compareResult(b, a, {&a}, {}, false).pass);
  EXPECT_FALSE(compareResult(c, a, {&a}, {}, false).pass);
}
