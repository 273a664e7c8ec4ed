//===- VectorMath.cpp - exp2, exp, tanh, log and conversions -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Our own, because LLVM leaves exp scalar and calls a library for bf16.
//===----------------------------------------------------------------------===//

#include "Emit.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace mlir::attn;

/// Minimax fits of 2^f on [-1/2, 1/2] in relative error.
static constexpr double kExp2F32[] = {1.0000000005541647956,   0.69314720573719575134,
                                      0.24022646890945520696,  0.05550328777105324799,
                                      0.0096184889563311816196, 0.0013399931177239737967,
                                      0.00015345812161311629759};
static constexpr double kShortExp2F32[] = {1.0000000716546844,   0.6931469670647604,
                                      0.2402211972384049,   0.05550713273502753,
                                      0.009675541334437128, 0.0013276471991026002};
static constexpr double kExp2F64[] = {
    0.9999999999999999971,    0.69314718055994533046,   0.24022650695910156204,
    0.055504108664819921605,  0.0096181291075883352443, 0.0013333558146789921722,
    0.00015403530462530462144, 0.000015252733489988525649, 1.321543308967639918e-6,
    1.0178198021671930844e-7, 7.0741056135081427963e-9, 4.4352827069572771511e-10};

/// tanh x / x - 1 = x^2 P(x^2) for |x| < 5/8: 2e-10 of tanh.
static constexpr double kTanhF32[] = {-0.33333330802723516245, 0.13333206008151463693,
                                      -0.053946763041674852261, 0.021700703143668225759,
                                      -0.0081773980995364152633, 0.002142961751477318114};
static constexpr double kTanhSmall = 0.625;

/// ln 2 = kLn2High + kLn2Low, where small integers times the first are exact.
static constexpr double kLn2High = 0.693359375;
static constexpr double kLn2Low = -2.1219444005469058277e-4;

static Type integerLike(Type type, unsigned bits) {
  Type integer = IntegerType::get(type.getContext(), bits);
  if (auto vector = dyn_cast<VectorType>(type))
    return VectorType::get(vector.getShape(), integer);
  return integer;
}

static Value integer(Emit &e, int64_t value, Type type) {
  auto element = cast<IntegerType>(getElementTypeOrSelf(type));
  TypedAttr attr = IntegerAttr::get(element, APInt(element.getWidth(), value, true, true));
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, cast<IntegerAttr>(attr).getValue());
  return arith::ConstantOp::create(e.b, e.loc, attr);
}

/// A call of an LLVM intrinsic on whole registers.
static Value intrinsic(Emit &e, StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(e.b, e.loc, result, e.b.getStringAttr(name), operands)
      .getResult(0);
}

static Value polynomial(Emit &e, Value x, ArrayRef<double> coefficients) {
  Value p = e.num(coefficients.back(), x.getType());
  for (double c : llvm::reverse(coefficients.drop_back()))
    p = e.fma(p, x, e.num(c, x.getType()));
  return p;
}

/// AVX-512 rounds and scales by instructions, which also send -inf to 0 and keep
/// NaN: `round` gives r, `scale` 2^r * p.
static Value scaledExp2(Emit &e, Value x, ArrayRef<double> fit) {
  Type type = x.getType();
  bool isDouble = e.state.isF64();
  auto name = [&](const char *stem) {
    return (Twine("llvm.x86.avx512.mask.") + stem + (isDouble ? ".pd.512" : ".ps.512")).str();
  };
  auto word = [&](int64_t value, unsigned bits) -> Value {
    return arith::ConstantIntOp::create(e.b, e.loc, value, bits);
  };
  Value all = word(-1, isDouble ? 8 : 16), current = word(4, 32);
  // 8: to nearest even, without raising the inexact flag.
  Value r = intrinsic(e, name("rndscale"), type, {x, word(8, 32), x, all, current});
  Value p = polynomial(e, e.fsub(x, r), fit);
  return intrinsic(e, name("scalef"), type, {p, r, p, all, current});
}

