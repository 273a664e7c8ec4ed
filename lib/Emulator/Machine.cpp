//===- Machine.cpp - Blocks, warps and lanes at work ----------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The loop that executes operations, and how splits part and meet.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <thread>

using namespace attn::emu;

/// Steps that a warp runs before another one gets its turn.
static constexpr uint64_t kWarpQuantum = 1 << 14;
/// Steps that a split runs while another one of its warp could.
static constexpr uint64_t kSplitQuantum = 512;

//===----------------------------------------------------------------------===//
// Warp
//===----------------------------------------------------------------------===//

Warp::Warp(Block &block, uint32_t id, uint32_t lanes)
    : block(block), launch(block.launch), id(id),
      exists(lanes >= 32 ? ~0u : (1u << lanes) - 1), alive(exists) {
  const Program &program = launch.program;
  frame.reset(static_cast<uint8_t *>(
      ::operator new[](program.image.size() + 64, std::align_val_t(64))));
  std::memcpy(frame.get(), program.image.data(), program.image.size());
  for (auto &[special, row] : program.specials) {
    for (uint32_t lane = 0; lane < 32; ++lane) {
      Index3 tid = block.threadIndex(thread(lane));
      uint32_t value = 0;
      switch (special) {
      case Special::TidX:
      case Special::TidY:
      case Special::TidZ:
        value = tid[unsigned(special) - unsigned(Special::TidX)];
        break;
      case Special::NtidX:
      case Special::NtidY:
      case Special::NtidZ:
        value = launch.blockSize[unsigned(special) - unsigned(Special::NtidX)];
        break;
      case Special::CtaidX:
      case Special::CtaidY:
      case Special::CtaidZ:
        value = block.index[unsigned(special) - unsigned(Special::CtaidX)];
        break;
      case Special::NctaidX:
      case Special::NctaidY:
      case Special::NctaidZ:
        value = launch.grid[unsigned(special) - unsigned(Special::NctaidX)];
        break;
      case Special::LaneId:
        value = lane;
        break;
      case Special::WarpId:
        value = id;
        break;
      case Special::NWarpId:
        value = (block.threads + 31) / 32;
        break;
      case Special::LaneMaskEq:
        value = 1u << lane;
        break;
      case Special::LaneMaskLe:
        value = lane == 31 ? ~0u : (1u << (lane + 1)) - 1;
        break;
      case Special::LaneMaskLt:
        value = (1u << lane) - 1;
        break;
      case Special::LaneMaskGe:
        value = ~((1u << lane) - 1);
        break;
      case Special::LaneMaskGt:
        value = lane == 31 ? 0 : ~((1u << (lane + 1)) - 1);
        break;
      case Special::SmId:
      case Special::GridId:
      case Special::ClusterZero:
        value = 0;
        break;
      case Special::NSmId:
      case Special::ClusterOne:
        value = 1;
        break;
      case Special::DynamicShared:
        value = uint32_t(launch.dynamicShared);
        break;
      case Special::TotalShared:
        value = uint32_t(launch.sharedBytes);
        break;
      }
      if (special == Special::GridId)
        r64(row)[lane] = value;
      else
        r32(row)[lane] = value;
    }
  }
  auto start = std::make_shared<Clock>(
      uint32_t(block.linear),
      launch.checks(CheckRace | CheckAsync) ? block.threads + 32 : 0);
  for (ClockPtr &c : clocks)
    c = start;
  Split split;
  split.mask = exists;
  splits.push_back(split);
}

bool Warp::ready() const {
  for (const Split &split : splits)
    if (split.state == Split::Ready)
      return true;
  return false;
}

std::list<Split>::iterator Warp::pick() {
  for (auto it = splits.begin(); it != splits.end(); ++it)
    if (it->state == Split::Ready)
      return it;
  return splits.end();
}

void Warp::settle(const std::shared_ptr<Meeting> &start) {
  for (auto meeting = start; meeting; meeting = meeting->parent) {
    uint32_t wanted = meeting->expected & alive;
    if (!meeting->arrived || meeting->arrived != wanted)
      continue;
    Split merged;
    merged.pc = meeting->pc;
    merged.mask = meeting->arrived;
    merged.meeting = meeting->parent;
    merged.returns = std::move(meeting->returns);
    meeting->arrived = 0;
    splits.push_front(std::move(merged));
  }
}

