//===- EmulatedDeviceTest.cpp - Packages on the emulated device -----------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The hand-made package's PTX runs on the emulator: results, findings, reports
// and refusals. What the emulator itself finds is tested beside it.
//
//===----------------------------------------------------------------------===//

#include "GpuSupport.h"

#include "gtest/gtest.h"

#include <cstdlib>
#include <cstring>
#include <string>

using namespace attn::test;

namespace {
class EmulatedDeviceTest : public testing::Test {
protected:
  void SetUp() override {
#ifdef ATTNRT_TEST_EMULATOR
    setenv("ATTN_LIBATTNEMU", ATTNRT_TEST_EMULATOR, 1);
#else
    GTEST_SKIP() << "this build has no emulator";
#endif
  }
};

bool has(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}
#define EXPECT_HAS(text, part) EXPECT_TRUE(has(text, part)) << text

const DLDevice host = {kDLCPU, 0};
} // namespace

TEST_F(EmulatedDeviceTest, RunsPtxOnHostTensors) {
  OpenPackage gpu("gpu");
  ASSERT_TRUE(gpu.package) << attnLastError();
  for (int threads : {1, 2}) {
    AddTensors t(100);
    AttnInvokeOptions options = onDevice("emulated");
    options.num_threads = threads;
    AttnCounters counters = {};
    ASSERT_EQ(t.run(gpu.package, "add", &options, &counters), ATTN_OK)
        << attnLastError();
    EXPECT_TRUE(t.isSum());
    EXPECT_EQ(counters.key_tiles_computed, 1);
  }
}

TEST_F(EmulatedDeviceTest, ReportHasWhatWasCounted) {
  OpenPackage gpu("gpu");
  AddTensors t(100);
  AttnInvokeOptions options = onDevice("emulated");
  ASSERT_EQ(t.run(gpu.package, "add", &options), ATTN_OK) << attnLastError();
  std::string report = attnDeviceReport();
  EXPECT_HAS(report, "{\"device\":\"emulated\",\"arch\":\"sm_80\",\"launches\":"
                     "[{");
  EXPECT_HAS(report, "\"kernel\": \"add\"");
  EXPECT_HAS(report, "\"grid\": [4, 1, 1]");
  // 400 elements in warps of 32: 13 warps load twice and store once, 4 sectors
  // at a time but for the last half warp; more when the tensors begin within a
  // sector.
  EXPECT_HAS(report, "\"ideal_sectors\": 150");
  EXPECT_HAS(report, "\"tensor_flops\": 0");
  EXPECT_HAS(report, "\"bank_conflicts\": 0");
  EXPECT_HAS(report, "\"barriers\": 0");
  EXPECT_HAS(report, "\"classes\"");
}

TEST_F(EmulatedDeviceTest, AFindingFailsTheCallAndIsTold) {
  OpenPackage gpu("gpu");
  AddTensors t(1);
  AttnInvokeOptions options = onDevice("emulated");
  EXPECT_EQ(t.run(gpu.package, "bad", &options), ATTN_DEVICE_FINDING);
  std::string message = attnLastError();
  EXPECT_HAS(message, "entry 'bad': the emulator found 1 fault in kernel "
                      "'bad': out-of-bounds at PTX line ");
  EXPECT_HAS(message, "ld.global.f32");
  EXPECT_HAS(message, "block (0, 0, 0), thread (3, 0, 0)");
  // The tensor by its name.
  EXPECT_HAS(message, "'b'");
  EXPECT_HAS(attnDeviceReport(), "\"kind\": \"out-of-bounds\"");
  // And the next call is a new one.
  EXPECT_EQ(t.run(gpu.package, "add", &options), ATTN_OK) << attnLastError();
}

TEST_F(EmulatedDeviceTest, AResultHasToBeWrittenAsAWhole) {
  OpenPackage gpu("gpu");
  AddTensors t(100);
  AttnInvokeOptions options = onDevice("emulated");
  // By way of a workspace: what was not written there is not written here.
  EXPECT_EQ(t.run(gpu.package, "part", &options), ATTN_DEVICE_FINDING);
  EXPECT_HAS(attnLastError(),
             "entry 'part': the emulator found 1 fault: unwritten-result: "
             "result 'out' has 12 bytes that no thread wrote, the first of "
             "them in element [99, 1]");
  EXPECT_HAS(attnDeviceReport(),
             "\"findings\":[{\"kind\":\"unwritten-result\",\"result\":\"out\","
             "\"bytes\":12,\"first\":[99, 1]");
  EXPECT_EQ(t.run(gpu.package, "add", &options), ATTN_OK) << attnLastError();
  EXPECT_HAS(attnDeviceReport(), "\"findings\":[]}");
}

