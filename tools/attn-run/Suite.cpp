//===- Suite.cpp - Runs every program of a folder -------------------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A file passes when all its functions pass for all their size sets.
//===----------------------------------------------------------------------===//

#include "Suite.h"

#include "Inputs.h"
#include "Program.h"

#include "attn/Support/LargeStack.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

using namespace attnrun;
using namespace mlir;
using namespace mlir::attn;

namespace {
enum class Verdict { Passed, Failed, Skipped };

struct FileReport {
  Verdict verdict = Verdict::Passed;
  std::string text;
  unsigned runs = 0;
  double maxAbsError = 0;
  /// The largest error as a part of what is allowed.
  double ofAllowed = 0;

  /// Keeps the first failure.
  void fail(const llvm::Twine &why) {
    if (verdict != Verdict::Failed)
      text = why.str();
    verdict = Verdict::Failed;
  }
};
} // namespace

/// The backends of the first line; an error text if it is not as it should be.
static std::string readBackends(llvm::StringRef source,
                                SmallVectorImpl<llvm::StringRef> &backends) {
  llvm::StringRef line = source.split('\n').first.trim();
  if (!line.consume_front("// RUN-ON:"))
    return "expects '// RUN-ON: <backends>' in the first line, but got '" +
           line.take_front(40).str() + "'";
  line.split(backends, ',');
  for (llvm::StringRef &name : backends) {
    name = name.trim();
    if (!llvm::is_contained(backendNames(), name))
      return "expects the backends " + llvm::join(backendNames(), ", ") +
             " in the first line, but got '" + name.str() + "'";
  }
  return "";
}

/// "B=2 S=17"
static std::string sizesText(const Sizes &sizes) {
  std::string text;
  for (const auto &[name, size] : sizes)
    text += (text.empty() ? "" : " ") + name + "=" + std::to_string(size);
  return text;
}

/// One function with one set of sizes.
static void runOne(const Program &program, Backend &backend,
                   func::FuncOp function, const Sizes &sizes, uint64_t seed,
                   FileReport &report) {
  ++report.runs;
  std::string where = "@" + function.getName().str() +
                      (sizes.empty() ? "" : " with " + sizesText(sizes)) + ": ";
  InputOptions options;
  options.seed = seed;
  options.sizes = sizes;
  auto inputs = makeInputs(function, options);
  if (!inputs)
    return report.fail(where + llvm::toString(inputs.takeError()));
  auto outcome = backend.run(function, *inputs, 1);
  // A function may be there to fail: attn.error is a part of the message.
  auto expected = function->getAttrOfType<StringAttr>("attn.error");
  if (!outcome) {
    std::string text = llvm::toString(outcome.takeError());
    if (!expected || text.find(expected.str()) == std::string::npos)
      report.fail(where +
                  (expected
                       ? "expects the error '" + expected.str() + "', but got: "
                       : std::string()) +
                  text);
    return;
  }
  if (expected)
    return report.fail(where + "expects the error '" + expected.str() +
                       "', but got results");
  auto judged = backend.toJudge(function, *inputs, *outcome);
  if (!judged)
    return report.fail(where + llvm::toString(judged.takeError()));
  auto comparison =
      compareWithOracle(program.module(), function.getName(), *inputs, *judged,
                        backend.hasMatrixUnits());
  if (!comparison)
    return report.fail(where + llvm::toString(comparison.takeError()));
  report.maxAbsError = std::max(report.maxAbsError, comparison->maxAbsError);
  for (auto [index, result] : llvm::enumerate(comparison->results)) {
    if (result.allowed > 0)
      report.ofAllowed =
          std::max(report.ofAllowed, result.maxAbsError / result.allowed);
    if (!result.pass)
      report.fail(where + resultName(function, index) + " " + result.reason);
  }
}

static FileReport runFile(const std::string &path,
                          const SuiteOptions &options) {
  FileReport report;
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer) {
    report.fail("cannot read it: " + buffer.getError().message());
    return report;
  }
  SmallVector<llvm::StringRef> backends;
  std::string problem = readBackends((*buffer)->getBuffer(), backends);
  if (!problem.empty()) {
    report.fail(problem);
    return report;
  }
  if (!llvm::is_contained(backends, options.backend.name)) {
    report.verdict = Verdict::Skipped;
    return report;
  }
  auto program = Program::load(path);
  if (!program) {
    report.fail(llvm::toString(program.takeError()));
    return report;
  }
  auto backend = makeBackend(**program, options.backend);
  if (!backend) {
    report.fail(llvm::toString(backend.takeError()));
    return report;
  }
  for (func::FuncOp function : (*program)->entries()) {
    auto sets = sizeSets(function);
    if (!sets) {
      report.fail(llvm::toString(sets.takeError()));
      continue;
    }
    for (const Sizes &sizes : *sets)
      runOne(**program, **backend, function, sizes, options.seed, report);
  }
  if (report.runs == 0)
    report.fail("expects at least one public function, but got none");
  return report;
}

