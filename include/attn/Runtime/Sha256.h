//===- Sha256.h - SHA-256 ---------------------------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// SHA-256 (FIPS 180-4), for the seal of package files.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_SHA256_H
#define ATTN_RUNTIME_SHA256_H

#include <array>
#include <cstddef>
#include <cstdint>

namespace attn::rt {

/// The digest of `size` bytes at `data`.
std::array<uint8_t, 32> sha256(const void *data, size_t size);

} // namespace attn::rt

#endif // ATTN_RUNTIME_SHA256_H
