// With batch_invariant any number of rows takes tiles: no row kernel and no merge of parts.
// RUN: attn-opt %s --attn-stage-schedule=isa=avx2 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-cpu \
// RUN:   | FileCheck %s
// RUN: not attn-opt %s --attn-stage-schedule=isa=sm_80 --attn-stage-plan --attn-stage-bufferize \
// RUN:   --convert-attn-to-gpu 2>&1 | FileCheck %s --check-prefix=GPU

// GPU: error: {{.*}}'attn.attention' op expects a CPU for batch_invariant, but got {{.*}}sm_80

// A few rows take one vector of queries, more the whole strip.
// CHECK-LABEL: func.func @attn_call_main
// CHECK: scf.if
// CHECK: call @attnrt_parallel_for
// CHECK: else
// CHECK: call @attnrt_parallel_for
// CHECK-NOT: attn_row
// CHECK-NOT: attn_merge
// CHECK-COUNT-4: func.func private @attn_tile
// CHECK-NOT: attn_row
func.func @main(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x?x64xf32>) -> tensor<?x8x?x64xf32> {
  %out = attn.attention %q, %k, %k mask <causal> align bottom_right {batch_invariant}
      : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x?x64xf32>
  return %out : tensor<?x8x?x64xf32>
}
