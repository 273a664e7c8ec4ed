//===- peak.cpp - What this machine can do at most --------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Three probes, called through ctypes in the same run as the kernels they are
// the measure of: multiply-adds per second from registers, in f32 and in dot
// products of bf16 pairs, and bytes per second read from memory in order.
//===----------------------------------------------------------------------===//

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

/// Independent chains of multiply-adds; the compiler fuses them where the
/// target has FMA. Gives the number of float operations done.
template <typename Vector>
inline __attribute__((always_inline)) double chains(int64_t rounds) {
  constexpr int kChains = 12;
  Vector x[kChains], a, b;
  volatile float factor = 0.999f, term = 0.001f; // nothing to fold
  for (size_t lane = 0; lane < sizeof(Vector) / 4; ++lane) {
    a[lane] = factor;
    b[lane] = term;
  }
  for (int n = 0; n < kChains; ++n)
    x[n] = a * static_cast<float>(n);
  for (int64_t round = 0; round < rounds; ++round)
    for (int n = 0; n < kChains; ++n)
      x[n] = x[n] * a + b;
  float sum = 0;
  for (int n = 0; n < kChains; ++n)
    sum += x[n][0];
  volatile float sink = sum;
  (void)sink;
  return 2.0 * kChains * (sizeof(Vector) / 4) * static_cast<double>(rounds);
}

#if defined(__x86_64__)
typedef float V16 __attribute__((vector_size(64)));
typedef float V8 __attribute__((vector_size(32)));
__attribute__((target("avx512f,fma"), noinline)) double wide(int64_t rounds) {
  return chains<V16>(rounds);
}
__attribute__((target("avx2,fma"), noinline)) double middle(int64_t rounds) {
  return chains<V8>(rounds);
}

/// Chains of vdpbf16ps: 16 lanes, each of which adds two products.
__attribute__((target("avx512f,avx512bf16"), noinline)) double
dots(int64_t rounds) {
  constexpr int kChains = 12;
  volatile float factor = 0.001f; // nothing to fold
  __m512 x[kChains];
  for (int n = 0; n < kChains; ++n)
    x[n] = _mm512_set1_ps(factor * static_cast<float>(n));
  __m512bh a = _mm512_cvtne2ps_pbh(x[1], x[1]),
           b = _mm512_cvtne2ps_pbh(x[2], x[2]);
  for (int64_t round = 0; round < rounds; ++round)
    for (int n = 0; n < kChains; ++n)
      x[n] = _mm512_dpbf16_ps(x[n], a, b);
  float sum = 0;
  for (int n = 0; n < kChains; ++n)
    sum += _mm512_reduce_add_ps(x[n]);
  volatile float sink = sum;
  (void)sink;
  return 2.0 * kChains * 32 * static_cast<double>(rounds);
}
#endif
typedef float V4 __attribute__((vector_size(16)));
#if defined(__x86_64__)
__attribute__((noinline)) double narrow(int64_t rounds) {
  return chains<V4>(rounds);
}
#endif

double run(int64_t rounds) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    return wide(rounds);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return middle(rounds);
  return narrow(rounds);
#else
  double flops = 0;
  (void)rounds;
  return flops;
#endif
}

template <typename Work>
double onThreads(int threads, Work work) {
  std::vector<std::thread> pool;
  auto start = Clock::now();
  for (int n = 1; n < threads; ++n)
    pool.emplace_back([&, n] { work(n); });
  work(0);
  for (std::thread &thread : pool)
    thread.join();
  return seconds(start);
}

} // namespace

extern "C" {

/// Float operations per second on `threads` threads, over about 20 ms.
double attnbench_fma_peak(int threads) {
  constexpr int64_t kRounds = 1 << 21;
  double flops = run(1 << 10) / (1 << 10) * kRounds;
  double taken = onThreads(threads, [](int) { run(kRounds); });
  return flops * threads / taken;
}

/// Float operations per second of dot products of bf16 pairs, 0 where this CPU
/// has none.
double attnbench_dot_peak(int threads) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) {
    constexpr int64_t kRounds = 1 << 21;
    double flops = dots(1 << 10) / (1 << 10) * kRounds;
    double taken = onThreads(threads, [](int) { dots(kRounds); });
    return flops * threads / taken;
  }
#endif
  (void)threads;
  return 0;
}

/// Bytes per second read in order from `buffer`, each thread its own part.
double attnbench_linear_read(const float *buffer, int64_t count, int threads) {
  std::vector<float> sums(threads);
  double taken = onThreads(threads, [&](int n) {
    int64_t part = count / threads / 64 * 64;
    const float *from = buffer + n * part;
    V4 sum[16] = {};
    for (int64_t at = 0; at < part; at += 64)
      for (int k = 0; k < 16; ++k)
        sum[k] += *reinterpret_cast<const V4 *>(from + at + 4 * k);
    for (int k = 1; k < 16; ++k)
      sum[0] += sum[k];
    sums[n] = sum[0][0];
  });
  volatile float sink = 0;
  for (float sum : sums)
    sink = sink + sum;
  return static_cast<double>(count / threads / 64 * 64 * threads) * 4 / taken;
}

} // extern "C"
