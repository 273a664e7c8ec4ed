//===- Kernel.cpp - One entry of an opened package --------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Kernel.h"

#include "Errors.h"
#include "Results.h"

#include <array>
#include <cstring>

namespace nb = nanobind;
using namespace attn::py;

Kernel::Kernel(const std::string &path, const std::string &name) {
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

void Kernel::setResults(const std::vector<std::string> &types,
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

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

static int pollSignals(void *) {
  PyGILState_STATE state = PyGILState_Ensure();
  // The error stays set for the caller, whose thread state this is.
  int stop = PyErr_CheckSignals();
  PyGILState_Release(state);
  return stop;
}

/// The stream that a call with such an argument belongs to: torch's current
/// one, where 1 is the word for the default stream. Other libraries wait on
/// exchange, and so does the call.
static void *streamOf(const Tensor &t) {
  if (!t.onCuda() || t.library != Library::Torch)
    return nullptr;
  uintptr_t handle = currentTorchStream(t.dl.device.device_id);
  return reinterpret_cast<void *>(handle ? handle : 1);
}

namespace {
/// Where a call finds its tensors; few need no memory of their own.
class Arguments {
public:
  Arguments(const Tensor *const *args, int count) {
    if (size_t(count) > few.size())
      many.resize(size_t(count));
    pointers = many.empty() ? few.data() : many.data();
    for (int i = 0; i < count; ++i)
      pointers[i] = &args[i]->dl;
  }
  const DLTensor *const *data() const { return pointers; }

private:
  std::array<const DLTensor *, 8> few;
  std::vector<const DLTensor *> many;
  const DLTensor **pointers;
};

/// A call that runs without the interpreter's lock, from when `release` is
/// called to its end.
class Call {
public:
  Call(Kernel &kernel, const Tensor *first, const RunOptions &run)
      : kernel(kernel) {
    options.num_threads = run.numThreads;
    options.poll = pollSignals;
    options.device = run.device;
    if (first && first->onCuda() &&
        !(run.device && !std::strcmp(run.device, "emulated")))
      options.stream = streamOf(*first);
  }
  ~Call() { take(); }

  void release() { thread = PyEval_SaveThread(); }
  const AttnInvokeOptions *how() const { return &options; }
  /// On a stream, counters would make the call wait.
  AttnCounters *wanted() { return options.stream ? nullptr : &counters; }

  /// The end: raises what failed, keeps what was counted.
  void finish(int status) {
    take();
    check(status);
    kernel.calls.fetch_add(1, std::memory_order_relaxed);
    const int64_t seen[8] = {
        counters.guard_recomputations,      counters.key_tiles_computed,
        counters.key_tiles_masked,          counters.key_tiles_skipped_by_plan,
        counters.key_tiles_skipped_by_mask, counters.mask_blocks_looked_at,
        counters.mask_blocks_empty,         counters.mask_blocks_full};
    for (int i = 0; i < 8; ++i)
      if (seen[i])
        kernel.counters[i].fetch_add(seen[i], std::memory_order_relaxed);
  }

private:
  void take() {
    if (thread)
      PyEval_RestoreThread(thread);
    thread = nullptr;
  }

  Kernel &kernel;
  AttnInvokeOptions options = {};
  AttnCounters counters = {};
  PyThreadState *thread = nullptr;
};

/// The results of a call that makes them when their sizes are known.
struct NewResults {
  Kernel &kernel;
  /// The first argument, whose library they belong to; may be null.
  const Tensor *like;
  int layout;
  Call &call;
  std::vector<Tensor> views;
  std::array<nb::object, 16> values;

  Library library() const { return like ? like->library : Library::NumPy; }

  /// For `attnInvokeAllocating`; an exception stays set.
  static int make(void *self, const int64_t *dims, DLTensor **results) {
    auto &r = *static_cast<NewResults *>(self);
    try {
      for (size_t i = 0; i < r.views.size(); ++i) {
        int rank = r.kernel.resultRanks[i];
        r.values[i] = allocate(r.library(), r.like, r.kernel.resultTypes[i],
                               dims, rank, r.layout, r.views[i]);
        results[i] = &r.views[i].dl;
        dims += rank;
      }
    } catch (nb::python_error &error) {
      error.restore();
      return 1;
    }
    r.call.release();
    return 0;
  }
};
} // namespace

nb::object attn::py::runKernel(Kernel &kernel, const Tensor *const *args,
                               int count, const RunOptions &options) {
  const Tensor *first = count ? args[0] : nullptr;
  Arguments inputs(args, count);
  Call call(kernel, first, options);
  NewResults results{kernel, first, options.layout, call, {}, {}};
  size_t wanted = kernel.resultTypes.size();
  if (wanted > results.values.size())
    raiseError("ShapeError", "a call expects at most 16 results, but got " +
                                 std::to_string(wanted));
  results.views.resize(wanted);
  call.finish(attnInvokeAllocating(kernel.package, kernel.entry, inputs.data(),
                                   count, NewResults::make, &results,
                                   call.how(), call.wanted()));
  auto take = [&](size_t i) {
    return deliver(results.library(), std::move(results.values[i]));
  };
  if (wanted == 1)
    return take(0);
  nb::object tuple = nb::steal(PyTuple_New(Py_ssize_t(wanted)));
  for (size_t i = 0; i < wanted; ++i)
    PyTuple_SET_ITEM(tuple.ptr(), Py_ssize_t(i), take(i).release().ptr());
  return tuple;
}

void attn::py::runKernelInto(Kernel &kernel, const Tensor *const *args,
                             int count, Tensor *const *out, int outCount,
                             const RunOptions &options) {
  if (size_t(outCount) != kernel.resultTypes.size())
    raiseError("ShapeError",
               "out expects " + std::to_string(kernel.resultTypes.size()) +
                   " arrays, but got " + std::to_string(outCount));
  Arguments inputs(args, count);
  std::vector<DLTensor *> results;
  for (int i = 0; i < outCount; ++i)
    results.push_back(&out[i]->dl);
  Call call(kernel, count ? args[0] : nullptr, options);
  call.release();
  call.finish(attnInvoke(kernel.package, kernel.entry, inputs.data(), count,
                         results.data(), outCount, call.how(), call.wanted()));
}

void attn::py::resultSizes(Kernel &kernel, const Tensor *const *args, int count,
                           int64_t *dims) {
  check(attnResultShapes(kernel.package, kernel.entry,
                         Arguments(args, count).data(), count, dims));
}
