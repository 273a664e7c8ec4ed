//===- Invoke.cpp - Calling an entry --------------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The sizes of results are always computed and compared before the entry runs:
// generated code trusts its descriptors, so a result that is too small must be
// found here.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Invoke.h"

#include "attn/Runtime/CallContext.h"
#include "attn/Runtime/Device/Report.h"
#include "attn/Runtime/Device/Selection.h"
#include "attn/Runtime/TensorCheck.h"
#include "attn/Runtime/ThreadCount.h"

using namespace attn::rt;

namespace {
/// Marks the package as in use.
class InFlight {
public:
  explicit InFlight(AttnPackage &package) : package(package) {
    package.callsInFlight.fetch_add(1, std::memory_order_relaxed);
  }
  ~InFlight() { package.callsInFlight.fetch_sub(1, std::memory_order_release); }

private:
  AttnPackage &package;
};

/// The arguments of the generated functions, for `runProtected`.
struct GeneratedCall {
  const AttnPackage::Entry *entry;
  void **descriptors;
  int64_t *dims;
};
} // namespace

static void callShapes(void *arg) {
  auto &call = *static_cast<GeneratedCall *>(arg);
  call.entry->shapes(call.descriptors, call.dims);
}

static void callEntry(void *arg) {
  auto &call = *static_cast<GeneratedCall *>(arg);
  call.entry->run(call.descriptors);
}

/// Asks the caller of the current call whether to stop, for a device that is
/// busy; true when it is to.
static bool pollCall(void *) {
  CallContext *call = threadState().call;
  if (!call)
    return false;
  call->pollIfDue();
  return call->stopRequested();
}

/// Checks the index of an entry.
static Status checkEntry(const AttnPackage &package, int entry) {
  const auto &entries = package.signature.entries;
  if (entry >= 0 && entry < static_cast<int>(entries.size()))
    return Status();
  std::string names;
  for (const EntryType &type : entries)
    names += (names.empty() ? "'" : ", '") + type.name + "'";
  return failure(ATTN_INVALID,
                 "package '%s' expects an entry from 0 to %d (%s), but got %d",
                 package.path.c_str(), static_cast<int>(entries.size()) - 1,
                 names.c_str(), entry);
}

/// What generated code reported.
static Status generatedFailure(const CallContext &call, const EntryType &type) {
  return failure(static_cast<AttnStatus>(call.failureCode()), "entry '%s': %s",
                 type.name.c_str(), call.failureMessage());
}

Status attn::rt::resultShapes(AttnPackage &package, int entry,
                              const DLTensor *const *args, int numArgs,
                              int64_t *dims) {
  if (Status status = checkEntry(package, entry); !status.ok())
    return status;
  InFlight inFlight(package);
  const EntryType &type = package.signature.entries[entry];
  TensorPlace place;
  if (package.signature.onGpu())
    place.kind = TensorPlace::Any;
  TensorChecker tensors(type, place);
  if (Status status = tensors.addArguments(args, numArgs); !status.ok())
    return status;
  CallContext call(/*threads=*/1, /*poll=*/nullptr, /*pollArg=*/nullptr);
  GeneratedCall generated{&package.entries[entry], tensors.descriptors(), dims};
  if (!runProtected(callShapes, &generated))
    return generatedFailure(call, type);
  return Status();
}

Status attn::rt::invoke(AttnPackage &package, int entry,
                        const DLTensor *const *args, int numArgs,
                        const ResultSource &source,
                        const AttnInvokeOptions *options,
                        AttnCounters *counters) {
  if (Status status = checkEntry(package, entry); !status.ok())
    return status;
  InFlight inFlight(package);
  const EntryType &type = package.signature.entries[entry];
  const AttnInvokeOptions defaults = {};
  if (!options)
    options = &defaults;
  int threads = 1;
  if (Status status = requestedThreadCount(options->num_threads, threads);
      !status.ok())
    return status;
  keepReport(nullptr);

  ResultSource results = source;
  std::vector<DLTensor *> made;
  auto allocate = [&](const int64_t *dims) -> Status {
    made.resize(type.results.size());
    if (source.allocate(source.arg, dims, made.data()) != 0)
      return failure(ATTN_CANCELLED, "entry '%s': the caller made no results",
                     type.name.c_str());
    results.tensors = made.data();
    results.count = static_cast<int>(made.size());
    return Status();
  };
  Device *device = nullptr;
  TensorPlace place;
  if (package.signature.onGpu() || options->device || options->stream) {
    if (source.allocate) {
      // The device is chosen by all tensors, so they have to be there first.
      std::vector<int64_t> dims(static_cast<size_t>(type.numResultDims()));
      if (Status status =
              resultShapes(package, entry, args, numArgs, dims.data());
          !status.ok())
        return status;
      if (Status status = allocate(dims.data()); !status.ok())
        return status;
    }
    if (Status status =
            selectDevice(package.signature, *options, {args, numArgs},
                         {results.tensors, results.count}, device, place);
        !status.ok())
      return failure(status.code(), "entry '%s': %s", type.name.c_str(),
                     status.message().c_str());
  }
  TensorChecker tensors(type, place);
  auto addResults = [&] {
    Status status = tensors.addResults(results.tensors, results.count);
    return status.ok() ? tensors.checkOverlap() : status;
  };
  if (Status status = tensors.addArguments(args, numArgs); !status.ok())
    return status;
  const bool late = source.allocate && made.empty();
  if (!late)
    if (Status status = addResults(); !status.ok())
      return status;

  std::unique_ptr<DeviceCall> deviceCall;
  if (device) {
    DeviceRequest request;
    request.modules = &package.modules;
    request.arch = package.signature.arch;
    request.stream = options->stream;
    request.counters = counters != nullptr;
    request.threads = threads ? threads : machineThreadCount();
    request.worstRounding = options->worst_rounding != 0;
    request.stepLimit = options->step_limit;
    request.poll = options->poll ? pollCall : nullptr;
    request.progress = options->progress;
    request.progressArg = options->progress_arg;
    request.tensors = tensors.memory();
    request.results = tensors.results();
    if (Status status = device->begin(request, deviceCall); !status.ok())
      return failure(status.code(), "entry '%s': %s", type.name.c_str(),
                     status.message().c_str());
    keepReport(deviceCall->report());
  }
  CallContext call(threads, options->poll, options->poll_arg, deviceCall.get());
  GeneratedCall generated{&package.entries[entry], tensors.descriptors(),
                          tensors.resultSizes()};
  if (!runProtected(callShapes, &generated))
    return generatedFailure(call, type);
  if (late) {
    if (Status status = allocate(tensors.resultSizes()); !status.ok())
      return status;
    if (Status status = addResults(); !status.ok())
      return status;
  }
  if (Status status = tensors.checkResultSizes(); !status.ok())
    return status;
  bool done = runProtected(callEntry, &generated);
  if (done && deviceCall)
    if (Status status = deviceCall->finish(); !status.ok())
      return failure(status.code(), "entry '%s': %s", type.name.c_str(),
                     status.message().c_str());
  if (counters)
    *counters = call.counters();
  return done ? Status() : generatedFailure(call, type);
}
