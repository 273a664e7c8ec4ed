// RUN-ON: emulated, cuda, cpu, oracle
// Elementary functions without a library: exp, log, tanh, sqrt, sin, abs.
func.func @main(%q: tensor<?x2x?x64xf32> {attn.dims = ["B", "2", "Q", "64"]},
                %k: tensor<?x2x?x64xf32> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xf32> {attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x2x?x64xf32>, tensor<?x2x?xf32>)
    attributes {attn.sizes = [{B = 1, Q = 33, S = 40}]} {
  %out, %lse = attn.attention %q, %k, %v
      score_mod {
      ^bb0(%x: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %one = arith.constant 1.0 : f32
        %a = math.absf %x : f32
        %n = math.tanh %x : f32
        %e = math.exp %n : f32
        %p = arith.addf %a, %one : f32
        %l = math.log %p : f32
        %s = math.sqrt %p : f32
        %w = math.sin %n : f32
        %u = arith.addf %e, %l : f32
        %y = arith.addf %s, %w : f32
        %r = arith.addf %u, %y : f32
        attn.yield %r : f32
      }
      : tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x2x?x64xf32>, tensor<?x2x?xf32>
  return %out, %lse : tensor<?x2x?x64xf32>, tensor<?x2x?xf32>
}
