//===- ArrayTest.cpp - Conversions of the interpreter's arrays ------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding and memory formats, against LLVM's own APFloat.
//===----------------------------------------------------------------------===//

#include "attn/Interpreter/Array.h"

#include "llvm/ADT/APFloat.h"
#include "gtest/gtest.h"

#include <cmath>
#include <cstring>

using namespace mlir::attn;

static const llvm::fltSemantics &semanticsOf(DType dtype) {
  return dtype == DType::BF16  ? llvm::APFloat::BFloat()
         : dtype == DType::F16 ? llvm::APFloat::IEEEhalf()
                               : llvm::APFloat::IEEEsingle();
}

static double roundedByLLVM(DType dtype, double value) {
  llvm::APFloat number(value);
  bool inexact;
  number.convert(semanticsOf(dtype), llvm::APFloat::rmNearestTiesToEven,
                 &inexact);
  number.convert(llvm::APFloat::IEEEdouble(),
                 llvm::APFloat::rmNearestTiesToEven, &inexact);
  return number.convertToDouble();
}

TEST(Array, RoundsAsLLVMDoes) {
  uint64_t state = 1;
  for (DType dtype : {DType::F32, DType::F16, DType::BF16}) {
    for (int n = 0; n < 20000; ++n) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      // Exponents around the limits of f16, and of bf16 and f32.
      int exponent = static_cast<int>(state >> 58) - 40;
      double value = std::ldexp(static_cast<double>(state & 0xffffffffffff) /
                                    static_cast<double>(1ull << 48),
                                n % 2 ? exponent : 4 * exponent);
      EXPECT_EQ(roundTo(dtype, value), roundedByLLVM(dtype, value))
          << dtypeName(dtype).str() << " " << value;
    }
    for (double value : {65504.0, 65519.9, 65520.0, 1e39, -1e39, 0x1p-24,
                         0x1.8p-25, 0x1p-25, 0x1p-133, 0x1p-134, -0.0})
      EXPECT_EQ(roundTo(dtype, value), roundedByLLVM(dtype, value)) << value;
  }
}

TEST(Array, HalvesSurviveMemory) {
  for (DType dtype : {DType::F16, DType::BF16})
    for (unsigned bits = 0; bits < 65536; ++bits) {
      uint16_t before = static_cast<uint16_t>(bits), after = 0;
      double value = loadFloat(dtype, &before);
      storeFloat(dtype, value, &after);
      if (std::isnan(value)) {
        EXPECT_TRUE(std::isnan(loadFloat(dtype, &after)));
        continue;
      }
      EXPECT_EQ(before, after) << dtypeName(dtype).str() << " " << bits;
    }
}

TEST(Array, OneUnitInTheLastPlace) {
  EXPECT_EQ(ulpAt(DType::F32, 1.0), 0x1p-23);
  EXPECT_EQ(ulpAt(DType::F32, 3.9), 0x1p-22);
  EXPECT_EQ(ulpAt(DType::BF16, -1.0), 0x1p-7);
  EXPECT_EQ(ulpAt(DType::F16, 0.0), 0x1p-24);
}

TEST(Array, CountsElements) {
  EXPECT_EQ(elementCount({2, 3}), 6);
  EXPECT_EQ(elementCount({0, 7}), 0);
  EXPECT_EQ(elementCount({int64_t(1) << 60}), std::nullopt);
  EXPECT_EQ(elementCount({0, int64_t(1) << 40, int64_t(1) << 40}),
            std::nullopt);
}
