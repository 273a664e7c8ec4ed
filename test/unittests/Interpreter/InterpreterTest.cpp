//===- InterpreterTest.cpp - The oracle against hand-made numbers ---------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every expected number here follows from the specification on paper: scores
// are 0 or logarithms of small integers, so that weights are fractions.
//===----------------------------------------------------------------------===//

#include "attn/Interpreter/Interpreter.h"
#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

namespace {
const double kLn2 = std::log(2.0);

Array floats(llvm::ArrayRef<int64_t> shape, std::vector<double> values,
             DType dtype = DType::F32) {
  Array array(dtype, shape);
  EXPECT_EQ(array.floats.size(), values.size());
  array.floats = std::move(values);
  return array;
}
Array ints(llvm::ArrayRef<int64_t> shape, std::vector<int64_t> values,
           DType dtype = DType::I32) {
  Array array(dtype, shape);
  EXPECT_EQ(array.ints.size(), values.size());
  array.ints = std::move(values);
  return array;
}
Array shapeOnly(llvm::ArrayRef<int64_t> shape, DType dtype = DType::F32) {
  Array array;
  array.dtype = dtype;
  array.shape.assign(shape.begin(), shape.end());
  return array;
}

class Interpreter : public testing::Test {
protected:
  Interpreter() {
    context.loadDialect<AttnDialect, arith::ArithDialect, func::FuncDialect,
                        math::MathDialect, scf::SCFDialect,
                        tensor::TensorDialect>();
  }
  ModuleOp parse(llvm::StringRef text) {
    module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module);
    return *module;
  }
  SmallVector<Array> run(llvm::StringRef text, llvm::ArrayRef<Array> args,
                         InterpretOptions options = {}) {
    auto results = interpret(parse(text), "f", args, options);
    if (results)
      return *results;
    ADD_FAILURE() << llvm::toString(results.takeError());
    return {};
  }
  std::string error(llvm::StringRef text, llvm::ArrayRef<Array> args) {
    auto results = interpret(parse(text), "f", args);
    if (!results)
      return llvm::toString(results.takeError());
    return "no error";
  }
  /// Attention of D = 1 with scale 1, q = 1 and the scores as keys.
  std::string attention(llvm::StringRef extra, int64_t queries, int64_t keys,
                        llvm::StringRef arguments = "",
                        llvm::StringRef attributes = "scale = 1.0 : f64") {
    auto type = [](int64_t n) {
      return "tensor<1x1x" + std::to_string(n) + "x1xf32>";
    };
    std::string q = type(queries), k = type(keys),
                l = "tensor<1x1x" + std::to_string(queries) + "xf32>";
    return "func.func @f(%q: " + q + ", %k: " + k + ", %v: " + k +
           arguments.str() + ") -> (" + q + ", " + l +
           ") { %o, %l = attn.attention %q, %k, %v " + extra.str() + " {" +
           attributes.str() + "} : " + q + ", " + k + ", " + k + " -> " + q +
           ", " + l + " return %o, %l : " + q + ", " + l + " }";
  }
  void expectNear(const Array &array, std::vector<double> expected) {
    ASSERT_EQ(array.floats.size(), expected.size());
    for (size_t n = 0; n < expected.size(); ++n) {
      if (std::isfinite(expected[n]))
        EXPECT_NEAR(array.floats[n], expected[n], 1e-12) << "at " << n;
      else if (std::isnan(expected[n]))
        EXPECT_TRUE(std::isnan(array.floats[n])) << "at " << n;
      else
        EXPECT_EQ(array.floats[n], expected[n]) << "at " << n;
    }
  }
  /// Queries that are all 1.
  Array ones(int64_t queries) {
    return floats({1, 1, queries, 1}, std::vector<double>(queries, 1.0));
  }
  Array keyed(std::vector<double> values) {
    return floats({1, 1, static_cast<int64_t>(values.size()), 1}, values);
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};
} // namespace

