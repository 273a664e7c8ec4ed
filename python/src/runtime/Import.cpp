//===- Import.cpp - Arrays of any library as tensors ------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Import.h"

#include "Errors.h"

#include <nanobind/stl/string.h>

namespace nb = nanobind;
using namespace attn::py;

/// Reads the element type of a buffer's format string.
static DType dtypeFromFormat(const char *format, Py_ssize_t itemsize) {
  const char *f = format ? format : "B";
  if (*f == '@' || *f == '=' || *f == '<')
    ++f;
  if (f[0] && !f[1]) {
    switch (*f) {
    case 'd':
      return F64;
    case 'f':
      return F32;
    case 'e':
      return F16;
    case 'b':
      return I8;
    case '?':
      return I1;
    case 'i':
    case 'l':
    case 'q':
      if (itemsize == 4)
        return I32;
      if (itemsize == 8)
        return I64;
      break;
    }
  }
  raiseError("ShapeError",
             std::string("a tensor expects one of float64, float32, float16, "
                         "bfloat16, int64, int32, int8, bool in native byte "
                         "order, but got buffer format '") +
                 (format ? format : "B") + "'");
}

static void importBuffer(Tensor &t, PyObject *object, bool writable) {
  int flags = PyBUF_STRIDES | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
  if (PyObject_GetBuffer(object, &t.buffer, flags) != 0) {
    // bytes, for one; what is no array of numbers says so itself.
    if (writable && PyErr_ExceptionMatches(PyExc_BufferError)) {
      PyErr_Clear();
      raiseError("ShapeError",
                 std::string("out expects a writable array, but got ") +
                     Py_TYPE(object)->tp_name);
    }
    throw nb::python_error();
  }
  t.hasBuffer = true;
  const Py_buffer &b = t.buffer;
  if (b.ndim > kMaxRank)
    raiseError("ShapeError", "a tensor expects a rank of at most 8, but got " +
                                 std::to_string(b.ndim));
  t.setDType(dtypeFromFormat(b.format, b.itemsize));
  t.dl.ndim = b.ndim;
  t.dl.data = b.buf;
  t.readOnly = b.readonly;
  for (int i = 0; i < b.ndim; ++i) {
    t.shape[i] = b.shape[i];
    if (b.strides[i] % b.itemsize != 0 && b.shape[i] > 1)
      raiseError("ShapeError",
                 "a tensor expects strides that are multiples of the element "
                 "size " +
                     std::to_string(b.itemsize) + ", but got " +
                     std::to_string(b.strides[i]) + " bytes on axis " +
                     std::to_string(i));
    t.strides[i] = b.strides[i] / b.itemsize;
  }
}

static void fillFromDLTensor(Tensor &t, const DLTensor &d, bool readOnly) {
  const bool cuda =
      d.device.device_type == kDLCUDA || d.device.device_type == kDLCUDAManaged;
  if (!cuda && d.device.device_type != kDLCPU &&
      d.device.device_type != kDLCUDAHost)
    raiseError("DeviceError",
               "a tensor expects CPU or CUDA memory, but got one on DLPack "
               "device (" +
                   std::to_string(d.device.device_type) + ", " +
                   std::to_string(d.device.device_id) +
                   "); move it to the CPU first");
  if (cuda)
    t.dl.device = d.device;
  if (d.ndim < 0 || d.ndim > kMaxRank)
    raiseError("ShapeError", "a tensor expects a rank of 0 to 8, but got " +
                                 std::to_string(d.ndim));
  if (d.ndim > 0 && !d.shape)
    raiseError("ShapeError", "a tensor expects a shape, but got a null pointer "
                             "beside rank " +
                                 std::to_string(d.ndim));
  t.setDType(dtypeFromDLPack(d.dtype));
  t.dl.ndim = d.ndim;
  t.dl.data = static_cast<char *>(d.data) + d.byte_offset;
  t.readOnly = readOnly;
  int64_t compact = 1;
  for (int i = d.ndim - 1; i >= 0; --i) {
    t.shape[i] = d.shape[i];
    t.strides[i] = d.strides ? d.strides[i] : compact;
    compact *= d.shape[i];
  }
}

/// Calls `object.__dlpack__`, asking for a versioned capsule where the producer
/// knows of them.
static nb::object callDLPack(PyObject *object, TypeFacts &facts) {
  static PyObject *name = interned("__dlpack__");
  nb::object method = nb::steal(PyObject_GetAttr(object, name));
  if (!method.is_valid())
    throw nb::python_error();
  if (facts.versioned) {
    static PyObject *keywords = Py_BuildValue("(s)", "max_version");
    static PyObject *version = Py_BuildValue("(ii)", 1, 0);
    PyObject *args[1] = {version};
    PyObject *capsule = PyObject_Vectorcall(method.ptr(), args, 0, keywords);
    if (capsule)
      return nb::steal(capsule);
    if (!PyErr_ExceptionMatches(PyExc_TypeError))
      throw nb::python_error();
    // An older producer: no such keyword.
    PyErr_Clear();
    facts.versioned = false;
  }
  PyObject *capsule = PyObject_CallNoArgs(method.ptr());
  if (!capsule)
    throw nb::python_error();
  return nb::steal(capsule);
}

