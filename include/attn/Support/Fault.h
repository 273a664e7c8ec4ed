//===- Fault.h - What went wrong, as a class and a text ---------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The classes of error that the tools and the C API report. They become exit
// messages in the tools and exception classes in Python.
//===----------------------------------------------------------------------===//

#ifndef ATTN_SUPPORT_FAULT_H
#define ATTN_SUPPORT_FAULT_H

#include <string>
#include <utility>

namespace attn {

/// The numbers are those of AttnStatus in attn-c/Runtime.h.
enum class FaultClass : int {
  None = 0,
  /// Sizes do not fit, or overflow.
  Shape = 1,
  /// The program is refused: it does not parse, verify or lower.
  Compile = 2,
  /// Memory, disk, depth, bytes or another resource ran out.
  Resource = 3,
  /// A file cannot be written where the caller wants it.
  Cache = 4,
  /// The call itself is wrong.
  Invalid = 8,
};

/// The first thing that went wrong in a call.
struct Fault {
  FaultClass kind = FaultClass::None;
  std::string text;

  explicit operator bool() const { return kind != FaultClass::None; }

  /// Keeps the first fault: later ones are usually its consequences. Returns
  /// false, so that a function can say `return fault.set(...)`.
  bool set(FaultClass newKind, std::string newText) {
    if (kind == FaultClass::None) {
      kind = newKind;
      text = std::move(newText);
    }
    return false;
  }
};

} // namespace attn

#endif // ATTN_SUPPORT_FAULT_H
