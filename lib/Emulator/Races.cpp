//===- Races.cpp - Happens-before -----------------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sets of accesses, and the question whether one is ordered before another.
//
//===----------------------------------------------------------------------===//

#include "Races.h"

#include "Machine.h"

#include <algorithm>
#include <cstring>

using namespace attn::emu;

/// More readers than this are not kept: the oldest go. A race with one of them
/// may then be missed; none is invented.
static constexpr size_t kMaxElements = 64;
static constexpr uint8_t kManyBlocks = 3;
static constexpr uint32_t kSplit = 0x80000000u;

void Clock::join(const Clock &other) {
  auto joinInto = [&](uint32_t otherBlock,
                      const std::vector<uint32_t> &values) {
    if (otherBlock == block) {
      for (size_t i = 0; i < values.size(); ++i)
        own[i] = std::max(own[i], values[i]);
      return;
    }
    auto &mine = others[otherBlock];
    auto merged = std::make_shared<std::vector<uint32_t>>(values);
    if (mine)
      for (size_t i = 0; i < values.size(); ++i)
        (*merged)[i] = std::max((*merged)[i], (*mine)[i]);
    mine = std::move(merged);
  };
  joinInto(other.block, other.own);
  for (auto &[otherBlock, values] : other.others)
    joinInto(otherBlock, *values);
}

RaceLog::RaceLog() {
  sets.emplace_back();
  blocksIn.push_back(0);
}

uint32_t RaceLog::recordFor(Warp &warp, const Op &op,
                            const WarpAccess &access) {
  uint64_t key = (uint64_t(warp.block.linear) << 32) ^
                 (uint64_t(warp.id) << 24) ^ op.index ^
                 (uint64_t(access.write) << 63);
  Recent &last = recent[key];
  uint8_t flavour = uint8_t(access.strong) | uint8_t(access.scope << 1);
  if (last.clock == warp.clock && last.flavour == flavour)
    return last.record;
  AccessRecord record;
  record.block = uint32_t(warp.block.linear);
  record.warp = warp.id;
  record.clock = warp.clock;
  record.op = op.index;
  record.strong = access.strong;
  record.scope = access.scope;
  last.clock = warp.clock;
  last.flavour = flavour;
  last.record = uint32_t(records.size());
  records.push_back(record);
  return last.record;
}

uint32_t RaceLog::asyncRecord(Warp &warp, const Op &op, uint32_t mask) {
  AccessRecord record;
  record.block = uint32_t(warp.block.linear);
  record.warp = warp.id;
  record.clock = warp.clock;
  record.op = op.index;
  record.pending = mask;
  record.async = true;
  records.push_back(record);
  return uint32_t(records.size()) - 1;
}

void RaceLog::complete(uint32_t record, uint32_t lanes, uint32_t clock) {
  records[record].pending &= ~lanes;
  records[record].clock = clock;
}

bool RaceLog::unordered(const Element &element, const Warp &warp,
                        uint32_t lanes, Conflict &conflict) const {
  const AccessRecord &r = records[element.record];
  bool sameBlock = r.block == warp.block.linear;
  bool sameWarp = sameBlock && r.warp == warp.id;
  const Clock *checked = nullptr;
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    uint32_t lane = uint32_t(__builtin_ctz(rest));
    const Clock *clock = warp.clocks[lane].get();
    uint32_t others = element.mask;
    if (sameWarp) {
      if (others >> lane & 1) {
        if (r.pending >> lane & 1) {
          conflict.lane = lane;
          conflict.otherLane = lane;
          conflict.other = r;
          conflict.missingWait = true;
          return true;
        }
        others &= ~(1u << lane);
      }
    } else if (clock == checked) {
      continue;
    }
    for (; others; others &= others - 1) {
      uint32_t other = uint32_t(__builtin_ctz(others));
      bool pending = (r.pending >> other & 1) != 0;
      if (!pending && clock->view(r.block, r.warp * 32 + other) >= r.clock)
        continue;
      conflict.lane = lane;
      conflict.otherLane = other;
      conflict.other = r;
      conflict.missingWait = pending;
      return true;
    }
    checked = clock;
  }
  return false;
}

uint32_t RaceLog::makeSet(std::vector<Element> elements) {
  if (elements.empty())
    return 0;
  // How many blocks the set speaks of; elements of one block stand together.
  uint8_t blocks = 0;
  for (size_t i = 0; i < elements.size(); ++i)
    if (blocks < 255 && (i == 0 || records[elements[i].record].block !=
                                       records[elements[i - 1].record].block))
      ++blocks;
  blocksIn.push_back(blocks);
  sets.push_back(std::move(elements));
  return uint32_t(sets.size()) - 1;
}

/// The set with one more access. Accesses that are ordered before the new one
/// are dropped: whoever is ordered after the new one is after them too.
uint32_t RaceLog::insert(uint32_t set, uint32_t record, uint32_t mask,
                         const Warp &warp, bool keepStrongOnly) {
  // Where several blocks read a cell, whoever writes it races with all of them;
  // more readers tell nothing new. (Inputs of a kernel are read by hundreds.)
  if (blocksIn[set] > kManyBlocks) {
    bool current = true;
    for (const Element &element : sets[set]) {
      Conflict unused;
      current &= records[element.record].block == warp.block.linear ||
                 unordered(element, warp, mask, unused);
    }
    if (current)
      return set;
  }
  Key key{set, record, mask};
  auto found = memo.find(key);
  if (found != memo.end())
    return found->second;
  std::vector<Element> elements;
  bool merged = false;
  for (const Element &element : sets[set]) {
    if (element.record == record) {
      elements.push_back({record, element.mask | mask});
      merged = true;
      continue;
    }
    const AccessRecord &r = records[element.record];
    if (keepStrongOnly && !r.strong)
      continue;
    Conflict unused;
    // Only what each lane of the element precedes may go; the element is kept
    // when a single lane pair is unordered.
    if (unordered(element, warp, mask, unused))
      elements.push_back(element);
  }
  if (!merged)
    elements.push_back({record, mask});
  if (elements.size() > kMaxElements)
    elements.erase(elements.begin());
  uint32_t result = makeSet(std::move(elements));
  memo.emplace(key, result);
  return result;
}

