//===- ScratchArenas.h - Scratch memory of one thread -----------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Scratch memory that one thread keeps between calls, so that a parallel loop
// does not allocate once it is warm.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_SCRATCHARENAS_H
#define ATTN_RUNTIME_SCRATCHARENAS_H

#include <cstdint>

namespace attn::rt {

/// One block of scratch memory per depth of loop nesting: an inner loop must
/// not hand out (or, by growing, move) the memory of the task around it.
class ScratchArenas {
public:
  /// Loops deeper than this get no scratch memory.
  static constexpr int kMaxDepth = 8;
  /// Every block starts on a cache line.
  static constexpr int64_t kAlignment = 64;

  ScratchArenas() = default;
  ScratchArenas(const ScratchArenas &) = delete;
  ScratchArenas &operator=(const ScratchArenas &) = delete;
  ~ScratchArenas();

  /// The block for loops at `depth`, at least `bytes` long. Null when there is
  /// no memory or `depth` is too deep. The contents survive until the block
  /// has to grow.
  void *get(int depth, int64_t bytes);

private:
  struct Block {
    void *data = nullptr;
    int64_t size = 0;
  };
  Block blocks[kMaxDepth];
};

} // namespace attn::rt

#endif // ATTN_RUNTIME_SCRATCHARENAS_H
