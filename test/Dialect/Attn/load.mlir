// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s

// Reads of captures of every rank and type, by constants and by computed indices.
// CHECK-LABEL: func.func @captures
// CHECK: attn.load %[[FLAG:.*]][] : tensor<i1>
// CHECK: attn.load %[[TABLE:.*]][%{{.*}}, %{{.*}}] : tensor<?x?xbf16>
// CHECK: attn.load %[[WIDE:.*]][%{{.*}}] : tensor<5xi64>
func.func @captures(%q: tensor<1x2x4x8xf32>, %flag: tensor<i1>, %table: tensor<?x?xbf16>, %wide: tensor<5xi64>) {
  %out = attn.attention %q, %q, %q align top_left
      captures(%flag, %table, %wide : tensor<i1>, tensor<?x?xbf16>, tensor<5xi64>)
      score_mod {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %f: tensor<i1>, %t: tensor<?x?xbf16>, %w: tensor<5xi64>):
        %on = attn.load %f[] : tensor<i1>
        %x = attn.load %t[%i, %j] : tensor<?x?xbf16>
        %c3 = arith.constant 3 : i32
        %y = attn.load %w[%c3] : tensor<5xi64>
        %xf = arith.extf %x : bf16 to f32
        %yf = arith.sitofp %y : i64 to f32
        %z = arith.mulf %xf, %yf : f32
        %sum = arith.addf %s, %z : f32
        %r = arith.select %on, %sum, %s : f32
        attn.yield %r : f32
      } : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return
}
