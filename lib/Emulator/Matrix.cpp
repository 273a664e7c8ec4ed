//===- Matrix.cpp - ldmatrix, stmatrix, mma.sync --------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which element a lane's register holds is the formula of the PTX ISA, with
// g = lane / 4 and t = lane % 4. Example, m16n8k16 on 16-bit types:
//
//   A: register r holds row g + 8 (r & 1), columns 2 t + 8 (r >> 1) and the
//   next B: register r holds rows 2 t + 8 r and the next, column g C: register
//   r holds row g + 8 (r >> 1), column 2 t + (r & 1)
//
// The order of the sum is open. By default products are summed in double and
// rounded once; in the worst-rounding mode they come in chunks from the last to
// the first, each aligned to its largest term and cut off there, as narrow
// hardware adders do.
//
//===----------------------------------------------------------------------===//

#include "Access.h"

#include <algorithm>

using namespace attn::emu;

namespace {

constexpr uint32_t kBase = 8;

//===----------------------------------------------------------------------===//
// ldmatrix and stmatrix
//===----------------------------------------------------------------------===//

/// Judges the accesses of one 8x8 matrix: every lane touches the bytes that
/// end up in, or come from, its own register.
void judgeMatrix(Warp &w, const Op &op, const LaneMemory &rows, unsigned matrix,
                 bool trans, AccessKind kind) {
  unsigned passes = trans ? 2 : 1;
  for (unsigned h = 0; h < passes; ++h) {
    LaneMemory own;
    own.space = Space::Shared;
    own.size = trans && kind.write ? 2 : 4;
    for (uint32_t lane = 0; lane < 32; ++lane) {
      uint32_t row = matrix * 8 + (trans ? 2 * (lane % 4) + h : lane / 4);
      if (!(rows.mask >> row & 1))
        continue;
      // A transposed read of half a word counts as a read of the word.
      uint32_t column = !trans       ? 4 * (lane % 4)
                        : kind.write ? 2 * (lane / 4)
                                     : 4 * (lane / 8);
      own.mask |= 1u << lane;
      own.offset[lane] = rows.offset[row] + column;
      own.allocation[lane] = nullptr;
    }
    judge(w, op, own, kind);
  }
}

template <bool Store>
void execMatrixMove(Warp &w, const Op &op, uint32_t mask) {
  uint64_t address[32];
  unsigned count = op.a;
  bool trans = op.b;
  uint32_t rowLanes = mask & (count == 4 ? ~0u : (1u << (8 * count)) - 1);
  laneAddresses(w, op, op.o[kBase], mask, address);
  if (op.space == Space::Generic)
    for (uint32_t &lanes = rowLanes; lanes;) {
      Space space;
      uint32_t first = lanesInSpace(address, lanes, space);
      if (space == Space::Shared && first == lanes)
        break;
      // A generic address outside of shared memory is out of bounds there.
      for (uint32_t rest = lanes & ~(space == Space::Shared ? first : 0u); rest;
           rest &= rest - 1)
        address[__builtin_ctz(rest)] |= kLocalWindow;
      break;
    }
  LaneMemory rows;
  AccessKind kind;
  kind.write = Store;
  kind.align = 16;
  resolve(w, op, Space::Shared, rowLanes, address, 16, kind, rows);
  countTraffic(w, op, rows);
  for (unsigned m = 0; m < count; ++m) {
    judgeMatrix(w, op, rows, m, trans, kind);
    uint32_t *r = w.r32(op.o[m]);
    for (uint32_t lane = 0; lane < 32; ++lane) {
      uint32_t value = Store ? r[lane] : 0;
      for (unsigned e = 0; e < 2; ++e) {
        uint32_t row = trans ? 2 * (lane % 4) + e : lane / 4;
        uint32_t column = trans ? lane / 4 : 2 * (lane % 4) + e;
        uint32_t from = m * 8 + row;
        if (!(rows.mask >> from & 1))
          continue;
        uint8_t *bytes = rows.bytes[from] + 2 * column;
        if (Store) {
          auto half = uint16_t(value >> (16 * e));
          if (mask >> lane & 1)
            std::memcpy(bytes, &half, 2);
        } else {
          uint16_t half;
          std::memcpy(&half, bytes, 2);
          value |= uint32_t(half) << (16 * e);
        }
      }
      if (!Store && (mask >> lane & 1))
        r[lane] = value;
    }
  }
}

template <bool Store>
void decodeMatrixMove(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::MatrixLoad;
  d.needTarget(Store ? 90 : 75, Store ? "stmatrix" : "ldmatrix");
  if (!d.take("sync") || !d.take("aligned"))
    d.refuse("expects .sync.aligned");
  d.needAny({"m8n8"}, "a shape");
  std::string_view num = d.needAny({"x1", "x2", "x4"}, "a number");
  op.a = uint8_t(num[1] - '0');
  op.b = d.take("trans");
  op.space = takeSpace(d);
  if (op.space != Space::Shared && op.space != Space::Generic)
    d.refuse("expects shared memory");
  d.needType({Type::B16});
  d.needCount(2);
  auto list = d.vector(d.operand(Store ? 1 : 0), op.a);
  for (unsigned k = 0; k < op.a; ++k)
    op.o[k] = Store ? d.source(*list[k], Type::B32)
                    : d.destination(*list[k], Type::B32);
  Space space = op.space;
  d.address(d.operand(Store ? 0 : 1), kBase, space);
  op.space = space;
  op.flow = Flow::Aligned;
  op.fn = execMatrixMove<Store>;
}

//===----------------------------------------------------------------------===//
// mma
//===----------------------------------------------------------------------===//

/// Kinds of elements that are multiplied.
enum Element : uint8_t { kHalf, kBFloat, kTF32, kS8, kU8, kF64 };

/// Operation layout: o[0..3] D, o[4..7] A, o[8..9] B, o[10..13] C.
constexpr uint32_t kA = 4, kB = 8, kC = 10;

template <Element E>
inline float element(uint32_t word, unsigned half) {
  if (E == kHalf)
    return f16ToFloat(uint16_t(word >> (16 * half)));
  if (E == kBFloat)
    return bf16ToFloat(uint16_t(word >> (16 * half)));
  // The low bits of a tf32 do not count.
  return bitCast<float>(word & 0xffffe000u);
}

/// a chunk of products and the sum so far, aligned to the largest of them and
/// cut off 24 bits below; then cut to f32.
float chopSum(float acc, const double *terms, unsigned n) {
  double largest = std::fabs(acc);
  for (unsigned k = 0; k < n; ++k)
    largest = std::max(largest, std::fabs(terms[k]));
  bool finite = std::isfinite(acc);
  double plain = acc;
  for (unsigned k = 0; k < n; ++k) {
    finite &= std::isfinite(terms[k]);
    plain += terms[k];
  }
  if (!finite || largest == 0)
    return float(plain);
  int exponent = std::ilogb(largest) - 24;
  double unit = std::ldexp(1.0, -exponent);
  double sum = std::trunc(double(acc) * unit);
  for (unsigned k = 0; k < n; ++k)
    sum += std::trunc(terms[k] * unit);
  return toF32(std::ldexp(sum, exponent), Rounding::Zero);
}

template <Element E, unsigned K>
void execMma(Warp &w, const Op &op, uint32_t mask) {
  constexpr bool wide = E == kTF32;
  constexpr unsigned perRegister = wide ? 1 : 2;
  // Registers of A come in pairs of rows; each pair covers `span` columns.
  constexpr unsigned span = wide ? 4 : 8;
  constexpr unsigned pairs = K / span;
  float a[16][K], b[K][8];
  double c[16][8];
  for (unsigned p = 0; p < pairs; ++p)
    for (unsigned h = 0; h < 2; ++h) {
      const uint32_t *row = w.r32(op.o[kA + 2 * p + h]);
      for (unsigned lane = 0; lane < 32; ++lane)
        for (unsigned e = 0; e < perRegister; ++e)
          a[lane / 4 + 8 * h][span * p + perRegister * (lane % 4) + e] =
              element<E>(row[lane], e);
    }
  for (unsigned p = 0; p < pairs; ++p) {
    const uint32_t *row = w.r32(op.o[kB + p]);
    for (unsigned lane = 0; lane < 32; ++lane)
      for (unsigned e = 0; e < perRegister; ++e)
        b[span * p + perRegister * (lane % 4) + e][lane / 4] =
            element<E>(row[lane], e);
  }
  bool halfC = op.type2 == Type::F16, halfD = op.type == Type::F16;
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned r = 0; r < 4; ++r) {
      double value = halfC
                         ? f16ToFloat(uint16_t(w.r32(op.o[kC + r / 2])[lane] >>
                                               (16 * (r & 1))))
                         : bitCast<float>(w.r32(op.o[kC + r])[lane]);
      c[lane / 4 + 8 * (r >> 1)][2 * (lane % 4) + (r & 1)] = value;
    }
  if (w.launch.options.worstRounding) {
    constexpr unsigned chunk = K < 8 ? K : 8;
    for (unsigned i = 0; i < 16; ++i)
      for (unsigned j = 0; j < 8; ++j) {
        auto acc = float(c[i][j]);
        for (unsigned at = K; at > 0; at -= chunk) {
          double terms[chunk];
          for (unsigned k = 0; k < chunk; ++k)
            terms[k] = double(a[i][at - 1 - k]) * b[at - 1 - k][j];
          acc = chopSum(acc, terms, chunk);
        }
        c[i][j] = acc;
      }
  } else {
    double bd[K][8];
    for (unsigned k = 0; k < K; ++k)
      for (unsigned j = 0; j < 8; ++j)
        bd[k][j] = b[k][j];
    for (unsigned i = 0; i < 16; ++i)
      for (unsigned k = 0; k < K; ++k) {
        double x = a[i][k];
        for (unsigned j = 0; j < 8; ++j)
          c[i][j] += x * bd[k][j];
      }
  }
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1))
      continue;
    uint32_t packed[2] = {};
    for (unsigned r = 0; r < 4; ++r) {
      double value = c[lane / 4 + 8 * (r >> 1)][2 * (lane % 4) + (r & 1)];
      if (halfD)
        packed[r / 2] |= uint32_t(toF16(value)) << (16 * (r & 1));
      else
        w.r32(op.o[r])[lane] = bitCast<uint32_t>(canonical(float(value)));
    }
    if (halfD) {
      w.r32(op.o[0])[lane] = packed[0];
      w.r32(op.o[1])[lane] = packed[1];
    }
  }
  w.block.counters[op.index].tensorFlops += 2 * 16 * 8 * K;
}

