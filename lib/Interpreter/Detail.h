//===- Detail.h - Inside of the interpreter ---------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the files of the interpreter share: values, errors, scalar operations.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_INTERPRETER_DETAIL_H
#define ATTN_LIB_INTERPRETER_DETAIL_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Interpreter/Interpreter.h"

#include <memory>

namespace mlir::attn::detail {

/// A value of the program. Without elements (a shape alone) when shapes are
/// asked for.
struct Datum : Array {
  using Array::Array;
  /// The value is a log-sum-exp, or made of such by slicing and joining.
  bool isLse = false;
  /// For a gradient the largest sum of its terms' sizes, else none: what it may
  /// have lost to cancellation (RunFacts::gradScale).
  std::optional<double> gradScale;
};
using Ref = std::shared_ptr<const Datum>;
using MutableRef = std::shared_ptr<Datum>;

/// How the run goes.
struct RunMode {
  Arithmetic arithmetic = Arithmetic::Exact;
  unsigned variant = 0;
  bool matrixUnits = false;
  bool shapesOnly = false;
  RunFacts facts;
};

/// "file:line:column: error: 'attn.attention' op <message>".
llvm::Error opError(Operation *op, const llvm::Twine &message);

/// A new value of element type `dtype`, zeros or, with `shapesOnly`, no
/// elements. An error if it does not fit 63 bits or this machine's memory.
llvm::Expected<MutableRef> makeDatum(Operation *op, DType dtype,
                                     llvm::ArrayRef<int64_t> shape,
                                     bool withElements);

//===----------------------------------------------------------------------===//
// Scalar operations
//===----------------------------------------------------------------------===//

/// A float in `f`, an integer in `i`.
struct Scalar {
  double f = 0;
  int64_t i = 0;
};

/// An arith or math operation, looked up once and then run per element.
struct ScalarOperation {
  int code = -1;
  /// Of cmpf and cmpi.
  int predicate = 0;
  /// Widths of integer operands and results, 64 for index.
  int operandBits = 0, resultBits = 0;
  /// Set when the result is a float that is rounded to its type.
  std::optional<DType> roundedTo;

  /// None if the interpreter does not know the operation.
  static std::optional<ScalarOperation> get(Operation *op,
                                            Arithmetic arithmetic);
  /// `fault` says what went wrong when the result is undefined.
  Scalar run(const Scalar *operands, std::string &fault) const;
};

/// A score_mod or mask_mod region, translated once to a list of operations on
/// numbered slots.
class ScalarProgram {
public:
  static llvm::Expected<ScalarProgram>
  get(Region &region, llvm::ArrayRef<Ref> captures, Arithmetic arithmetic);
  /// Runs on the arguments before the captures. `fault` is set when a load is
  /// out of range or an operation undefined; it matters if the pair is visible.
  Scalar run(llvm::ArrayRef<Scalar> arguments, std::string &fault);
  /// After `run`: the derivative of its result by the first argument, times
  /// `seed`; `read` is told the derivative by each element of a captured tensor
  /// of floats that was loaded (Derivatives.cpp).
  double reverse(double seed, llvm::function_ref<void(const Datum *, int64_t,
                                                      double)> read);

private:
  struct Step {
    ScalarOperation operation;
    llvm::StringRef name;
    /// The captured tensor that the step loads from, or null.
    const Datum *load = nullptr;
    llvm::SmallVector<unsigned, 4> operands;
    unsigned result = 0;
  };
  llvm::SmallVector<Step> steps;
  llvm::SmallVector<Scalar> slots;
  llvm::SmallVector<double> adjoints;
  unsigned yielded = 0;
  Arithmetic arithmetic = Arithmetic::Exact;
};

//===----------------------------------------------------------------------===//
// Operations on tensors
//===----------------------------------------------------------------------===//

/// attn.attention: out and, if asked for, lse.
llvm::Expected<llvm::SmallVector<Ref>>
runAttention(AttentionOp op, llvm::ArrayRef<Ref> operands, RunMode &mode);

/// attn.attention_grad: dq, dk, dv and what else is asked for.
llvm::Expected<llvm::SmallVector<Ref>>
runAttentionGrad(AttentionGradOp op, llvm::ArrayRef<Ref> operands,
                 RunMode &mode);

/// attn.merge_states: out and lse.
llvm::Expected<llvm::SmallVector<Ref>>
runMergeStates(MergeStatesOp op, llvm::ArrayRef<Ref> operands, RunMode &mode);

/// Element-wise arith and math, on scalars and tensors.
llvm::Expected<Ref> runElementwise(Operation *op,
                                   const ScalarOperation &operation,
                                   llvm::ArrayRef<Ref> operands, RunMode &mode);

/// arith.constant.
llvm::Expected<Ref> runConstant(Operation *op, Attribute value);

/// The tensor dialect, but for tensor.pad, whose region the caller runs.
/// None if the operation is not one of those that are known.
llvm::Expected<std::optional<Ref>>
runTensorOp(Operation *op, llvm::ArrayRef<Ref> operands, RunMode &mode);

} // namespace mlir::attn::detail

#endif // ATTN_LIB_INTERPRETER_DETAIL_H
