//===- Arithmetic.cpp - add, sub, mul, mad, fma, div, min, max and their kin
//-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Integers wrap. f32 in the default rounding is the host's; every other
// rounding goes through a double that was rounded to odd (Numeric.h). f16 and
// bf16 are computed in double and rounded once.
//
//===----------------------------------------------------------------------===//

#include "Exec.h"

#include <algorithm>
#include <cfenv>

using namespace attn::emu;

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

namespace {

template <class T>
using Un = std::make_unsigned_t<T>;

/// Unsigned arithmetic at least as wide as `unsigned`, so that nothing
/// overflows on the way.
template <class T>
using Wrap = std::conditional_t<(sizeof(T) < 4), uint32_t, Un<T>>;

struct AddInt {
  template <class T>
  static T apply(T a, T b, const Op &) {
    return T(Wrap<T>(a) + Wrap<T>(b));
  }
};
struct SubInt {
  template <class T>
  static T apply(T a, T b, const Op &) {
    return T(Wrap<T>(a) - Wrap<T>(b));
  }
};
struct AddSat {
  static int32_t apply(int32_t a, int32_t b, const Op &) {
    return int32_t(std::clamp<int64_t>(int64_t(a) + b, INT32_MIN, INT32_MAX));
  }
};
struct SubSat {
  static int32_t apply(int32_t a, int32_t b, const Op &) {
    return int32_t(std::clamp<int64_t>(int64_t(a) - b, INT32_MIN, INT32_MAX));
  }
};
struct MulLo {
  template <class T>
  static T apply(T a, T b, const Op &) {
    return T(Wrap<T>(a) * Wrap<T>(b));
  }
};
template <class T>
using Wide = std::conditional_t<
    sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
    std::conditional_t<
        sizeof(T) == 4,
        std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
        std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;
struct MulHi {
  template <class T>
  static T apply(T a, T b, const Op &) {
    return T((Wide<T>(a) * Wide<T>(b)) >> (sizeof(T) * 8));
  }
};
struct MulWide {
  template <class T>
  static Wide<T> apply(T a, T b, const Op &) {
    return Wide<T>(Wide<T>(a) * Wide<T>(b));
  }
};
struct MadLo {
  template <class T>
  static T apply(T a, T b, T c, const Op &) {
    return T(Wrap<T>(a) * Wrap<T>(b) + Wrap<T>(c));
  }
};
struct MadHi {
  template <class T>
  static T apply(T a, T b, T c, const Op &op) {
    return T(Wrap<T>(MulHi::apply(a, b, op)) + Wrap<T>(c));
  }
};
struct MadWide {
  template <class T>
  static Wide<T> apply(T a, T b, Wide<T> c, const Op &) {
    using U = Un<Wide<T>>;
    return Wide<T>(U(Wide<T>(a) * Wide<T>(b)) + U(c));
  }
};
template <bool Signed>
int64_t low24(uint32_t x) {
  return Signed ? int64_t(int32_t(x << 8) >> 8) : int64_t(x & 0xffffff);
}
template <bool Signed, bool High>
struct Mul24 {
  static uint32_t apply(uint32_t a, uint32_t b, const Op &) {
    int64_t p = low24<Signed>(a) * low24<Signed>(b);
    return uint32_t(High ? p >> 16 : p);
  }
  static uint32_t apply(uint32_t a, uint32_t b, uint32_t c, const Op &op) {
    return apply(a, b, op) + c;
  }
};
// Division by zero gives an unspecified value in PTX: all ones here, and the
// dividend as the rest, as the hardware does.
struct DivInt {
  template <class T>
  static T apply(T a, T b, const Op &) {
    if (b == 0)
      return T(~T(0));
    if constexpr (std::is_signed_v<T>)
      if (b == T(-1))
        return T(Wrap<T>(0) - Wrap<T>(a));
    return T(a / b);
  }
};
struct RemInt {
  template <class T>
  static T apply(T a, T b, const Op &) {
    if (b == 0)
      return a;
    if constexpr (std::is_signed_v<T>)
      if (b == T(-1))
        return 0;
    return T(a % b);
  }
};
struct MinInt {
  template <class T>
  static T apply(T a, T b, const Op &) {
    return std::min(a, b);
  }
};
struct MaxInt {
  template <class T>
  static T apply(T a, T b, const Op &) {
    return std::max(a, b);
  }
};
// .relu clamps at zero from below.
template <class F>
struct Relu {
  template <class T>
  static T apply(T a, T b, const Op &op) {
    return std::max<T>(F::apply(a, b, op), 0);
  }
};
struct AbsInt {
  template <class T>
  static T apply(T a, const Op &) {
    return a < 0 ? T(Wrap<T>(0) - Wrap<T>(a)) : a;
  }
};
struct NegInt {
  template <class T>
  static T apply(T a, const Op &) {
    return T(Wrap<T>(0) - Wrap<T>(a));
  }
};
struct Sad {
  template <class T>
  static T apply(T a, T b, T c, const Op &) {
    return T(Wrap<T>(c) +
             (a < b ? Wrap<T>(b) - Wrap<T>(a) : Wrap<T>(a) - Wrap<T>(b)));
  }
};

/// Packed 16-bit integers: the operation on each half.
template <class F, class T>
struct Packed {
  static uint32_t apply(uint32_t a, uint32_t b, const Op &op) {
    uint32_t low = uint16_t(F::apply(T(a), T(b), op));
    uint32_t high = uint16_t(F::apply(T(a >> 16), T(b >> 16), op));
    return low | high << 16;
  }
};

//===----------------------------------------------------------------------===//
// Carries
//===----------------------------------------------------------------------===//

/// add.cc and its kin: the carry lives in row op.o[4].
template <class T, bool Subtract>
void execCarry(Warp &w, const Op &op, uint32_t mask) {
  using W = unsigned __int128;
  auto *d = rowOf<T>(w, op.o[0]);
  auto *a = rowOf<T>(w, op.o[1]);
  auto *b = rowOf<T>(w, op.o[2]);
  uint32_t &carry = w.pred(op.o[4]);
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t lane = uint32_t(__builtin_ctz(rest));
    uint32_t in = op.a ? carry >> lane & 1 : 0;
    W sum = Subtract ? W(T(a[lane])) - W(T(b[lane])) - in
                     : W(T(a[lane])) + W(T(b[lane])) + in;
    d[lane] = T(sum);
    if (op.b) {
      uint32_t out = uint32_t(sum >> (sizeof(T) * 8)) & 1;
      carry = (carry & ~(1u << lane)) | out << lane;
    }
  }
}
template <class T>
void execMadCarry(Warp &w, const Op &op, uint32_t mask) {
  using W = unsigned __int128;
  auto *d = rowOf<T>(w, op.o[0]);
  auto *a = rowOf<T>(w, op.o[1]);
  auto *b = rowOf<T>(w, op.o[2]);
  auto *c = rowOf<T>(w, op.o[3]);
  uint32_t &carry = w.pred(op.o[4]);
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t lane = uint32_t(__builtin_ctz(rest));
    uint32_t in = op.a ? carry >> lane & 1 : 0;
    T p;
    if (op.c) {
      bool isSignedType = isSigned(op.type);
      if (sizeof(T) == 4)
        p = isSignedType
                ? T((int64_t(int32_t(a[lane])) * int32_t(b[lane])) >> 32)
                : T((uint64_t(a[lane]) * b[lane]) >> 32);
      else
        p = isSignedType
                ? T((__int128(int64_t(a[lane])) * int64_t(b[lane])) >> 64)
                : T((W(a[lane]) * b[lane]) >> 64);
    } else {
      p = T(a[lane] * b[lane]);
    }
    W sum = W(p) + W(T(c[lane])) + in;
    d[lane] = T(sum);
    if (op.b) {
      uint32_t out = uint32_t(sum >> (sizeof(T) * 8)) & 1;
      carry = (carry & ~(1u << lane)) | out << lane;
    }
  }
}

