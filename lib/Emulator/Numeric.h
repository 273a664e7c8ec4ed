//===- Numeric.h - Number formats and roundings of PTX ----------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Small float formats, and every rounding that PTX names, in one function: a
// value that is exact or rounded to odd in a double is rounded once to the
// format. Example: fma.rz.f32 adds its exact product to c rounding to odd
// (`addOdd`), and `roundTo` then chops to 24 bits; the sticky last bit keeps
// the second rounding right.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMULATOR_NUMERIC_H
#define ATTN_LIB_EMULATOR_NUMERIC_H

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace attn::emu {

template <class To, class From>
inline To bitCast(const From &from) {
  static_assert(sizeof(To) == sizeof(From), "bitCast keeps the size");
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

/// Roundings of PTX. Away: to nearest, ties away from zero (.rna).
enum class Rounding : uint8_t { Nearest, Zero, Down, Up, Away };

/// A float format: bits of the fraction, and of the exponent.
struct Format {
  int fraction;
  int exponent;
};
constexpr Format kF16{10, 5}, kBF16{7, 8}, kTF32{10, 8}, kF32{23, 8};

/// Rounds a finite double to a multiple of 2^step.
inline double roundToStep(double x, int step, Rounding mode) {
  double scaled = std::ldexp(x, -step);
  double down = std::floor(scaled);
  double part = scaled - down;
  double result = down;
  bool up = false;
  if (part != 0)
    switch (mode) {
    case Rounding::Nearest:
      up = part > 0.5 || (part == 0.5 && std::fmod(down, 2.0) != 0);
      break;
    case Rounding::Away:
      up = part > 0.5 || (part == 0.5 && x > 0);
      break;
    case Rounding::Zero:
      up = x < 0;
      break;
    case Rounding::Down:
      break;
    case Rounding::Up:
      up = true;
      break;
    }
  if (up)
    result = down + 1;
  return std::copysign(std::ldexp(result, step), x);
}

/// Rounds x to `format` and gives the value back as a double (infinity where it
/// overflows). NaN stays NaN.
inline double roundToValue(double x, Format format, Rounding mode) {
  if (x == 0 || std::isnan(x) || std::isinf(x))
    return x;
  int bias = (1 << (format.exponent - 1)) - 1;
  int exponent = std::ilogb(x);
  if (exponent < 1 - bias)
    exponent = 1 - bias;
  double y = roundToStep(x, exponent - format.fraction, mode);
  double largest = std::ldexp(2.0 - std::ldexp(1.0, -format.fraction), bias);
  if (std::fabs(y) > largest) {
    bool toInfinity = mode == Rounding::Nearest || mode == Rounding::Away ||
                      (mode == Rounding::Up && x > 0) ||
                      (mode == Rounding::Down && x < 0);
    y = std::copysign(
        toInfinity ? std::numeric_limits<double>::infinity() : largest, x);
  }
  return y;
}

/// The bits of a value that `roundToValue` gave, in a 16-bit format.
inline uint16_t packBits(double value, Format format) {
  int bias = (1 << (format.exponent - 1)) - 1;
  uint16_t sign = std::signbit(value)
                      ? uint16_t(1u << (format.fraction + format.exponent))
                      : 0;
  uint16_t infinity =
      uint16_t(((1u << format.exponent) - 1) << format.fraction);
  if (std::isnan(value))
    return 0x7fff; // The canonical NaN of PTX has every bit but the sign.
  if (std::isinf(value))
    return sign | infinity;
  if (value == 0)
    return sign;
  int exponent = std::ilogb(value);
  double magnitude = std::fabs(value);
  if (exponent < 1 - bias)
    return sign | uint16_t(std::ldexp(magnitude, bias - 1 + format.fraction));
  uint16_t fraction =
      uint16_t(std::ldexp(magnitude, format.fraction - exponent) -
               std::ldexp(1.0, format.fraction));
  return sign | uint16_t((exponent + bias) << format.fraction) | fraction;
}

inline float f16ToFloat(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16;
  uint32_t exponent = (bits >> 10) & 31, fraction = bits & 0x3ff;
  if (exponent == 31)
    return bitCast<float>(sign | 0x7f800000 | (fraction << 13));
  if (exponent == 0) {
    float magnitude = float(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return bitCast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

inline float bf16ToFloat(uint16_t bits) {
  return bitCast<float>(uint32_t(bits) << 16);
}

/// double -> f16 / bf16 with one rounding.
inline uint16_t toF16(double x, Rounding mode = Rounding::Nearest) {
  return packBits(roundToValue(x, kF16, mode), kF16);
}
inline uint16_t toBF16(double x, Rounding mode = Rounding::Nearest) {
  return packBits(roundToValue(x, kBF16, mode), kBF16);
}

/// The fast road for the conversion that kernels do most.
inline uint16_t floatToBF16(float x) {
  uint32_t bits = bitCast<uint32_t>(x);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return 0x7fff;
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/// double -> f32 in a chosen rounding.
inline float toF32(double x, Rounding mode) {
  if (mode == Rounding::Nearest)
    return float(x);
  return float(roundToValue(x, kF32, mode));
}

/// f32 -> tf32, as f32 bits.
inline float toTF32(float x, Rounding mode) {
  return float(roundToValue(x, kTF32, mode));
}

/// Makes a double that was rounded to nearest with the error `error` odd:
/// the last bit then says that something was cut off.
inline double makeOdd(double rounded, double error) {
  if (error == 0 || !std::isfinite(rounded) || !std::isfinite(error))
    return rounded;
  uint64_t bits = bitCast<uint64_t>(rounded);
  if (bits & 1)
    return rounded;
  return std::nextafter(rounded,
                        error > 0 ? std::numeric_limits<double>::infinity()
                                  : -std::numeric_limits<double>::infinity());
}

/// a + b rounded to odd.
inline double addOdd(double a, double b) {
  double s = a + b;
  double bb = s - a;
  double error = (a - (s - bb)) + (b - bb);
  return makeOdd(s, error);
}

/// a / b and the square root of a, for f32 operands, rounded to odd.
inline double divOdd(double a, double b) {
  double q = a / b;
  if (!std::isfinite(q) || b == 0 || std::isinf(b))
    return q;
  double rest = std::fma(-q, b, a);
  return makeOdd(q, b > 0 ? rest : -rest);
}
inline double sqrtOdd(double a) {
  double r = std::sqrt(a);
  if (!std::isfinite(r))
    return r;
  return makeOdd(r, std::fma(-r, r, a));
}

/// The canonical NaN of f32, and a result with it in place of any NaN.
constexpr uint32_t kNaN32 = 0x7fffffff;
inline float canonical(float x) { return x != x ? bitCast<float>(kNaN32) : x; }

/// Subnormals become zeros of the same sign.
inline float flush(float x) {
  return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x;
}

/// A hash that spreads bits: the source of the worst-rounding mode's choices.
inline uint32_t spread(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ (x >> 16);
}

} // namespace attn::emu

#endif // ATTN_LIB_EMULATOR_NUMERIC_H
