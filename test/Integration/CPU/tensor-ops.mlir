// RUN-ON: cpu, oracle
// The operations of tensor around attention: slices, inserts, joins, padding, casts, reshapes.

// The queries are a slice, and what comes out is put back.
func.func @slices(%x: tensor<2x4x10x32xf32> {attn.name = "x"}, %k: tensor<2x4x9x32xf32> {attn.name = "k"})
    -> tensor<2x4x10x32xf32> {
  %q = tensor.extract_slice %x[0, 0, 3, 0] [2, 4, 5, 32] [1, 1, 1, 1] : tensor<2x4x10x32xf32> to tensor<2x4x5x32xf32>
  %o = attn.attention %q, %k, %k : tensor<2x4x5x32xf32>, tensor<2x4x9x32xf32>, tensor<2x4x9x32xf32> -> tensor<2x4x5x32xf32>
  %r = tensor.insert_slice %o into %x[0, 0, 3, 0] [2, 4, 5, 32] [1, 1, 1, 1] : tensor<2x4x5x32xf32> into tensor<2x4x10x32xf32>
  return %r : tensor<2x4x10x32xf32>
}

// q, k and v out of one projection, with strides and a dropped axis.
func.func @fused_projection(%x: tensor<?x3x4x?x16xf32> {attn.name = "x", attn.dims = ["B", "3", "4", "S", "16"]})
    -> tensor<?x4x?x16xf32> attributes {attn.sizes = [{B = 1, S = 1}, {B = 2, S = 65}]} {
  %c0 = arith.constant 0 : index
  %c3 = arith.constant 3 : index
  %b = tensor.dim %x, %c0 : tensor<?x3x4x?x16xf32>
  %s = tensor.dim %x, %c3 : tensor<?x3x4x?x16xf32>
  %q = tensor.extract_slice %x[0, 0, 0, 0, 0] [%b, 1, 4, %s, 16] [1, 1, 1, 1, 1] : tensor<?x3x4x?x16xf32> to tensor<?x4x?x16xf32>
  %k = tensor.extract_slice %x[0, 1, 0, 0, 0] [%b, 1, 4, %s, 16] [1, 1, 1, 1, 1] : tensor<?x3x4x?x16xf32> to tensor<?x4x?x16xf32>
  %v = tensor.extract_slice %x[0, 2, 0, 0, 0] [%b, 1, 4, %s, 16] [1, 1, 1, 1, 1] : tensor<?x3x4x?x16xf32> to tensor<?x4x?x16xf32>
  %o = attn.attention %q, %k, %v mask <causal> align top_left
      : tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32> -> tensor<?x4x?x16xf32>
  return %o : tensor<?x4x?x16xf32>
}

// Every second key.
func.func @strided(%q: tensor<1x2x5x8xf32> {attn.name = "q"}, %k: tensor<1x2x20x8xf32> {attn.name = "k"}) -> tensor<1x2x5x8xf32> {
  %half = tensor.extract_slice %k[0, 0, 1, 0] [1, 2, 10, 8] [1, 1, 2, 1] : tensor<1x2x20x8xf32> to tensor<1x2x10x8xf32>
  %o = attn.attention %q, %half, %half : tensor<1x2x5x8xf32>, tensor<1x2x10x8xf32>, tensor<1x2x10x8xf32> -> tensor<1x2x5x8xf32>
  return %o : tensor<1x2x5x8xf32>
}

// A cache grows by the new keys.
func.func @append(%q: tensor<?x4x?x32xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "32"]},
                  %kc: tensor<?x2x?x32xf32> {attn.name = "k_cache", attn.dims = ["B", "2", "P", "32"]},
                  %vc: tensor<?x2x?x32xf32> {attn.name = "v_cache", attn.dims = ["B", "2", "P", "32"]},
                  %kn: tensor<?x2x?x32xf32> {attn.name = "k_new", attn.dims = ["B", "2", "Q", "32"]},
                  %vn: tensor<?x2x?x32xf32> {attn.name = "v_new", attn.dims = ["B", "2", "Q", "32"]})
    -> (tensor<?x4x?x32xf32>, tensor<?x2x?x32xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1, P = 0}, {B = 2, Q = 1, P = 64}, {B = 1, Q = 17, P = 130}]} {
  %k = tensor.concat dim(2) %kc, %kn : (tensor<?x2x?x32xf32>, tensor<?x2x?x32xf32>) -> tensor<?x2x?x32xf32>
  %v = tensor.concat dim(2) %vc, %vn : (tensor<?x2x?x32xf32>, tensor<?x2x?x32xf32>) -> tensor<?x2x?x32xf32>
  %o = attn.attention %q, %k, %v mask <causal> align bottom_right
      : tensor<?x4x?x32xf32>, tensor<?x2x?x32xf32>, tensor<?x2x?x32xf32> -> tensor<?x4x?x32xf32>
  return %o, %k : tensor<?x4x?x32xf32>, tensor<?x2x?x32xf32>
}

