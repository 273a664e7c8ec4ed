//===- DocumentsTest.cpp - Tests of document indices and positions --------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The fast routines against loops that follow the definition word by word.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"

#include <gtest/gtest.h>

using namespace attn::test;
using Ints = std::vector<int32_t>;

namespace {
/// A small random number generator, the same on every machine.
struct Random {
  unsigned seed;
  int operator()(int below) {
    seed = seed * 1664525u + 1013904223u;
    return int(seed >> 8) % below;
  }
};
} // namespace

//===----------------------------------------------------------------------===//
// Cumulative lengths
//===----------------------------------------------------------------------===//

TEST(DocumentsCu, Example) {
  // Documents of 2 and 3 queries over 3 and 1 keys, one slot of padding each.
  Ints cuQ = {0, 2, 5}, cuK = {0, 3, 4};
  Ints qSeg(6, 9), qPos(6, 9), kSeg(5, 9), kPos(5, 9);
  auto call = [&] {
    attnrt_documents_cu(cuQ.data(), 3, cuK.data(), 3, 0, 6, 5, qSeg.data(),
                        qPos.data(), kSeg.data(), kPos.data());
  };
  ASSERT_EQ(runInCall(call), ATTN_OK);
  EXPECT_EQ(qSeg, (Ints{0, 0, 1, 1, 1, -2}));
  EXPECT_EQ(qPos, (Ints{0, 1, 0, 1, 2, 0}));
  EXPECT_EQ(kSeg, (Ints{0, 0, 0, 1, -1}));
  EXPECT_EQ(kPos, (Ints{0, 1, 2, 0, 0}));
  auto bottomRight = [&] {
    attnrt_documents_cu(cuQ.data(), 3, cuK.data(), 3, 1, 6, 5, qSeg.data(),
                        qPos.data(), kSeg.data(), kPos.data());
  };
  ASSERT_EQ(runInCall(bottomRight), ATTN_OK);
  // 3 - 2 = 1 in the first document, 1 - 3 = -2 in the second.
  EXPECT_EQ(qPos, (Ints{1, 2, -2, -1, 0, 0}));
  EXPECT_EQ(kPos, (Ints{0, 1, 2, 0, 0}));
}

TEST(DocumentsCu, AgainstPlainLoops) {
  Random random{5};
  for (int round = 0; round < 200; ++round) {
    int documents = random(6);
    Ints cuQ = {0}, cuK = {0};
    for (int d = 0; d < documents; ++d) {
      cuQ.push_back(cuQ.back() + random(5));
      cuK.push_back(cuK.back() + random(5));
    }
    int Sq = cuQ.back() + random(4), Sk = cuK.back() + random(4);
    bool bottomRight = random(2);
    Ints qSeg(Sq + 1, 77), qPos(Sq + 1, 77), kSeg(Sk + 1, 77), kPos(Sk + 1, 77);
    auto call = [&] {
      attnrt_documents_cu(cuQ.data(), documents + 1, cuK.data(), documents + 1,
                          bottomRight, Sq, Sk, qSeg.data(), qPos.data(),
                          kSeg.data(), kPos.data());
    };
    ASSERT_EQ(runInCall(call), ATTN_OK);
    auto documentOf = [&](const Ints &cu, int slot) {
      for (int d = 0; d < documents; ++d)
        if (cu[d] <= slot && slot < cu[d + 1])
          return d;
      return -1;
    };
    for (int i = 0; i < Sq; ++i) {
      int d = documentOf(cuQ, i);
      int shift = d >= 0 && bottomRight
                      ? (cuK[d + 1] - cuK[d]) - (cuQ[d + 1] - cuQ[d])
                      : 0;
      EXPECT_EQ(qSeg[i], d >= 0 ? d : -2);
      EXPECT_EQ(qPos[i], d >= 0 ? i - cuQ[d] + shift : 0);
    }
    for (int j = 0; j < Sk; ++j) {
      int d = documentOf(cuK, j);
      EXPECT_EQ(kSeg[j], d);
      EXPECT_EQ(kPos[j], d >= 0 ? j - cuK[d] : 0);
    }
    // Nothing is written past the end.
    EXPECT_EQ(qSeg[Sq] + qPos[Sq] + kSeg[Sk] + kPos[Sk], 4 * 77);
  }
}

TEST(DocumentsCu, OffsetsBeyondTheArrayAreCut) {
  // The checks refuse such offsets; memory must be safe without them too.
  Ints cu = {0, 3, 100}, seg(5, 77), pos(5, 77), kSeg(5, 77), kPos(5, 77);
  auto call = [&] {
    attnrt_documents_cu(cu.data(), 3, cu.data(), 3, 1, 4, 4, seg.data(),
                        pos.data(), kSeg.data(), kPos.data());
  };
  ASSERT_EQ(runInCall(call), ATTN_OK);
  EXPECT_EQ(seg, (Ints{0, 0, 0, 1, 77}));
  EXPECT_EQ(pos, (Ints{0, 1, 2, 0, 77}));
}

