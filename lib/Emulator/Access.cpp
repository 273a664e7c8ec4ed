//===- Access.cpp - Memory accesses of a warp, judged ---------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Bounds, alignment, initialisation, races, banks and sectors.
//
//===----------------------------------------------------------------------===//

#include "Access.h"

#include <algorithm>

using namespace attn::emu;

void attn::emu::laneAddresses(Warp &w, const Op &op, uint32_t row,
                              uint32_t mask, uint64_t address[32]) {
  auto imm = uint64_t(op.imm);
  if (op.narrowBase) {
    uint32_t *base = w.r32(row);
    forLanes(mask, [&](uint32_t i) { address[i] = uint32_t(base[i] + imm); });
  } else {
    uint64_t *base = w.r64(row);
    forLanes(mask, [&](uint32_t i) { address[i] = base[i] + imm; });
  }
}

static Space windowOf(uint64_t address) {
  switch (address & kWindowMask) {
  case kSharedWindow:
    return Space::Shared;
  case kLocalWindow:
    return Space::Local;
  case kParamWindow:
    return Space::Param;
  default:
    return Space::Global;
  }
}

uint32_t attn::emu::lanesInSpace(uint64_t address[32], uint32_t mask,
                                 Space &space) {
  space = windowOf(address[__builtin_ctz(mask)]);
  uint32_t lanes = 0;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    if (windowOf(address[i]) != space)
      continue;
    lanes |= 1u << i;
    if (space != Space::Global)
      address[i] &= ~kWindowMask;
  }
  return lanes;
}

//===----------------------------------------------------------------------===//
// Findings
//===----------------------------------------------------------------------===//

static std::string nameOfShared(const Launch &launch, uint64_t offset,
                                int64_t &within) {
  for (const SharedVariable &v : launch.program.shared)
    if (offset >= v.offset && offset < v.offset + v.size) {
      within = int64_t(offset - v.offset);
      return v.name;
    }
  if (offset >= launch.program.staticShared &&
      !launch.program.dynamicName.empty()) {
    within = int64_t(offset - launch.program.staticShared);
    return launch.program.dynamicName;
  }
  within = int64_t(offset);
  return "shared memory";
}

static void describePlace(Finding &f, const Warp &w, Space space,
                          const Allocation *allocation, uint64_t offset) {
  f.hasAddress = true;
  f.space = spaceName(space);
  if (space == Space::Shared) {
    f.address = offset;
    f.allocation = nameOfShared(w.launch, offset, f.offset);
  } else {
    f.address = allocation->base + offset;
    f.allocation = allocation->name;
    f.offset = int64_t(offset);
  }
}

static std::string verb(AccessKind kind) {
  return kind.atomic ? "updates" : kind.write ? "writes" : "reads";
}

static void outOfBounds(Warp &w, const Op &op, Space space, uint32_t lane,
                        uint64_t address, uint32_t size, AccessKind kind) {
  if (!w.launch.checks(CheckBounds))
    return;
  Finding f;
  f.kind = "out-of-bounds";
  f.hasAddress = true;
  f.space = spaceName(space);
  f.address = address;
  std::string where;
  if (space == Space::Global || space == Space::Const) {
    const Allocation *near = w.launch.memory.nearest(address);
    if (!near) {
      where = "; nothing is mapped";
    } else {
      f.allocation = near->name;
      f.offset = int64_t(address - near->base);
      uint64_t end = near->base + near->size;
      where =
          address >= end ? ", " + std::to_string(address - end) +
                               " bytes behind the end of "
          : address < near->base
              ? ", " + std::to_string(near->base - address) + " bytes before "
              : ", across the end of ";
      where +=
          "'" + near->name + "' (" + std::to_string(near->size) + " bytes)";
    }
  } else {
    uint64_t limit = space == Space::Shared  ? w.launch.sharedBytes
                     : space == Space::Local ? w.launch.program.localBytes
                                             : w.launch.parameters.size();
    f.offset = int64_t(address);
    f.allocation =
        space == Space::Shared && limit
            ? nameOfShared(w.launch, std::min(address, limit - 1), f.offset)
            : std::string(spaceName(space)) + " memory";
    f.offset = int64_t(address);
    where = ", but " + std::string(spaceName(space)) + " memory has " +
            std::to_string(limit) + " bytes";
    if (space == Space::Shared && limit)
      where += "; nearest is '" + f.allocation + "'";
  }
  f.message = verb(kind) + " " + std::to_string(size) + " bytes at " +
              spaceName(space) + " address " + hex(address) + where;
  w.launch.find(std::move(f), &op, w.block, w.thread(lane));
}

