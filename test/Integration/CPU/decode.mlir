// RUN-ON: cpu, oracle
// One or a few queries over a long cache.

func.func @one(%q: tensor<?x8x1x64xf32> {attn.name = "q", attn.dims = ["B", "8", "1", "64"]},
               %k: tensor<?x8x?x64xf32> {attn.name = "k", attn.dims = ["B", "8", "S", "64"]},
               %v: tensor<?x8x?x64xf32> {attn.name = "v", attn.dims = ["B", "8", "S", "64"]})
    -> (tensor<?x8x1x64xf32>, tensor<?x8x1xf32>)
    attributes {attn.sizes = [{B = 1, S = 1}, {B = 2, S = 65}, {B = 1, S = 1000}, {B = 1, S = 4096}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x8x1x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32> -> tensor<?x8x1x64xf32>, tensor<?x8x1xf32>
  return %out, %lse : tensor<?x8x1x64xf32>, tensor<?x8x1xf32>
}

func.func @one_of_group(%q: tensor<?x9x1x64xf32> {attn.name = "q", attn.dims = ["B", "9", "1", "64"]},
                        %k: tensor<?x3x?x64xf32> {attn.name = "k", attn.dims = ["B", "3", "S", "64"]},
                        %v: tensor<?x3x?x64xf32> {attn.name = "v", attn.dims = ["B", "3", "S", "64"]})
    -> (tensor<?x9x1x64xf32>, tensor<?x9x1xf32>)
    attributes {attn.sizes = [{B = 1, S = 1}, {B = 2, S = 65}, {B = 1, S = 1000}, {B = 1, S = 4096}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x9x1x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32> -> tensor<?x9x1x64xf32>, tensor<?x9x1xf32>
  return %out, %lse : tensor<?x9x1x64xf32>, tensor<?x9x1xf32>
}

func.func @one_kv_head(%q: tensor<?x16x1x128xf32> {attn.name = "q", attn.dims = ["B", "16", "1", "128"]},
                       %k: tensor<?x1x?x128xf32> {attn.name = "k", attn.dims = ["B", "1", "S", "128"]},
                       %v: tensor<?x1x?x128xf32> {attn.name = "v", attn.dims = ["B", "1", "S", "128"]})
    -> (tensor<?x16x1x128xf32>, tensor<?x16x1xf32>)
    attributes {attn.sizes = [{B = 1, S = 1}, {B = 2, S = 65}, {B = 1, S = 1000}, {B = 1, S = 4096}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x16x1x128xf32>, tensor<?x1x?x128xf32>, tensor<?x1x?x128xf32> -> tensor<?x16x1x128xf32>, tensor<?x16x1xf32>
  return %out, %lse : tensor<?x16x1x128xf32>, tensor<?x16x1xf32>
}

func.func @few(%q: tensor<?x8x?x64xf32> {attn.name = "q", attn.dims = ["B", "8", "Q", "64"]},
               %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
               %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x8x?x64xf32>, tensor<?x8x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 2, S = 300},
        {B = 2, Q = 3, S = 300},
        {B = 2, Q = 4, S = 300},
        {B = 2, Q = 5, S = 300},
        {B = 2, Q = 7, S = 300},
        {B = 2, Q = 8, S = 300},
        {B = 2, Q = 9, S = 300},
        {B = 2, Q = 16, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x?x64xf32>, tensor<?x8x?xf32>
  return %out, %lse : tensor<?x8x?x64xf32>, tensor<?x8x?xf32>
}

func.func @cache_with_lengths(%q: tensor<?x9x1x64xf32> {attn.name = "q", attn.dims = ["B", "9", "1", "64"]},
                              %k: tensor<?x3x?x64xf32> {attn.name = "k", attn.dims = ["B", "3", "S", "64"]},
                              %v: tensor<?x3x?x64xf32> {attn.name = "v", attn.dims = ["B", "3", "S", "64"]},
                              %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"lengths", [1.0, 513.0]>})
    -> (tensor<?x9x1x64xf32>, tensor<?x9x1xf32>)
    attributes {attn.sizes = {B = 5, S = 513}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal> align bottom_right
      kv_lengths(%n : tensor<?xi32>)
      : tensor<?x9x1x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32> -> tensor<?x9x1x64xf32>, tensor<?x9x1xf32>
  return %out, %lse : tensor<?x9x1x64xf32>, tensor<?x9x1xf32>
}

func.func @window(%q: tensor<?x8x1x64xf32> {attn.name = "q", attn.dims = ["B", "8", "1", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x8x1x64xf32>, tensor<?x8x1xf32>)
    attributes {attn.sizes = {B = 2, S = 2000}} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<127, 0>> align bottom_right
      : tensor<?x8x1x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x1x64xf32>, tensor<?x8x1xf32>
  return %out, %lse : tensor<?x8x1x64xf32>, tensor<?x8x1xf32>
}

func.func @bf16(%q: tensor<?x8x1x128xbf16> {attn.name = "q", attn.dims = ["B", "8", "1", "128"]},
                %k: tensor<?x2x?x128xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "128"]},
                %v: tensor<?x2x?x128xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "128"]})
    -> (tensor<?x8x1x128xbf16>, tensor<?x8x1xf32>)
    attributes {attn.sizes = [{B = 1, S = 1}, {B = 2, S = 65}, {B = 1, S = 1000}, {B = 1, S = 4096}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x8x1x128xbf16>, tensor<?x2x?x128xbf16>, tensor<?x2x?x128xbf16> -> tensor<?x8x1x128xbf16>, tensor<?x8x1xf32>
  return %out, %lse : tensor<?x8x1x128xbf16>, tensor<?x8x1xf32>
}

func.func @d256(%q: tensor<?x4x1x256xf32> {attn.name = "q", attn.dims = ["B", "4", "1", "256"]},
                %k: tensor<?x2x?x256xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "256"]},
                %v: tensor<?x2x?x256xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "256"]})
    -> (tensor<?x4x1x256xf32>, tensor<?x4x1xf32>)
    attributes {attn.sizes = {B = 1, S = 257}} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x1x256xf32>, tensor<?x2x?x256xf32>, tensor<?x2x?x256xf32> -> tensor<?x4x1x256xf32>, tensor<?x4x1xf32>
  return %out, %lse : tensor<?x4x1x256xf32>, tensor<?x4x1xf32>
}

func.func @d1(%q: tensor<?x4x1x1xf32> {attn.name = "q", attn.dims = ["B", "4", "1", "1"]},
              %k: tensor<?x2x?x1xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "1"]},
              %v: tensor<?x2x?x1xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "1"]})
    -> (tensor<?x4x1x1xf32>, tensor<?x4x1xf32>)
    attributes {attn.sizes = {B = 1, S = 257}} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x1x1xf32>, tensor<?x2x?x1xf32>, tensor<?x2x?x1xf32> -> tensor<?x4x1x1xf32>, tensor<?x4x1xf32>
  return %out, %lse : tensor<?x4x1x1xf32>, tensor<?x4x1xf32>
}

func.func @with_mask(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                     %m: tensor<?x1x?x?xi1> {attn.name = "m", attn.dims = ["B", "1", "Q", "S"], attn.input = #attn.gen<"mask", [0.2, 1.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 1, S = 300}, {B = 2, Q = 3, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_tensor(%m : tensor<?x1x?x?xi1>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}
