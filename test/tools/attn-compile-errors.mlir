// What attn-compile refuses, and that it leaves nothing behind.

// RUN: rm -rf %t && split-file %s %t && mkdir %t/out
// RUN: cd %t

// RUN: not attn-compile good.mlir -o out/x.so --target=quantum 2>&1 | FileCheck %s --check-prefix=TARGET
// TARGET: expects a target out of host, {{.*}}, but got 'quantum'

// RUN: not attn-compile good.mlir -o out/x.so -O7 2>&1 | FileCheck %s --check-prefix=LEVEL
// LEVEL: expects an optimization level of 0 to 3, but got 7

// RUN: not attn-compile scalar.mlir -o out/x.so 2>&1 | FileCheck %s --check-prefix=SCALAR
// SCALAR: @main expects argument 1 to be a ranked tensor of f64, f32, f16, bf16, i64, i32, i8 or i1 {{.*}}, but got f32

// RUN: not attn-compile dtype.mlir -o out/x.so 2>&1 | FileCheck %s --check-prefix=DTYPE
// DTYPE: @main expects argument 0 to be a ranked tensor {{.*}}, but got tensor<4xi16>

// RUN: not attn-compile private.mlir -o out/x.so 2>&1 | FileCheck %s --check-prefix=PRIVATE
// PRIVATE: expects at least one public function with a body, but got none

// RUN: not attn-compile name.mlir -o out/x.so 2>&1 | FileCheck %s --check-prefix=NAME
// NAME: expects the name of a public function to be letters, digits and '_', but got 'a b'

// Errors in the program carry the place and the line.
// RUN: not attn-compile syntax.mlir -o out/x.so 2>&1 | FileCheck %s --check-prefix=SYNTAX
// SYNTAX: attn-compile: error: syntax.mlir:2:10: error: use of undeclared SSA value name
// SYNTAX-NEXT: {{^}}  return %y : tensor<4xf32>
// SYNTAX-NEXT: {{^}}         ^
// RUN: not attn-compile heads.mlir -o out/x.so 2>&1 | FileCheck %s --check-prefix=HEADS
// HEADS: heads.mlir:2:8: error: 'attn.attention' op expects

// Errors and crashes inside LLVM.
// RUN: not attn-compile assembly.mlir -o out/x.so 2>&1 | FileCheck %s --check-prefix=ASSEMBLY
// ASSEMBLY: LLVM refused the program: <inline asm>:1:2: invalid instruction mnemonic 'bogus'
// RUN: not attn-compile fatal.mlir -o out/x.so --target=generic 2>&1 | FileCheck %s --check-prefix=FATAL
// FATAL: internal error: the compiler crashed (code {{[0-9]+}}); please report the program
// RUN: not attn-compile library.mlir -o out/x.so 2>&1 | FileCheck %s --check-prefix=LIBRARY
// LIBRARY: expects code that calls libattnrt and the C library only, but got calls of: unheard_of

// No linker; a place that cannot be written.
// RUN: env ATTN_LINKER=%t/none not attn-compile good.mlir -o out/x.so 2>&1 | FileCheck %s --check-prefix=LINKER
// LINKER: expects the linker lld to write a package, but found none (looked for {{.*}}none)
// RUN: env ATTN_LINKER=/bin/false not attn-compile good.mlir -o out/x.so 2>&1 | FileCheck %s --check-prefix=BROKEN
// BROKEN: expects /bin/false to link the package, but got: status
// RUN: not attn-compile good.mlir -o nowhere/x.so 2>&1 | FileCheck %s --check-prefix=NOWHERE
// NOWHERE: expects to write 'nowhere/x.so.{{.*}}', but got: No such file or directory
// RUN: not attn-compile good.mlir -o /dev/full 2>&1 | FileCheck %s --check-prefix=DEVICE
// DEVICE: expects to write '/dev/full', but got something there that is no regular file
// RUN: not attn-compile good.mlir --emit=attn -o /dev/full 2>&1 | FileCheck %s --check-prefix=FULL
// RUN: not attn-compile good.mlir --emit=attn > /dev/full 2> full.txt
// RUN: FileCheck %s --check-prefix=FULL < full.txt
// FULL: expects to write {{.*}}, but got: No space left on device
// RUN: not attn-compile - < good.mlir 2>&1 | FileCheck %s --check-prefix=OUTPUT
// OUTPUT: expects '-o FILE' when the program comes from standard input

// RUN: ls out | count 0

//--- good.mlir
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
//--- scalar.mlir
func.func @main(%x: tensor<4xf32>, %s: f32) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
//--- dtype.mlir
func.func @main(%x: tensor<4xi16>) -> tensor<4xi16> {
  return %x : tensor<4xi16>
}
//--- private.mlir
func.func private @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
//--- name.mlir
func.func @"a b"(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
//--- syntax.mlir
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %y : tensor<4xf32>
}
//--- heads.mlir
func.func @main(%q: tensor<1x5x8x16xf32>, %k: tensor<1x2x8x16xf32>) -> tensor<1x5x8x16xf32> {
  %o = attn.attention %q, %k, %k : tensor<1x5x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32> -> tensor<1x5x8x16xf32>
  return %o : tensor<1x5x8x16xf32>
}
//--- assembly.mlir
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %e = tensor.extract %x[%c0] : tensor<4xf32>
  %r = llvm.inline_asm "bogus $0, $1", "=r,r" %e : (f32) -> f32
  %o = tensor.insert %r into %x[%c0] : tensor<4xf32>
  return %o : tensor<4xf32>
}
//--- fatal.mlir
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %e = tensor.extract %x[%c0] : tensor<4xf32>
  %u = llvm.mlir.undef : vector<16xf32>
  %z = llvm.mlir.constant(0 : i32) : i32
  %v = llvm.insertelement %e, %u[%z : i32] : vector<16xf32>
  %m = llvm.mlir.constant(1 : i16) : i16
  %w = llvm.call_intrinsic "llvm.x86.avx512.rsqrt14.ps.512"(%v, %u, %m) : (vector<16xf32>, vector<16xf32>, i16) -> vector<16xf32>
  %r = llvm.extractelement %w[%z : i32] : vector<16xf32>
  %o = tensor.insert %r into %x[%c0] : tensor<4xf32>
  return %o : tensor<4xf32>
}
//--- library.mlir
llvm.func @unheard_of(f32) -> f32
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %e = tensor.extract %x[%c0] : tensor<4xf32>
  %r = llvm.call @unheard_of(%e) : (f32) -> f32
  %o = tensor.insert %r into %x[%c0] : tensor<4xf32>
  return %o : tensor<4xf32>
}
