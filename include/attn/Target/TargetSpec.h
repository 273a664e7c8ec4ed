//===- TargetSpec.h - What to generate code for -----------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_TARGETSPEC_H
#define ATTN_TARGET_TARGETSPEC_H

#include "attn/Support/Fault.h"

#include "llvm/ADT/StringRef.h"

#include <memory>
#include <string>

namespace llvm {
class TargetMachine;
}

namespace attn {

/// A class of CPU or a GPU, and the CPU within it.
struct TargetSpec {
  /// Row of the schedule table and target of a package: avx512, avx2, sse4,
  /// neon or generic.
  std::string isa;
  std::string triple;
  /// LLVM's name of the CPU.
  std::string cpu;
  /// "+avx,+avx2": what `cpu` does not imply, or for the host all that it has.
  std::string features;
  /// "sm_80" where kernels run on a GPU; `isa` is the same then, and the rest
  /// describes the CPU that launches them. Empty otherwise.
  std::string gpu;
};

/// Resolves "host" (also the empty name), "avx512", "avx2", "sse4", "neon" and
/// "generic". The named classes give code for any CPU of the class. "sm_80",
/// "sm_86", "sm_89" and "sm_90" give GPU kernels, "cuda" the first of them, which
/// runs on all.
bool resolveTarget(llvm::StringRef name, TargetSpec &target, Fault &fault);

/// A machine that generates code for `target` at level 0 to 3.
std::unique_ptr<llvm::TargetMachine>
makeTargetMachine(const TargetSpec &target, unsigned optLevel, Fault &fault);

/// "znver4 +avx,+avx2,...": CPU and features of this machine.
std::string hostFingerprint();

} // namespace attn

#endif // ATTN_TARGET_TARGETSPEC_H
