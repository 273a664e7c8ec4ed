//===- Common.h - Shared by the tests of libattnc ---------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#ifndef ATTN_TEST_UNITTESTS_CAPI_COMMON_H
#define ATTN_TEST_UNITTESTS_CAPI_COMMON_H

#include "attn-c/Compiler.h"
#include "attn-c/Runtime.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <initializer_list>
#include <iterator>
#include <string>
#include <vector>

namespace test {

/// Small and quick to compile: no attention.
inline const std::string kIdentity =
    "func.func @main(%x: tensor<?x4xf32> {attn.name = \"x\"}) -> "
    "tensor<?x4xf32> {\n"
    "  return %x : tensor<?x4xf32>\n"
    "}\n";

/// Causal attention of grouped heads.
inline const std::string kAttention =
    "func.func @main(%q: tensor<?x4x?x16xf32>, %k: tensor<?x2x?x16xf32>, "
    "%v: tensor<?x2x?x16xf32>) -> tensor<?x4x?x16xf32> {\n"
    "  %o = attn.attention %q, %k, %v mask #attn.mask<causal> align "
    "bottom_right\n"
    "    : tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32> "
    "-> tensor<?x4x?x16xf32>\n"
    "  return %o : tensor<?x4x?x16xf32>\n"
    "}\n";

/// A folder that goes when the test ends.
class Folder {
public:
  Folder() {
    char name[] = "/tmp/attn-capi-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string &name) const { return path + "/" + name; }
  /// How many files there are.
  size_t count() const {
    return std::distance(std::filesystem::directory_iterator(path), {});
  }

private:
  std::string path;
};

inline std::string readFile(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

/// Takes the text of an AttnString.
inline std::string take(AttnString &string) {
  std::string text = string.data ? std::string(string.data, string.size) : "";
  attnStringFree(&string);
  return text;
}

inline int compile(const std::string &ir, const std::string &path,
                   const char *target = nullptr, int level = 3) {
  AttnCompileOptions options = {};
  options.target = target;
  options.opt_level = level;
  options.verify = 1;
  return attnCompileToFile(ir.data(), ir.size(), &options, path.c_str());
}

/// A compact tensor that owns its memory.
template <typename T>
struct Tensor {
  explicit Tensor(std::vector<int64_t> sizes) : shape(std::move(sizes)) {
    int64_t count = 1;
    for (int64_t size : shape)
      count *= size;
    data.resize(count);
    view.data = data.data();
    view.device = {kDLCPU, 0};
    view.ndim = static_cast<int32_t>(shape.size());
    view.dtype = {
        static_cast<uint8_t>(std::is_floating_point_v<T> ? kDLFloat : kDLInt),
        sizeof(T) * 8, 1};
    view.shape = shape.data();
    view.strides = nullptr;
    view.byte_offset = 0;
  }
  Tensor(const Tensor &) = delete;

  /// Numbers between -1 and 1 that depend on `seed` alone.
  void fill(unsigned seed) {
    uint32_t state = seed * 2654435761u + 1;
    for (T &x : data) {
      state = state * 1664525u + 1013904223u;
      x = static_cast<T>(static_cast<int32_t>(state) / 2147483648.0);
    }
  }

  std::vector<int64_t> shape;
  std::vector<T> data;
  DLTensor view = {};
};

} // namespace test

#endif // ATTN_TEST_UNITTESTS_CAPI_COMMON_H
