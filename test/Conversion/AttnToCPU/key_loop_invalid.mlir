// RUN: attn-opt %s --convert-attn-to-cpu --split-input-file --verify-diagnostics

// What the conversion expects of the stages before it.

func.func @no_schedule(%q: memref<1x1x4x8xf32>, %out: memref<1x1x4x8xf32>) {
  // expected-error@+1 {{expects a schedule, but got none; run attn-schedule first}}
  attn.key_loop ins(%q, %q, %q : memref<1x1x4x8xf32>, memref<1x1x4x8xf32>, memref<1x1x4x8xf32>)
      aux [] outs(%out : memref<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        %zero = arith.constant 0 : index
        attn.yield %zero, %zero, %sk, %sk : index, index, index, index
      } {scale = 1.0 : f64}
  return
}

// -----

func.func @tensors(%q: tensor<1x1x4x8xf32>, %out: tensor<1x1x4x8xf32>) -> tensor<1x1x4x8xf32> {
  // expected-error@+1 {{expects buffers, but got 'tensor<1x1x4x8xf32>'}}
  %r = attn.key_loop ins(%q, %q, %q : tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32>)
      aux [] outs(%out : tensor<1x1x4x8xf32>)
      range {
      ^bb0(%b: index, %h: index, %g: index, %i0: index, %i1: index, %sq: index, %sk: index):
        %zero = arith.constant 0 : index
        attn.yield %zero, %zero, %sk, %sk : index, index, index, index
      } {scale = 1.0 : f64,
         schedule = #attn.schedule<isa = "avx2", lanes = 8, q_vectors = 3, strips = 8, key_rows = 4,
                                   kv_tile = 128, few_rows = 8, split_keys = 1024>} -> tensor<1x1x4x8xf32>
  return %r : tensor<1x1x4x8xf32>
}
