//===- Suite.h - Runs every program of a folder -----------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// attn-run --suite.
//===----------------------------------------------------------------------===//

#ifndef ATTN_TOOLS_ATTN_RUN_SUITE_H
#define ATTN_TOOLS_ATTN_RUN_SUITE_H

#include "Program.h"

#include <cstdint>

namespace attnrun {

struct SuiteOptions {
  BackendOptions backend;
  uint64_t seed = 0;
  /// Files that run at a time, 0 for one per CPU.
  int jobs = 0;
  bool json = false;
};

/// Runs and checks every public function of every .mlir file below `folder`
/// whose first line, `// RUN-ON: cpu, oracle`, names the backend. Prints a line
/// per file and "N passed, N failed, N skipped". The exit status: 0 if nothing
/// failed and something passed.
int runSuite(llvm::StringRef folder, const SuiteOptions &options);

} // namespace attnrun

#endif // ATTN_TOOLS_ATTN_RUN_SUITE_H
