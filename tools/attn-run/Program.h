//===- Program.h - A file and the ways to run it ----------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A parsed file, and the backends: the float64 oracle, and the compiled package
// on the CPU.
//===----------------------------------------------------------------------===//

#ifndef ATTN_TOOLS_ATTN_RUN_PROGRAM_H
#define ATTN_TOOLS_ATTN_RUN_PROGRAM_H

#include "attn/Interpreter/Compare.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <string>

namespace attnrun {

/// A file that was read, parsed and verified.
class Program {
public:
  static llvm::Expected<std::unique_ptr<Program>> load(llvm::StringRef path);

  mlir::ModuleOp module() const { return *parsed; }
  llvm::StringRef text() const { return source->getBuffer(); }

  /// The function called `name`; without a name "main", or the only public
  /// function.
  llvm::Expected<mlir::func::FuncOp> entry(llvm::StringRef name) const;
  /// Every public function with a body.
  llvm::SmallVector<mlir::func::FuncOp> entries() const;

private:
  std::unique_ptr<mlir::MLIRContext> context;
  std::unique_ptr<llvm::MemoryBuffer> source;
  mlir::OwningOpRef<mlir::ModuleOp> parsed;
};

/// What a backend gave.
struct Outcome {
  llvm::SmallVector<mlir::attn::Array> results;
  /// One per repetition.
  std::vector<double> seconds;
  double compileSeconds = 0;
  /// What the last run did on its device, as JSON; empty for the CPU.
  std::string deviceReport;
};

/// Which backend, and how it runs.
struct BackendOptions {
  std::string name;
  int threads = 0;
  /// Empty for the backend's own.
  std::string target;
  bool worstRounding = false;
  /// Tell on standard error how far the emulator is.
  bool progress = false;
};

class Backend {
public:
  virtual ~Backend() = default;
  virtual llvm::Expected<Outcome> run(mlir::func::FuncOp entry,
                                      llvm::ArrayRef<mlir::attn::Array> args,
                                      int repeat) = 0;
  /// The results to judge against the oracle's: the backend's own, but for the
  /// oracle, whose own would be equal to themselves, the plain same-dtype run.
  virtual llvm::Expected<llvm::SmallVector<mlir::attn::Array>>
  toJudge(mlir::func::FuncOp entry, llvm::ArrayRef<mlir::attn::Array> args,
          const Outcome &outcome) = 0;
  /// Whether products may come from the matrix units of a GPU.
  virtual bool hasMatrixUnits() const { return false; }
};

/// Names that --backend takes.
llvm::ArrayRef<llvm::StringRef> backendNames();

/// `threads` 0 is the backend's default, `target` what attn-compile takes
/// (empty: this machine). The backend keeps what it compiled for as long as it
/// lives; `program` has to live longer.
llvm::Expected<std::unique_ptr<Backend>>
makeBackend(const Program &program, const BackendOptions &options);

} // namespace attnrun

#endif // ATTN_TOOLS_ATTN_RUN_PROGRAM_H