bool Warp::meet(std::list<Split>::iterator &split) {
  if (!split->meeting || split->meeting->pc != split->pc ||
      split->meeting->depth != split->returns.size())
    return false;
  std::shared_ptr<Meeting> meeting = split->meeting;
  meeting->arrived |= split->mask;
  meeting->returns = split->returns;
  splits.erase(split);
  settle(meeting);
  split = pick();
  return true;
}

void Warp::exitLanes(std::list<Split>::iterator split, uint32_t lanes) {
  alive &= ~lanes;
  block.exited += uint32_t(__builtin_popcount(lanes));
  std::shared_ptr<Meeting> meeting = split->meeting;
  split->mask &= ~lanes;
  if (!split->mask)
    splits.erase(split);
  settle(meeting);
  // Who waits for the lanes that left must look again.
  for (Split &other : splits)
    if (other.state == Split::AtCollective)
      other.state = Split::Ready;
}

void Warp::branch(std::list<Split>::iterator split, const Op &op,
                  uint32_t taken) {
  if (taken == split->mask) {
    split->pc = op.target;
    return;
  }
  if (!taken) {
    ++split->pc;
    return;
  }
  if (op.meet != ~0u && !(split->meeting && split->meeting->pc == op.meet &&
                          split->meeting->depth == split->returns.size())) {
    auto meeting = std::make_shared<Meeting>();
    meeting->pc = op.meet;
    meeting->expected = split->mask;
    meeting->parent = split->meeting;
    meeting->depth = split->returns.size();
    split->meeting = meeting;
  }
  Split other = *split;
  other.pc = op.target;
  other.mask = taken;
  split->mask &= ~taken;
  ++split->pc;
  splits.insert(std::next(split), std::move(other));
}

void Warp::branchTable(std::list<Split>::iterator split, const Op &op,
                       uint32_t mask) {
  const std::vector<uint32_t> &table = launch.program.tables[op.table];
  const uint32_t *index = r32(op.o[0]);
  std::map<uint32_t, uint32_t> sides; // pc -> lanes
  if (uint32_t stay = split->mask & ~mask)
    sides[split->pc + 1] = stay;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t lane = uint32_t(__builtin_ctz(rest));
    if (index[lane] >= table.size()) {
      launch.stop("line " + std::to_string(op.line) +
                  ": expects an index "
                  "below " +
                  std::to_string(table.size()) + ", but got " +
                  std::to_string(index[lane]) + ": '" +
                  launch.program.texts[op.index] + "'");
      return;
    }
    sides[table[index[lane]]] |= 1u << lane;
  }
  if (sides.size() > 1 && op.meet != ~0u &&
      !(split->meeting && split->meeting->pc == op.meet &&
        split->meeting->depth == split->returns.size())) {
    auto meeting = std::make_shared<Meeting>();
    meeting->pc = op.meet;
    meeting->expected = split->mask;
    meeting->parent = split->meeting;
    meeting->depth = split->returns.size();
    split->meeting = meeting;
  }
  bool first = true;
  for (auto &[pc, lanes] : sides) {
    if (first) {
      split->pc = pc;
      split->mask = lanes;
      first = false;
      continue;
    }
    Split other = *split;
    other.pc = pc;
    other.mask = lanes;
    splits.insert(std::next(split), std::move(other));
  }
}

static std::string maskText(uint32_t mask) { return hex(mask); }

