//===- Warp.cpp - What one thread of a GPU kernel does -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Warp.h.
//===----------------------------------------------------------------------===//

#include "Warp.h"

#include "KernelModule.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace mlir::attn;

static constexpr int64_t kAllLanes = -1;

void Warp::open(Value shared) {
  Type i32Type = e.b.getI32Type();
  tid = NVVM::ThreadIdXOp::create(e.b, e.loc, i32Type);
  laneId = arith::AndIOp::create(e.b, e.loc, tid, i32(31));
  warpId = arith::ShRUIOp::create(e.b, e.loc, tid, i32(5));
  base = shared;
}

Value Warp::fresh(Value x) {
  auto dialect =
      LLVM::AsmDialectAttr::get(e.b.getContext(), LLVM::AsmDialect::AD_ATT);
  return LLVM::InlineAsmOp::create(
             e.b, e.loc, x.getType(), x, "mov.b32 $0, $1;", "=r,r",
             /*has_side_effects=*/true, /*is_align_stack=*/false,
             LLVM::TailCallKind::None, dialect, ArrayAttr())
      .getResult(0);
}

Value Warp::shared(Value offset) {
  return LLVM::GEPOp::create(e.b, e.loc, base.getType(), e.b.getI8Type(), base,
                             ValueRange{offset});
}

Value Warp::loadShared(Type type, Value offset, unsigned alignment) {
  return LLVM::LoadOp::create(e.b, e.loc, type, shared(offset), alignment);
}

void Warp::storeShared(Value value, Value offset, unsigned alignment) {
  LLVM::StoreOp::create(e.b, e.loc, value, shared(offset), alignment);
}

SmallVector<Value> Warp::ldmatrix(Value offset, bool transposed) {
  Type i32Type = e.b.getI32Type();
  Type four = LLVM::LLVMStructType::getLiteral(e.b.getContext(),
                                               SmallVector<Type>(4, i32Type));
  Value loaded = NVVM::LdMatrixOp::create(
      e.b, e.loc, four, shared(offset), /*num=*/4,
      transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(e.b.getContext(), 8, 8),
      NVVM::LdStMatrixEltType::B16);
  SmallVector<Value> registers;
  for (int64_t n = 0; n < 4; ++n)
    registers.push_back(LLVM::ExtractValueOp::create(e.b, e.loc, loaded, n));
  return registers;
}

void Warp::copyAsync(Value offset, Value source, Value bytes) {
  Type global = LLVM::LLVMPointerType::get(e.b.getContext(), kGlobalSpace);
  Value from = LLVM::IntToPtrOp::create(e.b, e.loc, global, e.toI64(source));
  NVVM::CpAsyncOp::create(e.b, e.loc, shared(offset), from, /*size=*/16,
                          NVVM::LoadCacheModifierKind::CG, bytes);
}

void Warp::commit() { NVVM::CpAsyncCommitGroupOp::create(e.b, e.loc); }
void Warp::wait(int64_t pending) {
  NVVM::CpAsyncWaitGroupOp::create(e.b, e.loc, pending);
}
void Warp::barrier() { gpu::BarrierOp::create(e.b, e.loc); }

SmallVector<Value> Warp::mma(ArrayRef<Value> a, ArrayRef<Value> b,
                             ArrayRef<Value> c, Type element) {
  bool half = element.isF16();
  Type operand =
      half ? Type(VectorType::get({2}, element)) : Type(e.b.getI32Type());
  auto registers = [&](ArrayRef<Value> values) {
    SmallVector<Value> cast;
    for (Value value : values)
      cast.push_back(
          half ? LLVM::BitcastOp::create(e.b, e.loc, operand, value).getResult()
               : value);
    return cast;
  };
  NVVM::MMATypes type = half ? NVVM::MMATypes::f16 : NVVM::MMATypes::bf16;
  Type four = LLVM::LLVMStructType::getLiteral(
      e.b.getContext(), SmallVector<Type>(4, e.b.getF32Type()));
  Value product = NVVM::MmaOp::create(
      e.b, e.loc, four, registers(a), registers(b), c,
      ArrayRef<int64_t>{16, 8, 16}, std::nullopt, std::nullopt,
      std::array<NVVM::MMATypes, 2>{type, type},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row,
                                     NVVM::MMALayout::col});
  SmallVector<Value> sums;
  for (int64_t n = 0; n < 4; ++n)
    sums.push_back(LLVM::ExtractValueOp::create(e.b, e.loc, product, n));
  return sums;
}

Value Warp::pack(Value low, Value high, Type element) {
  Value pair = vector::FromElementsOp::create(
      e.b, e.loc, VectorType::get({2}, e.b.getF32Type()),
      ValueRange{low, high});
  Value narrow =
      arith::TruncFOp::create(e.b, e.loc, VectorType::get({2}, element), pair);
  return LLVM::BitcastOp::create(e.b, e.loc, e.b.getI32Type(), narrow);
}

Value Warp::shuffle(Value x, Value lane, NVVM::ShflKind kind) {
  // No clamp but the warp's own: exchanges stay within four lanes by
  // themselves.
  return NVVM::ShflOp::create(e.b, e.loc, x.getType(), i32(kAllLanes), x, lane,
                              i32(31), kind, UnitAttr());
}

Value Warp::quadMax(Value x) {
  for (int64_t distance : {1, 2})
    x = e.fmax(shuffle(x, i32(distance), NVVM::ShflKind::bfly), x);
  return x;
}

Value Warp::quadSum(Value x) {
  for (int64_t distance : {1, 2})
    x = e.fadd(x, shuffle(x, i32(distance), NVVM::ShflKind::bfly));
  return x;
}

Value Warp::quadRead(Value x, int64_t of) {
  Value first = arith::AndIOp::create(e.b, e.loc, laneId, i32(~int64_t(3)));
  return shuffle(x, add(first, of), NVVM::ShflKind::idx);
}

Value Warp::any(Value condition) {
  return NVVM::VoteSyncOp::create(e.b, e.loc, e.b.getI1Type(), i32(kAllLanes),
                                  condition, NVVM::VoteSyncKind::any);
}

Value Warp::exp2Fast(Value x) {
  return LLVM::CallIntrinsicOp::create(
             e.b, e.loc, x.getType(),
             e.b.getStringAttr("llvm.nvvm.ex2.approx.ftz.f"), ValueRange{x})
      .getResults();
}
