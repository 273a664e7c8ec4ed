//===- attn-reduce.cpp - Test case reducer ----------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MLIR's reducer with the attn dialect: makes a failing program small.
//===----------------------------------------------------------------------===//

#include "attn/InitAll.h"
#include "attn/Support/LargeStack.h"
#include "attn/Support/SourceGuard.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

static llvm::cl::extrahelp usage(R"(
EXAMPLE:

  attn-reduce program.mlir -reduction-tree='traversal-mode=0 test=./still-fails.sh'

  still-fails.sh is run with the path of a smaller program; it exits with 1 while
  that program is still interesting, and with 0 when it is not any more:

    #!/bin/sh
    attn-opt --attn-lower-to-cpu "$1" 2>&1 | grep -q 'the message' && exit 1
    exit 0
)");

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  mlir::DialectRegistry registry;
  attn::registerAllDialects(registry);
  attn::registerAllPasses();
  attn::registerAllPipelines();

  // The reducer reads its file itself; look at it first. A file name is what is
  // no option.
  attn::Fault fault;
  for (int i = 1; i < argc; ++i) {
    llvm::StringRef argument = argv[i];
    if (argument == "-o") {
      ++i;
      continue;
    }
    if (argument.starts_with("-"))
      continue;
    if (!attn::readSource(argument, registry, attn::Limits(), fault))
      break;
  }
  bool worked = false;
  if (!fault)
    attn::runOnLargeStack(
        [&] {
          mlir::MLIRContext context(registry);
          worked = succeeded(mlir::mlirReduceMain(argc, argv, context));
        },
        fault);
  if (fault)
    llvm::errs() << "attn-reduce: error: " << fault.text << '\n';
  return worked ? 0 : 1;
}
