//===- Results.cpp - New arrays for results ---------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Results.h"

#include "Errors.h"

#include <nanobind/stl/string.h>

#include <cstdlib>

namespace nb = nanobind;
using namespace attn::py;

static void releaseBufferTensor(DLManagedTensor *m) {
  // The consumer may let go on any thread, and without the GIL.
  PyGILState_STATE state = PyGILState_Ensure();
  Py_DECREF(static_cast<PyObject *>(m->manager_ctx));
  PyGILState_Release(state);
  delete m;
}

nb::object attn::py::exportBuffer(nb::handle self, nb::kwargs) {
  Buffer &b = *nb::inst_ptr<Buffer>(self);
  auto *m = new DLManagedTensor();
  m->dl_tensor.data = b.data;
  m->dl_tensor.device = {kDLCPU, 0};
  m->dl_tensor.ndim = int32_t(b.shape.size());
  m->dl_tensor.dtype = kDTypes[b.dtype].dl;
  m->dl_tensor.shape = b.shape.data();
  m->dl_tensor.strides = b.strides.data();
  m->dl_tensor.byte_offset = 0;
  m->manager_ctx = self.ptr();
  m->deleter = releaseBufferTensor;
  self.inc_ref();
  return nb::steal(PyCapsule_New(m, "dltensor", [](PyObject *capsule) {
    // A consumer renames the capsule; only one nobody took is released here.
    if (PyCapsule_IsValid(capsule, "dltensor")) {
      auto *m = static_cast<DLManagedTensor *>(
          PyCapsule_GetPointer(capsule, "dltensor"));
      m->deleter(m);
    }
  }));
}

/// The functions and dtypes of numpy, looked up once.
struct NumPy {
  nb::object empty;
  nb::object dtypes[NumDTypes];
};
static NumPy &numpy() {
  static NumPy *np = [] {
    auto *n = new NumPy();
    nb::module_ m = nb::module_::import_("numpy");
    n->empty = m.attr("empty");
    for (int i = 0; i < NumDTypes; ++i)
      n->dtypes[i] = m.attr("dtype")(kDTypes[i].numpy);
    return n;
  }();
  return *np;
}

struct Torch {
  nb::object empty;
  nb::object currentStream;
  nb::object dtypes[NumDTypes];
};
static Torch &torch() {
  static Torch *t = [] {
    auto *n = new Torch();
    nb::module_ m = nb::module_::import_("torch");
    n->empty = m.attr("empty");
    n->currentStream = m.attr("cuda").attr("current_stream");
    for (int i = 0; i < NumDTypes; ++i)
      n->dtypes[i] = m.attr(kDTypes[i].torch);
    return n;
  }();
  return *t;
}

uintptr_t attn::py::currentTorchStream(int device) {
  nb::object stream = torch().currentStream(device);
  return nb::cast<uintptr_t>(stream.attr("cuda_stream"));
}

/// The library could not make an array of so many bytes.
[[noreturn]] static void raiseNoMemory(int64_t bytes) {
  PyErr_Clear();
  raiseError("ResourceError", "a result expects " + std::to_string(bytes) +
                                  " bytes, but they cannot be had");
}

nb::object attn::py::allocate(Library library, const Tensor *like, DType dtype,
                              const int64_t *dims, int rank, int layout,
                              Tensor &t) {
  int64_t physical[kMaxRank];
  int n = rank;
  std::memcpy(physical, dims, sizeof(int64_t) * rank);
  if (layout != BHSD && rank == 4)
    std::swap(physical[1], physical[2]);
  if (layout == THD) {
    // The batch of one that stands for the packed axis.
    --n;
    std::memmove(physical, physical + 1, sizeof(int64_t) * n);
  }
  int64_t bytes = elementBytes(dtype);
  for (int i = 0; i < n; ++i)
    if (__builtin_mul_overflow(bytes, physical[i], &bytes))
      raiseError("ShapeError",
                 "a result expects fewer than 2^63 bytes, but got "
                 "shape " +
                     shapeText(physical, n));
  t.setDType(dtype);
  t.readOnly = false;
  t.library = library;
  const bool onCuda = like && like->onCuda();
  if (onCuda)
    t.dl.device = like->dl.device;
  if (onCuda && library != Library::Torch)
    raiseError("DeviceError",
               "a result on a CUDA device expects torch tensors as arguments, "
               "or arrays of the caller's to write to, but got neither; pass "
               "out=");
  nb::object result;
  switch (library) {
  case Library::Torch: {
    Torch &lib = torch();
    static PyObject *keywords = Py_BuildValue("(s)", "dtype");
    static PyObject *withDevice = Py_BuildValue("(ss)", "dtype", "device");
    static PyObject *dataPtr = interned("data_ptr");
    nb::tuple shape = toTuple(physical, n);
    nb::object device = nb::none();
    if (onCuda)
      device = nb::str(like->device().c_str());
    PyObject *args[3] = {shape.ptr(), lib.dtypes[dtype].ptr(), device.ptr()};
    result = nb::steal(PyObject_Vectorcall(lib.empty.ptr(), args, 1,
                                           onCuda ? withDevice : keywords));
    if (!result.is_valid())
      throw nb::python_error();
    nb::object address =
        nb::steal(PyObject_CallMethodNoArgs(result.ptr(), dataPtr));
    if (!address.is_valid())
      throw nb::python_error();
    t.dl.data = PyLong_AsVoidPtr(address.ptr());
    t.owner = result.inc_ref().ptr();
    break;
  }
  case Library::Jax: {
    std::vector<int64_t> shape(physical, physical + n);
    nb::object holder =
        nb::cast(new Buffer(shape, dtype), nb::rv_policy::take_ownership);
    t.dl.data = nb::inst_ptr<Buffer>(holder)->data;
    t.owner = holder.inc_ref().ptr();
    result = holder;
    break;
  }
  default: {
    NumPy &np = numpy();
    nb::tuple shape = toTuple(physical, n);
    PyObject *args[2] = {shape.ptr(), np.dtypes[dtype].ptr()};
    result = nb::steal(PyObject_Vectorcall(np.empty.ptr(), args, 2, nullptr));
    if (!result.is_valid())
      raiseNoMemory(bytes);
    if (PyObject_GetBuffer(result.ptr(), &t.buffer, PyBUF_SIMPLE) != 0)
      raiseNoMemory(bytes);
    t.hasBuffer = true;
    t.dl.data = t.buffer.buf;
    if (dtype == BF16) {
      static nb::object *bfloat16 =
          new nb::object(nb::module_::import_("ml_dtypes").attr("bfloat16"));
      result = result.attr("view")(*bfloat16);
    }
  }
  }
  // Row-major in the caller's layout, seen in the kernel's.
  t.dl.ndim = n;
  int64_t stride = 1;
  for (int i = n - 1; i >= 0; --i) {
    t.shape[i] = physical[i];
    t.strides[i] = stride;
    stride *= physical[i];
  }
  if (layout == THD)
    insertAxis(t, 0);
  if (layout != BHSD && rank == 4)
    swapAxes(t, 1, 2);
  t.normalize();
  return result;
}

nb::object attn::py::deliver(Library library, nb::object result) {
  if (library != Library::Jax)
    return result;
  static nb::object *take =
      new nb::object(nb::module_::import_("jax.dlpack").attr("from_dlpack"));
  return (*take)(result);
}
