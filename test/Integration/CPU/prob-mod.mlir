// RUN-ON: cpu, oracle
// prob_mod: what becomes of a weight before it meets its value.

func.func @halves(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %lse = attn.attention %q, %k, %v
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %f = arith.constant 0.5 : f32
        %r = arith.mulf %p, %f : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// It may read its pair and captured tensors; hidden pairs are not asked about, even where 0 would become more.
func.func @reads_pair_and_capture(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                  %captures: tensor<4xf32> {attn.name = "captures"})
    -> tensor<?x4x?x64xf32>
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      captures(%captures : tensor<4xf32>)
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32, %t: tensor<4xf32>):
        %f = attn.load %t[%h] : tensor<4xf32>
        %d = arith.subi %i, %j : i32
        %e = arith.sitofp %d : i32 to f32
        %x = arith.mulf %p, %e : f32
        %r = arith.addf %x, %f : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

// A score of -inf is a weight of 0, which prob_mod may raise.
func.func @score_minus_inf(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                           %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                           %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> tensor<?x4x?x64xf32>
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}]} {
  %out = attn.attention %q, %k, %v
      align top_left
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %none = arith.constant 0xFF800000 : f32
        %c = arith.cmpi sgt, %j, %i : i32
        %r = arith.select %c, %none, %s : f32
        attn.yield %r : f32
      }
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %f = arith.constant 0.25 : f32
        %r = arith.addf %p, %f : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @lengths_and_masks(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                             %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                             %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                             %mask_tensor: tensor<?x1x?x?xi1> {attn.name = "mask_tensor", attn.dims = ["B", "1", "Q", "S"], attn.input = #attn.gen<"mask", [0.5, 0.0]>},
                             %kv_lengths: tensor<?xi32> {attn.name = "kv_lengths", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 30.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 30}, {B = 2, Q = 17, S = 65}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_tensor(%mask_tensor : tensor<?x1x?x?xi1>)
      kv_lengths(%kv_lengths : tensor<?xi32>)
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %f = arith.constant 0.25 : f32
        %r = arith.addf %p, %f : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// Scores of the kind weight are those before prob_mod.
func.func @squares_and_weights(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                               %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                               %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %lse, %scores = attn.attention %q, %k, %v
      mask <causal> align top_left
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %r = arith.mulf %p, %p : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32> scores weight : tensor<?x4x?x?xf32>
  return %out, %lse, %scores : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>, tensor<?x4x?x?xf32>
}

func.func @halves_bf16(%q: tensor<?x4x?x33xbf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "33"]},
                       %k: tensor<?x2x?x33xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "33"]},
                       %v: tensor<?x2x?x80xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "80"]})
    -> tensor<?x4x?x80xbf16>
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %f = arith.constant 0.5 : f32
        %r = arith.mulf %p, %f : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x33xbf16>, tensor<?x2x?x33xbf16>, tensor<?x2x?x80xbf16> -> tensor<?x4x?x80xbf16>
  return %out : tensor<?x4x?x80xbf16>
}

func.func @halves_f16(%q: tensor<?x4x?x33xf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "33"]},
                      %k: tensor<?x2x?x33xf16> {attn.name = "k", attn.dims = ["B", "2", "S", "33"]},
                      %v: tensor<?x2x?x80xf16> {attn.name = "v", attn.dims = ["B", "2", "S", "80"]})
    -> tensor<?x4x?x80xf16>
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %f = arith.constant 0.5 : f32
        %r = arith.mulf %p, %f : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x33xf16>, tensor<?x2x?x33xf16>, tensor<?x2x?x80xf16> -> tensor<?x4x?x80xf16>
  return %out : tensor<?x4x?x80xf16>
}

func.func @halves_f64(%q: tensor<?x4x?x33xf64> {attn.name = "q", attn.dims = ["B", "4", "Q", "33"]},
                      %k: tensor<?x2x?x33xf64> {attn.name = "k", attn.dims = ["B", "2", "S", "33"]},
                      %v: tensor<?x2x?x80xf64> {attn.name = "v", attn.dims = ["B", "2", "S", "80"]})
    -> tensor<?x4x?x80xf64>
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      prob_mod {
      ^bb0(%p: f64, %b: i32, %h: i32, %i: i32, %j: i32):
        %f = arith.constant 0.5 : f64
        %r = arith.mulf %p, %f : f64
        attn.yield %r : f64
      }
      : tensor<?x4x?x33xf64>, tensor<?x2x?x33xf64>, tensor<?x2x?x80xf64> -> tensor<?x4x?x80xf64>
  return %out : tensor<?x4x?x80xf64>
}

func.func @pages(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                 %k: tensor<9x2x16x64xf32> {attn.name = "k"},
                 %v: tensor<9x2x16x64xf32> {attn.name = "v"},
                 %page_table: tensor<?x1x6xi32> {attn.name = "page_table", attn.dims = ["B", "1", "6"], attn.input = #attn.gen<"page_table", [9.0]>})
    -> tensor<?x4x?x64xf32>
    attributes {attn.sizes = [{B = 2, Q = 3}]} {
  %out = attn.attention %q, %k, %v
      page_table(%page_table : tensor<?x1x6xi32>)
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %f = arith.constant 0.25 : f32
        %r = arith.addf %p, %f : f32
        attn.yield %r : f32
      } {page_size = 16 : i64}
      : tensor<?x4x?x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @sinks(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                 %sinks: tensor<4xf32> {attn.name = "sinks"})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, S = 1}, {B = 2, Q = 17, S = 65}, {B = 1, Q = 65, S = 30}]} {
  %out, %lse = attn.attention %q, %k, %v
      sinks(%sinks : tensor<4xf32>)
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %r = arith.mulf %p, %p : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}