// The example of the op's description: weights 1/4, 1/4, 1/2.
TEST_F(Interpreter, ExampleOfTheOp) {
  auto results = run(attention("", 2, 3),
                     {ones(2), keyed({0, 0, kLn2}), keyed({1, 1, 4})});
  expectNear(results[0], {2.5, 2.5});
  expectNear(results[1], {2 * kLn2, 2 * kLn2});
}

TEST_F(Interpreter, ScaleIsOneOverTheRootOfD) {
  // D = 4: a score of 2 ln 2 becomes ln 2; weights 2/3 and 1/3.
  auto results = run(
      "func.func @f(%q: tensor<1x1x1x4xf32>, %k: tensor<1x1x2x4xf32>, %v: "
      "tensor<1x1x2x1xf32>) -> tensor<1x1x1x1xf32> { %o = attn.attention %q, "
      "%k, %v : tensor<1x1x1x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x1xf32> "
      "-> tensor<1x1x1x1xf32> return %o : tensor<1x1x1x1xf32> }",
      {floats({1, 1, 1, 4}, {1, 1, 0, 0}),
       floats({1, 1, 2, 4}, {kLn2, kLn2, 5, 5, 0, 0, 7, 7}), keyed({3, 9})});
  expectNear(results[0], {5});
}

TEST_F(Interpreter, CausalAlignments) {
  // Three queries, two keys. Bottom right shifts by -1: the first row is empty.
  std::vector<Array> args{ones(3), keyed({0, 0}), keyed({2, 4})};
  auto topLeft = run(attention("mask <causal> align top_left", 3, 2), args);
  expectNear(topLeft[0], {2, 3, 3});
  expectNear(topLeft[1], {0, kLn2, kLn2});
  auto bottomRight =
      run(attention("mask <causal> align bottom_right", 3, 2), args);
  expectNear(bottomRight[0], {0, 2, 3});
  expectNear(bottomRight[1], {-INFINITY, 0, kLn2});
}

TEST_F(Interpreter, Band) {
  std::vector<Array> args{ones(3), keyed({0, 0, 0}), keyed({1, 10, 100})};
  expectNear(run(attention("mask <band<1, 0>>", 3, 3), args)[0], {1, 5.5, 55});
  expectNear(run(attention("mask <band<inf, 0>>", 3, 3), args)[0],
             {1, 5.5, 37});
  expectNear(run(attention("mask <band<0, inf>>", 3, 3), args)[0],
             {37, 55, 100});
}

TEST_F(Interpreter, PrefixAndAlgebra) {
  std::vector<Array> args{ones(3), keyed({0, 0, 0}), keyed({1, 10, 100})};
  expectNear(run(attention("mask <prefix<2>>", 3, 3), args)[0],
             {5.5, 5.5, 5.5});
  expectNear(run(attention("mask <or(prefix<1>, band<0, 0>)>", 3, 3), args)[0],
             {1, 5.5, 50.5});
  expectNear(run(attention("mask <and(prefix<2>, causal)>", 3, 3), args)[0],
             {1, 5.5, 5.5});
  args.push_back(ints({1}, {2}));
  expectNear(run(attention("mask <prefix> prefix_lengths(%p : tensor<1xi32>)",
                           3, 3, ", %p: tensor<1xi32>"),
                 args)[0],
             {5.5, 5.5, 5.5});
}

TEST_F(Interpreter, DocumentsFromCumulativeLengths) {
  // Documents {0, 1} and {2}; slot 3 belongs to none.
  std::vector<Array> args{ones(4), keyed({0, 0, 0, 0}), keyed({1, 3, 8, 99}),
                          ints({3}, {0, 2, 3})};
  auto results = run(attention("mask <document> cu_q(%c : tensor<3xi32>) "
                               "cu_kv(%c : tensor<3xi32>)",
                               4, 4, ", %c: tensor<3xi32>"),
                     args);
  expectNear(results[0], {2, 2, 8, 0});
  expectNear(results[1], {kLn2, kLn2, 0, -INFINITY});
}

