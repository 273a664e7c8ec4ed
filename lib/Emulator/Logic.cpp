//===- Logic.cpp - Bits: and, or, shifts, permutes, fields, counts --------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shifts clamp their amount as PTX says: shl.b32 by 40 gives 0, shr.s32 by 40
// the sign.
//
//===----------------------------------------------------------------------===//

#include "Exec.h"

#include <algorithm>

using namespace attn::emu;

namespace {

struct And {
  template <class T>
  static T apply(T a, T b, const Op &) {
    return T(a & b);
  }
};
struct Or {
  template <class T>
  static T apply(T a, T b, const Op &) {
    return T(a | b);
  }
};
struct Xor {
  template <class T>
  static T apply(T a, T b, const Op &) {
    return T(a ^ b);
  }
};
struct Not {
  template <class T>
  static T apply(T a, const Op &) {
    return T(~a);
  }
};
struct CNot {
  template <class T>
  static T apply(T a, const Op &) {
    return T(a == 0);
  }
};
struct Shl {
  template <class T>
  static T apply(T a, uint32_t n, const Op &) {
    return n >= sizeof(T) * 8 ? T(0) : T(uint64_t(a) << n);
  }
};
struct Shr {
  template <class T>
  static T apply(T a, uint32_t n, const Op &) {
    return T(a >> std::min<uint32_t>(n, sizeof(T) * 8 - 1)) &
           ((!std::is_signed_v<T> && n >= sizeof(T) * 8) ? T(0) : T(~T(0)));
  }
};
template <bool Left, bool Clamp>
struct Funnel {
  static uint32_t apply(uint32_t a, uint32_t b, uint32_t c, const Op &) {
    uint32_t n = Clamp ? std::min(c, 32u) : c & 31;
    uint64_t both = uint64_t(b) << 32 | a;
    return Left ? uint32_t((both << n) >> 32) : uint32_t(both >> n);
  }
};
struct Popc {
  template <class T>
  static uint32_t apply(T a, const Op &) {
    return uint32_t(__builtin_popcountll(a));
  }
};
struct Clz {
  static uint32_t apply(uint32_t a, const Op &) {
    return a ? uint32_t(__builtin_clz(a)) : 32;
  }
  static uint32_t apply(uint64_t a, const Op &) {
    return a ? uint32_t(__builtin_clzll(a)) : 64;
  }
};
struct Brev {
  template <class T>
  static T apply(T a, const Op &) {
    T r = 0;
    for (unsigned i = 0; i < sizeof(T) * 8; ++i)
      r = T(r << 1) | T((a >> i) & 1);
    return r;
  }
};
/// The highest bit that differs from the sign; with op.a as a shift amount.
struct Bfind {
  template <class T>
  static uint32_t apply(T a, const Op &op) {
    using U = std::make_unsigned_t<T>;
    U x = U(a < 0 ? T(~a) : a);
    if (!x)
      return ~0u;
    uint32_t bit = 63 - uint32_t(__builtin_clzll(uint64_t(x)));
    return op.a ? uint32_t(sizeof(T) * 8 - 1) - bit : bit;
  }
};
struct Bfe {
  template <class T>
  static T apply(T a, uint32_t b, uint32_t c, const Op &) {
    using U = std::make_unsigned_t<T>;
    constexpr uint32_t msb = sizeof(T) * 8 - 1;
    uint32_t pos = b & 255, len = c & 255;
    U sign = 0;
    if (std::is_signed_v<T> && len)
      sign = U(U(a) >> std::min(pos + len - 1, msb)) & 1;
    U d = 0;
    for (uint32_t i = 0; i <= msb; ++i) {
      U bit = i < len && pos + i <= msb ? U(U(a) >> (pos + i)) & 1 : sign;
      d |= U(bit << i);
    }
    return T(d);
  }
};
template <class T>
T insertBits(T a, T b, uint32_t c, uint32_t e) {
  constexpr uint32_t msb = sizeof(T) * 8 - 1;
  uint32_t pos = c & 255, len = e & 255;
  T f = b;
  for (uint32_t i = 0; i < len && pos + i <= msb; ++i)
    f = T(f & ~(T(1) << (pos + i))) | T(((a >> i) & 1) << (pos + i));
  return f;
}
template <class T>
void execBfi(Warp &w, const Op &op, uint32_t mask) {
  auto *d = rowOf<T>(w, op.o[0]);
  auto *a = rowOf<T>(w, op.o[1]);
  auto *b = rowOf<T>(w, op.o[2]);
  uint32_t *c = w.r32(op.o[3]), *e = w.r32(op.o[4]);
  forLanes(mask, [&](uint32_t i) {
    d[i] = insertBits<T>(T(a[i]), T(b[i]), c[i], e[i]);
  });
}
template <bool Clamp>
struct Bmsk {
  static uint32_t apply(uint32_t a, uint32_t b, const Op &) {
    uint32_t pos = Clamp ? std::min(a, 32u) : a & 31;
    uint32_t len = Clamp ? std::min(b, 32u) : b & 31;
    uint64_t bits = ((uint64_t(1) << len) - 1) << pos;
    return uint32_t(bits);
  }
};
struct Fns {
  static uint32_t apply(uint32_t m, uint32_t base, uint32_t n, const Op &) {
    int offset = int(n);
    if (offset == 0)
      return base < 32 && (m >> base & 1) ? base : ~0u;
    int step = offset > 0 ? 1 : -1, left = std::abs(offset);
    for (int at = int(base); at >= 0 && at < 32; at += step)
      if (m >> at & 1 && --left == 0)
        return uint32_t(at);
    return ~0u;
  }
};
struct Prmt {
  static uint32_t apply(uint32_t a, uint32_t b, uint32_t c, const Op &op) {
    uint64_t bytes = uint64_t(b) << 32 | a;
    auto select = [&](uint32_t i) { return uint32_t(bytes >> (8 * i)) & 255; };
    uint32_t s = c & 3, sel[4];
    switch (op.a) {
    case 0: { // the default mode: a nibble each, whose high bit repeats the
              // sign
      uint32_t r = 0;
      for (uint32_t i = 0; i < 4; ++i) {
        uint32_t nibble = c >> (4 * i) & 15;
        uint32_t byte = select(nibble & 7);
        if (nibble & 8)
          byte = byte & 128 ? 255 : 0;
        r |= byte << (8 * i);
      }
      return r;
    }
    case 1: // f4e
      for (uint32_t i = 0; i < 4; ++i)
        sel[i] = s + i;
      break;
    case 2: // b4e
      for (uint32_t i = 0; i < 4; ++i)
        sel[i] = (s + 8 - i) & 7;
      break;
    case 3: // rc8
      for (uint32_t i = 0; i < 4; ++i)
        sel[i] = s;
      break;
    case 4: // ecl
      for (uint32_t i = 0; i < 4; ++i)
        sel[i] = std::max(i, s);
      break;
    case 5: // ecr
      for (uint32_t i = 0; i < 4; ++i)
        sel[i] = std::min(i, s);
      break;
    default: // rc16
      for (uint32_t i = 0; i < 4; ++i)
        sel[i] = (s & 1) * 2 + (i & 1);
    }
    uint32_t r = 0;
    for (uint32_t i = 0; i < 4; ++i)
      r |= select(sel[i] & 7) << (8 * i);
    return r;
  }
};
void execLop3(Warp &w, const Op &op, uint32_t mask) {
  uint32_t *d = w.r32(op.o[0]), *a = w.r32(op.o[1]), *b = w.r32(op.o[2]),
           *c = w.r32(op.o[3]);
  uint32_t table = uint32_t(op.imm);
  uint32_t nonzero = 0;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    uint32_t r = 0;
    for (uint32_t k = 0; k < 8; ++k)
      if (table >> k & 1)
        r |= (k & 4 ? a[i] : ~a[i]) & (k & 2 ? b[i] : ~b[i]) &
             (k & 1 ? c[i] : ~c[i]);
    d[i] = r;
    nonzero |= uint32_t(r != 0) << i;
  }
  if (op.o[4] != kNoRow) {
    uint32_t q = w.pred(op.o[5]);
    if (op.b)
      q = ~q;
    uint32_t p = op.a ? nonzero & q : nonzero | q;
    uint32_t &out = w.pred(op.o[4]);
    out = (out & ~mask) | (p & mask);
  }
}

