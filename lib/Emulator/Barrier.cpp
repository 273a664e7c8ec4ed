//===- Barrier.cpp - bar and barrier --------------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A named barrier counts threads. The last one to arrive frees the others, and
// everyone who waited has seen what everyone who came had done.
//
//===----------------------------------------------------------------------===//

#include "Exec.h"

#include <algorithm>

using namespace attn::emu;

namespace {
enum Red : uint8_t { kNone, kPopc, kAnd, kOr };
}

void Block::arrive(Warp &warp, const Op &op, uint32_t mask, uint32_t name,
                   uint32_t count, bool wait) {
  NamedBarrier &barrier = barriers[name];
  bool explicitCount = count != 0;
  uint32_t arriving = uint32_t(__builtin_popcount(mask));
  // A count speaks of whole warps: the lanes that a last, partial warp lacks
  // come with its first lane.
  if (explicitCount && (mask & 1))
    arriving += 32 - uint32_t(__builtin_popcount(warp.exists));
  uint32_t expected = explicitCount ? count : threads;
  if (barrier.expected && barrier.expected != expected &&
      launch.checks(CheckBarrier)) {
    Finding f;
    f.kind = "barrier-count";
    f.message = "expects barrier " + std::to_string(name) + " with the " +
                std::to_string(barrier.expected) +
                " threads that others at it expect, but got " +
                std::to_string(expected);
    launch.find(std::move(f), &op, *this,
                warp.thread(uint32_t(__builtin_ctz(mask))));
  }
  if (!barrier.expected) {
    barrier.expected = expected;
    barrier.explicitCount = explicitCount;
    barrier.count = 0;
    barrier.all = true;
    barrier.any = false;
    barrier.clock.reset();
  }
  barrier.line = op.line;
  barrier.arrived += arriving;
  if (launch.checks(CheckRace | CheckAsync)) {
    if (!barrier.clock)
      barrier.clock =
          std::make_shared<Clock>(uint32_t(linear), size_t(threads) + 32);
    warp.publish(*barrier.clock, mask);
    ++warp.clock;
  }
  if (op.a != kNone) {
    uint32_t p = warp.pred(op.o[3]) ^ (op.b ? ~0u : 0);
    barrier.count += uint32_t(__builtin_popcount(p & mask));
    barrier.all &= (p & mask) == mask;
    barrier.any |= (p & mask) != 0;
  }
  if (wait) {
    NamedBarrier::Waiter waiter{&warp, warp.running, mask, &op};
    warp.running->state = Split::AtBarrier;
    warp.running->barrier = name;
    barrier.waiters.push_back(waiter);
  } else {
    ++warp.running->pc;
  }
  if (barrier.arrived > barrier.expected && launch.checks(CheckBarrier)) {
    Finding f;
    f.kind = "barrier-count";
    f.message = "expects " + std::to_string(barrier.expected) +
                " threads at barrier " + std::to_string(name) + ", but got " +
                std::to_string(barrier.arrived);
    launch.find(std::move(f), &op, *this,
                warp.thread(uint32_t(__builtin_ctz(mask))));
  }
  if (barrier.arrived >= barrier.expected) {
    releaseBarrier(barrier);
    return;
  }
  checkExitedAtBarriers();
}

void Block::releaseBarrier(NamedBarrier &barrier) {
  ClockPtr seen = barrier.clock;
  for (NamedBarrier::Waiter &waiter : barrier.waiters) {
    const Op &op = *waiter.op;
    Warp &warp = *waiter.warp;
    if (seen)
      warp.acquire(waiter.mask, seen);
    if (op.a == kPopc) {
      uint32_t *d = warp.r32(op.o[0]);
      uint32_t count = barrier.count;
      forLanes(waiter.mask, [&](uint32_t i) { d[i] = count; });
    } else if (op.a != kNone) {
      bool yes = op.a == kAnd ? barrier.all : barrier.any;
      uint32_t &d = warp.pred(op.o[0]);
      d = yes ? d | waiter.mask : d & ~waiter.mask;
    }
    waiter.split->state = Split::Ready;
    ++waiter.split->pc;
  }
  barrier = NamedBarrier();
}

