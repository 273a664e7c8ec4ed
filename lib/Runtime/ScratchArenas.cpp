//===- ScratchArenas.cpp - Scratch memory of one thread -------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Blocks only grow: attention asks for the same few sizes again and again.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/ScratchArenas.h"

#include <cstdlib>

using namespace attn::rt;

ScratchArenas::~ScratchArenas() {
  for (Block &block : blocks)
    std::free(block.data);
}

void *ScratchArenas::get(int depth, int64_t bytes) {
  if (depth < 0 || depth >= kMaxDepth || bytes < 0)
    return nullptr;
  Block &block = blocks[depth];
  if (block.data && block.size >= bytes)
    return block.data;
  // A zero-byte request still gets an address of its own.
  int64_t size = bytes < kAlignment ? kAlignment : bytes;
  void *data = nullptr;
  // The old contents are scratch, so the old block can go first: the peak is
  // then the new size alone.
  std::free(block.data);
  block = Block();
  if (posix_memalign(&data, kAlignment, static_cast<size_t>(size)) != 0)
    return nullptr;
  block.data = data;
  block.size = size;
  return data;
}
