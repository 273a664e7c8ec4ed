//===- Package.h - A loaded package -----------------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A package whose code is loaded: its description and the functions of its
// entries.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_PACKAGE_H
#define ATTN_RUNTIME_PACKAGE_H

#include "attn/Runtime/ABI.h"
#include "attn/Runtime/Device/ModuleTable.h"
#include "attn/Runtime/Signature.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

/// The C API's handle.
struct AttnPackage {
  /// The functions of one entry.
  struct Entry {
    AttnEntryFunction run = nullptr;
    AttnShapeFunction shapes = nullptr;
  };

  AttnPackage() = default;
  AttnPackage(const AttnPackage &) = delete;
  AttnPackage &operator=(const AttnPackage &) = delete;
  /// Unloads the code.
  ~AttnPackage();

  /// Where the package came from, for messages.
  std::string path;
  /// The description as it is in the file.
  std::string json;
  attn::rt::Signature signature;
  /// In the order of `signature.entries`.
  std::vector<Entry> entries;
  /// What devices made of the package's images.
  attn::rt::ModuleTable modules;
  /// Calls that run now.
  std::atomic<int> callsInFlight{0};

  /// The dynamic linker's handle.
  void *library = nullptr;
  /// The private copy that the code was loaded from, or -1.
  int copy = -1;
};

namespace attn::rt {

/// Reads, judges and loads the package at `path`.
Status openPackage(const std::string &path,
                   std::unique_ptr<AttnPackage> &package);

} // namespace attn::rt

#endif // ATTN_RUNTIME_PACKAGE_H
