//===- Decoder.cpp - From statements to operations ------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows, constants and addresses of a kernel; modifiers taken one by one; calls
// and branches resolved.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"

#include <algorithm>
#include <cmath>
#include <set>

using namespace attn::emu;

const char *attn::emu::opClassName(OpClass cls) {
  static const char *const names[] = {
      "integer", "float",      "half",    "double",      "convert",
      "move",    "logic",      "compare", "special",     "load",
      "store",   "atomic",     "matrix",  "matrix-load", "shuffle",
      "barrier", "async-copy", "fence",   "control"};
  return names[unsigned(cls)];
}

const InstructionTable &attn::emu::instructionTable() {
  static const InstructionTable table = [] {
    InstructionTable t;
    addArithmetic(t);
    addLogic(t);
    addCompare(t);
    addConvert(t);
    addMove(t);
    addApproximate(t);
    addMemory(t);
    addAtomic(t);
    addControl(t);
    addBarrier(t);
    addWarp(t);
    addMatrix(t);
    addAsyncCopy(t);
    return t;
  }();
  return table;
}

//===----------------------------------------------------------------------===//
// Modifiers
//===----------------------------------------------------------------------===//

bool Decoder::take(std::string_view modifier) {
  for (size_t i = 0; i < taken.size(); ++i)
    if (!taken[i] && current->modifiers[i] == modifier) {
      taken[i] = true;
      return true;
    }
  return false;
}

std::string_view
Decoder::takeAny(std::initializer_list<const char *> modifiers) {
  for (size_t i = 0; i < taken.size(); ++i)
    if (!taken[i])
      for (const char *modifier : modifiers)
        if (current->modifiers[i] == modifier) {
          taken[i] = true;
          return current->modifiers[i];
        }
  return {};
}

std::string_view Decoder::needAny(std::initializer_list<const char *> modifiers,
                                  const char *what) {
  std::string_view found = takeAny(modifiers);
  if (!found.empty())
    return found;
  std::string list;
  for (const char *modifier : modifiers)
    list += std::string(list.empty() ? "." : ", .") + modifier;
  std::string got(rest());
  refuse(std::string("expects ") + what + " among " + list + ", but got " +
         (got.empty() ? "none" : "'." + got + "'"));
}

Type Decoder::takeType() {
  for (size_t i = 0; i < taken.size(); ++i)
    if (!taken[i] && typeOf(current->modifiers[i]) != Type::None) {
      taken[i] = true;
      return typeOf(current->modifiers[i]);
    }
  return Type::None;
}

Type Decoder::needType(std::initializer_list<Type> types) {
  Type type = takeType();
  for (Type t : types)
    if (t == type)
      return type;
  std::string list;
  for (Type t : types)
    list += std::string(list.empty() ? "." : ", .") + typeName(t);
  refuse("expects a type among " + list + ", but got " +
         (type == Type::None ? std::string("none")
                             : std::string("'.") + typeName(type) + "'"));
}

bool Decoder::takeRounding(Rounding &rounding) {
  if (take("rn"))
    rounding = Rounding::Nearest;
  else if (take("rz"))
    rounding = Rounding::Zero;
  else if (take("rm"))
    rounding = Rounding::Down;
  else if (take("rp"))
    rounding = Rounding::Up;
  else
    return false;
  return true;
}

std::string_view Decoder::rest() const {
  for (size_t i = 0; i < taken.size(); ++i)
    if (!taken[i])
      return current->modifiers[i];
  return {};
}

