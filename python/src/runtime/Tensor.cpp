//===- Tensor.cpp - A view of an array that somebody else owns -*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tensor.h"

#include "Errors.h"

namespace nb = nanobind;
using namespace attn::py;

void attn::py::swapAxes(Tensor &t, int a, int b) {
  std::swap(t.shape[a], t.shape[b]);
  std::swap(t.strides[a], t.strides[b]);
}

void attn::py::insertAxis(Tensor &t, int axis) {
  if (t.dl.ndim == kMaxRank)
    raiseError("ShapeError", "a tensor expects a rank of at most 8, but got 9");
  for (int i = t.dl.ndim; i > axis; --i) {
    t.shape[i] = t.shape[i - 1];
    t.strides[i] = t.strides[i - 1];
  }
  t.shape[axis] = 1;
  t.strides[axis] = axis == t.dl.ndim ? 1 : 0;
  ++t.dl.ndim;
}

void attn::py::toBHSD(Tensor &t, int layout) {
  if (layout == BHSD)
    return;
  int want = layout == THD ? 3 : 4;
  if (t.dl.ndim != want)
    raiseError("ShapeError",
               std::string("layout ") + (layout == THD ? "thd" : "bshd") +
                   " expects q, k and v of rank " + std::to_string(want) +
                   ", but got rank " + std::to_string(t.dl.ndim));
  if (layout == THD)
    insertAxis(t, 0);
  swapAxes(t, 1, 2);
}

Tensor attn::py::derive(nb::handle self) {
  const Tensor &from = *nb::inst_ptr<Tensor>(self);
  Tensor t;
  t.dl = from.dl;
  t.dl.shape = t.shape;
  t.dl.strides = t.strides;
  std::memcpy(t.shape, from.shape, sizeof(t.shape));
  std::memcpy(t.strides, from.strides, sizeof(t.strides));
  t.dtype = from.dtype;
  t.library = from.library;
  t.readOnly = from.readOnly;
  t.owner = self.ptr();
  Py_INCREF(t.owner);
  return t;
}

int64_t attn::py::kindOf(const Tensor &t) {
  return int64_t(t.dtype) | int64_t(t.onCuda()) << 3 | int64_t(t.dl.ndim) << 4;
}

int64_t attn::py::signature(const Tensor &t) {
  int64_t ones = 0;
  for (int i = 0; i + 1 < t.dl.ndim; ++i)
    ones |= int64_t(t.shape[i] == 1) << i;
  return kindOf(t) | ones << 8;
}

int attn::py::axisOf(const Tensor &t, int axis, int extra) {
  int rank = t.dl.ndim + extra;
  int a = axis < 0 ? axis + rank : axis;
  if (a < 0 || a >= rank)
    raiseError("ShapeError", "an axis expects to be in a rank of " +
                                 std::to_string(rank) + ", but got " +
                                 std::to_string(axis));
  return a;
}

nb::tuple attn::py::toTuple(const int64_t *values, int n) {
  PyObject *tuple = PyTuple_New(n);
  for (int i = 0; i < n; ++i)
    PyTuple_SET_ITEM(tuple, i, PyLong_FromLongLong(values[i]));
  return nb::steal<nb::tuple>(tuple);
}

std::string attn::py::shapeText(const int64_t *values, int n) {
  std::string text = "[";
  for (int i = 0; i < n; ++i)
    text += (i ? ", " : "") + std::to_string(values[i]);
  return text + "]";
}

int64_t attn::py::headSignature(const Tensor &t) {
  int64_t last = t.dl.ndim ? t.shape[t.dl.ndim - 1] : 0;
  return kindOf(t) | last << 8;
}
