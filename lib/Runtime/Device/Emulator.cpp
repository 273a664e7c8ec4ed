//===- Emulator.cpp - The emulator's library, opened at run time ----------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The library lies beside this one, or where the loader looks; ATTN_LIBATTNEMU
// names another file. Findings come as JSON, of which the first ones become the
// message of the failed call.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Device/Emulator.h"

#include "attn/Runtime/Json.h"

#include "attn-c/Emulator.h"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <map>
#include <mutex>

using namespace attn::rt;

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

#define ATTN_EMULATOR_FUNCTIONS(X)                                             \
  X(attnEmuLastError)                                                          \
  X(attnEmuOptionsInit)                                                        \
  X(attnEmuOpen)                                                               \
  X(attnEmuClose)                                                              \
  X(attnEmuMap)                                                                \
  X(attnEmuUnmap)                                                              \
  X(attnEmuSetInitialized)                                                     \
  X(attnEmuGetInitialized)                                                     \
  X(attnEmuModuleLoad)                                                         \
  X(attnEmuParameterCount)                                                     \
  X(attnEmuParameterInfo)                                                      \
  X(attnEmuLaunch)                                                             \
  X(attnEmuReportJson)

namespace {
/// The library's functions.
struct Library {
#define X(name) decltype(&::name) name = nullptr;
  ATTN_EMULATOR_FUNCTIONS(X)
#undef X
  std::string path;
};
} // namespace

