// What each generator makes.
// RUN: attn-run %s --backend=oracle --seed 5 --save %t.npz > /dev/null
// RUN: %python %S/Inputs/generators.py %t.npz

func.func @main(%normal: tensor<4000xf32> {attn.input = #attn.gen<"normal", [2.0]>},
                %plain: tensor<4000xbf16>,
                %uniform: tensor<4000xf32> {attn.input = #attn.gen<"uniform", [-1.0, 3.0]>},
                %whole: tensor<4000xi32> {attn.input = #attn.gen<"uniform", [-2.0, 2.0]>},
                %constant: tensor<5xi64> {attn.input = #attn.gen<"constant", [-7.0]>},
                %zeros: tensor<5xf32> {attn.input = #attn.gen<"zeros">},
                %untold: tensor<5xi32>,
                %mask: tensor<40x100xi1> {attn.input = #attn.gen<"mask", [0.25, 7.0]>},
                %lengths: tensor<4000xi32> {attn.input = #attn.gen<"lengths", [3.0, 9.0]>},
                %pages: tensor<50x2x6xi32> {attn.input = #attn.gen<"page_table", [9.0]>},
                %few: tensor<50x1x6xi32> {attn.input = #attn.gen<"page_table", [4.0]>},
                %segments: tensor<20x30xi32> {attn.input = #attn.gen<"segments", [4.0]>},
                %cu: tensor<6xi32> {attn.input = #attn.gen<"cu_seqlens">},
                %x: tensor<1x1x33x4xf32>)
    -> (tensor<4000xf32> {attn.name = "normal"}, tensor<4000xbf16> {attn.name = "plain"}, tensor<4000xf32> {attn.name = "uniform"},
        tensor<4000xi32> {attn.name = "whole"}, tensor<5xi64> {attn.name = "constant"}, tensor<5xf32> {attn.name = "zeros"},
        tensor<5xi32> {attn.name = "untold"}, tensor<40x100xi1> {attn.name = "mask"}, tensor<4000xi32> {attn.name = "lengths"},
        tensor<50x2x6xi32> {attn.name = "pages"}, tensor<50x1x6xi32> {attn.name = "few"}, tensor<20x30xi32> {attn.name = "segments"},
        tensor<6xi32> {attn.name = "cu"}, tensor<1x1x33x4xf32> {attn.name = "out"}) {
  %o = attn.attention %x, %x, %x mask <document> cu_q(%cu : tensor<6xi32>) cu_kv(%cu : tensor<6xi32>)
      : tensor<1x1x33x4xf32>, tensor<1x1x33x4xf32>, tensor<1x1x33x4xf32> -> tensor<1x1x33x4xf32>
  return %normal, %plain, %uniform, %whole, %constant, %zeros, %untold, %mask, %lengths, %pages, %few, %segments, %cu, %o
      : tensor<4000xf32>, tensor<4000xbf16>, tensor<4000xf32>, tensor<4000xi32>, tensor<5xi64>, tensor<5xf32>, tensor<5xi32>,
        tensor<40x100xi1>, tensor<4000xi32>, tensor<50x2x6xi32>, tensor<50x1x6xi32>, tensor<20x30xi32>, tensor<6xi32>, tensor<1x1x33x4xf32>
}
