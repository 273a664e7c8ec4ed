// RUN: not attn-opt %s --attn-lower-to-gpu 2>&1 | FileCheck %s
// The descriptors of all operands travel as one parameter of the kernel.

// CHECK: error: 'attn.key_loop' op expects operands that 4096 bytes of kernel parameters describe, but got {{[0-9]+}}; capture fewer tensors
func.func @many(%q: tensor<1x1x8x16xf32>, %k: tensor<1x1x8x16xf32>, %v: tensor<1x1x8x16xf32>,
                %c: tensor<4x4x4x4xf32>) -> tensor<1x1x8x16xf32> {
  %out = attn.attention %q, %k, %v
      captures(%c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c, %c : tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>, tensor<4x4x4x4xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %c0: tensor<4x4x4x4xf32>, %c1: tensor<4x4x4x4xf32>, %c2: tensor<4x4x4x4xf32>, %c3: tensor<4x4x4x4xf32>, %c4: tensor<4x4x4x4xf32>, %c5: tensor<4x4x4x4xf32>, %c6: tensor<4x4x4x4xf32>, %c7: tensor<4x4x4x4xf32>, %c8: tensor<4x4x4x4xf32>, %c9: tensor<4x4x4x4xf32>, %c10: tensor<4x4x4x4xf32>, %c11: tensor<4x4x4x4xf32>, %c12: tensor<4x4x4x4xf32>, %c13: tensor<4x4x4x4xf32>, %c14: tensor<4x4x4x4xf32>, %c15: tensor<4x4x4x4xf32>, %c16: tensor<4x4x4x4xf32>, %c17: tensor<4x4x4x4xf32>, %c18: tensor<4x4x4x4xf32>, %c19: tensor<4x4x4x4xf32>, %c20: tensor<4x4x4x4xf32>, %c21: tensor<4x4x4x4xf32>, %c22: tensor<4x4x4x4xf32>, %c23: tensor<4x4x4x4xf32>, %c24: tensor<4x4x4x4xf32>, %c25: tensor<4x4x4x4xf32>, %c26: tensor<4x4x4x4xf32>, %c27: tensor<4x4x4x4xf32>, %c28: tensor<4x4x4x4xf32>, %c29: tensor<4x4x4x4xf32>, %c30: tensor<4x4x4x4xf32>, %c31: tensor<4x4x4x4xf32>, %c32: tensor<4x4x4x4xf32>, %c33: tensor<4x4x4x4xf32>, %c34: tensor<4x4x4x4xf32>, %c35: tensor<4x4x4x4xf32>, %c36: tensor<4x4x4x4xf32>, %c37: tensor<4x4x4x4xf32>, %c38: tensor<4x4x4x4xf32>, %c39: tensor<4x4x4x4xf32>):
        attn.yield %s : f32
      }
      : tensor<1x1x8x16xf32>, tensor<1x1x8x16xf32>, tensor<1x1x8x16xf32> -> tensor<1x1x8x16xf32>
  return %out : tensor<1x1x8x16xf32>
}
