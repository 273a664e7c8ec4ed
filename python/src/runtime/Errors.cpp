//===- Errors.cpp - Failures as attn's exceptions -*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Errors.h"

#include "attn-c/Runtime.h"

#include <nanobind/nanobind.h>

namespace nb = nanobind;

void attn::py::raiseError(const char *name, const std::string &text) {
  nb::object type = nb::module_::import_("attn.errors").attr(name);
  // A message may quote bytes of the program that are no UTF-8.
  PyObject *message =
      PyUnicode_DecodeUTF8(text.data(), Py_ssize_t(text.size()), "replace");
  if (message)
    PyErr_SetObject(type.ptr(), message);
  Py_XDECREF(message);
  throw nb::python_error();
}

/// Raises the exception that stands for a status of the C API.
[[noreturn]] static void raiseStatus(int status) {
  using attn::py::raiseError;
  // The poll function leaves the interpreter's own error behind (a
  // KeyboardInterrupt, or what a signal handler raised).
  if (PyErr_Occurred())
    throw nb::python_error();
  std::string text = attnLastError();
  switch (status) {
  case ATTN_COMPILE_ERROR:
    raiseError("CompileError", text);
  case ATTN_RESOURCE_ERROR:
    raiseError("ResourceError", text);
  case ATTN_CACHE_ERROR:
    raiseError("CacheError", text);
  case ATTN_NUMERIC_ERROR:
    raiseError("NumericError", text);
  case ATTN_DEVICE_ERROR:
  case ATTN_DEVICE_FINDING:
    raiseError("DeviceError", text);
  case ATTN_COMM_ERROR:
    raiseError("CommError", text);
  case ATTN_CANCELLED:
    PyErr_SetString(PyExc_KeyboardInterrupt, text.c_str());
    throw nb::python_error();
  default:
    raiseError("ShapeError", text);
  }
}

void attn::py::check(int status) {
  if (status != ATTN_OK)
    raiseStatus(status);
}
