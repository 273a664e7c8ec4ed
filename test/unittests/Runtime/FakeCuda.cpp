//===- FakeCuda.cpp - A CUDA driver without a GPU -------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Stands in for libcuda.so.1 in tests: device memory is host memory, launches
// run at once, every call is written down, and any function can be told to
// fail. Two devices: an sm_80 and an sm_90.
//
// Its kernels know their parameters by name only:
//   add   out[i] = a[i] + b[i] for i < n
//   big   nothing, with 40 KiB of static shared memory and 255 registers
//
//===----------------------------------------------------------------------===//

#include "FakeCuda.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#define FAKE extern "C" __attribute__((visibility("default")))

namespace {
struct Kernel {
  std::string name;
  int maxDynamicShared = 48 * 1024;
};
struct Module {
  std::string text;
  std::map<std::string, Kernel> kernels;
};
struct Device {
  int major, minor;
  int optInShared;
};

std::recursive_mutex mutex;
std::string log;
std::map<std::string, std::pair<int, int>> faults;
const std::vector<Device> kDevices = {{8, 0, 163 * 1024}, {9, 0, 227 * 1024}};
std::vector<Device> devices = kDevices;
int pools = 1;
std::set<void *> memory;
thread_local std::vector<void *> contexts;
std::string current;

/// Writes a call down; the code that it is to fail with, or 0.
int enter(const char *function, const std::string &what = "") {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  log += std::string(function) + (what.empty() ? "" : " " + what) + "\n";
  auto it = faults.find(function);
  if (it == faults.end())
    return 0;
  if (it->second.second-- > 0)
    return 0;
  int code = it->second.first;
  faults.erase(it);
  return code;
}

std::string on(void *stream) {
  return "stream=" + std::to_string(reinterpret_cast<uintptr_t>(stream));
}

void *pointer(unsigned long long p) {
  return reinterpret_cast<void *>(static_cast<uintptr_t>(p));
}
} // namespace

#define ENTER(...)                                                             \
  if (int code = enter(__VA_ARGS__))                                           \
  return code

//===----------------------------------------------------------------------===//
// For tests
//===----------------------------------------------------------------------===//

FAKE void fakeCudaReset(void) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  log.clear();
  faults.clear();
  devices = kDevices;
  pools = 1;
}
FAKE void fakeCudaFail(const char *function, int code, int after) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  faults[function] = {code, after};
}
FAKE const char *fakeCudaLog(void) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  current = log;
  log.clear();
  return current.c_str();
}
FAKE void fakeCudaDevices(int count) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  devices.resize(size_t(count), Device{8, 0, 163 * 1024});
}
FAKE int fakeCudaLiveBlocks(void) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  return int(memory.size());
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

