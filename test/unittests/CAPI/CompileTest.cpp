//===- CompileTest.cpp - Packages, stages, signatures -----------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Common.h"

#include "llvm/Support/JSON.h"

#include <cmath>

using namespace test;

TEST(Compile, PackageEqualsOracle) {
  Folder folder;
  ASSERT_EQ(compile(kAttention, folder.file("x.so")), 0)
      << attnCompilerLastError();
  EXPECT_EQ(folder.count(), 1u) << "nothing is left beside the package";
  AttnPackage *package;
  ASSERT_EQ(attnPackageOpen(folder.file("x.so").c_str(), &package), 0)
      << attnLastError();
  // Sq < Sk, Sq > Sk (rows that see nothing), one row.
  for (auto [sq, sk] :
       {std::pair<int64_t, int64_t>{33, 70}, {40, 9}, {1, 50}}) {
    Tensor<float> q({2, 4, sq, 16}), k({2, 2, sk, 16}), v({2, 2, sk, 16});
    q.fill(1), k.fill(2), v.fill(3);
    const DLTensor *args[] = {&q.view, &k.view, &v.view};
    Tensor<float> out(q.shape);
    Tensor<double> expected(q.shape);
    DLTensor *outs[] = {&out.view}, *expecteds[] = {&expected.view};
    int64_t dims[4], oracleDims[4];
    ASSERT_EQ(attnResultShapes(package, 0, args, 3, dims), 0);
    ASSERT_EQ(attnInterpretShapes(kAttention.data(), kAttention.size(), "main",
                                  args, 3, oracleDims),
              0)
        << attnCompilerLastError();
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(dims[i], q.shape[i]);
      EXPECT_EQ(oracleDims[i], q.shape[i]);
    }
    ASSERT_EQ(attnInvoke(package, 0, args, 3, outs, 1, nullptr, nullptr), 0)
        << attnLastError();
    ASSERT_EQ(attnInterpret(kAttention.data(), kAttention.size(), "main", args,
                            3, expecteds, 1),
              0)
        << attnCompilerLastError();
    double largest = 0;
    for (size_t i = 0; i < out.data.size(); ++i)
      largest = std::max(largest, std::abs(out.data[i] - expected.data[i]));
    EXPECT_LT(largest, 2e-6) << sq << " queries, " << sk << " keys";
  }
  EXPECT_EQ(attnPackageClose(package), 0);
}

TEST(Compile, SameBytesEachTime) {
  Folder folder;
  ASSERT_EQ(compile(kAttention, folder.file("a.so"), nullptr, 1), 0);
  ASSERT_EQ(compile(kAttention, folder.file("b.so"), nullptr, 1), 0);
  EXPECT_EQ(readFile(folder.file("a.so")), readFile(folder.file("b.so")));
}

TEST(Compile, ReplacesAnOldPackage) {
  Folder folder;
  std::ofstream(folder.file("x.so")) << "old";
  ASSERT_EQ(compile(kIdentity, folder.file("x.so")), 0);
  AttnPackage *package;
  EXPECT_EQ(attnPackageOpen(folder.file("x.so").c_str(), &package), 0)
      << attnLastError();
  attnPackageClose(package);
}

TEST(Compile, PackageIsSealed) {
  Folder folder;
  ASSERT_EQ(compile(kIdentity, folder.file("x.so")), 0);
  std::string bytes = readFile(folder.file("x.so"));
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(folder.file("x.so"), std::ios::binary) << bytes;
  AttnPackage *package;
  EXPECT_EQ(attnPackageOpen(folder.file("x.so").c_str(), &package),
            ATTN_CACHE_ERROR);
}

TEST(Compile, DescriptionOfAPackage) {
  Folder folder;
  ASSERT_EQ(compile(kAttention, folder.file("x.so"), "generic"), 0);
  AttnPackage *package;
  ASSERT_EQ(attnPackageOpen(folder.file("x.so").c_str(), &package), 0)
      << attnLastError();
  auto json = llvm::json::parse(attnPackageJson(package));
  ASSERT_TRUE(static_cast<bool>(json));
  const llvm::json::Object &root = *json->getAsObject();
  EXPECT_EQ(root.getInteger("format"), 1);
  EXPECT_EQ(root.getString("version"), ATTN_RUNTIME_VERSION_STRING);
  EXPECT_EQ(root.getString("ir_sha256")->size(), 64u);
  const llvm::json::Object &entry =
      *root.getArray("entries")->front().getAsObject();
  // The entry is what attnSignature says, and its notes say how it runs.
  AttnString text;
  ASSERT_EQ(attnSignature(kAttention.data(), kAttention.size(), "main", &text),
            0);
  auto signature = llvm::json::parse(take(text));
  ASSERT_TRUE(static_cast<bool>(signature));
  EXPECT_EQ(*entry.getArray("args"),
            *signature->getAsObject()->getArray("args"));
  EXPECT_EQ(*entry.getArray("results"),
            *signature->getAsObject()->getArray("results"));
  EXPECT_FALSE(entry.getArray("notes")->empty());
  attnPackageClose(package);
}

