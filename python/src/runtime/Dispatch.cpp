//===- Dispatch.cpp - Calls that were made before ---------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A small attention takes a microsecond, and reading thirty keywords in Python
// takes two. So a `Dispatch` stands in front of the Python function. It knows
// nothing of what the keywords mean: a call is plain when it is three arrays
// and keywords whose values are None, bools, numbers, strings or tuples of
// those. A plain call that has not been seen goes to the function with a token,
// and with the token the function says which kernel answers such calls from
// then on:
//
//   attention(q, k, v, causal=True)     function(q, k, v, causal=True, _call=t)
//                                       t.remember(kernel, equal_lengths=True)
//   attention(q, k, v, causal=True)     kernel
//
// All else goes to the function as it is, and so does a call that the kernel
// could not take: errors are the function's to word.
//
//===----------------------------------------------------------------------===//

#include "Dispatch.h"

#include "Errors.h"
#include "Import.h"
#include "Kernel.h"

#include <nanobind/stl/string.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <structmember.h>
#include <unordered_map>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;
using namespace attn::py;

namespace {

//===----------------------------------------------------------------------===//
// What makes two calls the same
//===----------------------------------------------------------------------===//

/// The keywords that say how to run rather than what.
struct Names {
  PyObject *layout = interned("layout"), *out = interned("out"),
           *numThreads = interned("num_threads"), *device = interned("device");
  PyObject *layouts[3] = {interned("bhsd"), interned("bshd"), interned("thd")};
};
const Names &names() {
  static const Names *all = new Names();
  return *all;
}

/// Whether two strings are equal; those in source files are the same object.
bool same(PyObject *a, PyObject *b) {
  return a == b ||
         (!(PyUnicode_CHECK_INTERNED(a) && PyUnicode_CHECK_INTERNED(b)) &&
          PyUnicode_Compare(a, b) == 0);
}

/// Whether a value says all there is to it, and will not change.
bool isPlain(PyObject *value, bool inTuple = false) {
  if (value == Py_None || PyBool_Check(value) || PyLong_CheckExact(value) ||
      PyFloat_CheckExact(value))
    return true;
  if (inTuple)
    return false;
  if (PyUnicode_CheckExact(value))
    return true;
  if (!PyTuple_CheckExact(value))
    return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i)
    if (!isPlain(PyTuple_GET_ITEM(value, i), /*inTuple=*/true))
      return false;
  return true;
}

/// Whether two plain values are the same argument: 1, 1.0 and True are equal,
/// alone or in a tuple, and yet are not.
bool sameValue(PyObject *a, PyObject *b) {
  if (a == b)
    return true;
  if (Py_TYPE(a) != Py_TYPE(b))
    return false;
  if (!PyTuple_CheckExact(a))
    return PyObject_RichCompareBool(a, b, Py_EQ) == 1;
  if (PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b))
    return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); ++i)
    if (!sameValue(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i)))
      return false;
  return true;
}

struct Keyword {
  PyObject *name, *value;
};

/// What decides which kernel a call takes. A key in the table owns its
/// keywords, the one of a call borrows them.
struct Key {
  int64_t tensors[3] = {};
  const Keyword *keywords = nullptr;
  size_t count = 0;
  size_t hash = 0;

  void mix(size_t value) { hash = (hash ^ value) * 0x9e3779b97f4a7c15; }

  bool operator==(const Key &other) const {
    if (hash != other.hash || count != other.count ||
        std::memcmp(tensors, other.tensors, sizeof(tensors)) != 0)
      return false;
    for (size_t i = 0; i < count; ++i) {
      const Keyword &a = keywords[i], &b = other.keywords[i];
      if (!same(a.name, b.name) || !sameValue(a.value, b.value))
        return false;
    }
    return true;
  }
};
struct KeyHash {
  size_t operator()(const Key &key) const { return key.hash; }
};

