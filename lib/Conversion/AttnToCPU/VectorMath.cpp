//===- VectorMath.cpp - exp2, log and conversions on scalars and vectors -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Our own, because LLVM leaves exp scalar and calls a library for bf16.
//===----------------------------------------------------------------------===//

#include "Emit.h"

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
static constexpr double kExp2F64[] = {
    0.9999999999999999971,    0.69314718055994533046,   0.24022650695910156204,
    0.055504108664819921605,  0.0096181291075883352443, 0.0013333558146789921722,
    0.00015403530462530462144, 0.000015252733489988525649, 1.321543308967639918e-6,
    1.0178198021671930844e-7, 7.0741056135081427963e-9, 4.4352827069572771511e-10};

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

Value Emit::exp2(Value x) {
  // 2^x = 2^r * 2^f with r = round(x): adding 1.5 * 2^23 leaves r in the low bits
  // of the sum, which shifted up are the exponent of 2^r.
  Type type = x.getType();
  bool isDouble = getElementTypeOrSelf(type).isF64();
  unsigned bits = isDouble ? 64 : 32, mantissa = isDouble ? 52 : 23;
  int64_t one = isDouble ? int64_t(1023) << 52 : int64_t(127) << 23;
  ArrayRef<double> fit = isDouble ? ArrayRef<double>(kExp2F64) : ArrayRef<double>(kExp2F32);
  Value magic = num(isDouble ? 6755399441055744.0 : 12582912.0, type);
  Value shifted = fadd(x, magic);
  Value f = fsub(x, fsub(shifted, magic));
  Value p = num(fit.back(), type);
  for (double c : llvm::reverse(fit.drop_back()))
    p = fma(p, f, num(c, type));
  Type intType = integerLike(type, bits);
  Value exponent = arith::ShLIOp::create(b, loc, arith::BitcastOp::create(b, loc, intType, shifted),
                                         integer(*this, mantissa, intType));
  exponent = arith::AddIOp::create(b, loc, exponent, integer(*this, one, intType));
  // A product, not an addition to p's exponent bits: p may be NaN and must stay so.
  Value result = fmul(p, arith::BitcastOp::create(b, loc, type, exponent));
  Value under = fcmp(arith::CmpFPredicate::OLT, x, num(isDouble ? -1022.0 : -126.0, type));
  return select(under, num(0.0, type), result);
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
  // l = f * 2^k with f in [1, 2), and ln(2) = c + d with k * c exact: then
  // m * factor + k * c may cancel without harm, and the rest is small.
  constexpr double c = 0.693359375;
  constexpr double d = -2.1219444005469058277e-4;
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
  Value rest = fma(k, num(d, type), log(f));
  if (low != 0.0)
    rest = fma(m, num(low, type), rest);
  Value lse = fadd(fma(m, num(high, type), fmul(k, num(c, type))), rest);
  // NaN and infinity stay what they are.
  Value finite = fcmp(arith::CmpFPredicate::OLT, l,
                      num(std::numeric_limits<double>::infinity(), type));
  return select(finite, lse, l);
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
    Type f32 = Float32Type::get(b.getContext());
    if (auto vector = dyn_cast<VectorType>(type))
      f32 = VectorType::get(vector.getShape(), f32);
    Value value = arith::BitcastOp::create(b, loc, f32, bits);
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
