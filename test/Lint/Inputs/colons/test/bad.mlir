// RUN attn-opt %s | FileCheck %s
// RUN: attn-opt %s --check-prefix=OTHER | FileCheck %s --check-prefix=OTHER
// REQUIRES host-avx2
// OTHER-LABEL func
// OTHER-NXT: return
// OTHER: this one is right
// expected-eror@+1 {{nothing}}
