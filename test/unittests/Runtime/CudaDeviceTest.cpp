//===- CudaDeviceTest.cpp - Packages on a CUDA device, against a fake driver
//-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is asked of the driver, in which order, and what becomes of every way in
// which it refuses. No GPU is needed; whether kernels compute what they should
// is for the emulator and for hardware to say.
//
//===----------------------------------------------------------------------===//

#include "FakeCuda.h"
#include "GpuSupport.h"

#include "attn/Runtime/Device/Arch.h"

#include "gtest/gtest.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <string>
#include <thread>

using namespace attn::test;

namespace {
/// The functions of FakeCuda.h, in the library that the runtime opens.
struct Fake {
  decltype(&fakeCudaReset) reset;
  decltype(&fakeCudaFail) fail;
  decltype(&fakeCudaLog) takeLog;
  decltype(&fakeCudaDevices) setDevices;
  decltype(&fakeCudaLiveBlocks) liveBlocks;
  decltype(&fakeCudaContextDepth) contextDepth;

  Fake() {
    void *library = dlopen(ATTNRT_FAKE_CUDA, RTLD_NOW);
    auto find = [&](auto &function, const char *name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(
          library ? dlsym(library, name) : nullptr);
      if (!function)
        std::abort();
    };
    find(reset, "fakeCudaReset");
    find(fail, "fakeCudaFail");
    find(takeLog, "fakeCudaLog");
    find(setDevices, "fakeCudaDevices");
    find(liveBlocks, "fakeCudaLiveBlocks");
    find(contextDepth, "fakeCudaContextDepth");
  }
  std::string log() const { return takeLog(); }
};

Fake &fake() {
  static Fake theFake;
  return theFake;
}

class CudaDeviceTest : public testing::Test {
protected:
  void SetUp() override {
    setenv("ATTN_LIBCUDA", ATTNRT_FAKE_CUDA, 1);
    fake().reset();
  }
  void TearDown() override {
    // Whatever happened: nothing leaks, and the thread's context is its own.
    EXPECT_EQ(fake().liveBlocks(), 0);
    EXPECT_EQ(fake().contextDepth(), 0);
  }
};

bool has(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

int countOf(const std::string &text, const std::string &part) {
  int count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at)
    ++count;
  return count;
}

#define EXPECT_HAS(text, part) EXPECT_TRUE(has(text, part)) << text
#define EXPECT_HAS_NOT(text, part) EXPECT_FALSE(has(text, part)) << text

void *streamNumber(uintptr_t n) { return reinterpret_cast<void *>(n); }
const DLDevice gpu0 = {kDLCUDA, 0};
const DLDevice gpu1 = {kDLCUDA, 1};
} // namespace

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

TEST_F(CudaDeviceTest, RunsWhereTheTensorsAreAndWaits) {
  OpenPackage gpu("gpu");
  ASSERT_TRUE(gpu.package) << attnLastError();
  AddTensors t(100, gpu0);
  fake().log();
  ASSERT_EQ(t.run(gpu.package, "add", nullptr), ATTN_OK) << attnLastError();
  EXPECT_TRUE(t.isSum());
  std::string log = fake().log();
  // 400 elements in 4 blocks; the parameter is one struct of 32 bytes.
  EXPECT_HAS(log, "cuLaunchKernel add grid=4,1,1 block=128,1,1 shared=0 "
                  "params=32 stream=1\n");
  // The workspace is stream-ordered, and the last thing is to wait.
  EXPECT_HAS(log, "cuMemAllocAsync 1600 stream=1\n");
  EXPECT_HAS(log, "cuMemFreeAsync stream=1\n");
  EXPECT_LT(log.find("cuMemcpyDtoDAsync"), log.find("cuMemFreeAsync"));
  EXPECT_LT(log.find("cuMemFreeAsync"), log.find("cuStreamSynchronize"));
}

TEST_F(CudaDeviceTest, OnTheCallersStreamNothingWaits) {
  OpenPackage gpu("gpu");
  AddTensors t(3, gpu0);
  AttnInvokeOptions options = onDevice("cuda", streamNumber(0x77));
  fake().log();
  ASSERT_EQ(t.run(gpu.package, "add", &options), ATTN_OK) << attnLastError();
  std::string log = fake().log();
  EXPECT_HAS_NOT(log, "Synchronize");
  EXPECT_HAS_NOT(log, "cuEvent");
  EXPECT_EQ(countOf(log, "stream=119"), 4) << log;
  EXPECT_EQ(countOf(log, "stream="), 4) << log;
}

