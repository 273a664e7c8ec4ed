//===- SourceGuard.cpp - What a parser may be given -------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The scan of text and the child process that reads bytecode.
//===----------------------------------------------------------------------===//

#include "attn/Support/SourceGuard.h"

#include "attn/Support/LargeStack.h"
#include "attn/Support/ParseIR.h"

#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <new>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace attn;

//===----------------------------------------------------------------------===//
// Forks
//===----------------------------------------------------------------------===//

void ForkGate::lock_shared() {
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [&] { return !closed && !waiting; });
  ++inside;
}

void ForkGate::unlock_shared() {
  std::lock_guard<std::mutex> lock(mutex);
  --inside;
  changed.notify_all();
}

void ForkGate::lock() {
  std::unique_lock<std::mutex> lock(mutex);
  ++waiting;
  changed.wait(lock, [&] { return !closed && !inside; });
  --waiting;
  closed = true;
}

void ForkGate::unlock() {
  std::lock_guard<std::mutex> lock(mutex);
  closed = false;
  changed.notify_all();
}

void ForkGate::reset() {
  // Other threads, and what they waited for, are not in the child.
  new (this) ForkGate;
}

ForkGate &attn::forkGate() {
  static ForkGate &gate = *[] {
    auto *made = new ForkGate;
    pthread_atfork([] { forkGate().lock(); }, [] { forkGate().unlock(); },
                   [] { forkGate().reset(); });
    return made;
  }();
  return gate;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

namespace {

/// One pass over the characters of MLIR text.
class TextScan {
public:
  TextScan(llvm::StringRef text, llvm::StringRef name, const Limits &limits,
           Fault &fault)
      : text(text), name(name), limits(limits), fault(fault) {}

  bool run() {
    for (at = 0; at < text.size() && !fault;)
      step();
    return !fault;
  }

private:
  struct Level {
    char open;
    /// Operators since the last comma.
    unsigned operators;
  };

  char peek(size_t ahead = 1) const {
    return at + ahead < text.size() ? text[at + ahead] : '\0';
  }
  static bool isWord(char c) {
    return llvm::isAlnum(c) || c == '_' || c == '$' || c == '.';
  }

  bool refuse(llvm::Twine what) {
    return fault.set(FaultClass::Resource,
                     (name + ":" + llvm::Twine(line) + ": " + what).str());
  }

  void checkDepth(size_t depth) {
    if (depth > limits.maxDepth)
      refuse("expects at most " + llvm::Twine(limits.maxDepth) +
             " levels of nested regions, brackets and aliases, but got more");
  }

  void open(char c) {
    levels.push_back({c, 0});
    checkDepth(levels.size());
    if (!alias.empty())
      deepen(levels.size());
  }

  void close(char opener) {
    // `<` may be left open where it was no bracket; a real bracket ends it.
    if (opener != '<')
      while (!levels.empty() && levels.back().open == '<')
        levels.pop_back();
    if (!levels.empty() && levels.back().open == opener)
      levels.pop_back();
    if (levels.size() < metadataDepth)
      metadataDepth = 0;
  }

  void countOperator() {
    // Between braces stand operations; a sign there belongs to a constant.
    if (levels.empty() || levels.back().open == '{')
      return;
    if (++levels.back().operators > limits.maxOperators)
      refuse("expects at most " + llvm::Twine(limits.maxOperators) +
             " operators in one expression, but got more");
  }

  void deepen(size_t depth) {
    unsigned &known = aliases[alias];
    known = std::max<unsigned>(known, depth);
  }

  /// `#name` or `!name`: a definition at the top level, or a reference, which
  /// stands for as many levels as the alias holds.
  void aliasOrAttribute() {
    size_t end = at + 1;
    while (end < text.size() && isWord(text[end]))
      ++end;
    llvm::StringRef word = text.slice(at, end);
    at = end;
    if (levels.empty()) {
      size_t next = end;
      while (next < text.size() && (text[next] == ' ' || text[next] == '\t'))
        ++next;
      if (next < text.size() && text[next] == '=') {
        alias = word.str();
        aliases[alias] = 0;
        return;
      }
    }
    auto found = aliases.find(word);
    if (found == aliases.end() || word == alias)
      return;
    size_t depth = levels.size() + found->second + 1;
    checkDepth(depth);
    if (!alias.empty())
      deepen(depth);
  }

  void string() {
    size_t start = ++at;
    while (at < text.size() && text[at] != '"' && text[at] != '\n')
      at += text[at] == '\\' ? 2 : 1;
    at = std::min(at, text.size());
    if (metadataDepth)
      checkBlob(text.slice(start, at));
    // A newline ends a broken string: leave it to be counted.
    if (at < text.size() && text[at] == '"')
      ++at;
  }

  /// A resource blob begins with its alignment, 32 bits, little end first. The
  /// parser takes it on trust.
  void checkBlob(llvm::StringRef blob) {
    if (!blob.consume_front("0x"))
      return;
    uint32_t alignment = 0;
    for (unsigned i = 0; i < 8 && i < blob.size(); ++i) {
      unsigned digit = llvm::hexDigitValue(blob[i]);
      if (digit > 15)
        return;
      alignment |= digit << (8 * (i / 2) + (i % 2 ? 0 : 4));
    }
    if (blob.size() < 8 || alignment == 0 || (alignment & (alignment - 1)))
      refuse("expects a resource blob to begin with an alignment that is a "
             "power of two, but got " +
             llvm::Twine(alignment));
  }

  void step() {
    char c = text[at];
    switch (c) {
    case '\n':
      ++line;
      break;
    case '/':
      if (peek() == '/') {
        at = std::min(text.find('\n', at), text.size());
        return;
      }
      break;
    case '"':
      string();
      return;
    case '(':
    case '[':
    case '<':
      if (c == '<' && peek() == '=')
        break;
      open(c);
      break;
    case '{':
      open(c);
      if (peek() == '-' && peek(2) == '#' && !metadataDepth)
        metadataDepth = levels.size();
      break;
    case ')':
      close('(');
      break;
    case ']':
      close('[');
      break;
    case '}':
      close('{');
      break;
    case '>':
      // `>=` compares in an integer set; `->` is skipped below.
      if (peek() != '=')
        close('<');
      break;
    case '-':
      if (peek() == '>') {
        at += 2;
        return;
      }
      countOperator();
      break;
    case '+':
    case '*':
      countOperator();
      break;
    case ',':
      if (!levels.empty())
        levels.back().operators = 0;
      break;
    case '#':
    case '!':
      if (llvm::isAlpha(peek()) || peek() == '_') {
        aliasOrAttribute();
        return;
      }
      break;
    default:
      if (llvm::isAlnum(c) || c == '_') {
        size_t end = at + 1;
        while (end < text.size() && isWord(text[end]))
          ++end;
        llvm::StringRef word = text.slice(at, end);
        if (word == "mod" || word == "floordiv" || word == "ceildiv")
          countOperator();
        // Reading a number takes time that grows with its length squared.
        if (llvm::isDigit(c) && word.size() > limits.maxDigits)
          refuse("expects at most " + llvm::Twine(limits.maxDigits) +
                 " characters in a number, but got " +
                 llvm::Twine(word.size()));
        at = end;
        return;
      }
      break;
    }
    ++at;
  }

  llvm::StringRef text;
  llvm::StringRef name;
  const Limits &limits;
  Fault &fault;
  size_t at = 0;
  size_t line = 1;
  llvm::SmallVector<Level, 64> levels;
  llvm::StringMap<unsigned> aliases;
  /// The alias being defined.
  std::string alias;
  /// Depth of the file's metadata dictionary, 0 outside it.
  size_t metadataDepth = 0;
};

bool checkBytes(llvm::StringRef bytes, llvm::StringRef name,
                const Limits &limits, Fault &fault) {
  if (bytes.size() > limits.maxBytes)
    return fault.set(FaultClass::Resource,
                     (name + ": expects at most " +
                      llvm::Twine(limits.maxBytes) + " bytes, but got " +
                      llvm::Twine(bytes.size()))
                         .str());
  return true;
}

} // namespace

bool attn::checkText(llvm::StringRef text, llvm::StringRef name,
                     const Limits &limits, Fault &fault) {
  return checkBytes(text, name, limits, fault) &&
         TextScan(text, name, limits, fault).run();
}

bool attn::checkSize(mlir::Operation *root, const Limits &limits,
                     Fault &fault) {
  size_t count = 0;
  root->walk([&](mlir::Operation *) {
    return ++count > limits.maxOps ? mlir::WalkResult::interrupt()
                                   : mlir::WalkResult::advance();
  });
  if (count > limits.maxOps)
    return fault.set(FaultClass::Resource, "expects at most " +
                                               std::to_string(limits.maxOps) +
                                               " operations, but got more");
  return true;
}

//===----------------------------------------------------------------------===//
// Bytecode
//===----------------------------------------------------------------------===//

/// Levels of nested regions, found without recursion.
static bool shallowEnough(mlir::Operation *root, unsigned maxDepth) {
  llvm::SmallVector<std::pair<mlir::Operation *, unsigned>> work;
  work.push_back({root, 0});
  while (!work.empty()) {
    auto [op, depth] = work.pop_back_val();
    if (depth > maxDepth)
      return false;
    for (mlir::Region &region : op->getRegions())
      for (mlir::Block &block : region)
        for (mlir::Operation &inner : block)
          work.push_back({&inner, depth + 1});
  }
  return true;
}

/// What the child sends: one character (T text, E error of the program, R error
/// of resources), then the text.
static std::string readInChild(const llvm::MemoryBuffer &source,
                               const mlir::DialectRegistry &registry,
                               const Limits &limits) {
  std::string answer;
  Fault fault;
  runOnLargeStack(
      [&] {
        // Not destroyed: the process ends, and deep IR need not be walked
        // again.
        auto *context = new mlir::MLIRContext(
            registry, mlir::MLIRContext::Threading::DISABLED);
        context->printOpOnDiagnostic(false);
        DiagnosticLog log(context, nullptr);
        mlir::ParserConfig config(context, /*verifyAfterParse=*/false);
        auto *block = new mlir::Block;
        if (failed(mlir::readBytecodeFile(source.getMemBufferRef(), block,
                                          config))) {
          answer = "E" + (log.errors().empty() ? std::string("expects MLIR "
                                                             "bytecode, but "
                                                             "got a file that "
                                                             "does not read")
                                               : log.errors());
          return;
        }
        for (mlir::Operation &op : *block)
          if (!shallowEnough(&op, limits.maxDepth)) {
            answer = "R" + source.getBufferIdentifier().str() +
                     ": expects at most " + std::to_string(limits.maxDepth) +
                     " levels of nested regions, but got more in " + "bytecode";
            return;
          }
        llvm::raw_string_ostream os(answer);
        os << 'T';
        mlir::OpPrintingFlags flags;
        // The generic form, because nothing was verified yet.
        flags.enableDebugInfo(true, false).printGenericOpForm();
        for (mlir::Operation &op : *block) {
          op.print(os, flags);
          os << '\n';
        }
      },
      fault);
  if (fault)
    answer = "R" + fault.text;
  return answer;
}

/// Seconds that the child may take for `source`.
static unsigned secondsFor(const llvm::MemoryBuffer &source,
                           const Limits &limits) {
  return limits.bytecodeSeconds + (source.getBufferSize() >> 20);
}

/// Bounds what a malformed file can make the reader ask for.
static void limitMemory(size_t more) {
  FILE *file = fopen("/proc/self/statm", "r");
  unsigned long pages = 0;
  if (!file || fscanf(file, "%lu", &pages) != 1)
    return;
  fclose(file);
  rlim_t bytes = rlim_t(pages) * sysconf(_SC_PAGESIZE) + more;
  struct rlimit now;
  if (getrlimit(RLIMIT_AS, &now) == 0 && bytes < now.rlim_cur) {
    now.rlim_cur = bytes;
    setrlimit(RLIMIT_AS, &now);
  }
}

[[noreturn]] static void childMain(int pipeEnd,
                                   const llvm::MemoryBuffer &source,
                                   const mlir::DialectRegistry &registry,
                                   const Limits &limits) {
  // A crash is an expected outcome here: no handler of the parent's, no core
  // file, no text on the parent's standard error.
  for (int signalNumber : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP,
                           SIGINT, SIGTERM, SIGALRM, SIGPIPE})
    signal(signalNumber, SIG_DFL);
  struct rlimit noCore = {0, 0};
  setrlimit(RLIMIT_CORE, &noCore);
  int null = open("/dev/null", O_WRONLY);
  if (null >= 0)
    dup2(null, STDERR_FILENO);
  // When the parent dies, or waits no longer.
  alarm(secondsFor(source, limits) + 1);
  limitMemory(limits.bytecodeMemory);
  std::string answer = readInChild(source, registry, limits);
  for (size_t sent = 0; sent < answer.size();) {
    ssize_t n = write(pipeEnd, answer.data() + sent, answer.size() - sent);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    sent += n;
  }
  _exit(0);
}

