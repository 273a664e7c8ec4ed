//===- CpuFeatures.cpp - What this CPU can run ----------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Features come from cpuid. The vector ones also need the operating system to
// save their registers, which xgetbv tells.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/CpuFeatures.h"

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

using namespace attn::rt;

#if defined(__x86_64__)

//===----------------------------------------------------------------------===//
// cpuid
//===----------------------------------------------------------------------===//

namespace {
/// The words of cpuid that the table below reads.
enum Word { L1C, L1D, L7B, L7C, L7D, L71A, X1C, XSA, kNumWords };

/// Which registers the operating system has to save.
enum State { None, Ymm, Zmm, Tmm };

struct Feature {
  const char *name;
  Word word;
  int bit;
  State state;
};
} // namespace

/// Names are LLVM's.
static const Feature featureTable[] = {
    {"sse3", L1C, 0, None},
    {"pclmul", L1C, 1, None},
    {"ssse3", L1C, 9, None},
    {"fma", L1C, 12, Ymm},
    {"cx16", L1C, 13, None},
    {"sse4.1", L1C, 19, None},
    {"sse4.2", L1C, 20, None},
    {"crc32", L1C, 20, None},
    {"movbe", L1C, 22, None},
    {"popcnt", L1C, 23, None},
    {"aes", L1C, 25, None},
    {"xsave", L1C, 27, None},
    {"avx", L1C, 28, Ymm},
    {"f16c", L1C, 29, Ymm},
    {"rdrnd", L1C, 30, None},
    {"cx8", L1D, 8, None},
    {"cmov", L1D, 15, None},
    {"mmx", L1D, 23, None},
    {"fxsr", L1D, 24, None},
    {"sse", L1D, 25, None},
    {"sse2", L1D, 26, None},
    {"fsgsbase", L7B, 0, None},
    {"bmi", L7B, 3, None},
    {"avx2", L7B, 5, Ymm},
    {"bmi2", L7B, 8, None},
    {"avx512f", L7B, 16, Zmm},
    {"avx512dq", L7B, 17, Zmm},
    {"rdseed", L7B, 18, None},
    {"adx", L7B, 19, None},
    {"avx512ifma", L7B, 21, Zmm},
    {"clflushopt", L7B, 23, None},
    {"clwb", L7B, 24, None},
    {"avx512cd", L7B, 28, Zmm},
    {"sha", L7B, 29, None},
    {"avx512bw", L7B, 30, Zmm},
    {"avx512vl", L7B, 31, Zmm},
    {"avx512vbmi", L7C, 1, Zmm},
    {"avx512vbmi2", L7C, 6, Zmm},
    {"gfni", L7C, 8, None},
    {"vaes", L7C, 9, Ymm},
    {"vpclmulqdq", L7C, 10, Ymm},
    {"avx512vnni", L7C, 11, Zmm},
    {"avx512bitalg", L7C, 12, Zmm},
    {"avx512vpopcntdq", L7C, 14, Zmm},
    {"avx512vp2intersect", L7D, 8, Zmm},
    {"amx-bf16", L7D, 22, Tmm},
    {"avx512fp16", L7D, 23, Zmm},
    {"amx-tile", L7D, 24, Tmm},
    {"amx-int8", L7D, 25, Tmm},
    {"avxvnni", L71A, 4, Ymm},
    {"avx512bf16", L71A, 5, Zmm},
    {"amx-fp16", L71A, 21, Tmm},
    {"avxifma", L71A, 23, Ymm},
    {"sahf", X1C, 0, None},
    {"lzcnt", X1C, 5, None},
    {"sse4a", X1C, 6, None},
    {"prfchw", X1C, 8, None},
    {"xop", X1C, 11, Ymm},
    {"fma4", X1C, 16, Ymm},
    {"tbm", X1C, 21, None},
    {"xsaveopt", XSA, 0, None},
    {"xsavec", XSA, 1, None},
    {"xsaves", XSA, 3, None},
};

namespace {
/// What this CPU said, read once.
struct Cpu {
  uint32_t words[kNumWords] = {};
  bool states[4] = {true, false, false, false};

  Cpu() {
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d)) {
      words[L1C] = c;
      words[L1D] = d;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
      words[L7B] = b;
      words[L7C] = c;
      words[L7D] = d;
      if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
        words[L71A] = a;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d))
      words[X1C] = c;
    if (__get_cpuid_count(0xd, 1, &a, &b, &c, &d))
      words[XSA] = a;
    if (words[L1C] & (1u << 27)) {
      uint32_t low, high;
      __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
      states[Ymm] = (low & 0x6) == 0x6;
      states[Zmm] = (low & 0xe6) == 0xe6;
      states[Tmm] = (low & 0x60000) == 0x60000;
    }
  }
};
} // namespace

FeatureAnswer attn::rt::hasCpuFeature(std::string_view name) {
  static const Cpu cpu;
  for (const Feature &feature : featureTable)
    if (name == feature.name)
      return (cpu.words[feature.word] >> feature.bit & 1) &&
                     cpu.states[feature.state]
                 ? FeatureAnswer::Yes
                 : FeatureAnswer::No;
  return FeatureAnswer::Unknown;
}

#else

FeatureAnswer attn::rt::hasCpuFeature(std::string_view) {
  return FeatureAnswer::Unknown;
}

#endif

//===----------------------------------------------------------------------===//
// Targets
//===----------------------------------------------------------------------===//

namespace {
/// A target and the features that its code may use without saying so.
struct Target {
  const char *name;
  const char *features;
};
} // namespace

/// From wide to narrow.
static const Target targets[] = {
#if defined(__x86_64__)
    {"avx512bf16",
     "+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512bf16,+avx2,+fma"},
    {"avx512", "+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx2,+fma"},
    {"avx2", "+avx2,+fma"},
    {"sse4", "+sse4.1,+sse4.2"},
#elif defined(__aarch64__)
    // Part of the base architecture.
    {"neon", ""},
#endif
    {"generic", ""},
};

/// The features of `list` that are asked for and missing, comma-separated.
static std::string missingFeatures(std::string_view list) {
  std::string missing;
  while (!list.empty()) {
    size_t comma = list.find(',');
    std::string_view item = list.substr(0, comma);
    list = comma == std::string_view::npos ? "" : list.substr(comma + 1);
    if (item.empty() || item[0] != '+')
      continue;
    item.remove_prefix(1);
    if (hasCpuFeature(item) == FeatureAnswer::No)
      missing.append(missing.empty() ? "" : ", ").append(item);
  }
  return missing;
}

const char *attn::rt::widestTarget() {
  for (const Target &target : targets)
    if (missingFeatures(target.features).empty())
      return target.name;
  return "generic";
}

Status attn::rt::checkTarget(std::string_view name, std::string_view features) {
  const std::string text(name);
  for (const Target &target : targets) {
    if (name != target.name)
      continue;
    std::string missing = missingFeatures(target.features);
    if (missing.empty())
      missing = missingFeatures(features);
    if (missing.empty())
      return Status();
    return failure(ATTN_CACHE_ERROR,
                   "the package is for target '%s', but this CPU lacks %s; "
                   "compile it again for '%s'",
                   text.c_str(), missing.c_str(), widestTarget());
  }
  return failure(ATTN_CACHE_ERROR,
                 "the runtime expects a target that this machine knows, but "
                 "got '%s'; compile the package again for '%s'",
                 text.c_str(), widestTarget());
}
