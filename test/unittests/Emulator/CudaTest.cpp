//===- CudaTest.cpp - Kernels written in CUDA C++, against plain C++ ------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The truth of these tests is not our own code generator's: the kernels were
// written by hand and compiled by nvcc and by clang (Kernels/).
//
//===----------------------------------------------------------------------===//

#include "Emulated.h"

#include <cmath>
#include <random>

using namespace emulated;

namespace {

class Cuda : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override { ASSERT_EQ(device.load(readKernel(GetParam())), ""); }
  /// Launches, and expects nothing to be found.
  void run(const char *kernel, std::array<uint32_t, 3> grid,
           std::array<uint32_t, 3> block, std::vector<Value> parameters) {
    ASSERT_EQ(device.launch(kernel, grid, block, std::move(parameters)),
              ATTN_EMU_OK)
        << attnEmuLastError();
    EXPECT_EQ(device.kinds(), "") << device.text();
  }
  Device device;
  std::mt19937 rng{7};
};

std::vector<float> randomFloats(std::mt19937 &rng, size_t n) {
  std::uniform_real_distribution<float> d(-1, 1);
  std::vector<float> v(n);
  for (float &x : v)
    x = d(rng);
  return v;
}

TEST_P(Cuda, Saxpy) {
  std::vector<float> x = randomFloats(rng, 1000), y = randomFloats(rng, 1000);
  std::vector<float> expected = y;
  for (size_t i = 0; i < 1000; ++i)
    expected[i] = std::fma(2.5f, x[i], y[i]);
  Value px = device.map(x, "x"), py = device.map(y, "y");
  run("saxpy", {4, 1, 1}, {256, 1, 1}, {value(1000), value(2.5f), px, py});
  EXPECT_EQ(y, expected);
}

TEST_P(Cuda, DivergentLoop) {
  std::vector<uint32_t> x(128), steps(128);
  for (uint32_t i = 0; i < 128; ++i)
    x[i] = i * 37 + 1;
  Value px = device.map(x, "x"), ps = device.map(steps, "steps", false);
  run("collatz", {2, 1, 1}, {64, 1, 1}, {px, ps});
  for (size_t i = 0; i < 128; ++i) {
    uint32_t n = 0;
    for (uint64_t v = x[i]; v != 1; ++n)
      v = v & 1 ? 3 * v + 1 : v >> 1;
    EXPECT_EQ(steps[i], n) << i;
  }
}

TEST_P(Cuda, BlockSum) {
  // Small integers: every order of the sum is exact.
  std::vector<float> x(3000), sums(3);
  for (float &v : x)
    v = float(int(rng() % 17) - 8);
  Value px = device.map(x, "x"), ps = device.map(sums, "sums", false);
  run("blockSum", {3, 1, 1}, {256, 1, 1}, {px, ps, value(3000)});
  for (int b = 0; b < 3; ++b) {
    float expected = 0;
    for (int i = 0; i < 3000; ++i)
      if (i / 256 % 3 == b)
        expected += x[size_t(i)];
    EXPECT_EQ(sums[size_t(b)], expected);
  }
}

TEST_P(Cuda, LastBlockAddsUp) {
  std::vector<float> x(32 * 40), sums(40), total(1);
  float expected = 0;
  for (float &v : x)
    expected += v = float(int(rng() % 9) - 4);
  Value px = device.map(x, "x"), ps = device.map(sums, "sums", false),
        pt = device.map(total, "total", false);
  run("gridSum", {40, 1, 1}, {32, 1, 1}, {px, ps, pt});
  EXPECT_EQ(total[0], expected);
}

TEST_P(Cuda, Histogram) {
  std::vector<uint8_t> x(5000);
  std::vector<uint32_t> bins(256), expected(256);
  for (uint8_t &v : x)
    ++expected[v = uint8_t(rng() % 100)];
  Value px = device.map(x, "x"), pb = device.map(bins, "bins");
  run("histogram", {3, 1, 1}, {128, 1, 1}, {px, pb, value(5000)});
  EXPECT_EQ(bins, expected);
}

