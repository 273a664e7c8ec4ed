//===- PackageTest.cpp - Tests of opening packages ------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Good packages open; damaged, foreign and unfitting ones are refused with a
// reason, before any of their code runs.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"

#include "attn/Runtime/PackageFile.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <thread>

using namespace attn::test;
namespace fs = std::filesystem;

namespace {
/// A folder for files that the test makes, gone at the end.
class Package : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "attn-package-XXXXXX";
    root = mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(root); }

  /// Writes `bytes` to a file beside and renames it, as the cache does.
  std::string write(const std::string &name, const std::string &bytes) {
    fs::path path = root / name, beside = root / (name + ".tmp");
    std::ofstream(beside, std::ios::binary) << bytes;
    fs::rename(beside, path);
    return path;
  }

  static std::string read(const std::string &path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  /// The message of a refusal.
  static std::string refusal(const std::string &path) {
    AttnPackage *package = reinterpret_cast<AttnPackage *>(1);
    EXPECT_EQ(attnPackageOpen(path.c_str(), &package), ATTN_CACHE_ERROR);
    EXPECT_EQ(package, nullptr);
    return attnLastError();
  }

  static void expectRefusal(const std::string &path, const std::string &text) {
    std::string message = refusal(path);
    EXPECT_NE(message.find(text), std::string::npos) << message;
    EXPECT_NE(message.find(path), std::string::npos) << message;
  }

  fs::path root;
};

/// What `add` gives for zeros: the addend of the package.
float addend(AttnPackage *package) {
  Tensor<float> a({1, 4}), b({1, 4}), out({1, 4});
  const DLTensor *args[] = {&a.view, &b.view};
  DLTensor *results[] = {&out.view};
  EXPECT_EQ(attnInvoke(package, 0, args, 2, results, 1, nullptr, nullptr),
            ATTN_OK)
      << attnLastError();
  return out.values[0];
}
} // namespace

TEST_F(Package, OpensAndDescribes) {
  AttnPackage *package = nullptr;
  ASSERT_EQ(attnPackageOpen(packagePath("good").c_str(), &package), ATTN_OK)
      << attnLastError();
  EXPECT_EQ(attnPackageFindEntry(package, "add"), 0);
  EXPECT_EQ(attnPackageFindEntry(package, "half"), 2);
  EXPECT_EQ(attnPackageFindEntry(package, "ad"), -1);
  EXPECT_EQ(attnPackageFindEntry(nullptr, "add"), -1);
  EXPECT_EQ(attnPackageFindEntry(package, nullptr), -1);
  std::string json = attnPackageJson(package);
  EXPECT_EQ(json.front(), '{');
  EXPECT_EQ(json.back(), '}');
  EXPECT_EQ(attnPackageJson(nullptr), nullptr);
  EXPECT_EQ(attnPackageClose(package), ATTN_OK);
  EXPECT_EQ(attnPackageClose(nullptr), ATTN_OK);
  EXPECT_STREQ(attnRuntimeVersion(), ATTN_RUNTIME_VERSION_STRING);
}

TEST_F(Package, NullArguments) {
  AttnPackage *package = nullptr;
  EXPECT_EQ(attnPackageOpen(nullptr, &package), ATTN_INVALID);
  EXPECT_EQ(attnPackageOpen("x", nullptr), ATTN_INVALID);
}

TEST_F(Package, RefusesWhatIsNoPackage) {
  expectRefusal((root / "none.so").string(), "No such file");
  expectRefusal(root.string(), "expects a regular file");
  expectRefusal(write("empty.so", ""), "shorter than an ELF header");
  expectRefusal(write("text.so", std::string(5000, 'x')), "no ELF header");
  std::string fifo = (root / "fifo").string();
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  expectRefusal(fifo, "expects a regular file");
}

TEST_F(Package, RefusesForeignLibrariesWithoutRunningThem) {
  expectRefusal(packagePath("foreign"), "does not export attn_package_json");
  EXPECT_EQ(getenv("ATTN_TEST_FOREIGN_RAN"), nullptr);
}

