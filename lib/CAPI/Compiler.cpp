//===- Compiler.cpp - Compiling through the C API ---------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Explain.h"
#include "Session.h"

#include "attn-c/Runtime.h"
#include "attn/Target/DeviceCode.h"
#include "attn/Target/Package.h"
#include "attn/Target/Signature.h"
#include "attn/Target/TargetSpec.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FormatVariadic.h"

#include <chrono>
#include <dlfcn.h>

using namespace attn;
using namespace attn::capi;

static std::string &lastTimes() {
  thread_local std::string text;
  return text;
}

extern "C" const char *attnCompileTimes(void) { return lastTimes().c_str(); }

extern "C" const char *attnCompilerFingerprint(void) {
  static const std::string text =
      "attn " ATTN_VERSION " llvm " LLVM_VERSION_STRING " " + hostFingerprint();
  return text.c_str();
}

//===----------------------------------------------------------------------===//
// Options and stages
//===----------------------------------------------------------------------===//

namespace {
struct Options {
  TargetSpec target;
  unsigned optLevel = 3;
  bool verify = true;
  std::string name = "program";
  std::string ptxas;
};
} // namespace

static bool readOptions(const AttnCompileOptions *given, Options &options,
                        Fault &fault) {
  if (given) {
    if (given->opt_level < 0 || given->opt_level > 3)
      return fault.set(FaultClass::Invalid,
                       "expects an optimization level of 0 to 3, but got " +
                           std::to_string(given->opt_level));
    options.optLevel = given->opt_level;
    options.verify = given->verify != 0;
    if (given->name)
      options.name = given->name;
    if (given->ptxas)
      options.ptxas = given->ptxas;
  }
  return resolveTarget(given && given->target ? given->target : "host",
                       options.target, fault);
}

/// The pipeline that leads from one stage of a program's compilation to
/// another. All of them in order are `attn-lower-to-cpu`.
static std::string pipelineTo(AttnEmitKind from, AttnEmitKind to,
                              const TargetSpec &target) {
  const std::pair<AttnEmitKind, std::string> stages[] = {
      {ATTN_EMIT_SCHEDULED, "attn-stage-schedule{isa=" + target.isa + "}"},
      {ATTN_EMIT_PLANNED, "attn-stage-plan"},
      {ATTN_EMIT_BUFFERIZED, "attn-stage-bufferize"},
      {ATTN_EMIT_LOWERED,
       target.gpu.empty() ? "attn-stage-kernels" : "attn-stage-gpu-kernels"},
      {ATTN_EMIT_LLVM_DIALECT,
       target.gpu.empty() ? "attn-stage-llvm" : "attn-stage-gpu-llvm"}};
  std::string text;
  for (const auto &[stage, pipeline] : stages)
    if (from < stage && stage <= to)
      text += (text.empty() ? "" : ",") + pipeline;
  return text;
}

/// Runs the pipeline between two stages and adds to the times.
static bool lower(Program &program, AttnEmitKind from, AttnEmitKind to,
                  const Options &options, CompileTimes &times, Fault &fault) {
  auto begin = std::chrono::steady_clock::now();
  bool worked =
      program.run(pipelineTo(from, to, options.target), options.verify, fault);
  if (from == ATTN_EMIT_ATTN)
    times.parse += program.parseSeconds;
  times.passes +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
          .count();
  return worked;
}

//===----------------------------------------------------------------------===//
// Packages
//===----------------------------------------------------------------------===//

