//===- FaultTest.cpp - A kernel per check that has exactly that fault -----===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each fault comes with its twin, in which the fault is mended and nothing is
// found. Kernels get three buffers: a and b of 64 words with values, c of 64
// words that nobody wrote.
//
//===----------------------------------------------------------------------===//

#include "Emulated.h"

using namespace emulated;

namespace {

struct Case {
  const char *name;
  /// The kind that is found; "" where the launch is fine.
  const char *kind;
  const char *body;
  uint32_t threads = 64;
  const char *arch = "sm_80";
  /// What the twin changes: the first text becomes the second.
  const char *from = "", *to = "";
};

// tid in %r1, the lane's word of a, b, c in %rd1, %rd2, %rd3; a tile of 64
// words in shared memory, the lane's word of which is at %r2.
const char kStart[] = R"(
.shared .align 16 .b8 tile[256];
mov.u32 %r1, %tid.x;
mul.wide.u32 %rd0, %r1, 4;
add.s64 %rd1, %a, %rd0;
add.s64 %rd2, %b, %rd0;
add.s64 %rd3, %c, %rd0;
shl.b32 %r2, %r1, 2;
mov.u32 %r3, tile;
add.s32 %r2, %r2, %r3;
)";

const Case kCases[] = {
    {"GlobalOutOfBounds", "out-of-bounds",
     "ld.global.u32 %r5, [%rd1+4]; st.global.u32 [%rd3], %r5;", 64, "sm_80",
     "[%rd1+4]", "[%rd1]"},
    {"SharedOutOfBounds", "out-of-bounds", "st.shared.u32 [%r2+4], %r1;", 64,
     "sm_80", "[%r2+4]", "[%r2]"},
    {"LocalOutOfBounds", "out-of-bounds",
     ".local .align 4 .b8 mine[8]; mov.u64 %rd5, mine; "
     "st.local.u32 [%rd5+8], %r1;",
     32, "sm_80", "+8", "+4"},
    {"Misaligned", "misaligned",
     "ld.global.v2.u32 {%r5, %r6}, [%a+4]; st.global.u32 [%rd3], %r6;", 64,
     "sm_80", "+4", "+8"},
    {"MisalignedShared", "misaligned",
     "st.shared.u32 [%r2], %r1; bar.sync 0; ld.shared.u16 %h1, [tile+1];", 64,
     "sm_80", "+1", "+2"},
    {"UninitializedGlobal", "uninitialized-read",
     "ld.global.u32 %r5, [%rd3]; st.global.u32 [%rd2], %r5;", 64, "sm_80",
     "[%rd3]", "[%rd1]"},
    {"UninitializedShared", "uninitialized-read",
     "@%p0 st.shared.u32 [%r2], %r1; bar.sync 0; ld.shared.u32 %r5, [%r2];", 64,
     "sm_80", "@%p0 ", ""},
    {"SharedRaceNoBarrier", "shared-race",
     "st.shared.u32 [%r2], 0; bar.sync 0; st.shared.u32 [%r2], %r1; "
     "xor.b32 %r4, %r2, 128; bar.warp.sync -1; ld.shared.u32 %r5, [%r4];",
     64, "sm_80", "bar.warp.sync -1", "bar.sync 0"},
    {"WarpSynchronous", "shared-race",
     "st.shared.u32 [%r2], %r1; xor.b32 %r4, %r2, 4; "
     "membar.cta; ld.shared.u32 %r5, [%r4];",
     32, "sm_80", "membar.cta", "bar.warp.sync -1"},
    {"ShuffleOrdersNothing", "shared-race",
     "st.shared.u32 [%r2], %r1; xor.b32 %r4, %r2, 4; "
     "shfl.sync.bfly.b32 %r6, %r1, 1, 31, -1; ld.shared.u32 %r5, [%r4];",
     32, "sm_80", "shfl.sync.bfly.b32 %r6, %r1, 1, 31, -1", "bar.warp.sync -1"},
    {"WriteAfterRead", "shared-race",
     "st.shared.u32 [%r2], %r1; bar.sync 0; xor.b32 %r4, %r2, 4; "
     "ld.shared.u32 %r5, [%r4]; mov.u32 %r6, 0; st.shared.u32 [%r2], %r5;",
     64, "sm_80", "mov.u32 %r6, 0", "bar.sync 0"},
    {"BytesOfAWord", "shared-race",
     // Neighbouring halves are no race; the same half is.
     "cvt.u16.u32 %h1, %r1; mov.u32 %r4, tile; shr.u32 %r5, %r1, 1; "
     "shl.b32 %r5, %r5, 1; add.u32 %r4, %r4, %r5; st.shared.u16 [%r4], %h1;",
     32, "sm_80", "shr.u32 %r5, %r1, 1", "mov.b32 %r5, %r1"},
    {"NamedBarrierOfTheOtherHalf", "shared-race",
     // Warps 0 and 1 meet at barrier 1, 2 and 3 at barrier 2: data crosses.
     "mov.u32 %r7, 1; setp.lt.u32 %p1, %r1, 64; and.b32 %r4, %r2, 127; "
     "add.u32 %r4, %r4, %r3; mad.lo.u32 %r6, %r7, -64, 128; "
     "add.u32 %r8, %r7, 1; @%p1 bra L1; bar.sync %r8, %r6; "
     "ld.shared.u32 %r5, [%r4]; bra L2; "
     "L1: st.shared.u32 [%r2], %r1; bar.sync 1, %r6; L2:",
     128, "sm_80", "mov.u32 %r7, 1", "mov.u32 %r7, 0"},
    {"GlobalRace", "global-race", "st.global.u32 [%c], %r1;", 64, "sm_80",
     "[%c]", "[%rd3]"},
    {"FenceAlone", "global-race",
     // A flag that is polled without acquire or release orders nothing.
     "setp.ge.u32 %p1, %r1, 32; @%p1 bra L1; st.global.u32 [%rd3], %r1; "
     "membar.gl; bra L2; L1: membar.gl; ld.global.u32 %r5, [%rd3+-128]; L2:",
     64, "sm_80", "ld.global.u32 %r5, [%rd3+-128]",
     "ld.global.u32 %r5, [%rd1]"},
    {"RelaxedFlag", "global-race",
     "mov.u32 %r7, 1; setp.eq.u32 %p1, %r1, 0; setp.ne.u32 %p2, %r1, 32; "
     "@%p1 bra W; @%p2 bra E; "
     "R: atom.relaxed.gpu.global.add.u32 %r6, [%b], 0; "
     "setp.ne.u32 %p3, %r6, 77; @%p3 bra R; ld.global.u32 %r5, [%c]; bra E; "
     "W: st.global.u32 [%c], %r7; atom.relaxed.gpu.global.exch.b32 %r6, "
     "[%b], 77; E:",
     64, "sm_80", "", ""},
    {"DivergedAligned", "divergence",
     "setp.lt.u32 %p1, %r1, 16; @!%p1 bra L1; "
     "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 "
     "{%f0,%f1,%f2,%f3}, {%r1,%r1}, {%r1}, {%f4,%f4,%f4,%f4}; L1:",
     32, "sm_80", "@!%p1 ", "@%p0 "},
    {"MaskNamesLanesThatAreGone", "divergence",
     "setp.lt.u32 %p1, %r1, 16; @%p1 bra L1; exit; L1: "
     "shfl.sync.idx.b32 %r5, %r1, 0, 31, 0xffffffff;",
     32, "sm_80", "0xffffffff", "0x0000ffff"},
    {"MaskWithoutTheLane", "divergence",
     "vote.sync.ballot.b32 %r5, %p0, 0x0000ffff;", 32, "sm_80", "0x0000ffff",
     "0xffffffff"},
    {"ShuffleFromInactiveLane", "divergence",
     "setp.lt.u32 %p1, %r1, 16; @!%p1 bra L1; "
     "shfl.sync.idx.b32 %r5, %r1, 20, 31, 0x0000ffff; L1:",
     32, "sm_80", "20, 31", "2, 31"},
    {"BarrierInDivergentCode", "divergence",
     "setp.lt.u32 %p1, %r1, 16; @%p1 bra L1; bar.sync 0; bra L2; L1: "
     "bar.sync 0; L2:",
     32, "sm_80", "setp.lt.u32 %p1, %r1, 16", "setp.lt.u32 %p1, %r1, 64"},
    {"BarrierDeadlock", "barrier-deadlock",
     "setp.lt.u32 %p1, %r1, 32; @%p1 bar.sync 1, 64; @!%p1 bar.sync 2, 64;", 64,
     "sm_80", "@!%p1 bar.sync 2", "@!%p1 bar.sync 1"},
    {"BarrierAfterExit", "barrier-exited",
     "setp.lt.u32 %p1, %r1, 32; @%p1 exit; bar.sync 0;", 64, "sm_80",
     "@%p1 exit", "@%p0 exit"},
    {"BarrierCounts", "barrier-count",
     "setp.lt.u32 %p1, %r1, 32; @%p1 bar.arrive 1, 64; @!%p1 bar.sync 1, 32;",
     64, "sm_80", "1, 32", "1, 64"},
    {"CopyNotWaited", "missing-async-wait",
     "cp.async.ca.shared.global [%r2], [%rd1], 4; cp.async.commit_group; "
     "cp.async.wait_group 1; ld.shared.u32 %r5, [%r2];",
     64, "sm_80", "wait_group 1", "wait_group 0"},
    {"CopyNotCommitted", "missing-async-wait",
     "cp.async.ca.shared.global [%r2], [%rd1], 4; "
     "cp.async.wait_group 0; ld.shared.u32 %r5, [%r2];",
     64, "sm_80", "wait_group 0", "wait_all"},
    {"CopyOverwritten", "missing-async-wait",
     "cp.async.ca.shared.global [%r2], [%rd1], 4; cp.async.commit_group; "
     "st.shared.u32 [%r2], %r1; cp.async.wait_group 0;",
     64, "sm_80", "cp.async.commit_group; ",
     "cp.async.commit_group; cp.async.wait_group 0; "},
    {"CopyReadByOthers", "shared-race",
     // Waiting makes the bytes visible to the lane that issued the copy.
     "st.shared.u32 [%r2], 0; bar.sync 0; "
     "cp.async.ca.shared.global [%r2], [%rd1], 4; cp.async.wait_all; "
     "xor.b32 %r4, %r2, 128; mov.u32 %r6, 0; ld.shared.u32 %r5, [%r4];",
     64, "sm_80", "mov.u32 %r6, 0", "bar.sync 0"},
    {"TooMuchStaticShared", "launch-limits",
     ".shared .align 4 .b8 more[49152]; st.shared.u32 [more], 0;", 1, "sm_80",
     "49152", "48896"},
    {"TooManyThreads", "launch-limits", "mov.u32 %r5, %r1;", 1056, "sm_80", "",
     ""},
};

