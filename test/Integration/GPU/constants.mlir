// RUN-ON: emulated, cuda, cpu, oracle
// A bias that lies in the package: every call gets a copy on its device.
func.func @main(%q: tensor<1x2x3x64xf32>, %k: tensor<1x2x4x64xf32>, %v: tensor<1x2x4x64xf32>)
    -> (tensor<1x2x3x64xf32>, tensor<1x2x3xf32>) {
  %bias = arith.constant dense<[[0.0, 0.5, 0xFF800000, 1.0], [0.1, 0.2, 0.3, 0xFF800000], [0.0, 2.0, 0.0, 0.0]]> : tensor<3x4xf32>
  %out, %lse = attn.attention %q, %k, %v bias(%bias : tensor<3x4xf32>)
      : tensor<1x2x3x64xf32>, tensor<1x2x4x64xf32>, tensor<1x2x4x64xf32> -> tensor<1x2x3x64xf32>, tensor<1x2x3xf32>
  return %out, %lse : tensor<1x2x3x64xf32>, tensor<1x2x3xf32>
}