TEST_F(Interpreter, DocumentsAlignEachToItsOwnEnd) {
  // Document 5 has one query and three keys, document 7 two of each. Bottom
  // right: the query of 5 is its last position and sees all three keys.
  std::vector<Array> args{ones(3), keyed({0, 0, 0, 0, 0}),
                          keyed({1, 2, 6, 10, 20}), ints({1, 3}, {5, 7, 7}),
                          ints({1, 5}, {5, 5, 5, 7, 7})};
  std::string types = ", %a: tensor<1x3xi32>, %b: tensor<1x5xi32>";
  std::string segments =
      " q_segments(%a : tensor<1x3xi32>) kv_segments(%b : tensor<1x5xi32>)";
  expectNear(run(attention("mask <and(document, causal)> align bottom_right" +
                               segments,
                           3, 5, types),
                 args)[0],
             {3, 10, 15});
  expectNear(
      run(attention("mask <and(document, causal)> align top_left" + segments, 3,
                    5, types),
          args)[0],
      {1, 10, 15});
}

TEST_F(Interpreter, LengthsAndTheirAlignment) {
  // Two of three keys are valid, two of three queries: bottom right shifts by
  // 0.
  std::vector<Array> args{ones(3), keyed({0, 0, 0}), keyed({2, 4, NAN}),
                          ints({1}, {2}), ints({1}, {2})};
  auto results =
      run(attention("mask <causal> align bottom_right q_lengths(%m : "
                    "tensor<1xi32>) kv_lengths(%n : tensor<1xi32>)",
                    3, 3, ", %m: tensor<1xi32>, %n: tensor<1xi32>"),
          args);
  expectNear(results[0], {2, 3, 0});
  expectNear(results[1], {0, kLn2, -INFINITY});
}

TEST_F(Interpreter, GivenPositions) {
  std::vector<Array> args{ones(2), keyed({0, 0, 0}), keyed({1, 10, 100}),
                          ints({1, 2}, {5, 2}), ints({1, 3}, {4, 5, 1})};
  expectNear(run(attention("mask <causal> q_positions(%a : tensor<1x2xi32>) "
                           "kv_positions(%b : tensor<1x3xi32>)",
                           2, 3, ", %a: tensor<1x2xi32>, %b: tensor<1x3xi32>"),
                 args)[0],
             {37, 100});
}

TEST_F(Interpreter, BiasAndMaskBroadcast) {
  std::vector<Array> args{ones(2), keyed({0, 0}), keyed({1, 7}),
                          floats({2}, {kLn2, 0}),
                          ints({2, 2}, {1, 1, 0, 1}, DType::I1)};
  // First row: weights 2/3 and 1/3. Second row: the first key is hidden.
  expectNear(run(attention("bias(%b : tensor<2xf32>) mask_tensor(%m : "
                           "tensor<2x2xi1>)",
                           2, 2, ", %b: tensor<2xf32>, %m: tensor<2x2xi1>"),
                 args)[0],
             {3, 7});
}

TEST_F(Interpreter, OrderOfTheScore) {
  // softcap(ln 2 * big) -> the cap itself, then score_mod halves it, then the
  // bias is added: cap 2 ln 2 gives ln 2 after the region.
  std::vector<Array> args{ones(1), keyed({1e6, 0}), keyed({1, 4}),
                          floats({2}, {0, kLn2})};
  std::string text = attention(
      "bias(%b : tensor<2xf32>) score_mod { ^bb0(%s: f32, %x: i32, %h: i32, "
      "%i: i32, %j: i32): %c = arith.constant 0.5 : f32 %r = arith.mulf %s, %c "
      ": f32 attn.yield %r : f32 }",
      1, 2, ", %b: tensor<2xf32>",
      "scale = 1.0 : f64, softcap = 1.3862943611198906 : f64");
  auto results = run(text, args);
  expectNear(results[0], {2.5});
  expectNear(results[1], {2 * kLn2});
}

TEST_F(Interpreter, LogWeightAndSinks) {
  std::vector<Array> args{ones(1), keyed({0, 0, NAN}), keyed({3, 6, NAN}),
                          floats({1, 1, 3}, {kLn2, 0, -INFINITY}),
                          floats({1}, {0})};
  // exp sums to 2 + 1 + 1 for the sink, which has no value.
  auto results =
      run(attention("log_weight(%w : tensor<1x1x3xf32>) sinks(%s : "
                    "tensor<1xf32>)",
                    1, 3, ", %w: tensor<1x1x3xf32>, %s: tensor<1xf32>"),
          args);
  expectNear(results[0], {3});
  expectNear(results[1], {2 * kLn2});
}