std::string replaced(std::string text, const char *from, const char *to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, std::strlen(from), to);
}

class Fault : public testing::TestWithParam<Case> {};

/// Runs a body; the kinds that were found.
std::string judged(const Case &c, const std::string &body,
                   uint32_t checks = ATTN_EMU_CHECK_ALL) {
  Device device(c.arch, 1, false, checks);
  std::string error = device.load(kernel(kStart + body));
  EXPECT_EQ(error, "");
  if (!error.empty())
    return "";
  std::vector<uint32_t> a(64, 1), b(64, 2), out(128, 3);
  Value pa = device.map(a, "a"), pb = device.map(b, "b"),
        pc = device.map(out, "c", false);
  device.launch("k", {1, 1, 1}, {c.threads, 1, 1}, {pa, pb, pc});
  std::string kinds = device.kinds(), unique;
  // The same fault at several lines is one kind.
  for (size_t at = 0; at < kinds.size();) {
    size_t end = std::min(kinds.find(',', at), kinds.size());
    std::string kind = kinds.substr(at, end - at);
    if (("," + unique + ",").find("," + kind + ",") == std::string::npos)
      unique += (unique.empty() ? "" : ",") + kind;
    at = end + 1;
  }
  return unique;
}

TEST_P(Fault, IsCaughtByName) {
  const Case &c = GetParam();
  EXPECT_EQ(judged(c, c.body), c.kind);
  if (*c.from) {
    EXPECT_EQ(judged(c, replaced(c.body, c.from, c.to)), "");
  }
}

