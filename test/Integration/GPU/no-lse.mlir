// RUN-ON: emulated, cuda, cpu, oracle
// Without the log-sum-exp.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x2x?x64xbf16>)
    attributes {attn.sizes = [{B = 1, Q = 70, S = 130}, {B = 2, Q = 3, S = 65}]} {
  %out = attn.attention %q, %k, %v
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>
  return %out : tensor<?x2x?x64xbf16>
}
