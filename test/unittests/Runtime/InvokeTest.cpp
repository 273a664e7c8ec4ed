//===- InvokeTest.cpp - Tests of calling entries --------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a call accepts and refuses, and what its messages say.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"

#include <gtest/gtest.h>

#include <sys/mman.h>

using namespace attn::test;

/// The text of the last failure.
static std::string message() { return attnLastError(); }

#define EXPECT_FAILS(call, code, text)                                         \
  do {                                                                         \
    EXPECT_EQ(call, code);                                                     \
    EXPECT_NE(message().find(text), std::string::npos) << message();           \
  } while (false)

/// Three tensors that fit `add`.
struct AddTensors {
  Tensor<float> a, b, out;
  explicit AddTensors(int64_t rows)
      : a({rows, 4}), b({rows, 4}), out({rows, 4}) {
    a.iota(0);
    b.iota(1000);
  }
  int run(const AttnInvokeOptions *options = nullptr,
          AttnCounters *counters = nullptr) {
    return invoke("add", {&a.view, &b.view}, {&out.view}, options, counters);
  }
};

TEST(Invoke, AddsAndCounts) {
  AddTensors t(100);
  AttnCounters counters;
  auto two = threads(2);
  ASSERT_EQ(t.run(&two, &counters), ATTN_OK) << message();
  for (int i = 0; i < 400; ++i)
    EXPECT_EQ(t.out.values[i], 1000.0f + 2 * i);
  EXPECT_EQ(counters.key_tiles_computed, 100);
  EXPECT_EQ(counters.guard_recomputations, 0);
  EXPECT_EQ(counters.key_tiles_skipped_by_mask, 0);
  EXPECT_EQ(message(), "");
}

TEST(Invoke, NullStridesMeanCompact) {
  AddTensors t(3);
  t.a.view.strides = t.b.view.strides = t.out.view.strides = nullptr;
  ASSERT_EQ(t.run(), ATTN_OK) << message();
  EXPECT_EQ(t.out.values[11], 1000.0f + 22);
}

TEST(Invoke, ByteOffset) {
  AddTensors t(3);
  t.a.shape[0] = t.b.shape[0] = t.out.shape[0] = 2;
  t.a.view.byte_offset = 16;
  ASSERT_EQ(t.run(), ATTN_OK) << message();
  EXPECT_EQ(t.out.values[0], 1004.0f);
}

TEST(Invoke, ZeroAndNegativeStrides) {
  AddTensors t(5);
  t.a.strides[0] = 0;
  t.b.strides[0] = -4;
  t.b.view.data = t.b.values.data() + 16;
  ASSERT_EQ(t.run(), ATTN_OK) << message();
  for (int i = 0; i < 5; ++i)
    for (int j = 0; j < 4; ++j)
      EXPECT_EQ(t.out.values[i * 4 + j], float(j + 1000 + (4 - i) * 4 + j));
}

TEST(Invoke, NegativeStrideOfAResult) {
  AddTensors t(5);
  t.out.strides[0] = -4;
  t.out.view.data = t.out.values.data() + 16;
  ASSERT_EQ(t.run(), ATTN_OK) << message();
  EXPECT_EQ(t.out.values[16], 1000.0f);
  EXPECT_EQ(t.out.values[0], 1032.0f);
}

TEST(Invoke, EmptyTensorsNeedNoData) {
  AddTensors t(0);
  t.a.view.data = t.b.view.data = t.out.view.data = nullptr;
  AttnCounters counters;
  ASSERT_EQ(t.run(nullptr, &counters), ATTN_OK) << message();
  EXPECT_EQ(counters.key_tiles_computed, 0);
}

TEST(Invoke, LastStrideIsAlwaysOneInDescriptors) {
  // Sizes of one leave the stride open; generated code still reads 1.
  Tensor<uint16_t> h({1, 8, 7, 64}), g({1});
  Tensor<uint8_t> m({3, 1});
  Tensor<int32_t> n({4});
  g.view.dtype = {kDLBfloat, 16, 1};
  g.strides[0] = 77;
  m.strides = {5, 99};
  m.view.strides = m.strides.data();
  ASSERT_EQ(invoke("half", {&h.view, &g.view, &m.view}, {&n.view}), ATTN_OK)
      << message();
  EXPECT_EQ(n.values[0], 7);
  EXPECT_EQ(n.values[1], 1);
  EXPECT_EQ(n.values[2], 1);
  EXPECT_EQ(n.values[3], 1);
}

TEST(Invoke, ResultShapes) {
  AddTensors t(9);
  AttnPackage *package = goodPackage();
  const DLTensor *args[] = {&t.a.view, &t.b.view};
  int64_t dims[2] = {-7, -7};
  ASSERT_EQ(attnResultShapes(package, 0, args, 2, dims), ATTN_OK) << message();
  EXPECT_EQ(dims[0], 9);
  EXPECT_EQ(dims[1], 4);
  t.b.shape[0] = 8;
  EXPECT_FAILS(attnResultShapes(package, 0, args, 2, dims), ATTN_SHAPE_ERROR,
               "entry 'add': a and b expect the same number of rows, but got 9 "
               "and 8");
}

