//===- CApi.cpp - The emulator's C functions ------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arguments are checked here; no exception leaves.
//
//===----------------------------------------------------------------------===//

#include "attn-c/Emulator.h"

#include "Machine.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <new>

using namespace attn::emu;

namespace {
/// What a device of an architecture has.
struct Arch {
  int number;
  uint64_t sharedOptin;
};
constexpr uint64_t kSharedStatic = 48 * 1024;
const Arch kArchs[] = {{70, 96 * 1024},   {72, 96 * 1024},   {75, 64 * 1024},
                       {80, 163 * 1024},  {86, 99 * 1024},   {87, 163 * 1024},
                       {88, 99 * 1024},   {89, 99 * 1024},   {90, 227 * 1024},
                       {100, 227 * 1024}, {101, 227 * 1024}, {103, 227 * 1024},
                       {110, 227 * 1024}, {120, 99 * 1024},  {121, 99 * 1024}};

thread_local std::string lastError;

int failWith(AttnEmuStatus status, std::string text) {
  lastError = std::move(text);
  return status;
}

/// Runs `f`, turning what it throws into a status.
template <class F>
int guarded(F f) {
  try {
    return f();
  } catch (const std::bad_alloc &) {
    return failWith(ATTN_EMU_RESOURCE_ERROR, "out of memory");
  } catch (const std::exception &e) {
    return failWith(ATTN_EMU_RESOURCE_ERROR, e.what());
  }
}
} // namespace

namespace {
/// A text, parsed and decoded. Nothing in it changes once it is there.
struct Code {
  Module ptx;
  std::vector<std::unique_ptr<Program>> programs;
};
} // namespace

struct AttnEmuModule {
  /// Shared with other loads of the same text, perhaps on other devices.
  std::shared_ptr<const Code> code;
  AddressMap addresses;
  std::vector<std::pair<std::string, Allocation *>> globals;

  const Program *find(const char *kernel) const {
    for (auto &program : code->programs)
      if (kernel && program->name == kernel)
        return program.get();
    return nullptr;
  }
};

struct AttnEmuDevice {
  std::string archName;
  int arch = 80;
  std::string suffix;
  uint64_t sharedOptin = 0;
  MachineOptions options;
  GlobalMemory memory;
  std::vector<std::unique_ptr<AttnEmuModule>> modules;
  Report report;
  bool launched = false;
  std::string json, text;
};

const char *attnEmuLastError(void) { return lastError.c_str(); }

void attnEmuOptionsInit(AttnEmuOptions *options) {
  if (!options)
    return;
  *options = AttnEmuOptions();
  options->size = sizeof(AttnEmuOptions);
  options->arch = "sm_80";
  options->threads = 1;
  options->checks = ATTN_EMU_CHECK_ALL;
  options->step_limit = uint64_t(1) << 32;
}

uint32_t attnEmuCheckBit(const char *name) { return name ? checkOf(name) : 0; }
const char *attnEmuCheckNames(void) {
  static const std::string names = checkNames();
  return names.c_str();
}

int attnEmuOpen(const AttnEmuOptions *given, AttnEmuDevice **out) {
  return guarded([&]() -> int {
    if (!out)
      return failWith(ATTN_EMU_INVALID, "expects a place for the device");
    *out = nullptr;
    AttnEmuOptions options;
    attnEmuOptionsInit(&options);
    if (given) {
      if (given->size != sizeof(AttnEmuOptions))
        return failWith(ATTN_EMU_INVALID,
                        "expects options of " +
                            std::to_string(sizeof(AttnEmuOptions)) +
                            " bytes, but got " + std::to_string(given->size));
      options = *given;
    }
    auto device = std::make_unique<AttnEmuDevice>();
    device->archName = options.arch ? options.arch : "";
    const Arch *found = nullptr;
    if (parseTarget(device->archName, device->arch, device->suffix))
      for (const Arch &arch : kArchs)
        if (arch.number == device->arch)
          found = &arch;
    if (!found)
      return failWith(ATTN_EMU_INVALID, "expects an architecture such as "
                                        "sm_80, but got '" +
                                            device->archName + "'");
    device->sharedOptin = found->sharedOptin;
    if (options.threads < 1 || options.threads > 1024)
      return failWith(ATTN_EMU_INVALID, "expects 1 to 1024 threads, but got " +
                                            std::to_string(options.threads));
    if (options.step_limit == 0)
      return failWith(ATTN_EMU_INVALID,
                      "expects a step limit of at least 1, but got 0");
    device->options.threads = options.threads;
    device->options.checks = options.checks;
    device->options.worstRounding = options.worst_rounding != 0;
    device->options.stepLimit = options.step_limit;
    if (AttnEmuProgress progress = options.progress) {
      void *user = options.progress_user;
      device->options.progress = [progress, user](uint64_t done, uint64_t all) {
        return progress(user, done, all) != 0;
      };
    }
    *out = device.release();
    return ATTN_EMU_OK;
  });
}

