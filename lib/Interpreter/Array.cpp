//===- Array.cpp - Values of the interpreter ------------------------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Element types and their exact conversion to and from float64.
//===----------------------------------------------------------------------===//

#include "attn/Interpreter/Array.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/CheckedArithmetic.h"

#include <cmath>
#include <cstring>

using namespace mlir;
using namespace mlir::attn;

std::optional<DType> mlir::attn::dtypeOf(Type type) {
  Type element = getElementTypeOrSelf(type);
  if (element.isF64())
    return DType::F64;
  if (element.isF32())
    return DType::F32;
  if (element.isF16())
    return DType::F16;
  if (element.isBF16())
    return DType::BF16;
  if (element.isIndex() || element.isSignlessInteger(64))
    return DType::I64;
  if (element.isSignlessInteger(32))
    return DType::I32;
  if (element.isSignlessInteger(8))
    return DType::I8;
  if (element.isSignlessInteger(1))
    return DType::I1;
  return std::nullopt;
}

static constexpr llvm::StringRef kNames[] = {"f64", "f32", "f16", "bf16",
                                             "i64", "i32", "i8",  "i1"};

llvm::StringRef mlir::attn::dtypeName(DType dtype) {
  return kNames[static_cast<int>(dtype)];
}

std::optional<DType> mlir::attn::dtypeFromName(llvm::StringRef name) {
  for (auto [index, candidate] : llvm::enumerate(kNames))
    if (candidate == name)
      return static_cast<DType>(index);
  return std::nullopt;
}

int64_t mlir::attn::byteSize(DType dtype) {
  static constexpr int64_t kSizes[] = {8, 4, 2, 2, 8, 4, 1, 1};
  return kSizes[static_cast<int>(dtype)];
}

int mlir::attn::mantissaBits(DType dtype) {
  static constexpr int kBits[] = {52, 23, 10, 7};
  assert(isFloat(dtype));
  return kBits[static_cast<int>(dtype)];
}

/// Smallest normal exponent and largest exponent.
static std::pair<int, int> exponentRange(DType dtype) {
  switch (dtype) {
  case DType::F16:
    return {-14, 15};
  case DType::F64:
    return {-1022, 1023};
  default:
    return {-126, 127};
  }
}

double mlir::attn::roundTo(DType dtype, double value) {
  if (dtype == DType::F64 || !std::isfinite(value) || value == 0)
    return value;
  if (dtype == DType::F32)
    return static_cast<float>(value);
  auto [low, high] = exponentRange(dtype);
  int exponent = std::max(std::ilogb(value), low) - mantissaBits(dtype);
  double rounded =
      std::ldexp(std::nearbyint(std::ldexp(value, -exponent)), exponent);
  if (rounded != 0 && std::ilogb(rounded) > high)
    return std::copysign(INFINITY, value);
  return rounded;
}

double mlir::attn::ulpAt(DType dtype, double value) {
  int low = exponentRange(dtype).first;
  int exponent = value == 0 ? low : std::max(std::ilogb(std::fabs(value)), low);
  return std::ldexp(1.0, exponent - mantissaBits(dtype));
}

