//===- Npz.h - numpy's archive of arrays ------------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads and writes what `numpy.savez` does: a zip file with one .npy member per
// array, not compressed. numpy has no bf16: such arrays travel as uint16 with
// the same bits.
//===----------------------------------------------------------------------===//

#ifndef ATTN_TOOLS_ATTN_RUN_NPZ_H
#define ATTN_TOOLS_ATTN_RUN_NPZ_H

#include "attn/Interpreter/Array.h"

#include "llvm/Support/Error.h"

#include <map>
#include <string>

namespace attnrun {

/// One member as it is in the file.
struct NpyArray {
  /// 'f', 'i', 'u', 'b' or 'V', and the size of an element in bytes.
  char kind = 'f';
  int64_t itemSize = 0;
  llvm::SmallVector<int64_t> shape;
  std::string bytes;

  /// As an array of this type, which has to be the member's own (for bf16 two
  /// bytes of kind 'u' or 'V').
  llvm::Expected<mlir::attn::Array> as(mlir::attn::DType dtype,
                                       llvm::StringRef name) const;
};

/// Name -> array. Every length in the file is checked before it is used.
llvm::Expected<std::map<std::string, NpyArray>> readNpz(llvm::StringRef path);

llvm::Error
writeNpz(llvm::StringRef path,
         llvm::ArrayRef<std::pair<std::string, mlir::attn::Array>> arrays);

} // namespace attnrun

#endif // ATTN_TOOLS_ATTN_RUN_NPZ_H
