//===- ThreadPoolTest.cpp - Tests of parallel loops and calls -------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Parallel loops: all tasks once, in increasing order, scratch memory, nesting,
// several callers, cancellation and failures inside of tasks.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>

using namespace attn::test;
using Clock = std::chrono::steady_clock;

static double millisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start)
      .count();
}

TEST(ParallelFor, RunsEveryTaskOnce) {
  for (int n : {1, 2, 3, 8})
    for (int64_t tasks : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
      auto body = [&](int64_t task, void *) { ++runs[size_t(task)]; };
      auto call = [&] { parallelFor(tasks, 0, body); };
      auto options = threads(n);
      ASSERT_EQ(runInCall(call, &options), ATTN_OK) << attnLastError();
      for (auto &count : runs)
        EXPECT_EQ(count.load(), 1);
    }
}

TEST(ParallelFor, NegativeCountIsEmpty) {
  bool ran = false;
  auto body = [&](int64_t, void *) { ran = true; };
  auto call = [&] { parallelFor(-5, 0, body); };
  EXPECT_EQ(runInCall(call), ATTN_OK);
  EXPECT_FALSE(ran);
}

TEST(ParallelFor, ClaimsInIncreasingOrder) {
  // Each thread sees its own tasks in increasing order, and one thread all.
  std::mutex mutex;
  std::vector<std::pair<std::thread::id, int64_t>> order;
  order.reserve(200);
  auto body = [&](int64_t task, void *) {
    std::lock_guard<std::mutex> lock(mutex);
    order.emplace_back(std::this_thread::get_id(), task);
  };
  auto call = [&] { parallelFor(200, 0, body); };
  for (int n : {1, 2}) {
    order.clear();
    auto options = threads(n);
    ASSERT_EQ(runInCall(call, &options), ATTN_OK);
    ASSERT_EQ(order.size(), 200u);
    std::vector<std::pair<std::thread::id, int64_t>> last;
    for (auto &[thread, task] : order) {
      bool known = false;
      for (auto &[seenThread, seenTask] : last)
        if (seenThread == thread) {
          EXPECT_LT(seenTask, task);
          seenTask = task;
          known = true;
        }
      if (!known)
        last.emplace_back(thread, task);
    }
    EXPECT_LE(last.size(), size_t(n));
  }
}

TEST(ParallelFor, UsesSeveralThreads) {
  // Long tasks give the helper time to come, whatever the machine does.
  std::mutex mutex;
  std::set<std::thread::id> seen;
  auto body = [&](int64_t, void *) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::lock_guard<std::mutex> lock(mutex);
    seen.insert(std::this_thread::get_id());
  };
  auto call = [&] { parallelFor(40, 0, body); };
  auto options = threads(3);
  auto start = Clock::now();
  ASSERT_EQ(runInCall(call, &options), ATTN_OK);
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_LT(millisecondsSince(start), 40 * 5);
}

TEST(ParallelFor, SleepingHelpersWakeUp) {
  auto options = threads(2);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> others{0};
    std::thread::id self = std::this_thread::get_id();
    auto body = [&](int64_t, void *) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      others += std::this_thread::get_id() != self;
    };
    auto call = [&] { parallelFor(20, 0, body); };
    ASSERT_EQ(runInCall(call, &options), ATTN_OK);
    EXPECT_GT(others.load(), 0);
  }
}

//===----------------------------------------------------------------------===//
// Scratch memory
//===----------------------------------------------------------------------===//

TEST(Scratch, AlignedPrivateAndReused) {
  struct Seen {
    std::thread::id thread;
    void *scratch;
  };
  std::vector<Seen> seen(64);
  std::atomic<int> spoiled{0};
  auto body = [&](int64_t task, void *scratch) {
    seen[size_t(task)] = {std::this_thread::get_id(), scratch};
    // Nobody else writes while this task runs.
    std::memset(scratch, int(task), 4096);
    spinFor(50);
    for (int i = 0; i < 4096; ++i)
      spoiled += static_cast<unsigned char *>(scratch)[i] != (task & 255);
  };
  auto call = [&] { parallelFor(64, 4096, body); };
  auto options = threads(2);
  std::vector<Seen> first;
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(runInCall(call, &options), ATTN_OK);
    EXPECT_EQ(spoiled.load(), 0);
    for (Seen &now : seen) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(now.scratch) % 64, 0u);
      // The same thread has the same memory in every task and every call.
      for (Seen &before : first) {
        if (before.thread == now.thread) {
          EXPECT_EQ(before.scratch, now.scratch);
        }
      }
    }
    first = seen;
  }
}

