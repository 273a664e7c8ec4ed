//===- Compare.cpp - setp, set, selp, slct, testp, copysign ---------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Ordered comparisons are false on NaN, unordered ones (ltu, ...) true.
//
//===----------------------------------------------------------------------===//

#include "Exec.h"

using namespace attn::emu;

namespace {

enum Compare : uint8_t {
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kEqu,
  kNeu,
  kLtu,
  kLeu,
  kGtu,
  kGeu,
  kNum,
  kNan
};

template <Compare C, class T>
inline bool compare(T a, T b) {
  bool nan = a != a || b != b;
  switch (C) {
  case kEq:
    return a == b;
  case kNe:
    return !nan && a != b;
  case kLt:
    return a < b;
  case kLe:
    return a <= b;
  case kGt:
    return a > b;
  case kGe:
    return a >= b;
  case kEqu:
    return nan || a == b;
  case kNeu:
    return a != b;
  case kLtu:
    return !(a >= b);
  case kLeu:
    return !(a > b);
  case kGtu:
    return !(a <= b);
  case kGeu:
    return !(a < b);
  case kNum:
    return !nan;
  case kNan:
    return nan;
  }
}

/// The values that are compared.
template <class T>
struct Plain {
  using Word = RowWord<T>;
  static T get(Word word, const Op &op) {
    T v = fromWord<T>(word);
    if constexpr (std::is_same_v<T, float>)
      if (op.ftz)
        v = flush(v);
    return v;
  }
};
struct FromHalf {
  using Word = uint32_t;
  static float get(Word word, const Op &op) {
    float v = f16ToFloat(uint16_t(word));
    return op.ftz && std::fabs(v) < 0x1p-14f ? std::copysign(0.0f, v) : v;
  }
};
struct FromBF16 {
  using Word = uint32_t;
  static float get(Word word, const Op &) {
    return bf16ToFloat(uint16_t(word));
  }
};
template <class H>
struct High {
  using Word = uint32_t;
  static float get(Word word, const Op &op) { return H::get(word >> 16, op); }
};

using MaskFn = uint32_t (*)(Warp &, const Op &, uint32_t);

template <class G, Compare C>
uint32_t compareLanes(Warp &w, const Op &op, uint32_t mask) {
  auto *a = reinterpret_cast<typename G::Word *>(w.r32(op.o[2]));
  auto *b = reinterpret_cast<typename G::Word *>(w.r32(op.o[3]));
  uint32_t r = 0;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    r |= uint32_t(compare<C>(G::get(a[i], op), G::get(b[i], op))) << i;
  }
  return r;
}

/// Combines with the third source as .and/.or/.xor say. op.a: which (0: none),
/// op.b: negated.
uint32_t combine(Warp &w, const Op &op, uint32_t r) {
  if (!op.a)
    return r;
  uint32_t c = w.pred(op.o[4]) ^ (op.b ? ~0u : 0);
  return op.a == 1 ? r & c : op.a == 2 ? r | c : r ^ c;
}

