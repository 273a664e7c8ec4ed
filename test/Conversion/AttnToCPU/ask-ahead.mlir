// The operands of the next head are asked for while this one is computed, unless they lie in pages; the guarded form is
// rare and asks for nothing. A few rows over one part of the keys leave no workspace and no parts to merge.
// RUN: attn-opt %s --attn-stage-schedule=isa=avx2 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-cpu \
// RUN:   --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @attn_call_main
// CHECK: %[[ONE:.*]] = arith.cmpi eq, %{{.*}}, %c1
// CHECK: %[[PARTS:.*]] = arith.select %[[ONE]], %c0
// CHECK: memref.alloc(%{{.*}}, %{{.*}}, %{{.*}}, %[[PARTS]])
// CHECK: arith.select %[[ONE]], %c0

// CHECK-LABEL: func.func private @attn_tile_guarded
// CHECK-NOT: memref.prefetch
// CHECK-LABEL: func.func private @attn_tile(
// CHECK: memref.prefetch %{{.*}}, read, locality<2>, data
// CHECK: memref.prefetch %{{.*}}, write, locality<2>, data
func.func @main(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x?x64xf32>) -> tensor<?x8x?x64xf32> {
  %out = attn.attention %q, %k, %k
      : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x?x64xf32>
  return %out : tensor<?x8x?x64xf32>
}

// -----

// CHECK-LABEL: func.func private @attn_tile(
// CHECK-NOT: memref.prefetch
func.func @main(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x16x64xf32>, %pages: tensor<?x2x?xi32>) -> tensor<?x8x?x64xf32> {
  %out = attn.attention %q, %k, %k page_table(%pages : tensor<?x2x?xi32>) {page_size = 16 : i64}
      : tensor<?x8x?x64xf32>, tensor<?x2x16x64xf32>, tensor<?x2x16x64xf32> -> tensor<?x8x?x64xf32>
  return %out : tensor<?x8x?x64xf32>
}