static void importDLPack(Tensor &t, PyObject *object, TypeFacts &facts) {
  if (facts.exchange) {
    if (facts.exchange->managed_tensor_from_py_object_no_sync(object,
                                                              &t.managed) != 0)
      throw nb::python_error();
    fillFromDLTensor(t, t.managed->dl_tensor,
                     t.managed->flags & DLPACK_FLAG_BITMASK_READ_ONLY);
    return;
  }
  nb::object capsule = callDLPack(object, facts);
  // The capsule stays unconsumed and is kept: its own destructor releases the
  // tensor when this view goes.
  t.owner = capsule.release().ptr();
  if (PyCapsule_IsValid(t.owner, "dltensor_versioned")) {
    auto *m = static_cast<DLManagedTensorVersioned *>(
        PyCapsule_GetPointer(t.owner, "dltensor_versioned"));
    if (m->version.major != 1)
      raiseError("ShapeError", "a tensor expects DLPack version 1, but got " +
                                   std::to_string(m->version.major));
    fillFromDLTensor(t, m->dl_tensor, m->flags & DLPACK_FLAG_BITMASK_READ_ONLY);
  } else if (PyCapsule_IsValid(t.owner, "dltensor")) {
    auto *m = static_cast<DLManagedTensor *>(
        PyCapsule_GetPointer(t.owner, "dltensor"));
    // Before version 1 nothing says whether the memory may be written.
    fillFromDLTensor(t, m->dl_tensor, facts.library == Library::Jax);
  } else {
    raiseError("ShapeError", "__dlpack__ expects to return a DLPack capsule, "
                             "but got something else");
  }
}

/// numpy arrays of ml_dtypes' bfloat16 have neither a buffer nor DLPack; their
/// uint16 view has the same bits and strides.
static bool importNumPyBFloat16(Tensor &t, PyObject *object, bool writable) {
  nb::handle h(object);
  nb::object dtype = nb::getattr(h, "dtype", nb::none());
  nb::object name = nb::getattr(dtype, "name", nb::none());
  if (!nb::isinstance<nb::str>(name) ||
      std::strcmp(nb::cast<const char *>(name), "bfloat16") != 0)
    return false;
  nb::object bits = h.attr("view")("int16");
  int flags = PyBUF_STRIDES | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
  if (PyObject_GetBuffer(bits.ptr(), &t.buffer, flags) != 0)
    throw nb::python_error();
  t.hasBuffer = true;
  const Py_buffer &b = t.buffer;
  if (b.ndim > kMaxRank)
    raiseError("ShapeError", "a tensor expects a rank of at most 8, but got " +
                                 std::to_string(b.ndim));
  t.setDType(BF16);
  t.dl.ndim = b.ndim;
  t.dl.data = b.buf;
  t.readOnly = b.readonly;
  for (int i = 0; i < b.ndim; ++i) {
    t.shape[i] = b.shape[i];
    if (b.strides[i] % 2 != 0 && b.shape[i] > 1)
      raiseError("ShapeError", "a tensor expects strides that are multiples of "
                               "the element size 2, but got " +
                                   std::to_string(b.strides[i]) +
                                   " bytes on axis " + std::to_string(i));
    t.strides[i] = b.strides[i] / 2;
  }
  return true;
}

static std::string nameOfDType(nb::handle array) {
  nb::object dtype = nb::getattr(array, "dtype", nb::none());
  return nb::cast<std::string>(nb::str(dtype));
}

bool attn::py::requiresGrad(nb::handle object, const TypeFacts &facts) {
  if (facts.library != Library::Torch)
    return false;
  static PyObject *name = interned("requires_grad");
  nb::object grad = nb::steal(PyObject_GetAttr(object.ptr(), name));
  if (!grad.is_valid())
    PyErr_Clear();
  return grad.ptr() == Py_True;
}

Tensor attn::py::importTensor(nb::handle object, bool writable, int layout) {
  Tensor t;
  TypeFacts &facts = factsOf(object.ptr());
  t.library = facts.library;
  if (facts.library == Library::NumPy) {
    try {
      importBuffer(t, object.ptr(), writable);
    } catch (nb::python_error &e) {
      // numpy has no buffer format for foreign dtypes, and none that may be
      // written for a read-only array.
      if (!e.matches(PyExc_ValueError) && !e.matches(PyExc_BufferError))
        throw;
      nb::object flags = nb::getattr(object, "flags", nb::none());
      if (writable && !flags.is_none() &&
          !nb::cast<bool>(nb::getattr(flags, "writeable", nb::bool_(true))))
        raiseError("ShapeError", "out expects a writable array, but got a "
                                 "read-only one");
      if (importNumPyBFloat16(t, object.ptr(), writable)) {
        // A view of its bits.
      } else if (!e.type().is(PyExc_ValueError)) {
        throw; // said in our own words
      } else {
        raiseError("ShapeError",
                   "a tensor expects one of float64, float32, float16, "
                   "bfloat16, int64, int32, int8, bool, but got " +
                       nameOfDType(object));
      }
    }
  } else {
    if (requiresGrad(object, facts))
      raiseError(
          "ShapeError",
          "attn expects tensors without gradients here, but got one that "
          "requires grad; gradients pass through q, k, v, bias, "
          "log_weight and sinks of attention alone, so pass "
          "tensor.detach()");
    static PyObject *name = interned("__dlpack__");
    if (facts.exchange || PyObject_HasAttr(object.ptr(), name))
      importDLPack(t, object.ptr(), facts);
    else if (PyObject_CheckBuffer(object.ptr()))
      importBuffer(t, object.ptr(), writable);
    else
      raiseError("ShapeError",
                 std::string("attn expects an array (anything with __dlpack__ "
                             "or a buffer), but got ") +
                     Py_TYPE(object.ptr())->tp_name);
  }
  if (writable && t.readOnly)
    raiseError("ShapeError",
               "out expects a writable array, but got a read-only one");
  toBHSD(t, layout);
  t.normalize();
  return t;
}
