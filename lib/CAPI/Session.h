//===- Session.h - What every call of the C API begins with -----*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CAPI_SESSION_H
#define ATTN_LIB_CAPI_SESSION_H

#include "attn-c/Compiler.h"
#include "attn/Support/Fault.h"
#include "attn/Support/ParseIR.h"

#include "mlir/IR/MLIRContext.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

namespace attn::capi {

/// A program under work: its own context, parsed and verified.
struct Program {
  Program(std::unique_ptr<llvm::MemoryBuffer> source,
          const mlir::DialectRegistry &registry);

  /// Runs a pass pipeline (without `builtin.module(...)` around it).
  bool run(llvm::StringRef pipeline, bool verify, Fault &fault);

  /// The IR as text, with no more locations than it came with.
  std::string print();

  std::unique_ptr<llvm::MemoryBuffer> source;
  mlir::MLIRContext context;
  DiagnosticLog log;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  double parseSeconds = 0;
};

/// Parses `ir` and hands the program to `work`, on a large stack; a crash
/// becomes a fault. Returns the status, and leaves the fault's text as the
/// thread's last error.
/// `name` is what messages call the program.
int withProgram(const char *ir, size_t len, llvm::StringRef name,
                llvm::function_ref<void(Program &, Fault &)> work);

/// The status of a fault found before there is a program.
int report(const Fault &fault);

/// Copies into memory that attnStringFree frees.
bool toString(llvm::StringRef text, AttnString *out, Fault &fault);

} // namespace attn::capi

#endif // ATTN_LIB_CAPI_SESSION_H
