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

// The size of a result does not wait for the loop that computes it: the body keeps it.
// CHECK-LABEL: func.func @attn_dims_layers
// CHECK-SAME: (%[[ARG:.*]]: memref<1x2x?x8xf32, {{.*}}
// CHECK: %[[X:.*]] = bufferization.to_tensor %[[ARG]]
// CHECK: scf.for
// CHECK: %[[AXIS:.*]] = arith.constant 2 : index
// CHECK-NEXT: tensor.dim %[[X]], %[[AXIS]]
func.func @layers(%x: tensor<1x2x?x8xf32>, %flag: tensor<i1>) -> tensor<1x2x?x8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %r = scf.for %n = %c0 to %c3 step %c1 iter_args(%y = %x) -> (tensor<1x2x?x8xf32>) {
    %o = attn.attention %y, %x, %x : tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32> -> tensor<1x2x?x8xf32>
    %c = tensor.extract %flag[] : tensor<i1>
    %z = scf.if %c -> tensor<1x2x?x8xf32> {
      %s = arith.addf %y, %o : tensor<1x2x?x8xf32>
      scf.yield %s : tensor<1x2x?x8xf32>
    } else {
      scf.yield %y : tensor<1x2x?x8xf32>
    }
    scf.yield %z : tensor<1x2x?x8xf32>
  }
  return %r : tensor<1x2x?x8xf32>
}

// -----

// One that grows does.
// CHECK-LABEL: func.func @attn_dims_grows
// CHECK: %[[R:.*]] = scf.for
// CHECK: tensor.dim %[[R]]
func.func @grows(%x: tensor<?xf32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %r = scf.for %n = %c0 to %c3 step %c1 iter_args(%y = %x) -> (tensor<?xf32>) {
    %z = tensor.concat dim(0) %y, %x : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    scf.yield %z : tensor<?xf32>
  }
  return %r : tensor<?xf32>
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
