//===- Oracle.cpp - The interpreter through the C API -----------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Session.h"

#include "attn/Interpreter/Interpreter.h"

#include "llvm/Support/FormatVariadic.h"

using namespace attn;
using namespace attn::capi;
using mlir::attn::Array;
using mlir::attn::DType;

static std::optional<DType> dtypeOf(DLDataType type) {
  if (type.lanes != 1)
    return std::nullopt;
  switch (type.code) {
  case kDLFloat:
    if (type.bits == 64)
      return DType::F64;
    if (type.bits == 32)
      return DType::F32;
    if (type.bits == 16)
      return DType::F16;
    break;
  case kDLBfloat:
    if (type.bits == 16)
      return DType::BF16;
    break;
  case kDLInt:
    if (type.bits == 64)
      return DType::I64;
    if (type.bits == 32)
      return DType::I32;
    if (type.bits == 8)
      return DType::I8;
    break;
  case kDLBool:
    if (type.bits == 8)
      return DType::I1;
    break;
  }
  return std::nullopt;
}

/// Checks what can be checked without the program. `what` is "argument 2".
static bool checkTensor(const DLTensor *tensor, const std::string &what,
                        bool withData, Fault &fault) {
  if (!tensor || tensor->ndim < 0 || (tensor->ndim && !tensor->shape))
    return fault.set(FaultClass::Invalid,
                     what + " expects a tensor, but got a null pointer");
  if (tensor->device.device_type != kDLCPU)
    return fault.set(FaultClass::Invalid,
                     what +
                         " expects a tensor on the CPU, but got device type " +
                         std::to_string(tensor->device.device_type));
  if (!dtypeOf(tensor->dtype))
    return fault.set(
        FaultClass::Shape,
        llvm::formatv("{0} expects f64, f32, f16, bf16, i64, i32, i8 or bool, "
                      "but got DLPack type code {1} of {2} bits",
                      what, unsigned(tensor->dtype.code),
                      unsigned(tensor->dtype.bits))
            .str());
  llvm::ArrayRef<int64_t> shape(tensor->shape, tensor->ndim);
  for (int64_t dim : shape)
    if (dim < 0)
      return fault.set(FaultClass::Shape,
                       what + " expects sizes of at least 0, but got " +
                           mlir::attn::shapeText(shape));
  std::optional<int64_t> count = mlir::attn::elementCount(shape);
  if (!count)
    return fault.set(FaultClass::Shape,
                     what + " expects the byte size to fit 63 bits, but got " +
                         mlir::attn::shapeText(shape));
  if (withData && *count && !tensor->data)
    return fault.set(FaultClass::Invalid,
                     what + " expects data, but got a null pointer");
  return true;
}

/// Calls `visit(index in row-major order, address)` for every element.
template <typename Visit>
static void forEachElement(const DLTensor &tensor, DType dtype, Visit visit) {
  int rank = tensor.ndim;
  llvm::SmallVector<int64_t> strides(rank), index(rank, 0);
  int64_t compact = 1, count = 1;
  for (int d = rank - 1; d >= 0; --d) {
    strides[d] = tensor.strides ? tensor.strides[d] : compact;
    compact *= tensor.shape[d];
  }
  for (int d = 0; d < rank; ++d)
    count *= tensor.shape[d];
  int64_t bytes = mlir::attn::byteSize(dtype);
  char *base = static_cast<char *>(tensor.data) + tensor.byte_offset;
  int64_t offset = 0;
  for (int64_t i = 0; i < count; ++i) {
    visit(i, base + offset * bytes);
    for (int d = rank - 1; d >= 0; --d) {
      offset += strides[d];
      if (++index[d] < tensor.shape[d])
        break;
      offset -= strides[d] * tensor.shape[d];
      index[d] = 0;
    }
  }
}

static Array readTensor(const DLTensor &tensor, bool withData) {
  DType dtype = *dtypeOf(tensor.dtype);
  if (!withData) {
    Array array;
    array.dtype = dtype;
    array.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
    return array;
  }
  Array array(dtype, llvm::ArrayRef<int64_t>(tensor.shape, tensor.ndim));
  bool floats = isFloat(dtype);
  forEachElement(tensor, dtype, [&](int64_t i, const char *address) {
    if (floats)
      array.floats[i] = mlir::attn::loadFloat(dtype, address);
    else
      array.ints[i] = mlir::attn::loadInt(dtype, address);
  });
  return array;
}

