//===- Pack.h - Cases for machines without a compiler -----------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// attn-run --pack.
//===----------------------------------------------------------------------===//

#ifndef ATTN_TOOLS_ATTN_RUN_PACK_H
#define ATTN_TOOLS_ATTN_RUN_PACK_H

#include "Inputs.h"
#include "Program.h"

namespace attnrun {

struct PackOptions {
  /// The files are <prefix>.json and <prefix>-0.npz, <prefix>-1.npz, ...
  std::string prefix;
  uint64_t seed = 0;
  /// Arrays that are given, by the name of the argument.
  std::map<std::string, NpyArray> given;
  /// Results are those of a GPU: see Judge::create.
  bool matrixUnits = false;
};

/// Writes what it takes to run and judge every function of `program` for each
/// of its size sets where there is only the package: inputs arg0, arg1, ..., the
/// oracle's results expect0, ... unrounded, and by how much a result may differ.
llvm::Error pack(const Program &program, const PackOptions &options);

} // namespace attnrun

#endif // ATTN_TOOLS_ATTN_RUN_PACK_H
