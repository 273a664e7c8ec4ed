//===- Errors.h - Failures as attn's exceptions -*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PYTHON_RUNTIME_ERRORS_H
#define ATTN_PYTHON_RUNTIME_ERRORS_H

#include <string>

namespace attn::py {

/// Raises `attn.errors.<name>` with a text.
[[noreturn]] void raiseError(const char *name, const std::string &text);

/// Raises the exception that stands for a status of the C API, if it is one.
void check(int status);

} // namespace attn::py

#endif // ATTN_PYTHON_RUNTIME_ERRORS_H
