//===- SignatureTest.cpp - Tests of package descriptions ------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Descriptions that are damaged, and targets that do not fit.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Signature.h"
#include "attn/Runtime/CpuFeatures.h"
#include "attn/Runtime/Sha256.h"

#include <gtest/gtest.h>

using namespace attn::rt;

/// A whole description with one piece replaced.
static std::string description(const std::string &from = "",
                               const std::string &to = "") {
  std::string text =
      R"({"format":1,"version":"0.1.0","target":"generic","cpu":"x",)"
      R"("features":"","entries":[{"name":"main","args":[{"name":"q",)"
      R"("dtype":"bf16","shape":[-1,8,-1,64]}],"results":[{"name":"lse",)"
      R"("dtype":"f32","shape":[]}],"notes":["n"],"new":{}}]})";
  if (!from.empty()) {
    size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
  }
  return text;
}

TEST(Signature, Reads) {
  Signature signature;
  Status status = parseSignature(description(), signature);
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_EQ(signature.entries.size(), 1u);
  const EntryType &entry = signature.entries[0];
  EXPECT_EQ(entry.name, "main");
  EXPECT_EQ(entry.args[0].shape, (std::vector<int64_t>{-1, 8, -1, 64}));
  EXPECT_STREQ(entry.args[0].element->name, "bf16");
  EXPECT_EQ(entry.args[0].element->bytes(), 2);
  EXPECT_EQ(entry.results[0].rank(), 0);
  EXPECT_EQ(signature.findEntry("main"), 0);
  EXPECT_EQ(signature.findEntry("mai"), -1);
  EXPECT_TRUE(checkCompatible(signature).ok());
}

TEST(Signature, Refuses) {
  const char *cases[][3] = {
      {"\"format\":1", "\"format\":2", "expects package format 1, but got 2"},
      {"\"format\":1", "\"format\":\"1\"", "an integer 'format'"},
      {"\"format\":1,", "", "an integer 'format'"},
      {"\"version\":\"0.1.0\"", "\"version\":1", "a string 'version'"},
      {"\"target\":\"generic\",", "", "a string 'target'"},
      {"\"features\":\"\"", "\"features\":[]", "a string 'features'"},
      {"\"entries\":[", "\"entrys\":[", "an array 'entries'"},
      {"bf16", "bf17", "but got 'bf17'"},
      {"-1,8", "-2,8", "sizes that are integers of at least -1"},
      {"-1,8", "1.5,8", "sizes that are integers of at least -1"},
      {"\"shape\":[]", "\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
       "at most 16 sizes"},
      {"\"main\"", "\"ma in\"", "that are symbols, but got 'ma in'"},
      {"\"main\"", "\"\"", "that are symbols"},
      {"\"args\":[", "\"arg\":[", "an array 'args'"},
      {"\"results\":[", "\"result\":[", "an array 'results'"},
      {"{\"name\":\"q\",", "{", "a string 'name'"},
  };
  for (auto &[from, to, expected] : cases) {
    Signature signature;
    Status status = parseSignature(description(from, to), signature);
    EXPECT_EQ(status.code(), ATTN_CACHE_ERROR) << expected;
    EXPECT_NE(status.message().find(expected), std::string::npos)
        << status.message();
  }
  Signature signature;
  EXPECT_EQ(parseSignature("[]", signature).code(), ATTN_CACHE_ERROR);
  EXPECT_EQ(parseSignature("", signature).code(), ATTN_CACHE_ERROR);
}

TEST(Signature, Versions) {
  for (auto &[version, fits] : {std::pair<const char *, bool>{"0.1.0", true},
                                {"0.1.9", true},
                                {"0.1", true},
                                {"0.2.0", false},
                                {"0.10.0", false},
                                {"1.1.0", false},
                                {"", false}}) {
    Signature signature;
    signature.version = version;
    signature.target = "generic";
    EXPECT_EQ(checkCompatible(signature).ok(), fits) << version;
  }
}

TEST(CpuFeatures, Targets) {
  EXPECT_TRUE(checkTarget("generic", "").ok());
  EXPECT_TRUE(checkTarget(widestTarget(), "").ok());
  Status status = checkTarget("quantum", "");
  EXPECT_EQ(status.code(), ATTN_CACHE_ERROR);
  EXPECT_NE(status.message().find("but got 'quantum'"), std::string::npos);
}

#if defined(__x86_64__)
TEST(CpuFeatures, AgreeWithTheCompiler) {
  __builtin_cpu_init();
  EXPECT_EQ(hasCpuFeature("sse2"), FeatureAnswer::Yes);
  EXPECT_EQ(hasCpuFeature("avx2") == FeatureAnswer::Yes,
            __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ(hasCpuFeature("fma") == FeatureAnswer::Yes,
            __builtin_cpu_supports("fma") != 0);
  EXPECT_EQ(hasCpuFeature("avx512f") == FeatureAnswer::Yes,
            __builtin_cpu_supports("avx512f") != 0);
  EXPECT_EQ(hasCpuFeature("avx512vl") == FeatureAnswer::Yes,
            __builtin_cpu_supports("avx512vl") != 0);
  EXPECT_EQ(hasCpuFeature("avx512bf16") == FeatureAnswer::Yes,
            __builtin_cpu_supports("avx512bf16") != 0);
  EXPECT_EQ(hasCpuFeature("avx512vnni") == FeatureAnswer::Yes,
            __builtin_cpu_supports("avx512vnni") != 0);
  EXPECT_EQ(hasCpuFeature("bmi2") == FeatureAnswer::Yes,
            __builtin_cpu_supports("bmi2") != 0);
  EXPECT_EQ(hasCpuFeature("sse4a") == FeatureAnswer::Yes,
            __builtin_cpu_supports("sse4a") != 0);
  EXPECT_EQ(hasCpuFeature("turbo"), FeatureAnswer::Unknown);
}

TEST(CpuFeatures, MissingOnesAreNamed) {
  // Nothing built since 2017 has these two.
  Status status = checkTarget("generic", "+sse2,-avx,+xop,+unknown,,+fma4");
  EXPECT_EQ(status.code(), ATTN_CACHE_ERROR);
  EXPECT_NE(status.message().find("lacks xop, fma4; compile it again for '"),
            std::string::npos)
      << status.message();
}
#endif

TEST(Sha256, StandardVectors) {
  auto hex = [](const std::string &text) {
    std::string out;
    for (uint8_t byte : sha256(text.data(), text.size())) {
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    }
    return out;
  };
  EXPECT_EQ(hex(""), "e3b0c44298fc1c149afbf4c8996fb924"
                     "27ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex("abc"), "ba7816bf8f01cfea414140de5dae2223"
                        "b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039"
            "a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67"
                                            "f1809a48a497200e046d39ccc7112cd0");
}
