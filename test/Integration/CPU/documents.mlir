// RUN-ON: cpu, oracle
// Packed sequences: segment ids and cumulative lengths, positions within documents, both alignments.

func.func @segments(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                    %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                    %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
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
      mask <document>
      q_segments(%qs : tensor<?x?xi32>)
      kv_segments(%ks : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @segments_causal_top_left(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                                    %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                    %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
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
      mask <and(document, causal)> align top_left
      q_segments(%qs : tensor<?x?xi32>)
      kv_segments(%ks : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @segments_causal_bottom_right(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                                        %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                        %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
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
      mask <and(document, causal)> align bottom_right
      q_segments(%qs : tensor<?x?xi32>)
      kv_segments(%ks : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// Documents whose tokens are not neighbours; ids may be negative.
func.func @interleaved(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                       %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                       %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                       %s: tensor<?x?xi32> {attn.name = "s", attn.dims = ["B", "S"], attn.input = #attn.gen<"uniform", [-2.0, 2.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(document, band<2, 1>)> align top_left
      q_segments(%s : tensor<?x?xi32>)
      kv_segments(%s : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @shared_by_the_batch(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                               %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                               %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                               %s: tensor<1x?xi32> {attn.name = "s", attn.dims = ["1", "S"], attn.input = #attn.gen<"segments", [5.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 3, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <document>
      q_segments(%s : tensor<1x?xi32>)
      kv_segments(%s : tensor<1x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @segments_with_lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                 %qs: tensor<?x?xi32> {attn.name = "qs", attn.dims = ["B", "Q"], attn.input = #attn.gen<"segments", [4.0]>},
                                 %ks: tensor<?x?xi32> {attn.name = "ks", attn.dims = ["B", "S"], attn.input = #attn.gen<"segments", [4.0]>},
                                 %ql: tensor<?xi32> {attn.name = "ql", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 64.0]>},
                                 %kl: tensor<?xi32> {attn.name = "kl", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 80.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 3, Q = 64, S = 80}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(document, causal)> align bottom_right
      q_lengths(%ql : tensor<?xi32>)
      kv_lengths(%kl : tensor<?xi32>)
      q_segments(%qs : tensor<?x?xi32>)
      kv_segments(%ks : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @cumulative(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                      %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                      %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                      %cq: tensor<6xi32> {attn.name = "cq", attn.input = #attn.gen<"cu_seqlens">},
                      %ck: tensor<6xi32> {attn.name = "ck", attn.input = #attn.gen<"cu_seqlens">})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <document>
      cu_q(%cq : tensor<6xi32>)
      cu_kv(%ck : tensor<6xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @cumulative_causal_top_left(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                                      %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                      %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                      %cq: tensor<6xi32> {attn.name = "cq", attn.input = #attn.gen<"cu_seqlens">},
                                      %ck: tensor<6xi32> {attn.name = "ck", attn.input = #attn.gen<"cu_seqlens">})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(document, causal)> align top_left
      cu_q(%cq : tensor<6xi32>)
      cu_kv(%ck : tensor<6xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @cumulative_causal_bottom_right(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                                          %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                          %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                          %cq: tensor<6xi32> {attn.name = "cq", attn.input = #attn.gen<"cu_seqlens">},
                                          %ck: tensor<6xi32> {attn.name = "ck", attn.input = #attn.gen<"cu_seqlens">})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(document, causal)> align bottom_right
      cu_q(%cq : tensor<6xi32>)
      cu_kv(%ck : tensor<6xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @packed_self(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                       %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                       %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                       %c: tensor<?xi32> {attn.name = "c", attn.dims = ["N"], attn.input = #attn.gen<"cu_seqlens">})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1, N = 1},
        {B = 1, S = 3, N = 2},
        {B = 1, S = 17, N = 3},
        {B = 1, S = 65, N = 5},
        {B = 1, S = 130, N = 9},
        {B = 2, S = 257, N = 17}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(document, band<10, 0>)> align top_left
      cu_q(%c : tensor<?xi32>)
      cu_kv(%c : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// Lengths cut the documents, in each batch entry at another place.
func.func @cumulative_with_lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                                   %cq: tensor<6xi32> {attn.name = "cq", attn.input = #attn.gen<"cu_seqlens">},
                                   %ck: tensor<6xi32> {attn.name = "ck", attn.input = #attn.gen<"cu_seqlens">},
                                   %ql: tensor<?xi32> {attn.name = "ql", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [3.0, 20.0]>},
                                   %kl: tensor<?xi32> {attn.name = "kl", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [5.0, 30.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 3, Q = 20, S = 30}, {B = 2, Q = 64, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(document, causal)> align bottom_right
      q_lengths(%ql : tensor<?xi32>)
      kv_lengths(%kl : tensor<?xi32>)
      cu_q(%cq : tensor<6xi32>)
      cu_kv(%ck : tensor<6xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @document_or_prefix(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                              %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                              %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                              %c: tensor<5xi32> {attn.name = "c", attn.input = #attn.gen<"cu_seqlens">})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, S = 100}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <or(document, prefix<8>)>
      cu_q(%c : tensor<5xi32>)
      cu_kv(%c : tensor<5xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}
