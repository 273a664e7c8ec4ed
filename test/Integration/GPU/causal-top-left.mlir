// RUN-ON: emulated, cuda, cpu, oracle
// Causal from the first key on.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 130, S = 130}, {B = 1, Q = 130, S = 65}, {B = 2, Q = 3, S = 17}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align top_left
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