TEST_F(CudaDeviceTest, AnImageIsLoadedOncePerContextAndUnloadedWithThePackage) {
  {
    OpenPackage gpu("gpu");
    fake().log();
    for (int n = 0; n < 3; ++n) {
      AddTensors t(1, gpu0);
      ASSERT_EQ(t.run(gpu.package, "add", nullptr), ATTN_OK);
    }
    std::string log = fake().log();
    EXPECT_EQ(countOf(log, "cuModuleLoadDataEx ptx"), 1) << log;
    EXPECT_EQ(countOf(log, "cuModuleGetFunction add"), 1) << log;
    AddTensors other(1, gpu1);
    ASSERT_EQ(other.run(gpu.package, "add", nullptr), ATTN_OK);
    EXPECT_EQ(countOf(fake().log(), "cuModuleLoadDataEx ptx"), 1);
  }
  EXPECT_EQ(countOf(fake().log(), "cuModuleUnload"), 2);
  // The same path again: the same addresses, and yet another module.
  OpenPackage again("gpu");
  AddTensors t(1, gpu0);
  ASSERT_EQ(t.run(again.package, "add", nullptr), ATTN_OK);
  EXPECT_EQ(countOf(fake().log(), "cuModuleLoadDataEx ptx"), 1);
}

TEST_F(CudaDeviceTest, ThreadsShareAPackage) {
  OpenPackage gpu("gpu");
  fake().log();
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int n = 0; n < 8; ++n)
    threads.emplace_back([&] {
      for (int k = 0; k < 20; ++k) {
        AddTensors t(5, gpu0);
        good += t.run(gpu.package, "add", nullptr) == ATTN_OK && t.isSum();
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(good, 160);
  EXPECT_EQ(countOf(fake().log(), "cuModuleLoadDataEx"), 1);
}

TEST_F(CudaDeviceTest, NothingIsLaunchedForAnEmptyGrid) {
  OpenPackage gpu("gpu");
  AddTensors t(0, gpu0);
  fake().log();
  ASSERT_EQ(t.run(gpu.package, "add", nullptr), ATTN_OK) << attnLastError();
  EXPECT_HAS_NOT(fake().log(), "cuLaunchKernel");
}

TEST_F(CudaDeviceTest, ReportTellsRegistersAndOccupancy) {
  OpenPackage gpu("gpu");
  AddTensors t(100, gpu0);
  ASSERT_EQ(t.run(gpu.package, "add", nullptr), ATTN_OK);
  std::string report = attnDeviceReport();
  EXPECT_HAS(report, "\"device\":\"cuda:0\",\"name\":\"Fake GPU 0\",\"arch\":"
                     "\"sm_80\",\"milliseconds\":0.25");
  // 8 blocks of 4 warps of the 64 that fit.
  EXPECT_HAS(report, "{\"kernel\":\"add\",\"from\":\"ptx\",\"grid\":[4,1,1],"
                     "\"threads\":128,\"dynamic_shared_bytes\":0,\"registers\":"
                     "20,\"shared_bytes\":0,\"local_bytes\":0,"
                     "\"blocks_per_multiprocessor\":8,\"occupancy\":0.5}");
  // A call on the CPU has none.
  Tensor<float> a({1, 4}), b({1, 4}), out({1, 4});
  ASSERT_EQ(invoke("add", {&a.view, &b.view}, {&out.view}), ATTN_OK);
  EXPECT_STREQ(attnDeviceReport(), "{}");
}

TEST_F(CudaDeviceTest, WithoutMemoryPoolsPlainAllocationsServe) {
  // The device is opened with pools; a driver call that fails is no fallback.
  OpenPackage gpu("gpu");
  AddTensors t(1, gpu0);
  fake().fail("cuMemAllocAsync", 2, 0);
  EXPECT_EQ(t.run(gpu.package, "add", nullptr), ATTN_RESOURCE_ERROR);
  EXPECT_STREQ(
      attnLastError(),
      "entry 'add': device cuda:0 (Fake GPU 0, sm_80) is out of memory "
      "while allocating a workspace of 16 bytes; free memory on it, or "
      "use a smaller batch or shorter sequences");
}

TEST_F(CudaDeviceTest, WhatACallLeavesBehindIsFreed) {
  OpenPackage gpu("gpu");
  auto leak = [] {
    attnrt_alloc(0);
    attnrt_alloc(1000);
    _mlir_memref_to_llvm_aligned_alloc(64, 5);
  };
  ASSERT_EQ(runOnDevice(gpu.package, leak, onDevice("cuda")), ATTN_OK);
  EXPECT_EQ(fake().liveBlocks(), 0);
  auto failing = [] {
    attnrt_alloc(1000);
    attnrt_fail(ATTN_NUMERIC_ERROR, "on purpose");
  };
  EXPECT_EQ(runOnDevice(gpu.package, failing, onDevice("cuda")),
            ATTN_NUMERIC_ERROR);
  auto foreign = [] {
    int local = 0;
    attnrt_free(&local);
  };
  EXPECT_EQ(runOnDevice(gpu.package, foreign, onDevice("cuda")), ATTN_INVALID);
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

namespace {
const char goodPtx[] = ".version 7.0\n";
AttnGpuImage ptxImage = {goodPtx, sizeof(goodPtx) - 1, nullptr, 0, "sm_80"};

/// Launches something and gives the status.
int launch(const AttnGpuImage &image, const char *kernel, int64_t x, int64_t y,
           int64_t z, int threads, int64_t shared, int64_t paramBytes = 0) {
  static OpenPackage *gpu = new OpenPackage("gpu");
  char params[64] = {0};
  auto body = [&] {
    attnrt_gpu_launch(&image, kernel, x, y, z, threads, shared, params,
                      paramBytes);
  };
  return runOnDevice(gpu->package, body, onDevice("cuda"));
}
} // namespace

TEST_F(CudaDeviceTest, MoreThan48KiBAreAskedForOnce) {
  fake().log();
  ASSERT_EQ(launch(ptxImage, "big", 1, 1, 1, 128, 100 * 1024), ATTN_OK)
      << attnLastError();
  EXPECT_HAS(fake().log(), "cuFuncSetAttribute 8=102400\n");
  ASSERT_EQ(launch(ptxImage, "big", 1, 1, 1, 128, 100 * 1024), ATTN_OK);
  EXPECT_HAS_NOT(fake().log(), "cuFuncSetAttribute");
  ASSERT_EQ(launch(ptxImage, "big", 1, 1, 1, 128, 50 * 1024), ATTN_OK);
  EXPECT_HAS_NOT(fake().log(), "cuFuncSetAttribute");
}

TEST_F(CudaDeviceTest, WhatTheDeviceHasNotIsRefusedBeforeTheLaunch) {
  fake().log();
  EXPECT_EQ(launch(ptxImage, "big", 1, 1, 1, 128, 140 * 1024),
            ATTN_DEVICE_ERROR);
  EXPECT_STREQ(
      attnLastError(),
      "entry 'call': kernel 'big' expects 184320 bytes of shared "
      "memory per block, but device cuda:0 (Fake GPU 0, sm_80) has "
      "166912; compile for target 'sm_80', or use a smaller head size");
  EXPECT_EQ(launch(ptxImage, "big", 1, 1, 1, 512, 0), ATTN_DEVICE_ERROR);
  EXPECT_HAS(attnLastError(), "expects at most 256 threads per block on device "
                              "cuda:0 (Fake GPU 0, sm_80) (it uses 255 "
                              "registers), but got 512");
  EXPECT_EQ(launch(ptxImage, "big", 1, 70000, 1, 32, 0), ATTN_DEVICE_ERROR);
  EXPECT_HAS(attnLastError(), "expects axis 1 of the grid to be at most 65535");
  EXPECT_EQ(launch(ptxImage, "big", -1, 1, 1, 32, 0), ATTN_DEVICE_ERROR);
  EXPECT_EQ(launch(ptxImage, "big", 1, 1, 1, 2000, 0), ATTN_DEVICE_ERROR);
  EXPECT_EQ(launch(ptxImage, "big", 1, 1, 1, 32, -4), ATTN_DEVICE_ERROR);
  EXPECT_EQ(launch(ptxImage, "big", 1, 1, 1, 32, 0, 40000), ATTN_DEVICE_ERROR);
  EXPECT_EQ(launch(ptxImage, "gone", 1, 1, 1, 32, 0), ATTN_DEVICE_ERROR);
  EXPECT_HAS(attnLastError(), "expects its image to have a kernel 'gone'");
  EXPECT_HAS_NOT(fake().log(), "cuLaunchKernel");
}

TEST_F(CudaDeviceTest, TheCubinIsTakenWhereItFits) {
  static const char cubin[] = "\x7f"
                              "ELF...";
  static AttnGpuImage both = {goodPtx, sizeof(goodPtx) - 1, cubin,
                              sizeof(cubin), "sm_80"};
  fake().log();
  ASSERT_EQ(launch(both, "add", 1, 1, 1, 32, 0, 32), ATTN_OK)
      << attnLastError();
  EXPECT_HAS(fake().log(), "cuModuleLoadDataEx cubin");
  // The other device has another major number.
  static OpenPackage gpu("gpu");
  char params[32] = {0};
  auto body = [&] {
    attnrt_gpu_launch(&both, "add", 1, 1, 1, 32, 0, params, 32);
  };
  ASSERT_EQ(runOnDevice(gpu.package, body, onDevice("cuda:1"), nullptr, gpu1),
            ATTN_OK)
      << attnLastError();
  EXPECT_HAS(fake().log(), "cuModuleLoadDataEx ptx");
}

TEST_F(CudaDeviceTest, DamagedAndForeignImagesAreRefused) {
  static const char garbage[] = "\x01\x02garbage";
  static AttnGpuImage cubin = {nullptr, 0, garbage, sizeof(garbage), "sm_80"};
  EXPECT_EQ(launch(cubin, "add", 1, 1, 1, 32, 0), ATTN_DEVICE_ERROR);
  EXPECT_STREQ(
      attnLastError(),
      "entry 'call': device cuda:0 (Fake GPU 0, sm_80) expects a whole "
      "cubin for sm_80, but got CUDA_ERROR_INVALID_IMAGE (as the test "
      "asked): ptxas application input, line 1; fatal : garbage; the "
      "package is damaged or was made by another compiler: compile it "
      "again");
  static const char badPtx[] = ".nonsense";
  static AttnGpuImage ptx = {badPtx, sizeof(badPtx) - 1, nullptr, 0, "sm_80"};
  EXPECT_EQ(launch(ptx, "add", 1, 1, 1, 32, 0), ATTN_DEVICE_ERROR);
  EXPECT_HAS(attnLastError(), "expects a whole ptx for sm_80, but got "
                              "CUDA_ERROR_INVALID_PTX");
  static AttnGpuImage newer = {goodPtx, sizeof(goodPtx) - 1, nullptr, 0,
                               "sm_90a"};
  EXPECT_EQ(launch(newer, "add", 1, 1, 1, 32, 0), ATTN_DEVICE_ERROR);
  EXPECT_HAS(attnLastError(), "expects kernels for its architecture, but got a "
                              "package for sm_90a; compile it for target "
                              "'sm_80'");
  static AttnGpuImage nothing = {nullptr, 0, nullptr, 0, "sm_80"};
  EXPECT_EQ(launch(nothing, "add", 1, 1, 1, 32, 0), ATTN_DEVICE_ERROR);
  EXPECT_HAS(attnLastError(), "for sm_80 without PTX");
  fake().fail("cuModuleLoadDataEx", 222, 0);
  static AttnGpuImage other = ptxImage;
  EXPECT_EQ(launch(other, "add", 1, 1, 1, 32, 0), ATTN_DEVICE_ERROR);
  EXPECT_HAS(attnLastError(), "update the driver");
  // A failure to load is not kept.
  EXPECT_EQ(launch(other, "add", 1, 1, 1, 32, 0, 32), ATTN_OK)
      << attnLastError();
}

TEST_F(CudaDeviceTest, AFaultOfAKernelSaysWhatToDo) {
  OpenPackage gpu("gpu");
  AddTensors t(1, gpu0);
  fake().fail("cuStreamSynchronize", 700, 0);
  EXPECT_EQ(t.run(gpu.package, "add", nullptr), ATTN_DEVICE_ERROR);
  EXPECT_STREQ(attnLastError(),
               "entry 'add': device cuda:0 (Fake GPU 0, sm_80) failed while "
               "running the call's kernels: CUDA_ERROR_ILLEGAL_ADDRESS (as the "
               "test asked); an earlier launch of this process is at fault, "
               "which has to be started anew; device='emulated' shows where a "
               "kernel goes wrong");
  for (const char *function :
       {"cuCtxPushCurrent", "cuEventCreate", "cuEventRecord", "cuMemAllocAsync",
        "cuLaunchKernel", "cuMemcpyDtoDAsync"}) {
    fake().fail(function, 999, 0);
    EXPECT_EQ(t.run(gpu.package, "add", nullptr), ATTN_DEVICE_ERROR)
        << function;
    EXPECT_HAS(attnLastError(), "CUDA_ERROR_UNKNOWN") << function;
  }
  EXPECT_EQ(t.run(gpu.package, "add", nullptr), ATTN_OK) << attnLastError();
}

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

TEST_F(CudaDeviceTest, ChecksReadACopy) {
  OpenPackage gpu("gpu");
  std::vector<int32_t> table = {3, 9, -1, 9, 0, 1, 2, 9};
  auto check = [&] {
    attnrt_check_values_i32(table.data(), 2, 2, 4, 2, -1, 8, "table");
    attnrt_check_increasing_i32(table.data() + 4, 3, 1, 2, "cu");
    attnrt_check_page_table(table.data() + 4, 1, 1, 3, 3, 3, 1, 3);
    attnrt_check_values_i32(table.data(), 2, 4, 4, 1, -1, 8, "table");
  };
  fake().log();
  EXPECT_EQ(runOnDevice(gpu.package, check, onDevice("cuda")),
            ATTN_SHAPE_ERROR);
  EXPECT_HAS(attnLastError(), "table, but got 9 at [0, 1]");
  std::string log = fake().log();
  // From element [0, 0] to [1, 1]: 7 of 8 elements.
  EXPECT_HAS(log, "cuMemcpyDtoHAsync 28 stream=1\n");
  EXPECT_HAS(log, "cuMemcpyDtoHAsync 12 stream=1\n");
  EXPECT_EQ(countOf(log, "cuMemcpyDtoHAsync"), 4) << log;
  EXPECT_EQ(countOf(log, "cuStreamSynchronize"), 4) << log;
}

TEST_F(CudaDeviceTest, DocumentsAreComputedOnTheHost) {
  OpenPackage gpu("gpu");
  std::vector<int32_t> cu = {0, 2, 5};
  std::vector<int32_t> qSeg(6, 77), qPos(6, 77), kSeg(6, 77), kPos(6, 77);
  auto work = [&] {
    attnrt_documents_cu(cu.data(), 3, cu.data(), 3, 0, 6, 6, qSeg.data(),
                        qPos.data(), kSeg.data(), kPos.data());
    attnrt_documents_seg(qSeg.data(), kSeg.data(), nullptr, nullptr, 1, 1, 1, 6,
                         6, 0, qPos.data(), kPos.data());
  };
  ASSERT_EQ(runOnDevice(gpu.package, work, onDevice("cuda")), ATTN_OK)
      << attnLastError();
  EXPECT_EQ(qSeg, (std::vector<int32_t>{0, 0, 1, 1, 1, -2}));
  EXPECT_EQ(kSeg, (std::vector<int32_t>{0, 0, 1, 1, 1, -1}));
  EXPECT_EQ(qPos, (std::vector<int32_t>{0, 1, 0, 1, 2, 0}));
}

TEST_F(CudaDeviceTest, FlagsAreCountedOnlyForWhoAsks) {
  OpenPackage gpu("gpu");
  std::vector<int32_t> flags = {0, 1, 0, 5, -1};
  auto count = [&] {
    attnrt_gpu_count_flags(ATTNRT_GUARD_RECOMPUTATIONS, flags.data(), 5);
  };
  fake().log();
  ASSERT_EQ(runOnDevice(gpu.package, count, onDevice("cuda")), ATTN_OK);
  EXPECT_HAS_NOT(fake().log(), "DtoH");
  AttnCounters counters = {};
  ASSERT_EQ(runOnDevice(gpu.package, count, onDevice("cuda"), &counters),
            ATTN_OK);
  EXPECT_EQ(counters.guard_recomputations, 3);
}

TEST_F(CudaDeviceTest, CopiesGoAsRows) {
  OpenPackage gpu("gpu");
  std::vector<float> from(2 * 3 * 8), to(2 * 3 * 4, -1);
  for (size_t i = 0; i < from.size(); ++i)
    from[i] = float(i);
  struct {
    void *allocated, *aligned;
    int64_t offset, sizes[3], strides[3];
  } source = {from.data(), from.data(), 0, {2, 3, 4}, {24, 8, 1}},
    target = {to.data(), to.data(), 0, {2, 3, 4}, {12, 4, 1}};
  AttnUnrankedMemRef s = {3, &source}, t = {3, &target};
  auto copy = [&] { memrefCopy(4, &s, &t); };
  fake().log();
  ASSERT_EQ(runOnDevice(gpu.package, copy, onDevice("cuda")), ATTN_OK)
      << attnLastError();
  for (int b = 0; b < 2; ++b)
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 4; ++j)
        EXPECT_EQ(to[size_t(b * 12 + i * 4 + j)], float(b * 24 + i * 8 + j));
  EXPECT_EQ(countOf(fake().log(), "cuMemcpy2DAsync 16x3"), 2);
}

TEST_F(CudaDeviceTest, TheCallersOwnMemory) {
  void *memory = nullptr;
  ASSERT_EQ(attnDeviceAlloc("cuda:1", 16, &memory), ATTN_OK) << attnLastError();
  const char text[16] = "fifteen letters";
  char back[16] = {0};
  ASSERT_EQ(attnDeviceCopyIn("cuda:1", memory, text, 16), ATTN_OK);
  ASSERT_EQ(attnDeviceCopyOut("cuda:1", back, memory, 16), ATTN_OK);
  EXPECT_STREQ(back, text);
  ASSERT_EQ(attnDeviceFree("cuda:1", memory), ATTN_OK);
  EXPECT_EQ(attnDeviceFree("cuda", nullptr), ATTN_OK);
  fake().fail("cuMemAlloc", 2, 0);
  EXPECT_EQ(attnDeviceAlloc("cuda", 1, &memory), ATTN_RESOURCE_ERROR);
  EXPECT_EQ(attnDeviceAlloc("cuda:9", 1, &memory), ATTN_DEVICE_ERROR);
  EXPECT_STREQ(attnLastError(),
               "CUDA expects a device from cuda:0 to cuda:1, but got cuda:9");
  EXPECT_EQ(attnDeviceAlloc("tpu", 1, &memory), ATTN_DEVICE_ERROR);
  EXPECT_EQ(attnDeviceAlloc(nullptr, 1, &memory), ATTN_INVALID);
  EXPECT_EQ(attnDeviceCopyIn("cuda", nullptr, text, 4), ATTN_INVALID);
  EXPECT_EQ(attnDeviceCopyOut("cuda", back, text, -4), ATTN_INVALID);
}

//===----------------------------------------------------------------------===//
// Which device
//===----------------------------------------------------------------------===//

TEST_F(CudaDeviceTest, TensorsElsewhereAreRefused) {
  OpenPackage gpu("gpu");
  AddTensors cpu(1), mixed(1, gpu0), second(1, gpu1);
  EXPECT_EQ(cpu.run(gpu.package, "add", nullptr), ATTN_DEVICE_ERROR);
  EXPECT_STREQ(attnLastError(),
               "entry 'add': the package is compiled for a GPU ('sm_80') and "
               "expects tensors on a CUDA device, but got tensors on the CPU; "
               "copy them there, or use device='emulated' to run on the CPU's "
               "tensors");
  AttnInvokeOptions cuda = onDevice("cuda");
  EXPECT_EQ(cpu.run(gpu.package, "add", &cuda), ATTN_DEVICE_ERROR);
  EXPECT_STREQ(attnLastError(),
               "entry 'add': argument 'a' expects a tensor on CUDA device 0, "
               "but got one on the CPU; copy it there first, or use device "
               "'emulated' to run on CPU tensors");
  mixed.b.view.device = gpu1;
  EXPECT_EQ(mixed.run(gpu.package, "add", nullptr), ATTN_DEVICE_ERROR);
  EXPECT_STREQ(attnLastError(),
               "entry 'add': argument 'b' expects a tensor on CUDA device 0, "
               "but got one on CUDA device 1; copy it there first");
  AttnInvokeOptions zero = onDevice("cuda:0");
  EXPECT_EQ(second.run(gpu.package, "add", &zero), ATTN_DEVICE_ERROR);
  mixed.b.view.device = {kDLROCM, 0};
  EXPECT_EQ(mixed.run(gpu.package, "add", nullptr), ATTN_DEVICE_ERROR);
  EXPECT_HAS(attnLastError(), "but got one on ROCm device 0");
  // Managed memory belongs to all.
  mixed.b.view.device = {kDLCUDAManaged, 1};
  EXPECT_EQ(mixed.run(gpu.package, "add", nullptr), ATTN_OK) << attnLastError();
}

TEST_F(CudaDeviceTest, DevicesAndPackagesThatDoNotFit) {
  OpenPackage gpu("gpu"), newer("gpu-sm_90a");
  AddTensors t(1, gpu0), cpu(1);
  auto refuse = [&](AddTensors &tensors, AttnPackage *package,
                    const char *device, void *stream = nullptr) {
    AttnInvokeOptions options = onDevice(device, stream);
    EXPECT_EQ(tensors.run(package, "add", &options), ATTN_DEVICE_ERROR)
        << device;
    return std::string(attnLastError());
  };
  EXPECT_HAS(refuse(t, gpu.package, "cpu"),
             "expects device 'cuda' or 'emulated', but got 'cpu'");
  EXPECT_HAS(refuse(t, gpu.package, "cuda:7"), "but got cuda:7");
  EXPECT_HAS(refuse(t, gpu.package, "cuda:"), "but got 'cuda:'");
  EXPECT_HAS(refuse(t, gpu.package, "cuda:x"), "but got 'cuda:x'");
  EXPECT_HAS(refuse(t, gpu.package, "emulated", streamNumber(5)),
             "a stream expects a call on CUDA");
  EXPECT_HAS(refuse(cpu, goodPackage(), "cuda"),
             "the package is compiled for the CPU ('generic') and expects "
             "device 'cpu', but got 'cuda'; compile it for target 'cuda'");
  EXPECT_HAS(refuse(cpu, goodPackage(), nullptr, streamNumber(5)),
             "a stream expects a call on CUDA");
  ASSERT_TRUE(newer.package) << attnLastError();
  EXPECT_HAS(refuse(t, newer.package, nullptr),
             "the package is compiled for sm_90a, but device cuda:0 (Fake GPU "
             "0, sm_80) is another architecture; compile it for target "
             "'sm_80'");
  AddTensors second(1, gpu1);
  EXPECT_EQ(second.run(newer.package, "add", nullptr), ATTN_OK)
      << attnLastError();
  // A tensor on a GPU is still none for the CPU.
  AttnInvokeOptions onCpu = onDevice("cpu");
  EXPECT_EQ(t.run(goodPackage(), "add", &onCpu), ATTN_INVALID);
  EXPECT_EQ(cpu.run(goodPackage(), "add", &onCpu), ATTN_OK);
}

TEST_F(CudaDeviceTest, ShapesAreAskedForAnywhere) {
  OpenPackage gpu("gpu");
  for (DLDevice device : {DLDevice{kDLCPU, 0}, gpu1}) {
    AddTensors t(7, device);
    const DLTensor *args[] = {&t.a.view, &t.b.view};
    int64_t dims[2] = {0, 0};
    fake().log();
    ASSERT_EQ(attnResultShapes(gpu.package, 0, args, 2, dims), ATTN_OK);
    EXPECT_EQ(dims[0], 7);
    EXPECT_EQ(fake().log(), "");
  }
}

TEST_F(CudaDeviceTest, LoopsAndKernelsKeepToTheirDevice) {
  OpenPackage gpu("gpu");
  auto loop = [] {
    attnrt_parallel_for([](void *, int64_t, void *) {}, nullptr, 1, 0);
  };
  EXPECT_EQ(runOnDevice(gpu.package, loop, onDevice("cuda")), ATTN_INVALID);
  EXPECT_HAS(attnLastError(), "internal error");
  auto kernel = [] {
    attnrt_gpu_launch(&ptxImage, "add", 1, 1, 1, 1, 0, nullptr, 0);
  };
  EXPECT_EQ(runInCall(kernel), ATTN_INVALID);
  EXPECT_HAS(attnLastError(), "internal error");
}

TEST_F(CudaDeviceTest, InfoListsWhatThereIs) {
  std::string info = attnDeviceInfo();
  // Looking makes no context.
  EXPECT_HAS_NOT(fake().log(), "cuDevicePrimaryCtxRetain");
  EXPECT_HAS(info, "{\"device\":\"cpu\",\"available\":true");
  EXPECT_HAS(info, "{\"device\":\"cuda:1\",\"available\":true,\"name\":\"Fake "
                   "GPU 1\",\"arch\":\"sm_90\",\"memory_bytes\":17179869184,"
                   "\"multiprocessors\":108}");
  fake().fail("cuDeviceGetCount", 100, 0);
  EXPECT_HAS(attnDeviceInfo(),
             "{\"device\":\"cuda\",\"available\":false,"
             "\"reason\":\"CUDA expects to count its devices, "
             "but got CUDA_ERROR_NO_DEVICE");
}

TEST_F(CudaDeviceTest, AFailureToOpenIsTriedAgain) {
  // In a process of its own: a driver that started stays.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        void *memory = nullptr;
        setenv("ATTN_LIBCUDA", "/nonexistent/libcuda.so.1", 1);
        bool ok = attnDeviceAlloc("cuda", 1, &memory) == ATTN_DEVICE_ERROR;
        std::fprintf(stderr, "%s\n", attnLastError());
        setenv("ATTN_LIBCUDA", ATTNRT_FAKE_CUDA, 1);
        setenv("FAKE_CUDA_INIT", "100", 1);
        ok &= attnDeviceAlloc("cuda", 1, &memory) == ATTN_DEVICE_ERROR;
        std::fprintf(stderr, "%s\n", attnLastError());
        unsetenv("FAKE_CUDA_INIT");
        fake().setDevices(0);
        ok &= attnDeviceAlloc("cuda", 1, &memory) == ATTN_DEVICE_ERROR;
        std::fprintf(stderr, "%s\n", attnLastError());
        fake().setDevices(1);
        ok &= attnDeviceAlloc("cuda", 1, &memory) == ATTN_OK;
        std::exit(ok ? 0 : 1);
      },
      testing::ExitedWithCode(0),
      "CUDA expects libcuda.so.1 \\(an NVIDIA driver\\) and a GPU, but it "
      "cannot be opened: .*; use device='emulated' to run without a "
      "GPU\n.*CUDA_ERROR_NO_DEVICE.*\n.*expects a GPU, but got none");
}

