//===- Compare.h - How close is equal ---------------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one rule by which a result of compiled code is judged (docs/Spec.md,
// section 5).
//===----------------------------------------------------------------------===//

#ifndef ATTN_INTERPRETER_COMPARE_H
#define ATTN_INTERPRETER_COMPARE_H

#include "attn/Interpreter/Interpreter.h"

namespace mlir::attn {

/// The verdict on one result.
struct ResultComparison {
  /// Largest |got - oracle|, and largest |got - oracle| / |oracle|.
  double maxAbsError = 0, maxRelError = 0;
  /// Largest |plain - oracle|: what the same arithmetic costs done plainly.
  double plainError = 0;
  /// What maxAbsError may be.
  double allowed = 0;
  bool pass = true;
  /// Why not, with the element: "expects 0.5 at [0, 3], but got nan".
  std::string reason;
};

/// The verdict on all results of a run.
struct Comparison {
  llvm::SmallVector<ResultComparison> results;
  double maxAbsError = 0, maxRelError = 0;
  bool pass = true;

  /// "max_abs_err=1.2e-07 max_rel_err=3.0e-06 PASS"
  std::string summary() const;
};

/// Judges one result against the oracle's.
///
/// A float result passes when
///
///     max |got - oracle| <= max(2 * max |plain - oracle|, ulp(M))
///
/// where `plain` is the same program in plain same-dtype arithmetic
/// (Arithmetic::Plain) and the error that of the worst of its variants: one
/// order of a few additions may come out exact by luck. M is the largest |v|
/// that any attention saw, or the largest |oracle| if that is more, and ulp is
/// one unit in the last place of the type, the coarsest among the result's and
/// those that attention ran in. An f32 result of attention is the end of a
/// chain of f32 operations, and in place of ulp(M) stands what eight roundings
/// come to:
///
///     5e-7 * M * max(1, max |s| / 8)
///
/// with s the larger of scale * q.k and the score that the softmax takes. With
/// f32 throughout there is also an upper limit:
///
///     max |got - oracle| <= 2e-6 * M * max(1, max |s| / 8)
///
/// For a log-sum-exp M is max(1, max |oracle|), the type is the result's, and
/// the first of these bounds is 5e-7 * max(M, max |s| / 8). With f64 plain and
/// oracle differ in the order of their sums alone, and not at all where there is
/// one number to sum: in place of ulp(M) stands the f32 limit scaled by the ratio
/// of the roundings, 2e-6 * 2^-29.
///
/// A gradient (`gradScale`, the largest sum of the sizes of its terms) may have
/// three times the plain error, or an ulp at max |oracle|, or an f32 ulp at
/// gradScale, since its terms cancel. The f32 limit does not apply, and the bound
/// of f64 has gradScale for M.
///
/// Where the oracle is NaN or infinite the result has to be so too, and
/// nowhere else (an f16 or bf16 result may overflow when the oracle's number
/// rounds to an infinity). Integers and booleans have to be equal.
///
/// Example: oracle 1.0, plain 1.001 and got 0.9985 pass at M = 1 with bf16,
/// since 0.0015 is below both 0.002 and the ulp 0.0078.
ResultComparison compareResult(const Array &got, const Array &oracle,
                               llvm::ArrayRef<const Array *> plain,
                               const RunFacts &facts, bool isLse,
                               std::optional<double> gradScale = {});

/// What the results of one function on one set of inputs have to be: the
/// oracle's results and those of plain arithmetic, from which the bounds
/// follow.
class Judge {
public:
  /// Runs the oracle and plain arithmetic. `matrixUnits`: half of the plain
  /// variants add as the matrix units of a GPU may.
  static llvm::Expected<Judge> create(ModuleOp module, llvm::StringRef entry,
                                      llvm::ArrayRef<Array> args,
                                      bool matrixUnits = false);

  llvm::ArrayRef<Array> oracle() const { return exact; }
  /// Judges each of `results` by the rule above.
  llvm::Expected<Comparison> compare(llvm::ArrayRef<Array> results) const;

private:
  RunFacts facts;
  llvm::SmallVector<Array> exact;
  llvm::SmallVector<llvm::SmallVector<Array>> plain;
};

/// Judges `results` of a run that is judged only once.
llvm::Expected<Comparison> compareWithOracle(ModuleOp module,
                                             llvm::StringRef entry,
                                             llvm::ArrayRef<Array> args,
                                             llvm::ArrayRef<Array> results,
                                             bool matrixUnits = false);

} // namespace mlir::attn

#endif // ATTN_INTERPRETER_COMPARE_H
