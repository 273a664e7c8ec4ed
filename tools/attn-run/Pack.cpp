//===- Pack.cpp - Cases for machines without a compiler -------------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How far a result may be from the oracle's follows from the inputs, not from
// the result: it is found here and needs no plain arithmetic over there.
//===----------------------------------------------------------------------===//

#include "Pack.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"

using namespace attnrun;
using namespace mlir;
using namespace mlir::attn;

/// The oracle's result as the best that its type can hold.
static Array rounded(const Array &exact) {
  Array result = exact;
  for (double &value : result.floats)
    value = roundTo(exact.dtype, value);
  return result;
}

/// What is expected of one run.
static llvm::Expected<llvm::json::Array>
expectations(const Program &program, func::FuncOp function,
             llvm::ArrayRef<Array> inputs, bool matrixUnits,
             std::vector<std::pair<std::string, Array>> &arrays) {
  auto judge =
      Judge::create(program.module(), function.getName(), inputs, matrixUnits);
  if (!judge)
    return judge.takeError();
  SmallVector<Array> best;
  for (const Array &exact : judge->oracle())
    best.push_back(rounded(exact));
  auto comparison = judge->compare(best);
  if (!comparison)
    return comparison.takeError();
  llvm::json::Array results;
  for (auto [index, exact] : llvm::enumerate(judge->oracle())) {
    results.push_back(
        llvm::json::Object{{"name", resultName(function, index)},
                           {"dtype", dtypeName(exact.dtype)},
                           {"rank", static_cast<int64_t>(exact.shape.size())},
                           {"shape", llvm::json::Array(exact.shape)},
                           {"allowed", comparison->results[index].allowed}});
    Array stored = exact;
    if (isFloat(exact.dtype))
      stored.dtype = DType::F64; // not rounded
    arrays.emplace_back("expect" + std::to_string(index), std::move(stored));
  }
  return results;
}

static llvm::Expected<llvm::json::Object>
packCase(const Program &program, func::FuncOp function, const Sizes &sizes,
         const std::string &path, const PackOptions &options) {
  InputOptions making;
  making.seed = options.seed;
  making.sizes = sizes;
  making.given = options.given;
  auto inputs = makeInputs(function, making);
  if (!inputs)
    return inputs.takeError();
  llvm::json::Object dims,
      entry{{"entry", function.getName()},
            {"data", llvm::sys::path::filename(path).str()}};
  for (const auto &[name, size] : sizes)
    dims[name] = size;
  entry["sizes"] = std::move(dims);
  std::vector<std::pair<std::string, Array>> arrays;
  llvm::json::Array args, results;
  for (auto [index, input] : llvm::enumerate(*inputs)) {
    args.push_back(dtypeName(input.dtype));
    arrays.emplace_back("arg" + std::to_string(index), input);
  }
  entry["args"] = std::move(args);
  if (auto error = function->getAttrOfType<StringAttr>("attn.error")) {
    entry["error"] = error.getValue();
    for (auto [index, type] : llvm::enumerate(function.getResultTypes()))
      results.push_back(
          llvm::json::Object{{"name", resultName(function, index)},
                             {"dtype", dtypeName(*dtypeOf(type))},
                             {"rank", cast<RankedTensorType>(type).getRank()}});
  } else {
    auto expected =
        expectations(program, function, *inputs, options.matrixUnits, arrays);
    if (!expected)
      return expected.takeError();
    results = std::move(*expected);
  }
  entry["results"] = std::move(results);
  if (llvm::Error error = writeNpz(path, arrays))
    return error;
  return entry;
}

llvm::Error attnrun::pack(const Program &program, const PackOptions &options) {
  llvm::json::Array cases;
  for (func::FuncOp function : program.entries()) {
    auto sets = sizeSets(function);
    if (!sets)
      return sets.takeError();
    for (const Sizes &sizes : *sets) {
      std::string path =
          options.prefix + "-" + std::to_string(cases.size()) + ".npz";
      auto entry = packCase(program, function, sizes, path, options);
      if (!entry)
        return entry.takeError();
      cases.push_back(std::move(*entry));
    }
  }
  if (cases.empty())
    return llvm::createStringError(
        "error: expects at least one public function, but got none");
  std::error_code code;
  std::string name = options.prefix + ".json";
  llvm::raw_fd_ostream file(name, code);
  if (!code) {
    file << llvm::json::Value(std::move(cases)) << "\n";
    file.close();
    code = file.error();
    file.clear_error();
  }
  if (code)
    return llvm::createStringError("error: cannot write '" + name +
                                   "': " + code.message());
  return llvm::Error::success();
}
