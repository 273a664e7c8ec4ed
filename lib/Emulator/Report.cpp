//===- Report.cpp - What a launch found and counted -----------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// JSON for programs, text for people. Both list findings in the order of their
// lines, so that one run prints what the next one prints.
//
//===----------------------------------------------------------------------===//

#include "Report.h"

#include <cinttypes>
#include <cstdio>

using namespace attn::emu;

static const struct {
  const char *name;
  uint32_t bit;
} kChecks[] = {
    {"bounds", CheckBounds},   {"alignment", CheckAlignment},
    {"init", CheckInit},       {"race", CheckRace},
    {"async", CheckAsync},     {"divergence", CheckDivergence},
    {"barrier", CheckBarrier}, {"limits", CheckLimits},
    {"all", CheckAll},
};

uint32_t attn::emu::checkOf(std::string_view name) {
  for (auto &check : kChecks)
    if (name == check.name)
      return check.bit;
  return 0;
}

std::string attn::emu::checkNames() {
  std::string out;
  for (auto &check : kChecks)
    out += std::string(out.empty() ? "" : ", ") + check.name;
  return out;
}

void OpCounters::add(const OpCounters &other) {
  executed += other.executed;
  lanes += other.lanes;
  requests += other.requests;
  conflicts += other.conflicts;
  sectors += other.sectors;
  idealSectors += other.idealSectors;
  bytes += other.bytes;
  tensorFlops += other.tensorFlops;
  barriers += other.barriers;
}

OpCounters Report::total() const {
  OpCounters sum;
  for (const OpCounters &op : ops)
    sum.add(op);
  return sum;
}

std::string attn::emu::hex(uint64_t value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "0x%" PRIx64, value);
  return buffer;
}