static void misaligned(Warp &w, const Op &op, Space space, uint32_t lane,
                       const LaneMemory &m, uint64_t address, uint32_t align,
                       AccessKind kind) {
  Finding f;
  f.kind = "misaligned";
  f.message = verb(kind) + " " + std::to_string(m.size) + " bytes at " +
              spaceName(space) + " address " + hex(address) +
              ", which is no multiple of " + std::to_string(align);
  if (space == Space::Shared || space == Space::Global || space == Space::Const)
    describePlace(f, w, space, m.allocation[lane], m.offset[lane]);
  w.launch.find(std::move(f), &op, w.block, w.thread(lane));
}

//===----------------------------------------------------------------------===//
// Resolving
//===----------------------------------------------------------------------===//

void attn::emu::resolve(Warp &w, const Op &op, Space space, uint32_t mask,
                        const uint64_t address[32], uint32_t size,
                        AccessKind kind, LaneMemory &out) {
  Launch &launch = w.launch;
  out.space = space;
  out.size = size;
  out.mask = 0;
  uint32_t align = kind.align ? kind.align : size;
  uint32_t wrong = 0;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    uint64_t a = address[i];
    out.allocation[i] = nullptr;
    switch (space) {
    case Space::Shared:
      if (a > launch.sharedBytes || launch.sharedBytes - a < size) {
        outOfBounds(w, op, space, i, a, size, kind);
        continue;
      }
      out.bytes[i] = w.block.shared.data() + a;
      out.offset[i] = a;
      break;
    case Space::Local: {
      uint64_t limit = launch.program.localBytes;
      if (a > limit || limit - a < size) {
        outOfBounds(w, op, space, i, a, size, kind);
        continue;
      }
      out.bytes[i] = w.block.local.data() + w.thread(i) * limit + a;
      out.offset[i] = a;
      break;
    }
    case Space::Param:
      if (a > launch.parameters.size() || launch.parameters.size() - a < size ||
          kind.write) {
        outOfBounds(w, op, space, i, a, size, kind);
        continue;
      }
      out.bytes[i] = launch.parameters.data() + a;
      out.offset[i] = a;
      break;
    default: {
      Allocation *found = w.lastAllocation;
      if (!found || a - found->base >= found->size)
        found = launch.memory.find(a);
      if (!found || found->size - (a - found->base) < size ||
          (kind.write && found->constant)) {
        outOfBounds(w, op, space, i, a, size, kind);
        continue;
      }
      w.lastAllocation = found;
      out.allocation[i] = found;
      out.offset[i] = a - found->base;
      out.bytes[i] = reinterpret_cast<uint8_t *>(a);
    }
    }
    out.mask |= 1u << i;
    if (a & (align - 1))
      wrong |= 1u << i;
  }
  if (wrong && launch.checks(CheckAlignment))
    for (uint32_t rest = wrong; rest; rest &= rest - 1) {
      uint32_t i = uint32_t(__builtin_ctz(rest));
      misaligned(w, op, space, i, out, address[i], align, kind);
    }
}

//===----------------------------------------------------------------------===//
// Initialisation and races
//===----------------------------------------------------------------------===//

