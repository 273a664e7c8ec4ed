// RUN-ON: cpu, oracle
// arith and math on tensors and scalars around attention.

// A residual around attention, and a gate.
func.func @residual(%x: tensor<?x4x?x32xf32> {attn.name = "x", attn.dims = ["B", "4", "S", "32"]},
                    %g: tensor<?x4x?x32xf32> {attn.name = "g", attn.dims = ["B", "4", "S", "32"]}) -> tensor<?x4x?x32xf32>
    attributes {attn.sizes = [{B = 1, S = 1}, {B = 2, S = 65}, {B = 0, S = 3}]} {
  %o = attn.attention %x, %x, %x mask <causal> : tensor<?x4x?x32xf32>, tensor<?x4x?x32xf32>, tensor<?x4x?x32xf32> -> tensor<?x4x?x32xf32>
  %n = arith.negf %g : tensor<?x4x?x32xf32>
  %e = math.exp %n : tensor<?x4x?x32xf32>
  %one = arith.constant 1.0 : f32
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %x, %c0 : tensor<?x4x?x32xf32>
  %s = tensor.dim %x, %c2 : tensor<?x4x?x32xf32>
  %ones = tensor.splat %one[%b, %s] : tensor<?x4x?x32xf32>
  %d = arith.addf %ones, %e : tensor<?x4x?x32xf32>
  %w = arith.divf %ones, %d : tensor<?x4x?x32xf32>
  %y = arith.mulf %o, %w : tensor<?x4x?x32xf32>
  %r = arith.addf %x, %y : tensor<?x4x?x32xf32>
  return %r : tensor<?x4x?x32xf32>
}

// Many functions of moderate numbers.
func.func @functions(%x: tensor<3x65xf32> {attn.name = "x", attn.input = #attn.gen<"uniform", [0.1, 3.0]>},
                     %y: tensor<3x65xf32> {attn.name = "y", attn.input = #attn.gen<"uniform", [-2.0, 2.0]>}) -> (tensor<3x65xf32>, tensor<3x65xf32>) {
  %0 = math.log %x : tensor<3x65xf32>
  %1 = math.sqrt %x : tensor<3x65xf32>
  %2 = math.rsqrt %x : tensor<3x65xf32>
  %3 = math.tanh %y : tensor<3x65xf32>
  %4 = math.exp2 %y : tensor<3x65xf32>
  %5 = math.absf %y : tensor<3x65xf32>
  %6 = math.erf %y : tensor<3x65xf32>
  %7 = math.sin %y : tensor<3x65xf32>
  %8 = math.floor %y : tensor<3x65xf32>
  %9 = arith.addf %0, %1 : tensor<3x65xf32>
  %10 = arith.mulf %9, %2 : tensor<3x65xf32>
  %11 = arith.subf %10, %3 : tensor<3x65xf32>
  %12 = arith.maximumf %11, %7 : tensor<3x65xf32>
  %13 = arith.minimumf %4, %5 : tensor<3x65xf32>
  %14 = arith.addf %13, %6 : tensor<3x65xf32>
  %15 = arith.cmpf olt, %8, %14 : tensor<3x65xf32>
  %16 = arith.select %15, %12, %14 : tensor<3x65xi1>, tensor<3x65xf32>
  return %16, %14 : tensor<3x65xf32>, tensor<3x65xf32>
}

// Integers, and lengths that the program computes itself.
func.func @computed_lengths(%q: tensor<4x2x3x16xf32> {attn.name = "q"}, %k: tensor<4x2x33x16xf32> {attn.name = "k"},
                            %n: tensor<4xi32> {attn.name = "n", attn.input = #attn.gen<"uniform", [-100.0, 100.0]>})
    -> (tensor<4x2x3x16xf32>, tensor<4xi32>) {
  %limit = arith.constant dense<34> : tensor<4xi32>
  %zero = arith.constant dense<0> : tensor<4xi32>
  %r = arith.remsi %n, %limit : tensor<4xi32>
  %l = arith.maxsi %r, %zero : tensor<4xi32>
  %o = attn.attention %q, %k, %k kv_lengths(%l : tensor<4xi32>)
      : tensor<4x2x3x16xf32>, tensor<4x2x33x16xf32>, tensor<4x2x33x16xf32> -> tensor<4x2x3x16xf32>
  return %o, %l : tensor<4x2x3x16xf32>, tensor<4xi32>
}

// A mask that the program computes itself.
func.func @computed_mask(%q: tensor<1x2x9x16xf32> {attn.name = "q"}, %k: tensor<1x2x33x16xf32> {attn.name = "k"},
                         %a: tensor<9x33xf32> {attn.name = "a"}, %b: tensor<9x33xi1> {attn.name = "b"}) -> (tensor<1x2x9x16xf32>, tensor<9x33xi1>) {
  %zero = arith.constant dense<0.0> : tensor<9x33xf32>
  %p = arith.cmpf ogt, %a, %zero : tensor<9x33xf32>
  %m = arith.andi %p, %b : tensor<9x33xi1>
  %o = attn.attention %q, %k, %k mask_tensor(%m : tensor<9x33xi1>)
      : tensor<1x2x9x16xf32>, tensor<1x2x33x16xf32>, tensor<1x2x33x16xf32> -> tensor<1x2x9x16xf32>
  return %o, %m : tensor<1x2x9x16xf32>, tensor<9x33xi1>
}

// Attention in another precision than the program's.
func.func @precisions(%x: tensor<1x2x17x64xf32> {attn.name = "x"}) -> (tensor<1x2x17x64xf32>, tensor<1x2x17x64xbf16>) {
  %h = arith.truncf %x : tensor<1x2x17x64xf32> to tensor<1x2x17x64xbf16>
  %o = attn.attention %h, %h, %h : tensor<1x2x17x64xbf16>, tensor<1x2x17x64xbf16>, tensor<1x2x17x64xbf16> -> tensor<1x2x17x64xbf16>
  %r = arith.extf %o : tensor<1x2x17x64xbf16> to tensor<1x2x17x64xf32>
  return %r, %o : tensor<1x2x17x64xf32>, tensor<1x2x17x64xbf16>
}

// No attention at all.
func.func @integers(%a: tensor<2x9xi32> {attn.name = "a", attn.input = #attn.gen<"uniform", [-50.0, 50.0]>},
                    %b: tensor<2x9xi32> {attn.name = "b", attn.input = #attn.gen<"uniform", [1.0, 9.0]>}) -> (tensor<2x9xi32>, tensor<2x9xi64>, tensor<2x9xf32>) {
  %s = arith.muli %a, %b : tensor<2x9xi32>
  %d = arith.floordivsi %s, %b : tensor<2x9xi32>
  %x = arith.xori %d, %s : tensor<2x9xi32>
  %w = arith.extsi %x : tensor<2x9xi32> to tensor<2x9xi64>
  %f = arith.sitofp %x : tensor<2x9xi32> to tensor<2x9xf32>
  return %d, %w, %f : tensor<2x9xi32>, tensor<2x9xi64>, tensor<2x9xf32>
}
