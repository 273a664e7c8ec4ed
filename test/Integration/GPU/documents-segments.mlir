// RUN-ON: emulated, cuda, cpu, oracle
// Sequences by segment ids.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %qs: tensor<?x?xi32> {attn.dims = ["B", "Q"], attn.input = #attn.gen<"segments", [3.0]>},
                %ks: tensor<?x?xi32> {attn.dims = ["B", "S"], attn.input = #attn.gen<"segments", [3.0]>})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 70, S = 100}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <document>
      q_segments(%qs : tensor<?x?xi32>)
      kv_segments(%ks : tensor<?x?xi32>)
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