TEST_F(Interpreter, RowsThatSeeNothing) {
  std::vector<Array> args{ones(1), keyed({0}), keyed({NAN}), ints({1}, {0})};
  auto plain = run(
      attention("kv_lengths(%n : tensor<1xi32>)", 1, 1, ", %n: tensor<1xi32>"),
      args);
  expectNear(plain[0], {0});
  expectNear(plain[1], {-INFINITY});
  args.push_back(floats({1}, {0.75}));
  auto sunk = run(attention("kv_lengths(%n : tensor<1xi32>) sinks(%s : "
                            "tensor<1xf32>)",
                            1, 1, ", %n: tensor<1xi32>, %s: tensor<1xf32>"),
                  args);
  expectNear(sunk[0], {0});
  expectNear(sunk[1], {0.75});
}

TEST_F(Interpreter, WhatIsNotFiniteStaysInItsRow) {
  // Row 0 sees key 0 alone, row 1 both; key 1 is NaN. Row 0 is untouched.
  auto nan = run(attention("mask <causal>", 2, 2),
                 {ones(2), keyed({0, NAN}), keyed({5, 6})});
  expectNear(nan[0], {5, NAN});
  expectNear(nan[1], {0, NAN});
  auto value = run(attention("mask <causal>", 2, 2),
                   {ones(2), keyed({0, 0}), keyed({5, NAN})});
  expectNear(value[0], {5, NAN});
  expectNear(value[1], {0, kLn2});
  // A score of -inf hides, one of +inf is NaN.
  auto hidden = run(attention("", 1, 2),
                    {ones(1), keyed({-INFINITY, 0}), keyed({NAN, 6})});
  expectNear(hidden[0], {6});
  auto infinite =
      run(attention("", 1, 2), {ones(1), keyed({INFINITY, 0}), keyed({1, 6})});
  expectNear(infinite[0], {NAN});
}

TEST_F(Interpreter, GroupedHeadsAndAxes) {
  // q is [b, i, hq, d] with four heads on two; head h reads v of h / 2.
  auto results = run(
      "func.func @f(%q: tensor<1x1x4x1xf32>, %k: tensor<1x1x2x1xf32>) -> "
      "tensor<1x1x4x1xf32> { %o = attn.attention %q, %k, %k {axes = "
      "#attn.axes<q = [b, i, hq, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>} "
      ": tensor<1x1x4x1xf32>, tensor<1x1x2x1xf32>, tensor<1x1x2x1xf32> -> "
      "tensor<1x1x4x1xf32> return %o : tensor<1x1x4x1xf32> }",
      {floats({1, 1, 4, 1}, {0, 0, 0, 0}), floats({1, 1, 2, 1}, {7, 9})});
  expectNear(results[0], {7, 7, 9, 9});
}

TEST_F(Interpreter, Pages) {
  // Pages of eight; the list is page 1, none, page 0; twenty slots are valid.
  std::vector<double> pool(16);
  for (int n = 0; n < 16; ++n)
    pool[n] = n < 8 ? 1.0 : 4.0; // page 0 holds ones, page 1 fours
  auto results = run(
      "func.func @f(%q: tensor<1x1x1x1xf32>, %p: tensor<2x1x8x1xf32>, %t: "
      "tensor<1x1x3xi32>, %n: tensor<1xi32>) -> (tensor<1x1x1x1xf32>, "
      "tensor<1x1x1xf32>) { %o, %l = attn.attention %q, %p, %p kv_lengths(%n : "
      "tensor<1xi32>) page_table(%t : tensor<1x1x3xi32>) {page_size = 8 : i64, "
      "scale = 0.0 : f64} : tensor<1x1x1x1xf32>, tensor<2x1x8x1xf32>, "
      "tensor<2x1x8x1xf32> -> tensor<1x1x1x1xf32>, tensor<1x1x1xf32> return "
      "%o, %l : tensor<1x1x1x1xf32>, tensor<1x1x1xf32> }",
      {floats({1, 1, 1, 1}, {1}), floats({2, 1, 8, 1}, pool),
       ints({1, 1, 3}, {1, -1, 0}), ints({1}, {20})});
  // Eight fours and four ones.
  expectNear(results[0], {3});
  expectNear(results[1], {std::log(12.0)});
}

