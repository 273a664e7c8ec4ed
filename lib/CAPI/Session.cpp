//===- Session.cpp - What every call of the C API begins with ---*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Session.h"

#include "attn/InitAll.h"
#include "attn/Support/LargeStack.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <shared_mutex>

using namespace attn;
using namespace attn::capi;

static std::string &lastError() {
  thread_local std::string text;
  return text;
}

/// Made once: filling it takes longer than compiling a small program.
static const mlir::DialectRegistry &sharedRegistry() {
  std::shared_lock<ForkGate> noFork(forkGate());
  static const mlir::DialectRegistry *registry = [] {
    auto *made = new mlir::DialectRegistry;
    attn::registerAllDialects(*made);
    attn::registerAllPasses();
    attn::registerAllPipelines();
    return made;
  }();
  return *registry;
}

/// Without threads: calls come from many threads already, and a process may
/// fork after a call.
Program::Program(std::unique_ptr<llvm::MemoryBuffer> source,
                 const mlir::DialectRegistry &registry)
    : source(std::move(source)),
      context(registry, mlir::MLIRContext::Threading::DISABLED),
      log(&context, this->source.get()) {
  context.printOpOnDiagnostic(false);
}

bool Program::run(llvm::StringRef pipeline, bool verify, Fault &fault) {
  mlir::PassManager passes(&context, mlir::ModuleOp::getOperationName());
  passes.enableVerifier(verify);
  std::string error;
  llvm::raw_string_ostream os(error);
  if (failed(mlir::parsePassPipeline(pipeline, passes, os)))
    return fault.set(FaultClass::Invalid,
                     ("expects a pass pipeline, but got '" + pipeline +
                      "': " + llvm::StringRef(error).rtrim())
                         .str());
  if (failed(passes.run(*module)))
    return log.fail(fault, ("the pipeline '" + pipeline + "' failed").str());
  return true;
}

std::string Program::print() {
  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os);
  os << '\n';
  return text;
}

int capi::report(const Fault &fault) {
  lastError() = fault.text;
  return static_cast<int>(fault.kind);
}

int capi::withProgram(const char *ir, size_t len, llvm::StringRef name,
                      llvm::function_ref<void(Program &, Fault &)> work) {
  Fault fault;
  if (!ir && len) {
    fault.set(FaultClass::Invalid, "expects a program, but got a null pointer");
    return report(fault);
  }
  Limits limits;
  if (len > limits.maxBytes) {
    fault.set(FaultClass::Resource, name.str() + ": expects at most " +
                                        std::to_string(limits.maxBytes) +
                                        " bytes, but got " +
                                        std::to_string(len));
    return report(fault);
  }
  const mlir::DialectRegistry &registry = sharedRegistry();
  std::unique_ptr<llvm::MemoryBuffer> source = guardSource(
      llvm::MemoryBuffer::getMemBufferCopy(llvm::StringRef(ir, len), name),
      registry, limits, fault);
  if (!source)
    return report(fault);

  std::shared_lock<ForkGate> noFork(forkGate());
  runRecovering(
      "the compiler",
      [&] {
        auto begin = std::chrono::steady_clock::now();
        Program program(std::move(source), registry);
        program.module = parseIR(*program.source, &program.context, program.log,
                                 limits, fault);
        program.parseSeconds = std::chrono::duration<double>(
                                   std::chrono::steady_clock::now() - begin)
                                   .count();
        if (program.module)
          work(program, fault);
      },
      fault);
  return report(fault);
}

bool capi::toString(llvm::StringRef text, AttnString *out, Fault &fault) {
  char *data = static_cast<char *>(malloc(text.size() + 1));
  if (!data)
    return fault.set(FaultClass::Resource, "expects memory for " +
                                               std::to_string(text.size()) +
                                               " bytes of text, but got none");
  memcpy(data, text.data(), text.size());
  data[text.size()] = '\0';
  out->data = data;
  out->size = text.size();
  return true;
}

extern "C" const char *attnCompilerLastError(void) {
  return lastError().c_str();
}

extern "C" void attnStringFree(AttnString *string) {
  if (!string)
    return;
  free(string->data);
  string->data = nullptr;
  string->size = 0;
}
