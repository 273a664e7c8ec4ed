// RUN-ON: emulated, cuda, cpu, oracle
// A few queries at the end of many keys.
func.func @main(%q: tensor<?x2x5x64xbf16> {attn.dims = ["B", "2", "5", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x2x5x64xbf16>, tensor<?x2x5xf32>)
    attributes {attn.sizes = [{B = 1, S = 1100}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      : tensor<?x2x5x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x5x64xbf16>, tensor<?x2x5xf32>
  return %out, %lse : tensor<?x2x5x64xbf16>, tensor<?x2x5xf32>
}