/// and, or, xor, not on predicates; op.a: which, op.b and op.c: negated
/// sources.
void execPredicate(Warp &w, const Op &op, uint32_t mask) {
  uint32_t a = w.pred(op.o[1]) ^ (op.b ? ~0u : 0);
  uint32_t b = op.o[2] == kNoRow ? 0 : w.pred(op.o[2]) ^ (op.c ? ~0u : 0);
  uint32_t r = op.a == 0 ? a & b : op.a == 1 ? a | b : op.a == 2 ? a ^ b : ~a;
  uint32_t &d = w.pred(op.o[0]);
  d = (d & ~mask) | (r & mask);
}

template <class F, int Which>
void decodeBinary(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Logic;
  Type type = d.needType({Type::Pred, Type::B16, Type::B32, Type::B64});
  d.needCount(3);
  if (type == Type::Pred) {
    bool n1, n2;
    op.o[0] = d.predicateDestination(d.operand(0));
    op.o[1] = d.predicate(d.operand(1), n1);
    op.o[2] = d.predicate(d.operand(2), n2);
    op.a = Which;
    op.b = n1;
    op.c = n2;
    op.fn = execPredicate;
    return;
  }
  op.o[0] = d.destination(0, type);
  op.o[1] = d.source(1, type);
  op.o[2] = d.source(2, type);
  op.fn = pickInteger2<F>(type);
}

