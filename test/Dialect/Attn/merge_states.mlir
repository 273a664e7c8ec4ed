// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s

// CHECK-LABEL: func.func @two_states
// CHECK: attn.merge_states outs(%{{.*}}, %{{.*}} : tensor<?x4x?x8xbf16>, tensor<?x4x?x8xbf16>) lses(%{{.*}}, %{{.*}} : tensor<?x4x?xf32>, tensor<?x4x?xf32>) -> tensor<?x4x?x8xbf16>, tensor<?x4x?xf32>
func.func @two_states(%o: tensor<?x4x?x8xbf16>, %l: tensor<?x4x?xf32>) -> (tensor<?x4x?x8xbf16>, tensor<?x4x?xf32>) {
  %r:2 = attn.merge_states outs(%o, %o : tensor<?x4x?x8xbf16>, tensor<?x4x?x8xbf16>)
      lses(%l, %l : tensor<?x4x?xf32>, tensor<?x4x?xf32>) -> tensor<?x4x?x8xbf16>, tensor<?x4x?xf32>
  return %r#0, %r#1 : tensor<?x4x?x8xbf16>, tensor<?x4x?xf32>
}

// States of any rank merge; f64 keeps its lse in f64.
// CHECK-LABEL: func.func @three_states_of_one_row
// CHECK: attn.merge_states outs(%{{.*}}, %{{.*}}, %{{.*}} : tensor<8xf64>, tensor<8xf64>, tensor<8xf64>)
// CHECK-SAME: -> tensor<8xf64>, tensor<f64>
func.func @three_states_of_one_row(%o: tensor<8xf64>, %l: tensor<f64>) -> tensor<8xf64> {
  %r:2 = attn.merge_states outs(%o, %o, %o : tensor<8xf64>, tensor<8xf64>, tensor<8xf64>)
      lses(%l, %l, %l : tensor<f64>, tensor<f64>, tensor<f64>) -> tensor<8xf64>, tensor<f64>
  return %r#0 : tensor<8xf64>
}