//===----------------------------------------------------------------------===//
// Refusals
//===----------------------------------------------------------------------===//

TEST(InvokeRefuses, WrongCount) {
  AddTensors t(2);
  EXPECT_FAILS(invoke("add", {&t.a.view}, {&t.out.view}), ATTN_INVALID,
               "entry 'add' expects 2 arguments (a, b), but got 1");
  EXPECT_FAILS(invoke("add", {&t.a.view, &t.b.view}, {}), ATTN_INVALID,
               "entry 'add' expects 1 results (out), but got 0");
}

TEST(InvokeRefuses, NullPointers) {
  AddTensors t(2);
  EXPECT_FAILS(invoke("add", {&t.a.view, nullptr}, {&t.out.view}), ATTN_INVALID,
               "entry 'add': argument 'b' expects a tensor, but got a null");
  EXPECT_FAILS(attnInvoke(nullptr, 0, nullptr, 0, nullptr, 0, nullptr, nullptr),
               ATTN_INVALID, "attnInvoke expects a package");
  EXPECT_FAILS(
      attnInvoke(goodPackage(), 0, nullptr, 2, nullptr, 1, nullptr, nullptr),
      ATTN_INVALID, "expects an array of arguments");
  t.b.view.data = nullptr;
  EXPECT_FAILS(t.run(), ATTN_INVALID,
               "argument 'b' expects data for shape [2, 4], but got a null");
  t.b.view.shape = nullptr;
  EXPECT_FAILS(t.run(), ATTN_INVALID, "argument 'b' expects a shape");
}

TEST(InvokeRefuses, UnknownEntry) {
  EXPECT_EQ(attnPackageFindEntry(goodPackage(), "nothing"), -1);
  EXPECT_FAILS(invoke("nothing", {}, {}), ATTN_INVALID,
               "expects an entry from 0 to 2 ('add', 'call', 'half'), but got "
               "-1");
}

TEST(InvokeRefuses, OtherDevices) {
  AddTensors t(2);
  t.b.view.device = {kDLCUDA, 3};
  EXPECT_FAILS(t.run(), ATTN_INVALID,
               "entry 'add': argument 'b' expects a tensor on the CPU, but got "
               "one on CUDA device 3; copy it");
  // Pinned memory is host memory.
  t.b.view.device = {kDLCUDAHost, 0};
  EXPECT_EQ(t.run(), ATTN_OK) << message();
}

TEST(InvokeRefuses, OtherDtypes) {
  AddTensors t(2);
  Tensor<double> d({2, 4});
  EXPECT_FAILS(invoke("add", {&t.a.view, &d.view}, {&t.out.view}),
               ATTN_SHAPE_ERROR,
               "entry 'add': argument 'b' expects dtype f32, but got f64; "
               "convert it to f32");
  t.a.view.dtype = {kDLFloat, 32, 4};
  EXPECT_FAILS(t.run(), ATTN_SHAPE_ERROR, "but got f32x4");
  t.a.view.dtype = {kDLUInt, 16, 1};
  EXPECT_FAILS(t.run(), ATTN_SHAPE_ERROR, "but got u16");
}

TEST(InvokeRefuses, OtherRanks) {
  AddTensors t(2);
  Tensor<float> flat({4}), deep({1, 2, 4});
  EXPECT_FAILS(invoke("add", {&t.a.view, &flat.view}, {&t.out.view}),
               ATTN_SHAPE_ERROR,
               "argument 'b' expects rank 2 with shape [?, 4], but got rank 1 "
               "with shape [4]; add leading axes");
  EXPECT_FAILS(invoke("add", {&t.a.view, &deep.view}, {&t.out.view}),
               ATTN_SHAPE_ERROR, "but got rank 3 with shape [1, 2, 4]; fold");
}

TEST(InvokeRefuses, OtherSizes) {
  AddTensors t(2);
  Tensor<float> wide({2, 5}), turned({4, 2});
  EXPECT_FAILS(invoke("add", {&wide.view, &t.b.view}, {&t.out.view}),
               ATTN_SHAPE_ERROR,
               "entry 'add': argument 'a' expects axis 1 to have size 4 (shape "
               "[?, 4]), but got 5 (shape [2, 5])");
  EXPECT_EQ(message().find("exchanged"), std::string::npos);
  EXPECT_FAILS(invoke("add", {&turned.view, &t.b.view}, {&t.out.view}),
               ATTN_SHAPE_ERROR, "it fits with axes 0 and 1 exchanged");
  t.a.shape[0] = -1;
  EXPECT_FAILS(t.run(), ATTN_SHAPE_ERROR,
               "expects axis 0 to have a size of at least 0");
}