static std::unique_ptr<llvm::MemoryBuffer>
bytecodeToText(const llvm::MemoryBuffer &source,
               const mlir::DialectRegistry &registry, const Limits &limits,
               Fault &fault) {
  std::string name = source.getBufferIdentifier().str();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    fault.set(FaultClass::Resource, name +
                                        ": expects a pipe for the process "
                                        "that reads bytecode, but got: " +
                                        strerror(errno));
    return nullptr;
  }
  forkGate(); // From now on it is there, so that fork() goes through it.
  pid_t child = fork();
  if (child == 0)
    childMain(ends[1], source, registry, limits);
  int forkError = errno;
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    fault.set(FaultClass::Resource, name +
                                        ": expects a process that reads "
                                        "bytecode, but got: " +
                                        strerror(forkError));
    return nullptr;
  }

  std::string answer;
  auto deadline = std::chrono::steady_clock::now() +
                  std::chrono::seconds(secondsFor(source, limits));
  bool late = false, large = false;
  char chunk[1 << 16];
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                    deadline - std::chrono::steady_clock::now())
                    .count();
    struct pollfd wait = {ends[0], POLLIN, 0};
    int ready = poll(&wait, 1, left > 0 ? int(left) : 0);
    if (ready < 0 && errno == EINTR)
      continue;
    if (ready <= 0) {
      late = true;
      break;
    }
    ssize_t n = read(ends[0], chunk, sizeof chunk);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    answer.append(chunk, n);
    // Locations and the generic form make the text longer than its source.
    if (answer.size() > 4 * limits.maxBytes) {
      large = true;
      break;
    }
  }
  close(ends[0]);
  if (late || large)
    kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;

  if (late)
    fault.set(FaultClass::Resource,
              name + ": expects bytecode that reads within " +
                  std::to_string(secondsFor(source, limits)) +
                  " seconds, but got no end");
  else if (large)
    fault.set(FaultClass::Resource, name +
                                        ": expects bytecode that is at most " +
                                        std::to_string(4 * limits.maxBytes) +
                                        " bytes of text, but got more");
  else if (WIFSIGNALED(status))
    fault.set(FaultClass::Compile,
              name +
                  ": expects MLIR bytecode, but got a malformed file (its "
                  "reader ended with signal " +
                  std::to_string(WTERMSIG(status)) + ")");
  else if (answer.empty())
    fault.set(FaultClass::Resource,
              name + ": expects text from the process that reads bytecode, but "
                     "got none");
  else if (answer[0] != 'T')
    fault.set(answer[0] == 'R' ? FaultClass::Resource : FaultClass::Compile,
              answer.substr(1));
  if (fault)
    return nullptr;
  // Checked again as text: aliases and attributes nest, too.
  llvm::StringRef text = llvm::StringRef(answer).drop_front();
  Limits wider = limits;
  wider.maxBytes *= 4;
  if (!checkText(text, name, wider, fault))
    return nullptr;
  return llvm::MemoryBuffer::getMemBufferCopy(text, name);
}

