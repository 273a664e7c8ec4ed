//===- MatrixTest.cpp - Fragment layouts of ldmatrix, stmatrix and mma ----===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The layouts are written out here from the tables of the PTX ISA, element by
// element (ai, bi, ci of each lane), and not by the emulator's formulas.
//
//===----------------------------------------------------------------------===//

#include "Emulated.h"

#include <cmath>
#include <random>

using namespace emulated;

namespace {

uint16_t bf16Of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
uint32_t bitsOf(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
double f16Value(uint16_t h) {
  int exponent = h >> 10 & 31, fraction = h & 1023;
  double m = exponent ? std::ldexp(1024 + fraction, exponent - 25)
                      : std::ldexp(fraction, -24);
  return h & 0x8000 ? -m : m;
}
/// f16 of integers up to 2048.
uint16_t f16Of(int v) {
  int m = std::abs(v);
  if (!m)
    return 0;
  int e = 31 - __builtin_clz(uint32_t(m));
  int fraction = e <= 10 ? m << (10 - e) : m >> (e - 10);
  return uint16_t((v < 0) << 15 | (e + 15) << 10 | (fraction & 1023));
}

enum Kind { kBF16, kF16, kTF32, kS8, kU8 };

struct Shape {
  const char *name;
  const char *instruction;
  int k;
  Kind kind;
  int registersA, registersB;
  bool halfC;
};

const Shape kShapes[] = {
    {"BF16K16", "m16n8k16.row.col.f32.bf16.bf16.f32", 16, kBF16, 4, 2, false},
    {"BF16K8", "m16n8k8.row.col.f32.bf16.bf16.f32", 8, kBF16, 2, 1, false},
    {"F16K16", "m16n8k16.row.col.f32.f16.f16.f32", 16, kF16, 4, 2, false},
    {"F16K8", "m16n8k8.row.col.f32.f16.f16.f32", 8, kF16, 2, 1, false},
    {"F16K16AccF16", "m16n8k16.row.col.f16.f16.f16.f16", 16, kF16, 4, 2, true},
    {"F16K8AccF16", "m16n8k8.row.col.f16.f16.f16.f16", 8, kF16, 2, 1, true},
    {"TF32K8", "m16n8k8.row.col.f32.tf32.tf32.f32", 8, kTF32, 4, 2, false},
    {"TF32K4", "m16n8k4.row.col.f32.tf32.tf32.f32", 4, kTF32, 2, 1, false},
    {"S8K32", "m16n8k32.row.col.s32.s8.s8.s32", 32, kS8, 4, 2, false},
    {"U8K16", "m16n8k16.row.col.s32.u8.u8.s32", 16, kU8, 2, 1, false},
};

/// (row, column) of element i of A in a lane, from the ISA's text.
std::pair<int, int> placeA(const Shape &s, int lane, int i) {
  int group = lane >> 2, thread = lane % 4;
  switch (s.kind) {
  case kBF16:
  case kF16:
    if (s.k == 16)
      // row = groupID for a0, a1, a4, a5, else groupID + 8
      // col = threadID * 2 + (i & 1) for i < 4, else + 8
      return {(i == 0 || i == 1 || i == 4 || i == 5) ? group : group + 8,
              thread * 2 + (i & 1) + (i < 4 ? 0 : 8)};
    // row = groupID for a0 and a1; col = threadID * 2 + (i & 1)
    return {i < 2 ? group : group + 8, thread * 2 + (i & 1)};
  case kTF32:
    if (s.k == 4)
      return {i == 0 ? group : group + 8, thread};
    // row = groupID for a0 and a2; col = threadID for a0 and a1, else + 4
    return {(i == 0 || i == 2) ? group : group + 8,
            (i == 0 || i == 1) ? thread : thread + 4};
  default:
    if (s.k == 16)
      return {i < 4 ? group : group + 8, thread * 4 + (i & 3)};
    return {(i < 4 || (i >= 8 && i < 12)) ? group : group + 8,
            thread * 4 + (i & 3) + (i < 8 ? 0 : 16)};
  }
}
std::pair<int, int> placeB(const Shape &s, int lane, int i) {
  int group = lane >> 2, thread = lane % 4;
  switch (s.kind) {
  case kBF16:
  case kF16:
    return {thread * 2 + (i & 1) + (i < 2 ? 0 : 8), group};
  case kTF32:
    return {i == 0 ? thread : thread + 4, group};
  default:
    return {thread * 4 + (i & 3) + (i < 4 ? 0 : 16), group};
  }
}
std::pair<int, int> placeC(int lane, int i) {
  return {i < 2 ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 2 + (i & 1)};
}

class Mma : public testing::TestWithParam<std::tuple<Shape, bool>> {};

TEST_P(Mma, IsAMatrixProduct) {
  const Shape &s = std::get<0>(GetParam());
  bool worst = std::get<1>(GetParam());
  int perRegister = s.kind == kTF32                  ? 1
                    : s.kind == kS8 || s.kind == kU8 ? 4
                                                     : 2;
  int registersC = s.halfC ? 2 : 4;
  std::string body = "mov.u32 %r0, %tid.x;\n";
  auto loads = [&](const char *base, int first, int n, const char *reg) {
    body += "mul.wide.u32 %rd1, %r0, " + std::to_string(4 * n) +
            ";\nadd.s64 %rd1, %rd1, " + base + ";\n";
    for (int i = 0; i < n; ++i)
      body += "ld.global.b32 " + std::string(reg) + std::to_string(first + i) +
              ", [%rd1+" + std::to_string(4 * i) + "];\n";
  };
  const char *regC = s.kind == kS8 || s.kind == kU8 || s.halfC ? "%r" : "%f";
  loads("%a", 10, s.registersA, "%r");
  loads("%b", 20, s.registersB, "%r");
  loads("%c", 30, registersC, regC);
  auto list = [](const char *reg, int first, int n) {
    std::string out = "{";
    for (int i = 0; i < n; ++i)
      out += (i ? ", " : "") + std::string(reg) + std::to_string(first + i);
    return out + "}";
  };
  body += std::string("mma.sync.aligned.") + s.instruction + " " +
          list(regC, 40, registersC) + ", " + list("%r", 10, s.registersA) +
          ", " + list("%r", 20, s.registersB) + ", " +
          list(regC, 30, registersC) + ";\n";
  for (int i = 0; i < registersC; ++i)
    body += "st.global.b32 [%rd1+" + std::to_string(4 * i) + "], " + regC +
            std::to_string(40 + i) + ";\n";
  Device device("sm_80", 1, worst);
  ASSERT_EQ(device.load(kernel(body)), "");

  // Integers: every order of the sum is exact.
  std::mt19937 rng(3);
  std::vector<std::vector<int>> a(16, std::vector<int>(32)),
      b(32, std::vector<int>(8)), c(16, std::vector<int>(8));
  bool isUnsigned = s.kind == kU8;
  for (auto *m : {&a, &b, &c})
    for (auto &row : *m)
      for (int &v : row)
        v = int(rng() % 15) - (isUnsigned && m != &c ? 0 : 7);
  auto encode = [&](int v) -> uint32_t {
    switch (s.kind) {
    case kBF16:
      return bf16Of(float(v));
    case kF16:
      return f16Of(v);
    case kTF32:
      // The low 13 bits do not count.
      return bitsOf(float(v)) | 0x1fff;
    default:
      return uint32_t(v) & 255;
    }
  };
  std::vector<uint32_t> ra(size_t(32 * s.registersA)),
      rb(size_t(32 * s.registersB)), rc(size_t(32 * registersC));
  int bits = 32 / perRegister;
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < s.registersA * perRegister; ++i) {
      auto [row, column] = placeA(s, lane, i);
      ra[size_t(lane * s.registersA + i / perRegister)] |=
          encode(a[size_t(row)][size_t(column)]) << (bits * (i % perRegister));
    }
    for (int i = 0; i < s.registersB * perRegister; ++i) {
      auto [row, column] = placeB(s, lane, i);
      rb[size_t(lane * s.registersB + i / perRegister)] |=
          encode(b[size_t(row)][size_t(column)]) << (bits * (i % perRegister));
    }
    for (int i = 0; i < 4; ++i) {
      auto [row, column] = placeC(lane, i);
      int v = c[size_t(row)][size_t(column)];
      if (s.halfC)
        rc[size_t(lane * 2 + i / 2)] |= uint32_t(f16Of(v)) << (16 * (i & 1));
      else
        rc[size_t(lane * 4 + i)] =
            regC[1] == 'r' ? uint32_t(v) : bitsOf(float(v));
    }
  }
  Value pa = device.map(ra, "a"), pb = device.map(rb, "b"),
        pc = device.map(rc, "c");
  ASSERT_EQ(device.launch("k", {1, 1, 1}, {32, 1, 1}, {pa, pb, pc}),
            ATTN_EMU_OK)
      << attnEmuLastError();
  EXPECT_EQ(device.kinds(), "");
  EXPECT_EQ(device.counter("tensor_flops"), uint64_t(2 * 16 * 8 * s.k));
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      auto [row, column] = placeC(lane, i);
      int expected = c[size_t(row)][size_t(column)];
      for (int k = 0; k < s.k; ++k)
        expected += a[size_t(row)][size_t(k)] * b[size_t(k)][size_t(column)];
      double got;
      if (s.halfC)
        got =
            f16Value(uint16_t(rc[size_t(lane * 2 + i / 2)] >> (16 * (i & 1))));
      else if (regC[1] == 'r')
        got = int32_t(rc[size_t(lane * 4 + i)]);
      else {
        float f;
        std::memcpy(&f, &rc[size_t(lane * 4 + i)], 4);
        got = double(f);
      }
      EXPECT_EQ(got, double(expected)) << "lane " << lane << " element " << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Mma,
                         testing::Combine(testing::ValuesIn(kShapes),
                                          testing::Bool()),
                         [](const auto &info) {
                           return std::string(std::get<0>(info.param).name) +
                                  (std::get<1>(info.param) ? "Worst" : "");
                         });

