//===- Json.h - A small strict JSON reader ----------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the JSON that describes a package. Strict: RFC 8259 and nothing beside
// it, no duplicate keys, a limit on nesting, and integers that do not fit 64
// bits are refused instead of rounded. Package files may be damaged, so any
// bytes must be survived.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_JSON_H
#define ATTN_RUNTIME_JSON_H

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attn::rt::json {

/// A JSON value. Numbers without fraction and exponent are `Integer`, all other
/// numbers are `Real`.
struct Value {
  enum Kind { Null, Boolean, Integer, Real, String, Array, Object };

  Kind kind = Null;
  bool boolean = false;
  int64_t integer = 0;
  double real = 0;
  std::string string;
  /// The elements of an array.
  std::vector<Value> array;
  /// The members of an object, in the order of the text.
  std::vector<std::pair<std::string, Value>> object;

  /// The member called `key`, or null when there is none or this is no object.
  const Value *find(std::string_view key) const;
};

/// Values may be nested this deep.
constexpr int kMaxDepth = 64;

/// Reads all of `text` as one value. On failure returns false and says what was
/// expected, and at which byte, in `error`.
bool parse(std::string_view text, Value &value, std::string &error);

} // namespace attn::rt::json

#endif // ATTN_RUNTIME_JSON_H
