// RUN-ON: emulated, cuda, cpu, oracle
// The common large head in f32: tiles of 16 keys.
func.func @main(%q: tensor<?x2x?x128xf32> {attn.dims = ["B", "2", "Q", "128"]},
                %k: tensor<?x2x?x128xf32> {attn.dims = ["B", "2", "S", "128"]},
                %v: tensor<?x2x?x128xf32> {attn.dims = ["B", "2", "S", "128"]})
    -> (tensor<?x2x?x128xf32>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 33, S = 40}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x2x?x128xf32>, tensor<?x2x?x128xf32>, tensor<?x2x?x128xf32> -> tensor<?x2x?x128xf32>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x128xf32>, tensor<?x2x?xf32>
}
