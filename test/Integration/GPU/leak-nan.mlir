// RUN-ON: emulated, cuda, cpu, oracle
// NaN in the last key and value, behind lengths and behind the diagonal: no row sees it but the last ones.
func.func @lengths(%q: tensor<2x2x?x64xbf16> {attn.dims = ["2", "2", "Q", "64"]},
                   %k: tensor<2x2x70x64xbf16>,
                   %v: tensor<2x2x70x64xbf16>,
                   %bad: tensor<2x2x1x64xbf16> {attn.input = #attn.gen<"constant", [0x7FF8000000000000]>},
                   %n: tensor<2xi32> {attn.input = #attn.gen<"lengths", [0.0, 69.0]>})
    -> (tensor<2x2x?x64xbf16>, tensor<2x2x?xf32>)
    attributes {attn.sizes = [{Q = 70}, {Q = 1}]} {
  %kb = tensor.insert_slice %bad into %k[0, 0, 69, 0] [2, 2, 1, 64] [1, 1, 1, 1] : tensor<2x2x1x64xbf16> into tensor<2x2x70x64xbf16>
  %vb = tensor.insert_slice %bad into %v[0, 0, 69, 0] [2, 2, 1, 64] [1, 1, 1, 1] : tensor<2x2x1x64xbf16> into tensor<2x2x70x64xbf16>
  %out, %lse = attn.attention %q, %kb, %vb
      kv_lengths(%n : tensor<2xi32>)
      : tensor<2x2x?x64xbf16>, tensor<2x2x70x64xbf16>, tensor<2x2x70x64xbf16> -> tensor<2x2x?x64xbf16>, tensor<2x2x?xf32>
  return %out, %lse : tensor<2x2x?x64xbf16>, tensor<2x2x?xf32>
}

func.func @causal(%q: tensor<1x2x70x64xf32>, %k: tensor<1x2x70x64xf32>, %v: tensor<1x2x70x64xf32>,
                  %bad: tensor<1x2x1x64xf32> {attn.input = #attn.gen<"constant", [0x7FF8000000000000]>})
    -> (tensor<1x2x70x64xf32>, tensor<1x2x70xf32>) {
  %vb = tensor.insert_slice %bad into %v[0, 0, 69, 0] [1, 2, 1, 64] [1, 1, 1, 1] : tensor<1x2x1x64xf32> into tensor<1x2x70x64xf32>
  %out, %lse = attn.attention %q, %k, %vb
      mask <causal>
      : tensor<1x2x70x64xf32>, tensor<1x2x70x64xf32>, tensor<1x2x70x64xf32> -> tensor<1x2x70x64xf32>, tensor<1x2x70xf32>
  return %out, %lse : tensor<1x2x70x64xf32>, tensor<1x2x70xf32>
}
