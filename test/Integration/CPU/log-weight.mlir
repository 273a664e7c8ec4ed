// RUN-ON: cpu, oracle
// A weight per key, as its logarithm.

func.func @whole(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                 %w: tensor<?x2x?xf32> {attn.name = "w", attn.dims = ["B", "2", "S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      log_weight(%w : tensor<?x2x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @keys_only(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                     %w: tensor<1x1x?xf32> {attn.name = "w", attn.dims = ["1", "1", "S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      log_weight(%w : tensor<1x1x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @per_head(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                    %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                    %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                    %w: tensor<1x2x?xf32> {attn.name = "w", attn.dims = ["1", "2", "S"]})
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
      log_weight(%w : tensor<1x2x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @bf16(%q: tensor<?x4x?x64xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                %w: tensor<?x1x?xf32> {attn.name = "w", attn.dims = ["B", "1", "S"], attn.input = #attn.gen<"uniform", [-4.0, 4.0]>})
    -> (tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      log_weight(%w : tensor<?x1x?xf32>)
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
}

func.func @with_bias_and_sinks(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                               %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                               %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                               %b: tensor<?x?xf32> {attn.name = "b", attn.dims = ["S", "S"]},
                               %w: tensor<?x2x?xf32> {attn.name = "w", attn.dims = ["B", "2", "S"]},
                               %s: tensor<4xf32> {attn.name = "s"})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%b : tensor<?x?xf32>)
      log_weight(%w : tensor<?x2x?xf32>)
      sinks(%s : tensor<4xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}
