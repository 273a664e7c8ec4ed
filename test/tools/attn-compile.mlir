// From a program to a package and to every stage on the way.

// RUN: rm -rf %t && mkdir %t

// The package exports its interface and nothing else, needs the runtime alone, and carries a description.
// RUN: attn-compile %s -o %t/x.so --header %t/x.h --time 2> %t/times
// RUN: llvm-nm -D --defined-only %t/x.so | FileCheck %s --check-prefix=SYMBOLS --implicit-check-not=' T '
// RUN: llvm-readelf -d %t/x.so | FileCheck %s --check-prefix=NEEDED --implicit-check-not='(NEEDED)'
// RUN: FileCheck %s --check-prefix=HEADER < %t/x.h
// RUN: FileCheck %s --check-prefix=TIMES < %t/times
// RUN: ls %t | FileCheck %s --check-prefix=LEFT --implicit-check-not=tmp --implicit-check-not=.o
// SYMBOLS: T attn_entry_main
// SYMBOLS: R attn_package_json
// SYMBOLS: T attn_shape_main
// NEEDED: (NEEDED) Shared library: [libattnrt.so.0]
// HEADER: Entries of the package x.so
// HEADER: in  query: f32[2, 4, ?, 16]
// HEADER: in  double_: f32[2, 4, ?, 16]
// HEADER: out result0: f32[2, 4, ?, 16]
// HEADER: #define ATTN_MAIN_DIMS 4
// HEADER: attn_main_shapes(AttnPackage *package, const DLTensor *query
// HEADER: attn_main_invoke(AttnPackage *package
// TIMES: {"parse": {{[0-9.]+}}, "passes": {{[0-9.]+}}, "translate": {{[0-9.]+}}, "optimize": {{[0-9.]+}}, "codegen": {{[0-9.]+}}, "link": {{[0-9.]+}}, "total": {{[0-9.]+}}}
// LEFT: times
// LEFT: x.h
// LEFT: x.so

// The default name of a package.
// RUN: cd %t && attn-compile %s && ls attn-compile.so

// RUN: attn-compile %s --emit=attn | FileCheck %s --check-prefix=ATTN
// RUN: attn-compile %s --emit=scheduled --target=avx2 | FileCheck %s --check-prefix=SCHEDULED
// RUN: attn-compile %s --emit=planned | FileCheck %s --check-prefix=PLANNED
// RUN: attn-compile %s --emit=bufferized | FileCheck %s --check-prefix=BUFFERIZED
// RUN: attn-compile %s --emit=lowered | FileCheck %s --check-prefix=LOWERED
// RUN: attn-compile %s --emit=mlir | FileCheck %s --check-prefix=MLIR
// RUN: attn-compile %s --emit=llvm | FileCheck %s --check-prefix=LLVM
// RUN: attn-compile %s --emit=asm | FileCheck %s --check-prefix=ASM
// RUN: attn-compile %s --emit=obj -o %t/x.o && llvm-readelf -h %t/x.o | FileCheck %s --check-prefix=OBJ
// ATTN: attn.attention
// ATTN-NOT: schedule
// SCHEDULED: schedule = #attn.schedule<isa = "avx2"
// PLANNED: attn.key_loop ins({{.*}} tensor<
// BUFFERIZED: attn.key_loop ins({{.*}} memref<
// LOWERED-NOT: attn.key_loop
// LOWERED: vector.fma
// MLIR: llvm.func @attn_entry_main
// LLVM: target triple
// LLVM: @attn_package_json = {{.*}}constant
// LLVM: define void @attn_entry_main
// ASM: .globl attn_entry_main
// OBJ: Type: REL

// A stage can be resumed.
// RUN: attn-compile %s --emit=planned --target=generic | attn-opt --pass-pipeline='builtin.module(attn-stage-bufferize,attn-stage-kernels,attn-stage-llvm)' | FileCheck %s --check-prefix=MLIR

// Bytecode in.
// RUN: attn-opt %s --emit-bytecode -o %t/x.mlirbc
// RUN: attn-compile %t/x.mlirbc --emit=attn | FileCheck %s --check-prefix=ATTN

// The explanation.
// RUN: attn-compile %s --explain --target=avx2 | FileCheck %s --check-prefix=EXPLAIN
// EXPLAIN: "mask":"per pair"
// EXPLAIN-SAME: "range":{"computed":0.{{[0-9]+}}
// EXPLAIN-SAME: "schedule":{{{.*}}"isa":"avx2"
// EXPLAIN-SAME: "notes":["attention 0: blocks of
// EXPLAIN-SAME: "refused":null

// RUN: attn-compile --help | FileCheck %s --check-prefix=HELP
// HELP: compiles attention programs ahead of time
// HELP: --emit=
// HELP: EXAMPLES:

func.func @main(%q: tensor<2x4x?x16xf32> {attn.name = "query"}, %k: tensor<2x4x?x16xf32> {attn.name = "double"},
                %v: tensor<2x4x?x16xf32>) -> tensor<2x4x?x16xf32> {
  %o = attn.attention %q, %k, %v mask #attn.mask<causal> align top_left
      : tensor<2x4x?x16xf32>, tensor<2x4x?x16xf32>, tensor<2x4x?x16xf32> -> tensor<2x4x?x16xf32>
  return %o : tensor<2x4x?x16xf32>
}
