// The descriptors of all operands travel as one parameter of the kernel: more than 4,096 bytes of it need PTX 8.1.
// RUN: rm -rf %t && mkdir %t && %python %S/Inputs/captures.py 60 > %t/60.mlir && %python %S/Inputs/captures.py 400 > %t/400.mlir
// RUN: attn-compile %t/60.mlir --target=sm_80 --emit=ptx | FileCheck %s --check-prefix=PTX
// RUN: not attn-compile %t/400.mlir --target=sm_80 --emit=ptx 2>&1 | FileCheck %s --check-prefix=MOST
// RUN: env ATTN_PTXAS= attn-run %t/60.mlir --backend=emulated --check | FileCheck %s --check-prefix=SAME

// PTX: .version 8.1
// PTX: .visible .entry attn_forward({{[[:space:]]+}}.param .align 8 .b8 attn_forward_param_0[{{[5-9][0-9][0-9][0-9]}}]
// MOST: error: 'attn.key_loop' op expects operands that 32764 bytes of kernel parameters describe, but got {{[0-9]+}}; capture fewer tensors
// SAME: PASS
