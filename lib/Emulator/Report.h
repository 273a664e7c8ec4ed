//===- Report.h - What a launch found and counted ---------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Findings, counters, and their text and JSON forms.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMULATOR_REPORT_H
#define ATTN_LIB_EMULATOR_REPORT_H

#include "Code.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace attn::emu {

/// The checks, as bits; their names are those of --no-check.
enum Check : uint32_t {
  CheckBounds = 1,
  CheckAlignment = 2,
  CheckInit = 4,
  CheckRace = 8,
  CheckAsync = 16,
  CheckDivergence = 32,
  CheckBarrier = 64,
  CheckLimits = 128,
  CheckAll = 255,
};

/// The bit of a check called `name` ("race", "all"), or 0.
uint32_t checkOf(std::string_view name);
std::string checkNames();

using Index3 = std::array<uint32_t, 3>;

struct Finding {
  /// A stable name: "out-of-bounds", "shared-race", ...
  std::string kind;
  std::string message;
  int line = 0;
  std::string text;
  Index3 block{}, thread{};
  bool hasAddress = false;
  uint64_t address = 0;
  std::string space;
  std::string allocation;
  int64_t offset = 0;
  bool hasOther = false;
  int otherLine = 0;
  std::string otherText;
  Index3 otherBlock{}, otherThread{};
  uint64_t count = 1;
};

/// What was counted for one operation.
struct OpCounters {
  uint64_t executed = 0;
  uint64_t lanes = 0;
  /// Accesses of shared memory by warps, and the passes over the banks that
  /// they took beyond the fewest possible.
  uint64_t requests = 0, conflicts = 0;
  /// 32-byte sectors that global accesses touched, and the fewest that their
  /// bytes could fill.
  uint64_t sectors = 0, idealSectors = 0;
  uint64_t bytes = 0;
  uint64_t tensorFlops = 0;
  uint64_t barriers = 0;

  void add(const OpCounters &other);
};

struct Report {
  std::string kernel;
  std::string arch;
  Index3 grid{}, block{};
  uint64_t dynamicShared = 0, staticShared = 0;
  uint64_t blocksRun = 0;
  double seconds = 0;
  /// "" when the launch ran to its end.
  std::string error;
  std::vector<Finding> findings;
  /// Findings beyond the number that is kept.
  uint64_t dropped = 0;
  std::vector<OpCounters> ops;
  const Program *program = nullptr;

  OpCounters total() const;
  std::string json() const;
  std::string text() const;
};

/// A finding as the lines that the tool prints.
std::string describeFinding(const Finding &finding);
std::string hex(uint64_t value);

} // namespace attn::emu

#endif // ATTN_LIB_EMULATOR_REPORT_H
