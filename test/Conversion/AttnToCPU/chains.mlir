// No more than 64 columns are summed one after the other: of 200, three chains and one of 8 are added up. Of 64 there is
// one chain and nothing to add.
// RUN: attn-opt %s --attn-stage-schedule=isa=avx512 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-cpu \
// RUN:   --split-input-file | FileCheck %s

// CHECK-LABEL: func.func private @attn_tile(
// CHECK: %[[TOTALS:.*]]:16 = scf.for %[[D:.*]] = %c0{{.*}} to %c192{{.*}} step %c64{{.*}} iter_args(%[[TOTAL:[a-z0-9]+]] =
// CHECK: %[[END:.*]] = arith.addi %[[D]], %c64
// CHECK: %[[CHAIN:.*]]:16 = scf.for %{{.*}} = %[[D]] to %[[END]] step %c4{{.*}} iter_args
// CHECK: %[[SUM:.*]] = arith.addf %[[TOTAL]], %[[CHAIN]]#0
// CHECK: scf.yield %[[SUM]]
// CHECK: %[[REST:.*]]:16 = scf.for %{{.*}} = %c192{{.*}} to %{{.*}} step %c4{{.*}} iter_args
// CHECK: arith.addf %[[TOTALS]]#0, %[[REST]]#0
func.func @main(%q: tensor<?x8x?x200xf32>, %k: tensor<?x2x?x200xf32>) -> tensor<?x8x?x200xf32> {
  %out = attn.attention %q, %k, %k
      : tensor<?x8x?x200xf32>, tensor<?x2x?x200xf32>, tensor<?x2x?x200xf32> -> tensor<?x8x?x200xf32>
  return %out : tensor<?x8x?x200xf32>
}

// -----

// CHECK-LABEL: func.func private @attn_tile(
// CHECK: %[[SUMS:.*]]:16 = scf.for %{{.*}} = %c0{{.*}} to %{{.*}} step %c4{{.*}} iter_args
// CHECK-COUNT-64: vector.fma
// CHECK-NEXT: scf.yield
// CHECK-NEXT: }
// CHECK-NOT: arith.addf
// CHECK: vector.store %[[SUMS]]#0
func.func @main(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x?x64xf32>) -> tensor<?x8x?x64xf32> {
  %out = attn.attention %q, %k, %k
      : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x?x64xf32>
  return %out : tensor<?x8x?x64xf32>
}
