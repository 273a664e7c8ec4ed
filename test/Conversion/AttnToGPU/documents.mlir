// Documents are found by the runtime on the host, whoever runs the loop: the same calls in the same order.
// RUN: attn-opt %s --attn-stage-schedule=isa=sm_80 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-gpu -o %t.gpu
// RUN: attn-opt %s --attn-stage-schedule=isa=avx2 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-cpu -o %t.cpu
// RUN: grep -oE "call @attnrt_(check|documents)[a-z0-9_]*" %t.gpu > %t.gpu.calls
// RUN: grep -oE "call @attnrt_(check|documents)[a-z0-9_]*" %t.cpu > %t.cpu.calls
// RUN: diff %t.gpu.calls %t.cpu.calls
// RUN: FileCheck %s < %t.gpu

// CHECK-LABEL: func.func @attn_call_main
// CHECK: call @attnrt_check_eq
// CHECK-COUNT-2: call @attnrt_check_increasing_i32
// CHECK: call @attnrt_documents_cu
// CHECK-COUNT-4: call @attnrt_check_eq
// CHECK: call @attnrt_check_heads
// CHECK: call @attnrt_gpu_launch
// CHECK-NOT: attn.documents

// Kernels read what the runtime wrote: segments, positions and bounds are i32 in global memory.
// CHECK-LABEL: gpu.func @attn_forward(
// CHECK: memref.load %{{.*}} : memref<1x?xi32, {{.*}}, 1>
func.func @main(%q: tensor<?x2x?x64xf16>, %k: tensor<?x2x?x64xf16>, %cq: tensor<5xi32>, %ck: tensor<5xi32>)
    -> tensor<?x2x?x64xf16> {
  %out = attn.attention %q, %k, %k mask <and(document, causal)> align top_left
      cu_q(%cq : tensor<5xi32>) cu_kv(%ck : tensor<5xi32>)
      : tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16> -> tensor<?x2x?x64xf16>
  return %out : tensor<?x2x?x64xf16>
}
