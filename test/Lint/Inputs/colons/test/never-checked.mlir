// RUN: attn-opt %s
// CHECK: return
// expected-error {{nobody compares this}}
