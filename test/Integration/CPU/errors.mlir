// RUN-ON: cpu, oracle
// Run-time checks, each with its label of docs/Spec.md. Every function fails with the error it names.

func.func @attention_r1_batch(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                              %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["C", "2", "S", "64"]},
                              %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["C", "2", "S", "64"]})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects k to have the batch size of q", attn.sizes = {B = 2, S = 9, C = 3}} {
  %out = attn.attention %q, %k, %v
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r1_keys(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                             %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                             %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "P", "64"]})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects k and v to have the same key count", attn.sizes = {B = 2, S = 9, P = 8}} {
  %out = attn.attention %q, %k, %v
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r2_groups(%q: tensor<?x?x?x64xf32> {attn.name = "q", attn.dims = ["B", "HQ", "S", "64"]},
                               %k: tensor<?x?x?x64xf32> {attn.name = "k", attn.dims = ["B", "HK", "S", "64"]},
                               %v: tensor<?x?x?x64xf32> {attn.name = "v", attn.dims = ["B", "HK", "S", "64"]})
    -> tensor<?x?x?x64xf32>
    attributes {attn.error = "expects the query head count to be a multiple of the key/value head count, but got 5 and 2", attn.sizes = {B = 1, HQ = 5, HK = 2, S = 4}} {
  %out = attn.attention %q, %k, %v
      : tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32> -> tensor<?x?x?x64xf32>
  return %out : tensor<?x?x?x64xf32>
}