double mlir::attn::loadFloat(DType dtype, const void *address) {
  switch (dtype) {
  case DType::F64: {
    double value;
    std::memcpy(&value, address, sizeof value);
    return value;
  }
  case DType::F32: {
    float value;
    std::memcpy(&value, address, sizeof value);
    return value;
  }
  case DType::BF16: {
    uint16_t half;
    std::memcpy(&half, address, sizeof half);
    uint32_t bits = static_cast<uint32_t>(half) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  default: { // f16: sign, 5 bits of exponent, 10 of mantissa.
    uint16_t bits;
    std::memcpy(&bits, address, sizeof bits);
    double sign = bits & 0x8000 ? -1.0 : 1.0;
    int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
    if (exponent == 31)
      return mantissa ? std::copysign(NAN, sign) : sign * INFINITY;
    if (exponent == 0)
      return sign * std::ldexp(mantissa, -24);
    return sign * std::ldexp(1024 + mantissa, exponent - 25);
  }
  }
}

void mlir::attn::storeFloat(DType dtype, double value, void *address) {
  double rounded = roundTo(dtype, value);
  switch (dtype) {
  case DType::F64:
    std::memcpy(address, &rounded, sizeof rounded);
    return;
  case DType::F32: {
    float single = static_cast<float>(rounded);
    std::memcpy(address, &single, sizeof single);
    return;
  }
  case DType::BF16: {
    float single = static_cast<float>(rounded);
    uint32_t bits;
    std::memcpy(&bits, &single, sizeof bits);
    uint16_t half = static_cast<uint16_t>(bits >> 16);
    if (std::isnan(rounded))
      half = static_cast<uint16_t>((half & 0x8000) | 0x7fc0);
    std::memcpy(address, &half, sizeof half);
    return;
  }
  default: {
    uint16_t bits = std::signbit(rounded) ? 0x8000 : 0;
    double magnitude = std::fabs(rounded);
    if (std::isnan(rounded))
      bits |= 0x7e00;
    else if (std::isinf(rounded))
      bits |= 0x7c00;
    else if (magnitude < std::ldexp(1.0, -14)) // subnormal, or zero
      bits |= static_cast<uint16_t>(std::ldexp(magnitude, 24));
    else {
      int exponent = std::ilogb(magnitude);
      bits |= static_cast<uint16_t>((exponent + 15) << 10);
      bits |=
          static_cast<uint16_t>(std::ldexp(magnitude, 10 - exponent)) & 1023;
    }
    std::memcpy(address, &bits, sizeof bits);
  }
  }
}

int64_t mlir::attn::loadInt(DType dtype, const void *address) {
  switch (dtype) {
  case DType::I64: {
    int64_t value;
    std::memcpy(&value, address, sizeof value);
    return value;
  }
  case DType::I32: {
    int32_t value;
    std::memcpy(&value, address, sizeof value);
    return value;
  }
  case DType::I8:
    return *static_cast<const int8_t *>(address);
  default:
    return *static_cast<const uint8_t *>(address) != 0;
  }
}

void mlir::attn::storeInt(DType dtype, int64_t value, void *address) {
  switch (dtype) {
  case DType::I64:
    std::memcpy(address, &value, sizeof value);
    return;
  case DType::I32: {
    int32_t narrow = static_cast<int32_t>(value);
    std::memcpy(address, &narrow, sizeof narrow);
    return;
  }
  case DType::I8:
    *static_cast<int8_t *>(address) = static_cast<int8_t>(value);
    return;
  default:
    *static_cast<uint8_t *>(address) = value != 0;
  }
}

Array::Array(DType dtype, llvm::ArrayRef<int64_t> shape)
    : dtype(dtype), shape(shape) {
  if (isFloat(dtype))
    floats.resize(size());
  else
    ints.resize(size());
}

int64_t Array::size() const {
  int64_t count = 1;
  for (int64_t dim : shape)
    count *= dim;
  return count;
}

std::string Array::typeText() const {
  return (dtypeName(dtype) + shapeText(shape)).str();
}

Array Array::fromMemory(DType dtype, llvm::ArrayRef<int64_t> shape,
                        const void *data) {
  Array array(dtype, shape);
  auto *bytes = static_cast<const char *>(data);
  int64_t step = byteSize(dtype);
  for (int64_t index = 0, count = array.size(); index < count; ++index)
    if (isFloat(dtype))
      array.floats[index] = loadFloat(dtype, bytes + index * step);
    else
      array.ints[index] = loadInt(dtype, bytes + index * step);
  return array;
}

void Array::toMemory(void *data) const {
  auto *bytes = static_cast<char *>(data);
  int64_t step = byteSize(dtype);
  for (int64_t index = 0, count = size(); index < count; ++index)
    if (isFloat(dtype))
      storeFloat(dtype, floats[index], bytes + index * step);
    else
      storeInt(dtype, ints[index], bytes + index * step);
}

std::string mlir::attn::shapeText(llvm::ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (auto [index, dim] : llvm::enumerate(shape)) {
    text += index ? ", " : "";
    text += ShapedType::isDynamic(dim) ? "?" : std::to_string(dim);
  }
  return text + "]";
}

std::optional<int64_t> mlir::attn::elementCount(llvm::ArrayRef<int64_t> shape) {
  // Zero-sized axes count as one: the strides beside them must fit as well.
  int64_t bytes = 8, count = 1;
  for (int64_t dim : shape) {
    std::optional<int64_t> product =
        dim < 0 ? std::nullopt
                : llvm::checkedMul(bytes, std::max<int64_t>(dim, 1));
    if (!product)
      return std::nullopt;
    bytes = *product;
    count *= dim;
  }
  return count;
}
