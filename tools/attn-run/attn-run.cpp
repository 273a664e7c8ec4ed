//===- attn-run.cpp - Runs a function on made-up inputs -------------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Makes inputs, runs a backend, compares it with the oracle.
//===----------------------------------------------------------------------===//

#include "Inputs.h"
#include "Program.h"
#include "Suite.h"

#include "attn/Support/LargeStack.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

#include <algorithm>
#include <cmath>

using namespace attnrun;
using namespace mlir;
using namespace mlir::attn;

static constexpr llvm::StringLiteral kHelp =
    R"(OVERVIEW: runs a function of an MLIR file on made-up inputs

USAGE: attn-run FILE.mlir [options]     (- is standard input)
       attn-run --suite DIR [options]

OPTIONS:
  --entry F              function to run (main, or the only public one)
  --backend B            what runs it: oracle (the float64 interpreter), or
                         compiled code on the cpu (default), on a GPU (cuda), or
                         for one on the PTX emulator (emulated)
  --target T             what compiled code is for: host (default), avx512bf16, avx512, avx2,
                         sse4, neon or generic, which this CPU has to have; cuda
                         (default of the GPU backends), sm_80, sm_86, ...
  --worst-rounding       on the emulator, round as badly as PTX allows
  --seed N               seed of the inputs (default 0)
  --check                compare with the oracle; the exit status follows
  --threads N            threads of compiled code (default: ATTN_NUM_THREADS, else
                         the CPUs that the process may use)
  --repeat N             run N times and report the times
  --json                 report as JSON; with a GPU backend "device" has what
                         was launched, counted and found
  --dim NAME=N           size of a dynamic axis; may be given often
  --inputs x.npz         arguments by name, of numpy.savez; bf16 as uint16
  --save y.npz           write the results by name; bf16 as uint16, and the
                         oracle's floats as float64
  --suite DIR            run and check every file below DIR
  --jobs N               files of a suite that run at a time (default: one per CPU)
  --help                 this text

INPUTS

