// RUN-ON: emulated, cuda, cpu, oracle
// Five fragments.
func.func @main(%q: tensor<?x2x?x80xbf16> {attn.dims = ["B", "2", "Q", "80"]},
                %k: tensor<?x2x?x80xbf16> {attn.dims = ["B", "2", "S", "80"]},
                %v: tensor<?x2x?x80xbf16> {attn.dims = ["B", "2", "S", "80"]})
    -> (tensor<?x2x?x80xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 33, S = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x2x?x80xbf16>, tensor<?x2x?x80xbf16>, tensor<?x2x?x80xbf16> -> tensor<?x2x?x80xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x80xbf16>, tensor<?x2x?xf32>
}