/// m16n8k16 and m16n8k32 on 8-bit integers. op.b: A signed, op.c: B signed.
template <unsigned K>
void execMmaInt(Warp &w, const Op &op, uint32_t mask) {
  int32_t a[16][K], b[K][8];
  int64_t c[16][8];
  auto byte = [](uint32_t word, unsigned e, bool s) -> int32_t {
    uint32_t v = word >> (8 * e) & 255;
    return s ? int32_t(int8_t(v)) : int32_t(v);
  };
  for (unsigned r = 0; r < K / 8; ++r) {
    const uint32_t *row = w.r32(op.o[kA + r]);
    for (unsigned lane = 0; lane < 32; ++lane)
      for (unsigned e = 0; e < 4; ++e)
        a[lane / 4 + 8 * (r & 1)][16 * (r >> 1) + 4 * (lane % 4) + e] =
            byte(row[lane], e, op.b);
  }
  for (unsigned r = 0; r < K / 16; ++r) {
    const uint32_t *row = w.r32(op.o[kB + r]);
    for (unsigned lane = 0; lane < 32; ++lane)
      for (unsigned e = 0; e < 4; ++e)
        b[16 * r + 4 * (lane % 4) + e][lane / 4] = byte(row[lane], e, op.c);
  }
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned r = 0; r < 4; ++r)
      c[lane / 4 + 8 * (r >> 1)][2 * (lane % 4) + (r & 1)] =
          int32_t(w.r32(op.o[kC + r])[lane]);
  for (unsigned i = 0; i < 16; ++i)
    for (unsigned k = 0; k < K; ++k)
      for (unsigned j = 0; j < 8; ++j)
        c[i][j] += a[i][k] * b[k][j];
  forLanes(mask, [&](uint32_t lane) {
    for (unsigned r = 0; r < 4; ++r) {
      int64_t v = c[lane / 4 + 8 * (r >> 1)][2 * (lane % 4) + (r & 1)];
      if (op.sat)
        v = std::clamp<int64_t>(v, INT32_MIN, INT32_MAX);
      w.r32(op.o[r])[lane] = uint32_t(v);
    }
  });
  w.block.counters[op.index].tensorFlops += 2 * 16 * 8 * K;
}

