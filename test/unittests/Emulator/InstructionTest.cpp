//===- InstructionTest.cpp - Instructions, a row each, against plain C++ --===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A row holds the PTX of one instruction and what it means, written
// independently of the emulator. Sources are %r1..3, %rd1..3, %f1..3, %fd1..3
// and %h1..3, all made of the low bits of the same three 64-bit inputs; the
// result is one of %r0, %rd0, %f0, %fd0, %h0 or %p0, by the name's last word.
//
//===----------------------------------------------------------------------===//

#include "Emulated.h"

#include <cfenv>
#include <cmath>
#include <functional>
#include <random>

using namespace emulated;

namespace {

using U64 = uint64_t;
using U32 = uint32_t;
using S32 = int32_t;
using S64 = int64_t;

struct Row {
  std::string ptx;
  char result; // r, d (64 bits), f, D (f64), h or p
  std::function<U64(U64, U64, U64)> meaning;
  const char *target = "sm_80";
};

template <class T, class F>
T cast(F from) {
  T to;
  std::memcpy(&to, &from, sizeof(T));
  return to;
}
float asFloat(U64 x) { return cast<float>(U32(x)); }
double asDouble(U64 x) { return cast<double>(x); }
U64 bits(float x) { return x != x ? 0x7fffffff : cast<U32>(x); }
U64 bits(double x) { return cast<U64>(x); }
float ftz(float x) {
  return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x;
}
S32 s32(U64 x) { return S32(U32(x)); }

/// The value of a bfloat or half.
double half(U64 x, bool bfloat) {
  auto h = uint16_t(x);
  if (bfloat)
    return double(cast<float>(U32(h) << 16));
  int e = h >> 10 & 31, f = h & 1023;
  double m = e == 31 ? (f ? NAN : INFINITY)
             : e     ? std::ldexp(1024 + f, e - 25)
                     : std::ldexp(f, -24);
  return h & 0x8000 ? -m : m;
}
/// Rounds by search: the format's values are tried around x. Slow and plain.
/// mode: n (nearest even), z, m (down), p (up).
uint16_t toHalf(double x, bool bfloat, char mode) {
  if (std::isnan(x))
    return 0x7fff;
  uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  uint16_t infinity = bfloat ? 0x7f80 : 0x7c00;
  double m = std::fabs(x);
  // The largest magnitude that is at most m.
  uint16_t low = 0, high = infinity;
  while (high - low > 1) {
    auto mid = uint16_t((low + high) / 2);
    (half(mid, bfloat) <= m ? low : high) = mid;
  }
  if (std::isinf(m))
    return sign | infinity;
  double below = half(low, bfloat);
  if (below == m)
    return sign | low;
  bool up;
  if (mode == 'z')
    up = false;
  else if (mode == 'm')
    up = sign != 0;
  else if (mode == 'p')
    up = sign == 0;
  else {
    // Beyond the largest number, infinity stands where the next would be.
    double above = low + 1 == infinity
                       ? 2 * below - half(uint16_t(low - 1), bfloat)
                       : half(uint16_t(low + 1), bfloat);
    double middle = (below + above) / 2;
    up = m > middle || (m == middle && (low & 1));
  }
  return uint16_t(sign | (low + up));
}

/// f32 arithmetic in another rounding, by the host's own switch.
template <class F>
float rounded(int mode, F f) {
  int old = std::fegetround();
  std::fesetround(mode);
  volatile float r = f();
  std::fesetround(old);
  return r;
}

void addIntegers(std::vector<Row> &t) {
  t.push_back({"add.s32 %r0, %r1, %r2", 'r',
               [](U64 a, U64 b, U64) { return U32(a + b); }});
  t.push_back({"sub.s32 %r0, %r1, %r2", 'r',
               [](U64 a, U64 b, U64) { return U32(a - b); }});
  t.push_back({"add.u64 %rd0, %rd1, %rd2", 'd',
               [](U64 a, U64 b, U64) { return a + b; }});
  t.push_back({"add.s16 %h0, %h1, %h2", 'h',
               [](U64 a, U64 b, U64) { return uint16_t(a + b); }});
  t.push_back({"add.sat.s32 %r0, %r1, %r2", 'r', [](U64 a, U64 b, U64) {
                 S64 s = S64(s32(a)) + s32(b);
                 return U64(U32(s > INT32_MAX   ? INT32_MAX
                                : s < INT32_MIN ? INT32_MIN
                                                : s));
               }});
  t.push_back({"mul.lo.s32 %r0, %r1, %r2", 'r',
               [](U64 a, U64 b, U64) { return U32(a) * U32(b); }});
  t.push_back({"mul.hi.s32 %r0, %r1, %r2", 'r', [](U64 a, U64 b, U64) {
                 return U64(U32((S64(s32(a)) * s32(b)) >> 32));
               }});
  t.push_back({"mul.hi.u32 %r0, %r1, %r2", 'r',
               [](U64 a, U64 b, U64) { return U64(U32(a)) * U32(b) >> 32; }});
  t.push_back({"mul.hi.u64 %rd0, %rd1, %rd2", 'd', [](U64 a, U64 b, U64) {
                 return U64((unsigned __int128)a * b >> 64);
               }});
  t.push_back({"mul.wide.s32 %rd0, %r1, %r2", 'd',
               [](U64 a, U64 b, U64) { return U64(S64(s32(a)) * s32(b)); }});
  t.push_back({"mul.wide.u16 %r0, %h1, %h2", 'r', [](U64 a, U64 b, U64) {
                 return U64(U32(uint16_t(a)) * uint16_t(b));
               }});
  t.push_back({"mad.lo.u32 %r0, %r1, %r2, %r3", 'r',
               [](U64 a, U64 b, U64 c) { return U64(U32(a * b + c)); }});
  t.push_back(
      {"mad.wide.s32 %rd0, %r1, %r2, %rd3", 'd',
       [](U64 a, U64 b, U64 c) { return U64(S64(s32(a)) * s32(b)) + c; }});
  t.push_back({"mad.hi.s32 %r0, %r1, %r2, %r3", 'r', [](U64 a, U64 b, U64 c) {
                 return U64(U32(U64((S64(s32(a)) * s32(b)) >> 32) + c));
               }});
  t.push_back({"mul24.lo.u32 %r0, %r1, %r2", 'r', [](U64 a, U64 b, U64) {
                 return U64(U32((a & 0xffffff) * (b & 0xffffff)));
               }});
  t.push_back({"div.s32 %r0, %r1, %r2", 'r', [](U64 a, U64 b, U64) {
                 return U64(U32(s32(b) == 0    ? -1
                                : s32(b) == -1 ? S32(-U32(a))
                                               : s32(a) / s32(b)));
               }});
  t.push_back({"rem.u64 %rd0, %rd1, %rd2", 'd',
               [](U64 a, U64 b, U64) { return b ? a % b : a; }});
  t.push_back({"min.s32 %r0, %r1, %r2", 'r', [](U64 a, U64 b, U64) {
                 return U64(U32(std::min(s32(a), s32(b))));
               }});
  t.push_back({"max.u64 %rd0, %rd1, %rd2", 'd',
               [](U64 a, U64 b, U64) { return std::max(a, b); }});
  t.push_back({"abs.s32 %r0, %r1", 'r', [](U64 a, U64, U64) {
                 return U64(s32(a) < 0 ? -U32(a) : U32(a));
               }});
  t.push_back({"neg.s64 %rd0, %rd1", 'd', [](U64 a, U64, U64) { return -a; }});
  t.push_back({"sad.u32 %r0, %r1, %r2, %r3", 'r', [](U64 a, U64 b, U64 c) {
                 return U64(U32(c) + (U32(a) < U32(b) ? U32(b) - U32(a)
                                                      : U32(a) - U32(b)));
               }});
  t.push_back({"add.cc.u32 %r0, %r1, %r2; addc.u32 %r0, %r3, 0", 'r',
               [](U64 a, U64 b, U64 c) {
                 return U64(U32(U32(c) + ((U64(U32(a)) + U32(b)) >> 32)));
               }});
  t.push_back(
      {"sub.cc.u32 %r0, %r1, %r2; subc.u32 %r0, %r3, 0", 'r',
       [](U64 a, U64 b, U64 c) { return U64(U32(c) - (U32(a) < U32(b))); }});
}

void addLogic(std::vector<Row> &t) {
  t.push_back({"and.b32 %r0, %r1, %r2", 'r',
               [](U64 a, U64 b, U64) { return U32(a & b); }});
  t.push_back({"xor.b64 %rd0, %rd1, %rd2", 'd',
               [](U64 a, U64 b, U64) { return a ^ b; }});
  t.push_back(
      {"not.b16 %h0, %h1", 'h', [](U64 a, U64, U64) { return uint16_t(~a); }});
  t.push_back({"cnot.b32 %r0, %r1", 'r',
               [](U64 a, U64, U64) { return U64(U32(a) == 0); }});
  t.push_back({"shl.b32 %r0, %r1, %r2", 'r', [](U64 a, U64 b, U64) {
                 return U32(b) > 31 ? 0 : U64(U32(a << U32(b)));
               }});
  t.push_back({"and.b32 %r2, %r2, 63; shl.b64 %rd0, %rd1, %r2", 'd',
               [](U64 a, U64 b, U64) { return a << (b & 63); }});
  t.push_back(
      {"and.b32 %r2, %r2, 63; shr.s32 %r0, %r1, %r2", 'r',
       [](U64 a, U64 b, U64) { return U64(U32(S64(s32(a)) >> (b & 63))); }});
  t.push_back({"and.b32 %r2, %r2, 63; shr.u32 %r0, %r1, %r2", 'r',
               [](U64 a, U64 b, U64) { return U64(U32(a)) >> (b & 63); }});
  t.push_back(
      {"shf.l.wrap.b32 %r0, %r1, %r2, %r3", 'r', [](U64 a, U64 b, U64 c) {
         return (((b << 32 | U32(a)) << (c & 31)) >> 32) & 0xffffffff;
       }});
  t.push_back(
      {"shf.r.clamp.b32 %r0, %r1, %r2, %r3", 'r', [](U64 a, U64 b, U64 c) {
         return U64(U32((b << 32 | U32(a)) >> std::min<U32>(U32(c), 32)));
       }});
  t.push_back({"prmt.b32 %r0, %r1, %r2, 0x7604", 'r', [](U64 a, U64 b, U64) {
                 U32 y = U32(b);
                 return U64((y & 255) | (U32(a) & 255) << 8 |
                            (y >> 16 & 255) << 16 | (y >> 24) << 24);
               }});
  t.push_back({"prmt.b32 %r0, %r1, %r2, 0x888b", 'r', [](U64 a, U64, U64) {
                 U32 x = U32(a), r = x >> 31 ? 255 : 0, low = x & 128 ? 255 : 0;
                 return U64(r | low << 8 | low << 16 | low << 24);
               }});
  t.push_back({"bfe.u32 %r0, %r1, 5, 9", 'r',
               [](U64 a, U64, U64) { return a >> 5 & 511; }});
  t.push_back({"bfe.s32 %r0, %r1, 28, 9", 'r',
               [](U64 a, U64, U64) { return U64(U32(s32(a) >> 28)); }});
  t.push_back({"bfi.b32 %r0, %r1, %r2, 7, 12", 'r', [](U64 a, U64 b, U64) {
                 return (b & ~(U64(4095) << 7) & 0xffffffff) | (a & 4095) << 7;
               }});
  t.push_back({"popc.b64 %r0, %rd1", 'r',
               [](U64 a, U64, U64) { return U64(__builtin_popcountll(a)); }});
  t.push_back({"clz.b32 %r0, %r1", 'r', [](U64 a, U64, U64) {
                 return U64(U32(a) ? __builtin_clz(U32(a)) : 32);
               }});
  t.push_back({"bfind.u32 %r0, %r1", 'r', [](U64 a, U64, U64) {
                 return U32(a) ? U64(31 - __builtin_clz(U32(a))) : 0xffffffff;
               }});
  t.push_back({"brev.b32 %r0, %r1", 'r', [](U64 a, U64, U64) {
                 U64 r = 0;
                 for (int i = 0; i < 32; ++i)
                   r |= (a >> i & 1) << (31 - i);
                 return r;
               }});
  t.push_back(
      {"lop3.b32 %r0, %r1, %r2, %r3, 0xe8", 'r', [](U64 a, U64 b, U64 c) {
         return U64(U32((a & b) | (a & c) | (b & c)));
       }});
  t.push_back({"lop3.b32 %r0, %r1, %r2, %r3, 0x3c", 'r',
               [](U64 a, U64 b, U64) { return U64(U32(a ^ b)); }});
  t.push_back({"mov.b64 %rd0, {%r1, %r2}", 'd',
               [](U64 a, U64 b, U64) { return U64(U32(a)) | b << 32; }});
  t.push_back({"mov.b64 {%r5, %r0}, %rd1", 'r',
               [](U64 a, U64, U64) { return a >> 32; }});
  t.push_back({"mov.b32 {%h5, %h0}, %r1", 'h',
               [](U64 a, U64, U64) { return a >> 16 & 0xffff; }});
}

void addFloats(std::vector<Row> &t) {
  auto f = asFloat;
  struct Mode {
    const char *name;
    int host;
  };
  for (Mode m : {Mode{"rn", FE_TONEAREST}, Mode{"rz", FE_TOWARDZERO},
                 Mode{"rm", FE_DOWNWARD}, Mode{"rp", FE_UPWARD}}) {
    std::string n = m.name;
    int host = m.host;
    t.push_back(
        {"add." + n + ".f32 %f0, %f1, %f2", 'f', [=](U64 a, U64 b, U64) {
           volatile float x = f(a), y = f(b);
           return bits(rounded(host, [&] { return x + y; }));
         }});
    t.push_back(
        {"mul." + n + ".f32 %f0, %f1, %f2", 'f', [=](U64 a, U64 b, U64) {
           volatile float x = f(a), y = f(b);
           return bits(rounded(host, [&] { return x * y; }));
         }});
    t.push_back(
        {"fma." + n + ".f32 %f0, %f1, %f2, %f3", 'f', [=](U64 a, U64 b, U64 c) {
           volatile float x = f(a), y = f(b), z = f(c);
           return bits(rounded(
               host, [&] { return std::fma(float(x), float(y), float(z)); }));
         }});
    t.push_back(
        {"div." + n + ".f32 %f0, %f1, %f2", 'f', [=](U64 a, U64 b, U64) {
           volatile float x = f(a), y = f(b);
           return bits(rounded(host, [&] { return x / y; }));
         }});
    t.push_back({"sqrt." + n + ".f32 %f0, %f1", 'f', [=](U64 a, U64, U64) {
                   volatile float x = f(a);
                   return bits(
                       rounded(host, [&] { return std::sqrt(float(x)); }));
                 }});
    t.push_back({"cvt." + n + ".f32.s64 %f0, %rd1", 'f', [=](U64 a, U64, U64) {
                   volatile S64 x = S64(a);
                   return bits(rounded(host, [&] { return float(x); }));
                 }});
    t.push_back({"cvt." + n + ".f32.f64 %f0, %fd1", 'f', [=](U64 a, U64, U64) {
                   volatile double x = asDouble(a);
                   return bits(rounded(host, [&] { return float(x); }));
                 }});
    char mode = n[1];
    t.push_back({"cvt." + n + ".f16.f32 %h0, %f1", 'h', [=](U64 a, U64, U64) {
                   return U64(toHalf(double(f(a)), false, mode));
                 }});
    if (mode == 'n' || mode == 'z') {
      t.push_back({"cvt." + n + ".bf16x2.f32 %r0, %f1, %f2", 'r',
                   [=](U64 a, U64 b, U64) {
                     return U64(toHalf(double(f(a)), true, mode)) << 16 |
                            toHalf(double(f(b)), true, mode);
                   }});
      t.push_back({"cvt." + n + ".f16x2.f32 %r0, %f1, %f2", 'r',
                   [=](U64 a, U64 b, U64) {
                     return U64(toHalf(double(f(a)), false, mode)) << 16 |
                            toHalf(double(f(b)), false, mode);
                   }});
    }
  }
  t.push_back({"add.ftz.f32 %f0, %f1, %f2", 'f', [=](U64 a, U64 b, U64) {
                 return bits(ftz(ftz(f(a)) + ftz(f(b))));
               }});
  t.push_back({"mul.sat.f32 %f0, %f1, %f2", 'f', [=](U64 a, U64 b, U64) {
                 float r = f(a) * f(b);
                 return bits(r > 0 ? std::min(r, 1.0f) : 0.0f);
               }});
  t.push_back({"min.f32 %f0, %f1, %f2", 'f', [=](U64 a, U64 b, U64) {
                 float x = f(a), y = f(b);
                 if (x != x || y != y)
                   return bits(x != x ? y : x);
                 return bits(x == y ? (std::signbit(x) ? x : y)
                                    : std::min(x, y));
               }});
  t.push_back({"max.NaN.f32 %f0, %f1, %f2", 'f', [=](U64 a, U64 b, U64) {
                 float x = f(a), y = f(b);
                 if (x != x || y != y)
                   return U64(0x7fffffff);
                 return bits(x == y ? (std::signbit(x) ? y : x)
                                    : std::max(x, y));
               }});
  t.push_back({"abs.f32 %f0, %f1", 'f',
               [=](U64 a, U64, U64) { return U64(U32(a) & 0x7fffffff); }});
  t.push_back({"neg.f32 %f0, %f1", 'f',
               [=](U64 a, U64, U64) { return U64(U32(a) ^ 0x80000000); }});
  t.push_back(
      {"fma.rn.f64 %fd0, %fd1, %fd2, %fd3", 'D', [](U64 a, U64 b, U64 c) {
         return bits(std::fma(asDouble(a), asDouble(b), asDouble(c)));
       }});
  t.push_back({"sub.rz.f64 %fd0, %fd1, %fd2", 'D', [](U64 a, U64 b, U64) {
                 volatile double x = asDouble(a), y = asDouble(b);
                 std::fesetround(FE_TOWARDZERO);
                 volatile double r = x - y;
                 std::fesetround(FE_TONEAREST);
                 return bits(double(r));
               }});
  t.push_back({"cvt.f32.f16 %f0, %h1", 'f',
               [](U64 a, U64, U64) { return bits(float(half(a, false))); }});
  t.push_back({"cvt.f32.bf16 %f0, %h1", 'f',
               [](U64 a, U64, U64) { return bits(float(half(a, true))); },
               "sm_90"});
  t.push_back({"cvt.rna.tf32.f32 %r0, %f1", 'r', [=](U64 a, U64, U64) {
                 if (f(a) != f(a))
                   return U64(0x7fffffff);
                 U32 x = U32(a);
                 // Half a unit is added to the magnitude: ties go away from 0.
                 return (x & 0x7fffffff) >= 0x7f800000
                            ? U64(x)
                            : U64((x + 0x1000) & 0xffffe000);
               }});
  t.push_back({"cvt.rzi.s32.f32 %r0, %f1", 'r', [=](U64 a, U64, U64) {
                 float x = f(a);
                 return x != x ? 0
                               : U64(U32(x >= 0x1p31f    ? INT32_MAX
                                         : x <= -0x1p31f ? INT32_MIN
                                                         : S32(x)));
               }});
  t.push_back({"cvt.rni.u32.f32 %r0, %f1", 'r', [=](U64 a, U64, U64) {
                 float x = std::nearbyint(f(a));
                 return !(x > 0) ? 0 : x >= 0x1p32f ? 0xffffffff : U64(x);
               }});
  t.push_back({"cvt.rmi.f32.f32 %f0, %f1", 'f',
               [=](U64 a, U64, U64) { return bits(std::floor(f(a))); }});
  t.push_back({"cvt.sat.s8.s32 %r0, %r1", 'r', [](U64 a, U64, U64) {
                 return U64(U32(std::min(127, std::max(-128, s32(a)))));
               }});
  t.push_back({"cvt.s64.s16 %rd0, %h1", 'd',
               [](U64 a, U64, U64) { return U64(S64(int16_t(a))); }});
  t.push_back(
      {"cvt.u8.u32 %r0, %r1", 'r', [](U64 a, U64, U64) { return a & 255; }});
  for (bool bfloat : {false, true}) {
    std::string type = bfloat ? "bf16" : "f16";
    t.push_back({"fma.rn." + type + " %h0, %h1, %h2, %h3", 'h',
                 [=](U64 a, U64 b, U64 c) {
                   // The product is exact; a small addend that a double
                   // cannot hold beside it still decides a tie.
                   double p = half(a, bfloat) * half(b, bfloat),
                          z = half(c, bfloat), sum = p + z;
                   if (sum == p && z != 0 && std::isfinite(p))
                     sum = std::nextafter(p, z > 0 ? INFINITY : -INFINITY);
                   return U64(toHalf(sum, bfloat, 'n'));
                 }});
    t.push_back(
        {"add." + type + "x2 %r0, %r1, %r2", 'r',
         [=](U64 a, U64 b, U64) {
           return U64(toHalf(half(a >> 16, bfloat) + half(b >> 16, bfloat),
                             bfloat, 'n'))
                      << 16 |
                  toHalf(half(a, bfloat) + half(b, bfloat), bfloat, 'n');
         },
         bfloat ? "sm_90" : "sm_80"});
    t.push_back(
        {"max." + type + "x2 %r0, %r1, %r2", 'r', [=](U64 a, U64 b, U64) {
           auto one = [=](U64 x, U64 y) -> U64 {
             double p = half(x, bfloat), q = half(y, bfloat);
             if (p != p && q != q)
               return 0x7fff;
             if (p != p || q != q)
               return uint16_t(p != p ? y : x);
             return uint16_t(p == q  ? (std::signbit(p) ? y : x)
                             : p > q ? x
                                     : y);
           };
           return one(a >> 16, b >> 16) << 16 | one(a, b);
         }});
  }
}

void addCompares(std::vector<Row> &t) {
  auto f = asFloat;
  auto add = [&](const char *name, std::function<bool(float, float)> meaning) {
    t.push_back({std::string("setp.") + name + ".f32 %p0, %f1, %f2", 'p',
                 [=](U64 a, U64 b, U64) { return U64(meaning(f(a), f(b))); }});
  };
  add("eq", [](float a, float b) { return a == b; });
  add("ne", [](float a, float b) { return a < b || a > b; });
  add("lt", [](float a, float b) { return a < b; });
  add("ge", [](float a, float b) { return a >= b; });
  add("neu", [](float a, float b) { return a != b; });
  add("equ", [](float a, float b) { return !(a < b || a > b); });
  add("ltu", [](float a, float b) { return !(a >= b); });
  add("leu", [](float a, float b) { return !(a > b); });
  add("gtu", [](float a, float b) { return !(a <= b); });
  add("geu", [](float a, float b) { return !(a < b); });
  add("num", [](float a, float b) { return a == a && b == b; });
  add("nan", [](float a, float b) { return a != a || b != b; });
  t.push_back({"setp.lt.s32 %p0, %r1, %r2", 'p',
               [](U64 a, U64 b, U64) { return U64(s32(a) < s32(b)); }});
  t.push_back({"setp.lo.u32 %p0, %r1, %r2", 'p',
               [](U64 a, U64 b, U64) { return U64(U32(a) < U32(b)); }});
  t.push_back({"setp.ne.b64 %p0, %rd1, %rd2", 'p',
               [](U64 a, U64 b, U64) { return U64(a != b); }});
  t.push_back(
      {"setp.gt.u32 %p1, %r2, %r3; setp.lt.and.s32 %p0|%p2, %r1, %r2, !%p1",
       'p', [](U64 a, U64 b, U64 c) {
         return U64(s32(a) < s32(b) && !(U32(b) > U32(c)));
       }});
  t.push_back(
      {"setp.gt.u32 %p1, %r2, %r3; setp.lt.xor.s32 %p2|%p0, %r1, %r2, %p1", 'p',
       [](U64 a, U64 b, U64 c) {
         return U64(!(s32(a) < s32(b)) != (U32(b) > U32(c)));
       }});
  t.push_back({"set.lt.u32.f32 %r0, %f1, %f2", 'r', [=](U64 a, U64 b, U64) {
                 return f(a) < f(b) ? U64(0xffffffff) : 0;
               }});
  t.push_back(
      {"setp.lt.s32 %p1, %r1, %r2; selp.b32 %r0, %r1, %r3, %p1", 'r',
       [](U64 a, U64 b, U64 c) { return U64(U32(s32(a) < s32(b) ? a : c)); }});
  t.push_back({"slct.b32.s32 %r0, %r1, %r2, %r3", 'r', [](U64 a, U64 b, U64 c) {
                 return U64(U32(s32(c) >= 0 ? a : b));
               }});
  t.push_back({"testp.subnormal.f32 %p0, %f1", 'p', [=](U64 a, U64, U64) {
                 return U64(std::fpclassify(f(a)) == FP_SUBNORMAL);
               }});
  t.push_back({"copysign.f32 %f0, %f1, %f2", 'f', [=](U64 a, U64 b, U64) {
                 return U64((U32(b) & 0x7fffffff) | (U32(a) & 0x80000000));
               }});
}

/// The registers of the sources, and the result as 64 bits.
std::string wrap(const Row &row) {
  std::string body = "mov.u32 %r10, %tid.x; mul.wide.u32 %rd10, %r10, 8;\n"
                     "add.s64 %rd11, %rd10, %a;\n";
  for (int i = 1; i <= 3; ++i) {
    std::string n = std::to_string(i);
    body +=
        "ld.global.b64 %rd" + n + ", [%rd11+" + std::to_string((i - 1) * 256) +
        "];\n"
        "cvt.u32.u64 %r" +
        n + ", %rd" + n + "; mov.b32 %f" + n + ", %r" + n + "; mov.b64 %fd" +
        n + ", %rd" + n + "; cvt.u16.u32 %h" + n + ", %r" + n + ";\n";
  }
  body += row.ptx + ";\n";
  switch (row.result) {
  case 'r':
    body += "cvt.u64.u32 %rd0, %r0;\n";
    break;
  case 'f':
    body += "mov.b32 %r0, %f0; cvt.u64.u32 %rd0, %r0;\n";
    break;
  case 'D':
    body += "mov.b64 %rd0, %fd0;\n";
    break;
  case 'h':
    body += "cvt.u64.u16 %rd0, %h0;\n";
    break;
  case 'p':
    body += "selp.b64 %rd0, 1, 0, %p0;\n";
    break;
  default:
    break;
  }
  return kernel(body + "add.s64 %rd11, %rd10, %c; st.global.b64 [%rd11], %rd0;",
                row.target);
}

/// Values that decide: edges of every format, then random bits.
U64 interesting(std::mt19937_64 &rng) {
  static const U32 words[] = {
      0,          1,          0x80000000, 0xffffffff, 0x7fffffff, 0x3f800000,
      0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x00800000, 0x007fffff,
      0x80000001, 0x477fe000, 0x477ff000, 0x38800000, 0x33000000, 0x3f801000,
      0x3f808000, 0x3f818000, 0x4f000000, 0x40490fdb, 0x3effffff, 0x7f7fffff,
      31,         32,         0x3c003c00, 0x7bff7bff};
  U64 r = rng();
  switch (r % 4) {
  case 0:
    return U64(words[rng() % 28]) | U64(words[rng() % 28]) << 32;
  case 1: // a float of moderate size, and a double above it
    return bits(float(std::ldexp(double(S64(rng())), -60 - int(rng() % 8))));
  case 2:
    return bits(std::ldexp(double(S64(rng())), -60 - int(rng() % 80)));
  default:
    return rng();
  }
}

void check(const std::vector<Row> &rows) {
  std::mt19937_64 rng(17);
  for (const Row &row : rows) {
    Device device(row.target);
    ASSERT_EQ(device.load(wrap(row)), "") << row.ptx;
    for (int round = 0; round < 40; ++round) {
      std::vector<U64> in(96), out(32);
      for (U64 &x : in)
        x = interesting(rng);
      ASSERT_EQ(attnEmuMap(device.device, "in", in.data(), 768, 1),
                ATTN_EMU_OK);
      ASSERT_EQ(attnEmuMap(device.device, "out", out.data(), 256, 0),
                ATTN_EMU_OK);
      Value pin = value(U64(reinterpret_cast<uintptr_t>(in.data())));
      Value pout = value(U64(reinterpret_cast<uintptr_t>(out.data())));
      // Partial warps take another road through the loops over lanes.
      U32 threads = round % 2 ? 32 : 27;
      ASSERT_EQ(
          device.launch("k", {1, 1, 1}, {threads, 1, 1}, {pin, pin, pout}),
          ATTN_EMU_OK)
          << attnEmuLastError();
      ASSERT_EQ(device.kinds(), "") << row.ptx;
      for (size_t i = 0; i < threads; ++i) {
        U64 expected = row.meaning(in[i], in[32 + i], in[64 + i]);
        bool nan64 = row.result == 'D' && std::isnan(asDouble(expected)) &&
                     std::isnan(asDouble(out[i]));
        ASSERT_TRUE(out[i] == expected || nan64)
            << row.ptx << " on " << std::hex << in[i] << ", " << in[32 + i]
            << ", " << in[64 + i] << ": expects " << expected << ", but got "
            << out[i];
      }
      attnEmuUnmap(device.device, in.data());
      attnEmuUnmap(device.device, out.data());
    }
  }
}

TEST(Instructions, Integers) {
  std::vector<Row> t;
  addIntegers(t);
  check(t);
}
TEST(Instructions, Logic) {
  std::vector<Row> t;
  addLogic(t);
  check(t);
}
TEST(Instructions, Floats) {
  std::vector<Row> t;
  addFloats(t);
  check(t);
}
TEST(Instructions, Compares) {
  std::vector<Row> t;
  addCompares(t);
  check(t);
}

TEST(Instructions, ApproximationsKeepTheirBounds) {
  struct {
    const char *ptx;
    double (*exact)(double);
    double relative, absolute;
  } const table[] = {
      {"ex2.approx.ftz.f32", [](double x) { return std::exp2(x); }, 0x1.8p-22,
       0},
      {"lg2.approx.f32", [](double x) { return std::log2(x); }, 0x1.1p-22,
       0x1.1p-22},
      {"rcp.approx.ftz.f32", [](double x) { return 1 / x; }, 0x1.8p-23, 0},
      {"rsqrt.approx.f32", [](double x) { return 1 / std::sqrt(x); }, 0x1.2p-22,
       0},
      {"sqrt.approx.f32", [](double x) { return std::sqrt(x); }, 0x1.8p-23, 0},
      {"sin.approx.f32", [](double x) { return std::sin(x); }, 0, 0x1.7p-21},
      {"tanh.approx.f32", [](double x) { return std::tanh(x); }, 0x1.1p-11, 0},
  };
  for (auto &row : table)
    for (bool worst : {false, true}) {
      Device device("sm_80", 1, worst);
      ASSERT_EQ(device.load(kernel("mov.u32 %r1, %tid.x; mul.wide.u32 %rd1, "
                                   "%r1, 4; add.s64 %rd2, %a, %rd1;\n"
                                   "ld.global.f32 %f1, [%rd2];\n" +
                                   std::string(row.ptx) +
                                   " %f0, %f1;\nadd.s64 %rd2, %c, %rd1; "
                                   "st.global.f32 [%rd2], %f0;")),
                "");
      std::vector<float> in(256), out(256);
      for (size_t i = 0; i < 256; ++i)
        in[i] = 0.0131f * float(i + 1);
      Value pin = device.map(in, "in"), pout = device.map(out, "out", false);
      ASSERT_EQ(device.launch("k", {1, 1, 1}, {256, 1, 1}, {pin, pin, pout}),
                ATTN_EMU_OK);
      double most = 0;
      for (size_t i = 0; i < 256; ++i) {
        double exact = row.exact(double(in[i]));
        double error = std::fabs(double(out[i]) - exact);
        EXPECT_LE(error, row.relative * std::fabs(exact) + row.absolute)
            << row.ptx << " of " << in[i];
        most = std::max(
            most, error / (row.relative * std::fabs(exact) + row.absolute));
      }
      // The worst is near the bound, the default is not.
      EXPECT_EQ(most > 0.55, worst) << row.ptx << " " << most;
    }
}

TEST(Instructions, Atomics) {
  struct {
    const char *ptx, *space;
    std::function<U32(U32, U32)> step;
    U32 start;
  } const table[] = {
      {"add.u32", "", [](U32 m, U32 t) { return m + t; }, 5},
      {"min.s32", "",
       [](U32 m, U32 t) { return U32(std::min(S32(m), S32(t))); }, 9},
      {"max.u32", "", [](U32 m, U32 t) { return std::max(m, t); }, 9},
      {"and.b32", "", [](U32 m, U32 t) { return m & t; }, 0xff},
      {"or.b32", "", [](U32 m, U32 t) { return m | t; }, 0},
      {"xor.b32", "", [](U32 m, U32 t) { return m ^ t; }, 3},
      {"inc.u32", "", [](U32 m, U32 t) { return m >= t ? 0 : m + 1; }, 3},
      {"dec.u32", "", [](U32 m, U32 t) { return m == 0 || m > t ? t : m - 1; },
       3},
      {"exch.b32", "", [](U32, U32 t) { return t; }, 3},
      {"add.f32", "",
       [](U32 m, U32 t) { return U32(bits(asFloat(m) + asFloat(t))); }, 0},
  };
  for (auto &row : table)
    for (bool shared : {false, true}) {
      std::string where = shared ? "shared" : "global",
                  base = shared ? "%rd5" : "%b";
      Device device;
      ASSERT_EQ(
          device.load(kernel(
              ".shared .align 4 .b8 s[4]; mov.u32 %r1, %tid.x; mov.u64 %rd5, "
              "s;\n"
              "ld.global.u32 %r3, [%b]; st.shared.u32 [s], %r3; bar.sync 0;\n"
              "atom." +
                  where + "." + row.ptx + " " +
                  (row.ptx[4] == 'f' ? "%f2" : "%r2") + ", [" + base + "], " +
                  (row.ptx[4] == 'f' ? "%f1" : "%r1") + ";\n" +
                  (row.ptx[4] == 'f' ? "mov.b32 %r2, %f2;\n" : "") +
                  "mul.wide.u32 %rd1, %r1, 4; add.s64 %rd1, %rd1, %c; "
                  "st.global.u32 [%rd1], %r2; bar.sync 0;\n"
                  "ld." +
                  where + ".u32 %r4, [" + base + "]; st.global.u32 [%a], %r4;",
              "sm_80")),
          "")
          << attnEmuLastError();
      std::vector<U32> memory(1, row.start), olds(32), last(1);
      Value pa = device.map(last, "last", false),
            pb = device.map(memory, "memory"),
            pc = device.map(olds, "olds", false);
      ASSERT_EQ(device.launch("k", {1, 1, 1}, {32, 1, 1}, {pa, pb, pc}),
                ATTN_EMU_OK);
      EXPECT_EQ(device.kinds(), "") << device.text();
      // Lanes come in some order; each old value must be what one more step
      // explains. Here they come in theirs.
      U32 m = row.start;
      for (U32 lane = 0; lane < 32; ++lane) {
        EXPECT_EQ(olds[lane], m) << row.ptx << " lane " << lane;
        m = row.step(m, row.ptx[4] == 'f' ? 0xa5a5a5a5 : lane);
      }
      EXPECT_EQ(last[0], m) << row.ptx;
    }
}

TEST(Instructions, Shuffles) {
  struct {
    const char *ptx;
    std::function<int(int)> from;
  } const table[] = {
      {"up.b32 %r2|%p0, %r1, 3, 0", [](int l) { return l >= 3 ? l - 3 : -1; }},
      {"down.b32 %r2|%p0, %r1, 5, 31",
       [](int l) { return l + 5 < 32 ? l + 5 : -1; }},
      {"bfly.b32 %r2|%p0, %r1, 9, 31", [](int l) { return l ^ 9; }},
      {"idx.b32 %r2|%p0, %r1, 6, 31", [](int) { return 6; }},
      // Segments of 8 lanes: 0x181f.
      {"idx.b32 %r2|%p0, %r1, 6, 6175", [](int l) { return (l & 24) + 6; }},
      {"down.b32 %r2|%p0, %r1, 3, 6175",
       [](int l) { return l % 8 + 3 < 8 ? l + 3 : -1; }},
      {"up.b32 %r2|%p0, %r1, 3, 6144",
       [](int l) { return l % 8 >= 3 ? l - 3 : -1; }},
  };
  for (auto &row : table) {
    Device device;
    ASSERT_EQ(device.load(kernel(
                  "mov.u32 %r0, %tid.x; mul.lo.u32 %r1, %r0, 7; shfl.sync." +
                  std::string(row.ptx) +
                  ", -1;\nselp.u32 %r3, 1000, 0, %p0; add.u32 %r2, %r2, %r3; "
                  "mul.wide.u32 %rd1, %r0, 4; "
                  "add.s64 %rd1, %rd1, %c; st.global.u32 [%rd1], %r2;")),
              "");
    std::vector<U32> out(32);
    Value pc = device.map(out, "out", false);
    ASSERT_EQ(device.launch("k", {1, 1, 1}, {32, 1, 1}, {pc, pc, pc}),
              ATTN_EMU_OK);
    for (int lane = 0; lane < 32; ++lane) {
      int from = row.from(lane);
      EXPECT_EQ(out[size_t(lane)],
                from < 0 ? U32(lane * 7) : U32(from * 7 + 1000))
          << row.ptx << " lane " << lane;
    }
  }
}

TEST(Instructions, BarrierReductions) {
  Device device;
  ASSERT_EQ(device.load(kernel("mov.u32 %r0, %tid.x; setp.lt.u32 %p1, %r0, 40; "
                               "bar.red.popc.u32 %r1, 0, %p1; "
                               "bar.red.and.pred %p2, 0, %p1; bar.red.or.pred "
                               "%p3, 0, %p1; selp.u32 %r2, 100, 0, %p2; "
                               "selp.u32 %r3, 1000, 0, %p3; add.u32 %r1, %r1, "
                               "%r2; add.u32 %r1, %r1, %r3; "
                               "mul.wide.u32 %rd1, %r0, 4; add.s64 %rd1, %rd1, "
                               "%c; st.global.u32 [%rd1], %r1;")),
            "");
  std::vector<U32> out(64);
  Value pc = device.map(out, "out", false);
  ASSERT_EQ(device.launch("k", {1, 1, 1}, {64, 1, 1}, {pc, pc, pc}),
            ATTN_EMU_OK);
  EXPECT_EQ(out, std::vector<U32>(64, 1040));
}

//===----------------------------------------------------------------------===//
// Splits
//===----------------------------------------------------------------------===//

/// Runs 32 threads that store a value each.
std::vector<U32> values(const std::string &body, std::string &kinds) {
  Device device;
  std::string error =
      device.load(kernel("mov.u32 %r0, %tid.x; mul.wide.u32 %rd1, %r0, 4; "
                         "add.s64 %rd1, %rd1, %c;\n" +
                         body + "\nst.global.u32 [%rd1], %r1;"));
  EXPECT_EQ(error, "");
  std::vector<U32> out(32);
  Value pc = device.map(out, "out", false);
  if (error.empty()) {
    EXPECT_EQ(device.launch("k", {1, 1, 1}, {32, 1, 1}, {pc, pc, pc}),
              ATTN_EMU_OK)
        << attnEmuLastError();
    kinds = device.kinds();
  }
  return out;
}

TEST(Splits, MeetAtTheImmediatePostDominator) {
  // Three levels of branches; the mask is whole again behind them, and the
  // lanes of each leaf see one another alone.
  std::string kinds;
  std::vector<U32> out = values(R"(
and.b32 %r2, %r0, 1; setp.eq.u32 %p1, %r2, 0; and.b32 %r2, %r0, 2; setp.eq.u32 %p2, %r2, 0;
@%p1 bra A; @%p2 bra B; activemask.b32 %r3; bra C; B: activemask.b32 %r3; C: activemask.b32 %r4; bra D;
A: activemask.b32 %r3; mov.b32 %r4, 0; D: activemask.b32 %r5;
xor.b32 %r1, %r3, %r4; xor.b32 %r1, %r1, %r5;)",
                                kinds);
  EXPECT_EQ(kinds, "");
  for (U32 lane = 0; lane < 32; ++lane) {
    U32 leaf = !(lane & 1) ? 0x55555555 : !(lane & 2) ? 0x22222222 : 0x88888888;
    U32 side = lane & 1 ? 0xaaaaaaaa : 0;
    EXPECT_EQ(out[lane], leaf ^ side ^ 0xffffffff) << lane;
  }
}

