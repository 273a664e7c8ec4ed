//===- ThreadPool.cpp - The pool that runs parallel loops -----------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The life of a loop: the caller puts it on the list and announces it, then
// claims tasks itself. Helpers that notice the announcement enter the loop
// under the mutex and claim tasks too. When none is left the caller takes the
// loop off the list, so that nobody enters any more, and waits for those who
// are inside. A loop that is over before a helper woke up waits for nobody.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/ThreadPool.h"

#include "attn/Runtime/ThreadCount.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <linux/futex.h>
#include <new>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace attn::rt;

//===----------------------------------------------------------------------===//
// Waiting
//===----------------------------------------------------------------------===//

/// Sleeps while `word` holds `value`, at most `timeoutNs` (negative: no limit).
static void futexWait(std::atomic<uint32_t> &word, uint32_t value,
                      int64_t timeoutNs) {
  timespec timeout;
  timeout.tv_sec = timeoutNs / 1000000000;
  timeout.tv_nsec = timeoutNs % 1000000000;
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value,
          timeoutNs < 0 ? nullptr : &timeout, nullptr, 0);
}

/// Wakes up to `count` sleepers. `word` may already be gone: the kernel uses
/// the address only as a key.
static void futexWake(std::atomic<uint32_t> *word, int count) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

/// Tells the core that this is a spin loop.
static inline void pauseCore() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

/// Spins until `done()` or for `ns`. Returns whether it was done.
template <typename Predicate>
static bool spinUntil(int64_t ns, Predicate done) {
  if (done())
    return true;
  if (ns <= 0)
    return false;
  const int64_t deadline = monotonicNs() + ns;
  do {
    for (int i = 0; i < 32; ++i) {
      pauseCore();
      if (done())
        return true;
    }
  } while (monotonicNs() < deadline);
  return false;
}

//===----------------------------------------------------------------------===//
// The pool of the process
//===----------------------------------------------------------------------===//

namespace {
/// Where the pool lives: storage that no destructor ever visits, since helpers
/// outlive `main`.
alignas(64) unsigned char poolStorage[sizeof(ThreadPool)];
std::atomic<uint32_t> forkGeneration{0};
} // namespace

/// The spin time: long enough to bridge the gap between the loops of one call
/// and between calls in a tight sequence, short enough to burn nothing that
/// would show. ATTN_SPIN_US overrides it, 0 for none.
static int64_t readSpinNs() {
  const char *text = std::getenv("ATTN_SPIN_US");
  long us = text ? std::strtol(text, nullptr, 10) : 50;
  return std::min(std::max(us, 0L), 100000L) * 1000;
}

ThreadPool::ThreadPool()
    : spinNs(readSpinNs()), cpus(affinityCpus()),
      generation(forkGeneration.load(std::memory_order_relaxed)) {}

ThreadPool &ThreadPool::get() {
  return *reinterpret_cast<ThreadPool *>(poolStorage);
}

/// Makes the pool, without helpers, when the library is loaded. Not at its
/// first use: a fork in the middle of that would leave a lock behind in the
/// child that nobody opens.
void ThreadPool::makeAtLoad() {
  new (poolStorage) ThreadPool();
  pthread_atfork(nullptr, nullptr, renewInChild);
}

__attribute__((constructor)) static void makePoolAtLoad() {
  ThreadPool::makeAtLoad();
}

/// In a forked child only the forking thread exists: the helpers are gone, and
/// the mutex may be held by a thread that is gone too. A new pool in the same
/// place has neither.
void ThreadPool::renewInChild() {
  forkGeneration.fetch_add(1, std::memory_order_relaxed);
  new (poolStorage) ThreadPool();
}

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

void ThreadPool::startHelpers(int count) {
  if (started.load(std::memory_order_relaxed) >= count)
    return;
  std::lock_guard<std::mutex> lock(mutex);
  // Signals are for the threads of the program, Python's main thread above all.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  while (started.load(std::memory_order_relaxed) < count) {
    pthread_t thread;
    // A refusal (a limit on threads) is no failure: the loop runs on fewer.
    if (pthread_create(&thread, &attributes, helperMain, this) != 0)
      break;
    pthread_setname_np(thread, "attn-helper");
    started.fetch_add(1, std::memory_order_relaxed);
  }
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void *ThreadPool::helperMain(void *pool) {
  static_cast<ThreadPool *>(pool)->helperLoop();
  return nullptr;
}

