//===- Ptx.h - PTX text as a syntax tree ------------------------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the parser makes of a module: names are resolved (a register operand is
// an index, nested { } scopes are gone), instructions are not yet understood.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMULATOR_PTX_H
#define ATTN_LIB_EMULATOR_PTX_H

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace attn::emu {

/// The fundamental types, and the packed and alternate ones that only
/// instructions name.
enum class Type : uint8_t {
  None,
  Pred,
  B8,
  B16,
  B32,
  B64,
  B128,
  U8,
  U16,
  U32,
  U64,
  S8,
  S16,
  S32,
  S64,
  F16,
  F16x2,
  BF16,
  BF16x2,
  F32,
  F64,
  TF32,
};

/// The type called `name` ("f32"), or None.
Type typeOf(std::string_view name);
const char *typeName(Type type);
/// Bits of a type; 1 for a predicate.
unsigned bitsOf(Type type);
bool isSigned(Type type);
bool isUnsigned(Type type);
bool isFloat(Type type);
/// .b8 to .b128.
bool isUntyped(Type type);

enum class Space : uint8_t { Generic, Global, Shared, Local, Const, Param };
const char *spaceName(Space space);

/// An error at a line of the text.
struct PtxError {
  int line = 0;
  std::string text;
};

/// A declared variable: global, shared, local, const, or a parameter.
struct Variable {
  std::string name;
  Space space = Space::Global;
  Type type = Type::B8;
  unsigned align = 1;
  /// Bytes; 0 for a dynamic array.
  uint64_t size = 0;
  bool isExtern = false;
  bool isArray = false;
  int line = 0;
  std::vector<uint8_t> init;
  /// (offset, variable) pairs: addresses that initialisers name.
  struct Reference {
    uint64_t offset;
    std::string name;
    int64_t addend;
    bool generic;
  };
  std::vector<Reference> references;
};

struct Register {
  std::string name;
  Type type = Type::None;
};

struct Operand {
  enum Kind : uint8_t {
    Reg,      // %r1, !%p1 with `negated`
    Imm,      // 3, -4, 0x10
    FloatImm, // 0f3F800000, 1.5
    Sreg,     // %tid.x, by name
    Symbol,   // a variable, function or label, plus `value`
    Vector,   // {a, b}
    Address,  // [base + value]
    Pair,     // d|p
    Sink,     // _
    List,     // (a, b): the lists of a call
  };
  Kind kind = Imm;
  bool negated = false;
  int index = -1;      // Reg: in Function::registers; Symbol: see `variable`
  uint64_t value = 0;  // Imm, offsets
  double real = 0;     // FloatImm
  uint32_t bits32 = 0; // FloatImm written as 0f...
  uint64_t bits64 = 0; // FloatImm written as 0d...
  uint8_t written = 0; // FloatImm: 32, 64, or 0 for a decimal
  std::string name;    // Sreg, Symbol
  const Variable *variable = nullptr;
  int label = -1; // Symbol that is a label: its id
  std::vector<Operand> parts;
};

struct Statement {
  std::string opcode;
  std::vector<std::string> modifiers;
  std::vector<Operand> operands;
  int guard = -1; // register index of @p
  bool guardNegated = false;
  int line = 0;
  std::string text;
};

struct Function {
  std::string name;
  bool isEntry = false;
  bool hasBody = false;
  int line = 0;
  std::vector<std::unique_ptr<Variable>> parameters;
  std::vector<std::unique_ptr<Variable>> results;
  /// Locals, shared variables and .param variables of the body.
  std::vector<std::unique_ptr<Variable>> variables;
  std::vector<Register> registers;
  std::vector<Statement> body;
  /// Label id -> index into the body.
  std::vector<int> labels;
  /// .branchtargets: label name -> label ids (a label that stands for a list).
  struct Table {
    int label;
    std::vector<int> targets;
  };
  std::vector<Table> tables;
  uint32_t maxThreads[3] = {0, 0, 0};
  uint32_t requiredThreads[3] = {0, 0, 0};
  uint32_t maxRegisters = 0;
};

struct Module {
  int versionMajor = 0, versionMinor = 0;
  int target = 0; // 80 for sm_80
  std::string targetName;
  int addressSize = 64;
  std::vector<std::unique_ptr<Variable>> variables;
  std::vector<std::unique_ptr<Function>> functions;
  /// The text's lines, for findings.
  std::vector<std::string> lines;
  /// Keeps `text` of statements etc. alive.
  std::string source;
};

/// Parses a module. False with `error` filled in where it is not PTX.
bool parseModule(std::string_view text, Module &module, PtxError &error);

/// The number in "sm_90a", with its suffix; false for a target that is none.
bool parseTarget(std::string_view name, int &number, std::string &suffix);

} // namespace attn::emu

#endif // ATTN_LIB_EMULATOR_PTX_H
