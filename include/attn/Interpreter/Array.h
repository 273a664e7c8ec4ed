//===- Array.h - Values of the interpreter ----------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A dense array that remembers the element type it has in the IR but holds
// float64 or int64, so that nothing is rounded on the way.
//===----------------------------------------------------------------------===//

#ifndef ATTN_INTERPRETER_ARRAY_H
#define ATTN_INTERPRETER_ARRAY_H

#include "mlir/IR/Types.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mlir::attn {

/// Element types of function arguments and results. `index` is I64 here.
enum class DType { F64, F32, F16, BF16, I64, I32, I8, I1 };

/// The element type of a scalar or of the elements of a tensor; none for a type
/// that the interpreter does not hold.
std::optional<DType> dtypeOf(Type type);

/// "f32", "i1", as the IR spells it.
llvm::StringRef dtypeName(DType dtype);
std::optional<DType> dtypeFromName(llvm::StringRef name);

inline bool isFloat(DType dtype) { return dtype <= DType::BF16; }

/// Bytes of one element in memory; i1 takes a byte.
int64_t byteSize(DType dtype);

/// Mantissa bits that are stored: 52, 23, 10, 7.
int mantissaBits(DType dtype);

/// The nearest number of the type, ties to even; overflow gives an infinity.
double roundTo(DType dtype, double value);

/// One unit in the last place of the type at |value|.
double ulpAt(DType dtype, double value);

/// Reads one element from memory, exactly; writes one, rounded to the type.
double loadFloat(DType dtype, const void *address);
void storeFloat(DType dtype, double value, void *address);
int64_t loadInt(DType dtype, const void *address);
void storeInt(DType dtype, int64_t value, void *address);

/// A row-major array. `floats` holds the elements of a float type, `ints` those
/// of an integer type (i1 as 0 and 1). A scalar has the empty shape.
struct Array {
  DType dtype = DType::F32;
  llvm::SmallVector<int64_t> shape;
  std::vector<double> floats;
  std::vector<int64_t> ints;

  Array() = default;
  /// Zeros.
  Array(DType dtype, llvm::ArrayRef<int64_t> shape);

  int64_t size() const;
  /// True if the elements are there, not only the shape.
  bool hasData() const {
    return static_cast<int64_t>(isFloat(dtype) ? floats.size() : ints.size()) ==
           size();
  }
  /// "f32[2, 8, 65]"
  std::string typeText() const;

  /// From and to memory in the array's type, row-major and dense.
  static Array fromMemory(DType dtype, llvm::ArrayRef<int64_t> shape,
                          const void *data);
  void toMemory(void *data) const;
};

/// "[2, 8, ?]"
std::string shapeText(llvm::ArrayRef<int64_t> shape);

/// The number of elements, none if it or the byte count at eight bytes each
/// does not fit 63 bits.
std::optional<int64_t> elementCount(llvm::ArrayRef<int64_t> shape);

} // namespace mlir::attn

#endif // ATTN_INTERPRETER_ARRAY_H