/// Runs a `.sync` collective once every lane that it names is there. Lanes of
/// other splits may come to it later: their split waits.
bool Warp::collective(std::list<Split>::iterator split, const Op &op,
                      uint32_t mask) {
  if (op.flow == Flow::Aligned) {
    if (mask != ~0u && launch.checks(CheckDivergence)) {
      Finding f;
      f.kind = "divergence";
      f.message = "expects all 32 lanes of the warp at an aligned "
                  "collective, but got lanes " +
                  maskText(mask);
      launch.find(std::move(f), &op, block,
                  thread(uint32_t(__builtin_ctz(mask))));
    }
    if (op.fn)
      op.fn(*this, op, mask);
    ++split->pc;
    return true;
  }
  const uint32_t *members = r32(op.o[15]);
  uint32_t wanted = 0;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t lane = uint32_t(__builtin_ctz(rest));
    if (!(members[lane] >> lane & 1) && launch.checks(CheckDivergence)) {
      Finding f;
      f.kind = "divergence";
      f.message = "expects the member mask to name the lane that executes, "
                  "but got mask " +
                  maskText(members[lane]) + " in lane " + std::to_string(lane);
      launch.find(std::move(f), &op, block, thread(lane));
    }
    wanted |= members[lane];
  }
  if (uint32_t gone = wanted & ~alive) {
    if (launch.checks(CheckDivergence)) {
      Finding f;
      f.kind = "divergence";
      f.message = "expects the lanes of the member mask " + maskText(wanted) +
                  " to be there, but lanes " + maskText(gone) +
                  ((gone & exists) ? " have exited" : " do not exist");
      launch.find(std::move(f), &op, block,
                  thread(uint32_t(__builtin_ctz(mask))));
    }
    wanted &= alive;
  }
  uint32_t here = mask;
  for (Split &other : splits)
    if (&other != &*split && other.state == Split::AtCollective &&
        other.pc == split->pc)
      here |= other.waitingMask;
  if ((wanted & ~here) == 0) {
    uint32_t all = mask;
    for (Split &other : splits)
      if (&other != &*split && other.state == Split::AtCollective &&
          other.pc == split->pc && (other.waitingMask & wanted)) {
        all |= other.waitingMask;
        other.state = Split::Ready;
        ++other.pc;
      }
    if (op.fn)
      op.fn(*this, op, all);
    ++split->pc;
    return true;
  }
  split->state = Split::AtCollective;
  split->members = wanted;
  split->waitingMask = mask;
  return false;
}

