//===- Machine.h - Blocks, warps and lanes at work --------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A launch runs its blocks on a few threads of the host. A block runs its warps
// in turns; a warp runs groups of lanes that are at the same place (splits).
// A branch whose sides both have lanes makes two splits that meet again at the
// branch's immediate post-dominator; a collective that names lanes of another
// split waits for them. Splits take turns, so a lane that waits for another
// lane of its warp gets its answer.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMULATOR_MACHINE_H
#define ATTN_LIB_EMULATOR_MACHINE_H

#include "Code.h"
#include "GlobalMemory.h"
#include "Races.h"
#include "Report.h"

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

namespace attn::emu {

class Block;
class Launch;

/// What the device was opened with.
struct MachineOptions {
  uint32_t checks = CheckAll;
  bool worstRounding = false;
  int threads = 1;
  uint64_t stepLimit = uint64_t(1) << 32;
  /// Called now and then with (blocks done, blocks); false stops the launch.
  std::function<bool(uint64_t, uint64_t)> progress;
};

/// Where splits of a warp wait for one another.
struct Meeting {
  uint32_t pc = ~0u;
  uint32_t expected = 0, arrived = 0;
  /// Calls that are open at the meeting point.
  size_t depth = 0;
  std::vector<uint32_t> returns;
  std::shared_ptr<Meeting> parent;
};

/// Lanes at the same place.
struct Split {
  enum State : uint8_t { Ready, AtBarrier, AtCollective };
  uint32_t pc = 0;
  uint32_t mask = 0;
  State state = Ready;
  /// AtCollective: the lanes it waits for, and those of its own that wait.
  uint32_t members = 0, waitingMask = 0;
  /// AtBarrier: which.
  uint32_t barrier = 0;
  std::shared_ptr<Meeting> meeting;
  std::vector<uint32_t> returns;
};

/// A lane's cp.async copies that were committed together.
struct AsyncGroup {
  uint32_t mask = 0;
  /// (record in the block's log, lanes).
  std::vector<std::pair<uint32_t, uint32_t>> copies;
};

/// A location that was written with release semantics.
struct SyncLocation {
  ClockPtr clock;
  uint8_t scope = ScopeBlock;
};

class Warp {
public:
  Warp(Block &block, uint32_t id, uint32_t lanes);

  uint32_t *r32(uint32_t row) {
    return reinterpret_cast<uint32_t *>(frame.get() + row);
  }
  uint64_t *r64(uint32_t row) {
    return reinterpret_cast<uint64_t *>(frame.get() + row);
  }
  uint32_t &pred(uint32_t row) {
    return *reinterpret_cast<uint32_t *>(frame.get() + row);
  }

  /// Runs until nothing is ready or `quantum` steps are done.
  void run(uint64_t quantum);
  bool done() const { return splits.empty(); }
  bool ready() const;

  uint32_t thread(uint32_t lane) const { return id * 32 + lane; }

  //===--- Order ----------------------------------------------------------===//

  /// Adds what `lanes` have done and seen to `clock`.
  void publish(Clock &into, uint32_t lanes);
  /// `lanes` now have seen `seen`.
  void acquire(uint32_t lanes, const ClockPtr &seen) {
    for (uint32_t lane = 0; lane < 32; ++lane)
      if (lanes >> lane & 1)
        clocks[lane] = seen;
  }
  /// Joins instead of replacing; for atomics.
  void acquireJoin(uint32_t lane, const Clock &seen);

  /// Lanes that have waited for all but the last `keep` of their groups.
  void waitGroups(uint32_t lanes, uint32_t keep);
  void commitGroup(uint32_t lanes);
  void waitAll(uint32_t lanes);

