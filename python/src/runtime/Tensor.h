//===- Tensor.h - A view of an array that somebody else owns -*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PYTHON_RUNTIME_TENSOR_H
#define ATTN_PYTHON_RUNTIME_TENSOR_H

#include "Libraries.h"
#include "Types.h"

#include <cstring>
#include <string>

namespace attn::py {

constexpr int kMaxRank = 8;

/// A view of an array that somebody else owns.
struct Tensor {
  DLTensor dl;
  int64_t shape[kMaxRank];
  int64_t strides[kMaxRank];
  DType dtype = F32;
  Library library = Library::Other;
  bool readOnly = true;

  // The owner is one of: a buffer, a DLPack tensor, a Python object.
  Py_buffer buffer;
  bool hasBuffer = false;
  DLManagedTensorVersioned *managed = nullptr;
  PyObject *owner = nullptr;

  Tensor() {
    dl.device = {kDLCPU, 0};
    dl.shape = shape;
    dl.strides = strides;
    dl.byte_offset = 0;
    dl.ndim = 0;
    dl.data = nullptr;
  }
  Tensor(const Tensor &) = delete;
  Tensor &operator=(const Tensor &) = delete;
  Tensor(Tensor &&o) noexcept { moveFrom(o); }
  Tensor &operator=(Tensor &&o) noexcept {
    if (this != &o) {
      release();
      moveFrom(o);
    }
    return *this;
  }
  ~Tensor() { release(); }

  void setDType(DType t) {
    dtype = t;
    dl.dtype = kDTypes[t].dl;
  }

  bool onCuda() const {
    return dl.device.device_type == kDLCUDA ||
           dl.device.device_type == kDLCUDAManaged;
  }

  /// "cpu", "cuda:1".
  std::string device() const {
    return onCuda() ? "cuda:" + std::to_string(dl.device.device_id) : "cpu";
  }

  int64_t numElements() const {
    int64_t n = 1;
    for (int i = 0; i < dl.ndim; ++i)
      n *= shape[i];
    return n;
  }

  /// The stride of an axis with at most one element says nothing: give the
  /// last axis the unit stride that kernels ask for.
  void normalize() {
    if (dl.ndim > 0 && (shape[dl.ndim - 1] <= 1 || numElements() == 0))
      strides[dl.ndim - 1] = 1;
  }

private:
  void release() {
    if (hasBuffer)
      PyBuffer_Release(&buffer);
    if (managed && managed->deleter)
      managed->deleter(managed);
    Py_XDECREF(owner);
    hasBuffer = false;
    managed = nullptr;
    owner = nullptr;
  }
  void moveFrom(Tensor &o) {
    dl = o.dl;
    dl.shape = shape;
    dl.strides = strides;
    std::memcpy(shape, o.shape, sizeof(shape));
    std::memcpy(strides, o.strides, sizeof(strides));
    dtype = o.dtype;
    library = o.library;
    readOnly = o.readOnly;
    if (o.hasBuffer)
      std::memcpy(&buffer, &o.buffer, sizeof(buffer));
    hasBuffer = o.hasBuffer;
    managed = o.managed;
    owner = o.owner;
    o.hasBuffer = false;
    o.managed = nullptr;
    o.owner = nullptr;
  }
};

/// How callers lay out q, k, v and the result.
enum Layout { BHSD = 0, BSHD = 1, THD = 2 };

/// Brings the axes of an array in `layout` to the order bhsd.
void toBHSD(Tensor &t, int layout);

void swapAxes(Tensor &t, int a, int b);
/// Adds an axis of size 1.
void insertAxis(Tensor &t, int axis);
/// `axis`, counted from the end where negative; `extra` more are allowed.
int axisOf(const Tensor &t, int axis, int extra = 0);

/// A copy of the view that keeps the original, a Python `Tensor`, alive.
Tensor derive(nanobind::handle self);

/// dtype, kind of device and rank, as a number; the lowest bits of all
/// others.
int64_t kindOf(const Tensor &t);
/// `kindOf` and which axes but the last have size 1.
int64_t signature(const Tensor &t);
/// `kindOf` and the size of the last axis.
int64_t headSignature(const Tensor &t);

nanobind::tuple toTuple(const int64_t *values, int n);
/// A shape as "[2, 3]".
std::string shapeText(const int64_t *values, int n);

} // namespace attn::py

#endif // ATTN_PYTHON_RUNTIME_TENSOR_H
