// A C program runs a package with libattnrt alone: no LLVM, no MLIR, no compiler half.

// RUN: rm -rf %t && mkdir %t
// RUN: attn-compile %s -o %t/average.so --header %t/average.h
// RUN: clang -std=c11 -Wall -Wextra -Werror -I %src_root/include -I %t %S/Inputs/run-package.c -o %t/run %obj_root/lib/Runtime/libattnrt.so -Wl,-rpath,%obj_root/lib/Runtime
// RUN: cd %t && ./run | FileCheck %s
// RUN: llvm-readelf -d %t/run | FileCheck %s --check-prefix=NEEDED --implicit-check-not=LLVM --implicit-check-not=MLIR

// Scores are 0, so that each query gets the average of the values it sees.
// CHECK: sizes 1 1 3 2
// CHECK: 1.00 10.00
// CHECK: 1.50 15.00
// CHECK: 2.00 20.00
// CHECK: loaded libraries: no LLVM, no MLIR, no libattnc
// NEEDED: libattnrt.so.0

func.func @average(%q: tensor<?x1x?x2xf32> {attn.name = "q"}, %k: tensor<?x1x?x2xf32> {attn.name = "k"},
                   %v: tensor<?x1x?x2xf32> {attn.name = "v"}) -> tensor<?x1x?x2xf32> {
  %o = attn.attention %q, %k, %v mask #attn.mask<causal> align top_left
      : tensor<?x1x?x2xf32>, tensor<?x1x?x2xf32>, tensor<?x1x?x2xf32> -> tensor<?x1x?x2xf32>
  return %o : tensor<?x1x?x2xf32>
}
