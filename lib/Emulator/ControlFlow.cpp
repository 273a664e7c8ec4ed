//===- ControlFlow.cpp - Where diverged lanes meet again ------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lanes that a branch separates run apart until its immediate post-dominator:
// the first operation that all paths from the branch pass. It is found by the
// usual iteration over the reversed graph (Cooper, Harvey, Kennedy), from the
// function's one return backwards.
//
//   0: @p bra 3     meets at 4
//   1: add
//   2: bra 4
//   3: sub
//   4: ret
//
//===----------------------------------------------------------------------===//

#include "Code.h"

#include <algorithm>

using namespace attn::emu;

void attn::emu::findMeetingPoints(Program &program, uint32_t begin,
                                  uint32_t end) {
  uint32_t n = end - begin;
  uint32_t exit = n - 1;
  std::vector<std::vector<uint32_t>> next(n), before(n);
  // A function may end in `exit` alone. Its lanes meet there then, as they
  // would at a `ret`.
  bool returns = n > 1 && program.ops[end - 2].flow != Flow::Exit &&
                 program.ops[end - 2].flow != Flow::Trap &&
                 program.ops[end - 2].flow != Flow::Branch;
  for (uint32_t i = begin; i + 1 < end; ++i)
    returns |=
        program.ops[i].flow == Flow::Branch && program.ops[i].target == end - 1;
  for (uint32_t i = 0; i < n; ++i) {
    const Op &op = program.ops[begin + i];
    auto add = [&](uint32_t to) {
      if (to < begin || to >= end)
        return;
      next[i].push_back(to - begin);
      before[to - begin].push_back(i);
    };
    bool guarded = op.guard != kNoGuard;
    if (i == exit)
      continue;
    switch (op.flow) {
    case Flow::Branch:
      add(op.target);
      if (guarded)
        add(begin + i + 1);
      break;
    case Flow::BranchTable:
      for (uint32_t target : program.tables[op.table])
        add(target);
      if (guarded)
        add(begin + i + 1);
      break;
    case Flow::Exit:
    case Flow::Trap:
      // Lanes that leave meet nobody: their edge to the end would pull every
      // meeting point behind an early exit to the end of the function.
      if (guarded)
        add(begin + i + 1);
      else if (!returns && op.flow == Flow::Exit)
        add(end - 1);
      break;
    default:
      add(begin + i + 1);
    }
  }

  // Numbers the nodes in post-order of the reversed graph.
  constexpr uint32_t none = ~0u;
  std::vector<uint32_t> order(n, none), nodes;
  std::vector<std::pair<uint32_t, size_t>> stack{{exit, 0}};
  std::vector<bool> seen(n, false);
  seen[exit] = true;
  while (!stack.empty()) {
    auto &[node, edge] = stack.back();
    if (edge < before[node].size()) {
      uint32_t to = before[node][edge++];
      if (!seen[to]) {
        seen[to] = true;
        stack.emplace_back(to, 0);
      }
    } else {
      order[node] = uint32_t(nodes.size());
      nodes.push_back(node);
      stack.pop_back();
    }
  }

  std::vector<uint32_t> dominator(n, none);
  dominator[exit] = exit;
  bool changed = true;
  while (changed) {
    changed = false;
    for (size_t k = nodes.size(); k-- > 0;) {
      uint32_t node = nodes[k];
      if (node == exit)
        continue;
      uint32_t best = none;
      for (uint32_t to : next[node]) {
        if (dominator[to] == none)
          continue;
        if (best == none) {
          best = to;
          continue;
        }
        uint32_t x = to, y = best;
        while (x != y) {
          while (order[x] < order[y])
            x = dominator[x];
          while (order[y] < order[x])
            y = dominator[y];
        }
        best = x;
      }
      if (best != dominator[node]) {
        dominator[node] = best;
        changed = true;
      }
    }
  }
  for (uint32_t i = 0; i < n; ++i) {
    Op &op = program.ops[begin + i];
    if (op.flow == Flow::Branch || op.flow == Flow::BranchTable)
      op.meet = dominator[i] == none ? ~0u : begin + dominator[i];
  }
}