template <class G, Compare C>
void execSetp(Warp &w, const Op &op, uint32_t mask) {
  uint32_t r = compareLanes<G, C>(w, op, mask);
  uint32_t p = combine(w, op, r);
  uint32_t q = op.o[1] == kNoRow ? 0 : combine(w, op, ~r);
  uint32_t &d = w.pred(op.o[0]);
  d = (d & ~mask) | (p & mask);
  if (op.o[1] != kNoRow) {
    uint32_t &e = w.pred(op.o[1]);
    e = (e & ~mask) | (q & mask);
  }
}
/// Packed halves give a predicate each.
template <class G, Compare C>
void execSetp2(Warp &w, const Op &op, uint32_t mask) {
  uint32_t p = combine(w, op, compareLanes<G, C>(w, op, mask));
  uint32_t q = combine(w, op, compareLanes<High<G>, C>(w, op, mask));
  uint32_t &d = w.pred(op.o[0]);
  d = (d & ~mask) | (p & mask);
  uint32_t &e = w.pred(op.o[1]);
  e = (e & ~mask) | (q & mask);
}
template <class G, Compare C>
void execSet(Warp &w, const Op &op, uint32_t mask) {
  uint32_t p = combine(w, op, compareLanes<G, C>(w, op, mask));
  uint32_t *d = w.r32(op.o[0]);
  // op.c: the bits of "true".
  uint32_t yes = op.c == 0   ? ~0u
                 : op.c == 1 ? 0x3f800000u
                 : op.c == 2 ? 0x3c00u
                             : 0x3f80u;
  forLanes(mask, [&](uint32_t i) { d[i] = p >> i & 1 ? yes : 0; });
}
template <class G, Compare C>
void execSet2(Warp &w, const Op &op, uint32_t mask) {
  uint32_t p = combine(w, op, compareLanes<G, C>(w, op, mask));
  uint32_t q = combine(w, op, compareLanes<High<G>, C>(w, op, mask));
  uint32_t *d = w.r32(op.o[0]);
  uint32_t yes = op.c == 0 ? 0xffffu : op.c == 2 ? 0x3c00u : 0x3f80u;
  forLanes(mask, [&](uint32_t i) {
    d[i] = (p >> i & 1 ? yes : 0) | (q >> i & 1 ? yes << 16 : 0);
  });
}

enum Form { kSetp, kSetp2, kSet, kSet2 };

template <class G, Compare C>
ExecFn formFn(Form form) {
  switch (form) {
  case kSetp:
    return execSetp<G, C>;
  case kSet:
    return execSet<G, C>;
  default:
    break;
  }
  if constexpr (std::is_same_v<G, FromHalf> || std::is_same_v<G, FromBF16>)
    return form == kSetp2 ? execSetp2<G, C> : execSet2<G, C>;
  return nullptr;
}

template <class G>
ExecFn compareFn(Form form, Compare c) {
  switch (c) {
  case kEq:
    return formFn<G, kEq>(form);
  case kNe:
    return formFn<G, kNe>(form);
  case kLt:
    return formFn<G, kLt>(form);
  case kLe:
    return formFn<G, kLe>(form);
  case kGt:
    return formFn<G, kGt>(form);
  case kGe:
    return formFn<G, kGe>(form);
  case kEqu:
    return formFn<G, kEqu>(form);
  case kNeu:
    return formFn<G, kNeu>(form);
  case kLtu:
    return formFn<G, kLtu>(form);
  case kLeu:
    return formFn<G, kLeu>(form);
  case kGtu:
    return formFn<G, kGtu>(form);
  case kGeu:
    return formFn<G, kGeu>(form);
  case kNum:
    return formFn<G, kNum>(form);
  case kNan:
    return formFn<G, kNan>(form);
  }
  return nullptr;
}

ExecFn typeFn(Type type, Form form, Compare c) {
  switch (type) {
  case Type::F16:
  case Type::F16x2:
    return compareFn<FromHalf>(form, c);
  case Type::BF16:
  case Type::BF16x2:
    return compareFn<FromBF16>(form, c);
  case Type::F32:
    return compareFn<Plain<float>>(form, c);
  case Type::F64:
    return compareFn<Plain<double>>(form, c);
  default:
    break;
  }
  ATTN_EMU_PICK_INTEGER(type, (compareFn<Plain<T>>(form, c)))
}

