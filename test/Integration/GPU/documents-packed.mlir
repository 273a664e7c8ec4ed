// RUN-ON: emulated, cuda, cpu, oracle
// Packed sequences by cumulative lengths, causal within each.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %cq: tensor<5xi32> {attn.dims = ["5"], attn.input = #attn.gen<"cu_seqlens">},
                %ck: tensor<5xi32> {attn.dims = ["5"], attn.input = #attn.gen<"cu_seqlens">})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 150, S = 150}, {B = 2, Q = 40, S = 90}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(document, causal)> align top_left
      cu_q(%cq : tensor<5xi32>)
      cu_kv(%ck : tensor<5xi32>)
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
