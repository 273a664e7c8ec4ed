//===- Memory.cpp - ld, st, prefetch and fences ---------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A load of n elements reads n * size bytes per lane at once; elements then go
// to their rows, extended as their type says.
//
//===----------------------------------------------------------------------===//

#include "Access.h"

using namespace attn::emu;

namespace {

constexpr uint8_t kStrong = 1, kAcquireRelease = 2;
constexpr uint32_t kBase = 8; // op.o[8] holds the address

/// Element bytes to a row: op.d bit k says that row k is 64 bits wide.
void toRow(Warp &w, const Op &op, unsigned k, uint32_t lane,
           const uint8_t *bytes) {
  unsigned size = bitsOf(op.type) / 8;
  if (size == 16) {
    std::memcpy(&w.r64(op.o[k])[lane], bytes, 8);
    std::memcpy(&w.r64(op.o[k])[lane + 32], bytes + 8, 8);
    return;
  }
  uint64_t value = 0;
  std::memcpy(&value, bytes, size);
  if (isSigned(op.type) && size < 8)
    value = uint64_t(int64_t(value << (64 - 8 * size)) >> (64 - 8 * size));
  if (op.d >> k & 1)
    w.r64(op.o[k])[lane] = value;
  else
    w.r32(op.o[k])[lane] = uint32_t(value);
}

void fromRow(Warp &w, const Op &op, unsigned k, uint32_t lane, uint8_t *bytes) {
  unsigned size = bitsOf(op.type) / 8;
  if (size == 16) {
    std::memcpy(bytes, &w.r64(op.o[k])[lane], 8);
    std::memcpy(bytes + 8, &w.r64(op.o[k])[lane + 32], 8);
    return;
  }
  uint64_t value = op.d >> k & 1 ? w.r64(op.o[k])[lane] : w.r32(op.o[k])[lane];
  std::memcpy(bytes, &value, size);
}

AccessKind kindOf(const Op &op, bool write) {
  AccessKind kind;
  kind.write = write;
  kind.strong = op.b & kStrong;
  kind.scope = op.c;
  return kind;
}

uint64_t syncKey(const LaneMemory &m, uint32_t lane) {
  return m.space == Space::Shared ? m.offset[lane]
                                  : m.allocation[lane]->base + m.offset[lane];
}

void loadSpace(Warp &w, const Op &op, Space space, uint32_t mask,
               const uint64_t *address) {
  unsigned size = bitsOf(op.type) / 8;
  LaneMemory m;
  AccessKind kind = kindOf(op, false);
  resolve(w, op, space, mask, address, size * op.a, kind, m);
  judge(w, op, m, kind);
  countTraffic(w, op, m);
  static const uint8_t zeros[32] = {};
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    bool ok = m.mask >> i & 1;
    const uint8_t *from = ok ? m.bytes[i] : zeros;
    for (unsigned k = 0; k < op.a; ++k)
      toRow(w, op, k, i, from + (ok ? k * size : 0));
    if (ok && kind.strong &&
        (m.space == Space::Shared || m.space == Space::Global))
      acquireLane(w, m.space, syncKey(m, i), i, op.b & kAcquireRelease, op.c);
  }
}

void execLoad(Warp &w, const Op &op, uint32_t mask) {
  uint64_t address[32];
  laneAddresses(w, op, op.o[kBase], mask, address);
  if (op.space != Space::Generic) {
    loadSpace(w, op, op.space, mask, address);
    return;
  }
  while (mask) {
    Space space;
    uint32_t lanes = lanesInSpace(address, mask, space);
    loadSpace(w, op, space, lanes, address);
    mask &= ~lanes;
  }
}

void storeSpace(Warp &w, const Op &op, Space space, uint32_t mask,
                const uint64_t *address) {
  unsigned size = bitsOf(op.type) / 8;
  uint8_t data[32 * 32];
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    for (unsigned k = 0; k < op.a; ++k)
      fromRow(w, op, k, i, data + i * 32 + k * size);
  }
  LaneMemory m;
  AccessKind kind = kindOf(op, true);
  resolve(w, op, space, mask, address, size * op.a, kind, m);
  judge(w, op, m, kind, data, 32);
  countTraffic(w, op, m);
  for (uint32_t rest = m.mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    bool ordered = m.space == Space::Shared || m.space == Space::Global;
    if (kind.strong && ordered)
      releaseLane(w, m.space, syncKey(m, i), i, op.b & kAcquireRelease, false,
                  op.c);
    std::memcpy(m.bytes[i], data + i * 32, m.size);
  }
}

void execStore(Warp &w, const Op &op, uint32_t mask) {
  uint64_t address[32];
  laneAddresses(w, op, op.o[kBase], mask, address);
  if (op.space != Space::Generic) {
    storeSpace(w, op, op.space, mask, address);
    return;
  }
  while (mask) {
    Space space;
    uint32_t lanes = lanesInSpace(address, mask, space);
    storeSpace(w, op, space, lanes, address);
    mask &= ~lanes;
  }
}

/// .weak, .volatile, .relaxed.scope, .acquire.scope, .release.scope
void takeOrder(Decoder &d, bool load) {
  Op &op = d.op;
  op.c = ScopeDevice;
  bool given = false;
  if (d.take("weak"))
    return;
  if (d.take("volatile") || d.take("mmio")) {
    op.b = kStrong;
    op.c = ScopeSystem;
    return;
  }
  bool relaxed = d.take("relaxed");
  bool ordered = !relaxed && d.take(load ? "acquire" : "release");
  if (!relaxed && !ordered)
    return;
  op.b = kStrong | (ordered ? kAcquireRelease : 0);
  op.c = takeScope(d, given);
  if (!given)
    d.refuse("expects a scope among .cta, .cluster, .gpu, .sys");
}

