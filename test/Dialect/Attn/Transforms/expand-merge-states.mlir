// RUN: attn-opt %s --attn-expand-merge-states | FileCheck %s

// One linalg op for lse, one for out. A state with lse = -inf is selected away,
// so that what its out holds (NaN, say) never matters.
// CHECK-LABEL: func.func @two_states
// CHECK-SAME: (%[[O0:.*]]: tensor<?x4x8xbf16>, %[[O1:.*]]: tensor<?x4x8xbf16>, %[[L0:.*]]: tensor<?x4xf32>, %[[L1:.*]]: tensor<?x4xf32>)
// CHECK: %[[LSE:.*]] = linalg.generic {{.*}} ins(%[[L0]], %[[L1]] : tensor<?x4xf32>, tensor<?x4xf32>)
// CHECK: arith.maximumf
// CHECK-COUNT-2: math.exp
// CHECK: math.log
// CHECK: %[[OUT:.*]] = linalg.generic {{.*}} ins(%[[O0]], %[[O1]], %[[L0]], %[[L1]], %[[LSE]]
// CHECK: arith.extf
// CHECK: math.exp
// CHECK: %[[EMPTY:.*]] = arith.cmpf oeq
// CHECK: arith.select %[[EMPTY]]
// CHECK: arith.truncf
// CHECK: return %[[OUT]], %[[LSE]]
func.func @two_states(%o0: tensor<?x4x8xbf16>, %o1: tensor<?x4x8xbf16>, %l0: tensor<?x4xf32>, %l1: tensor<?x4xf32>)
    -> (tensor<?x4x8xbf16>, tensor<?x4xf32>) {
  %r:2 = attn.merge_states outs(%o0, %o1 : tensor<?x4x8xbf16>, tensor<?x4x8xbf16>)
      lses(%l0, %l1 : tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4x8xbf16>, tensor<?x4xf32>
  return %r#0, %r#1 : tensor<?x4x8xbf16>, tensor<?x4xf32>
}

// f64 states merge in f64, without conversions.
// CHECK-LABEL: func.func @doubles
// CHECK: arith.maximumf %{{.*}}, %{{.*}} : f64
// CHECK-NOT: arith.extf
// CHECK-NOT: arith.truncf
// CHECK: return
func.func @doubles(%o: tensor<4x8xf64>, %l: tensor<4xf64>) -> tensor<4x8xf64> {
  %r:2 = attn.merge_states outs(%o, %o : tensor<4x8xf64>, tensor<4x8xf64>)
      lses(%l, %l : tensor<4xf64>, tensor<4xf64>) -> tensor<4x8xf64>, tensor<4xf64>
  return %r#0 : tensor<4x8xf64>
}