Value Emit::exp2(Value x) {
  // 2^x = 2^r * 2^f with r = round(x): adding 1.5 * 2^23 leaves r in the low bits
  // of the sum, which shifted up are the exponent of 2^r.
  Type type = x.getType();
  bool isDouble = getElementTypeOrSelf(type).isF64();
  unsigned bits = isDouble ? 64 : 32, mantissa = isDouble ? 52 : 23;
  int64_t one = isDouble ? int64_t(1023) << 52 : int64_t(127) << 23;
  ArrayRef<double> fit = isDouble    ? ArrayRef<double>(kExp2F64)
                         : shortExp2 ? ArrayRef<double>(kShortExp2F32)
                                     : ArrayRef<double>(kExp2F32);
  if (hasScale && type == vec())
    return scaledExp2(*this, x, fit);
  Value magic = num(isDouble ? 6755399441055744.0 : 12582912.0, type);
  Value shifted = fadd(x, magic);
  Value p = polynomial(*this, fsub(x, fsub(shifted, magic)), fit);
  Type intType = integerLike(type, bits);
  Value exponent = arith::ShLIOp::create(b, loc, arith::BitcastOp::create(b, loc, intType, shifted),
                                         integer(*this, mantissa, intType));
  exponent = arith::AddIOp::create(b, loc, exponent, integer(*this, one, intType));
  // A product, not an addition to p's exponent bits: p may be NaN and must stay so.
  Value result = fmul(p, arith::BitcastOp::create(b, loc, type, exponent));
  Value under = fcmp(arith::CmpFPredicate::OLT, x, num(isDouble ? -1022.0 : -126.0, type));
  return select(under, num(0.0, type), result);
}

// Functions of whole scores, which may be anything: of f32, since no library has
// f64 at a small cost.

/// x between two bounds; NaN stays NaN.
static Value clamp(Emit &e, Value x, double low, double high) {
  Value least = e.num(low, x.getType()), most = e.num(high, x.getType());
  x = e.select(e.fcmp(arith::CmpFPredicate::OLT, x, least), least, x);
  return e.select(e.fcmp(arith::CmpFPredicate::OGT, x, most), most, x);
}

/// x to the nearest integer, |x| < 2^22.
static Value roundSmall(Emit &e, Value x) {
  Value magic = e.num(12582912.0, x.getType());
  return e.fsub(e.fadd(x, magic), magic);
}

/// 2^(n + f) for n in [-150, 129] and |f| <= 1/2. Half of n at a time, so that 2^129
/// is infinite and 2^-140 has what is left of its digits.
static Value powerOfTwo(Emit &e, Value n, Value f) {
  Value p = polynomial(e, f, kExp2F32);
  Type bits = integerLike(n.getType(), 32);
  Value whole = arith::FPToSIOp::create(e.b, e.loc, bits, n);
  Value first = arith::ShRSIOp::create(e.b, e.loc, whole, integer(e, 1, bits));
  Value second = arith::SubIOp::create(e.b, e.loc, whole, first);
  auto power = [&](Value exponent) -> Value {
    exponent = arith::AddIOp::create(e.b, e.loc, exponent, integer(e, 127, bits));
    exponent = arith::ShLIOp::create(e.b, e.loc, exponent, integer(e, 23, bits));
    return arith::BitcastOp::create(e.b, e.loc, n.getType(), exponent);
  };
  return e.fmul(e.fmul(p, power(first)), power(second));
}

Value Emit::anyExp2(Value x) {
  Type type = x.getType();
  if (!getElementTypeOrSelf(type).isF32())
    return math::Exp2Op::create(b, loc, x);
  Value bounded = clamp(*this, x, -150.0, 129.0), n = roundSmall(*this, bounded);
  return powerOfTwo(*this, n, fsub(bounded, n));
}

Value Emit::anyExp(Value x) {
  Type type = x.getType();
  if (!getElementTypeOrSelf(type).isF32())
    return math::ExpOp::create(b, loc, x);
  constexpr double log2e = 1.4426950408889634074;
  Value bounded = clamp(*this, x, -104.0, 89.0);
  Value n = roundSmall(*this, fmul(bounded, num(log2e, type)));
  Value rest = fma(n, num(-kLn2High, type), bounded); // x - n ln 2
  rest = fma(n, num(-kLn2Low, type), rest);
  return powerOfTwo(*this, n, fmul(rest, num(log2e, type)));
}

