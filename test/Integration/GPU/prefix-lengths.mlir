// RUN-ON: emulated, cuda, cpu, oracle
// A prefix per batch entry.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %p: tensor<?xi32> {attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 60.0]>})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 3, Q = 17, S = 130}, {B = 2, Q = 65, S = 65}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <prefix>
      prefix_lengths(%p : tensor<?xi32>)
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
