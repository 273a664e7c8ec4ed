//===- Emulated.h - Running PTX in tests ------------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A device, a module and buffers, through the C functions only.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TEST_UNITTESTS_EMULATOR_EMULATED_H
#define ATTN_TEST_UNITTESTS_EMULATOR_EMULATED_H

#include "attn-c/Emulator.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace emulated {

/// The value of a parameter, as bytes.
using Value = std::vector<uint8_t>;
template <class T>
Value value(T v) {
  Value bytes(sizeof(T));
  std::memcpy(bytes.data(), &v, sizeof(T));
  return bytes;
}

class Device {
public:
  explicit Device(const char *arch = "sm_80", int threads = 1,
                  bool worst = false, uint32_t checks = ATTN_EMU_CHECK_ALL,
                  uint64_t steps = 1 << 24) {
    AttnEmuOptions options;
    attnEmuOptionsInit(&options);
    options.arch = arch;
    options.threads = threads;
    options.worst_rounding = worst;
    options.checks = checks;
    options.step_limit = steps;
    EXPECT_EQ(attnEmuOpen(&options, &device), ATTN_EMU_OK)
        << attnEmuLastError();
  }
  ~Device() { attnEmuClose(device); }
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  /// Loads a module; the error's text where it is refused.
  std::string load(const std::string &text) {
    int status = attnEmuModuleLoad(device, text.data(), text.size(), &module);
    return status == ATTN_EMU_OK ? "" : attnEmuLastError();
  }

  /// Maps a vector; the address is the parameter.
  template <class T>
  Value map(std::vector<T> &v, const char *name, bool initialized = true) {
    EXPECT_EQ(
        attnEmuMap(device, name, v.data(), v.size() * sizeof(T), initialized),
        ATTN_EMU_OK)
        << attnEmuLastError();
    return value(reinterpret_cast<uint64_t>(v.data()));
  }

  int launch(const char *kernel, std::array<uint32_t, 3> grid,
             std::array<uint32_t, 3> block, std::vector<Value> parameters,
             uint64_t shared = 0) {
    std::vector<void *> pointers;
    for (Value &p : parameters)
      pointers.push_back(p.data());
    return attnEmuLaunch(device, module, kernel, grid.data(), block.data(),
                         shared, pointers.data(), pointers.size());
  }

  /// The kinds of findings, with commas between.
  std::string kinds() const {
    std::string out;
    for (size_t i = 0; i < attnEmuFindingCount(device); ++i)
      out += (i ? "," : "") + std::string(attnEmuFindingKind(device, i));
    return out;
  }
  std::string text() const { return attnEmuReportText(device); }
  uint64_t counter(const char *name, int line = 0) const {
    return attnEmuCounter(device, name, line);
  }

  AttnEmuDevice *device = nullptr;
  AttnEmuModule *module = nullptr;
};

/// A file of the folder of kernels.
inline std::string readKernel(const std::string &name) {
  std::ifstream file(std::string(ATTN_EMULATOR_KERNELS) + "/" + name);
  EXPECT_TRUE(file.good()) << name;
  return std::string((std::istreambuf_iterator<char>(file)),
                     std::istreambuf_iterator<char>());
}

/// A module around the body of a kernel `k` with 64-bit parameters a, b, c,
/// which %a, %b and %c hold, and registers of every type.
inline std::string kernel(const std::string &body,
                          const std::string &target = "sm_80",
                          const std::string &before = "") {
  return ".version 8.7\n.target " + target + "\n.address_size 64\n" + before +
         ".visible .entry k(.param .u64 pa, .param .u64 pb, .param .u64 pc)\n"
         "{\n.reg .b64 %a, %b, %c, %rd<64>;\n.reg .b32 %r<64>;\n"
         ".reg .b16 %h<32>;\n.reg .f32 %f<64>;\n.reg .f64 %fd<32>;\n"
         ".reg .pred %p<16>;\n"
         "ld.param.u64 %a, [pa]; ld.param.u64 %b, [pb];\n"
         "ld.param.u64 %c, [pc];\n" +
         body + "\nret;\n}\n";
}

/// The line on which the body of `kernel` starts (no lines before).
constexpr int kBodyLine = 14;

} // namespace emulated

#endif // ATTN_TEST_UNITTESTS_EMULATOR_EMULATED_H