Value Emit::anyTanh(Value x) {
  Type type = x.getType();
  if (!getElementTypeOrSelf(type).isF32())
    return math::TanhOp::create(b, loc, x);
  Value square = fmul(x, x), size = math::AbsFOp::create(b, loc, x);
  Value small = fma(x, fmul(square, polynomial(*this, square, kTanhF32)), x);
  // 1 - 2 / (e^2x + 1), where nothing cancels; e^2x may be infinite.
  Value one = num(1.0, type), two = num(2.0, type);
  Value large = fsub(one, fdiv(two, fadd(anyExp(fmul(size, two)), one)));
  large = math::CopySignOp::create(b, loc, large, x);
  Value isSmall = fcmp(arith::CmpFPredicate::OLT, size, num(kTanhSmall, type));
  return select(isSmall, small, large);
}

/// `factor` as the sum of two numbers of the type.
static std::pair<double, double> split(long double factor, bool isDouble) {
  long double high = isDouble ? static_cast<double>(factor) : static_cast<float>(factor);
  return {static_cast<double>(high), static_cast<double>(factor - high)};
}

Value Emit::scaledSum(Value x, long double factor, Value y) {
  Type type = x.getType();
  auto [high, low] = split(factor, getElementTypeOrSelf(type).isF64());
  if (low != 0.0)
    y = fma(x, num(low, type), y);
  return fma(x, num(high, type), y);
}

Value Emit::logSumExp(Value m, long double factor, Value l) {
  // l = f * 2^k with f in [1, 2): m * factor + k * kLn2High may cancel without
  // harm, and the rest is small.
  Type type = l.getType();
  bool isDouble = getElementTypeOrSelf(type).isF64();
  unsigned mantissa = isDouble ? 52 : 23;
  int64_t bias = isDouble ? 1023 : 127;
  Type intType = integerLike(type, isDouble ? 64 : 32);
  auto constant = [&](int64_t value) { return integer(*this, value, intType); };
  Value bits = arith::BitcastOp::create(b, loc, intType, l);
  Value k = arith::ShRUIOp::create(b, loc, bits, constant(mantissa));
  k = arith::SubIOp::create(b, loc, k, constant(bias));
  k = arith::SIToFPOp::create(b, loc, type, k);
  Value fraction = arith::AndIOp::create(b, loc, bits, constant((int64_t(1) << mantissa) - 1));
  fraction = arith::OrIOp::create(b, loc, fraction, constant(bias << mantissa));
  Value f = arith::BitcastOp::create(b, loc, type, fraction);
  auto [high, low] = split(factor, isDouble);
  Value rest = fma(k, num(kLn2Low, type), log(f));
  if (low != 0.0)
    rest = fma(m, num(low, type), rest);
  Value lse = fadd(fma(m, num(high, type), fmul(k, num(kLn2High, type))), rest);
  // NaN and infinity stay what they are.
  Value finite = fcmp(arith::CmpFPredicate::OLT, l,
                      num(std::numeric_limits<double>::infinity(), type));
  return select(finite, lse, l);
}

static Type f32Like(Type type) {
  Type f32 = Float32Type::get(type.getContext());
  if (auto vector = dyn_cast<VectorType>(type))
    return VectorType::get(vector.getShape(), f32);
  return f32;
}

/// f16 bits (in i32) to f32: the exponent moves by 112, which one product with
/// 2^112 does for denormals as well; infinities and NaN get their exponent back.
static Value halfToSingle(Emit &e, Value bits, Type f32) {
  Type i32 = bits.getType();
  auto constant = [&](int64_t value) { return integer(e, value, i32); };
  Value magnitude = arith::AndIOp::create(e.b, e.loc, bits, constant(0x7fff));
  Value shifted = arith::ShLIOp::create(e.b, e.loc, magnitude, constant(13));
  Value scaled = e.fmul(arith::BitcastOp::create(e.b, e.loc, f32, shifted),
                        e.num(5192296858534827628530496329220096.0, f32));
  Value special = arith::OrIOp::create(e.b, e.loc, shifted, constant(0x7f800000));
  Value isSpecial = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::uge, magnitude,
                                          constant(0x7c00));
  Value value = e.select(isSpecial, special, arith::BitcastOp::create(e.b, e.loc, i32, scaled));
  Value sign = arith::ShLIOp::create(
      e.b, e.loc, arith::AndIOp::create(e.b, e.loc, bits, constant(0x8000)), constant(16));
  return arith::BitcastOp::create(e.b, e.loc, f32, arith::OrIOp::create(e.b, e.loc, value, sign));
}

