//===- attn-lsp-server.cpp - Language server --------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MLIR's language server with the attn dialect: diagnostics, hover,
// definitions and completion in editors.
//===----------------------------------------------------------------------===//

#include "attn/InitAll.h"
#include "attn/Support/LargeStack.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

static llvm::cl::extrahelp usage(R"(
An editor starts this program and talks to it over standard input and output
(Language Server Protocol). In VS Code's MLIR extension set `mlir.server_path` to
its path; in Neovim: vim.lsp.start({name = "attn", cmd = {"attn-lsp-server"}}).
)");

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  attn::registerAllDialects(registry);
  bool worked = false;
  attn::Fault fault;
  attn::runOnLargeStack(
      [&] {
        worked = succeeded(mlir::MlirLspServerMain(argc, argv, registry));
      },
      fault);
  if (fault)
    llvm::errs() << "attn-lsp-server: error: " << fault.text << '\n';
  return worked ? 0 : 1;
}