/// What answers a call.
struct Answer {
  std::vector<Keyword> keywords;
  nb::object owner;
  Kernel *kernel = nullptr;
  /// There must be as many keys as queries.
  bool equalLengths = false;

  Answer() = default;
  Answer(Answer &&) = default;
  ~Answer() {
    for (Keyword &k : keywords) {
      Py_DECREF(k.name);
      Py_DECREF(k.value);
    }
  }
};
using Answers = std::unordered_map<Key, Answer, KeyHash>;

//===----------------------------------------------------------------------===//
// One call
//===----------------------------------------------------------------------===//

/// The arguments of a call, read where they are plain.
class PlainArguments {
public:
  static constexpr size_t kMost = 40;

  /// False, without an exception, where something is not plain.
  bool read(PyObject *const *args, Py_ssize_t count, PyObject *keywordNames);

  nb::object run(const Answer &answer);
  /// Whether the answer's kernel takes these sizes.
  bool fits(const Answer &answer) const {
    return !answer.equalLengths ||
           pointers[0]->shape[2] == pointers[1]->shape[2];
  }

  /// Whether `out`, where there is one, is one array.
  bool writesOne(const Answer &answer) const {
    return !out || answer.kernel->resultTypes.size() == 1;
  }

  Key key;

private:
  bool readKeyword(PyObject *name, PyObject *value);
  bool readTensor(int i, PyObject *object);

  Keyword keywords[kMost];
  Tensor tensors[3];
  const Tensor *pointers[3];
  RunOptions options;
  PyObject *out = nullptr;
};

bool PlainArguments::readKeyword(PyObject *name, PyObject *value) {
  const Names &known = names();
  if (same(name, known.out)) {
    out = value == Py_None ? nullptr : value;
    return true;
  }
  if (!isPlain(value))
    return false;
  if (same(name, known.numThreads)) {
    if (value == Py_None)
      return true;
    int overflow = 0;
    long n = PyLong_CheckExact(value)
                 ? PyLong_AsLongAndOverflow(value, &overflow)
                 : -1;
    options.numThreads = int(n);
    return n >= 0 && n == options.numThreads && !overflow;
  }
  if (same(name, known.layout)) {
    if (!PyUnicode_CheckExact(value))
      return false;
    options.layout = 0;
    while (!same(value, known.layouts[options.layout]))
      if (++options.layout == 3)
        return false;
  } else if (same(name, known.device) && value != Py_None) {
    options.device =
        PyUnicode_CheckExact(value) ? PyUnicode_AsUTF8(value) : nullptr;
    if (!options.device)
      return false;
  }
  if (key.count == kMost)
    return false;
  Py_hash_t hash = value == Py_None ? 0 : PyObject_Hash(value);
  if (hash == -1)
    return false;
  key.mix(size_t(PyObject_Hash(name)));
  key.mix(size_t(hash));
  keywords[key.count++] = {name, value};
  return true;
}

bool PlainArguments::readTensor(int i, PyObject *object) {
  static PyTypeObject *own = (PyTypeObject *)nb::type<Tensor>().ptr();
  if (Py_TYPE(object) == own) {
    pointers[i] = nb::inst_ptr<Tensor>(object);
  } else {
    const TypeFacts &facts = factsOf(object);
    // What stands for an array while a function is traced belongs to no
    // library.
    if (facts.library == Library::Other || requiresGrad(object, facts))
      return false;
    tensors[i] = importTensor(object, /*writable=*/false, options.layout);
    pointers[i] = &tensors[i];
  }
  const Tensor &t = *pointers[i];
  // Calls on two devices differ.
  key.tensors[i] =
      headSignature(t) | int64_t(t.onCuda() ? t.dl.device.device_id : 0) << 40;
  key.mix(size_t(key.tensors[i]));
  return t.dl.ndim == 4;
}

