//===- ForkTest.cpp - Tests of forking ------------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A child process works after its parent used the pool. Each child ends by
// _exit with a code that says what it found; an alarm ends one that hangs.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace attn::test;

// The thread sanitizer does not follow threads that start after a fork.
#if defined(__SANITIZE_THREAD__)
#define SKIP_WITH_TSAN() GTEST_SKIP() << "threads after fork"
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SKIP_WITH_TSAN() GTEST_SKIP() << "threads after fork"
#endif
#endif
#ifndef SKIP_WITH_TSAN
#define SKIP_WITH_TSAN()
#endif
// The address sanitizer's allocator keeps locks that other threads held.
#if defined(__SANITIZE_ADDRESS__)
#define SKIP_WITH_ASAN() GTEST_SKIP() << "allocator locks after fork"
#else
#define SKIP_WITH_ASAN()
#endif

/// Runs `fn` in a child; returns its exit code, or -signal.
template <typename Function>
static int inChild(Function fn) {
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(fn());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Runs a loop whose tasks take a while; returns how many threads took part, or
/// 0 when something was wrong.
static int runSlowLoop(int n) {
  std::atomic<int> ran{0};
  std::atomic<uint64_t> mask{0};
  static std::atomic<int> nextIndex{0};
  auto body = [&](int64_t, void *) {
    static thread_local int index = nextIndex++;
    mask |= uint64_t(1) << (index % 64);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    ++ran;
  };
  auto call = [&] { parallelFor(30, 256, body); };
  auto options = threads(n);
  if (runInCall(call, &options) != ATTN_OK || ran != 30)
    return 0;
  return __builtin_popcountll(mask);
}

/// The same, again while a busy machine keeps the helpers away.
static int threadsThatTakePart(int n) {
  int seen = 0;
  for (int tries = 0; tries < 20 && seen < n; ++tries)
    if ((seen = runSlowLoop(n)) == 0)
      break;
  return seen;
}

TEST(Fork, ChildHasAPoolOfItsOwn) {
  SKIP_WITH_TSAN();
  ASSERT_EQ(threadsThatTakePart(3), 3);
  EXPECT_EQ(inChild([] { return threadsThatTakePart(3); }), 3);
  // And so has a child of a child, and the parent still.
  EXPECT_EQ(inChild([] {
              if (threadsThatTakePart(2) != 2)
                return 100;
              return inChild([] { return threadsThatTakePart(2); });
            }),
            2);
  EXPECT_EQ(threadsThatTakePart(3), 3);
}

TEST(Fork, WhileOtherThreadsCall) {
  SKIP_WITH_TSAN();
  SKIP_WITH_ASAN();
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c)
    callers.emplace_back([&] {
      while (!stop) {
        Tensor<float> a({50, 4}), b({50, 4}), out({50, 4});
        auto options = threads(3);
        invoke("add", {&a.view, &b.view}, {&out.view}, &options);
      }
    });
  int wrong = 0;
  for (int round = 0; round < 30 && wrong == 0; ++round)
    if (int seen = inChild([] { return threadsThatTakePart(2); }); seen != 2)
      wrong = seen ? seen : 1000;
  stop = true;
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Fork, WithinACall) {
  SKIP_WITH_TSAN();
  // The poll forks. The child has none of the helpers that the loop counts on:
  // its call fails with a reason, and the next one works.
  struct State {
    bool inChild = false;
    pid_t child = -1;
  } state;
  AttnInvokeOptions options = threads(2);
  options.poll = [](void *arg) {
    auto &state = *static_cast<State *>(arg);
    if (state.child == -1) {
      state.child = fork();
      state.inChild = state.child == 0;
      if (state.inChild)
        alarm(20);
    }
    return 0;
  };
  options.poll_arg = &state;
  std::atomic<int> ran{0};
  auto body = [&](int64_t, void *) {
    spinFor(300);
    ++ran;
  };
  auto call = [&] { parallelFor(200, 64, body); };
  int status = runInCall(call, &options);
  if (state.inChild) {
    if (status != ATTN_RESOURCE_ERROR)
      _exit(1);
    if (!strstr(attnLastError(), "forked during the call"))
      _exit(2);
    _exit(threadsThatTakePart(2) == 2 ? 0 : 3);
  }
  EXPECT_EQ(status, ATTN_OK) << attnLastError();
  EXPECT_EQ(ran.load(), 200);
  ASSERT_GT(state.child, 0);
  int childStatus = 0;
  waitpid(state.child, &childStatus, 0);
  EXPECT_TRUE(WIFEXITED(childStatus));
  EXPECT_EQ(WEXITSTATUS(childStatus), 0);
}
