//===- BlockTable.h - The block table of a key loop -------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to the planning pass.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_TRANSFORMS_BLOCKTABLE_H
#define ATTN_LIB_DIALECT_ATTN_TRANSFORMS_BLOCKTABLE_H

#include "attn/Dialect/Attn/IR/Attn.h"

namespace mlir::attn {

/// B, Hq, Hkv, Sq and Sk of an attention.
struct LoopSizes {
  OpFoldResult batch, heads, kvHeads, queries, keys;
};

/// Gives `loop`, whose regions are written, the table of the blocks of its
/// schedule. The table's regions are what `range` and `visible` need and no
/// more, so that loops with the same mask get the same table: a bias, say, is
/// none of its operands. Writes at `b`, which stands before the loop, and
/// nothing where no kernel would read the table.
void addBlockTable(OpBuilder &b, KeyLoopOp loop, const LoopSizes &sizes);

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_TRANSFORMS_BLOCKTABLE_H
