//===- Signature.cpp - Entries of a program as JSON -------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "attn/Target/Signature.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinTypes.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace attn;

static llvm::StringRef dtypeName(mlir::Type type) {
  if (type.isF64())
    return "f64";
  if (type.isF32())
    return "f32";
  if (type.isF16())
    return "f16";
  if (type.isBF16())
    return "bf16";
  for (unsigned width : {64, 32, 8, 1})
    if (type.isSignlessInteger(width))
      return width == 64   ? "i64"
             : width == 32 ? "i32"
             : width == 8  ? "i8"
                           : "i1";
  return "";
}

static std::string typeText(mlir::Type type) {
  std::string text;
  llvm::raw_string_ostream os(text);
  type.print(os);
  return text.substr(0, 200);
}

/// {"name", "dtype", "shape"} of one argument or result. `what` is "argument 2"
/// for messages.
static bool describeTensor(mlir::func::FuncOp function, mlir::Type type,
                           mlir::StringAttr given, llvm::StringRef what,
                           std::string otherwise, llvm::json::Array &tensors,
                           Fault &fault) {
  auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type);
  llvm::StringRef dtype = tensor ? dtypeName(tensor.getElementType()) : "";
  if (dtype.empty())
    return fault.set(
        FaultClass::Compile,
        ("@" + function.getSymName() + " expects " + what +
         " to be a ranked tensor of f64, f32, f16, bf16, i64, i32, i8 or i1 "
         "(a package passes nothing else; wrap a scalar as tensor<1x...>), "
         "but got " +
         typeText(type))
            .str());
  llvm::json::Array shape;
  for (int64_t dim : tensor.getShape())
    shape.push_back(mlir::ShapedType::isDynamic(dim) ? -1 : dim);
  tensors.push_back(llvm::json::Object{
      {"name", given ? llvm::json::fixUTF8(given.getValue()) : otherwise},
      {"dtype", dtype},
      {"shape", std::move(shape)}});
  return true;
}

static bool isIdentifier(llvm::StringRef name) {
  return !name.empty() && !llvm::isDigit(name[0]) &&
         llvm::all_of(name,
                      [](char c) { return llvm::isAlnum(c) || c == '_'; });
}

static bool describeEntry(mlir::func::FuncOp function,
                          llvm::json::Array &entries, Fault &fault) {
  llvm::StringRef name = function.getSymName();
  if (!isIdentifier(name))
    return fault.set(FaultClass::Compile,
                     ("expects the name of a public function to be letters, "
                      "digits and '_', but got '" +
                      name + "'")
                         .str());
  llvm::json::Array args, results;
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes()))
    if (!describeTensor(
            function, type,
            function.getArgAttrOfType<mlir::StringAttr>(i, "attn.name"),
            ("argument " + llvm::Twine(i)).str(), "arg" + std::to_string(i),
            args, fault))
      return false;
  for (auto [i, type] : llvm::enumerate(function.getResultTypes()))
    if (!describeTensor(
            function, type,
            function.getResultAttrOfType<mlir::StringAttr>(i, "attn.name"),
            ("result " + llvm::Twine(i)).str(), "result" + std::to_string(i),
            results, fault))
      return false;
  entries.push_back(llvm::json::Object{{"name", name},
                                       {"args", std::move(args)},
                                       {"results", std::move(results)},
                                       {"notes", llvm::json::Array()}});
  return true;
}

bool attn::describeEntries(mlir::ModuleOp module, llvm::StringRef entry,
                           llvm::json::Array &entries, Fault &fault) {
  std::string names;
  for (auto function : module.getOps<mlir::func::FuncOp>()) {
    if (function.isPrivate() || function.isExternal())
      continue;
    names += (names.empty() ? "@" : ", @") + function.getSymName().str();
    if (!entry.empty() && function.getSymName() != entry)
      continue;
    if (!describeEntry(function, entries, fault))
      return false;
  }
  if (!entries.empty())
    return true;
  if (entry.empty())
    return fault.set(FaultClass::Compile,
                     "expects at least one public function with a body, but "
                     "got none");
  return fault.set(FaultClass::Invalid,
                   ("expects a public function @" + entry + ", but got " +
                    (names.empty() ? "none" : names))
                       .str());
}
