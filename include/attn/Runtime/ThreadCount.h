//===- ThreadCount.h - How many threads a call uses -------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The policy that decides how many threads a call gets: its own argument, else
// `attnSetNumThreads`, else ATTN_NUM_THREADS, else the CPUs that this process
// may use.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_THREADCOUNT_H
#define ATTN_RUNTIME_THREADCOUNT_H

#include "attn/Runtime/Status.h"

#include <string>

namespace attn::rt {

/// Sets the process-wide count; 0 removes it.
Status setThreadCount(int threads);

/// What a call that asks for `requested` (0: no wish) was given by the caller, the
/// process or the environment; 0 where the machine decides.
Status requestedThreadCount(int requested, int &threads);

/// The CPUs that this process may keep busy: of the affinity mask as it is now, and
/// of the cgroup's quota. A system call, a tenth of a small call into a package.
int machineThreadCount();

/// Both: the number of threads of a call.
Status resolveThreadCount(int requested, int &threads);

/// Reads ATTN_NUM_THREADS's syntax: a decimal integer from 1 to
/// ATTN_MAX_THREADS.
Status parseThreadCount(const char *text, int &threads);

/// CPUs in this thread's affinity mask, at least 1.
int affinityCpus();

/// The CPUs that the cgroup's quota allows, rounded up, or 0 for no limit.
/// `membership` is the text of /proc/self/cgroup and `root` where cgroups are
/// mounted. Every ancestor's quota counts; version 1 and 2 are read.
int cgroupCpus(const std::string &membership, const std::string &root);

} // namespace attn::rt

#endif // ATTN_RUNTIME_THREADCOUNT_H