TEST_F(Package, RefusesOtherMachines) {
  std::string bytes = read(packagePath("good"));
  std::string changed = bytes;
  changed[18] = 8; // e_machine: MIPS
  expectRefusal(write("mips.so", changed), "for another processor");
  changed = bytes;
  changed[4] = 1; // 32-bit
  expectRefusal(write("small.so", changed), "not 64-bit");
  changed = bytes;
  changed[16] = 1; // e_type: relocatable
  expectRefusal(write("object.so", changed), "no shared object");
}

TEST_F(Package, RefusesUnfittingDescriptions) {
  expectRefusal(packagePath("format"),
                "the runtime expects package format 1, but got 7");
  expectRefusal(packagePath("version"),
                "expects a package of version 0.1.x, but got '9.9.0'");
  expectRefusal(packagePath("target"), "but got 'quantum'");
#if defined(__x86_64__)
  expectRefusal(packagePath("features"), "this CPU lacks xop");
#endif
  expectRefusal(packagePath("json"), "description is damaged: JSON expects");
  expectRefusal(packagePath("entry"),
                "describes entry 'gone' but does not export attn_entry_gone");
}

TEST_F(Package, RefusesEveryTruncation) {
  std::string bytes = read(packagePath("good"));
  // All short ones, then steps, then all that miss only a little.
  for (size_t n = 0; n < bytes.size();
       n += n < 300 || n + 300 > bytes.size() ? 1 : 61) {
    attn::rt::PackageFile file;
    EXPECT_FALSE(
        examinePackageBytes(std::string_view(bytes).substr(0, n), file).ok())
        << n;
  }
  expectRefusal(write("cut.so", bytes.substr(0, bytes.size() / 2)),
                "truncated or damaged");
}

TEST_F(Package, AnyDamageIsSurvived) {
  // Without a seal damage may go unnoticed, but reading must not crash.
  std::string bytes = read(packagePath("good"));
  unsigned seed = 17;
  auto next = [&] { return seed = seed * 1664525u + 1013904223u, seed >> 8; };
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = bytes;
    for (int flips = 0; flips < 8; ++flips) {
      // Half of the damage goes to the header and the tables.
      size_t at = next() % 2 ? next() % damaged.size() : next() % 1024;
      damaged[at] = char(next());
    }
    attn::rt::PackageFile file;
    refused += !examinePackageBytes(damaged, file).ok();
  }
  EXPECT_GT(refused, 500);
}

//===----------------------------------------------------------------------===//
// Seals
//===----------------------------------------------------------------------===//

TEST_F(Package, SealFindsEveryFlippedBit) {
  std::string path = write("sealed.so", read(packagePath("good")));
  ASSERT_EQ(attnPackageSeal(path.c_str()), ATTN_OK) << attnLastError();
  std::string bytes = read(path);
  ASSERT_EQ(bytes.size(), read(packagePath("good")).size() + 48);
  AttnPackage *package = nullptr;
  ASSERT_EQ(attnPackageOpen(path.c_str(), &package), ATTN_OK)
      << attnLastError();
  EXPECT_EQ(addend(package), 0);
  attnPackageClose(package);
  const size_t sealed = bytes.size() - 48;
  unsigned seed = 23;
  auto next = [&] { return seed = seed * 1664525u + 1013904223u, seed >> 8; };
  for (int round = 0; round < 1000; ++round) {
    std::string damaged = bytes;
    damaged[next() % sealed] ^= char(1 << next() % 8);
    attn::rt::PackageFile file;
    EXPECT_FALSE(examinePackageBytes(damaged, file).ok());
  }
  std::string damaged = bytes;
  damaged[sealed - 100] ^= 4;
  expectRefusal(write("flipped.so", damaged), "do not match its seal");
}

