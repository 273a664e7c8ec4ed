// RUN-ON: emulated, cuda, cpu, oracle
// Causal, f32.
func.func @main(%q: tensor<?x2x?x64xf32> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xf32> {attn.dims = ["B", "2", "Q", "64"]},
                %v: tensor<?x2x?x64xf32> {attn.dims = ["B", "2", "Q", "64"]})
    -> (tensor<?x2x?x64xf32>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 97}, {B = 2, Q = 17}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x2x?x64xf32>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xf32>, tensor<?x2x?xf32>
}