void Warp::run(uint64_t quantum) {
  const Op *ops = launch.program.ops.data();
  OpCounters *counters = block.counters.data();
  uint64_t used = 0;
  auto split = pick();
  uint64_t turn = 0;
  while (split != splits.end()) {
    if (meet(split))
      continue;
    if (used >= quantum || launch.stopped())
      return;
    if (turn >= kSplitQuantum && splits.size() > 1) {
      turn = 0;
      splits.splice(splits.end(), splits, split);
      split = pick();
      continue;
    }
    const Op &op = ops[split->pc];
    uint32_t mask = split->mask;
    if (op.guard != kNoGuard) {
      uint32_t guard = pred(op.guard);
      mask &= op.guardNegated ? ~guard : guard;
    }
    ++used;
    ++turn;
    if (++steps > launch.options.stepLimit) {
      launch.stop("line " + std::to_string(op.line) +
                  ": expects a warp to end within " +
                  std::to_string(launch.options.stepLimit) +
                  " steps, but warp " + std::to_string(id) + " of block " +
                  std::to_string(block.linear) + " still runs: '" +
                  launch.program.texts[op.index] + "'");
      return;
    }
    if (mask) {
      OpCounters &counter = counters[op.index];
      ++counter.executed;
      counter.lanes += uint32_t(__builtin_popcount(mask));
    }
    switch (op.flow) {
    case Flow::Next:
      if (mask)
        op.fn(*this, op, mask);
      ++split->pc;
      break;
    case Flow::Branch:
      branch(split, op, mask);
      if (splits.size() > 1)
        split = pick();
      break;
    case Flow::BranchTable:
      if (mask)
        branchTable(split, op, mask);
      else
        ++split->pc;
      split = pick();
      break;
    case Flow::Call: {
      if (!mask) {
        ++split->pc;
        break;
      }
      if (mask != split->mask) {
        // The lanes that call part from those that do not, and meet behind.
        auto meeting = std::make_shared<Meeting>();
        meeting->pc = split->pc + 1;
        meeting->expected = split->mask;
        meeting->parent = split->meeting;
        meeting->depth = split->returns.size();
        split->meeting = meeting;
        Split other = *split;
        other.mask = split->mask & ~mask;
        ++other.pc;
        split->mask = mask;
        splits.insert(std::next(split), std::move(other));
      }
      op.fn(*this, op, mask);
      split->returns.push_back(split->pc);
      split->pc = op.target;
      break;
    }
    case Flow::Ret: {
      uint32_t call = split->returns.back();
      split->returns.pop_back();
      const Op &site = ops[call];
      for (const Program::Copy &copy : launch.program.calls[site.table].after)
        for (uint32_t rest = split->mask; rest; rest &= rest - 1) {
          size_t base = size_t(thread(uint32_t(__builtin_ctz(rest)))) *
                        launch.program.localBytes;
          std::memmove(&block.local[base + copy.to],
                       &block.local[base + copy.from], copy.size);
        }
      split->pc = call + 1;
      break;
    }
    case Flow::Exit: {
      if (!mask) {
        ++split->pc;
        break;
      }
      auto next = split;
      if (mask != split->mask)
        ++split->pc;
      exitLanes(next, mask);
      block.checkExitedAtBarriers();
      split = pick();
      break;
    }
    case Flow::Trap:
      if (mask) {
        launch.stop("line " + std::to_string(op.line) +
                    ": the kernel stopped itself in thread " +
                    std::to_string(thread(uint32_t(__builtin_ctz(mask)))) +
                    " of block " + std::to_string(block.linear) + ": '" +
                    launch.program.texts[op.index] + "'");
        return;
      }
      ++split->pc;
      break;
    case Flow::Barrier:
      if (!mask) {
        ++split->pc;
        break;
      }
      ++counters[op.index].barriers;
      running = &*split;
      op.fn(*this, op, mask);
      running = nullptr;
      if (split->state != Split::Ready) {
        turn = 0;
        split = pick();
      }
      break;
    case Flow::Collective:
    case Flow::Aligned:
      if (!mask) {
        ++split->pc;
        break;
      }
      if (!collective(split, op, mask)) {
        turn = 0;
        split = pick();
      }
      break;
    }
  }
}

//===----------------------------------------------------------------------===//
// Order
//===----------------------------------------------------------------------===//

void Warp::publish(Clock &into, uint32_t lanes) {
  const Clock *last = nullptr;
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    uint32_t lane = uint32_t(__builtin_ctz(rest));
    if (clocks[lane].get() != last) {
      last = clocks[lane].get();
      into.join(*last);
    }
  }
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    uint32_t t = thread(uint32_t(__builtin_ctz(rest)));
    into.own[t] = std::max(into.own[t], clock);
  }
}

void Warp::acquireJoin(uint32_t lane, const Clock &other) {
  auto joined = std::make_shared<Clock>(*clocks[lane]);
  joined->join(other);
  clocks[lane] = joined;
  ++clock;
}

void Warp::commitGroup(uint32_t lanes) {
  AsyncGroup group;
  group.mask = lanes;
  for (auto &[record, mask] : openCopies)
    if (mask & lanes) {
      group.copies.emplace_back(record, mask & lanes);
      mask &= ~lanes;
    }
  openCopies.erase(std::remove_if(openCopies.begin(), openCopies.end(),
                                  [](auto &copy) { return !copy.second; }),
                   openCopies.end());
  groups.push_back(std::move(group));
}

void Warp::waitGroups(uint32_t lanes, uint32_t keep) {
  uint32_t count[32] = {};
  for (size_t i = groups.size(); i-- > 0;) {
    uint32_t done = 0;
    for (uint32_t rest = groups[i].mask & lanes; rest; rest &= rest - 1) {
      uint32_t lane = uint32_t(__builtin_ctz(rest));
      if (count[lane]++ >= keep)
        done |= 1u << lane;
    }
    if (!done)
      continue;
    for (auto &[record, mask] : groups[i].copies)
      if (mask & done) {
        block.races.complete(record, mask & done, clock);
        mask &= ~done;
      }
    groups[i].mask &= ~done;
  }
  while (!groups.empty() && !groups.front().mask)
    groups.pop_front();
}

