// Every wrong input gives one clear message and exit status 1.
// RUN: rm -rf %t && split-file %s %t && cd %t

// RUN: not attn-run 2>&1 | FileCheck %s --check-prefix=NOFILE
// NOFILE: {{^}}error: expects FILE.mlir or --suite DIR, but got neither
// RUN: not attn-run good.mlir --suite . 2>&1 | FileCheck %s --check-prefix=BOTH
// BOTH: error: expects FILE.mlir or --suite DIR, but got both
// RUN: not attn-run good.mlir two.mlir 2>&1 | FileCheck %s --check-prefix=TWO
// TWO: error: expects one file, but got 'good.mlir' and 'two.mlir'
// RUN: not attn-run good.mlir --quick 2>&1 | FileCheck %s --check-prefix=OPTION
// OPTION: error: expects an option of attn-run --help, but got '--quick'
// RUN: not attn-run good.mlir --seed 2>&1 | FileCheck %s --check-prefix=VALUE
// VALUE: error: expects a value for --seed, but got none
// RUN: not attn-run good.mlir --check=yes 2>&1 | FileCheck %s --check-prefix=FLAG
// FLAG: error: expects --check without a value, but got 'yes'
// RUN: not attn-run good.mlir --seed=-1 2>&1 | FileCheck %s --check-prefix=SEED
// SEED: error: expects --seed between 0 and 9223372036854775807, but got '-1'
// RUN: not attn-run good.mlir --threads 2000 2>&1 | FileCheck %s --check-prefix=THREADS
// THREADS: error: expects --threads between 0 and 1024, but got '2000'
// RUN: not attn-run good.mlir --repeat 0 2>&1 | FileCheck %s --check-prefix=REPEAT
// REPEAT: error: expects --repeat between 1 and 1000000000, but got '0'
// RUN: not attn-run good.mlir --backend=gpu 2>&1 | FileCheck %s --check-prefix=BACKEND
// BACKEND: error: expects --backend to be one of oracle, cpu, emulated, cuda, but got 'gpu'
// RUN: not attn-run good.mlir --worst-rounding 2>&1 | FileCheck %s --check-prefix=WORST
// WORST: error: expects --worst-rounding with --backend=emulated, but got --backend=cpu
// RUN: not attn-run good.mlir --progress 2>&1 | FileCheck %s --check-prefix=PROGRESS
// PROGRESS: error: expects --progress with FILE.mlir and --backend=emulated, but got --backend=cpu
// RUN: not attn-run --suite . --pack p 2>&1 | FileCheck %s --check-prefix=PACK
// PACK: error: expects --pack with FILE.mlir and none of --suite, --check, --save, --dim and --entry, but got one of them
// RUN: not attn-run good.mlir --pack p 2>&1 | FileCheck %s --check-prefix=PLACE
// PLACE: error: expects a size for dimension 'arg0.0'
// RUN: not attn-run absent.mlir 2>&1 | FileCheck %s --check-prefix=ABSENT
// ABSENT: absent.mlir
// RUN: not attn-run good.mlir --entry=g 2>&1 | FileCheck %s --check-prefix=ENTRY
// ENTRY: error: expects --entry to name one of f, but got 'g'
// RUN: not attn-run several.mlir 2>&1 | FileCheck %s --check-prefix=SEVERAL
// SEVERAL: error: expects --entry, a function called main or a single public function, but got a, b
// RUN: not attn-run none.mlir 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: expects a public function with a body, but got none

// RUN: not attn-run good.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=SIZE
// SIZE: error: expects a size for dimension 'arg0.0' (axis 0 of 'arg0'), but got none; give --dim arg0.0=N
// RUN: not attn-run good.mlir --backend=oracle --dim arg0.0=-2 2>&1 | FileCheck %s --check-prefix=DIM
// DIM: error: expects --dim NAME=N with N of 0 or more, but got 'arg0.0=-2'
// RUN: not attn-run good.mlir --backend=oracle --dim T=2 2>&1 | FileCheck %s --check-prefix=NAME
// NAME: error: expects dimensions called arg0.0, but got 'T'
// RUN: not attn-run good.mlir --backend=oracle --dim arg0.0=9000000000000000000 2>&1 | FileCheck %s --check-prefix=LARGE
// LARGE: error: expects 'arg0' to have at most 2^32 elements, but got shape [9000000000000000000]
// RUN: not attn-run static.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=STATIC
// STATIC: error: expects dimension 'S' to have one size, but got 3 and 4 at axis 0 of 'arg1'
// RUN: not attn-run sizes.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=SIZES
// SIZES: error: expects attn.sizes of 'f' to hold sizes of 0 or more, but got another attribute for 'S'
// RUN: not attn-run kind.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=KIND
// KIND: error: expects 'arg0' to hold i1 for generator 'mask', but got f32
// RUN: not attn-run pages.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=PAGES
// PAGES: error: expects generator 'page_table' of 'arg0' to have at most 2^24 pages, but got 1000000000000000000
// RUN: not attn-run documents.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=DOCUMENTS
// DOCUMENTS: error: expects generator 'segments' of 'arg0' to have at most 2^24 documents, but got 1000000000000
// RUN: not attn-run use.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=USE
// USE: error: expects 'arg0' to be cu_q or cu_kv of an attention over the function's arguments for generator 'cu_seqlens', but got another use
// RUN: not attn-run scalar.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=SCALAR
// SCALAR: error: expects argument 'arg0' to be a ranked tensor of f64, f32, f16, bf16, i64, i32, i8 or i1, but got another type
// RUN: not attn-run names.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=NAMES
// NAMES: error: expects arguments with different names, but got 'x' twice

