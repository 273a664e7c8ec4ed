// RUN-ON: cpu, oracle
// causal, over equal and unequal lengths with both alignments. Rows before position 0 see nothing.

func.func @equal(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @top_left(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                    %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                    %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align top_left
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @bottom_right(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                        %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                        %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @static(%q: tensor<1x8x128x64xf32> {attn.name = "q"},
                  %k: tensor<1x8x128x64xf32> {attn.name = "k"},
                  %v: tensor<1x8x128x64xf32> {attn.name = "v"})
    -> tensor<1x8x128x64xf32> {
  %out = attn.attention %q, %k, %v
      mask <causal> align top_left
      : tensor<1x8x128x64xf32>, tensor<1x8x128x64xf32>, tensor<1x8x128x64xf32> -> tensor<1x8x128x64xf32>
  return %out : tensor<1x8x128x64xf32>
}