TEST(Mma, WorstRoundingDiffersAndStaysWithinItsBound) {
  std::string body = R"(
mov.u32 %r0, %tid.x; mul.wide.u32 %rd1, %r0, 16; add.s64 %rd2, %rd1, %a;
ld.global.v4.b32 {%r1,%r2,%r3,%r4}, [%rd2]; add.s64 %rd2, %rd1, %b;
ld.global.v2.b32 {%r5,%r6}, [%rd2]; mov.f32 %f0, 0f3F800000;
mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
  {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, {%r5,%r6}, {%f0,%f0,%f0,%f0};
add.s64 %rd2, %rd1, %c; st.global.v4.f32 [%rd2], {%f1,%f2,%f3,%f4};)";
  std::vector<uint32_t> a(128), b(128);
  std::mt19937 rng(5);
  std::uniform_real_distribution<float> d(-1, 1);
  for (auto *m : {&a, &b})
    for (uint32_t &v : *m)
      v = uint32_t(bf16Of(d(rng))) << 16 | bf16Of(d(rng));
  std::vector<float> out[2] = {std::vector<float>(128),
                               std::vector<float>(128)};
  for (int worst = 0; worst < 2; ++worst) {
    Device device("sm_80", 1, worst);
    ASSERT_EQ(device.load(kernel(body)), "");
    Value pa = device.map(a, "a"), pb = device.map(b, "b"),
          pc = device.map(out[worst], "c", false);
    ASSERT_EQ(device.launch("k", {1, 1, 1}, {32, 1, 1}, {pa, pb, pc}),
              ATTN_EMU_OK);
  }
  double most = 0;
  for (size_t i = 0; i < 128; ++i)
    most = std::max(most, double(std::fabs(out[0][i] - out[1][i])));
  EXPECT_GT(most, 0);
  // 17 terms of at most 1, each cut at 2^-24 of the largest, twice.
  EXPECT_LT(most, 40 * 0x1p-23);
}

