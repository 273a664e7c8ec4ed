//===- AsyncCopy.cpp - cp.async and its groups ----------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The bytes move at once, but for the judge the copy stays open until the lane
// that issued it waits for its group: until then nobody may touch the bytes,
// and after that the others need a barrier.
//
//===----------------------------------------------------------------------===//

#include "Access.h"

#include <algorithm>

using namespace attn::emu;

namespace {

/// op.o[0]: destination, with op.imm; op.o[1]: source, with the offset in
/// o[10..11]; op.o[2]: bytes to read, or none; op.o[3]: the mask to ignore the
/// source. op.a: bytes to write, op.b: the negated mask, op.c bit 0 and 1:
/// bases in 32 bits.
void execCopy(Warp &w, const Op &op, uint32_t mask) {
  uint64_t to[32], from[32];
  Op part = op;
  part.narrowBase = op.c & 1;
  laneAddresses(w, part, op.o[0], mask, to);
  part.imm = int64_t(uint64_t(op.o[11]) << 32 | op.o[10]);
  part.narrowBase = op.c & 2;
  laneAddresses(w, part, op.o[1], mask, from);
  uint32_t bytes[32], ignored = 0;
  if (op.o[3] != kNoRow)
    ignored = w.pred(op.o[3]) ^ (op.b ? ~0u : 0);
  for (uint32_t i = 0; i < 32; ++i) {
    bytes[i] = op.o[2] == kNoRow ? op.a : w.r32(op.o[2])[i];
    if (ignored >> i & 1)
      bytes[i] = 0;
    if ((mask >> i & 1) && bytes[i] > op.a) {
      w.launch.stop("line " + std::to_string(op.line) +
                    ": expects cp.async to read at most " +
                    std::to_string(op.a) + " bytes, but got " +
                    std::to_string(bytes[i]) + ": '" +
                    w.launch.program.texts[op.index] + "'");
      return;
    }
  }
  // Lanes with the same number of bytes are judged together.
  uint8_t data[32 * 16] = {};
  uint32_t left = mask;
  while (left) {
    uint32_t n = bytes[__builtin_ctz(left)], same = 0;
    for (uint32_t rest = left; rest; rest &= rest - 1) {
      uint32_t i = uint32_t(__builtin_ctz(rest));
      if (bytes[i] == n)
        same |= 1u << i;
    }
    left &= ~same;
    if (!n)
      continue;
    LaneMemory source;
    AccessKind kind;
    kind.align = op.a;
    resolve(w, op, Space::Global, same, from, n, kind, source);
    judge(w, op, source, kind);
    countTraffic(w, op, source);
    for (uint32_t rest = source.mask; rest; rest &= rest - 1) {
      uint32_t i = uint32_t(__builtin_ctz(rest));
      std::memcpy(data + i * 16, source.bytes[i], n);
    }
  }
  LaneMemory target;
  AccessKind kind;
  kind.write = true;
  resolve(w, op, Space::Shared, mask, to, op.a, kind, target);
  uint32_t record = ~0u;
  if (w.launch.checks(CheckRace | CheckAsync)) {
    record = w.block.races.asyncRecord(w, op, target.mask);
    w.openCopies.emplace_back(record, target.mask);
  }
  judge(w, op, target, kind, data, 16, record);
  countTraffic(w, op, target);
  for (uint32_t rest = target.mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    std::memcpy(target.bytes[i], data + i * 16, op.a);
  }
}

void execCommit(Warp &w, const Op &, uint32_t mask) { w.commitGroup(mask); }
void execWaitGroup(Warp &w, const Op &op, uint32_t mask) {
  w.waitGroups(mask, uint32_t(op.imm));
}
void execWaitAll(Warp &w, const Op &, uint32_t mask) { w.waitAll(mask); }

void decodeCopy(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::AsyncCopy;
  d.needTarget(80, "cp.async");
  if (!d.take("async"))
    d.refuse("expects cp.async");
  if (d.take("commit_group")) {
    d.needCount(0);
    op.fn = execCommit;
    return;
  }
  if (d.take("wait_group")) {
    d.needCount(1);
    uint64_t n = d.immediate(d.operand(0), "the number of groups");
    op.imm = int64_t(std::min<uint64_t>(n, 1u << 30));
    op.fn = execWaitGroup;
    return;
  }
  if (d.take("wait_all")) {
    d.needCount(0);
    op.fn = execWaitAll;
    return;
  }
  bool global = d.needAny({"ca", "cg"}, "a cache level") == "cg";
  if (!d.take("shared") && !d.take("shared::cta"))
    d.refuse("expects .shared.global");
  if (!d.take("global"))
    d.refuse("expects .shared.global");
  bool hint = d.take("L2::cache_hint");
  (void)d.takeAny({"L2::64B", "L2::128B", "L2::256B"});
  d.needCount(3 + hint, 4 + hint);
  Space space = Space::Shared;
  d.address(d.operand(0), 0, space);
  int64_t imm = op.imm;
  op.c = op.narrowBase;
  space = Space::Global;
  d.address(d.operand(1), 1, space);
  op.o[10] = uint32_t(uint64_t(op.imm));
  op.o[11] = uint32_t(uint64_t(op.imm) >> 32);
  op.c |= uint8_t(op.narrowBase << 1);
  op.imm = imm;
  uint64_t size = d.immediate(d.operand(2), "the number of bytes");
  if (size != 16 && (global || (size != 4 && size != 8)))
    d.refuse(std::string("expects ") + (global ? "16" : "4, 8 or 16") +
             " bytes, but got " + std::to_string(size));
  op.a = uint8_t(size);
  if (d.count() == 4u + hint) {
    const Operand &extra = d.operand(3);
    if (d.registerType(extra) == Type::Pred) {
      bool negated;
      op.o[3] = d.predicate(extra, negated);
      op.b = negated;
    } else {
      op.o[2] = d.source(extra, Type::U32);
    }
  }
  if (hint)
    d.source(d.count() - 1, Type::B64);
  op.fn = execCopy;
}
} // namespace

void attn::emu::addAsyncCopy(InstructionTable &table) {
  table["cp"] = decodeCopy;
}
