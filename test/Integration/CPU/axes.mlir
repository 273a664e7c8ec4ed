// RUN-ON: cpu, oracle
// q, k and v in other orders than [batch, head, sequence, dim].

func.func @bshd(%q: tensor<?x?x4x64xf32> {attn.name = "q", attn.dims = ["B", "S", "4", "64"]},
                %k: tensor<?x?x2x64xf32> {attn.name = "k", attn.dims = ["B", "S", "2", "64"]},
                %v: tensor<?x?x2x64xf32> {attn.name = "v", attn.dims = ["B", "S", "2", "64"]})
    -> (tensor<?x?x4x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      {axes = #attn.axes<q = [b, i, hq, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>} : tensor<?x?x4x64xf32>, tensor<?x?x2x64xf32>, tensor<?x?x2x64xf32> -> tensor<?x?x4x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x?x4x64xf32>, tensor<?x4x?xf32>
}

func.func @mixed(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                 %k: tensor<?x?x2x64xf32> {attn.name = "k", attn.dims = ["B", "S", "2", "64"]},
                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["S", "2", "B", "64"]})
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
      {axes = #attn.axes<q = [b, hq, i, d], k = [b, j, hkv, d], v = [j, hkv, b, e]>} : tensor<?x4x?x64xf32>, tensor<?x?x2x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @sequence_first(%q: tensor<?x?x4x40xf32> {attn.name = "q", attn.dims = ["S", "B", "4", "40"]},
                          %k: tensor<?x?x2x40xf32> {attn.name = "k", attn.dims = ["S", "B", "2", "40"]},
                          %v: tensor<?x?x2x40xf32> {attn.name = "v", attn.dims = ["S", "B", "2", "40"]})
    -> (tensor<?x?x4x40xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      {axes = #attn.axes<q = [i, b, hq, d], k = [j, b, hkv, d], v = [j, b, hkv, e]>} : tensor<?x?x4x40xf32>, tensor<?x?x2x40xf32>, tensor<?x?x2x40xf32> -> tensor<?x?x4x40xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x?x4x40xf32>, tensor<?x4x?xf32>
}

func.func @heads_first(%q: tensor<4x?x?x64xf32> {attn.name = "q", attn.dims = ["4", "B", "S", "64"]},
                       %k: tensor<2x?x?x64xf32> {attn.name = "k", attn.dims = ["2", "S", "B", "64"]},
                       %v: tensor<2x?x?x64xf32> {attn.name = "v", attn.dims = ["2", "B", "S", "64"]})
    -> (tensor<4x?x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      {axes = #attn.axes<q = [hq, b, i, d], k = [hkv, j, b, d], v = [hkv, b, j, e]>} : tensor<4x?x?x64xf32>, tensor<2x?x?x64xf32>, tensor<2x?x?x64xf32> -> tensor<4x?x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<4x?x?x64xf32>, tensor<?x4x?xf32>
}

func.func @bf16_bshd(%q: tensor<?x?x4x64xbf16> {attn.name = "q", attn.dims = ["B", "S", "4", "64"]},
                     %k: tensor<?x?x2x64xbf16> {attn.name = "k", attn.dims = ["B", "S", "2", "64"]},
                     %v: tensor<?x?x2x64xbf16> {attn.name = "v", attn.dims = ["B", "S", "2", "64"]})
    -> (tensor<?x?x4x64xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      {axes = #attn.axes<q = [b, i, hq, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>} : tensor<?x?x4x64xbf16>, tensor<?x?x2x64xbf16>, tensor<?x?x2x64xbf16> -> tensor<?x?x4x64xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x?x4x64xbf16>, tensor<?x4x?xf32>
}

func.func @decode_bshd(%q: tensor<?x1x8x64xf32> {attn.name = "q", attn.dims = ["B", "1", "8", "64"]},
                       %k: tensor<?x?x2x64xf32> {attn.name = "k", attn.dims = ["B", "S", "2", "64"]},
                       %v: tensor<?x?x2x64xf32> {attn.name = "v", attn.dims = ["B", "S", "2", "64"]})
    -> (tensor<?x1x8x64xf32>, tensor<?x8x1xf32>)
    attributes {attn.sizes = [{B = 1, S = 1}, {B = 2, S = 65}, {B = 1, S = 1000}, {B = 1, S = 4096}]} {
  %out, %lse = attn.attention %q, %k, %v
      {axes = #attn.axes<q = [b, i, hq, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>} : tensor<?x1x8x64xf32>, tensor<?x?x2x64xf32>, tensor<?x?x2x64xf32> -> tensor<?x1x8x64xf32>, tensor<?x8x1xf32>
  return %out, %lse : tensor<?x1x8x64xf32>, tensor<?x8x1xf32>
}

func.func @operands_keep_their_order(%q: tensor<?x?x4x64xf32> {attn.name = "q", attn.dims = ["B", "S", "4", "64"]},
                                     %k: tensor<?x?x2x64xf32> {attn.name = "k", attn.dims = ["B", "S", "2", "64"]},
                                     %v: tensor<?x?x2x32xf32> {attn.name = "v", attn.dims = ["B", "S", "2", "32"]},
                                     %b: tensor<?x4x?x?xf32> {attn.name = "b", attn.dims = ["B", "4", "S", "S"]},
                                     %m: tensor<4x?x?xi1> {attn.name = "m", attn.dims = ["4", "S", "S"], attn.input = #attn.gen<"mask", [0.6, 2.0]>},
                                     %w: tensor<?x2x?xf32> {attn.name = "w", attn.dims = ["B", "2", "S"]},
                                     %s: tensor<4xf32> {attn.name = "s"})
    -> (tensor<?x?x4x32xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%b : tensor<?x4x?x?xf32>)
      mask_tensor(%m : tensor<4x?x?xi1>)
      log_weight(%w : tensor<?x2x?xf32>)
      sinks(%s : tensor<4xf32>)
      {axes = #attn.axes<q = [b, i, hq, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>} : tensor<?x?x4x64xf32>, tensor<?x?x2x64xf32>, tensor<?x?x2x32xf32> -> tensor<?x?x4x32xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x?x4x32xf32>, tensor<?x4x?xf32>
}