FAKE int cuInit(unsigned) {
  if (const char *code = std::getenv("FAKE_CUDA_INIT"))
    return std::atoi(code);
  return 0;
}
FAKE int cuGetErrorName(int code, const char **text) {
  *text = code == 2     ? "CUDA_ERROR_OUT_OF_MEMORY"
          : code == 100 ? "CUDA_ERROR_NO_DEVICE"
          : code == 200 ? "CUDA_ERROR_INVALID_IMAGE"
          : code == 218 ? "CUDA_ERROR_INVALID_PTX"
          : code == 222 ? "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"
          : code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS"
                        : "CUDA_ERROR_UNKNOWN";
  return 0;
}
FAKE int cuGetErrorString(int, const char **text) {
  *text = "as the test asked";
  return 0;
}
FAKE int cuDeviceGetCount(int *count) {
  ENTER("cuDeviceGetCount");
  *count = int(devices.size());
  return 0;
}
FAKE int cuDeviceGet(int *device, int ordinal) {
  ENTER("cuDeviceGet");
  *device = ordinal;
  return 0;
}
FAKE int cuDeviceGetName(char *text, int size, int device) {
  std::snprintf(text, size_t(size), "Fake GPU %d", device);
  return 0;
}
FAKE int cuDeviceGetAttribute(int *value, int attribute, int device) {
  const Device &d = devices[size_t(device)];
  switch (attribute) {
  case 1:
    *value = 1024;
    break;
  case 5:
    *value = 2147483647;
    break;
  case 6:
  case 7:
    *value = 65535;
    break;
  case 8:
    *value = 48 * 1024;
    break;
  case 11:
    *value = 2147483647;
    break;
  case 16:
    *value = 108;
    break;
  case 39:
    *value = 2048;
    break;
  case 75:
    *value = d.major;
    break;
  case 76:
    *value = d.minor;
    break;
  case 97:
    *value = d.optInShared;
    break;
  case 115:
    *value = pools;
    break;
  default:
    return 1;
  }
  return 0;
}
FAKE int cuDeviceTotalMem_v2(size_t *bytes, int) {
  *bytes = size_t(1) << 34;
  return 0;
}
FAKE int cuDevicePrimaryCtxRetain(void **context, int device) {
  ENTER("cuDevicePrimaryCtxRetain");
  *context = pointer(0x1000 + unsigned(device));
  return 0;
}
FAKE int cuCtxPushCurrent_v2(void *context) {
  ENTER("cuCtxPushCurrent");
  contexts.push_back(context);
  return 0;
}
FAKE int cuCtxPopCurrent_v2(void **context) {
  if (contexts.empty())
    return 201;
  *context = contexts.back();
  contexts.pop_back();
  return enter("cuCtxPopCurrent");
}
FAKE int cuCtxSynchronize(void) { return enter("cuCtxSynchronize"); }
FAKE int fakeCudaContextDepth(void) { return int(contexts.size()); }

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

FAKE int cuModuleLoadDataEx(void **module, const void *data, unsigned count,
                            int *options, void **values) {
  const char *text = static_cast<const char *>(data);
  const bool cubin = std::memcmp(text,
                                 "\x7f"
                                 "ELF",
                                 4) == 0;
  const bool ptx = std::strncmp(text, ".version", 8) == 0;
  ENTER("cuModuleLoadDataEx", cubin ? "cubin" : ptx ? "ptx" : "garbage");
  if (!cubin && !ptx) {
    for (unsigned i = 0; i < count; ++i)
      if (options[i] == 5)
        std::strcpy(static_cast<char *>(values[i]),
                    "ptxas application input, line 1; fatal : garbage\n");
    return text[0] == '.' ? 218 : 200;
  }
  auto *made = new Module();
  made->text = cubin ? "cubin" : text;
  *module = made;
  return 0;
}
FAKE int cuModuleUnload(void *module) {
  ENTER("cuModuleUnload");
  delete static_cast<Module *>(module);
  return 0;
}
FAKE int cuModuleGetFunction(void **function, void *module, const char *name) {
  ENTER("cuModuleGetFunction", name);
  if (std::strcmp(name, "add") && std::strcmp(name, "big"))
    return 500;
  Kernel &kernel = static_cast<Module *>(module)->kernels[name];
  kernel.name = name;
  *function = &kernel;
  return 0;
}
FAKE int cuFuncGetAttribute(int *value, int attribute, void *function) {
  const bool big = static_cast<Kernel *>(function)->name == "big";
  *value = attribute == 0   ? (big ? 256 : 1024)
           : attribute == 1 ? (big ? 40 * 1024 : 0)
           : attribute == 3 ? (big ? 16 : 0)
           : attribute == 4 ? (big ? 255 : 20)
                            : 0;
  return 0;
}
FAKE int cuFuncSetAttribute(void *function, int attribute, int value) {
  ENTER("cuFuncSetAttribute",
        std::to_string(attribute) + "=" + std::to_string(value));
  static_cast<Kernel *>(function)->maxDynamicShared = value;
  return 0;
}
FAKE int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *,
                                                     int threads, size_t) {
  *blocks = 1024 / threads;
  return 0;
}
FAKE int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz,
                        unsigned bx, unsigned by, unsigned bz, unsigned shared,
                        void *stream, void **params, void **extra) {
  auto *kernel = static_cast<Kernel *>(function);
  void *buffer = nullptr;
  size_t size = 0;
  for (void **word = extra; word && *word; word += 2) {
    if (*word == pointer(1))
      buffer = word[1];
    if (*word == pointer(2))
      size = *static_cast<size_t *>(word[1]);
  }
  char text[256];
  std::snprintf(text, sizeof(text),
                "%s grid=%u,%u,%u block=%u,%u,%u shared=%u "
                "params=%zu %s",
                kernel->name.c_str(), gx, gy, gz, bx, by, bz, shared, size,
                on(stream).c_str());
  ENTER("cuLaunchKernel", text);
  if (params || contexts.empty() || int(shared) > kernel->maxDynamicShared)
    return 1;
  if (kernel->name == "add") {
    struct {
      const float *a, *b;
      float *out;
      int64_t n;
    } p;
    if (size != sizeof(p))
      return 1;
    std::memcpy(&p, buffer, sizeof(p));
    for (int64_t i = 0; i < std::min<int64_t>(p.n, int64_t(gx) * bx); ++i)
      p.out[i] = p.a[i] + p.b[i];
  }
  return 0;
}

