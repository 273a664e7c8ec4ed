// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
def Named : Pass<"attn-named", "func::FuncOp"> {}
def Forgotten : Pass<"attn-forgotten", "func::FuncOp"> {}
def Prefix : Pass<"attn-named-too", "func::FuncOp"> {}