Inputs come from the function's types. A dynamic axis gets its size from --dim,
from an array of --inputs, or from the function's attribute attn.sizes:

  func.func @main(%q: tensor<?x8x?x64xf32> {attn.name = "q", attn.dims = ["B", "8", "S", "64"]},
                  %n: tensor<?xi32> {attn.input = #attn.gen<"lengths", [1.0, 64.0]>, attn.dims = ["B"]})
      attributes {attn.sizes = {B = 2, S = 65}}

attn.dims names the axes of an argument; axes of one name have one size. An axis
without a name is <argument>.<axis>: q.2, arg0.2. attn.sizes may be an array of
such dictionaries; --suite runs them all, a plain run takes the first.

The values come from the seed and the argument's attn.input, by default normal
numbers for floats, a mask with 3 of 4 true for i1, and zeros for integers:

  #attn.gen<"normal", [std]>            normal numbers
  #attn.gen<"uniform", [low, high]>     for integers both ends are included
  #attn.gen<"constant", [v]>   #attn.gen<"zeros">
  #attn.gen<"lengths", [low, high]>     integers, both ends included
  #attn.gen<"positions", [low, high]>   the same
  #attn.gen<"mask", [density, dead]>    i1; that many rows are all false
  #attn.gen<"page_table", [pages]>      pages in random order, none twice in a row, some -1
  #attn.gen<"segments", [count]>        that many documents one after the other
  #attn.gen<"cu_seqlens">               cumulative lengths up to the attention's slots

--check compares with the float64 oracle by the rule of docs/Spec.md, section 5,
and ends with max_abs_err=... max_rel_err=... PASS or FAIL. With --backend=oracle
the plain same-dtype computation is what is compared.

Files of a --suite say in the first line which backends they are for,
`// RUN-ON: cpu, oracle, emulated`. A function with attn.error = "text" passes when running
it fails with that text in the message.

Examples:
  attn-run causal.mlir --check --dim S=257
  attn-run decode.mlir --backend=cpu --threads 2 --repeat 20 --json
  attn-run causal.mlir --backend=oracle --inputs x.npz --save y.npz
  attn-run --suite test/Integration --backend=cpu
)";

static llvm::Error fail(const llvm::Twine &text) {
  return llvm::createStringError("error: " + text);
}

//===----------------------------------------------------------------------===//
// The command line
//===----------------------------------------------------------------------===//

namespace {
/// LLVM's own option parser would share its names with every option that the
/// libraries register (`--threads` is one), so this one is its own.
struct CommandLine {
  std::string file, entry, backend = "cpu", inputs, save, suite, target;
  uint64_t seed = 0;
  int threads = 0, repeat = 1, jobs = 0;
  bool check = false, json = false, help = false, worstRounding = false;
  std::vector<std::string> dims;

  llvm::Error parse(llvm::ArrayRef<const char *> args);

  BackendOptions backendOptions() const {
    return {backend, threads, target, worstRounding};
  }
};
} // namespace

template <typename T>
static llvm::Error parseNumber(llvm::StringRef name, llvm::StringRef text,
                               T low, T high, T &number) {
  if (!text.getAsInteger(10, number) && number >= low && number <= high)
    return llvm::Error::success();
  return fail("expects --" + name + " between " + llvm::Twine(low) + " and " +
              llvm::Twine(high) + ", but got '" + text + "'");
}

llvm::Error CommandLine::parse(llvm::ArrayRef<const char *> args) {
  const std::pair<llvm::StringRef, bool *> flags[] = {
      {"check", &check},
      {"json", &json},
      {"help", &help},
      {"worst-rounding", &worstRounding}};
  const std::pair<llvm::StringRef, std::string *> texts[] = {
      {"entry", &entry}, {"backend", &backend}, {"inputs", &inputs},
      {"save", &save},   {"suite", &suite},     {"target", &target}};
  while (!args.empty()) {
    llvm::StringRef word = args.front();
    args = args.drop_front();
    if (word == "-" || !word.consume_front("-")) {
      if (!file.empty())
        return fail("expects one file, but got '" + file + "' and '" + word +
                    "'");
      file = word.str();
      continue;
    }
    word.consume_front("-");
    llvm::StringRef name, value;
    std::tie(name, value) = word.split('=');
    bool hasValue = name.size() != word.size();
    auto sameName = [&](const auto &entry) { return entry.first == name; };
    if (auto *flag = llvm::find_if(flags, sameName); flag != std::end(flags)) {
      if (hasValue)
        return fail("expects --" + name + " without a value, but got '" +
                    value + "'");
      *flag->second = true;
      continue;
    }
    auto *text = llvm::find_if(texts, sameName);
    bool numeric = name == "seed" || name == "threads" || name == "repeat" ||
                   name == "jobs";
    if (text == std::end(texts) && !numeric && name != "dim")
      return fail("expects an option of attn-run --help, but got '--" + name +
                  "'");
    if (!hasValue) {
      if (args.empty())
        return fail("expects a value for --" + name + ", but got none");
      value = args.front();
      args = args.drop_front();
    }
    llvm::Error error = llvm::Error::success();
    if (text != std::end(texts))
      *text->second = value.str();
    else if (name == "dim")
      dims.push_back(value.str());
    else if (name == "seed")
      error = parseNumber<uint64_t>(name, value, 0, INT64_MAX, seed);
    else if (name == "threads")
      error = parseNumber(name, value, 0, 1024, threads);
    else if (name == "jobs")
      error = parseNumber(name, value, 1, 1024, jobs);
    else
      error = parseNumber(name, value, 1, 1000000000, repeat);
    if (error)
      return error;
  }
  if (worstRounding && backend != "emulated")
    return fail("expects --worst-rounding with --backend=emulated, but got "
                "--backend=" +
                backend);
  if (!llvm::is_contained(backendNames(), backend))
    return fail("expects --backend to be one of " +
                llvm::join(backendNames(), ", ") + ", but got '" + backend +
                "'");
  if (!help && file.empty() == suite.empty())
    return fail(file.empty()
                    ? "expects FILE.mlir or --suite DIR, but got "
                      "neither; see attn-run --help"
                    : "expects FILE.mlir or --suite DIR, but got both");
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// A run
//===----------------------------------------------------------------------===//

/// Sizes of --dim on top of the first set of attn.sizes.
static llvm::Expected<Sizes> chosenSizes(const CommandLine &line,
                                         func::FuncOp function) {
  auto sets = sizeSets(function);
  if (!sets)
    return sets.takeError();
  Sizes sizes = sets->front();
  for (llvm::StringRef text : line.dims) {
    auto [name, number] = text.split('=');
    int64_t size;
    if (name.empty() || number.getAsInteger(10, size) || size < 0)
      return fail("expects --dim NAME=N with N of 0 or more, but got '" + text +
                  "'");
    sizes[name.str()] = size;
  }
  return sizes;
}

/// "out0 f32[1, 2]: 0.5 2.5", or the range of a longer one.
static void printResult(const std::string &name, const Array &array) {
  llvm::outs() << name << " " << array.typeText() << ":";
  int64_t count = array.size();
  if (count <= 16) {
    for (int64_t n = 0; n < count; ++n)
      if (isFloat(array.dtype))
        llvm::outs() << llvm::format(" %.9g", array.floats[n]);
      else
        llvm::outs() << " " << array.ints[n];
    llvm::outs() << "\n";
    return;
  }
  double low = INFINITY, high = -INFINITY, sum = 0;
  int64_t others = 0;
  for (int64_t n = 0; n < count; ++n) {
    double value = isFloat(array.dtype) ? array.floats[n]
                                        : static_cast<double>(array.ints[n]);
    if (!std::isfinite(value)) {
      ++others;
      continue;
    }
    low = std::min(low, value);
    high = std::max(high, value);
    sum += value;
  }
  llvm::outs() << llvm::format(" min=%.6g max=%.6g mean=%.6g", low, high,
                               sum / static_cast<double>(count - others));
  if (others)
    llvm::outs() << " not finite: " << others;
  llvm::outs() << "\n";
}

/// The JSON report. Numbers that JSON has no spelling for become strings.
static llvm::json::Value number(double value) {
  if (std::isfinite(value))
    return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

static llvm::json::Object jsonReport(const CommandLine &line,
                                     func::FuncOp function, const Sizes &sizes,
                                     const Outcome &outcome) {
  llvm::json::Object dims;
  for (const auto &[name, size] : sizes)
    dims[name] = size;
  llvm::json::Array results, seconds;
  for (auto [index, array] : llvm::enumerate(outcome.results)) {
    llvm::json::Object result{{"name", resultName(function, index)},
                              {"dtype", dtypeName(array.dtype)},
                              {"shape", llvm::json::Array(array.shape)}};
    if (array.size() <= 16) {
      llvm::json::Array values;
      for (double value : array.floats)
        values.push_back(number(value));
      for (int64_t value : array.ints)
        values.push_back(value);
      result["values"] = std::move(values);
    }
    results.push_back(std::move(result));
  }
  for (double second : outcome.seconds)
    seconds.push_back(second);
  llvm::json::Object report{{"entry", function.getName()},
                            {"backend", line.backend},
                            {"seed", static_cast<int64_t>(line.seed)},
                            {"threads", line.threads},
                            {"dims", std::move(dims)},
                            {"results", std::move(results)},
                            {"compile_seconds", outcome.compileSeconds},
                            {"seconds", std::move(seconds)}};
  if (auto device = llvm::json::parse(outcome.deviceReport))
    report["device"] = std::move(*device);
  else
    llvm::consumeError(device.takeError());
  return report;
}

static llvm::Error save(const CommandLine &line, func::FuncOp function,
                        const Outcome &outcome) {
  std::vector<std::pair<std::string, Array>> arrays;
  for (auto [index, array] : llvm::enumerate(outcome.results)) {
    arrays.emplace_back(resultName(function, index), array);
    // The oracle's numbers are not rounded.
    if (line.backend == "oracle" && isFloat(array.dtype))
      arrays.back().second.dtype = DType::F64;
  }
  return writeNpz(line.save, arrays);
}

/// A plain run. The exit status, or an error.
static llvm::Expected<int> runFile(const CommandLine &line) {
  auto program = Program::load(line.file);
  if (!program)
    return program.takeError();
  auto function = (*program)->entry(line.entry);
  if (!function)
    return function.takeError();
  InputOptions options;
  options.seed = line.seed;
  auto sizes = chosenSizes(line, *function);
  if (!sizes)
    return sizes.takeError();
  options.sizes = *sizes;
  if (!line.inputs.empty()) {
    auto given = readNpz(line.inputs);
    if (!given)
      return given.takeError();
    options.given = std::move(*given);
  }
  auto inputs = makeInputs(*function, options);
  if (!inputs)
    return inputs.takeError();
  auto backend = makeBackend(**program, line.backendOptions());
  if (!backend)
    return backend.takeError();
  auto outcome = (*backend)->run(*function, *inputs, line.repeat);
  if (!outcome)
    return outcome.takeError();
  if (!line.save.empty())
    if (llvm::Error error = save(line, *function, *outcome))
      return error;

  llvm::json::Object report =
      jsonReport(line, *function, options.sizes, *outcome);
  if (!line.json) {
    for (auto [index, array] : llvm::enumerate(outcome->results))
      printResult(resultName(*function, index), array);
    if (line.repeat > 1) {
      std::vector<double> sorted = outcome->seconds;
      std::sort(sorted.begin(), sorted.end());
      llvm::outs() << llvm::format("seconds: best=%.6g median=%.6g of %d\n",
                                   sorted.front(), sorted[sorted.size() / 2],
                                   line.repeat);
    }
  }
  int status = 0;
  if (line.check) {
    auto judged = (*backend)->toJudge(*function, *inputs, *outcome);
    if (!judged)
      return judged.takeError();
    auto comparison = compareWithOracle(
        (*program)->module(), function->getName(), *inputs, *judged,
        (*backend)->hasMatrixUnits());
    if (!comparison)
      return comparison.takeError();
    status = !comparison->pass;
    if (line.json) {
      llvm::json::Array verdicts;
      for (const ResultComparison &result : comparison->results)
        verdicts.push_back(
            llvm::json::Object{{"max_abs_err", number(result.maxAbsError)},
                               {"max_rel_err", number(result.maxRelError)},
                               {"plain_err", number(result.plainError)},
                               {"allowed", number(result.allowed)},
                               {"pass", result.pass},
                               {"reason", result.reason}});
      report["check"] =
          llvm::json::Object{{"max_abs_err", number(comparison->maxAbsError)},
                             {"max_rel_err", number(comparison->maxRelError)},
                             {"pass", comparison->pass},
                             {"results", std::move(verdicts)}};
    } else {
      for (auto [index, result] : llvm::enumerate(comparison->results))
        if (!result.pass)
          llvm::outs() << resultName(*function, index) << ": " << result.reason
                       << "\n";
      llvm::outs() << comparison->summary() << "\n";
    }
  }
  if (line.json)
    llvm::outs() << llvm::json::Value(std::move(report)) << "\n";
  return status;
}

int main(int argc, char **argv) {
  CommandLine line;
  if (llvm::Error error =
          line.parse(llvm::ArrayRef<const char *>(argv + 1, argc - 1))) {
    llvm::errs() << llvm::toString(std::move(error)) << "\n";
    return 1;
  }
  if (line.help) {
    llvm::outs() << kHelp;
    return 0;
  }
  int status = 1;
  ::attn::Fault fault;
  ::attn::runOnLargeStack(
      [&] {
        if (!line.suite.empty()) {
          SuiteOptions options;
          options.backend = line.backendOptions();
          options.seed = line.seed;
          options.jobs = line.jobs;
          options.json = line.json;
          status = runSuite(line.suite, options);
          return;
        }
        llvm::Expected<int> outcome = runFile(line);
        if (outcome)
          status = *outcome;
        else
          llvm::errs() << llvm::toString(outcome.takeError()) << "\n";
      },
      fault);
  if (fault)
    llvm::errs() << "error: " << fault.text << "\n";
  return status;
}