//===----------------------------------------------------------------------===//
// Architectures
//===----------------------------------------------------------------------===//

TEST(ArchTest, ReadsAndCompares) {
  using namespace attn::rt;
  auto arch = [](const char *text) {
    Arch read;
    EXPECT_TRUE(parseArch(text, read)) << text;
    return read;
  };
  Arch unused;
  for (const char *text : {"", "sm_", "sm_8", "sm80", "sm_80b", "sm_80aa",
                           "compute_80", "sm_99999999999"})
    EXPECT_FALSE(parseArch(text, unused)) << text;
  EXPECT_TRUE(runsPtx(arch("sm_80"), arch("sm_120")));
  EXPECT_FALSE(runsPtx(arch("sm_90"), arch("sm_89")));
  EXPECT_TRUE(runsPtx(arch("sm_90a"), arch("sm_90")));
  EXPECT_FALSE(runsPtx(arch("sm_90a"), arch("sm_100")));
  EXPECT_TRUE(runsPtx(arch("sm_100f"), arch("sm_103")));
  EXPECT_FALSE(runsPtx(arch("sm_100f"), arch("sm_120")));
  EXPECT_TRUE(runsCubin(arch("sm_80"), arch("sm_86")));
  EXPECT_FALSE(runsCubin(arch("sm_86"), arch("sm_80")));
  EXPECT_FALSE(runsCubin(arch("sm_80"), arch("sm_90")));
}
