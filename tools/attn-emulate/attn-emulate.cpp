//===- attn-emulate.cpp - Runs and judges PTX on the CPU ------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The command line over libattnemu's C functions.
//
//===----------------------------------------------------------------------===//

#include "Arguments.h"

#include "attn-c/Emulator.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

static const char kHelp[] =
    R"(usage: attn-emulate FILE.ptx --grid X[,Y[,Z]] --block X[,Y[,Z]] [options]

Executes a kernel of a PTX file on the CPU, checks every access while it runs,
and says what it found. FILE may be - for standard input.

  --kernel NAME        the kernel, where the file has several
  --grid X[,Y[,Z]]     blocks
  --block X[,Y[,Z]]    threads of a block
  --shared N           bytes of dynamic shared memory
  --args A B ...       the kernel's arguments, one per parameter, in order:
                         TYPE:VALUE               a scalar: i32:5  f32:1.5
                         [NAME:]TYPE[COUNT]=FILL  a buffer, passed by address
                       TYPE: i8 u8 i16 u16 i32 u32 i64 u64 f16 bf16 f32 f64
                       FILL: random zeros ones iota uninit @file.npy @file.bin
  --print NAME[:N]     print the first N (8) elements of a buffer afterwards
  --save NAME=FILE     write a buffer to FILE (.npy, else its bytes)

  --arch sm_80         the device: its limits, and what code it accepts
  --worst-rounding     results that PTX leaves open come out at their worst
  --checks A,B         only these checks
  --no-check A,B       all checks but these: bounds, alignment, init, race,
                       async, divergence, barrier, limits, all
  --threads N          threads of this machine that run blocks (1)
  --steps N            most instructions of a warp (4294967296)

  --json               print findings and counters as JSON
  --lines              print what was counted for each line
  --list               print the file's kernels with their parameters
  --quiet              no progress
  --help               this text

Buffers that no argument initialises (uninit) may be written, not read.
Exit status: 0 nothing found, 1 findings, 2 an error.

  attn-emulate saxpy.ptx --grid 4 --block 256 \
      --args i32:1000 f32:2 x:f32[1000]=random y:f32[1000]=iota --print y:4
)";

