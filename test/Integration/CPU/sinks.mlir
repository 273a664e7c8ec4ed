// RUN-ON: cpu, oracle
// A weight without a value, once per row: also in rows that see nothing, and not once per split.

func.func @main(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                %s: tensor<4xf32> {attn.name = "s"})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      sinks(%s : tensor<4xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @causal(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                  %s: tensor<4xf32> {attn.name = "s", attn.input = #attn.gen<"normal", [3.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      sinks(%s : tensor<4xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @dead_rows(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                     %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                     %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                     %m: tensor<?x1x?x?xi1> {attn.name = "m", attn.dims = ["B", "1", "S", "S"], attn.input = #attn.gen<"mask", [0.3, 9.0]>},
                     %s: tensor<4xf32> {attn.name = "s"})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      mask_tensor(%m : tensor<?x1x?x?xi1>)
      sinks(%s : tensor<4xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @zero_lengths(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                        %k: tensor<?x2x9x64xf32> {attn.name = "k", attn.dims = ["B", "2", "9", "64"]},
                        %v: tensor<?x2x9x64xf32> {attn.name = "v", attn.dims = ["B", "2", "9", "64"]},
                        %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"zeros">},
                        %s: tensor<4xf32> {attn.name = "s"})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 1}, {B = 2, Q = 3}, {B = 1, Q = 65}]} {
  %out, %lse = attn.attention %q, %k, %v
      kv_lengths(%n : tensor<?xi32>)
      sinks(%s : tensor<4xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x9x64xf32>, tensor<?x2x9x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @all_masked(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                      %k: tensor<?x2x9x64xf32> {attn.name = "k", attn.dims = ["B", "2", "9", "64"]},
                      %v: tensor<?x2x9x64xf32> {attn.name = "v", attn.dims = ["B", "2", "9", "64"]},
                      %m: tensor<9xi1> {attn.name = "m", attn.input = #attn.gen<"zeros">},
                      %s: tensor<4xf32> {attn.name = "s"})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, Q = 1}, {B = 2, Q = 3}, {B = 1, Q = 65}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask_tensor(%m : tensor<9xi1>)
      sinks(%s : tensor<4xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x9x64xf32>, tensor<?x2x9x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @no_keys(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                   %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                   %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                   %s: tensor<4xf32> {attn.name = "s"})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 2, Q = 3, S = 0}} {
  %out, %lse = attn.attention %q, %k, %v
      sinks(%s : tensor<4xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @decode(%q: tensor<?x4x1x64xf32> {attn.name = "q", attn.dims = ["B", "4", "1", "64"]},
                  %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                  %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                  %s: tensor<4xf32> {attn.name = "s", attn.input = #attn.gen<"uniform", [2.0, 6.0]>})
    -> (tensor<?x4x1x64xf32>, tensor<?x4x1xf32>)
    attributes {attn.sizes = [{B = 1, S = 4097}, {B = 3, S = 300}]} {
  %out, %lse = attn.attention %q, %k, %v
      sinks(%s : tensor<4xf32>)
      : tensor<?x4x1x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x1x64xf32>, tensor<?x4x1xf32>
  return %out, %lse : tensor<?x4x1x64xf32>, tensor<?x4x1xf32>
}

func.func @dominant(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                    %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                    %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                    %s: tensor<4xf32> {attn.name = "s", attn.input = #attn.gen<"constant", [40.0]>})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 1, S = 33}} {
  %out, %lse = attn.attention %q, %k, %v
      sinks(%s : tensor<4xf32>)
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @bf16(%q: tensor<?x4x?x64xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
                %s: tensor<4xf32> {attn.name = "s"})
    -> (tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      sinks(%s : tensor<4xf32>)
      : tensor<?x4x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xbf16>, tensor<?x4x?xf32>
}

func.func @f64(%q: tensor<?x4x?x64xf64> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
               %k: tensor<?x2x?x64xf64> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
               %v: tensor<?x2x?x64xf64> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]},
               %s: tensor<4xf32> {attn.name = "s"})
    -> (tensor<?x4x?x64xf64>, tensor<?x4x?xf64>)
    attributes {attn.sizes = [
        {B = 1, S = 1},
        {B = 1, S = 3},
        {B = 1, S = 17},
        {B = 1, S = 65},
        {B = 1, S = 130},
        {B = 2, S = 257}]} {
  %out, %lse = attn.attention %q, %k, %v
      sinks(%s : tensor<4xf32>)
      : tensor<?x4x?x64xf64>, tensor<?x2x?x64xf64>, tensor<?x2x?x64xf64> -> tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
  return %out, %lse : tensor<?x4x?x64xf64>, tensor<?x4x?xf64>
}
