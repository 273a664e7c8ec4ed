// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s

// CHECK-LABEL: func.func @from_cumulative_lengths
// CHECK: attn.documents cu(%{{.*}}, %{{.*}} : tensor<3xi32>, tensor<3xi32>) outs({{.*}}) {bottom_right} -> tensor<1x8xi32>, tensor<1x8xi32>, tensor<1x8xi32>, tensor<1x8xi32>
func.func @from_cumulative_lengths(%cu: tensor<3xi32>, %o: tensor<1x8xi32>) -> tensor<1x8xi32> {
  %r:4 = attn.documents cu(%cu, %cu : tensor<3xi32>, tensor<3xi32>)
      outs(%o, %o, %o, %o : tensor<1x8xi32>, tensor<1x8xi32>, tensor<1x8xi32>, tensor<1x8xi32>) {bottom_right}
      -> tensor<1x8xi32>, tensor<1x8xi32>, tensor<1x8xi32>, tensor<1x8xi32>
  return %r#0 : tensor<1x8xi32>
}

// CHECK-LABEL: func.func @from_segments
// CHECK: attn.documents segments(%{{.*}}, %{{.*}} : memref<1x8xi32>, memref<1x8xi32>) q_lengths(%{{.*}} : memref<2xi32>) kv_lengths(%{{.*}} : memref<2xi32>) outs(%{{.*}}, %{{.*}} : memref<2x8xi32>, memref<2x8xi32>)
func.func @from_segments(%s: memref<1x8xi32>, %n: memref<2xi32>, %o: memref<2x8xi32>) {
  attn.documents segments(%s, %s : memref<1x8xi32>, memref<1x8xi32>) q_lengths(%n : memref<2xi32>)
      kv_lengths(%n : memref<2xi32>) outs(%o, %o : memref<2x8xi32>, memref<2x8xi32>)
  return
}
