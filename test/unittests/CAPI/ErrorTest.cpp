//===- ErrorTest.cpp - What is refused, and how -----------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Common.h"

#include <csignal>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace test;

static std::string lastError() { return attnCompilerLastError(); }

TEST(Error, SyntaxHasAPlace) {
  std::string ir = "func.func @main(%x: tensor<4xf32>) {\n  return %y\n}\n";
  Folder folder;
  EXPECT_EQ(compile(ir, folder.file("x.so")), ATTN_COMPILE_ERROR);
  EXPECT_EQ(lastError().rfind("program:2:", 0), 0u) << lastError();
  AttnCompileOptions options = {};
  options.name = "mine.mlir";
  EXPECT_EQ(attnCompileToFile(ir.data(), ir.size(), &options,
                              folder.file("x.so").c_str()),
            ATTN_COMPILE_ERROR);
  EXPECT_EQ(lastError().rfind("mine.mlir:2:", 0), 0u) << lastError();
  EXPECT_EQ(folder.count(), 0u);
}

TEST(Error, OverflowOfAShapeIsAShapeError) {
  std::string t = "tensor<2147483647x8x2147483647x64xf32>";
  std::string ir = "func.func @main(%q: " + t + ") -> " + t +
                   " {\n  %o = attn.attention %q, %q, %q : " + t + ", " + t +
                   ", " + t + " -> " + t + "\n  return %o : " + t + "\n}\n";
  Folder folder;
  EXPECT_EQ(compile(ir, folder.file("x.so")), ATTN_SHAPE_ERROR);
  EXPECT_NE(lastError().find("attn.attention"), std::string::npos);
}

TEST(Error, DepthAndBytesAreResourceErrors) {
  std::string deep;
  for (int i = 0; i < 20000; ++i)
    deep += "module {\n";
  Folder folder;
  EXPECT_EQ(compile(deep, folder.file("x.so")), ATTN_RESOURCE_ERROR);
  EXPECT_NE(lastError().find("program:1001: "), std::string::npos);
  std::string large(100 << 20, ' ');
  EXPECT_EQ(compile(large, folder.file("x.so")), ATTN_RESOURCE_ERROR);
  EXPECT_NE(lastError().find("67108864 bytes"), std::string::npos);
}

TEST(Error, ManyOperationsAreAResourceError) {
  std::string ir = "func.func @main(%x: tensor<4xf32>) {\n";
  for (int i = 0; i < 250000; ++i)
    ir += " %c" + std::to_string(i) + " = arith.constant 1 : i32\n";
  ir += "  return\n}\n";
  AttnString text;
  EXPECT_EQ(attnRunPipeline(ir.data(), ir.size(), "attn", &text),
            ATTN_RESOURCE_ERROR);
  EXPECT_NE(lastError().find("200000 operations"), std::string::npos);
}

TEST(Error, WrongCalls) {
  Folder folder;
  std::string path = folder.file("x.so");
  const char *ir = kIdentity.data();
  size_t len = kIdentity.size();
  AttnString text;
  EXPECT_EQ(attnCompileToFile(nullptr, 5, nullptr, path.c_str()), ATTN_INVALID);
  EXPECT_EQ(attnCompileToFile(ir, len, nullptr, nullptr), ATTN_INVALID);
  EXPECT_EQ(attnCompileToFile(ir, len, nullptr, ""), ATTN_INVALID);
  EXPECT_EQ(compile(kIdentity, path, "quantum"), ATTN_INVALID);
  EXPECT_NE(lastError().find("but got 'quantum'"), std::string::npos);
  EXPECT_EQ(compile(kIdentity, path, nullptr, 4), ATTN_INVALID);
  EXPECT_EQ(attnEmit(ir, len, nullptr, ATTN_EMIT_ASM, nullptr), ATTN_INVALID);
  EXPECT_EQ(attnEmit(ir, len, nullptr, static_cast<AttnEmitKind>(99), &text),
            ATTN_INVALID);
  EXPECT_EQ(attnRunPipeline(ir, len, nullptr, &text), ATTN_INVALID);
  EXPECT_EQ(attnRunPipeline(ir, len, "attn", nullptr), ATTN_INVALID);
  EXPECT_EQ(attnSignature(ir, len, "main", nullptr), ATTN_INVALID);
  EXPECT_EQ(attnExplain(ir, len, nullptr, nullptr), ATTN_INVALID);
  EXPECT_EQ(attnInterpret(ir, len, "main", nullptr, 1, nullptr, 0),
            ATTN_INVALID);
  EXPECT_EQ(attnInterpretShapes(ir, len, nullptr, nullptr, 0, nullptr),
            ATTN_INVALID);
  attnStringFree(nullptr);
  EXPECT_EQ(folder.count(), 0u);
  // An empty program is a program, without an entry.
  EXPECT_EQ(attnCompileToFile("", 0, nullptr, path.c_str()),
            ATTN_COMPILE_ERROR);
  EXPECT_EQ(attnCompileToFile(nullptr, 0, nullptr, path.c_str()),
            ATTN_COMPILE_ERROR);
}