TEST_F(Interpreter, MaskRegionWithACapture) {
  std::vector<Array> args{ones(1), keyed({0, 0, 0}), keyed({1, 3, 100}),
                          ints({3}, {1, 1, 0}, DType::I1)};
  expectNear(
      run(attention("captures(%c : tensor<3xi1>) mask_mod { ^bb0(%b: i32, %h: "
                    "i32, %i: i32, %j: i32, %t: tensor<3xi1>): %p = attn.load "
                    "%t[%j] : tensor<3xi1> attn.yield %p : i1 }",
                    1, 3, ", %c: tensor<3xi1>"),
          args)[0],
      {2});
}

// attention_r9: an index outside matters where the pair is visible, only there.
TEST_F(Interpreter, LoadsOutside) {
  auto text = [&](llvm::StringRef mask) {
    return attention((mask + " captures(%c : tensor<2xf32>) score_mod { "
                             "^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: "
                             "i32, %t: tensor<2xf32>): %x = attn.load %t[%j] : "
                             "tensor<2xf32> attn.yield %x : f32 }")
                         .str(),
                     1, 3, ", %c: tensor<2xf32>");
  };
  std::vector<Array> args{ones(1), keyed({0, 0, 0}), keyed({1, 4, 100}),
                          floats({2}, {kLn2, 0})};
  expectNear(run(text("mask <prefix<2>>"), args)[0], {2});
  EXPECT_NE(error(text(""), args)
                .find("'attn.attention' op expects the indices of attn.load to "
                      "lie inside f32[2] where the pair is visible, but got "
                      "[2]"),
            std::string::npos);
}

// The example of merge_states: two states with lse ln 2, outs 1 and 3.
TEST_F(Interpreter, MergeStates) {
  std::string text =
      "func.func @f(%a: tensor<2x1xf32>, %b: tensor<2x1xf32>, %x: "
      "tensor<2xf32>, %y: tensor<2xf32>) -> (tensor<2x1xf32>, tensor<2xf32>) { "
      "%o, %l = attn.merge_states outs(%a, %b : tensor<2x1xf32>, "
      "tensor<2x1xf32>) lses(%x, %y : tensor<2xf32>, tensor<2xf32>) -> "
      "tensor<2x1xf32>, tensor<2xf32> return %o, %l : tensor<2x1xf32>, "
      "tensor<2xf32> }";
  auto results =
      run(text, {floats({2, 1}, {1, NAN}), floats({2, 1}, {3, 5}),
                 floats({2}, {kLn2, -INFINITY}), floats({2}, {kLn2, 1.5})});
  expectNear(results[0], {2, 5});
  expectNear(results[1], {2 * kLn2, 1.5});
  auto empty =
      run(text, {floats({2, 1}, {NAN, 1}), floats({2, 1}, {NAN, 2}),
                 floats({2}, {-INFINITY, NAN}), floats({2}, {-INFINITY, 0})});
  expectNear(empty[0], {0, NAN});
  expectNear(empty[1], {-INFINITY, NAN});
}

TEST_F(Interpreter, ExactDoesNotRoundAndPlainDoes) {
  std::string text =
      "func.func @f(%x: tensor<1xf32>) -> tensor<1xbf16> { %y = arith.addf %x, "
      "%x : tensor<1xf32> %z = arith.truncf %y : tensor<1xf32> to "
      "tensor<1xbf16> return %z : tensor<1xbf16> }";
  Array x = floats({1}, {1.0 + 0x1p-20});
  expectNear(run(text, {x})[0], {2.0 + 0x1p-19});
  InterpretOptions plain;
  plain.arithmetic = Arithmetic::Plain;
  expectNear(run(text, {x}, plain)[0], {2.0});
}

