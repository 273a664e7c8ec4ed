//===- Decoder.h - What instructions are decoded with -----------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A family of instructions registers a function per opcode. The function takes
// modifiers and operands from the decoder, which refuses what is left over: an
// instruction with a modifier that nobody asked for is an error, not a guess.
// Example: `add.rn.ftz.f32` takes type f32, then rounding and ftz; given
// `add.f32.foo`, `finish` finds `.foo` not taken.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMULATOR_DECODER_H
#define ATTN_LIB_EMULATOR_DECODER_H

#include "Code.h"

#include <initializer_list>

namespace attn::emu {

/// Why an instruction is refused; thrown by the decoder's functions.
struct Refusal {
  std::string text;
};

class Decoder;
using DecodeFn = void (*)(Decoder &);
using InstructionTable = std::unordered_map<std::string, DecodeFn>;

/// The table of instructions, made of its families.
const InstructionTable &instructionTable();
void addArithmetic(InstructionTable &table);
void addLogic(InstructionTable &table);
void addCompare(InstructionTable &table);
void addConvert(InstructionTable &table);
void addMove(InstructionTable &table);
void addApproximate(InstructionTable &table);
void addMemory(InstructionTable &table);
void addAtomic(InstructionTable &table);
void addControl(InstructionTable &table);
void addBarrier(InstructionTable &table);
void addWarp(InstructionTable &table);
void addMatrix(InstructionTable &table);
void addAsyncCopy(InstructionTable &table);

/// bar.warp.sync, which is decoded with the other warp instructions.
void decodeBarWarp(Decoder &d);
/// div.approx.f32, with the error that the worst rounding adds.
ExecFn approximateDivision();
/// rcp and sqrt in a named rounding.
ExecFn exactUnary(Type type, bool reciprocal);

class Decoder {
public:
  Decoder(const Module &module, Program &program, const AddressMap &addresses)
      : module(module), program(program), addresses(addresses) {}

  const Statement &statement() const { return *current; }
  Op op;

  [[noreturn]] void refuse(const std::string &why) const { throw Refusal{why}; }

  //===--- Modifiers ------------------------------------------------------===//

  /// Takes the modifier where it is there.
  bool take(std::string_view modifier);
  /// Takes one of several; "" where there is none.
  std::string_view takeAny(std::initializer_list<const char *> modifiers);
  /// Takes one of several, which must be there.
  std::string_view needAny(std::initializer_list<const char *> modifiers,
                           const char *what);
  /// Takes the first modifier that is a type.
  Type takeType();
  /// The first type, which must be one of `types`.
  Type needType(std::initializer_list<Type> types);
  /// Takes .rn, .rz, .rm or .rp; false where there is none.
  bool takeRounding(Rounding &rounding);
  /// The first modifier not taken yet, or "".
  std::string_view rest() const;
  /// Refuses when the module's target is below sm_`sm`.
  void needTarget(int sm, const char *what) const;

  //===--- Operands -------------------------------------------------------===//

  size_t count() const { return current->operands.size(); }
  const Operand &operand(size_t i) const;
  void needCount(size_t n) const { needCount(n, n); }
  void needCount(size_t least, size_t most) const;

  /// The row of a source of `type`; immediates become constant rows. With
  /// `wide`, a register may be wider than the type.
  uint32_t source(const Operand &operand, Type type, bool wide = false);
  uint32_t source(size_t i, Type type, bool wide = false) {
    return source(operand(i), type, wide);
  }
  /// The row of a register that is written; `_` gives a row nobody reads.
  uint32_t destination(const Operand &operand, Type type, bool wide = false);
  uint32_t destination(size_t i, Type type, bool wide = false) {
    return destination(operand(i), type, wide);
  }
  /// The mask of a predicate source, perhaps !p (`negated`) or a constant.
  uint32_t predicate(const Operand &operand, bool &negated);
  uint32_t predicateDestination(const Operand &operand);
  /// Reads a vector `{a, b}`; a single operand counts as one.
  std::vector<const Operand *> vector(const Operand &operand, size_t n) const;
  /// A constant integer.
  uint64_t immediate(const Operand &operand, const char *what) const;
  bool isImmediate(const Operand &operand) const {
    return operand.kind == Operand::Imm;
  }
  /// Decodes [base + imm] into op.o[at], op.imm and op.narrowBase. A variable
  /// as the base must lie in `space` (Generic: any).
  void address(const Operand &operand, uint32_t at, Space &space);
  /// The type of the register an operand is; None for anything else.
  Type registerType(const Operand &operand) const;

  /// A row with the same bits in each lane.
  uint32_t constant32(uint32_t bits);
  uint32_t constant64(uint64_t bits);
  /// A row for the instruction's own use.
  uint32_t scratch(unsigned bits);
  /// The condition code register of add.cc and its kin.
  uint32_t carryRow() {
    if (carry == kNoRow)
      carry = allocate(1);
    return carry;
  }

  /// Parameters and body variables of .param space live in local memory.
  bool isLocalParam(const Variable &variable) const;
  uint64_t localOffset(const Variable &variable);
  uint64_t sharedOffset(const Variable &variable);

  //===--- Whole functions ------------------------------------------------===//

  void decodeFunction(const Function &function);
  void linkCalls();
  PtxError error;

  /// For the control family.
  uint32_t labelTarget(const Operand &operand);
  const Function &currentFunction() const { return *fn; }
  void callTo(const std::string &name, Program::CallSite site);
  const Function *findFunction(const std::string &name) const;
  void setBranchTable(const Operand &operand);

  const Module &module;
  Program &program;

private:
  uint32_t rowOf(int reg);
  uint32_t allocate(unsigned bits);
  uint32_t specialRow(const std::string &name, Type type);
  std::string typeMismatch(const Operand &operand, Type type) const;

  const AddressMap &addresses;
  const Function *fn = nullptr;
  const Statement *current = nullptr;
  std::vector<bool> taken;
  /// (function, register) -> row.
  std::map<std::pair<const Function *, int>, uint32_t> rows;
  std::map<std::pair<unsigned, uint64_t>, uint32_t> constants;
  std::map<std::pair<std::string, unsigned>, uint32_t> specials;
  std::map<const Variable *, uint64_t> locals, shareds;
  /// Function -> first operation; and calls that wait for it.
  std::map<const Function *, uint32_t> starts;
  std::vector<std::pair<uint32_t, const Function *>> pendingCalls;
  std::map<const Function *, std::vector<const Function *>> callees;
  /// Branches of the current function that wait for its label positions.
  struct Pending {
    uint32_t op;
    int label;
    int table;
    size_t slot;
  };
  std::vector<Pending> pendingBranches;
  uint32_t firstOp = 0;
  uint32_t carry = kNoRow;

public:
  /// Set by labelTarget / setBranchTable for the operation in the making.
  std::vector<std::pair<int, int>> labelsOfOp;
};

} // namespace attn::emu

#endif // ATTN_LIB_EMULATOR_DECODER_H