TEST_F(EmulatedDeviceTest, ResultsAndWorkspacesHaveNoValuesYet) {
  OpenPackage gpu("gpu");
  static const char ptx[] = ".version 7.0\n.target sm_80\n.address_size 64\n"
                            ".visible .entry peek(.param .u64 p) {\n"
                            "  .reg .b64 %rd<2>;\n  .reg .b32 %r<2>;\n"
                            "  ld.param.u64 %rd1, [p];\n"
                            "  ld.global.u32 %r1, [%rd1];\n"
                            "  st.global.u32 [%rd1], %r1;\n"
                            "  ret;\n}\n";
  static AttnGpuImage image = {ptx, sizeof(ptx) - 1, nullptr, 0, "sm_80"};
  auto peek = [] {
    void *workspace = attnrt_alloc(4);
    attnrt_gpu_launch(&image, "peek", 1, 1, 1, 1, 0, &workspace, 8);
  };
  EXPECT_EQ(runOnDevice(gpu.package, peek, onDevice("emulated"), nullptr, host),
            ATTN_DEVICE_FINDING);
  EXPECT_HAS(attnLastError(), "workspace 1");
  // What the host wrote there counts as a value.
  auto filled = [] {
    void *workspace = attnrt_alloc(64);
    int32_t cu[] = {0, 4};
    auto *out = static_cast<int32_t *>(workspace);
    attnrt_documents_cu(cu, 2, cu, 2, 0, 4, 4, out, out + 4, out + 8, out + 12);
    attnrt_gpu_launch(&image, "peek", 1, 1, 1, 1, 0, &workspace, 8);
    attnrt_gpu_count_flags(ATTNRT_GUARD_RECOMPUTATIONS, out + 4, 4);
    attnrt_free(workspace);
  };
  AttnCounters counters = {};
  EXPECT_EQ(
      runOnDevice(gpu.package, filled, onDevice("emulated"), &counters, host),
      ATTN_OK)
      << attnLastError();
  // Positions 0, 1, 2, 3.
  EXPECT_EQ(counters.guard_recomputations, 3);
  auto wrongSize = [] {
    void *none = nullptr;
    attnrt_gpu_launch(&image, "peek", 1, 1, 1, 1, 0, &none, 4);
  };
  EXPECT_EQ(
      runOnDevice(gpu.package, wrongSize, onDevice("emulated"), nullptr, host),
      ATTN_DEVICE_ERROR);
  EXPECT_HAS(attnLastError(), "kernel 'peek' expects 1 parameter of 8 bytes, "
                              "but got 4 bytes");
  auto gone = [] {
    attnrt_gpu_launch(&image, "gone", 1, 1, 1, 1, 0, nullptr, 0);
  };
  EXPECT_EQ(runOnDevice(gpu.package, gone, onDevice("emulated"), nullptr, host),
            ATTN_DEVICE_ERROR);
  auto tooMuch = [] {
    void *none = nullptr;
    attnrt_gpu_launch(&image, "peek", 1, 1, 1, 1, 200 * 1024, &none, 8);
  };
  EXPECT_EQ(
      runOnDevice(gpu.package, tooMuch, onDevice("emulated"), nullptr, host),
      ATTN_DEVICE_ERROR);
  EXPECT_HAS(attnLastError(), "refuses to launch kernel 'peek'");
}

