// RUN-ON: cpu, oracle
// An added bias with every way to broadcast; f32 beside narrower inputs, or of their type; -inf hides.

func.func @whole(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                 %b: tensor<?x4x?x?xf32> {attn.name = "b", attn.dims = ["B", "4", "Q", "S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%b : tensor<?x4x?x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @keys_only(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                     %b: tensor<?xf32> {attn.name = "b", attn.dims = ["S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%b : tensor<?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @per_head(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                    %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                    %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                    %b: tensor<4x?x?xf32> {attn.name = "b", attn.dims = ["4", "Q", "S"], attn.input = #attn.gen<"normal", [2.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%b : tensor<4x?x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @one_row(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                   %b: tensor<?x1x1x?xf32> {attn.name = "b", attn.dims = ["B", "1", "1", "S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%b : tensor<?x1x1x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @maybe_one(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                     %b: tensor<?x?x?x?xf32> {attn.name = "b", attn.dims = ["MB", "MH", "MQ", "S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 17, S = 33, MB = 1, MH = 4, MQ = 1},
        {B = 2, Q = 17, S = 33, MB = 2, MH = 1, MQ = 17}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%b : tensor<?x?x?x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @bf16_with_f32(%q: tensor<?x4x?x64xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                         %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                         %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                         %b: tensor<4x?x?xf32> {attn.name = "b", attn.dims = ["4", "S", "S"]})
    -> (tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%b : tensor<4x?x?xf32>)
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
}

func.func @bf16_with_bf16(%q: tensor<?x4x?x64xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                          %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                          %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                          %b: tensor<4x?x?xbf16> {attn.name = "b", attn.dims = ["4", "S", "S"]})
    -> (tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%b : tensor<4x?x?xbf16>)
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
}

func.func @f16_with_f16(%q: tensor<?x4x?x64xf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                        %k: tensor<?x2x?x64xf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                        %v: tensor<?x2x?x64xf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                        %b: tensor<4x?x?xf16> {attn.name = "b", attn.dims = ["4", "S", "S"]})
    -> (tensor<?x4x?x64xf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%b : tensor<4x?x?xf16>)
      : tensor<?x4x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16> -> tensor<?x4x?x64xf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf16>, tensor<?x4x?xf32>
}

func.func @f64_with_f32(%q: tensor<?x4x?x64xf64> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                        %k: tensor<?x2x?x64xf64> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                        %v: tensor<?x2x?x64xf64> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                        %b: tensor<?x?xf32> {attn.name = "b", attn.dims = ["S", "S"]})
    -> (tensor<?x4x?x64xf64>, tensor<?x4x?xf64>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%b : tensor<?x?xf32>)
      : tensor<?x4x?x64xf64>, tensor<?x2x?x64xf64>, tensor<?x2x?x64xf64> -> tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
  return %out, %lse : tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
}

func.func @causal(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                  %b: tensor<4x?x?xf32> {attn.name = "b", attn.dims = ["4", "S", "S"]})
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
      bias(%b : tensor<4x?x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}
