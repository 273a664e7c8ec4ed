// RUN: attn-opt %s --verify-diagnostics | FileCheck %s
// RUN lines in prose, and CHECKs of another kind, are no directives.
// CHECK-LABEL: func
// CHECK-COUNT-2: return
// expected-error@+1 {{something}}