void Warp::waitAll(uint32_t lanes) {
  for (auto &[record, mask] : openCopies) {
    block.races.complete(record, mask & lanes, clock);
    mask &= ~lanes;
  }
  openCopies.erase(std::remove_if(openCopies.begin(), openCopies.end(),
                                  [](auto &copy) { return !copy.second; }),
                   openCopies.end());
  waitGroups(lanes, 0);
}

//===----------------------------------------------------------------------===//
// Block
//===----------------------------------------------------------------------===//

Block::Block(Launch &launch, uint64_t linear)
    : launch(launch), linear(linear), cells(launch.sharedBytes + 64) {
  index[0] = uint32_t(linear % launch.grid[0]);
  index[1] = uint32_t(linear / launch.grid[0] % launch.grid[1]);
  index[2] = uint32_t(linear / launch.grid[0] / launch.grid[1]);
  shared.assign(launch.sharedBytes + 64, 0xa5);
  sharedInit.resize(launch.sharedBytes + 128, false);
  threads = launch.blockSize[0] * launch.blockSize[1] * launch.blockSize[2];
  uint32_t count = (threads + 31) / 32;
  local.assign(size_t(count) * 32 * launch.program.localBytes, 0xa5);
  counters.resize(launch.program.ops.size());
  for (uint32_t i = 0; i < count; ++i)
    warps.push_back(
        std::make_unique<Warp>(*this, i, std::min(32u, threads - i * 32)));
}

Index3 Block::threadIndex(uint32_t thread) const {
  const Index3 &size = launch.blockSize;
  return {thread % size[0], thread / size[0] % size[1],
          thread / size[0] / size[1]};
}

void Block::run() {
  while (!launch.stopped()) {
    bool any = false, left = false;
    for (auto &warp : warps) {
      if (warp->ready()) {
        any = true;
        warp->run(kWarpQuantum);
      }
      left |= !warp->done();
    }
    if (!left)
      return;
    launch.tick();
    if (!any) {
      reportDeadlock();
      return;
    }
  }
}

/// Nothing of the block can go on. Who waits for a collective waits for lanes
/// that went elsewhere; else the barriers are at fault.
void Block::reportDeadlock() {
  for (auto &warp : warps)
    for (Split &split : warp->splits)
      if (split.state == Split::AtCollective) {
        const Op &op = launch.program.ops[split.pc];
        Finding f;
        f.kind = "divergence";
        f.message = "expects the lanes of the member mask " +
                    hex(split.members) +
                    " to come to the collective, but "
                    "only lanes " +
                    hex(split.waitingMask) + " did";
        if (launch.checks(CheckDivergence))
          launch.find(std::move(f), &op, *this,
                      warp->thread(uint32_t(__builtin_ctz(split.mask))));
        launch.stop("line " + std::to_string(op.line) +
                    ": a collective waits for lanes that never come: '" +
                    launch.program.texts[op.index] + "'");
        return;
      }
  for (uint32_t i = 0; i < 16; ++i) {
    NamedBarrier &barrier = barriers[i];
    if (barrier.waiters.empty())
      continue;
    const NamedBarrier::Waiter &waiter = barrier.waiters.front();
    Finding f;
    f.kind = "barrier-deadlock";
    f.message = "barrier " + std::to_string(i) + " waits for " +
                std::to_string(barrier.expected) + " threads, but only " +
                std::to_string(barrier.arrived) +
                " come; no warp of the block can go on";
    if (launch.checks(CheckBarrier))
      launch.find(std::move(f), waiter.op, *this,
                  waiter.warp->thread(uint32_t(__builtin_ctz(waiter.mask))));
    launch.stop("line " + std::to_string(waiter.op->line) +
                ": deadlock at barrier " + std::to_string(i) + ": '" +
                launch.program.texts[waiter.op->index] + "'");
    return;
  }
  launch.stop("the block cannot go on");
}

//===----------------------------------------------------------------------===//
// Launch
//===----------------------------------------------------------------------===//