TEST(Scratch, NestedLoopsHaveTheirOwn) {
  std::atomic<int> shared{0}, inner{0};
  auto body = [&](int64_t task, void *outerScratch) {
    std::memset(outerScratch, 1 + int(task), 1000);
    auto innerBody = [&](int64_t, void *innerScratch) {
      ++inner;
      // The inner one is larger, so a shared block would have moved.
      std::memset(innerScratch, 0, 100000);
    };
    parallelFor(3, 100000, innerBody);
    for (int i = 0; i < 1000; ++i)
      shared += static_cast<char *>(outerScratch)[i] != 1 + task;
  };
  auto call = [&] { parallelFor(10, 1000, body); };
  auto options = threads(2);
  ASSERT_EQ(runInCall(call, &options), ATTN_OK) << attnLastError();
  EXPECT_EQ(shared.load(), 0);
  EXPECT_EQ(inner.load(), 30);
}

TEST(Scratch, TooMuchIsAResourceError) {
  auto body = [](int64_t, void *) {};
  auto call = [&] { parallelFor(4, int64_t(1) << 60, body); };
  for (int n : {1, 2}) {
    auto options = threads(n);
    EXPECT_EQ(runInCall(call, &options), ATTN_RESOURCE_ERROR);
    EXPECT_NE(std::string(attnLastError()).find("bytes of scratch memory"),
              std::string::npos)
        << attnLastError();
  }
  // The pool works on.
  auto fine = [&] { parallelFor(4, 64, body); };
  EXPECT_EQ(runInCall(fine), ATTN_OK);
}

//===----------------------------------------------------------------------===//
// Failures
//===----------------------------------------------------------------------===//

TEST(Failure, InATaskEndsTheLoop) {
  for (int n : {1, 2, 4}) {
    std::atomic<int> ran{0};
    auto body = [&](int64_t task, void *) {
      ++ran;
      if (task == 5)
        attnrt_fail(ATTN_NUMERIC_ERROR, "task five found a NaN");
      spinFor(20);
    };
    auto call = [&] { parallelFor(100000, 64, body); };
    auto options = threads(n);
    EXPECT_EQ(runInCall(call, &options), ATTN_NUMERIC_ERROR);
    EXPECT_STREQ(attnLastError(), "entry 'call': task five found a NaN");
    EXPECT_LT(ran.load(), 100000);
    // Nothing of the failure is left.
    std::atomic<int> after{0};
    auto count = [&](int64_t, void *) { ++after; };
    auto again = [&] { parallelFor(10, 64, count); };
    EXPECT_EQ(runInCall(again, &options), ATTN_OK);
    EXPECT_EQ(after.load(), 10);
  }
}

TEST(Failure, InANestedLoop) {
  auto inner = [](int64_t task, void *) {
    if (task == 2)
      attnrt_fail(ATTN_SHAPE_ERROR, "inner");
  };
  auto body = [&](int64_t, void *) { parallelFor(5, 64, inner); };
  auto call = [&] { parallelFor(8, 64, body); };
  auto options = threads(2);
  EXPECT_EQ(runInCall(call, &options), ATTN_SHAPE_ERROR);
  EXPECT_STREQ(attnLastError(), "entry 'call': inner");
}

TEST(Failure, OutsideOfAParallelLoop) {
  auto call = [] { attnrt_fail(ATTN_COMM_ERROR, "the peer left"); };
  EXPECT_EQ(runInCall(call), ATTN_COMM_ERROR);
  EXPECT_STREQ(attnLastError(), "entry 'call': the peer left");
}

TEST(Failure, UnknownCodesBecomeInvalid) {
  for (int code : {0, -3, 99}) {
    auto call = [&] { attnrt_fail(code, "odd"); };
    EXPECT_EQ(runInCall(call), ATTN_INVALID);
  }
}

TEST(FailureDeathTest, OutsideOfACall) {
  EXPECT_DEATH(attnrt_fail(ATTN_SHAPE_ERROR, "nobody listens"),
               "failure outside of a call: nobody listens");
}

