//===- OracleTest.cpp - The interpreter through the C API -------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Common.h"

using namespace test;

static int interpret(const std::string &ir, std::vector<const DLTensor *> args,
                     std::vector<DLTensor *> results) {
  return attnInterpret(ir.data(), ir.size(), "main", args.data(),
                       int(args.size()), results.data(), int(results.size()));
}

TEST(Oracle, StridesBothWays) {
  // x[i][j] = 10 i + j, read through a transposed and a reversed view.
  float data[8] = {0, 1, 2, 3, 10, 11, 12, 13};
  int64_t shape[2] = {2, 4}, strides[2] = {-4, 1};
  Tensor<float> x({2, 4}), out({2, 4});
  x.view.data = data + 4;
  x.view.strides = strides;
  x.view.shape = shape;
  ASSERT_EQ(interpret(kIdentity, {&x.view}, {&out.view}), 0)
      << attnCompilerLastError();
  EXPECT_EQ(out.data, (std::vector<float>{10, 11, 12, 13, 0, 1, 2, 3}));
  // A result with a byte offset and holes between the rows.
  float room[12] = {};
  int64_t outStrides[2] = {5, 1};
  out.view.data = room;
  out.view.byte_offset = sizeof(float);
  out.view.strides = outStrides;
  ASSERT_EQ(interpret(kIdentity, {&x.view}, {&out.view}), 0);
  EXPECT_EQ(std::vector<float>(room, room + 12),
            (std::vector<float>{0, 10, 11, 12, 13, 0, 0, 1, 2, 3, 0, 0}));
}

TEST(Oracle, Float64IsNotRounded) {
  std::string ir = "func.func @main(%x: tensor<1xf32>) -> tensor<1xf32> {\n"
                   "  %y = arith.divf %x, %x : tensor<1xf32>\n"
                   "  %z = arith.addf %x, %y : tensor<1xf32>\n"
                   "  return %z : tensor<1xf32>\n}\n";
  Tensor<float> x({1}), rounded({1});
  Tensor<double> exact({1});
  x.data[0] = 16777216; // 2^24 + 1 needs 25 bits.
  ASSERT_EQ(interpret(ir, {&x.view}, {&exact.view}), 0)
      << attnCompilerLastError();
  ASSERT_EQ(interpret(ir, {&x.view}, {&rounded.view}), 0);
  EXPECT_EQ(exact.data[0], 16777217.0);
  EXPECT_EQ(rounded.data[0], 16777216.0f);
}

TEST(Oracle, Refusals) {
  Tensor<float> x({2, 4}), out({2, 4}), wide({2, 5});
  Tensor<int32_t> ints({2, 4});
  EXPECT_EQ(interpret(kIdentity, {}, {&out.view}), ATTN_SHAPE_ERROR);
  EXPECT_EQ(interpret(kIdentity, {&wide.view}, {&out.view}), ATTN_SHAPE_ERROR);
  EXPECT_EQ(interpret(kIdentity, {&ints.view}, {&out.view}), ATTN_SHAPE_ERROR);
  EXPECT_EQ(interpret(kIdentity, {&x.view}, {&wide.view}), ATTN_SHAPE_ERROR);
  EXPECT_STREQ(attnCompilerLastError(),
               "result 0 expects f32[2, 4], but got f32[2, 5]");
  EXPECT_EQ(interpret(kIdentity, {&x.view}, {&ints.view}), ATTN_SHAPE_ERROR);
  EXPECT_EQ(interpret(kIdentity, {&x.view}, {}), ATTN_INVALID);
  EXPECT_EQ(interpret(kIdentity, {nullptr}, {&out.view}), ATTN_INVALID);
  int64_t huge[2] = {int64_t(1) << 40, int64_t(1) << 40};
  x.view.shape = huge;
  EXPECT_EQ(interpret(kIdentity, {&x.view}, {&out.view}), ATTN_SHAPE_ERROR);
  x.view.shape = x.shape.data();
  x.view.device.device_type = kDLCUDA;
  EXPECT_EQ(interpret(kIdentity, {&x.view}, {&out.view}), ATTN_INVALID);
  x.view.device.device_type = kDLCPU;
  x.view.dtype.lanes = 4;
  EXPECT_EQ(interpret(kIdentity, {&x.view}, {&out.view}), ATTN_SHAPE_ERROR);
}
