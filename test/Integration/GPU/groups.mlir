// RUN-ON: emulated, cuda, cpu, oracle
// Eight query heads on two key/value heads.
func.func @main(%q: tensor<?x8x?x64xbf16> {attn.dims = ["B", "8", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x8x?x64xbf16>, tensor<?x8x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 17, S = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x8x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x8x?x64xbf16>, tensor<?x8x?xf32>
  return %out, %lse : tensor<?x8x?x64xbf16>, tensor<?x8x?xf32>
}