static std::string quote(const std::string &text) {
  std::string out = "\"";
  for (char c : text) {
    unsigned char u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (u < 0x20 || u >= 0x7f) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", u);
      out += buffer;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

static std::string triple(const Index3 &index) {
  return "[" + std::to_string(index[0]) + ", " + std::to_string(index[1]) +
         ", " + std::to_string(index[2]) + "]";
}

static std::string counterFields(const OpCounters &c) {
  auto field = [](const char *name, uint64_t value) {
    return std::string("\"") + name + "\": " + std::to_string(value);
  };
  return field("executed", c.executed) + ", " + field("lanes", c.lanes) + ", " +
         field("shared_requests", c.requests) + ", " +
         field("bank_conflicts", c.conflicts) + ", " +
         field("global_sectors", c.sectors) + ", " +
         field("ideal_sectors", c.idealSectors) + ", " +
         field("bytes", c.bytes) + ", " + field("tensor_flops", c.tensorFlops) +
         ", " + field("barriers", c.barriers);
}

std::string Report::json() const {
  std::string out = "{\n";
  out += "  \"kernel\": " + quote(kernel) + ",\n";
  out += "  \"arch\": " + quote(arch) + ",\n";
  out += "  \"grid\": " + triple(grid) + ",\n";
  out += "  \"block\": " + triple(block) + ",\n";
  out += "  \"static_shared\": " + std::to_string(staticShared) + ",\n";
  out += "  \"dynamic_shared\": " + std::to_string(dynamicShared) + ",\n";
  out += "  \"blocks_run\": " + std::to_string(blocksRun) + ",\n";
  char seconds_[32];
  std::snprintf(seconds_, sizeof seconds_, "%.6f", seconds);
  out += std::string("  \"seconds\": ") + seconds_ + ",\n";
  out += "  \"error\": " + (error.empty() ? "null" : quote(error)) + ",\n";
  uint64_t total_ = dropped;
  for (const Finding &f : findings)
    total_ += f.count;
  out += "  \"findings_total\": " + std::to_string(total_) + ",\n";
  out += "  \"findings_dropped\": " + std::to_string(dropped) + ",\n";
  out += "  \"findings\": [";
  for (size_t i = 0; i < findings.size(); ++i) {
    const Finding &f = findings[i];
    out += i ? ",\n    {" : "\n    {";
    out += "\"kind\": " + quote(f.kind);
    out += ", \"count\": " + std::to_string(f.count);
    out += ", \"line\": " + std::to_string(f.line);
    out += ", \"text\": " + quote(f.text);
    out += ", \"block\": " + triple(f.block);
    out += ", \"thread\": " + triple(f.thread);
    out += ", \"message\": " + quote(f.message);
    if (f.hasAddress) {
      out += ", \"space\": " + quote(f.space);
      out += ", \"address\": " + quote(hex(f.address));
      out += ", \"allocation\": " + quote(f.allocation);
      out += ", \"offset\": " + std::to_string(f.offset);
    }
    if (f.hasOther) {
      out += ", \"other\": {\"line\": " + std::to_string(f.otherLine) +
             ", \"text\": " + quote(f.otherText) +
             ", \"block\": " + triple(f.otherBlock) +
             ", \"thread\": " + triple(f.otherThread) + "}";
    }
    out += "}";
  }
  out += findings.empty() ? "],\n" : "\n  ],\n";
  out += "  \"counters\": {" + counterFields(total());
  out += ", \"classes\": {";
  uint64_t classes[kNumOpClasses] = {};
  for (size_t i = 0; program && i < ops.size(); ++i)
    classes[unsigned(program->ops[i].cls)] += ops[i].executed;
  bool first = true;
  for (unsigned i = 0; i < kNumOpClasses; ++i) {
    if (!classes[i])
      continue;
    out += (first ? "\"" : ", \"") + std::string(opClassName(OpClass(i))) +
           "\": " + std::to_string(classes[i]);
    first = false;
  }
  out += "}},\n  \"lines\": [";
  first = true;
  for (size_t i = 0; program && i < ops.size(); ++i) {
    if (!ops[i].executed)
      continue;
    out += first ? "\n    {" : ",\n    {";
    first = false;
    out += "\"line\": " + std::to_string(program->ops[i].line) +
           ", \"text\": " + quote(program->texts[i]) + ", " +
           counterFields(ops[i]) + "}";
  }
  out += first ? "]\n}\n" : "\n  ]\n}\n";
  return out;
}

static std::string dotted(const Index3 &index) {
  return "(" + std::to_string(index[0]) + ", " + std::to_string(index[1]) +
         ", " + std::to_string(index[2]) + ")";
}

std::string attn::emu::describeFinding(const Finding &f) {
  std::string out = f.kind + ": " + f.message + "\n";
  if (f.line)
    out += "  line " + std::to_string(f.line) + ": " + f.text + "\n";
  out += "  block " + dotted(f.block) + ", thread " + dotted(f.thread) + "\n";
  if (f.hasOther)
    out += "  against line " + std::to_string(f.otherLine) + ": " +
           f.otherText + "\n  of block " + dotted(f.otherBlock) + ", thread " +
           dotted(f.otherThread) + "\n";
  if (f.count > 1)
    out += "  " + std::to_string(f.count) + " times\n";
  return out;
}

std::string Report::text() const {
  std::string out;
  for (const Finding &f : findings)
    out += describeFinding(f);
  if (dropped)
    out += "and " + std::to_string(dropped) + " findings more\n";
  uint64_t n = dropped;
  for (const Finding &f : findings)
    n += f.count;
  OpCounters sum = total();
  char line[512];
  std::snprintf(
      line, sizeof line,
      "%s: %" PRIu64 " blocks in %.3f s, %" PRIu64 " warp instructions\n"
      "tensor FLOPs %" PRIu64 ", bank conflicts %" PRIu64 " in %" PRIu64
      " shared requests, global sectors %" PRIu64 " (at least %" PRIu64
      "), barriers %" PRIu64 "\n",
      kernel.c_str(), blocksRun, seconds, sum.executed, sum.tensorFlops,
      sum.conflicts, sum.requests, sum.sectors, sum.idealSectors, sum.barriers);
  out += line;
  out += std::to_string(findings.size()) + " findings (" + std::to_string(n) +
         " occurrences)\n";
  if (!error.empty())
    out += "error: " + error + "\n";
  return out;
}