TEST_F(EmulatedDeviceTest, EndlessLoopsEnd) {
  OpenPackage gpu("gpu");
  static const char ptx[] =
      ".version 7.0\n.target sm_80\n.address_size 64\n"
      ".visible .entry spin() {\nAGAIN:\n  bra AGAIN;\n}\n";
  static AttnGpuImage image = {ptx, sizeof(ptx) - 1, nullptr, 0, "sm_80"};
  auto spin = [] {
    attnrt_gpu_launch(&image, "spin", 1, 1, 1, 1, 0, nullptr, 0);
  };
  AttnInvokeOptions options = onDevice("emulated");
  options.step_limit = 100000;
  EXPECT_EQ(runOnDevice(gpu.package, spin, options, nullptr, host),
            ATTN_DEVICE_FINDING);
  EXPECT_HAS(attnLastError(), "the emulator stopped kernel 'spin'");
  // Or, between two blocks, when the caller has enough of it.
  static const char busyPtx[] =
      ".version 7.0\n.target sm_80\n.address_size 64\n"
      ".visible .entry busy() {\n  .reg .b32 %r<2>;\n  .reg .pred %p<2>;\n"
      "  mov.u32 %r1, 2000;\nAGAIN:\n  sub.u32 %r1, %r1, 1;\n"
      "  setp.ne.u32 %p1, %r1, 0;\n  @%p1 bra AGAIN;\n  ret;\n}\n";
  static AttnGpuImage busyImage = {busyPtx, sizeof(busyPtx) - 1, nullptr, 0,
                                   "sm_80"};
  auto busy = [] {
    attnrt_gpu_launch(&busyImage, "busy", 1000000, 1, 1, 32, 0, nullptr, 0);
  };
  options = onDevice("emulated");
  options.poll = [](void *) { return 1; };
  EXPECT_EQ(runOnDevice(gpu.package, busy, options, nullptr, host),
            ATTN_CANCELLED);
  options = onDevice("emulated");
  setenv("ATTN_EMULATOR_STEP_LIMIT", "1000", 1);
  EXPECT_EQ(runOnDevice(gpu.package, spin, options, nullptr, host),
            ATTN_DEVICE_FINDING);
  setenv("ATTN_EMULATOR_STEP_LIMIT", "many", 1);
  EXPECT_EQ(runOnDevice(gpu.package, spin, options, nullptr, host),
            ATTN_INVALID);
  unsetenv("ATTN_EMULATOR_STEP_LIMIT");
  options.step_limit = -1;
  EXPECT_EQ(runOnDevice(gpu.package, spin, options, nullptr, host),
            ATTN_INVALID);
}

TEST_F(EmulatedDeviceTest, WorstRoundingIsHandedOn) {
  OpenPackage gpu("gpu");
  static const char ptx[] = ".version 7.0\n.target sm_80\n.address_size 64\n"
                            ".visible .entry power(.param .u64 p) {\n"
                            "  .reg .b64 %rd<2>;\n  .reg .f32 %f<3>;\n"
                            "  ld.param.u64 %rd1, [p];\n"
                            "  ld.global.f32 %f1, [%rd1];\n"
                            "  ex2.approx.ftz.f32 %f2, %f1;\n"
                            "  st.global.f32 [%rd1], %f2;\n"
                            "  ret;\n}\n";
  static AttnGpuImage image = {ptx, sizeof(ptx) - 1, nullptr, 0, "sm_80"};
  static float value;
  auto power = [] {
    auto *cell = static_cast<float *>(attnrt_alloc(4));
    float from = 0.3f;
    struct {
      void *allocated, *aligned;
      int64_t offset;
    } source = {&from, &from, 0}, target = {cell, cell, 0};
    AttnUnrankedMemRef s = {0, &source}, t = {0, &target};
    memrefCopy(4, &s, &t);
    attnrt_gpu_launch(&image, "power", 1, 1, 1, 1, 0, &cell, 8);
    value = *cell;
  };
  AttnInvokeOptions options = onDevice("emulated");
  ASSERT_EQ(runOnDevice(gpu.package, power, options, nullptr, host), ATTN_OK)
      << attnLastError();
  const float usual = value;
  options.worst_rounding = 1;
  ASSERT_EQ(runOnDevice(gpu.package, power, options, nullptr, host), ATTN_OK);
  EXPECT_NE(value, usual);
  EXPECT_NEAR(value, usual, 1e-6f);
  options.worst_rounding = 0;
  setenv("ATTN_EMULATOR_WORST_ROUNDING", "1", 1);
  const float worst = value;
  ASSERT_EQ(runOnDevice(gpu.package, power, options, nullptr, host), ATTN_OK);
  unsetenv("ATTN_EMULATOR_WORST_ROUNDING");
  EXPECT_EQ(value, worst);
}

