//===- Arch.h - GPU architectures and what runs where -----------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// "sm_90a" is number 90 with suffix 'a'. Code without a suffix runs on later
// devices too, as PTX on all of them, as machine code within its major number;
// code with one runs where it was made for.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_DEVICE_ARCH_H
#define ATTN_RUNTIME_DEVICE_ARCH_H

#include <string>

namespace attn::rt {

/// An architecture.
struct Arch {
  int number = 0;
  char suffix = '\0';

  int major() const { return number / 10; }
};

/// Reads "sm_80", "sm_90a", "sm_100f".
bool parseArch(const std::string &text, Arch &arch);

/// Whether PTX, or machine code, that was made for `built` runs on `device`.
bool runsPtx(const Arch &built, const Arch &device);
bool runsCubin(const Arch &built, const Arch &device);

} // namespace attn::rt

#endif // ATTN_RUNTIME_DEVICE_ARCH_H
