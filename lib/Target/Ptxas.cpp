//===- Ptxas.cpp - From PTX to a cubin --------------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "attn/Target/DeviceCode.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Regex.h"

using namespace attn;

std::string attn::findPtxas(llvm::StringRef otherwise) {
  if (std::optional<std::string> given =
          llvm::sys::Process::GetEnv("ATTN_PTXAS"))
    return *given;
  auto in = [](llvm::StringRef folder) -> std::string {
    llvm::SmallString<128> path(folder);
    llvm::sys::path::append(path, "bin", "ptxas");
    return llvm::sys::fs::can_execute(path) ? path.str().str() : "";
  };
  for (const char *variable : {"CUDA_HOME", "CUDA_ROOT"})
    if (std::optional<std::string> home = llvm::sys::Process::GetEnv(variable))
      if (std::string path = in(*home); !path.empty())
        return path;
  if (llvm::ErrorOr<std::string> path = llvm::sys::findProgramByName("ptxas"))
    return *path;
  if (std::string path = in("/usr/local/cuda"); !path.empty())
    return path;
  return llvm::sys::fs::can_execute(otherwise) ? otherwise.str() : "";
}

/// "Used 157 registers", "8 bytes spill stores": the number before or after.
static int numberIn(llvm::StringRef line, const char *pattern) {
  llvm::SmallVector<llvm::StringRef, 2> groups;
  int value = 0;
  if (llvm::Regex(pattern).match(line, &groups))
    groups[1].getAsInteger(10, value);
  return value;
}

/// How many blocks of 128 threads one multiprocessor holds at a time.
static int occupancy(llvm::StringRef arch, const KernelReport &kernel) {
  struct Processor {
    const char *arch;
    int sharedBytes, threads, blocks;
  };
  static constexpr Processor processors[] = {{"sm_80", 164 << 10, 2048, 32},
                                             {"sm_86", 100 << 10, 1536, 16},
                                             {"sm_89", 100 << 10, 1536, 24},
                                             {"sm_90", 228 << 10, 2048, 32}};
  constexpr int threads = 128, registers = 65536, reserved = 1 << 10;
  for (const Processor &processor : processors) {
    if (arch != processor.arch)
      continue;
    // Registers are given to warps in pieces of 256.
    int perWarp = (std::max(kernel.registers, 1) * 32 + 255) / 256 * 256;
    int64_t byShared = processor.sharedBytes / (kernel.sharedBytes + reserved);
    return static_cast<int>(
        std::min<int64_t>({processor.blocks, processor.threads / threads,
                           registers / (perWarp * (threads / 32)), byShared}));
  }
  return 0;
}

static void readReport(llvm::StringRef log, DeviceCode &code) {
  llvm::SmallVector<llvm::StringRef, 32> lines;
  log.split(lines, '\n');
  KernelReport *kernel = nullptr;
  for (llvm::StringRef line : lines) {
    llvm::SmallVector<llvm::StringRef, 2> groups;
    if (llvm::Regex("Compiling entry function '([^']*)'")
            .match(line, &groups)) {
      kernel = nullptr;
      for (KernelReport &candidate : code.kernels)
        if (candidate.name == groups[1])
          kernel = &candidate;
    }
    if (!kernel)
      continue;
    if (line.contains("bytes stack frame")) {
      kernel->stackBytes = numberIn(line, "([0-9]+) bytes stack frame");
      kernel->spillStores = numberIn(line, "([0-9]+) bytes spill stores");
      kernel->spillLoads = numberIn(line, "([0-9]+) bytes spill loads");
    }
    if (line.contains("Used ")) {
      kernel->registers = numberIn(line, "Used ([0-9]+) registers");
      kernel->blocksPerProcessor = occupancy(code.arch, *kernel);
    }
  }
}

bool attn::assemblePtx(llvm::StringRef ptxas, DeviceCode &code, Fault &fault) {
  llvm::SmallString<128> source, object, log;
  for (auto [path, suffix] :
       {std::pair{&source, "ptx"}, {&object, "cubin"}, {&log, "log"}})
    if (std::error_code error =
            llvm::sys::fs::createTemporaryFile("attn", suffix, *path))
      return fault.set(FaultClass::Resource,
                       "cannot make a temporary file: " + error.message());
  auto remove = llvm::make_scope_exit([&] {
    for (auto *path : {&source, &object, &log})
      llvm::sys::fs::remove(*path);
  });
  {
    std::error_code error;
    llvm::raw_fd_ostream os(source, error);
    os << code.ptx;
    os.close();
    if (error || os.has_error())
      return fault.set(FaultClass::Resource,
                       "cannot write " + source.str().str());
  }
  std::string arch = "-arch=" + code.arch;
  llvm::StringRef arguments[] = {ptxas, "-v", arch, source, "-o", object};
  std::string reason;
  int status = llvm::sys::ExecuteAndWait(
      ptxas, arguments, std::nullopt,
      {std::nullopt, llvm::StringRef(log), llvm::StringRef(log)},
      /*SecondsToWait=*/120, /*MemoryLimit=*/0, &reason);
  auto said = llvm::MemoryBuffer::getFile(log);
  llvm::StringRef text = said ? (*said)->getBuffer() : "";
  if (status != 0)
    return fault.set(
        FaultClass::Compile,
        "expects " + ptxas.str() + " to assemble the kernels for " + code.arch +
            ", but got: " + (reason.empty() ? text.trim().str() : reason));
  readReport(text, code);
  // Values that go to memory in the middle of a tile make a kernel that runs
  // and disappoints; who wants it all the same says so.
  if (!llvm::sys::Process::GetEnv("ATTN_ALLOW_SPILLS"))
    for (const KernelReport &kernel : code.kernels)
      if (kernel.spillStores || kernel.spillLoads)
        return fault.set(
            FaultClass::Compile,
            "expects kernel '" + kernel.name +
                "' to keep its values in registers on " + code.arch +
                ", but got " + std::to_string(kernel.spillStores) +
                " bytes of spill stores and " +
                std::to_string(kernel.spillLoads) +
                " of spill loads; shorten score_mod or mask_mod, or set "
                "ATTN_ALLOW_SPILLS=1 for the slower kernel");
  auto made = llvm::MemoryBuffer::getFile(object);
  if (!made)
    return fault.set(FaultClass::Resource, "cannot read " + object.str().str());
  code.cubin.assign((*made)->getBufferStart(), (*made)->getBufferEnd());
  code.assembler = ptxas.str();
  return true;
}