void decodeNot(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Logic;
  Type type = d.needType({Type::Pred, Type::B16, Type::B32, Type::B64});
  d.needCount(2);
  if (type == Type::Pred) {
    bool n;
    op.o[0] = d.predicateDestination(d.operand(0));
    op.o[1] = d.predicate(d.operand(1), n);
    op.a = 3;
    op.b = n;
    op.fn = execPredicate;
    return;
  }
  op.o[0] = d.destination(0, type);
  op.o[1] = d.source(1, type);
  op.fn = pickInteger1<Not>(type);
}

void decodeCNot(Decoder &d) {
  d.op.cls = OpClass::Logic;
  Type type = d.needType({Type::B16, Type::B32, Type::B64});
  d.needCount(2);
  d.op.o[0] = d.destination(0, type);
  d.op.o[1] = d.source(1, type);
  d.op.fn = pickInteger1<CNot>(type);
}

template <class F>
ExecFn shiftFn(Type type) {
  ATTN_EMU_PICK_INTEGER(type, (exec2<F, T, T, uint32_t>))
}

template <class F>
void decodeShift(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Logic;
  Type type =
      std::is_same_v<F, Shl>
          ? d.needType({Type::B16, Type::B32, Type::B64})
          : d.needType({Type::B16, Type::B32, Type::B64, Type::U16, Type::U32,
                        Type::U64, Type::S16, Type::S32, Type::S64});
  d.needCount(3);
  op.o[0] = d.destination(0, type);
  op.o[1] = d.source(1, type);
  op.o[2] = d.source(2, Type::U32);
  op.fn = shiftFn<F>(type);
}

void decodeShf(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Logic;
  bool left = d.needAny({"l", "r"}, "a direction") == "l";
  bool clamp = d.needAny({"clamp", "wrap"}, "a mode") == "clamp";
  d.needType({Type::B32});
  d.needCount(4);
  op.o[0] = d.destination(0, Type::B32);
  for (size_t i = 1; i < 4; ++i)
    op.o[i] = d.source(i, Type::B32);
  op.fn = left ? (clamp ? same3<Funnel<true, true>, uint32_t>
                        : same3<Funnel<true, false>, uint32_t>)
               : (clamp ? same3<Funnel<false, true>, uint32_t>
                        : same3<Funnel<false, false>, uint32_t>);
}

void decodePrmt(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Logic;
  d.needType({Type::B32});
  static const char *const modes[] = {"f4e", "b4e", "rc8",
                                      "ecl", "ecr", "rc16"};
  for (uint8_t i = 0; i < 6; ++i)
    if (d.take(modes[i]))
      op.a = i + 1;
  d.needCount(4);
  op.o[0] = d.destination(0, Type::B32);
  for (size_t i = 1; i < 4; ++i)
    op.o[i] = d.source(i, Type::B32);
  op.fn = same3<Prmt, uint32_t>;
}

void decodeBfe(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Logic;
  Type type = d.needType({Type::U32, Type::U64, Type::S32, Type::S64});
  d.needCount(4);
  op.o[0] = d.destination(0, type);
  op.o[1] = d.source(1, type);
  op.o[2] = d.source(2, Type::U32);
  op.o[3] = d.source(3, Type::U32);
  switch (type) {
  case Type::U32:
    op.fn = exec3<Bfe, uint32_t, uint32_t, uint32_t, uint32_t>;
    break;
  case Type::S32:
    op.fn = exec3<Bfe, int32_t, int32_t, uint32_t, uint32_t>;
    break;
  case Type::U64:
    op.fn = exec3<Bfe, uint64_t, uint64_t, uint32_t, uint32_t>;
    break;
  default:
    op.fn = exec3<Bfe, int64_t, int64_t, uint32_t, uint32_t>;
  }
}

