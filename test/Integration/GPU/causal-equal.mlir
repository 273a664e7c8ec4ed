// RUN-ON: emulated, cuda, cpu, oracle
// Causal over equal lengths; skipped tiles cost nothing.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 193}, {B = 2, Q = 64}, {B = 1, Q = 1}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