/// Reads the comparison: names differ by the kind of type.
Compare takeCompare(Decoder &d, Type &type) {
  static const struct {
    const char *name;
    Compare compare;
    // 1: any type, 2: floats, 4: unsigned integers
    int kinds;
  } table[] = {{"eq", kEq, 1},   {"ne", kNe, 1},   {"lt", kLt, 1},
               {"le", kLe, 1},   {"gt", kGt, 1},   {"ge", kGe, 1},
               {"lo", kLt, 4},   {"ls", kLe, 4},   {"hi", kGt, 4},
               {"hs", kGe, 4},   {"equ", kEqu, 2}, {"neu", kNeu, 2},
               {"ltu", kLtu, 2}, {"leu", kLeu, 2}, {"gtu", kGtu, 2},
               {"geu", kGeu, 2}, {"num", kNum, 2}, {"nan", kNan, 2}};
  for (auto &entry : table)
    if (d.take(entry.name)) {
      if (entry.kinds == 2 && !isFloat(type))
        d.refuse(std::string("expects a float type for .") + entry.name);
      if (entry.kinds == 4 && !isUnsigned(type))
        d.refuse(std::string("expects an unsigned type for .") + entry.name);
      if (isUntyped(type) && entry.compare != kEq && entry.compare != kNe)
        d.refuse("expects .eq or .ne on untyped values");
      return entry.compare;
    }
  d.refuse("expects a comparison such as .eq");
}

/// The sources of set and setp from operand `first` on.
void compareOperands(Decoder &d, Type type) {
  Op &op = d.op;
  std::string_view boolean = d.takeAny({"and", "or", "xor"});
  d.needCount(boolean.empty() ? 3 : 4);
  op.o[2] = d.source(1, type);
  op.o[3] = d.source(2, type);
  if (boolean.empty())
    return;
  bool negated;
  op.a = boolean == "and" ? 1 : boolean == "or" ? 2 : 3;
  op.o[4] = d.predicate(d.operand(3), negated);
  op.b = negated;
}

void decodeSetp(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Compare;
  Type type = d.takeType();
  if (type == Type::None || type == Type::Pred || bitsOf(type) < 16 ||
      type == Type::TF32 || type == Type::B128)
    d.refuse("expects a type of 16 to 64 bits");
  op.type = type;
  if (type == Type::F32 || type == Type::F16 || type == Type::F16x2)
    op.ftz = d.take("ftz");
  Compare c = takeCompare(d, type);
  bool packed = type == Type::F16x2 || type == Type::BF16x2;
  compareOperands(d, type);
  const Operand &target = d.operand(0);
  if (target.kind == Operand::Pair) {
    op.o[0] = d.predicateDestination(target.parts[0]);
    op.o[1] = d.predicateDestination(target.parts[1]);
  } else {
    if (packed)
      d.refuse("expects p|q as the result of a packed comparison");
    op.o[0] = d.predicateDestination(target);
  }
  op.fn = typeFn(type, packed ? kSetp2 : kSetp, c);
}

void decodeSet(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Compare;
  Type to = d.takeType(), type = d.takeType();
  if (type == Type::None || type == Type::Pred || bitsOf(type) < 16 ||
      type == Type::TF32)
    d.refuse("expects two types");
  op.type = type;
  if (type == Type::F32 || type == Type::F16 || type == Type::F16x2)
    op.ftz = d.take("ftz");
  Compare c = takeCompare(d, type);
  bool packed = type == Type::F16x2 || type == Type::BF16x2;
  compareOperands(d, type);
  op.c = to == Type::F32                          ? 1
         : to == Type::F16 || to == Type::F16x2   ? 2
         : to == Type::BF16 || to == Type::BF16x2 ? 3
                                                  : 0;
  if (op.c == 0 && to != Type::U32 && to != Type::S32 && to != Type::U16 &&
      to != Type::S16)
    d.refuse("expects a result of .u32, .s32, .u16, .s16 or a float type");
  op.o[0] = d.destination(0, to);
  op.fn = typeFn(type, packed ? kSet2 : kSet, c);
}

template <class W>
void execSelp(Warp &w, const Op &op, uint32_t mask) {
  W *d = rowOf<W>(w, op.o[0]), *a = rowOf<W>(w, op.o[1]),
    *b = rowOf<W>(w, op.o[2]);
  uint32_t p = w.pred(op.o[3]) ^ (op.b ? ~0u : 0);
  forLanes(mask, [&](uint32_t i) { d[i] = p >> i & 1 ? a[i] : b[i]; });
}
void decodeSelp(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Compare;
  Type type = d.takeType();
  if (bitsOf(type) < 16 || type == Type::TF32 || type == Type::B128)
    d.refuse("expects a type of 16 to 64 bits");
  d.needCount(4);
  op.o[0] = d.destination(0, type);
  op.o[1] = d.source(1, type);
  op.o[2] = d.source(2, type);
  bool negated;
  op.o[3] = d.predicate(d.operand(3), negated);
  op.b = negated;
  op.fn = bitsOf(type) == 64 ? execSelp<uint64_t> : execSelp<uint32_t>;
}

