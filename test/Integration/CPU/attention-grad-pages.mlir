// RUN-ON: cpu, oracle
// Gradients of pools: missing pages, shared pages, pages that nobody lists, a table per KV head, lengths that cut the last page.

func.func @main(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                %k: tensor<7x2x16x64xf32> {attn.name = "k"},
                %v: tensor<7x2x16x64xf32> {attn.name = "v"},
                %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
                %t: tensor<?x1x5xi32> {attn.name = "t", attn.dims = ["B", "1", "5"], attn.input = #attn.gen<"page_table", [7.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<7x2x16x64xf32>, tensor<7x2x16x64xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1}, {B = 2, Q = 3}, {B = 3, Q = 65}]} {
  %out, %lse = attn.attention %q, %k, %v
      page_table(%t : tensor<?x1x5xi32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<7x2x16x64xf32>, tensor<7x2x16x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      page_table(%t : tensor<?x1x5xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<7x2x16x64xf32>, tensor<7x2x16x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<7x2x16x64xf32>, tensor<7x2x16x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<7x2x16x64xf32>, tensor<7x2x16x64xf32>
}

func.func @lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                   %k: tensor<9x2x16x64xf32> {attn.name = "k"},
                   %v: tensor<9x2x16x64xf32> {attn.name = "v"},
                   %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
                   %t: tensor<?x1x6xi32> {attn.name = "t", attn.dims = ["B", "1", "6"], attn.input = #attn.gen<"page_table", [9.0]>},
                   %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 96.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32>)
    attributes {attn.sizes = [{B = 4, Q = 1}, {B = 3, Q = 17}]} {
  %out, %lse = attn.attention %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x6xi32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x6xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32>
}

// Enough keys for several parts, whose tiles end inside of pages.
func.func @causal(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                  %k: tensor<50x2x16x64xf32> {attn.name = "k"},
                  %v: tensor<50x2x16x64xf32> {attn.name = "v"},
                  %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
                  %t: tensor<?x1x40xi32> {attn.name = "t", attn.dims = ["B", "1", "40"], attn.input = #attn.gen<"page_table", [50.0]>},
                  %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 640.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<50x2x16x64xf32>, tensor<50x2x16x64xf32>)
    attributes {attn.sizes = [{B = 2, Q = 33}, {B = 1, Q = 600}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x40xi32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<50x2x16x64xf32>, tensor<50x2x16x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal> align bottom_right
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x40xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<50x2x16x64xf32>, tensor<50x2x16x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<50x2x16x64xf32>, tensor<50x2x16x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<50x2x16x64xf32>, tensor<50x2x16x64xf32>
}

func.func @per_head(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                    %k: tensor<20x2x8x64xf32> {attn.name = "k"},
                    %v: tensor<20x2x8x64xf32> {attn.name = "v"},
                    %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
                    %t: tensor<?x2x9xi32> {attn.name = "t", attn.dims = ["B", "2", "9"], attn.input = #attn.gen<"page_table", [20.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<20x2x8x64xf32>, tensor<20x2x8x64xf32>)
    attributes {attn.sizes = {B = 3, Q = 50}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      page_table(%t : tensor<?x2x9xi32>)
      {page_size = 8 : i64} : tensor<?x4x?x64xf32>, tensor<20x2x8x64xf32>, tensor<20x2x8x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal> align bottom_right
      page_table(%t : tensor<?x2x9xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {page_size = 8 : i64} : tensor<?x4x?x64xf32>, tensor<20x2x8x64xf32>, tensor<20x2x8x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<20x2x8x64xf32>, tensor<20x2x8x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<20x2x8x64xf32>, tensor<20x2x8x64xf32>
}

func.func @large_pages(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                       %k: tensor<3x2x256x64xf32> {attn.name = "k"},
                       %v: tensor<3x2x256x64xf32> {attn.name = "v"},
                       %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
                       %t: tensor<?x1x2xi32> {attn.name = "t", attn.dims = ["B", "1", "2"], attn.input = #attn.gen<"page_table", [3.0]>},
                       %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 512.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<3x2x256x64xf32>, tensor<3x2x256x64xf32>)
    attributes {attn.sizes = [{B = 2, Q = 1}, {B = 2, Q = 20}]} {
  %out, %lse = attn.attention %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x2xi32>)
      {page_size = 256 : i64} : tensor<?x4x?x64xf32>, tensor<3x2x256x64xf32>, tensor<3x2x256x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x2xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {page_size = 256 : i64} : tensor<?x4x?x64xf32>, tensor<3x2x256x64xf32>, tensor<3x2x256x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<3x2x256x64xf32>, tensor<3x2x256x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<3x2x256x64xf32>, tensor<3x2x256x64xf32>
}

// More entries than pages: the rest are missing, and every page is in every row.
func.func @few_pages(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                     %k: tensor<2x2x8x64xf32> {attn.name = "k"},
                     %v: tensor<2x2x8x64xf32> {attn.name = "v"},
                     %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
                     %t: tensor<?x1x6xi32> {attn.name = "t", attn.dims = ["B", "1", "6"], attn.input = #attn.gen<"page_table", [2.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<2x2x8x64xf32>, tensor<2x2x8x64xf32>)
    attributes {attn.sizes = {B = 3, Q = 20}} {
  %out, %lse = attn.attention %q, %k, %v
      page_table(%t : tensor<?x1x6xi32>)
      {page_size = 8 : i64} : tensor<?x4x?x64xf32>, tensor<2x2x8x64xf32>, tensor<2x2x8x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      page_table(%t : tensor<?x1x6xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {page_size = 8 : i64} : tensor<?x4x?x64xf32>, tensor<2x2x8x64xf32>, tensor<2x2x8x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<2x2x8x64xf32>, tensor<2x2x8x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<2x2x8x64xf32>, tensor<2x2x8x64xf32>
}

// More pages than entries: nobody lists the rest.
func.func @many_pages(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                      %k: tensor<40x2x8x64xf32> {attn.name = "k"},
                      %v: tensor<40x2x8x64xf32> {attn.name = "v"},
                      %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
                      %t: tensor<?x1x2xi32> {attn.name = "t", attn.dims = ["B", "1", "2"], attn.input = #attn.gen<"page_table", [40.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<40x2x8x64xf32>, tensor<40x2x8x64xf32>)
    attributes {attn.sizes = {B = 2, Q = 20}} {
  %out, %lse = attn.attention %q, %k, %v
      page_table(%t : tensor<?x1x2xi32>)
      {page_size = 8 : i64} : tensor<?x4x?x64xf32>, tensor<40x2x8x64xf32>, tensor<40x2x8x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      page_table(%t : tensor<?x1x2xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {page_size = 8 : i64} : tensor<?x4x?x64xf32>, tensor<40x2x8x64xf32>, tensor<40x2x8x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<40x2x8x64xf32>, tensor<40x2x8x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<40x2x8x64xf32>, tensor<40x2x8x64xf32>
}

func.func @no_entries(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                      %k: tensor<4x2x8x64xf32> {attn.name = "k"},
                      %v: tensor<4x2x8x64xf32> {attn.name = "v"},
                      %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
                      %t: tensor<?x1x0xi32> {attn.name = "t", attn.dims = ["B", "1", "0"], attn.input = #attn.gen<"page_table", [4.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32>)
    attributes {attn.sizes = {B = 2, Q = 2}} {
  %out, %lse = attn.attention %q, %k, %v
      page_table(%t : tensor<?x1x0xi32>)
      {page_size = 8 : i64} : tensor<?x4x?x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      page_table(%t : tensor<?x1x0xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {page_size = 8 : i64} : tensor<?x4x?x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32>
}

func.func @no_batch(%q: tensor<0x4x?x64xf32> {attn.name = "q", attn.dims = ["0", "4", "Q", "64"]},
                    %k: tensor<4x2x8x64xf32> {attn.name = "k"},
                    %v: tensor<4x2x8x64xf32> {attn.name = "v"},
                    %g: tensor<0x4x?x64xf32> {attn.name = "g", attn.dims = ["0", "4", "Q", "64"]},
                    %t: tensor<0x1x3xi32> {attn.name = "t", attn.dims = ["0", "1", "3"], attn.input = #attn.gen<"page_table", [4.0]>})
    -> (tensor<0x4x?x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32>)
    attributes {attn.sizes = {Q = 2}} {
  %out, %lse = attn.attention %q, %k, %v
      page_table(%t : tensor<0x1x3xi32>)
      {page_size = 8 : i64} : tensor<0x4x?x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32> -> tensor<0x4x?x64xf32>, tensor<0x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      page_table(%t : tensor<0x1x3xi32>)
      out(%out : tensor<0x4x?x64xf32>) lse(%lse : tensor<0x4x?xf32>) dout(%g : tensor<0x4x?x64xf32>)
      {page_size = 8 : i64} : tensor<0x4x?x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32>
      -> tensor<0x4x?x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32>
  return %dq, %dk, %dv : tensor<0x4x?x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32>
}

func.func @odd_widths(%q: tensor<?x6x?x31xf32> {attn.name = "q", attn.dims = ["B", "6", "Q", "31"]},
                      %k: tensor<12x2x8x31xf32> {attn.name = "k"},
                      %v: tensor<12x2x8x24xf32> {attn.name = "v"},
                      %g: tensor<?x6x?x24xf32> {attn.name = "g", attn.dims = ["B", "6", "Q", "24"]},
                      %t: tensor<?x1x13xi32> {attn.name = "t", attn.dims = ["B", "1", "13"], attn.input = #attn.gen<"page_table", [12.0]>},
                      %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 104.0]>})
    -> (tensor<?x6x?x31xf32>, tensor<12x2x8x31xf32>, tensor<12x2x8x24xf32>)
    attributes {attn.sizes = [{B = 2, Q = 5}, {B = 3, Q = 49}]} {
  %out, %lse = attn.attention %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x13xi32>)
      {page_size = 8 : i64} : tensor<?x6x?x31xf32>, tensor<12x2x8x31xf32>, tensor<12x2x8x24xf32> -> tensor<?x6x?x24xf32>, tensor<?x6x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x13xi32>)
      out(%out : tensor<?x6x?x24xf32>) lse(%lse : tensor<?x6x?xf32>) dout(%g : tensor<?x6x?x24xf32>)
      {page_size = 8 : i64} : tensor<?x6x?x31xf32>, tensor<12x2x8x31xf32>, tensor<12x2x8x24xf32>
      -> tensor<?x6x?x31xf32>, tensor<12x2x8x31xf32>, tensor<12x2x8x24xf32>
  return %dq, %dk, %dv : tensor<?x6x?x31xf32>, tensor<12x2x8x31xf32>, tensor<12x2x8x24xf32>
}

func.func @bf16(%q: tensor<?x4x?x128xbf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "128"]},
                %k: tensor<5x2x64x128xbf16> {attn.name = "k"},
                %v: tensor<5x2x64x128xbf16> {attn.name = "v"},
                %g: tensor<?x4x?x128xbf16> {attn.name = "g", attn.dims = ["B", "4", "Q", "128"]},
                %t: tensor<?x1x4xi32> {attn.name = "t", attn.dims = ["B", "1", "4"], attn.input = #attn.gen<"page_table", [5.0]>},
                %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 256.0]>})
    -> (tensor<?x4x?x128xbf16>, tensor<5x2x64x128xbf16>, tensor<5x2x64x128xbf16>)
    attributes {attn.sizes = [{B = 2, Q = 1}, {B = 3, Q = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<100, 0>> align bottom_right
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x4xi32>)
      {page_size = 64 : i64} : tensor<?x4x?x128xbf16>, tensor<5x2x64x128xbf16>, tensor<5x2x64x128xbf16> -> tensor<?x4x?x128xbf16>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <band<100, 0>> align bottom_right
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x4xi32>)
      out(%out : tensor<?x4x?x128xbf16>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x128xbf16>)
      {page_size = 64 : i64} : tensor<?x4x?x128xbf16>, tensor<5x2x64x128xbf16>, tensor<5x2x64x128xbf16>
      -> tensor<?x4x?x128xbf16>, tensor<5x2x64x128xbf16>, tensor<5x2x64x128xbf16>
  return %dq, %dk, %dv : tensor<?x4x?x128xbf16>, tensor<5x2x64x128xbf16>, tensor<5x2x64x128xbf16>
}

// Tiles of pairs over pages of eight.
func.func @bf16_small_pages(%q: tensor<?x4x?x33xbf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "33"]},
                            %k: tensor<40x2x8x33xbf16> {attn.name = "k"},
                            %v: tensor<40x2x8x19xbf16> {attn.name = "v"},
                            %g: tensor<?x4x?x19xbf16> {attn.name = "g", attn.dims = ["B", "4", "Q", "19"]},
                            %t: tensor<?x1x37xi32> {attn.name = "t", attn.dims = ["B", "1", "37"], attn.input = #attn.gen<"page_table", [40.0]>},
                            %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 296.0]>})
    -> (tensor<?x4x?x33xbf16>, tensor<40x2x8x33xbf16>, tensor<40x2x8x19xbf16>)
    attributes {attn.sizes = [{B = 2, Q = 9}, {B = 3, Q = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x37xi32>)
      {page_size = 8 : i64} : tensor<?x4x?x33xbf16>, tensor<40x2x8x33xbf16>, tensor<40x2x8x19xbf16> -> tensor<?x4x?x19xbf16>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x37xi32>)
      out(%out : tensor<?x4x?x19xbf16>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x19xbf16>)
      {page_size = 8 : i64} : tensor<?x4x?x33xbf16>, tensor<40x2x8x33xbf16>, tensor<40x2x8x19xbf16>
      -> tensor<?x4x?x33xbf16>, tensor<40x2x8x33xbf16>, tensor<40x2x8x19xbf16>
  return %dq, %dk, %dv : tensor<?x4x?x33xbf16>, tensor<40x2x8x33xbf16>, tensor<40x2x8x19xbf16>
}

func.func @f16(%q: tensor<?x4x?x64xf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
               %k: tensor<9x2x16x64xf16> {attn.name = "k"},
               %v: tensor<9x2x16x64xf16> {attn.name = "v"},
               %g: tensor<?x4x?x64xf16> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
               %t: tensor<?x1x6xi32> {attn.name = "t", attn.dims = ["B", "1", "6"], attn.input = #attn.gen<"page_table", [9.0]>})
    -> (tensor<?x4x?x64xf16>, tensor<9x2x16x64xf16>, tensor<9x2x16x64xf16>)
    attributes {attn.sizes = {B = 3, Q = 96}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align top_left
      page_table(%t : tensor<?x1x6xi32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf16>, tensor<9x2x16x64xf16>, tensor<9x2x16x64xf16> -> tensor<?x4x?x64xf16>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal> align top_left
      page_table(%t : tensor<?x1x6xi32>)
      out(%out : tensor<?x4x?x64xf16>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf16>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf16>, tensor<9x2x16x64xf16>, tensor<9x2x16x64xf16>
      -> tensor<?x4x?x64xf16>, tensor<9x2x16x64xf16>, tensor<9x2x16x64xf16>
  return %dq, %dk, %dv : tensor<?x4x?x64xf16>, tensor<9x2x16x64xf16>, tensor<9x2x16x64xf16>
}

func.func @f64(%q: tensor<?x4x?x64xf64> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
               %k: tensor<9x2x16x64xf64> {attn.name = "k"},
               %v: tensor<9x2x16x64xf64> {attn.name = "v"},
               %g: tensor<?x4x?x64xf64> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
               %t: tensor<?x1x6xi32> {attn.name = "t", attn.dims = ["B", "1", "6"], attn.input = #attn.gen<"page_table", [9.0]>})
    -> (tensor<?x4x?x64xf64>, tensor<9x2x16x64xf64>, tensor<9x2x16x64xf64>)
    attributes {attn.sizes = {B = 3, Q = 96}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align top_left
      page_table(%t : tensor<?x1x6xi32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf64>, tensor<9x2x16x64xf64>, tensor<9x2x16x64xf64> -> tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal> align top_left
      page_table(%t : tensor<?x1x6xi32>)
      out(%out : tensor<?x4x?x64xf64>) lse(%lse : tensor<?x4x?xf64>) dout(%g : tensor<?x4x?x64xf64>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf64>, tensor<9x2x16x64xf64>, tensor<9x2x16x64xf64>
      -> tensor<?x4x?x64xf64>, tensor<9x2x16x64xf64>, tensor<9x2x16x64xf64>
  return %dq, %dk, %dv : tensor<?x4x?x64xf64>, tensor<9x2x16x64xf64>, tensor<9x2x16x64xf64>
}

func.func @positions(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                     %k: tensor<8x2x16x64xf32> {attn.name = "k"},
                     %v: tensor<8x2x16x64xf32> {attn.name = "v"},
                     %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
                     %t: tensor<?x1x4xi32> {attn.name = "t", attn.dims = ["B", "1", "4"], attn.input = #attn.gen<"page_table", [8.0]>},
                     %qp: tensor<?x?xi32> {attn.name = "qp", attn.dims = ["B", "Q"], attn.input = #attn.gen<"positions", [0.0, 70.0]>},
                     %kp: tensor<?x64xi32> {attn.name = "kp", attn.dims = ["B", "64"], attn.input = #attn.gen<"positions", [0.0, 70.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<8x2x16x64xf32>, tensor<8x2x16x64xf32>)
    attributes {attn.sizes = {B = 2, Q = 9}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      q_positions(%qp : tensor<?x?xi32>)
      kv_positions(%kp : tensor<?x64xi32>)
      page_table(%t : tensor<?x1x4xi32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<8x2x16x64xf32>, tensor<8x2x16x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal>
      q_positions(%qp : tensor<?x?xi32>)
      kv_positions(%kp : tensor<?x64xi32>)
      page_table(%t : tensor<?x1x4xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<8x2x16x64xf32>, tensor<8x2x16x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<8x2x16x64xf32>, tensor<8x2x16x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<8x2x16x64xf32>, tensor<8x2x16x64xf32>
}

func.func @pages_before_heads(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                              %k: tensor<9x16x2x64xf32> {attn.name = "k"},
                              %v: tensor<9x16x2x64xf32> {attn.name = "v"},
                              %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
                              %t: tensor<?x1x6xi32> {attn.name = "t", attn.dims = ["B", "1", "6"], attn.input = #attn.gen<"page_table", [9.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<9x16x2x64xf32>, tensor<9x16x2x64xf32>)
    attributes {attn.sizes = {B = 3, Q = 40}} {
  %out, %lse = attn.attention %q, %k, %v
      page_table(%t : tensor<?x1x6xi32>)
      {page_size = 16 : i64, axes = #attn.axes<q = [b, hq, i, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>} : tensor<?x4x?x64xf32>, tensor<9x16x2x64xf32>, tensor<9x16x2x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      page_table(%t : tensor<?x1x6xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {page_size = 16 : i64, axes = #attn.axes<q = [b, hq, i, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>} : tensor<?x4x?x64xf32>, tensor<9x16x2x64xf32>, tensor<9x16x2x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<9x16x2x64xf32>, tensor<9x16x2x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<9x16x2x64xf32>, tensor<9x16x2x64xf32>
}

func.func @everything(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                      %k: tensor<8x2x16x64xf32> {attn.name = "k"},
                      %v: tensor<8x2x16x64xf32> {attn.name = "v"},
                      %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
                      %t: tensor<?x2x4xi32> {attn.name = "t", attn.dims = ["B", "2", "4"], attn.input = #attn.gen<"page_table", [8.0]>},
                      %a: tensor<4x?x64xf32> {attn.name = "a", attn.dims = ["4", "Q", "64"]},
                      %m: tensor<?x1x?x64xi1> {attn.name = "m", attn.dims = ["B", "1", "Q", "64"], attn.input = #attn.gen<"mask", [0.7, 2.0]>},
                      %ql: tensor<?xi32> {attn.name = "ql", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 9.0]>},
                      %w: tensor<?x2x64xf32> {attn.name = "w", attn.dims = ["B", "2", "64"]},
                      %s: tensor<4xf32> {attn.name = "s", attn.dims = ["4"]},
                      %c: tensor<4xf32> {attn.name = "c", attn.dims = ["4"]},
                      %gl: tensor<?x4x?xf32> {attn.name = "gl", attn.dims = ["B", "4", "Q"]})
    -> (tensor<?x4x?x64xf32>, tensor<8x2x16x64xf32>, tensor<8x2x16x64xf32>, tensor<4x?x64xf32>, tensor<?x2x64xf32>, tensor<4xf32>, tensor<4xf32>)
    attributes {attn.sizes = [{B = 2, Q = 9}, {B = 3, Q = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%a : tensor<4x?x64xf32>)
      mask_tensor(%m : tensor<?x1x?x64xi1>)
      q_lengths(%ql : tensor<?xi32>)
      page_table(%t : tensor<?x2x4xi32>)
      log_weight(%w : tensor<?x2x64xf32>)
      sinks(%s : tensor<4xf32>)
      captures(%c : tensor<4xf32>)
      score_mod {
      ^bb0(%x: f32, %b: i32, %h: i32, %i: i32, %j: i32, %slopes: tensor<4xf32>):
        %slope = attn.load %slopes[%h] : tensor<4xf32>
        %y = math.tanh %x : f32
        %z = arith.mulf %y, %slope : f32
        attn.yield %z : f32
      }
      {softcap = 5.0 : f64, page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<8x2x16x64xf32>, tensor<8x2x16x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv, %e0, %e1, %e2, %e3 = attn.attention_grad %q, %k, %v
      bias(%a : tensor<4x?x64xf32>)
      mask_tensor(%m : tensor<?x1x?x64xi1>)
      q_lengths(%ql : tensor<?xi32>)
      page_table(%t : tensor<?x2x4xi32>)
      log_weight(%w : tensor<?x2x64xf32>)
      sinks(%s : tensor<4xf32>)
      captures(%c : tensor<4xf32>)
      score_mod {
      ^bb0(%x: f32, %b: i32, %h: i32, %i: i32, %j: i32, %slopes: tensor<4xf32>):
        %slope = attn.load %slopes[%h] : tensor<4xf32>
        %y = math.tanh %x : f32
        %z = arith.mulf %y, %slope : f32
        attn.yield %z : f32
      }
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>) dlse(%gl : tensor<?x4x?xf32>)
      {softcap = 5.0 : f64, page_size = 16 : i64, capture_grads = array<i64: 0>} : tensor<?x4x?x64xf32>, tensor<8x2x16x64xf32>, tensor<8x2x16x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<8x2x16x64xf32>, tensor<8x2x16x64xf32> dbias(tensor<4x?x64xf32>) dlog_weight(tensor<?x2x64xf32>) dsinks(tensor<4xf32>) dcaptures(tensor<4xf32>)
  return %dq, %dk, %dv, %e0, %e1, %e2, %e3 : tensor<?x4x?x64xf32>, tensor<8x2x16x64xf32>, tensor<8x2x16x64xf32>, tensor<4x?x64xf32>, tensor<?x2x64xf32>, tensor<4xf32>, tensor<4xf32>
}
