// RUN: attn-opt %s --attn-schedule=isa=avx512 | FileCheck %s --check-prefixes=CHECK,AVX512
// RUN: attn-opt %s --attn-schedule=isa=avx512bf16 | FileCheck %s --check-prefixes=CHECK,DOT
// RUN: attn-opt %s --attn-schedule=isa=avx2 | FileCheck %s --check-prefixes=CHECK,AVX2
// RUN: attn-opt %s --attn-schedule=isa=generic | FileCheck %s --check-prefixes=CHECK,GENERIC
// RUN: not attn-opt %s --attn-schedule=isa=z80 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: expects isa to be avx512bf16, avx512, avx2, sse4, neon, generic or a GPU such as sm_80, but got 'z80'

// The lanes follow the type that scores are computed in.
// CHECK-LABEL: func.func @f32
// AVX512: schedule = #attn.schedule<isa = "avx512", lanes = 16, q_vectors = 2,
// DOT: schedule = #attn.schedule<isa = "avx512bf16", lanes = 16, q_vectors = 2,
// AVX2: schedule = #attn.schedule<isa = "avx2", lanes = 8, q_vectors = 3,
// GENERIC: schedule = #attn.schedule<isa = "generic", lanes = 4,
func.func @f32(%q: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32> {
  %out = attn.attention %q, %q, %q
      : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return %out : tensor<1x2x4x8xf32>
}

// CHECK-LABEL: func.func @f16
// AVX512: lanes = 16
// AVX2: lanes = 8
func.func @f16(%q: tensor<1x2x4x8xf16>) -> tensor<1x2x4x8xf16> {
  %out = attn.attention %q, %q, %q
      : tensor<1x2x4x8xf16>, tensor<1x2x4x8xf16>, tensor<1x2x4x8xf16> -> tensor<1x2x4x8xf16>
  return %out : tensor<1x2x4x8xf16>
}

// CHECK-LABEL: func.func @f64
// AVX512: lanes = 8
// AVX2: lanes = 4
func.func @f64(%q: tensor<1x2x4x8xf64>) -> tensor<1x2x4x8xf64> {
  %out = attn.attention %q, %q, %q
      : tensor<1x2x4x8xf64>, tensor<1x2x4x8xf64>, tensor<1x2x4x8xf64> -> tensor<1x2x4x8xf64>
  return %out : tensor<1x2x4x8xf64>
}

// One that was written by hand stays.
// CHECK-LABEL: func.func @by_hand
// CHECK: #attn.schedule<isa = "mine", lanes = 2, q_vectors = 1, strips = 1, key_rows = 2, kv_tile = 4, few_rows = 0, split_keys = 7>
func.func @by_hand(%q: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32> {
  %out = attn.attention %q, %q, %q
      {schedule = #attn.schedule<isa = "mine", lanes = 2, q_vectors = 1, strips = 1, key_rows = 2,
                                 kv_tile = 4, few_rows = 0, split_keys = 7>}
      : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return %out : tensor<1x2x4x8xf32>
}
