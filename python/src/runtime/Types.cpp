//===- Types.cpp - Element types --------------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Types.h"

#include "Errors.h"

using namespace attn::py;

const DTypeInfo attn::py::kDTypes[NumDTypes] = {
    {"f64", {kDLFloat, 64, 1}, "float64", "float64"},
    {"f32", {kDLFloat, 32, 1}, "float32", "float32"},
    {"f16", {kDLFloat, 16, 1}, "float16", "float16"},
    {"bf16", {kDLBfloat, 16, 1}, "uint16", "bfloat16"},
    {"i64", {kDLInt, 64, 1}, "int64", "int64"},
    {"i32", {kDLInt, 32, 1}, "int32", "int32"},
    {"i8", {kDLInt, 8, 1}, "int8", "int8"},
    {"i1", {kDLBool, 8, 1}, "bool", "bool"},
};

DType attn::py::dtypeFromName(const std::string &name) {
  for (int i = 0; i < NumDTypes; ++i)
    if (name == kDTypes[i].name)
      return DType(i);
  raiseError("ShapeError",
             "an element type expects one of f64, f32, f16, bf16, i64, i32, "
             "i8, i1, but got " +
                 name);
}

static std::string describe(DLDataType t) {
  const char *families[] = {"int",    "uint",    "float", "opaque",
                            "bfloat", "complex", "bool"};
  std::string text =
      t.code < 7 ? families[t.code] : "type" + std::to_string(t.code) + "_";
  text += t.code == kDLBool ? "" : std::to_string(t.bits);
  return t.lanes == 1 ? text : text + "x" + std::to_string(t.lanes);
}

DType attn::py::dtypeFromDLPack(DLDataType t) {
  for (int i = 0; i < NumDTypes; ++i) {
    const DLDataType &d = kDTypes[i].dl;
    if (d.code == t.code && d.bits == t.bits && t.lanes == 1)
      return DType(i);
  }
  raiseError("ShapeError",
             "a tensor expects one of float64, float32, float16, bfloat16, "
             "int64, int32, int8, bool, but got " +
                 describe(t));
}