void attnEmuClose(AttnEmuDevice *device) { delete device; }

uint64_t attnEmuLimit(const AttnEmuDevice *device, const char *name) {
  std::string_view what = name ? name : "";
  if (!device)
    return 0;
  if (what == "shared_optin")
    return device->sharedOptin;
  if (what == "shared_static")
    return kSharedStatic;
  if (what == "threads")
    return 1024;
  if (what == "registers")
    return 65536;
  return 0;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

int attnEmuAlloc(AttnEmuDevice *device, const char *name, size_t bytes,
                 void **out) {
  return guarded([&]() -> int {
    if (!device || !out)
      return failWith(ATTN_EMU_INVALID, "expects a device and a place for the "
                                        "pointer");
    if (bytes == 0 || bytes > (uint64_t(1) << 40))
      return failWith(ATTN_EMU_INVALID, "expects 1 byte to 1 TiB, but got " +
                                            std::to_string(bytes));
    Allocation *allocation =
        device->memory.allocate(name ? name : "memory", bytes);
    if (!allocation)
      return failWith(ATTN_EMU_RESOURCE_ERROR,
                      "out of memory: " + std::to_string(bytes) + " bytes");
    *out = reinterpret_cast<void *>(allocation->base);
    return ATTN_EMU_OK;
  });
}

int attnEmuMap(AttnEmuDevice *device, const char *name, void *pointer,
               size_t bytes, int initialized) {
  return guarded([&]() -> int {
    if (!device || !pointer)
      return failWith(ATTN_EMU_INVALID, "expects a device and a pointer");
    auto base = reinterpret_cast<uint64_t>(pointer);
    if (bytes == 0 || base + bytes < base || ((base + bytes) & kWindowMask))
      return failWith(ATTN_EMU_INVALID,
                      "expects a range of the host's memory, but got " +
                          std::to_string(bytes) + " bytes at " + hex(base));
    std::string clash;
    if (!device->memory.map(name ? name : "memory", pointer, bytes,
                            initialized != 0, clash))
      return failWith(ATTN_EMU_INVALID, "expects memory that is not mapped "
                                        "yet, but it overlaps '" +
                                            clash + "'");
    return ATTN_EMU_OK;
  });
}

int attnEmuUnmap(AttnEmuDevice *device, void *pointer) {
  if (!device)
    return failWith(ATTN_EMU_INVALID, "expects a device");
  if (!device->memory.unmap(reinterpret_cast<uint64_t>(pointer)))
    return failWith(ATTN_EMU_INVALID,
                    "expects a pointer that was mapped, but "
                    "got " +
                        hex(reinterpret_cast<uint64_t>(pointer)));
  return ATTN_EMU_OK;
}

int attnEmuFree(AttnEmuDevice *device, void *pointer) {
  return attnEmuUnmap(device, pointer);
}

int attnEmuSetInitialized(AttnEmuDevice *device, void *pointer, size_t bytes,
                          int initialized) {
  if (!device)
    return failWith(ATTN_EMU_INVALID, "expects a device");
  auto base = reinterpret_cast<uint64_t>(pointer);
  Allocation *allocation = device->memory.find(base);
  if (!allocation || allocation->size - (base - allocation->base) < bytes)
    return failWith(ATTN_EMU_INVALID,
                    "expects a range of one allocation, but got " +
                        std::to_string(bytes) + " bytes at " + hex(base));
  allocation->init.fill(base - allocation->base, bytes, initialized != 0);
  return ATTN_EMU_OK;
}

int attnEmuGetInitialized(const AttnEmuDevice *device, const void *pointer,
                          size_t bytes, size_t *count) {
  if (!device || !count)
    return failWith(ATTN_EMU_INVALID,
                    "expects a device and a place for the count");
  auto base = reinterpret_cast<uint64_t>(pointer);
  const Allocation *allocation = device->memory.find(base);
  if (!allocation || allocation->size - (base - allocation->base) < bytes)
    return failWith(ATTN_EMU_INVALID,
                    "expects a range of one allocation, but got " +
                        std::to_string(bytes) + " bytes at " + hex(base));
  const uint64_t start = base - allocation->base;
  uint64_t at = 0;
  // 64 bytes at a time, then one by one within the first that is not whole.
  while (at < bytes) {
    unsigned step = unsigned(std::min<uint64_t>(64, bytes - at));
    if (!allocation->init.test(start + at, step))
      break;
    at += step;
  }
  while (at < bytes && allocation->init.test(start + at, 1))
    ++at;
  *count = at;
  return ATTN_EMU_OK;
}

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

static int ptxError(const PtxError &error) {
  return failWith(ATTN_EMU_PTX_ERROR,
                  "line " + std::to_string(error.line) + ": " + error.text);
}

namespace {
/// Texts that were loaded lately. Parsing and decoding is most of what a short
/// launch costs, and whoever opens a device per call loads the same text again
/// and again. Addresses of global variables are part of the decoded operations,
/// so that only modules without any are kept.
class CodeCache {
public:
  std::shared_ptr<const Code> find(std::string_view text) {
    std::lock_guard<std::mutex> lock(mutex);
    for (auto it = kept.begin(); it != kept.end(); ++it)
      if ((*it)->ptx.source == text) {
        kept.splice(kept.begin(), kept, it);
        return *it;
      }
    return nullptr;
  }
  void keep(std::shared_ptr<const Code> code) {
    std::lock_guard<std::mutex> lock(mutex);
    kept.push_front(std::move(code));
    if (kept.size() > kMost)
      kept.pop_back();
  }

private:
  static constexpr size_t kMost = 16;
  std::mutex mutex;
  std::list<std::shared_ptr<const Code>> kept;
};
} // namespace

static CodeCache &codeCache() {
  // Never destroyed: threads may still launch when the process ends.
  static auto *cache = new CodeCache();
  return *cache;
}

/// Gives the module's global and constant variables their memory and values.
static bool placeVariables(AttnEmuDevice &device, const Module &ptx,
                           AttnEmuModule &module, PtxError &error) {
  std::map<std::string, Allocation *> byName;
  auto place = [&](const Variable &v, bool define) {
    if (v.space != Space::Global && v.space != Space::Const)
      return true;
    if (v.isExtern || v.size == 0) {
      if (define)
        return true;
      auto found = byName.find(v.name);
      if (found == byName.end()) {
        error = {v.line,
                 "expects '" + v.name + "' to be defined in the module"};
        return false;
      }
      module.addresses[&v] = found->second->base;
      return true;
    }
    if (!define)
      return true;
    Allocation *allocation = device.memory.allocate(v.name, v.size);
    if (!allocation)
      throw std::bad_alloc();
    module.globals.emplace_back(v.name, allocation);
    // Global variables without an initialiser hold zeros, as in CUDA.
    auto *bytes = reinterpret_cast<uint8_t *>(allocation->base);
    std::fill(bytes, bytes + v.size, 0);
    std::copy(v.init.begin(), v.init.end(), bytes);
    allocation->init.resize(v.size, true);
    byName[v.name] = allocation;
    module.addresses[&v] = allocation->base;
    return true;
  };
  auto each = [&](auto f) {
    for (auto &v : ptx.variables)
      if (!f(*v))
        return false;
    for (auto &function : ptx.functions)
      for (auto &v : function->variables)
        if (!f(*v))
          return false;
    return true;
  };
  if (!each([&](const Variable &v) { return place(v, true); }) ||
      !each([&](const Variable &v) { return place(v, false); }))
    return false;
  return each([&](const Variable &v) {
    auto found = module.addresses.find(&v);
    if (found == module.addresses.end())
      return true;
    for (const Variable::Reference &r : v.references) {
      auto target = byName.find(r.name);
      if (target == byName.end()) {
        error = {v.line, "expects '" + r.name +
                             "' to be a global variable, in the initialiser "
                             "of '" +
                             v.name + "'"};
        return false;
      }
      uint64_t value = target->second->base + uint64_t(r.addend);
      std::memcpy(reinterpret_cast<uint8_t *>(found->second) + r.offset, &value,
                  8);
    }
    return true;
  });
}

static void dropGlobals(AttnEmuDevice &device, AttnEmuModule &module) {
  for (auto &[name, allocation] : module.globals)
    device.memory.unmap(allocation->base);
  module.globals.clear();
}

/// Why the device cannot run code for `target`, or "".
static std::string misfit(const AttnEmuDevice &device,
                          const std::string &target) {
  // Code for sm_90a runs on sm_90a alone.
  std::string suffix;
  int number;
  parseTarget(target, number, suffix);
  bool fits = suffix.empty() ? number <= device.arch
              : suffix == "a"
                  ? number == device.arch && device.suffix == "a"
                  : number <= device.arch && number / 10 == device.arch / 10;
  return fits ? ""
              : "expects code that " + device.archName +
                    " can run, but the target is " + target;
}

int attnEmuModuleLoad(AttnEmuDevice *device, const char *text, size_t bytes,
                      AttnEmuModule **out) {
  auto module = std::unique_ptr<AttnEmuModule>();
  int status = guarded([&]() -> int {
    if (!device || !text || !out)
      return failWith(ATTN_EMU_INVALID,
                      "expects a device, a text and a place for the module");
    *out = nullptr;
    module = std::make_unique<AttnEmuModule>();
    std::string_view source(text, bytes);
    if (auto known = codeCache().find(source)) {
      std::string why = misfit(*device, known->ptx.targetName);
      if (!why.empty())
        return failWith(ATTN_EMU_PTX_ERROR, why);
      module->code = std::move(known);
      return ATTN_EMU_OK;
    }
    auto code = std::make_shared<Code>();
    PtxError error;
    if (!parseModule(source, code->ptx, error))
      return ptxError(error);
    std::string why = misfit(*device, code->ptx.targetName);
    if (!why.empty())
      return failWith(ATTN_EMU_PTX_ERROR, why);
    if (!placeVariables(*device, code->ptx, *module, error))
      return ptxError(error);
    for (auto &function : code->ptx.functions) {
      if (!function->isEntry)
        continue;
      auto program = std::make_unique<Program>();
      if (!decodeKernel(code->ptx, *function, module->addresses, *program,
                        error))
        return ptxError(error);
      code->programs.push_back(std::move(program));
    }
    module->code = std::move(code);
    if (module->addresses.empty())
      codeCache().keep(module->code);
    return ATTN_EMU_OK;
  });
  if (status != ATTN_EMU_OK) {
    if (module)
      dropGlobals(*device, *module);
    return status;
  }
  *out = module.get();
  device->modules.push_back(std::move(module));
  return ATTN_EMU_OK;
}

int attnEmuModuleUnload(AttnEmuDevice *device, AttnEmuModule *module) {
  if (!device)
    return failWith(ATTN_EMU_INVALID, "expects a device");
  for (size_t i = 0; i < device->modules.size(); ++i) {
    if (device->modules[i].get() != module)
      continue;
    // The report of a launch speaks of the module's lines.
    attnEmuReportJson(device);
    attnEmuReportText(device);
    for (auto &program : module->code->programs)
      if (device->report.program == program.get())
        device->report.program = nullptr;
    dropGlobals(*device, *module);
    device->modules.erase(device->modules.begin() + std::ptrdiff_t(i));
    return ATTN_EMU_OK;
  }
  return failWith(ATTN_EMU_INVALID, "expects a module of this device");
}

size_t attnEmuKernelCount(const AttnEmuModule *module) {
  return module ? module->code->programs.size() : 0;
}
const char *attnEmuKernelName(const AttnEmuModule *module, size_t index) {
  return module && index < module->code->programs.size()
             ? module->code->programs[index]->name.c_str()
             : nullptr;
}
int attnEmuParameterCount(const AttnEmuModule *module, const char *kernel) {
  const Program *program = module ? module->find(kernel) : nullptr;
  return program ? int(program->parameters.size()) : -1;
}
int attnEmuParameterInfo(const AttnEmuModule *module, const char *kernel,
                         size_t index, AttnEmuParameter *out) {
  const Program *program = module ? module->find(kernel) : nullptr;
  if (!program || !out || index >= program->parameters.size())
    return failWith(ATTN_EMU_INVALID, "expects a parameter of a kernel");
  const Parameter &p = program->parameters[index];
  *out = {p.name.c_str(), typeName(p.type), p.size, p.align, p.isArray};
  return ATTN_EMU_OK;
}
int attnEmuGlobal(const AttnEmuModule *module, const char *name, void **pointer,
                  size_t *bytes) {
  if (module && name)
    for (auto &[known, allocation] : module->globals)
      if (known == name) {
        if (pointer)
          *pointer = reinterpret_cast<void *>(allocation->base);
        if (bytes)
          *bytes = allocation->size;
        return ATTN_EMU_OK;
      }
  return failWith(ATTN_EMU_INVALID, std::string("expects a global variable of "
                                                "the module, but got '") +
                                        (name ? name : "") + "'");
}

//===----------------------------------------------------------------------===//
// Launching
//===----------------------------------------------------------------------===//

/// Why a device of this architecture refuses the launch, or "".
static std::string refusal(const AttnEmuDevice &device, const Program &program,
                           const uint32_t grid[3], const uint32_t block[3],
                           uint64_t shared) {
  static const uint32_t gridLimit[3] = {0x7fffffff, 65535, 65535};
  static const uint32_t blockLimit[3] = {1024, 1024, 64};
  static const char axis[] = "xyz";
  for (int i = 0; i < 3; ++i) {
    if (grid[i] < 1 || grid[i] > gridLimit[i])
      return std::string("expects a grid from 1 to ") +
             std::to_string(gridLimit[i]) + " in " + axis[i] + ", but got " +
             std::to_string(grid[i]);
    if (block[i] < 1 || block[i] > blockLimit[i])
      return std::string("expects a block from 1 to ") +
             std::to_string(blockLimit[i]) + " in " + axis[i] + ", but got " +
             std::to_string(block[i]);
  }
  uint64_t threads = uint64_t(block[0]) * block[1] * block[2];
  if (threads > 1024)
    return "expects at most 1024 threads in a block, but got " +
           std::to_string(threads);
  const Function &entry = *program.entry;
  if (entry.maxThreads[0]) {
    uint64_t most = uint64_t(entry.maxThreads[0]) * entry.maxThreads[1] *
                    entry.maxThreads[2];
    if (threads > most)
      return "expects at most the " + std::to_string(most) +
             " threads of .maxntid, but got " + std::to_string(threads);
  }
  if (entry.requiredThreads[0])
    for (int i = 0; i < 3; ++i)
      if (block[i] != entry.requiredThreads[i])
        return std::string("expects the block of .reqntid, ") +
               std::to_string(entry.requiredThreads[i]) + " in " + axis[i] +
               ", but got " + std::to_string(block[i]);
  if (entry.maxRegisters) {
    // Registers come in portions of 256 per warp.
    uint64_t perWarp = (uint64_t(entry.maxRegisters) * 32 + 255) / 256 * 256;
    uint64_t all = perWarp * ((threads + 31) / 32);
    if (all > 65536)
      return "expects at most 65536 registers in a block, but .maxnreg asks "
             "for " +
             std::to_string(all);
  }
  if (program.staticShared > kSharedStatic)
    return "expects at most " + std::to_string(kSharedStatic) +
           " bytes of static shared memory, but the kernel has " +
           std::to_string(program.staticShared);
  if (shared > device.sharedOptin ||
      program.staticShared + shared > device.sharedOptin)
    return "expects at most " + std::to_string(device.sharedOptin) +
           " bytes of shared memory on " + device.archName + ", but got " +
           std::to_string(program.staticShared) + " static and " +
           std::to_string(shared) + " dynamic";
  return "";
}

int attnEmuLaunch(AttnEmuDevice *device, AttnEmuModule *module,
                  const char *kernel, const uint32_t grid[3],
                  const uint32_t block[3], uint64_t dynamicShared,
                  void *const *parameters, size_t parameterCount) {
  return guarded([&]() -> int {
    if (!device || !module || !grid || !block)
      return failWith(ATTN_EMU_INVALID,
                      "expects a device, a module, a grid and a block");
    device->report = Report();
    device->report.arch = device->archName;
    device->launched = true;
    device->json.clear();
    device->text.clear();
    const Program *program = module->find(kernel);
    if (!program) {
      std::string names;
      for (auto &p : module->code->programs)
        names += (names.empty() ? "" : ", ") + p->name;
      return failWith(ATTN_EMU_INVALID,
                      "expects a kernel among " +
                          (names.empty() ? std::string("none") : names) +
                          ", but got '" + (kernel ? kernel : "") + "'");
    }
    device->report.kernel = program->name;
    if (parameterCount != program->parameters.size())
      return failWith(ATTN_EMU_INVALID,
                      "expects " + std::to_string(program->parameters.size()) +
                          " parameters for '" + program->name + "', but got " +
                          std::to_string(parameterCount));
    std::vector<uint8_t> values(program->parameterBytes, 0);
    for (size_t i = 0; i < parameterCount; ++i) {
      const Parameter &p = program->parameters[i];
      if (!parameters || !parameters[i])
        return failWith(ATTN_EMU_INVALID, "expects a value for parameter " +
                                              std::to_string(i) + " ('" +
                                              p.name + "'), but got null");
      if (p.size)
        std::memcpy(values.data() + p.offset, parameters[i], p.size);
    }
    std::string why = refusal(*device, *program, grid, block, dynamicShared);
    if (!why.empty()) {
      // What memory and threads there are is the machine's, not the check's;
      // the check decides whether it is also a finding.
      device->report.error = why;
      device->report.grid = {grid[0], grid[1], grid[2]};
      device->report.block = {block[0], block[1], block[2]};
      if (device->options.checks & CheckLimits) {
        Finding f;
        f.kind = "launch-limits";
        f.message = why;
        f.line = program->entry->line;
        f.text = ".entry " + program->name;
        device->report.findings.push_back(std::move(f));
      }
      return failWith(ATTN_EMU_LAUNCH_ERROR, why);
    }
    Launch launch(*program, device->memory, device->options,
                  {grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]},
                  dynamicShared, std::move(values));
    launch.run(device->report);
    if (!device->report.error.empty())
      return failWith(ATTN_EMU_RUN_ERROR, device->report.error);
    return ATTN_EMU_OK;
  });
}

