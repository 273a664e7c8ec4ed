//===- Races.h - Happens-before ---------------------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two accesses race when they touch the same byte, one of them writes, and
// nothing orders them. Every thread carries a vector clock: how far it has seen
// every other thread. Clocks move at barriers, warp barriers and at acquiring
// atomics that read what a release wrote; a fence alone moves nothing.
//
// A cell (4 bytes, or 1 where bytes of a word went different ways) holds the
// accesses since the last ordered write as two sets: writes and reads. Sets are
// interned: cells with the same history share one, and adding an access to a
// set is a table lookup. Example: four warps read a tile through ldmatrix; the
// 8192 cells of the tile share a few hundred sets of four readers.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMULATOR_RACES_H
#define ATTN_LIB_EMULATOR_RACES_H

#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

namespace attn::emu {

class Warp;
struct Op;

/// How far a thread has seen others: accesses of thread t with a clock of at
/// most own[t] are ordered before it.
struct Clock {
  explicit Clock(uint32_t block, size_t threads)
      : block(block), own(threads, 0) {}
  uint32_t block;
  std::vector<uint32_t> own;
  /// Threads of other blocks, known through atomics only.
  std::map<uint32_t, std::shared_ptr<const std::vector<uint32_t>>> others;

  uint32_t view(uint32_t ofBlock, uint32_t thread) const {
    if (ofBlock == block)
      return own[thread];
    auto found = others.find(ofBlock);
    return found == others.end() ? 0 : (*found->second)[thread];
  }
  void join(const Clock &other);
};
using ClockPtr = std::shared_ptr<const Clock>;

/// Accesses of one warp by one operation at one clock.
struct AccessRecord {
  uint32_t block = 0, warp = 0;
  uint32_t clock = 0;
  uint32_t op = 0;
  /// Lanes whose asynchronous copy nobody waited for yet.
  uint32_t pending = 0;
  bool strong = false;
  bool async = false;
  uint8_t scope = 0;
};

/// Scopes of strong accesses.
enum Scope : uint8_t { ScopeBlock, ScopeCluster, ScopeDevice, ScopeSystem };

struct Cell {
  uint32_t writes = 0, reads = 0;
};

/// What a warp does to memory in one operation.
struct WarpAccess {
  uint32_t mask = 0;
  uint32_t size = 0;
  bool write = false;
  bool strong = false;
  uint8_t scope = ScopeDevice;
  /// Lane -> offset into the allocation or shared memory.
  const uint64_t *offsets = nullptr;
  /// Lane -> bytes that are written; lets lanes of one operation write the
  /// same value to the same place. Null: not compared.
  const uint8_t *data = nullptr;
  uint32_t stride = 0;
  /// The record of an asynchronous copy, which is not shared between
  /// executions; ~0 otherwise.
  uint32_t record = ~0u;
};

/// A pair of accesses that nothing orders.
struct Conflict {
  AccessRecord other;
  uint32_t otherLane = 0, lane = 0;
  uint64_t offset = 0;
  bool otherWrites = false;
  bool missingWait = false;
};

/// Cells of a piece of memory, made where they are first touched.
class CellMap {
public:
  explicit CellMap(uint64_t bytes)
      : pages((bytes + kPageBytes - 1) / kPageBytes) {}
  Cell &word(uint64_t offset) {
    auto &page = pages[offset / kPageBytes];
    if (!page)
      page.reset(new Cell[kPageBytes / 4]);
    return page[(offset % kPageBytes) / 4];
  }

private:
  static constexpr uint64_t kPageBytes = 4096;
  std::vector<std::unique_ptr<Cell[]>> pages;
};

/// The records and sets of a launch's global memory, or of a block's shared.
class RaceLog {
public:
  RaceLog();

  /// Notes an access and reports every conflict to `conflicts`.
  void access(Warp &warp, const Op &op, CellMap &cells, WarpAccess access,
              std::vector<Conflict> &conflicts);

  /// The record for accesses of `warp` by `op` at its present clock.
  uint32_t recordFor(Warp &warp, const Op &op, const WarpAccess &access);
  /// A record of its own for an asynchronous copy.
  uint32_t asyncRecord(Warp &warp, const Op &op, uint32_t mask);
  /// Lanes have waited for their copy: from now on it is an access of theirs.
  void complete(uint32_t record, uint32_t lanes, uint32_t clock);

private:
  struct Element {
    uint32_t record, mask;
  };
  struct Key {
    uint32_t set, record, mask;
    bool operator==(const Key &other) const {
      return set == other.set && record == other.record && mask == other.mask;
    }
  };
  struct Hash {
    size_t operator()(const Key &key) const {
      uint64_t h = key.set * 0x9e3779b97f4a7c15ull;
      h = (h ^ (h >> 29) ^ key.record) * 0xbf58476d1ce4e5b9ull;
      h = (h ^ (h >> 32) ^ key.mask) * 0x94d049bb133111ebull;
      return size_t(h ^ (h >> 31));
    }
  };

  /// The first lane pair of (element, lanes) that is not ordered; false when
  /// all are.
  bool unordered(const Element &element, const Warp &warp, uint32_t lanes,
                 Conflict &conflict) const;
  uint32_t insert(uint32_t set, uint32_t record, uint32_t mask,
                  const Warp &warp, bool keepStrongOnly);
  uint32_t makeSet(std::vector<Element> elements);
  void touch(Cell &cell, Warp &warp, const WarpAccess &access, uint32_t record,
             uint32_t lanes, uint64_t offset, uint32_t bytes,
             std::vector<Conflict> &conflicts);
  Cell *split(Cell &cell);

  std::vector<AccessRecord> records;
  /// Set 0 is empty.
  std::vector<std::vector<Element>> sets;
  std::vector<uint8_t> blocksIn;
  std::unordered_map<Key, uint32_t, Hash> memo;
  /// Words cut into bytes: 4 cells each.
  std::vector<std::unique_ptr<Cell[]>> splits;
  std::vector<uint32_t> freeSplits;
  /// (block, warp, operation) -> (clock, flavour, record).
  struct Recent {
    uint32_t clock = ~0u, record = 0;
    uint8_t flavour = 0;
  };
  std::unordered_map<uint64_t, Recent> recent;
};

} // namespace attn::emu

#endif // ATTN_LIB_EMULATOR_RACES_H