void Decoder::needTarget(int sm, const char *what) const {
  if (module.target < sm)
    refuse(std::string(what) + " needs target sm_" + std::to_string(sm) +
           ", but the module's is " + module.targetName);
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

uint32_t Decoder::allocate(unsigned bits) {
  size_t size = bits == 1 ? 4 : bits <= 32 ? 128 : bits == 64 ? 256 : 512;
  size_t at = program.image.size();
  // Rows start at multiples of 64 bytes, masks at multiples of 4.
  size_t align = bits == 1 ? 4 : 64;
  at = (at + align - 1) / align * align;
  if (at + size > (size_t(1) << 30))
    refuse("expects registers of at most 1 GiB a warp");
  // Registers that nobody wrote hold a pattern that stands out; predicates
  // are false.
  program.image.resize(at + size, bits == 1 ? 0 : 0xa5);
  return uint32_t(at);
}

uint32_t Decoder::rowOf(int reg) {
  auto [it, isNew] = rows.try_emplace({fn, reg}, 0);
  if (isNew)
    it->second = allocate(bitsOf(fn->registers[size_t(reg)].type));
  return it->second;
}

uint32_t Decoder::constant32(uint32_t bits) {
  auto [it, isNew] = constants.try_emplace({32, bits}, 0);
  if (isNew) {
    it->second = allocate(32);
    for (int lane = 0; lane < 32; ++lane)
      std::memcpy(&program.image[it->second + size_t(lane) * 4], &bits, 4);
  }
  return it->second;
}

uint32_t Decoder::constant64(uint64_t bits) {
  auto [it, isNew] = constants.try_emplace({64, bits}, 0);
  if (isNew) {
    it->second = allocate(64);
    for (int lane = 0; lane < 32; ++lane)
      std::memcpy(&program.image[it->second + size_t(lane) * 8], &bits, 8);
  }
  return it->second;
}

uint32_t Decoder::scratch(unsigned bits) { return allocate(bits); }

uint32_t Decoder::specialRow(const std::string &name, Type type) {
  static const struct {
    const char *name;
    Special special;
  } table[] = {
      {"%tid.x", Special::TidX},
      {"%tid.y", Special::TidY},
      {"%tid.z", Special::TidZ},
      {"%ntid.x", Special::NtidX},
      {"%ntid.y", Special::NtidY},
      {"%ntid.z", Special::NtidZ},
      {"%ctaid.x", Special::CtaidX},
      {"%ctaid.y", Special::CtaidY},
      {"%ctaid.z", Special::CtaidZ},
      {"%nctaid.x", Special::NctaidX},
      {"%nctaid.y", Special::NctaidY},
      {"%nctaid.z", Special::NctaidZ},
      {"%laneid", Special::LaneId},
      {"%warpid", Special::WarpId},
      {"%nwarpid", Special::NWarpId},
      {"%lanemask_eq", Special::LaneMaskEq},
      {"%lanemask_le", Special::LaneMaskLe},
      {"%lanemask_lt", Special::LaneMaskLt},
      {"%lanemask_ge", Special::LaneMaskGe},
      {"%lanemask_gt", Special::LaneMaskGt},
      {"%smid", Special::SmId},
      {"%nsmid", Special::NSmId},
      {"%gridid", Special::GridId},
      {"%dynamic_smem_size", Special::DynamicShared},
      {"%total_smem_size", Special::TotalShared},
      {"%cluster_ctaid.x", Special::ClusterZero},
      {"%cluster_ctaid.y", Special::ClusterZero},
      {"%cluster_ctaid.z", Special::ClusterZero},
      {"%cluster_ctarank", Special::ClusterZero},
      {"%cluster_nctaid.x", Special::ClusterOne},
      {"%cluster_nctaid.y", Special::ClusterOne},
      {"%cluster_nctaid.z", Special::ClusterOne},
      {"%cluster_nctarank", Special::ClusterOne},
  };
  for (auto &entry : table)
    if (name == entry.name) {
      unsigned bits = entry.special == Special::GridId ? 64 : 32;
      if (bitsOf(type) != bits && !(bits == 32 && bitsOf(type) == 16) &&
          !(bits == 64 && bitsOf(type) == 32))
        refuse("expects '" + name + "' to be read as a " +
               std::to_string(bits) + "-bit value, but got '." +
               typeName(type) + "'");
      auto [it, isNew] = specials.try_emplace({name, bitsOf(type)}, 0);
      if (isNew) {
        it->second = allocate(bitsOf(type) == 64 ? 64 : 32);
        program.specials.emplace_back(entry.special, it->second);
        if (bitsOf(type) == 64)
          std::memset(&program.image[it->second], 0, 256);
      }
      return it->second;
    }
  refuse("does not know the special register '" + name + "'");
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

static const char *kindName(Operand::Kind kind) {
  switch (kind) {
  case Operand::Reg:
    return "a register";
  case Operand::Imm:
    return "an integer";
  case Operand::FloatImm:
    return "a floating-point number";
  case Operand::Sreg:
    return "a special register";
  case Operand::Symbol:
    return "a name";
  case Operand::Vector:
    return "a vector";
  case Operand::Address:
    return "an address";
  case Operand::Pair:
    return "a pair";
  case Operand::Sink:
    return "'_'";
  case Operand::List:
    return "a list";
  }
  return "";
}

const Operand &Decoder::operand(size_t i) const {
  if (i >= current->operands.size())
    needCount(i + 1);
  return current->operands[i];
}

void Decoder::needCount(size_t least, size_t most) const {
  size_t n = current->operands.size();
  if (n >= least && n <= most)
    return;
  refuse("expects " + std::to_string(least) +
         (most != least ? " to " + std::to_string(most) : "") +
         " operands, but got " + std::to_string(n));
}

Type Decoder::registerType(const Operand &operand) const {
  return operand.kind == Operand::Reg
             ? fn->registers[size_t(operand.index)].type
             : Type::None;
}

std::string Decoder::typeMismatch(const Operand &operand, Type type) const {
  return "expects '" + operand.name + "' to hold '." + typeName(type) +
         "', but its type is '." + typeName(registerType(operand)) + "'";
}

/// Whether a register of type `reg` may stand where `type` is asked for: sizes
/// agree, and integers and floats do not mix unless one of them is untyped.
static bool fits(Type reg, Type type, bool wide) {
  if (reg == Type::Pred || type == Type::Pred)
    return reg == type;
  unsigned have = bitsOf(reg), want = bitsOf(type);
  // Registers of 8 bits hold what fits into 16.
  if (want == 8 && have == 16)
    return true;
  if (wide ? have < want : have != want)
    return false;
  if (wide && have > want)
    return !isFloat(reg) || isUntyped(reg);
  bool regInteger = isSigned(reg) || isUnsigned(reg);
  bool typeInteger = isSigned(type) || isUnsigned(type);
  return !(regInteger && isFloat(type)) && !(isFloat(reg) && typeInteger);
}

uint32_t Decoder::source(const Operand &operand, Type type, bool wide) {
  unsigned bits = bitsOf(type);
  switch (operand.kind) {
  case Operand::Reg:
    if (operand.negated)
      refuse("expects '!' before predicates only");
    if (!fits(registerType(operand), type, wide))
      refuse(typeMismatch(operand, type));
    return rowOf(operand.index);
  case Operand::Imm: {
    uint64_t value = operand.value;
    if (type == Type::F32)
      refuse("expects a floating-point number, but got an integer");
    if (type == Type::F64)
      refuse("expects a floating-point number, but got an integer");
    if (type == Type::Pred)
      break;
    if (bits == 128)
      break;
    if (bits < 64) {
      // -1 and 0xffff are both 16-bit values; 0x12345 is none.
      uint64_t high = value >> bits;
      if (bits >= 16 && high != 0 && high != (~uint64_t(0) >> bits))
        refuse("expects an integer of " + std::to_string(bits) +
               " bits, but got " + std::to_string(int64_t(value)));
      value &= (uint64_t(1) << bits) - 1;
    }
    return bits == 64 ? constant64(value) : constant32(uint32_t(value));
  }
  case Operand::FloatImm: {
    bool real = isFloat(type) || isUntyped(type);
    if (real && bits == 32 && type != Type::F16x2 && type != Type::BF16x2) {
      if (operand.written == 32)
        return constant32(operand.bits32);
      return constant32(bitCast<uint32_t>(float(operand.real)));
    }
    if (real && bits == 64) {
      if (operand.written == 64)
        return constant64(operand.bits64);
      return constant64(bitCast<uint64_t>(operand.real));
    }
    break;
  }
  case Operand::Sreg:
    return specialRow(operand.name, type);
  case Operand::Symbol:
    if (const Variable *v = operand.variable) {
      if (bits != 32 && bits != 64)
        break;
      uint64_t value;
      if (v->space == Space::Shared)
        value = sharedOffset(*v);
      else if (v->space == Space::Local)
        value = localOffset(*v);
      else if (v->space == Space::Param) {
        if (isLocalParam(*v))
          refuse("expects '" + v->name + "' in ld.param or st.param only");
        value = 0;
        for (const Parameter &p : program.parameters)
          if (p.name == v->name)
            value = p.offset;
      } else {
        auto found = addresses.find(v);
        if (found == addresses.end())
          refuse("expects '" + v->name + "' to be defined in the module");
        value = found->second;
        if (bits == 32)
          refuse("expects 64 bits for the address of '" + v->name + "'");
      }
      value += operand.value;
      return bits == 64 ? constant64(value) : constant32(uint32_t(value));
    }
    break;
  default:
    break;
  }
  refuse(std::string("expects a source of type '.") + typeName(type) +
         "', but got " + kindName(operand.kind));
}

uint32_t Decoder::destination(const Operand &operand, Type type, bool wide) {
  if (operand.kind == Operand::Sink)
    return allocate(bitsOf(type));
  if (operand.kind != Operand::Reg || operand.negated)
    refuse(std::string("expects a register to write to, but got ") +
           kindName(operand.kind));
  if (!fits(registerType(operand), type, wide))
    refuse(typeMismatch(operand, type));
  return rowOf(operand.index);
}

uint32_t Decoder::predicate(const Operand &operand, bool &negated) {
  if (operand.kind == Operand::Reg && registerType(operand) == Type::Pred) {
    negated = operand.negated;
    return rowOf(operand.index);
  }
  if (operand.kind == Operand::Imm) {
    negated = operand.value != 0;
    auto [it, isNew] = constants.try_emplace({1, 0}, 0);
    if (isNew)
      it->second = allocate(1);
    return it->second;
  }
  refuse(std::string("expects a predicate, but got ") +
         (operand.kind == Operand::Reg ? "'" + operand.name + "'"
                                       : kindName(operand.kind)));
}

uint32_t Decoder::predicateDestination(const Operand &operand) {
  return destination(operand, Type::Pred);
}

std::vector<const Operand *> Decoder::vector(const Operand &operand,
                                             size_t n) const {
  std::vector<const Operand *> out;
  if (operand.kind == Operand::Vector)
    for (const Operand &part : operand.parts)
      out.push_back(&part);
  else
    out.push_back(&operand);
  if (out.size() != n)
    refuse("expects a vector of " + std::to_string(n) + " registers, but got " +
           std::to_string(out.size()));
  return out;
}

uint64_t Decoder::immediate(const Operand &operand, const char *what) const {
  if (operand.kind != Operand::Imm)
    refuse(std::string("expects ") + what + " to be a constant, but got " +
           kindName(operand.kind));
  return operand.value;
}

bool Decoder::isLocalParam(const Variable &variable) const {
  if (variable.space != Space::Param)
    return false;
  for (auto &parameter : program.entry->parameters)
    if (parameter.get() == &variable)
      return false;
  return true;
}

uint64_t Decoder::localOffset(const Variable &variable) {
  auto [it, isNew] = locals.try_emplace(&variable, 0);
  if (isNew) {
    uint64_t align = std::max(1u, variable.align);
    it->second = (program.localBytes + align - 1) / align * align;
    program.localBytes = it->second + variable.size;
    if (program.localBytes > (1 << 20))
      refuse("expects at most 1 MiB of local memory a thread");
  }
  return it->second;
}

uint64_t Decoder::sharedOffset(const Variable &variable) {
  if (variable.isExtern || variable.size == 0)
    return program.staticShared;
  for (const SharedVariable &s : program.shared)
    if (s.name == variable.name)
      return s.offset;
  refuse("expects '" + variable.name + "' to be a shared variable");
}

void Decoder::address(const Operand &operand, uint32_t at, Space &space) {
  if (operand.kind != Operand::Address)
    refuse(std::string("expects an address, but got ") +
           kindName(operand.kind));
  op.imm = int64_t(operand.value);
  op.narrowBase = false;
  if (operand.parts.empty()) {
    op.o[at] = constant64(0);
    return;
  }
  if (operand.parts.size() > 1)
    refuse("expects an address of one operand");
  const Operand &base = operand.parts[0];
  if (base.kind == Operand::Reg) {
    unsigned bits = bitsOf(registerType(base));
    if (bits != 32 && bits != 64)
      refuse("expects an address of 32 or 64 bits, but got '" + base.name +
             "' of type '." + typeName(registerType(base)) + "'");
    if (bits == 32 && space != Space::Shared && space != Space::Local &&
        space != Space::Param)
      refuse(std::string("expects an address of 64 bits in ") +
             spaceName(space) + " memory, but got '" + base.name + "'");
    op.narrowBase = bits == 32;
    op.o[at] = rowOf(base.index);
    return;
  }
  if (base.kind == Operand::Symbol && base.variable) {
    const Variable &v = *base.variable;
    if (space == Space::Generic)
      space = v.space;
    else if (space != v.space)
      refuse("expects a variable in " + std::string(spaceName(space)) +
             " memory, but '" + v.name + "' lies in " + spaceName(v.space) +
             " memory");
    if (isLocalParam(v)) {
      space = Space::Local;
      op.o[at] = constant64(localOffset(v));
    } else {
      op.o[at] = source(base, Type::U64);
    }
    return;
  }
  refuse(std::string("expects a register or a variable in the address, but "
                     "got ") +
         kindName(base.kind));
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

uint32_t Decoder::labelTarget(const Operand &operand) {
  if (operand.kind != Operand::Symbol || operand.label < 0)
    refuse("expects a label");
  labelsOfOp.emplace_back(operand.label, -1);
  return ~0u;
}

void Decoder::setBranchTable(const Operand &operand) {
  if (operand.kind != Operand::Symbol || operand.label < 0)
    refuse("expects the label of a '.branchtargets' list");
  for (const Function::Table &table : fn->tables)
    if (table.label == operand.label) {
      op.table = uint32_t(program.tables.size());
      program.tables.emplace_back(table.targets.size(), ~0u);
      for (size_t i = 0; i < table.targets.size(); ++i)
        labelsOfOp.emplace_back(table.targets[i], int(i));
      return;
    }
  refuse("expects '" + operand.name + "' to be a '.branchtargets' list");
}

const Function *Decoder::findFunction(const std::string &name) const {
  const Function *found = nullptr;
  for (auto &function : module.functions)
    if (function->name == name && (!found || function->hasBody))
      found = function.get();
  return found;
}

void Decoder::callTo(const std::string &name, Program::CallSite site) {
  const Function *callee = findFunction(name);
  if (!callee || callee->isEntry)
    refuse("expects a function to call, but got '" + name + "'");
  if (!callee->hasBody)
    refuse("calls the external function '" + name +
           "', which the module does not define");
  op.table = uint32_t(program.calls.size());
  program.calls.push_back(std::move(site));
  pendingCalls.emplace_back(uint32_t(program.ops.size()), callee);
  callees[fn].push_back(callee);
}

void Decoder::decodeFunction(const Function &function) {
  fn = &function;
  firstOp = uint32_t(program.ops.size());
  starts[fn] = firstOp;
  pendingBranches.clear();
  const InstructionTable &table = instructionTable();
  for (const Statement &s : function.body) {
    current = &s;
    taken.assign(s.modifiers.size(), false);
    op = Op();
    std::fill(std::begin(op.o), std::end(op.o), kNoRow);
    op.line = s.line;
    op.index = uint32_t(program.ops.size());
    labelsOfOp.clear();
    try {
      auto found = table.find(s.opcode);
      if (found == table.end())
        refuse("does not know the instruction '" + s.opcode + "'");
      if (s.guard >= 0) {
        op.guard = rowOf(s.guard);
        op.guardNegated = s.guardNegated;
      }
      found->second(*this);
      std::string left(rest());
      if (!left.empty())
        refuse("does not know the modifier '." + left + "' of '" + s.opcode +
               "' here");
    } catch (const Refusal &refusal) {
      error.line = s.line;
      error.text = refusal.text + ": '" + s.text + "'";
      throw;
    }
    for (auto &[label, slot] : labelsOfOp)
      pendingBranches.push_back(
          {op.index, label, slot < 0 ? -1 : int(op.table), size_t(slot)});
    program.ops.push_back(op);
    program.texts.push_back(s.text);
  }
  // Every function ends in one return, which `ret` branches to.
  Op end;
  std::fill(std::begin(end.o), std::end(end.o), kNoRow);
  end.flow = function.isEntry ? Flow::Exit : Flow::Ret;
  end.index = uint32_t(program.ops.size());
  end.line = function.body.empty() ? function.line : function.body.back().line;
  program.ops.push_back(end);
  program.texts.push_back("}");
  for (const Pending &p : pendingBranches) {
    uint32_t target = firstOp + uint32_t(function.labels[size_t(p.label)]);
    if (p.table < 0)
      program.ops[p.op].target = target;
    else
      program.tables[size_t(p.table)][p.slot] = target;
  }
  // `ret` as decoded branches to nowhere yet.
  for (uint32_t i = firstOp; i + 1 < program.ops.size(); ++i)
    if (program.ops[i].flow == Flow::Ret) {
      program.ops[i].flow = Flow::Branch;
      program.ops[i].target = end.index;
    }
  findMeetingPoints(program, firstOp, uint32_t(program.ops.size()));
}

void Decoder::linkCalls() {
  while (!pendingCalls.empty()) {
    auto waiting = std::move(pendingCalls);
    pendingCalls.clear();
    for (auto &[index, callee] : waiting) {
      if (!starts.count(callee))
        decodeFunction(*callee);
      program.ops[index].target = starts[callee];
    }
  }
  // Registers are static, so a function cannot be active twice.
  std::set<const Function *> done;
  std::vector<const Function *> path;
  auto visit = [&](auto &&self, const Function *f) -> void {
    for (const Function *on : path)
      if (on == f) {
        error.line = f->line;
        error.text = "expects functions that do not call themselves, but '" +
                     f->name + "' does";
        throw Refusal{error.text};
      }
    if (!done.insert(f).second)
      return;
    path.push_back(f);
    for (const Function *callee : callees[f])
      self(self, callee);
    path.pop_back();
  };
  visit(visit, program.entry);
}

static uint64_t alignTo(uint64_t value, uint64_t align) {
  return (value + align - 1) / align * align;
}

bool attn::emu::decodeKernel(const Module &module, const Function &entry,
                             const AddressMap &addresses, Program &program,
                             PtxError &error) {
  program.name = entry.name;
  program.module = &module;
  program.entry = &entry;
  for (auto &variable : entry.parameters) {
    Parameter p;
    p.name = variable->name;
    p.type = variable->type;
    p.size = variable->size;
    p.align = std::max(1u, variable->align);
    p.isArray = variable->isArray;
    p.offset = alignTo(program.parameterBytes, p.align);
    program.parameterBytes = p.offset + p.size;
    program.parameters.push_back(p);
  }
  if (program.parameterBytes > 32764) {
    error = {entry.line, "expects parameters of at most 32764 bytes, but '" +
                             entry.name + "' has " +
                             std::to_string(program.parameterBytes)};
    return false;
  }
  auto addShared = [&](const Variable &v) {
    if (v.space != Space::Shared)
      return;
    if (v.isExtern || v.size == 0) {
      program.dynamicAlign = std::max<uint64_t>(program.dynamicAlign, v.align);
      program.dynamicName = v.name;
      return;
    }
    uint64_t offset = alignTo(program.staticShared, std::max(1u, v.align));
    program.shared.push_back({v.name, offset, v.size});
    program.staticShared = offset + v.size;
  };
  // Module-level arrays belong to every kernel that names one; a kernel that
  // names none should not pay for them, so only used names are laid out.
  std::set<std::string> used;
  auto collect = [&](auto &&self, const Operand &operand) -> void {
    if (operand.variable)
      used.insert(operand.variable->name);
    for (const Operand &part : operand.parts)
      self(self, part);
  };
  for (auto &function : module.functions)
    if (!function->isEntry || function.get() == &entry)
      for (const Statement &s : function->body)
        for (const Operand &operand : s.operands)
          collect(collect, operand);
  for (auto &variable : module.variables)
    if (used.count(variable->name))
      addShared(*variable);
  for (auto &function : module.functions)
    if (!function->isEntry || function.get() == &entry)
      for (auto &variable : function->variables)
        addShared(*variable);
  program.staticShared = alignTo(program.staticShared, program.dynamicAlign);
  if (program.dynamicName.empty() && !program.shared.empty())
    program.staticShared =
        program.shared.back().offset + program.shared.back().size;

  Decoder decoder(module, program, addresses);
  try {
    decoder.decodeFunction(entry);
    decoder.linkCalls();
  } catch (const Refusal &) {
    error = decoder.error;
    return false;
  }
  program.image.resize(alignTo(program.image.size() + 1, 64), 0);
  return true;
}