TEST(Splits, TakeTurns) {
  // Lane 0 waits for what lane 1 of its own warp stores.
  std::string kinds;
  std::vector<U32> out = values(R"(
.shared .align 4 .u32 flag; setp.eq.u32 %p1, %r0, 0; @%p1 st.shared.u32 [flag], 0; bar.sync 0; mov.u32 %r1, 0;
@!%p1 bra SET; SPIN: ld.acquire.cta.shared.u32 %r1, [flag]; setp.ne.u32 %p2, %r1, 7; @%p2 bra SPIN; bra END;
SET: setp.eq.u32 %p3, %r0, 1; @%p3 st.release.cta.shared.u32 [flag], 7; END:)",
                                kinds);
  EXPECT_EQ(kinds, "");
  EXPECT_EQ(out[0], 7u);
  EXPECT_EQ(out[1], 0u);
}

TEST(Splits, CollectivesWaitForTheLanesTheyName) {
  // Odd lanes come to the shuffle later; the mask names all.
  std::string kinds;
  std::vector<U32> out = values(R"(
and.b32 %r2, %r0, 1; setp.eq.u32 %p1, %r2, 0; mov.u32 %r3, 0; @%p1 bra S;
L: add.u32 %r3, %r3, 1; setp.lt.u32 %p2, %r3, %r0; @%p2 bra L;
S: shfl.sync.bfly.b32 %r1, %r0, 1, 31, -1;)",
                                kinds);
  EXPECT_EQ(kinds, "");
  for (U32 lane = 0; lane < 32; ++lane)
    EXPECT_EQ(out[lane], lane ^ 1);
}

TEST(Splits, BranchTables) {
  std::string kinds;
  std::vector<U32> out = values(R"(
and.b32 %r2, %r0, 3; T: .branchtargets A, B, C, B; brx.idx %r2, T;
A: mov.u32 %r1, 10; bra END; B: mov.u32 %r1, 20; bra END; C: mov.u32 %r1, 30; END: bar.warp.sync -1;)",
                                kinds);
  EXPECT_EQ(kinds, "");
  const U32 expected[] = {10, 20, 30, 20};
  for (U32 lane = 0; lane < 32; ++lane)
    EXPECT_EQ(out[lane], expected[lane % 4]);
}

} // namespace
