// RUN-ON: emulated, cuda, cpu, oracle
// The two halves of the keys apart, then merged; the arithmetic of the merge is kernels too.
func.func @main(%q: tensor<1x2x33x64xf32>, %k0: tensor<1x2x40x64xf32>, %v0: tensor<1x2x40x64xf32>,
                %k1: tensor<1x2x70x64xf32>, %v1: tensor<1x2x70x64xf32>)
    -> (tensor<1x2x33x64xf32>, tensor<1x2x33xf32>) {
  %o0, %l0 = attn.attention %q, %k0, %v0
      : tensor<1x2x33x64xf32>, tensor<1x2x40x64xf32>, tensor<1x2x40x64xf32> -> tensor<1x2x33x64xf32>, tensor<1x2x33xf32>
  %o1, %l1 = attn.attention %q, %k1, %v1
      : tensor<1x2x33x64xf32>, tensor<1x2x70x64xf32>, tensor<1x2x70x64xf32> -> tensor<1x2x33x64xf32>, tensor<1x2x33xf32>
  %out, %lse = attn.merge_states outs(%o0, %o1 : tensor<1x2x33x64xf32>, tensor<1x2x33x64xf32>)
      lses(%l0, %l1 : tensor<1x2x33xf32>, tensor<1x2x33xf32>) -> tensor<1x2x33x64xf32>, tensor<1x2x33xf32>
  return %out, %lse : tensor<1x2x33x64xf32>, tensor<1x2x33xf32>
}
