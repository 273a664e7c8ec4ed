// RUN-ON: cpu, oracle
// Gradients of every exact feature, each with the attention that they are of.

func.func @main(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @causal(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                  %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [{B = 1, S = 1}, {B = 2, S = 130}, {B = 1, S = 600}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal>
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @values_of_another_width(%q: tensor<?x6x?x40xf32> {attn.name = "q", attn.dims = ["B", "6", "S", "40"]},
                                   %k: tensor<?x2x?x40xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "40"]},
                                   %v: tensor<?x2x?x24xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "24"]},
                                   %g: tensor<?x6x?x24xf32> {attn.name = "g", attn.dims = ["B", "6", "S", "24"]})
    -> (tensor<?x6x?x40xf32>, tensor<?x2x?x40xf32>, tensor<?x2x?x24xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x6x?x40xf32>, tensor<?x2x?x40xf32>, tensor<?x2x?x24xf32> -> tensor<?x6x?x24xf32>, tensor<?x6x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal>
      out(%out : tensor<?x6x?x24xf32>) lse(%lse : tensor<?x6x?xf32>) dout(%g : tensor<?x6x?x24xf32>)
      : tensor<?x6x?x40xf32>, tensor<?x2x?x40xf32>, tensor<?x2x?x24xf32>
      -> tensor<?x6x?x40xf32>, tensor<?x2x?x40xf32>, tensor<?x2x?x24xf32>
  return %dq, %dk, %dv : tensor<?x6x?x40xf32>, tensor<?x2x?x40xf32>, tensor<?x2x?x24xf32>
}

// Parts of the keys and of the queries take turns.
func.func @one_kv_head(%q: tensor<?x3x?x16xf32> {attn.name = "q", attn.dims = ["B", "3", "S", "16"]},
                       %k: tensor<?x1x?x16xf32> {attn.name = "k", attn.dims = ["B", "1", "S", "16"]},
                       %v: tensor<?x1x?x16xf32> {attn.name = "v", attn.dims = ["B", "1", "S", "16"]},
                       %g: tensor<?x3x?x16xf32> {attn.name = "g", attn.dims = ["B", "3", "S", "16"]})
    -> (tensor<?x3x?x16xf32>, tensor<?x1x?x16xf32>, tensor<?x1x?x16xf32>)
    attributes {attn.sizes = {B = 1, S = 1100}} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x3x?x16xf32>, tensor<?x1x?x16xf32>, tensor<?x1x?x16xf32> -> tensor<?x3x?x16xf32>, tensor<?x3x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      out(%out : tensor<?x3x?x16xf32>) lse(%lse : tensor<?x3x?xf32>) dout(%g : tensor<?x3x?x16xf32>)
      : tensor<?x3x?x16xf32>, tensor<?x1x?x16xf32>, tensor<?x1x?x16xf32>
      -> tensor<?x3x?x16xf32>, tensor<?x1x?x16xf32>, tensor<?x1x?x16xf32>
  return %dq, %dk, %dv : tensor<?x3x?x16xf32>, tensor<?x1x?x16xf32>, tensor<?x1x?x16xf32>
}

func.func @bf16(%q: tensor<?x4x?x64xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                %g: tensor<?x4x?x64xbf16> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]})
    -> (tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal>
      out(%out : tensor<?x4x?x64xbf16>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xbf16>)
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>
      -> tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>
  return %dq, %dk, %dv : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>
}

func.func @f16(%q: tensor<?x4x?x64xf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
               %k: tensor<?x2x?x64xf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
               %v: tensor<?x2x?x64xf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
               %g: tensor<?x4x?x64xf16> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]})
    -> (tensor<?x4x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16> -> tensor<?x4x?x64xf16>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      out(%out : tensor<?x4x?x64xf16>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf16>)
      : tensor<?x4x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16>
      -> tensor<?x4x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16>
  return %dq, %dk, %dv : tensor<?x4x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16>
}

