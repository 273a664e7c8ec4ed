//===- InitAll.h - The one door to dialects, passes and pipelines -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every tool and the C API register through these three functions.
//===----------------------------------------------------------------------===//

#ifndef ATTN_INITALL_H
#define ATTN_INITALL_H

namespace mlir {
class DialectRegistry;
}

namespace attn {
/// attn and every upstream dialect a program or a lowering stage may hold, with
/// their interfaces and their translations to LLVM IR.
void registerAllDialects(mlir::DialectRegistry &registry);
/// attn's passes and the upstream passes that work on the same IR.
void registerAllPasses();
/// The named pipelines (see `attn-opt --help`).
void registerAllPipelines();
} // namespace attn

#endif // ATTN_INITALL_H
