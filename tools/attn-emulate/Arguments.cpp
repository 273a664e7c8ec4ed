//===- Arguments.cpp - Kernel arguments as text ---------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Scalars, buffers with what fills them, and .npy files of one-dimensional
// little-endian arrays (of more dimensions: their elements in order).
//
//===----------------------------------------------------------------------===//

#include "Arguments.h"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

static const ElementType kTypes[] = {
    {"i8", 1, "<i1"},  {"u8", 1, "<u1"},  {"i16", 2, "<i2"}, {"u16", 2, "<u2"},
    {"i32", 4, "<i4"}, {"u32", 4, "<u4"}, {"i64", 8, "<i8"}, {"u64", 8, "<u8"},
    {"f32", 4, "<f4"}, {"f64", 8, "<f8"}, {"f16", 2, "<f2"}, {"bf16", 2, "<u2"},
};

const ElementType *findElementType(const std::string &name) {
  for (const ElementType &type : kTypes)
    if (name == type.name)
      return &type;
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

static uint16_t halfOf(double x) {
  if (std::isnan(x))
    return 0x7fff;
  uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  double m = std::fabs(x);
  if (m >= 65520)
    return sign | 0x7c00;
  int exponent = m < 0x1p-14 ? -14 : std::ilogb(m);
  double units = std::nearbyint(std::ldexp(m, 10 - exponent));
  if (m < 0x1p-14)
    return uint16_t(sign | uint16_t(units));
  return uint16_t(sign | uint16_t((exponent + 15) * 1024 + int(units) - 1024));
}
static double halfValue(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double m = exponent == 31 ? (fraction ? NAN : INFINITY)
             : exponent     ? std::ldexp(1024 + fraction, exponent - 25)
                            : std::ldexp(fraction, -24);
  return bits & 0x8000 ? -m : m;
}
static uint16_t bfloatOf(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  if (std::isnan(x))
    return 0x7fff;
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// A number as the bytes of an element. Integers stay exact.
static void store(const ElementType &type, double real, uint64_t integer,
                  uint8_t *out) {
  std::string name = type.name;
  if (name == "f32") {
    auto f = float(real);
    std::memcpy(out, &f, 4);
  } else if (name == "f64") {
    std::memcpy(out, &real, 8);
  } else if (name == "f16") {
    uint16_t h = halfOf(real);
    std::memcpy(out, &h, 2);
  } else if (name == "bf16") {
    uint16_t h = bfloatOf(float(real));
    std::memcpy(out, &h, 2);
  } else {
    std::memcpy(out, &integer, type.size);
  }
}

static bool isReal(const ElementType &type) {
  return type.name[0] == 'f' || type.name[0] == 'b';
}

std::string formatElement(const ElementType &type, const uint8_t *bytes) {
  char buffer[64];
  std::string name = type.name;
  if (isReal(type)) {
    double value;
    if (name == "f64") {
      std::memcpy(&value, bytes, 8);
    } else if (name == "f32") {
      float f;
      std::memcpy(&f, bytes, 4);
      value = double(f);
    } else {
      uint16_t h;
      std::memcpy(&h, bytes, 2);
      if (name == "f16") {
        value = halfValue(h);
      } else {
        uint32_t word = uint32_t(h) << 16;
        float f;
        std::memcpy(&f, &word, 4);
        value = double(f);
      }
    }
    std::snprintf(buffer, sizeof buffer, name == "f64" ? "%.15g" : "%.7g",
                  value);
    return buffer;
  }
  uint64_t value = 0;
  std::memcpy(&value, bytes, type.size);
  if (name[0] == 'i') {
    unsigned shift = 64 - 8 * type.size;
    std::snprintf(buffer, sizeof buffer, "%lld",
                  static_cast<long long>(int64_t(value << shift) >> shift));
  } else {
    std::snprintf(buffer, sizeof buffer, "%llu",
                  static_cast<unsigned long long>(value));
  }
  return buffer;
}

static bool parseNumber(const ElementType &type, const std::string &text,
                        uint8_t *out) {
  const char *begin = text.c_str();
  char *end = nullptr;
  if (text.empty())
    return false;
  if (isReal(type)) {
    double value = std::strtod(begin, &end);
    if (*end)
      return false;
    store(type, value, 0, out);
    return true;
  }
  bool negative = text[0] == '-';
  if (negative && type.name[0] == 'u')
    return false;
  errno = 0;
  uint64_t value = std::strtoull(begin + negative, &end, 0);
  if (*end || errno || end == begin + negative)
    return false;
  unsigned bits = 8 * type.size - (type.name[0] == 'i');
  uint64_t limit = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  if (value > limit + (negative ? 1 : 0))
    return false;
  store(type, 0, negative ? 0 - value : value, out);
  return true;
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

static bool endsWith(const std::string &text, const char *suffix) {
  size_t n = std::strlen(suffix);
  return text.size() >= n && text.compare(text.size() - n, n, suffix) == 0;
}

static bool readFile(const std::string &path, const ElementType &type,
                     std::vector<uint8_t> &bytes, std::string &error) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    error = "cannot read '" + path + "'";
    return false;
  }
  std::vector<char> all((std::istreambuf_iterator<char>(file)),
                        std::istreambuf_iterator<char>());
  bytes.assign(all.begin(), all.end());
  if (!endsWith(path, ".npy"))
    return true;
  if (bytes.size() < 12 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0) {
    error = "expects '" + path + "' to be a .npy file";
    return false;
  }
  bool old = bytes[6] == 1;
  size_t length = old ? size_t(bytes[8]) | size_t(bytes[9]) << 8
                      : size_t(bytes[8]) | size_t(bytes[9]) << 8 |
                            size_t(bytes[10]) << 16 | size_t(bytes[11]) << 24;
  size_t start = (old ? 10 : 12) + length;
  if (start > bytes.size()) {
    error = "expects '" + path + "' to be a whole .npy file";
    return false;
  }
  std::string header(bytes.begin() + (old ? 10 : 12),
                     bytes.begin() + std::ptrdiff_t(start));
  std::string wanted = std::string(type.numpy) + "'";
  // One byte has no order: '|i1'.
  if (type.size == 1)
    wanted = wanted.substr(1);
  if (header.find(wanted) == std::string::npos ||
      header.find("'fortran_order': False") == std::string::npos) {
    error = "expects '" + path + "' to hold '" + type.numpy +
            "' in C order, but got " + header.substr(0, header.find('\n'));
    return false;
  }
  bytes.erase(bytes.begin(), bytes.begin() + std::ptrdiff_t(start));
  return true;
}

bool saveBuffer(const std::string &path, const Argument &argument,
                std::string &error) {
  std::ofstream file(path, std::ios::binary);
  const auto *bytes = static_cast<const char *>(argument.pointer);
  if (endsWith(path, ".npy")) {
    std::string header = std::string("{'descr': '") + argument.type->numpy +
                         "', 'fortran_order': False, 'shape': (" +
                         std::to_string(argument.count) + ",), }";
    header.append(63 - (10 + header.size()) % 64, ' ');
    header += '\n';
    const char size[2] = {char(header.size() & 255), char(header.size() >> 8)};
    file.write("\x93NUMPY\x01\x00", 8);
    file.write(size, 2);
    file.write(header.data(), std::streamsize(header.size()));
  }
  file.write(bytes, std::streamsize(argument.count * argument.type->size));
  file.close();
  if (!file) {
    error = "cannot write '" + path + "'";
    return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

bool parseArgument(const std::string &text, size_t index, Argument &argument,
                   std::string &error) {
  auto fail = [&](const std::string &what) {
    error = "argument '" + text + "': " + what;
    return false;
  };
  argument.name = "arg" + std::to_string(index);
  std::string rest = text;
  size_t bracket = rest.find('[');
  size_t colon = rest.find(':');
  argument.isBuffer = bracket != std::string::npos;
  if (argument.isBuffer && colon < bracket) {
    argument.name = rest.substr(0, colon);
    rest = rest.substr(colon + 1);
    bracket = rest.find('[');
  }
  if (!argument.isBuffer) {
    if (colon == std::string::npos)
      return fail("expects TYPE:VALUE or [NAME:]TYPE[COUNT]=FILL");
    argument.type = findElementType(rest.substr(0, colon));
    if (!argument.type)
      return fail("expects a type such as i32 or f32, but got '" +
                  rest.substr(0, colon) + "'");
    argument.bytes.resize(argument.type->size);
    if (!parseNumber(*argument.type, rest.substr(colon + 1),
                     argument.bytes.data()))
      return fail(std::string("expects a value of type ") +
                  argument.type->name + ", but got '" + rest.substr(colon + 1) +
                  "'");
    return true;
  }
  argument.type = findElementType(rest.substr(0, bracket));
  if (!argument.type)
    return fail("expects a type such as i32 or f32, but got '" +
                rest.substr(0, bracket) + "'");
  size_t close = rest.find(']', bracket);
  if (close == std::string::npos)
    return fail("expects ']' after the count");
  std::string number = rest.substr(bracket + 1, close - bracket - 1);
  char *end = nullptr;
  argument.count = std::strtoull(number.c_str(), &end, 10);
  if (number.empty() || *end || argument.count == 0 ||
      argument.count > (uint64_t(1) << 34))
    return fail("expects a count from 1 to 2^34, but got '" + number + "'");
  std::string fill = "uninit";
  if (close + 1 < rest.size()) {
    if (rest[close + 1] != '=')
      return fail("expects '=' after ']'");
    fill = rest.substr(close + 2);
  }
  const ElementType &type = *argument.type;
  argument.bytes.resize(argument.count * type.size);
  if (fill == "uninit") {
    argument.initialized = false;
    std::memset(argument.bytes.data(), 0xa5, argument.bytes.size());
  } else if (fill == "zeros" || fill == "ones" || fill == "iota" ||
             fill == "random") {
    uint64_t state = 0x9e3779b97f4a7c15ull * (index + 1);
    for (uint64_t i = 0; i < argument.count; ++i) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      double unit = double(state >> 11) * 0x1p-53 * 2 - 1;
      double real = fill == "zeros"  ? 0
                    : fill == "ones" ? 1
                    : fill == "iota" ? double(i)
                                     : unit;
      uint64_t integer = fill == "zeros"  ? 0
                         : fill == "ones" ? 1
                         : fill == "iota" ? i
                                          : state >> 40;
      store(type, real, integer, &argument.bytes[i * type.size]);
    }
  } else if (fill[0] == '@') {
    std::vector<uint8_t> bytes;
    std::string why;
    if (!readFile(fill.substr(1), type, bytes, why))
      return fail(why);
    if (bytes.size() != argument.bytes.size())
      return fail("expects " + std::to_string(argument.bytes.size()) +
                  " bytes in '" + fill.substr(1) + "', but got " +
                  std::to_string(bytes.size()));
    argument.bytes = std::move(bytes);
  } else {
    return fail("expects random, zeros, ones, iota, uninit or @FILE, but got "
                "'" +
                fill + "'");
  }
  return true;
}
