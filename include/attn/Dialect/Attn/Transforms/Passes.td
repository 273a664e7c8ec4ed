//===- Passes.td - Passes from attn to attn -----------------*- tablegen -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#ifndef ATTN_DIALECT_ATTN_TRANSFORMS_PASSES_TD
#define ATTN_DIALECT_ATTN_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def MatchMasks : Pass<"attn-match-masks", "::mlir::func::FuncOp"> {
  let summary = "Turns comparisons of positions in mask_mod into the mask algebra";
  let description = [{
    Before: `attn.attention` with a mask_mod. After: what its result is an `and`
    of is part of `mask` as far as it is made of comparisons that are causal, a
    band or a prefix, with `and`, `or` and negation; the rest stays a mask_mod.
    Masks of the algebra are intervals of keys, which cost what their blocks
    cost; a mask_mod is looked at pair by pair.

    A band whose bounds would be negative (`j < i`) and sums of given positions,
    which may wrap, are left alone: the result is exact.

    Example: `j <= i and i - j < 128 and j % 3 == 0` becomes the mask
    `band<127, 0>` and the mask_mod `j % 3 == 0`;
    test/Dialect/Attn/Transforms/match-masks.mlir.
  }];
  let dependentDialects = ["::mlir::attn::AttnDialect", "::mlir::arith::ArithDialect"];
}

def Schedule : Pass<"attn-schedule", "::mlir::func::FuncOp"> {
  let summary = "Chooses tiles, splits and micro-kernel for each attention";
  let description = [{
    Before: any `attn.attention`. After: each carries `schedule`, taken from the
    row of the schedule table for `isa`; one that already has a schedule keeps
    it. The choice depends on types and options only, never on thread counts.

    Example: test/Dialect/Attn/Transforms/schedule.mlir.
  }];
  let options = [
    Option<"isa", "isa", "std::string", "\"avx2\"",
           "Row of the schedule table: avx512bf16, avx512, avx2, sse4, neon or generic.">
  ];
  let dependentDialects = ["::mlir::attn::AttnDialect"];
}

def ExpandMergeStates : Pass<"attn-expand-merge-states", "::mlir::func::FuncOp"> {
  let summary = "Writes merge_states as elementwise linalg ops";
  let description = [{
    Before: `attn.merge_states`. After: two `linalg.generic`: the merged lse and
    the weighted sum of the outs. A state with lse = -inf is selected away, so
    that what its out holds never matters.

    Example: test/Dialect/Attn/Transforms/expand-merge-states.mlir.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect"];
}

def PlanKeys : Pass<"attn-plan-keys", "::mlir::func::FuncOp"> {
  let summary = "Turns each attention into its key loop";
  let description = [{
    Before: `attn.attention` with a schedule. After: `attn.key_loop`, whose
    regions say which key blocks exist, which of them need a mask, and what is
    added to a score; and `attn.documents` where positions are derived per
    document. Masks become interval arithmetic on slots as far as the algebra
    allows, and a per-pair predicate for the rest, looked at block by block in an
    `attn.block_table` before the loop.

    Example: test/Dialect/Attn/Transforms/plan-keys.mlir, block-table.mlir.
  }];
  let dependentDialects = ["::mlir::attn::AttnDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::math::MathDialect"];
}

#endif // ATTN_DIALECT_ATTN_TRANSFORMS_PASSES_TD
