// RUN-ON: emulated, cuda, cpu, oracle
// Multi-query: one key/value head.
func.func @main(%q: tensor<?x3x?x64xbf16> {attn.dims = ["B", "3", "Q", "64"]},
                %k: tensor<?x1x?x64xbf16> {attn.dims = ["B", "1", "S", "64"]},
                %v: tensor<?x1x?x64xbf16> {attn.dims = ["B", "1", "S", "64"]})
    -> (tensor<?x3x?x64xbf16>, tensor<?x3x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 65, S = 33}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x3x?x64xbf16>, tensor<?x1x?x64xbf16>, tensor<?x1x?x64xbf16> -> tensor<?x3x?x64xbf16>, tensor<?x3x?xf32>
  return %out, %lse : tensor<?x3x?x64xbf16>, tensor<?x3x?xf32>
}
