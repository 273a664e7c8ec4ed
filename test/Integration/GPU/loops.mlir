// RUN-ON: emulated, cuda, cpu, oracle
// Layers in a loop: the size of the result is that of what goes in.
func.func @layers(%x: tensor<1x2x?x16xbf16> {attn.dims = ["1", "2", "S", "16"]}) -> tensor<1x2x?x16xbf16>
    attributes {attn.sizes = [{S = 1}, {S = 33}, {S = 70}]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = scf.for %n = %c0 to %c2 step %c1 iter_args(%y = %x) -> (tensor<1x2x?x16xbf16>) {
    %z = func.call @layer(%y) : (tensor<1x2x?x16xbf16>) -> tensor<1x2x?x16xbf16>
    scf.yield %z : tensor<1x2x?x16xbf16>
  }
  return %r : tensor<1x2x?x16xbf16>
}
func.func private @layer(%x: tensor<1x2x?x16xbf16>) -> tensor<1x2x?x16xbf16> {
  %o = attn.attention %x, %x, %x mask <causal> : tensor<1x2x?x16xbf16>, tensor<1x2x?x16xbf16>, tensor<1x2x?x16xbf16> -> tensor<1x2x?x16xbf16>
  %r = arith.addf %x, %o : tensor<1x2x?x16xbf16>
  return %r : tensor<1x2x?x16xbf16>
}

// Keys in blocks of 16, a state that is merged as the loop goes.
func.func @blocks(%q: tensor<1x2x?x32xf32> {attn.name = "q", attn.dims = ["1", "2", "Q", "32"]},
                  %k: tensor<1x2x?x32xf32> {attn.name = "k", attn.dims = ["1", "2", "S", "32"]},
                  %v: tensor<1x2x?x32xf32> {attn.name = "v", attn.dims = ["1", "2", "S", "32"]})
    -> (tensor<1x2x?x32xf32>, tensor<1x2x?xf32>)
    attributes {attn.sizes = [{Q = 1, S = 64}, {Q = 17, S = 48}, {Q = 3, S = 0}]} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c16 = arith.constant 16 : index
  %zero = arith.constant 0.0 : f32
  %none = arith.constant 0xFF800000 : f32
  %rows = tensor.dim %q, %c2 : tensor<1x2x?x32xf32>
  %keys = tensor.dim %k, %c2 : tensor<1x2x?x32xf32>
  %o0 = tensor.splat %zero[%rows] : tensor<1x2x?x32xf32>
  %l0 = tensor.splat %none[%rows] : tensor<1x2x?xf32>
  %o, %l = scf.for %at = %c0 to %keys step %c16 iter_args(%oa = %o0, %la = %l0) -> (tensor<1x2x?x32xf32>, tensor<1x2x?xf32>) {
    %kb = tensor.extract_slice %k[0, 0, %at, 0] [1, 2, 16, 32] [1, 1, 1, 1] : tensor<1x2x?x32xf32> to tensor<1x2x16x32xf32>
    %vb = tensor.extract_slice %v[0, 0, %at, 0] [1, 2, 16, 32] [1, 1, 1, 1] : tensor<1x2x?x32xf32> to tensor<1x2x16x32xf32>
    %ob, %lb = attn.attention %q, %kb, %vb
        : tensor<1x2x?x32xf32>, tensor<1x2x16x32xf32>, tensor<1x2x16x32xf32> -> tensor<1x2x?x32xf32>, tensor<1x2x?xf32>
    %on, %ln = attn.merge_states outs(%oa, %ob : tensor<1x2x?x32xf32>, tensor<1x2x?x32xf32>)
        lses(%la, %lb : tensor<1x2x?xf32>, tensor<1x2x?xf32>) -> tensor<1x2x?x32xf32>, tensor<1x2x?xf32>
    scf.yield %on, %ln : tensor<1x2x?x32xf32>, tensor<1x2x?xf32>
  }
  return %o, %l : tensor<1x2x?x32xf32>, tensor<1x2x?xf32>
}
