//===- Lexer.cpp - Tokens of PTX ------------------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One pass over the characters. A dot starts a modifier unless it stands within
// a number: `.v4` is one token, `1.5` another.
//
//===----------------------------------------------------------------------===//

#include "Lexer.h"

#include "Numeric.h"

#include <cctype>
#include <cstdlib>

using namespace attn::emu;

static bool isWordStart(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$' ||
         c == '%';
}
static bool isWordPart(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$';
}

std::string attn::emu::describe(const Token &token) {
  if (token.kind == Token::End)
    return "the end of the text";
  std::string text(token.text.substr(0, 60));
  return "'" + (token.kind == Token::Dotted ? "." + text : text) + "'";
}

namespace {
class Lexer {
public:
  Lexer(std::string_view text, std::vector<Token> &tokens, PtxError &error)
      : text(text), tokens(tokens), error(error) {}

  bool run() {
    while (true) {
      if (!skipBlanks())
        return false;
      Token token;
      token.line = line;
      token.begin = at;
      if (at >= text.size()) {
        token.end = at;
        tokens.push_back(token);
        return true;
      }
      if (!next(token))
        return false;
      token.end = at;
      tokens.push_back(token);
    }
  }

private:
  bool fail(std::string what) {
    error.line = line;
    error.text = std::move(what);
    return false;
  }

  char peek(size_t ahead = 0) const {
    return at + ahead < text.size() ? text[at + ahead] : '\0';
  }

  bool skipBlanks() {
    while (at < text.size()) {
      char c = text[at];
      if (c == '\n')
        ++line;
      // Text handed over as a C string may carry its final zeros.
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0') {
        ++at;
      } else if (c == '/' && peek(1) == '/') {
        while (at < text.size() && text[at] != '\n')
          ++at;
      } else if (c == '/' && peek(1) == '*') {
        int start = line;
        at += 2;
        while (at < text.size() && !(text[at] == '*' && peek(1) == '/'))
          line += text[at++] == '\n';
        if (at >= text.size()) {
          line = start;
          return fail("expects the comment to end, but got the end of the "
                      "text");
        }
        at += 2;
      } else {
        return true;
      }
    }
    return true;
  }

  bool next(Token &token) {
    size_t start = at;
    char c = text[at];
    if (isWordStart(c)) {
      ++at;
      while (isWordPart(peek()))
        ++at;
      token.kind = Token::Word;
      token.text = text.substr(start, at - start);
      return true;
    }
    if (c == '.' && (isWordPart(peek(1)))) {
      ++at;
      while (isWordPart(peek()) || (peek() == ':' && peek(1) == ':'))
        at += peek() == ':' ? 2 : 1;
      token.kind = Token::Dotted;
      token.text = text.substr(start + 1, at - start - 1);
      return true;
    }
    if (std::isdigit(static_cast<unsigned char>(c)))
      return number(token);
    if (c == '"') {
      ++at;
      while (at < text.size() && text[at] != '"' && text[at] != '\n')
        ++at;
      if (peek() != '"')
        return fail("expects the string to end on its line");
      ++at;
      token.kind = Token::String;
      token.text = text.substr(start + 1, at - start - 2);
      return true;
    }
    if (std::string_view("{}()[]<>,;:@!+-*/=|&~?^%").find(c) ==
        std::string_view::npos) {
      if (c >= 0x20 && c < 0x7f)
        return fail(std::string("expects PTX, but got the character '") + c +
                    "'");
      return fail("expects PTX, but got byte " +
                  std::to_string(static_cast<unsigned char>(c)));
    }
    ++at;
    token.kind = Token::Punct;
    token.text = text.substr(start, 1);
    return true;
  }

  /// Reads `count` hexadecimal digits, exactly.
  bool hexDigits(unsigned count, uint64_t &value) {
    value = 0;
    for (unsigned i = 0; i < count; ++i) {
      char c = peek();
      if (!std::isxdigit(static_cast<unsigned char>(c)))
        return fail("expects " + std::to_string(count) +
                    " hexadecimal digits, but got " + std::to_string(i));
      value = value * 16 + uint64_t(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
      ++at;
    }
    return true;
  }

  bool number(Token &token) {
    size_t start = at;
    char second = peek(1);
    if (text[at] == '0' &&
        (second == 'f' || second == 'F' || second == 'd' || second == 'D')) {
      at += 2;
      bool wide = (second | 32) == 'd';
      if (!hexDigits(wide ? 16 : 8, token.integer))
        return false;
      token.kind = Token::Real;
      token.written = wide ? 64 : 32;
      token.real = wide ? bitCast<double>(token.integer)
                        : double(bitCast<float>(uint32_t(token.integer)));
    } else {
      unsigned base = 10;
      if (text[at] == '0' && (second | 32) == 'x') {
        base = 16;
        at += 2;
      } else if (text[at] == '0' && (second | 32) == 'b' &&
                 (peek(2) == '0' || peek(2) == '1')) {
        base = 2;
        at += 2;
      } else if (text[at] == '0' &&
                 std::isdigit(static_cast<unsigned char>(second))) {
        base = 8;
      }
      size_t digits = at;
      uint64_t value = 0;
      bool large = false;
      while (std::isxdigit(static_cast<unsigned char>(peek()))) {
        char c = peek();
        unsigned digit = unsigned(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
        if (digit >= base)
          break;
        large |= value > (~uint64_t(0) - digit) / base;
        value = value * base + digit;
        ++at;
      }
      bool real =
          (base == 10 || base == 8) &&
          ((peek() == '.' &&
            std::isdigit(static_cast<unsigned char>(peek(1)))) ||
           (peek() == '.' && !isWordPart(peek(1))) || (peek() | 32) == 'e');
      if (real) {
        std::string copy(text.substr(start, 64));
        char *end = nullptr;
        token.real = std::strtod(copy.c_str(), &end);
        at = start + size_t(end - copy.c_str());
        token.kind = Token::Real;
      } else {
        if (at == digits)
          return fail("expects digits after the number's prefix");
        if (large)
          return fail("expects an integer of at most 64 bits, but got '" +
                      std::string(text.substr(start, at - start)) + "'");
        if (peek() == 'U')
          ++at;
        token.kind = Token::Integer;
        token.integer = value;
      }
    }
    if (isWordPart(peek()))
      return fail("expects a number, but got '" +
                  std::string(text.substr(start, at - start + 1)) + "'");
    token.text = text.substr(start, at - start);
    return true;
  }

  std::string_view text;
  std::vector<Token> &tokens;
  PtxError &error;
  size_t at = 0;
  int line = 1;
};
} // namespace

bool attn::emu::tokenize(std::string_view text, std::vector<Token> &tokens,
                         PtxError &error) {
  return Lexer(text, tokens, error).run();
}
