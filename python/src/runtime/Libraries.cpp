//===- Libraries.cpp - Where an array comes from ----------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Libraries.h"

#include <nanobind/stl/string.h>

#include <string>
#include <unordered_map>

namespace nb = nanobind;
using namespace attn::py;

static auto &table() {
  static auto *all = new std::unordered_map<PyTypeObject *, TypeFacts>();
  return *all;
}

/// Called with the weak reference to a type that is gone, so that no entry is
/// there when its address is another's.
static PyObject *forgetType(PyObject *key, PyObject *reference) {
  table().erase(
      static_cast<PyTypeObject *>(PyCapsule_GetPointer(key, nullptr)));
  Py_DECREF(reference);
  Py_RETURN_NONE;
}

TypeFacts &attn::py::factsOf(PyObject *object) {
  auto &known = table();
  PyTypeObject *type = Py_TYPE(object);
  auto it = known.find(type);
  if (it != known.end())
    return it->second;
  TypeFacts facts;
  // A subclass belongs to the library of the first base that has one.
  nb::object mro = nb::borrow(type->tp_mro);
  for (nb::handle base : mro) {
    nb::object module = nb::getattr(base, "__module__", nb::none());
    std::string name =
        nb::isinstance<nb::str>(module) ? nb::cast<std::string>(module) : "";
    std::string top = name.substr(0, name.find('.'));
    if (top == "numpy")
      facts.library = Library::NumPy;
    else if (top == "torch")
      facts.library = Library::Torch;
    else if (top == "jax" || top == "jaxlib")
      facts.library = Library::Jax;
    else
      continue;
    break;
  }
  nb::object api = nb::getattr(nb::handle((PyObject *)type),
                               "__dlpack_c_exchange_api__", nb::none());
  if (PyCapsule_CheckExact(api.ptr())) {
    auto *exchange = static_cast<ExchangeTable *>(
        PyCapsule_GetPointer(api.ptr(), "dlpack_exchange_api"));
    if (!exchange)
      PyErr_Clear();
    else if (exchange->header.version.major == 1)
      facts.exchange = exchange;
  }
  static PyMethodDef forget = {"forget", forgetType, METH_O, nullptr};
  nb::object key = nb::steal(PyCapsule_New(type, nullptr, nullptr));
  nb::object callback = nb::steal(PyCFunction_New(&forget, key.ptr()));
  if (!PyWeakref_NewRef((PyObject *)type, callback.ptr()))
    throw nb::python_error();
  return known.emplace(type, facts).first->second;
}