TEST_P(Fault, IsNotLookedForWhenSwitchedOff) {
  const Case &c = GetParam();
  EXPECT_EQ(judged(c, c.body, 0), "");
}

INSTANTIATE_TEST_SUITE_P(Kinds, Fault, testing::ValuesIn(kCases),
                         [](const auto &info) {
                           return std::string(info.param.name);
                         });

/// Message passing between two warps: the writer and reader of the data are
/// ordered by whatever `release` and `acquire` say.
std::string messagePassing(const std::string &release,
                           const std::string &acquire) {
  Case c{};
  c.threads = 64;
  c.arch = "sm_80";
  return judged(c, "setp.eq.u32 %p1, %r1, 0; setp.ne.u32 %p2, %r1, 32; "
                   "@%p1 bra W; @%p2 bra E; R: " +
                       acquire +
                       " setp.ne.u32 %p3, %r6, 77; @%p3 bra R; "
                       "ld.global.u32 %r5, [%c]; bra E; "
                       "W: st.global.u32 [%c], %r1; " +
                       release + " E:");
}

TEST(Order, AtomicsCarryWhatTheySay) {
  const char *release = "st.release.gpu.global.u32 [%b], 77;";
  const char *acquire = "ld.acquire.gpu.global.u32 %r6, [%b];";
  EXPECT_EQ(messagePassing(release, acquire), "");
  EXPECT_EQ(messagePassing("st.relaxed.gpu.global.u32 [%b], 77;", acquire),
            "global-race");
  EXPECT_EQ(messagePassing(release, "ld.relaxed.gpu.global.u32 %r6, [%b];"),
            "global-race");
  EXPECT_EQ(messagePassing("fence.acq_rel.gpu; st.relaxed.gpu.global.u32 "
                           "[%b], 77;",
                           "ld.relaxed.gpu.global.u32 %r6, [%b]; "
                           "fence.acq_rel.gpu;"),
            "");
  EXPECT_EQ(messagePassing("membar.gl; red.global.add.u32 [%b], 75;",
                           "ld.volatile.global.u32 %r6, [%b]; membar.gl;"),
            "");
  EXPECT_EQ(messagePassing("atom.release.gpu.global.exch.b32 %r7, [%b], 77;",
                           "atom.acquire.gpu.global.add.u32 %r6, [%b], 0;"),
            "");
}