template <class W>
void execSlct(Warp &w, const Op &op, uint32_t mask) {
  W *d = rowOf<W>(w, op.o[0]), *a = rowOf<W>(w, op.o[1]),
    *b = rowOf<W>(w, op.o[2]);
  uint32_t *c = w.r32(op.o[3]);
  bool real = op.type2 == Type::F32, ftz = op.ftz;
  forLanes(mask, [&](uint32_t i) {
    float f = bitCast<float>(c[i]);
    if (ftz)
      f = flush(f);
    d[i] = (real ? f >= 0 : int32_t(c[i]) >= 0) ? a[i] : b[i];
  });
}
void decodeSlct(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Compare;
  Type type = d.takeType();
  op.type2 = d.needType({Type::S32, Type::F32});
  op.ftz = op.type2 == Type::F32 && d.take("ftz");
  d.needCount(4);
  op.o[0] = d.destination(0, type);
  op.o[1] = d.source(1, type);
  op.o[2] = d.source(2, type);
  op.o[3] = d.source(3, op.type2);
  op.fn = bitsOf(type) == 64 ? execSlct<uint64_t> : execSlct<uint32_t>;
}

template <class T>
void execTestp(Warp &w, const Op &op, uint32_t mask) {
  auto *a = rowOf<T>(w, op.o[1]);
  uint32_t r = 0;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    T v = fromWord<T>(a[i]);
    int kind = std::fpclassify(v);
    bool yes = op.a == 0   ? std::isfinite(v)
               : op.a == 1 ? kind == FP_INFINITE
               : op.a == 2 ? kind != FP_NAN
               : op.a == 3 ? kind == FP_NAN
               : op.a == 4 ? kind == FP_NORMAL
                           : kind == FP_SUBNORMAL;
    r |= uint32_t(yes) << i;
  }
  uint32_t &d = w.pred(op.o[0]);
  d = (d & ~mask) | r;
}
void decodeTestp(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Compare;
  static const char *const names[] = {"finite",     "infinite", "number",
                                      "notanumber", "normal",   "subnormal"};
  std::string_view found = d.needAny(
      {"finite", "infinite", "number", "notanumber", "normal", "subnormal"},
      "a property");
  for (uint8_t i = 0; i < 6; ++i)
    if (found == names[i])
      op.a = i;
  Type type = d.needType({Type::F32, Type::F64});
  d.needCount(2);
  op.o[0] = d.predicateDestination(d.operand(0));
  op.o[1] = d.source(1, type);
  op.fn = type == Type::F32 ? execTestp<float> : execTestp<double>;
}

struct CopySign {
  template <class T>
  static T apply(T a, T b, const Op &) {
    return std::copysign(b, a);
  }
};
void decodeCopysign(Decoder &d) {
  Op &op = d.op;
  Type type = d.needType({Type::F32, Type::F64});
  op.cls = floatClass(type);
  d.needCount(3);
  op.o[0] = d.destination(0, type);
  op.o[1] = d.source(1, type);
  op.o[2] = d.source(2, type);
  op.fn = type == Type::F32 ? ExecFn(same2<CopySign, float>)
                            : same2<CopySign, double>;
}
} // namespace

void attn::emu::addCompare(InstructionTable &table) {
  table["setp"] = decodeSetp;
  table["set"] = decodeSet;
  table["selp"] = decodeSelp;
  table["slct"] = decodeSlct;
  table["testp"] = decodeTestp;
  table["copysign"] = decodeCopysign;
}
