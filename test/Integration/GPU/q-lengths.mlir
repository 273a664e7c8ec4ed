// RUN-ON: emulated, cuda, cpu, oracle
// Query lengths: rows beyond see nothing.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %n: tensor<?xi32> {attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 60.0]>})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 3, Q = 65, S = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      q_lengths(%n : tensor<?xi32>)
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