TEST(Error, PlacesThatCannotBeWritten) {
  EXPECT_EQ(compile(kIdentity, "/nowhere/at/all/x.so"), ATTN_CACHE_ERROR);
  EXPECT_NE(lastError().find("No such file or directory"), std::string::npos);
  EXPECT_EQ(compile(kIdentity, "/dev/full"), ATTN_CACHE_ERROR);
  Folder folder;
  std::filesystem::create_directory(folder.file("x.so"));
  EXPECT_EQ(compile(kIdentity, folder.file("x.so")), ATTN_CACHE_ERROR);
  EXPECT_EQ(folder.count(), 1u);
}

/// Runs `work` in a child and gives its status, or -signal.
template <typename Work>
static int inChild(Work work) {
  pid_t child = fork();
  if (child == 0)
    _exit(work());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// A limit on the size of files fails like a disk that becomes full.
TEST(Error, FullDisk) {
  Folder folder;
  ASSERT_EQ(compile(kIdentity, folder.file("x.so")), 0);
  std::string whole = readFile(folder.file("x.so"));
  for (size_t limit : {size_t(0), size_t(100), size_t(1000), whole.size() / 2,
                       whole.size() - 10}) {
    int status = inChild([&] {
      signal(SIGXFSZ, SIG_IGN);
      struct rlimit files = {limit, limit};
      setrlimit(RLIMIT_FSIZE, &files);
      return compile(kIdentity, folder.file("x.so"));
    });
    // The linker may end in a signal of its own, which is then what is said.
    EXPECT_TRUE(status == ATTN_RESOURCE_ERROR || status == ATTN_CACHE_ERROR ||
                status == ATTN_COMPILE_ERROR)
        << status << " at " << limit;
    EXPECT_EQ(readFile(folder.file("x.so")), whole) << "the old file is whole";
    EXPECT_EQ(folder.count(), 1u) << "nothing is left beside it";
  }
}

TEST(Error, MemoryThatRunsOut) {
  Folder folder;
  // Warm, so that only the call itself is short of memory.
  ASSERT_EQ(compile(kAttention, folder.file("x.so"), nullptr, 1), 0);
  std::ifstream statm("/proc/self/statm");
  size_t pages;
  statm >> pages;
  size_t now = pages * sysconf(_SC_PAGESIZE);
  int failures = 0;
  for (size_t more = 64; more <= 448; more += 32) {
    int status = inChild([&] {
      struct rlimit memory = {now + (more << 20), now + (more << 20)};
      setrlimit(RLIMIT_AS, &memory);
      return compile(kAttention, folder.file("y.so"), nullptr, 1);
    });
    EXPECT_TRUE(status == 0 || status == ATTN_RESOURCE_ERROR)
        << status << " with " << more << " MB";
    failures += status != 0;
  }
  EXPECT_GT(failures, 0);
}

TEST(Error, ACrashInLLVMIsReportedAndTheNextCallWorks) {
  // AVX-512 on a CPU class that has none: instruction selection gives up.
  std::string ir =
      "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n"
      "  %c0 = arith.constant 0 : index\n"
      "  %e = tensor.extract %x[%c0] : tensor<4xf32>\n"
      "  %u = llvm.mlir.undef : vector<16xf32>\n"
      "  %z = llvm.mlir.constant(0 : i32) : i32\n"
      "  %v = llvm.insertelement %e, %u[%z : i32] : vector<16xf32>\n"
      "  %m = llvm.mlir.constant(1 : i16) : i16\n"
      "  %w = llvm.call_intrinsic \"llvm.x86.avx512.rsqrt14.ps.512\"(%v, %u, "
      "%m) : (vector<16xf32>, vector<16xf32>, i16) -> vector<16xf32>\n"
      "  %r = llvm.extractelement %w[%z : i32] : vector<16xf32>\n"
      "  %o = tensor.insert %r into %x[%c0] : tensor<4xf32>\n"
      "  return %o : tensor<4xf32>\n}\n";
  Folder folder;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(compile(ir, folder.file("x.so"), "generic"), ATTN_COMPILE_ERROR);
    EXPECT_NE(lastError().find("internal error"), std::string::npos);
    EXPECT_EQ(compile(kIdentity, folder.file("y.so")), 0) << lastError();
  }
}
