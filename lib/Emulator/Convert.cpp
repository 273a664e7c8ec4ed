//===- Convert.cpp - cvt and cvta -----------------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every conversion goes through a value that holds the source exactly (a 64-bit
// integer or a double) and is rounded once. A 64-bit integer that a double
// cannot hold is made odd first. Pairs that kernels convert in their inner loop
// (f32 to bf16x2 and f16x2) have a road of their own.
//
//===----------------------------------------------------------------------===//

#include "Exec.h"

#include <algorithm>

using namespace attn::emu;

namespace {

/// How cvt rounds: to the destination's format, or to an integral value.
enum class Integral : uint8_t { No, Nearest, Zero, Down, Up };

double integral(double x, Integral mode) {
  switch (mode) {
  case Integral::No:
    return x;
  case Integral::Nearest:
    return std::nearbyint(x);
  case Integral::Zero:
    return std::trunc(x);
  case Integral::Down:
    return std::floor(x);
  case Integral::Up:
    return std::ceil(x);
  }
  return x;
}

/// A 64-bit magnitude as a double whose last bit says whether bits were lost.
double oddMagnitude(uint64_t m) {
  if (m < (uint64_t(1) << 53))
    return double(m);
  int shift = 64 - __builtin_clzll(m) - 53;
  uint64_t kept = m >> shift;
  if (kept << shift != m)
    kept |= 1;
  return std::ldexp(double(kept), shift);
}

/// int -> f64 in a named rounding.
double intToDouble(uint64_t m, bool negative, Rounding mode) {
  double near = double(m);
  auto back = static_cast<unsigned __int128>(near);
  if (mode != Rounding::Nearest && back != m) {
    bool up = (mode == Rounding::Up && !negative) ||
              (mode == Rounding::Down && negative);
    if (back > m && !up)
      near = std::nextafter(near, 0.0);
    if (back < m && up)
      near = std::nextafter(near, 0x1p70);
  }
  return negative ? -near : near;
}

struct Source {
  bool real = false;
  bool negative = false; // integers: sign, with the magnitude below
  uint64_t magnitude = 0;
  double value = 0;
};

Source load(Warp &w, uint32_t row, bool wide, Type type, uint32_t lane,
            bool ftz) {
  uint64_t bits = wide ? w.r64(row)[lane] : w.r32(row)[lane];
  Source s;
  switch (type) {
  case Type::F64:
    s.real = true;
    s.value = bitCast<double>(bits);
    return s;
  case Type::F32: {
    float f = bitCast<float>(uint32_t(bits));
    s.real = true;
    s.value = ftz ? flush(f) : f;
    return s;
  }
  case Type::F16:
    s.real = true;
    s.value = f16ToFloat(uint16_t(bits));
    return s;
  case Type::BF16:
    s.real = true;
    s.value = bf16ToFloat(uint16_t(bits));
    return s;
  default:
    break;
  }
  unsigned n = bitsOf(type);
  if (isSigned(type)) {
    int64_t v = int64_t(bits << (64 - n)) >> (64 - n);
    s.negative = v < 0;
    s.magnitude = v < 0 ? 0 - uint64_t(v) : uint64_t(v);
  } else {
    s.magnitude = n == 64 ? bits : bits & ((uint64_t(1) << n) - 1);
  }
  return s;
}

/// Clamps a signed magnitude to an integer type.
uint64_t clampInteger(bool negative, uint64_t magnitude, Type type) {
  unsigned n = bitsOf(type);
  uint64_t mask = n == 64 ? ~uint64_t(0) : (uint64_t(1) << n) - 1;
  if (isSigned(type)) {
    uint64_t limit = (uint64_t(1) << (n - 1)) - (negative ? 0 : 1);
    magnitude = std::min(magnitude, limit);
    uint64_t value = negative ? 0 - magnitude : magnitude;
    return value;
  }
  if (negative)
    return 0;
  return std::min(magnitude, mask);
}

uint64_t floatToInteger(double x, Type from, Type to, Integral mode) {
  unsigned n = bitsOf(to);
  if (std::isnan(x)) {
    if (from == Type::F64 || n == 64)
      return isSigned(to) ? uint64_t(-1) << (n - 1) : uint64_t(1) << (n - 1);
    return 0;
  }
  x = integral(x, mode);
  bool negative = x < 0;
  double m = std::fabs(x);
  uint64_t magnitude = m >= 0x1p64 ? ~uint64_t(0) : static_cast<uint64_t>(m);
  return clampInteger(negative, magnitude, to);
}

uint64_t floatBits(double x, Type to, const Op &op) {
  if (op.sat)
    x = x > 0 ? std::min(x, 1.0) : 0.0;
  if (op.b && !(x > 0) && !std::isnan(x)) // .relu
    x = 0;
  switch (to) {
  case Type::F64:
    return bitCast<uint64_t>(x);
  case Type::F32: {
    float f = toF32(x, op.rounding);
    if (op.ftz)
      f = flush(f);
    return bitCast<uint32_t>(canonical(f));
  }
  case Type::TF32: {
    if (std::isnan(x))
      return kNaN32;
    double v = roundToValue(x, kTF32, op.rounding);
    if (op.c && std::isinf(v)) // .satfinite
      v = std::copysign(std::ldexp(2.0 - 0x1p-10, 127), v);
    return bitCast<uint32_t>(float(v));
  }
  case Type::F16:
  case Type::BF16: {
    Format format = to == Type::F16 ? kF16 : kBF16;
    double v = roundToValue(x, format, op.rounding);
    if (op.c && std::isinf(v)) // .satfinite
      v = std::copysign(to == Type::F16 ? 65504.0 : 0x1.fep127, v);
    return packBits(v, format);
  }
  default:
    return 0;
  }
}

/// The general conversion. op.a: Integral; op.b: relu; op.c: satfinite; op.d:
/// bit 0 source row wide, bit 1 destination row wide.
void execCvt(Warp &w, const Op &op, uint32_t mask) {
  bool wideSource = op.d & 1, wideTarget = op.d & 2;
  Type from = op.type2, to = op.type;
  auto mode = Integral(op.a);
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t lane = uint32_t(__builtin_ctz(rest));
    Source s = load(w, op.o[1], wideSource, from, lane, op.ftz);
    uint64_t bits;
    if (isFloat(to)) {
      double x;
      if (s.real)
        x = integral(s.value, mode);
      else if (to == Type::F64)
        x = intToDouble(s.magnitude, s.negative, op.rounding);
      else
        x = s.negative ? -oddMagnitude(s.magnitude) : oddMagnitude(s.magnitude);
      if (s.real && to == Type::F32 && from == Type::F64 &&
          op.rounding == Rounding::Nearest && !op.sat) {
        float f = float(x);
        bits = bitCast<uint32_t>(canonical(op.ftz ? flush(f) : f));
      } else {
        bits = floatBits(x, to, op);
      }
    } else if (s.real) {
      bits = floatToInteger(s.value, from, to, mode);
    } else if (op.sat) {
      bits = clampInteger(s.negative, s.magnitude, to);
    } else {
      bits = s.negative ? 0 - s.magnitude : s.magnitude;
      unsigned n = bitsOf(to);
      if (n < 64)
        bits = isSigned(to) ? uint64_t(int64_t(bits << (64 - n)) >> (64 - n))
                            : bits & ((uint64_t(1) << n) - 1);
    }
    if (wideTarget)
      w.r64(op.o[0])[lane] = bits;
    else
      w.r32(op.o[0])[lane] = uint32_t(bits);
  }
}

