//===- CallContext.cpp - The state of one call ----------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Failing is a longjmp, not an exception: the frames in between are generated
// code without unwind tables. That is sound because generated code owns nothing
// that a destructor would free; its memory is on the call's list.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/CallContext.h"

#include "attn/Runtime/ThreadCount.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

using namespace attn::rt;

ThreadState &attn::rt::threadState() {
  static thread_local ThreadState state;
  return state;
}

int64_t attn::rt::monotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
}

bool attn::rt::runProtected(void (*fn)(void *), void *arg) {
  ThreadState &state = threadState();
  // None of these changes after setjmp, so their values are defined when the
  // second return comes.
  Landing landing;
  Landing *const outerLanding = state.landing;
  const int outerDepth = state.depth;
  ThreadState *const thread = &state;
  if (_setjmp(landing.buffer) == 0) {
    thread->landing = &landing;
    fn(arg);
    thread->landing = outerLanding;
    return true;
  }
  thread->landing = outerLanding;
  thread->depth = outerDepth;
  return false;
}

//===----------------------------------------------------------------------===//
// Beginning and end
//===----------------------------------------------------------------------===//

CallContext::CallContext(int threads, int (*pollFn)(void *), void *arg,
                         DeviceCall *device)
    : outer(threadState().call), invoker(&threadState()), threadCount(threads),
      deviceCall(device), poll(pollFn), pollArg(arg) {
  allocations.previous = allocations.next = &allocations;
  text[0] = '\0'; // not all of it, in every call
  invoker->call = this;
}

int CallContext::threads() {
  int threads = threadCount.load(std::memory_order_relaxed);
  if (threads == 0) {
    threads = machineThreadCount();
    threadCount.store(threads, std::memory_order_relaxed);
  }
  return threads;
}

CallContext::~CallContext() {
  invoker->call = outer;
  // No lock: the helpers have left. (After a fork within the call one of them
  // may have held it, in a thread that does not exist any more.)
  for (Allocation *a = allocations.next; a != &allocations;) {
    Allocation *next = a->next;
    std::free(a->raw);
    a = next;
  }
}

//===----------------------------------------------------------------------===//
// Failing
//===----------------------------------------------------------------------===//

void CallContext::recordFailure(int32_t failureCode, const char *message) {
  int expected = kNone;
  // The first failure wins; the others are most often its consequences.
  if (!failureState.compare_exchange_strong(expected, kRecording))
    return;
  code = failureCode > ATTN_OK && failureCode <= ATTN_DEVICE_FINDING
             ? failureCode
             : ATTN_INVALID;
  std::snprintf(text, sizeof(text), "%s", message ? message : "");
  failureState.store(kRecorded, std::memory_order_release);
}

/// The part of `leaveIfFailed` that owns something.
static bool recordIfFailed(CallContext &call, Status status) {
  if (status.ok())
    return false;
  call.recordFailure(status.code(), status.message().c_str());
  return true;
}

void CallContext::leaveIfFailed(Status status) {
  if (recordIfFailed(*this, std::exchange(status, Status())))
    unwind();
}

void CallContext::unwind() { longjmp(threadState().landing->buffer, 1); }

void attn::rt::fail(int32_t code, const char *fmt, ...) {
  char message[CallContext::kMaxMessage];
  va_list args;
  va_start(args, fmt);
  std::vsnprintf(message, sizeof(message), fmt, args);
  va_end(args);
  attnrt_fail(code, message);
}

void attnrt_fail(int32_t code, const char *msg) {
  ThreadState &state = threadState();
  if (!state.call || !state.landing) {
    std::fprintf(stderr, "attn: failure outside of a call: %s\n",
                 msg ? msg : "");
    std::abort();
  }
  state.call->recordFailure(code, msg);
  state.call->unwind();
}

//===----------------------------------------------------------------------===//
// Cancellation
//===----------------------------------------------------------------------===//

void CallContext::pollIfDue() {
  if (!poll || &threadState() != invoker || stopRequested())
    return;
  // The first look starts the clock: what is over by then reads none.
  int64_t now = monotonicNs();
  if (nextPollNs == 0)
    nextPollNs = now + kPollIntervalNs;
  if (now < nextPollNs)
    return;
  int answer = poll(pollArg);
  // From the end of the poll: a slow poll must not leave no time for the work.
  nextPollNs = monotonicNs() + kPollIntervalNs;
  if (answer != 0)
    recordFailure(ATTN_CANCELLED, "cancelled by the caller's poll function");
}

//===----------------------------------------------------------------------===//
// Counters
//===----------------------------------------------------------------------===//

void CallContext::count(int32_t which, int64_t n) {
  if (which >= 0 && which < kNumCounters)
    counts[which].fetch_add(n, std::memory_order_relaxed);
}

AttnCounters CallContext::counters() const {
  auto get = [&](int which) {
    return counts[which].load(std::memory_order_relaxed);
  };
  AttnCounters result;
  result.guard_recomputations = get(ATTNRT_GUARD_RECOMPUTATIONS);
  result.key_tiles_computed = get(ATTNRT_KEY_TILES_COMPUTED);
  result.key_tiles_masked = get(ATTNRT_KEY_TILES_MASKED);
  result.key_tiles_skipped_by_plan = get(ATTNRT_KEY_TILES_SKIPPED_BY_PLAN);
  result.key_tiles_skipped_by_mask = get(ATTNRT_KEY_TILES_SKIPPED_BY_MASK);
  result.mask_blocks_looked_at = get(ATTNRT_MASK_BLOCKS_LOOKED_AT);
  result.mask_blocks_empty = get(ATTNRT_MASK_BLOCKS_EMPTY);
  result.mask_blocks_full = get(ATTNRT_MASK_BLOCKS_FULL);
  return result;
}

void attnrt_count(int32_t which, int64_t n) {
  if (CallContext *call = threadState().call)
    call->count(which, n);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

void CallContext::link(Allocation *allocation) {
  std::lock_guard<std::mutex> lock(allocationMutex);
  allocation->owner = this;
  allocation->previous = &allocations;
  allocation->next = allocations.next;
  allocations.next->previous = allocation;
  allocations.next = allocation;
}

void CallContext::unlink(Allocation *allocation) {
  std::lock_guard<std::mutex> lock(allocationMutex);
  allocation->previous->next = allocation->next;
  allocation->next->previous = allocation->previous;
}