// Errors of the program carry the place; those of the parser the line as well.
// RUN: not attn-run syntax.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=SYNTAX
// SYNTAX: syntax.mlir:2:{{[0-9]+}}: error: use of undeclared SSA value name
// SYNTAX-NEXT: {{^}}  return %y : tensor<4xf32>
// RUN: not attn-run op.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=OP
// OP: op.mlir:2:{{[0-9]+}}: error: 'tensor.gather' op expects an operation of attn, {{.*}}, but got 'tensor.gather'
// RUN: not attn-run check.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=CHECK
// CHECK: check.mlir:2:{{[0-9]+}}: error: 'attn.attention' op expects every entry of kv_lengths to lie between 0 and the sequence length, but got 9 at [0]
// RUN: not attn-run memory.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=MEMORY
// MEMORY: memory.mlir:{{.*}} error: 'tensor.empty' op expects values of at most half the memory of this machine ({{[0-9]+}} bytes), but got shape [1099511627776]
// RUN: not attn-run overflow.mlir --backend=oracle 2>&1 | FileCheck %s --check-prefix=OVERFLOW
// OVERFLOW: error: 'tensor.empty' op expects sizes whose product in bytes fits 63 bits, but got shape [4611686018427387904, 3]

//--- good.mlir
func.func @f(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}
//--- several.mlir
func.func @a(%x: tensor<1xf32>) -> tensor<1xf32> {
  return %x : tensor<1xf32>
}
func.func @b(%x: tensor<1xf32>) -> tensor<1xf32> {
  return %x : tensor<1xf32>
}
//--- none.mlir
func.func private @a(%x: tensor<1xf32>) -> tensor<1xf32> {
  return %x : tensor<1xf32>
}
//--- static.mlir
func.func @f(%x: tensor<3xf32> {attn.dims = ["S"]}, %y: tensor<4xf32> {attn.dims = ["S"]}) -> tensor<3xf32> {
  return %x : tensor<3xf32>
}
//--- sizes.mlir
func.func @f(%x: tensor<?xf32> {attn.dims = ["S"]}) -> tensor<?xf32> attributes {attn.sizes = {S = "many"}} {
  return %x : tensor<?xf32>
}
//--- kind.mlir
func.func @f(%x: tensor<3xf32> {attn.input = #attn.gen<"mask", [0.5, 0.0]>}) -> tensor<3xf32> {
  return %x : tensor<3xf32>
}
//--- pages.mlir
func.func @f(%x: tensor<3x7xi32> {attn.input = #attn.gen<"page_table", [1.0e18]>}) -> tensor<3x7xi32> {
  return %x : tensor<3x7xi32>
}
//--- documents.mlir
func.func @f(%x: tensor<3x7xi32> {attn.input = #attn.gen<"segments", [1.0e12]>}) -> tensor<3x7xi32> {
  return %x : tensor<3x7xi32>
}
//--- use.mlir
func.func @f(%x: tensor<3xi32> {attn.input = #attn.gen<"cu_seqlens">}) -> tensor<3xi32> {
  return %x : tensor<3xi32>
}
//--- scalar.mlir
func.func @f(%x: f32) -> f32 {
  return %x : f32
}
//--- names.mlir
func.func @f(%x: tensor<3xf32> {attn.name = "x"}, %y: tensor<3xf32> {attn.name = "x"}) -> tensor<3xf32> {
  return %x : tensor<3xf32>
}
//--- syntax.mlir
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %y : tensor<4xf32>
}
//--- op.mlir
func.func @f(%x: tensor<2x2xf32>, %i: tensor<1x1xi64>) -> tensor<1x2xf32> {
  %y = tensor.gather %x[%i] gather_dims([0]) : (tensor<2x2xf32>, tensor<1x1xi64>) -> tensor<1x2xf32>
  return %y : tensor<1x2xf32>
}
//--- check.mlir
func.func @f(%q: tensor<1x1x2x4xf32>, %n: tensor<1xi32> {attn.input = #attn.gen<"constant", [9.0]>}) -> tensor<1x1x2x4xf32> {
  %o = attn.attention %q, %q, %q kv_lengths(%n : tensor<1xi32>) : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  return %o : tensor<1x1x2x4xf32>
}
//--- memory.mlir
func.func @f(%x: tensor<1xf32>) -> tensor<?xf32> {
  %n = arith.constant 1099511627776 : index
  %y = tensor.empty(%n) : tensor<?xf32>
  return %y : tensor<?xf32>
}
//--- overflow.mlir
func.func @f(%x: tensor<1xf32>) -> tensor<?x3xf32> {
  %n = arith.constant 4611686018427387904 : index
  %y = tensor.empty(%n) : tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}
