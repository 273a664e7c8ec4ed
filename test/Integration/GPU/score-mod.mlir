// RUN-ON: emulated, cuda, cpu, oracle
// ALiBi with a captured slope per head.
func.func @main(%q: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %t: tensor<2xf32> {attn.dims = ["2"], attn.input = #attn.gen<"uniform", [0.0, 0.5]>})
    -> (tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 65, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      align bottom_right
      captures(%t : tensor<2xf32>)
      score_mod {
      ^bb0(%x: f32, %b: i32, %h: i32, %i: i32, %j: i32, %slopes: tensor<2xf32>):
        %away = arith.subi %j, %i : i32
        %far = arith.sitofp %away : i32 to f32
        %slope = attn.load %slopes[%h] : tensor<2xf32>
        %bent = arith.mulf %far, %slope : f32
        %r = arith.addf %x, %bent : f32
        attn.yield %r : f32
      }
      : tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xbf16>, tensor<?x2x?xf32>
}
