// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Small kernels whose PTX is run on the emulator and compared with plain C++
// (CudaTest.cpp). The PTX beside this file was made by two compilers:
//
//   nvcc -arch=sm_80 -O3 -ptx suite.cu -o suite-nvcc.ptx
//   clang++-22 --cuda-gpu-arch=sm_80 -O2 --cuda-device-only -S suite.cu \
//     -o suite-clang.ptx
#include <cstdint>

/// y = a x + y, with a tail.
extern "C" __global__ void saxpy(int n, float a, const float *x, float *y) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    y[i] = a * x[i] + y[i];
}

/// Steps of the Collatz sequence: a loop that every lane leaves at another time.
extern "C" __global__ void collatz(const uint32_t *x, uint32_t *steps) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  uint64_t v = x[i];
  uint32_t n = 0;
  while (v != 1) {
    if (v & 1)
      v = 3 * v + 1;
    else
      v >>= 1;
    ++n;
  }
  steps[i] = n;
}

/// Sum of a block: shuffles within warps, shared memory between them.
extern "C" __global__ void blockSum(const float *x, float *sums, int n) {
  __shared__ float part[32];
  float v = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n;
       i += gridDim.x * blockDim.x)
    v += x[i];
  for (int o = 16; o; o >>= 1)
    v += __shfl_down_sync(~0u, v, o);
  if (threadIdx.x % 32 == 0)
    part[threadIdx.x / 32] = v;
  __syncthreads();
  if (threadIdx.x < 32) {
    v = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0;
    for (int o = 16; o; o >>= 1)
      v += __shfl_xor_sync(~0u, v, o);
    if (threadIdx.x == 0)
      sums[blockIdx.x] = v;
  }
}

/// The last block that ends adds up what all blocks wrote.
__device__ unsigned ticket;
extern "C" __global__ void gridSum(const float *x, float *sums, float *total) {
  __shared__ bool last;
  float v = x[blockIdx.x * 32 + threadIdx.x];
  for (int o = 16; o; o >>= 1)
    v += __shfl_xor_sync(~0u, v, o);
  if (threadIdx.x == 0) {
    sums[blockIdx.x] = v;
    __threadfence();
    last = atomicAdd(&ticket, 1) == gridDim.x - 1;
    __threadfence();
  }
  __syncthreads();
  if (last) {
    float t = 0;
    for (int i = threadIdx.x; i < gridDim.x; i += 32)
      t += sums[i];
    for (int o = 16; o; o >>= 1)
      t += __shfl_xor_sync(~0u, t, o);
    if (threadIdx.x == 0)
      *total = t;
  }
}

/// Atomics on shared and on global memory.
extern "C" __global__ void histogram(const uint8_t *x, uint32_t *bins, int n) {
  __shared__ uint32_t mine[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x)
    mine[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n;
       i += gridDim.x * blockDim.x)
    atomicAdd(&mine[x[i]], 1);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x)
    if (mine[i])
      atomicAdd(&bins[i], mine[i]);
}

/// A tile through padded shared memory.
extern "C" __global__ void transpose(const float *x, float *y, int n) {
  __shared__ float tile[32][33];
  int c = blockIdx.x * 32, r = blockIdx.y * 32;
  for (int i = threadIdx.y; i < 32; i += 8)
    tile[i][threadIdx.x] = x[(r + i) * n + c + threadIdx.x];
  __syncthreads();
  for (int i = threadIdx.y; i < 32; i += 8)
    y[(c + i) * n + r + threadIdx.x] = tile[threadIdx.x][i];
}

/// A switch, calls and local arrays.
__device__ __noinline__ int64_t power(int64_t x, int n) {
  int64_t r = 1;
  for (int i = 0; i < n; ++i)
    r *= x;
  return r;
}
extern "C" __global__ void dispatch(const int *x, int64_t *y) {
  int i = threadIdx.x;
  int64_t table[8];
  for (int k = 0; k < 8; ++k)
    table[k] = power(x[i], k);
  int64_t r;
  switch (i % 6) {
  case 0:
    r = table[x[i] & 7];
    break;
  case 1:
    r = power(x[i], 3) / 7;
    break;
  case 2:
    r = x[i] % 5 - table[2];
    break;
  case 3:
    r = __popc(x[i]) + __clz(x[i]) * 100;
    break;
  case 4:
    r = (int64_t)__brev(x[i]);
    break;
  default:
    r = x[i] ? 1000000007 / x[i] : -1;
  }
  y[i] = r;
}

/// Votes, matches and masks in divergent code.
extern "C" __global__ void votes(const int *x, uint32_t *y) {
  int i = threadIdx.x;
  uint32_t r = 0;
  if (x[i] & 1) {
    uint32_t mask = __activemask();
    r = __ballot_sync(mask, x[i] > 10);
    r += __popc(__match_any_sync(mask, x[i] & 6)) << 16;
  } else {
    uint32_t even = __ballot_sync(__activemask(), 1);
    r = __reduce_add_sync(even, (unsigned)x[i]);
  }
  __syncwarp();
  y[i] = r;
}

/// f64 and the slower functions.
extern "C" __global__ void doubles(const double *x, double *y) {
  int i = threadIdx.x;
  double v = x[i];
  y[i] = sqrt(fabs(v)) + 1.0 / (v + 3.0) + floor(v) * fma(v, v, -1.0);
}

/// One 16x8 tile of A B on mma m16n8k16: A by ldmatrix, B (k x n) by
/// ldmatrix.trans, both through cp.async.
extern "C" __global__ void tile(const uint16_t *a, const uint16_t *b,
                                float *c) {
  __shared__ __align__(16) uint16_t sa[16 * 16], sb[16 * 8];
  int lane = threadIdx.x;
  uint32_t pa = (uint32_t)__cvta_generic_to_shared(sa);
  uint32_t pb = (uint32_t)__cvta_generic_to_shared(sb);
  asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" ::"r"(pa + lane * 16),
               "l"(a + lane * 8));
  if (lane < 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(pb + lane * 16),
                 "l"(b + lane * 8));
  asm volatile("cp.async.wait_all;");
  __syncthreads();
  uint32_t ra[4], rb[2];
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(ra[0]), "=r"(ra[1]), "=r"(ra[2]), "=r"(ra[3])
               : "r"(pa + (lane % 16) * 32 + (lane / 16) * 16));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
               : "=r"(rb[0]), "=r"(rb[1])
               : "r"(pb + (lane % 16) * 16));
  float d[4] = {0, 0, 0, 0};
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
               "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(ra[0]), "r"(ra[1]), "r"(ra[2]), "r"(ra[3]), "r"(rb[0]),
                 "r"(rb[1]));
  for (int r = 0; r < 4; ++r)
    c[(lane / 4 + 8 * (r / 2)) * 8 + 2 * (lane % 4) + r % 2] = d[r];
}
