//===- Signature.h - What a package says about itself -----------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The description that a package carries as JSON: who made it, for which
// machine, and the types of its entries.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_SIGNATURE_H
#define ATTN_RUNTIME_SIGNATURE_H

#include "attn/Runtime/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attn::rt {

/// An element type: its name in signatures and its DLPack spelling.
struct ElementType {
  const char *name;
  DLDataType type;

  /// Bytes per element; an i1 takes one.
  int64_t bytes() const { return (type.bits + 7) / 8; }
};

/// The element type called `name`, or null.
const ElementType *findElementType(std::string_view name);
/// The element type of a DLPack tensor, or null for one that no entry takes.
const ElementType *findElementType(DLDataType type);
/// The name of any DLPack type, e.g. "f32" or "u16", for messages.
std::string typeName(DLDataType type);

/// The type of one argument or result; -1 stands for a size known at run time.
struct TensorType {
  std::string name;
  const ElementType *element = nullptr;
  std::vector<int64_t> shape;

  int rank() const { return static_cast<int>(shape.size()); }
};

/// The type of one entry.
struct EntryType {
  std::string name;
  std::vector<TensorType> args;
  std::vector<TensorType> results;

  /// The ranks of all results together: how many sizes the shape function
  /// writes.
  int64_t numResultDims() const;
};

/// A package's description.
struct Signature {
  int64_t format = 0;
  std::string version;
  std::string target;
  std::string cpu;
  std::string features;
  /// For the target "cuda": what its kernels were compiled for, e.g. "sm_80".
  std::string arch;
  std::vector<EntryType> entries;

  /// Whether its kernels run on a GPU, or on the emulated one.
  bool onGpu() const { return target == "cuda"; }

  /// The index of the entry called `name`, or -1.
  int findEntry(std::string_view name) const;
};

/// The largest rank of a tensor.
constexpr int kMaxRank = 16;

/// Reads a description. A format other than this runtime's is refused first,
/// since the rest may then mean anything.
Status parseSignature(std::string_view json, Signature &signature);

/// Refuses a package that this runtime's ABI or this machine's CPU does not
/// fit. Whether there is a device for its kernels is asked when it is called.
Status checkCompatible(const Signature &signature);

} // namespace attn::rt

#endif // ATTN_RUNTIME_SIGNATURE_H
