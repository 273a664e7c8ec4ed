//===- Report.cpp - What the last call did on its device ------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A report stays what the device wrote down until somebody asks: a call costs
// microseconds, its text more.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Device/Report.h"

using namespace attn::rt;

static thread_local std::shared_ptr<const CallReport> lastReport;

void attn::rt::keepReport(std::shared_ptr<const CallReport> report) {
  lastReport = std::move(report);
}

std::string attn::rt::lastReportJson() {
  return lastReport ? lastReport->json() : "{}";
}

std::string attn::rt::quoted(const std::string &text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      out += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      out += format("\\u%04x", c);
    else
      out += c;
  }
  return out + "\"";
}