/// Threads that have exited no longer come to a barrier of the whole block.
/// The hardware lets the others through; PTX says that all take part.
void Block::checkExitedAtBarriers() {
  if (!exited)
    return;
  for (uint32_t name = 0; name < 16; ++name) {
    NamedBarrier &barrier = barriers[name];
    if (!barrier.expected || barrier.explicitCount || barrier.waiters.empty() ||
        barrier.arrived + exited < barrier.expected)
      continue;
    const NamedBarrier::Waiter &waiter = barrier.waiters.front();
    if (launch.checks(CheckBarrier)) {
      Finding f;
      f.kind = "barrier-exited";
      f.message = "expects all " + std::to_string(barrier.expected) +
                  " threads of the block at barrier " + std::to_string(name) +
                  ", but " + std::to_string(exited) + " have exited";
      launch.find(std::move(f), waiter.op, *this,
                  waiter.warp->thread(uint32_t(__builtin_ctz(waiter.mask))));
    }
    releaseBarrier(barrier);
  }
}

namespace {

/// op.c bit 0: waits, bit 1: aligned, bit 2: has a count.
void execBarrier(Warp &w, const Op &op, uint32_t mask) {
  if ((op.c & 2) && mask != w.alive && w.launch.checks(CheckDivergence)) {
    Finding f;
    f.kind = "divergence";
    f.message = "expects all lanes of the warp (" + hex(w.alive) +
                ") at an aligned barrier, but got lanes " + hex(mask);
    w.launch.find(std::move(f), &op, w.block,
                  w.thread(uint32_t(__builtin_ctz(mask))));
  }
  uint32_t lane = uint32_t(__builtin_ctz(mask));
  uint32_t name = w.r32(op.o[1])[lane];
  uint32_t count = op.c & 4 ? w.r32(op.o[2])[lane] : 0;
  if (name > 15 || (op.c & 4 && (count == 0 || count % 32))) {
    w.launch.stop("line " + std::to_string(op.line) +
                  ": expects a barrier from 0 to 15 and a count that is a "
                  "multiple of 32, but got barrier " +
                  std::to_string(name) + " and count " + std::to_string(count) +
                  ": '" + w.launch.program.texts[op.index] + "'");
    return;
  }
  // A guard that leaves lanes out: they go past the barrier while the others
  // wait, each as a split of its own.
  if (mask != w.running->mask) {
    Split rest = *w.running;
    rest.mask &= ~mask;
    ++rest.pc;
    auto meeting = std::make_shared<Meeting>();
    meeting->pc = w.running->pc + 1;
    meeting->expected = w.running->mask;
    meeting->depth = w.running->returns.size();
    meeting->parent = w.running->meeting;
    rest.meeting = meeting;
    w.running->meeting = meeting;
    w.running->mask = mask;
    w.splits.push_back(std::move(rest));
  }
  w.block.arrive(w, op, mask, name, count, op.c & 1);
}

void decodeBar(Decoder &d, bool barrierForm) {
  Op &op = d.op;
  op.cls = OpClass::Barrier;
  (void)d.take("cta");
  std::string_view form =
      d.needAny({"warp", "sync", "arrive", "red"}, "a form");
  if (form == "warp") {
    if (barrierForm)
      d.refuse("expects bar.warp.sync");
    decodeBarWarp(d);
    return;
  }
  bool aligned = barrierForm ? d.take("aligned") : true;
  op.flow = Flow::Barrier;
  op.fn = execBarrier;
  op.c = uint8_t((form != "arrive") | aligned << 1);
  size_t at = 0;
  if (form == "red") {
    std::string_view what = d.needAny({"popc", "and", "or"}, "an operation");
    op.a = what == "popc" ? kPopc : what == "and" ? kAnd : kOr;
    if (op.a == kPopc) {
      d.needType({Type::U32});
      op.o[0] = d.destination(0, Type::U32);
    } else {
      d.needType({Type::Pred});
      op.o[0] = d.predicateDestination(d.operand(0));
    }
    at = 1;
    d.needCount(3, 4);
    bool negated;
    op.o[3] = d.predicate(d.operand(d.count() - 1), negated);
    op.b = negated;
  } else if (form == "arrive") {
    d.needCount(2);
  } else {
    d.needCount(1, 2);
  }
  op.o[1] = d.source(at, Type::U32);
  size_t last = form == "red" ? d.count() - 1 : d.count();
  if (at + 1 < last) {
    op.o[2] = d.source(at + 1, Type::U32);
    op.c |= 4;
  }
}
void decodeBarOld(Decoder &d) { decodeBar(d, false); }
void decodeBarrier(Decoder &d) { decodeBar(d, true); }
} // namespace

void attn::emu::addBarrier(InstructionTable &table) {
  table["bar"] = decodeBarOld;
  table["barrier"] = decodeBarrier;
}