Launch::Launch(const Program &program, GlobalMemory &memory,
               const MachineOptions &options, Index3 grid, Index3 block,
               uint64_t dynamicShared, std::vector<uint8_t> parameters)
    : program(program), memory(memory), options(options), grid(grid),
      blockSize(block), dynamicShared(dynamicShared),
      sharedBytes(program.staticShared + dynamicShared),
      parameters(std::move(parameters)) {
  for (auto &[base, allocation] : memory.all())
    cells.emplace(allocation->id, std::make_unique<CellMap>(allocation->size));
}

CellMap &Launch::cellsOf(const Allocation &allocation) {
  return *cells.find(allocation.id)->second;
}

void Launch::stop(std::string why) {
  std::lock_guard<std::mutex> lock(findingMutex);
  if (error.empty())
    error = std::move(why);
  stopping.store(true, std::memory_order_relaxed);
}

void Launch::find(Finding finding, const Op *op, const Block &block,
                  uint32_t thread) {
  if (op) {
    finding.line = op->line;
    finding.text = program.texts[op->index];
  }
  finding.block = block.index;
  finding.thread = block.threadIndex(thread);
  std::lock_guard<std::mutex> lock(findingMutex);
  auto key = std::make_tuple(finding.kind, finding.line, finding.otherLine);
  auto [it, isNew] = findingIndex.try_emplace(key, findings.size());
  if (!isNew) {
    ++findings[it->second].count;
    return;
  }
  if (findings.size() >= 256) {
    findingIndex.erase(it);
    ++dropped;
    return;
  }
  findings.push_back(std::move(finding));
}

void Launch::tick() {
  if (!options.progress || std::this_thread::get_id() != caller)
    return;
  auto now = std::chrono::steady_clock::now();
  if (now - lastTick < std::chrono::milliseconds(200))
    return;
  lastTick = now;
  if (!options.progress(finished, uint64_t(grid[0]) * grid[1] * grid[2]))
    stop("stopped by the caller");
}

void Launch::run(Report &report) {
  auto begin = std::chrono::steady_clock::now();
  uint64_t blocks = uint64_t(grid[0]) * grid[1] * grid[2];
  std::atomic<uint64_t> next{0};
  caller = std::this_thread::get_id();
  lastTick = begin;
  std::mutex reportMutex;
  report.ops.assign(program.ops.size(), OpCounters());
  auto work = [&] {
    std::vector<OpCounters> sum(program.ops.size());
    try {
      while (!stopped()) {
        uint64_t mine = next.fetch_add(1);
        if (mine >= blocks)
          break;
        Block block(*this, mine);
        block.run();
        for (size_t i = 0; i < sum.size(); ++i)
          sum[i].add(block.counters[i]);
        ++finished;
        tick();
      }
    } catch (const std::bad_alloc &) {
      stop("out of memory");
    } catch (const std::exception &e) {
      stop(e.what());
    }
    std::lock_guard<std::mutex> lock(reportMutex);
    for (size_t i = 0; i < sum.size(); ++i)
      report.ops[i].add(sum[i]);
  };
  uint64_t wanted =
      std::min<uint64_t>(blocks, uint64_t(std::max(1, options.threads)));
  std::vector<std::thread> helpers;
  for (uint64_t i = 1; i < wanted; ++i) {
    try {
      helpers.emplace_back(work);
    } catch (const std::system_error &) {
      break; // Fewer threads do the same work.
    }
  }
  work();
  for (std::thread &helper : helpers)
    helper.join();

  std::sort(findings.begin(), findings.end(),
            [](const Finding &a, const Finding &b) {
              return std::tie(a.line, a.kind, a.otherLine) <
                     std::tie(b.line, b.kind, b.otherLine);
            });
  report.program = &program;
  report.kernel = program.name;
  report.grid = grid;
  report.block = blockSize;
  report.dynamicShared = dynamicShared;
  report.staticShared = program.staticShared;
  report.blocksRun = finished;
  report.error = error;
  report.findings = std::move(findings);
  report.dropped = dropped;
  report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
          .count();
}