void decodeBfi(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Logic;
  Type type = d.needType({Type::B32, Type::B64});
  d.needCount(5);
  op.o[0] = d.destination(0, type);
  op.o[1] = d.source(1, type);
  op.o[2] = d.source(2, type);
  op.o[3] = d.source(3, Type::U32);
  op.o[4] = d.source(4, Type::U32);
  op.fn = type == Type::B32 ? execBfi<uint32_t> : execBfi<uint64_t>;
}

void decodeBfind(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Logic;
  op.a = d.take("shiftamt");
  Type type = d.needType({Type::U32, Type::U64, Type::S32, Type::S64});
  d.needCount(2);
  op.o[0] = d.destination(0, Type::U32);
  op.o[1] = d.source(1, type);
  switch (type) {
  case Type::U32:
    op.fn = exec1<Bfind, uint32_t, uint32_t>;
    break;
  case Type::S32:
    op.fn = exec1<Bfind, uint32_t, int32_t>;
    break;
  case Type::U64:
    op.fn = exec1<Bfind, uint32_t, uint64_t>;
    break;
  default:
    op.fn = exec1<Bfind, uint32_t, int64_t>;
  }
}

template <class F>
void decodeCount(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Logic;
  Type type = d.needType({Type::B32, Type::B64});
  d.needCount(2);
  op.o[0] = d.destination(0, Type::U32);
  op.o[1] = d.source(1, type);
  op.fn = type == Type::B32 ? ExecFn(exec1<F, uint32_t, uint32_t>)
                            : exec1<F, uint32_t, uint64_t>;
}

void decodeBrev(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Logic;
  Type type = d.needType({Type::B32, Type::B64});
  d.needCount(2);
  op.o[0] = d.destination(0, type);
  op.o[1] = d.source(1, type);
  op.fn =
      type == Type::B32 ? ExecFn(same1<Brev, uint32_t>) : same1<Brev, uint64_t>;
}

void decodeBmsk(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Logic;
  bool clamp = d.needAny({"clamp", "wrap"}, "a mode") == "clamp";
  d.needType({Type::B32});
  d.needCount(3);
  op.o[0] = d.destination(0, Type::B32);
  op.o[1] = d.source(1, Type::U32);
  op.o[2] = d.source(2, Type::U32);
  op.fn = clamp ? same2<Bmsk<true>, uint32_t> : same2<Bmsk<false>, uint32_t>;
}

void decodeFns(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Logic;
  d.needType({Type::B32});
  d.needCount(4);
  op.o[0] = d.destination(0, Type::B32);
  for (size_t i = 1; i < 4; ++i)
    op.o[i] = d.source(i, Type::B32);
  op.fn = same3<Fns, uint32_t>;
}

void decodeLop3(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Logic;
  std::string_view combine = d.takeAny({"or", "and"});
  d.needType({Type::B32});
  d.needCount(combine.empty() ? 5 : 6);
  const Operand *first = &d.operand(0);
  if (!combine.empty()) {
    if (first->kind != Operand::Pair)
      d.refuse("expects d|p as the result of lop3 with a combination");
    bool negated;
    op.o[4] = d.predicateDestination(first->parts[1]);
    op.o[5] = d.predicate(d.operand(5), negated);
    op.a = combine == "and";
    op.b = negated;
    first = &first->parts[0];
  }
  op.o[0] = d.destination(*first, Type::B32);
  for (size_t i = 1; i < 4; ++i)
    op.o[i] = d.source(i, Type::B32);
  op.imm = int64_t(d.immediate(d.operand(4), "the table of lop3"));
  if (op.imm < 0 || op.imm > 255)
    d.refuse("expects a table of lop3 from 0 to 255, but got " +
             std::to_string(op.imm));
  op.fn = execLop3;
}
} // namespace

void attn::emu::addLogic(InstructionTable &table) {
  table["and"] = decodeBinary<And, 0>;
  table["or"] = decodeBinary<Or, 1>;
  table["xor"] = decodeBinary<Xor, 2>;
  table["not"] = decodeNot;
  table["cnot"] = decodeCNot;
  table["shl"] = decodeShift<Shl>;
  table["shr"] = decodeShift<Shr>;
  table["shf"] = decodeShf;
  table["prmt"] = decodePrmt;
  table["bfe"] = decodeBfe;
  table["bfi"] = decodeBfi;
  table["bfind"] = decodeBfind;
  table["clz"] = decodeCount<Clz>;
  table["popc"] = decodeCount<Popc>;
  table["brev"] = decodeBrev;
  table["bmsk"] = decodeBmsk;
  table["fns"] = decodeFns;
  table["lop3"] = decodeLop3;
}