//===----------------------------------------------------------------------===//
// f32 and f64
//===----------------------------------------------------------------------===//

enum Arith : uint8_t { kAdd, kSub, kMul, kFma, kDiv, kSqrt, kRcp };

template <Arith Kind>
inline float plain32(float a, float b, float c) {
  switch (Kind) {
  case kAdd:
    return a + b;
  case kSub:
    return a - b;
  case kMul:
    return a * b;
  case kFma:
    return std::fma(a, b, c);
  case kDiv:
    return a / b;
  case kSqrt:
    return std::sqrt(a);
  case kRcp:
    return 1.0f / a;
  }
}
template <Arith Kind>
inline double odd32(double a, double b, double c) {
  switch (Kind) {
  case kAdd:
    return addOdd(a, b);
  case kSub:
    return addOdd(a, -b);
  case kMul:
    return a * b;
  case kFma:
    return addOdd(a * b, c);
  case kDiv:
    return divOdd(a, b);
  case kSqrt:
    return sqrtOdd(a);
  case kRcp:
    return divOdd(1.0, a);
  }
}

/// An exact zero sum has the sign that the rounding says: -0 towards minus
/// infinity, else +0 (unless both addends agree).
inline double zeroSum(double result, double x, double y, Rounding mode) {
  if (result != 0 || std::signbit(x) == std::signbit(y))
    return result;
  return mode == Rounding::Down ? -0.0 : 0.0;
}