TEST_F(Interpreter, PlainAttentionRoundsItsWeights) {
  // Weights 1/3 and 2/3 in bf16 are 0.333984375 and 0.66796875.
  std::string text =
      "func.func @f(%q: tensor<1x1x1x1xbf16>, %k: tensor<1x1x2x1xbf16>, %b: "
      "tensor<2xf32>) -> tensor<1x1x1x1xbf16> { %o = attn.attention %q, %k, %k "
      "bias(%b : tensor<2xf32>) {scale = 0.0 : f64} : tensor<1x1x1x1xbf16>, "
      "tensor<1x1x2x1xbf16>, tensor<1x1x2x1xbf16> -> tensor<1x1x1x1xbf16> "
      "return %o : tensor<1x1x1x1xbf16> }";
  std::vector<Array> args{floats({1, 1, 1, 1}, {1}, DType::BF16),
                          floats({1, 1, 2, 1}, {1, 0}, DType::BF16),
                          floats({2}, {0, kLn2})};
  expectNear(run(text, args)[0], {1.0 / 3.0});
  InterpretOptions plain;
  plain.arithmetic = Arithmetic::Plain;
  expectNear(run(text, args, plain)[0], {0.333984375});
}

TEST_F(Interpreter, FactsOfARun) {
  RunFacts facts;
  InterpretOptions options;
  options.facts = &facts;
  // Key 1 is hidden: neither its score nor its value counts.
  run(attention("mask <prefix<1>>", 1, 2),
      {ones(1), keyed({-3, 50}), keyed({2, 90})}, options);
  EXPECT_EQ(facts.maxAbsScore, 3);
  EXPECT_EQ(facts.maxAbsValue, 2);
  EXPECT_EQ(facts.coarsest, DType::F32);
  EXPECT_EQ(facts.resultIsLse, (SmallVector<bool>{false, true}));
}

TEST_F(Interpreter, LoopsBranchesAndCalls) {
  auto results = run(
      "func.func private @twice(%x: tensor<2xf32>) -> tensor<2xf32> { %y = "
      "arith.addf %x, %x : tensor<2xf32> return %y : tensor<2xf32> } func.func "
      "@f(%x: tensor<2xf32>, %p: tensor<i1>) -> tensor<2xf32> { %a = "
      "arith.constant 0 : index %b = arith.constant 10 : index %s = "
      "arith.constant 4 : index %c = tensor.extract %p[] : tensor<i1> %r = "
      "scf.for %i = %a to %b step %s iter_args(%y = %x) -> (tensor<2xf32>) { "
      "%z = scf.if %c -> (tensor<2xf32>) { %t = func.call @twice(%y) : "
      "(tensor<2xf32>) -> tensor<2xf32> scf.yield %t : tensor<2xf32> } else { "
      "scf.yield %y : tensor<2xf32> } scf.yield %z : tensor<2xf32> } return %r "
      ": tensor<2xf32> }",
      {floats({2}, {1, 3}), ints({}, {1}, DType::I1)});
  expectNear(results[0], {8, 24});
}

TEST_F(Interpreter, EndlessRecursionIsAnError) {
  std::string text = "func.func @f(%x: tensor<1xf32>) -> tensor<1xf32> { %y = "
                     "func.call @f(%x) : (tensor<1xf32>) -> tensor<1xf32> "
                     "return %y : tensor<1xf32> }";
  EXPECT_NE(error(text, {floats({1}, {0})})
                .find("expects calls and regions to nest at most 256 deep"),
            std::string::npos);
}

TEST_F(Interpreter, UndefinedArithmeticIsAnError) {
  std::string text = "func.func @f(%x: tensor<1xi32>) -> tensor<1xi32> { %y = "
                     "arith.divsi %x, %x : tensor<1xi32> return %y : "
                     "tensor<1xi32> }";
  EXPECT_NE(
      error(text, {ints({1}, {0})}).find("'arith.divsi' op expects a divisor"),
      std::string::npos);
  EXPECT_EQ(run(text, {ints({1}, {-7})})[0].ints[0], 1);
}

