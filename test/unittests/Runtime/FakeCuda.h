//===- FakeCuda.h - What tests ask of the fake CUDA driver ------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Looked up in the library that FakeCuda.cpp becomes.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TEST_RUNTIME_FAKECUDA_H
#define ATTN_TEST_RUNTIME_FAKECUDA_H

extern "C" {
/// Back to the beginning: two devices, no faults, an empty log.
void fakeCudaReset(void);
/// Lets `function` fail once with `code`, after `after` good calls.
void fakeCudaFail(const char *function, int code, int after);
/// The calls since the last question, one a line.
const char *fakeCudaLog(void);
void fakeCudaDevices(int count);
/// Allocations that nobody freed.
int fakeCudaLiveBlocks(void);
/// How many contexts this thread pushed and did not pop.
int fakeCudaContextDepth(void);
}

#endif // ATTN_TEST_RUNTIME_FAKECUDA_H
