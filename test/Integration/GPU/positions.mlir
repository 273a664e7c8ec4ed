// RUN-ON: emulated, cuda, cpu, oracle
// Given positions; causal compares them.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %qp: tensor<1x?xi32> {attn.dims = ["1", "Q"], attn.input = #attn.gen<"positions", [0.0, 100.0]>},
                %kp: tensor<?x?xi32> {attn.dims = ["B", "S"], attn.input = #attn.gen<"positions", [0.0, 100.0]>})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 65, S = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      q_positions(%qp : tensor<1x?xi32>)
      kv_positions(%kp : tensor<?x?xi32>)
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
