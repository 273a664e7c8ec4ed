//===- ParseIR.h - The one door through which IR comes in -------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every tool and the C API parse through parseIR, or hand to MLIR's own tool
// drivers what readSource let through.
//===----------------------------------------------------------------------===//

#ifndef ATTN_SUPPORT_PARSEIR_H
#define ATTN_SUPPORT_PARSEIR_H

#include "attn/Support/SourceGuard.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <vector>

namespace attn {

/// Collects the diagnostics of a context as text with locations, for as long as
/// it lives.
class DiagnosticLog {
public:
  /// `source` (may be null) is quoted under the messages; it must outlive this.
  DiagnosticLog(mlir::MLIRContext *context, const llvm::MemoryBuffer *source);

  /// The errors, one paragraph each.
  const std::string &errors() const { return errorText; }
  /// Remarks and warnings, one string each.
  const std::vector<std::string> &remarks() const { return remarkTexts; }

  /// A fault made of the errors: of class Shape when the verifier found an
  /// overflow, else of class Compile. `otherwise` is the text when a failure
  /// came without a diagnostic.
  bool fail(Fault &fault, llvm::StringRef otherwise) const;

private:
  void add(mlir::Diagnostic &diagnostic);

  const llvm::MemoryBuffer *source;
  std::string errorText;
  std::vector<std::string> remarkTexts;
  unsigned errorCount = 0;
  bool overflow = false;
  mlir::ScopedDiagnosticHandler handler;
};

/// Parses and verifies text that came from guardSource. Null and a fault on
/// failure. Call it on a large stack (runOnLargeStack).
mlir::OwningOpRef<mlir::ModuleOp> parseIR(const llvm::MemoryBuffer &text,
                                          mlir::MLIRContext *context,
                                          const DiagnosticLog &log,
                                          const Limits &limits, Fault &fault);

} // namespace attn

#endif // ATTN_SUPPORT_PARSEIR_H
