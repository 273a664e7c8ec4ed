//===- OutOfMemoryTest.cpp - Tests of running out of memory ---------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Fails the first, second, third, ... allocation of an operation, until the
// operation needs no more: each time it is a resource error, and the next try
// without a failure succeeds. The allocation functions of the whole program are
// replaced for that.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <new>

using namespace attn::test;

namespace {
/// How many allocations of this thread succeed before one fails; negative when
/// none is to fail.
thread_local int allocationsLeft = -1;

/// True when the allocation that asks is the one to fail.
bool failsNow() {
  if (allocationsLeft < 0)
    return false;
  return allocationsLeft-- == 0;
}

void *allocateOrThrow(size_t size) {
  void *p = failsNow() ? nullptr : std::malloc(size ? size : 1);
  if (!p)
    throw std::bad_alloc();
  return p;
}
} // namespace

void *operator new(size_t size) { return allocateOrThrow(size); }
void *operator new[](size_t size) { return allocateOrThrow(size); }
void operator delete(void *p) noexcept { std::free(p); }
void operator delete[](void *p) noexcept { std::free(p); }
void operator delete(void *p, size_t) noexcept { std::free(p); }
void operator delete[](void *p, size_t) noexcept { std::free(p); }

extern "C" int posix_memalign(void **out, size_t align, size_t size) noexcept {
  void *p = nullptr;
  if (!failsNow() && size + align > size)
    p = aligned_alloc(align, (size + align - 1) / align * align);
  if (!p)
    return ENOMEM;
  *out = p;
  return 0;
}

/// Runs `fn` with ever later failures. Returns how many allocations it makes.
template <typename Function> static int sweep(Function fn) {
  for (int n = 0; n < 2000; ++n) {
    allocationsLeft = n;
    int status = fn();
    bool reached = allocationsLeft < 0;
    allocationsLeft = -1;
    if (!reached) {
      EXPECT_EQ(status, ATTN_OK) << attnLastError();
      return n;
    }
    EXPECT_EQ(status, ATTN_RESOURCE_ERROR) << n << ": " << attnLastError();
    EXPECT_NE(std::string(attnLastError()).find("out of memory"),
              std::string::npos)
        << attnLastError();
    EXPECT_EQ(fn(), ATTN_OK) << n << ": " << attnLastError();
  }
  ADD_FAILURE() << "the operation never stops allocating";
  return -1;
}

TEST(OutOfMemory, OpeningAPackage) {
  std::string path = packagePath("other");
  int allocations = sweep([&] {
    AttnPackage *package = nullptr;
    int status = attnPackageOpen(path.c_str(), &package);
    EXPECT_EQ(status == ATTN_OK, package != nullptr);
    // Closing would replace the message.
    if (package)
      attnPackageClose(package);
    return status;
  });
  EXPECT_GT(allocations, 20);
}

TEST(OutOfMemory, ACall) {
  Tensor<float> a({5, 4}), b({5, 4}), out({5, 4});
  const DLTensor *args[] = {&a.view, &b.view};
  DLTensor *results[] = {&out.view};
  AttnPackage *package = goodPackage();
  auto options = threads(2);
  int allocations = sweep([&] {
    return attnInvoke(package, 0, args, 2, results, 1, &options, nullptr);
  });
  EXPECT_EQ(allocations, 0); // what a call of few tensors needs is on the stack
}

TEST(OutOfMemory, AnAllocatingCall) {
  Tensor<float> a({5, 4}), b({5, 4}), out({5, 4});
  const DLTensor *args[] = {&a.view, &b.view};
  AttnPackage *package = goodPackage();
  auto options = threads(2);
  auto allocate = [](void *arg, const int64_t *, DLTensor **results) {
    results[0] = static_cast<DLTensor *>(arg);
    return 0;
  };
  int allocations = sweep([&] {
    return attnInvokeAllocating(package, 0, args, 2, allocate, &out.view,
                                &options, nullptr);
  });
  EXPECT_GT(allocations, 0);
}

TEST(OutOfMemory, GeneratedAllocations) {
  auto generated = [] {
    void *p = attnrt_alloc(100);
    attnrt_free(attnrt_alloc(200));
    (void)p;
  };
  void (*trampoline)(void *) = [](void *p) {
    (*static_cast<decltype(generated) *>(p))();
  };
  Tensor<int64_t> what({2}), out({});
  what.values[0] = reinterpret_cast<intptr_t>(trampoline);
  what.values[1] = reinterpret_cast<intptr_t>(&generated);
  const DLTensor *args[] = {&what.view};
  DLTensor *results[] = {&out.view};
  AttnPackage *package = goodPackage();
  int entry = attnPackageFindEntry(package, "call");
  int allocations = sweep([&] {
    return attnInvoke(package, entry, args, 1, results, 1, nullptr, nullptr);
  });
  EXPECT_EQ(allocations, 2); // the two of the generated code
}