/// The device code of a lowered program for a GPU, assembled where there is a
/// ptxas; its kernels' registers go to the notes of `entries`.
static bool compileKernels(Program &program, const Options &options,
                           DeviceCode &code, llvm::json::Array &entries,
                           CompileTimes &times, Fault &fault) {
  auto begin = std::chrono::steady_clock::now();
  if (!generatePtx(*program.module, options.target.gpu, code, fault))
    return !fault;
  std::string ptxas = findPtxas(options.ptxas);
  code.assembler = "no ptxas was found: the driver assembles the kernels";
  if (!ptxas.empty() && !assemblePtx(ptxas, code, fault))
    return false;
  for (llvm::json::Value &value : entries) {
    llvm::json::Array &notes = *value.getAsObject()->getArray("notes");
    for (const KernelReport &kernel : code.kernels) {
      std::string note = llvm::formatv("kernel {0}: {1} bytes of shared memory",
                                       kernel.name, kernel.sharedBytes);
      if (kernel.registers)
        note += llvm::formatv(", {0} registers, {1} bytes spilled, {2} bytes of "
                              "stack, {3} blocks of 128 threads per processor "
                              "({4})",
                              kernel.registers,
                              kernel.spillStores + kernel.spillLoads,
                              kernel.stackBytes,
                              kernel.blocksPerProcessor, code.arch);
      notes.push_back(note);
    }
    if (code.cubin.empty())
      notes.push_back(code.assembler);
  }
  times.codegen +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
          .count();
  return true;
}

/// From a program to code in `form`; `description` becomes the package's.
static bool compile(Program &program, const Options &options, CodeForm form,
                    llvm::SmallVectorImpl<char> &out, CompileTimes &times,
                    Fault &fault) {
  llvm::json::Array entries;
  if (!describeEntries(*program.module, "", entries, fault) ||
      !lower(program, ATTN_EMIT_ATTN, ATTN_EMIT_PLANNED, options, times, fault))
    return false;
  for (llvm::json::Value &value : entries) {
    llvm::json::Object &entry = *value.getAsObject();
    llvm::StringRef name = *entry.getString("name");
    for (const std::string &note :
         keyLoopNotes(describeKeyLoops(*program.module, name)))
      entry.getArray("notes")->push_back(note);
    for (const std::string &note :
         gradientNotes(describeGradients(*program.module, name)))
      entry.getArray("notes")->push_back(note);
  }
  if (!lower(program, ATTN_EMIT_PLANNED, ATTN_EMIT_LLVM_DIALECT, options, times,
             fault))
    return false;
  for (llvm::json::Value &value : entries) {
    llvm::json::Object &entry = *value.getAsObject();
    std::string name = entry.getString("name")->str();
    for (const char *prefix : {"attn_entry_", "attn_shape_"}) {
      auto function =
          program.module->lookupSymbol<mlir::LLVM::LLVMFuncOp>(prefix + name);
      if (!function || function.isExternal())
        return fault.set(FaultClass::Compile,
                         "expects the lowering to leave @" + (prefix + name) +
                             ", but got none");
    }
    for (const std::string &remark : program.log.remarks())
      entry.getArray("notes")->push_back(llvm::json::fixUTF8(remark));
  }
  DeviceCode kernels;
  if (!options.target.gpu.empty()) {
    if (!compileKernels(program, options, kernels, entries, times, fault))
      return false;
    embedDeviceCode(*program.module, kernels);
  }
  std::string description = describePackage(
      options.target, program.source->getBuffer(), std::move(entries));
  if (generateCode(*program.module, options.target, options.optLevel,
                   description, form, out, times, fault))
    return true;
  // The translation reports through the context.
  if (!program.log.errors().empty()) {
    fault = Fault();
    program.log.fail(fault, "");
  }
  return false;
}

/// The runtime library of this process, which packages are linked against.
static std::string runtimePath() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void *>(&attnRuntimeVersion), &info) ||
      !info.dli_fname)
    return "";
  return info.dli_fname;
}

static bool seal(llvm::StringRef path, Fault &fault) {
  if (attnPackageSeal(path.str().c_str()) == ATTN_OK)
    return true;
  llvm::StringRef text = attnLastError();
  return fault.set(text.contains("No space left") ? FaultClass::Resource
                                                  : FaultClass::Cache,
                   text.str());
}

