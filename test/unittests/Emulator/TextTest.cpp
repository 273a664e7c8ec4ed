//===- TextTest.cpp - Texts that are no good PTX, and launches that are no good
//-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One clear error with a line, and no crash, whatever the text is.
//
//===----------------------------------------------------------------------===//

#include "Emulated.h"

#include <random>

using namespace emulated;

namespace {

struct Bad {
  const char *name;
  const char *text;
  const char *error;
};

const Bad kBad[] = {
    {"Empty", "",
     "line 1: expects '.version' first, but got the end of the text"},
    {"Version", ".version 5.9\n.target sm_80\n",
     "line 1: expects a PTX version from 6.0 to 9.3 that exists, but got "
     "'5.9'"},
    {"Target", ".version 8.0\n.target sm_81\n",
     "line 2: expects a target that exists from sm_70 up, but got 'sm_81'"},
    {"TargetAbove", ".version 8.0\n.target sm_90\n.address_size 64\n",
     "expects code that sm_80 can run, but the target is sm_90"},
    {"AddressSize", ".version 8.0\n.target sm_80\n.address_size 32\n",
     "line 3: expects address size 64, but got 32"},
    {"Character", ".version 8.0\n.target sm_80\n#include\n",
     "line 3: expects PTX, but got the character '#'"},
};
class BadText : public testing::TestWithParam<Bad> {};
TEST_P(BadText, IsRefused) {
  Device device;
  EXPECT_EQ(device.load(GetParam().text), GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(Texts, BadText, testing::ValuesIn(kBad),
                         [](const auto &info) {
                           return std::string(info.param.name);
                         });

const Bad kBadBody[] = {
    {"Unknown", "frobnicate.u32 %r1, %r2;",
     "does not know the instruction 'frobnicate': 'frobnicate.u32 %r1, %r2'"},
    {"Modifier", "add.u32.fast %r1, %r2, %r3;",
     "does not know the modifier '.fast' of 'add' here: "},
    {"FtzOnIntegers", "add.ftz.u32 %r1, %r2, %r3;",
     "does not know the modifier '.ftz' of 'add' here: "},
    {"Bulk", "cp.async.bulk.commit_group;",
     "does not know the modifier '.bulk' of 'cp' here"},
    {"Shape",
     "mma.sync.aligned.m16n8k16.row.col.f32.tf32.tf32.f32 "
     "{%f0,%f1,%f2,%f3},{%r0,%r1,%r2,%r3},{%r4,%r5},"
     "{%f0,%f1,%f2,%f3};",
     "does not know mma of this shape on these types"},
    {"TooFew", "add.u32 %r1, %r2;", "expects 3 operands, but got 2"},
    {"Register", "add.u32 %r1, %r2, %q3;",
     "does not know the special register '%q3'"},
    {"Type", "add.f32 %f1, %r2, %f3;", ""}, // .b32 may hold .f32
    {"WrongType", "add.u32 %r1, %f2, %r3;",
     "expects '%f2' to hold '.u32', but its type is '.f32'"},
    {"Width", "add.u64 %rd1, %rd2, %r3;",
     "expects '%r3' to hold '.u64', but its type is '.b32'"},
    {"Immediate", "mov.b16 %h1, 65536;",
     "expects an integer of 16 bits, but got 65536"},
    {"Target", "stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r1], {%r2};",
     "stmatrix needs target sm_90, but the module's is sm_80"},
    {"Label", "bra NOWHERE;",
     "expects a name that is declared, but got 'NOWHERE'"},
    {"Twice", "L: L: ret;", "expects new labels, but got 'L' again"},
    {"NoSync", "shfl.bfly.b32 %r1, %r2, 1, 31;",
     "expects shfl.sync: without .sync it is gone since sm_70"},
    {"Predicate", "@%r1 ret;", "expects a predicate register, but got '%r1'"},
    {"Extern", ".extern .shared .b32 x[]; ld.global.u32 %r1, [x];",
     "expects a variable in global memory, but 'x' lies in shared memory"},
    {"Semicolon", "add.u32 %r1, %r2, %r3\nret;", "expects ';', but got 'ret'"},
    {"Huge", "mov.u64 %rd1, 99999999999999999999;",
     "expects an integer of at most 64 bits, but got '99999999999999999999'"},
};
class BadBody : public testing::TestWithParam<Bad> {};
TEST_P(BadBody, IsRefusedWithItsLine) {
  Device device;
  std::string error = device.load(kernel(GetParam().text));
  if (!*GetParam().error) {
    EXPECT_EQ(error, "");
    return;
  }
  EXPECT_EQ(error.rfind("line ", 0), 0u) << error;
  EXPECT_NE(error.find(GetParam().error), std::string::npos) << error;
}
INSTANTIATE_TEST_SUITE_P(Bodies, BadBody, testing::ValuesIn(kBadBody),
                         [](const auto &info) {
                           return std::string(info.param.name);
                         });

/// Loads a text and, where it loads, runs it; whatever happens is fine.
void survive(const std::string &text) {
  Device device("sm_80", 1, false, ATTN_EMU_CHECK_ALL, 20000);
  if (!device.load(text).empty()) {
    EXPECT_NE(std::string(attnEmuLastError()), "");
    return;
  }
  if (attnEmuKernelCount(device.module) == 0)
    return;
  std::string name = attnEmuKernelName(device.module, 0);
  int n = attnEmuParameterCount(device.module, name.c_str());
  std::vector<Value> values(size_t(n), Value(4096, 0));
  device.launch(name.c_str(), {2, 1, 1}, {64, 1, 1}, values);
  EXPECT_NE(device.text(), "");
}

TEST(Robustness, Truncations) {
  std::string text = readKernel("suite-clang.ptx");
  for (size_t n = 0; n < text.size(); n += 37)
    survive(text.substr(0, n));
}

TEST(Robustness, DeletedAndChangedTokens) {
  std::string text = readKernel("suite-nvcc.ptx");
  text.resize(text.find("\n}", text.find(".entry blockSum")) + 2);
  std::mt19937 rng(11);
  std::vector<std::pair<size_t, size_t>> words;
  for (size_t at = 0; at < text.size();) {
    size_t end = at + 1;
    if (std::isalnum(static_cast<unsigned char>(text[at])))
      while (end < text.size() &&
             std::isalnum(static_cast<unsigned char>(text[end])))
        ++end;
    if (!std::isspace(static_cast<unsigned char>(text[at])))
      words.emplace_back(at, end - at);
    at = end;
  }
  for (int i = 0; i < 1500; ++i) {
    std::string changed = text;
    auto [at, size] = words[rng() % words.size()];
    auto [other, otherSize] = words[rng() % words.size()];
    if (i % 2)
      changed.erase(at, size);
    else
      changed.replace(at, size, text.substr(other, otherSize));
    survive(changed);
  }
}

TEST(Robustness, AnyBytes) {
  std::mt19937 rng(13);
  for (int i = 0; i < 300; ++i) {
    std::string text = ".version 8.0\n.target sm_80\n.visible .entry k() {";
    for (int n = 0; n < 60; ++n)
      text += char(i % 2 ? rng() : 32 + rng() % 95);
    survive(text);
  }
}

TEST(Robustness, DeepNests) {
  std::string text = kernel(std::string(5000, '{') + std::string(5000, '}'));
  Device device;
  EXPECT_NE(device.load(text).find("expects at most 64 nested scopes"),
            std::string::npos);
  EXPECT_NE(device.load(kernel("mov.b32 %r1, " + std::string(5000, '{') + ";"))
                .find("expects operands of at most 4 levels"),
            std::string::npos);
}

TEST(Robustness, EndlessLoop) {
  Device device("sm_80", 1, false, ATTN_EMU_CHECK_ALL, 1000);
  ASSERT_EQ(device.load(kernel("L: bra L;")), "");
  Value zero = value(uint64_t(0));
  EXPECT_EQ(device.launch("k", {1, 1, 1}, {32, 1, 1}, {zero, zero, zero}),
            ATTN_EMU_RUN_ERROR);
  EXPECT_EQ(std::string(attnEmuLastError()),
            "line 14: expects a warp to end within 1000 steps, but warp 0 of "
            "block 0 still runs: 'bra L'");
}

TEST(Robustness, TheCallerMayStop) {
  AttnEmuOptions options;
  attnEmuOptionsInit(&options);
  int calls = 0;
  options.progress_user = &calls;
  options.progress = [](void *user, uint64_t done, uint64_t blocks) {
    EXPECT_EQ(done, 0u);
    EXPECT_EQ(blocks, 1u);
    return int(++*static_cast<int *>(user) < 2);
  };
  AttnEmuDevice *device = nullptr;
  ASSERT_EQ(attnEmuOpen(&options, &device), ATTN_EMU_OK);
  AttnEmuModule *module = nullptr;
  std::string text = ".version 8.0\n.target sm_80\n.visible .entry k()"
                     "{ L: bra L; }";
  ASSERT_EQ(attnEmuModuleLoad(device, text.data(), text.size(), &module),
            ATTN_EMU_OK);
  uint32_t one[3] = {1, 1, 1};
  EXPECT_EQ(attnEmuLaunch(device, module, "k", one, one, 0, nullptr, 0),
            ATTN_EMU_RUN_ERROR);
  EXPECT_EQ(std::string(attnEmuLastError()), "stopped by the caller");
  EXPECT_EQ(calls, 2);
  attnEmuClose(device);
}

TEST(Robustness, Traps) {
  Device device;
  ASSERT_EQ(device.load(kernel("trap;")), "");
  Value zero = value(uint64_t(0));
  EXPECT_EQ(device.launch("k", {1, 1, 1}, {32, 1, 1}, {zero, zero, zero}),
            ATTN_EMU_RUN_ERROR);
}

TEST(Launch, RefusesWhatIsNoLaunch) {
  Device device;
  ASSERT_EQ(device.load(kernel("mov.u32 %r1, 0;")), "");
  Value zero = value(uint64_t(0));
  std::vector<Value> three{zero, zero, zero};
  EXPECT_EQ(device.launch("k", {1, 1, 1}, {32, 1, 1}, {zero}),
            ATTN_EMU_INVALID);
  EXPECT_EQ(std::string(attnEmuLastError()),
            "expects 3 parameters for 'k', but got 1");
  EXPECT_EQ(device.launch("nope", {1, 1, 1}, {32, 1, 1}, three),
            ATTN_EMU_INVALID);
  EXPECT_EQ(std::string(attnEmuLastError()),
            "expects a kernel among k, but got 'nope'");
  EXPECT_EQ(device.launch("k", {0, 1, 1}, {32, 1, 1}, three),
            ATTN_EMU_LAUNCH_ERROR);
  EXPECT_EQ(device.launch("k", {1, 65536, 1}, {32, 1, 1}, three),
            ATTN_EMU_LAUNCH_ERROR);
  EXPECT_EQ(std::string(attnEmuLastError()),
            "expects a grid from 1 to 65535 in y, but got 65536");
  EXPECT_EQ(device.launch("k", {1, 1, 1}, {1, 1, 65}, three),
            ATTN_EMU_LAUNCH_ERROR);
  EXPECT_EQ(
      attnEmuLaunch(nullptr, nullptr, "k", nullptr, nullptr, 0, nullptr, 0),
      ATTN_EMU_INVALID);
}

TEST(Launch, DirectivesOfTheKernelCount) {
  Device device;
  ASSERT_EQ(device.load(".version 8.0\n.target sm_80\n.visible .entry k()\n"
                        ".maxntid 64, 1, 1\n{ ret; }\n.visible .entry "
                        "r()\n.reqntid 32\n{ ret; }\n.visible .entry "
                        "n()\n.maxnreg 255\n{ ret; }"),
            "");
  EXPECT_EQ(device.launch("k", {1, 1, 1}, {64, 1, 1}, {}), ATTN_EMU_OK);
  EXPECT_EQ(device.launch("k", {1, 1, 1}, {65, 1, 1}, {}),
            ATTN_EMU_LAUNCH_ERROR);
  EXPECT_EQ(device.launch("r", {1, 1, 1}, {32, 1, 1}, {}), ATTN_EMU_OK);
  EXPECT_EQ(device.launch("r", {1, 1, 1}, {31, 1, 1}, {}),
            ATTN_EMU_LAUNCH_ERROR);
  EXPECT_EQ(device.launch("n", {1, 1, 1}, {256, 1, 1}, {}), ATTN_EMU_OK);
  EXPECT_EQ(device.launch("n", {1, 1, 1}, {512, 1, 1}, {}),
            ATTN_EMU_LAUNCH_ERROR);
}

TEST(Memory, MapsDoNotOverlap) {
  Device device;
  std::vector<uint32_t> v(16);
  EXPECT_EQ(attnEmuMap(device.device, "v", v.data(), 64, 1), ATTN_EMU_OK);
  EXPECT_EQ(attnEmuMap(device.device, "w", v.data() + 8, 4, 1),
            ATTN_EMU_INVALID);
  EXPECT_EQ(std::string(attnEmuLastError()),
            "expects memory that is not mapped yet, but it overlaps 'v'");
  EXPECT_EQ(attnEmuSetInitialized(device.device, v.data() + 8, 33, 1),
            ATTN_EMU_INVALID);
  EXPECT_EQ(attnEmuUnmap(device.device, v.data() + 8), ATTN_EMU_INVALID);
  EXPECT_EQ(attnEmuUnmap(device.device, v.data()), ATTN_EMU_OK);
  EXPECT_EQ(attnEmuMap(device.device, "w", v.data() + 8, 4, 1), ATTN_EMU_OK);
}

TEST(Memory, TellsHowMuchOfARangeWasWritten) {
  Device device;
  std::vector<uint8_t> v(300);
  ASSERT_EQ(attnEmuMap(device.device, "v", v.data(), v.size(), 0), ATTN_EMU_OK);
  auto written = [&](size_t at, size_t bytes) {
    size_t count = 999;
    EXPECT_EQ(
        attnEmuGetInitialized(device.device, v.data() + at, bytes, &count),
        ATTN_EMU_OK);
    return count;
  };
  EXPECT_EQ(written(0, 300), 0u);
  attnEmuSetInitialized(device.device, v.data() + 3, 200, 1);
  EXPECT_EQ(written(0, 300), 0u);
  EXPECT_EQ(written(3, 297), 200u);
  EXPECT_EQ(written(3, 70), 70u);
  EXPECT_EQ(written(202, 98), 1u);
  EXPECT_EQ(written(5, 0), 0u);
  size_t count;
  EXPECT_EQ(attnEmuGetInitialized(device.device, v.data() + 1, 300, &count),
            ATTN_EMU_INVALID);
}

TEST(Module, ATextIsReadOnce) {
  const std::string text = kernel("st.global.u32 [%a], 11;", "sm_80");
  Device one, two;
  ASSERT_EQ(one.load(text), "");
  ASSERT_EQ(two.load(text), "");
  // What is decoded is the same in memory.
  EXPECT_EQ(attnEmuKernelName(one.module, 0), attnEmuKernelName(two.module, 0));
  // It outlives the device that read it first, and runs.
  attnEmuModuleUnload(one.device, one.module);
  std::vector<uint32_t> out(1);
  Value pa = two.map(out, "out", false);
  ASSERT_EQ(two.launch("k", {1, 1, 1}, {1, 1, 1}, {pa, pa, pa}), ATTN_EMU_OK);
  EXPECT_EQ(out[0], 11u);
  // A device that cannot run it is told so all the same.
  AttnEmuOptions options;
  attnEmuOptionsInit(&options);
  options.arch = "sm_75";
  AttnEmuDevice *old = nullptr;
  ASSERT_EQ(attnEmuOpen(&options, &old), ATTN_EMU_OK);
  AttnEmuModule *module = nullptr;
  EXPECT_EQ(attnEmuModuleLoad(old, text.data(), text.size(), &module),
            ATTN_EMU_PTX_ERROR);
  attnEmuClose(old);
}

TEST(Module, VariablesAreEachModulesOwn) {
  const std::string text =
      kernel("ld.global.u32 %r1, [n]; add.u32 %r1, %r1, 1; "
             "st.global.u32 [n], %r1; st.global.u32 [%a], %r1;",
             "sm_80", ".global .u32 n = 7;\n");
  for (int again = 0; again < 2; ++again) {
    Device device;
    ASSERT_EQ(device.load(text), "");
    std::vector<uint32_t> out(1);
    Value pa = device.map(out, "out", false);
    ASSERT_EQ(device.launch("k", {1, 1, 1}, {1, 1, 1}, {pa, pa, pa}),
              ATTN_EMU_OK);
    EXPECT_EQ(out[0], 8u);
  }
}

TEST(Memory, ModuleVariablesHoldTheirValues) {
  Device device;
  ASSERT_EQ(device.load(kernel(
                "ld.global.u32 %r1, [table+8]; st.global.u32 [%a], %r1; "
                "ld.const.f32 %f1, [half]; st.global.f32 [%a+4], %f1; "
                "ld.global.u64 %rd1, [where]; ld.global.u32 %r2, [%rd1]; "
                "st.global.u32 [%a+8], %r2; st.global.u32 [left], 5;",
                "sm_80",
                ".global .align 4 .u32 table[4] = {1, 2, 3};\n"
                ".const .f32 half = 0.5;\n.global .u32 left;\n"
                ".global .u64 where = table+4;\n")),
            "");
  std::vector<uint32_t> out(3);
  Value pa = device.map(out, "out", false);
  ASSERT_EQ(device.launch("k", {1, 1, 1}, {1, 1, 1}, {pa, pa, pa}),
            ATTN_EMU_OK);
  EXPECT_EQ(device.kinds(), "") << device.text();
  EXPECT_EQ(out, (std::vector<uint32_t>{3, 0x3f000000, 2}));
  void *left = nullptr;
  size_t bytes = 0;
  ASSERT_EQ(attnEmuGlobal(device.module, "left", &left, &bytes), ATTN_EMU_OK);
  EXPECT_EQ(bytes, 4u);
  EXPECT_EQ(*static_cast<uint32_t *>(left), 5u);
}

TEST(Options, AreChecked) {
  AttnEmuOptions options;
  attnEmuOptionsInit(&options);
  AttnEmuDevice *device = nullptr;
  options.arch = "sm_79";
  EXPECT_EQ(attnEmuOpen(&options, &device), ATTN_EMU_INVALID);
  EXPECT_EQ(std::string(attnEmuLastError()),
            "expects an architecture such as sm_80, but got 'sm_79'");
  attnEmuOptionsInit(&options);
  options.threads = 0;
  EXPECT_EQ(attnEmuOpen(&options, &device), ATTN_EMU_INVALID);
  options.threads = 1;
  options.size = 8;
  EXPECT_EQ(attnEmuOpen(&options, &device), ATTN_EMU_INVALID);
  EXPECT_EQ(device, nullptr);
}

} // namespace