static void uninitialized(Warp &w, const Op &op, const LaneMemory &m,
                          uint32_t lane) {
  Finding f;
  f.kind = "uninitialized-read";
  describePlace(f, w, m.space, m.allocation[lane], m.offset[lane]);
  f.message = "reads " + std::to_string(m.size) + " bytes of '" + f.allocation +
              "' at offset " + std::to_string(f.offset) + " (" + f.space +
              " memory) that nobody wrote";
  w.launch.find(std::move(f), &op, w.block, w.thread(lane));
}

static void reportConflicts(Warp &w, const Op &op, Space space,
                            const Allocation *allocation, AccessKind kind,
                            const std::vector<Conflict> &conflicts) {
  Launch &launch = w.launch;
  for (const Conflict &c : conflicts) {
    if (!launch.checks(c.missingWait ? CheckAsync : CheckRace))
      continue;
    Finding f;
    f.kind = c.missingWait            ? "missing-async-wait"
             : space == Space::Shared ? "shared-race"
                                      : "global-race";
    describePlace(f, w, space, allocation, c.offset);
    f.hasOther = true;
    const Op &other = launch.program.ops[c.other.op];
    f.otherLine = other.line;
    f.otherText = launch.program.texts[c.other.op];
    uint64_t b = c.other.block;
    f.otherBlock = {uint32_t(b % launch.grid[0]),
                    uint32_t(b / launch.grid[0] % launch.grid[1]),
                    uint32_t(b / launch.grid[0] / launch.grid[1])};
    f.otherThread = w.block.threadIndex(c.other.warp * 32 + c.otherLane);
    std::string place = "'" + f.allocation + "' at offset " +
                        std::to_string(f.offset) + " (" + f.space + " memory)";
    if (c.missingWait)
      f.message = verb(kind) + " " + place +
                  ", which an asynchronous copy still fills: nobody waited "
                  "for its group";
    else
      f.message = verb(kind) + " " + place + ", which another thread " +
                  (c.otherWrites ? "writes" : "reads") +
                  ", and nothing orders the two";
    launch.find(std::move(f), &op, w.block, w.thread(c.lane));
  }
}

void attn::emu::judge(Warp &w, const Op &op, const LaneMemory &m,
                      AccessKind kind, const uint8_t *data, uint32_t stride,
                      uint32_t record) {
  if (!m.mask || (m.space != Space::Shared && m.space != Space::Global))
    return;
  Launch &launch = w.launch;
  bool reads = !kind.write || kind.atomic;
  bool init = launch.checks(CheckInit);
  for (uint32_t rest = m.mask; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    InitBits &bits =
        m.space == Space::Shared ? w.block.sharedInit : m.allocation[i]->init;
    if (init && reads && !bits.test(m.offset[i], m.size))
      uninitialized(w, op, m, i);
    if (kind.write)
      bits.set(m.offset[i], m.size);
  }
  if (!launch.checks(CheckRace | CheckAsync))
    return;
  std::vector<Conflict> conflicts;
  WarpAccess access;
  access.size = m.size;
  access.write = kind.write;
  access.strong = kind.strong;
  access.scope = kind.scope;
  access.offsets = m.offset;
  access.data = data;
  access.stride = stride;
  access.record = record;
  if (m.space == Space::Shared) {
    access.mask = m.mask;
    w.block.races.access(w, op, w.block.cells, access, conflicts);
    if (!conflicts.empty())
      reportConflicts(w, op, m.space, nullptr, kind, conflicts);
    return;
  }
  if (!launch.checks(CheckRace))
    return;
  for (uint32_t rest = m.mask; rest;) {
    Allocation *allocation = m.allocation[__builtin_ctz(rest)];
    access.mask = 0;
    for (uint32_t lanes = rest; lanes; lanes &= lanes - 1) {
      uint32_t i = uint32_t(__builtin_ctz(lanes));
      if (m.allocation[i] == allocation)
        access.mask |= 1u << i;
    }
    rest &= ~access.mask;
    if (allocation->constant)
      continue;
    conflicts.clear();
    {
      std::lock_guard<std::mutex> lock(launch.globalMutex);
      launch.races.access(w, op, launch.cellsOf(*allocation), access,
                          conflicts);
    }
    if (!conflicts.empty())
      reportConflicts(w, op, m.space, allocation, kind, conflicts);
  }
}