func.func @attention_r3_bias(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                             %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                             %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                             %b: tensor<?x?xf32> {attn.name = "b", attn.dims = ["R", "S"]})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects axis 0 (i) of bias to be 1 or ", attn.sizes = {B = 1, S = 9, R = 4}} {
  %out = attn.attention %q, %k, %v
      bias(%b : tensor<?x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r3_mask(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                             %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                             %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                             %m: tensor<?xi1> {attn.name = "m", attn.dims = ["R"]})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects axis 0 (j) of mask_tensor to be ", attn.sizes = {B = 1, S = 9, R = 8}} {
  %out = attn.attention %q, %k, %v
      mask_tensor(%m : tensor<?xi1>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r3_lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                                %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                %n: tensor<?xi32> {attn.name = "n", attn.dims = ["R"]})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects axis 0 (b) of kv_lengths to be ", attn.sizes = {B = 2, S = 9, R = 3}} {
  %out = attn.attention %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r3_positions(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                  %qp: tensor<?x?xi32> {attn.name = "qp", attn.dims = ["B", "S"]},
                                  %kp: tensor<?x?xi32> {attn.name = "kp", attn.dims = ["B", "R"]})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects axis 1 (j) of kv_positions to be ", attn.sizes = {B = 2, S = 9, R = 3}} {
  %out = attn.attention %q, %k, %v
      mask <causal>
      q_positions(%qp : tensor<?x?xi32>)
      kv_positions(%kp : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r3_segments(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                 %qs: tensor<?x?xi32> {attn.name = "qs", attn.dims = ["R", "S"]},
                                 %ks: tensor<?x?xi32> {attn.name = "ks", attn.dims = ["B", "S"]})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects axis 0 (b) of q_segments to be 1 or ", attn.sizes = {B = 2, S = 9, R = 3}} {
  %out = attn.attention %q, %k, %v
      mask <document>
      q_segments(%qs : tensor<?x?xi32>)
      kv_segments(%ks : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r3_log_weight(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                   %w: tensor<?x?x?xf32> {attn.name = "w", attn.dims = ["B", "R", "S"]})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects axis 1 (hkv) of log_weight to be 1 or ", attn.sizes = {B = 2, S = 9, R = 3}} {
  %out = attn.attention %q, %k, %v
      log_weight(%w : tensor<?x?x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r3_sinks(%q: tensor<?x?x?x64xf32> {attn.name = "q", attn.dims = ["B", "HQ", "S", "64"]},
                              %k: tensor<?x?x?x64xf32> {attn.name = "k", attn.dims = ["B", "HK", "S", "64"]},
                              %v: tensor<?x?x?x64xf32> {attn.name = "v", attn.dims = ["B", "HK", "S", "64"]},
                              %s: tensor<?xf32> {attn.name = "s", attn.dims = ["R"]})
    -> tensor<?x?x?x64xf32>
    attributes {attn.error = "expects axis 0 (hq) of sinks to be ", attn.sizes = {B = 2, S = 9, HQ = 4, HK = 2, R = 3}} {
  %out = attn.attention %q, %k, %v
      sinks(%s : tensor<?xf32>)
      : tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32> -> tensor<?x?x?x64xf32>
  return %out : tensor<?x?x?x64xf32>
}

func.func @attention_r3_cumulative(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                   %a: tensor<?xi32> {attn.name = "a", attn.dims = ["R"]},
                                   %b: tensor<?xi32> {attn.name = "b", attn.dims = ["P"]})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects cu_q and cu_kv to have the same size", attn.sizes = {B = 1, S = 9, R = 3, P = 4}} {
  %out = attn.attention %q, %k, %v
      mask <document>
      cu_q(%a : tensor<?xi32>)
      cu_kv(%b : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r4_causal(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                               %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                               %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects align top_left or align bottom_right when query and key lengths differ, but got ", attn.sizes = {B = 1, Q = 3, S = 5}} {
  %out = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r5_kv_length(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                  %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"constant", [10.0]>})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects every entry of kv_lengths to lie between 0 and the sequence length, but got 10 at [", attn.sizes = {B = 2, S = 9}} {
  %out = attn.attention %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r5_negative_length(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                                        %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                        %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                        %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"constant", [-1.0]>})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects every entry of kv_lengths to lie between 0 and the sequence length, but got -1 at [", attn.sizes = {B = 2, S = 9}} {
  %out = attn.attention %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r5_q_length(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                 %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"constant", [10.0]>})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects every entry of q_lengths to lie between 0 and the sequence length, but got 10 at [", attn.sizes = {B = 2, S = 9}} {
  %out = attn.attention %q, %k, %v
      q_lengths(%n : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r6_start(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                              %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                              %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                              %c: tensor<3xi32> {attn.name = "c", attn.input = #attn.gen<"constant", [2.0]>})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "expects cu_q to start at 0, never decrease and end within the sequence, but got 2 at [0]", attn.sizes = {B = 2, S = 9}} {
  %out = attn.attention %q, %k, %v
      mask <document>
      cu_q(%c : tensor<3xi32>)
      cu_kv(%c : tensor<3xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}

func.func @attention_r6_decreases(%q: tensor<1x2x9x8xf32> {attn.name = "q"}) -> tensor<1x2x9x8xf32>
    attributes {attn.error = "expects cu_kv to start at 0, never decrease and end within the sequence, but got 3 at [2]"} {
  %a = arith.constant dense<[0, 3, 6]> : tensor<3xi32>
  %b = arith.constant dense<[0, 5, 3]> : tensor<3xi32>
  %o = attn.attention %q, %q, %q mask <document> cu_q(%a : tensor<3xi32>) cu_kv(%b : tensor<3xi32>)
      : tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32> -> tensor<1x2x9x8xf32>
  return %o : tensor<1x2x9x8xf32>
}

func.func @attention_r6_too_far(%q: tensor<1x2x9x8xf32> {attn.name = "q"}) -> tensor<1x2x9x8xf32>
    attributes {attn.error = "expects cu_q to start at 0, never decrease and end within the sequence, but got 10 at [2]"} {
  %a = arith.constant dense<[0, 3, 10]> : tensor<3xi32>
  %b = arith.constant dense<[0, 5, 9]> : tensor<3xi32>
  %o = attn.attention %q, %q, %q mask <document> cu_q(%a : tensor<3xi32>) cu_kv(%b : tensor<3xi32>)
      : tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32> -> tensor<1x2x9x8xf32>
  return %o : tensor<1x2x9x8xf32>
}

func.func @attention_r7_out_of_range(%q: tensor<?x4x2x64xf32> {attn.name = "q", attn.dims = ["B", "4", "2", "64"]},
                                     %k: tensor<4x2x8x64xf32> {attn.name = "k"},
                                     %v: tensor<4x2x8x64xf32> {attn.name = "v"},
                                     %t: tensor<?x1x3xi32> {attn.name = "t", attn.dims = ["B", "1", "3"], attn.input = #attn.gen<"constant", [4.0]>})
    -> tensor<?x4x2x64xf32>
    attributes {attn.error = "a page from 0 to 3, but got 4 in row [0, 0]", attn.sizes = {B = 1}} {
  %out = attn.attention %q, %k, %v
      page_table(%t : tensor<?x1x3xi32>)
      {page_size = 8 : i64} : tensor<?x4x2x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32> -> tensor<?x4x2x64xf32>
  return %out : tensor<?x4x2x64xf32>
}

func.func @attention_r7_twice(%q: tensor<?x4x2x64xf32> {attn.name = "q", attn.dims = ["B", "4", "2", "64"]},
                              %k: tensor<4x2x8x64xf32> {attn.name = "k"},
                              %v: tensor<4x2x8x64xf32> {attn.name = "v"},
                              %t: tensor<?x1x3xi32> {attn.name = "t", attn.dims = ["B", "1", "3"], attn.input = #attn.gen<"constant", [2.0]>})
    -> tensor<?x4x2x64xf32>
    attributes {attn.error = "no page twice in a row, but got page 2 in row [0, 0]", attn.sizes = {B = 1}} {
  %out = attn.attention %q, %k, %v
      page_table(%t : tensor<?x1x3xi32>)
      {page_size = 8 : i64} : tensor<?x4x2x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32> -> tensor<?x4x2x64xf32>
  return %out : tensor<?x4x2x64xf32>
}

func.func @attention_r9_load(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                             %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                             %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                             %slopes: tensor<?xf32> {attn.name = "slopes", attn.dims = ["R"]})
    -> tensor<?x4x?x64xf32>
    attributes {attn.error = "to lie inside", attn.sizes = {B = 1, S = 9, R = 3}} {
  %out = attn.attention %q, %k, %v
      captures(%slopes : tensor<?xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %of_head: tensor<?xf32>):
        %slope = attn.load %of_head[%h] : tensor<?xf32>
        %distance = arith.subi %j, %i : i32
        %d = arith.sitofp %distance : i32 to f32
        %x = arith.mulf %slope, %d : f32
        %r = arith.addf %s, %x : f32
        attn.yield %r : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}
