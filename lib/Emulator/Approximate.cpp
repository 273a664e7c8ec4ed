//===- Approximate.cpp - ex2, lg2, rcp, rsqrt, sqrt, sin, cos, tanh -------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// PTX bounds the error of these and leaves the last bits open. By default they
// are computed in double and rounded; in the worst-rounding mode each result is
// pushed to the edge of its bound, up or down by a hash of its input, so that a
// kernel that leans on more than the bound shows it.
//
//===----------------------------------------------------------------------===//

#include "Exec.h"

#include <algorithm>

using namespace attn::emu;

namespace {

enum Function : uint8_t { kEx2, kLg2, kRcp, kRsqrt, kSqrt, kSin, kCos, kTanh };

double exactly(Function f, double x) {
  switch (f) {
  case kEx2:
    return std::exp2(x);
  case kLg2:
    return std::log2(x);
  case kRcp:
    return 1.0 / x;
  case kRsqrt:
    return 1.0 / std::sqrt(x);
  case kSqrt:
    return std::sqrt(x);
  case kSin:
    return std::sin(x);
  case kCos:
    return std::cos(x);
  case kTanh:
    return std::tanh(x);
  }
  return 0;
}

float stepBy(float x, int ulps) {
  for (; ulps > 0; --ulps)
    x = std::nextafter(x, std::numeric_limits<float>::infinity());
  for (; ulps < 0; ++ulps)
    x = std::nextafter(x, -std::numeric_limits<float>::infinity());
  return x;
}

/// The edge of the documented bound on the side that the hash picks.
float worst(Function f, float x, float y) {
  if (!std::isfinite(y) || y == 0 || !std::isfinite(x))
    return y;
  if (f == kEx2 && x == 0) // defined as 1
    return y;
  bool up = spread(bitCast<uint32_t>(x)) & 1;
  float r = y;
  switch (f) {
  case kEx2: // 2 ulp
    r = stepBy(y, up ? 2 : -2);
    break;
  case kRcp:  // 1 ulp
  case kSqrt: // relative 2^-23
    r = stepBy(y, up ? 1 : -1);
    break;
  case kLg2: // absolute 2^-22 around 1, else relative 2^-22
    r = y + (up ? 1.0f : -1.0f) * 0x1p-22f *
                (x > 0.5f && x < 2.0f ? 1.0f : std::fabs(y));
    break;
  case kRsqrt: // relative 2^-22.9
    r = y * (up ? 1 + 0x1.1p-23f : 1 - 0x1.1p-23f);
    break;
  case kSin: // absolute 2^-20.5
  case kCos:
    r = std::clamp(y + (up ? 0x1.6p-21f : -0x1.6p-21f), -1.0f, 1.0f);
    break;
  case kTanh: // relative 2^-11
    r = std::clamp(y * (up ? 1 + 0x1p-11f : 1 - 0x1p-11f), -1.0f, 1.0f);
    break;
  }
  // 2^0 = 1 and the like stay within what a result may be.
  return std::isfinite(r) ? r : y;
}

float one32(Function f, float x, bool ftz, bool worstMode) {
  if (ftz)
    x = flush(x);
  float y = float(exactly(f, x));
  if (worstMode)
    y = worst(f, x, y);
  return canonical(ftz ? flush(y) : y);
}

void exec32(Warp &w, const Op &op, uint32_t mask) {
  uint32_t *d = w.r32(op.o[0]), *a = w.r32(op.o[1]);
  bool worstMode = w.launch.options.worstRounding;
  auto f = Function(op.a);
  forLanes(mask, [&](uint32_t i) {
    d[i] = bitCast<uint32_t>(one32(f, bitCast<float>(a[i]), op.ftz, worstMode));
  });
}

/// 16-bit results carry their own bounds: 2^-9.9 for ex2.f16, 2^-7 for bf16,
/// 2^-10.987 and 2^-8 for tanh. One unit in the last place is within each.
uint32_t one16(Function f, uint16_t bits, bool bf16, bool ftz, bool worstMode) {
  double x = bf16 ? bf16ToFloat(bits) : f16ToFloat(bits);
  if (ftz)
    x = bf16 ? double(flush(float(x)))
             : (std::fabs(x) < 0x1p-14 ? std::copysign(0.0, x) : x);
  double y = exactly(f, x);
  uint16_t r = bf16 ? toBF16(y) : toF16(y);
  uint16_t exponent = bf16 ? 0x7f80 : 0x7c00;
  if (worstMode && std::isfinite(y) && (r & 0x7fff) != 0 &&
      (r & 0x7fff) < exponent - 1) {
    bool up = spread(bits) & 1;
    double v = bf16 ? bf16ToFloat(r) : f16ToFloat(r);
    // Stay within 1 ulp of the exact value: move away from the near side.
    if (up && v <= y)
      r = uint16_t(r + 1);
    else if (!up && v >= y)
      r = uint16_t(r - 1);
    if (f == kTanh &&
        (bf16 ? bf16ToFloat(r & 0x7fff) : f16ToFloat(r & 0x7fff)) > 1)
      r = uint16_t(r - 1);
  }
  if (ftz) {
    double v = bf16 ? bf16ToFloat(r) : f16ToFloat(r);
    if (std::fabs(v) < (bf16 ? 0x1p-126 : 0x1p-14))
      r &= 0x8000;
  }
  return r;
}
void exec16(Warp &w, const Op &op, uint32_t mask) {
  uint32_t *d = w.r32(op.o[0]), *a = w.r32(op.o[1]);
  bool worstMode = w.launch.options.worstRounding;
  bool bf16 = op.type == Type::BF16 || op.type == Type::BF16x2;
  bool two = op.type == Type::F16x2 || op.type == Type::BF16x2;
  auto f = Function(op.a);
  forLanes(mask, [&](uint32_t i) {
    uint32_t r = one16(f, uint16_t(a[i]), bf16, op.ftz, worstMode);
    if (two)
      r |= one16(f, uint16_t(a[i] >> 16), bf16, op.ftz, worstMode) << 16;
    d[i] = r;
  });
}
/// rcp.approx.ftz.f64 and rsqrt.approx.f64: the upper half of the bits counts.
void exec64(Warp &w, const Op &op, uint32_t mask) {
  uint64_t *d = w.r64(op.o[0]), *a = w.r64(op.o[1]);
  auto f = Function(op.a);
  forLanes(mask, [&](uint32_t i) {
    double y = exactly(f, bitCast<double>(a[i]));
    uint64_t bits = bitCast<uint64_t>(y);
    if (op.b && std::isfinite(y))
      bits &= ~uint64_t(0xffffffff);
    d[i] = bits;
  });
}

void execDivApprox(Warp &w, const Op &op, uint32_t mask) {
  uint32_t *d = w.r32(op.o[0]), *a = w.r32(op.o[1]), *b = w.r32(op.o[2]);
  bool worstMode = w.launch.options.worstRounding;
  forLanes(mask, [&](uint32_t i) {
    float x = bitCast<float>(a[i]), y = bitCast<float>(b[i]);
    if (op.ftz) {
      x = flush(x);
      y = flush(y);
    }
    float r = x / y;
    if (worstMode && std::isfinite(r) && r != 0)
      r = stepBy(r, spread(a[i] ^ (b[i] * 3)) & 1 ? 2 : -2);
    d[i] = bitCast<uint32_t>(canonical(op.ftz ? flush(r) : r));
  });
}

template <Function F>
void decodeApprox(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Special;
  op.a = F;
  Type type = d.takeType();
  op.type = type;
  bool approx = d.take("approx");
  d.needCount(2);
  bool half = type == Type::F16 || type == Type::F16x2;
  bool bf16 = type == Type::BF16 || type == Type::BF16x2;
  if ((half || bf16) && (F == kEx2 || F == kTanh) && approx) {
    d.needTarget(bf16 ? 90 : 75, "this function on 16-bit floats");
    op.ftz = F == kEx2 && d.take("ftz");
    if (bf16 && F == kEx2 && !op.ftz)
      d.refuse("expects .ftz on bf16");
    op.o[0] = d.destination(0, type);
    op.o[1] = d.source(1, type);
    op.fn = exec16;
    return;
  }
  if (type == Type::F64 && (F == kRcp || F == kRsqrt) && approx) {
    op.ftz = d.take("ftz");
    op.b = op.ftz;
    if (F == kRcp && !op.ftz)
      d.refuse("expects rcp.approx.ftz.f64");
    op.o[0] = d.destination(0, type);
    op.o[1] = d.source(1, type);
    op.fn = exec64;
    return;
  }
  if (type != Type::F32 && !(type == Type::F64 && (F == kRcp || F == kSqrt)))
    d.refuse("does not know this function on this type");
  if (approx && type == Type::F32) {
    op.ftz = F != kTanh && d.take("ftz");
    op.o[0] = d.destination(0, type);
    op.o[1] = d.source(1, type);
    op.fn = exec32;
    return;
  }
  if (F != kRcp && F != kSqrt)
    d.refuse("expects .approx");
  if (!d.takeRounding(op.rounding))
    d.refuse("expects .approx or a rounding");
  op.ftz = type == Type::F32 && d.take("ftz");
  op.o[0] = d.destination(0, type);
  op.o[1] = d.source(1, type);
  op.fn = exactUnary(type, F == kRcp);
}
} // namespace

ExecFn attn::emu::approximateDivision() { return execDivApprox; }

void attn::emu::addApproximate(InstructionTable &table) {
  table["ex2"] = decodeApprox<kEx2>;
  table["lg2"] = decodeApprox<kLg2>;
  table["rcp"] = decodeApprox<kRcp>;
  table["rsqrt"] = decodeApprox<kRsqrt>;
  table["sqrt"] = decodeApprox<kSqrt>;
  table["sin"] = decodeApprox<kSin>;
  table["cos"] = decodeApprox<kCos>;
  table["tanh"] = decodeApprox<kTanh>;
}