TEST_F(EmulatedDeviceTest, TensorsInEachOtherAreOne) {
  OpenPackage gpu("gpu");
  // b begins within a; both are read only.
  AddTensors t(2);
  t.b.view.data = t.a.values.data() + 4;
  t.a.view.shape[0] = t.b.view.shape[0] = t.out.view.shape[0] = 1;
  t.a.values[4] = 50;
  AttnInvokeOptions options = onDevice("emulated");
  ASSERT_EQ(t.run(gpu.package, "add", &options), ATTN_OK) << attnLastError();
  EXPECT_EQ(t.out.values[0], 50);
  // Wholly the same.
  t.b.view.data = t.a.values.data();
  ASSERT_EQ(t.run(gpu.package, "add", &options), ATTN_OK) << attnLastError();
  EXPECT_EQ(t.out.values[1], 2);
}

TEST_F(EmulatedDeviceTest, DamagedPtxAndForeignTensorsAreRefused) {
  OpenPackage damaged("gpu-damaged"), gpu("gpu");
  ASSERT_TRUE(damaged.package) << attnLastError();
  AddTensors t(1), far(1, {kDLCUDA, 0});
  AttnInvokeOptions options = onDevice("emulated");
  EXPECT_EQ(t.run(damaged.package, "add", &options), ATTN_DEVICE_ERROR);
  EXPECT_HAS(attnLastError(), "reading the package's PTX: ");
  EXPECT_HAS(attnLastError(), "line 2");
  EXPECT_EQ(far.run(gpu.package, "add", &options), ATTN_DEVICE_ERROR);
  EXPECT_STREQ(
      attnLastError(),
      "entry 'add': argument 'a' expects a tensor on the CPU for "
      "device 'emulated', but got one on CUDA device 0; copy it to the "
      "CPU first, or use device 'cuda'");
  static const char cubin[] = "\x7f"
                              "ELF";
  static AttnGpuImage image = {nullptr, 0, cubin, 4, "sm_80"};
  auto launch = [] {
    attnrt_gpu_launch(&image, "add", 1, 1, 1, 1, 0, nullptr, 0);
  };
  EXPECT_EQ(runOnDevice(gpu.package, launch, options, nullptr, host),
            ATTN_DEVICE_ERROR);
  EXPECT_HAS(attnLastError(), "expects a package with PTX");
}

TEST_F(EmulatedDeviceTest, TheCallersOwnMemoryAndInfo) {
  void *memory = nullptr;
  ASSERT_EQ(attnDeviceAlloc("emulated", 8, &memory), ATTN_OK);
  int64_t in = 5, out = 0;
  ASSERT_EQ(attnDeviceCopyIn("emulated", memory, &in, 8), ATTN_OK);
  ASSERT_EQ(attnDeviceCopyOut("emulated", &out, memory, 8), ATTN_OK);
  EXPECT_EQ(out, 5);
  ASSERT_EQ(attnDeviceFree("emulated", memory), ATTN_OK);
  EXPECT_EQ(attnDeviceAlloc("emulated", -1, &memory), ATTN_RESOURCE_ERROR);
  EXPECT_HAS(attnDeviceInfo(), "{\"device\":\"emulated\",\"available\":true");
}

TEST(DevicePackageTest, AnArchitectureIsNeeded) {
  AttnPackage *package = nullptr;
  EXPECT_EQ(attnPackageOpen(packagePath("gpu-arch").c_str(), &package),
            ATTN_CACHE_ERROR);
  EXPECT_HAS(attnLastError(),
             "an 'arch' such as sm_80 or sm_90a, but got 'gfx942'");
}

TEST(DevicePackageTest, WithoutTheEmulatorOneSentence) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        setenv("ATTN_LIBATTNEMU", "/nonexistent/libattnemu.so.0", 1);
        OpenPackage gpu("gpu");
        AddTensors t(1);
        AttnInvokeOptions options = onDevice("emulated");
        bool ok = t.run(gpu.package, "add", &options) == ATTN_DEVICE_ERROR;
        std::fprintf(stderr, "%s\n%s\n", attnLastError(), attnDeviceInfo());
        // The CPU is none the worse.
        AddTensors cpu(1);
        ok &= cpu.run(goodPackage(), "add", nullptr) == ATTN_OK && cpu.isSum();
        std::exit(ok ? 0 : 1);
      },
      testing::ExitedWithCode(0),
      "entry 'add': device 'emulated' expects libattnemu.so.0 beside "
      "libattnrt, "
      "but it cannot be opened: .*; install the whole of attn, or set "
      "ATTN_LIBATTNEMU\n.*\"device\":\"emulated\",\"available\":false");
}
