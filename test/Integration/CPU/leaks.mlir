// RUN-ON: cpu, oracle
// NaN and infinity in hidden keys and values change nothing; a row that does see them is NaN, and no other.

func.func @nan_behind_lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                              %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                              %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                              %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 32.0]>})
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
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %out, %lse = attn.attention %q, %k_bad, %v_bad
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @inf_behind_lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                              %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                              %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                              %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 32.0]>})
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
  %k_bad = tensor.insert_slice %block into %k[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %out, %lse = attn.attention %q, %k_bad, %v_bad
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @nan_values_behind_lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                     %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 32.0]>})
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
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @nan_keys_behind_lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                   %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 32.0]>})
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
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// Only the last row sees the last key.
func.func @causal_last_key_is_nan(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 17}, {B = 1, S = 65}, {B = 1, S = 128}]} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x2x?x64xf32>
  %keys = tensor.dim %k, %c2 : tensor<?x2x?x64xf32>
  %rows = arith.constant 1 : index
  %at = arith.subi %keys, %rows : index
  %bad = arith.constant 0x7FC00000 : f32
  %block = tensor.splat %bad[%batch] : tensor<?x2x1x64xf32>
  %k_bad = tensor.insert_slice %block into %k[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %out, %lse = attn.attention %q, %k_bad, %v_bad
      mask <causal>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @causal_last_value_is_inf(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                                    %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                    %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 17}, {B = 1, S = 65}, {B = 1, S = 128}]} {
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
      mask <causal>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @causal_last_keys_are_inf(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                                    %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                    %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 17}, {B = 1, S = 65}, {B = 1, S = 128}]} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x2x?x64xf32>
  %keys = tensor.dim %k, %c2 : tensor<?x2x?x64xf32>
  %rows = arith.constant 3 : index
  %at = arith.subi %keys, %rows : index
  %bad = arith.constant 0x7F800000 : f32
  %block = tensor.splat %bad[%batch] : tensor<?x2x3x64xf32>
  %k_bad = tensor.insert_slice %block into %k[0, 0, %at, 0] [%batch, 2, 3, 64] [1, 1, 1, 1] : tensor<?x2x3x64xf32> into tensor<?x2x?x64xf32>
  %out, %lse = attn.attention %q, %k_bad, %v
      mask <causal>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// Only the first eight rows see the first key.
func.func @window_first_key_is_nan(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 17}, {B = 1, S = 65}, {B = 1, S = 128}]} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x2x?x64xf32>
  %keys = tensor.dim %k, %c2 : tensor<?x2x?x64xf32>
  %rows = arith.constant 1 : index
  %at = arith.constant 0 : index
  %bad = arith.constant 0x7FC00000 : f32
  %block = tensor.splat %bad[%batch] : tensor<?x2x1x64xf32>
  %k_bad = tensor.insert_slice %block into %k[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %out, %lse = attn.attention %q, %k_bad, %v_bad
      mask <band<7, 0>>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @prefix(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
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
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %out, %lse = attn.attention %q, %k_bad, %v_bad
      mask <prefix<8>>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// Some rows see the last key, others do not.
func.func @mask_tensor(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                       %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                       %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                       %m: tensor<?x1x?x?xi1> {attn.name = "m", attn.dims = ["B", "1", "Q", "S"], attn.input = #attn.gen<"mask", [0.2, 2.0]>})
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
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %out, %lse = attn.attention %q, %k_bad, %v_bad
      mask_tensor(%m : tensor<?x1x?x?xi1>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @mask_mod(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
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
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %out, %lse = attn.attention %q, %k_bad, %v_bad
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %limit = arith.constant 30 : i32
        %p = arith.cmpi slt, %j, %limit : i32
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// A bias that is -inf in f32 hides everything, whatever v holds.
func.func @minus_infinity_bias(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                               %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                               %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                               %b: tensor<?xf32> {attn.name = "b", attn.dims = ["S"], attn.input = #attn.gen<"constant", [-1.0e39]>})
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
      bias(%b : tensor<?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @decode_lengths(%q: tensor<?x8x1x64xf32> {attn.name = "q", attn.dims = ["B", "8", "1", "64"]},
                          %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                          %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                          %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 200.0]>})
    -> (tensor<?x8x1x64xf32>, tensor<?x8x1xf32>)
    attributes {attn.sizes = {B = 3, S = 201}} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x2x?x64xf32>
  %keys = tensor.dim %k, %c2 : tensor<?x2x?x64xf32>
  %rows = arith.constant 1 : index
  %at = arith.subi %keys, %rows : index
  %bad = arith.constant 0x7FC00000 : f32
  %block = tensor.splat %bad[%batch] : tensor<?x2x1x64xf32>
  %k_bad = tensor.insert_slice %block into %k[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf32> into tensor<?x2x?x64xf32>
  %out, %lse = attn.attention %q, %k_bad, %v_bad
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x8x1x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x1x64xf32>, tensor<?x8x1xf32>
  return %out, %lse : tensor<?x8x1x64xf32>, tensor<?x8x1xf32>
}

func.func @decode_window(%q: tensor<?x8x1x64xf32> {attn.name = "q", attn.dims = ["B", "8", "1", "64"]},
                         %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                         %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x8x1x64xf32>, tensor<?x8x1xf32>)
    attributes {attn.sizes = {B = 2, S = 200}} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x2x?x64xf32>
  %keys = tensor.dim %k, %c2 : tensor<?x2x?x64xf32>
  %rows = arith.constant 9 : index
  %at = arith.constant 0 : index
  %bad = arith.constant 0x7FC00000 : f32
  %block = tensor.splat %bad[%batch] : tensor<?x2x9x64xf32>
  %k_bad = tensor.insert_slice %block into %k[0, 0, %at, 0] [%batch, 2, 9, 64] [1, 1, 1, 1] : tensor<?x2x9x64xf32> into tensor<?x2x?x64xf32>
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 9, 64] [1, 1, 1, 1] : tensor<?x2x9x64xf32> into tensor<?x2x?x64xf32>
  %out, %lse = attn.attention %q, %k_bad, %v_bad
      mask <band<99, 0>> align bottom_right
      : tensor<?x8x1x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x1x64xf32>, tensor<?x8x1xf32>
  return %out, %lse : tensor<?x8x1x64xf32>, tensor<?x8x1xf32>
}

func.func @bf16(%q: tensor<?x4x?x64xbf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 32.0]>})
    -> (tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 17, S = 65}, {B = 1, Q = 1, S = 33}, {B = 2, Q = 64, S = 128}]} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x2x?x64xbf16>
  %keys = tensor.dim %k, %c2 : tensor<?x2x?x64xbf16>
  %rows = arith.constant 1 : index
  %at = arith.subi %keys, %rows : index
  %bad = arith.constant 0x7FC0 : bf16
  %block = tensor.splat %bad[%batch] : tensor<?x2x1x64xbf16>
  %k_bad = tensor.insert_slice %block into %k[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xbf16> into tensor<?x2x?x64xbf16>
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xbf16> into tensor<?x2x?x64xbf16>
  %out, %lse = attn.attention %q, %k_bad, %v_bad
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
}

func.func @bf16_causal(%q: tensor<?x4x?x64xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                       %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                       %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 17}, {B = 1, S = 65}, {B = 1, S = 128}]} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x2x?x64xbf16>
  %keys = tensor.dim %k, %c2 : tensor<?x2x?x64xbf16>
  %rows = arith.constant 1 : index
  %at = arith.subi %keys, %rows : index
  %bad = arith.constant 0x7F80 : bf16
  %block = tensor.splat %bad[%batch] : tensor<?x2x1x64xbf16>
  %k_bad = tensor.insert_slice %block into %k[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xbf16> into tensor<?x2x?x64xbf16>
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xbf16> into tensor<?x2x?x64xbf16>
  %out, %lse = attn.attention %q, %k_bad, %v_bad
      mask <causal>
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
}