// Padded keys that a length hides, and the result cut back.
func.func @pad(%q: tensor<2x2x5x8xf32> {attn.name = "q"}, %k: tensor<2x2x9x8xf32> {attn.name = "k"},
               %n: tensor<2xi32> {attn.name = "n", attn.input = #attn.gen<"constant", [9.0]>}) -> tensor<2x2x5x8xf32> {
  %nan = arith.constant 0x7FC00000 : f32
  %zero = arith.constant 0.0 : f32
  %kp = tensor.pad %k low[0, 0, 0, 0] high[0, 0, 7, 0] {
  ^bb0(%a: index, %b: index, %c: index, %d: index):
    tensor.yield %nan : f32
  } : tensor<2x2x9x8xf32> to tensor<2x2x16x8xf32>
  %qp = tensor.pad %q low[0, 0, 2, 0] high[0, 0, 1, 0] {
  ^bb0(%a: index, %b: index, %c: index, %d: index):
    tensor.yield %zero : f32
  } : tensor<2x2x5x8xf32> to tensor<2x2x8x8xf32>
  %o = attn.attention %qp, %kp, %kp kv_lengths(%n : tensor<2xi32>)
      : tensor<2x2x8x8xf32>, tensor<2x2x16x8xf32>, tensor<2x2x16x8xf32> -> tensor<2x2x8x8xf32>
  %r = tensor.extract_slice %o[0, 0, 2, 0] [2, 2, 5, 8] [1, 1, 1, 1] : tensor<2x2x8x8xf32> to tensor<2x2x5x8xf32>
  return %r : tensor<2x2x5x8xf32>
}

// Heads split from and joined to the model's width.
func.func @reshapes(%x: tensor<2x17x64xf32> {attn.name = "x"}) -> tensor<2x17x64xf32> {
  %q = tensor.expand_shape %x [[0], [1], [2, 3]] output_shape [2, 17, 4, 16] : tensor<2x17x64xf32> into tensor<2x17x4x16xf32>
  %o = attn.attention %q, %q, %q mask <causal>
      {axes = #attn.axes<q = [b, i, hq, d], k = [b, j, hkv, d], v = [b, j, hkv, e]>}
      : tensor<2x17x4x16xf32>, tensor<2x17x4x16xf32>, tensor<2x17x4x16xf32> -> tensor<2x17x4x16xf32>
  %r = tensor.collapse_shape %o [[0], [1], [2, 3]] : tensor<2x17x4x16xf32> into tensor<2x17x64xf32>
  return %r : tensor<2x17x64xf32>
}

// Between static and dynamic sizes.
func.func @casts(%x: tensor<1x2x8x16xf32> {attn.name = "x"}) -> tensor<1x2x8x16xf32> {
  %d = tensor.cast %x : tensor<1x2x8x16xf32> to tensor<?x?x?x16xf32>
  %o = attn.attention %d, %d, %d : tensor<?x?x?x16xf32>, tensor<?x?x?x16xf32>, tensor<?x?x?x16xf32> -> tensor<?x?x?x16xf32>
  %r = tensor.cast %o : tensor<?x?x?x16xf32> to tensor<1x2x8x16xf32>
  return %r : tensor<1x2x8x16xf32>
}

// A result assembled in an empty tensor; splats; one element read and written.
func.func @assemble(%x: tensor<1x2x4x8xf32> {attn.name = "x"}) -> (tensor<1x2x8x8xf32>, tensor<3xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %half = arith.constant 0.5 : f32
  %o = attn.attention %x, %x, %x : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  %e = tensor.empty() : tensor<1x2x8x8xf32>
  %a = tensor.insert_slice %o into %e[0, 0, 4, 0] [1, 2, 4, 8] [1, 1, 1, 1] : tensor<1x2x4x8xf32> into tensor<1x2x8x8xf32>
  %s = tensor.splat %half : tensor<1x2x4x8xf32>
  %b = tensor.insert_slice %s into %a[0, 0, 0, 0] [1, 2, 4, 8] [1, 1, 1, 1] : tensor<1x2x4x8xf32> into tensor<1x2x8x8xf32>
  %one = tensor.extract %x[%c0, %c1, %c1, %c0] : tensor<1x2x4x8xf32>
  %t = tensor.from_elements %one, %half, %one : tensor<3xf32>
  %u = tensor.insert %half into %t[%c0] : tensor<3xf32>
  return %b, %u : tensor<1x2x8x8xf32>, tensor<3xf32>
}
