// RUN: attn-opt %s --attn-stage-schedule=isa=avx512 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-cpu \
// RUN:   | FileCheck %s --check-prefixes=CHECK,AVX512
// RUN: attn-opt %s --attn-stage-schedule=isa=avx2 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-cpu \
// RUN:   | FileCheck %s --check-prefixes=CHECK,AVX2

// Sizes first, then the table's rows go to the pool, one task each, before the attention does.
// CHECK-LABEL: func.func @attn_call_main
// CHECK: %[[TABLE:.*]] = memref.alloc() {{.*}}: memref<1x1x{{[0-9]+}}x3xi8>
// CHECK: call @attnrt_check_eq
// CHECK: call @attnrt_parallel_for
// CHECK: call @attnrt_check_heads
// CHECK: call @attnrt_parallel_for
// CHECK-NOT: attn.block_table

// Keys in the lanes: a row of the mask is one load of bytes. A block is given up as mixed between vectors of keys.
// CHECK-LABEL: func.func private @attn_block_table
// CHECK: scf.while
// CHECK: scf.for
// AVX512: vector.load %{{.*}} : memref<?x?xi8, {{.*}}>, vector<16xi8>
// AVX2: vector.load %{{.*}} : memref<?x?xi8, {{.*}}>, vector<8xi8>
// CHECK: vector.reduction <add>
// CHECK-COUNT-3: call @attnrt_count

// The tile kernel reads the table: it stages a tile that some strip needs, skips 0 and masks 1.
// CHECK-LABEL: func.func private @attn_tile(
// CHECK: memref.load %[[T:.*]][%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}] : memref<1x1x{{[0-9]+}}x3xi8, {{.*}}>
// CHECK: arith.ori
// CHECK: arith.cmpi ne
// CHECK: arith.cmpi eq, %{{.*}}, %c2_i8
func.func @main(%q: tensor<2x8x100x64xf32>, %k: tensor<2x8x300x64xf32>, %m: tensor<?x?xi1>) -> tensor<2x8x100x64xf32> {
  %out = attn.attention %q, %k, %k mask_tensor(%m : tensor<?x?xi1>)
      : tensor<2x8x100x64xf32>, tensor<2x8x300x64xf32>, tensor<2x8x300x64xf32> -> tensor<2x8x100x64xf32>
  return %out : tensor<2x8x100x64xf32>
}
