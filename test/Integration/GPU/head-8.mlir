// RUN-ON: emulated, cuda, cpu, oracle
// The smallest head.
func.func @main(%q: tensor<?x2x?x8xbf16> {attn.dims = ["B", "2", "Q", "8"]},
                %k: tensor<?x2x?x8xbf16> {attn.dims = ["B", "2", "S", "8"]},
                %v: tensor<?x2x?x8xbf16> {attn.dims = ["B", "2", "S", "8"]})
    -> (tensor<?x2x?x8xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 33, S = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x2x?x8xbf16>, tensor<?x2x?x8xbf16>, tensor<?x2x?x8xbf16> -> tensor<?x2x?x8xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x8xbf16>, tensor<?x2x?xf32>
}
