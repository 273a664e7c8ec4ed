// RUN-ON: cpu, oracle
// A number per pair as a result: the products, the softcapped products, the scores, the weights.

// Masks, biases and lengths do not touch the products.
func.func @product(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                   %bias: tensor<1x4x?x?xf32> {attn.name = "bias", attn.dims = ["1", "4", "Q", "S"]},
                   %kv_lengths: tensor<?xi32> {attn.name = "kv_lengths", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 30.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 30}, {B = 2, Q = 17, S = 65}]} {
  %out, %scores = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      bias(%bias : tensor<1x4x?x?xf32>)
      kv_lengths(%kv_lengths : tensor<?xi32>) {softcap = 3.0 : f64}
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32> scores product : tensor<?x4x?x?xf32>
  return %out, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>
}

func.func @softcapped(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                      %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                      %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %lse, %scores = attn.attention %q, %k, %v
      mask <causal> align top_left {softcap = 3.0 : f64, scale = 0.5 : f64}
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32> scores softcapped : tensor<?x4x?x?xf32>
  return %out, %lse, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>
}

func.func @softcapped_without_a_softcap(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                                        %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                        %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %scores = attn.attention %q, %k, %v
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32> scores softcapped : tensor<?x4x?x?xf32>
  return %out, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>
}

// Everything that is added, -inf where hidden; rows that see nothing too.
func.func @score(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                 %bias: tensor<1x4x?x?xf32> {attn.name = "bias", attn.dims = ["1", "4", "Q", "S"]},
                 %log_weight: tensor<?x1x?xf32> {attn.name = "log_weight", attn.dims = ["B", "1", "S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %lse, %scores = attn.attention %q, %k, %v
      mask <and(causal, band<5, inf>)> align bottom_right
      bias(%bias : tensor<1x4x?x?xf32>)
      log_weight(%log_weight : tensor<?x1x?xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %distance = arith.subi %j, %i : i32
        %d = arith.sitofp %distance : i32 to f32
        %r = arith.addf %s, %d : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32> scores score : tensor<?x4x?x?xf32>
  return %out, %lse, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>
}

func.func @score_mask_tensor(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                             %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                             %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                             %mask_tensor: tensor<?x1x?x?xi1> {attn.name = "mask_tensor", attn.dims = ["B", "1", "Q", "S"], attn.input = #attn.gen<"mask", [0.5, 0.0]>},
                             %kv_lengths: tensor<?xi32> {attn.name = "kv_lengths", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 30.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 30}, {B = 2, Q = 17, S = 65}]} {
  %out, %scores = attn.attention %q, %k, %v
      mask_tensor(%mask_tensor : tensor<?x1x?x?xi1>)
      kv_lengths(%kv_lengths : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32> scores score : tensor<?x4x?x?xf32>
  return %out, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>
}

func.func @weight(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %lse, %scores = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32> scores weight : tensor<?x4x?x?xf32>
  return %out, %lse, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>
}

// The weights of a row and of its sink add up to 1.
func.func @weight_sinks(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                        %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                        %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                        %sinks: tensor<4xf32> {attn.name = "sinks"})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %lse, %scores = attn.attention %q, %k, %v
      sinks(%sinks : tensor<4xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32> scores weight : tensor<?x4x?x?xf32>
  return %out, %lse, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>
}

// Rows and keys beyond a length have none.
func.func @weight_lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                          %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                          %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                          %q_lengths: tensor<?xi32> {attn.name = "q_lengths", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 1.0]>},
                          %kv_lengths: tensor<?xi32> {attn.name = "kv_lengths", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 30.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 30}, {B = 2, Q = 17, S = 65}]} {
  %out, %scores = attn.attention %q, %k, %v
      mask <causal> align top_left
      q_lengths(%q_lengths : tensor<?xi32>)
      kv_lengths(%kv_lengths : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32> scores weight : tensor<?x4x?x?xf32>
  return %out, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>
}

func.func @weight_negative_scale(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %scores = attn.attention %q, %k, %v {scale = -0.7 : f64}
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32> scores weight : tensor<?x4x?x?xf32>
  return %out, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>
}

func.func @score_zero_scale(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                            %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                            %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %scores = attn.attention %q, %k, %v
      mask <causal> align top_left {scale = 0.0 : f64}
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32> scores score : tensor<?x4x?x?xf32>
  return %out, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>
}

// The shape of scores does not follow the axes.
func.func @axes(%q: tensor<?x?x4x64xf32> {attn.name = "q", attn.dims = ["B", "Q", "4", "64"]},
                %k: tensor<?x?x2x64xf32> {attn.name = "k", attn.dims = ["B", "S", "2", "64"]},
                %v: tensor<?x?x2x64xf32> {attn.name = "v", attn.dims = ["B", "S", "2", "64"]})
    -> (tensor<?x?x4x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %lse, %scores = attn.attention %q, %k, %v
      mask <causal> align top_left {axes = #attn.axes<q = [b, i, hq, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>}
      : tensor<?x?x4x64xf32>, tensor<?x?x2x64xf32>, tensor<?x?x2x64xf32> -> tensor<?x?x4x64xf32>, tensor<?x4x?xf32> scores weight : tensor<?x4x?x?xf32>
  return %out, %lse, %scores : tensor<?x?x4x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>
}

func.func @weight_bf16(%q: tensor<?x4x?x33xbf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "33"]},
                       %k: tensor<?x2x?x33xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "33"]},
                       %v: tensor<?x2x?x80xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "80"]},
                       %bias: tensor<1x4x?x?xbf16> {attn.name = "bias", attn.dims = ["1", "4", "Q", "S"]})
    -> (tensor<?x4x?x80xbf16>, tensor<?x4x?xf32>, tensor<?x4x?x?xbf16>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %lse, %scores = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      bias(%bias : tensor<1x4x?x?xbf16>)
      : tensor<?x4x?x33xbf16>, tensor<?x2x?x33xbf16>, tensor<?x2x?x80xbf16> -> tensor<?x4x?x80xbf16>, tensor<?x4x?xf32> scores weight : tensor<?x4x?x?xbf16>
  return %out, %lse, %scores : tensor<?x4x?x80xbf16>, tensor<?x4x?xf32>, tensor<?x4x?x?xbf16>
}

