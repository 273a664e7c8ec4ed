// RUN-ON: emulated, cuda, cpu, oracle
// A condition that is read out of a tensor, elements that are put into one, and arithmetic on tensors of rank 0.
func.func @condition(%q: tensor<1x2x?x16xf16> {attn.dims = ["1", "2", "S", "16"]},
                     %steps: tensor<2xi32> {attn.input = #attn.gen<"constant", [2.0]>},
                     %scale: tensor<f32> {attn.input = #attn.gen<"constant", [0.5]>}) -> (tensor<1x2x?x16xf16>, tensor<3xf32>)
    attributes {attn.sizes = [{S = 5}, {S = 70}]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %two = arith.constant 2 : i32
  %step = tensor.extract %steps[%c1] : tensor<2xi32>
  %yes = arith.cmpi eq, %step, %two : i32
  %count = arith.index_cast %step : i32 to index
  %r = scf.for %n = %c0 to %count step %c1 iter_args(%x = %q) -> (tensor<1x2x?x16xf16>) {
    %y = scf.if %yes -> (tensor<1x2x?x16xf16>) {
      %o = attn.attention %x, %x, %q : tensor<1x2x?x16xf16>, tensor<1x2x?x16xf16>, tensor<1x2x?x16xf16> -> tensor<1x2x?x16xf16>
      scf.yield %o : tensor<1x2x?x16xf16>
    } else {
      scf.yield %q : tensor<1x2x?x16xf16>
    }
    scf.yield %y : tensor<1x2x?x16xf16>
  }
  %double = arith.addf %scale, %scale : tensor<f32>
  %value = tensor.extract %double[] : tensor<f32>
  %start = tensor.splat %value : tensor<3xf32>
  %quarter = arith.constant 0.25 : f32
  %put = tensor.insert %quarter into %start[%c2] : tensor<3xf32>
  return %r, %put : tensor<1x2x?x16xf16>, tensor<3xf32>
}
