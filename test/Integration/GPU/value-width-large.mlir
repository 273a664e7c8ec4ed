// RUN-ON: emulated, cuda, cpu, oracle
// 192 and 128, as in MLA.
func.func @main(%q: tensor<?x2x?x192xbf16> {attn.dims = ["B", "2", "Q", "192"]},
                %k: tensor<?x2x?x192xbf16> {attn.dims = ["B", "2", "S", "192"]},
                %v: tensor<?x2x?x128xbf16> {attn.dims = ["B", "2", "S", "128"]})
    -> (tensor<?x2x?x128xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 33, S = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x2x?x192xbf16>, tensor<?x2x?x192xbf16>, tensor<?x2x?x128xbf16> -> tensor<?x2x?x128xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x128xbf16>, tensor<?x2x?xf32>
}
