//===- WarpOps.cpp - shfl, vote, match, redux, elect, activemask, bar.warp.sync
//-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Collectives over the lanes that a member mask names. Only bar.warp.sync
// orders memory: a shuffle exchanges registers and says nothing about what
// lanes have stored.
//
//===----------------------------------------------------------------------===//

#include "Exec.h"

#include <algorithm>

using namespace attn::emu;

namespace {

constexpr uint32_t kMembers = 15;

/// The lanes that take part with `lane`.
inline uint32_t group(const uint32_t *members, uint32_t lane, uint32_t mask) {
  return members[lane] & mask;
}

//===----------------------------------------------------------------------===//
// shfl
//===----------------------------------------------------------------------===//

enum Mode : uint8_t { kUp, kDown, kBfly, kIdx };

void execShfl(Warp &w, const Op &op, uint32_t mask) {
  uint32_t a[32], valid = 0;
  std::memcpy(a, w.r32(op.o[2]), sizeof a);
  uint32_t b[32], c[32];
  std::memcpy(b, w.r32(op.o[3]), sizeof b);
  std::memcpy(c, w.r32(op.o[4]), sizeof c);
  uint32_t *d = w.r32(op.o[0]);
  const uint32_t *members = w.r32(op.o[kMembers]);
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    auto lane = int(__builtin_ctz(rest));
    int value = int(b[lane] & 31), clampTo = int(c[lane] & 31),
        segment = int(c[lane] >> 8 & 31);
    int most = (lane & segment) | (clampTo & ~segment);
    int least = lane & segment;
    int from = 0;
    bool ok = false;
    switch (Mode(op.a)) {
    case kUp:
      from = lane - value;
      ok = from >= most;
      break;
    case kDown:
      from = lane + value;
      ok = from <= most;
      break;
    case kBfly:
      from = lane ^ value;
      ok = from <= most;
      break;
    case kIdx:
      from = least | (value & ~segment);
      ok = from <= most;
      break;
    }
    if (!ok)
      from = lane;
    if (!(group(members, uint32_t(lane), mask) >> from & 1) && from != lane &&
        w.launch.checks(CheckDivergence)) {
      Finding f;
      f.kind = "divergence";
      f.message = "reads lane " + std::to_string(from) + " from lane " +
                  std::to_string(lane) + ", but only lanes " +
                  hex(mask & members[lane]) + " take part";
      w.launch.find(std::move(f), &op, w.block, w.thread(uint32_t(lane)));
    }
    d[lane] = a[from];
    valid |= uint32_t(ok) << lane;
  }
  if (op.o[1] != kNoRow) {
    uint32_t &p = w.pred(op.o[1]);
    p = (p & ~mask) | valid;
  }
}

void decodeShfl(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Shuffle;
  if (!d.take("sync"))
    d.refuse("expects shfl.sync: without .sync it is gone since sm_70");
  std::string_view mode = d.needAny({"up", "down", "bfly", "idx"}, "a mode");
  op.a = mode == "up"     ? kUp
         : mode == "down" ? kDown
         : mode == "bfly" ? kBfly
                          : kIdx;
  d.needType({Type::B32});
  d.needCount(5);
  const Operand *to = &d.operand(0);
  if (to->kind == Operand::Pair) {
    op.o[1] = d.predicateDestination(to->parts[1]);
    to = &to->parts[0];
  }
  op.o[0] = d.destination(*to, Type::B32);
  op.o[2] = d.source(1, Type::B32);
  op.o[3] = d.source(2, Type::B32);
  op.o[4] = d.source(3, Type::B32);
  op.o[kMembers] = d.source(4, Type::B32);
  op.flow = Flow::Collective;
  op.fn = execShfl;
}

//===----------------------------------------------------------------------===//
// vote, match, redux, elect
//===----------------------------------------------------------------------===//

enum Vote : uint8_t { kAll, kAny, kUni, kBallot };

