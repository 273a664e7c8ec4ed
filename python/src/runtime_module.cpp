//===- runtime_module.cpp - Python binding of the runtime half -*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// This file is the extension module `attn._runtime`: it takes arrays of numpy,
// torch, jax and any other DLPack producer without copying, opens compiled
// packages, and runs their entries. It sees Python and the runtime half of the
// C API, nothing else, so it loads on a machine that has no LLVM.
//
// A call's fixed cost matters here (a decode step runs for tens of
// microseconds), so tensors live in one small object with inline shapes, and
// what can be looked up once per type is.
//
//===----------------------------------------------------------------------===//

#include "runtime/Dispatch.h"
#include "runtime/Errors.h"
#include "runtime/Import.h"
#include "runtime/Kernel.h"
#include "runtime/Results.h"

#include "attn-c/Runtime.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;
using namespace attn::py;

/// The tensors of a Python sequence.
static std::vector<Tensor *> collect(nb::handle sequence) {
  std::vector<Tensor *> all;
  for (nb::handle h : nb::borrow<nb::object>(sequence)) {
    if (!nb::isinstance<Tensor>(h))
      raiseError("ShapeError", "a kernel expects tensors, but got " +
                                   std::string(Py_TYPE(h.ptr())->tp_name));
    all.push_back(nb::inst_ptr<Tensor>(h));
  }
  return all;
}

/// `Kernel.run`; see `_runtime.pyi`.
static nb::object run(Kernel &k, nb::handle args, nb::handle out, int layout,
                      int numThreads, nb::handle device) {
  RunOptions options;
  options.layout = layout;
  options.numThreads = numThreads;
  if (!device.is_none()) {
    if (!PyUnicode_Check(device.ptr()))
      raiseError("DeviceError",
                 std::string("device expects a string, but got ") +
                     Py_TYPE(device.ptr())->tp_name);
    options.device = nb::cast<const char *>(device);
  }
  std::vector<Tensor *> inputs = collect(args);
  if (out.is_none())
    return runKernel(k, inputs.data(), int(inputs.size()), options);
  std::vector<Tensor *> results = collect(out);
  runKernelInto(k, inputs.data(), int(inputs.size()), results.data(),
                int(results.size()), options);
  return nb::none();
}