bool PlainArguments::read(PyObject *const *args, Py_ssize_t count,
                          PyObject *keywordNames) {
  if (count != 3)
    return false;
  key.keywords = keywords;
  Py_ssize_t given = keywordNames ? PyTuple_GET_SIZE(keywordNames) : 0;
  try {
    for (Py_ssize_t i = 0; i < given; ++i)
      if (!readKeyword(PyTuple_GET_ITEM(keywordNames, i), args[3 + i])) {
        PyErr_Clear();
        return false;
      }
    for (int i = 0; i < 3; ++i)
      if (!readTensor(i, args[i]))
        return false;
  } catch (nb::python_error &) {
    return false;
  }
  return true;
}

nb::object PlainArguments::run(const Answer &answer) {
  std::string device;
  if (!options.device && pointers[0]->onCuda()) {
    device = pointers[0]->device();
    options.device = device.c_str();
  }
  // Running may call Python, which may forget the answer.
  nb::object owner = answer.owner;
  Kernel &kernel = *answer.kernel;
  if (!out)
    return runKernel(kernel, pointers, 3, options);
  Tensor result = importTensor(out, /*writable=*/true, options.layout);
  Tensor *results[1] = {&result};
  runKernelInto(kernel, pointers, 3, results, 1, options);
  return nb::borrow(out);
}

//===----------------------------------------------------------------------===//
// The types
//===----------------------------------------------------------------------===//

/// A Python object: the function, and what it answered.
struct Dispatch {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject *function;
  PyObject *dict;
  Answers *answers;
};

/// The token of a call that a function may remember.
struct PlainCall {
  nb::object dispatch;
  int64_t tensors[3];
  std::vector<std::pair<nb::object, nb::object>> keywords;
  size_t hash;

  PlainCall(Dispatch *d, const Key &key)
      : dispatch(nb::borrow((PyObject *)d)), hash(key.hash) {
    std::memcpy(tensors, key.tensors, sizeof(tensors));
    for (size_t i = 0; i < key.count; ++i)
      keywords.emplace_back(nb::borrow(key.keywords[i].name),
                            nb::borrow(key.keywords[i].value));
  }

  void remember(nb::handle kernel, bool equalLengths) {
    // A test's stand-in for a kernel has Python in it.
    if (!nb::isinstance<Kernel>(kernel))
      return;
    Answer answer;
    answer.owner = nb::borrow(kernel);
    answer.kernel = nb::inst_ptr<Kernel>(kernel);
    answer.equalLengths = equalLengths;
    for (auto &[name, value] : keywords)
      answer.keywords.push_back({name.inc_ref().ptr(), value.inc_ref().ptr()});
    Key key;
    std::memcpy(key.tensors, tensors, sizeof(tensors));
    key.keywords = answer.keywords.data();
    key.count = answer.keywords.size();
    key.hash = hash;
    ((Dispatch *)dispatch.ptr())->answers->emplace(key, std::move(answer));
  }
};

/// Calls the function with the token of this call as one more keyword.
PyObject *askFunction(Dispatch *self, PyObject *const *args,
                      PyObject *keywordNames, const Key &key) {
  static PyObject *tokenName = interned("_call");
  Py_ssize_t given = keywordNames ? PyTuple_GET_SIZE(keywordNames) : 0;
  std::vector<PyObject *> all(args, args + 3 + given);
  nb::object token =
      nb::cast(new PlainCall(self, key), nb::rv_policy::take_ownership);
  all.push_back(token.ptr());
  nb::object allNames = nb::steal(PyTuple_New(given + 1));
  for (Py_ssize_t i = 0; i <= given; ++i) {
    PyObject *name = i < given ? PyTuple_GET_ITEM(keywordNames, i) : tokenName;
    Py_INCREF(name);
    PyTuple_SET_ITEM(allNames.ptr(), i, name);
  }
  return PyObject_Vectorcall(self->function, all.data(), 3, allNames.ptr());
}

