//===- Access.h - Memory accesses of a warp, judged -------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All instructions that touch memory come through here: addresses are resolved
// to host bytes, bounds, alignment, initialisation and races are checked, banks
// and sectors are counted. A lane whose access is out of bounds reads zeros and
// writes nothing.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMULATOR_ACCESS_H
#define ATTN_LIB_EMULATOR_ACCESS_H

#include "Exec.h"

namespace attn::emu {

/// What kind of access is made.
struct AccessKind {
  bool write = false;
  /// Both reads and writes, as an atomic does.
  bool atomic = false;
  /// .relaxed, .acquire, .release, .volatile and atomics.
  bool strong = false;
  uint8_t scope = ScopeDevice;
  /// The alignment that is needed; 0: the size.
  uint32_t align = 0;
};

/// Lanes of one state space, resolved.
struct LaneMemory {
  Space space = Space::Global;
  /// Lanes in bounds, and where their bytes are.
  uint32_t mask = 0;
  uint32_t size = 0;
  uint8_t *bytes[32];
  /// Offset into shared memory, or into the allocation.
  uint64_t offset[32];
  Allocation *allocation[32];
};

/// The addresses base + op.imm of op.o[row].
void laneAddresses(Warp &w, const Op &op, uint32_t row, uint32_t mask,
                   uint64_t address[32]);

/// Takes the lanes of a generic address that lie in the window of `space`.
uint32_t lanesInSpace(uint64_t address[32], uint32_t mask, Space &space);

/// Resolves, and checks bounds and alignment.
void resolve(Warp &w, const Op &op, Space space, uint32_t mask,
             const uint64_t address[32], uint32_t size, AccessKind kind,
             LaneMemory &out);

/// Checks initialisation and races of resolved lanes. `data` (lane * stride)
/// is what is written, for the comparison of equal values; may be null.
/// `record`: of an asynchronous copy, else ~0.
void judge(Warp &w, const Op &op, const LaneMemory &memory, AccessKind kind,
           const uint8_t *data = nullptr, uint32_t stride = 0,
           uint32_t record = ~0u);

/// Counts banks (shared) or sectors (global) of one access.
void countTraffic(Warp &w, const Op &op, const LaneMemory &memory);

/// Scope of .cta, .cluster, .gpu, .sys; ScopeDevice where none is written.
uint8_t takeScope(Decoder &d, bool &given);
/// Takes cache hints that change no value: .L1::no_allocate, .L2::128B, ...
/// Returns true when a .L2::cache_hint operand follows.
bool takeCacheHints(Decoder &d, bool load);
/// Takes a state space; Generic where there is none.
Space takeSpace(Decoder &d);

/// Order of strong accesses and fences (Order.cpp).
void releaseLane(Warp &w, Space space, uint64_t key, uint32_t lane,
                 bool release, bool readModifyWrite, uint8_t scope);
void acquireLane(Warp &w, Space space, uint64_t key, uint32_t lane,
                 bool acquire, uint8_t scope);
void fenceLanes(Warp &w, uint32_t mask, uint8_t scope);

} // namespace attn::emu

#endif // ATTN_LIB_EMULATOR_ACCESS_H
