// RUN-ON: emulated, cuda, cpu, oracle
// Pages of 16 keys, some missing.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<9x2x16x64xbf16> {attn.dims = ["9", "2", "16", "64"]},
                %v: tensor<9x2x16x64xbf16> {attn.dims = ["9", "2", "16", "64"]},
                %t: tensor<?x1x6xi32> {attn.dims = ["B", "1", "6"], attn.input = #attn.gen<"page_table", [9.0]>})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 33}, {B = 3, Q = 1}]} {
  %out, %lse = attn.attention %q, %k, %v
      page_table(%t : tensor<?x1x6xi32>)
      {page_size = 16 : i64}
      : tensor<?x2x?x64xbf16>, tensor<9x2x16x64xbf16>, tensor<9x2x16x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
