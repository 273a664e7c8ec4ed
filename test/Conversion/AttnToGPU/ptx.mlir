// The kernels as PTX: matrix instructions of the inputs' type, asynchronous copies of 16 bytes, no function is called, and
// nothing lies in local memory.
// RUN: attn-compile %s --target=sm_80 --emit=ptx -o %t.bf16.ptx
// RUN: FileCheck %s --check-prefixes=CHECK,MMA,BF16 --implicit-check-not=call --implicit-check-not=.local < %t.bf16.ptx
// RUN: sed s/bf16/f16/g %s > %t.f16.mlir
// RUN: attn-compile %t.f16.mlir --target=sm_80 --emit=ptx -o %t.f16.ptx
// RUN: FileCheck %s --check-prefixes=CHECK,MMA,F16 --implicit-check-not=call --implicit-check-not=.local < %t.f16.ptx
// RUN: sed s/bf16/f32/g %s > %t.f32.mlir
// RUN: attn-compile %t.f32.mlir --target=sm_80 --emit=ptx -o %t.f32.ptx
// RUN: FileCheck %s --check-prefixes=CHECK,F32 --implicit-check-not=call --implicit-check-not=.local \
// RUN:   --implicit-check-not=mma.sync --implicit-check-not=ex2.approx < %t.f32.ptx

// Another GPU, another target.
// RUN: attn-compile %s --target=sm_90 --emit=ptx | FileCheck %s --check-prefix=SM90
// SM90: .target sm_90

// CHECK: .version 8.0
// CHECK: .target sm_80
// CHECK: .extern .shared .align 16 .b8 attn_shared[];
// CHECK: .visible .entry attn_forward(
// CHECK-NEXT: .param .align 8 .b8 attn_forward_param_0[
// CHECK: .maxntid 128, 1, 1
// CHECK-DAG: cp.async.cg.shared.global [%{{[a-z0-9+]*}}], [%{{[a-z0-9+]*}}], 16, %
// CHECK-DAG: cp.async.commit_group
// CHECK-DAG: cp.async.wait_group 1;
// CHECK-DAG: cp.async.wait_group 0;
// CHECK-DAG: bar.sync 0;
// CHECK-DAG: shfl.sync.bfly.b32
// CHECK-DAG: vote.sync.any.pred
// MMA-DAG: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// MMA-DAG: ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// MMA-DAG: ex2.approx.ftz.f32
// BF16-DAG: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// BF16-DAG: cvt.rn.bf16x2.f32
// F16-DAG: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// F16-DAG: cvt.rn.f16x2.f32
// F32-DAG: ld.shared.v4.b32
// F32-DAG: fma.rn.f32
// CHECK: .visible .entry attn_merge(
// CHECK: .visible .entry attn_guard(
func.func @main(%q: tensor<?x8x?x64xbf16>, %k: tensor<?x2x?x64xbf16>, %v: tensor<?x2x?x64xbf16>) -> tensor<?x8x?x64xbf16> {
  %out = attn.attention %q, %k, %v mask <causal> align bottom_right
      : tensor<?x8x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x8x?x64xbf16>
  return %out : tensor<?x8x?x64xbf16>
}
