//===- Detail.h - Shared by the files of Target -----------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_DETAIL_H
#define ATTN_LIB_TARGET_DETAIL_H

#include "attn/Support/Fault.h"

#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>

namespace attn {

/// Seconds since the last lap.
class Stopwatch {
public:
  double lap() {
    auto now = std::chrono::steady_clock::now();
    double seconds = std::chrono::duration<double>(now - last).count();
    last = now;
    return seconds;
  }

private:
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};

/// Without one, LLVM ends the process on an error that it can report.
class ErrorHandler : public llvm::DiagnosticHandler {
public:
  ErrorHandler(Fault &fault) : fault(fault) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    if (info.getSeverity() != llvm::DS_Error)
      return true;
    std::string text;
    llvm::raw_string_ostream os(text);
    llvm::DiagnosticPrinterRawOStream printer(os);
    info.print(printer);
    fault.set(FaultClass::Compile, "LLVM refused the program: " + text);
    return true;
  }

private:
  Fault &fault;
};

} // namespace attn

#endif // ATTN_LIB_TARGET_DETAIL_H
