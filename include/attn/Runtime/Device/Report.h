//===- Report.h - What the last call did on its device ----------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kept by thread, for `attnDeviceReport`.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_DEVICE_REPORT_H
#define ATTN_RUNTIME_DEVICE_REPORT_H

#include "attn/Runtime/Device/Device.h"

namespace attn::rt {

/// Makes `report` the calling thread's last one; null for a call on the CPU.
void keepReport(std::shared_ptr<const CallReport> report);

/// The calling thread's last report as JSON, "{}" when there is none.
std::string lastReportJson();

/// A JSON string of `text`, with its quotes.
std::string quoted(const std::string &text);

} // namespace attn::rt

#endif // ATTN_RUNTIME_DEVICE_REPORT_H