/// f32 bits to f16 bits (in i32), to nearest even. Below the smallest normal f16
/// adding 0.5 leaves the denormal's bits, rounded, at the end of the sum.
static Value singleToHalf(Emit &e, Value bits, Type f32) {
  Type i32 = bits.getType();
  auto constant = [&](int64_t value) { return integer(e, value, i32); };
  auto add = [&](Value x, Value y) -> Value { return arith::AddIOp::create(e.b, e.loc, x, y); };
  auto at = [&](arith::CmpIPredicate predicate, Value x, int64_t y) -> Value {
    return arith::CmpIOp::create(e.b, e.loc, predicate, x, constant(y));
  };
  Value magnitude = arith::AndIOp::create(e.b, e.loc, bits, constant(0x7fffffff));
  Value odd = arith::AndIOp::create(
      e.b, e.loc, arith::ShRUIOp::create(e.b, e.loc, magnitude, constant(13)), constant(1));
  Value normal = add(add(magnitude, odd), constant(0xfff - (int64_t(112) << 23)));
  normal = arith::ShRUIOp::create(e.b, e.loc, normal, constant(13));
  Value small = e.fadd(arith::BitcastOp::create(e.b, e.loc, f32, magnitude), e.num(0.5, f32));
  Value denormal = arith::SubIOp::create(e.b, e.loc, arith::BitcastOp::create(e.b, e.loc, i32, small),
                                         constant(0x3f000000));
  Value result = e.select(at(arith::CmpIPredicate::ult, magnitude, 0x38800000), denormal, normal);
  // 65520 and above round to infinity; NaN stays one.
  result = e.select(at(arith::CmpIPredicate::uge, magnitude, 0x477ff000), constant(0x7c00), result);
  result = e.select(at(arith::CmpIPredicate::ugt, magnitude, 0x7f800000), constant(0x7e00), result);
  Value sign = arith::ShRUIOp::create(
      e.b, e.loc, arith::AndIOp::create(e.b, e.loc, bits, constant(0x80000000)), constant(16));
  return arith::OrIOp::create(e.b, e.loc, result, sign);
}

Value Emit::widen(Value x) {
  Type type = x.getType();
  Type element = getElementTypeOrSelf(type);
  if (element == state)
    return x;
  Type wide = state;
  if (auto vector = dyn_cast<VectorType>(type))
    wide = VectorType::get(vector.getShape(), state);
  if (element.isBF16()) {
    Type i32 = integerLike(type, 32);
    Value bits = arith::BitcastOp::create(b, loc, integerLike(type, 16), x);
    bits = arith::ExtUIOp::create(b, loc, i32, bits);
    bits = arith::ShLIOp::create(b, loc, bits, integer(*this, 16, i32));
    Value value = arith::BitcastOp::create(b, loc, f32Like(type), bits);
    return state.isF64() ? Value(arith::ExtFOp::create(b, loc, wide, value)) : value;
  }
  if (element.isF16() && !hasHalf) {
    Value bits = arith::BitcastOp::create(b, loc, integerLike(type, 16), x);
    bits = arith::ExtUIOp::create(b, loc, integerLike(type, 32), bits);
    Value value = halfToSingle(*this, bits, f32Like(type));
    return state.isF64() ? Value(arith::ExtFOp::create(b, loc, wide, value)) : value;
  }
  if (cast<FloatType>(element).getWidth() > state.getWidth())
    return arith::TruncFOp::create(b, loc, wide, x);
  return arith::ExtFOp::create(b, loc, wide, x);
}