//===----------------------------------------------------------------------===//
// Both
//===----------------------------------------------------------------------===//

std::unique_ptr<llvm::MemoryBuffer>
attn::guardSource(std::unique_ptr<llvm::MemoryBuffer> source,
                  const mlir::DialectRegistry &registry, const Limits &limits,
                  Fault &fault) {
  llvm::StringRef name = source->getBufferIdentifier();
  if (!checkBytes(source->getBuffer(), name, limits, fault))
    return nullptr;
  if (mlir::isBytecode(source->getMemBufferRef()))
    return bytecodeToText(*source, registry, limits, fault);
  if (!checkText(source->getBuffer(), name, limits, fault))
    return nullptr;
  return source;
}

std::unique_ptr<llvm::MemoryBuffer>
attn::readSource(llvm::StringRef path, const mlir::DialectRegistry &registry,
                 const Limits &limits, Fault &fault) {
  // The size first, so that a huge file is not read to be refused.
  uint64_t size = 0;
  if (path != "-" && !llvm::sys::fs::file_size(path, size) &&
      size > limits.maxBytes) {
    fault.set(FaultClass::Resource,
              (path + ": expects at most " + llvm::Twine(limits.maxBytes) +
               " bytes, but got " + llvm::Twine(size))
                  .str());
    return nullptr;
  }
  auto file = llvm::MemoryBuffer::getFileOrSTDIN(path);
  if (std::error_code error = file.getError()) {
    fault.set(FaultClass::Invalid, ("expects a readable file, but got '" +
                                    path + "': " + error.message())
                                       .str());
    return nullptr;
  }
  return guardSource(std::move(*file), registry, limits, fault);
}
