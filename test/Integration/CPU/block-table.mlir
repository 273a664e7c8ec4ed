// RUN-ON: cpu, oracle
// Masks that no interval describes, over more than one block: empty, mixed and full blocks, and what is left at the ends.

// Every block is mixed.
func.func @dilated(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 49, S = 129}, {B = 1, Q = 96, S = 256}, {B = 1, Q = 200, S = 7}, {B = 2, Q = 9, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      align top_left
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

// Blocks on the diagonal are empty.
func.func @far(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
               %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
               %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 49, S = 129}, {B = 1, Q = 96, S = 256}, {B = 1, Q = 200, S = 7}, {B = 2, Q = 9, S = 300}, {B = 1, Q = 333, S = 401}]} {
  %out, %lse = attn.attention %q, %k, %v
      align bottom_right
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %n = arith.constant 90 : i32
        %d = arith.subi %i, %j : i32
        %s = arith.muli %d, %d : i32
        %nn = arith.muli %n, %n : i32
        %p = arith.cmpi sge, %s, %nn : i32
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// One key and one query of each group of 20 and 37 are enough to look at.
func.func @groups(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 49, S = 129}, {B = 1, Q = 96, S = 256}, {B = 1, Q = 200, S = 7}, {B = 2, Q = 9, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      align top_left
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %m = arith.constant 20 : i32
        %n = arith.constant 37 : i32
        %one = arith.constant 1 : i32
        %zero = arith.constant 0 : i32
        %x = arith.divsi %i, %m : i32
        %y = arith.floordivsi %j, %n : i32
        %z = arith.addi %x, %y : i32
        %w = arith.andi %z, %one : i32
        %p = arith.cmpi eq, %w, %zero : i32
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// Blocks of 64 x 32 from a tensor.
func.func @blocks(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                  %keep: tensor<?x?xi1> {attn.name = "keep", attn.dims = ["M", "N"], attn.input = #attn.gen<"mask", [0.3, 0.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 256, S = 256, M = 4, N = 8}, {B = 2, Q = 130, S = 259, M = 3, N = 9}]} {
  %out, %lse = attn.attention %q, %k, %v
      align top_left
      captures(%keep : tensor<?x?xi1>)
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32, %kept: tensor<?x?xi1>):
        %m = arith.constant 6 : i32
        %n = arith.constant 32 : i32
        %x = arith.shrsi %i, %m : i32
        %y = arith.divsi %j, %n : i32
        %p = attn.load %kept[%x, %y] : tensor<?x?xi1>
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// A bound per head: h and b are read.
func.func @per_head(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                    %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                    %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 49, S = 129}, {B = 1, Q = 96, S = 256}, {B = 1, Q = 200, S = 7}, {B = 2, Q = 9, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      align top_left
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %n = arith.constant 50 : i32
        %x = arith.addi %h, %b : i32
        %y = arith.muli %x, %n : i32
        %z = arith.subi %j, %y : i32
        %zz = arith.muli %z, %z : i32
        %nn = arith.muli %n, %n : i32
        %p = arith.cmpi sle, %zz, %nn : i32
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// h alone: neither i nor j is read, heads are hidden whole.
func.func @hidden_heads(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                        %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                        %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 49, S = 129}, {B = 1, Q = 96, S = 256}, {B = 1, Q = 200, S = 7}, {B = 2, Q = 9, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %one = arith.constant 1 : i32
        %zero = arith.constant 0 : i32
        %x = arith.andi %h, %one : i32
        %p = arith.cmpi eq, %x, %zero : i32
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @nothing(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 49, S = 129}, {B = 1, Q = 96, S = 256}, {B = 1, Q = 200, S = 7}, {B = 2, Q = 9, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %zero = arith.constant 0 : i32
        %p = arith.cmpi slt, %j, %zero : i32
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @everything(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                      %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                      %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 49, S = 129}, {B = 1, Q = 96, S = 256}, {B = 1, Q = 200, S = 7}, {B = 2, Q = 9, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %zero = arith.constant 0 : i32
        %p = arith.cmpi sge, %j, %zero : i32
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @tensor_per_batch(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                            %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                            %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                            %m: tensor<?x1x?x?xi1> {attn.name = "m", attn.dims = ["B", "1", "Q", "S"], attn.input = #attn.gen<"mask", [0.02, 1.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 49, S = 129}, {B = 1, Q = 96, S = 256}, {B = 1, Q = 200, S = 7}, {B = 2, Q = 9, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_tensor(%m : tensor<?x1x?x?xi1>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @tensor_per_head(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                           %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                           %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                           %m: tensor<4x?x?xi1> {attn.name = "m", attn.dims = ["4", "Q", "S"], attn.input = #attn.gen<"mask", [0.002, 1.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 49, S = 129}, {B = 1, Q = 96, S = 256}, {B = 1, Q = 200, S = 7}, {B = 2, Q = 9, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_tensor(%m : tensor<4x?x?xi1>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// The range comes first: what causal hides is not looked at.
func.func @causal_tensor(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                         %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                         %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                         %m: tensor<?x?xi1> {attn.name = "m", attn.dims = ["Q", "S"], attn.input = #attn.gen<"mask", [0.9, 0.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 49, S = 129}, {B = 1, Q = 96, S = 256}, {B = 1, Q = 200, S = 7}, {B = 2, Q = 9, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      mask_tensor(%m : tensor<?x?xi1>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @window_dilated(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                          %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                          %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 49, S = 129}, {B = 1, Q = 96, S = 256}, {B = 1, Q = 200, S = 7}, {B = 2, Q = 9, S = 300}, {B = 1, Q = 333, S = 401}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<70, 3>> align bottom_right
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

func.func @lengths_dilated(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                           %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                           %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                           %nq: tensor<?xi32> {attn.name = "nq", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 60.0]>},
                           %nk: tensor<?xi32> {attn.name = "nk", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 256.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 3, Q = 60, S = 300}, {B = 4, Q = 100, S = 256}]} {
  %out, %lse = attn.attention %q, %k, %v
      align bottom_right
      q_lengths(%nq : tensor<?xi32>)
      kv_lengths(%nk : tensor<?xi32>)
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %n = arith.constant 90 : i32
        %d = arith.subi %i, %j : i32
        %s = arith.muli %d, %d : i32
        %nn = arith.muli %n, %n : i32
        %p = arith.cmpi sge, %s, %nn : i32
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @documents_dilated(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                             %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                             %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                             %cq: tensor<?xi32> {attn.name = "cq", attn.dims = ["N"], attn.input = #attn.gen<"cu_seqlens">},
                             %ck: tensor<?xi32> {attn.name = "ck", attn.dims = ["N"], attn.input = #attn.gen<"cu_seqlens">})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 130, S = 260, N = 4}, {B = 1, Q = 300, S = 300, N = 3}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(document, causal)> align top_left
      cu_q(%cq : tensor<?xi32>) cu_kv(%ck : tensor<?xi32>)
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

func.func @segments_dilated(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                            %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                            %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                            %qs: tensor<?x?xi32> {attn.name = "qs", attn.dims = ["B", "Q"], attn.input = #attn.gen<"segments", [4.0]>},
                            %ks: tensor<?x?xi32> {attn.name = "ks", attn.dims = ["B", "S"], attn.input = #attn.gen<"segments", [4.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 130, S = 260}, {B = 1, Q = 300, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <document> align top_left
      q_segments(%qs : tensor<?x?xi32>)
      kv_segments(%ks : tensor<?x?xi32>)
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

func.func @positions_dilated(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                             %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                             %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                             %qp: tensor<?x?xi32> {attn.name = "qp", attn.dims = ["B", "Q"], attn.input = #attn.gen<"positions", [0.0, 500.0]>},
                             %kp: tensor<?x?xi32> {attn.name = "kp", attn.dims = ["B", "S"], attn.input = #attn.gen<"positions", [0.0, 500.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 130, S = 260}]} {
  %out, %lse = attn.attention %q, %k, %v
      q_positions(%qp : tensor<?x?xi32>) kv_positions(%kp : tensor<?x?xi32>)
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %n = arith.constant 90 : i32
        %d = arith.subi %i, %j : i32
        %s = arith.muli %d, %d : i32
        %nn = arith.muli %n, %n : i32
        %p = arith.cmpi sge, %s, %nn : i32
        attn.yield %p : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @pages_dilated(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                         %k: tensor<9x2x16x64xf32> {attn.name = "k"},
                         %v: tensor<9x2x16x64xf32> {attn.name = "v"},
                         %t: tensor<?x1x9xi32> {attn.name = "t", attn.dims = ["B", "1", "9"], attn.input = #attn.gen<"page_table", [9.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 60}, {B = 3, Q = 100}]} {
  %out, %lse = attn.attention %q, %k, %v
      align top_left
      page_table(%t : tensor<?x1x9xi32>)
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %n = arith.constant 5 : i32
        %zero = arith.constant 0 : i32
        %d = arith.subi %i, %j : i32
        %r = arith.remsi %d, %n : i32
        %p = arith.cmpi eq, %r, %zero : i32
        attn.yield %p : i1
      }
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @pages_per_kv_head(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                             %k: tensor<9x2x16x64xf32> {attn.name = "k"},
                             %v: tensor<9x2x16x64xf32> {attn.name = "v"},
                             %nk: tensor<?xi32> {attn.name = "nk", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 144.0]>},
                             %t: tensor<?x2x9xi32> {attn.name = "t", attn.dims = ["B", "2", "9"], attn.input = #attn.gen<"page_table", [9.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 60}]} {
  %out, %lse = attn.attention %q, %k, %v
      align bottom_right
      kv_lengths(%nk : tensor<?xi32>)
      page_table(%t : tensor<?x2x9xi32>)
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %n = arith.constant 90 : i32
        %d = arith.subi %i, %j : i32
        %s = arith.muli %d, %d : i32
        %nn = arith.muli %n, %n : i32
        %p = arith.cmpi sge, %s, %nn : i32
        attn.yield %p : i1
      }
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}
