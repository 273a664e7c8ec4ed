//===- Inputs.h - Sizes and input values ------------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Makes a function's inputs from its types, its attributes and a seed.
//===----------------------------------------------------------------------===//

#ifndef ATTN_TOOLS_ATTN_RUN_INPUTS_H
#define ATTN_TOOLS_ATTN_RUN_INPUTS_H

#include "Npz.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace attnrun {

/// Dimension name -> size.
using Sizes = std::map<std::string, int64_t>;

/// The name of argument `index`: its attribute attn.name, else "arg<index>".
std::string argumentName(mlir::func::FuncOp function, unsigned index);
/// The name of result `index`: its attribute attn.name, else "out<index>".
std::string resultName(mlir::func::FuncOp function, unsigned index);

/// The size sets in the function's attribute attn.sizes, a dictionary or an
/// array of such; one empty set when there is none.
///
/// Example: `attributes {attn.sizes = [{S = 17}, {S = 257}]}`.
llvm::Expected<std::vector<Sizes>> sizeSets(mlir::func::FuncOp function);

struct InputOptions {
  uint64_t seed = 0;
  Sizes sizes;
  /// Arrays that are given, by the name of the argument.
  std::map<std::string, NpyArray> given;
};

/// The arguments of `function`. Dynamic axes take their size from the given
/// arrays and from `sizes`, where an axis is known by its name in the
/// argument's attribute attn.dims, else as <argument>.<axis>. The sizes that
/// were found are put into `sizes`.
llvm::Expected<llvm::SmallVector<mlir::attn::Array>>
makeInputs(mlir::func::FuncOp function, InputOptions &options);

} // namespace attnrun

#endif // ATTN_TOOLS_ATTN_RUN_INPUTS_H