//===----------------------------------------------------------------------===//
// Traffic
//===----------------------------------------------------------------------===//

/// Passes over the 32 banks that the words of some lanes need: the most
/// different words that fall into one bank.
static unsigned passes(const LaneMemory &m, uint32_t lanes) {
  uint64_t words[32][8];
  uint8_t count[32] = {};
  unsigned most = 0;
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    uint32_t i = uint32_t(__builtin_ctz(rest));
    for (uint64_t word = m.offset[i] / 4;
         word <= (m.offset[i] + m.size - 1) / 4; ++word) {
      uint32_t bank = word & 31;
      bool known = false;
      for (unsigned k = 0; k < count[bank] && k < 8; ++k)
        known |= words[bank][k] == word;
      if (known)
        continue;
      if (count[bank] < 8)
        words[bank][count[bank]] = word;
      most = std::max<unsigned>(most, ++count[bank]);
    }
  }
  return most;
}

void attn::emu::countTraffic(Warp &w, const Op &op, const LaneMemory &m) {
  if (!m.mask)
    return;
  OpCounters &counter = w.block.counters[op.index];
  counter.bytes += uint64_t(__builtin_popcount(m.mask)) * m.size;
  if (m.space == Space::Shared) {
    ++counter.requests;
    // 8-byte accesses go by half warps, 16-byte ones by quarters.
    uint32_t width = m.size <= 4 ? 32 : m.size == 8 ? 16 : 8;
    for (uint32_t at = 0; at < 32; at += width) {
      uint32_t lanes = m.mask & (width == 32 ? ~0u : ((1u << width) - 1) << at);
      if (lanes)
        counter.conflicts += passes(m, lanes) - 1;
    }
  } else if (m.space == Space::Global) {
    uint64_t sectors[256];
    unsigned n = 0;
    for (uint32_t rest = m.mask; rest; rest &= rest - 1) {
      uint32_t i = uint32_t(__builtin_ctz(rest));
      uint64_t address = m.allocation[i]->base + m.offset[i];
      for (uint64_t s = address / 32; s <= (address + m.size - 1) / 32; ++s)
        if (n < 256)
          sectors[n++] = s;
    }
    std::sort(sectors, sectors + n);
    counter.sectors += uint64_t(std::unique(sectors, sectors + n) - sectors);
    counter.idealSectors +=
        (uint64_t(__builtin_popcount(m.mask)) * m.size + 31) / 32;
  }
}

//===----------------------------------------------------------------------===//
// Modifiers
//===----------------------------------------------------------------------===//

uint8_t attn::emu::takeScope(Decoder &d, bool &given) {
  given = true;
  if (d.take("cta"))
    return ScopeBlock;
  if (d.take("cluster"))
    return ScopeCluster;
  if (d.take("gpu"))
    return ScopeDevice;
  if (d.take("sys"))
    return ScopeSystem;
  given = false;
  return ScopeDevice;
}

bool attn::emu::takeCacheHints(Decoder &d, bool load) {
  if (load)
    (void)d.takeAny({"ca", "cg", "cs", "lu", "cv"});
  else
    (void)d.takeAny({"wb", "cg", "cs", "wt"});
  (void)d.takeAny({"L1::evict_normal", "L1::evict_unchanged", "L1::evict_first",
                   "L1::evict_last", "L1::no_allocate"});
  (void)d.takeAny({"L2::evict_normal", "L2::evict_first", "L2::evict_last"});
  bool hint = d.take("L2::cache_hint");
  if (load)
    (void)d.takeAny({"L2::64B", "L2::128B", "L2::256B"});
  return hint;
}

