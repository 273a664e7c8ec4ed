//===- Exec.h - Lanes of rows -----------------------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How an instruction family writes a loop over lanes: a functor with the
// instruction's meaning for one lane, and a template that applies it to rows.
//
//   struct Add { template <class T> static T apply(T a, T b, const Op &); };
//   op.fn = pick2<Add>(type);
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMULATOR_EXEC_H
#define ATTN_LIB_EMULATOR_EXEC_H

#include "Decoder.h"
#include "Machine.h"

namespace attn::emu {

/// 16-bit floats as types of their own, so that templates can tell them from
/// integers.
struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};

/// The word of a row that a value of T lives in.
template <class T>
using RowWord = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
inline RowWord<T> *rowOf(Warp &warp, uint32_t row) {
  if constexpr (sizeof(T) == 8)
    return warp.r64(row);
  else
    return warp.r32(row);
}

template <class T>
inline T fromWord(RowWord<T> word) {
  if constexpr (sizeof(T) == sizeof(RowWord<T>)) {
    return bitCast<T>(word);
  } else if constexpr (sizeof(T) == 2) {
    return bitCast<T>(uint16_t(word));
  } else {
    return bitCast<T>(uint8_t(word));
  }
}
template <class T>
inline RowWord<T> toWord(T value) {
  if constexpr (sizeof(T) == sizeof(RowWord<T>)) {
    return bitCast<RowWord<T>>(value);
  } else if constexpr (sizeof(T) == 2) {
    return bitCast<uint16_t>(value);
  } else {
    return bitCast<uint8_t>(value);
  }
}

/// Calls f(lane) for the lanes of a mask; the full mask is a loop that the
/// compiler can vectorise.
template <class F>
inline void forLanes(uint32_t mask, F f) {
  if (mask == ~0u) {
    for (uint32_t lane = 0; lane < 32; ++lane)
      f(lane);
    return;
  }
  for (; mask; mask &= mask - 1)
    f(uint32_t(__builtin_ctz(mask)));
}

/// d = F(a), d = F(a, b), d = F(a, b, c) over rows o[0] and o[1..3].
template <class F, class D, class A>
void exec1(Warp &w, const Op &op, uint32_t mask) {
  auto *d = rowOf<D>(w, op.o[0]);
  auto *a = rowOf<A>(w, op.o[1]);
  forLanes(mask, [&](uint32_t i) {
    d[i] = toWord<D>(F::apply(fromWord<A>(a[i]), op));
  });
}
template <class F, class D, class A, class B>
void exec2(Warp &w, const Op &op, uint32_t mask) {
  auto *d = rowOf<D>(w, op.o[0]);
  auto *a = rowOf<A>(w, op.o[1]);
  auto *b = rowOf<B>(w, op.o[2]);
  forLanes(mask, [&](uint32_t i) {
    d[i] = toWord<D>(F::apply(fromWord<A>(a[i]), fromWord<B>(b[i]), op));
  });
}
template <class F, class D, class A, class B, class C>
void exec3(Warp &w, const Op &op, uint32_t mask) {
  auto *d = rowOf<D>(w, op.o[0]);
  auto *a = rowOf<A>(w, op.o[1]);
  auto *b = rowOf<B>(w, op.o[2]);
  auto *c = rowOf<C>(w, op.o[3]);
  forLanes(mask, [&](uint32_t i) {
    d[i] = toWord<D>(
        F::apply(fromWord<A>(a[i]), fromWord<B>(b[i]), fromWord<C>(c[i]), op));
  });
}

template <class F, class T>
constexpr ExecFn same1 = exec1<F, T, T>;
template <class F, class T>
constexpr ExecFn same2 = exec2<F, T, T, T>;
template <class F, class T>
constexpr ExecFn same3 = exec3<F, T, T, T, T>;

/// Instantiates for the C++ type of an integer or untyped PTX type.
#define ATTN_EMU_PICK_INTEGER(TYPE, EXPR)                                      \
  switch (TYPE) {                                                              \
  case Type::U8:                                                               \
  case Type::B8: {                                                             \
    using T = uint8_t;                                                         \
    return EXPR;                                                               \
  }                                                                            \
  case Type::S8: {                                                             \
    using T = int8_t;                                                          \
    return EXPR;                                                               \
  }                                                                            \
  case Type::U16:                                                              \
  case Type::B16: {                                                            \
    using T = uint16_t;                                                        \
    return EXPR;                                                               \
  }                                                                            \
  case Type::S16: {                                                            \
    using T = int16_t;                                                         \
    return EXPR;                                                               \
  }                                                                            \
  case Type::U32:                                                              \
  case Type::B32: {                                                            \
    using T = uint32_t;                                                        \
    return EXPR;                                                               \
  }                                                                            \
  case Type::S32: {                                                            \
    using T = int32_t;                                                         \
    return EXPR;                                                               \
  }                                                                            \
  case Type::U64:                                                              \
  case Type::B64: {                                                            \
    using T = uint64_t;                                                        \
    return EXPR;                                                               \
  }                                                                            \
  case Type::S64: {                                                            \
    using T = int64_t;                                                         \
    return EXPR;                                                               \
  }                                                                            \
  default:                                                                     \
    return nullptr;                                                            \
  }

template <class F>
ExecFn pickInteger1(Type type) {
  ATTN_EMU_PICK_INTEGER(type, (same1<F, T>))
}
template <class F>
ExecFn pickInteger2(Type type) {
  ATTN_EMU_PICK_INTEGER(type, (same2<F, T>))
}
template <class F>
ExecFn pickInteger3(Type type) {
  ATTN_EMU_PICK_INTEGER(type, (same3<F, T>))
}

/// Classes by type, for the counters.
inline OpClass floatClass(Type type) {
  if (type == Type::F64)
    return OpClass::Double;
  return type == Type::F32 || type == Type::TF32 ? OpClass::Float
                                                 : OpClass::Half;
}

} // namespace attn::emu

#endif // ATTN_LIB_EMULATOR_EXEC_H