//===----------------------------------------------------------------------===//
// ldmatrix and stmatrix
//===----------------------------------------------------------------------===//

class Move : public testing::TestWithParam<std::tuple<int, bool>> {};

/// Row r of matrix m comes from lane 8 m + r; lane l gets row l / 4, columns
/// 2 (l % 4) and the next, or with .trans column l / 4 of those rows.
TEST_P(Move, LdmatrixAndStmatrixAreInverse) {
  auto [count, trans] = GetParam();
  std::string n = std::to_string(count), t = trans ? ".trans" : "";
  std::string list = count == 1   ? "{%r10}"
                     : count == 2 ? "{%r10,%r11}"
                                  : "{%r10,%r11,%r12,%r13}";
  std::string body = R"(
.shared .align 16 .b8 in[512]; .shared .align 16 .b8 out[512];
mov.u32 %r0, %tid.x; mul.wide.u32 %rd1, %r0, 16; add.s64 %rd2, %rd1, %a;
ld.global.v4.b32 {%r1,%r2,%r3,%r4}, [%rd2];
shl.b32 %r5, %r0, 4; mov.u32 %r6, in; add.u32 %r7, %r5, %r6;
st.shared.v4.b32 [%r7], {%r1,%r2,%r3,%r4};
bar.sync 0;
ldmatrix.sync.aligned.m8n8.x)" +
                     n + t + R"(.shared.b16 )" + list + R"(, [%r7];
