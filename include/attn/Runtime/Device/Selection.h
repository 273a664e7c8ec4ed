//===- Selection.h - Which device a call runs on ----------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Brings together what the package was compiled for, what the caller asked for,
// and where the tensors are.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_DEVICE_SELECTION_H
#define ATTN_RUNTIME_DEVICE_SELECTION_H

#include "attn/Runtime/Device/Device.h"
#include "attn/Runtime/Signature.h"
#include "attn/Runtime/TensorCheck.h"

namespace attn::rt {

/// The arguments, or the results, of a call; null pointers in it are skipped.
struct TensorList {
  const DLTensor *const *tensors;
  int count;
};

/// Opens the device called `name`: "cuda", "cuda:N" or "emulated".
Status openDevice(const std::string &name, Device *&device);

/// Finds the device of a call, null for the CPU, and where its tensors have to
/// be.
Status selectDevice(const Signature &signature,
                    const AttnInvokeOptions &options, TensorList args,
                    TensorList results, Device *&device, TensorPlace &place);

/// All devices as JSON; see `attnDeviceInfo`.
std::string devicesJson();

} // namespace attn::rt

#endif // ATTN_RUNTIME_DEVICE_SELECTION_H