/// The folder of the library that this code is in, with a slash; or "".
static std::string ownFolder() {
  Dl_info info;
  static const char anchor = 0;
  if (!dladdr(&anchor, &info) || !info.dli_fname)
    return "";
  std::string path = info.dli_fname;
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

static Status noLibrary(const std::string &why) {
  return failure(ATTN_DEVICE_ERROR,
                 "device 'emulated' expects libattnemu.so.0 beside libattnrt, "
                 "but %s; install the whole of attn, or set ATTN_LIBATTNEMU",
                 why.c_str());
}

/// Opens the library once; a failure is tried again.
static Status openLibrary(const Library *&out) {
  static std::mutex mutex;
  static Library *opened = nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  if (opened) {
    out = opened;
    return Status();
  }
  static const char kName[] = "libattnemu.so.0";
  std::vector<std::string> places;
  const char *given = std::getenv("ATTN_LIBATTNEMU");
  if (given && *given)
    places = {given};
  else
    places = {ownFolder() + kName, kName};
  void *library = nullptr;
  std::string why;
  for (const std::string &place : places) {
    library = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library)
      break;
    const char *text = dlerror();
    why = text ? text : place;
  }
  if (!library)
    return noLibrary("it cannot be opened: " + why);
  Library functions;
#define X(name)                                                                \
  functions.name =                                                             \
      reinterpret_cast<decltype(functions.name)>(dlsym(library, #name));       \
  if (!functions.name)                                                         \
    return noLibrary("it has no " #name);
  ATTN_EMULATOR_FUNCTIONS(X)
#undef X
  Dl_info info;
  if (dladdr(reinterpret_cast<void *>(functions.attnEmuOpen), &info) &&
      info.dli_fname)
    functions.path = info.dli_fname;
  opened = new Library(functions);
  out = opened;
  return Status();
}

Status Emulator::locate(std::string &path) {
  const Library *library = nullptr;
  if (Status status = openLibrary(library); !status.ok())
    return status;
  path = library->path;
  return Status();
}

//===----------------------------------------------------------------------===//
// A machine
//===----------------------------------------------------------------------===//

struct Emulator::State {
  const Library &library;
  AttnEmuDevice *device = nullptr;
  std::map<const AttnGpuImage *, AttnEmuModule *> modules;
  bool (*poll)(void *) = nullptr;
  void *pollArg = nullptr;
  bool cancelled = false;
  void (*tell)(void *, const char *, uint64_t, uint64_t) = nullptr;
  void *tellArg = nullptr;
  /// What runs now.
  const char *kernel = "";

  explicit State(const Library &library) : library(library) {}

  /// A failure of a function of the library.
  Status failed(AttnStatus code, const std::string &doing) const {
    return failure(code, "the emulated device failed while %s: %s",
                   doing.c_str(), library.attnEmuLastError());
  }

  static int progress(void *user, uint64_t done, uint64_t all) {
    auto &state = *static_cast<State *>(user);
    if (state.tell)
      state.tell(state.tellArg, state.kernel, done, all);
    state.cancelled = state.poll && state.poll(state.pollArg);
    return !state.cancelled;
  }
};

/// The number in an environment variable, or `otherwise`.
static Status readEnvironment(const char *name, int64_t otherwise,
                              int64_t &value) {
  value = otherwise;
  const char *text = std::getenv(name);
  if (!text || !*text)
    return Status();
  char *end = nullptr;
  long long read = std::strtoll(text, &end, 10);
  if (*end || read < 0)
    return failure(ATTN_INVALID,
                   "%s expects a number of at least 0, but got '%s'", name,
                   text);
  value = read;
  return Status();
}

Status Emulator::create(const DeviceRequest &request,
                        std::unique_ptr<Emulator> &emulator) {
  const Library *library = nullptr;
  if (Status status = openLibrary(library); !status.ok())
    return status;
  int64_t worst = 0, steps = 0;
  if (Status status = readEnvironment("ATTN_EMULATOR_WORST_ROUNDING",
                                      request.worstRounding, worst);
      !status.ok())
    return status;
  if (Status status = readEnvironment("ATTN_EMULATOR_STEP_LIMIT", 0, steps);
      !status.ok())
    return status;
  if (request.stepLimit < 0)
    return failure(ATTN_INVALID,
                   "step_limit expects a number of at least 0, but got %lld",
                   static_cast<long long>(request.stepLimit));
  std::unique_ptr<Emulator> made(new Emulator());
  made->state = std::make_unique<State>(*library);
  State &state = *made->state;
  state.poll = request.poll;
  state.pollArg = request.pollArg;
  state.tell = request.progress;
  state.tellArg = request.progressArg;
  AttnEmuOptions options = {};
  library->attnEmuOptionsInit(&options);
  options.arch = request.arch.c_str();
  options.threads = request.threads;
  options.worst_rounding = worst != 0 || request.worstRounding;
  if (request.stepLimit || steps)
    options.step_limit =
        static_cast<uint64_t>(request.stepLimit ? request.stepLimit : steps);
  options.progress = State::progress;
  options.progress_user = &state;
  if (library->attnEmuOpen(&options, &state.device) != ATTN_EMU_OK)
    return state.failed(ATTN_DEVICE_ERROR, "being opened as " + request.arch);
  emulator = std::move(made);
  return Status();
}

Emulator::~Emulator() {
  if (state)
    state->library.attnEmuClose(state->device);
}

Status Emulator::map(const void *memory, int64_t bytes, const std::string &name,
                     bool initialized) {
  if (bytes == 0)
    return Status();
  if (state->library.attnEmuMap(state->device, name.c_str(),
                                const_cast<void *>(memory), size_t(bytes),
                                initialized) != ATTN_EMU_OK)
    return state->failed(ATTN_DEVICE_ERROR,
                         "taking the memory of '" + name + "'");
  return Status();
}

void Emulator::unmap(const void *memory) {
  // An empty block was never mapped, and is refused here to no harm.
  state->library.attnEmuUnmap(state->device, const_cast<void *>(memory));
}

void Emulator::markWritten(const void *memory, int64_t bytes) {
  if (bytes > 0)
    state->library.attnEmuSetInitialized(
        state->device, const_cast<void *>(memory), size_t(bytes), 1);
}

int64_t Emulator::writtenBytes(const void *memory, int64_t bytes) const {
  size_t count = 0;
  if (bytes <= 0 ||
      state->library.attnEmuGetInitialized(state->device, memory, size_t(bytes),
                                           &count) != ATTN_EMU_OK)
    return bytes;
  return int64_t(count);
}

//===----------------------------------------------------------------------===//
// Findings
//===----------------------------------------------------------------------===//

static std::string textOf(const json::Value &object, const char *key) {
  const json::Value *value = object.find(key);
  return value && value->kind == json::Value::String ? value->string : "";
}

static int64_t numberOf(const json::Value &object, const char *key) {
  const json::Value *value = object.find(key);
  return value && value->kind == json::Value::Integer ? value->integer : 0;
}

/// "(1, 2, 3)"
static std::string tripleOf(const json::Value &object, const char *key) {
  const json::Value *value = object.find(key);
  std::string text = "(";
  if (value)
    for (const json::Value &one : value->array)
      text += (text.size() > 1 ? ", " : "") + std::to_string(one.integer);
  return text + ")";
}

/// One finding in one line.
static std::string describe(const json::Value &finding) {
  std::string text = format(
      "%s at PTX line %lld (%s), block %s, thread %s: %s",
      textOf(finding, "kind").c_str(),
      static_cast<long long>(numberOf(finding, "line")),
      textOf(finding, "text").c_str(), tripleOf(finding, "block").c_str(),
      tripleOf(finding, "thread").c_str(), textOf(finding, "message").c_str());
  if (const json::Value *other = finding.find("other"))
    text += format(", against line %lld (%s), block %s, thread %s",
                   static_cast<long long>(numberOf(*other, "line")),
                   textOf(*other, "text").c_str(),
                   tripleOf(*other, "block").c_str(),
                   tripleOf(*other, "thread").c_str());
  if (int64_t count = numberOf(finding, "count"); count > 1)
    text += format(" (%lld times)", static_cast<long long>(count));
  return text;
}

/// A failure that tells the first findings of a report, if it has any.
static Status judge(const KernelLaunch &launch, const std::string &report) {
  json::Value root;
  std::string error;
  if (!json::parse(report, root, error))
    return failure(ATTN_DEVICE_ERROR,
                   "the emulated device expects to report in JSON, but got "
                   "none: %s",
                   error.c_str());
  const json::Value *findings = root.find("findings");
  if (!findings || findings->array.empty())
    return Status();
  constexpr size_t kShown = 4;
  const size_t count = findings->array.size();
  std::string text = format("the emulator found %zu fault%s in kernel '%s'",
                            count, count == 1 ? "" : "s", launch.kernel);
  for (size_t i = 0; i < std::min(count, kShown); ++i)
    text += (i ? "; " : ": ") + describe(findings->array[i]);
  if (count > kShown)
    text += format("; and %zu more in the device report", count - kShown);
  return Status(ATTN_DEVICE_FINDING, text);
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

Status Emulator::launch(const KernelLaunch &launch, std::string &report) {
  State &s = *state;
  const Library &library = s.library;
  AttnEmuModule *&module = s.modules[launch.image];
  if (!module) {
    if (!launch.image->ptx || launch.image->ptx_bytes <= 0)
      return failure(ATTN_DEVICE_ERROR,
                     "the emulated device expects a package with PTX, but got "
                     "one with machine code for %s only; compile it with PTX",
                     launch.image->arch);
    if (library.attnEmuModuleLoad(s.device, launch.image->ptx,
                                  size_t(launch.image->ptx_bytes),
                                  &module) != ATTN_EMU_OK) {
      module = nullptr;
      return s.failed(ATTN_DEVICE_ERROR, "reading the package's PTX");
    }
  }
  const int count = library.attnEmuParameterCount(module, launch.kernel);
  if (count < 0)
    return failure(ATTN_DEVICE_ERROR,
                   "the package expects its image to have a kernel '%s', but "
                   "got none; compile it again",
                   launch.kernel);
  size_t wanted = 0;
  AttnEmuParameter parameter = {};
  if (count == 1 && library.attnEmuParameterInfo(module, launch.kernel, 0,
                                                 &parameter) == ATTN_EMU_OK)
    wanted = parameter.size;
  if (count > 1 || wanted != size_t(launch.paramBytes))
    return failure(ATTN_DEVICE_ERROR,
                   "kernel '%s' expects %d parameter%s of %zu bytes, but got "
                   "%lld bytes; compile the package again",
                   launch.kernel, count, count == 1 ? "" : "s", wanted,
                   static_cast<long long>(launch.paramBytes));
  const uint32_t grid[3] = {uint32_t(launch.grid[0]), uint32_t(launch.grid[1]),
                            uint32_t(launch.grid[2])};
  const uint32_t block[3] = {uint32_t(launch.threads), 1, 1};
  s.kernel = launch.kernel;
  void *const parameters[] = {const_cast<void *>(launch.params)};
  int code = library.attnEmuLaunch(s.device, module, launch.kernel, grid, block,
                                   uint64_t(launch.sharedBytes), parameters,
                                   size_t(count));
  const std::string why = code == ATTN_EMU_OK ? "" : library.attnEmuLastError();
  if (code == ATTN_EMU_OK || code == ATTN_EMU_RUN_ERROR)
    report = library.attnEmuReportJson(s.device);
  if (s.cancelled)
    return failure(ATTN_CANCELLED, "cancelled by the caller's poll function");
  if (!report.empty())
    if (Status status = judge(launch, report); !status.ok())
      return status;
  switch (code) {
  case ATTN_EMU_OK:
    return Status();
  case ATTN_EMU_RUN_ERROR:
    return failure(ATTN_DEVICE_FINDING, "the emulator stopped kernel '%s': %s",
                   launch.kernel, why.c_str());
  case ATTN_EMU_RESOURCE_ERROR:
    return failure(ATTN_RESOURCE_ERROR,
                   "the emulated device is out of memory while running kernel "
                   "'%s': %s",
                   launch.kernel, why.c_str());
  default:
    return failure(ATTN_DEVICE_ERROR,
                   "the emulated device (%s) refuses to launch kernel '%s': %s",
                   launch.image->arch, launch.kernel, why.c_str());
  }
}
