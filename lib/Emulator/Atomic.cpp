//===- Atomic.cpp - atom and red ------------------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lanes take turns in order of their number; blocks take turns through a lock.
//
//===----------------------------------------------------------------------===//

#include "Access.h"

#include <algorithm>

using namespace attn::emu;

namespace {

enum Kind : uint8_t {
  kAdd,
  kMin,
  kMax,
  kExch,
  kCas,
  kAnd,
  kOr,
  kXor,
  kInc,
  kDec
};
constexpr uint8_t kAcquire = 1, kRelease = 2;
constexpr uint32_t kBase = 8;

float flushedAdd(float a, float b, bool flushes) {
  float r = a + b;
  return canonical(flushes ? flush(r) : r);
}

uint16_t half16(Kind kind, Type type, uint16_t a, uint16_t b) {
  bool bf16 = type == Type::BF16 || type == Type::BF16x2;
  double x = bf16 ? bf16ToFloat(a) : f16ToFloat(a);
  double y = bf16 ? bf16ToFloat(b) : f16ToFloat(b);
  double r = kind == kAdd   ? addOdd(x, y)
             : kind == kMin ? std::fmin(x, y)
                            : std::fmax(x, y);
  return bf16 ? toBF16(r) : toF16(r);
}

uint64_t combine(const Op &op, uint64_t old, uint64_t b, uint64_t c) {
  auto kind = Kind(op.a);
  unsigned n = bitsOf(op.type);
  switch (kind) {
  case kExch:
    return b;
  case kCas:
    return old == b ? c : old;
  case kAnd:
    return old & b;
  case kOr:
    return old | b;
  case kXor:
    return old ^ b;
  case kInc:
    return uint32_t(old) >= uint32_t(b) ? 0 : uint32_t(old) + 1;
  case kDec:
    return old == 0 || uint32_t(old) > uint32_t(b) ? b : uint32_t(old) - 1;
  default:
    break;
  }
  switch (op.type) {
  case Type::F32:
    return bitCast<uint32_t>(flushedAdd(bitCast<float>(uint32_t(old)),
                                        bitCast<float>(uint32_t(b)), op.ftz));
  case Type::F64:
    return bitCast<uint64_t>(bitCast<double>(old) + bitCast<double>(b));
  case Type::F16:
  case Type::BF16:
    return half16(kind, op.type, uint16_t(old), uint16_t(b));
  case Type::F16x2:
  case Type::BF16x2:
    return uint32_t(half16(kind, op.type, uint16_t(old), uint16_t(b))) |
           uint32_t(
               half16(kind, op.type, uint16_t(old >> 16), uint16_t(b >> 16)))
               << 16;
  default:
    break;
  }
  if (kind == kAdd)
    return n == 32 ? uint32_t(old + b) : old + b;
  if (isSigned(op.type)) {
    auto x = n == 32 ? int64_t(int32_t(old)) : int64_t(old);
    auto y = n == 32 ? int64_t(int32_t(b)) : int64_t(b);
    int64_t r = kind == kMin ? std::min(x, y) : std::max(x, y);
    return n == 32 ? uint32_t(r) : uint64_t(r);
  }
  return kind == kMin ? std::min(old, b) : std::max(old, b);
}

void atomicSpace(Warp &w, const Op &op, Space space, uint32_t mask,
                 const uint64_t *address) {
  unsigned size = bitsOf(op.type) / 8;
  unsigned vector = op.d;
  LaneMemory m;
  AccessKind kind;
  kind.write = kind.atomic = kind.strong = true;
  kind.scope = op.c;
  resolve(w, op, space, mask, address, size * vector, kind, m);
  if (m.space == Space::Local || m.space == Space::Param)
    m.mask = 0;
  judge(w, op, m, kind);
  countTraffic(w, op, m);
  bool wide = size == 8;
  std::unique_lock<std::mutex> lock;
  if (space != Space::Shared)
    lock = std::unique_lock<std::mutex>(w.launch.atomicMutex);
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    bool ok = m.mask >> i & 1;
    if (ok) {
      uint64_t key = space == Space::Shared
                         ? m.offset[i]
                         : m.allocation[i]->base + m.offset[i];
      acquireLane(w, space, key, i, op.b & kAcquire, op.c);
      // A compare that fails writes nothing, but is ordered all the same.
      releaseLane(w, space, key, i, op.b & kRelease, true, op.c);
    }
    for (unsigned k = 0; k < vector; ++k) {
      uint64_t old = 0;
      if (ok)
        std::memcpy(&old, m.bytes[i] + k * size, size);
      auto value = [&](uint32_t row) -> uint64_t {
        uint64_t v = wide ? w.r64(row)[i] : w.r32(row)[i];
        return size == 2 ? v & 0xffff : v;
      };
      uint64_t b = value(op.o[9 + k]);
      uint64_t c = op.o[14] == kNoRow ? 0 : value(op.o[14]);
      uint64_t now = combine(op, old, b, c);
      if (ok)
        std::memcpy(m.bytes[i] + k * size, &now, size);
      if (op.o[k] != kNoRow) {
        if (wide)
          w.r64(op.o[k])[i] = old;
        else
          w.r32(op.o[k])[i] = uint32_t(old);
      }
    }
  }
}

