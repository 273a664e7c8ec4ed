// RUN-ON: cpu, oracle
// Score regions: what they read, and where they stand in the order.

func.func @alibi(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                 %slopes: tensor<4xf32> {attn.name = "slopes", attn.input = #attn.gen<"uniform", [0.01, 0.5]>})
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
      captures(%slopes : tensor<4xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %of_head: tensor<4xf32>):
        %slope = attn.load %of_head[%h] : tensor<4xf32>
        %distance = arith.subi %j, %i : i32
        %d = arith.sitofp %distance : i32 to f32
        %x = arith.mulf %slope, %d : f32
        %r = arith.addf %s, %x : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @alibi_bottom_right(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                              %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                              %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                              %slopes: tensor<4xf32> {attn.name = "slopes", attn.input = #attn.gen<"uniform", [0.01, 0.5]>})
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
      captures(%slopes : tensor<4xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %of_head: tensor<4xf32>):
        %slope = attn.load %of_head[%h] : tensor<4xf32>
        %distance = arith.subi %j, %i : i32
        %d = arith.sitofp %distance : i32 to f32
        %x = arith.mulf %slope, %d : f32
        %r = arith.addf %s, %x : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// A learned bias per distance, as T5 has it.
func.func @relative_table(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                          %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                          %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                          %table: tensor<4x33xf32> {attn.name = "table"})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      align top_left
      captures(%table : tensor<4x33xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %learned: tensor<4x33xf32>):
        %low = arith.constant -16 : i32
        %high = arith.constant 16 : i32
        %distance = arith.subi %j, %i : i32
        %above = arith.maxsi %distance, %low : i32
        %clamped = arith.minsi %above, %high : i32
        %index = arith.addi %clamped, %high : i32
        %x = attn.load %learned[%h, %index] : tensor<4x33xf32>
        %r = arith.addf %s, %x : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @after_softcap(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
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
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %five = arith.constant 5.0 : f32
        %r = arith.mulf %s, %five : f32
        attn.yield %r : f32
      }
      {softcap = 1.0 : f64} : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @before_bias(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                       %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                       %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                       %bias: tensor<?x?xf32> {attn.name = "bias", attn.dims = ["S", "S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%bias : tensor<?x?xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %zero = arith.constant 0.0 : f32
        %r = arith.maximumf %s, %zero : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @many_functions(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                          %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                          %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %half = arith.constant 0.5 : f32
        %a = math.absf %s : f32
        %l = math.log1p %a : f32
        %t = math.tanh %s : f32
        %e = math.exp2 %t : f32
        %root = math.sqrt %e : f32
        %c = math.cos %l : f32
        %m = arith.mulf %root, %c : f32
        %p = arith.addf %m, %half : f32
        %d = arith.divf %p, %e : f32
        %large = arith.cmpf ogt, %s, %half : f32
        %r = arith.select %large, %d, %s : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// A score of -inf hides its key.
func.func @hides_by_infinity(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                             %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                             %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %minus = arith.constant 0xFF800000 : f32
        %seven = arith.constant 7 : i32
        %zero = arith.constant 0 : i32
        %rest = arith.remsi %j, %seven : i32
        %seventh = arith.cmpi eq, %rest, %zero : i32
        %r = arith.select %seventh, %minus, %s : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @batch_and_head(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                          %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                          %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                          %x: tensor<?x4xbf16> {attn.name = "x", attn.dims = ["B", "4"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 3, S = 33}} {
  %out, %lse = attn.attention %q, %k, %v
      captures(%x : tensor<?x4xbf16>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %factors: tensor<?x4xbf16>):
        %t = attn.load %factors[%b, %h] : tensor<?x4xbf16>
        %f = arith.extf %t : bf16 to f32
        %r = arith.mulf %s, %f : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @f64_scores(%q: tensor<?x4x?x64xf64> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                      %k: tensor<?x2x?x64xf64> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                      %v: tensor<?x2x?x64xf64> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf64>, tensor<?x4x?xf64>)
    attributes {attn.sizes = {B = 2, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      score_mod {
      ^bb0(%s: f64, %b: i32, %h: i32, %i: i32, %j: i32):
        %third = arith.constant 0.3333333333333333 : f64
        %r = arith.mulf %s, %third : f64
        attn.yield %r : f64
      }
      : tensor<?x4x?x64xf64>, tensor<?x2x?x64xf64>, tensor<?x2x?x64xf64> -> tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
  return %out, %lse : tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
}

func.func @given_positions(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
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
      q_positions(%qp : tensor<?x?xi32>)
      kv_positions(%kp : tensor<?x?xi32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %distance = arith.subi %i, %j : i32
        %d = math.absi %distance : i32
        %f = arith.sitofp %d : i32 to f32
        %c = arith.constant -0.05 : f32
        %x = arith.mulf %f, %c : f32
        %r = arith.addf %s, %x : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @bf16(%q: tensor<?x4x?x64xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                %slopes: tensor<4xf32> {attn.name = "slopes", attn.input = #attn.gen<"uniform", [0.01, 0.5]>})
    -> (tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      captures(%slopes : tensor<4xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %of_head: tensor<4xf32>):
        %slope = attn.load %of_head[%h] : tensor<4xf32>
        %distance = arith.subi %j, %i : i32
        %d = arith.sitofp %distance : i32 to f32
        %x = arith.mulf %slope, %d : f32
        %r = arith.addf %s, %x : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
}
