//===- Status.cpp - A status with its text --------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Formatting of messages.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Status.h"

#include <cstdio>
#include <vector>

using namespace attn::rt;

static std::string formatList(const char *fmt, va_list args) {
  va_list again;
  va_copy(again, args);
  int size = std::vsnprintf(nullptr, 0, fmt, again);
  va_end(again);
  if (size < 0)
    return fmt;
  std::string text(static_cast<size_t>(size), '\0');
  std::vsnprintf(text.data(), text.size() + 1, fmt, args);
  return text;
}

std::string attn::rt::format(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  std::string text = formatList(fmt, args);
  va_end(args);
  return text;
}

Status attn::rt::failure(AttnStatus code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  std::string text = formatList(fmt, args);
  va_end(args);
  return Status(code, std::move(text));
}
