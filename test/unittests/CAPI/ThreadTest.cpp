//===- ThreadTest.cpp - Many threads, and forks -----------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Common.h"

#include <atomic>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace test;

TEST(Thread, CompileAtOnceToOneFile) {
  Folder folder;
  ASSERT_EQ(compile(kIdentity, folder.file("alone.so")), 0);
  std::string alone = readFile(folder.file("alone.so"));
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        // Errors stay with their thread.
        if (t % 2) {
          std::string wrong = "\n\n\n\n\n\n\n\n";
          wrong.resize(t);
          wrong += "nonsense";
          std::string place = "program:" + std::to_string(t + 1) + ":";
          if (compile(wrong, folder.file("never.so")) != ATTN_COMPILE_ERROR ||
              std::string(attnCompilerLastError()).rfind(place, 0) != 0)
            ++failures;
          continue;
        }
        if (compile(kIdentity, folder.file("shared.so")) != 0 ||
            readFile(folder.file("shared.so")) != alone)
          ++failures;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(folder.count(), 2u);
}

TEST(Thread, AForkedChildCompiles) {
  Folder folder;
  ASSERT_EQ(compile(kIdentity, folder.file("a.so")), 0);
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(compile(kIdentity, folder.file("b.so")));
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(readFile(folder.file("a.so")), readFile(folder.file("b.so")));
}

// What a thread compiles while another forks is finished first.
TEST(Thread, ForkWhileOthersCompile) {
  Folder folder;
  std::atomic<bool> done = false;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      while (!done)
        if (compile(kIdentity, folder.file(std::to_string(t) + ".so")) != 0)
          ++failures;
    });
  for (int i = 0; i < 10; ++i) {
    pid_t child = fork();
    if (child == 0) {
      alarm(60);
      _exit(compile(kIdentity, folder.file("child.so")));
    }
    int status = 0;
    waitpid(child, &status, 0);
    failures += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  }
  done = true;
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(failures, 0);
}

// The child that reads bytecode is forked while other threads hold locks.
TEST(Thread, BytecodeWhileOthersCompile) {
  Folder folder;
  std::string magic = "ML\xefR";
  std::string broken = magic + std::string("\x0dMLIR22\0\x01\x02", 10);
  std::atomic<bool> done = false;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      while (!done)
        if (compile(kIdentity, folder.file(std::to_string(t) + ".so")) != 0)
          ++failures;
    });
  for (int i = 0; i < 40; ++i) {
    AttnString text;
    if (attnRunPipeline(broken.data(), broken.size(), "attn", &text) !=
        ATTN_COMPILE_ERROR)
      ++failures;
  }
  done = true;
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(failures, 0);
}