Space attn::emu::takeSpace(Decoder &d) {
  if (d.take("global"))
    return Space::Global;
  if (d.take("shared") || d.take("shared::cta"))
    return Space::Shared;
  if (d.take("local"))
    return Space::Local;
  if (d.take("const"))
    return Space::Const;
  if (d.take("param") || d.take("param::entry") || d.take("param::func"))
    return Space::Param;
  return Space::Generic;
}

//===----------------------------------------------------------------------===//
// Acquire, release and fences
//===----------------------------------------------------------------------===//

/// Whether two scopes let threads of two blocks see each other.
static bool reaches(uint8_t a, uint8_t b, const Clock &from, const Warp &to) {
  return from.block == to.block.linear ||
         (a >= ScopeDevice && b >= ScopeDevice);
}

namespace {
/// The locations of a space, locked where blocks share them.
struct Locations {
  Locations(Warp &w, Space space)
      : map(space == Space::Shared ? w.block.sync : w.launch.sync) {
    if (space != Space::Shared)
      lock = std::unique_lock<std::mutex>(w.launch.globalMutex);
  }
  std::unordered_map<uint64_t, SyncLocation> &map;
  std::unique_lock<std::mutex> lock;
};
} // namespace

void attn::emu::releaseLane(Warp &w, Space space, uint64_t key, uint32_t lane,
                            bool release, bool readModifyWrite, uint8_t scope) {
  ClockPtr published;
  if (release) {
    auto clock = std::make_shared<Clock>(*w.clocks[lane]);
    w.publish(*clock, 1u << lane);
    ++w.clock;
    published = clock;
  } else if (w.fenced[lane]) {
    // A fence before a relaxed write makes the write a release of what was
    // before the fence.
    published = w.fenced[lane];
    scope = std::min(scope, w.fencedScope[lane]);
  }
  Locations locations(w, space);
  auto found = locations.map.find(key);
  if (!published) {
    // A plain strong write ends a release sequence of another thread; an
    // update continues it.
    if (!readModifyWrite && found != locations.map.end())
      locations.map.erase(found);
    return;
  }
  if (readModifyWrite && found != locations.map.end()) {
    auto joined = std::make_shared<Clock>(*published);
    joined->join(*found->second.clock);
    published = joined;
    scope = std::min(scope, found->second.scope);
  }
  locations.map[key] = {published, scope};
}

void attn::emu::acquireLane(Warp &w, Space space, uint64_t key, uint32_t lane,
                            bool acquire, uint8_t scope) {
  ClockPtr clock;
  uint8_t published = 0;
  {
    Locations locations(w, space);
    auto found = locations.map.find(key);
    if (found == locations.map.end())
      return;
    clock = found->second.clock;
    published = found->second.scope;
  }
  if (!reaches(scope, published, *clock, w))
    return;
  if (acquire) {
    w.acquireJoin(lane, *clock);
    return;
  }
  // A later fence makes this read an acquire.
  if (!w.seen[lane]) {
    w.seen[lane] = clock;
  } else {
    auto joined = std::make_shared<Clock>(*w.seen[lane]);
    joined->join(*clock);
    w.seen[lane] = joined;
  }
}

void attn::emu::fenceLanes(Warp &w, uint32_t mask, uint8_t scope) {
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t lane = uint32_t(__builtin_ctz(rest));
    if (w.seen[lane]) {
      w.acquireJoin(lane, *w.seen[lane]);
      w.seen[lane].reset();
    }
  }
  // What each lane has done and seen up to here.
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t lane = uint32_t(__builtin_ctz(rest));
    auto clock = std::make_shared<Clock>(*w.clocks[lane]);
    w.publish(*clock, 1u << lane);
    w.fenced[lane] = clock;
    w.fencedScope[lane] = scope;
  }
  ++w.clock;
}