void ThreadPool::announce(int sleepersToWake) {
  // Both this pair and the one in waitForWork are sequentially consistent: a
  // helper either sees the new epoch before it sleeps or is seen as a sleeper.
  epoch.fetch_add(1, std::memory_order_seq_cst);
  if (sleepersToWake > 0 && sleepers.load(std::memory_order_seq_cst) > 0)
    futexWake(&epoch, sleepersToWake);
}

void ThreadPool::waitForWork(uint32_t seen) {
  bool crowded = started.load(std::memory_order_relaxed) >= cpus;
  if (spinUntil(crowded ? 0 : spinNs,
                [&] { return epoch.load(std::memory_order_acquire) != seen; }))
    return;
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (epoch.load(std::memory_order_seq_cst) == seen)
    futexWait(epoch, seen, -1);
  sleepers.fetch_sub(1, std::memory_order_relaxed);
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

void ThreadPool::add(Loop &loop) {
  std::lock_guard<std::mutex> lock(mutex);
  // At the end: the loop that came first is helped first.
  Loop **at = &loops;
  while (*at)
    at = &(*at)->next;
  *at = &loop;
  ++callers;
}

void ThreadPool::remove(Loop &loop) {
  bool othersWait = false;
  {
    std::lock_guard<std::mutex> lock(mutex);
    Loop **at = &loops;
    while (*at != &loop)
      at = &(*at)->next;
    *at = loop.next;
    --callers;
    othersWait = loops != nullptr;
  }
  // This thread's share of the machine is free for another caller's loop.
  if (othersWait)
    announce(1);
}

Loop *ThreadPool::enterLoop() {
  std::lock_guard<std::mutex> lock(mutex);
  for (Loop *loop = loops; loop; loop = loop->next) {
    int helpers = static_cast<int>(
        loop->inside.load(std::memory_order_relaxed) & ~Loop::kWaiting);
    // The last condition keeps callers and helpers together at the number of
    // threads that one call was given: two threads that call at the same time
    // on two cores run side by side and have no helper each.
    if (helpers < loop->maxHelpers &&
        loop->nextTask.load(std::memory_order_relaxed) < loop->tasks &&
        !loop->call->stopRequested() &&
        callers + busyHelpers < loop->call->threads()) {
      loop->inside.fetch_add(1, std::memory_order_relaxed);
      ++busyHelpers;
      return loop;
    }
  }
  return nullptr;
}

void ThreadPool::leaveLoop(Loop *loop) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    --busyHelpers;
  }
  // Nothing of the loop may be touched after this line, except its address.
  uint32_t before = loop->inside.fetch_sub(1, std::memory_order_acq_rel);
  if (before == (Loop::kWaiting | 1u))
    futexWake(&loop->inside, 1);
}

namespace {
/// What one thread needs while it claims tasks.
struct Participant {
  Loop *loop;
  void *scratch;
};
} // namespace

/// Claims tasks: neighbours, whose operands are neighbours in memory most often,
/// and fewer the fewer are left, so that threads end together. Of 1,024 tasks two
/// threads claim 64, 60, 56, .. 1. Returns how many, from `first` on.
static int64_t claim(Loop &loop, int64_t &first) {
  first = loop.nextTask.load(std::memory_order_relaxed);
  for (;;) {
    int64_t left = loop.tasks - first;
    if (left <= 0)
      return 0;
    int64_t count = std::max<int64_t>(left / (8 * (loop.maxHelpers + 1)), 1);
    if (loop.nextTask.compare_exchange_weak(first, first + count,
                                            std::memory_order_relaxed))
      return count;
  }
}

/// Claims and runs tasks until none is left or the call stops.
static void claimTasks(void *arg) {
  Participant &self = *static_cast<Participant *>(arg);
  Loop &loop = *self.loop;
  CallContext &call = *loop.call;
  int64_t task;
  while (int64_t count = claim(loop, task))
    for (int64_t end = task + count; task < end; ++task) {
      if (call.stopRequested())
        return;
      loop.block(loop.context, task, self.scratch);
      call.pollIfDue();
    }
}