TEST(Compile, Signature) {
  std::string ir =
      "func.func @f(%a: tensor<?x3xbf16> {attn.name = \"a\"}, %b: tensor<i1>) "
      "-> (tensor<?x3xbf16> {attn.name = \"r\"}, tensor<i1>) {\n"
      "  return %a, %b : tensor<?x3xbf16>, tensor<i1>\n}\n"
      "func.func private @p(tensor<2xf32>)\n"
      "func.func @g(%a: tensor<2xi64>) { return }\n";
  AttnString text;
  ASSERT_EQ(attnSignature(ir.data(), ir.size(), "f", &text), 0)
      << attnCompilerLastError();
  EXPECT_EQ(take(text),
            "{\"args\":[{\"dtype\":\"bf16\",\"name\":\"a\",\"shape\":[-1,3]},"
            "{\"dtype\":\"i1\",\"name\":\"arg1\",\"shape\":[]}],\"name\":\"f\","
            "\"notes\":[],\"results\":[{\"dtype\":\"bf16\",\"name\":\"r\","
            "\"shape\":[-1,3]},{\"dtype\":\"i1\",\"name\":\"result1\","
            "\"shape\":[]}]}");
  ASSERT_EQ(attnSignature(ir.data(), ir.size(), nullptr, &text), 0);
  auto all = llvm::json::parse(take(text));
  ASSERT_TRUE(static_cast<bool>(all));
  EXPECT_EQ(all->getAsArray()->size(), 2u);
  EXPECT_EQ(attnSignature(ir.data(), ir.size(), "p", &text), ATTN_INVALID);
  EXPECT_STREQ(attnCompilerLastError(),
               "expects a public function @p, but got @f, @g");
}

TEST(Compile, StagesByNameAndByNumber) {
  const char *names[] = {"attn",    "scheduled",    "planned", "bufferized",
                         "lowered", "llvm-dialect", "llvm",    "asm"};
  AttnCompileOptions options = {};
  options.opt_level = 3;
  options.verify = 1;
  for (int kind = 0; kind < 8; ++kind) {
    AttnString byName, byNumber;
    ASSERT_EQ(attnRunPipeline(kAttention.data(), kAttention.size(), names[kind],
                              &byName),
              0)
        << attnCompilerLastError();
    ASSERT_EQ(attnEmit(kAttention.data(), kAttention.size(), &options,
                       static_cast<AttnEmitKind>(kind), &byNumber),
              0);
    std::string text = take(byName);
    EXPECT_FALSE(text.empty());
    EXPECT_EQ(text, take(byNumber)) << names[kind];
  }
}

TEST(Compile, AnyPipeline) {
  AttnString text;
  ASSERT_EQ(attnRunPipeline(kAttention.data(), kAttention.size(),
                            "attn-stage-schedule{isa=avx2},canonicalize",
                            &text),
            0)
      << attnCompilerLastError();
  EXPECT_NE(take(text).find("isa = \"avx2\""), std::string::npos);
  EXPECT_EQ(attnRunPipeline(kAttention.data(), kAttention.size(),
                            "no-such-pass", &text),
            ATTN_INVALID);
  EXPECT_NE(std::string(attnCompilerLastError()).find("no-such-pass"),
            std::string::npos);
  EXPECT_EQ(text.data, nullptr);
}

TEST(Compile, Explain) {
  AttnString text;
  AttnCompileOptions options = {};
  options.opt_level = 1;
  options.target = "generic";
  ASSERT_EQ(attnExplain(kAttention.data(), kAttention.size(), &options, &text),
            0)
      << attnCompilerLastError();
  auto json = llvm::json::parse(take(text));
  ASSERT_TRUE(static_cast<bool>(json));
  const llvm::json::Object &root = *json->getAsObject();
  EXPECT_EQ(root.getString("target"), "generic");
  EXPECT_EQ(root.get("refused")->getAsNull(), std::nullptr_t());
  const llvm::json::Object &loop = *root.getArray("entries")
                                        ->front()
                                        .getAsObject()
                                        ->getArray("key_loops")
                                        ->front()
                                        .getAsObject();
  EXPECT_EQ(loop.getString("mask"), "per pair");
  EXPECT_EQ(loop.getString("score"), "scale only");
  EXPECT_EQ(loop.getObject("schedule")->getString("isa"), "generic");
  // Causal: a little more than half of the pairs of 1024 x 1024.
  double computed = *loop.getObject("range")->getNumber("computed");
  EXPECT_GT(computed, 0.5);
  EXPECT_LT(computed, 0.65);
}

TEST(Compile, ExplainSaysWhyARefusedProgramIsRefused) {
  // It is a program, but no pass knows what to do with a file system.
  std::string ir = "func.func private @open(tensor<4xf32>) -> tensor<4xf32>\n"
                   "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n"
                   "  %y = call @open(%x) : (tensor<4xf32>) -> tensor<4xf32>\n"
                   "  return %y : tensor<4xf32>\n}\n";
  AttnString text;
  ASSERT_EQ(attnExplain(ir.data(), ir.size(), nullptr, &text), 0)
      << attnCompilerLastError();
  auto json = llvm::json::parse(take(text));
  ASSERT_TRUE(static_cast<bool>(json));
  auto refused = json->getAsObject()->getString("refused");
  ASSERT_TRUE(refused.has_value());
  EXPECT_NE(refused->find("error"), llvm::StringRef::npos);
}

TEST(Compile, Fingerprint) {
  std::string text = attnCompilerFingerprint();
  EXPECT_NE(text.find("attn " ATTN_RUNTIME_VERSION_STRING), std::string::npos);
  EXPECT_NE(text.find(" llvm "), std::string::npos);
  EXPECT_EQ(text, attnCompilerFingerprint());
}

TEST(Compile, Times) {
  Folder folder;
  ASSERT_EQ(compile(kIdentity, folder.file("x.so")), 0);
  auto json = llvm::json::parse(attnCompileTimes());
  ASSERT_TRUE(static_cast<bool>(json));
  const llvm::json::Object &times = *json->getAsObject();
  double sum = 0;
  for (const char *stage :
       {"parse", "passes", "translate", "optimize", "codegen", "link"}) {
    EXPECT_GT(*times.getNumber(stage), 0) << stage;
    sum += *times.getNumber(stage);
  }
  EXPECT_NEAR(*times.getNumber("total"), sum, 1e-4);
}
