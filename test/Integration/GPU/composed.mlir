// RUN-ON: emulated, cuda, cpu, oracle
// Window, documents, softcap, bias and sinks at once.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %b: tensor<?x?xf32> {attn.dims = ["Q", "S"]},
                %cq: tensor<4xi32> {attn.dims = ["4"], attn.input = #attn.gen<"cu_seqlens">},
                %ck: tensor<4xi32> {attn.dims = ["4"], attn.input = #attn.gen<"cu_seqlens">},
                %z: tensor<2xf32> {attn.dims = ["2"]})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 130, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(document, band<50, 0>)> align top_left
      bias(%b : tensor<?x?xf32>)
      cu_q(%cq : tensor<4xi32>)
      cu_kv(%ck : tensor<4xi32>)
      sinks(%z : tensor<2xf32>)
      {softcap = 20.0 : f64}
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
