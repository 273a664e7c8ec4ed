//===- Signature.cpp - What a package says about itself -------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the description of a package. Keys that are not known are skipped, so
// that a compiler may add remarks; keys that are needed must be there and well
// typed.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Signature.h"

#include "attn/Runtime/CpuFeatures.h"
#include "attn/Runtime/Device/Arch.h"
#include "attn/Runtime/Json.h"

#include <algorithm>

using namespace attn::rt;

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

static const ElementType elementTypes[] = {
    {"f64", {kDLFloat, 64, 1}}, {"f32", {kDLFloat, 32, 1}},
    {"f16", {kDLFloat, 16, 1}}, {"bf16", {kDLBfloat, 16, 1}},
    {"i64", {kDLInt, 64, 1}},   {"i32", {kDLInt, 32, 1}},
    {"i8", {kDLInt, 8, 1}},     {"i1", {kDLBool, 8, 1}},
};

const ElementType *attn::rt::findElementType(std::string_view name) {
  for (const ElementType &type : elementTypes)
    if (name == type.name)
      return &type;
  return nullptr;
}

const ElementType *attn::rt::findElementType(DLDataType type) {
  for (const ElementType &known : elementTypes)
    if (known.type.code == type.code && known.type.bits == type.bits &&
        known.type.lanes == type.lanes)
      return &known;
  return nullptr;
}

std::string attn::rt::typeName(DLDataType type) {
  if (const ElementType *known = findElementType(type))
    return known->name;
  static const char *const families[] = {"i",  "u",       "f",   "handle",
                                         "bf", "complex", "bool"};
  std::string name = type.code < std::size(families)
                         ? families[type.code]
                         : format("type code %d, bits ", int(type.code));
  name += std::to_string(type.bits);
  if (type.lanes != 1)
    name += "x" + std::to_string(type.lanes);
  return name;
}

//===----------------------------------------------------------------------===//
// Lookups
//===----------------------------------------------------------------------===//

int64_t EntryType::numResultDims() const {
  int64_t dims = 0;
  for (const TensorType &result : results)
    dims += result.rank();
  return dims;
}

int Signature::findEntry(std::string_view name) const {
  for (size_t i = 0; i < entries.size(); ++i)
    if (entries[i].name == name)
      return static_cast<int>(i);
  return -1;
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

using json::Value;

/// A failure to make sense of the description.
static Status malformed(const std::string &what) {
  return failure(ATTN_CACHE_ERROR, "the package's description expects %s",
                 what.c_str());
}

/// Reads the string member `key` of `object`.
static Status readString(const Value &object, const char *key,
                         std::string &out) {
  const Value *value = object.find(key);
  if (!value || value->kind != Value::String)
    return malformed(format("a string '%s'", key));
  out = value->string;
  return Status();
}

/// Reads one argument or result.
static Status readTensor(const Value &value, TensorType &tensor) {
  if (Status status = readString(value, "name", tensor.name); !status.ok())
    return status;
  std::string dtype;
  if (Status status = readString(value, "dtype", dtype); !status.ok())
    return status;
  tensor.element = findElementType(dtype);
  if (!tensor.element)
    return malformed("a dtype among f64, f32, f16, bf16, i64, i32, i8 and i1, "
                     "but got '" +
                     dtype + "'");
  const Value *shape = value.find("shape");
  if (!shape || shape->kind != Value::Array || shape->array.size() > kMaxRank)
    return malformed(format("an array 'shape' of at most %d sizes", kMaxRank));
  for (const Value &size : shape->array) {
    if (size.kind != Value::Integer || size.integer < -1)
      return malformed("sizes that are integers of at least -1");
    tensor.shape.push_back(size.integer);
  }
  return Status();
}

/// Reads the list of tensors called `key`.
static Status readTensors(const Value &object, const char *key,
                          std::vector<TensorType> &out) {
  const Value *list = object.find(key);
  if (!list || list->kind != Value::Array)
    return malformed(format("an array '%s' in each entry", key));
  for (const Value &value : list->array) {
    out.emplace_back();
    if (Status status = readTensor(value, out.back()); !status.ok())
      return status;
  }
  return Status();
}

/// True for a name that can be part of a symbol.
static bool isSymbolName(const std::string &name) {
  auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '$' ||
           c == '-';
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), plain);
}

static Status readEntry(const Value &value, const Signature &signature,
                        EntryType &entry) {
  if (Status status = readString(value, "name", entry.name); !status.ok())
    return status;
  if (!isSymbolName(entry.name))
    return malformed("entry names that are symbols, but got '" + entry.name +
                     "'");
  if (signature.findEntry(entry.name) >= 0)
    return malformed("entry names that differ, but got '" + entry.name +
                     "' twice");
  if (Status status = readTensors(value, "args", entry.args); !status.ok())
    return status;
  return readTensors(value, "results", entry.results);
}

Status attn::rt::parseSignature(std::string_view text, Signature &signature) {
  Value root;
  std::string error;
  if (!json::parse(text, root, error))
    return failure(ATTN_CACHE_ERROR, "the package's description is damaged: %s",
                   error.c_str());
  if (root.kind != Value::Object)
    return malformed("a JSON object");
  const Value *formatValue = root.find("format");
  if (!formatValue || formatValue->kind != Value::Integer)
    return malformed("an integer 'format'");
  signature.format = formatValue->integer;
  if (signature.format != ATTN_PACKAGE_FORMAT)
    return failure(ATTN_CACHE_ERROR,
                   "the runtime expects package format %d, but got %lld; "
                   "compile the package again",
                   ATTN_PACKAGE_FORMAT,
                   static_cast<long long>(signature.format));
  if (Status status = readString(root, "version", signature.version);
      !status.ok())
    return status;
  if (Status status = readString(root, "target", signature.target);
      !status.ok())
    return status;
  // These two only sharpen the check of the target.
  if (root.find("cpu"))
    if (Status status = readString(root, "cpu", signature.cpu); !status.ok())
      return status;
  if (root.find("features"))
    if (Status status = readString(root, "features", signature.features);
        !status.ok())
      return status;
  if (signature.onGpu()) {
    if (Status status = readString(root, "arch", signature.arch); !status.ok())
      return status;
    Arch arch;
    if (!parseArch(signature.arch, arch))
      return malformed("an 'arch' such as sm_80 or sm_90a, but got '" +
                       signature.arch + "'");
  }
  const Value *entries = root.find("entries");
  if (!entries || entries->kind != Value::Array)
    return malformed("an array 'entries'");
  for (const Value &value : entries->array) {
    EntryType entry;
    if (Status status = readEntry(value, signature, entry); !status.ok())
      return status;
    signature.entries.push_back(std::move(entry));
  }
  return Status();
}

//===----------------------------------------------------------------------===//
// Compatibility
//===----------------------------------------------------------------------===//

/// "0.1" of "0.1.7": within it the ABI does not change.
static std::string majorMinor(const std::string &version) {
  size_t dot = version.find('.');
  if (dot == std::string::npos)
    return version;
  return version.substr(0, version.find('.', dot + 1));
}

Status attn::rt::checkCompatible(const Signature &signature) {
  if (majorMinor(signature.version) != majorMinor(ATTN_RUNTIME_VERSION_STRING))
    return failure(ATTN_CACHE_ERROR,
                   "the runtime expects a package of version %s.x, but got "
                   "'%s'; compile the package again",
                   majorMinor(ATTN_RUNTIME_VERSION_STRING).c_str(),
                   signature.version.c_str());
  // What runs on the CPU then is checks and launches, for any of its kind.
  return checkTarget(signature.onGpu() ? "generic" : signature.target,
                     signature.features);
}