void execAtomic(Warp &w, const Op &op, uint32_t mask) {
  uint64_t address[32];
  laneAddresses(w, op, op.o[kBase], mask, address);
  if (op.space != Space::Generic) {
    atomicSpace(w, op, op.space, mask, address);
    return;
  }
  while (mask) {
    Space space;
    uint32_t lanes = lanesInSpace(address, mask, space);
    atomicSpace(w, op, space, lanes, address);
    mask &= ~lanes;
  }
}

template <bool Returns>
void decodeAtomic(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Atomic;
  if (d.take("acquire"))
    op.b = kAcquire;
  else if (d.take("release"))
    op.b = kRelease;
  else if (d.take("acq_rel"))
    op.b = kAcquire | kRelease;
  else
    (void)d.take("relaxed");
  bool given;
  op.c = takeScope(d, given);
  op.space = takeSpace(d);
  if (op.space != Space::Generic && op.space != Space::Global &&
      op.space != Space::Shared)
    d.refuse("expects .global, .shared or a generic address");
  static const char *const names[] = {"add", "min", "max", "exch", "cas",
                                      "and", "or",  "xor", "inc",  "dec"};
  std::string_view found = d.needAny(
      {"add", "min", "max", "exch", "cas", "and", "or", "xor", "inc", "dec"},
      "an operation");
  for (uint8_t i = 0; i < 10; ++i)
    if (found == names[i])
      op.a = i;
  if (!Returns && (op.a == kExch || op.a == kCas))
    d.refuse("expects an operation of red");
  bool noftz = d.take("noftz");
  bool hint = d.take("L2::cache_hint");
  op.d = d.take("v2") ? 2 : d.take("v4") ? 4 : 1;
  Type type = d.takeType();
  op.type = type;
  bool ok = false;
  switch (op.a) {
  case kAdd:
    ok = type == Type::U32 || type == Type::S32 || type == Type::U64 ||
         type == Type::F16 || type == Type::F16x2 || type == Type::BF16 ||
         type == Type::BF16x2 || type == Type::F32 || type == Type::F64;
    break;
  case kMin:
  case kMax:
    ok = type == Type::U32 || type == Type::S32 || type == Type::U64 ||
         type == Type::S64 ||
         (op.d > 1 && isFloat(type) && bitsOf(type) <= 32 &&
          type != Type::F32 && type != Type::TF32);
    break;
  case kExch:
    ok = type == Type::B32 || type == Type::B64;
    break;
  case kCas:
    ok = type == Type::B16 || type == Type::B32 || type == Type::B64;
    break;
  case kInc:
  case kDec:
    ok = type == Type::U32;
    break;
  default:
    ok = type == Type::B32 || type == Type::B64;
  }
  if (!ok)
    d.refuse(std::string("does not know atomic .") + std::string(found) +
             " on '." + typeName(type) + "'");
  bool small =
      bitsOf(type) == 16 || type == Type::F16x2 || type == Type::BF16x2;
  if (small && isFloat(type) && op.a == kAdd && !noftz)
    d.refuse("expects .noftz on 16-bit floats");
  if (noftz && !(small && isFloat(type)))
    d.refuse("expects .noftz on 16-bit floats only");
  if (type == Type::BF16 || type == Type::BF16x2)
    d.needTarget(90, "an atomic on bf16");
  if (op.d > 1) {
    d.needTarget(90, "a vector atomic");
    if (!isFloat(type) || op.space == Space::Shared ||
        bitsOf(type) * op.d > 128)
      d.refuse("expects vector atomics on floats in global memory, of at most "
               "16 bytes");
  }
  // Global float adds flush subnormals, shared ones do not.
  op.ftz = type == Type::F32 && op.space != Space::Shared;
  size_t first = Returns ? 1 : 0;
  d.needCount(first + 2 + (op.a == kCas) + hint);
  if (Returns) {
    auto list = d.vector(d.operand(0), op.d);
    for (unsigned k = 0; k < op.d; ++k)
      op.o[k] = d.destination(*list[k], type);
  }
  Space space = op.space;
  d.address(d.operand(first), kBase, space);
  op.space = space;
  auto list = d.vector(d.operand(first + 1), op.d);
  for (unsigned k = 0; k < op.d; ++k)
    op.o[9 + k] = d.source(*list[k], type);
  if (op.a == kCas)
    op.o[14] = d.source(first + 2, type);
  op.fn = execAtomic;
}
} // namespace

void attn::emu::addAtomic(InstructionTable &table) {
  table["atom"] = decodeAtomic<true>;
  table["red"] = decodeAtomic<false>;
}
