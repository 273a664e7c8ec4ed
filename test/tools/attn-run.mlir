// What attn-run prints, where sizes and values come from.

// RUN: attn-run %s --backend=oracle --entry=example | FileCheck %s --check-prefix=EXAMPLE
// The numbers of the op's description: weights 1/4, 1/4, 1/2.
// EXAMPLE: out f32[1, 1, 2, 1]: 2.5 2.5
// EXAMPLE-NEXT: lse f32[1, 1, 2]: 1.38629436 1.38629436

// RUN: attn-run %s --entry=example --check | FileCheck %s --check-prefix=CPU
// CPU: out f32[1, 1, 2, 1]: 2.5 2.5
// CPU: {{^}}max_abs_err={{[^ ]+}} max_rel_err={{[^ ]+}} PASS{{$}}
// CPU-NOT: {{.}}

// The entry is main unless told; sizes are those of attn.sizes unless told.
// RUN: attn-run %s --backend=oracle | FileCheck %s --check-prefix=SIZES
// SIZES: out f32[2, 2, 17, 8]: min={{.*}} max={{.*}} mean=
// RUN: attn-run %s --backend=oracle --dim S=3 --dim=B=1 | FileCheck %s --check-prefix=DIM
// DIM: out f32[1, 2, 3, 8]: min=

// The seed decides, and nothing else.
// RUN: attn-run %s --backend=oracle > %t.a
// RUN: attn-run %s --backend=oracle --seed 0 > %t.b
// RUN: attn-run %s --backend=oracle --seed 1 > %t.c
// RUN: cmp %t.a %t.b
// RUN: not cmp %t.a %t.c

// RUN: attn-run - --backend=oracle --entry=example < %s | FileCheck %s --check-prefix=EXAMPLE

// RUN: attn-run %s --backend=cpu --threads 2 --repeat 3 | FileCheck %s --check-prefix=REPEAT
// REPEAT: seconds: best={{[^ ]+}} median={{[^ ]+}} of 3

// RUN: attn-run %s --backend=cpu --entry example --json --check --threads=1 | %python -m json.tool --sort-keys | FileCheck %s --check-prefix=JSON
// JSON: "backend": "cpu",
// JSON: "check": {
// JSON:   "max_abs_err":
// JSON:   "pass": true
// JSON: "compile_seconds":
// JSON: "entry": "example"
// JSON: "name": "out"
// JSON: "values": [
// JSON-NEXT: 2.5,

// What is not finite is spelled out.
// RUN: attn-run %s --backend=oracle --entry=nothing | FileCheck %s --check-prefix=NOTHING
// NOTHING: out0 f32[1, 1, 1, 1]: 0
// NOTHING-NEXT: out1 f32[1, 1, 1]: -inf
// RUN: attn-run %s --backend=oracle --entry=nothing --json | FileCheck %s --check-prefix=INF
// INF: "values":["-inf"]

// RUN: attn-run --help | FileCheck %s --check-prefix=HELP
// HELP: USAGE: attn-run FILE.mlir
// HELP: --suite DIR
// HELP: #attn.gen<"page_table", [pages]>

func.func @main(%q: tensor<?x2x?x8xf32> {attn.name = "q", attn.dims = ["B", "2", "S", "8"]})
    -> (tensor<?x2x?x8xf32> {attn.name = "out"}) attributes {attn.sizes = [{B = 2, S = 17}, {B = 1, S = 1}]} {
  %o = attn.attention %q, %q, %q mask <causal> : tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32> -> tensor<?x2x?x8xf32>
  return %o : tensor<?x2x?x8xf32>
}

func.func @example(%q: tensor<1x1x2x1xf32> {attn.input = #attn.gen<"constant", [1.0]>})
    -> (tensor<1x1x2x1xf32> {attn.name = "out"}, tensor<1x1x2xf32> {attn.name = "lse"}) {
  %k = arith.constant dense<[[[[0.0], [0.0], [0.693147180559945]]]]> : tensor<1x1x3x1xf32>
  %v = arith.constant dense<[[[[1.0], [1.0], [4.0]]]]> : tensor<1x1x3x1xf32>
  %o, %l = attn.attention %q, %k, %v : tensor<1x1x2x1xf32>, tensor<1x1x3x1xf32>, tensor<1x1x3x1xf32> -> tensor<1x1x2x1xf32>, tensor<1x1x2xf32>
  return %o, %l : tensor<1x1x2x1xf32>, tensor<1x1x2xf32>
}

func.func @nothing(%q: tensor<1x1x1x1xf32>, %n: tensor<1xi32>) -> (tensor<1x1x1x1xf32>, tensor<1x1x1xf32>) {
  %o, %l = attn.attention %q, %q, %q kv_lengths(%n : tensor<1xi32>)
      : tensor<1x1x1x1xf32>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xf32> -> tensor<1x1x1x1xf32>, tensor<1x1x1xf32>
  return %o, %l : tensor<1x1x1x1xf32>, tensor<1x1x1xf32>
}
