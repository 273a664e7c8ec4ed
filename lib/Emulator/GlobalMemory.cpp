//===- GlobalMemory.cpp - Global memory: host memory under names ----------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Allocations by their base address.
//
//===----------------------------------------------------------------------===//

#include "GlobalMemory.h"

#include <new>

using namespace attn::emu;

Allocation *GlobalMemory::map(std::string name, void *base, uint64_t size,
                              bool initialized, std::string &clash) {
  auto start = reinterpret_cast<uint64_t>(base);
  auto next = allocations.upper_bound(start);
  if (next != allocations.end() && next->first < start + size) {
    clash = next->second->name;
    return nullptr;
  }
  if (next != allocations.begin()) {
    auto before = std::prev(next);
    if (before->first == start ||
        before->first + before->second->size > start) {
      clash = before->second->name;
      return nullptr;
    }
  }
  auto allocation = std::make_unique<Allocation>();
  allocation->name = std::move(name);
  allocation->base = start;
  allocation->size = size;
  allocation->id = nextId++;
  allocation->init.resize(size, initialized);
  Allocation *result = allocation.get();
  allocations.emplace(start, std::move(allocation));
  return result;
}

Allocation *GlobalMemory::allocate(std::string name, uint64_t size) {
  std::unique_ptr<uint8_t[]> memory(new (std::nothrow) uint8_t[size + 256]);
  if (!memory)
    return nullptr;
  // What nobody wrote stands out: 0xa5 bytes.
  for (uint64_t i = 0; i < size + 256; ++i)
    memory[i] = 0xa5;
  auto start =
      (reinterpret_cast<uint64_t>(memory.get()) + 255) & ~uint64_t(255);
  std::string clash;
  Allocation *result =
      map(std::move(name), reinterpret_cast<void *>(start), size, false, clash);
  if (result)
    result->owned = std::move(memory);
  return result;
}

bool GlobalMemory::unmap(uint64_t base) { return allocations.erase(base) != 0; }

Allocation *GlobalMemory::find(uint64_t address) const {
  auto next = allocations.upper_bound(address);
  if (next == allocations.begin())
    return nullptr;
  Allocation *found = std::prev(next)->second.get();
  return address - found->base < found->size ? found : nullptr;
}

const Allocation *GlobalMemory::nearest(uint64_t address) const {
  auto next = allocations.upper_bound(address);
  const Allocation *after =
      next == allocations.end() ? nullptr : next->second.get();
  if (next == allocations.begin())
    return after;
  const Allocation *before = std::prev(next)->second.get();
  if (!after)
    return before;
  uint64_t gap = address - before->base < before->size
                     ? 0
                     : address - (before->base + before->size);
  return gap <= after->base - address ? before : after;
}
