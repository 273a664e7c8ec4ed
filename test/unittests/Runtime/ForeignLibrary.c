//===- ForeignLibrary.c - A shared object that is no package --------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Its constructor leaves a mark in the environment: refusing it must not have
// run it.
//
//===----------------------------------------------------------------------===//

#include <stdlib.h>

__attribute__((constructor)) static void mark(void) {
  setenv("ATTN_TEST_FOREIGN_RAN", "1", 1);
}
