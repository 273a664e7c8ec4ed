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

/// Entries hold a reference to their type so that
/// an address is never reused for another one.
TypeFacts &attn::py::factsOf(PyObject *object) {
  static auto *table = new std::unordered_map<PyTypeObject *, TypeFacts>();
  PyTypeObject *type = Py_TYPE(object);
  auto it = table->find(type);
  if (it != table->end())
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
  Py_INCREF((PyObject *)type);
  return table->emplace(type, facts).first->second;
}
