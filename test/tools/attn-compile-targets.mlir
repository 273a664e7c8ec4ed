// Each class of CPU gets its own vectors, on any machine that compiles.

// REQUIRES: x86
// RUN: attn-compile %s --emit=asm --target=avx512 | FileCheck %s --check-prefix=AVX512
// RUN: sed s/f32/bf16/g %s | attn-compile - --emit=asm --target=avx512bf16 | FileCheck %s --check-prefix=DOT
// RUN: sed s/f32/bf16/g %s | attn-compile - --emit=asm --target=avx512 | FileCheck %s --check-prefix=AVX512 --implicit-check-not=vdpbf16ps
// RUN: attn-compile %s --emit=asm --target=avx2 | FileCheck %s --check-prefix=AVX2 --implicit-check-not=%%zmm
// RUN: attn-compile %s --emit=asm --target=sse4 | FileCheck %s --check-prefix=SSE4 --implicit-check-not=%%ymm --implicit-check-not=%%zmm
// RUN: attn-compile %s --emit=asm --target=generic | FileCheck %s --check-prefix=GENERIC --implicit-check-not=%%ymm --implicit-check-not=%%zmm
// RUN: attn-compile %s --emit=llvm --target=avx2 | FileCheck %s --check-prefix=JSON

// AVX512: vfmadd{{.*}}%zmm
// DOT: vdpbf16ps{{.*}}%zmm
// AVX2: vfmadd{{.*}}%ymm
// SSE4: mulps{{.*}}%xmm
// GENERIC: mulps{{.*}}%xmm
// JSON: \22cpu\22:\22x86-64-v3\22
// JSON-SAME: \22target\22:\22avx2\22

func.func @main(%q: tensor<1x4x?x64xf32>, %k: tensor<1x4x?x64xf32>, %v: tensor<1x4x?x64xf32>) -> tensor<1x4x?x64xf32> {
  %o = attn.attention %q, %k, %v : tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32> -> tensor<1x4x?x64xf32>
  return %o : tensor<1x4x?x64xf32>
}
