// RUN: attn-opt %s --attn-make-entries --split-input-file --verify-diagnostics | FileCheck %s

// A public function becomes one that writes into the caller's buffers and one that tells the results' sizes.
// CHECK-LABEL: func.func @attn_call_main
// CHECK-SAME: memref<?x8xf32, strided<[?, 1], offset: ?>>
// CHECK: bufferization.materialize_in_destination
// CHECK: return
// CHECK-LABEL: func.func @attn_dims_main
// CHECK-SAME: memref<2xi64>
// CHECK-COUNT-2: memref.store
func.func @main(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = math.exp2 %x : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// expected-error@+1 {{expects argument 0 of entry function 'scalar_argument' to be a ranked tensor, but got 'f32'; a scalar can be passed as a tensor of rank 0}}
func.func @scalar_argument(%x: f32, %y: tensor<4xf32>) -> tensor<4xf32> {
  return %y : tensor<4xf32>
}

// -----

// expected-error@+1 {{expects result 1 of entry function 'scalar_result' to be a ranked tensor, but got 'i32'; a scalar can be passed as a tensor of rank 0}}
func.func @scalar_result(%y: tensor<4xf32>) -> (tensor<4xf32>, i32) {
  %c = arith.constant 7 : i32
  return %y, %c : tensor<4xf32>, i32
}

// -----

// expected-error@+1 {{expects an entry function with one block, but got 2}}
func.func @two_blocks(%y: tensor<4xf32>) -> tensor<4xf32> {
  cf.br ^bb1
^bb1:
  return %y : tensor<4xf32>
}

// -----

func.func private @elsewhere(tensor<4xf32>) -> tensor<4xf32>
func.func @external_call(%y: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{expects calls that can be inlined, but got a call of 'elsewhere', which is recursive or external}}
  %z = call @elsewhere(%y) : (tensor<4xf32>) -> tensor<4xf32>
  return %z : tensor<4xf32>
}
