// RUN-ON: emulated, cuda, cpu, oracle
// A mask tensor with dead rows, one for all heads.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %m: tensor<?x1x?x?xi1> {attn.dims = ["B", "1", "Q", "S"], attn.input = #attn.gen<"mask", [0.4, 2.0]>})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 70, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_tensor(%m : tensor<?x1x?x?xi1>)
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