mov.u32 %r6, out; add.u32 %r7, %r5, %r6;
stmatrix.sync.aligned.m8n8.x)" +
                     n + t + R"(.shared.b16 [%r7], )" + list + R"(;
bar.sync 0;
add.s64 %rd2, %rd1, %c;)";
  for (int i = 0; i < count; ++i)
    body += "st.global.b32 [%rd2+" + std::to_string(4 * i) + "], %r" +
            std::to_string(10 + i) + ";\n";
  body += "setp.lt.u32 %p1, %r0, " + std::to_string(8 * count) + R"(;
@!%p1 bra END;
ld.shared.v4.b32 {%r1,%r2,%r3,%r4}, [%r7];
add.s64 %rd2, %rd1, %b; st.global.v4.b32 [%rd2], {%r1,%r2,%r3,%r4};
END:)";
  Device device("sm_90");
  ASSERT_EQ(device.load(kernel(body, "sm_90")), "");
  // Element (matrix, row, column) holds its own name.
  std::vector<uint16_t> in(256), back(256), got(256);
  for (size_t i = 0; i < 256; ++i)
    in[i] = uint16_t(i);
  Value pa = device.map(in, "in"), pb = device.map(back, "back", false),
        pc = device.map(got, "got", false);
  ASSERT_EQ(device.launch("k", {1, 1, 1}, {32, 1, 1}, {pa, pb, pc}),
            ATTN_EMU_OK)
      << attnEmuLastError();
  EXPECT_EQ(device.kinds(), "") << device.text();
  for (int lane = 0; lane < 32; ++lane)
    for (int m = 0; m < count; ++m)
      for (int e = 0; e < 2; ++e) {
        int row = trans ? 2 * (lane % 4) + e : lane / 4;
        int column = trans ? lane / 4 : 2 * (lane % 4) + e;
        EXPECT_EQ(got[size_t(lane * 8 + m * 2 + e)], m * 64 + row * 8 + column);
      }
  for (int i = 0; i < 64 * count; ++i)
    EXPECT_EQ(back[size_t(i)], i);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Move,
                         testing::Combine(testing::Values(1, 2, 4),
                                          testing::Bool()));

//===----------------------------------------------------------------------===//
// Banks
//===----------------------------------------------------------------------===//

struct Stride {
  const char *type;
  int bytes, stride;
  uint64_t conflicts;
};
class Banks : public testing::TestWithParam<Stride> {};

TEST_P(Banks, AreCounted) {
  const Stride &s = GetParam();
  std::string reg = s.bytes == 16  ? "{%r2,%r2,%r2,%r2}"
                    : s.bytes == 8 ? "{%r2,%r2}"
                                   : "%r2";
  Device device;
  ASSERT_EQ(
      device.load(kernel(".shared .align 16 .b8 s[16384]; mov.u32 %r1, %tid.x; "
                         "mul.lo.u32 %r1, %r1, " +
                         std::to_string(s.stride) +
                         "; mov.u32 %r2, s; add.u32 %r1, %r1, %r2;\n"
                         "st.shared." +
                         std::string(s.type) + " [%r1], " + reg + ";")),
      "");
  Value zero = value(uint64_t(0));
  ASSERT_EQ(device.launch("k", {1, 1, 1}, {32, 1, 1}, {zero, zero, zero}),
            ATTN_EMU_OK);
  EXPECT_EQ(device.counter("shared_requests"), 1u);
  EXPECT_EQ(device.counter("bank_conflicts"), s.conflicts);
  EXPECT_EQ(device.counter("bank_conflicts", kBodyLine + 1), s.conflicts);
  EXPECT_EQ(device.counter("bank_conflicts", kBodyLine), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Strides, Banks,
    testing::Values(Stride{"b32", 4, 4, 0}, Stride{"b32", 4, 8, 1},
                    Stride{"b32", 4, 128, 31}, Stride{"b32", 4, 132, 0},
                    // Half warps: 16 lanes of 2 words.
                    Stride{"v2.b32", 8, 8, 0}, Stride{"v2.b32", 8, 128, 30},
                    // Quarters: 8 lanes of 4 words.
                    Stride{"v4.b32", 16, 16, 0}, Stride{"v4.b32", 16, 128, 28},
                    Stride{"v4.b32", 16, 144, 0}));

} // namespace
