// RUN-ON: emulated, cuda, cpu, oracle
// Pages of 64 keys with lengths that cut the last.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<5x2x64x64xbf16> {attn.dims = ["5", "2", "64", "64"]},
                %v: tensor<5x2x64x64xbf16> {attn.dims = ["5", "2", "64", "64"]},
                %t: tensor<?x1x4xi32> {attn.dims = ["B", "1", "4"], attn.input = #attn.gen<"page_table", [5.0]>})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 3, Q = 5}]} {
  %out, %lse = attn.attention %q, %k, %v
      page_table(%t : tensor<?x1x4xi32>)
      {page_size = 64 : i64}
      : tensor<?x2x?x64xbf16>, tensor<5x2x64x64xbf16>, tensor<5x2x64x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
