//===- LargeStack.cpp - Work on a thread with a large stack -----*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "attn/Support/LargeStack.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/ErrorHandling.h"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <pthread.h>
#include <signal.h>

using namespace attn;

static constexpr size_t kStackBytes = size_t(256) << 20;

static void *callWork(void *work) {
  (*static_cast<llvm::function_ref<void()> *>(work))();
  return nullptr;
}

bool attn::runOnLargeStack(llvm::function_ref<void()> work, Fault &fault) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  // Signals go to the threads that were there before.
  sigset_t all, before;
  sigfillset(&all);
  for (int synchronous : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP})
    sigdelset(&all, synchronous);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, callWork, &work);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error)
    return fault.set(FaultClass::Resource,
                     std::string("expects a thread with a stack of 256 MB of "
                                 "address space, but got: ") +
                         strerror(error));
  pthread_join(thread, nullptr);
  return true;
}

/// Set when this thread's work found no memory, which LLVM cannot survive.
static thread_local bool outOfMemory = false;
static thread_local bool recovering = false;

namespace {
/// LLVM's recovery is switched on for the process; this counts who wants it.
/// Likewise the handler that tells a lack of memory from other crashes.
class Recovery {
public:
  Recovery() {
    std::lock_guard<std::mutex> lock(mutex);
    if (users++ == 0) {
      llvm::CrashRecoveryContext::Enable();
      before = std::set_new_handler(noMemory);
    }
    recovering = true;
    outOfMemory = false;
  }
  ~Recovery() {
    recovering = false;
    std::lock_guard<std::mutex> lock(mutex);
    if (--users == 0) {
      std::set_new_handler(before);
      llvm::CrashRecoveryContext::Disable();
    }
  }

private:
  static void noMemory() {
    if (recovering) {
      outOfMemory = true;
      abort();
    }
    // Another thread's affair: what would have happened without us. Without a
    // handler operator new throws, which this file is compiled not to do.
    std::new_handler handler = before;
    if (handler)
      handler();
    else
      std::set_new_handler(nullptr);
  }

  static std::mutex mutex;
  static unsigned users;
  static std::new_handler before;
};
std::mutex Recovery::mutex;
unsigned Recovery::users = 0;
std::new_handler Recovery::before = nullptr;
} // namespace

/// LLVM's own allocations do not go through operator new.
static void installBadAllocHandler() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::install_bad_alloc_error_handler(
        [](void *, const char *, bool) {
          outOfMemory = true;
          abort();
        },
        nullptr);
  });
}

bool attn::runRecovering(llvm::StringRef what, llvm::function_ref<void()> work,
                         Fault &fault) {
  bool survived = true, noMemory = false;
  int code = 0;
  installBadAllocHandler();
  bool ran = runOnLargeStack(
      [&] {
        Recovery recovery;
        llvm::CrashRecoveryContext context;
        survived = context.RunSafely(work);
        code = context.RetCode;
        noMemory = outOfMemory;
      },
      fault);
  if (!ran)
    return false;
  if (!survived) {
    // What the work found out before it crashed tells less than the crash.
    fault = Fault();
    if (noMemory)
      return fault.set(FaultClass::Resource,
                       (what + " expects more memory than there is").str());
    fault.set(FaultClass::Compile,
              ("internal error: " + what + " crashed (code " +
               llvm::Twine(code) + "); please report the program")
                  .str());
  }
  return survived && !fault;
}
