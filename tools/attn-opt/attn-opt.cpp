//===- attn-opt.cpp - Pass pipeline tool ------------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads IR, runs passes or named pipelines, prints IR. MLIR's own driver does
// the work; its input goes through SourceGuard first.
//===----------------------------------------------------------------------===//

#include "attn/InitAll.h"
#include "attn/Support/LargeStack.h"
#include "attn/Support/SourceGuard.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Support/raw_ostream.h"

static llvm::cl::extrahelp examples(R"(
EXAMPLES:

  attn-opt program.mlir                       parse, verify, print
  attn-opt --canonicalize program.mlir        one pass
  attn-opt --pass-pipeline='builtin.module(func.func(canonicalize,cse))' program.mlir
  attn-opt --mlir-print-ir-tree-dir=/tmp/ir --attn-lower-to-cpu program.mlir
                                              one file per pass
  attn-opt --emit-bytecode program.mlir -o program.mlirbc
  attn-opt --show-dialects                    what it can parse

  The input is text or bytecode of at most 64 MiB, nested at most 1,000 levels.
)");

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  mlir::DialectRegistry registry;
  attn::registerAllDialects(registry);
  attn::registerAllPasses();
  attn::registerAllPipelines();
  auto [input, output] = mlir::registerAndParseCLIOptions(
      argc, argv, "attn-opt: the attention compiler's pass tool\n", registry);
  mlir::MlirOptMainConfig config =
      mlir::MlirOptMainConfig::createFromCLOptions();

  auto source = llvm::MemoryBuffer::getMemBuffer("");
  attn::Fault fault;
  if (!config.shouldShowDialects() && !config.shouldListPasses()) {
    if (input == "-" && llvm::sys::Process::StandardInIsUserInput())
      llvm::errs() << "(processing input from stdin now, hit ctrl-c/ctrl-d to "
                      "interrupt)\n";
    source = attn::readSource(input, registry, attn::Limits(), fault);
    if (!source) {
      llvm::errs() << "attn-opt: error: " << fault.text << '\n';
      return 1;
    }
  }
  std::string error;
  auto outputFile = mlir::openOutputFile(output, &error);
  if (!outputFile) {
    llvm::errs() << "attn-opt: error: " << error << '\n';
    return 1;
  }
  bool worked = false;
  attn::runOnLargeStack(
      [&] {
        worked = succeeded(mlir::MlirOptMain(
            outputFile->os(), std::move(source), registry, config));
      },
      fault);
  if (fault)
    llvm::errs() << "attn-opt: error: " << fault.text << '\n';
  if (!worked)
    return 1;
  outputFile->os().flush();
  // raw_fd_ostream ends the process at exit when a write failed; say it here.
  if (outputFile->os().has_error()) {
    llvm::errs() << "attn-opt: error: expects to write '" << output
                 << "', but got: " << outputFile->os().error().message()
                 << '\n';
    outputFile->os().clear_error();
    return 1;
  }
  outputFile->keep();
  return 0;
}