//===----------------------------------------------------------------------===//
// Segment ids
//===----------------------------------------------------------------------===//

TEST(DocumentsSeg, Example) {
  Ints q = {7, 7, 3}, kv = {7, 3, 3, 7, 5};
  Ints qPos(3), kvPos(5);
  auto run = [&](int bottomRight) {
    auto call = [&] {
      attnrt_documents_seg(q.data(), kv.data(), nullptr, nullptr, 1, 1, 1, 3, 5,
                           bottomRight, qPos.data(), kvPos.data());
    };
    return runInCall(call);
  };
  ASSERT_EQ(run(0), ATTN_OK);
  EXPECT_EQ(qPos, (Ints{0, 1, 0}));
  EXPECT_EQ(kvPos, (Ints{0, 0, 1, 1, 0}));
  ASSERT_EQ(run(1), ATTN_OK);
  // Id 7: 2 keys, 2 queries; id 3: 2 keys, 1 query.
  EXPECT_EQ(qPos, (Ints{0, 1, 1}));
}

TEST(DocumentsSeg, AgainstPlainLoops) {
  Random random{11};
  for (int round = 0; round < 300; ++round) {
    int B = 1 + random(3), Sq = random(12), Sk = random(12);
    int Bq = random(2) ? B : 1, Bk = random(2) ? B : 1;
    bool bottomRight = random(2), lengths = random(2);
    auto fill = [&](int n, int below, int from) {
      Ints values(size_t(n) + 1);
      for (int32_t &v : values)
        v = from + random(below);
      return values;
    };
    // Few ids, negative ones and large ones among them.
    Ints q = fill(Bq * Sq, 4, -2), kv = fill(Bk * Sk, 4, -2);
    for (Ints *ids : {&q, &kv})
      for (int32_t &id : *ids)
        if (id == 1)
          id = 2147483647;
    Ints qLen = fill(B, Sq + 1, 0), kvLen = fill(B, Sk + 1, 0);
    Ints qPos(size_t(B * Sq) + 1, 77), kvPos(size_t(B * Sk) + 1, 77);
    auto call = [&] {
      attnrt_documents_seg(q.data(), kv.data(), lengths ? qLen.data() : nullptr,
                           lengths ? kvLen.data() : nullptr, Bq, Bk, B, Sq, Sk,
                           bottomRight, qPos.data(), kvPos.data());
    };
    ASSERT_EQ(runInCall(call), ATTN_OK);
    for (int b = 0; b < B; ++b) {
      auto qId = [&](int i) { return q[size_t((Bq == 1 ? 0 : b) * Sq + i)]; };
      auto kvId = [&](int j) { return kv[size_t((Bk == 1 ? 0 : b) * Sk + j)]; };
      int validQ = lengths ? qLen[b] : Sq, validK = lengths ? kvLen[b] : Sk;
      for (int j = 0; j < Sk; ++j) {
        int expected = 0;
        for (int e = 0; e < j && e < validK; ++e)
          expected += kvId(e) == kvId(j);
        EXPECT_EQ(kvPos[size_t(b * Sk + j)], expected);
      }
      for (int i = 0; i < Sq; ++i) {
        int expected = 0;
        for (int e = 0; e < i && e < validQ; ++e)
          expected += qId(e) == qId(i);
        if (bottomRight) {
          for (int j = 0; j < validK; ++j)
            expected += kvId(j) == qId(i);
          for (int e = 0; e < validQ; ++e)
            expected -= qId(e) == qId(i);
        }
        EXPECT_EQ(qPos[size_t(b * Sq + i)], expected);
      }
    }
    EXPECT_EQ(qPos.back() + kvPos.back(), 2 * 77);
  }
}

TEST(DocumentsSeg, ManyDistinctIds) {
  const int n = 5000;
  Ints ids(n), qPos(n), kvPos(n);
  for (int i = 0; i < n; ++i)
    ids[i] = int32_t(unsigned(i) * 1000003u);
  auto call = [&] {
    attnrt_documents_seg(ids.data(), ids.data(), nullptr, nullptr, 1, 1, 1, n,
                         n, 1, qPos.data(), kvPos.data());
  };
  ASSERT_EQ(runInCall(call), ATTN_OK);
  for (int i = 0; i < n; ++i) {
    EXPECT_EQ(qPos[i], 0);
    EXPECT_EQ(kvPos[i], 0);
  }
}
