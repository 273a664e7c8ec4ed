//===- Compare.cpp - How close is equal -----------------------------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The rule is stated in the header; nothing else in the project judges results.
//===----------------------------------------------------------------------===//

#include "attn/Interpreter/Compare.h"

#include "llvm/Support/Format.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace mlir::attn;

/// The f32 bound of the specification, and the same for f64: both are 16.8
/// roundings of their type.
static constexpr double kSingleBound = 2e-6;
/// What no f32 computation is sure to stay below: eight of its roundings.
static constexpr double kSingleFloor = kSingleBound / 4;
static constexpr double kDoubleBound = kSingleBound / (1 << 29);

/// "[1, 0, 7]" for a position in a row-major array.
static std::string indexText(llvm::ArrayRef<int64_t> shape, int64_t position) {
  SmallVector<int64_t> index(shape.size());
  for (int64_t axis = static_cast<int64_t>(shape.size()) - 1; axis >= 0;
       --axis) {
    index[axis] = position % shape[axis];
    position /= shape[axis];
  }
  return shapeText(index);
}

static std::string numberText(double value) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.9g", value);
  return text;
}

static double maxFinite(llvm::ArrayRef<double> values) {
  double largest = 0;
  for (double value : values)
    if (std::isfinite(value))
      largest = std::max(largest, std::fabs(value));
  return largest;
}

static void failAt(ResultComparison &verdict, const Array &array,
                   int64_t position, const std::string &expected,
                   const std::string &got) {
  verdict.pass = false;
  if (verdict.reason.empty())
    verdict.reason = "expects " + expected + " at " +
                     indexText(array.shape, position) + ", but got " + got;
}

ResultComparison mlir::attn::compareResult(const Array &got,
                                           const Array &oracle,
                                           llvm::ArrayRef<const Array *> plain,
                                           const RunFacts &facts, bool isLse,
                                           std::optional<double> gradScale) {
  ResultComparison verdict;
  if (got.dtype != oracle.dtype || got.shape != oracle.shape) {
    verdict.pass = false;
    verdict.maxAbsError = verdict.maxRelError = INFINITY;
    verdict.reason = "expects a result of type " + oracle.typeText() +
                     ", but got " + got.typeText();
    return verdict;
  }
  if (!isFloat(got.dtype)) {
    for (auto [position, value] : llvm::enumerate(got.ints)) {
      if (value == oracle.ints[position])
        continue;
      verdict.maxAbsError =
          std::max(verdict.maxAbsError,
                   std::fabs(static_cast<double>(value) -
                             static_cast<double>(oracle.ints[position])));
      failAt(verdict, got, position, std::to_string(oracle.ints[position]),
             std::to_string(value));
    }
    return verdict;
  }

  int64_t worst = -1;
  for (auto [position, value] : llvm::enumerate(got.floats)) {
    double expected = oracle.floats[position];
    double overflowed = roundTo(got.dtype, expected);
    if (std::isnan(expected) || std::isinf(overflowed)) {
      bool same = std::isnan(expected)
                      ? std::isnan(value)
                      : value == overflowed || value == expected;
      if (!same)
        failAt(verdict, got, position, numberText(expected), numberText(value));
      continue;
    }
    if (!std::isfinite(value)) {
      verdict.maxAbsError = verdict.maxRelError = INFINITY;
      failAt(verdict, got, position, numberText(expected), numberText(value));
      continue;
    }
    double error = std::fabs(value - expected);
    if (error > verdict.maxAbsError) {
      verdict.maxAbsError = error;
      worst = position;
    }
    if (expected != 0)
      verdict.maxRelError =
          std::max(verdict.maxRelError, error / std::fabs(expected));
    for (const Array *variant : plain) {
      double plainError = std::fabs(variant->floats[position] - expected);
      if (std::isfinite(plainError))
        verdict.plainError = std::max(verdict.plainError, plainError);
    }
  }

  double scale =
      std::max(maxFinite(oracle.floats), isLse ? 1.0 : facts.maxAbsValue);
  DType type = got.dtype;
  if (!isLse && mantissaBits(facts.coarsest) < mantissaBits(type))
    type = facts.coarsest;
  if (gradScale)
    scale = maxFinite(oracle.floats);
  double ofScores =
      gradScale.value_or(scale) * std::max(1.0, facts.maxAbsScore / 8);
  // A score's rounding is part of an lse and a factor of a weight.
  double chain = isLse ? std::max(scale, facts.maxAbsScore / 8) : ofScores;
  double least = type == DType::F32 && facts.visiblePairs > 0
                     ? std::max(ulpAt(type, scale), kSingleFloor * chain)
                     : ulpAt(type, scale);
  if (type == DType::F64) {
    verdict.allowed = std::max(kDoubleBound * ofScores,
                               (gradScale ? 3 : 2) * verdict.plainError);
  } else if (gradScale) {
    verdict.allowed =
        std::max({3 * verdict.plainError, ulpAt(type, scale),
                  std::isfinite(*gradScale) ? ulpAt(DType::F32, *gradScale) : 0});
  } else {
    verdict.allowed = std::max(2 * verdict.plainError, least);
    if (type == DType::F32 &&
        mantissaBits(facts.coarsest) >= mantissaBits(type))
      verdict.allowed = std::min(verdict.allowed, kSingleBound * ofScores);
  }
  // Matrix units and products of pairs take numbers below the normal ones for
  // zero: a sum loses each of them as often as what it is multiplied by says. A
  // weight of 2^-127 lost beside values of 1 to 3 in 30 rows is 2^-121.
  if (facts.visiblePairs > 0)
    verdict.allowed = std::max(verdict.allowed,
                               type == DType::F64
                                   ? std::numeric_limits<double>::min()
                                   : 64 * std::numeric_limits<float>::min());
  if (verdict.maxAbsError > verdict.allowed && worst >= 0)
    failAt(verdict, got, worst,
           numberText(oracle.floats[worst]) + " +- " +
               numberText(verdict.allowed),
           numberText(got.floats[worst]));
  return verdict;
}

