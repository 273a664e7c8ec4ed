// RUN-ON: emulated, cuda, cpu, oracle
// Every third diagonal is hidden.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 70, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      align top_left
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %sum = arith.addi %i, %j : i32
        %three = arith.constant 3 : i32
        %rest = arith.remsi %sum, %three : i32
        %zero = arith.constant 0 : i32
        %keep = arith.cmpi ne, %rest, %zero : i32
        attn.yield %keep : i1
      }
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
