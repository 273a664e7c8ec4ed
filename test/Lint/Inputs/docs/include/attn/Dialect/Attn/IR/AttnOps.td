// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "mlir/IR/OpBase.td"
def Attn_Dialect : Dialect {
  let name = "attn";
  let cppNamespace = "::mlir::attn";
}
def Attn_FooOp : Op<Attn_Dialect, "foo"> {
  let summary = "Does what the page does not say";
}
