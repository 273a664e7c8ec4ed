// RUN-ON: cpu, oracle
// Sizes of zero: no batch, no queries, no keys, no heads. Without keys out is 0 and lse is -inf.

func.func @sizes(%q: tensor<?x?x?x64xf32> {attn.name = "q", attn.dims = ["B", "HQ", "Q", "64"]},
                 %k: tensor<?x?x?x64xf32> {attn.name = "k", attn.dims = ["B", "HK", "S", "64"]},
                 %v: tensor<?x?x?x64xf32> {attn.name = "v", attn.dims = ["B", "HK", "S", "64"]})
    -> (tensor<?x?x?x64xf32>, tensor<?x?x?xf32>)
    attributes {attn.sizes = [
        {B = 0, HQ = 4, HK = 2, Q = 3, S = 5},
        {B = 2, HQ = 4, HK = 2, Q = 0, S = 5},
        {B = 2, HQ = 4, HK = 2, Q = 3, S = 0},
        {B = 2, HQ = 0, HK = 2, Q = 3, S = 5},
        {B = 2, HQ = 0, HK = 0, Q = 3, S = 5},
        {B = 0, HQ = 0, HK = 0, Q = 0, S = 0},
        {B = 1, HQ = 1, HK = 1, Q = 0, S = 0}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32> -> tensor<?x?x?x64xf32>, tensor<?x?x?xf32>
  return %out, %lse : tensor<?x?x?x64xf32>, tensor<?x?x?xf32>
}

func.func @static(%q: tensor<2x2x3x8xf32> {attn.name = "q"},
                  %k: tensor<2x1x0x8xf32> {attn.name = "k"},
                  %v: tensor<2x1x0x8xf32> {attn.name = "v"})
    -> (tensor<2x2x3x8xf32>, tensor<2x2x3xf32>) {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<2x2x3x8xf32>, tensor<2x1x0x8xf32>, tensor<2x1x0x8xf32> -> tensor<2x2x3x8xf32>, tensor<2x2x3xf32>
  return %out, %lse : tensor<2x2x3x8xf32>, tensor<2x2x3xf32>
}

func.func @causal(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 5, S = 0}, {B = 0, Q = 5, S = 3}, {B = 1, Q = 0, S = 3}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @documents(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                     %cq: tensor<?xi32> {attn.name = "cq", attn.dims = ["N"], attn.input = #attn.gen<"cu_seqlens">},
                     %ck: tensor<?xi32> {attn.name = "ck", attn.dims = ["N"], attn.input = #attn.gen<"cu_seqlens">})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, Q = 0, S = 9, N = 1},
        {B = 2, Q = 5, S = 9, N = 1},
        {B = 2, Q = 5, S = 0, N = 4}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <document>
      cu_q(%cq : tensor<?xi32>)
      cu_kv(%ck : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @bf16(%q: tensor<?x4x?x64xbf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 3, S = 0}, {B = 0, Q = 1, S = 1}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
}
