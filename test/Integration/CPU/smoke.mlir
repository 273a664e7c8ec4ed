// RUN-ON: cpu, oracle
// The smallest things that attention does; read it first.

func.func @main(%q: tensor<1x1x4x8xf32> {attn.name = "q"},
                %k: tensor<1x1x4x8xf32> {attn.name = "k"},
                %v: tensor<1x1x4x8xf32> {attn.name = "v"})
    -> (tensor<1x1x4x8xf32>, tensor<1x1x4xf32>) {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32> -> tensor<1x1x4x8xf32>, tensor<1x1x4xf32>
  return %out, %lse : tensor<1x1x4x8xf32>, tensor<1x1x4xf32>
}

func.func @one_of_each(%q: tensor<1x1x1x1xf32> {attn.name = "q"},
                       %k: tensor<1x1x1x1xf32> {attn.name = "k"},
                       %v: tensor<1x1x1x1xf32> {attn.name = "v"})
    -> (tensor<1x1x1x1xf32>, tensor<1x1x1xf32>) {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<1x1x1x1xf32>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xf32> -> tensor<1x1x1x1xf32>, tensor<1x1x1xf32>
  return %out, %lse : tensor<1x1x1x1xf32>, tensor<1x1x1xf32>
}

func.func @dynamic(%q: tensor<?x?x?x64xf32> {attn.name = "q", attn.dims = ["B", "H", "S", "64"]},
                   %k: tensor<?x?x?x64xf32> {attn.name = "k", attn.dims = ["B", "H", "S", "64"]},
                   %v: tensor<?x?x?x64xf32> {attn.name = "v", attn.dims = ["B", "H", "S", "64"]})
    -> (tensor<?x?x?x64xf32>, tensor<?x?x?xf32>)
    attributes {attn.sizes = [{B = 1, H = 1, S = 1}, {B = 2, H = 3, S = 65}, {B = 3, H = 2, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32> -> tensor<?x?x?x64xf32>, tensor<?x?x?xf32>
  return %out, %lse : tensor<?x?x?x64xf32>, tensor<?x?x?xf32>
}
