// RUN-ON: emulated, cuda, cpu, oracle
// Blocks of 64 of one parity: whole tiles are empty, others whole.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 130, S = 260}]} {
  %out, %lse = attn.attention %q, %k, %v
      align top_left
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %six = arith.constant 6 : i32
        %bi = arith.shrui %i, %six : i32
        %bj = arith.shrui %j, %six : i32
        %sum = arith.addi %bi, %bj : i32
        %one = arith.constant 1 : i32
        %odd = arith.andi %sum, %one : i32
        %zero = arith.constant 0 : i32
        %keep = arith.cmpi eq, %odd, %zero : i32
        attn.yield %keep : i1
      }
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
