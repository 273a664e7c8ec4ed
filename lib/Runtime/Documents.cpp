//===- Documents.cpp - Document indices and positions ---------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Turns the two ways of saying which document a slot belongs to (cumulative
// lengths, segment ids) into what kernels read: one segment and one logical
// position per slot. The work is done on the host; what lies on a device is
// copied in and out.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/CallContext.h"
#include "attn/Runtime/Device/HostCopy.h"

#include <algorithm>
#include <utility>

using namespace attn::rt;

//===----------------------------------------------------------------------===//
// Cumulative lengths
//===----------------------------------------------------------------------===//

/// Document `d`'s slots in an array of `size`: [begin, end). Documents that the
/// array does not list are empty.
static std::pair<int64_t, int64_t> documentSlots(const int32_t *cu, int64_t n1,
                                                 int64_t d, int64_t size) {
  if (d + 1 >= n1)
    return {0, 0};
  int64_t begin = std::clamp<int64_t>(cu[d], 0, size);
  int64_t end = std::clamp<int64_t>(cu[d + 1], begin, size);
  return {begin, end};
}

/// Fills one side. `offset(d)` is added to the positions of document d.
template <typename Offset>
static void fillDocuments(const int32_t *cu, int64_t n1, int64_t size,
                          int32_t padding, Offset offset, int32_t *seg,
                          int32_t *pos) {
  std::fill_n(seg, std::max<int64_t>(size, 0), padding);
  std::fill_n(pos, std::max<int64_t>(size, 0), 0);
  for (int64_t d = 0; d + 1 < n1; ++d) {
    auto [begin, end] = documentSlots(cu, n1, d, size);
    int64_t shift = offset(d);
    for (int64_t i = begin; i < end; ++i) {
      seg[i] = static_cast<int32_t>(d);
      pos[i] = static_cast<int32_t>(i - begin + shift);
    }
  }
}

void attnrt_documents_cu(const int32_t *cuQ, int64_t nq1, const int32_t *cuKv,
                         int64_t nk1, int32_t bottomRight, int64_t Sq,
                         int64_t Sk, int32_t *qSeg, int32_t *qPos,
                         int32_t *kvSeg, int32_t *kvPos) {
  HostCopy cuQCopy(cuQ, nq1), cuKvCopy(cuKv, nk1);
  HostResult qSegResult(qSeg, Sq), qPosResult(qPos, Sq);
  HostResult kvSegResult(kvSeg, Sk), kvPosResult(kvPos, Sk);
  cuQ = cuQCopy.data();
  cuKv = cuKvCopy.data();
  auto bottomRightOffset = [&](int64_t d) -> int64_t {
    if (!bottomRight)
      return 0;
    auto [qBegin, qEnd] = documentSlots(cuQ, nq1, d, Sq);
    auto [kBegin, kEnd] = documentSlots(cuKv, nk1, d, Sk);
    return (kEnd - kBegin) - (qEnd - qBegin);
  };
  auto none = [](int64_t) -> int64_t { return 0; };
  fillDocuments(cuQ, nq1, Sq, /*padding=*/-2, bottomRightOffset,
                qSegResult.data(), qPosResult.data());
  fillDocuments(cuKv, nk1, Sk, /*padding=*/-1, none, kvSegResult.data(),
                kvPosResult.data());
  for (HostResult *result :
       {&qSegResult, &qPosResult, &kvSegResult, &kvPosResult})
    result->store();
  for (HostCopy *copy : {&cuQCopy, &cuKvCopy})
    copy->release();
}

//===----------------------------------------------------------------------===//
// Segment ids
//===----------------------------------------------------------------------===//

namespace {
/// How many valid slots each segment id has, for the ids of one batch. An open
/// hash table; slots carry the number of the batch that filled them, so that a
/// new batch needs no clearing.
class SegmentCounts {
public:
  struct Entry {
    int64_t batch;
    int32_t id;
    int32_t keys;
    int32_t queries;
  };

  explicit SegmentCounts(int64_t maxIds) {
    while (capacity < 2 * maxIds)
      capacity *= 2;
    entries = static_cast<Entry *>(
        allocateOnHost(capacity * static_cast<int64_t>(sizeof(Entry))));
    for (int64_t i = 0; i < capacity; ++i)
      entries[i] = {-1, 0, 0, 0};
  }

  /// The entry of `id` in `batch`, made when new. Neighbouring slots most often
  /// share their id, so the last entry is tried first.
  Entry &find(int64_t batch, int32_t id) {
    if (last && last->batch == batch && last->id == id)
      return *last;
    uint64_t at = uint64_t(uint32_t(id)) * 0x9E3779B97F4A7C15u;
    for (at >>= 32;; ++at) {
      Entry &entry = entries[at & uint64_t(capacity - 1)];
      if (entry.batch != batch)
        entry = {batch, id, 0, 0};
      if (entry.id == id)
        return *(last = &entry);
    }
  }

  void release() { freeOnHost(entries); }

private:
  int64_t capacity = 16;
  Entry *entries;
  Entry *last = nullptr;
};
} // namespace

void attnrt_documents_seg(const int32_t *qSeg, const int32_t *kvSeg,
                          const int32_t *qLen, const int32_t *kvLen, int64_t Bq,
                          int64_t Bk, int64_t B, int64_t Sq, int64_t Sk,
                          int32_t bottomRight, int32_t *qPos, int32_t *kvPos) {
  if (B <= 0)
    return;
  HostCopy qSegCopy(qSeg, Bq * Sq), kvSegCopy(kvSeg, Bk * Sk);
  HostCopy qLenCopy(qLen, B), kvLenCopy(kvLen, B);
  HostResult qPosResult(qPos, B * Sq), kvPosResult(kvPos, B * Sk);
  qSeg = qSegCopy.data();
  kvSeg = kvSegCopy.data();
  qLen = qLenCopy.data();
  kvLen = kvLenCopy.data();
  qPos = qPosResult.data();
  kvPos = kvPosResult.data();
  SegmentCounts counts(Sq + Sk);
  for (int64_t b = 0; b < B; ++b) {
    const int32_t *qIds = qSeg + (Bq == 1 ? 0 : b * Sq);
    const int32_t *kvIds = kvSeg + (Bk == 1 ? 0 : b * Sk);
    int64_t validQ = qLen ? std::clamp<int64_t>(qLen[b], 0, Sq) : Sq;
    int64_t validK = kvLen ? std::clamp<int64_t>(kvLen[b], 0, Sk) : Sk;
    for (int64_t j = 0; j < Sk; ++j) {
      SegmentCounts::Entry &entry = counts.find(b, kvIds[j]);
      kvPos[b * Sk + j] = entry.keys;
      entry.keys += j < validK;
    }
    for (int64_t i = 0; i < Sq; ++i) {
      SegmentCounts::Entry &entry = counts.find(b, qIds[i]);
      qPos[b * Sq + i] = entry.queries;
      entry.queries += i < validQ;
    }
    if (!bottomRight)
      continue;
    // Only now are all keys and queries of every id counted.
    for (int64_t i = 0; i < Sq; ++i) {
      SegmentCounts::Entry &entry = counts.find(b, qIds[i]);
      qPos[b * Sq + i] += entry.keys - entry.queries;
    }
  }
  counts.release();
  for (HostResult *result : {&qPosResult, &kvPosResult})
    result->store();
  for (HostCopy *copy : {&qSegCopy, &kvSegCopy, &qLenCopy, &kvLenCopy})
    copy->release();
}
