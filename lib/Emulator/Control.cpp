//===- Control.cpp - bra, brx.idx, call, ret, exit, trap ------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What they do to the flow is in Machine.cpp.
//
//===----------------------------------------------------------------------===//

#include "Exec.h"

using namespace attn::emu;

namespace {

void decodeBra(Decoder &d) {
  (void)d.take("uni");
  d.needCount(1);
  d.op.target = d.labelTarget(d.operand(0));
  d.op.flow = Flow::Branch;
}

void decodeBrx(Decoder &d) {
  d.needAny({"idx"}, "a form");
  (void)d.take("uni");
  d.needCount(2);
  d.op.o[0] = d.source(0, Type::U32);
  d.setBranchTable(d.operand(1));
  d.op.flow = Flow::BranchTable;
}

/// Copies arguments into the callee's parameters, lane by lane.
void execCall(Warp &w, const Op &op, uint32_t mask) {
  const Program &program = w.launch.program;
  for (const Program::Copy &copy : program.calls[op.table].before)
    forLanes(mask, [&](uint32_t i) {
      size_t base = size_t(w.thread(i)) * program.localBytes;
      std::memmove(&w.block.local[base + copy.to],
                   &w.block.local[base + copy.from], copy.size);
    });
}

void decodeCall(Decoder &d) {
  (void)d.take("uni");
  d.needCount(1, 3);
  size_t at = 0;
  const Operand *results = nullptr, *arguments = nullptr;
  if (d.operand(0).kind == Operand::List)
    results = &d.operand(at++);
  const Operand &name = d.operand(at++);
  if (at < d.count())
    arguments = &d.operand(at++);
  if (at != d.count() || name.kind != Operand::Symbol ||
      (arguments && arguments->kind != Operand::List))
    d.refuse("expects call (results), function, (arguments)");
  const Function *callee = d.findFunction(name.name);
  if (!callee)
    d.refuse("expects a function to call, but got '" + name.name + "'");
  Program::CallSite site;
  auto match = [&](const Operand *list,
                   const std::vector<std::unique_ptr<Variable>> &formal,
                   std::vector<Program::Copy> &copies, bool into) {
    size_t n = list ? list->parts.size() : 0;
    if (n != formal.size())
      d.refuse("expects " + std::to_string(formal.size()) + " arguments for '" +
               name.name + "', but got " + std::to_string(n));
    for (size_t i = 0; i < n; ++i) {
      const Operand &part = list->parts[i];
      if (part.kind != Operand::Symbol || !part.variable ||
          !d.isLocalParam(*part.variable))
        d.refuse("expects arguments to be variables in .param space");
      if (part.variable->size != formal[i]->size)
        d.refuse("expects " + std::to_string(formal[i]->size) + " bytes for '" +
                 formal[i]->name + "', but got " +
                 std::to_string(part.variable->size));
      auto mine = uint32_t(d.localOffset(*part.variable));
      auto theirs = uint32_t(d.localOffset(*formal[i]));
      auto size = uint32_t(formal[i]->size);
      copies.push_back(into ? Program::Copy{mine, theirs, size}
                            : Program::Copy{theirs, mine, size});
    }
  };
  match(arguments, callee->parameters, site.before, true);
  match(results, callee->results, site.after, false);
  d.callTo(name.name, std::move(site));
  d.op.flow = Flow::Call;
  d.op.fn = execCall;
}

void decodeRet(Decoder &d) {
  (void)d.take("uni");
  d.needCount(0);
  d.op.flow = Flow::Ret;
}
void decodeExit(Decoder &d) {
  d.needCount(0);
  d.op.flow = Flow::Exit;
}
void decodeTrap(Decoder &d) {
  d.needCount(0);
  d.op.flow = Flow::Trap;
}
} // namespace

void attn::emu::addControl(InstructionTable &table) {
  table["bra"] = decodeBra;
  table["brx"] = decodeBrx;
  table["call"] = decodeCall;
  table["ret"] = decodeRet;
  table["exit"] = decodeExit;
  table["trap"] = decodeTrap;
  table["brkpt"] = decodeTrap;
}
