//===- LargeStack.cpp - Work on a thread with a large stack -----*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "attn/Support/LargeStack.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/CrashRecoveryContext.h"

#include <cstring>
#include <mutex>
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

namespace {
/// LLVM's recovery is switched on for the process; this counts who wants it.
class Recovery {
public:
  Recovery() {
    std::lock_guard<std::mutex> lock(mutex);
    if (users++ == 0)
      llvm::CrashRecoveryContext::Enable();
  }
  ~Recovery() {
    std::lock_guard<std::mutex> lock(mutex);
    if (--users == 0)
      llvm::CrashRecoveryContext::Disable();
  }

private:
  static std::mutex mutex;
  static unsigned users;
};
std::mutex Recovery::mutex;
unsigned Recovery::users = 0;
} // namespace

bool attn::runRecovering(llvm::StringRef what, llvm::function_ref<void()> work,
                         Fault &fault) {
  bool survived = true;
  int code = 0;
  bool ran = runOnLargeStack(
      [&] {
        Recovery recovery;
        llvm::CrashRecoveryContext context;
        survived = context.RunSafely(work);
        code = context.RetCode;
      },
      fault);
  if (!ran)
    return false;
  if (!survived) {
    // What the work found out before it crashed tells less than the crash.
    fault = Fault();
    fault.set(FaultClass::Compile,
              ("internal error: " + what + " crashed (code " +
               llvm::Twine(code) + "); please report the program")
                  .str());
  }
  return survived && !fault;
}
