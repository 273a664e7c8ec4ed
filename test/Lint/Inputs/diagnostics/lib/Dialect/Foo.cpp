// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
return emitOpError() << "expects one; or two, but got " << n << " of them";
return op.emitError("expects " "a \"quoted\" "
                    "word");
return op->emitOpError() << "expects what nobody tests, but got " << n;
