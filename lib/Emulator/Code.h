//===- Code.h - A kernel, decoded -------------------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// PTX is decoded once into operations whose operands are offsets into a warp's
// frame. A frame holds structures of arrays: a 32-bit register is a row of 32
// words, a 64-bit one a row of 32 double words, a predicate one mask. An
// immediate, a special register and the address of a variable are rows too,
// filled in when a warp starts, so that an operation never asks what kind of
// operand it has.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMULATOR_CODE_H
#define ATTN_LIB_EMULATOR_CODE_H

#include "Numeric.h"
#include "Ptx.h"

#include <map>
#include <unordered_map>

namespace attn::emu {

class Warp;
struct Op;

/// Executes `op` for the lanes in `mask`.
using ExecFn = void (*)(Warp &warp, const Op &op, uint32_t mask);

/// What an operation does to the flow of a warp.
enum class Flow : uint8_t {
  Next,
  Branch,
  BranchTable,
  Call,
  Ret,
  Exit,
  Trap,
  /// Waits at a block barrier.
  Barrier,
  /// A `.sync` collective: waits for the lanes of its member mask (row o[15]).
  Collective,
  /// A `.sync.aligned` collective: needs every lane of the warp, converged.
  Aligned,
};

/// Classes of instructions, for the counters.
enum class OpClass : uint8_t {
  Integer,
  Float,
  Half,
  Double,
  Convert,
  Move,
  Logic,
  Compare,
  Special,
  Load,
  Store,
  Atomic,
  Matrix,
  MatrixLoad,
  Shuffle,
  Barrier,
  AsyncCopy,
  Fence,
  Control,
};
constexpr unsigned kNumOpClasses = unsigned(OpClass::Control) + 1;
const char *opClassName(OpClass cls);

/// One decoded instruction.
struct Op {
  ExecFn fn = nullptr;
  /// Frame offset of the guard's mask, or kNoGuard.
  uint32_t guard = ~0u;
  bool guardNegated = false;
  Flow flow = Flow::Next;
  OpClass cls = OpClass::Control;
  /// State space of a memory access.
  Space space = Space::Generic;
  /// Type of the instruction, and a second one where it has two.
  Type type = Type::None, type2 = Type::None;
  Rounding rounding = Rounding::Nearest;
  bool ftz = false, sat = false;
  /// A base address in 32 bits.
  bool narrowBase = false;
  /// Free for the instruction: vector length, mode, ...
  uint8_t a = 0, b = 0, c = 0, d = 0;
  /// Index in Program::ops.
  uint32_t index = 0;
  int32_t line = 0;
  uint32_t target = ~0u;
  /// Where the two sides of a branch meet again; ~0 for nowhere.
  uint32_t meet = ~0u;
  int64_t imm = 0;
  uint32_t o[20];
  /// What is too long for o[], e.g. a branch table. Index into
  /// Program::tables.
  uint32_t table = ~0u;
};
constexpr uint32_t kNoGuard = ~0u;
constexpr uint32_t kNoRow = ~0u;

/// Rows that a warp fills in by itself.
enum class Special : uint8_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  LaneId,
  WarpId,
  NWarpId,
  LaneMaskEq,
  LaneMaskLe,
  LaneMaskLt,
  LaneMaskGe,
  LaneMaskGt,
  SmId,
  NSmId,
  GridId,
  DynamicShared,
  TotalShared,
  ClusterOne,
  ClusterZero,
};

/// A parameter of an entry.
struct Parameter {
  std::string name;
  Type type = Type::B8;
  uint64_t size = 0, offset = 0;
  unsigned align = 1;
  bool isArray = false;
};

/// A shared variable and where it lies.
struct SharedVariable {
  std::string name;
  uint64_t offset = 0, size = 0;
};

struct Program {
  std::string name;
  const Module *module = nullptr;
  const Function *entry = nullptr;
  std::vector<Op> ops;
  /// Texts of the operations, one each.
  std::vector<std::string> texts;
  std::vector<std::vector<uint32_t>> tables;
  /// Calls: bytes to copy between local areas before and after.
  struct Copy {
    uint32_t from, to, size;
  };
  struct CallSite {
    std::vector<Copy> before, after;
  };
  std::vector<CallSite> calls;
  /// What a frame starts as: constants in place, registers poisoned.
  std::vector<uint8_t> image;
  std::vector<std::pair<Special, uint32_t>> specials;
  uint64_t localBytes = 0;
  uint64_t staticShared = 0;
  uint64_t dynamicAlign = 16;
  std::string dynamicName;
  std::vector<SharedVariable> shared;
  std::vector<Parameter> parameters;
  uint64_t parameterBytes = 0;
};

/// Windows of generic addresses. Host addresses lie below them all.
constexpr uint64_t kSharedWindow = uint64_t(1) << 60;
constexpr uint64_t kLocalWindow = uint64_t(2) << 60;
constexpr uint64_t kParamWindow = uint64_t(3) << 60;
constexpr uint64_t kWindowMask = uint64_t(15) << 60;

/// Addresses of a module's global and constant variables.
using AddressMap = std::unordered_map<const Variable *, uint64_t>;

/// Decodes the entry `entry` with all it calls. False with `error` filled in.
bool decodeKernel(const Module &module, const Function &entry,
                  const AddressMap &addresses, Program &program,
                  PtxError &error);

/// Fills in `meet` of the operations [begin, end): immediate post-dominators.
/// The operation at `end - 1` is where the function returns.
void findMeetingPoints(Program &program, uint32_t begin, uint32_t end);

} // namespace attn::emu

#endif // ATTN_LIB_EMULATOR_CODE_H