func.func @f64(%q: tensor<?x4x?x64xf64> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
               %k: tensor<?x2x?x64xf64> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
               %v: tensor<?x2x?x64xf64> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
               %g: tensor<?x4x?x64xf64> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]})
    -> (tensor<?x4x?x64xf64>, tensor<?x2x?x64xf64>, tensor<?x2x?x64xf64>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x64xf64>, tensor<?x2x?x64xf64>, tensor<?x2x?x64xf64> -> tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal>
      out(%out : tensor<?x4x?x64xf64>) lse(%lse : tensor<?x4x?xf64>) dout(%g : tensor<?x4x?x64xf64>)
      : tensor<?x4x?x64xf64>, tensor<?x2x?x64xf64>, tensor<?x2x?x64xf64>
      -> tensor<?x4x?x64xf64>, tensor<?x2x?x64xf64>, tensor<?x2x?x64xf64>
  return %dq, %dk, %dv : tensor<?x4x?x64xf64>, tensor<?x2x?x64xf64>, tensor<?x2x?x64xf64>
}

func.func @cross_top_left(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                          %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                          %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                          %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, Q = 1, S = 9},
        {B = 2, Q = 33, S = 70},
        {B = 1, Q = 130, S = 49}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      align top_left
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal>
      align top_left
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @cross_bottom_right(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                              %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                              %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                              %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, Q = 1, S = 9},
        {B = 2, Q = 33, S = 70},
        {B = 1, Q = 130, S = 49}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      align bottom_right
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal>
      align bottom_right
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @band(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<20, 3>>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <band<20, 3>>
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @prefix(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                  %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]},
                  %p: tensor<?xi32> {attn.name = "p", attn.dims = ["B"], attn.input = #attn.gen<"uniform", [0.0, 20.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <or(causal, prefix)>
      prefix_lengths(%p : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <or(causal, prefix)>
      prefix_lengths(%p : tensor<?xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @segments(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                    %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                    %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                    %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]},
                    %a: tensor<?x?xi32> {attn.name = "a", attn.dims = ["B", "S"], attn.input = #attn.gen<"segments", [3.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(causal, document)>
      align top_left
      q_segments(%a : tensor<?x?xi32>)
      kv_segments(%a : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <and(causal, document)>
      align top_left
      q_segments(%a : tensor<?x?xi32>)
      kv_segments(%a : tensor<?x?xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @cumulative(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                      %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                      %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                      %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]},
                      %a: tensor<4xi32> {attn.name = "a", attn.dims = ["4"], attn.input = #attn.gen<"cu_seqlens">},
                      %c: tensor<4xi32> {attn.name = "c", attn.dims = ["4"], attn.input = #attn.gen<"cu_seqlens">})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <and(causal, document)>
      align bottom_right
      cu_q(%a : tensor<4xi32>)
      cu_kv(%c : tensor<4xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <and(causal, document)>
      align bottom_right
      cu_q(%a : tensor<4xi32>)
      cu_kv(%c : tensor<4xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

// Some rows see nothing.
func.func @mask_tensor(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                       %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                       %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                       %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]},
                       %m: tensor<?x1x?x?xi1> {attn.name = "m", attn.dims = ["B", "1", "S", "S"], attn.input = #attn.gen<"mask", [0.3, 9.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_tensor(%m : tensor<?x1x?x?xi1>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask_tensor(%m : tensor<?x1x?x?xi1>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                   %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "Q", "64"]},
                   %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"uniform", [0.0, 1.0]>},
                   %m: tensor<?xi32> {attn.name = "m", attn.dims = ["B"], attn.input = #attn.gen<"uniform", [0.0, 9.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, Q = 1, S = 9},
        {B = 2, Q = 33, S = 70},
        {B = 1, Q = 130, S = 49}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      align bottom_right
      q_lengths(%n : tensor<?xi32>)
      kv_lengths(%m : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal>
      align bottom_right
      q_lengths(%n : tensor<?xi32>)
      kv_lengths(%m : tensor<?xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @positions(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                     %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]},
                     %a: tensor<?x?xi32> {attn.name = "a", attn.dims = ["B", "S"], attn.input = #attn.gen<"uniform", [0.0, 50.0]>},
                     %c: tensor<?x?xi32> {attn.name = "c", attn.dims = ["B", "S"], attn.input = #attn.gen<"uniform", [0.0, 50.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      q_positions(%a : tensor<?x?xi32>)
      kv_positions(%c : tensor<?x?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal>
      q_positions(%a : tensor<?x?xi32>)
      kv_positions(%c : tensor<?x?xi32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @mask_mod(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                    %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                    %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                    %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %d = arith.subi %i, %j : i32
        %c3 = arith.constant 3 : i32
        %r = arith.remsi %d, %c3 : i32
        %c0 = arith.constant 0 : i32
        %t = arith.cmpi eq, %r, %c0 : i32
        attn.yield %t : i1
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %d = arith.subi %i, %j : i32
        %c3 = arith.constant 3 : i32
        %r = arith.remsi %d, %c3 : i32
        %c0 = arith.constant 0 : i32
        %t = arith.cmpi eq, %r, %c0 : i32
        attn.yield %t : i1
      }
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @bias(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]},
                %a: tensor<?x4x?x?xf32> {attn.name = "a", attn.dims = ["B", "4", "S", "S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x4x?x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      bias(%a : tensor<?x4x?x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv, %e0 = attn.attention_grad %q, %k, %v
      mask <causal>
      bias(%a : tensor<?x4x?x?xf32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> dbias(tensor<?x4x?x?xf32>)
  return %dq, %dk, %dv, %e0 : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x4x?x?xf32>
}

// Summed over batch and heads.
func.func @bias_of_all_heads(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                             %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                             %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                             %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]},
                             %a: tensor<?x?xf32> {attn.name = "a", attn.dims = ["S", "S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%a : tensor<?x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv, %e0 = attn.attention_grad %q, %k, %v
      bias(%a : tensor<?x?xf32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> dbias(tensor<?x?xf32>)
  return %dq, %dk, %dv, %e0 : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x?xf32>
}

func.func @bias_per_key(%q: tensor<?x4x?x64xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                        %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                        %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                        %g: tensor<?x4x?x64xbf16> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]},
                        %a: tensor<?x1x1x?xbf16> {attn.name = "a", attn.dims = ["B", "1", "1", "S"]})
    -> (tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x1x1x?xbf16>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      bias(%a : tensor<?x1x1x?xbf16>)
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
  %dq, %dk, %dv, %e0 = attn.attention_grad %q, %k, %v
      bias(%a : tensor<?x1x1x?xbf16>)
      out(%out : tensor<?x4x?x64xbf16>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xbf16>)
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>
      -> tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> dbias(tensor<?x1x1x?xbf16>)
  return %dq, %dk, %dv, %e0 : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x1x1x?xbf16>
}

func.func @softcap(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                   %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      {softcap = 3.0 : f64} : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal>
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {softcap = 3.0 : f64} : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @scale(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                 %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      {scale = -0.3 : f64} : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask <causal>
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {scale = -0.3 : f64} : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @sinks(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                 %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                 %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                 %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]},
                 %gl: tensor<?x4x?xf32> {attn.name = "gl", attn.dims = ["B", "4", "S"]},
                 %s: tensor<4xf32> {attn.name = "s", attn.dims = ["4"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<4xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      sinks(%s : tensor<4xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv, %e0 = attn.attention_grad %q, %k, %v
      mask <causal>
      sinks(%s : tensor<4xf32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      dlse(%gl : tensor<?x4x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> dsinks(tensor<4xf32>)
  return %dq, %dk, %dv, %e0 : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<4xf32>
}

func.func @dlse(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]},
                %gl: tensor<?x4x?xf32> {attn.name = "gl", attn.dims = ["B", "4", "S"]},
                %m: tensor<?x?xi1> {attn.name = "m", attn.dims = ["S", "S"], attn.input = #attn.gen<"mask", [0.3, 9.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_tensor(%m : tensor<?x?xi1>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v
      mask_tensor(%m : tensor<?x?xi1>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      dlse(%gl : tensor<?x4x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
  return %dq, %dk, %dv : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
}

func.func @log_weight(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                      %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                      %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                      %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]},
                      %w: tensor<1x2x?xf32> {attn.name = "w", attn.dims = ["1", "2", "S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<1x2x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      log_weight(%w : tensor<1x2x?xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv, %e0 = attn.attention_grad %q, %k, %v
      log_weight(%w : tensor<1x2x?xf32>)
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> dlog_weight(tensor<1x2x?xf32>)
  return %dq, %dk, %dv, %e0 : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<1x2x?xf32>
}

func.func @score_mod(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                     %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]},
                     %a: tensor<4xf32> {attn.name = "a", attn.dims = ["4"]},
                     %c: tensor<?xf32> {attn.name = "c", attn.dims = ["S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<4xf32>, tensor<?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      captures(%a, %c : tensor<4xf32>, tensor<?xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %ta: tensor<4xf32>, %tc: tensor<?xf32>):
        %x = attn.load %ta[%h] : tensor<4xf32>
        %y = attn.load %tc[%j] : tensor<?xf32>
        %t = math.tanh %s : f32
        %u = arith.mulf %t, %x : f32
        %e = math.exp %y : f32
        %n = arith.negf %e : f32
        %kk = arith.mulf %n, %s : f32
        %z = arith.constant 0.0 : f32
        %r = arith.maximumf %s, %z : f32
        %p = arith.addf %u, %r : f32
        %cc = arith.cmpi slt, %j, %i : i32
        %f = arith.select %cc, %p, %kk : f32
        attn.yield %f : f32
      }
      {softcap = 3.0 : f64} : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv, %e0, %e1 = attn.attention_grad %q, %k, %v
      mask <causal>
      captures(%a, %c : tensor<4xf32>, tensor<?xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %ta: tensor<4xf32>, %tc: tensor<?xf32>):
        %x = attn.load %ta[%h] : tensor<4xf32>
        %y = attn.load %tc[%j] : tensor<?xf32>
        %t = math.tanh %s : f32
        %u = arith.mulf %t, %x : f32
        %e = math.exp %y : f32
        %n = arith.negf %e : f32
        %kk = arith.mulf %n, %s : f32
        %z = arith.constant 0.0 : f32
        %r = arith.maximumf %s, %z : f32
        %p = arith.addf %u, %r : f32
        %cc = arith.cmpi slt, %j, %i : i32
        %f = arith.select %cc, %p, %kk : f32
        attn.yield %f : f32
      }
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {softcap = 3.0 : f64, capture_grads = array<i64: 0, 1>} : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> dcaptures(tensor<4xf32>, tensor<?xf32>)
  return %dq, %dk, %dv, %e0, %e1 : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<4xf32>, tensor<?xf32>
}

func.func @one_capture(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                       %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                       %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                       %g: tensor<?x4x?x64xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "64"]},
                       %a: tensor<4xf32> {attn.name = "a", attn.dims = ["4"]},
                       %c: tensor<?xf32> {attn.name = "c", attn.dims = ["S"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 17},
        {B = 2, S = 130},
        {B = 1, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      captures(%a, %c : tensor<4xf32>, tensor<?xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %ta: tensor<4xf32>, %tc: tensor<?xf32>):
        %x = attn.load %ta[%h] : tensor<4xf32>
        %y = attn.load %tc[%j] : tensor<?xf32>
        %t = math.tanh %s : f32
        %u = arith.mulf %t, %x : f32
        %e = math.exp %y : f32
        %n = arith.negf %e : f32
        %kk = arith.mulf %n, %s : f32
        %z = arith.constant 0.0 : f32
        %r = arith.maximumf %s, %z : f32
        %p = arith.addf %u, %r : f32
        %cc = arith.cmpi slt, %j, %i : i32
        %f = arith.select %cc, %p, %kk : f32
        attn.yield %f : f32
      }
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %dq, %dk, %dv, %e0 = attn.attention_grad %q, %k, %v
      captures(%a, %c : tensor<4xf32>, tensor<?xf32>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %ta: tensor<4xf32>, %tc: tensor<?xf32>):
        %x = attn.load %ta[%h] : tensor<4xf32>
        %y = attn.load %tc[%j] : tensor<?xf32>
        %t = math.tanh %s : f32
        %u = arith.mulf %t, %x : f32
        %e = math.exp %y : f32
        %n = arith.negf %e : f32
        %kk = arith.mulf %n, %s : f32
        %z = arith.constant 0.0 : f32
        %r = arith.maximumf %s, %z : f32
        %p = arith.addf %u, %r : f32
        %cc = arith.cmpi slt, %j, %i : i32
        %f = arith.select %cc, %p, %kk : f32
        attn.yield %f : f32
      }
      out(%out : tensor<?x4x?x64xf32>) lse(%lse : tensor<?x4x?xf32>) dout(%g : tensor<?x4x?x64xf32>)
      {capture_grads = array<i64: 1>} : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
      -> tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> dcaptures(tensor<?xf32>)
  return %dq, %dk, %dv, %e0 : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?xf32>
}

// Scores of up to 60 in heads of 256: few rows and tiles of them sum the columns in different orders, and what that is
// worth is a factor of every weight.
func.func @large_scores_of_wide_heads(%q: tensor<?x2x?x256xf32> {attn.dims = ["B", "2", "Sq", "256"], attn.input = #attn.gen<"normal", [4.0]>},
    %k: tensor<?x1x?x256xf32> {attn.dims = ["B", "1", "Sk", "256"], attn.input = #attn.gen<"normal", [4.0]>},
    %v: tensor<?x1x?x1xf32> {attn.dims = ["B", "1", "Sk", "1"], attn.input = #attn.gen<"normal", [4.0]>},
    %q_lengths: tensor<?xi32> {attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 1.0]>},
    %q_positions: tensor<1x?xi32> {attn.dims = ["1", "Sq"], attn.input = #attn.gen<"positions", [-50.0, 300.0]>},
    %kv_positions: tensor<1x?xi32> {attn.dims = ["1", "Sk"], attn.input = #attn.gen<"positions", [-50.0, 300.0]>},
    %log_weight: tensor<?x1x?xf32> {attn.dims = ["B", "1", "Sk"], attn.input = #attn.gen<"uniform", [-2.0, 2.0]>},
    %g: tensor<?x2x?x1xf32> {attn.dims = ["B", "2", "Sq", "1"], attn.input = #attn.gen<"normal", [1.0]>},
    %gl: tensor<?x2x?xf32> {attn.dims = ["B", "2", "Sq"], attn.input = #attn.gen<"normal", [1.0]>})
    -> (tensor<?x2x?x256xf32>, tensor<?x1x?x256xf32>, tensor<?x1x?x1xf32>, tensor<?x1x?xf32>) attributes {attn.sizes = [{B = 3, Sq = 17, Sk = 33}, {B = 2, Sq = 49, Sk = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      q_lengths(%q_lengths : tensor<?xi32>)
      q_positions(%q_positions : tensor<1x?xi32>)
      kv_positions(%kv_positions : tensor<1x?xi32>)
      log_weight(%log_weight : tensor<?x1x?xf32>)
      : tensor<?x2x?x256xf32>, tensor<?x1x?x256xf32>, tensor<?x1x?x1xf32> -> tensor<?x2x?x1xf32>, tensor<?x2x?xf32>
  %dq, %dk, %dv, %dlog_weight = attn.attention_grad %q, %k, %v
      q_lengths(%q_lengths : tensor<?xi32>)
      q_positions(%q_positions : tensor<1x?xi32>)
      kv_positions(%kv_positions : tensor<1x?xi32>)
      log_weight(%log_weight : tensor<?x1x?xf32>)
      out(%out : tensor<?x2x?x1xf32>) lse(%lse : tensor<?x2x?xf32>) dout(%g : tensor<?x2x?x1xf32>) dlse(%gl : tensor<?x2x?xf32>)
      : tensor<?x2x?x256xf32>, tensor<?x1x?x256xf32>, tensor<?x1x?x1xf32> -> tensor<?x2x?x256xf32>, tensor<?x1x?x256xf32>, tensor<?x1x?x1xf32> dlog_weight(tensor<?x1x?xf32>)
  return %dq, %dk, %dv, %dlog_weight : tensor<?x2x?x256xf32>, tensor<?x1x?x256xf32>, tensor<?x1x?x1xf32>, tensor<?x1x?xf32>
}
