// RUN-ON: emulated, cuda, cpu, oracle
// The widest head in f32: tiles of 8 keys.
func.func @main(%q: tensor<?x2x?x256xf32> {attn.dims = ["B", "2", "Q", "256"]},
                %k: tensor<?x2x?x256xf32> {attn.dims = ["B", "2", "S", "256"]},
                %v: tensor<?x2x?x256xf32> {attn.dims = ["B", "2", "S", "256"]})
    -> (tensor<?x2x?x256xf32>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 17, S = 20}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x2x?x256xf32>, tensor<?x2x?x256xf32>, tensor<?x2x?x256xf32> -> tensor<?x2x?x256xf32>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x256xf32>, tensor<?x2x?xf32>
}
