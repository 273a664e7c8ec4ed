//===- Types.h - Element types ----------------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PYTHON_RUNTIME_TYPES_H
#define ATTN_PYTHON_RUNTIME_TYPES_H

#include "attn/Runtime/DLPack.h"

#include <cstdint>
#include <string>

namespace attn::py {

/// The element types of package signatures, in the order of their numbers.
enum DType : uint8_t { F64, F32, F16, BF16, I64, I32, I8, I1, NumDTypes };

struct DTypeInfo {
  const char *name;
  DLDataType dl;
  const char *numpy;
  const char *torch;
};

extern const DTypeInfo kDTypes[NumDTypes];

inline int64_t elementBytes(DType t) { return kDTypes[t].dl.bits / 8; }

/// The type of a name ("f32"), and of DLPack's code.
DType dtypeFromName(const std::string &name);
DType dtypeFromDLPack(DLDataType t);

} // namespace attn::py

#endif // ATTN_PYTHON_RUNTIME_TYPES_H
