// RUN-ON: cpu, oracle
// Grouped heads: groups of 1, 2, 3, 7 and 8 queries per KV head, one KV head for all, and head counts known at run time.

func.func @group_of_1(%q: tensor<?x3x?x64xf32> {attn.name = "q", attn.dims = ["B", "3", "S", "64"]},
                      %k: tensor<?x3x?x64xf32> {attn.name = "k", attn.dims = ["B", "3", "S", "64"]},
                      %v: tensor<?x3x?x64xf32> {attn.name = "v", attn.dims = ["B", "3", "S", "64"]})
    -> (tensor<?x3x?x64xf32>, tensor<?x3x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 33}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32> -> tensor<?x3x?x64xf32>, tensor<?x3x?xf32>
  return %out, %lse : tensor<?x3x?x64xf32>, tensor<?x3x?xf32>
}

func.func @group_of_2(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                      %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                      %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 33}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @group_of_3(%q: tensor<?x9x?x64xf32> {attn.name = "q", attn.dims = ["B", "9", "S", "64"]},
                      %k: tensor<?x3x?x64xf32> {attn.name = "k", attn.dims = ["B", "3", "S", "64"]},
                      %v: tensor<?x3x?x64xf32> {attn.name = "v", attn.dims = ["B", "3", "S", "64"]})
    -> (tensor<?x9x?x64xf32>, tensor<?x9x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 33}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x9x?x64xf32>, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32> -> tensor<?x9x?x64xf32>, tensor<?x9x?xf32>
  return %out, %lse : tensor<?x9x?x64xf32>, tensor<?x9x?xf32>
}

func.func @group_of_7(%q: tensor<?x7x?x64xf32> {attn.name = "q", attn.dims = ["B", "7", "S", "64"]},
                      %k: tensor<?x1x?x64xf32> {attn.name = "k", attn.dims = ["B", "1", "S", "64"]},
                      %v: tensor<?x1x?x64xf32> {attn.name = "v", attn.dims = ["B", "1", "S", "64"]})
    -> (tensor<?x7x?x64xf32>, tensor<?x7x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 33}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x7x?x64xf32>, tensor<?x1x?x64xf32>, tensor<?x1x?x64xf32> -> tensor<?x7x?x64xf32>, tensor<?x7x?xf32>
  return %out, %lse : tensor<?x7x?x64xf32>, tensor<?x7x?xf32>
}

func.func @group_of_8(%q: tensor<?x16x?x64xf32> {attn.name = "q", attn.dims = ["B", "16", "S", "64"]},
                      %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                      %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x16x?x64xf32>, tensor<?x16x?xf32>)
    attributes {attn.sizes = [{B = 2, S = 33}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x16x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x16x?x64xf32>, tensor<?x16x?xf32>
  return %out, %lse : tensor<?x16x?x64xf32>, tensor<?x16x?xf32>
}

func.func @dynamic(%q: tensor<?x?x?x64xf32> {attn.name = "q", attn.dims = ["B", "HQ", "S", "64"]},
                   %k: tensor<?x?x?x64xf32> {attn.name = "k", attn.dims = ["B", "HK", "S", "64"]},
                   %v: tensor<?x?x?x64xf32> {attn.name = "v", attn.dims = ["B", "HK", "S", "64"]})
    -> (tensor<?x?x?x64xf32>, tensor<?x?x?xf32>)
    attributes {attn.sizes = [
        {B = 2, HQ = 6, HK = 2, S = 33},
        {B = 1, HQ = 5, HK = 5, S = 65},
        {B = 1, HQ = 12, HK = 1, S = 17}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32> -> tensor<?x?x?x64xf32>, tensor<?x?x?xf32>
  return %out, %lse : tensor<?x?x?x64xf32>, tensor<?x?x?xf32>
}