//===----------------------------------------------------------------------===//
// Streams and memory
//===----------------------------------------------------------------------===//

FAKE int cuStreamSynchronize(void *stream) {
  return enter("cuStreamSynchronize", on(stream));
}
FAKE int cuEventCreate(void **event, unsigned) {
  *event = std::malloc(1);
  return enter("cuEventCreate");
}
FAKE int cuEventDestroy_v2(void *event) {
  std::free(event);
  return enter("cuEventDestroy");
}
FAKE int cuEventRecord(void *, void *stream) {
  return enter("cuEventRecord", on(stream));
}
FAKE int cuEventElapsedTime(float *milliseconds, void *, void *) {
  *milliseconds = 0.25f;
  return 0;
}

static int allocate(unsigned long long *out, size_t bytes) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  void *p = std::malloc(bytes);
  memory.insert(p);
  *out = reinterpret_cast<uintptr_t>(p);
  return 0;
}
static int release(unsigned long long p) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  if (!memory.erase(pointer(p)))
    return 1;
  std::free(pointer(p));
  return 0;
}
FAKE int cuMemAlloc_v2(unsigned long long *out, size_t bytes) {
  ENTER("cuMemAlloc", std::to_string(bytes));
  return bytes ? allocate(out, bytes) : 1;
}
FAKE int cuMemFree_v2(unsigned long long p) {
  ENTER("cuMemFree");
  return release(p);
}
FAKE int cuMemAllocAsync(unsigned long long *out, size_t bytes, void *stream) {
  ENTER("cuMemAllocAsync", std::to_string(bytes) + " " + on(stream));
  return bytes ? allocate(out, bytes) : 1;
}
FAKE int cuMemFreeAsync(unsigned long long p, void *stream) {
  ENTER("cuMemFreeAsync", on(stream));
  return release(p);
}
FAKE int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from,
                              size_t bytes, void *stream) {
  ENTER("cuMemcpyHtoDAsync", std::to_string(bytes) + " " + on(stream));
  std::memcpy(pointer(to), from, bytes);
  return 0;
}
FAKE int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes,
                              void *stream) {
  ENTER("cuMemcpyDtoHAsync", std::to_string(bytes) + " " + on(stream));
  std::memcpy(to, pointer(from), bytes);
  return 0;
}
FAKE int cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from,
                              size_t bytes, void *stream) {
  ENTER("cuMemcpyDtoDAsync", std::to_string(bytes) + " " + on(stream));
  std::memcpy(pointer(to), pointer(from), bytes);
  return 0;
}
FAKE int cuMemcpy2DAsync_v2(const void *descriptor, void *stream) {
  // CUDA_MEMCPY2D as 64-bit words.
  uint64_t w[16];
  std::memcpy(w, descriptor, sizeof(w));
  ENTER("cuMemcpy2DAsync",
        std::to_string(w[14]) + "x" + std::to_string(w[15]) + " " + on(stream));
  if (uint32_t(w[2]) != 2 || uint32_t(w[9]) != 2)
    return 1;
  for (uint64_t row = 0; row < w[15]; ++row)
    std::memcpy(pointer(w[11] + row * w[13]), pointer(w[4] + row * w[6]),
                w[14]);
  return 0;
}
