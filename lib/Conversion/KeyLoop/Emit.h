//===- Emit.h - Short names for building scf and vector code -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the backends.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_KEYLOOP_EMIT_H
#define ATTN_LIB_CONVERSION_KEYLOOP_EMIT_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"

namespace mlir::attn {

/// A builder at one location with the few operations the kernels are made of.
/// Integer operands are `index`; float operands are scalars or vectors.
struct Emit {
  Emit(OpBuilder &b, Location loc, FloatType state, int64_t lanes, bool hasFma,
       bool hasHalf = false)
      : b(b), loc(loc), state(state), lanes(lanes), hasFma(hasFma), hasHalf(hasHalf) {}

  OpBuilder &b;
  Location loc;
  FloatType state; // f32 or f64: scores and states
  int64_t lanes; // of a vector; 0 where all code is scalar
  bool hasFma;
  bool hasHalf; // converts f16 by instructions
  bool hasScale = false; // AVX-512's own steps of 2^x on whole registers
  bool shortExp2 = false; // weights are only divided by their sum
  bool hasDot = false;   // AVX-512's products of pairs of bf16

  // Index arithmetic.
  Value idx(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value add(Value x, int64_t y) { return y ? add(x, idx(y)) : x; }
  Value sub(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulIOp::create(b, loc, x, y); }
  Value mul(Value x, int64_t y) { return mul(x, idx(y)); }
  Value div(Value x, Value y) { return arith::DivUIOp::create(b, loc, x, y); }
  Value div(Value x, int64_t y) { return div(x, idx(y)); }
  Value rem(Value x, Value y) { return arith::RemUIOp::create(b, loc, x, y); }
  Value ceilDiv(Value x, int64_t y) { return div(add(x, y - 1), y); }
  Value min(Value x, Value y) { return arith::MinSIOp::create(b, loc, x, y); }
  Value max(Value x, Value y) { return arith::MaxSIOp::create(b, loc, x, y); }
  Value roundDown(Value x, int64_t y) { return mul(div(x, y), y); }
  Value cmp(arith::CmpIPredicate p, Value x, Value y) {
    return arith::CmpIOp::create(b, loc, p, x, y);
  }
  Value lt(Value x, Value y) { return cmp(arith::CmpIPredicate::slt, x, y); }
  Value le(Value x, Value y) { return cmp(arith::CmpIPredicate::sle, x, y); }
  Value band(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
  Value bor(Value x, Value y) { return arith::OrIOp::create(b, loc, x, y); }
  Value select(Value c, Value x, Value y) { return arith::SelectOp::create(b, loc, c, x, y); }
  Value toI32(Value x) { return arith::IndexCastOp::create(b, loc, b.getI32Type(), x); }
  Value toI64(Value x) { return arith::IndexCastOp::create(b, loc, b.getI64Type(), x); }
  Value toIndex(Value x) { return arith::IndexCastOp::create(b, loc, b.getIndexType(), x); }

  // Floats: `like` gives the type, scalar or vector.
  VectorType vec(Type element) { return VectorType::get({lanes}, element); }
  VectorType vec() { return vec(state); }
  Value num(double value, Type type) {
    auto element = cast<FloatType>(getElementTypeOrSelf(type));
    TypedAttr attr = b.getFloatAttr(element, value);
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(vector, attr);
    return arith::ConstantOp::create(b, loc, attr);
  }
  Value numVec(double value) { return num(value, vec()); }
  Value fadd(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value fsub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value fmul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value fdiv(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value fcmp(arith::CmpFPredicate p, Value x, Value y) {
    return arith::CmpFOp::create(b, loc, p, x, y);
  }
  /// x * y + z, fused where the target has it (elsewhere a call per lane).
  Value fma(Value x, Value y, Value z);
  /// The larger one, z where x is NaN: one instruction, unlike maxnum.
  Value fmax(Value x, Value z) { return select(fcmp(arith::CmpFPredicate::OGT, x, z), x, z); }
  Value splat(Value scalar) {
    return vector::BroadcastOp::create(b, loc, vec(scalar.getType()), scalar);
  }
  /// Sum or any of the lanes.
  Value sumLanes(Value vector);
  Value maxLanes(Value vector);
  Value anyLane(Value mask);
  /// `lanes` vectors with rows and lanes exchanged (Shuffles.cpp).
  SmallVector<Value> transpose(ArrayRef<Value> rows);
  /// Lane i is the sum of the lanes of vector i, 0 beyond the last (Shuffles.cpp):
  /// a third of the work of summing each alone.
  Value sumEach(ArrayRef<Value> vectors);
  /// 0, 1, 2, ... as i32 lanes.
  Value iota();

  // Memory.
  Value load(Value memref, ValueRange at) {
    return memref::LoadOp::create(b, loc, memref, at);
  }
  void store(Value value, Value memref, ValueRange at) {
    memref::StoreOp::create(b, loc, value, memref, at);
  }
  Value loadVec(Value memref, ValueRange at) {
    return vector::LoadOp::create(b, loc, vec(cast<MemRefType>(memref.getType()).getElementType()),
                                  memref, at);
  }
  void storeVec(Value value, Value memref, ValueRange at) {
    vector::StoreOp::create(b, loc, value, memref, at);
  }
  Value dim(Value memref, int64_t axis) { return memref::DimOp::create(b, loc, memref, axis); }

  // Control. The body gets the induction variable and the carried values and
  // returns their next values.
  using LoopBody = llvm::function_ref<SmallVector<Value>(Value, ValueRange)>;
  SmallVector<Value> loop(Value from, Value to, int64_t step, ValueRange carried, LoopBody body);
  void loop(Value from, Value to, int64_t step, llvm::function_ref<void(Value)> body) {
    loop(from, to, step, {}, [&](Value i, ValueRange) {
      body(i);
      return SmallVector<Value>{};
    });
  }
  void when(Value condition, llvm::function_ref<void()> then,
            llvm::function_ref<void()> otherwise = nullptr);
  /// Like `when`, with results.
  SmallVector<Value> choose(Value condition, llvm::function_ref<SmallVector<Value>()> then,
                            llvm::function_ref<SmallVector<Value>()> otherwise);

  // Numbers (VectorMath.cpp).
  /// 2^x: relative error 2e-9 before rounding (f32; 7.5e-8 with
  /// `shortExp2`), 3e-18 (f64); 0 below the
  /// smallest normal; NaN stays NaN. Defined for x < 127 (1023).
  Value exp2(Value x);
  /// 2^x, e^x and tanh x of any number, to two units in the last place of f32, in
  /// vectors; of f64 by a library.
  Value anyExp2(Value x);
  Value anyExp(Value x);
  Value anyTanh(Value x);
  /// 2^((x - y) * factor), the weight of a score against a maximum. The difference
  /// comes first: it is exact where the weight is large. -inf gives 0.
  Value weight(Value x, Value y, double factor) {
    return exp2(fmul(fsub(x, y), num(factor, x.getType())));
  }
  /// x * factor + y, with the factor held to twice the precision of the type.
  Value scaledSum(Value x, long double factor, Value y);
  /// m * factor + ln(l) without cancellation: a state's log-sum-exp.
  Value logSumExp(Value m, long double factor, Value l);
  /// Any storage float to the state type and back, with round to nearest even.
  /// bf16, and f16 where the target cannot, by integer operations, so that no
  /// target needs a library call.
  Value widen(Value x);
  Value narrow(Value x, Type element);
  Value log(Value x);

  // Pairs of bf16, the first in the lower half of an i32 (VectorMath.cpp); only
  // where `hasDot`.
  /// z + x.first * y.first + x.second * y.second, per lane.
  Value dotPairs(Value x, Value y, Value z);
  /// Whether products of operands of this type are of pairs.
  bool multipliesPairs(Type storage) const {
    return hasDot && storage.isBF16();
  }
  /// The pairs of two f32 vectors, lane by lane, rounded to nearest even.
  Value roundToPairs(Value first, Value second) {
    return zipHalves(roundBoth(first, second));
  }
  /// Its two steps: one vector of both, rounded, then lane i of the halves side
  /// by side. `half`: a half as lanes / 2 pairs of neighbours.
  Value roundBoth(Value first, Value second);
  Value zipHalves(Value both);
  Value half(Value both, int64_t which);
  /// Neighbours in memory as pairs, `lanes` of them.
  Value loadPairs(Value memref, ValueRange at);
  /// The pairs of two bf16 vectors or scalars.
  Value zipPairs(Value first, Value second);
};

} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_KEYLOOP_EMIT_H