namespace {
[[noreturn]] void fail(const std::string &what) {
  std::fprintf(stderr, "error: %s\n", what.c_str());
  std::exit(2);
}

bool parseUnsigned(const std::string &text, uint64_t &value) {
  if (text.empty() || text.size() > 19)
    return false;
  value = 0;
  for (char c : text) {
    if (c < '0' || c > '9')
      return false;
    value = value * 10 + uint64_t(c - '0');
  }
  return true;
}

/// X[,Y[,Z]]
void parseTriple(const char *option, const std::string &text, uint32_t out[3]) {
  size_t at = 0;
  for (int i = 0; i < 3; ++i) {
    size_t comma = text.find(',', at);
    uint64_t value = 0;
    std::string part = text.substr(at, comma - at);
    if (!parseUnsigned(part, value) || value > 0xffffffffu)
      fail(std::string("expects ") + option + " X[,Y[,Z]], but got '" + text +
           "'");
    out[i] = uint32_t(value);
    if (comma == std::string::npos)
      return;
    at = comma + 1;
  }
  fail(std::string("expects ") + option + " X[,Y[,Z]], but got '" + text + "'");
}

uint32_t parseChecks(const char *option, const std::string &text) {
  uint32_t bits = 0;
  size_t at = 0;
  while (at <= text.size()) {
    size_t comma = std::min(text.find(',', at), text.size());
    std::string name = text.substr(at, comma - at);
    uint32_t bit = attnEmuCheckBit(name.c_str());
    if (!bit)
      fail(std::string("expects ") + option + " among " + attnEmuCheckNames() +
           ", but got '" + name + "'");
    bits |= bit;
    at = comma + 1;
  }
  return bits;
}

struct Options {
  std::string file, kernel;
  uint32_t grid[3] = {0, 1, 1}, block[3] = {0, 1, 1};
  uint64_t shared = 0;
  std::vector<std::string> arguments, print, save;
  std::string arch = "sm_80";
  bool worst = false, json = false, list = false, quiet = false, lines = false;
  uint32_t checks = ATTN_EMU_CHECK_ALL;
  uint64_t threads = 1, steps = uint64_t(1) << 32;
};

Options parseOptions(int argc, char **argv) {
  Options o;
  bool inArguments = false;
  for (int i = 1; i < argc; ++i) {
    std::string text = argv[i];
    if (text.compare(0, 2, "--") != 0) {
      if (inArguments)
        o.arguments.push_back(text);
      else if (o.file.empty())
        o.file = text;
      else
        fail("expects one file, but got '" + o.file + "' and '" + text + "'");
      continue;
    }
    inArguments = false;
    std::string value;
    size_t equals = text.find('=');
    bool has = equals != std::string::npos;
    if (has) {
      value = text.substr(equals + 1);
      text.resize(equals);
    }
    auto need = [&]() -> const std::string & {
      if (!has) {
        if (i + 1 >= argc)
          fail("expects a value for " + text + ", but got none");
        value = argv[++i];
      }
      return value;
    };
    auto number = [&](uint64_t least, uint64_t most) {
      uint64_t n = 0;
      if (!parseUnsigned(need(), n) || n < least || n > most)
        fail("expects " + text + " between " + std::to_string(least) + " and " +
             std::to_string(most) + ", but got '" + value + "'");
      return n;
    };
    auto flag = [&](bool &out) {
      if (has)
        fail("expects " + text + " without a value, but got '" + value + "'");
      out = true;
    };
    if (text == "--help") {
      std::fputs(kHelp, stdout);
      std::exit(0);
    } else if (text == "--kernel") {
      o.kernel = need();
    } else if (text == "--grid") {
      parseTriple("--grid", need(), o.grid);
    } else if (text == "--block") {
      parseTriple("--block", need(), o.block);
    } else if (text == "--shared") {
      o.shared = number(0, uint64_t(1) << 32);
    } else if (text == "--args" || text == "--arg") {
      inArguments = true;
      if (has)
        o.arguments.push_back(value);
    } else if (text == "--print") {
      o.print.push_back(need());
    } else if (text == "--save") {
      o.save.push_back(need());
    } else if (text == "--arch") {
      o.arch = need();
    } else if (text == "--worst-rounding") {
      flag(o.worst);
    } else if (text == "--checks") {
      o.checks = parseChecks("--checks", need());
    } else if (text == "--no-check") {
      o.checks &= ~parseChecks("--no-check", need());
    } else if (text == "--threads") {
      o.threads = number(1, 1024);
    } else if (text == "--steps") {
      o.steps = number(1, uint64_t(1) << 60);
    } else if (text == "--json") {
      flag(o.json);
    } else if (text == "--list") {
      flag(o.list);
    } else if (text == "--lines") {
      flag(o.lines);
    } else if (text == "--quiet") {
      flag(o.quiet);
    } else {
      fail("expects an option of attn-emulate --help, but got '" + text + "'");
    }
  }
  if (o.file.empty())
    fail("expects FILE.ptx, but got none; see --help");
  return o;
}

std::string readText(const std::string &path) {
  if (path == "-") {
    std::string text;
    char buffer[4096];
    while (size_t n = std::fread(buffer, 1, sizeof buffer, stdin))
      text.append(buffer, n);
    return text;
  }
  std::ifstream file(path, std::ios::binary);
  if (!file)
    fail("cannot read '" + path + "'");
  std::string text((std::istreambuf_iterator<char>(file)),
                   std::istreambuf_iterator<char>());
  if (file.bad())
    fail("cannot read '" + path + "'");
  return text;
}

/// Shown after two seconds, so that short runs stay quiet.
struct Progress {
  std::chrono::steady_clock::time_point start =
      std::chrono::steady_clock::now();
  bool shown = false;
};
int showProgress(void *user, uint64_t done, uint64_t blocks) {
  auto &progress = *static_cast<Progress *>(user);
  double seconds = std::chrono::duration<double>(
                       std::chrono::steady_clock::now() - progress.start)
                       .count();
  if (seconds > 2) {
    progress.shown = true;
    std::fprintf(stderr, "\r%llu of %llu blocks, %.0f s",
                 static_cast<unsigned long long>(done),
                 static_cast<unsigned long long>(blocks), seconds);
  }
  return 1;
}

void listKernels(const AttnEmuModule *module) {
  for (size_t i = 0; i < attnEmuKernelCount(module); ++i) {
    const char *name = attnEmuKernelName(module, i);
    std::printf("%s(", name);
    int n = attnEmuParameterCount(module, name);
    for (int p = 0; p < n; ++p) {
      AttnEmuParameter info;
      attnEmuParameterInfo(module, name, size_t(p), &info);
      std::printf("%s.%s %s", p ? ", " : "", info.type, info.name);
      if (info.is_array)
        std::printf("[%zu bytes]", info.size);
    }
    std::printf(")\n");
  }
}

Argument *findBuffer(std::vector<Argument> &arguments, const char *option,
                     const std::string &name) {
  for (Argument &argument : arguments)
    if (argument.isBuffer && argument.name == name)
      return &argument;
  std::string names;
  for (Argument &argument : arguments)
    if (argument.isBuffer)
      names += (names.empty() ? "" : ", ") + argument.name;
  fail(std::string("expects ") + option + " to name a buffer among " +
       (names.empty() ? std::string("none") : names) + ", but got '" + name +
       "'");
}

/// The lines of the file that did something, with their counters.
void printLines(AttnEmuDevice *device, const std::string &text) {
  std::printf("%8s %10s %9s %9s  line\n", "executed", "conflicts", "sectors",
              "bytes");
  int line = 1;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = std::min(text.find('\n', at), text.size());
    if (uint64_t executed = attnEmuCounter(device, "executed", line))
      std::printf("%8llu %10llu %9llu %9llu  %d: %s\n",
                  static_cast<unsigned long long>(executed),
                  static_cast<unsigned long long>(
                      attnEmuCounter(device, "bank_conflicts", line)),
                  static_cast<unsigned long long>(
                      attnEmuCounter(device, "global_sectors", line)),
                  static_cast<unsigned long long>(
                      attnEmuCounter(device, "bytes", line)),
                  line, text.substr(at, end - at).c_str());
    at = end + 1;
    ++line;
  }
}
} // namespace