extern "C" int attnCompileToFile(const char *ir, size_t len,
                                 const AttnCompileOptions *given,
                                 const char *so_path) {
  Fault fault;
  Options options;
  if (!so_path || !*so_path)
    fault.set(FaultClass::Invalid, "expects a path to write to, but got none");
  if (fault || !readOptions(given, options, fault))
    return report(fault);
  CompileTimes times;
  int status =
      withProgram(ir, len, options.name, [&](Program &program, Fault &fault) {
        llvm::SmallVector<char, 0> object;
        if (compile(program, options, CodeForm::Object, object, times, fault))
          linkPackage(object, so_path, runtimePath(), seal, times, fault);
      });
  lastTimes() = times.json();
  return status;
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

/// The PTX or the cubin of a program for a GPU.
static void emitKernels(Program &program, const Options &options,
                        AttnEmitKind kind, CompileTimes &times, AttnString *out,
                        Fault &fault) {
  if (options.target.gpu.empty()) {
    fault.set(FaultClass::Invalid,
              "expects a GPU as the target (cuda, sm_80, ...), but got '" +
                  options.target.isa + "', which has no device code");
    return;
  }
  DeviceCode code;
  if (!lower(program, ATTN_EMIT_ATTN, ATTN_EMIT_LLVM_DIALECT, options, times,
             fault) ||
      !generatePtx(*program.module, options.target.gpu, code, fault)) {
    if (!fault)
      fault.set(FaultClass::Invalid,
                "expects a program with attention, but got one without");
    return;
  }
  if (kind == ATTN_EMIT_PTX) {
    toString(code.ptx, out, fault);
    return;
  }
  std::string ptxas = findPtxas(options.ptxas);
  if (ptxas.empty()) {
    fault.set(FaultClass::Resource,
              "expects a ptxas for a cubin, but found none: install the CUDA "
              "toolkit or the package nvidia-cuda-nvcc, or set ATTN_PTXAS");
    return;
  }
  if (assemblePtx(ptxas, code, fault))
    toString(llvm::StringRef(code.cubin.data(), code.cubin.size()), out, fault);
}

extern "C" int attnEmit(const char *ir, size_t len,
                        const AttnCompileOptions *given, AttnEmitKind kind,
                        AttnString *out) {
  Fault fault;
  Options options;
  if (!out)
    fault.set(FaultClass::Invalid, "expects a place for the text, but got "
                                   "a null pointer");
  else
    *out = {nullptr, 0};
  if (kind < ATTN_EMIT_ATTN || kind > ATTN_EMIT_CUBIN)
    fault.set(FaultClass::Invalid,
              "expects a form of 0 to 10, but got " + std::to_string(kind));
  if (fault || !readOptions(given, options, fault))
    return report(fault);
  CompileTimes times;
  int status =
      withProgram(ir, len, options.name, [&](Program &program, Fault &fault) {
        if (kind <= ATTN_EMIT_LLVM_DIALECT) {
          if (lower(program, ATTN_EMIT_ATTN, kind, options, times, fault))
            toString(program.print(), out, fault);
          return;
        }
        if (kind == ATTN_EMIT_PTX || kind == ATTN_EMIT_CUBIN) {
          emitKernels(program, options, kind, times, out, fault);
          return;
        }
        CodeForm form = kind == ATTN_EMIT_LLVM_IR ? CodeForm::LLVMIR
                        : kind == ATTN_EMIT_ASM   ? CodeForm::Assembly
                                                  : CodeForm::Object;
        llvm::SmallVector<char, 0> code;
        if (compile(program, options, form, code, times, fault))
          toString(llvm::StringRef(code.data(), code.size()), out, fault);
      });
  lastTimes() = times.json();
  return status;
}

extern "C" int attnRunPipeline(const char *ir, size_t len, const char *pipeline,
                               AttnString *out) {
  Fault fault;
  if (!pipeline || !out) {
    fault.set(FaultClass::Invalid, "expects a pipeline and a place for the "
                                   "text, but got a null pointer");
    return report(fault);
  }
  int kind = llvm::StringSwitch<int>(pipeline)
                 .Case("attn", ATTN_EMIT_ATTN)
                 .Case("scheduled", ATTN_EMIT_SCHEDULED)
                 .Case("planned", ATTN_EMIT_PLANNED)
                 .Case("bufferized", ATTN_EMIT_BUFFERIZED)
                 .Case("lowered", ATTN_EMIT_LOWERED)
                 .Case("llvm-dialect", ATTN_EMIT_LLVM_DIALECT)
                 .Case("llvm", ATTN_EMIT_LLVM_IR)
                 .Case("asm", ATTN_EMIT_ASM)
                 .Default(-1);
  if (kind >= 0)
    return attnEmit(ir, len, nullptr, static_cast<AttnEmitKind>(kind), out);
  *out = {nullptr, 0};
  return withProgram(ir, len, "program", [&](Program &program, Fault &fault) {
    if (program.run(pipeline, /*verify=*/true, fault))
      toString(program.print(), out, fault);
  });
}

extern "C" int attnSignature(const char *ir, size_t len, const char *entry,
                             AttnString *json_out) {
  Fault fault;
  if (!json_out) {
    fault.set(FaultClass::Invalid,
              "expects a place for the JSON, but got a null pointer");
    return report(fault);
  }
  *json_out = {nullptr, 0};
  llvm::StringRef name = entry ? entry : "";
  return withProgram(ir, len, "program", [&](Program &program, Fault &fault) {
    llvm::json::Array entries;
    if (!describeEntries(*program.module, name, entries, fault))
      return;
    llvm::json::Value value = name.empty()
                                  ? llvm::json::Value(std::move(entries))
                                  : std::move(entries.front());
    toString(llvm::formatv("{0}", value).str(), json_out, fault);
  });
}

//===----------------------------------------------------------------------===//
// Explanation
//===----------------------------------------------------------------------===//

extern "C" int attnExplain(const char *ir, size_t len,
                           const AttnCompileOptions *given,
                           AttnString *json_out) {
  Fault fault;
  Options options;
  if (!json_out)
    fault.set(FaultClass::Invalid,
              "expects a place for the JSON, but got a null pointer");
  else
    *json_out = {nullptr, 0};
  if (fault || !readOptions(given, options, fault))
    return report(fault);
  return withProgram(
      ir, len, options.name, [&](Program &program, Fault &fault) {
        llvm::json::Array entries;
        if (!describeEntries(*program.module, "", entries, fault))
          return;
        llvm::json::Object explanation{{"target", options.target.isa},
                                       {"cpu", options.target.cpu},
                                       {"refused", nullptr}};
        // That a program is refused, and why, is part of the explanation.
        Fault refusal;
        CompileTimes times;
        bool planned = lower(program, ATTN_EMIT_ATTN, ATTN_EMIT_PLANNED,
                             options, times, refusal);
        for (llvm::json::Value &value : entries) {
          llvm::json::Object &entry = *value.getAsObject();
          llvm::StringRef name = *entry.getString("name");
          llvm::json::Array loops, gradients;
          if (planned) {
            loops = describeKeyLoops(*program.module, name);
            gradients = describeGradients(*program.module, name);
          }
          for (const std::string &note : keyLoopNotes(loops))
            entry.getArray("notes")->push_back(note);
          for (const std::string &note : gradientNotes(gradients))
            entry.getArray("notes")->push_back(note);
          entry["key_loops"] = std::move(loops);
          entry["gradients"] = std::move(gradients);
        }
        if (planned &&
            lower(program, ATTN_EMIT_PLANNED, ATTN_EMIT_LLVM_DIALECT, options,
                  times, refusal) &&
            !options.target.gpu.empty()) {
          DeviceCode code;
          compileKernels(program, options, code, entries, times, refusal);
        }
        if (refusal)
          explanation["refused"] = llvm::json::fixUTF8(refusal.text);
        explanation["entries"] = std::move(entries);
        llvm::json::Array remarks;
        for (const std::string &remark : program.log.remarks())
          remarks.push_back(llvm::json::fixUTF8(remark));
        explanation["remarks"] = std::move(remarks);
        toString(llvm::formatv("{0}", llvm::json::Value(std::move(explanation)))
                     .str(),
                 json_out, fault);
      });
}
