// RUN-ON: emulated, cuda, cpu, oracle
// Rows that are not 16-byte pieces are read element by element.
func.func @main(%q: tensor<?x2x?x33xbf16> {attn.dims = ["B", "2", "Q", "33"]},
                %k: tensor<?x2x?x33xbf16> {attn.dims = ["B", "2", "S", "33"]},
                %v: tensor<?x2x?x33xbf16> {attn.dims = ["B", "2", "S", "33"]})
    -> (tensor<?x2x?x33xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 33, S = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x2x?x33xbf16>, tensor<?x2x?x33xbf16>, tensor<?x2x?x33xbf16> -> tensor<?x2x?x33xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x33xbf16>, tensor<?x2x?xf32>
}