void execVote(Warp &w, const Op &op, uint32_t mask) {
  uint32_t a = w.pred(op.o[1]) ^ (op.b ? ~0u : 0);
  const uint32_t *members = w.r32(op.o[kMembers]);
  uint32_t result = 0;
  uint32_t *d = op.a == kBallot ? w.r32(op.o[0]) : nullptr;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    uint32_t lanes = group(members, i, mask), votes = a & lanes;
    bool yes = op.a == kAll   ? votes == lanes
               : op.a == kAny ? votes != 0
                              : votes == 0 || votes == lanes;
    if (d)
      d[i] = votes;
    result |= uint32_t(yes) << i;
  }
  if (!d) {
    uint32_t &p = w.pred(op.o[0]);
    p = (p & ~mask) | result;
  }
}

void decodeVote(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Shuffle;
  if (!d.take("sync"))
    d.refuse("expects vote.sync: without .sync it is gone since sm_70");
  std::string_view mode = d.needAny({"all", "any", "uni", "ballot"}, "a mode");
  op.a = mode == "all"   ? kAll
         : mode == "any" ? kAny
         : mode == "uni" ? kUni
                         : kBallot;
  d.needCount(3);
  if (op.a == kBallot) {
    d.needType({Type::B32});
    op.o[0] = d.destination(0, Type::B32);
  } else {
    d.needType({Type::Pred});
    op.o[0] = d.predicateDestination(d.operand(0));
  }
  bool negated;
  op.o[1] = d.predicate(d.operand(1), negated);
  op.b = negated;
  op.o[kMembers] = d.source(2, Type::B32);
  op.flow = Flow::Collective;
  op.fn = execVote;
}

template <class T>
void execMatch(Warp &w, const Op &op, uint32_t mask) {
  T a[32];
  std::memcpy(a, rowOf<T>(w, op.o[2]), sizeof a);
  const uint32_t *members = w.r32(op.o[kMembers]);
  uint32_t *d = w.r32(op.o[0]);
  uint32_t same = 0;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    uint32_t lanes = group(members, i, mask), equal = 0;
    for (uint32_t others = lanes; others; others &= others - 1) {
      uint32_t k = uint32_t(__builtin_ctz(others));
      equal |= uint32_t(a[k] == a[i]) << k;
    }
    bool all = equal == lanes;
    d[i] = op.a ? (all ? lanes : 0) : equal;
    same |= uint32_t(all) << i;
  }
  if (op.o[1] != kNoRow) {
    uint32_t &p = w.pred(op.o[1]);
    p = (p & ~mask) | same;
  }
}

void decodeMatch(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Shuffle;
  op.a = d.needAny({"any", "all"}, "a mode") == "all";
  if (!d.take("sync"))
    d.refuse("expects match with .sync");
  Type type = d.needType({Type::B32, Type::B64});
  d.needCount(3);
  const Operand *to = &d.operand(0);
  if (to->kind == Operand::Pair) {
    if (!op.a)
      d.refuse("expects d|p as the result of match.all only");
    op.o[1] = d.predicateDestination(to->parts[1]);
    to = &to->parts[0];
  }
  op.o[0] = d.destination(*to, Type::B32);
  op.o[2] = d.source(1, type);
  op.o[kMembers] = d.source(2, Type::B32);
  op.flow = Flow::Collective;
  op.fn = type == Type::B32 ? execMatch<uint32_t> : execMatch<uint64_t>;
}

enum Redux : uint8_t { kAdd, kMin, kMax, kAnd, kOr, kXor };

void execRedux(Warp &w, const Op &op, uint32_t mask) {
  uint32_t a[32];
  std::memcpy(a, w.r32(op.o[1]), sizeof a);
  const uint32_t *members = w.r32(op.o[kMembers]);
  uint32_t *d = w.r32(op.o[0]);
  bool s = op.type == Type::S32;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    uint32_t lanes = group(members, i, mask);
    if (!lanes)
      continue;
    uint32_t r = a[__builtin_ctz(lanes)];
    for (uint32_t others = lanes & (lanes - 1); others; others &= others - 1) {
      uint32_t v = a[__builtin_ctz(others)];
      switch (Redux(op.a)) {
      case kAdd:
        r += v;
        break;
      case kMin:
        r = s ? uint32_t(std::min(int32_t(r), int32_t(v))) : std::min(r, v);
        break;
      case kMax:
        r = s ? uint32_t(std::max(int32_t(r), int32_t(v))) : std::max(r, v);
        break;
      case kAnd:
        r &= v;
        break;
      case kOr:
        r |= v;
        break;
      case kXor:
        r ^= v;
        break;
      }
    }
    d[i] = r;
  }
}