static bool writeTensor(const Array &array, DLTensor &tensor, int number,
                        Fault &fault) {
  DType dtype = *dtypeOf(tensor.dtype);
  std::string what = "result " + std::to_string(number);
  llvm::ArrayRef<int64_t> shape(tensor.shape, tensor.ndim);
  bool unrounded = isFloat(array.dtype) && dtype == DType::F64;
  if (shape != llvm::ArrayRef<int64_t>(array.shape) ||
      (dtype != array.dtype && !unrounded))
    return fault.set(FaultClass::Shape, what + " expects " + array.typeText() +
                                            ", but got " +
                                            mlir::attn::dtypeName(dtype).str() +
                                            mlir::attn::shapeText(shape));
  forEachElement(tensor, dtype, [&](int64_t i, char *address) {
    if (isFloat(dtype))
      mlir::attn::storeFloat(dtype, array.floats[i], address);
    else
      mlir::attn::storeInt(dtype, array.ints[i], address);
  });
  return true;
}

/// Reads the arguments; false and a fault if one is not a tensor.
static bool readArguments(const DLTensor *const *args, int n_args,
                          bool withData, llvm::SmallVectorImpl<Array> &arrays,
                          Fault &fault) {
  if (n_args < 0 || (n_args && !args))
    return fault.set(FaultClass::Invalid,
                     "expects an array of arguments, but got a null pointer");
  for (int i = 0; i < n_args; ++i) {
    if (!checkTensor(args[i], "argument " + std::to_string(i), withData, fault))
      return false;
    arrays.push_back(readTensor(*args[i], withData));
  }
  return true;
}

/// The interpreter's errors are about sizes and values of this call.
static void setError(llvm::Error error, Fault &fault) {
  fault.set(FaultClass::Shape, llvm::toString(std::move(error)));
}

extern "C" int attnInterpret(const char *ir, size_t len, const char *entry,
                             const DLTensor *const *args, int n_args,
                             DLTensor *const *results, int n_results) {
  Fault fault;
  llvm::SmallVector<Array> arrays;
  if (!entry || n_results < 0 || (n_results && !results))
    fault.set(FaultClass::Invalid, "expects the name of an entry and an array "
                                   "of results, but got a null pointer");
  for (int i = 0; !fault && i < n_results; ++i)
    checkTensor(results[i], "result " + std::to_string(i), true, fault);
  if (fault || !readArguments(args, n_args, true, arrays, fault))
    return report(fault);
  return withProgram(ir, len, "program", [&](Program &program, Fault &fault) {
    auto values = mlir::attn::interpret(*program.module, entry, arrays);
    if (!values)
      return setError(values.takeError(), fault);
    if (values->size() != size_t(n_results)) {
      fault.set(FaultClass::Invalid,
                "expects " + std::to_string(values->size()) +
                    " results, but got " + std::to_string(n_results));
      return;
    }
    for (int i = 0; i < n_results && !fault; ++i)
      writeTensor((*values)[i], *results[i], i, fault);
  });
}

extern "C" int attnInterpretShapes(const char *ir, size_t len,
                                   const char *entry,
                                   const DLTensor *const *args, int n_args,
                                   int64_t *dims) {
  Fault fault;
  llvm::SmallVector<Array> arrays;
  if (!entry || !dims)
    fault.set(FaultClass::Invalid, "expects the name of an entry and a place "
                                   "for the sizes, but got a null pointer");
  if (fault || !readArguments(args, n_args, false, arrays, fault))
    return report(fault);
  return withProgram(ir, len, "program", [&](Program &program, Fault &fault) {
    auto shapes = mlir::attn::interpretShapes(*program.module, entry, arrays);
    if (!shapes)
      return setError(shapes.takeError(), fault);
    int64_t *next = dims;
    for (const auto &shape : *shapes)
      next = std::copy(shape.begin(), shape.end(), next);
  });
}
