// How many keys a tile has, and what two stages of it and the queries take of shared memory: at most the 99 KiB
// (101,376 bytes) of sm_86 and sm_89. docs/GPU.md has the table.
// RUN: attn-opt %s --attn-stage-schedule=isa=sm_80 --attn-stage-plan --attn-stage-bufferize \
// RUN:   | FileCheck %s --check-prefix=TILE16
// RUN: attn-opt %s --attn-stage-schedule=isa=sm_80 --attn-stage-plan --attn-stage-bufferize --convert-attn-to-gpu \
// RUN:   | FileCheck %s --check-prefix=BYTES16
// RUN: sed s/f16/f32/g %s > %t.32.mlir
// RUN: attn-opt %t.32.mlir --attn-stage-schedule=isa=sm_80 --attn-stage-plan --attn-stage-bufferize \
// RUN:   | FileCheck %s --check-prefix=TILE32
// RUN: attn-opt %t.32.mlir --attn-stage-schedule=isa=sm_80 --attn-stage-plan --attn-stage-bufferize \
// RUN:   --convert-attn-to-gpu | FileCheck %s --check-prefix=BYTES32

// TILE16: func.func @attn_call_d64
// TILE16: kv_tile = 64,
// TILE16: func.func @attn_call_d128
// TILE16: kv_tile = 64,
// TILE16: func.func @attn_call_d256
// TILE16: kv_tile = 32,
// BYTES16: func.func @attn_call_d64
// BYTES16: arith.constant 46080 : index
// BYTES16: func.func @attn_call_d128
// BYTES16: arith.constant 87040 : index
// BYTES16: func.func @attn_call_d256
// BYTES16: arith.constant 101376 : index

// TILE32: func.func @attn_call_d64
// TILE32: kv_tile = 32,
// TILE32: func.func @attn_call_d128
// TILE32: kv_tile = 16,
// TILE32: func.func @attn_call_d256
// TILE32: kv_tile = 8,
// BYTES32: func.func @attn_call_d64
// BYTES32: arith.constant 52224 : index
// BYTES32: func.func @attn_call_d128
// BYTES32: arith.constant 67584 : index
// BYTES32: func.func @attn_call_d256
// BYTES32: arith.constant 99840 : index
func.func @d64(%q: tensor<1x1x?x64xf16>) -> tensor<1x1x?x64xf16> {
  %out = attn.attention %q, %q, %q : tensor<1x1x?x64xf16>, tensor<1x1x?x64xf16>, tensor<1x1x?x64xf16> -> tensor<1x1x?x64xf16>
  return %out : tensor<1x1x?x64xf16>
}
func.func @d128(%q: tensor<1x1x?x128xf16>) -> tensor<1x1x?x128xf16> {
  %out = attn.attention %q, %q, %q : tensor<1x1x?x128xf16>, tensor<1x1x?x128xf16>, tensor<1x1x?x128xf16> -> tensor<1x1x?x128xf16>
  return %out : tensor<1x1x?x128xf16>
}
func.func @d256(%q: tensor<1x1x?x256xf16>) -> tensor<1x1x?x256xf16> {
  %out = attn.attention %q, %q, %q : tensor<1x1x?x256xf16>, tensor<1x1x?x256xf16>, tensor<1x1x?x256xf16> -> tensor<1x1x?x256xf16>
  return %out : tensor<1x1x?x256xf16>
}
