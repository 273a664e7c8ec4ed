// RUN-ON: emulated, cuda, cpu, oracle
// The widest head: tiles of 32 keys.
func.func @main(%q: tensor<?x2x?x256xbf16> {attn.dims = ["B", "2", "Q", "256"]},
                %k: tensor<?x2x?x256xbf16> {attn.dims = ["B", "2", "S", "256"]},
                %v: tensor<?x2x?x256xbf16> {attn.dims = ["B", "2", "S", "256"]})
    -> (tensor<?x2x?x256xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 33, S = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x2x?x256xbf16>, tensor<?x2x?x256xbf16>, tensor<?x2x?x256xbf16> -> tensor<?x2x?x256xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x256xbf16>, tensor<?x2x?xf32>
}
