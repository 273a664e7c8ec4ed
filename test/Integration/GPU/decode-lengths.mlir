// RUN-ON: emulated, cuda, cpu, oracle
// Parts without a visible key weigh nothing.
func.func @main(%q: tensor<?x2x2x64xbf16> {attn.dims = ["B", "2", "2", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %n: tensor<?xi32> {attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 1100.0]>})
    -> (tensor<?x2x2x64xbf16>, tensor<?x2x2xf32>)
    attributes {attn.sizes = [{B = 3, S = 1100}]} {
  %out, %lse = attn.attention %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x2x2x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x2x64xbf16>, tensor<?x2x2xf32>
  return %out, %lse : tensor<?x2x2x64xbf16>, tensor<?x2x2xf32>
}
