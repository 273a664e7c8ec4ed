//===- compiler_module.cpp - Python binding of the compiler -----*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// This file is the extension module `attn._compiler`: text in, packages, other
// text or reference results out. It sees Python and the compiler half of the C
// API. `attn` imports it the first time that something has to be compiled, for
// loading it brings LLVM in.
//
// Tensors come as the addresses that `attn._runtime.Tensor.address` gives, so
// that the two modules share nothing but DLPack's layout.
//
//===----------------------------------------------------------------------===//

#include "attn-c/Compiler.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;

namespace {

[[noreturn]] void raiseError(const char *name, const std::string &text) {
  nb::object type = nb::module_::import_("attn.errors").attr(name);
  // A message may quote bytes of the program that are no UTF-8.
  PyObject *message =
      PyUnicode_DecodeUTF8(text.data(), Py_ssize_t(text.size()), "replace");
  if (message)
    PyErr_SetObject(type.ptr(), message);
  Py_XDECREF(message);
  throw nb::python_error();
}

/// Raises the exception for a status, whose numbers are AttnStatus's in
/// attn-c/Runtime.h.
void check(int status) {
  if (status == 0)
    return;
  std::string text = attnCompilerLastError();
  switch (status) {
  case 1:
    raiseError("ShapeError", text);
  case 3:
    raiseError("ResourceError", text);
  case 4:
    raiseError("CacheError", text);
  case 5:
    raiseError("NumericError", text);
  default:
    raiseError("CompileError", text);
  }
}

/// A program: text as str, or text or bytecode as bytes.
std::string read(nb::handle program) {
  char *data = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_Check(program.ptr())) {
    if (PyBytes_AsStringAndSize(program.ptr(), &data, &size) != 0)
      throw nb::python_error();
    return std::string(data, size_t(size));
  }
  const char *text = PyUnicode_AsUTF8AndSize(program.ptr(), &size);
  if (!text)
    throw nb::python_error();
  return std::string(text, size_t(size));
}

/// Takes the text of an AttnString and frees it.
std::string take(AttnString &s) {
  std::string text = s.data ? std::string(s.data, s.size) : std::string();
  attnStringFree(&s);
  return text;
}

AttnCompileOptions makeOptions(const std::optional<std::string> &target,
                               int optLevel, bool verify,
                               const std::string &ptxas) {
  AttnCompileOptions options = {};
  options.ptxas = ptxas.empty() ? nullptr : ptxas.c_str();
  options.target = target ? target->c_str() : nullptr;
  options.opt_level = optLevel;
  options.verify = verify;
  return options;
}

std::vector<DLTensor *> toTensors(const std::vector<uintptr_t> &addresses) {
  std::vector<DLTensor *> tensors;
  for (uintptr_t a : addresses)
    tensors.push_back(reinterpret_cast<DLTensor *>(a));
  return tensors;
}

} // namespace

NB_MODULE(_compiler, m) {
  m.doc() = "The compiler half of attn: text in, packages out.";

  m.def(
      "compile_to_file",
      [](nb::handle program, const std::string &path,
         const std::optional<std::string> &target, int optLevel, bool verify,
         const std::string &ptxas) {
        std::string ir = read(program);
        AttnCompileOptions options =
            makeOptions(target, optLevel, verify, ptxas);
        int status;
        {
          nb::gil_scoped_release release;
          status =
              attnCompileToFile(ir.data(), ir.size(), &options, path.c_str());
        }
        check(status);
      },
      "program"_a, "path"_a, "target"_a = nb::none(), "opt_level"_a = 3,
      "verify"_a = true, "ptxas"_a = "");
  m.def(
      "run_pipeline",
      [](nb::handle program, const std::string &pipeline) {
        std::string ir = read(program);
        AttnString out = {};
        int status;
        {
          nb::gil_scoped_release release;
          status =
              attnRunPipeline(ir.data(), ir.size(), pipeline.c_str(), &out);
        }
        check(status);
        return take(out);
      },
      "program"_a, "pipeline"_a);
  m.def(
      "emit",
      [](nb::handle program, int kind, const std::optional<std::string> &target,
         int optLevel) {
        std::string ir = read(program);
        AttnCompileOptions options = makeOptions(target, optLevel, true, "");
        AttnString out = {};
        int status;
        {
          nb::gil_scoped_release release;
          status = attnEmit(ir.data(), ir.size(), &options,
                            static_cast<AttnEmitKind>(kind), &out);
        }
        check(status);
        return take(out);
      },
      "program"_a, "kind"_a, "target"_a = nb::none(), "opt_level"_a = 3);
  m.def(
      "signature",
      [](nb::handle program, const std::string &entry) {
        std::string ir = read(program);
        AttnString out = {};
        int status;
        {
          nb::gil_scoped_release release;
          status = attnSignature(ir.data(), ir.size(), entry.c_str(), &out);
        }
        check(status);
        return take(out);
      },
      "program"_a, "entry"_a);
  m.def(
      "explain",
      [](nb::handle program, const std::optional<std::string> &target,
         int optLevel) {
        std::string ir = read(program);
        AttnCompileOptions options = makeOptions(target, optLevel, true, "");
        AttnString out = {};
        int status;
        {
          nb::gil_scoped_release release;
          status = attnExplain(ir.data(), ir.size(), &options, &out);
        }
        check(status);
        return take(out);
      },
      "program"_a, "target"_a = nb::none(), "opt_level"_a = 3);
  m.def(
      "interpret",
      [](nb::handle program, const std::string &entry,
         const std::vector<uintptr_t> &args,
         const std::vector<uintptr_t> &results) {
        std::string ir = read(program);
        std::vector<DLTensor *> in = toTensors(args), out = toTensors(results);
        int status;
        {
          nb::gil_scoped_release release;
          status = attnInterpret(ir.data(), ir.size(), entry.c_str(), in.data(),
                                 int(in.size()), out.data(), int(out.size()));
        }
        check(status);
      },
      "program"_a, "entry"_a, "args"_a, "results"_a);
  m.def(
      "interpret_shapes",
      [](nb::handle program, const std::string &entry,
         const std::vector<uintptr_t> &args, int totalRank) {
        std::string ir = read(program);
        std::vector<DLTensor *> in = toTensors(args);
        std::vector<int64_t> dims(totalRank + 1);
        int status;
        {
          nb::gil_scoped_release release;
          status = attnInterpretShapes(ir.data(), ir.size(), entry.c_str(),
                                       in.data(), int(in.size()), dims.data());
        }
        check(status);
        dims.pop_back();
        return dims;
      },
      "program"_a, "entry"_a, "args"_a, "total_rank"_a);
  m.def("compile_times", [] { return std::string(attnCompileTimes()); });
  m.def("fingerprint", [] { return attnCompilerFingerprint(); });
}