template <Arith Kind>
struct Float32 {
  static float apply(float a, float b, float c, const Op &op) {
    if (op.ftz) {
      a = flush(a);
      b = flush(b);
      c = flush(c);
    }
    float r;
    if (op.rounding == Rounding::Nearest) {
      r = plain32<Kind>(a, b, c);
    } else {
      double odd = odd32<Kind>(a, b, c);
      if (Kind == kAdd)
        odd = zeroSum(odd, a, b, op.rounding);
      if (Kind == kSub)
        odd = zeroSum(odd, a, -b, op.rounding);
      if (Kind == kFma)
        odd = zeroSum(odd, double(a) * b, c, op.rounding);
      r = toF32(odd, op.rounding);
    }
    if (op.ftz)
      r = flush(r);
    if (op.sat)
      r = r > 0 ? std::min(r, 1.0f) : 0.0f;
    return canonical(r);
  }
  static float apply(float a, float b, const Op &op) {
    return apply(a, b, 0.0f, op);
  }
  static float apply(float a, const Op &op) { return apply(a, 0.0f, op); }
};

/// f64 in another rounding: the host's, switched for one operation. The
/// values are volatile so that nothing moves across the switch.
double directed64(Arith kind, double a, double b, double c, Rounding mode) {
  int old = std::fegetround();
  std::fesetround(mode == Rounding::Zero   ? FE_TOWARDZERO
                  : mode == Rounding::Down ? FE_DOWNWARD
                                           : FE_UPWARD);
  volatile double x = a, y = b, z = c, r = 0;
  switch (kind) {
  case kAdd:
    r = x + y;
    break;
  case kSub:
    r = x - y;
    break;
  case kMul:
    r = x * y;
    break;
  case kFma:
    r = std::fma(x, y, z);
    break;
  case kDiv:
    r = x / y;
    break;
  case kSqrt:
    r = std::sqrt(x);
    break;
  case kRcp:
    r = 1.0 / x;
    break;
  }
  std::fesetround(old);
  return r;
}

template <Arith Kind>
struct Float64 {
  static double apply(double a, double b, double c, const Op &op) {
    if (op.rounding != Rounding::Nearest)
      return directed64(Kind, a, b, c, op.rounding);
    switch (Kind) {
    case kAdd:
      return a + b;
    case kSub:
      return a - b;
    case kMul:
      return a * b;
    case kFma:
      return std::fma(a, b, c);
    case kDiv:
      return a / b;
    case kSqrt:
      return std::sqrt(a);
    case kRcp:
      return 1.0 / a;
    }
  }
  static double apply(double a, double b, const Op &op) {
    return apply(a, b, 0.0, op);
  }
  static double apply(double a, const Op &op) { return apply(a, 0.0, op); }
};

//===----------------------------------------------------------------------===//
// f16 and bf16
//===----------------------------------------------------------------------===//

template <class H>
double valueOf(H h);
template <>
double valueOf<Half>(Half h) {
  return f16ToFloat(h.bits);
}
template <>
double valueOf<BFloat>(BFloat h) {
  return bf16ToFloat(h.bits);
}
template <class H>
H halfOf(double x);
template <>
Half halfOf<Half>(double x) {
  return {toF16(x)};
}
template <>
BFloat halfOf<BFloat>(double x) {
  return {toBF16(x)};
}
inline double flushHalf(double x) {
  return std::fabs(x) < 0x1p-14 ? std::copysign(0.0, x) : x;
}

