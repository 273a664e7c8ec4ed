//===- GlobalMemory.h - Global memory: host memory under names --*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A device address is a host address. What the device may touch are the
// allocations registered here; each has a bit per byte that says whether the
// byte was ever written.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMULATOR_GLOBALMEMORY_H
#define ATTN_LIB_EMULATOR_GLOBALMEMORY_H

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace attn::emu {

/// A bit per byte. Bits may be set from several threads at once.
class InitBits {
public:
  void resize(uint64_t bytes, bool set) {
    words.assign((bytes + 63) / 64, set ? ~uint64_t(0) : 0);
  }
  /// Whether all of [at, at + n) is set; n is at most 64.
  bool test(uint64_t at, unsigned n) const {
    uint64_t mask = n >= 64 ? ~uint64_t(0) : (uint64_t(1) << n) - 1;
    unsigned shift = at & 63;
    uint64_t low = load(at / 64) >> shift;
    if (shift + n > 64)
      low |= load(at / 64 + 1) << (64 - shift);
    return (low & mask) == mask;
  }
  void set(uint64_t at, unsigned n) {
    uint64_t mask = n >= 64 ? ~uint64_t(0) : (uint64_t(1) << n) - 1;
    unsigned shift = at & 63;
    orWord(at / 64, mask << shift);
    if (shift + n > 64)
      orWord(at / 64 + 1, mask >> (64 - shift));
  }
  void fill(uint64_t at, uint64_t n, bool value) {
    for (uint64_t i = at; i < at + n; ++i) {
      uint64_t bit = uint64_t(1) << (i & 63);
      words[i / 64] = value ? words[i / 64] | bit : words[i / 64] & ~bit;
    }
  }

private:
  uint64_t load(uint64_t word) const {
    return __atomic_load_n(&words[word], __ATOMIC_RELAXED);
  }
  void orWord(uint64_t word, uint64_t bits) {
    if ((load(word) & bits) != bits)
      __atomic_fetch_or(&words[word], bits, __ATOMIC_RELAXED);
  }
  std::vector<uint64_t> words;
};

struct Allocation {
  std::string name;
  uint64_t base = 0, size = 0;
  uint32_t id = 0;
  bool constant = false;
  InitBits init;
  /// Memory of the emulator's own.
  std::unique_ptr<uint8_t[]> owned;
};

class GlobalMemory {
public:
  /// Registers [base, base + size); the allocation, or null where it overlaps
  /// another one, whose name then stands in `clash`.
  Allocation *map(std::string name, void *base, uint64_t size, bool initialized,
                  std::string &clash);
  /// Memory of the emulator's own, 256-byte aligned; null when there is none.
  Allocation *allocate(std::string name, uint64_t size);
  bool unmap(uint64_t base);
  /// The allocation that holds `address`, or null.
  Allocation *find(uint64_t address) const;
  /// The allocation closest to `address`, or null where there is none.
  const Allocation *nearest(uint64_t address) const;
  const std::map<uint64_t, std::unique_ptr<Allocation>> &all() const {
    return allocations;
  }

private:
  std::map<uint64_t, std::unique_ptr<Allocation>> allocations;
  uint32_t nextId = 1;
};

} // namespace attn::emu

#endif // ATTN_LIB_EMULATOR_GLOBALMEMORY_H