template <bool Load>
void decodeAccess(Decoder &d) {
  Op &op = d.op;
  op.cls = Load ? OpClass::Load : OpClass::Store;
  takeOrder(d, Load);
  op.space = takeSpace(d);
  if (Load && d.take("nc")) {
    if (op.space != Space::Global)
      d.refuse("expects .nc on .global");
  }
  if (!Load && op.space == Space::Const)
    d.refuse("expects a state space that can be written");
  bool hint = takeCacheHints(d, Load);
  op.a = d.take("v2") ? 2 : d.take("v4") ? 4 : d.take("v8") ? 8 : 1;
  (void)d.take("unified");
  Type type = d.takeType();
  if (type == Type::None || type == Type::Pred || type == Type::F16 ||
      type == Type::BF16 || type == Type::TF32 || type == Type::F16x2 ||
      type == Type::BF16x2)
    d.refuse("expects a fundamental type such as .b32");
  op.type = type;
  unsigned bytes = bitsOf(type) / 8 * op.a;
  if (op.a == 8)
    d.needTarget(100, "a vector of 8");
  if (bytes > (op.a == 8 || (op.a == 4 && bytes == 32 && d.module.target >= 100)
                   ? 32u
                   : 16u))
    d.refuse("expects at most 16 bytes a lane, but got " +
             std::to_string(bytes));
  d.needCount(hint ? 3 : 2);
  if (hint)
    d.source(2, Type::B64);
  const Operand &values = d.operand(Load ? 0 : 1);
  auto list = d.vector(values, op.a);
  for (unsigned k = 0; k < op.a; ++k) {
    op.o[k] = Load ? d.destination(*list[k], type, true)
                   : d.source(*list[k], type, true);
    Type reg = d.registerType(*list[k]);
    if (bitsOf(reg == Type::None ? type : reg) == 64)
      op.d |= uint8_t(1u << k);
  }
  Space space = op.space;
  d.address(d.operand(Load ? 1 : 0), kBase, space);
  op.space = space == Space::Const ? Space::Global : space;
  if (!Load && op.space == Space::Param)
    d.refuse("expects a variable that can be written");
  op.fn = Load ? execLoad : execStore;
}

//===----------------------------------------------------------------------===//
// Fences, prefetch
//===----------------------------------------------------------------------===//

void execFence(Warp &w, const Op &op, uint32_t mask) {
  if (w.launch.checks(CheckRace | CheckAsync))
    fenceLanes(w, mask, op.c);
}

void decodeMembar(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Fence;
  std::string_view level = d.needAny({"cta", "gl", "sys"}, "a level");
  op.c = level == "cta"  ? ScopeBlock
         : level == "gl" ? ScopeDevice
                         : ScopeSystem;
  d.needCount(0);
  op.fn = execFence;
}

void decodeFence(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Fence;
  (void)d.takeAny({"sc", "acq_rel"});
  bool given;
  op.c = takeScope(d, given);
  if (!given)
    d.refuse("expects a scope among .cta, .cluster, .gpu, .sys");
  d.needCount(0);
  op.fn = execFence;
}

void execNothing(Warp &, const Op &, uint32_t) {}

void decodePrefetch(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Control;
  op.space = takeSpace(d);
  d.needAny({"L1", "L2", "L2::evict_last", "L2::evict_normal"}, "a level");
  d.needCount(1);
  Space space = op.space;
  d.address(d.operand(0), kBase, space);
  op.fn = execNothing;
}
void decodePrefetchu(Decoder &d) {
  d.needAny({"L1"}, "a level");
  d.needCount(1);
  Space space = Space::Generic;
  d.address(d.operand(0), kBase, space);
  d.op.fn = execNothing;
}
void decodeNanosleep(Decoder &d) {
  d.needType({Type::U32});
  d.needCount(1);
  d.op.o[0] = d.source(0, Type::U32);
  d.op.fn = execNothing;
}
/// createpolicy: a cache policy is a value that changes nothing here.
void execPolicy(Warp &w, const Op &op, uint32_t mask) {
  uint64_t *out = w.r64(op.o[0]);
  forLanes(mask, [&](uint32_t i) { out[i] = 0; });
}
void decodeCreatePolicy(Decoder &d) {
  d.needAny({"fractional"}, "a kind");
  d.needAny({"L2::evict_last", "L2::evict_normal", "L2::evict_first",
             "L2::evict_unchanged"},
            "a priority");
  (void)d.takeAny({"L2::evict_first", "L2::evict_unchanged"});
  d.needType({Type::B64});
  d.needCount(1, 2);
  d.op.o[0] = d.destination(0, Type::B64);
  d.op.fn = execPolicy;
}
/// applypriority, discard: hints.
void decodeHint(Decoder &d) {
  (void)takeSpace(d);
  d.needAny({"L2", "L2::evict_normal"}, "a level");
  d.needCount(2);
  Space space = Space::Generic;
  d.address(d.operand(0), kBase, space);
  d.op.fn = execNothing;
}
} // namespace

void attn::emu::addMemory(InstructionTable &table) {
  table["ld"] = decodeAccess<true>;
  table["ldu"] = decodeAccess<true>;
  table["st"] = decodeAccess<false>;
  table["membar"] = decodeMembar;
  table["fence"] = decodeFence;
  table["prefetch"] = decodePrefetch;
  table["prefetchu"] = decodePrefetchu;
  table["nanosleep"] = decodeNanosleep;
  table["createpolicy"] = decodeCreatePolicy;
  table["applypriority"] = decodeHint;
}
