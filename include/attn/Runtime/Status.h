//===- Status.h - A status with its text ------------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the runtime's own functions return when they can fail: one of the C
// API's status codes and the text that goes with it.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_STATUS_H
#define ATTN_RUNTIME_STATUS_H

#include "attn-c/Runtime.h"

#include <cstdarg>
#include <string>
#include <utility>

namespace attn::rt {

/// Success, or a class of error with a message.
class [[nodiscard]] Status {
public:
  /// Success.
  Status() = default;

  /// A failure of class `code`.
  Status(AttnStatus code, std::string message)
      : statusCode(code), text(std::move(message)) {}

  /// True on success.
  bool ok() const { return statusCode == ATTN_OK; }
  AttnStatus code() const { return statusCode; }
  const std::string &message() const { return text; }

private:
  AttnStatus statusCode = ATTN_OK;
  std::string text;
};

/// The text that printf would print.
std::string format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/// A failure whose message is printed as by printf.
Status failure(AttnStatus code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

} // namespace attn::rt

#endif // ATTN_RUNTIME_STATUS_H