TEST(Order, BlocksAreOrderedByDeviceScopeOnly) {
  // Block 0 writes and releases, block 1 waits for it (two host threads).
  for (const char *scope : {"gpu", "cta"}) {
    std::string s = scope;
    Device device("sm_80", 2);
    ASSERT_EQ(device.load(kernel(
                  "mov.u32 %r1, %ctaid.x; setp.eq.u32 %p1, %r1, 0; @%p1 bra W;"
                  "R: ld.acquire." +
                  s +
                  ".global.u32 %r6, [%b];"
                  "setp.ne.u32 %p3, %r6, 77; @%p3 bra R;"
                  "ld.global.u32 %r5, [%c]; bra E;"
                  "W: st.global.u32 [%c], 5; st.release." +
                  s + ".global.u32 [%b], 77; E:")),
              "");
    std::vector<uint32_t> a(1), b(1), c(1);
    Value pa = device.map(a, "a"), pb = device.map(b, "b"),
          pc = device.map(c, "c", false);
    ASSERT_EQ(device.launch("k", {2, 1, 1}, {1, 1, 1}, {pa, pb, pc}),
              ATTN_EMU_OK)
        << attnEmuLastError();
    // The flag itself races too when its scope does not reach.
    bool raced = device.kinds().find("global-race") != std::string::npos;
    EXPECT_EQ(raced, s == "cta") << device.text();
  }
}