TEST(InvokeRefuses, ResultsOfOtherSizes) {
  AddTensors t(2);
  Tensor<float> shorter({1, 4});
  EXPECT_FAILS(invoke("add", {&t.a.view, &t.b.view}, {&shorter.view}),
               ATTN_SHAPE_ERROR,
               "entry 'add': result 'out' expects axis 0 to have size 2 (shape "
               "[2, 4] follows from the arguments), but got 1 (shape [1, 4])");
}

TEST(InvokeRefuses, StridedLastAxis) {
  AddTensors t(2);
  t.b.strides = {1, 2};
  t.b.view.strides = t.b.strides.data();
  EXPECT_FAILS(t.run(), ATTN_SHAPE_ERROR,
               "entry 'add': argument 'b' expects stride 1 on its last axis, "
               "but got strides [1, 2] for shape [2, 4]");
}

TEST(InvokeRefuses, Misalignment) {
  AddTensors t(2);
  t.a.view.data = reinterpret_cast<char *>(t.a.values.data()) + 2;
  EXPECT_FAILS(t.run(), ATTN_SHAPE_ERROR,
               "entry 'add': argument 'a' expects data aligned to the 4 bytes "
               "of f32, but got an address 2 bytes past that");
}

TEST(InvokeRefuses, Overlap) {
  AddTensors t(4);
  t.out.view.data = t.b.values.data();
  EXPECT_FAILS(t.run(), ATTN_SHAPE_ERROR,
               "entry 'add': result 'out' expects memory of its own, but it "
               "overlaps argument 'b'");
  // One byte is enough; one element further is not an overlap.
  std::vector<float> pool(40);
  t.b.view.data = pool.data();
  t.out.view.data = pool.data() + 15;
  EXPECT_EQ(t.run(), ATTN_SHAPE_ERROR);
  t.out.view.data = pool.data() + 16;
  EXPECT_EQ(t.run(), ATTN_OK) << message();
}

TEST(InvokeRefuses, ResultsThatOverlapThemselves) {
  AddTensors t(4);
  t.out.strides[0] = 0;
  EXPECT_FAILS(t.run(), ATTN_SHAPE_ERROR,
               "result 'out' expects elements that do not share memory, but "
               "got strides [0, 1]");
  t.out.strides[0] = 3;
  EXPECT_EQ(t.run(), ATTN_SHAPE_ERROR);
}

TEST(InvokeAccepts, InterleavedResults) {
  // Columns 0..3 of an 8-wide array in, columns 4..7 out.
  AddTensors t(4);
  std::vector<float> pool(32, 1.0f);
  t.a.strides[0] = t.out.strides[0] = 8;
  t.a.view.data = pool.data();
  t.out.view.data = pool.data() + 4;
  ASSERT_EQ(t.run(), ATTN_OK) << message();
  EXPECT_EQ(pool[4], 1001.0f);
  EXPECT_EQ(pool[0], 1.0f);
}

TEST(InvokeRefuses, ExtentsBeyondTheAddressSpace) {
  AddTensors t(2);
  t.a.strides[0] = INT64_MAX / 2;
  EXPECT_FAILS(t.run(), ATTN_SHAPE_ERROR, "fits the address space");
  // The number of bytes wraps to a small one.
  t.a.strides[0] = 4;
  t.a.shape[0] = t.b.shape[0] = t.out.shape[0] = int64_t(1) << 60;
  EXPECT_FAILS(t.run(), ATTN_SHAPE_ERROR, "fits the address space");
  t.a.view.strides = nullptr;
  t.a.shape[0] = int64_t(1) << 62;
  EXPECT_FAILS(t.run(), ATTN_SHAPE_ERROR, "fits the address space");
}

TEST(InvokeRefuses, ThreadCountsOutOfRange) {
  AddTensors t(2);
  auto options = threads(-1);
  EXPECT_FAILS(t.run(&options), ATTN_INVALID,
               "num_threads expects 1 to 1024, or 0 for the default, but got "
               "-1");
  options = threads(1025);
  EXPECT_FAILS(t.run(&options), ATTN_INVALID, "but got 1025");
}

TEST(Invoke, LargeOffsetsAreNotTruncated) {
  // Rows more than 2^31 elements apart in memory that is only reserved.
  AddTensors t(2);
  const int64_t stride = (int64_t(1) << 31) + 64;
  char *pool = static_cast<char *>(
      mmap(nullptr, size_t(stride + 4) * 4, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (pool == MAP_FAILED)
    GTEST_SKIP() << "no address space";
  float *far = reinterpret_cast<float *>(pool);
  far[stride + 3] = 5;
  t.a.view.data = far;
  t.a.strides[0] = stride;
  ASSERT_EQ(t.run(), ATTN_OK) << message();
  EXPECT_EQ(t.out.values[7], 1012.0f);
  munmap(pool, size_t(stride + 4) * 4);
}