TEST_P(Cuda, Transpose) {
  std::vector<float> x = randomFloats(rng, 64 * 64), y(64 * 64);
  Value px = device.map(x, "x"), py = device.map(y, "y", false);
  run("transpose", {2, 2, 1}, {32, 8, 1}, {px, py, value(64)});
  for (size_t r = 0; r < 64; ++r)
    for (size_t c = 0; c < 64; ++c)
      ASSERT_EQ(y[c * 64 + r], x[r * 64 + c]);
  EXPECT_EQ(device.counter("bank_conflicts"), 0u);
  // A row of a tile is 4 sectors where it starts on one, else 5.
  EXPECT_GE(device.counter("global_sectors"), 2u * 64 * 64 * 4 / 32);
  EXPECT_LE(device.counter("global_sectors"), 2u * 64 * 64 * 5 / 32);
}

TEST_P(Cuda, CallsAndSwitch) {
  std::vector<int> x(64);
  std::vector<int64_t> y(64);
  for (int i = 0; i < 64; ++i)
    x[size_t(i)] = i * 11 - 200;
  Value px = device.map(x, "x"), py = device.map(y, "y", false);
  run("dispatch", {1, 1, 1}, {64, 1, 1}, {px, py});
  auto power = [](int64_t v, int n) {
    int64_t r = 1;
    while (n--)
      r *= v;
    return r;
  };
  for (int i = 0; i < 64; ++i) {
    int v = x[size_t(i)];
    int64_t expected;
    uint32_t reversed = 0;
    for (int b = 0; b < 32; ++b)
      reversed |= (uint32_t(v) >> b & 1) << (31 - b);
    switch (i % 6) {
    case 0:
      expected = power(v, v & 7);
      break;
    case 1:
      expected = power(v, 3) / 7;
      break;
    case 2:
      expected = v % 5 - power(v, 2);
      break;
    case 3:
      expected = __builtin_popcount(uint32_t(v)) +
                 (v ? __builtin_clz(uint32_t(v)) : 32) * 100;
      break;
    case 4:
      expected = int64_t(reversed);
      break;
    default:
      expected = v ? 1000000007 / v : -1;
    }
    EXPECT_EQ(y[size_t(i)], expected) << i;
  }
}

TEST_P(Cuda, VotesInDivergentCode) {
  std::vector<int> x(32);
  std::vector<uint32_t> y(32);
  for (int &v : x)
    v = int(rng() % 40);
  Value px = device.map(x, "x"), py = device.map(y, "y", false);
  run("votes", {1, 1, 1}, {32, 1, 1}, {px, py});
  uint32_t ballot = 0, evenSum = 0;
  for (int i = 0; i < 32; ++i) {
    if (x[size_t(i)] & 1)
      ballot |= uint32_t(x[size_t(i)] > 10) << i;
    else
      evenSum += uint32_t(x[size_t(i)]);
  }
  for (size_t i = 0; i < 32; ++i) {
    if (!(x[i] & 1)) {
      EXPECT_EQ(y[i], evenSum);
      continue;
    }
    uint32_t equal = 0;
    for (int v : x)
      equal += (v & 1) && (v & 6) == (x[i] & 6);
    EXPECT_EQ(y[i], ballot + (equal << 16));
  }
}

TEST_P(Cuda, Doubles) {
  std::vector<double> x(32), y(32);
  for (size_t i = 0; i < 32; ++i)
    x[i] = double(i) * 0.37 - 2.1;
  Value px = device.map(x, "x"), py = device.map(y, "y", false);
  run("doubles", {1, 1, 1}, {32, 1, 1}, {px, py});
  for (size_t i = 0; i < 32; ++i) {
    double v = x[i];
    double expected = std::sqrt(std::fabs(v)) + 1.0 / (v + 3.0) +
                      std::floor(v) * std::fma(v, v, -1.0);
    EXPECT_NEAR(y[i], expected, 1e-14 * std::fabs(expected));
  }
}

/// Small integers as f16.
uint16_t halfOf(int v) {
  if (v == 0)
    return 0;
  int magnitude = std::abs(v);
  int exponent = 31 - __builtin_clz(uint32_t(magnitude));
  return uint16_t((v < 0 ? 0x8000 : 0) | (exponent + 15) << 10 |
                  ((magnitude << (10 - exponent)) & 1023));
}

