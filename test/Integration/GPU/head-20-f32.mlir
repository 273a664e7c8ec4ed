// RUN-ON: emulated, cuda, cpu, oracle
// f32 rows of five pieces.
func.func @main(%q: tensor<?x2x?x20xf32> {attn.dims = ["B", "2", "Q", "20"]},
                %k: tensor<?x2x?x20xf32> {attn.dims = ["B", "2", "S", "20"]},
                %v: tensor<?x2x?x20xf32> {attn.dims = ["B", "2", "S", "20"]})
    -> (tensor<?x2x?x20xf32>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 17, S = 40}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x2x?x20xf32>, tensor<?x2x?x20xf32>, tensor<?x2x?x20xf32> -> tensor<?x2x?x20xf32>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x20xf32>, tensor<?x2x?xf32>
}
