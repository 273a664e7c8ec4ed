// RUN-ON: cpu, oracle
// Several features at once, as models use them.

// Sliding window, sinks, grouped heads, a cache with lengths.
func.func @gpt_oss_decode(%q: tensor<?x16x?x64xbf16> {attn.name = "q", attn.dims = ["B", "16", "Q", "64"]},
                          %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                          %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                          %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [4.0, 300.0]>},
                          %s: tensor<16xf32> {attn.name = "s"})
    -> (tensor<?x16x?x64xbf16>, tensor<?x16x?xf32>)
    attributes {attn.sizes = [{B = 3, Q = 1, S = 300}, {B = 2, Q = 4, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<127, 0>> align bottom_right
      kv_lengths(%n : tensor<?xi32>)
      sinks(%s : tensor<16xf32>)
      : tensor<?x16x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x16x?x64xbf16>, tensor<?x16x?xf32>
  return %out, %lse : tensor<?x16x?x64xbf16>, tensor<?x16x?xf32>
}

func.func @gemma_prefill(%q: tensor<?x8x?x128xf32> {attn.name = "q", attn.dims = ["B", "8", "S", "128"]},
                         %k: tensor<?x4x?x128xf32> {attn.name = "k", attn.dims = ["B", "4", "S", "128"]},
                         %v: tensor<?x4x?x128xf32> {attn.name = "v", attn.dims = ["B", "4", "S", "128"]},
                         %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [1.0, 130.0]>})
    -> (tensor<?x8x?x128xf32>, tensor<?x8x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 130}, {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<63, 0>> align top_left
      kv_lengths(%n : tensor<?xi32>)
      {softcap = 50.0 : f64, scale = 0.0625 : f64} : tensor<?x8x?x128xf32>, tensor<?x4x?x128xf32>, tensor<?x4x?x128xf32> -> tensor<?x8x?x128xf32>, tensor<?x8x?xf32>
  return %out, %lse : tensor<?x8x?x128xf32>, tensor<?x8x?xf32>
}

func.func @prefix_lm_alibi(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                           %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                           %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                           %p: tensor<?xi32> {attn.name = "p", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 40.0]>},
                           %slopes: tensor<4xf32> {attn.name = "slopes", attn.input = #attn.gen<"uniform", [0.01, 0.3]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 65}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <or(causal, prefix)>
      prefix_lengths(%p : tensor<?xi32>)
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

func.func @packed_documents_alibi_softcap(%q: tensor<1x4x?x64xf32> {attn.name = "q", attn.dims = ["1", "4", "S", "64"]},
                                          %k: tensor<1x1x?x64xf32> {attn.name = "k", attn.dims = ["1", "1", "S", "64"]},
                                          %v: tensor<1x1x?x64xf32> {attn.name = "v", attn.dims = ["1", "1", "S", "64"]},
                                          %c: tensor<7xi32> {attn.name = "c", attn.input = #attn.gen<"cu_seqlens">},
                                          %slopes: tensor<4xf32> {attn.name = "slopes", attn.input = #attn.gen<"uniform", [0.01, 0.3]>})
    -> (tensor<1x4x?x64xf32>, tensor<1x4x?xf32>)
    attributes {attn.sizes = [{S = 257}, {S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(document, causal)> align bottom_right
      cu_q(%c : tensor<7xi32>)
      cu_kv(%c : tensor<7xi32>)
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
      {softcap = 20.0 : f64} : tensor<1x4x?x64xf32>, tensor<1x1x?x64xf32>, tensor<1x1x?x64xf32> -> tensor<1x4x?x64xf32>, tensor<1x4x?xf32>
  return %out, %lse : tensor<1x4x?x64xf32>, tensor<1x4x?xf32>
}

func.func @everything_added(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                            %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                            %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                            %bias: tensor<?x1x?x?xf32> {attn.name = "bias", attn.dims = ["B", "1", "Q", "S"]},
                            %m: tensor<4x?x?xi1> {attn.name = "m", attn.dims = ["4", "Q", "S"], attn.input = #attn.gen<"mask", [0.8, 2.0]>},
                            %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 65.0]>},
                            %w: tensor<?x2x?xf32> {attn.name = "w", attn.dims = ["B", "2", "S"]},
                            %sk: tensor<4xf32> {attn.name = "sk"},
                            %slopes: tensor<4xf32> {attn.name = "slopes", attn.input = #attn.gen<"uniform", [0.01, 0.3]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 33, S = 65}, {B = 2, Q = 1, S = 200}, {B = 1, Q = 130, S = 70}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <or(causal, prefix<9>)> align bottom_right
      bias(%bias : tensor<?x1x?x?xf32>)
      mask_tensor(%m : tensor<4x?x?xi1>)
      kv_lengths(%n : tensor<?xi32>)
      log_weight(%w : tensor<?x2x?xf32>)
      sinks(%sk : tensor<4xf32>)
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
      {softcap = 5.0 : f64} : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @paged_decode_window_sinks(%q: tensor<?x8x?x128xbf16> {attn.name = "q", attn.dims = ["B", "8", "Q", "128"]},
                                     %k: tensor<40x2x16x128xbf16> {attn.name = "k"},
                                     %v: tensor<40x2x16x128xbf16> {attn.name = "v"},
                                     %t: tensor<?x1x12xi32> {attn.name = "t", attn.dims = ["B", "1", "12"], attn.input = #attn.gen<"page_table", [40.0]>},
                                     %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [3.0, 192.0]>},
                                     %s: tensor<8xf32> {attn.name = "s"})
    -> (tensor<?x8x?x128xbf16>, tensor<?x8x?xf32>)
    attributes {attn.sizes = [{B = 4, Q = 1}, {B = 2, Q = 3}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<60, 0>> align bottom_right
      kv_lengths(%n : tensor<?xi32>)
      page_table(%t : tensor<?x1x12xi32>)
      sinks(%s : tensor<8xf32>)
      {page_size = 16 : i64} : tensor<?x8x?x128xbf16>, tensor<40x2x16x128xbf16>, tensor<40x2x16x128xbf16> -> tensor<?x8x?x128xbf16>, tensor<?x8x?xf32>
  return %out, %lse : tensor<?x8x?x128xbf16>, tensor<?x8x?xf32>
}

func.func @paged_prefill_documents(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                                   %k: tensor<12x2x16x64xf32> {attn.name = "k"},
                                   %v: tensor<12x2x16x64xf32> {attn.name = "v"},
                                   %t: tensor<?x1x8xi32> {attn.name = "t", attn.dims = ["B", "1", "8"], attn.input = #attn.gen<"page_table", [12.0]>},
                                   %qs: tensor<?x?xi32> {attn.name = "qs", attn.dims = ["B", "Q"], attn.input = #attn.gen<"segments", [3.0]>},
                                   %ks: tensor<?x128xi32> {attn.name = "ks", attn.dims = ["B", "128"], attn.input = #attn.gen<"segments", [3.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, Q = 33}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(document, causal)> align top_left
      q_segments(%qs : tensor<?x?xi32>)
      kv_segments(%ks : tensor<?x128xi32>)
      page_table(%t : tensor<?x1x8xi32>)
      {page_size = 16 : i64} : tensor<?x4x?x64xf32>, tensor<12x2x16x64xf32>, tensor<12x2x16x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @mask_and_mask_mod(%q: tensor<?x?x4x64xf32> {attn.name = "q", attn.dims = ["B", "S", "4", "64"]},
                             %k: tensor<?x?x2x64xf32> {attn.name = "k", attn.dims = ["B", "S", "2", "64"]},
                             %v: tensor<?x?x2x32xf32> {attn.name = "v", attn.dims = ["B", "S", "2", "32"]},
                             %m: tensor<?x1x?x?xi1> {attn.name = "m", attn.dims = ["B", "1", "S", "S"], attn.input = #attn.gen<"mask", [0.9, 1.0]>})
    -> (tensor<?x?x4x32xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, S = 100}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<30, 5>>
      mask_tensor(%m : tensor<?x1x?x?xi1>)
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %three = arith.constant 3 : i32
        %zero = arith.constant 0 : i32
        %sum = arith.addi %i, %j : i32
        %rest = arith.remsi %sum, %three : i32
        %p = arith.cmpi ne, %rest, %zero : i32
        attn.yield %p : i1
      }
      {axes = #attn.axes<q = [b, i, hq, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>} : tensor<?x?x4x64xf32>, tensor<?x?x2x64xf32>, tensor<?x?x2x32xf32> -> tensor<?x?x4x32xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x?x4x32xf32>, tensor<?x4x?xf32>
}

// Two attentions one after the other, in bf16, with a residual between them.
func.func @two_layers_bf16(%x: tensor<?x4x?x64xbf16> {attn.name = "x", attn.dims = ["B", "4", "S", "64"]},
                           %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "T", "64"]},
                           %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "T", "64"]})
    -> tensor<?x4x?x64xbf16> attributes {attn.sizes = [{B = 1, S = 17, T = 40}, {B = 2, S = 65, T = 130}]} {
  %a = attn.attention %x, %x, %x mask <causal>
      : tensor<?x4x?x64xbf16>, tensor<?x4x?x64xbf16>, tensor<?x4x?x64xbf16> -> tensor<?x4x?x64xbf16>
  %y = arith.addf %x, %a : tensor<?x4x?x64xbf16>
  %c = attn.attention %y, %k, %v
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x?x64xbf16>
  return %c : tensor<?x4x?x64xbf16>
}

// Pages for what is old, a plain block for what is new; a sink counted once.
func.func @pages_and_tail(%q: tensor<2x4x3x64xf32> {attn.name = "q"}, %pk: tensor<9x2x16x64xf32> {attn.name = "k_pages"},
                          %pv: tensor<9x2x16x64xf32> {attn.name = "v_pages"}, %k: tensor<2x2x3x64xf32> {attn.name = "k"},
                          %v: tensor<2x2x3x64xf32> {attn.name = "v"},
                          %t: tensor<2x1x4xi32> {attn.name = "table", attn.input = #attn.gen<"page_table", [9.0]>},
                          %n: tensor<2xi32> {attn.name = "n", attn.input = #attn.gen<"lengths", [0.0, 64.0]>},
                          %s: tensor<4xf32> {attn.name = "sinks"}) -> (tensor<2x4x3x64xf32>, tensor<2x4x3xf32>) {
  %o0, %l0 = attn.attention %q, %pk, %pv kv_lengths(%n : tensor<2xi32>) page_table(%t : tensor<2x1x4xi32>) sinks(%s : tensor<4xf32>)
      {page_size = 16 : i64}
      : tensor<2x4x3x64xf32>, tensor<9x2x16x64xf32>, tensor<9x2x16x64xf32> -> tensor<2x4x3x64xf32>, tensor<2x4x3xf32>
  %o1, %l1 = attn.attention %q, %k, %v mask <causal>
      : tensor<2x4x3x64xf32>, tensor<2x2x3x64xf32>, tensor<2x2x3x64xf32> -> tensor<2x4x3x64xf32>, tensor<2x4x3xf32>
  %out, %lse = attn.merge_states outs(%o0, %o1 : tensor<2x4x3x64xf32>, tensor<2x4x3x64xf32>)
      lses(%l0, %l1 : tensor<2x4x3xf32>, tensor<2x4x3xf32>) -> tensor<2x4x3x64xf32>, tensor<2x4x3xf32>
  return %out, %lse : tensor<2x4x3x64xf32>, tensor<2x4x3xf32>
}
