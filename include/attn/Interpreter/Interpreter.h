//===- Interpreter.h - The float64 oracle -----------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs a function in float64 with plain loops. Every backend is compared with
// this one, so it shares no code with any lowering or with the runtime.
//===----------------------------------------------------------------------===//

#ifndef ATTN_INTERPRETER_INTERPRETER_H
#define ATTN_INTERPRETER_INTERPRETER_H

#include "attn/Interpreter/Array.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace mlir::attn {

/// How numbers are held between operations.
enum class Arithmetic {
  /// Float64 throughout. Inputs are taken at the precision they are stored in,
  /// nothing else is rounded, results included.
  Exact,
  /// "Plain same-dtype" (docs/Spec.md, section 5): every result has the
  /// precision of its type in the IR; attention has its scores, its softmax and
  /// its sums in f32 and its weights in the input type, and its gradient the
  /// weights and the gradient by a score. Float64 programs are
  /// computed as by Exact.
  Plain
};

/// What a run saw, as far as the rule for "close enough" wants to know it.
struct RunFacts {
  /// Largest finite |v| at a visible key, and largest finite |score| of a
  /// visible pair, as scale * q.k and as what the softmax takes, over all
  /// attention ops that ran.
  double maxAbsValue = 0;
  double maxAbsScore = 0;
  /// Visible pairs of a query and a key, over all attention ops that ran.
  double visiblePairs = 0;
  /// The type with the fewest mantissa bits that an attention op computed in.
  DType coarsest = DType::F64;
  /// True for each result that is a log-sum-exp (perhaps sliced or joined).
  llvm::SmallVector<bool> resultIsLse;
  /// For each result that is a gradient the largest sum, over its elements, of
  /// the sizes of the terms that it is a sum of.
  llvm::SmallVector<std::optional<double>> gradScale;
};

struct InterpretOptions {
  Arithmetic arithmetic = Arithmetic::Exact;
  /// Which of the plain ways, for Arithmetic::Plain. 0: natural exponentials,
  /// products rounded before they are added, weights normalised first, sums
  /// from front to back. 1: powers of two, fused multiply-add, the reciprocal of
  /// the weights' sum multiplied in last, sums from back to front. Further even
  /// and odd numbers are these two with sums in shuffled orders.
  unsigned variant = 0;
  /// Odd variants cut off sums of products of 16-bit numbers instead of rounding
  /// them, as the matrix units of GPUs may.
  bool matrixUnits = false;
  /// Filled when not null.
  RunFacts *facts = nullptr;
};

/// Runs function `entry` of `module` on `args`. An error has the text
/// "file:line:column: error: 'op' op expects X, but got Y".
///
/// A function may hold attn.attention, its gradient and attn.merge_states, slices, inserts,
/// concatenation, padding, reshapes, casts and fills of tensors, element-wise
/// arith and math on tensors and scalars, func.call, scf.for and scf.if.
///
/// Example: with a module whose @main is the identity on tensor<2xf32>,
/// `interpret(module, "main", {x})` gives {x}.
llvm::Expected<llvm::SmallVector<Array>>
interpret(ModuleOp module, llvm::StringRef entry, llvm::ArrayRef<Array> args,
          const InterpretOptions &options = {});

/// The shapes of the results alone, from the shapes of `args`, whose elements
/// need not be there. Checks sizes as a run would. An error if a result's shape
/// depends on elements that are not there.
llvm::Expected<llvm::SmallVector<llvm::SmallVector<int64_t>>>
interpretShapes(ModuleOp module, llvm::StringRef entry,
                llvm::ArrayRef<Array> args);

} // namespace mlir::attn

#endif // ATTN_INTERPRETER_INTERPRETER_H
