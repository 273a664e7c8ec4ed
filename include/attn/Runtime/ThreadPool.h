//===- ThreadPool.h - The pool that runs parallel loops ---------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One pool of helper threads serves all calls of the process. A loop is run by
// the thread that asks for it, and helpers join when they are free: so a loop
// never waits for a thread to become available, several loops can run at the
// same time, and none can deadlock.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_THREADPOOL_H
#define ATTN_RUNTIME_THREADPOOL_H

#include "attn/Runtime/CallContext.h"

#include <atomic>
#include <cstdint>
#include <mutex>

namespace attn::rt {

/// One parallel loop. It lives on the stack of the thread that runs it.
struct Loop {
  AttnBlockFunction block;
  void *context;
  int64_t tasks;
  int64_t scratchBytes;
  /// The call that the loop belongs to.
  CallContext *call;
  /// How many helpers may be inside at once.
  int maxHelpers;

  /// The next task to claim. On a line of its own: it is the one word that all
  /// threads write.
  alignas(64) std::atomic<int64_t> nextTask{0};
  /// The number of helpers inside, and `kWaiting` when the caller sleeps until
  /// it is zero. One word, because the last helper to leave must learn whether
  /// to wake the caller without touching the loop again, which may be gone.
  alignas(64) std::atomic<uint32_t> inside{0};
  /// The pool's list of loops.
  Loop *next = nullptr;

  static constexpr uint32_t kWaiting = 1u << 31;
};

/// The pool. Helpers are started when first needed and then kept: they spin
/// briefly for the next loop and sleep after that.
class ThreadPool {
public:
  /// The pool of this process. It is never destroyed, and is empty again in a
  /// forked child.
  static ThreadPool &get();

  /// Makes the pool. Called once, when the library is loaded.
  static void makeAtLoad();

  /// Runs `loop` on the calling thread and up to `loop.maxHelpers` helpers.
  /// Returns when all tasks are done or the call has failed, with no helper
  /// inside.
  void run(Loop &loop);

  /// Helpers that were started so far.
  int helpersStarted() const { return started; }

private:
  ThreadPool();

  static void *helperMain(void *pool);
  void helperLoop();
  /// Waits until `epoch` is no longer `seen`: spins, then sleeps.
  void waitForWork(uint32_t seen);
  /// Tells helpers that something changed, and wakes up to `sleepersToWake`.
  void announce(int sleepersToWake);
  /// Picks a loop that may use one more helper, and enters it.
  Loop *enterLoop();
  void leaveLoop(Loop *loop);
  void add(Loop &loop);
  void remove(Loop &loop);
  /// Waits until no helper is inside `loop`.
  void waitForHelpers(Loop &loop);
  /// Starts helpers until there are `count`, or until the system refuses.
  void startHelpers(int count);
  static void renewInChild();

  /// Counts announcements; helpers spin and sleep on it.
  alignas(64) std::atomic<uint32_t> epoch{0};
  std::atomic<int> sleepers{0};

  /// Guards all fields below and the lists of loops.
  alignas(64) std::mutex mutex;
  Loop *loops = nullptr;
  /// Threads that run loops of their own.
  int callers = 0;
  /// Helpers that are inside a loop.
  int busyHelpers = 0;
  std::atomic<int> started{0};

  /// How long a helper without work spins.
  const int64_t spinNs;
  /// CPUs at the start: with more threads than these nobody spins.
  const int cpus;
  /// Changes with every fork.
  const uint32_t generation;
};

} // namespace attn::rt

#endif // ATTN_RUNTIME_THREADPOOL_H