  Block &block;
  Launch &launch;
  const uint32_t id;
  /// Lanes that exist, and those that did not exit.
  const uint32_t exists;
  uint32_t alive;
  uint64_t steps = 0;
  uint32_t clock = 1;
  ClockPtr clocks[32];
  ClockPtr fenced[32], seen[32];
  /// Scopes of those fences.
  uint8_t fencedScope[32] = {};
  std::list<Split> splits;
  std::vector<std::pair<uint32_t, uint32_t>> openCopies;
  std::deque<AsyncGroup> groups;
  Allocation *lastAllocation = nullptr;
  /// Set by an operation that leaves the flow to wait: see Barrier.cpp.
  Split *running = nullptr;

private:
  friend class Block;
  std::list<Split>::iterator pick();
  void exitLanes(std::list<Split>::iterator split, uint32_t lanes);
  /// Moves a split that is at its meeting point; true when it did.
  bool meet(std::list<Split>::iterator &split);
  void settle(const std::shared_ptr<Meeting> &meeting);
  bool collective(std::list<Split>::iterator split, const Op &op,
                  uint32_t mask);
  void branch(std::list<Split>::iterator split, const Op &op, uint32_t taken);
  void branchTable(std::list<Split>::iterator split, const Op &op,
                   uint32_t mask);

  struct Free {
    void operator()(uint8_t *p) const {
      ::operator delete[](p, std::align_val_t(64));
    }
  };
  std::unique_ptr<uint8_t[], Free> frame;
};

/// A named barrier of a block.
struct NamedBarrier {
  uint32_t expected = 0; // 0: nobody is there
  uint32_t arrived = 0;
  bool explicitCount = false;
  int line = 0;
  std::shared_ptr<Clock> clock;
  struct Waiter {
    Warp *warp;
    Split *split;
    uint32_t mask;
    const Op *op;
  };
  std::vector<Waiter> waiters;
  /// bar.red: what came together.
  uint32_t count = 0;
  bool all = true, any = false;
};

class Block {
public:
  Block(Launch &launch, uint64_t linear);
  /// Runs to the end, to the launch's stop, or to its own deadlock.
  void run();

  /// Arrives at a barrier; `wait` says whether the lanes wait there.
  void arrive(Warp &warp, const Op &op, uint32_t mask, uint32_t name,
              uint32_t count, bool wait);
  void checkExitedAtBarriers();
  void releaseBarrier(NamedBarrier &barrier);

  Index3 threadIndex(uint32_t thread) const;

  Launch &launch;
  const uint64_t linear;
  Index3 index{};
  std::vector<uint8_t> shared;
  InitBits sharedInit;
  std::vector<uint8_t> local;
  std::vector<std::unique_ptr<Warp>> warps;
  NamedBarrier barriers[16];
  uint32_t threads = 0;
  uint32_t exited = 0;
  RaceLog races;
  CellMap cells;
  std::unordered_map<uint64_t, SyncLocation> sync;
  std::vector<OpCounters> counters;

private:
  void reportDeadlock();
};

class Launch {
public:
  Launch(const Program &program, GlobalMemory &memory,
         const MachineOptions &options, Index3 grid, Index3 block,
         uint64_t dynamicShared, std::vector<uint8_t> parameters);

  void run(Report &report);

  bool checks(uint32_t check) const { return (options.checks & check) != 0; }
  /// Fills in line, text, block and thread, and keeps the finding.
  void find(Finding finding, const Op *op, const Block &block, uint32_t thread);
  /// Ends the launch with an error.
  void stop(std::string why);
  /// Tells the caller how far it is, now and then, from the caller's thread.
  void tick();
  bool stopped() const { return stopping.load(std::memory_order_relaxed); }
  CellMap &cellsOf(const Allocation &allocation);

  const Program &program;
  GlobalMemory &memory;
  const MachineOptions &options;
  const Index3 grid, blockSize;
  const uint64_t dynamicShared;
  const uint64_t sharedBytes;
  std::vector<uint8_t> parameters;
  InitBits parametersInit;

  /// Guards the log of global memory and its locations.
  std::mutex globalMutex;
  RaceLog races;
  std::unordered_map<uint32_t, std::unique_ptr<CellMap>> cells;
  std::unordered_map<uint64_t, SyncLocation> sync;
  /// Atomics on global memory take turns.
  std::mutex atomicMutex;
  std::atomic<uint64_t> clockCounter{0};

private:
  std::mutex findingMutex;
  std::vector<Finding> findings;
  std::map<std::tuple<std::string, int, int>, size_t> findingIndex;
  uint64_t dropped = 0;
  std::string error;
  std::atomic<bool> stopping{false};
  std::atomic<uint64_t> finished{0};
  std::thread::id caller;
  std::chrono::steady_clock::time_point lastTick;
};

} // namespace attn::emu

#endif // ATTN_LIB_EMULATOR_MACHINE_H