/// cvt.rn.bf16x2.f32 d, a, b: a is the upper half.
void execPackBF16(Warp &w, const Op &op, uint32_t mask) {
  uint32_t *d = w.r32(op.o[0]), *a = w.r32(op.o[1]), *b = w.r32(op.o[2]);
  forLanes(mask, [&](uint32_t i) {
    d[i] = uint32_t(floatToBF16(bitCast<float>(a[i]))) << 16 |
           floatToBF16(bitCast<float>(b[i]));
  });
}
/// Any other pair.
void execPack(Warp &w, const Op &op, uint32_t mask) {
  uint32_t *d = w.r32(op.o[0]), *a = w.r32(op.o[1]), *b = w.r32(op.o[2]);
  Type half = op.type == Type::F16x2 ? Type::F16 : Type::BF16;
  forLanes(mask, [&](uint32_t i) {
    uint64_t high = floatBits(bitCast<float>(a[i]), half, op);
    uint64_t low = floatBits(bitCast<float>(b[i]), half, op);
    d[i] = uint32_t(high << 16 | low);
  });
}
void execBF16ToFloat(Warp &w, const Op &op, uint32_t mask) {
  uint32_t *d = w.r32(op.o[0]), *a = w.r32(op.o[1]);
  forLanes(mask, [&](uint32_t i) {
    d[i] = bitCast<uint32_t>(canonical(bf16ToFloat(uint16_t(a[i]))));
  });
}