llvm::Expected<Judge> Judge::create(ModuleOp module, llvm::StringRef entry,
                                    llvm::ArrayRef<Array> args,
                                    bool matrixUnits) {
  Judge judge;
  InterpretOptions options;
  options.facts = &judge.facts;
  auto oracle = interpret(module, entry, args, options);
  if (!oracle)
    return oracle.takeError();
  judge.exact = std::move(*oracle);
  options.arithmetic = Arithmetic::Plain;
  options.facts = nullptr;
  options.matrixUnits = matrixUnits;
  // More variants where the program is small: few numbers leave more to luck.
  unsigned count = judge.facts.visiblePairs < 2000     ? 24
                   : judge.facts.visiblePairs < 100000 ? 8
                                                       : 2;
  for (options.variant = 0; options.variant < count; ++options.variant) {
    auto results = interpret(module, entry, args, options);
    if (!results)
      return results.takeError();
    judge.plain.push_back(std::move(*results));
  }
  return judge;
}

llvm::Expected<Comparison> Judge::compare(llvm::ArrayRef<Array> results) const {
  if (results.size() != exact.size())
    return llvm::createStringError("expects " + llvm::Twine(exact.size()) +
                                   " results, but got " +
                                   llvm::Twine(results.size()));
  Comparison comparison;
  for (auto [index, got] : llvm::enumerate(results)) {
    SmallVector<const Array *> variants;
    for (const SmallVector<Array> &variant : plain)
      variants.push_back(&variant[index]);
    comparison.results.push_back(compareResult(
        got, exact[index], variants, facts, facts.resultIsLse[index],
        facts.gradScale[index]));
    const ResultComparison &verdict = comparison.results.back();
    comparison.maxAbsError =
        std::max(comparison.maxAbsError, verdict.maxAbsError);
    comparison.maxRelError =
        std::max(comparison.maxRelError, verdict.maxRelError);
    comparison.pass &= verdict.pass;
  }
  return comparison;
}

llvm::Expected<Comparison>
mlir::attn::compareWithOracle(ModuleOp module, llvm::StringRef entry,
                              llvm::ArrayRef<Array> args,
                              llvm::ArrayRef<Array> results, bool matrixUnits) {
  auto judge = Judge::create(module, entry, args, matrixUnits);
  if (!judge)
    return judge.takeError();
  return judge->compare(results);
}

std::string Comparison::summary() const {
  std::string text;
  llvm::raw_string_ostream(text)
      << llvm::format("max_abs_err=%.3g max_rel_err=%.3g ", maxAbsError,
                      maxRelError)
      << (pass ? "PASS" : "FAIL");
  return text;
}
