//===- AttnBase.td - The attn dialect -----------------------*- tablegen -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names the dialect and says what its ops have in common.
//===----------------------------------------------------------------------===//

#ifndef ATTN_BASE_TD
#define ATTN_BASE_TD

include "mlir/IR/OpBase.td"

def Attn_Dialect : Dialect {
  let name = "attn";
  let cppNamespace = "::mlir::attn";
  let summary = "Attention as a mergeable reduction over keys";
  let description = [{
    For one query row, attention is a reduction over keys with the state
    (m, l, o): running maximum, sum of exponentials and weighted values;
    equivalently (out, lse). Two states over disjoint key sets merge exactly,
    in any order. The dialect has one op that says what attention means
    (`attn.attention`), one that merges states (`attn.merge_states`), and one
    that says how it is computed without saying on what (`attn.key_loop`, which
    every backend reads).

    Rules that hold everywhere: a row that sees no key gives out = 0 and
    lse = -inf (or its sink); lse is a natural logarithm; softcap comes before
    the mask; a boolean mask says true = attend; a masked pair contributes
    exactly nothing, whatever its key and value hold, NaN included; states are
    f32 (f64 for f64 inputs).

    Version log of the IR: 0.1: attention, merge_states, load, key_loop,
    attention_grad, documents, block_table, key_loop_grad; attention gives
    scores and takes a prob_mod.
  }];
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"
  ];
}

#endif // ATTN_BASE_TD