/// Runs the files on a few threads, in order; the reports come in order too.
static std::vector<std::future<FileReport>>
startAll(const std::vector<std::string> &files, const SuiteOptions &options,
         std::vector<std::thread> &workers) {
  struct Work {
    std::vector<std::string> files;
    std::vector<std::promise<FileReport>> promises;
    std::atomic<size_t> next{0};
  };
  auto work = std::make_shared<Work>();
  work->files = files;
  work->promises.resize(files.size());
  std::vector<std::future<FileReport>> results;
  for (std::promise<FileReport> &promise : work->promises)
    results.push_back(promise.get_future());
  unsigned jobs = options.jobs
                      ? options.jobs
                      : std::max(1u, std::thread::hardware_concurrency());
  for (unsigned job = 0; job < std::min<size_t>(jobs, files.size()); ++job)
    workers.emplace_back([work, options] {
      ::attn::Fault fault;
      auto runAll = [&] {
        for (size_t n; (n = work->next++) < work->files.size();)
          work->promises[n].set_value(runFile(work->files[n], options));
      };
      if (::attn::runOnLargeStack(runAll, fault))
        return;
      for (size_t n; (n = work->next++) < work->files.size();) {
        FileReport report;
        report.fail(fault.text);
        work->promises[n].set_value(report);
      }
    });
  return results;
}

int attnrun::runSuite(llvm::StringRef folder, const SuiteOptions &options) {
  std::vector<std::string> files;
  std::error_code error;
  for (llvm::sys::fs::recursive_directory_iterator entry(folder, error), end;
       entry != end && !error; entry.increment(error))
    if (llvm::StringRef(entry->path()).ends_with(".mlir"))
      files.push_back(entry->path());
  if (error) {
    llvm::errs() << "error: cannot read '" << folder << "': " << error.message()
                 << "\n";
    return 1;
  }
  std::sort(files.begin(), files.end());
  std::vector<std::thread> workers;
  std::vector<std::future<FileReport>> results =
      startAll(files, options, workers);
  int counts[3] = {};
  llvm::json::Array reports;
  for (auto [path, result] : llvm::zip(files, results)) {
    FileReport report = result.get();
    ++counts[static_cast<int>(report.verdict)];
    llvm::StringRef name = llvm::StringRef(path).drop_front(folder.size());
    name = name.ltrim('/');
    static constexpr const char *kWords[] = {"PASS", "FAIL", "SKIP"};
    const char *word = kWords[static_cast<int>(report.verdict)];
    if (options.json) {
      reports.push_back(llvm::json::Object{{"file", name},
                                           {"verdict", word},
                                           {"runs", report.runs},
                                           {"max_abs_err", report.maxAbsError},
                                           {"of_allowed", report.ofAllowed},
                                           {"message", report.text}});
    } else {
      llvm::outs() << word << " " << name;
      if (report.verdict == Verdict::Passed)
        llvm::outs() << llvm::format(" (%u runs, max_abs_err=%.3g)",
                                     report.runs, report.maxAbsError);
      if (report.verdict == Verdict::Failed)
        llvm::outs() << ": " << report.text;
      llvm::outs() << "\n";
    }
    llvm::outs().flush();
  }
  for (std::thread &worker : workers)
    worker.join();
  llvm::outs().flush();
  if (counts[0] == 0)
    llvm::errs() << "error: expects '" << folder
                 << "' to hold a program for backend '" << options.backend.name
                 << "' that passes, but got none\n";
  if (options.json)
    llvm::outs() << llvm::json::Value(
                        llvm::json::Object{{"backend", options.backend.name},
                                           {"passed", counts[0]},
                                           {"failed", counts[1]},
                                           {"skipped", counts[2]},
                                           {"files", std::move(reports)}})
                 << "\n";
  else
    llvm::outs() << counts[0] << " passed, " << counts[1] << " failed, "
                 << counts[2] << " skipped\n";
  return counts[1] || !counts[0];
}
