//===- ThreadCount.cpp - How many threads a call uses ---------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Affinity is read on every call, because it may change and costs little; the
// cgroup's files are read once.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/ThreadCount.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sched.h>
#include <sstream>

using namespace attn::rt;

/// What `setThreadCount` set, or 0.
static std::atomic<int> configuredThreads{0};

//===----------------------------------------------------------------------===//
// What the machine allows
//===----------------------------------------------------------------------===//

int attn::rt::affinityCpus() {
  // The fixed-size set covers 1,024 CPUs; larger machines need a larger one.
  cpu_set_t small;
  if (sched_getaffinity(0, sizeof(small), &small) == 0)
    return std::max(1, CPU_COUNT(&small));
  for (int cpus = 2 * CPU_SETSIZE; errno == EINVAL && cpus <= (1 << 20);
       cpus *= 2) {
    cpu_set_t *set = CPU_ALLOC(cpus);
    if (!set)
      break;
    size_t size = CPU_ALLOC_SIZE(cpus);
    bool found = sched_getaffinity(0, size, set) == 0;
    int count = found ? CPU_COUNT_S(size, set) : 0;
    int error = errno;
    CPU_FREE(set);
    if (found)
      return std::max(1, count);
    errno = error;
  }
  return 1;
}

/// The whole of a small file, or an empty string.
static std::string readSmallFile(const std::string &path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in),
                     std::istreambuf_iterator<char>());
}

/// Rounds a quota up to whole CPUs; 0 when there is none.
static int quotaCpus(long long quota, long long period) {
  if (quota <= 0 || period <= 0)
    return 0;
  long long cpus = (quota + period - 1) / period;
  return static_cast<int>(std::min<long long>(cpus, ATTN_MAX_THREADS));
}

/// The quota of one cgroup folder, whichever version's files it holds.
static int folderCpus(const std::string &folder) {
  std::istringstream v2(readSmallFile(folder + "/cpu.max"));
  std::string quota;
  long long period = 0;
  if (v2 >> quota >> period)
    return quota == "max"
               ? 0
               : quotaCpus(std::strtoll(quota.c_str(), nullptr, 10), period);
  std::string v1Quota = readSmallFile(folder + "/cpu.cfs_quota_us");
  std::string v1Period = readSmallFile(folder + "/cpu.cfs_period_us");
  return quotaCpus(std::strtoll(v1Quota.c_str(), nullptr, 10),
                   std::strtoll(v1Period.c_str(), nullptr, 10));
}

int attn::rt::cgroupCpus(const std::string &membership,
                         const std::string &root) {
  int limit = 0;
  auto consider = [&](int cpus) {
    if (cpus > 0)
      limit = limit == 0 ? cpus : std::min(limit, cpus);
  };
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {
    // "<id>:<controllers>:<path>"; version 2 has no controllers.
    size_t first = line.find(':');
    size_t second = first == std::string::npos ? std::string::npos
                                               : line.find(':', first + 1);
    if (second == std::string::npos)
      continue;
    std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    bool unified = controllers.empty();
    std::string padded = "," + controllers + ",";
    if (!unified && padded.find(",cpu,") == std::string::npos)
      continue;
    // Within a container the path may be the host's, of which only the mount
    // itself is visible; the walk up ends there in any case.
    for (const char *mount : {"", "/unified", "/cpu", "/cpu,cpuacct"}) {
      bool unifiedMount = mount[0] == '\0' || std::string(mount) == "/unified";
      if (unified != unifiedMount)
        continue;
      for (std::string at = path;; at.resize(at.find_last_of('/'))) {
        while (!at.empty() && at.back() == '/')
          at.pop_back();
        // ".." leads out of the mount; a hostile path is not followed.
        if (at.find("..") == std::string::npos)
          consider(folderCpus(root + mount + at));
        if (at.find('/') == std::string::npos)
          break;
      }
    }
  }
  return limit;
}

int attn::rt::machineThreadCount() {
  // Two threads may both find it unread, which does no harm; a guarded static
  // could be left locked in a child that forks at that moment.
  static std::atomic<int> quota{-1};
  int limit = quota.load(std::memory_order_relaxed);
  if (limit < 0) {
    limit = cgroupCpus(readSmallFile("/proc/self/cgroup"), "/sys/fs/cgroup");
    quota.store(limit, std::memory_order_relaxed);
  }
  int cpus = std::min(affinityCpus(), ATTN_MAX_THREADS);
  return limit > 0 ? std::min(cpus, limit) : cpus;
}

//===----------------------------------------------------------------------===//
// What was asked for
//===----------------------------------------------------------------------===//

Status attn::rt::parseThreadCount(const char *text, int &threads) {
  char *end = nullptr;
  errno = 0;
  long value = std::strtol(text, &end, 10);
  bool digits = text[0] >= '0' && text[0] <= '9';
  if (!digits || *end != '\0' || errno != 0 || value < 1 ||
      value > ATTN_MAX_THREADS)
    return failure(ATTN_INVALID,
                   "ATTN_NUM_THREADS expects an integer from 1 to %d, but got "
                   "'%s'",
                   ATTN_MAX_THREADS, text);
  threads = static_cast<int>(value);
  return Status();
}

Status attn::rt::setThreadCount(int threads) {
  if (threads < 0 || threads > ATTN_MAX_THREADS)
    return failure(ATTN_INVALID,
                   "the number of threads expects 1 to %d, or 0 for the "
                   "default, but got %d",
                   ATTN_MAX_THREADS, threads);
  configuredThreads.store(threads, std::memory_order_relaxed);
  return Status();
}

Status attn::rt::requestedThreadCount(int requested, int &threads) {
  if (requested < 0 || requested > ATTN_MAX_THREADS)
    return failure(ATTN_INVALID,
                   "num_threads expects 1 to %d, or 0 for the default, but got "
                   "%d",
                   ATTN_MAX_THREADS, requested);
  if (requested > 0) {
    threads = requested;
    return Status();
  }
  if (int configured = configuredThreads.load(std::memory_order_relaxed)) {
    threads = configured;
    return Status();
  }
  if (const char *text = std::getenv("ATTN_NUM_THREADS"))
    if (text[0] != '\0')
      return parseThreadCount(text, threads);
  threads = 0;
  return Status();
}

Status attn::rt::resolveThreadCount(int requested, int &threads) {
  Status status = requestedThreadCount(requested, threads);
  if (status.ok() && threads == 0)
    threads = machineThreadCount();
  return status;
}
