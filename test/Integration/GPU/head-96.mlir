// RUN-ON: emulated, cuda, cpu, oracle
// Six fragments.
func.func @main(%q: tensor<?x2x?x96xbf16> {attn.dims = ["B", "2", "Q", "96"]},
                %k: tensor<?x2x?x96xbf16> {attn.dims = ["B", "2", "S", "96"]},
                %v: tensor<?x2x?x96xbf16> {attn.dims = ["B", "2", "S", "96"]})
    -> (tensor<?x2x?x96xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 33, S = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x2x?x96xbf16>, tensor<?x2x?x96xbf16>, tensor<?x2x?x96xbf16> -> tensor<?x2x?x96xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x96xbf16>, tensor<?x2x?xf32>
}
