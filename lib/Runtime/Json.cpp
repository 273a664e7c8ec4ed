//===- Json.cpp - A small strict JSON reader ------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A recursive descent parser, one function per production.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Json.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

using namespace attn::rt::json;

const Value *Value::find(std::string_view key) const {
  if (kind == Object)
    for (const auto &member : object)
      if (member.first == key)
        return &member.second;
  return nullptr;
}

namespace {
/// The state of one parse. Every function returns false after it reported.
class Parser {
public:
  Parser(std::string_view text, std::string &error)
      : text(text), error(error) {}

  bool parseDocument(Value &value) {
    skipSpace();
    if (!parseValue(value, 0))
      return false;
    skipSpace();
    return at == text.size() || expected("the end of the text");
  }

private:
  bool expected(const char *what) {
    error =
        std::string("JSON expects ") + what + " at byte " + std::to_string(at);
    if (at < text.size())
      error += ", but got " + describe(text[at]);
    else
      error += ", but the text ends";
    return false;
  }

  /// A byte for a message: itself when printable.
  static std::string describe(char c) {
    if (c >= 0x20 && c < 0x7f)
      return std::string("'") + c + "'";
    return "byte " + std::to_string(static_cast<unsigned char>(c));
  }

  void skipSpace() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t' ||
                                text[at] == '\n' || text[at] == '\r'))
      ++at;
  }

  bool peek(char c) const { return at < text.size() && text[at] == c; }
  bool peekDigit() const {
    return at < text.size() && text[at] >= '0' && text[at] <= '9';
  }

  bool consume(char c) {
    if (!peek(c))
      return false;
    ++at;
    return true;
  }

  bool parseWord(const char *word) {
    size_t length = std::strlen(word);
    if (text.substr(at, length) != word)
      return expected("a value");
    at += length;
    return true;
  }

  bool parseValue(Value &value, int depth) {
    if (depth > kMaxDepth)
      return expected("at most 64 levels of nesting");
    if (at >= text.size())
      return expected("a value");
    switch (text[at]) {
    case '{':
      return parseObject(value, depth);
    case '[':
      return parseArray(value, depth);
    case '"':
      value.kind = Value::String;
      return parseString(value.string);
    case 't':
      value.kind = Value::Boolean;
      value.boolean = true;
      return parseWord("true");
    case 'f':
      value.kind = Value::Boolean;
      value.boolean = false;
      return parseWord("false");
    case 'n':
      value.kind = Value::Null;
      return parseWord("null");
    default:
      return parseNumber(value);
    }
  }

  bool parseObject(Value &value, int depth) {
    value.kind = Value::Object;
    ++at;
    skipSpace();
    if (consume('}'))
      return true;
    for (;;) {
      skipSpace();
      if (!peek('"'))
        return expected("a key");
      std::string key;
      if (!parseString(key))
        return false;
      if (value.find(key))
        return expected(("no second '" + key + "'").c_str());
      skipSpace();
      if (!consume(':'))
        return expected("':'");
      skipSpace();
      value.object.emplace_back(std::move(key), Value());
      if (!parseValue(value.object.back().second, depth + 1))
        return false;
      skipSpace();
      if (consume('}'))
        return true;
      if (!consume(','))
        return expected("',' or '}'");
    }
  }

  bool parseArray(Value &value, int depth) {
    value.kind = Value::Array;
    ++at;
    skipSpace();
    if (consume(']'))
      return true;
    for (;;) {
      skipSpace();
      value.array.emplace_back();
      if (!parseValue(value.array.back(), depth + 1))
        return false;
      skipSpace();
      if (consume(']'))
        return true;
      if (!consume(','))
        return expected("',' or ']'");
    }
  }

  bool parseNumber(Value &value) {
    size_t begin = at;
    consume('-');
    if (!consume('0')) {
      if (!peekDigit())
        return expected("a value");
      while (peekDigit())
        ++at;
    }
    bool whole = true;
    if (consume('.')) {
      whole = false;
      if (!parseDigits())
        return false;
    }
    if (peek('e') || peek('E')) {
      whole = false;
      ++at;
      if (!consume('+'))
        consume('-');
      if (!parseDigits())
        return false;
    }
    std::string token(text.substr(begin, at - begin));
    errno = 0;
    if (whole) {
      value.kind = Value::Integer;
      value.integer = std::strtoll(token.c_str(), nullptr, 10);
    } else {
      value.kind = Value::Real;
      value.real = std::strtod(token.c_str(), nullptr);
    }
    if (errno != 0 && whole) {
      at = begin;
      return expected("an integer of 64 bits");
    }
    return true;
  }

  bool parseDigits() {
    if (!peekDigit())
      return expected("a digit");
    while (peekDigit())
      ++at;
    return true;
  }

  bool parseString(std::string &out) {
    ++at;
    for (;;) {
      if (at >= text.size())
        return expected("'\"'");
      char c = text[at];
      if (c == '"') {
        ++at;
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20)
        return expected("no control character in a string");
      ++at;
      if (c != '\\')
        out += c;
      else if (!parseEscape(out))
        return false;
    }
  }

  bool parseEscape(std::string &out) {
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (at >= text.size())
      return expected("an escape");
    char c = text[at];
    if (const char *found = c ? std::strchr(names, c) : nullptr) {
      ++at;
      out += values[found - names];
      return true;
    }
    if (c != 'u')
      return expected("an escape");
    ++at;
    uint32_t code = 0;
    if (!parseHex4(code))
      return false;
    if (code >= 0xDC00 && code < 0xE000)
      return expected("a high surrogate first");
    if (code >= 0xD800 && code < 0xDC00) {
      uint32_t low = 0;
      if (!consume('\\') || !consume('u'))
        return expected("a low surrogate");
      if (!parseHex4(low))
        return false;
      if (low < 0xDC00 || low >= 0xE000)
        return expected("a low surrogate");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    appendUtf8(out, code);
    return true;
  }

  bool parseHex4(uint32_t &code) {
    for (int i = 0; i < 4; ++i, ++at) {
      char c = at < text.size() ? text[at] : '\0';
      uint32_t digit;
      if (c >= '0' && c <= '9')
        digit = uint32_t(c - '0');
      else if (c >= 'a' && c <= 'f')
        digit = uint32_t(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F')
        digit = uint32_t(c - 'A' + 10);
      else
        return expected("four hexadecimal digits");
      code = code * 16 + digit;
    }
    return true;
  }

  static void appendUtf8(std::string &out, uint32_t code) {
    if (code < 0x80) {
      out += char(code);
    } else if (code < 0x800) {
      out += char(0xC0 | (code >> 6));
      out += char(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      out += char(0xE0 | (code >> 12));
      out += char(0x80 | ((code >> 6) & 0x3F));
      out += char(0x80 | (code & 0x3F));
    } else {
      out += char(0xF0 | (code >> 18));
      out += char(0x80 | ((code >> 12) & 0x3F));
      out += char(0x80 | ((code >> 6) & 0x3F));
      out += char(0x80 | (code & 0x3F));
    }
  }

  std::string_view text;
  std::string &error;
  size_t at = 0;
};
} // namespace

bool attn::rt::json::parse(std::string_view text, Value &value,
                           std::string &error) {
  value = Value();
  return Parser(text, error).parseDocument(value);
}
