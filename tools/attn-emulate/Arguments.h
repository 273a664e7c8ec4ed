//===- Arguments.h - Kernel arguments as text -------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What --args says: scalars (`i32:5`) and buffers (`x:f32[1024]=random`).
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TOOLS_ATTN_EMULATE_ARGUMENTS_H
#define ATTN_TOOLS_ATTN_EMULATE_ARGUMENTS_H

#include <cstdint>
#include <string>
#include <vector>

/// An element type: "f32", its bytes, and numpy's name for it.
struct ElementType {
  const char *name;
  unsigned size;
  const char *numpy;
};
const ElementType *findElementType(const std::string &name);

/// One argument of the kernel.
struct Argument {
  std::string name;
  const ElementType *type = nullptr;
  bool isBuffer = false;
  /// A scalar's bytes, or what a buffer starts with.
  std::vector<uint8_t> bytes;
  uint64_t count = 0;
  bool initialized = true;
  /// Where a buffer lies.
  void *pointer = nullptr;
};

/// Reads one argument. False with `error` where it is none.
bool parseArgument(const std::string &text, size_t index, Argument &argument,
                   std::string &error);

/// An element as text.
std::string formatElement(const ElementType &type, const uint8_t *bytes);

/// Writes a buffer: .npy where the name says so, else its bytes.
bool saveBuffer(const std::string &path, const Argument &argument,
                std::string &error);

#endif // ATTN_TOOLS_ATTN_EMULATE_ARGUMENTS_H
