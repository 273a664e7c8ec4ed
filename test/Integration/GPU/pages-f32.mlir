// RUN-ON: emulated, cuda, cpu, oracle
// Pages of 8 keys in f32.
func.func @main(%q: tensor<?x2x?x64xf32> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<9x2x8x64xf32> {attn.dims = ["9", "2", "8", "64"]},
                %v: tensor<9x2x8x64xf32> {attn.dims = ["9", "2", "8", "64"]},
                %t: tensor<?x1x6xi32> {attn.dims = ["B", "1", "6"], attn.input = #attn.gen<"page_table", [9.0]>})
    -> (tensor<?x2x?x64xf32>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 17}]} {
  %out, %lse = attn.attention %q, %k, %v
      page_table(%t : tensor<?x1x6xi32>)
      {page_size = 8 : i64}
      : tensor<?x2x?x64xf32>, tensor<9x2x8x64xf32>, tensor<9x2x8x64xf32> -> tensor<?x2x?x64xf32>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xf32>, tensor<?x2x?xf32>
}
