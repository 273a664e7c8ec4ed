// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Flash attention forward on mma.sync: 4 warps of 16 queries each, K and V tiles
// of 64 keys copied by cp.async into swizzled shared memory, two stages.
// One head dimension (64), bf16 in, f32 out. The shape of a real kernel.
//
//   nvcc -arch=sm_80 -O3 -ptx flash.cu -o flash.ptx
#include <cstdint>

constexpr int kD = 64, kQ = 64, kK = 64;

// 16-byte chunk c of row r lies at chunk c ^ (r % 8): no bank conflicts.
__device__ uint32_t at(uint32_t base, int row, int chunk) {
  return base + row * (kD * 2) + ((chunk ^ (row & 7)) * 16);
}
__device__ void copyTile(uint32_t to, const uint16_t *from, int rows, int n) {
  for (int i = threadIdx.x; i < rows * 8; i += 128) {
    int row = i / 8, chunk = i % 8;
    const uint16_t *p = from + row * kD + chunk * 8;
    int bytes = row < n ? 16 : 0;
    if (bytes == 0)
      p = from;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                     at(to, row, chunk)),
                 "l"(p), "r"(bytes));
  }
}
__device__ void ldm4(uint32_t r[4], uint32_t p) {
  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
      : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
      : "r"(p));
}
__device__ void ldm4t(uint32_t r[4], uint32_t p) {
  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
      : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
      : "r"(p));
}
__device__ void mma(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
               "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ uint32_t pack(float lo, float hi) {
  uint32_t r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
  return r;
}
__device__ float ex2(float x) {
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}

extern "C" __global__ void __launch_bounds__(128)
    flash(const uint16_t *q, const uint16_t *k, const uint16_t *v, float *o,
          int n, float scaleLog2) {
  extern __shared__ __align__(128) uint8_t smem[];
  uint32_t base = (uint32_t)__cvta_generic_to_shared(smem);
  uint32_t sq = base, sk = base + kQ * kD * 2, sv = sk + 2 * kK * kD * 2;
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  size_t head = (size_t)blockIdx.y * n * kD;
  int q0 = blockIdx.x * kQ;
  copyTile(sq, q + head + (size_t)q0 * kD, kQ, n - q0);
  copyTile(sk, k + head, kK, n);
  copyTile(sv, v + head, kK, n);
  asm volatile("cp.async.commit_group;");
  float acc[8][4] = {}, m[2] = {-INFINITY, -INFINITY}, l[2] = {0, 0};
  uint32_t qf[4][4];
  int tiles = (n + kK - 1) / kK;
  for (int t = 0; t < tiles; ++t) {
    int stage = t & 1;
    if (t + 1 < tiles) {
      int k0 = (t + 1) * kK;
      copyTile(sk + (stage ^ 1) * kK * kD * 2, k + head + (size_t)k0 * kD, kK,
               n - k0);
      copyTile(sv + (stage ^ 1) * kK * kD * 2, v + head + (size_t)k0 * kD, kK,
               n - k0);
    }
    asm volatile("cp.async.commit_group;");
    asm volatile("cp.async.wait_group 1;");
    __syncthreads();
    if (t == 0)
      for (int d = 0; d < 4; ++d)
        ldm4(qf[d], at(sq, warp * 16 + lane % 16, 2 * d + lane / 16));
    float s[8][4] = {};
    uint32_t kt = sk + stage * kK * kD * 2, vt = sv + stage * kK * kD * 2;
#pragma unroll
    for (int d = 0; d < 4; ++d)
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        uint32_t b[4];
        ldm4(b, at(kt, j * 16 + (lane / 16) * 8 + lane % 8,
                   2 * d + (lane / 8) % 2));
        mma(s[2 * j], qf[d], b[0], b[1]);
        mma(s[2 * j + 1], qf[d], b[2], b[3]);
      }
#pragma unroll
    for (int j = 0; j < 8; ++j)
      for (int e = 0; e < 4; ++e)
        if (t * kK + j * 8 + 2 * (lane % 4) + (e & 1) >= n)
          s[j][e] = -INFINITY;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float most = m[h];
      for (int j = 0; j < 8; ++j)
        most = fmaxf(most, fmaxf(s[j][2 * h], s[j][2 * h + 1]));
      most = fmaxf(most, __shfl_xor_sync(~0u, most, 1));
      most = fmaxf(most, __shfl_xor_sync(~0u, most, 2));
      float shrink = ex2((m[h] - most) * scaleLog2);
      m[h] = most;
      l[h] *= shrink;
      for (int j = 0; j < 8; ++j) {
        acc[j][2 * h] *= shrink;
        acc[j][2 * h + 1] *= shrink;
        for (int e = 0; e < 2; ++e) {
          float p = ex2((s[j][2 * h + e] - most) * scaleLog2);
          s[j][2 * h + e] = p;
          l[h] += p;
        }
      }
    }
#pragma unroll
    for (int kk = 0; kk < 4; ++kk) {
      uint32_t a[4] = {pack(s[2 * kk][0], s[2 * kk][1]),
                       pack(s[2 * kk][2], s[2 * kk][3]),
                       pack(s[2 * kk + 1][0], s[2 * kk + 1][1]),
                       pack(s[2 * kk + 1][2], s[2 * kk + 1][3])};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        uint32_t b[4];
        ldm4t(b, at(vt, kk * 16 + lane % 16, 2 * j + lane / 16));
        mma(acc[2 * j], a, b[0], b[1]);
        mma(acc[2 * j + 1], a, b[2], b[3]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    l[h] += __shfl_xor_sync(~0u, l[h], 1);
    l[h] += __shfl_xor_sync(~0u, l[h], 2);
    int row = q0 + warp * 16 + lane / 4 + 8 * h;
    if (row < n)
      for (int j = 0; j < 8; ++j)
        *(float2 *)&o[head + (size_t)row * kD + j * 8 + 2 * (lane % 4)] =
            make_float2(acc[j][2 * h] / l[h], acc[j][2 * h + 1] / l[h]);
  }
}