TEST_F(Package, SealIsRenewed) {
  std::string path = write("sealed.so", read(packagePath("good")));
  ASSERT_EQ(attnPackageSeal(path.c_str()), ATTN_OK);
  std::string once = read(path);
  ASSERT_EQ(attnPackageSeal(path.c_str()), ATTN_OK);
  EXPECT_EQ(read(path), once);
  EXPECT_EQ(attnPackageSeal((root / "none.so").c_str()), ATTN_CACHE_ERROR);
  EXPECT_EQ(attnPackageSeal(nullptr), ATTN_INVALID);
}

//===----------------------------------------------------------------------===//
// Lifetime
//===----------------------------------------------------------------------===//

TEST_F(Package, SamePathNewContents) {
  // The dynamic linker alone would hand out the old code again.
  std::string path = write("p.so", read(packagePath("good")));
  AttnPackage *first = nullptr, *second = nullptr, *third = nullptr;
  ASSERT_EQ(attnPackageOpen(path.c_str(), &first), ATTN_OK) << attnLastError();
  write("p.so", read(packagePath("other")));
  ASSERT_EQ(attnPackageOpen(path.c_str(), &second), ATTN_OK) << attnLastError();
  EXPECT_EQ(addend(first), 0);
  EXPECT_EQ(addend(second), 100);
  write("p.so", read(packagePath("good")));
  ASSERT_EQ(attnPackageOpen(path.c_str(), &third), ATTN_OK) << attnLastError();
  EXPECT_EQ(addend(third), 0);
  EXPECT_EQ(attnPackageClose(first), ATTN_OK);
  EXPECT_EQ(addend(second), 100);
  EXPECT_EQ(attnPackageClose(second), ATTN_OK);
  EXPECT_EQ(addend(third), 0);
  EXPECT_EQ(attnPackageClose(third), ATTN_OK);
}

TEST_F(Package, OpenedTwice) {
  AttnPackage *first = nullptr, *second = nullptr;
  ASSERT_EQ(attnPackageOpen(packagePath("other").c_str(), &first), ATTN_OK);
  ASSERT_EQ(attnPackageOpen(packagePath("other").c_str(), &second), ATTN_OK);
  EXPECT_EQ(attnPackageClose(first), ATTN_OK);
  EXPECT_EQ(addend(second), 100);
  EXPECT_EQ(attnPackageClose(second), ATTN_OK);
}

TEST_F(Package, NotClosedWhileACallRuns) {
  AttnPackage *package = nullptr;
  ASSERT_EQ(attnPackageOpen(packagePath("good").c_str(), &package), ATTN_OK);
  int status = -1;
  auto fn = [&] { status = attnPackageClose(package); };
  void (*trampoline)(void *) = [](void *p) {
    (*static_cast<decltype(fn) *>(p))();
  };
  Tensor<int64_t> what({2}), out({});
  what.values[0] = reinterpret_cast<intptr_t>(trampoline);
  what.values[1] = reinterpret_cast<intptr_t>(&fn);
  const DLTensor *args[] = {&what.view};
  DLTensor *results[] = {&out.view};
  EXPECT_EQ(attnInvoke(package, attnPackageFindEntry(package, "call"), args, 1,
                       results, 1, nullptr, nullptr),
            ATTN_OK)
      << attnLastError();
  EXPECT_EQ(status, ATTN_INVALID);
  EXPECT_EQ(attnPackageClose(package), ATTN_OK);
}

TEST_F(Package, OpenedFromManyThreads) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int round = 0; round < 25; ++round) {
        bool other = (t + round) % 2;
        AttnPackage *package = nullptr;
        if (attnPackageOpen(packagePath(other ? "other" : "good").c_str(),
                            &package) != ATTN_OK) {
          ++wrong;
          continue;
        }
        wrong += addend(package) != (other ? 100 : 0);
        wrong += attnPackageClose(package) != ATTN_OK;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST_F(Package, LastErrorBelongsToItsThread) {
  expectRefusal((root / "none.so").string(), "No such file");
  std::string before = attnLastError(), other = "x";
  std::thread([&] { other = attnLastError(); }).join();
  EXPECT_EQ(other, "");
  EXPECT_EQ(attnLastError(), before);
}
