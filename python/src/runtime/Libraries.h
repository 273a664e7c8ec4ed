//===- Libraries.h - Where an array comes from ------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PYTHON_RUNTIME_LIBRARIES_H
#define ATTN_PYTHON_RUNTIME_LIBRARIES_H

#include "attn/Runtime/DLPack.h"

#include <nanobind/nanobind.h>

namespace attn::py {

/// Where an array came from, and so where a result goes to.
enum class Library : uint8_t { NumPy, Torch, Jax, Other };

/// DLPack's C exchange table (DLPack 1.2), which a type may offer as the
/// capsule `__dlpack_c_exchange_api__`. Only the head is declared; the function
/// used here fills a borrowed DLTensor without an intermediate capsule.
struct ExchangeHeader {
  DLPackVersion version;
  ExchangeHeader *prev_api;
};
struct ExchangeTable {
  ExchangeHeader header;
  void *managed_tensor_allocator;
  int (*managed_tensor_from_py_object_no_sync)(void *,
                                               DLManagedTensorVersioned **);
  void *managed_tensor_to_py_object_no_sync;
  void *dltensor_from_py_object_no_sync;
  void *current_work_stream;
};

/// What is known about one Python type.
struct TypeFacts {
  Library library = Library::Other;
  /// Takes `max_version=`; false after the first refusal.
  bool versioned = true;
  ExchangeTable *exchange = nullptr;
};

/// Facts by type, under the GIL.
TypeFacts &factsOf(PyObject *object);

/// A string that is made once; never freed.
inline PyObject *interned(const char *text) {
  return PyUnicode_InternFromString(text);
}

} // namespace attn::py

#endif // ATTN_PYTHON_RUNTIME_LIBRARIES_H