template <Arith Kind>
struct HalfArith {
  template <class H>
  static H apply(H a, H b, H c, const Op &op) {
    double x = valueOf(a), y = valueOf(b), z = valueOf(c);
    if (op.ftz && std::is_same_v<H, Half>) {
      x = flushHalf(x);
      y = flushHalf(y);
      z = flushHalf(z);
    }
    double r = odd32<Kind>(x, y, z);
    if (op.sat)
      r = r > 0 ? std::min(r, 1.0) : 0.0;
    if (op.a) // .relu
      r = r > 0 || r != r ? r : 0.0;
    H h = halfOf<H>(r);
    if (op.ftz && std::is_same_v<H, Half>)
      h = halfOf<H>(flushHalf(valueOf(h)));
    return h;
  }
  template <class H>
  static H apply(H a, H b, const Op &op) {
    return apply(a, b, H{0}, op);
  }
};

/// min and max on values of any float type. op.a: NaN wins; op.b: the sign is
/// the product's and magnitudes count (.xorsign.abs).
template <bool Max>
inline double minMax(double x, double y, const Op &op, bool &nan) {
  nan = false;
  bool negative = std::signbit(x) != std::signbit(y);
  if (op.b) {
    x = std::fabs(x);
    y = std::fabs(y);
  }
  if (std::isnan(x) || std::isnan(y)) {
    nan = op.a || (std::isnan(x) && std::isnan(y));
    double r = std::isnan(x) ? y : x;
    return op.b && negative ? -r : r;
  }
  double r;
  if (x == y)
    r = Max ? (std::signbit(x) ? y : x) : (std::signbit(x) ? x : y);
  else
    r = (x > y) == Max ? x : y;
  return op.b && negative ? -r : r;
}
template <bool Max>
struct MinMax {
  static float apply(float x, float y, const Op &op) {
    if (op.ftz) {
      x = flush(x);
      y = flush(y);
    }
    bool nan;
    float r = float(minMax<Max>(x, y, op, nan));
    return nan ? bitCast<float>(kNaN32) : r;
  }
  static double apply(double x, double y, const Op &op) {
    bool nan;
    double r = minMax<Max>(x, y, op, nan);
    return nan ? std::numeric_limits<double>::quiet_NaN() : r;
  }
  template <class H>
  static H apply(H x, H y, const Op &op) {
    bool nan;
    double a = valueOf(x), b = valueOf(y);
    if (op.ftz && std::is_same_v<H, Half>) {
      a = flushHalf(a);
      b = flushHalf(b);
    }
    double r = minMax<Max>(a, b, op, nan);
    return nan ? H{0x7fff} : halfOf<H>(r);
  }
  static float apply(float x, float y, float z, const Op &op) {
    return apply(apply(x, y, op), z, op);
  }
};

/// Packed halves: F on each.
template <class F, class H>
struct PackedHalf {
  static uint32_t apply(uint32_t a, uint32_t b, const Op &op) {
    uint32_t low = F::apply(H{uint16_t(a)}, H{uint16_t(b)}, op).bits;
    uint32_t high =
        F::apply(H{uint16_t(a >> 16)}, H{uint16_t(b >> 16)}, op).bits;
    return low | high << 16;
  }
  static uint32_t apply(uint32_t a, uint32_t b, uint32_t c, const Op &op) {
    uint32_t low =
        F::apply(H{uint16_t(a)}, H{uint16_t(b)}, H{uint16_t(c)}, op).bits;
    uint32_t high = F::apply(H{uint16_t(a >> 16)}, H{uint16_t(b >> 16)},
                             H{uint16_t(c >> 16)}, op)
                        .bits;
    return low | high << 16;
  }
};

// neg and abs touch the sign bit only (and .ftz).
template <bool Neg>
struct SignBit {
  static float apply(float a, const Op &op) {
    if (op.ftz)
      a = flush(a);
    uint32_t bits = bitCast<uint32_t>(a);
    return bitCast<float>(Neg ? bits ^ 0x80000000u : bits & 0x7fffffffu);
  }
  static double apply(double a, const Op &) { return Neg ? -a : std::fabs(a); }
};
template <bool Neg, bool Packed>
struct SignBit16 {
  static uint32_t apply(uint32_t a, const Op &op) {
    constexpr uint32_t bits = Packed ? 0x80008000u : 0x8000u;
    uint32_t r = Neg ? a ^ bits : a & ~bits;
    if (op.ftz && (op.type == Type::F16 || op.type == Type::F16x2)) {
      if (!(r & 0x7c00))
        r &= ~0x3ffu;
      if (Packed && !(r & 0x7c000000))
        r &= ~0x3ff0000u;
    }
    return r;
  }
};

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

