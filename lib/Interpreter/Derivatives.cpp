//===- Derivatives.cpp - A score_mod run backwards ------------------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reverse-mode differentiation of the list of operations that a region is.
//===----------------------------------------------------------------------===//

#include "Detail.h"

#include "llvm/ADT/StringMap.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::detail;

namespace {
/// The slopes of y by the operands x, at one point.
struct Slopes {
  double by[3] = {0, 0, 0};
};
using Slope = Slopes (*)(const Scalar *x, double y);
} // namespace

static constexpr double kLn2 = 0.69314718055994530942;
static constexpr double kTwoOverRootPi = 1.12837916709551257390;

/// The larger operand has slope 1; equal ones share it.
static Slopes ofLarger(double a, double b) {
  double first = a > b ? 1 : a == b ? 0.5 : 0;
  return {{first, 1 - first, 0}};
}

static Slope slopeOf(llvm::StringRef name) {
  static const llvm::StringMap<Slope> table = {
      {"arith.addf", [](const Scalar *, double) { return Slopes{{1, 1}}; }},
      {"arith.subf", [](const Scalar *, double) { return Slopes{{1, -1}}; }},
      {"arith.mulf", [](const Scalar *x, double) { return Slopes{{x[1].f, x[0].f}}; }},
      {"arith.divf",
       [](const Scalar *x, double y) { return Slopes{{1 / x[1].f, -y / x[1].f}}; }},
      {"arith.negf", [](const Scalar *, double) { return Slopes{{-1}}; }},
      {"arith.maximumf", [](const Scalar *x, double) { return ofLarger(x[0].f, x[1].f); }},
      {"arith.maxnumf", [](const Scalar *x, double) { return ofLarger(x[0].f, x[1].f); }},
      {"arith.minimumf", [](const Scalar *x, double) { return ofLarger(-x[0].f, -x[1].f); }},
      {"arith.minnumf", [](const Scalar *x, double) { return ofLarger(-x[0].f, -x[1].f); }},
      {"arith.select",
       [](const Scalar *x, double) { return x[0].i ? Slopes{{0, 1, 0}} : Slopes{{0, 0, 1}}; }},
      {"arith.extf", [](const Scalar *, double) { return Slopes{{1}}; }},
      {"arith.truncf", [](const Scalar *, double) { return Slopes{{1}}; }},
      {"math.exp", [](const Scalar *, double y) { return Slopes{{y}}; }},
      {"math.exp2", [](const Scalar *, double y) { return Slopes{{y * kLn2}}; }},
      {"math.log", [](const Scalar *x, double) { return Slopes{{1 / x[0].f}}; }},
      {"math.log2", [](const Scalar *x, double) { return Slopes{{1 / (x[0].f * kLn2)}}; }},
      {"math.log1p", [](const Scalar *x, double) { return Slopes{{1 / (1 + x[0].f)}}; }},
      {"math.tanh", [](const Scalar *, double y) { return Slopes{{1 - y * y}}; }},
      {"math.sqrt", [](const Scalar *, double y) { return Slopes{{0.5 / y}}; }},
      {"math.rsqrt", [](const Scalar *, double y) { return Slopes{{-0.5 * y * y * y}}; }},
      {"math.absf",
       [](const Scalar *x, double) {
         return Slopes{{x[0].f > 0 ? 1.0 : x[0].f < 0 ? -1.0 : 0.0}};
       }},
      {"math.sin", [](const Scalar *x, double) { return Slopes{{std::cos(x[0].f)}}; }},
      {"math.cos", [](const Scalar *x, double) { return Slopes{{-std::sin(x[0].f)}}; }},
      {"math.powf",
       [](const Scalar *x, double y) {
         return Slopes{{x[1].f * std::pow(x[0].f, x[1].f - 1),
                        x[0].f > 0 ? y * std::log(x[0].f) : 0}};
       }},
      {"math.erf",
       [](const Scalar *x, double) {
         return Slopes{{kTwoOverRootPi * std::exp(-x[0].f * x[0].f)}};
       }},
  };
  return table.lookup(name);
}

double ScalarProgram::reverse(
    double seed, llvm::function_ref<void(const Datum *, int64_t, double)> read) {
  auto rounded = [&](double value) {
    return arithmetic == Arithmetic::Plain ? roundTo(DType::F32, value) : value;
  };
  adjoints.assign(slots.size(), 0.0);
  adjoints[yielded] = seed;
  for (const Step &step : llvm::reverse(steps)) {
    double adjoint = adjoints[step.result];
    // What passes on nothing passes on nothing, however steep it is there.
    if (adjoint == 0)
      continue;
    if (step.load) {
      int64_t offset = 0;
      for (auto [operand, size] : llvm::zip(step.operands, step.load->shape))
        offset = offset * size + slots[operand].i;
      if (isFloat(step.load->dtype))
        read(step.load, offset, adjoint);
      continue;
    }
    Slope slope = slopeOf(step.name);
    if (!slope) // integers and truth values; the verifier refuses the rest
      continue;
    Scalar inputs[3];
    for (auto [index, operand] : llvm::enumerate(step.operands))
      inputs[index] = slots[operand];
    Slopes slopes = slope(inputs, slots[step.result].f);
    for (auto [index, operand] : llvm::enumerate(step.operands))
      if (slopes.by[index] != 0)
        adjoints[operand] =
            rounded(adjoints[operand] + rounded(adjoint * slopes.by[index]));
  }
  return adjoints[0];
}