void decodeCvt(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Convert;
  Type to = d.takeType(), from = d.takeType();
  if (to == Type::None || from == Type::None || to == Type::Pred ||
      from == Type::Pred || isUntyped(to) || isUntyped(from))
    d.refuse("expects a destination and a source type that are no untyped "
             "bits");
  op.type = to;
  op.type2 = from;
  // Roundings to a format and to an integral value.
  auto mode = Integral::No;
  bool rounded = d.takeRounding(op.rounding);
  if (d.take("rna")) {
    op.rounding = Rounding::Away;
    rounded = true;
    if (to != Type::TF32)
      d.refuse("expects .rna for .tf32 only");
  }
  if (d.take("rni"))
    mode = Integral::Nearest;
  else if (d.take("rzi"))
    mode = Integral::Zero;
  else if (d.take("rmi"))
    mode = Integral::Down;
  else if (d.take("rpi"))
    mode = Integral::Up;
  op.a = uint8_t(mode);
  op.ftz = (from == Type::F32 || to == Type::F32) && d.take("ftz");
  op.sat = d.take("sat");
  bool small = to == Type::F16 || to == Type::BF16 || to == Type::F16x2 ||
               to == Type::BF16x2 || to == Type::TF32;
  if (small) {
    op.b = d.take("relu");
    op.c = d.take("satfinite");
  }

  if (to == Type::F16x2 || to == Type::BF16x2) {
    d.needTarget(80, "cvt to packed halves");
    if (from != Type::F32)
      d.refuse("expects .f32 as the source of packed halves");
    if (!rounded ||
        (op.rounding != Rounding::Nearest && op.rounding != Rounding::Zero))
      d.refuse("expects .rn or .rz for packed halves");
    if (mode != Integral::No || op.sat)
      d.refuse("expects no rounding to integers and no .sat for packed halves");
    d.needCount(3);
    op.o[0] = d.destination(0, Type::B32);
    op.o[1] = d.source(1, Type::F32);
    op.o[2] = d.source(2, Type::F32);
    bool quick = to == Type::BF16x2 && op.rounding == Rounding::Nearest &&
                 !op.b && !op.c;
    op.fn = quick ? execPackBF16 : execPack;
    return;
  }
  if (from == Type::F16x2 || from == Type::BF16x2 || from == Type::TF32)
    d.refuse("does not know this conversion");
  bool fromFloat = isFloat(from), toFloat = isFloat(to);
  if (to == Type::TF32) {
    if (from != Type::F32 || !rounded || mode != Integral::No || op.sat)
      d.refuse("expects cvt.rna.tf32.f32, or .rn or .rz on sm_90");
    d.needTarget(op.rounding == Rounding::Away && !op.c ? 80 : 90,
                 "this conversion to tf32");
    to = Type::TF32;
  } else if (toFloat && fromFloat) {
    bool narrows = bitsOf(to) < bitsOf(from) ||
                   (bitsOf(to) == 16 && bitsOf(from) == 16 && to != from);
    if (narrows && !rounded)
      d.refuse("expects a rounding among .rn, .rz, .rm, .rp");
    if (!narrows && rounded)
      d.refuse("expects no rounding where the destination holds every value "
               "of the source");
    // f32 to bf16, and plain bf16 to f32, which only appends zeros.
    bool early = (from == Type::F32 && op.rounding == Rounding::Nearest) ||
                 (to == Type::F32 && !op.ftz && !op.sat);
    if (to == Type::BF16 || from == Type::BF16)
      d.needTarget(early ? 80 : 90, "this conversion of bf16");
    if (mode != Integral::No && to != from)
      d.refuse("expects the same type twice for rounding to integers");
  } else if (toFloat) {
    if (!rounded || mode != Integral::No)
      d.refuse("expects a rounding among .rn, .rz, .rm, .rp");
  } else if (fromFloat) {
    if (mode == Integral::No || rounded)
      d.refuse("expects a rounding among .rni, .rzi, .rmi, .rpi");
  } else if (rounded || mode != Integral::No) {
    d.refuse("expects no rounding between integers");
  }
  d.needCount(2);
  Type targetType = to == Type::TF32 ? Type::B32 : to;
  op.o[0] = d.destination(0, targetType, true);
  op.o[1] = d.source(1, from, true);
  auto wide = [&](const Operand &operand, Type type) {
    Type reg = d.registerType(operand);
    return bitsOf(reg == Type::None ? type : reg) == 64;
  };
  op.d = uint8_t(wide(d.operand(1), from) | wide(d.operand(0), to) << 1);
  op.fn = execCvt;
  if (to == Type::F32 && from == Type::BF16 && !op.ftz && !op.sat)
    op.fn = execBF16ToFloat;
}