void operands(Decoder &d, Type type, size_t sources) {
  d.needCount(sources + 1);
  d.op.o[0] = d.destination(0, type);
  for (size_t i = 1; i <= sources; ++i)
    d.op.o[i] = d.source(i, type);
}

template <Arith Kind>
ExecFn floatFn(Type type) {
  constexpr bool three = Kind == kFma;
  switch (type) {
  case Type::F32:
    if constexpr (three)
      return same3<Float32<Kind>, float>;
    else
      return same2<Float32<Kind>, float>;
  case Type::F64:
    if constexpr (three)
      return same3<Float64<Kind>, double>;
    else
      return same2<Float64<Kind>, double>;
  case Type::F16:
    if constexpr (three)
      return same3<HalfArith<Kind>, Half>;
    else
      return same2<HalfArith<Kind>, Half>;
  case Type::BF16:
    if constexpr (three)
      return same3<HalfArith<Kind>, BFloat>;
    else
      return same2<HalfArith<Kind>, BFloat>;
  case Type::F16x2:
    if constexpr (three)
      return same3<PackedHalf<HalfArith<Kind>, Half>, uint32_t>;
    else
      return same2<PackedHalf<HalfArith<Kind>, Half>, uint32_t>;
  case Type::BF16x2:
    if constexpr (three)
      return same3<PackedHalf<HalfArith<Kind>, BFloat>, uint32_t>;
    else
      return same2<PackedHalf<HalfArith<Kind>, BFloat>, uint32_t>;
  default:
    return nullptr;
  }
}

bool is16(Type type) {
  return type == Type::F16 || type == Type::F16x2 || type == Type::BF16 ||
         type == Type::BF16x2;
}
bool isBF16(Type type) { return type == Type::BF16 || type == Type::BF16x2; }

/// Rounding, .ftz and .sat of add, sub, mul and fma.
void floatModifiers(Decoder &d, Type type, bool needsRounding) {
  Op &op = d.op;
  bool rounded = d.takeRounding(op.rounding);
  if (needsRounding && !rounded)
    d.refuse("expects a rounding among .rn, .rz, .rm, .rp, but got none");
  if (is16(type) && op.rounding != Rounding::Nearest)
    d.refuse("expects rounding .rn for 16-bit types");
  if (type != Type::F64 && !isBF16(type)) {
    op.ftz = d.take("ftz");
    op.sat = d.take("sat");
  }
  op.cls = floatClass(type);
  op.type = type;
}

template <Arith Kind, class Int, class Sat>
void decodeAddSub(Decoder &d) {
  Op &op = d.op;
  Type type = d.takeType();
  op.type = type;
  if (isFloat(type)) {
    floatModifiers(d, type, false);
    if (isBF16(type))
      d.needTarget(90, "bf16 arithmetic");
    op.fn = floatFn<Kind>(type);
    operands(d, type, 2);
    return;
  }
  bool x2 = d.take("u16x2") || d.take("s16x2");
  op.cls = OpClass::Integer;
  if (type == Type::None && x2) {
    d.needTarget(90, "packed 16-bit integers");
    op.fn = same2<Packed<Int, uint16_t>, uint32_t>;
    operands(d, Type::B32, 2);
    return;
  }
  op.sat = d.take("sat");
  if (op.sat && type != Type::S32)
    d.refuse("expects .sat on .s32 only");
  if (bitsOf(type) < 16 || isUntyped(type) || type == Type::None)
    d.refuse("expects an integer or float type of 16 bits or more");
  operands(d, type, 2);
  op.fn = op.sat ? ExecFn(same2<Sat, int32_t>) : pickInteger2<Int>(type);
}

template <bool Subtract>
void decodeCarry(Decoder &d, bool in) {
  Op &op = d.op;
  bool out = d.take("cc");
  Type type = d.needType({Type::U32, Type::S32, Type::U64, Type::S64});
  op.type = type;
  op.cls = OpClass::Integer;
  op.a = in;
  op.b = out;
  operands(d, type, 2);
  op.o[4] = d.carryRow();
  op.fn = bitsOf(type) == 32 ? execCarry<uint32_t, Subtract>
                             : execCarry<uint64_t, Subtract>;
}

bool hasModifier(const Decoder &d, const char *name) {
  for (const std::string &m : d.statement().modifiers)
    if (m == name)
      return true;
  return false;
}