Cell *RaceLog::split(Cell &cell) {
  if (cell.writes & kSplit)
    return splits[cell.writes & ~kSplit].get();
  uint32_t index;
  if (!freeSplits.empty()) {
    index = freeSplits.back();
    freeSplits.pop_back();
  } else {
    index = uint32_t(splits.size());
    splits.emplace_back(new Cell[4]);
  }
  Cell *bytes = splits[index].get();
  for (int i = 0; i < 4; ++i)
    bytes[i] = cell;
  cell.writes = kSplit | index;
  return bytes;
}

void RaceLog::touch(Cell &cell, Warp &warp, const WarpAccess &access,
                    uint32_t record, uint32_t lanes, uint64_t offset,
                    uint32_t bytes, std::vector<Conflict> &conflicts) {
  auto judge = [&](uint32_t set, bool otherWrites) {
    for (const Element &element : sets[set]) {
      const AccessRecord &r = records[element.record];
      if (access.strong && r.strong &&
          (r.block == warp.block.linear ||
           (access.scope >= ScopeDevice && r.scope >= ScopeDevice)))
        continue;
      Element judged = element;
      // Lanes of one store that write the same value to the same place do no
      // harm.
      if (element.record == record && access.write && otherWrites &&
          access.data) {
        uint32_t lane = uint32_t(__builtin_ctz(lanes));
        const uint8_t *mine = access.data + lane * access.stride +
                              (offset - access.offsets[lane]);
        for (uint32_t rest = judged.mask & ~lanes; rest; rest &= rest - 1) {
          uint32_t other = uint32_t(__builtin_ctz(rest));
          uint64_t at = access.offsets[other];
          if (!(access.mask >> other & 1) || offset < at ||
              offset + bytes > at + access.size)
            continue; // An earlier execution of this store.
          if (!std::memcmp(mine,
                           access.data + other * access.stride + (offset - at),
                           bytes))
            judged.mask &= ~(1u << other);
        }
      }
      Conflict conflict;
      if (judged.mask && unordered(judged, warp, lanes, conflict)) {
        conflict.offset = offset;
        conflict.otherWrites = otherWrites;
        conflicts.push_back(conflict);
        return;
      }
    }
  };
  judge(cell.writes, true);
  if (!access.write) {
    cell.reads = insert(cell.reads, record, lanes, warp, false);
    return;
  }
  judge(cell.reads, false);
  if (access.strong) {
    cell.writes = insert(cell.writes, record, lanes, warp, true);
  } else {
    // The last write of the same operation stays known, for lanes that hit one
    // place.
    cell.writes = insert(0, record, lanes, warp, false);
    cell.reads = 0;
  }
}

void RaceLog::access(Warp &warp, const Op &op, CellMap &cells,
                     WarpAccess access, std::vector<Conflict> &conflicts) {
  uint32_t record =
      access.record != ~0u ? access.record : recordFor(warp, op, access);
  auto piece = [&](uint32_t lanes, uint64_t from, uint32_t size) {
    for (uint64_t at = from; at < from + size;) {
      Cell &cell = cells.word(at);
      uint64_t next = (at & ~uint64_t(3)) + 4;
      bool whole = (at & 3) == 0 && next <= from + size;
      if (whole && !(cell.writes & kSplit)) {
        touch(cell, warp, access, record, lanes, at, 4, conflicts);
        at = next;
        continue;
      }
      Cell *bytes = split(cell);
      uint64_t stop = std::min<uint64_t>(next, from + size);
      for (; at < stop; ++at)
        touch(bytes[at & 3], warp, access, record, lanes, at, 1, conflicts);
      // A word whose bytes agree again is one cell again.
      if (bytes[0].writes == bytes[1].writes &&
          bytes[0].writes == bytes[2].writes &&
          bytes[0].writes == bytes[3].writes &&
          bytes[0].reads == bytes[1].reads &&
          bytes[0].reads == bytes[2].reads &&
          bytes[0].reads == bytes[3].reads) {
        freeSplits.push_back(cell.writes & ~kSplit);
        cell = bytes[0];
      }
    }
  };
  // A read of one place by all lanes is one entry with many lanes.
  if (!access.write && access.mask) {
    uint32_t first = uint32_t(__builtin_ctz(access.mask));
    bool same = true;
    for (uint32_t rest = access.mask; rest; rest &= rest - 1)
      same &= access.offsets[__builtin_ctz(rest)] == access.offsets[first];
    if (same) {
      piece(access.mask, access.offsets[first], access.size);
      return;
    }
  }
  for (uint32_t rest = access.mask; rest; rest &= rest - 1) {
    uint32_t lane = uint32_t(__builtin_ctz(rest));
    piece(1u << lane, access.offsets[lane], access.size);
  }
}
