// RUN-ON: cpu, oracle
// States over parts of the keys, merged.

// Keys in two halves, then merged: the same as all at once.
func.func @two_halves(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "Q", "64"]},
                      %k: tensor<?x2x64x64xf32> {attn.name = "k", attn.dims = ["B", "2", "64", "64"]},
                      %v: tensor<?x2x64x64xf32> {attn.name = "v", attn.dims = ["B", "2", "64", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 1}, {B = 2, Q = 17}, {B = 1, Q = 130}]} {
  %c0 = arith.constant 0 : index
  %b = tensor.dim %k, %c0 : tensor<?x2x64x64xf32>
  %k0 = tensor.extract_slice %k[0, 0, 0, 0] [%b, 2, 23, 64] [1, 1, 1, 1] : tensor<?x2x64x64xf32> to tensor<?x2x23x64xf32>
  %v0 = tensor.extract_slice %v[0, 0, 0, 0] [%b, 2, 23, 64] [1, 1, 1, 1] : tensor<?x2x64x64xf32> to tensor<?x2x23x64xf32>
  %k1 = tensor.extract_slice %k[0, 0, 23, 0] [%b, 2, 41, 64] [1, 1, 1, 1] : tensor<?x2x64x64xf32> to tensor<?x2x41x64xf32>
  %v1 = tensor.extract_slice %v[0, 0, 23, 0] [%b, 2, 41, 64] [1, 1, 1, 1] : tensor<?x2x64x64xf32> to tensor<?x2x41x64xf32>
  %o0, %l0 = attn.attention %q, %k0, %v0
      : tensor<?x4x?x64xf32>, tensor<?x2x23x64xf32>, tensor<?x2x23x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %o1, %l1 = attn.attention %q, %k1, %v1
      : tensor<?x4x?x64xf32>, tensor<?x2x41x64xf32>, tensor<?x2x41x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  %out, %lse = attn.merge_states outs(%o0, %o1 : tensor<?x4x?x64xf32>, tensor<?x4x?x64xf32>)
      lses(%l0, %l1 : tensor<?x4x?xf32>, tensor<?x4x?xf32>) -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

// Three states of arbitrary numbers, one of them far below the others.
func.func @three_states(%a: tensor<?x3x?x40xf32> {attn.name = "a", attn.dims = ["B", "3", "S", "40"]},
                        %b: tensor<?x3x?x40xf32> {attn.name = "b", attn.dims = ["B", "3", "S", "40"]},
                        %c: tensor<?x3x?x40xf32> {attn.name = "c", attn.dims = ["B", "3", "S", "40"]},
                        %la: tensor<?x3x?xf32> {attn.name = "la", attn.dims = ["B", "3", "S"], attn.input = #attn.gen<"normal", [3.0]>},
                        %lb: tensor<?x3x?xf32> {attn.name = "lb", attn.dims = ["B", "3", "S"], attn.input = #attn.gen<"normal", [3.0]>},
                        %lc: tensor<?x3x?xf32> {attn.name = "lc", attn.dims = ["B", "3", "S"], attn.input = #attn.gen<"uniform", [-60.0, -50.0]>})
    -> (tensor<?x3x?x40xf32>, tensor<?x3x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 1}, {B = 2, S = 33}, {B = 0, S = 4}]} {
  %out, %lse = attn.merge_states outs(%a, %b, %c : tensor<?x3x?x40xf32>, tensor<?x3x?x40xf32>, tensor<?x3x?x40xf32>)
      lses(%la, %lb, %lc : tensor<?x3x?xf32>, tensor<?x3x?xf32>, tensor<?x3x?xf32>) -> tensor<?x3x?x40xf32>, tensor<?x3x?xf32>
  return %out, %lse : tensor<?x3x?x40xf32>, tensor<?x3x?xf32>
}

// A state of no key changes nothing, whatever its out holds; two of them give 0 and -inf.
func.func @empty_states(%a: tensor<2x3x8xf32> {attn.name = "a"}, %la: tensor<2x3xf32> {attn.name = "la"})
    -> (tensor<2x3x8xf32>, tensor<2x3xf32>, tensor<2x3x8xf32>, tensor<2x3xf32>) {
  %nan = arith.constant dense<0x7FC00000> : tensor<2x3x8xf32>
  %none = arith.constant dense<0xFF800000> : tensor<2x3xf32>
  %o, %l = attn.merge_states outs(%nan, %a : tensor<2x3x8xf32>, tensor<2x3x8xf32>)
      lses(%none, %la : tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3x8xf32>, tensor<2x3xf32>
  %p, %m = attn.merge_states outs(%nan, %nan : tensor<2x3x8xf32>, tensor<2x3x8xf32>)
      lses(%none, %none : tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3x8xf32>, tensor<2x3xf32>
  return %o, %l, %p, %m : tensor<2x3x8xf32>, tensor<2x3xf32>, tensor<2x3x8xf32>, tensor<2x3xf32>
}

func.func @bf16(%a: tensor<2x65x64xbf16> {attn.name = "a"}, %b: tensor<2x65x64xbf16> {attn.name = "b"},
                %la: tensor<2x65xf32> {attn.name = "la"}, %lb: tensor<2x65xf32> {attn.name = "lb"})
    -> (tensor<2x65x64xbf16>, tensor<2x65xf32>) {
  %out, %lse = attn.merge_states outs(%a, %b : tensor<2x65x64xbf16>, tensor<2x65x64xbf16>)
      lses(%la, %lb : tensor<2x65xf32>, tensor<2x65xf32>) -> tensor<2x65x64xbf16>, tensor<2x65xf32>
  return %out, %lse : tensor<2x65x64xbf16>, tensor<2x65xf32>
}

func.func @f64(%a: tensor<2x5x64xf64> {attn.name = "a"}, %b: tensor<2x5x64xf64> {attn.name = "b"},
               %la: tensor<2x5xf64> {attn.name = "la"}, %lb: tensor<2x5xf64> {attn.name = "lb"})
    -> (tensor<2x5x64xf64>, tensor<2x5xf64>) {
  %out, %lse = attn.merge_states outs(%a, %b : tensor<2x5x64xf64>, tensor<2x5x64xf64>)
      lses(%la, %lb : tensor<2x5xf64>, tensor<2x5xf64>) -> tensor<2x5x64xf64>, tensor<2x5xf64>
  return %out, %lse : tensor<2x5x64xf64>, tensor<2x5xf64>
}

// A shared prefix of the batch beside each sequence's own keys.
func.func @shared_prefix(%q: tensor<3x4x2x64xf32> {attn.name = "q"}, %pk: tensor<1x2x40x64xf32> {attn.name = "prefix_k"},
                         %pv: tensor<1x2x40x64xf32> {attn.name = "prefix_v"}, %k: tensor<3x2x9x64xf32> {attn.name = "k"},
                         %v: tensor<3x2x9x64xf32> {attn.name = "v"},
                         %n: tensor<3xi32> {attn.name = "n", attn.input = #attn.gen<"lengths", [0.0, 9.0]>})
    -> (tensor<3x4x2x64xf32>, tensor<3x4x2xf32>) {
  %pk3 = tensor.concat dim(0) %pk, %pk, %pk
      : (tensor<1x2x40x64xf32>, tensor<1x2x40x64xf32>, tensor<1x2x40x64xf32>) -> tensor<3x2x40x64xf32>
  %pv3 = tensor.concat dim(0) %pv, %pv, %pv
      : (tensor<1x2x40x64xf32>, tensor<1x2x40x64xf32>, tensor<1x2x40x64xf32>) -> tensor<3x2x40x64xf32>
  %o0, %l0 = attn.attention %q, %pk3, %pv3
      : tensor<3x4x2x64xf32>, tensor<3x2x40x64xf32>, tensor<3x2x40x64xf32> -> tensor<3x4x2x64xf32>, tensor<3x4x2xf32>
  %o1, %l1 = attn.attention %q, %k, %v mask <causal> align bottom_right kv_lengths(%n : tensor<3xi32>)
      : tensor<3x4x2x64xf32>, tensor<3x2x9x64xf32>, tensor<3x2x9x64xf32> -> tensor<3x4x2x64xf32>, tensor<3x4x2xf32>
  %out, %lse = attn.merge_states outs(%o0, %o1 : tensor<3x4x2x64xf32>, tensor<3x4x2x64xf32>)
      lses(%l0, %l1 : tensor<3x4x2xf32>, tensor<3x4x2xf32>) -> tensor<3x4x2x64xf32>, tensor<3x4x2xf32>
  return %out, %lse : tensor<3x4x2x64xf32>, tensor<3x4x2xf32>
}
