//===- Checks.cpp - Run-time checks for generated code --------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The conditions that generated code cannot prove and tests before it touches
// memory. Each message ends in what was found, so the generated part of it says
// what was expected.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/CallContext.h"
#include "attn/Runtime/Device/HostCopy.h"

#include <cstdio>

using namespace attn::rt;

/// Shorter than a cast for printf.
static long long ll(int64_t v) { return static_cast<long long>(v); }

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

void attnrt_check_eq(int64_t a, int64_t b, const char *msg) {
  if (a != b)
    fail(ATTN_SHAPE_ERROR, "%s, but got %lld and %lld", msg, ll(a), ll(b));
}

void attnrt_check_heads(int64_t queryHeads, int64_t kvHeads) {
  bool divides = kvHeads > 0 ? queryHeads % kvHeads == 0 : queryHeads == 0;
  if (!divides)
    fail(ATTN_SHAPE_ERROR,
         "'attn.attention' op expects the query head count to be a multiple of "
         "the key/value head count, but got %lld and %lld",
         ll(queryHeads), ll(kvHeads));
}

void attnrt_check_range(int64_t v, int64_t lo, int64_t hi, const char *msg) {
  if (v < lo || v > hi)
    fail(ATTN_SHAPE_ERROR, "%s, but got %lld", msg, ll(v));
}

void attnrt_check_product(const int64_t *dims, int64_t n, int64_t elemBytes,
                          const char *msg) {
  int64_t product = elemBytes;
  bool overflow = elemBytes < 0, negative = false, empty = false;
  for (int64_t i = 0; i < n; ++i) {
    negative |= dims[i] < 0;
    empty |= dims[i] == 0;
    overflow |= __builtin_mul_overflow(product, dims[i], &product);
  }
  if (!negative && (empty || !overflow))
    return;
  char text[512];
  int used = 0;
  for (int64_t i = 0; i < n && used < int(sizeof(text)) - 32; ++i)
    used += std::snprintf(text + used, sizeof(text) - used, "%s%lld",
                          i ? ", " : "", ll(dims[i]));
  text[used] = '\0';
  fail(ATTN_SHAPE_ERROR, "%s, but got sizes [%s] with %lld-byte elements", msg,
       text, ll(elemBytes));
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

void attnrt_check_values_i32(const int32_t *p, int64_t n0, int64_t n1,
                             int64_t s0, int64_t s1, int64_t lo, int64_t hi,
                             const char *msg) {
  const int64_t sizes[] = {n0, n1}, strides[] = {s0, s1};
  HostCopy copy(p, sizes, strides, 2);
  p = copy.data();
  for (int64_t i = 0; i < n0; ++i)
    for (int64_t j = 0; j < n1; ++j) {
      int32_t v = p[i * s0 + j * s1];
      if (v < lo || v > hi)
        fail(ATTN_SHAPE_ERROR, "%s, but got %d at [%lld, %lld]", msg, v, ll(i),
             ll(j));
    }
  copy.release();
}

void attnrt_check_increasing_i32(const int32_t *p, int64_t n, int64_t stride,
                                 int64_t lastMax, const char *msg) {
  if (n < 1)
    fail(ATTN_SHAPE_ERROR, "%s, but got no entries (the first one is 0)", msg);
  HostCopy copy(p, &n, &stride, 1);
  p = copy.data();
  if (p[0] != 0)
    fail(ATTN_SHAPE_ERROR, "%s, but got %d at [0], where it starts with 0", msg,
         p[0]);
  for (int64_t i = 1; i < n; ++i) {
    int32_t v = p[i * stride], before = p[(i - 1) * stride];
    if (v < before)
      fail(ATTN_SHAPE_ERROR, "%s, but got %d at [%lld] after %d", msg, v, ll(i),
           before);
  }
  int32_t last = p[(n - 1) * stride];
  if (last > lastMax)
    fail(ATTN_SHAPE_ERROR, "%s, but got %d at [%lld], beyond %lld", msg, last,
         ll(n - 1), ll(lastMax));
  copy.release();
}

//===----------------------------------------------------------------------===//
// Page tables
//===----------------------------------------------------------------------===//

namespace {
/// The pages seen in one row of a page table. It is an open hash table whose
/// slots carry the number of the row that filled them, so that a new row needs
/// no clearing; its size follows the row, not the pool of pages.
class SeenPages {
public:
  explicit SeenPages(int64_t rowLength) {
    while (capacity < 2 * rowLength)
      capacity *= 2;
    slots = static_cast<Slot *>(
        allocateOnHost(capacity * static_cast<int64_t>(sizeof(Slot))));
    for (int64_t i = 0; i < capacity; ++i)
      slots[i] = {-1, 0, 0};
  }

  /// Adds a page; returns the entry that had it before in this row, or -1.
  int64_t add(int64_t row, int64_t entry, int32_t page) {
    uint64_t at = uint64_t(uint32_t(page)) * 0x9E3779B97F4A7C15u;
    for (at >>= 32;; ++at) {
      Slot &slot = slots[at & uint64_t(capacity - 1)];
      if (slot.row != row) {
        slot = {row, page, int32_t(entry)};
        return -1;
      }
      if (slot.page == page)
        return slot.entry;
    }
  }

  /// Not a destructor: a failed check leaves by longjmp, and then the call
  /// frees the memory.
  void release() { freeOnHost(slots); }

private:
  struct Slot {
    int64_t row;
    int32_t page;
    int32_t entry;
  };
  int64_t capacity = 16;
  Slot *slots;
};
} // namespace

void attnrt_check_page_table(const int32_t *p, int64_t b, int64_t h, int64_t n,
                             int64_t sb, int64_t sh, int64_t sn,
                             int64_t pages) {
  if (b <= 0 || h <= 0 || n <= 0)
    return;
  const int64_t sizes[] = {b, h, n}, strides[] = {sb, sh, sn};
  HostCopy copy(p, sizes, strides, 3);
  p = copy.data();
  SeenPages seen(n);
  for (int64_t row = 0; row < b * h; ++row) {
    int64_t bi = row / h, hi = row % h;
    const int32_t *entries = p + bi * sb + hi * sh;
    for (int64_t i = 0; i < n; ++i) {
      int32_t page = entries[i * sn];
      if (page == -1)
        continue;
      if (page < 0 || page >= pages)
        fail(
            ATTN_SHAPE_ERROR,
            "the page table expects -1 or a page from 0 to %lld, but got %d in "
            "row [%lld, %lld], entry %lld",
            ll(pages - 1), page, ll(bi), ll(hi), ll(i));
      int64_t earlier = seen.add(row, i, page);
      if (earlier >= 0)
        fail(ATTN_SHAPE_ERROR,
             "the page table expects no page twice in a row, but got page %d "
             "in row [%lld, %lld], entries %lld and %lld",
             page, ll(bi), ll(hi), ll(earlier), ll(i));
    }
  }
  seen.release();
  copy.release();
}