TEST_F(Interpreter, UnknownOperationIsAnError) {
  std::string text =
      "func.func @f(%x: tensor<2x2xf32>, %i: tensor<1x1xindex>) -> "
      "tensor<1x2xf32> { %y = tensor.gather %x[%i] gather_dims([0]) : "
      "(tensor<2x2xf32>, tensor<1x1xindex>) -> tensor<1x2xf32> return %y : "
      "tensor<1x2xf32> }";
  EXPECT_NE(
      error(text, {floats({2, 2}, {1, 2, 3, 4}), ints({1, 1}, {0}, DType::I64)})
          .find("but got 'tensor.gather'"),
      std::string::npos);
}

TEST_F(Interpreter, ArgumentsAreChecked) {
  std::string text = "func.func @f(%x: tensor<?x2xf32>) -> tensor<?x2xf32> { "
                     "return %x : tensor<?x2xf32> }";
  EXPECT_NE(error(text, {floats({1, 3}, {1, 2, 3})})
                .find("expects argument #0 of 'f' to be f32[?, 2], but got "
                      "f32[1, 3]"),
            std::string::npos);
  EXPECT_NE(error(text, {}).find("expects 1 arguments for 'f', but got 0"),
            std::string::npos);
  EXPECT_NE(error(text, {floats({1, 2}, {1, 2}, DType::F16)})
                .find("but got f16[1, 2]"),
            std::string::npos);
}

TEST_F(Interpreter, ShapesAlone) {
  ModuleOp parsed = parse(
      "func.func @f(%q: tensor<?x4x?x8xf32>, %k: tensor<?x2x?x8xf32>, %n: "
      "tensor<?xi32>) -> (tensor<?x4x?x8xf32>, tensor<?x4x?xf32>, "
      "tensor<?x2x?x8xf32>) { %o, %l = attn.attention %q, %k, %k kv_lengths(%n "
      ": tensor<?xi32>) : tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, "
      "tensor<?x2x?x8xf32> -> tensor<?x4x?x8xf32>, tensor<?x4x?xf32> %c = "
      "tensor.concat dim(2) %k, %k : (tensor<?x2x?x8xf32>, "
      "tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32> return %o, %l, %c : "
      "tensor<?x4x?x8xf32>, tensor<?x4x?xf32>, tensor<?x2x?x8xf32> }");
  auto shapes =
      interpretShapes(parsed, "f",
                      {shapeOnly({3, 4, 5, 8}), shapeOnly({3, 2, 9, 8}),
                       shapeOnly({3}, DType::I32)});
  ASSERT_TRUE(static_cast<bool>(shapes));
  EXPECT_EQ((*shapes)[0], (SmallVector<int64_t>{3, 4, 5, 8}));
  EXPECT_EQ((*shapes)[1], (SmallVector<int64_t>{3, 4, 5}));
  EXPECT_EQ((*shapes)[2], (SmallVector<int64_t>{3, 2, 18, 8}));
  // attention_r1
  auto wrong =
      interpretShapes(parsed, "f",
                      {shapeOnly({3, 4, 5, 8}), shapeOnly({2, 2, 9, 8}),
                       shapeOnly({3}, DType::I32)});
  ASSERT_FALSE(static_cast<bool>(wrong));
  EXPECT_NE(llvm::toString(wrong.takeError())
                .find("expects k to have the batch size of q"),
            std::string::npos);
  // attention_r8: a score matrix of 2^31 x 4 x 2^15 x 2^15 elements.
  auto large = interpretShapes(parsed, "f",
                               {shapeOnly({int64_t(1) << 31, 4, 32768, 8}),
                                shapeOnly({int64_t(1) << 31, 2, 32768, 8}),
                                shapeOnly({int64_t(1) << 31}, DType::I32)});
  ASSERT_FALSE(static_cast<bool>(large));
  EXPECT_NE(
      llvm::toString(large.takeError())
          .find("expects a score matrix whose size in bytes fits 63 bits"),
      std::string::npos);
}