/// cvta: adds or takes away the window of a state space. op.imm: the window.
template <class From, class To, bool ToSpace>
void execCvta(Warp &w, const Op &op, uint32_t mask) {
  auto *d = rowOf<To>(w, op.o[0]);
  auto *a = rowOf<From>(w, op.o[1]);
  auto window = uint64_t(op.imm);
  forLanes(mask, [&](uint32_t i) {
    d[i] = To(ToSpace ? uint64_t(a[i]) - window : uint64_t(a[i]) + window);
  });
}

void decodeCvta(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Convert;
  bool to = d.take("to");
  std::string_view space =
      d.needAny({"global", "shared", "shared::cta", "local", "const", "param",
                 "shared::cluster"},
                "a state space");
  Type type = d.needType({Type::U32, Type::U64});
  if (type == Type::U32)
    d.refuse("expects cvta on .u64, since generic addresses have 64 bits");
  op.imm = int64_t(space.substr(0, 6) == "shared" ? kSharedWindow
                   : space == "local"             ? kLocalWindow
                   : space == "param"             ? kParamWindow
                                                  : 0);
  d.needCount(2);
  op.o[0] = d.destination(0, Type::U64);
  op.o[1] = d.source(1, Type::U64);
  op.fn = to ? execCvta<uint64_t, uint64_t, true>
             : execCvta<uint64_t, uint64_t, false>;
}

void execIsspacep(Warp &w, const Op &op, uint32_t mask) {
  uint64_t *a = w.r64(op.o[1]);
  uint32_t r = 0;
  forLanes(mask, [&](uint32_t i) {
    r |= uint32_t((a[i] & kWindowMask) == uint64_t(op.imm)) << i;
  });
  uint32_t &d = w.pred(op.o[0]);
  d = (d & ~mask) | (r & mask);
}
void decodeIsspacep(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Convert;
  std::string_view space = d.needAny(
      {"global", "shared", "shared::cta", "local", "param"}, "a state space");
  op.imm = int64_t(space.substr(0, 6) == "shared" ? kSharedWindow
                   : space == "local"             ? kLocalWindow
                   : space == "param"             ? kParamWindow
                                                  : 0);
  d.needCount(2);
  op.o[0] = d.predicateDestination(d.operand(0));
  op.o[1] = d.source(1, Type::U64);
  op.fn = execIsspacep;
}
} // namespace

void attn::emu::addConvert(InstructionTable &table) {
  table["cvt"] = decodeCvt;
  table["cvta"] = decodeCvta;
  table["isspacep"] = decodeIsspacep;
}