func.func @score_bf16(%q: tensor<?x4x?x80xbf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "80"]},
                      %k: tensor<?x2x?x80xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "80"]},
                      %v: tensor<?x2x?x33xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "33"]})
    -> (tensor<?x4x?x33xbf16>, tensor<?x4x?x?xbf16>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %scores = attn.attention %q, %k, %v
      mask <causal> align top_left {softcap = 5.0 : f64}
      : tensor<?x4x?x80xbf16>, tensor<?x2x?x80xbf16>, tensor<?x2x?x33xbf16> -> tensor<?x4x?x33xbf16> scores score : tensor<?x4x?x?xbf16>
  return %out, %scores : tensor<?x4x?x33xbf16>, tensor<?x4x?x?xbf16>
}

func.func @weight_f16(%q: tensor<?x4x?x33xf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "33"]},
                      %k: tensor<?x2x?x33xf16> {attn.name = "k", attn.dims = ["B", "2", "S", "33"]},
                      %v: tensor<?x2x?x80xf16> {attn.name = "v", attn.dims = ["B", "2", "S", "80"]},
                      %bias: tensor<1x4x?x?xf16> {attn.name = "bias", attn.dims = ["1", "4", "Q", "S"]})
    -> (tensor<?x4x?x80xf16>, tensor<?x4x?xf32>, tensor<?x4x?x?xf16>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %lse, %scores = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      bias(%bias : tensor<1x4x?x?xf16>)
      : tensor<?x4x?x33xf16>, tensor<?x2x?x33xf16>, tensor<?x2x?x80xf16> -> tensor<?x4x?x80xf16>, tensor<?x4x?xf32> scores weight : tensor<?x4x?x?xf16>
  return %out, %lse, %scores : tensor<?x4x?x80xf16>, tensor<?x4x?xf32>, tensor<?x4x?x?xf16>
}

func.func @score_f16(%q: tensor<?x4x?x80xf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "80"]},
                     %k: tensor<?x2x?x80xf16> {attn.name = "k", attn.dims = ["B", "2", "S", "80"]},
                     %v: tensor<?x2x?x33xf16> {attn.name = "v", attn.dims = ["B", "2", "S", "33"]})
    -> (tensor<?x4x?x33xf16>, tensor<?x4x?x?xf16>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %scores = attn.attention %q, %k, %v
      mask <causal> align top_left {softcap = 5.0 : f64}
      : tensor<?x4x?x80xf16>, tensor<?x2x?x80xf16>, tensor<?x2x?x33xf16> -> tensor<?x4x?x33xf16> scores score : tensor<?x4x?x?xf16>
  return %out, %scores : tensor<?x4x?x33xf16>, tensor<?x4x?x?xf16>
}

