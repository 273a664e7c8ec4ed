//===- Package.h - From the LLVM dialect to a shared object -----*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A package is an ELF shared object that needs libattnrt alone. It exports the
// description `attn_package_json` and, for each entry, `attn_entry_<name>` and
// `attn_shape_<name>`.
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_PACKAGE_H
#define ATTN_TARGET_PACKAGE_H

#include "attn/Support/Fault.h"
#include "attn/Target/TargetSpec.h"

#include "mlir/IR/BuiltinOps.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"

#include <functional>
#include <string>

namespace attn {

/// Seconds by stage.
struct CompileTimes {
  double parse = 0, passes = 0, translate = 0, optimize = 0, codegen = 0,
         link = 0;
  /// {"parse": 0.01, ..., "total": 0.4}
  std::string json() const;
};

/// Forms that machine code can take.
enum class CodeForm { LLVMIR, Assembly, Object };

/// The description that a package carries.
std::string describePackage(const TargetSpec &target,
                            llvm::StringRef sourceText,
                            llvm::json::Array entries);

/// Translates `lowered`, which is in the LLVM dialect, to LLVM IR, adds the
/// description, optimizes, and writes `form` into `out`. Only the package's own
/// symbols are exported. Objects that need a function that neither libattnrt
/// nor the C library has are refused.
bool generateCode(mlir::ModuleOp lowered, const TargetSpec &target,
                  unsigned optLevel, llvm::StringRef description, CodeForm form,
                  llvm::SmallVectorImpl<char> &out, CompileTimes &times,
                  Fault &fault);

/// Links `object` with the runtime library at `runtimePath` into `path`. The
/// file is written beside, handed to `finish` (may be null; false and a fault
/// stop it), and renamed.
bool linkPackage(llvm::ArrayRef<char> object, llvm::StringRef path,
                 llvm::StringRef runtimePath,
                 const std::function<bool(llvm::StringRef, Fault &)> &finish,
                 CompileTimes &times, Fault &fault);

} // namespace attn

#endif // ATTN_TARGET_PACKAGE_H