TEST(ParallelFor, WorksOutsideOfACall) {
  std::atomic<int> ran{0};
  auto body = [&](int64_t, void *) { ++ran; };
  parallelFor(50, 64, body);
  EXPECT_EQ(ran.load(), 50);
}

//===----------------------------------------------------------------------===//
// Several callers
//===----------------------------------------------------------------------===//

TEST(Concurrency, ManyThreadsInvoke) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 8; ++c)
    callers.emplace_back([&, c] {
      for (int round = 0; round < 200; ++round) {
        int64_t tasks = 1 + (round * 7 + c) % 23;
        Tensor<float> a({tasks, 4}), b({tasks, 4}), out({tasks, 4});
        a.iota(float(c));
        b.iota(float(round));
        auto options = threads(1 + round % 4);
        AttnCounters counters;
        if (invoke("add", {&a.view, &b.view}, {&out.view}, &options,
                   &counters) != ATTN_OK ||
            counters.key_tiles_computed != tasks)
          ++wrong;
        for (int64_t i = 0; i < tasks * 4; ++i)
          wrong += out.values[size_t(i)] != float(c + round + 2 * i);
      }
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(Concurrency, FailuresStayWithTheirCall) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&, c] {
      for (int round = 0; round < 100; ++round) {
        auto body = [&](int64_t task, void *) {
          if (c % 2 && task == 7)
            attnrt_fail(ATTN_NUMERIC_ERROR, "odd callers fail");
        };
        auto call = [&] { parallelFor(20, 64, body); };
        auto options = threads(2);
        wrong +=
            runInCall(call, &options) != (c % 2 ? ATTN_NUMERIC_ERROR : ATTN_OK);
      }
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(Concurrency, CallersDoNotStealEachOthersCores) {
  // Two calls with two threads each, at the same time: no more than two threads
  // are inside of tasks but for the short moment in which a call begins.
  std::atomic<int> inside{0}, helpersWhileBoth{0}, callersInside{0};
  auto work = [&] {
    std::thread::id self = std::this_thread::get_id();
    auto body = [&](int64_t, void *) {
      bool helper = std::this_thread::get_id() != self;
      if (!helper)
        ++callersInside;
      ++inside;
      spinFor(200);
      if (helper && callersInside.load() == 2)
        ++helpersWhileBoth;
      --inside;
      if (!helper)
        --callersInside;
    };
    auto call = [&] { parallelFor(300, 64, body); };
    auto options = threads(2);
    EXPECT_EQ(runInCall(call, &options), ATTN_OK);
  };
  std::thread first(work), second(work);
  first.join();
  second.join();
  // Of 600 tasks, a helper may run some while one caller is still starting and
  // when one has finished, not throughout.
  EXPECT_LT(helpersWhileBoth.load(), 300);
}

TEST(Concurrency, NestedInvokeFromPoll) {
  // A Python signal handler runs within the poll and may call again.
  struct State {
    int polls = 0;
    int wrong = 0;
  } state;
  AttnInvokeOptions options = threads(2);
  options.poll = [](void *arg) {
    auto &state = *static_cast<State *>(arg);
    ++state.polls;
    Tensor<float> a({3, 4}), b({3, 4}), out({3, 4});
    auto two = threads(2);
    state.wrong +=
        invoke("add", {&a.view, &b.view}, {&out.view}, &two) != ATTN_OK;
    auto fails = [] { attnrt_fail(ATTN_SHAPE_ERROR, "inner call"); };
    state.wrong += runInCall(fails) != ATTN_SHAPE_ERROR;
    return 0;
  };
  options.poll_arg = &state;
  std::atomic<int> ran{0};
  auto body = [&](int64_t, void *) {
    spinFor(500);
    ++ran;
  };
  auto call = [&] { parallelFor(200, 4096, body); };
  ASSERT_EQ(runInCall(call, &options), ATTN_OK) << attnLastError();
  EXPECT_EQ(ran.load(), 200);
  EXPECT_GT(state.polls, 0);
  EXPECT_EQ(state.wrong, 0);
}

//===----------------------------------------------------------------------===//
// Cancellation
//===----------------------------------------------------------------------===//

/// Cancels at the n-th poll, and notes who asked when.
struct Canceller {
  int cancelAt;
  int polls = 0;
  bool otherThread = false;
  std::thread::id invoker = std::this_thread::get_id();
  Clock::time_point asked{};

  static int poll(void *arg) {
    auto &self = *static_cast<Canceller *>(arg);
    self.otherThread |= std::this_thread::get_id() != self.invoker;
    self.asked = Clock::now();
    return ++self.polls == self.cancelAt;
  }
};

TEST(Cancellation, StopsSoon) {
  for (int n : {1, 2}) {
    Canceller canceller{3};
    AttnInvokeOptions options = threads(n);
    options.poll = Canceller::poll;
    options.poll_arg = &canceller;
    auto body = [](int64_t, void *) { spinFor(300); };
    auto call = [&] { parallelFor(1000000, 64, body); };
    auto start = Clock::now();
    EXPECT_EQ(runInCall(call, &options), ATTN_CANCELLED);
    double total = millisecondsSince(start);
    EXPECT_LT(millisecondsSince(canceller.asked), 150);
    EXPECT_EQ(canceller.polls, 3);
    EXPECT_FALSE(canceller.otherThread);
    // Every 10 ms, give or take what a busy machine does to a thread.
    EXPECT_GE(total, 29);
    EXPECT_LT(total, 2000);
    EXPECT_NE(std::string(attnLastError()).find("cancelled"),
              std::string::npos);
  }
}

TEST(Cancellation, WhileWaitingForAHelper) {
  // The caller's own tasks are done; one helper is still at work.
  Canceller canceller{2};
  AttnInvokeOptions options = threads(2);
  options.poll = Canceller::poll;
  options.poll_arg = &canceller;
  std::thread::id self = std::this_thread::get_id();
  std::atomic<bool> helperIn{false};
  auto body = [&](int64_t task, void *) {
    if (std::this_thread::get_id() != self) {
      helperIn = true;
      spinFor(60000);
    } else if (task == 0) {
      for (int i = 0; i < 2000 && !helperIn; ++i)
        spinFor(100);
    }
  };
  auto call = [&] { parallelFor(2, 64, body); };
  EXPECT_EQ(runInCall(call, &options), ATTN_CANCELLED);
  EXPECT_TRUE(helperIn.load());
  EXPECT_EQ(canceller.polls, 2);
}

TEST(Cancellation, NotPolledWithinTheFirstInterval) {
  Canceller canceller{1};
  AttnInvokeOptions options = threads(1);
  options.poll = Canceller::poll;
  options.poll_arg = &canceller;
  std::atomic<int> ran{0};
  auto body = [&](int64_t, void *) { ++ran; };
  auto call = [&] { parallelFor(10, 64, body); };
  EXPECT_EQ(runInCall(call, &options), ATTN_OK);
  EXPECT_EQ(ran.load(), 10);
  EXPECT_EQ(canceller.polls, 0);
}

//===----------------------------------------------------------------------===//
// Counters
//===----------------------------------------------------------------------===//

TEST(Counters, AddUpOverThreads) {
  auto body = [](int64_t task, void *) {
    attnrt_count(ATTNRT_GUARD_RECOMPUTATIONS, 1);
    attnrt_count(ATTNRT_KEY_TILES_MASKED, task);
    attnrt_count(ATTNRT_KEY_TILES_SKIPPED_BY_PLAN, 2);
    attnrt_count(ATTNRT_KEY_TILES_SKIPPED_BY_MASK, 3);
    attnrt_count(ATTNRT_MASK_BLOCKS_LOOKED_AT, 4);
    attnrt_count(ATTNRT_MASK_BLOCKS_EMPTY, 5);
    attnrt_count(ATTNRT_MASK_BLOCKS_FULL, 6);
    attnrt_count(8, 1000);
    attnrt_count(-1, 1000);
  };
  auto call = [&] { parallelFor(100, 64, body); };
  auto options = threads(4);
  AttnCounters counters;
  ASSERT_EQ(runInCall(call, &options, &counters), ATTN_OK);
  EXPECT_EQ(counters.guard_recomputations, 100);
  EXPECT_EQ(counters.key_tiles_computed, 0);
  EXPECT_EQ(counters.key_tiles_masked, 4950);
  EXPECT_EQ(counters.key_tiles_skipped_by_plan, 200);
  EXPECT_EQ(counters.key_tiles_skipped_by_mask, 300);
  EXPECT_EQ(counters.mask_blocks_looked_at, 400);
  EXPECT_EQ(counters.mask_blocks_empty, 500);
  EXPECT_EQ(counters.mask_blocks_full, 600);
}
