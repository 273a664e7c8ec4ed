//===- SizeOrigin.h - Where the size of a tensor comes from -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sizes that a loop hands on unchanged are known without running it.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TRANSFORMS_SIZEORIGIN_H
#define ATTN_LIB_TRANSFORMS_SIZEORIGIN_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"

namespace mlir::attn {

/// The size of one axis of a tensor.
struct AxisSize {
  Value tensor;
  int64_t axis;
  bool operator==(const AxisSize &other) const {
    return tensor == other.tensor && axis == other.axis;
  }
};

/// The earliest tensor axis that has the size of this one, as far as the
/// operations' own rules tell: through element-wise arithmetic, insertions,
/// attention, and loops and branches that leave a size as it is. Operations
/// that `b` makes on the way have no users.
///
/// Example: with %r = scf.for iter_args(%y = %x) { %z = attention of %y; yield
/// %z }, axis 2 of %r is axis 2 of %x.
AxisSize sizeOrigin(OpBuilder &b, AxisSize size);

} // namespace mlir::attn

#endif // ATTN_LIB_TRANSFORMS_SIZEORIGIN_H
