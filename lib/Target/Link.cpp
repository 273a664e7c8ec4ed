//===- Link.cpp - From an object to a package -------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// LLD is run as a process, by its argument list and without a shell.
//===----------------------------------------------------------------------===//

#include "Detail.h"
#include "attn/Target/Package.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace attn;

extern char **environ;

/// Where the linker is; empty if there is none. ATTN_LINKER overrides.
static std::string findLinker(std::string &lookedFor) {
  if (const char *given = getenv("ATTN_LINKER")) {
    lookedFor = given;
    return llvm::sys::fs::can_execute(given) ? given : "";
  }
  std::string beside = ATTN_LLVM_TOOLS_DIR "/ld.lld";
  lookedFor = beside + ", and ld.lld-22, ld.lld and ld on PATH";
  if (llvm::sys::fs::can_execute(beside))
    return beside;
  for (const char *name : {"ld.lld-22", "ld.lld", "ld"})
    if (auto found = llvm::sys::findProgramByName(name))
      return *found;
  return "";
}

/// The class of a failure to write at `path`: a full disk is a resource that
/// ran out; all else says that the caller cannot write there.
static bool writeFault(llvm::Twine path, int error, Fault &fault) {
  return fault.set(
      error == ENOSPC || error == EDQUOT || error == EFBIG
          ? FaultClass::Resource
          : FaultClass::Cache,
      ("expects to write '" + path + "', but got: " + strerror(error)).str());
}

static bool writeFile(const std::string &path, llvm::ArrayRef<char> bytes,
                      Fault &fault) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return writeFault(path, errno, fault);
  int error = 0;
  while (!bytes.empty() && !error) {
    ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n > 0)
      bytes = bytes.drop_front(n);
    else if (n == 0)
      error = ENOSPC;
    else if (errno != EINTR)
      error = errno;
  }
  // Some file systems say only now that the disk is full.
  if (close(fd) != 0 && !error)
    error = errno;
  return error ? writeFault(path, error, fault) : true;
}

/// Runs a program and gives what it wrote to its outputs. False and a fault if
/// it cannot be started.
static bool runProgram(const std::vector<std::string> &arguments, int &status,
                       std::string &output, Fault &fault) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return fault.set(FaultClass::Resource,
                     std::string("expects a pipe for the linker, but got: ") +
                         strerror(errno));
  std::vector<char *> argv;
  for (const std::string &argument : arguments)
    argv.push_back(const_cast<char *>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
                                   O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  // The worker thread blocks signals; the linker must not inherit that.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t child;
  int error =
      posix_spawn(&child, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error) {
    close(ends[0]);
    return fault.set(FaultClass::Resource, "expects to run " + arguments[0] +
                                               ", but got: " + strerror(error));
  }
  char chunk[4096];
  for (;;) {
    ssize_t n = read(ends[0], chunk, sizeof chunk);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    if (output.size() < 8000)
      output.append(chunk, n);
  }
  close(ends[0]);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  return true;
}

bool attn::linkPackage(
    llvm::ArrayRef<char> object, llvm::StringRef path,
    llvm::StringRef runtimePath,
    const std::function<bool(llvm::StringRef, Fault &)> &finish,
    CompileTimes &times, Fault &fault) {
  Stopwatch watch;
  std::string lookedFor;
  std::string linker = findLinker(lookedFor);
  if (linker.empty())
    return fault.set(FaultClass::Resource,
                     "expects the linker lld to write a package, but found "
                     "none (looked for " +
                         lookedFor + "); install lld-22");
  if (runtimePath.empty() || !llvm::sys::fs::exists(runtimePath))
    return fault.set(FaultClass::Resource,
                     ("expects the runtime library to link a package against, "
                      "but found none at '" +
                      runtimePath + "'")
                         .str());
  struct stat there;
  if (stat(path.str().c_str(), &there) == 0 && !S_ISREG(there.st_mode))
    return fault.set(FaultClass::Cache,
                     ("expects to write '" + path +
                      "', but got something there that is no regular file")
                         .str());

  // Names that no other thread or process uses.
  static std::atomic<unsigned> counter;
  std::string stem =
      (path + "." + llvm::Twine(getpid()) + "." + llvm::Twine(counter++)).str();
  std::string objectPath = stem + ".o", packagePath = stem + ".tmp";
  llvm::scope_exit cleanUp([&] {
    unlink(objectPath.c_str());
    unlink(packagePath.c_str());
  });
  if (!writeFile(objectPath, object, fault))
    return false;

  int status = 0;
  std::string output;
  // -z now: a missing function is found when the package is opened, not when a
  // call reaches it.
  if (!runProgram({linker, "-shared", "-o", packagePath, objectPath,
                   runtimePath.str(), "-z", "noexecstack", "-z", "now", "-z",
                   "relro", "--hash-style=gnu", "--gc-sections",
                   "--build-id=none"},
                  status, output, fault))
    return false;
  if (status != 0) {
    llvm::StringRef text = llvm::StringRef(output).trim();
    return fault.set(
        text.contains("No space left") || text.contains("Disk quota")
            ? FaultClass::Resource
            : FaultClass::Compile,
        ("expects " + llvm::Twine(linker) + " to link the package, but got: " +
         (text.empty() ? llvm::Twine("status ") + llvm::Twine(status)
                       : llvm::Twine(text)))
            .str());
  }
  if (finish && !finish(packagePath, fault))
    return false;
  if (rename(packagePath.c_str(), path.str().c_str()) != 0)
    return writeFault(path, errno, fault);
  times.link += watch.lap();
  return true;
}
