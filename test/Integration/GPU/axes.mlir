// RUN-ON: emulated, cuda, cpu, oracle
// Sequence before heads.
func.func @main(%q: tensor<?x?x2x64xbf16> {attn.dims = ["B", "Q", "2", "64"]},
                %k: tensor<?x?x2x64xbf16> {attn.dims = ["B", "S", "2", "64"]},
                %v: tensor<?x?x2x64xbf16> {attn.dims = ["B", "S", "2", "64"]})
    -> (tensor<?x?x2x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 33, S = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      {axes = #attn.axes<q = [b, i, hq, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>}
      : tensor<?x?x2x64xbf16>, tensor<?x?x2x64xbf16>, tensor<?x?x2x64xbf16> -> tensor<?x?x2x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x?x2x64xbf16>, tensor<?x2x?xf32>
}
