//===- Move.cpp - mov, with its packing and unpacking ---------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// mov.b64 {%r1, %r2}, %rd1 cuts a value into parts, lowest first;
// mov.b32 %r1, {%h1, %h2} puts one together.
//
//===----------------------------------------------------------------------===//

#include "Exec.h"

using namespace attn::emu;

namespace {

template <class W>
void execMov(Warp &w, const Op &op, uint32_t mask) {
  W *d = rowOf<W>(w, op.o[0]), *a = rowOf<W>(w, op.o[1]);
  forLanes(mask, [&](uint32_t i) { d[i] = a[i]; });
}
void execMov128(Warp &w, const Op &op, uint32_t mask) {
  uint64_t *d = w.r64(op.o[0]), *a = w.r64(op.o[1]);
  forLanes(mask, [&](uint32_t i) {
    d[i] = a[i];
    d[i + 32] = a[i + 32];
  });
}
void execMovPred(Warp &w, const Op &op, uint32_t mask) {
  uint32_t a = w.pred(op.o[1]) ^ (op.b ? ~0u : 0);
  uint32_t &d = w.pred(op.o[0]);
  d = (d & ~mask) | (a & mask);
}
/// %clock and its kin: steps of the warp stand for cycles.
void execClock(Warp &w, const Op &op, uint32_t mask) {
  uint64_t now = w.steps;
  if (op.a) {
    uint64_t *d = w.r64(op.o[0]);
    forLanes(mask, [&](uint32_t i) { d[i] = now; });
  } else {
    uint32_t *d = w.r32(op.o[0]);
    forLanes(mask, [&](uint32_t i) { d[i] = uint32_t(now); });
  }
}

/// op.a parts of op.b bits; the whole has op.c bits.
void execPack(Warp &w, const Op &op, uint32_t mask) {
  unsigned parts = op.a, bits = op.b;
  forLanes(mask, [&](uint32_t i) {
    if (op.c == 128) {
      for (unsigned k = 0; k < 2; ++k) {
        uint64_t v = 0;
        if (bits == 64)
          v = w.r64(op.o[1 + k])[i];
        else
          v = uint64_t(w.r32(op.o[2 + 2 * k])[i]) << 32 |
              w.r32(op.o[1 + 2 * k])[i];
        w.r64(op.o[0])[i + 32 * k] = v;
      }
      return;
    }
    uint64_t value = 0, part = (uint64_t(1) << bits) - 1;
    for (unsigned k = 0; k < parts; ++k)
      value |= (uint64_t(w.r32(op.o[1 + k])[i]) & part) << (k * bits);
    if (op.c == 64)
      w.r64(op.o[0])[i] = value;
    else
      w.r32(op.o[0])[i] = uint32_t(value);
  });
}
void execUnpack(Warp &w, const Op &op, uint32_t mask) {
  unsigned parts = op.a, bits = op.b;
  forLanes(mask, [&](uint32_t i) {
    uint64_t low = op.c == 32 ? w.r32(op.o[0])[i] : w.r64(op.o[0])[i];
    uint64_t high = op.c == 128 ? w.r64(op.o[0])[i + 32] : 0;
    for (unsigned k = 0; k < parts; ++k) {
      unsigned at = k * bits;
      uint64_t v = at >= 64 ? high >> (at - 64) : low >> at;
      if (bits == 64)
        w.r64(op.o[1 + k])[i] = v;
      else
        w.r32(op.o[1 + k])[i] = uint32_t(v & ((uint64_t(1) << bits) - 1));
    }
  });
}

Type untyped(unsigned bits) {
  return bits == 8    ? Type::B8
         : bits == 16 ? Type::B16
         : bits == 32 ? Type::B32
                      : Type::B64;
}

void decodeMov(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Move;
  Type type = d.takeType();
  if (type == Type::None || (bitsOf(type) < 16 && type != Type::Pred))
    d.refuse("expects a type of 16 bits or more");
  d.needCount(2);
  const Operand &to = d.operand(0), &from = d.operand(1);
  bool unpack = to.kind == Operand::Vector, pack = from.kind == Operand::Vector;
  if (unpack && pack)
    d.refuse("expects one vector at most");
  if (unpack || pack) {
    if (!isUntyped(type))
      d.refuse("expects an untyped value such as .b32 to pack or unpack");
    const Operand &vector = unpack ? to : from;
    auto parts = unsigned(vector.parts.size());
    unsigned bits = parts ? bitsOf(type) / parts : 0;
    if ((parts != 2 && parts != 4) || bits < 8)
      d.refuse("expects 2 or 4 parts of 8 bits or more, but got " +
               std::to_string(parts));
    op.a = uint8_t(parts);
    op.b = uint8_t(bits);
    op.c = uint8_t(bitsOf(type));
    op.o[0] = pack ? d.destination(to, type) : d.source(from, type);
    for (unsigned k = 0; k < parts; ++k)
      op.o[1 + k] = pack ? d.source(vector.parts[k], untyped(bits))
                         : d.destination(vector.parts[k], untyped(bits));
    op.fn = pack ? execPack : execUnpack;
    return;
  }
  if (type == Type::Pred) {
    bool negated;
    op.o[0] = d.predicateDestination(to);
    op.o[1] = d.predicate(from, negated);
    op.b = negated;
    op.fn = execMovPred;
    return;
  }
  op.o[0] = d.destination(to, type);
  if (from.kind == Operand::Sreg) {
    bool wide = from.name == "%clock64" || from.name == "%globaltimer";
    if (wide || from.name == "%clock" || from.name == "%clock_hi" ||
        from.name == "%globaltimer_lo" || from.name == "%globaltimer_hi") {
      if (bitsOf(type) != (wide ? 64u : 32u))
        d.refuse("expects '" + from.name + "' to be read as a " +
                 (wide ? "64" : "32") + "-bit value");
      op.a = wide;
      op.fn = execClock;
      return;
    }
  }
  op.o[1] = d.source(from, type);
  op.fn = bitsOf(type) == 128  ? execMov128
          : bitsOf(type) == 64 ? execMov<uint64_t>
                               : execMov<uint32_t>;
}
} // namespace

void attn::emu::addMove(InstructionTable &table) { table["mov"] = decodeMov; }
