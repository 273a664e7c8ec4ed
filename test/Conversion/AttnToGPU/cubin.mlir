// The kernels assemble for every GPU from Ampere to Hopper; attn-compile fails where ptxas reports a spill.
// REQUIRES: ptxas
// RUN: attn-compile %s --target=sm_80 --emit=cubin -o %t.80 && llvm-readelf --file-headers %t.80 | FileCheck %s
// RUN: attn-compile %s --target=sm_86 --emit=cubin -o %t.86 && llvm-readelf --file-headers %t.86 | FileCheck %s
// RUN: attn-compile %s --target=sm_89 --emit=cubin -o %t.89 && llvm-readelf --file-headers %t.89 | FileCheck %s
// RUN: attn-compile %s --target=sm_90 --emit=cubin -o %t.90 && llvm-readelf --file-headers %t.90 | FileCheck %s

// CHECK: Class: ELF64
// CHECK: Machine: NVIDIA CUDA architecture
func.func @main(%q: tensor<?x8x?x64xbf16>, %k: tensor<?x2x?x64xbf16>) -> tensor<?x8x?x64xbf16> {
  %out = attn.attention %q, %k, %k mask <causal> align bottom_right
      : tensor<?x8x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x8x?x64xbf16>
  return %out : tensor<?x8x?x64xbf16>
}
