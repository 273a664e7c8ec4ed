//===- ThreadCountTest.cpp - Tests of the thread count policy -------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Argument before setter before environment before machine; the cgroup's quota
// in both versions, on folders made up for the test.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/ThreadCount.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sched.h>

using namespace attn::rt;
namespace fs = std::filesystem;

namespace {
/// Restores the environment and the setter.
class ThreadCount : public testing::Test {
protected:
  void SetUp() override {
    unsetenv("ATTN_NUM_THREADS");
    attnSetNumThreads(0);
  }
  void TearDown() override { SetUp(); }
};
} // namespace

TEST_F(ThreadCount, SetterBeforeEnvironment) {
  setenv("ATTN_NUM_THREADS", "7", 1);
  EXPECT_EQ(attnGetNumThreads(), 7);
  EXPECT_EQ(attnSetNumThreads(3), ATTN_OK);
  EXPECT_EQ(attnGetNumThreads(), 3);
  EXPECT_EQ(attnSetNumThreads(0), ATTN_OK);
  EXPECT_EQ(attnGetNumThreads(), 7);
}

TEST_F(ThreadCount, DefaultFollowsAffinity) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  int all = attnGetNumThreads();
  EXPECT_GE(all, 1);
  EXPECT_LE(all, CPU_COUNT(&before));
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &before)) {
      CPU_SET(cpu, &one);
      break;
    }
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(attnGetNumThreads(), 1);
  sched_setaffinity(0, sizeof(before), &before);
  EXPECT_EQ(attnGetNumThreads(), all);
}

TEST_F(ThreadCount, SetterRefuses) {
  EXPECT_EQ(attnSetNumThreads(-1), ATTN_INVALID);
  EXPECT_EQ(attnSetNumThreads(ATTN_MAX_THREADS + 1), ATTN_INVALID);
  EXPECT_NE(std::string(attnLastError()).find("but got 1025"),
            std::string::npos);
}

TEST_F(ThreadCount, EnvironmentRefuses) {
  for (const char *text : {"0", "-2", "two", "4x", " 4", "+4", "1e3", "1025",
                           "99999999999999999999"}) {
    setenv("ATTN_NUM_THREADS", text, 1);
    EXPECT_EQ(attnGetNumThreads(), 0) << text;
    EXPECT_NE(std::string(attnLastError()).find(text), std::string::npos);
  }
  // Empty is unset.
  setenv("ATTN_NUM_THREADS", "", 1);
  EXPECT_GE(attnGetNumThreads(), 1);
}

namespace {
/// A folder with files, gone at the end.
struct Folder {
  fs::path root;
  Folder() {
    std::string pattern = testing::TempDir() + "attn-cgroup-XXXXXX";
    root = mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(root); }
  void write(const std::string &path, const std::string &text) {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text;
  }
};
} // namespace

TEST(Cgroup, Version2) {
  Folder folder;
  folder.write("a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(cgroupCpus("0::/a/b\n", folder.root), 0);
  // An ancestor's quota counts, rounded up.
  folder.write("a/cpu.max", "250000 100000\n");
  EXPECT_EQ(cgroupCpus("0::/a/b\n", folder.root), 3);
  folder.write("a/b/cpu.max", "50000 100000\n");
  EXPECT_EQ(cgroupCpus("0::/a/b\n", folder.root), 1);
  // Without the folder, as within a container: the mount's own file.
  EXPECT_EQ(cgroupCpus("0::/x/y\n", folder.root), 0);
  folder.write("cpu.max", "400000 100000\n");
  EXPECT_EQ(cgroupCpus("0::/x/y\n", folder.root), 4);
  EXPECT_EQ(cgroupCpus("0::/../../a\n", folder.root), 4);
}

TEST(Cgroup, Version1) {
  Folder folder;
  folder.write("cpu/job/cpu.cfs_quota_us", "-1\n");
  folder.write("cpu/job/cpu.cfs_period_us", "100000\n");
  std::string membership = "5:memory:/job\n4:cpu,cpuacct:/job\n1:cpu:/job\n";
  EXPECT_EQ(cgroupCpus(membership, folder.root), 0);
  folder.write("cpu/job/cpu.cfs_quota_us", "150000\n");
  EXPECT_EQ(cgroupCpus(membership, folder.root), 2);
  // Only the cpu controller's folder.
  EXPECT_EQ(cgroupCpus("5:memory:/job\n", folder.root), 0);
  EXPECT_EQ(cgroupCpus("5:cpuset:/job\n", folder.root), 0);
}

TEST(Cgroup, NonsenseIsNoLimit) {
  Folder folder;
  folder.write("cpu.max", "lots of 100000\n");
  EXPECT_EQ(cgroupCpus("0::/\n", folder.root), 0);
  folder.write("cpu.max", "100000 0\n");
  EXPECT_EQ(cgroupCpus("0::/\n", folder.root), 0);
  EXPECT_EQ(cgroupCpus("nonsense\n:\n", folder.root), 0);
  EXPECT_EQ(cgroupCpus("", folder.root), 0);
}
