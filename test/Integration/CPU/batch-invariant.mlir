// RUN-ON: cpu, oracle
// batch_invariant: rows whose bits are their own are still right. Few rows and many, documents, pages, scores.

func.func @causal_lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                          %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                          %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                          %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 17.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 17},
        {B = 3, Q = 8, S = 129},
        {B = 2, Q = 9, S = 300},
        {B = 1, Q = 250, S = 260}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<100, 3>> align bottom_right
      kv_lengths(%n : tensor<?xi32>) {batch_invariant, softcap = 20.0 : f64}
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @documents(%q: tensor<1x4x?x40xbf16> {attn.name = "q", attn.dims = ["1", "4", "Q", "40"]},
                     %k: tensor<1x4x?x40xbf16> {attn.name = "k", attn.dims = ["1", "4", "S", "40"]},
                     %v: tensor<1x4x?x24xbf16> {attn.name = "v", attn.dims = ["1", "4", "S", "24"]},
                     %cu_q: tensor<5xi32> {attn.name = "cu_q", attn.dims = ["5"], attn.input = #attn.gen<"cu_seqlens">},
                     %cu_kv: tensor<5xi32> {attn.name = "cu_kv", attn.dims = ["5"], attn.input = #attn.gen<"cu_seqlens">},
                     %mask: tensor<?x?xi1> {attn.name = "mask", attn.dims = ["Q", "S"], attn.input = #attn.gen<"mask", [0.7, 1.0]>},
                     %sinks: tensor<4xf32> {attn.name = "sinks", attn.dims = ["4"]})
    -> (tensor<1x4x?x24xbf16>, tensor<1x4x?xf32>)
    attributes {attn.sizes = [
        {Q = 1, S = 1},
        {Q = 5, S = 200},
        {Q = 300, S = 420},
        {Q = 260, S = 30}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(document, causal)> align bottom_right
      mask_tensor(%mask : tensor<?x?xi1>)
      cu_q(%cu_q : tensor<5xi32>) cu_kv(%cu_kv : tensor<5xi32>)
      sinks(%sinks : tensor<4xf32>) {batch_invariant}
      : tensor<1x4x?x40xbf16>, tensor<1x4x?x40xbf16>, tensor<1x4x?x24xbf16> -> tensor<1x4x?x24xbf16>, tensor<1x4x?xf32>
  return %out, %lse : tensor<1x4x?x24xbf16>, tensor<1x4x?xf32>
}

func.func @pages(%q: tensor<2x4x?x33xf16> {attn.name = "q", attn.dims = ["2", "4", "Q", "33"]},
                 %k: tensor<?x2x16x33xf16> {attn.name = "k", attn.dims = ["N", "2", "16", "33"]},
                 %v: tensor<?x2x16x33xf16> {attn.name = "v", attn.dims = ["N", "2", "16", "33"]},
                 %table: tensor<2x1x9xi32> {attn.name = "table", attn.dims = ["2", "1", "9"], attn.input = #attn.gen<"page_table", [11.0]>})
    -> tensor<2x4x?x33xf16>
    attributes {attn.sizes = [{N = 11, Q = 1}, {N = 11, Q = 60}]} {
  %out = attn.attention %q, %k, %v
      page_table(%table : tensor<2x1x9xi32>) {batch_invariant, page_size = 16 : i64}
      : tensor<2x4x?x33xf16>, tensor<?x2x16x33xf16>, tensor<?x2x16x33xf16> -> tensor<2x4x?x33xf16>
  return %out : tensor<2x4x?x33xf16>
}