TEST(Order, RacesBetweenBlocks) {
  Device device;
  ASSERT_EQ(device.load(kernel("mov.u32 %r1, %ctaid.x; st.global.u32 [%c], "
                               "%r1;")),
            "");
  std::vector<uint32_t> a(1), c(1);
  Value pa = device.map(a, "a"), pc = device.map(c, "total", false);
  ASSERT_EQ(device.launch("k", {4, 1, 1}, {1, 1, 1}, {pa, pa, pc}),
            ATTN_EMU_OK);
  EXPECT_EQ(device.kinds(), "global-race");
  EXPECT_NE(device.text().find("'total' at offset 0"), std::string::npos)
      << device.text();
  EXPECT_NE(device.text().find("of block (0, 0, 0), thread (0, 0, 0)"),
            std::string::npos)
      << device.text();
}

TEST(Findings, NameLineThreadAndAllocation) {
  Device device;
  ASSERT_EQ(device.load(kernel("mov.u32 %r1, %tid.x;\n"
                               "mul.wide.u32 %rd1, %r1, 4;\n"
                               "add.s64 %rd2, %a, %rd1;\n"
                               "ld.global.u32 %r2, [%rd2];")),
            "");
  std::vector<uint32_t> a(40, 1);
  Value pa = device.map(a, "weights");
  ASSERT_EQ(device.launch("k", {1, 1, 1}, {64, 1, 1}, {pa, pa, pa}),
            ATTN_EMU_OK);
  std::string json = attnEmuReportJson(device.device);
  EXPECT_NE(json.find("\"kind\": \"out-of-bounds\", \"count\": 24"),
            std::string::npos)
      << json;
  EXPECT_NE(json.find("\"text\": \"ld.global.u32 %r2, [%rd2]\""),
            std::string::npos);
  EXPECT_NE(json.find("\"thread\": [40, 0, 0]"), std::string::npos);
  EXPECT_NE(json.find("0 bytes behind the end of 'weights' (160 bytes)"),
            std::string::npos);
  EXPECT_NE(json.find("\"line\": " + std::to_string(kBodyLine + 3)),
            std::string::npos)
      << json;
}

TEST(Limits, SharedMemoryOfTheArchitecture) {
  struct {
    const char *arch;
    uint64_t kib;
  } const limits[] = {
      {"sm_80", 163}, {"sm_86", 99}, {"sm_89", 99}, {"sm_90", 227}};
  for (auto &limit : limits) {
    Device device(limit.arch);
    ASSERT_EQ(device.load(kernel("mov.u32 %r1, 0;", "sm_80")), "");
    Value zero = value(uint64_t(0));
    EXPECT_EQ(device.launch("k", {1, 1, 1}, {1, 1, 1}, {zero, zero, zero},
                            limit.kib * 1024),
              ATTN_EMU_OK);
    EXPECT_EQ(device.launch("k", {1, 1, 1}, {1, 1, 1}, {zero, zero, zero},
                            limit.kib * 1024 + 1),
              ATTN_EMU_LAUNCH_ERROR);
    EXPECT_EQ(device.kinds(), "launch-limits");
  }
}

} // namespace
