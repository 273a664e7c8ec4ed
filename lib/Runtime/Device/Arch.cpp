//===- Arch.cpp - GPU architectures and what runs where -------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reading "sm_NN" and comparing.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Device/Arch.h"

using namespace attn::rt;

bool attn::rt::parseArch(const std::string &text, Arch &arch) {
  if (text.compare(0, 3, "sm_") != 0)
    return false;
  size_t at = 3;
  int number = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    number = number * 10 + (text[at] - '0');
    if (number > 9999)
      return false;
  }
  // Two digits at least: a major and a minor number.
  if (at < 5)
    return false;
  char suffix = '\0';
  if (at < text.size() && (text[at] == 'a' || text[at] == 'f'))
    suffix = text[at++];
  if (at != text.size())
    return false;
  arch.number = number;
  arch.suffix = suffix;
  return true;
}

bool attn::rt::runsPtx(const Arch &built, const Arch &device) {
  if (built.suffix == 'a')
    return built.number == device.number;
  if (built.suffix == 'f')
    return runsCubin(built, device);
  return built.number <= device.number;
}

bool attn::rt::runsCubin(const Arch &built, const Arch &device) {
  if (built.suffix == 'a')
    return built.number == device.number;
  return built.major() == device.major() && built.number <= device.number;
}
