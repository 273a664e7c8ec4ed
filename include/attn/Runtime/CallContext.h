//===- CallContext.h - The state of one call --------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything that belongs to one invocation of a package entry: its thread
// count, its device, its poll function, its counters, the memory it allocated,
// and how it failed. Generated code never sees it; the `attnrt_*` functions
// find it through the thread they run on.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_CALLCONTEXT_H
#define ATTN_RUNTIME_CALLCONTEXT_H

#include "attn/Runtime/ABI.h"
#include "attn/Runtime/Device/Device.h"
#include "attn/Runtime/ScratchArenas.h"

#include <atomic>
#include <csetjmp>
#include <cstdint>
#include <mutex>

namespace attn::rt {

class CallContext;

/// Where a failure lands: the innermost `runProtected` of this thread.
struct Landing {
  jmp_buf buffer;
};

/// What the runtime knows about one thread.
struct ThreadState {
  /// The call that this thread works for, or null.
  CallContext *call = nullptr;
  /// Where `attnrt_fail` goes, or null outside of a call.
  Landing *landing = nullptr;
  /// How many parallel loops this thread is inside of.
  int depth = 0;
  /// Scratch memory, one block per depth.
  ScratchArenas arenas;
};

/// The state of the calling thread.
ThreadState &threadState();

/// Runs `fn(arg)`. Returns false when a failure ended it; the failure is then
/// recorded in the call. Nothing between this function and the failure is
/// destroyed, so `fn` and what it calls must not own anything at that point.
bool runProtected(void (*fn)(void *), void *arg);

/// One call into a package. Made by the invoking thread on its stack, and
/// current on that thread for as long as it lives; calls nest when a poll
/// function calls again.
class CallContext {
public:
  /// The time between two polls.
  static constexpr int64_t kPollIntervalNs = 10 * 1000 * 1000;
  /// Longer messages are cut.
  static constexpr size_t kMaxMessage = 3072;

  /// `threads` 0: as many as the machine has, asked when a loop wants to know.
  CallContext(int threads, int (*poll)(void *), void *pollArg,
              DeviceCall *device = nullptr);
  CallContext(const CallContext &) = delete;
  CallContext &operator=(const CallContext &) = delete;
  /// Frees what the call allocated and makes the outer call current again.
  ~CallContext();

  int threads();

  /// Where the call's kernels run and its memory is; null for the CPU.
  DeviceCall *device() const { return deviceCall; }

  //===--------------------------------------------------------------------===//
  // Failing
  //===--------------------------------------------------------------------===//

  /// Records a failure unless one is recorded already, and asks all threads of
  /// the call to stop. Any thread of the call may.
  void recordFailure(int32_t code, const char *message);

  /// True when the call is to stop. Looked at between tasks.
  bool stopRequested() const {
    return failureState.load(std::memory_order_relaxed) != kNone;
  }

  /// Leaves the call when `status` is a failure. Takes the status by value and
  /// drops it first, since leaving destroys nothing.
  void leaveIfFailed(Status status);

  /// Leaves the innermost `runProtected`. A failure must be recorded.
  [[noreturn]] void unwind();

  /// The recorded failure; only the invoking thread may ask, with no helper
  /// inside the call.
  int32_t failureCode() const { return code; }
  const char *failureMessage() const { return text; }

  //===--------------------------------------------------------------------===//
  // Cancellation
  //===--------------------------------------------------------------------===//

  /// Calls the poll function when it is due; a request to cancel is recorded
  /// as a failure. Does nothing on helper threads.
  void pollIfDue();

  /// True when there is a poll function.
  bool hasPoll() const { return poll != nullptr; }

  //===--------------------------------------------------------------------===//
  // Counters
  //===--------------------------------------------------------------------===//

  /// Adds to a counter; unknown counters are ignored.
  void count(int32_t which, int64_t n);
  /// The counters so far.
  AttnCounters counters() const;

  //===--------------------------------------------------------------------===//
  // Memory
  //===--------------------------------------------------------------------===//

  /// What precedes every allocation, so that the list costs no memory of its
  /// own.
  struct Allocation {
    Allocation *previous;
    Allocation *next;
    CallContext *owner;
    void *raw;
  };

  /// Adds an allocation to the list of the call, or takes it off.
  void link(Allocation *allocation);
  void unlink(Allocation *allocation);

private:
  enum FailureState : int { kNone, kRecording, kRecorded };

  CallContext *const outer;
  ThreadState *const invoker;
  std::atomic<int> threadCount;
  DeviceCall *const deviceCall;
  int (*const poll)(void *);
  void *const pollArg;
  int64_t nextPollNs = 0;

  std::atomic<int> failureState{kNone};
  int32_t code = 0;
  char text[kMaxMessage]; // once a failure is recorded

  std::mutex allocationMutex;
  Allocation allocations;

  static constexpr int kNumCounters = 8;
  /// Away from the fields above: helpers write these while others read those.
  alignas(64) std::atomic<int64_t> counts[kNumCounters] = {};
};

/// Records a failure for the current call and leaves it. Outside of a call
/// there is nobody to tell, so the process ends with the message.
[[noreturn]] void fail(int32_t code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/// Memory of the host for the current call, wherever it runs; what
/// `attnrt_alloc` gives on the CPU. Freed with the call.
void *allocateOnHost(int64_t bytes);
void freeOnHost(void *p);

/// Nanoseconds of the monotonic clock.
int64_t monotonicNs();

} // namespace attn::rt

#endif // ATTN_RUNTIME_CALLCONTEXT_H