func.func @f16_lengths(%q: tensor<?x4x?x64xf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                       %k: tensor<?x2x?x64xf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                       %v: tensor<?x2x?x64xf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                       %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 32.0]>})
    -> (tensor<?x4x?x64xf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 17, S = 65}, {B = 1, Q = 1, S = 33}, {B = 2, Q = 64, S = 128}]} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x2x?x64xf16>
  %keys = tensor.dim %k, %c2 : tensor<?x2x?x64xf16>
  %rows = arith.constant 1 : index
  %at = arith.subi %keys, %rows : index
  %bad = arith.constant 0x7E00 : f16
  %block = tensor.splat %bad[%batch] : tensor<?x2x1x64xf16>
  %k_bad = tensor.insert_slice %block into %k[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf16> into tensor<?x2x?x64xf16>
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf16> into tensor<?x2x?x64xf16>
  %out, %lse = attn.attention %q, %k_bad, %v_bad
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x4x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16> -> tensor<?x4x?x64xf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf16>, tensor<?x4x?xf32>
}

func.func @f64_causal(%q: tensor<?x4x?x64xf64> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                      %k: tensor<?x2x?x64xf64> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                      %v: tensor<?x2x?x64xf64> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf64>, tensor<?x4x?xf64>)
    attributes {attn.sizes = [{B = 2, S = 17}, {B = 1, S = 65}, {B = 1, S = 128}]} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x2x?x64xf64>
  %keys = tensor.dim %k, %c2 : tensor<?x2x?x64xf64>
  %rows = arith.constant 1 : index
  %at = arith.subi %keys, %rows : index
  %bad = arith.constant 0x7FF8000000000000 : f64
  %block = tensor.splat %bad[%batch] : tensor<?x2x1x64xf64>
  %k_bad = tensor.insert_slice %block into %k[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf64> into tensor<?x2x?x64xf64>
  %v_bad = tensor.insert_slice %block into %v[0, 0, %at, 0] [%batch, 2, 1, 64] [1, 1, 1, 1] : tensor<?x2x1x64xf64> into tensor<?x2x?x64xf64>
  %out, %lse = attn.attention %q, %k_bad, %v_bad
      mask <causal>
      : tensor<?x4x?x64xf64>, tensor<?x2x?x64xf64>, tensor<?x2x?x64xf64> -> tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
  return %out, %lse : tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
}