func.func @weight_f64(%q: tensor<?x4x?x33xf64> {attn.name = "q", attn.dims = ["B", "4", "Q", "33"]},
                      %k: tensor<?x2x?x33xf64> {attn.name = "k", attn.dims = ["B", "2", "S", "33"]},
                      %v: tensor<?x2x?x80xf64> {attn.name = "v", attn.dims = ["B", "2", "S", "80"]},
                      %bias: tensor<1x4x?x?xf64> {attn.name = "bias", attn.dims = ["1", "4", "Q", "S"]})
    -> (tensor<?x4x?x80xf64>, tensor<?x4x?xf64>, tensor<?x4x?x?xf64>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %lse, %scores = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      bias(%bias : tensor<1x4x?x?xf64>)
      : tensor<?x4x?x33xf64>, tensor<?x2x?x33xf64>, tensor<?x2x?x80xf64> -> tensor<?x4x?x80xf64>, tensor<?x4x?xf64> scores weight : tensor<?x4x?x?xf64>
  return %out, %lse, %scores : tensor<?x4x?x80xf64>, tensor<?x4x?xf64>, tensor<?x4x?x?xf64>
}

func.func @score_f64(%q: tensor<?x4x?x80xf64> {attn.name = "q", attn.dims = ["B", "4", "Q", "80"]},
                     %k: tensor<?x2x?x80xf64> {attn.name = "k", attn.dims = ["B", "2", "S", "80"]},
                     %v: tensor<?x2x?x33xf64> {attn.name = "v", attn.dims = ["B", "2", "S", "33"]})
    -> (tensor<?x4x?x33xf64>, tensor<?x4x?x?xf64>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %scores = attn.attention %q, %k, %v
      mask <causal> align top_left {softcap = 5.0 : f64}
      : tensor<?x4x?x80xf64>, tensor<?x2x?x80xf64>, tensor<?x2x?x33xf64> -> tensor<?x4x?x33xf64> scores score : tensor<?x4x?x?xf64>
  return %out, %scores : tensor<?x4x?x33xf64>, tensor<?x4x?x?xf64>
}

// A missing page has no keys: products of 0, no weight.
func.func @pages_product(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                         %k: tensor<9x2x16x64xf32> {attn.name = "k"},
                         %v: tensor<9x2x16x64xf32> {attn.name = "v"},
                         %kv_lengths: tensor<?xi32> {attn.name = "kv_lengths", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 96.0]>},
                         %page_table: tensor<?x1x6xi32> {attn.name = "page_table", attn.dims = ["B", "1", "6"], attn.input = #attn.gen<"page_table", [9.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?x96xf32>)
    attributes {attn.sizes = [{B = 2, Q = 3}]} {
  %out, %scores = attn.attention %q, %k, %v
      kv_lengths(%kv_lengths : tensor<?xi32>)
      page_table(%page_table : tensor<?x1x6xi32>) {page_size = 16 : i64}
      : tensor<?x4x?x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32> -> tensor<?x4x?x64xf32> scores product : tensor<?x4x?x96xf32>
  return %out, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?x96xf32>
}

func.func @pages_weight(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                        %k: tensor<9x2x16x64xf32> {attn.name = "k"},
                        %v: tensor<9x2x16x64xf32> {attn.name = "v"},
                        %kv_lengths: tensor<?xi32> {attn.name = "kv_lengths", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 96.0]>},
                        %page_table: tensor<?x1x6xi32> {attn.name = "page_table", attn.dims = ["B", "1", "6"], attn.input = #attn.gen<"page_table", [9.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?x96xf32>)
    attributes {attn.sizes = [{B = 2, Q = 3}]} {
  %out, %scores = attn.attention %q, %k, %v
      kv_lengths(%kv_lengths : tensor<?xi32>)
      page_table(%page_table : tensor<?x1x6xi32>) {page_size = 16 : i64}
      : tensor<?x4x?x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32> -> tensor<?x4x?x64xf32> scores weight : tensor<?x4x?x96xf32>
  return %out, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?x96xf32>
}

func.func @documents(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                     %cu_q: tensor<4xi32> {attn.name = "cu_q", attn.input = #attn.gen<"cu_seqlens">},
                     %cu_kv: tensor<4xi32> {attn.name = "cu_kv", attn.input = #attn.gen<"cu_seqlens">})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 65, S = 65}]} {
  %out, %scores = attn.attention %q, %k, %v
      mask <and(document, causal)> align bottom_right
      cu_q(%cu_q : tensor<4xi32>)
      cu_kv(%cu_kv : tensor<4xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32> scores score : tensor<?x4x?x?xf32>
  return %out, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?x?xf32>
}

func.func @no_keys(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 3, S = 0}]} {
  %out, %lse, %scores = attn.attention %q, %k, %v
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32> scores weight : tensor<?x4x?x?xf32>
  return %out, %lse, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>
}
