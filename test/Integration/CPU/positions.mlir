// RUN-ON: cpu, oracle
// Given positions: any order, repeated and negative ones. Masks and regions read them, storage does not matter.

func.func @causal(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                  %qp: tensor<?x?xi32> {attn.name = "qp", attn.dims = ["B", "Q"], attn.input = #attn.gen<"positions", [-5.0, 100.0]>},
                  %kp: tensor<?x?xi32> {attn.name = "kp", attn.dims = ["B", "S"], attn.input = #attn.gen<"positions", [0.0, 100.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      q_positions(%qp : tensor<?x?xi32>)
      kv_positions(%kp : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @band(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                %qp: tensor<?x?xi32> {attn.name = "qp", attn.dims = ["B", "Q"], attn.input = #attn.gen<"positions", [-5.0, 100.0]>},
                %kp: tensor<?x?xi32> {attn.name = "kp", attn.dims = ["B", "S"], attn.input = #attn.gen<"positions", [0.0, 100.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<10, 4>>
      q_positions(%qp : tensor<?x?xi32>)
      kv_positions(%kp : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @prefix(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                  %qp: tensor<?x?xi32> {attn.name = "qp", attn.dims = ["B", "Q"], attn.input = #attn.gen<"positions", [-5.0, 100.0]>},
                  %kp: tensor<?x?xi32> {attn.name = "kp", attn.dims = ["B", "S"], attn.input = #attn.gen<"positions", [0.0, 100.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <or(prefix<12>, band<3, 0>)>
      q_positions(%qp : tensor<?x?xi32>)
      kv_positions(%kp : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @shared_by_the_batch(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                               %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                               %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                               %qp: tensor<1x?xi32> {attn.name = "qp", attn.dims = ["1", "Q"], attn.input = #attn.gen<"positions", [0.0, 80.0]>},
                               %kp: tensor<1x?xi32> {attn.name = "kp", attn.dims = ["1", "S"], attn.input = #attn.gen<"positions", [0.0, 80.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      q_positions(%qp : tensor<1x?xi32>)
      kv_positions(%kp : tensor<1x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @with_lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                        %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                        %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                        %m: tensor<?xi32> {attn.name = "m", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 20.0]>},
                        %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 65.0]>},
                        %qp: tensor<?x?xi32> {attn.name = "qp", attn.dims = ["B", "Q"], attn.input = #attn.gen<"positions", [-5.0, 100.0]>},
                        %kp: tensor<?x?xi32> {attn.name = "kp", attn.dims = ["B", "S"], attn.input = #attn.gen<"positions", [0.0, 100.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 3, Q = 20, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      q_lengths(%m : tensor<?xi32>)
      kv_lengths(%n : tensor<?xi32>)
      q_positions(%qp : tensor<?x?xi32>)
      kv_positions(%kp : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @documents(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                     %qp: tensor<?x?xi32> {attn.name = "qp", attn.dims = ["B", "Q"], attn.input = #attn.gen<"positions", [-5.0, 100.0]>},
                     %kp: tensor<?x?xi32> {attn.name = "kp", attn.dims = ["B", "S"], attn.input = #attn.gen<"positions", [0.0, 100.0]>},
                     %qs: tensor<?x?xi32> {attn.name = "qs", attn.dims = ["B", "Q"], attn.input = #attn.gen<"segments", [4.0]>},
                     %ks: tensor<?x?xi32> {attn.name = "ks", attn.dims = ["B", "S"], attn.input = #attn.gen<"segments", [4.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(document, causal)>
      q_positions(%qp : tensor<?x?xi32>)
      kv_positions(%kp : tensor<?x?xi32>)
      q_segments(%qs : tensor<?x?xi32>)
      kv_segments(%ks : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}
