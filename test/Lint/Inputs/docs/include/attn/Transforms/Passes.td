// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "mlir/Pass/PassBase.td"
def Bar : Pass<"attn-bar"> {
  let summary = "Is on no page";
}
