//===- SourceGuard.h - What a parser may be given ---------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MLIR's parser is recursive: text nested a few thousand levels deep ends the
// process, and so do some malformed bytecode files. Text is therefore scanned
// before it is parsed, and bytecode is read in a child process.
//===----------------------------------------------------------------------===//

#ifndef ATTN_SUPPORT_SOURCEGUARD_H
#define ATTN_SUPPORT_SOURCEGUARD_H

#include "attn/Support/Fault.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MemoryBuffer.h"

#include <condition_variable>
#include <memory>
#include <mutex>

namespace mlir {
class DialectRegistry;
class Operation;
} // namespace mlir

namespace attn {

/// What is refused before any work is done on it.
struct Limits {
  /// Size of the source.
  size_t maxBytes = size_t(64) << 20;
  /// Levels of regions, brackets and aliases within aliases.
  unsigned maxDepth = 1000;
  /// Operators in one affine expression (its parser recurses once for each).
  unsigned maxOperators = 10000;
  /// Characters of one number.
  unsigned maxDigits = 1000;
  /// Operations in the module.
  size_t maxOps = 200000;
  /// How long the child that reads bytecode may take, beside one second for
  /// each MiB.
  unsigned bytecodeSeconds = 5;
  /// Address space that the child may add to its parent's.
  size_t bytecodeMemory = size_t(4) << 30;
};

/// Scans MLIR text without parsing it; strings and comments are skipped. False
/// and a fault that names the line if it exceeds the limits. `name` is the
/// file's name in messages.
bool checkText(llvm::StringRef text, llvm::StringRef name, const Limits &limits,
               Fault &fault);

/// Checks `source`, text or bytecode, and returns text that is safe to parse,
/// or null and a fault. Text comes back as it is. Bytecode is turned into text
/// with locations by a child process, so that a file that crashes or hangs the
/// reader becomes a fault.
std::unique_ptr<llvm::MemoryBuffer>
guardSource(std::unique_ptr<llvm::MemoryBuffer> source,
            const mlir::DialectRegistry &registry, const Limits &limits,
            Fault &fault);

/// Reads a file (or standard input for "-") and guards it.
std::unique_ptr<llvm::MemoryBuffer>
readSource(llvm::StringRef path, const mlir::DialectRegistry &registry,
           const Limits &limits, Fault &fault);

/// Counts the operations under `root` and refuses too many.
bool checkSize(mlir::Operation *root, const Limits &limits, Fault &fault);

/// Keeps forks and compilations apart. Whoever works with MLIR or LLVM holds it
/// shared (std::shared_lock); a fork of the process, ours for the bytecode child
/// or anybody's, waits until nobody does. So no child inherits a lock that some
/// other thread held. A fork that waits goes first.
class ForkGate {
public:
  void lock_shared();
  void unlock_shared();
  void lock();
  void unlock();
  /// In the child: nobody is inside.
  void reset();

private:
  std::mutex mutex;
  std::condition_variable changed;
  unsigned inside = 0, waiting = 0;
  bool closed = false;
};

ForkGate &forkGate();

} // namespace attn

#endif // ATTN_SUPPORT_SOURCEGUARD_H