TEST_P(Cuda, TensorTile) {
  std::vector<uint16_t> a(256), b(128);
  std::vector<float> c(128);
  int av[16][16], bv[16][8];
  for (int i = 0; i < 256; ++i)
    a[size_t(i)] = halfOf(av[i / 16][i % 16] = int(rng() % 21) - 10);
  for (int i = 0; i < 128; ++i)
    b[size_t(i)] = halfOf(bv[i / 8][i % 8] = int(rng() % 21) - 10);
  Value pa = device.map(a, "a"), pb = device.map(b, "b"),
        pc = device.map(c, "c", false);
  run("tile", {1, 1, 1}, {32, 1, 1}, {pa, pb, pc});
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j) {
      int sum = 0;
      for (int k = 0; k < 16; ++k)
        sum += av[i][k] * bv[k][j];
      EXPECT_EQ(c[size_t(i * 8 + j)], float(sum));
    }
  EXPECT_EQ(device.counter("tensor_flops"), 2u * 16 * 8 * 16);
}

INSTANTIATE_TEST_SUITE_P(Compilers, Cuda,
                         testing::Values("suite-nvcc.ptx", "suite-clang.ptx"),
                         [](const auto &info) {
                           return std::string(info.index ? "clang" : "nvcc");
                         });

//===----------------------------------------------------------------------===//
// Flash attention
//===----------------------------------------------------------------------===//

uint16_t bfloatOf(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
float bfloatValue(uint16_t bits) {
  uint32_t word = uint32_t(bits) << 16;
  float f;
  std::memcpy(&f, &word, 4);
  return f;
}

class Flash : public testing::TestWithParam<std::tuple<int, bool, int>> {};

TEST_P(Flash, AgreesWithPlainAttention) {
  int n = std::get<0>(GetParam());
  bool worst = std::get<1>(GetParam());
  int threads = std::get<2>(GetParam());
  constexpr int heads = 2, d = 64;
  Device device("sm_80", threads, worst);
  ASSERT_EQ(device.load(readKernel("flash.ptx")), "");
  std::mt19937 rng(uint32_t(n) + 1);
  std::vector<uint16_t> q(size_t(heads) * size_t(n) * d), k(q), v(q);
  std::normal_distribution<float> normal;
  for (auto *t : {&q, &k, &v})
    for (uint16_t &x : *t)
      x = bfloatOf(normal(rng));
  std::vector<float> o(q.size());
  float scale = 1 / std::sqrt(float(d));
  Value pq = device.map(q, "q"), pk = device.map(k, "k"),
        pv = device.map(v, "v"), po = device.map(o, "o", false);
  uint32_t blocks = uint32_t(n + 63) / 64;
  ASSERT_EQ(device.launch(
                "flash", {blocks, heads, 1}, {128, 1, 1},
                {pq, pk, pv, po, value(n), value(scale * 1.44269504f)}, 40960),
            ATTN_EMU_OK)
      << attnEmuLastError();
  EXPECT_EQ(device.kinds(), "") << device.text();
  EXPECT_EQ(device.counter("bank_conflicts"), 0u);
  EXPECT_EQ(device.counter("tensor_flops"),
            uint64_t(heads) * blocks * 64 * blocks * 64 * d * 4);
  double most = 0;
  for (int h = 0; h < heads; ++h)
    for (int i = 0; i < n; i += 7) {
      auto at = [&](const std::vector<uint16_t> &t, int row, int c) {
        return double(bfloatValue(
            t[(size_t(h) * size_t(n) + size_t(row)) * d + size_t(c)]));
      };
      std::vector<double> s(static_cast<size_t>(n));
      double peak = -1e300, sum = 0;
      for (int j = 0; j < n; ++j) {
        double x = 0;
        for (int c = 0; c < d; ++c)
          x += at(q, i, c) * at(k, j, c);
        peak = std::max(peak, s[size_t(j)] = x * double(scale));
      }
      for (double &x : s)
        sum += x = std::exp(x - peak);
      for (int c = 0; c < d; ++c) {
        double expected = 0;
        for (int j = 0; j < n; ++j)
          expected += s[size_t(j)] / sum * at(v, j, c);
        double got =
            double(o[(size_t(h) * size_t(n) + size_t(i)) * d + size_t(c)]);
        most = std::max(most, std::fabs(got - expected));
      }
    }
  // The weights were rounded to bf16 (2^-9) on the way.
  EXPECT_LT(most, 0.01);
  EXPECT_EQ(most > 0, n > 1);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Flash,
                         testing::Values(std::tuple(128, false, 1),
                                         std::tuple(100, false, 2),
                                         std::tuple(1, false, 1),
                                         std::tuple(128, true, 1)));

} // namespace
