// RUN-ON: cpu, oracle
// K and V in pages: missing entries, shared pages, a table per KV head, lengths that cut the last page.

func.func @main(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                %k: tensor<7x2x16x64xf32> {attn.name = "k"},
                %v: tensor<7x2x16x64xf32> {attn.name = "v"},
                %t: tensor<?x1x5xi32> {attn.name = "t", attn.dims = ["B", "1", "5"], attn.input = #attn.gen<"page_table", [7.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 3}, {B = 3, Q = 65}]} {
  %out, %lse = attn.attention %q, %k, %v
      page_table(%t : tensor<?x1x5xi32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<7x2x16x64xf32>, tensor<7x2x16x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                   %k: tensor<9x2x16x64xf32> {attn.name = "k"},
                   %v: tensor<9x2x16x64xf32> {attn.name = "v"},
                   %t: tensor<?x1x6xi32> {attn.name = "t", attn.dims = ["B", "1", "6"], attn.input = #attn.gen<"page_table", [9.0]>},
                   %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 96.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 4, Q = 1}, {B = 3, Q = 17}]} {
  %out, %lse = attn.attention %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x6xi32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @causal(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                  %k: tensor<9x2x16x64xf32> {attn.name = "k"},
                  %v: tensor<9x2x16x64xf32> {attn.name = "v"},
                  %t: tensor<?x1x6xi32> {attn.name = "t", attn.dims = ["B", "1", "6"], attn.input = #attn.gen<"page_table", [9.0]>},
                  %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 96.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 4, Q = 1}, {B = 3, Q = 33}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x6xi32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @per_head(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                    %k: tensor<20x2x8x64xf32> {attn.name = "k"},
                    %v: tensor<20x2x8x64xf32> {attn.name = "v"},
                    %t: tensor<?x2x9xi32> {attn.name = "t", attn.dims = ["B", "2", "9"], attn.input = #attn.gen<"page_table", [20.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, Q = 5}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      page_table(%t : tensor<?x2x9xi32>)
      {page_size = 8 : i64} : tensor<?x4x?x64xf32>, tensor<20x2x8x64xf32>, tensor<20x2x8x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @large_pages(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                       %k: tensor<3x2x256x64xf32> {attn.name = "k"},
                       %v: tensor<3x2x256x64xf32> {attn.name = "v"},
                       %t: tensor<?x1x2xi32> {attn.name = "t", attn.dims = ["B", "1", "2"], attn.input = #attn.gen<"page_table", [3.0]>},
                       %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 512.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 1}, {B = 2, Q = 20}]} {
  %out, %lse = attn.attention %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x2xi32>)
      {page_size = 256 : i64} : tensor<?x4x?x64xf32>, tensor<3x2x256x64xf32>, tensor<3x2x256x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// More entries than pages: the rest are missing.
func.func @few_pages(%q: tensor<?x4x1x64xf32> {attn.name = "q", attn.dims = ["B", "4", "1", "64"]},
                     %k: tensor<2x2x8x64xf32> {attn.name = "k"},
                     %v: tensor<2x2x8x64xf32> {attn.name = "v"},
                     %t: tensor<?x1x6xi32> {attn.name = "t", attn.dims = ["B", "1", "6"], attn.input = #attn.gen<"page_table", [2.0]>})
    -> (tensor<?x4x1x64xf32>, tensor<?x4x1xf32>)
    attributes {attn.sizes = {B = 3}} {
  %out, %lse = attn.attention %q, %k, %v
      page_table(%t : tensor<?x1x6xi32>)
      {page_size = 8 : i64} : tensor<?x4x1x64xf32>, tensor<2x2x8x64xf32>, tensor<2x2x8x64xf32> -> tensor<?x4x1x64xf32>, tensor<?x4x1xf32>
  return %out, %lse : tensor<?x4x1x64xf32>, tensor<?x4x1xf32>
}

func.func @no_pages(%q: tensor<?x4x2x64xf32> {attn.name = "q", attn.dims = ["B", "4", "2", "64"]},
                    %k: tensor<4x2x8x64xf32> {attn.name = "k"},
                    %v: tensor<4x2x8x64xf32> {attn.name = "v"},
                    %t: tensor<?x1x0xi32> {attn.name = "t", attn.dims = ["B", "1", "0"], attn.input = #attn.gen<"page_table", [4.0]>})
    -> (tensor<?x4x2x64xf32>, tensor<?x4x2xf32>)
    attributes {attn.sizes = {B = 2}} {
  %out, %lse = attn.attention %q, %k, %v
      page_table(%t : tensor<?x1x0xi32>)
      {page_size = 8 : i64} : tensor<?x4x2x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32> -> tensor<?x4x2x64xf32>, tensor<?x4x2xf32>
  return %out, %lse : tensor<?x4x2x64xf32>, tensor<?x4x2xf32>
}

func.func @bf16(%q: tensor<?x4x?x128xbf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "128"]},
                %k: tensor<5x2x64x128xbf16> {attn.name = "k"},
                %v: tensor<5x2x64x128xbf16> {attn.name = "v"},
                %t: tensor<?x1x4xi32> {attn.name = "t", attn.dims = ["B", "1", "4"], attn.input = #attn.gen<"page_table", [5.0]>},
                %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 256.0]>})
    -> (tensor<?x4x?x128xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 1}, {B = 2, Q = 9}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<100, 0>> align bottom_right
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x4xi32>)
      {page_size = 64 : i64} : tensor<?x4x?x128xbf16>, tensor<5x2x64x128xbf16>, tensor<5x2x64x128xbf16> -> tensor<?x4x?x128xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x128xbf16>, tensor<?x4x?xf32>
}

func.func @positions(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                     %k: tensor<8x2x16x64xf32> {attn.name = "k"},
                     %v: tensor<8x2x16x64xf32> {attn.name = "v"},
                     %t: tensor<?x1x4xi32> {attn.name = "t", attn.dims = ["B", "1", "4"], attn.input = #attn.gen<"page_table", [8.0]>},
                     %qp: tensor<?x?xi32> {attn.name = "qp", attn.dims = ["B", "Q"], attn.input = #attn.gen<"positions", [0.0, 70.0]>},
                     %kp: tensor<?x64xi32> {attn.name = "kp", attn.dims = ["B", "64"], attn.input = #attn.gen<"positions", [0.0, 70.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, Q = 9}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      q_positions(%qp : tensor<?x?xi32>)
      kv_positions(%kp : tensor<?x64xi32>)
      page_table(%t : tensor<?x1x4xi32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<8x2x16x64xf32>, tensor<8x2x16x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @everything_added(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                            %k: tensor<8x2x16x64xf32> {attn.name = "k"},
                            %v: tensor<8x2x16x64xf32> {attn.name = "v"},
                            %t: tensor<?x1x4xi32> {attn.name = "t", attn.dims = ["B", "1", "4"], attn.input = #attn.gen<"page_table", [8.0]>},
                            %b: tensor<4x?x64xf32> {attn.name = "b", attn.dims = ["4", "Q", "64"]},
                            %m: tensor<?x1x?x64xi1> {attn.name = "m", attn.dims = ["B", "1", "Q", "64"], attn.input = #attn.gen<"mask", [0.7, 2.0]>},
                            %w: tensor<?x2x64xf32> {attn.name = "w", attn.dims = ["B", "2", "64"]},
                            %s: tensor<4xf32> {attn.name = "s"})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, Q = 9}} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%b : tensor<4x?x64xf32>)
      mask_tensor(%m : tensor<?x1x?x64xi1>)
      page_table(%t : tensor<?x1x4xi32>)
      log_weight(%w : tensor<?x2x64xf32>)
      sinks(%s : tensor<4xf32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<8x2x16x64xf32>, tensor<8x2x16x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}