void decodeMma(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::Matrix;
  if (!d.take("sync") || !d.take("aligned"))
    d.refuse("expects .sync.aligned");
  std::string_view shape =
      d.needAny({"m16n8k4", "m16n8k8", "m16n8k16", "m16n8k32"}, "a shape");
  unsigned k = unsigned(std::stoul(std::string(shape.substr(6))));
  if (!d.take("row") || !d.take("col"))
    d.refuse("expects .row.col");
  op.sat = d.take("satfinite");
  Type td = d.takeType(), ta = d.takeType(), tb = d.takeType(),
       tc = d.takeType();
  op.type = td;
  op.type2 = tc;
  bool half = ta == Type::F16, bfloat = ta == Type::BF16, tf = ta == Type::TF32;
  bool integers =
      (ta == Type::S8 || ta == Type::U8) && (tb == Type::S8 || tb == Type::U8);
  bool f32 = td == Type::F32 && tc == Type::F32;
  bool f16 = (td == Type::F16 || td == Type::F32) &&
             (tc == Type::F16 || tc == Type::F32);
  unsigned nA, nB;
  if (integers && td == Type::S32 && tc == Type::S32 && (k == 16 || k == 32)) {
    op.b = ta == Type::S8;
    op.c = tb == Type::S8;
    nA = k / 8;
    nB = k / 16;
    op.fn = k == 16 ? execMmaInt<16> : execMmaInt<32>;
  } else if (ta == tb && !op.sat &&
             ((half && f16 && (k == 8 || k == 16)) ||
              (bfloat && f32 && (k == 8 || k == 16)))) {
    nA = k / 4;
    nB = k / 8;
    op.fn = half ? (k == 8 ? execMma<kHalf, 8> : execMma<kHalf, 16>)
                 : (k == 8 ? execMma<kBFloat, 8> : execMma<kBFloat, 16>);
  } else if (ta == tb && !op.sat && tf && f32 && (k == 4 || k == 8)) {
    nA = k / 2;
    nB = k / 4;
    op.fn = k == 4 ? execMma<kTF32, 4> : execMma<kTF32, 8>;
  } else {
    d.refuse("does not know mma of this shape on these types");
  }
  d.needTarget(half && k == 8 ? 75 : 80, "this mma");
  if (half && k == 8 && td != tc)
    d.refuse("expects the same type for C and D");
  d.needCount(4);
  auto load = [&](size_t i, unsigned n, uint32_t at, Type type, bool write) {
    auto list = d.vector(d.operand(i), n);
    for (unsigned r = 0; r < n; ++r)
      op.o[at + r] =
          write ? d.destination(*list[r], type) : d.source(*list[r], type);
  };
  auto accumulator = [](Type type) {
    return type == Type::F16 ? Type::B32 : type;
  };
  load(0, td == Type::F16 ? 2 : 4, 0, accumulator(td), true);
  load(1, nA, kA, Type::B32, false);
  load(2, nB, kB, Type::B32, false);
  load(3, tc == Type::F16 ? 2 : 4, kC, accumulator(tc), false);
  op.flow = Flow::Aligned;
}