void decodeAdd(Decoder &d) {
  if (hasModifier(d, "cc"))
    return decodeCarry<false>(d, false);
  decodeAddSub<kAdd, AddInt, AddSat>(d);
}
void decodeSub(Decoder &d) {
  if (hasModifier(d, "cc"))
    return decodeCarry<true>(d, false);
  decodeAddSub<kSub, SubInt, SubSat>(d);
}
void decodeAddc(Decoder &d) { decodeCarry<false>(d, true); }
void decodeSubc(Decoder &d) { decodeCarry<true>(d, true); }

ExecFn wideFn(Type type, bool three) {
  switch (type) {
  case Type::U16:
    return three
               ? ExecFn(exec3<MadWide, uint32_t, uint16_t, uint16_t, uint32_t>)
               : exec2<MulWide, uint32_t, uint16_t, uint16_t>;
  case Type::S16:
    return three ? ExecFn(exec3<MadWide, int32_t, int16_t, int16_t, int32_t>)
                 : exec2<MulWide, int32_t, int16_t, int16_t>;
  case Type::U32:
    return three
               ? ExecFn(exec3<MadWide, uint64_t, uint32_t, uint32_t, uint64_t>)
               : exec2<MulWide, uint64_t, uint32_t, uint32_t>;
  case Type::S32:
    return three ? ExecFn(exec3<MadWide, int64_t, int32_t, int32_t, int64_t>)
                 : exec2<MulWide, int64_t, int32_t, int32_t>;
  default:
    return nullptr;
  }
}
Type widened(Type type) {
  switch (type) {
  case Type::U16:
    return Type::U32;
  case Type::S16:
    return Type::S32;
  case Type::U32:
    return Type::U64;
  default:
    return Type::S64;
  }
}

void decodeMul(Decoder &d) {
  Op &op = d.op;
  Type type = d.takeType();
  op.type = type;
  if (isFloat(type)) {
    floatModifiers(d, type, false);
    if (isBF16(type))
      d.needTarget(90, "bf16 arithmetic");
    op.fn = floatFn<kMul>(type);
    operands(d, type, 2);
    return;
  }
  op.cls = OpClass::Integer;
  if (bitsOf(type) < 16 || isUntyped(type) || type == Type::None)
    d.refuse("expects an integer or float type of 16 bits or more");
  std::string_view part = d.needAny({"lo", "hi", "wide"}, "a part");
  if (part == "wide") {
    op.fn = wideFn(type, false);
    if (!op.fn)
      d.refuse("expects .wide on 16 or 32 bits");
    d.needCount(3);
    op.o[0] = d.destination(0, widened(type));
    op.o[1] = d.source(1, type);
    op.o[2] = d.source(2, type);
    return;
  }
  operands(d, type, 2);
  op.fn = part == "lo" ? pickInteger2<MulLo>(type) : pickInteger2<MulHi>(type);
}

void decodeMad(Decoder &d) {
  Op &op = d.op;
  Type type = d.takeType();
  op.type = type;
  if (isFloat(type)) {
    if (type != Type::F32 && type != Type::F64)
      d.refuse("expects mad on .f32 or .f64");
    floatModifiers(d, type, true);
    op.fn = floatFn<kFma>(type);
    operands(d, type, 3);
    return;
  }
  op.cls = OpClass::Integer;
  if (bitsOf(type) < 16 || isUntyped(type) || type == Type::None)
    d.refuse("expects an integer or float type of 16 bits or more");
  std::string_view part = d.needAny({"lo", "hi", "wide"}, "a part");
  if (part == "wide") {
    op.fn = wideFn(type, true);
    if (!op.fn)
      d.refuse("expects .wide on 16 or 32 bits");
    d.needCount(4);
    op.o[0] = d.destination(0, widened(type));
    op.o[1] = d.source(1, type);
    op.o[2] = d.source(2, type);
    op.o[3] = d.source(3, widened(type));
    return;
  }
  operands(d, type, 3);
  if (d.take("cc")) {
    if (bitsOf(type) < 32)
      d.refuse("expects .cc on 32 or 64 bits");
    op.b = 1;
    op.c = part == "hi";
    op.o[4] = d.carryRow();
    op.fn =
        bitsOf(type) == 32 ? execMadCarry<uint32_t> : execMadCarry<uint64_t>;
    return;
  }
  op.fn = part == "lo" ? pickInteger3<MadLo>(type) : pickInteger3<MadHi>(type);
}

