// exp, exp2 and tanh of scores are written out: a library would take them lane by lane (with a softcap 2.7 of the time).
// RUN: attn-opt %s --attn-stage-schedule=isa=avx2 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-cpu \
// RUN:   --split-input-file | FileCheck %s

// CHECK-LABEL: func.func private @attn_tile(
// CHECK-NOT: math.{{tanh|exp}}
// CHECK: math.copysign {{.*}} : vector<8xf32>
// CHECK-NOT: math.{{tanh|exp}}
func.func @softcap(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x?x64xf32>) -> tensor<?x8x?x64xf32> {
  %out = attn.attention %q, %k, %k {softcap = 50.0 : f64}
      : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x?x64xf32>
  return %out : tensor<?x8x?x64xf32>
}

// -----

// CHECK-LABEL: func.func private @attn_tile(
// CHECK-NOT: math.exp
// CHECK: arith.fptosi {{.*}} : vector<8xf32> to vector<8xi32>
// CHECK-NOT: math.exp
func.func @exponentials(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x?x64xf32>) -> tensor<?x8x?x64xf32> {
  %out = attn.attention %q, %k, %k
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %x = math.exp %s : f32
        %y = math.exp2 %x : f32
        attn.yield %y : f32
      }
      : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x8x?x64xf32>
  return %out : tensor<?x8x?x64xf32>
}

// -----

// No f64 of our own.
// CHECK-LABEL: func.func private @attn_tile(
// CHECK: math.tanh {{.*}} : vector<4xf64>
func.func @double(%q: tensor<?x8x?x64xf64>, %k: tensor<?x2x?x64xf64>) -> tensor<?x8x?x64xf64> {
  %out = attn.attention %q, %k, %k {softcap = 50.0 : f64}
      : tensor<?x8x?x64xf64>, tensor<?x2x?x64xf64>, tensor<?x2x?x64xf64> -> tensor<?x8x?x64xf64>
  return %out : tensor<?x8x?x64xf64>
}
