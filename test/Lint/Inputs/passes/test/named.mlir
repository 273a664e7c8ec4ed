// RUN: attn-opt %s --attn-named
