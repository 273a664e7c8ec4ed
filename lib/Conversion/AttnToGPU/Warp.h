//===- Warp.h - What one thread of a GPU kernel does -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to AttnToGPU: shared memory, matrix instructions and exchange in a
// warp.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_ATTNTOGPU_WARP_H
#define ATTN_LIB_CONVERSION_ATTNTOGPU_WARP_H

#include "../KeyLoop/Emit.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

namespace mlir::attn {

/// Writes the code of one thread. Offsets into shared memory are i32 bytes from
/// the start of the block's dynamic shared memory.
class Warp {
public:
  explicit Warp(Emit &e) : e(e) {}

  /// Reads the thread's place; call once, at the start of the kernel, whose
  /// shared memory starts at `shared`.
  void open(Value shared);
  Value thread() const { return tid; }  // i32
  Value lane() const { return laneId; } // i32
  Value warp() const { return warpId; } // i32

  // i32 arithmetic: offsets and places within a block.
  Value i32(int64_t value) {
    return arith::ConstantIntOp::create(e.b, e.loc, value, 32);
  }
  Value add(Value x, Value y) {
    return arith::AddIOp::create(e.b, e.loc, x, y);
  }
  Value add(Value x, int64_t y) { return y ? add(x, i32(y)) : x; }
  Value mul(Value x, int64_t y) {
    return arith::MulIOp::create(e.b, e.loc, x, i32(y));
  }
  Value div(Value x, int64_t y) {
    return arith::DivUIOp::create(e.b, e.loc, x, i32(y));
  }
  Value rem(Value x, int64_t y) {
    return arith::RemUIOp::create(e.b, e.loc, x, i32(y));
  }

  /// x (i32) by a road the optimiser cannot see: what is computed from it
  /// within a loop is computed there, and takes no register around the loop.
  Value fresh(Value x);

  // Shared memory.
  Value shared(Value offset);
  Value loadShared(Type type, Value offset, unsigned alignment);
  void storeShared(Value value, Value offset, unsigned alignment);
  /// Four 8 x 8 matrices of 16-bit elements; the offset is this lane's row.
  SmallVector<Value> ldmatrix(Value offset, bool transposed);
  /// Asks for 16 bytes at the global address `source` (index), of which `bytes`
  /// (i32) are read and the rest is zero.
  void copyAsync(Value offset, Value source, Value bytes);
  void commit();
  void wait(int64_t pending);
  void barrier();

  /// D = A B + C with m16n8k16 fragments: a[4], b[2] and c[4] of this lane.
  SmallVector<Value> mma(ArrayRef<Value> a, ArrayRef<Value> b,
                         ArrayRef<Value> c, Type element);
  /// Two f32 as one register of `element`, the first in the lower half.
  Value pack(Value low, Value high, Type element);

  /// Over the four lanes that hold one row of a fragment.
  Value quadMax(Value x);
  Value quadSum(Value x);
  /// x of lane `of` (0 to 3) of this lane's four.
  Value quadRead(Value x, int64_t of);
  /// True in all lanes when it is in any.
  Value any(Value condition);

  /// 2^x by the special function unit: 2 ulp, subnormals are 0, 2^-inf = 0.
  Value exp2Fast(Value x);

private:
  Value shuffle(Value x, Value lane, NVVM::ShflKind kind);

  Emit &e;
  Value tid, laneId, warpId, base;
};

} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_ATTNTOGPU_WARP_H
