//===- TargetSpec.cpp - What to generate code for ---------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "attn/Target/TargetSpec.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#include <algorithm>
#include <mutex>
#include <vector>

using namespace attn;

namespace {
struct IsaClass {
  const char *name;
  llvm::Triple::ArchType arch;
  /// The CPU that has what the class promises and nothing else.
  const char *cpu;
  /// LLVM's names of features beyond that CPU's.
  const char *features;
  /// What a host must have to be of the class.
  std::vector<const char *> needs;
};
} // namespace

/// From wide to narrow. The last row of an architecture needs nothing.
static const std::vector<IsaClass> &isaClasses() {
  static const std::vector<IsaClass> classes = {
      {"avx512bf16",
       llvm::Triple::x86_64,
       "x86-64-v4",
       "+avx512bf16",
       {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512bf16", "avx2",
        "fma", "f16c"}},
      {"avx512",
       llvm::Triple::x86_64,
       "x86-64-v4",
       "",
       {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma", "f16c"}},
      {"avx2", llvm::Triple::x86_64, "x86-64-v3", "", {"avx2", "fma", "f16c"}},
      {"sse4", llvm::Triple::x86_64, "x86-64-v2", "", {"sse4.1", "sse4.2"}},
      {"generic", llvm::Triple::x86_64, "x86-64", "", {}},
      {"neon", llvm::Triple::aarch64, "generic", "", {}},
  };
  return classes;
}

namespace {
struct Host {
  std::string cpu;
  std::string features;
  llvm::StringMap<bool, llvm::MallocAllocator> has;

  Host()
      : cpu(llvm::sys::getHostCPUName()), has(llvm::sys::getHostCPUFeatures()) {
    std::vector<llvm::StringRef> names;
    for (const auto &feature : has)
      if (feature.second)
        names.push_back(feature.first());
    std::sort(names.begin(), names.end());
    for (llvm::StringRef name : names)
      features += (features.empty() ? "+" : ",+") + name.str();
  }
};
} // namespace

static const Host &host() {
  static const Host host;
  return host;
}

std::string attn::hostFingerprint() {
  return host().cpu + " " + host().features;
}

static const char *const kGpus[] = {"sm_80", "sm_86", "sm_89", "sm_90"};

bool attn::resolveTarget(llvm::StringRef name, TargetSpec &target,
                         Fault &fault) {
  if (name == "cuda")
    name = kGpus[0];
  for (const char *gpu : kGpus)
    if (name == gpu) {
      // Any CPU may launch kernels.
      bool known = resolveTarget("generic", target, fault);
      target.isa = target.gpu = gpu;
      return known;
    }
  target.triple = llvm::sys::getProcessTriple();
  llvm::Triple::ArchType arch = llvm::Triple(target.triple).getArch();
  bool isHost = name.empty() || name == "host";
  for (const IsaClass &isa : isaClasses()) {
    if (isa.arch != arch)
      continue;
    if (isHost ? !std::all_of(isa.needs.begin(), isa.needs.end(),
                              [](const char *feature) {
                                return host().has.lookup(feature);
                              })
               : name != isa.name && !(name == "generic" && isa.needs.empty()))
      continue;
    target.isa = isa.name;
    target.cpu = isHost ? host().cpu : isa.cpu;
    target.features = isHost ? host().features : isa.features;
    return true;
  }
  if (isHost) {
    target.isa = "generic";
    target.cpu = host().cpu;
    target.features = host().features;
    return true;
  }
  std::string names = "host";
  for (const IsaClass &isa : isaClasses())
    if (isa.arch == arch)
      names += std::string(", ") + isa.name;
  names += ", cuda";
  for (const char *gpu : kGpus)
    names += std::string(", ") + gpu;
  return fault.set(FaultClass::Invalid, "expects a target out of " + names +
                                            ", but got '" + name.str() + "'");
}

std::unique_ptr<llvm::TargetMachine>
attn::makeTargetMachine(const TargetSpec &target, unsigned optLevel,
                        Fault &fault) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    llvm::InitializeNativeTargetAsmParser();
  });
  llvm::Triple triple(target.triple);
  std::string error;
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found) {
    fault.set(FaultClass::Compile, error);
    return nullptr;
  }
  static const llvm::CodeGenOptLevel levels[] = {
      llvm::CodeGenOptLevel::None, llvm::CodeGenOptLevel::Less,
      llvm::CodeGenOptLevel::Default, llvm::CodeGenOptLevel::Aggressive};
  // Where a multiplication and an addition may be fused is written in the IR.
  llvm::TargetOptions options;
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      triple, target.cpu, target.features, options, llvm::Reloc::PIC_,
      std::nullopt, levels[std::min(optLevel, 3u)]));
  if (!machine)
    fault.set(FaultClass::Compile,
              "LLVM has no code generator for " + target.triple);
  return machine;
}
