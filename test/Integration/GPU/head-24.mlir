// RUN-ON: emulated, cuda, cpu, oracle
// Half a fragment is padding.
func.func @main(%q: tensor<?x2x?x24xbf16> {attn.dims = ["B", "2", "Q", "24"]},
                %k: tensor<?x2x?x24xbf16> {attn.dims = ["B", "2", "S", "24"]},
                %v: tensor<?x2x?x24xbf16> {attn.dims = ["B", "2", "S", "24"]})
    -> (tensor<?x2x?x24xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 33, S = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x2x?x24xbf16>, tensor<?x2x?x24xbf16>, tensor<?x2x?x24xbf16> -> tensor<?x2x?x24xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x24xbf16>, tensor<?x2x?xf32>
}