NB_MODULE(_runtime, m) {
  m.doc() =
      "The runtime half of attn: arrays in, packages loaded, kernels run.";

  nb::class_<Tensor>(m, "Tensor", "A view of an array that somebody else owns.")
      .def_prop_ro("dtype",
                   [](const Tensor &t) { return kDTypes[t.dtype].name; })
      .def_prop_ro("ndim", [](const Tensor &t) { return t.dl.ndim; })
      .def_prop_ro("shape",
                   [](const Tensor &t) { return toTuple(t.shape, t.dl.ndim); })
      .def_prop_ro(
          "strides",
          [](const Tensor &t) { return toTuple(t.strides, t.dl.ndim); })
      .def_prop_ro("read_only", [](const Tensor &t) { return t.readOnly; })
      .def_prop_ro("device", &Tensor::device)
      .def_prop_ro("on_cuda", &Tensor::onCuda)
      .def_prop_ro(
          "address",
          [](const Tensor &t) { return reinterpret_cast<uintptr_t>(&t.dl); })
      .def_prop_ro("data",
                   [](const Tensor &t) {
                     return reinterpret_cast<uintptr_t>(t.dl.data);
                   })
      .def_prop_ro("head_signature", headSignature)
      .def_prop_ro("signature", signature)
      .def_prop_ro("full_signature",
                   [](const Tensor &t) {
                     int64_t last = t.dl.ndim == 4 ? t.shape[3] : 0;
                     return signature(t) | last << 16;
                   })
      .def("size",
           [](const Tensor &t, int axis) { return t.shape[axisOf(t, axis)]; })
      .def("swap",
           [](nb::handle self, int a, int b) {
             Tensor t = derive(self);
             swapAxes(t, axisOf(t, a), axisOf(t, b));
             t.normalize();
             return t;
           })
      .def("insert",
           [](nb::handle self, int axis) {
             Tensor t = derive(self);
             insertAxis(t, axisOf(t, axis, 1));
             t.normalize();
             return t;
           })
      .def("select",
           [](nb::handle self, int axis, int64_t index) {
             Tensor t = derive(self);
             int a = axisOf(t, axis);
             if (index < 0 || index >= t.shape[a])
               raiseError("ShapeError", "an index expects to be in [0, " +
                                            std::to_string(t.shape[a]) +
                                            "), but got " +
                                            std::to_string(index));
             t.dl.data = static_cast<char *>(t.dl.data) +
                         index * t.strides[a] * elementBytes(t.dtype);
             for (int i = a; i + 1 < t.dl.ndim; ++i) {
               t.shape[i] = t.shape[i + 1];
               t.strides[i] = t.strides[i + 1];
             }
             --t.dl.ndim;
             t.normalize();
             return t;
           })
      .def("expand",
           [](nb::handle self, int axis, int64_t size) {
             Tensor t = derive(self);
             int a = axisOf(t, axis);
             if (t.shape[a] != 1)
               raiseError("ShapeError",
                          "an expanded axis expects a size of 1, but got " +
                              std::to_string(t.shape[a]));
             t.shape[a] = size;
             t.strides[a] = 0;
             t.normalize();
             return t;
           })
      .def("merge",
           [](nb::handle self, int axis) -> nb::object {
             Tensor t = derive(self);
             int a = axisOf(t, axis);
             axisOf(t, a + 1);
             // Two axes are one when the outer one steps over whole inner ones.
             if (t.shape[a] > 1 && t.shape[a + 1] > 1 &&
                 t.strides[a] != t.strides[a + 1] * t.shape[a + 1])
               return nb::none();
             if (t.shape[a + 1] == 1)
               t.strides[a + 1] = t.strides[a];
             t.shape[a + 1] *= t.shape[a];
             for (int i = a; i + 1 < t.dl.ndim; ++i) {
               t.shape[i] = t.shape[i + 1];
               t.strides[i] = t.strides[i + 1];
             }
             --t.dl.ndim;
             t.normalize();
             return nb::cast(std::move(t));
           })
      .def("__repr__", [](const Tensor &t) {
        std::string s = "<attn tensor ";
        for (int i = 0; i < t.dl.ndim; ++i)
          s += std::to_string(t.shape[i]) + "x";
        return s + kDTypes[t.dtype].name + ">";
      });

  nb::class_<Buffer>(m, "Buffer", "Memory that a library takes over by DLPack.")
      .def("__dlpack__", exportBuffer)
      .def("__dlpack_device__",
           [](const Buffer &) { return nb::make_tuple(int(kDLCPU), 0); });

  nb::class_<Kernel>(m, "Kernel", "One entry of a compiled package.")
      .def(nb::init<const std::string &, const std::string &>(), "path"_a,
           "entry"_a)
      .def("set_results", &Kernel::setResults, "dtypes"_a, "ranks"_a)
      .def_ro("json", &Kernel::json)
      .def_prop_ro("calls", [](const Kernel &k) { return k.calls.load(); })
      .def_prop_ro(
          "counters",
          [](const Kernel &k) {
            const char *names[8] = {
                "guard_recomputations",      "key_tiles_computed",
                "key_tiles_masked",          "key_tiles_skipped_by_plan",
                "key_tiles_skipped_by_mask", "mask_blocks_looked_at",
                "mask_blocks_empty",         "mask_blocks_full"};
            nb::dict d;
            for (int i = 0; i < 8; ++i)
              d[names[i]] = k.counters[i].load();
            return d;
          })
      .def("run", run, "args"_a, "out"_a = nb::none(), "layout"_a = 0,
           "num_threads"_a = 0, "device"_a.none() = nb::none())
      .def(
          "result_shapes",
          [](Kernel &k, nb::handle args) {
            std::vector<Tensor *> inputs = collect(args);
            std::vector<int64_t> dims(k.totalRank + 1);
            resultSizes(k, inputs.data(), int(inputs.size()), dims.data());
            nb::list shapes;
            const int64_t *d = dims.data();
            for (int r : k.resultRanks) {
              shapes.append(toTuple(d, r));
              d += r;
            }
            return shapes;
          },
          "args"_a);

  addDispatch(m);

  m.def(
      "tensor",
      [](nb::handle object, int layout) {
        return importTensor(object, false, layout);
      },
      "object"_a.none(), "layout"_a = 0);
  m.def(
      "out_tensor",
      [](nb::handle object, int layout) {
        return importTensor(object, true, layout);
      },
      "object"_a.none(), "layout"_a = 0);
  m.def("library", [](nb::handle object) {
    const char *names[] = {"numpy", "torch", "jax", "other"};
    return names[int(factsOf(object.ptr()).library)];
  });
  m.def("set_num_threads", [](int n) { check(attnSetNumThreads(n)); });
  m.def("get_num_threads", [] {
    int n = attnGetNumThreads();
    if (n == 0)
      raiseError("ShapeError", attnLastError());
    return n;
  });
  m.def("device_info", [] { return attnDeviceInfo(); });
  m.def("device_report", [] { return attnDeviceReport(); });
  m.def("version", [] { return attnRuntimeVersion(); });
}
