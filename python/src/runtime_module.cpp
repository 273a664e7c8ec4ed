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

#include "attn-c/Runtime.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;

namespace {

constexpr int kMaxRank = 8;

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

/// Raises `attn.errors.<name>` with a text.
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

/// Raises the exception that stands for a status of the C API.
[[noreturn]] void raiseStatus(int status) {
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

void check(int status) {
  if (status != ATTN_OK)
    raiseStatus(status);
}

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

/// The element types of package signatures, in the order of their numbers.
enum DType : uint8_t { F64, F32, F16, BF16, I64, I32, I8, I1, NumDTypes };

struct DTypeInfo {
  const char *name;
  DLDataType dl;
  const char *numpy;
  const char *torch;
};

const DTypeInfo kDTypes[NumDTypes] = {
    {"f64", {kDLFloat, 64, 1}, "float64", "float64"},
    {"f32", {kDLFloat, 32, 1}, "float32", "float32"},
    {"f16", {kDLFloat, 16, 1}, "float16", "float16"},
    {"bf16", {kDLBfloat, 16, 1}, "uint16", "bfloat16"},
    {"i64", {kDLInt, 64, 1}, "int64", "int64"},
    {"i32", {kDLInt, 32, 1}, "int32", "int32"},
    {"i8", {kDLInt, 8, 1}, "int8", "int8"},
    {"i1", {kDLBool, 8, 1}, "bool", "bool"},
};

int64_t elementBytes(DType t) { return kDTypes[t].dl.bits / 8; }

DType dtypeFromName(const std::string &name) {
  for (int i = 0; i < NumDTypes; ++i)
    if (name == kDTypes[i].name)
      return DType(i);
  raiseError("ShapeError",
             "an element type expects one of f64, f32, f16, bf16, i64, i32, "
             "i8, i1, but got " +
                 name);
}

std::string describe(DLDataType t) {
  const char *families[] = {"int",    "uint",    "float", "opaque",
                            "bfloat", "complex", "bool"};
  std::string text =
      t.code < 7 ? families[t.code] : "type" + std::to_string(t.code) + "_";
  text += t.code == kDLBool ? "" : std::to_string(t.bits);
  return t.lanes == 1 ? text : text + "x" + std::to_string(t.lanes);
}

DType dtypeFromDLPack(DLDataType t) {
  for (int i = 0; i < NumDTypes; ++i) {
    const DLDataType &d = kDTypes[i].dl;
    if (d.code == t.code && d.bits == t.bits && t.lanes == 1)
      return DType(i);
  }
  raiseError("ShapeError",
             "a tensor expects one of float64, float32, float16, bfloat16, "
             "int64, int32, int8, bool, but got " +
                 describe(t));
}

//===----------------------------------------------------------------------===//
// Libraries
//===----------------------------------------------------------------------===//

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

/// Facts by type, under the GIL. Entries hold a reference to their type so that
/// an address is never reused for another one.
TypeFacts &factsOf(PyObject *object) {
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

//===----------------------------------------------------------------------===//
// Tensor
//===----------------------------------------------------------------------===//

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

/// Reads the element type of a buffer's format string.
DType dtypeFromFormat(const char *format, Py_ssize_t itemsize) {
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

void importBuffer(Tensor &t, PyObject *object, bool writable) {
  int flags = PyBUF_STRIDES | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
  if (PyObject_GetBuffer(object, &t.buffer, flags) != 0)
    throw nb::python_error();
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

void fillFromDLTensor(Tensor &t, const DLTensor &d, bool readOnly) {
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
  if (d.ndim > kMaxRank)
    raiseError("ShapeError", "a tensor expects a rank of at most 8, but got " +
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

PyObject *interned(const char *text) {
  return PyUnicode_InternFromString(text);
}

/// Calls `object.__dlpack__`, asking for a versioned capsule where the producer
/// knows of them.
nb::object callDLPack(PyObject *object, TypeFacts &facts) {
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

void importDLPack(Tensor &t, PyObject *object, TypeFacts &facts) {
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
bool importNumPyBFloat16(Tensor &t, PyObject *object, bool writable) {
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

void swapAxes(Tensor &t, int a, int b) {
  std::swap(t.shape[a], t.shape[b]);
  std::swap(t.strides[a], t.strides[b]);
}

void insertAxis(Tensor &t, int axis) {
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

/// How callers lay out q, k, v and the result.
enum Layout { BHSD = 0, BSHD = 1, THD = 2 };

void toBHSD(Tensor &t, int layout) {
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

/// Takes an array without copying.
Tensor importTensor(nb::handle object, bool writable, int layout) {
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
      if (!importNumPyBFloat16(t, object.ptr(), writable))
        throw;
    }
  } else {
    if (facts.library == Library::Torch) {
      static PyObject *name = interned("requires_grad");
      nb::object grad = nb::steal(PyObject_GetAttr(object.ptr(), name));
      if (!grad.is_valid())
        PyErr_Clear();
      else if (grad.ptr() == Py_True)
        raiseError("ShapeError",
                   "attn expects tensors without gradients here, but got one that "
                   "requires grad; gradients pass through q, k, v, bias, "
                   "log_weight and sinks of attention alone, so pass "
                   "tensor.detach()");
    }
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

/// A copy of the view that keeps the original alive.
Tensor derive(nb::handle self) {
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

/// The lowest bits of all signatures: dtype, kind of device, rank.
int64_t kindOf(const Tensor &t) {
  return int64_t(t.dtype) | int64_t(t.onCuda()) << 3 | int64_t(t.dl.ndim) << 4;
}

/// dtype, kind of device, rank and which axes but the last have size 1, as a
/// number.
int64_t signature(const Tensor &t) {
  int64_t ones = 0;
  for (int i = 0; i + 1 < t.dl.ndim; ++i)
    ones |= int64_t(t.shape[i] == 1) << i;
  return kindOf(t) | ones << 8;
}

int axisOf(const Tensor &t, int axis, int extra = 0) {
  int rank = t.dl.ndim + extra;
  int a = axis < 0 ? axis + rank : axis;
  if (a < 0 || a >= rank)
    raiseError("ShapeError", "an axis expects to be in a rank of " +
                                 std::to_string(rank) + ", but got " +
                                 std::to_string(axis));
  return a;
}

nb::tuple toTuple(const int64_t *values, int n) {
  PyObject *tuple = PyTuple_New(n);
  for (int i = 0; i < n; ++i)
    PyTuple_SET_ITEM(tuple, i, PyLong_FromLongLong(values[i]));
  return nb::steal<nb::tuple>(tuple);
}

/// A shape as "[2, 3]".
std::string shapeText(const int64_t *values, int n) {
  std::string text = "[";
  for (int i = 0; i < n; ++i)
    text += (i ? ", " : "") + std::to_string(values[i]);
  return text + "]";
}

//===----------------------------------------------------------------------===//
// Buffer: memory for the results of libraries that allocate for themselves
//===----------------------------------------------------------------------===//

/// Memory that a library such as jax takes over through DLPack.
struct Buffer {
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  DType dtype;
  void *data = nullptr;

  Buffer(const std::vector<int64_t> &dims, DType t) : shape(dims), dtype(t) {
    strides.resize(shape.size());
    int64_t n = 1;
    for (size_t i = shape.size(); i-- > 0;) {
      strides[i] = n;
      n *= shape[i];
    }
    size_t bytes = size_t(n * elementBytes(t));
    if (posix_memalign(&data, 64, bytes ? bytes : 64) != 0)
      raiseError("ResourceError", "a result expects " + std::to_string(bytes) +
                                      " bytes, but they cannot be had");
  }
  Buffer(const Buffer &) = delete;
  ~Buffer() { std::free(data); }
};

void releaseBufferTensor(DLManagedTensor *m) {
  // The consumer may let go on any thread, and without the GIL.
  PyGILState_STATE state = PyGILState_Ensure();
  Py_DECREF(static_cast<PyObject *>(m->manager_ctx));
  PyGILState_Release(state);
  delete m;
}

nb::object exportBuffer(nb::handle self, nb::kwargs) {
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

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

/// The functions and dtypes of numpy, looked up once.
struct NumPy {
  nb::object empty;
  nb::object dtypes[NumDTypes];
};
NumPy &numpy() {
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
Torch &torch() {
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

/// The library could not make an array of so many bytes.
[[noreturn]] void raiseNoMemory(int64_t bytes) {
  PyErr_Clear();
  raiseError("ResourceError", "a result expects " + std::to_string(bytes) +
                                  " bytes, but they cannot be had");
}

/// Allocates one result in the caller's library, on the caller's device and of
/// the caller's layout, and fills `t` with its view in the kernel's layout.
nb::object allocate(Library library, const Tensor *like, DType dtype,
                    const int64_t *dims, int rank, int layout, Tensor &t) {
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

/// Hands a result to its library.
nb::object deliver(Library library, nb::object result) {
  if (library != Library::Jax)
    return result;
  static nb::object *take =
      new nb::object(nb::module_::import_("jax.dlpack").attr("from_dlpack"));
  return (*take)(result);
}

//===----------------------------------------------------------------------===//
// Kernel
//===----------------------------------------------------------------------===//

int pollSignals(void *) {
  PyGILState_STATE state = PyGILState_Ensure();
  // The error stays set for the caller, whose thread state this is.
  int stop = PyErr_CheckSignals();
  PyGILState_Release(state);
  return stop;
}

/// One entry of an opened package.
struct Kernel {
  AttnPackage *package = nullptr;
  int entry = -1;
  std::string json;
  std::vector<DType> resultTypes;
  std::vector<int> resultRanks;
  int totalRank = 0;
  std::atomic<int64_t> calls{0};
  std::atomic<int64_t> counters[8] = {};

  Kernel(const std::string &path, const std::string &name) {
    int status;
    {
      nb::gil_scoped_release release;
      status = attnPackageOpen(path.c_str(), &package);
    }
    check(status);
    json = attnPackageJson(package);
    entry = attnPackageFindEntry(package, name.c_str());
    if (entry < 0) {
      attnPackageClose(package);
      package = nullptr;
      raiseError("CacheError",
                 "a package expects an entry named " + name + ", but got none");
    }
  }
  Kernel(const Kernel &) = delete;
  ~Kernel() { attnPackageClose(package); }

  void setResults(const std::vector<std::string> &types,
                  const std::vector<int> &ranks) {
    for (const std::string &t : types)
      resultTypes.push_back(dtypeFromName(t));
    for (int r : ranks) {
      if (r < 0 || r > kMaxRank)
        raiseError("CacheError",
                   "a result expects a rank of at most 8, but got " +
                       std::to_string(r));
      totalRank += r;
    }
    resultRanks = ranks;
  }
};

/// Collects the DLTensor of each Tensor of a sequence.
void collect(nb::handle sequence, std::vector<const DLTensor *> &into) {
  for (nb::handle h : nb::borrow<nb::object>(sequence)) {
    if (!nb::isinstance<Tensor>(h))
      raiseError("ShapeError", "a kernel expects tensors, but got " +
                                   std::string(Py_TYPE(h.ptr())->tp_name));
    into.push_back(&nb::inst_ptr<Tensor>(h)->dl);
  }
}

/// The stream that a call with such an argument belongs to: torch's current
/// one, where 1 is the word for the default stream. Other libraries wait on
/// exchange, and so does the call.
void *streamOf(const Tensor &t) {
  if (!t.onCuda() || t.library != Library::Torch)
    return nullptr;
  nb::object stream = torch().currentStream(t.dl.device.device_id);
  uintptr_t handle = nb::cast<uintptr_t>(stream.attr("cuda_stream"));
  return reinterpret_cast<void *>(handle ? handle : 1);
}

/// Runs the kernel; see `_runtime.pyi`.
nb::object runKernel(Kernel &k, nb::handle args, nb::handle out, int layout,
                     int numThreads, nb::handle where) {
  const char *device = nullptr;
  if (!where.is_none()) {
    if (!PyUnicode_Check(where.ptr()))
      raiseError("DeviceError",
                 std::string("device expects a string, but got ") +
                     Py_TYPE(where.ptr())->tp_name);
    device = nb::cast<const char *>(where);
  }
  std::vector<const DLTensor *> inputs;
  inputs.reserve(8);
  collect(args, inputs);

  size_t count = k.resultTypes.size();
  std::vector<DLTensor *> results(count);
  std::vector<Tensor> views(count);
  nb::object values[16];
  if (count > 16)
    raiseError("ShapeError", "a call expects at most 16 results, but got " +
                                 std::to_string(count));
  Library library = Library::NumPy;
  nb::object first;
  if (!inputs.empty())
    first = nb::borrow<nb::object>(args)[0];
  const Tensor *like = first.is_valid() ? nb::inst_ptr<Tensor>(first) : nullptr;
  if (out.is_none()) {
    int64_t dims[16 * kMaxRank];
    check(attnResultShapes(k.package, k.entry, inputs.data(),
                           int(inputs.size()), dims));
    // Results belong to the library of the first argument.
    if (like)
      library = like->library;
    const int64_t *d = dims;
    for (size_t i = 0; i < count; ++i) {
      values[i] = allocate(library, like, k.resultTypes[i], d, k.resultRanks[i],
                           layout, views[i]);
      results[i] = &views[i].dl;
      d += k.resultRanks[i];
    }
  } else {
    std::vector<const DLTensor *> given;
    collect(out, given);
    if (given.size() != count)
      raiseError("ShapeError", "out expects " + std::to_string(count) +
                                   " arrays, but got " +
                                   std::to_string(given.size()));
    for (size_t i = 0; i < count; ++i)
      results[i] = const_cast<DLTensor *>(given[i]);
  }

  AttnInvokeOptions options = {};
  options.num_threads = numThreads;
  options.poll = pollSignals;
  options.device = device;
  if (like && like->onCuda() && !(device && !std::strcmp(device, "emulated")))
    options.stream = streamOf(*like);
  AttnCounters counters = {};
  // On a stream, counters would make the call wait.
  AttnCounters *wanted = options.stream ? nullptr : &counters;
  int status;
  {
    nb::gil_scoped_release release;
    status = attnInvoke(k.package, k.entry, inputs.data(), int(inputs.size()),
                        results.data(), int(count), &options, wanted);
  }
  if (status != ATTN_OK)
    raiseStatus(status);
  k.calls.fetch_add(1, std::memory_order_relaxed);
  const int64_t seen[8] = {
      counters.guard_recomputations, counters.key_tiles_computed,
      counters.key_tiles_masked, counters.key_tiles_skipped_by_plan,
      counters.key_tiles_skipped_by_mask, counters.mask_blocks_looked_at,
      counters.mask_blocks_empty, counters.mask_blocks_full};
  for (int i = 0; i < 8; ++i)
    if (seen[i])
      k.counters[i].fetch_add(seen[i], std::memory_order_relaxed);

  if (!out.is_none())
    return nb::none();
  if (count == 1)
    return deliver(library, std::move(values[0]));
  nb::object tuple = nb::steal(PyTuple_New(Py_ssize_t(count)));
  for (size_t i = 0; i < count; ++i)
    PyTuple_SET_ITEM(tuple.ptr(), Py_ssize_t(i),
                     deliver(library, std::move(values[i])).release().ptr());
  return tuple;
}

} // namespace

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
      .def_prop_ro("head_signature",
                   [](const Tensor &t) {
                     int64_t last = t.dl.ndim ? t.shape[t.dl.ndim - 1] : 0;
                     return kindOf(t) | last << 8;
                   })
      .def_prop_ro("signature", [](const Tensor &t) { return signature(t); })
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
      .def_prop_ro("counters",
                   [](const Kernel &k) {
                     const char *names[8] = {
                         "guard_recomputations", "key_tiles_computed",
                         "key_tiles_masked", "key_tiles_skipped_by_plan",
                         "key_tiles_skipped_by_mask", "mask_blocks_looked_at",
                         "mask_blocks_empty", "mask_blocks_full"};
                     nb::dict d;
                     for (int i = 0; i < 8; ++i)
                       d[names[i]] = k.counters[i].load();
                     return d;
                   })
      .def("run", runKernel, "args"_a, "out"_a = nb::none(), "layout"_a = 0,
           "num_threads"_a = 0, "device"_a.none() = nb::none())
      .def(
          "result_shapes",
          [](Kernel &k, nb::handle args) {
            std::vector<const DLTensor *> inputs;
            collect(args, inputs);
            std::vector<int64_t> dims(k.totalRank + 1);
            check(attnResultShapes(k.package, k.entry, inputs.data(),
                                   int(inputs.size()), dims.data()));
            nb::list shapes;
            const int64_t *d = dims.data();
            for (int r : k.resultRanks) {
              shapes.append(toTuple(d, r));
              d += r;
            }
            return shapes;
          },
          "args"_a);

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
