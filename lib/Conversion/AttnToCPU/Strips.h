//===- Strips.h - What kernels of blocks of queries share -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How operands lie in scratch (Staging.cpp) and products of a strip
// (Strips.cpp).
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_ATTNTOCPU_STRIPS_H
#define ATTN_LIB_CONVERSION_ATTNTOCPU_STRIPS_H

#include "../KeyLoop/LoopView.h"

namespace mlir::attn {

/// One row of a buffer. The last index is the column, which those who walk
/// along the row set.
struct Line {
  Value buffer;
  SmallVector<Value> at;

  SmallVector<Value> column(Value column) const {
    SmallVector<Value> indices(at);
    indices.back() = column;
    return indices;
  }
};

// Rows in scratch are numbers of the state type, or pairs of bf16 as i32. Of
// the rows a0 a1 a2 and b0 b1 b2, '.' being 0:
//
//   copyPairs  (a0 a1) (a2 .)                        along the row
//   zipLines   (a0 b0) (a1 b1) (a2 b2)               along the rows
//   layLanes   (a0 a1) (b0 b1) / (a2 .) (b2 .)       along the row, rows as
//   lanes

/// `width` elements, widened; columns up to `padded` are zero. `odd`, where
/// given, gains what `addOdd` says.
void copyLine(Emit &e, const Line &from, int64_t width, const Line &to,
              int64_t padded, Value *odd = nullptr);
void copyPairs(Emit &e, const Line &from, int64_t width, const Line &to);
/// No second row is one of zeros.
void zipLines(Emit &e, const Line &first, const Line *second, int64_t width,
              const Line &to, int64_t padded);
void zeroLine(Emit &e, const Line &to);
/// `odd` plus 0 for each finite element, NaN for any other.
Value addOdd(Emit &e, const Line &line, int64_t width, Value odd);

/// `count` rows of up to `lanes` as lanes: element d of row r, times `factor`,
/// is to[at(d, r)]. Lanes without a row are zero. `squares`: in transposed
/// squares where all rows are there.
struct LaneTarget {
  Value buffer;
  llvm::function_ref<SmallVector<Value>(Value d, Value r)> at;
};
void layLanes(Emit &e, llvm::function_ref<Line(Value)> line, Value count,
              int64_t width, bool pairs, double factor, bool squares,
              const LaneTarget &to);

/// Columns that are summed one after the other. A chain of n roundings errs by
/// sqrt(n / 2) units of its sum, chains of m by sqrt((m + n / m) / 2) of them: 11
/// where n = 256, 6 in chains of 64. The columns' sums of a chain leave the
/// registers once.
constexpr int64_t kChain = 64;

/// key_rows rows times q_vectors vectors of queries, row by row: the sums over
/// `depth` numbers or pairs of them, a chain after the other.
SmallVector<Value>
stripProducts(Emit &e, ScheduleAttr schedule, int64_t depth, bool pairs,
              llvm::function_ref<Value(int64_t r, Value d)> key,
              llvm::function_ref<Value(Value d, int64_t v)> query);
/// The numbers of the rows in q_vectors vectors from row `first` on, the last of
/// `count` rows repeated beyond the end.
SmallVector<Value> rowLanes(Emit &e, ScheduleAttr schedule, Value first, Value count);

// A negative weight marks a pair of a query and a key whose value must not be
// touched: the guarded forms do not multiply by it.

/// All bits of the weights that are no marks: of a number, or of each half of a
/// pair. Example: the pair (0.5, -1) gives 0x0000ffff, the lower half first.
Value liveBits(Emit &e, Value weight, bool pairs);
/// x where the bits are set, else 0.
Value maskBits(Emit &e, Value x, Value bits);

} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_ATTNTOCPU_STRIPS_H