void decodeMadc(Decoder &d) {
  Op &op = d.op;
  Type type = d.needType({Type::U32, Type::S32, Type::U64, Type::S64});
  op.type = type;
  op.cls = OpClass::Integer;
  op.c = d.needAny({"lo", "hi"}, "a part") == "hi";
  op.a = 1;
  op.b = d.take("cc");
  operands(d, type, 3);
  op.o[4] = d.carryRow();
  op.fn = bitsOf(type) == 32 ? execMadCarry<uint32_t> : execMadCarry<uint64_t>;
}

template <bool Mad>
void decode24(Decoder &d) {
  Op &op = d.op;
  bool high = d.needAny({"lo", "hi"}, "a part") == "hi";
  Type type = d.needType({Type::U32, Type::S32});
  op.cls = OpClass::Integer;
  operands(d, type, Mad ? 3 : 2);
  bool s = type == Type::S32;
  if (Mad)
    op.fn = s ? (high ? same3<Mul24<true, true>, uint32_t>
                      : same3<Mul24<true, false>, uint32_t>)
              : (high ? same3<Mul24<false, true>, uint32_t>
                      : same3<Mul24<false, false>, uint32_t>);
  else
    op.fn = s ? (high ? same2<Mul24<true, true>, uint32_t>
                      : same2<Mul24<true, false>, uint32_t>)
              : (high ? same2<Mul24<false, true>, uint32_t>
                      : same2<Mul24<false, false>, uint32_t>);
}

void decodeFma(Decoder &d) {
  Type type = d.needType(
      {Type::F32, Type::F64, Type::F16, Type::F16x2, Type::BF16, Type::BF16x2});
  floatModifiers(d, type, true);
  if (isBF16(type))
    d.needTarget(80, "bf16 fma");
  if (is16(type))
    d.op.a = d.take("relu");
  d.op.fn = floatFn<kFma>(type);
  operands(d, type, 3);
}

void decodeDiv(Decoder &d) {
  Op &op = d.op;
  Type type = d.takeType();
  op.type = type;
  if (type == Type::F32) {
    op.cls = OpClass::Float;
    // .approx and .full leave 2 ulp open; they are exact here unless the
    // worst rounding is asked for (Approximate.cpp).
    if (d.take("approx") || d.take("full")) {
      op.ftz = d.take("ftz");
      operands(d, type, 2);
      op.fn = approximateDivision();
      return;
    }
    if (!d.takeRounding(op.rounding))
      d.refuse("expects .approx, .full or a rounding, but got none");
    op.ftz = d.take("ftz");
    op.fn = same2<Float32<kDiv>, float>;
    operands(d, type, 2);
    return;
  }
  if (type == Type::F64) {
    op.cls = OpClass::Double;
    if (!d.takeRounding(op.rounding))
      d.refuse("expects a rounding among .rn, .rz, .rm, .rp, but got none");
    op.fn = same2<Float64<kDiv>, double>;
    operands(d, type, 2);
    return;
  }
  if (!isSigned(type) && !isUnsigned(type))
    d.refuse("expects an integer, .f32 or .f64 type");
  op.cls = OpClass::Integer;
  operands(d, type, 2);
  op.fn = pickInteger2<DivInt>(type);
}

void decodeRem(Decoder &d) {
  Type type = d.needType(
      {Type::U16, Type::S16, Type::U32, Type::S32, Type::U64, Type::S64});
  d.op.cls = OpClass::Integer;
  operands(d, type, 2);
  d.op.fn = pickInteger2<RemInt>(type);
}