int main(int argc, char **argv) {
  Options o = parseOptions(argc, argv);
  std::string text = readText(o.file);

  AttnEmuOptions options;
  attnEmuOptionsInit(&options);
  options.arch = o.arch.c_str();
  options.threads = int32_t(o.threads);
  options.checks = o.checks;
  options.worst_rounding = o.worst;
  options.step_limit = o.steps;
  Progress progress;
  if (!o.quiet) {
    options.progress = showProgress;
    options.progress_user = &progress;
  }
  AttnEmuDevice *device = nullptr;
  if (attnEmuOpen(&options, &device) != ATTN_EMU_OK)
    fail(attnEmuLastError());
  AttnEmuModule *module = nullptr;
  if (attnEmuModuleLoad(device, text.data(), text.size(), &module) !=
      ATTN_EMU_OK)
    fail(o.file + ": " + attnEmuLastError());
  if (o.list) {
    listKernels(module);
    attnEmuClose(device);
    return 0;
  }
  if (o.kernel.empty()) {
    if (attnEmuKernelCount(module) != 1) {
      std::string names;
      for (size_t i = 0; i < attnEmuKernelCount(module); ++i)
        names += (i ? ", " : "") + std::string(attnEmuKernelName(module, i));
      fail("expects --kernel among " +
           (names.empty() ? std::string("none") : names) + ", but got none");
    }
    o.kernel = attnEmuKernelName(module, 0);
  }
  if (!o.grid[0] || !o.block[0])
    fail("expects --grid and --block of at least 1");

  int count = attnEmuParameterCount(module, o.kernel.c_str());
  if (count < 0)
    fail("expects --kernel to name a kernel of the file, but got '" + o.kernel +
         "'");
  if (size_t(count) != o.arguments.size())
    fail("expects " + std::to_string(count) + " arguments for '" + o.kernel +
         "', but got " + std::to_string(o.arguments.size()));
  std::vector<Argument> arguments(o.arguments.size());
  std::vector<void *> values;
  for (size_t i = 0; i < arguments.size(); ++i) {
    Argument &a = arguments[i];
    std::string error;
    if (!parseArgument(o.arguments[i], i, a, error))
      fail(error);
    AttnEmuParameter info;
    attnEmuParameterInfo(module, o.kernel.c_str(), i, &info);
    size_t size = a.isBuffer ? 8 : a.type->size;
    if (size != info.size)
      fail("argument '" + o.arguments[i] + "': expects " +
           std::to_string(info.size) + " bytes for parameter '" + info.name +
           "' (." + info.type + "), but got " + std::to_string(size));
    if (a.isBuffer) {
      if (attnEmuAlloc(device, a.name.c_str(), a.bytes.size(), &a.pointer) !=
          ATTN_EMU_OK)
        fail(attnEmuLastError());
      std::memcpy(a.pointer, a.bytes.data(), a.bytes.size());
      if (a.initialized)
        attnEmuSetInitialized(device, a.pointer, a.bytes.size(), 1);
      values.push_back(&a.pointer);
    } else {
      values.push_back(a.bytes.data());
    }
  }

  int status = attnEmuLaunch(device, module, o.kernel.c_str(), o.grid, o.block,
                             o.shared, values.data(), values.size());
  std::string error = status == ATTN_EMU_OK ? "" : attnEmuLastError();
  if (progress.shown)
    std::fputs("\n", stderr);
  if (o.json)
    std::fputs(attnEmuReportJson(device), stdout);
  else if (status == ATTN_EMU_OK || status == ATTN_EMU_RUN_ERROR)
    std::fputs(attnEmuReportText(device), stdout);
  if (o.lines && !o.json)
    printLines(device, text);

  for (const std::string &print : o.print) {
    size_t colon = print.find(':');
    Argument *a = findBuffer(arguments, "--print", print.substr(0, colon));
    uint64_t n = 8;
    if (colon != std::string::npos &&
        !parseUnsigned(print.substr(colon + 1), n))
      fail("expects --print NAME[:N], but got '" + print + "'");
    std::printf("%s:", a->name.c_str());
    for (uint64_t i = 0; i < std::min(n, a->count); ++i)
      std::printf(" %s",
                  formatElement(*a->type, static_cast<uint8_t *>(a->pointer) +
                                              i * a->type->size)
                      .c_str());
    std::printf("\n");
  }
  for (const std::string &save : o.save) {
    size_t equals = save.find('=');
    if (equals == std::string::npos)
      fail("expects --save NAME=FILE, but got '" + save + "'");
    Argument *a = findBuffer(arguments, "--save", save.substr(0, equals));
    std::string why;
    if (!saveBuffer(save.substr(equals + 1), *a, why))
      fail(why);
  }
  size_t findings = attnEmuFindingCount(device);
  attnEmuClose(device);
  if (status != ATTN_EMU_OK) {
    std::fprintf(stderr, "error: %s\n", error.c_str());
    return 2;
  }
  return findings ? 1 : 0;
}