PyObject *call(PyObject *object, PyObject *const *args, size_t flags,
               PyObject *keywordNames) {
  auto *self = (Dispatch *)object;
  try {
    PlainArguments plain;
    if (plain.read(args, PyVectorcall_NARGS(flags), keywordNames)) {
      auto found = self->answers->find(plain.key);
      if (found == self->answers->end())
        return askFunction(self, args, keywordNames, plain.key);
      if (plain.fits(found->second) && plain.writesOne(found->second))
        return plain.run(found->second).release().ptr();
    }
  } catch (nb::python_error &error) {
    error.restore();
    return nullptr;
  } catch (const std::exception &error) {
    PyErr_SetString(PyExc_MemoryError, error.what());
    return nullptr;
  }
  return PyObject_Vectorcall(self->function, args, flags, keywordNames);
}

PyObject *create(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  PyObject *function;
  if (keywords && PyDict_GET_SIZE(keywords))
    return PyErr_Format(PyExc_TypeError, "Dispatch expects no keywords");
  if (!PyArg_ParseTuple(args, "O:Dispatch", &function))
    return nullptr;
  auto *self = (Dispatch *)type->tp_alloc(type, 0);
  if (!self)
    return nullptr;
  self->vectorcall = call;
  self->function = Py_NewRef(function);
  self->answers = new Answers();
  return (PyObject *)self;
}

int traverse(PyObject *object, visitproc visit, void *arg) {
  auto *self = (Dispatch *)object;
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->function);
  Py_VISIT(self->dict);
  return 0;
}

int clear(PyObject *object) {
  auto *self = (Dispatch *)object;
  Py_CLEAR(self->function);
  Py_CLEAR(self->dict);
  if (self->answers)
    self->answers->clear();
  return 0;
}

void destroy(PyObject *object) {
  PyTypeObject *type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  clear(object);
  delete ((Dispatch *)object)->answers;
  type->tp_free(object);
  Py_DECREF(type);
}

/// Like a function, it becomes a method where it is an attribute of a class.
PyObject *bind(PyObject *self, PyObject *instance, PyObject *) {
  return instance && instance != Py_None ? PyMethod_New(self, instance)
                                         : Py_NewRef(self);
}

PyObject *forget(PyObject *object, PyObject *) {
  // Letting go of a kernel runs no Python code that would call back.
  ((Dispatch *)object)->answers->clear();
  Py_RETURN_NONE;
}

/// Pickled by its name, like a function.
PyObject *reduce(PyObject *object, PyObject *) {
  return PyObject_GetAttrString(object, "__qualname__");
}

PyObject *represent(PyObject *object) {
  return PyObject_Repr(((Dispatch *)object)->function);
}

PyMethodDef methods[] = {{"forget", forget, METH_NOARGS, "Forgets all calls."},
                         {"__reduce__", reduce, METH_NOARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};
PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Dispatch, vectorcall),
     READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(Dispatch, dict), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};
PyGetSetDef properties[] = {{"__dict__", PyObject_GenericGetDict,
                             PyObject_GenericSetDict, nullptr, nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyType_Slot slots[] = {
    {Py_tp_new, (void *)create},
    {Py_tp_dealloc, (void *)destroy},
    {Py_tp_traverse, (void *)traverse},
    {Py_tp_clear, (void *)clear},
    {Py_tp_call, (void *)PyVectorcall_Call},
    {Py_tp_descr_get, (void *)bind},
    {Py_tp_repr, (void *)represent},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, properties},
    {Py_tp_doc,
     (void
          *)"A function behind the kernels that answer the calls it has seen."},
    {0, nullptr}};
PyType_Spec spec = {"attn._runtime.Dispatch", sizeof(Dispatch), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                        Py_TPFLAGS_HAVE_VECTORCALL |
                        Py_TPFLAGS_METHOD_DESCRIPTOR,
                    slots};

} // namespace

void attn::py::addDispatch(nb::module_ &m) {
  nb::class_<PlainCall>(m, "PlainCall", "A call that a function may remember.")
      .def("remember", &PlainCall::remember, "kernel"_a, "equal_lengths"_a);
  m.attr("Dispatch") = nb::steal(PyType_FromSpec(&spec));
}