/// movmatrix.sync.aligned.m8n8.trans.b16 d, a
void execMovMatrix(Warp &w, const Op &op, uint32_t mask) {
  uint16_t m[8][8];
  uint32_t *d = w.r32(op.o[0]), *a = w.r32(op.o[1]);
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned e = 0; e < 2; ++e)
      m[lane / 4][2 * (lane % 4) + e] = uint16_t(a[lane] >> (16 * e));
  forLanes(mask, [&](uint32_t lane) {
    d[lane] = uint32_t(m[2 * (lane % 4)][lane / 4]) |
              uint32_t(m[2 * (lane % 4) + 1][lane / 4]) << 16;
  });
}
void decodeMovMatrix(Decoder &d) {
  Op &op = d.op;
  op.cls = OpClass::MatrixLoad;
  d.needTarget(75, "movmatrix");
  if (!d.take("sync") || !d.take("aligned") || !d.take("m8n8") ||
      !d.take("trans"))
    d.refuse("expects .sync.aligned.m8n8.trans");
  d.needType({Type::B16});
  d.needCount(2);
  op.o[0] = d.destination(0, Type::B32);
  op.o[1] = d.source(1, Type::B32);
  op.flow = Flow::Aligned;
  op.fn = execMovMatrix;
}
} // namespace

void attn::emu::addMatrix(InstructionTable &table) {
  table["ldmatrix"] = decodeMatrixMove<false>;
  table["stmatrix"] = decodeMatrixMove<true>;
  table["movmatrix"] = decodeMovMatrix;
  table["mma"] = decodeMma;
}
