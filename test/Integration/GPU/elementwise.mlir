// RUN-ON: emulated, cuda, cpu, oracle
// Arithmetic on whole tensors around attention, of several functions and types, in a kernel per loop.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %x: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]})
    -> tensor<?x2x?x64xbf16> attributes {attn.sizes = [{B = 1, Q = 33}, {B = 2, Q = 3}, {B = 1, Q = 0}]} {
  %a = attn.attention %q, %k, %k mask <causal>
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>
  %y = arith.addf %x, %a : tensor<?x2x?x64xbf16>
  return %y : tensor<?x2x?x64xbf16>
}

func.func @functions(%x: tensor<3x65xf32> {attn.input = #attn.gen<"uniform", [0.5, 2.0]>}) -> tensor<3x65xf32> {
  %0 = math.exp2 %x : tensor<3x65xf32>
  %1 = math.rsqrt %0 : tensor<3x65xf32>
  %2 = math.log %x : tensor<3x65xf32>
  %3 = arith.mulf %1, %2 : tensor<3x65xf32>
  %4 = math.tanh %3 : tensor<3x65xf32>
  return %4 : tensor<3x65xf32>
}