/// Takes part in `loop` on this thread.
static void participate(Loop &loop) {
  ThreadState &state = threadState();
  Participant self{&loop, state.arenas.get(state.depth, loop.scratchBytes)};
  if (!self.scratch) {
    loop.call->recordFailure(
        ATTN_RESOURCE_ERROR,
        format("out of memory: cannot allocate %lld bytes of scratch memory "
               "per thread",
               static_cast<long long>(loop.scratchBytes))
            .c_str());
    return;
  }
  ++state.depth;
  // A failing task comes back here, where the failure is already recorded; the
  // thread that runs the loop passes it on when all threads have stopped.
  runProtected(claimTasks, &self);
  --state.depth;
}

void ThreadPool::helperLoop() {
  ThreadState &state = threadState();
  uint32_t seen = epoch.load(std::memory_order_acquire);
  for (;;) {
    if (Loop *loop = enterLoop()) {
      state.call = loop->call;
      participate(*loop);
      state.call = nullptr;
      leaveLoop(loop);
      continue;
    }
    waitForWork(seen);
    seen = epoch.load(std::memory_order_acquire);
  }
}

void ThreadPool::waitForHelpers(Loop &loop) {
  auto isEmpty = [&] {
    return (loop.inside.load(std::memory_order_acquire) & ~Loop::kWaiting) == 0;
  };
  bool crowded = started.load(std::memory_order_relaxed) >= cpus;
  if (spinUntil(crowded ? 0 : spinNs, isEmpty))
    return;
  while (!isEmpty()) {
    loop.call->pollIfDue();
    uint32_t now =
        loop.inside.fetch_or(Loop::kWaiting, std::memory_order_acq_rel) |
        Loop::kWaiting;
    if (now == Loop::kWaiting)
      return;
    futexWait(loop.inside, now,
              loop.call->hasPoll() ? CallContext::kPollIntervalNs : -1);
  }
}

void ThreadPool::run(Loop &loop) {
  const uint32_t bornIn = generation;
  startHelpers(loop.maxHelpers);
  add(loop);
  announce(loop.maxHelpers);
  participate(loop);
  if (bornIn != forkGeneration.load(std::memory_order_relaxed)) {
    // A poll function forked, and this is the child: the helpers of this loop
    // and their tasks exist only in the parent.
    loop.call->recordFailure(
        ATTN_RESOURCE_ERROR,
        "the process was forked during the call; call again in the child");
    return;
  }
  remove(loop);
  waitForHelpers(loop);
}

//===----------------------------------------------------------------------===//
// The entry point of generated code
//===----------------------------------------------------------------------===//

/// Runs a loop for `call`, which is current on this thread. A failure is
/// recorded in the call.
static void runLoop(AttnBlockFunction block, void *context, int64_t tasks,
                    int64_t scratchBytes, CallContext &call) {
  Loop loop{block, context, tasks, scratchBytes, &call, 0};
  if (tasks > 1)
    loop.maxHelpers =
        static_cast<int>(std::min<int64_t>(call.threads(), tasks)) - 1;
  call.pollIfDue();
  // A loop within a task stays on its thread: the others are busy with tasks
  // of the loop around it.
  if (loop.maxHelpers == 0 || threadState().depth > 0)
    participate(loop);
  else
    ThreadPool::get().run(loop);
}

void attnrt_parallel_for(AttnBlockFunction block, void *context, int64_t tasks,
                         int64_t scratchBytes) {
  if (tasks <= 0)
    return;
  if (CallContext *call = threadState().call) {
    if (call->device())
      fail(ATTN_INVALID, "internal error: a call on a device expects kernels, "
                         "but got a loop for the CPU's threads");
    runLoop(block, context, tasks, scratchBytes, *call);
    if (call->stopRequested())
      call->unwind();
    return;
  }
  // Code that somebody calls without `attnInvoke` gets a call of its own; a
  // failure in it has nowhere to go.
  int threads = 1;
  Status status = resolveThreadCount(0, threads);
  CallContext call(threads, nullptr, nullptr);
  if (!status.ok())
    call.recordFailure(status.code(), status.message().c_str());
  else
    runLoop(block, context, tasks, scratchBytes, call);
  if (call.stopRequested()) {
    std::fprintf(stderr, "attn: failure outside of a call: %s\n",
                 call.failureMessage());
    std::abort();
  }
}
