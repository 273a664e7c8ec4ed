//===- Lexer.h - Tokens of PTX ----------------------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A module's text as tokens with their lines.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMULATOR_LEXER_H
#define ATTN_LIB_EMULATOR_LEXER_H

#include "Ptx.h"

namespace attn::emu {

struct Token {
  enum Kind : uint8_t {
    End,
    Word,   // add, %r1, $L__BB0_1
    Dotted, // .global, .L1::no_allocate (text without the dot)
    Integer,
    Real,
    String,
    Punct, // one character in text[0]
  };
  Kind kind = End;
  int line = 0;
  std::string_view text;
  uint64_t integer = 0;
  double real = 0;
  uint8_t written = 0; // Real: 32 for 0f, 64 for 0d, 0 for a decimal
  size_t begin = 0, end = 0;

  bool is(char c) const { return kind == Punct && text[0] == c; }
  bool isWord(std::string_view word) const {
    return kind == Word && text == word;
  }
  bool isDotted(std::string_view word) const {
    return kind == Dotted && text == word;
  }
};

/// Splits `text` into tokens, the last of which is End.
bool tokenize(std::string_view text, std::vector<Token> &tokens,
              PtxError &error);

/// A token for a message: quoted text, or "the end of the text".
std::string describe(const Token &token);

} // namespace attn::emu

#endif // ATTN_LIB_EMULATOR_LEXER_H
