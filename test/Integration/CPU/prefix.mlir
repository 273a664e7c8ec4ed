// RUN-ON: cpu, oracle
// prefix with a constant and with one bound per batch entry, alone and beside other masks.

func.func @constant(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
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
      mask <prefix<20>>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @none(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, S = 33}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <prefix<0>>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @operand(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                   %p: tensor<?xi32> {attn.name = "p", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [-3.0, 80.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <prefix>
      prefix_lengths(%p : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// A prefix that everyone sees, and causal behind it.
func.func @prefix_lm(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                     %p: tensor<?xi32> {attn.name = "p", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [0.0, 40.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <or(causal, prefix)>
      prefix_lengths(%p : tensor<?xi32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// A window, and the first four tokens kept for ever.
func.func @window_with_sinks(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
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
      mask <and(causal, or(band<31, 0>, prefix<4>))>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}