template <bool Max, class Int>
void decodeMinMax(Decoder &d) {
  Op &op = d.op;
  Type type = d.takeType();
  op.type = type;
  if (isFloat(type)) {
    op.cls = floatClass(type);
    if (type != Type::F64) {
      if (!isBF16(type))
        op.ftz = d.take("ftz");
      op.a = d.take("NaN");
      if (d.take("xorsign")) {
        if (!d.take("abs"))
          d.refuse("expects .xorsign.abs");
        op.b = 1;
      }
    }
    if (is16(type))
      d.needTarget(80, "16-bit float min and max");
    bool three = d.count() == 4;
    if (three) {
      d.needTarget(100, "min and max of three");
      if (type != Type::F32)
        d.refuse("expects three sources on .f32 only");
      op.fn = same3<MinMax<Max>, float>;
      operands(d, type, 3);
      return;
    }
    operands(d, type, 2);
    switch (type) {
    case Type::F32:
      op.fn = same2<MinMax<Max>, float>;
      break;
    case Type::F64:
      op.fn = same2<MinMax<Max>, double>;
      break;
    case Type::F16:
      op.fn = same2<MinMax<Max>, Half>;
      break;
    case Type::BF16:
      op.fn = same2<MinMax<Max>, BFloat>;
      break;
    case Type::F16x2:
      op.fn = same2<PackedHalf<MinMax<Max>, Half>, uint32_t>;
      break;
    case Type::BF16x2:
      op.fn = same2<PackedHalf<MinMax<Max>, BFloat>, uint32_t>;
      break;
    default:
      d.refuse("expects an integer or float type");
    }
    return;
  }
  op.cls = OpClass::Integer;
  bool relu = d.take("relu");
  if (type == Type::None) {
    bool s = d.take("s16x2"), u = !s && d.take("u16x2");
    if (!s && !u)
      d.refuse("expects a type");
    d.needTarget(90, "packed 16-bit integers");
    if (relu && !s)
      d.refuse("expects .relu on signed types");
    operands(d, Type::B32, 2);
    op.fn = relu ? same2<Packed<Relu<Int>, int16_t>, uint32_t>
            : s  ? same2<Packed<Int, int16_t>, uint32_t>
                 : same2<Packed<Int, uint16_t>, uint32_t>;
    return;
  }
  if (bitsOf(type) < 16 || isUntyped(type))
    d.refuse("expects an integer or float type of 16 bits or more");
  operands(d, type, 2);
  if (relu) {
    if (type != Type::S32)
      d.refuse("expects .relu on .s32 or .s16x2");
    op.fn = same2<Relu<Int>, int32_t>;
    return;
  }
  op.fn = pickInteger2<Int>(type);
}

template <bool Neg, class Int>
void decodeSign(Decoder &d) {
  Op &op = d.op;
  Type type = d.takeType();
  op.type = type;
  if (isFloat(type) && type != Type::TF32) {
    op.cls = floatClass(type);
    if (type != Type::F64)
      op.ftz = d.take("ftz");
    operands(d, type, 1);
    switch (type) {
    case Type::F32:
      op.fn = same1<SignBit<Neg>, float>;
      break;
    case Type::F64:
      op.fn = same1<SignBit<Neg>, double>;
      break;
    case Type::F16:
    case Type::BF16:
      op.fn = same1<SignBit16<Neg, false>, uint32_t>;
      break;
    default:
      op.fn = same1<SignBit16<Neg, true>, uint32_t>;
    }
    return;
  }
  if (!isSigned(type) || bitsOf(type) < 16)
    d.refuse("expects a signed integer or float type of 16 bits or more");
  op.cls = OpClass::Integer;
  operands(d, type, 1);
  op.fn = pickInteger1<Int>(type);
}

void decodeSad(Decoder &d) {
  Type type = d.needType(
      {Type::U16, Type::S16, Type::U32, Type::S32, Type::U64, Type::S64});
  d.op.cls = OpClass::Integer;
  operands(d, type, 3);
  d.op.fn = pickInteger3<Sad>(type);
}

} // namespace

ExecFn attn::emu::exactUnary(Type type, bool reciprocal) {
  if (type == Type::F32)
    return reciprocal ? same1<Float32<kRcp>, float>
                      : same1<Float32<kSqrt>, float>;
  return reciprocal ? same1<Float64<kRcp>, double>
                    : same1<Float64<kSqrt>, double>;
}

void attn::emu::addArithmetic(InstructionTable &table) {
  table["add"] = decodeAdd;
  table["sub"] = decodeSub;
  table["addc"] = decodeAddc;
  table["subc"] = decodeSubc;
  table["mul"] = decodeMul;
  table["mad"] = decodeMad;
  table["madc"] = decodeMadc;
  table["mul24"] = decode24<false>;
  table["mad24"] = decode24<true>;
  table["fma"] = decodeFma;
  table["div"] = decodeDiv;
  table["rem"] = decodeRem;
  table["min"] = decodeMinMax<false, MinInt>;
  table["max"] = decodeMinMax<true, MaxInt>;
  table["neg"] = decodeSign<true, NegInt>;
  table["abs"] = decodeSign<false, AbsInt>;
  table["sad"] = decodeSad;
}
