//===- PackageFile.h - Reading a package file without loading it ----*- C++
//-*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A package is an ELF shared object. Loading one runs code, and loading a
// truncated one may crash, so the file is read and judged first: its seal, its
// ELF structure, and the description inside.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_PACKAGEFILE_H
#define ATTN_RUNTIME_PACKAGEFILE_H

#include "attn/Runtime/Status.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace attn::rt {

/// The bytes of a package file, and what was found in them.
struct PackageFile {
  /// The absolute path without links.
  std::string path;
  /// The whole file.
  std::string bytes;
  /// The description.
  std::string json;
  /// The first segment with code: where it is in the file, and how long.
  uint64_t codeOffset = 0;
  uint64_t codeSize = 0;
};

/// Reads the file at `path` and judges it.
Status readPackageFile(const std::string &path, PackageFile &file);

/// Judges `bytes` as the contents of a package file and finds the description
/// and the code in them. Any bytes are survived.
Status examinePackageBytes(std::string_view bytes, PackageFile &file);

/// Appends a seal to the file at `path`, or renews the one that is there.
Status sealPackageFile(const std::string &path);

} // namespace attn::rt

#endif // ATTN_RUNTIME_PACKAGEFILE_H
