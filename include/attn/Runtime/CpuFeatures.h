//===- CpuFeatures.h - What this CPU can run --------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compares what a package was compiled for with what this CPU and operating
// system offer, so that a foreign package is an error with a reason instead of
// an illegal instruction.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_CPUFEATURES_H
#define ATTN_RUNTIME_CPUFEATURES_H

#include "attn/Runtime/Status.h"

#include <string>
#include <string_view>

namespace attn::rt {

/// Whether this CPU has the feature that LLVM calls `name`.
enum class FeatureAnswer { Yes, No, Unknown };
FeatureAnswer hasCpuFeature(std::string_view name);

/// The widest of "avx512bf16", "avx512", "avx2", "sse4", "generic" that this CPU runs.
const char *widestTarget();

/// Refuses a package for `target` with LLVM's feature list `features`
/// ("+avx2,-avx512f,..."), naming what is missing. Features that this runtime
/// does not know (most of them only tune) are not looked at.
Status checkTarget(std::string_view target, std::string_view features);

} // namespace attn::rt

#endif // ATTN_RUNTIME_CPUFEATURES_H