size_t attnEmuFindingCount(const AttnEmuDevice *device) {
  return device ? device->report.findings.size() : 0;
}
const char *attnEmuFindingKind(const AttnEmuDevice *device, size_t index) {
  return device && index < device->report.findings.size()
             ? device->report.findings[index].kind.c_str()
             : nullptr;
}

uint64_t attnEmuCounter(const AttnEmuDevice *device, const char *name,
                        int line) {
  if (!device || !name || !device->report.program)
    return 0;
  OpCounters sum;
  const Report &r = device->report;
  for (size_t i = 0; i < r.ops.size(); ++i)
    if (line == 0 || r.program->ops[i].line == line)
      sum.add(r.ops[i]);
  std::string_view what = name;
  if (what == "executed")
    return sum.executed;
  if (what == "lanes")
    return sum.lanes;
  if (what == "shared_requests")
    return sum.requests;
  if (what == "bank_conflicts")
    return sum.conflicts;
  if (what == "global_sectors")
    return sum.sectors;
  if (what == "ideal_sectors")
    return sum.idealSectors;
  if (what == "bytes")
    return sum.bytes;
  if (what == "tensor_flops")
    return sum.tensorFlops;
  if (what == "barriers")
    return sum.barriers;
  return 0;
}

const char *attnEmuReportJson(AttnEmuDevice *device) {
  if (!device || !device->launched)
    return "{}";
  if (device->json.empty())
    device->json = device->report.json();
  return device->json.c_str();
}
const char *attnEmuReportText(AttnEmuDevice *device) {
  if (!device || !device->launched)
    return "";
  if (device->text.empty())
    device->text = device->report.text();
  return device->text.c_str();
}
