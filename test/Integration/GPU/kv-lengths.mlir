// RUN-ON: emulated, cuda, cpu, oracle
// Key lengths, none included.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %n: tensor<?xi32> {attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 100.0]>})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 4, Q = 5, S = 130}, {B = 2, Q = 65, S = 100}]} {
  %out, %lse = attn.attention %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