void decodeRedux(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Shuffle;
  d.needTarget(80, "redux");
  if (!d.take("sync"))
    d.refuse("expects redux.sync");
  std::string_view what =
      d.needAny({"add", "min", "max", "and", "or", "xor"}, "an operation");
  static const char *const names[] = {"add", "min", "max", "and", "or", "xor"};
  for (uint8_t i = 0; i < 6; ++i)
    if (what == names[i])
      op.a = i;
  op.type = op.a >= kAnd ? d.needType({Type::B32})
                         : d.needType({Type::U32, Type::S32});
  d.needCount(3);
  op.o[0] = d.destination(0, op.type);
  op.o[1] = d.source(1, op.type);
  op.o[kMembers] = d.source(2, Type::B32);
  op.flow = Flow::Collective;
  op.fn = execRedux;
}

void execElect(Warp &w, const Op &op, uint32_t mask) {
  const uint32_t *members = w.r32(op.o[kMembers]);
  uint32_t *d = w.r32(op.o[0]);
  uint32_t elected = 0;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    uint32_t lanes = group(members, i, mask);
    uint32_t leader = lanes ? uint32_t(__builtin_ctz(lanes)) : i;
    d[i] = leader;
    elected |= uint32_t(leader == i) << i;
  }
  uint32_t &p = w.pred(op.o[1]);
  p = (p & ~mask) | elected;
}

void decodeElect(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Shuffle;
  d.needTarget(90, "elect");
  if (!d.take("sync"))
    d.refuse("expects elect.sync");
  d.needCount(2);
  const Operand &to = d.operand(0);
  if (to.kind != Operand::Pair)
    d.refuse("expects d|p as the result of elect");
  op.o[0] = d.destination(to.parts[0], Type::B32);
  op.o[1] = d.predicateDestination(to.parts[1]);
  op.o[kMembers] = d.source(1, Type::B32);
  op.flow = Flow::Collective;
  op.fn = execElect;
}

void execActiveMask(Warp &w, const Op &op, uint32_t mask) {
  uint32_t *d = w.r32(op.o[0]);
  forLanes(mask, [&](uint32_t i) { d[i] = mask; });
}
void decodeActiveMask(Decoder &d) {
  d.op.cls = OpClass::Shuffle;
  d.needType({Type::B32});
  d.needCount(1);
  d.op.o[0] = d.destination(0, Type::B32);
  d.op.fn = execActiveMask;
}

/// Lanes of the mask have seen what all of them did.
void execBarWarp(Warp &w, const Op &op, uint32_t mask) {
  ++w.block.counters[op.index].barriers;
  if (!w.launch.checks(CheckRace | CheckAsync))
    return;
  const uint32_t *members = w.r32(op.o[kMembers]);
  for (uint32_t rest = mask; rest;) {
    uint32_t lanes = group(members, uint32_t(__builtin_ctz(rest)), mask);
    if (!lanes)
      break;
    auto joined = std::make_shared<Clock>(uint32_t(w.block.linear),
                                          size_t(w.block.threads) + 32);
    w.publish(*joined, lanes);
    w.acquire(lanes, joined);
    rest &= ~lanes;
  }
  ++w.clock;
}
} // namespace

void attn::emu::decodeBarWarp(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Barrier;
  d.needAny({"sync"}, "a form");
  d.needCount(1);
  op.o[kMembers] = d.source(0, Type::B32);
  op.flow = Flow::Collective;
  op.fn = execBarWarp;
}

void attn::emu::addWarp(InstructionTable &table) {
  table["shfl"] = decodeShfl;
  table["vote"] = decodeVote;
  table["match"] = decodeMatch;
  table["redux"] = decodeRedux;
  table["elect"] = decodeElect;
  table["activemask"] = decodeActiveMask;
}
