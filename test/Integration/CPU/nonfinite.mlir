// RUN-ON: cpu, oracle
// What is not finite and visible: -inf hides its key, +inf and NaN make their own row NaN.

func.func @nan_key_seen_by_all(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                               %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                               %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 17, S = 65}, {B = 1, Q = 1, S = 33}, {B = 2, Q = 64, S = 128}]} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x2x?x64xf32>
  %keys = tensor.dim %k, %c2 : tensor<?x2x?x64xf32>
  %rows = arith.constant 1 : index
  %at = arith.subi %keys, %rows : index
  %bad = arith.constant 0x7FC00000 : f32
  %block = tensor.splat %bad[%batch] : tensor<?x2x1x64xf32>
  %k_bad = tensor.insert_slice %block into %k[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %out, %lse = attn.attention %q, %k_bad, %v
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @nan_value_seen_by_all(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 17, S = 65}, {B = 1, Q = 1, S = 33}, {B = 2, Q = 64, S = 128}]} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x2x?x64xf32>
  %keys = tensor.dim %k, %c2 : tensor<?x2x?x64xf32>
  %rows = arith.constant 1 : index
  %at = arith.subi %keys, %rows : index
  %bad = arith.constant 0x7FC00000 : f32
  %block = tensor.splat %bad[%batch] : tensor<?x2x1x64xf32>
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %out, %lse = attn.attention %q, %k, %v_bad
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @infinite_value(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                          %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                          %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 17, S = 65}, {B = 1, Q = 1, S = 33}, {B = 2, Q = 64, S = 128}]} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x2x?x64xf32>
  %keys = tensor.dim %k, %c2 : tensor<?x2x?x64xf32>
  %rows = arith.constant 1 : index
  %at = arith.subi %keys, %rows : index
  %bad = arith.constant 0x7F800000 : f32
  %block = tensor.splat %bad[%batch] : tensor<?x2x1x64xf32>
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %out, %lse = attn.attention %q, %k, %v_bad
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// Query row 1 is NaN: its results are NaN, all others are not.
func.func @nan_query(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 3}, {B = 1, S = 65}]} {
  %nan = arith.constant dense<0x7FC00000> : tensor<1x4x1x64xf32>
  %bad = tensor.insert_slice %nan into %q[0, 0, 1, 0] [1, 4, 1, 64] [1, 1, 1, 1]
      : tensor<1x4x1x64xf32> into tensor<?x4x?x64xf32>
  %out, %lse = attn.attention %bad, %k, %v mask <causal>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// A bias of -inf hides, also a whole row; +inf and NaN make their row NaN.
func.func @infinite_bias(%q: tensor<2x4x5x64xf32> {attn.name = "q"}, %k: tensor<2x2x9x64xf32> {attn.name = "k"},
                         %v: tensor<2x2x9x64xf32> {attn.name = "v"}) -> (tensor<2x4x5x64xf32>, tensor<2x4x5xf32>) {
  %bias = arith.constant dense<[
      [0.0, 0xFF800000, 1.0, 0xFF800000, 0.0, 0.0, 0.0, 0.0, 0xFF800000],
      [0xFF800000, 0xFF800000, 0xFF800000, 0xFF800000, 0xFF800000, 0xFF800000, 0xFF800000, 0xFF800000, 0xFF800000],
      [0.0, 0.0, 0x7F800000, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
      [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0x7FC00000, 0.0],
      [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]> : tensor<5x9xf32>
  %out, %lse = attn.attention %q, %k, %v bias(%bias : tensor<5x9xf32>)
      : tensor<2x4x5x64xf32>, tensor<2x2x9x64xf32>, tensor<2x2x9x64xf32> -> tensor<2x4x5x64xf32>, tensor<2x4x5xf32>
  return %out, %lse : tensor<2x4x5x64xf32>, tensor<2x4x5xf32>
}

// The same where another mask hides what is not finite: nothing of it shows.
func.func @infinite_bias_hidden(%q: tensor<2x4x3x64xf32> {attn.name = "q"}, %k: tensor<2x2x4x64xf32> {attn.name = "k"},
                                %v: tensor<2x2x4x64xf32> {attn.name = "v"}) -> (tensor<2x4x3x64xf32>, tensor<2x4x3xf32>) {
  %bias = arith.constant dense<[
      [0.0, 0.5, 0x7F800000, 0x7FC00000],
      [0.1, 0.2, 0.3, 0x7FC00000],
      [0.0, 0.0, 0.0, 0.0]]> : tensor<3x4xf32>
  %out, %lse = attn.attention %q, %k, %v mask <causal> align bottom_right bias(%bias : tensor<3x4xf32>)
      : tensor<2x4x3x64xf32>, tensor<2x2x4x64xf32>, tensor<2x2x4x64xf32> -> tensor<2x4x3x64xf32>, tensor<2x4x3xf32>
  return %out, %lse : tensor<2x4x3x64xf32>, tensor<2x4x3xf32>
}

// A log-weight of -inf removes its key and what the key's value holds.
func.func @removed_keys(%q: tensor<1x2x3x16xf32> {attn.name = "q"}, %k: tensor<1x2x4x16xf32> {attn.name = "k"},
                        %v: tensor<1x2x4x16xf32> {attn.name = "v"}) -> (tensor<1x2x3x16xf32>, tensor<1x2x3xf32>) {
  %weight = arith.constant dense<[[[0.0, 0xFF800000, 0.5, 0xFF800000]]]> : tensor<1x1x4xf32>
  %nan = arith.constant dense<0x7FC00000> : tensor<1x2x1x16xf32>
  %bad = tensor.insert_slice %nan into %v[0, 0, 1, 0] [1, 2, 1, 16] [1, 1, 1, 1]
      : tensor<1x2x1x16xf32> into tensor<1x2x4x16xf32>
  %out, %lse = attn.attention %q, %k, %bad log_weight(%weight : tensor<1x1x4xf32>)
      : tensor<1x2x3x16xf32>, tensor<1x2x4x16xf32>, tensor<1x2x4x16xf32> -> tensor<1x2x3x16xf32>, tensor<1x2x3xf32>
  return %out, %lse : tensor<1x2x3x16xf32>, tensor<1x2x3xf32>
}

// Scores of a few hundred: no overflow on the way.
func.func @large_scores(%q: tensor<1x2x17x64xf32> {attn.name = "q", attn.input = #attn.gen<"normal", [10.0]>},
                        %k: tensor<1x2x33x64xf32> {attn.name = "k", attn.input = #attn.gen<"normal", [10.0]>},
                        %v: tensor<1x2x33x64xf32> {attn.name = "v"}) -> (tensor<1x2x17x64xf32>, tensor<1x2x17xf32>) {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<1x2x17x64xf32>, tensor<1x2x33x64xf32>, tensor<1x2x33x64xf32> -> tensor<1x2x17x64xf32>, tensor<1x2x17xf32>
  return %out, %lse : tensor<1x2x17x64xf32>, tensor<1x2x17xf32>
}
