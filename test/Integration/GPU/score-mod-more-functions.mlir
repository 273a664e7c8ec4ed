// RUN-ON: emulated, cuda, cpu, oracle
// The other functions that a score_mod may call: powers, logarithms, rounding, erf, cos, integer abs.
func.func @main(%q: tensor<1x2x33x32xf32>, %k: tensor<1x2x40x32xf32>, %v: tensor<1x2x40x32xf32>)
    -> (tensor<1x2x33x32xf32>, tensor<1x2x33xf32>) {
  %out, %lse = attn.attention %q, %k, %v
      align top_left
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %one = arith.constant 1.0 : f32
        %three = arith.constant 1.5 : f32
        %a = math.absf %s : f32
        %p = arith.addf %a, %one : f32
        %x0 = math.powf %p, %three : f32
        %x1 = math.log2 %p : f32
        %x2 = math.log1p %a : f32
        %x3 = math.rsqrt %p : f32
        %x4 = math.erf %s : f32
        %x5 = math.cos %s : f32
        %x6 = math.floor %s : f32
        %x7 = math.ceil %s : f32
        %x8 = math.exp2 %x5 : f32
        %d = arith.subi %i, %j : i32
        %away = math.absi %d : i32
        %seven = arith.constant 7 : i32
        %low = arith.floordivsi %d, %seven : i32
        %high = arith.ceildivsi %d, %seven : i32
        %rest = arith.remsi %d, %seven : i32
        %least = arith.minsi %low, %rest : i32
        %most = arith.maxsi %high, %least : i32
        %all = arith.addi %away, %most : i32
        %far = arith.sitofp %all : i32 to f32
        %tenth = arith.constant 0.1 : f32
        %y9 = arith.mulf %far, %tenth : f32
        %y0 = arith.addf %x0, %x1 : f32
        %y1 = arith.addf %x2, %x3 : f32
        %y2 = arith.addf %x4, %x6 : f32
        %y3 = arith.subf %x7, %x8 : f32
        %y4 = arith.addf %y0, %y1 : f32
        %y5 = arith.addf %y2, %y3 : f32
        %y6 = arith.addf %y4, %y5 : f32
        %y7 = arith.subf %y6, %y9 : f32
        %n = arith.negf %y7 : f32
        %m0 = arith.maximumf %y7, %n : f32
        %m1 = arith.minnumf %m0, %y7 : f32
        %r = arith.maxnumf %m1, %y9 : f32
        attn.yield %r : f32
      }
      : tensor<1x2x33x32xf32>, tensor<1x2x40x32xf32>, tensor<1x2x40x32xf32> -> tensor<1x2x33x32xf32>, tensor<1x2x33xf32>
  return %out, %lse : tensor<1x2x33x32xf32>, tensor<1x2x33xf32>
}
