// RUN-ON: emulated, cuda, cpu, oracle
// A weight per key; -inf would remove it.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %w: tensor<?x1x?xf32> {attn.dims = ["B", "1", "S"], attn.input = #attn.gen<"uniform", [-2.0, 2.0]>})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 33, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      log_weight(%w : tensor<?x1x?xf32>)
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
