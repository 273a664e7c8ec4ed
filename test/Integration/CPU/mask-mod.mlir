// RUN-ON: cpu, oracle
// Mask regions: those that are a structured mask in disguise, and those that are not.

func.func @causal(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
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
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %p = arith.cmpi sle, %j, %i : i32
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @window(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
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
      align bottom_right
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %w = arith.constant 12 : i32
        %d = arith.subi %i, %j : i32
        %near = arith.cmpi sle, %d, %w : i32
        %past = arith.cmpi sle, %j, %i : i32
        %p = arith.andi %near, %past : i1
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @strided(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
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
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %n = arith.constant 5 : i32
        %zero = arith.constant 0 : i32
        %d = arith.subi %i, %j : i32
        %r = arith.remsi %d, %n : i32
        %p = arith.cmpi eq, %r, %zero : i32
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @per_head(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
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
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %x = arith.addi %h, %b : i32
        %y = arith.addi %i, %j : i32
        %n = arith.shli %x, %x : i32
        %p = arith.cmpi sge, %y, %n : i32
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @loaded(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                  %keep: tensor<?x?xi1> {attn.name = "keep", attn.dims = ["B", "S"], attn.input = #attn.gen<"mask", [0.5, 0.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 65}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      captures(%keep : tensor<?x?xi1>)
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32, %kept: tensor<?x?xi1>):
        %p = attn.load %kept[%b, %j] : tensor<?x?xi1>
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @documents(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                     %doc: tensor<?xi32> {attn.name = "doc", attn.dims = ["S"], attn.input = #attn.gen<"segments", [6.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 65}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      captures(%doc : tensor<?xi32>)
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32, %ids: tensor<?xi32>):
        %x = attn.load %ids[%i] : tensor<?xi32>
        %y = attn.load %ids[%j] : tensor<?xi32>
        %same = arith.cmpi eq, %x, %y : i32
        %past = arith.cmpi sle, %j, %i : i32
        %p = arith.andi %same, %past : i1
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @never(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, S = 33}} {
  %out, %lse = attn.attention %q, %k, %v
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %p = arith.constant false
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @both_regions(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                        %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                        %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                        %t: tensor<?xf32> {attn.name = "t", attn.dims = ["S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<40, 40>>
      captures(%t : tensor<?xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %added: tensor<?xf32>):
        %x = attn.load %added[%j] : tensor<?xf32>
        %r = arith.addf %s, %x : f32
        attn.yield %r : f32
      } mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32, %added: tensor<?xf32>):
        %x = attn.load %added[%i] : tensor<?xf32>
        %y = attn.load %added[%j] : tensor<?xf32>
        %p = arith.cmpf ole, %x, %y : f32
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// The index is outside only where the pair is hidden anyway.
func.func @load_outside_where_hidden(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                     %t: tensor<16xi1> {attn.name = "t", attn.input = #attn.gen<"mask", [0.6, 0.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 1, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <prefix<16>>
      captures(%t : tensor<16xi1>)
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32, %seen: tensor<16xi1>):
        %p = attn.load %seen[%j] : tensor<16xi1>
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}
