// RUN-ON: cpu, oracle
// bf16, f16 and f64 inputs over the shapes and masks that f32 has its own files for.

func.func @bf16_full(%q: tensor<?x4x?x64xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                     %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
}

func.func @bf16_causal(%q: tensor<?x4x?x64xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                       %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                       %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
}

func.func @bf16_window_d128(%q: tensor<?x4x?x128xbf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "128"]},
                            %k: tensor<?x2x?x128xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "128"]},
                            %v: tensor<?x2x?x128xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "128"]})
    -> (tensor<?x4x?x128xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<33, 0>> align bottom_right
      : tensor<?x4x?x128xbf16>, tensor<?x2x?x128xbf16>, tensor<?x2x?x128xbf16> -> tensor<?x4x?x128xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x128xbf16>, tensor<?x4x?xf32>
}

func.func @bf16_mask(%q: tensor<?x4x?x40xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "40"]},
                     %k: tensor<?x2x?x40xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "40"]},
                     %v: tensor<?x2x?x40xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "40"]},
                     %m: tensor<?x?xi1> {attn.name = "m", attn.dims = ["S", "S"], attn.input = #attn.gen<"mask", [0.5, 1.0]>})
    -> (tensor<?x4x?x40xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_tensor(%m : tensor<?x?xi1>)
      : tensor<?x4x?x40xbf16>, tensor<?x2x?x40xbf16>, tensor<?x2x?x40xbf16> -> tensor<?x4x?x40xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x40xbf16>, tensor<?x4x?xf32>
}

func.func @bf16_decode(%q: tensor<?x8x1x64xbf16> {attn.name = "q", attn.dims = ["B", "8", "1", "64"]},
                       %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                       %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x8x1x64xbf16>, tensor<?x8x1xf32>)
    attributes {attn.sizes = [{B = 1, S = 1}, {B = 2, S = 333}, {B = 1, S = 2048}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x8x1x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x8x1x64xbf16>, tensor<?x8x1xf32>
  return %out, %lse : tensor<?x8x1x64xbf16>, tensor<?x8x1xf32>
}

func.func @f16_full(%q: tensor<?x4x?x64xf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                    %k: tensor<?x2x?x64xf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                    %v: tensor<?x2x?x64xf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16> -> tensor<?x4x?x64xf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf16>, tensor<?x4x?xf32>
}

func.func @f16_causal(%q: tensor<?x4x?x64xf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                      %k: tensor<?x2x?x64xf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                      %v: tensor<?x2x?x64xf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16> -> tensor<?x4x?x64xf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf16>, tensor<?x4x?xf32>
}

func.func @f16_window_d128(%q: tensor<?x4x?x128xf16> {attn.name = "q", attn.dims = ["B", "4", "Q", "128"]},
                           %k: tensor<?x2x?x128xf16> {attn.name = "k", attn.dims = ["B", "2", "S", "128"]},
                           %v: tensor<?x2x?x128xf16> {attn.name = "v", attn.dims = ["B", "2", "S", "128"]})
    -> (tensor<?x4x?x128xf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<33, 0>> align bottom_right
      : tensor<?x4x?x128xf16>, tensor<?x2x?x128xf16>, tensor<?x2x?x128xf16> -> tensor<?x4x?x128xf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x128xf16>, tensor<?x4x?xf32>
}

func.func @f16_mask(%q: tensor<?x4x?x40xf16> {attn.name = "q", attn.dims = ["B", "4", "S", "40"]},
                    %k: tensor<?x2x?x40xf16> {attn.name = "k", attn.dims = ["B", "2", "S", "40"]},
                    %v: tensor<?x2x?x40xf16> {attn.name = "v", attn.dims = ["B", "2", "S", "40"]},
                    %m: tensor<?x?xi1> {attn.name = "m", attn.dims = ["S", "S"], attn.input = #attn.gen<"mask", [0.5, 1.0]>})
    -> (tensor<?x4x?x40xf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_tensor(%m : tensor<?x?xi1>)
      : tensor<?x4x?x40xf16>, tensor<?x2x?x40xf16>, tensor<?x2x?x40xf16> -> tensor<?x4x?x40xf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x40xf16>, tensor<?x4x?xf32>
}

func.func @f16_decode(%q: tensor<?x8x1x64xf16> {attn.name = "q", attn.dims = ["B", "8", "1", "64"]},
                      %k: tensor<?x2x?x64xf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                      %v: tensor<?x2x?x64xf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x8x1x64xf16>, tensor<?x8x1xf32>)
    attributes {attn.sizes = [{B = 1, S = 1}, {B = 2, S = 333}, {B = 1, S = 2048}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x8x1x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16> -> tensor<?x8x1x64xf16>, tensor<?x8x1xf32>
  return %out, %lse : tensor<?x8x1x64xf16>, tensor<?x8x1xf32>
}

func.func @f64_full(%q: tensor<?x4x?x64xf64> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                    %k: tensor<?x2x?x64xf64> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                    %v: tensor<?x2x?x64xf64> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf64>, tensor<?x4x?xf64>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x64xf64>, tensor<?x2x?x64xf64>, tensor<?x2x?x64xf64> -> tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
  return %out, %lse : tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
}

func.func @f64_causal(%q: tensor<?x4x?x64xf64> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                      %k: tensor<?x2x?x64xf64> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                      %v: tensor<?x2x?x64xf64> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf64>, tensor<?x4x?xf64>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x64xf64>, tensor<?x2x?x64xf64>, tensor<?x2x?x64xf64> -> tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
  return %out, %lse : tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
}

func.func @f64_window_d128(%q: tensor<?x4x?x128xf64> {attn.name = "q", attn.dims = ["B", "4", "Q", "128"]},
                           %k: tensor<?x2x?x128xf64> {attn.name = "k", attn.dims = ["B", "2", "S", "128"]},
                           %v: tensor<?x2x?x128xf64> {attn.name = "v", attn.dims = ["B", "2", "S", "128"]})
    -> (tensor<?x4x?x128xf64>, tensor<?x4x?xf64>)
    attributes {attn.sizes = [
        {B = 2, Q = 1, S = 1},
        {B = 2, Q = 3, S = 17},
        {B = 2, Q = 65, S = 130},
        {B = 2, Q = 130, S = 65},
        {B = 2, Q = 17, S = 3},
        {B = 2, Q = 257, S = 64}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <band<33, 0>> align bottom_right
      : tensor<?x4x?x128xf64>, tensor<?x2x?x128xf64>, tensor<?x2x?x128xf64> -> tensor<?x4x?x128xf64>, tensor<?x4x?xf64>
  return %out, %lse : tensor<?x4x?x128xf64>, tensor<?x4x?xf64>
}

func.func @f64_mask(%q: tensor<?x4x?x40xf64> {attn.name = "q", attn.dims = ["B", "4", "S", "40"]},
                    %k: tensor<?x2x?x40xf64> {attn.name = "k", attn.dims = ["B", "2", "S", "40"]},
                    %v: tensor<?x2x?x40xf64> {attn.name = "v", attn.dims = ["B", "2", "S", "40"]},
                    %m: tensor<?x?xi1> {attn.name = "m", attn.dims = ["S", "S"], attn.input = #attn.gen<"mask", [0.5, 1.0]>})
    -> (tensor<?x4x?x40xf64>, tensor<?x4x?xf64>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_tensor(%m : tensor<?x?xi1>)
      : tensor<?x4x?x40xf64>, tensor<?x2x?x40xf64>, tensor<?x2x?x40xf64> -> tensor<?x4x?x40xf64>, tensor<?x4x?xf64>
  return %out, %lse : tensor<?x4x?x40xf64>, tensor<?x4x?xf64>
}

func.func @f64_decode(%q: tensor<?x8x1x64xf64> {attn.name = "q", attn.dims = ["B", "8", "1", "64"]},
                      %k: tensor<?x2x?x64xf64> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                      %v: tensor<?x2x?x64xf64> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x8x1x64xf64>, tensor<?x8x1xf64>)
    attributes {attn.sizes = [{B = 1, S = 1}, {B = 2, S = 333}, {B = 1, S = 2048}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x8x1x64xf64>, tensor<?x2x?x64xf64>, tensor<?x2x?x64xf64> -> tensor<?x8x1x64xf64>, tensor<?x8x1xf64>
  return %out, %lse : tensor<?x8x1x64xf64>, tensor<?x8x1xf64>
}
