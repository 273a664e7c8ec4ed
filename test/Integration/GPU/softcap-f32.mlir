// RUN-ON: emulated, cuda, cpu, oracle
// The same in f32, where tanh has to be good.
func.func @main(%q: tensor<?x2x?x64xf32> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xf32> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xf32> {attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x2x?x64xf32>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 65, S = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      {softcap = 5.0 : f64, scale = 1.0 : f64}
      : tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x2x?x64xf32>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xf32>, tensor<?x2x?xf32>
}
