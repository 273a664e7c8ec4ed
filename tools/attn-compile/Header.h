//===- Header.h - The C header beside a package -----------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#ifndef ATTN_TOOLS_ATTN_COMPILE_HEADER_H
#define ATTN_TOOLS_ATTN_COMPILE_HEADER_H

#include "llvm/ADT/StringRef.h"

#include <string>

/// A header with typed functions for the entries of a package and how to call
/// them. `entriesJson` is what attnSignature gives for all entries, `name` the
/// package's file name. Empty if the JSON does not parse.
std::string makeHeader(llvm::StringRef entriesJson, llvm::StringRef name,
                       llvm::StringRef target);

#endif // ATTN_TOOLS_ATTN_COMPILE_HEADER_H
