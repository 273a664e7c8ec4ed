//===- SanitizerOptions.cpp - Options of the sanitizers -------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Read by the sanitizers' runtimes when the tests are built with them: the
// tests ask for impossible amounts of memory, which is to fail as it does
// without a sanitizer.
//
//===----------------------------------------------------------------------===//

extern "C" {
const char *__asan_default_options();
const char *__tsan_default_options();

const char *__asan_default_options() { return "allocator_may_return_null=1"; }
const char *__tsan_default_options() { return "allocator_may_return_null=1"; }
}
