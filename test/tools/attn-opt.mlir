// Text and bytecode give the same program, through a pipe or a file.

// RUN: attn-opt %s | FileCheck %s
// RUN: attn-opt %s | attn-opt - | FileCheck %s
// RUN: attn-opt %s --emit-bytecode -o %t.mlirbc
// RUN: attn-opt %t.mlirbc | FileCheck %s
// RUN: attn-opt - < %t.mlirbc | FileCheck %s

// A pass, a named pipeline, a textual pipeline.
// RUN: attn-opt --canonicalize %s | FileCheck %s
// RUN: attn-opt --attn-lower-to-cpu %s | FileCheck %s --check-prefix=LOWERED
// RUN: attn-opt --pass-pipeline='builtin.module(attn-lower-to-cpu{isa=generic})' %s | FileCheck %s --check-prefix=LOWERED

// RUN: attn-opt --show-dialects | FileCheck %s --check-prefix=DIALECTS
// RUN: attn-opt --help | FileCheck %s --check-prefix=HELP

// Truncated bytecode, and a disk that is full.
// RUN: %python -c "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read()[:200])" %t.mlirbc > %t.short.mlirbc
// RUN: not attn-opt %t.short.mlirbc 2>&1 | FileCheck %s --check-prefix=SHORT
// RUN: not attn-opt %s -o /dev/full 2>&1 | FileCheck %s --check-prefix=FULL
// RUN: not attn-opt %t.none.mlir 2>&1 | FileCheck %s --check-prefix=NONE

// CHECK-LABEL: func.func @main
// CHECK: attn.attention {{.*}}<causal> align

// LOWERED: llvm.func @attn_entry_main
// LOWERED: llvm.func @attn_shape_main

// DIALECTS: attn
// HELP: attn-lower-to-cpu
// HELP: EXAMPLES:
// SHORT: short.mlirbc
// SHORT-NOT: PLEASE submit
// FULL: expects to write '/dev/full', but got: No space left on device
// NONE: expects a readable file, but got '{{.*}}none.mlir'

func.func @main(%q: tensor<2x4x?x16xf32>, %k: tensor<2x4x?x16xf32>, %v: tensor<2x4x?x16xf32>) -> tensor<2x4x?x16xf32> {
  %o = attn.attention %q, %k, %v mask #attn.mask<causal> align top_left
      : tensor<2x4x?x16xf32>, tensor<2x4x?x16xf32>, tensor<2x4x?x16xf32> -> tensor<2x4x?x16xf32>
  return %o : tensor<2x4x?x16xf32>
}