Value Emit::narrow(Value x, Type element) {
  Type type = x.getType();
  if (getElementTypeOrSelf(type) == element)
    return x;
  Type target = element;
  if (auto vector = dyn_cast<VectorType>(type))
    target = VectorType::get(vector.getShape(), element);
  if (element.isF16() && !hasHalf) {
    Value bits = arith::BitcastOp::create(b, loc, integerLike(type, 32), x);
    bits = singleToHalf(*this, bits, f32Like(type));
    bits = arith::TruncIOp::create(b, loc, integerLike(type, 16), bits);
    return arith::BitcastOp::create(b, loc, target, bits);
  }
  if (!element.isBF16())
    return arith::TruncFOp::create(b, loc, target, x);
  // Round to nearest even on the upper half: add 0x7fff plus its last bit; a NaN
  // keeps its upper half, made quiet.
  Type i32 = integerLike(type, 32);
  Value bits = arith::BitcastOp::create(b, loc, i32, x);
  Value upper = arith::ShRUIOp::create(b, loc, bits, integer(*this, 16, i32));
  Value odd = arith::AndIOp::create(b, loc, upper, integer(*this, 1, i32));
  Value rounded = arith::AddIOp::create(
      b, loc, bits, arith::AddIOp::create(b, loc, odd, integer(*this, 0x7fff, i32)));
  rounded = arith::ShRUIOp::create(b, loc, rounded, integer(*this, 16, i32));
  Value quiet = arith::OrIOp::create(b, loc, upper, integer(*this, 0x40, i32));
  Value nan = fcmp(arith::CmpFPredicate::UNO, x, x);
  Value half = arith::TruncIOp::create(b, loc, integerLike(type, 16), select(nan, quiet, rounded));
  return arith::BitcastOp::create(b, loc, target, half);
}

Value Emit::log(Value x) { return math::LogOp::create(b, loc, x); }

//===----------------------------------------------------------------------===//
// Pairs of bf16
//===----------------------------------------------------------------------===//

Value Emit::dotPairs(Value x, Value y, Value z) {
  auto pairs = VectorType::get({2 * lanes}, b.getBF16Type());
  auto asPairs = [&](Value v) { return vector::BitCastOp::create(b, loc, pairs, v); };
  return intrinsic(*this, "llvm.x86.avx512bf16.dpbf16ps.512", z.getType(), {z, asPairs(x), asPairs(y)});
}

Value Emit::loadPairs(Value memref, ValueRange at) {
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  Value x = vector::LoadOp::create(b, loc, VectorType::get({2 * lanes}, element), memref, at);
  return vector::BitCastOp::create(b, loc, vec(b.getI32Type()), x);
}

Value Emit::roundBoth(Value first, Value second) {
  // The instruction's first operand becomes the upper half.
  return intrinsic(*this, "llvm.x86.avx512bf16.cvtne2ps2bf16.512",
                   VectorType::get({2 * lanes}, b.getBF16Type()),
                   {second, first});
}

Value Emit::zipHalves(Value both) {
  auto words = VectorType::get({2 * lanes}, b.getI16Type());
  Value bits = vector::BitCastOp::create(b, loc, words, both);
  SmallVector<int64_t> order;
  for (int64_t lane = 0; lane < lanes; ++lane)
    order.append({lane, lanes + lane});
  bits = vector::ShuffleOp::create(b, loc, bits, bits, order);
  return vector::BitCastOp::create(b, loc, vec(b.getI32Type()), bits);
}

Value Emit::half(Value both, int64_t which) {
  Value pairs = vector::BitCastOp::create(b, loc, vec(b.getI32Type()), both);
  SmallVector<int64_t> order;
  for (int64_t lane = 0; lane < lanes / 2; ++lane)
    order.push_back(which * lanes / 2 + lane);
  return vector::ShuffleOp::create(b, loc, pairs, pairs, order);
}

Value Emit::zipPairs(Value first, Value second) {
  Type words = integerLike(first.getType(), 16), pairs = integerLike(first.getType(), 32);
  auto bits = [&](Value x) -> Value {
    return arith::ExtUIOp::create(b, loc, pairs, arith::BitcastOp::create(b, loc, words, x));
  };
  Value upper = arith::ShLIOp::create(b, loc, bits(second), integer(*this, 16, pairs));
  return arith::OrIOp::create(b, loc, bits(first), upper);
}
