//===- Parser.cpp - From tokens to a module -------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A recursive descent parser. Names are looked up as they are read: a scope
// knows its registers, variables and labels, and { } opens another. Labels may
// be used before they are defined, so uses wait in their scope until it closes.
//
//===----------------------------------------------------------------------===//

#include "Lexer.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>

using namespace attn::emu;

//===----------------------------------------------------------------------===//
// Types and targets
//===----------------------------------------------------------------------===//

namespace {
struct TypeInfo {
  const char *name;
  Type type;
  unsigned bits;
};
} // namespace

static const TypeInfo kTypes[] = {
    {"pred", Type::Pred, 1},  {"b8", Type::B8, 8},
    {"b16", Type::B16, 16},   {"b32", Type::B32, 32},
    {"b64", Type::B64, 64},   {"b128", Type::B128, 128},
    {"u8", Type::U8, 8},      {"u16", Type::U16, 16},
    {"u32", Type::U32, 32},   {"u64", Type::U64, 64},
    {"s8", Type::S8, 8},      {"s16", Type::S16, 16},
    {"s32", Type::S32, 32},   {"s64", Type::S64, 64},
    {"f16", Type::F16, 16},   {"f16x2", Type::F16x2, 32},
    {"bf16", Type::BF16, 16}, {"bf16x2", Type::BF16x2, 32},
    {"f32", Type::F32, 32},   {"f64", Type::F64, 64},
    {"tf32", Type::TF32, 32},
};

Type attn::emu::typeOf(std::string_view name) {
  for (const TypeInfo &info : kTypes)
    if (name == info.name)
      return info.type;
  return Type::None;
}
const char *attn::emu::typeName(Type type) {
  for (const TypeInfo &info : kTypes)
    if (type == info.type)
      return info.name;
  return "none";
}
unsigned attn::emu::bitsOf(Type type) {
  for (const TypeInfo &info : kTypes)
    if (type == info.type)
      return info.bits;
  return 0;
}
bool attn::emu::isSigned(Type type) {
  return type >= Type::S8 && type <= Type::S64;
}
bool attn::emu::isUnsigned(Type type) {
  return type >= Type::U8 && type <= Type::U64;
}
bool attn::emu::isFloat(Type type) {
  return type >= Type::F16 && type <= Type::TF32;
}
bool attn::emu::isUntyped(Type type) {
  return type >= Type::B8 && type <= Type::B128;
}
const char *attn::emu::spaceName(Space space) {
  static const char *const names[] = {"generic", "global", "shared",
                                      "local",   "const",  "param"};
  return names[static_cast<int>(space)];
}

bool attn::emu::parseTarget(std::string_view name, int &number,
                            std::string &suffix) {
  static const int known[] = {70, 72,  75,  80,  86,  87,  88, 89,
                              90, 100, 101, 103, 110, 120, 121};
  if (name.substr(0, 3) != "sm_")
    return false;
  size_t at = 3;
  number = 0;
  while (at < name.size() && name[at] >= '0' && name[at] <= '9' &&
         number < 1000)
    number = number * 10 + (name[at++] - '0');
  suffix = std::string(name.substr(at));
  if (std::find(std::begin(known), std::end(known), number) == std::end(known))
    return false;
  return suffix.empty() || (suffix == "a" && number >= 90) ||
         (suffix == "f" && number >= 100);
}

static bool knownVersion(int major, int minor) {
  switch (major) {
  case 6:
    return minor <= 5;
  case 7:
    return minor <= 8;
  case 8:
    return minor <= 8;
  case 9:
    return minor <= 3;
  default:
    return false;
  }
}

//===----------------------------------------------------------------------===//
// The parser
//===----------------------------------------------------------------------===//

namespace {

constexpr uint64_t kMaxVariableBytes = uint64_t(1) << 32;
constexpr int kMaxDepth = 64;

/// What names mean between a { and its }.
struct Scope {
  std::unordered_map<std::string, int> registers;
  /// `.reg .b32 %r<5>`: prefix -> (type, count).
  std::unordered_map<std::string, std::pair<Type, uint64_t>> ranges;
  std::unordered_map<std::string, const Variable *> variables;
  std::unordered_map<std::string, int> labels;
};

class Parser {
public:
  Parser(std::vector<Token> tokens, Module &module, PtxError &error)
      : tokens(std::move(tokens)), module(module), error(error) {}

  bool run() {
    scopes.emplace_back();
    if (!header())
      return false;
    while (peek().kind != Token::End)
      if (!declaration())
        return false;
    for (auto &function : module.functions)
      if (function->isEntry && !function->hasBody)
        return failAt(function->line,
                      "expects entry '" + function->name + "' to have a body");
    return true;
  }

private:
  //===--- Tokens ---------------------------------------------------------===//

  const Token &peek(size_t ahead = 0) const {
    return tokens[std::min(at + ahead, tokens.size() - 1)];
  }
  const Token &take() {
    const Token &token = peek();
    if (at + 1 < tokens.size())
      ++at;
    return token;
  }
  bool accept(char c) {
    if (!peek().is(c))
      return false;
    take();
    return true;
  }
  bool acceptDotted(std::string_view word) {
    if (!peek().isDotted(word))
      return false;
    take();
    return true;
  }
  bool failAt(int line, std::string text) {
    if (error.text.empty()) {
      error.line = line;
      error.text = std::move(text);
    }
    return false;
  }
  bool expected(const std::string &what) {
    return failAt(peek().line,
                  "expects " + what + ", but got " + describe(peek()));
  }
  bool expect(char c) {
    return accept(c) || expected(std::string("'") + c + "'");
  }
  bool word(std::string &out, const char *what) {
    if (peek().kind != Token::Word)
      return expected(what);
    out = std::string(take().text);
    return true;
  }
  bool integer(uint64_t &out, const char *what, uint64_t limit) {
    if (peek().kind != Token::Integer)
      return expected(what);
    if (peek().integer > limit)
      return failAt(peek().line, std::string("expects ") + what +
                                     " of at most " + std::to_string(limit) +
                                     ", but got " + std::string(peek().text));
    out = take().integer;
    return true;
  }

  //===--- Module ---------------------------------------------------------===//

  bool header() {
    if (!acceptDotted("version"))
      return expected("'.version' first");
    const Token &number = peek();
    std::string text(number.text);
    int major = 0, minor = -1;
    if (number.kind != Token::Real ||
        std::sscanf(text.c_str(), "%d.%d", &major, &minor) != 2)
      return expected("a version such as 8.0");
    if (!knownVersion(major, minor))
      return failAt(number.line, "expects a PTX version from 6.0 to 9.3 that "
                                 "exists, but got '" +
                                     text + "'");
    take();
    module.versionMajor = major;
    module.versionMinor = minor;
    if (!acceptDotted("target"))
      return expected("'.target' after '.version'");
    std::string suffix;
    std::string name(peek().text);
    if (peek().kind != Token::Word)
      return expected("a target such as sm_80");
    if (!parseTarget(name, module.target, suffix))
      return failAt(peek().line,
                    "expects a target that exists from sm_70 up, but got '" +
                        name + "'");
    take();
    module.targetName = name;
    while (accept(',')) {
      if (!peek().isWord("debug") && !peek().isWord("texmode_independent") &&
          !peek().isWord("texmode_unified"))
        return expected("'debug' or a texture mode");
      take();
    }
    if (acceptDotted("address_size")) {
      uint64_t bits;
      int line = peek().line;
      if (!integer(bits, "the address size", 1000))
        return false;
      if (bits != 64)
        return failAt(line, "expects address size 64, but got " +
                                std::to_string(bits));
    }
    return true;
  }

  /// A directive that ends with its line: .loc, .file.
  void skipLine() {
    int line = take().line;
    while (peek().kind != Token::End && peek().line == line)
      take();
  }

  bool skipSection() {
    take();
    while (peek().kind != Token::End && !peek().is('{'))
      take();
    if (!expect('{'))
      return false;
    while (peek().kind != Token::End && !peek().is('}'))
      take();
    return expect('}');
  }

  bool declaration() {
    const Token &token = peek();
    if (token.isDotted("file") || token.isDotted("loc")) {
      skipLine();
      return true;
    }
    if (token.isDotted("section"))
      return skipSection();
    if (token.isDotted("pragma"))
      return pragma();
    bool isExtern = false;
    while (peek().isDotted("visible") || peek().isDotted("extern") ||
           peek().isDotted("weak") || peek().isDotted("common")) {
      isExtern |= peek().isDotted("extern");
      take();
    }
    if (peek().isDotted("entry") || peek().isDotted("func"))
      return function(isExtern);
    if (peek().isDotted("global") || peek().isDotted("const") ||
        peek().isDotted("shared"))
      return variables(module.variables, scopes.front(), isExtern);
    if (peek().isDotted("alias"))
      return failAt(peek().line, "'.alias' is not supported");
    return expected("a declaration");
  }

  bool pragma() {
    take();
    if (peek().kind != Token::String)
      return expected("a string after '.pragma'");
    do
      take();
    while (accept(',') && peek().kind == Token::String);
    return expect(';');
  }

  //===--- Variables ------------------------------------------------------===//

  bool spaceOf(Space &space) {
    const Token &token = peek();
    if (token.isDotted("global"))
      space = Space::Global;
    else if (token.isDotted("shared"))
      space = Space::Shared;
    else if (token.isDotted("const"))
      space = Space::Const;
    else if (token.isDotted("local"))
      space = Space::Local;
    else if (token.isDotted("param"))
      space = Space::Param;
    else
      return expected("a state space");
    take();
    return true;
  }

  /// `.global .align 4 .v2 .f32 a[3] = {...}, b;`
  bool variables(std::vector<std::unique_ptr<Variable>> &list, Scope &scope,
                 bool isExtern) {
    Space space = Space::Global;
    if (!spaceOf(space))
      return false;
    uint64_t align = 0, lanes = 1;
    Type type = Type::None;
    if (!attributes(align, lanes, type))
      return false;
    do {
      auto variable = std::make_unique<Variable>();
      if (!declarator(*variable, space, align, lanes, type, isExtern))
        return false;
      if (accept('=') && !initializer(*variable))
        return false;
      // A declaration and its definition may both stand in a module.
      if (!isExtern && scope.variables.count(variable->name) &&
          !scope.variables[variable->name]->isExtern)
        return failAt(variable->line, "expects new names, but got '" +
                                          variable->name + "' again");
      scope.variables[variable->name] = variable.get();
      list.push_back(std::move(variable));
    } while (accept(','));
    return expect(';');
  }

  bool attributes(uint64_t &align, uint64_t &lanes, Type &type) {
    while (peek().kind == Token::Dotted) {
      std::string_view text = peek().text;
      if (text == "align") {
        take();
        int line = peek().line;
        if (!integer(align, "an alignment", 1 << 20))
          return false;
        if (!align || (align & (align - 1)))
          return failAt(line, "expects an alignment that is a power of 2, but "
                              "got " +
                                  std::to_string(align));
      } else if (text == "v2" || text == "v4") {
        lanes = text == "v2" ? 2 : 4;
        take();
      } else if (text == "ptr") {
        // .ptr .global .align 16: what a pointer parameter points at.
        take();
        uint64_t ignored = 0;
        while (peek().isDotted("global") || peek().isDotted("shared") ||
               peek().isDotted("const") || peek().isDotted("local"))
          take();
        if (acceptDotted("align") && !integer(ignored, "an alignment", 1 << 20))
          return false;
      } else if (text == "attribute" || text == "unified") {
        return failAt(peek().line,
                      "'." + std::string(text) + "' is not supported");
      } else if (typeOf(text) != Type::None) {
        type = typeOf(text);
        take();
      } else {
        return expected("a type or an alignment");
      }
    }
    if (type == Type::None)
      return expected("a type");
    if (type == Type::Pred)
      return failAt(peek().line, "expects a type that memory can hold, but got "
                                 "'.pred'");
    return true;
  }

  bool declarator(Variable &variable, Space space, uint64_t align,
                  uint64_t lanes, Type type, bool isExtern) {
    variable.line = peek().line;
    if (!word(variable.name, "a name"))
      return false;
    variable.space = space;
    variable.type = type;
    variable.isExtern = isExtern;
    uint64_t element = bitsOf(type) / 8 * lanes;
    variable.align = unsigned(align ? align : element);
    uint64_t size = element;
    while (accept('[')) {
      variable.isArray = true;
      if (accept(']')) {
        // The size comes from the initialiser, or at launch.
        size = 0;
        continue;
      }
      uint64_t count;
      if (!integer(count, "an array size", kMaxVariableBytes) || !expect(']'))
        return false;
      if (size && count > kMaxVariableBytes / size)
        return failAt(variable.line,
                      "expects '" + variable.name + "' to have at most 4 GiB");
      size *= count;
    }
    variable.size = size;
    return true;
  }

  bool initializer(Variable &variable) {
    unsigned bytes = bitsOf(variable.type) / 8;
    uint64_t used = 0;
    std::vector<uint8_t> data;
    if (peek().is('{')) {
      if (!initializerList(variable, data, bytes, 0))
        return false;
    } else if (!initializerValue(variable, data, bytes)) {
      return false;
    }
    used = data.size();
    if (!variable.size)
      variable.size = used;
    if (used > variable.size)
      return failAt(variable.line,
                    "expects at most " + std::to_string(variable.size) +
                        " bytes to initialise '" + variable.name +
                        "', but got " + std::to_string(used));
    variable.init = std::move(data);
    return true;
  }

  bool initializerList(Variable &variable, std::vector<uint8_t> &data,
                       unsigned bytes, int depth) {
    if (depth > 8)
      return failAt(peek().line, "expects initialisers of at most 8 levels");
    if (!expect('{'))
      return false;
    if (accept('}'))
      return true;
    do {
      if (peek().is('{')) {
        if (!initializerList(variable, data, bytes, depth + 1))
          return false;
      } else if (!initializerValue(variable, data, bytes)) {
        return false;
      }
    } while (accept(','));
    return expect('}');
  }

  bool initializerValue(Variable &variable, std::vector<uint8_t> &data,
                        unsigned bytes) {
    uint64_t value = 0;
    bool negative = accept('-');
    const Token &token = peek();
    if (token.kind == Token::Integer) {
      value = negative ? 0 - token.integer : token.integer;
      if (variable.type == Type::F32) {
        float f = negative ? -float(token.integer) : float(token.integer);
        uint32_t bits;
        std::memcpy(&bits, &f, 4);
        value = bits;
      } else if (variable.type == Type::F64) {
        double d = negative ? -double(token.integer) : double(token.integer);
        std::memcpy(&value, &d, 8);
      }
      take();
    } else if (token.kind == Token::Real) {
      double real = negative ? -token.real : token.real;
      if (bytes == 8) {
        std::memcpy(&value, &real, 8);
      } else if (bytes == 4) {
        float f = float(real);
        uint32_t bits;
        std::memcpy(&bits, &f, 4);
        value = bits;
      } else {
        return expected("an initialiser of the variable's type");
      }
      take();
    } else if (!negative && token.kind == Token::Word) {
      Variable::Reference reference{data.size(), "", 0, false};
      if (token.text == "generic") {
        take();
        reference.generic = true;
        if (!expect('(') || !word(reference.name, "a name") || !expect(')'))
          return false;
      } else {
        reference.name = std::string(take().text);
      }
      if (accept('+')) {
        uint64_t addend;
        if (!integer(addend, "an offset", kMaxVariableBytes))
          return false;
        reference.addend = int64_t(addend);
      }
      if (bytes != 8)
        return failAt(token.line, "expects addresses to initialise 64-bit "
                                  "variables only");
      variable.references.push_back(reference);
    } else {
      return expected("an initialiser");
    }
    if (data.size() > kMaxVariableBytes)
      return failAt(variable.line, "expects at most 4 GiB of initialisers");
    for (unsigned i = 0; i < bytes; ++i)
      data.push_back(i < 8 ? uint8_t(value >> (8 * i)) : 0);
    return true;
  }

  //===--- Functions ------------------------------------------------------===//

  bool parameterList(std::vector<std::unique_ptr<Variable>> &list,
                     Scope &scope) {
    if (!expect('('))
      return false;
    if (accept(')'))
      return true;
    do {
      auto variable = std::make_unique<Variable>();
      uint64_t align = 0, lanes = 1;
      Type type = Type::None;
      bool isRegister = peek().isDotted("reg");
      if (!peek().isDotted("param") && !isRegister)
        return expected("'.param'");
      if (isRegister)
        return failAt(peek().line, "parameters in registers are not supported");
      take();
      if (!attributes(align, lanes, type) ||
          !declarator(*variable, Space::Param, align, lanes, type, false))
        return false;
      scope.variables[variable->name] = variable.get();
      list.push_back(std::move(variable));
    } while (accept(','));
    return expect(')');
  }

  bool triple(uint32_t out[3]) {
    take();
    for (int i = 0; i < 3; ++i) {
      uint64_t value;
      if (!integer(value, "a thread count", 1u << 30))
        return false;
      out[i] = uint32_t(value);
      if (!accept(',')) {
        for (int j = i + 1; j < 3; ++j)
          out[j] = 1;
        break;
      }
    }
    return true;
  }

  bool function(bool isExtern) {
    auto owned = std::make_unique<Function>();
    fn = owned.get();
    fn->isEntry = peek().isDotted("entry");
    fn->line = take().line;
    scopes.resize(1);
    scopes.emplace_back();
    if (!fn->isEntry && peek().is('(') &&
        !parameterList(fn->results, scopes.back()))
      return false;
    if (!word(fn->name, "a function's name"))
      return false;
    if (peek().is('(') && !parameterList(fn->parameters, scopes.back()))
      return false;
    while (peek().kind == Token::Dotted) {
      uint64_t value;
      uint32_t unused[3];
      if (peek().isDotted("maxntid")) {
        if (!triple(fn->maxThreads))
          return false;
      } else if (peek().isDotted("reqntid")) {
        if (!triple(fn->requiredThreads))
          return false;
      } else if (peek().isDotted("maxnreg")) {
        take();
        if (!integer(value, "a register count", 1024))
          return false;
        fn->maxRegisters = uint32_t(value);
      } else if (peek().isDotted("minnctapersm") ||
                 peek().isDotted("maxnctapersm") ||
                 peek().isDotted("maxclusterrank")) {
        take();
        if (!integer(value, "a count", 1u << 30))
          return false;
      } else if (peek().isDotted("reqnctapercluster")) {
        if (!triple(unused))
          return false;
        if (uint64_t(unused[0]) * unused[1] * unused[2] != 1)
          return failAt(peek().line, "clusters are not supported");
      } else if (peek().isDotted("noreturn") ||
                 peek().isDotted("explicitcluster")) {
        take();
      } else if (peek().isDotted("pragma")) {
        if (!pragma())
          return false;
      } else {
        return expected("a performance directive or the function's body");
      }
    }
    if (accept(';')) {
      (void)isExtern;
      module.functions.push_back(std::move(owned));
      return true;
    }
    if (!peek().is('{'))
      return expected("'{' or ';'");
    fn->hasBody = true;
    for (auto &other : module.functions)
      if (other->name == fn->name && other->hasBody)
        return failAt(fn->line,
                      "expects new names, but got '" + fn->name + "' again");
    if (!block(0))
      return false;
    // Labels of the outermost scope.
    scopes.resize(1);
    for (size_t i = 0; i < fn->labels.size(); ++i)
      if (fn->labels[i] < 0)
        return failAt(labelLines[i],
                      "expects a label, but got '" + labelNames[i] + "'");
    labelLines.clear();
    labelNames.clear();
    module.functions.push_back(std::move(owned));
    return true;
  }

  bool block(int depth) {
    if (depth > kMaxDepth)
      return failAt(peek().line, "expects at most " +
                                     std::to_string(kMaxDepth) +
                                     " nested scopes");
    int opened = peek().line;
    if (!expect('{'))
      return false;
    scopes.emplace_back();
    if (!scanLabels())
      return false;
    while (!peek().is('}')) {
      if (peek().kind == Token::End)
        return failAt(opened, "expects '}' for the '{' of this line, but got "
                              "the end of the text");
      if (!statement(depth))
        return false;
    }
    take();
    scopes.pop_back();
    return true;
  }

  /// Registers the labels that this scope defines, so that uses before the
  /// definition find the innermost one.
  bool scanLabels() {
    int depth = 0;
    for (size_t i = at; i < tokens.size(); ++i) {
      const Token &token = tokens[i];
      if (token.is('{'))
        ++depth;
      if (token.is('}') && depth-- == 0)
        break;
      if (depth == 0 && token.kind == Token::Word && i + 1 < tokens.size() &&
          tokens[i + 1].is(':') && i > 0 &&
          (tokens[i - 1].is(';') || tokens[i - 1].is('{') ||
           tokens[i - 1].is('}') || tokens[i - 1].is(':') ||
           tokens[i - 1].line != token.line)) {
        std::string name(token.text);
        if (scopes.back().labels.count(name))
          return failAt(token.line,
                        "expects new labels, but got '" + name + "' again");
        scopes.back().labels[name] = newLabel(name, token.line);
      }
    }
    return true;
  }

  int newLabel(const std::string &name, int line) {
    fn->labels.push_back(-1);
    labelNames.push_back(name);
    labelLines.push_back(line);
    return int(fn->labels.size()) - 1;
  }

  bool registers() {
    take();
    uint64_t lanes = 1;
    if (peek().isDotted("v2") || peek().isDotted("v4"))
      return failAt(peek().line, "vector registers are not supported");
    (void)lanes;
    if (peek().kind != Token::Dotted || typeOf(peek().text) == Type::None)
      return expected("a register type");
    Type type = typeOf(take().text);
    do {
      std::string name;
      if (!word(name, "a register's name"))
        return false;
      if (accept('<')) {
        uint64_t count;
        if (!integer(count, "a number of registers", 1u << 24) || !expect('>'))
          return false;
        scopes.back().ranges[name] = {type, count};
      } else {
        fn->registers.push_back({name, type});
        scopes.back().registers[name] = int(fn->registers.size()) - 1;
      }
    } while (accept(','));
    return expect(';');
  }

  /// The register called `name`, made on its first use where it is one of a
  /// range; -1 where no scope has it.
  int lookUpRegister(const std::string &name) {
    size_t digits = name.size();
    while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9')
      --digits;
    for (size_t i = scopes.size(); i-- > 0;) {
      Scope &scope = scopes[i];
      auto exact = scope.registers.find(name);
      if (exact != scope.registers.end())
        return exact->second;
      // %r12 may be %r<..> with 12 or %r1<..> with 2.
      for (size_t cut = digits; cut < name.size(); ++cut) {
        if (name.size() - cut > 9 ||
            (name[cut] == '0' && name.size() - cut > 1))
          continue;
        auto range = scope.ranges.find(name.substr(0, cut));
        if (range == scope.ranges.end())
          continue;
        if (std::strtoull(name.c_str() + cut, nullptr, 10) >=
            range->second.second)
          continue;
        fn->registers.push_back({name, range->second.first});
        int index = int(fn->registers.size()) - 1;
        scope.registers[name] = index;
        return index;
      }
    }
    return -1;
  }

  bool statement(int depth) {
    const Token &token = peek();
    if (token.is('{'))
      return block(depth + 1);
    if (accept(';'))
      return true;
    if (token.kind == Token::Dotted) {
      if (token.text == "reg")
        return registers();
      if (token.text == "loc" || token.text == "file") {
        skipLine();
        return true;
      }
      if (token.text == "pragma")
        return pragma();
      if (token.text == "local" || token.text == "shared" ||
          token.text == "param" || token.text == "global" ||
          token.text == "const")
        return variables(fn->variables, scopes.back(), false);
      if (token.text == "extern") {
        take();
        return variables(fn->variables, scopes.back(), true);
      }
      return expected("a statement");
    }
    // LABEL: or `LABEL: .branchtargets A, B;`
    if (token.kind == Token::Word && peek(1).is(':')) {
      std::string name(take().text);
      take();
      auto found = scopes.back().labels.find(name);
      if (found == scopes.back().labels.end())
        return failAt(token.line, "expects a label at the start of a "
                                  "statement, but got '" +
                                      name + "'");
      fn->labels[size_t(found->second)] = int(fn->body.size());
      if (acceptDotted("branchtargets"))
        return branchTargets(found->second);
      if (peek().isDotted("callprototype") || peek().isDotted("calltargets"))
        return failAt(peek().line, "indirect calls are not supported");
      return true;
    }
    return instruction();
  }

  bool branchTargets(int label) {
    Function::Table table{label, {}};
    do {
      std::string name;
      int line = peek().line;
      if (!word(name, "a label"))
        return false;
      int target = lookUpLabel(name);
      if (target < 0)
        return failAt(line, "expects a label, but got '" + name + "'");
      table.targets.push_back(target);
    } while (accept(','));
    fn->tables.push_back(std::move(table));
    return expect(';');
  }

  int lookUpLabel(const std::string &name) {
    for (size_t i = scopes.size(); i-- > 0;) {
      auto found = scopes[i].labels.find(name);
      if (found != scopes[i].labels.end())
        return found->second;
    }
    return -1;
  }

  bool instruction() {
    Statement s;
    size_t first = at;
    s.line = peek().line;
    if (accept('@')) {
      s.guardNegated = accept('!');
      std::string name;
      int line = peek().line;
      if (!word(name, "a predicate"))
        return false;
      s.guard = lookUpRegister(name);
      if (s.guard < 0 || fn->registers[size_t(s.guard)].type != Type::Pred)
        return failAt(line,
                      "expects a predicate register, but got '" + name + "'");
    }
    s.line = peek().line;
    if (!word(s.opcode, "an instruction"))
      return false;
    while (peek().kind == Token::Dotted)
      s.modifiers.emplace_back(take().text);
    if (!peek().is(';')) {
      do {
        Operand operand;
        if (!parseOperand(operand, 0))
          return false;
        s.operands.push_back(std::move(operand));
      } while (accept(','));
    }
    size_t last = peek().begin;
    if (!expect(';'))
      return false;
    s.text =
        squeeze(std::string_view(module.source)
                    .substr(tokens[first].begin, last - tokens[first].begin));
    fn->body.push_back(std::move(s));
    return true;
  }

  /// White space as single blanks, comments cut off, at most 160 characters.
  static std::string squeeze(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size() && out.size() < 160; ++i) {
      char c = text[i];
      if (c == '/' && i + 1 < text.size() && text[i + 1] == '/') {
        while (i < text.size() && text[i] != '\n')
          ++i;
        c = ' ';
      }
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        if (!out.empty() && out.back() != ' ')
          out += ' ';
      } else {
        out += c;
      }
    }
    while (!out.empty() && out.back() == ' ')
      out.pop_back();
    return out;
  }

  bool parseOperand(Operand &operand, int depth) {
    if (depth > 4)
      return failAt(peek().line, "expects operands of at most 4 levels");
    const Token &token = peek();
    if (accept('{')) {
      operand.kind = Operand::Vector;
      do {
        Operand part;
        if (!parseOperand(part, depth + 1))
          return false;
        operand.parts.push_back(std::move(part));
      } while (accept(','));
      return expect('}');
    }
    if (accept('(')) {
      operand.kind = Operand::List;
      if (accept(')'))
        return true;
      do {
        Operand part;
        if (!parseOperand(part, depth + 1))
          return false;
        operand.parts.push_back(std::move(part));
      } while (accept(','));
      return expect(')');
    }
    if (accept('['))
      return address(operand, depth);
    bool negated = accept('!');
    if (negated || token.kind == Token::Word) {
      if (!named(operand))
        return false;
      operand.negated = negated;
      if (negated && operand.kind != Operand::Reg)
        return failAt(token.line, "expects a predicate after '!'");
      if (peek().is('|')) {
        take();
        Operand pair;
        pair.kind = Operand::Pair;
        pair.parts.push_back(std::move(operand));
        Operand second;
        if (!named(second))
          return false;
        pair.parts.push_back(std::move(second));
        operand = std::move(pair);
        return true;
      }
      if (operand.kind == Operand::Symbol && (peek().is('+') || peek().is('-')))
        return offset(operand);
      return true;
    }
    return immediate(operand);
  }

  bool immediate(Operand &operand) {
    bool negative = false, inverted = false;
    while (peek().is('-') || peek().is('+') || peek().is('~')) {
      if (peek().is('-'))
        negative = !negative;
      inverted |= peek().is('~');
      take();
    }
    const Token &token = peek();
    if (token.kind == Token::Integer) {
      operand.kind = Operand::Imm;
      operand.value = negative ? 0 - token.integer : token.integer;
      if (inverted)
        operand.value = ~operand.value;
      take();
      return true;
    }
    if (token.kind == Token::Real && !inverted) {
      operand.kind = Operand::FloatImm;
      operand.real = negative ? -token.real : token.real;
      operand.written = token.written;
      operand.bits32 = uint32_t(token.integer);
      operand.bits64 = token.integer;
      if (negative) {
        operand.bits32 ^= 0x80000000u;
        operand.bits64 ^= uint64_t(1) << 63;
      }
      take();
      return true;
    }
    return expected("an operand");
  }

  bool offset(Operand &operand) {
    bool minus = peek().is('-');
    take();
    // [%r1+-4] is how NVPTX writes a negative offset.
    while (peek().is('-') || peek().is('+')) {
      minus ^= peek().is('-');
      take();
    }
    uint64_t value;
    if (!integer(value, "an offset", ~uint64_t(0)))
      return false;
    operand.value += minus ? 0 - value : value;
    return true;
  }

  bool address(Operand &operand, int depth) {
    operand.kind = Operand::Address;
    Operand base;
    if (peek().kind == Token::Word) {
      if (!named(base))
        return false;
      if ((peek().is('+') || peek().is('-')) && !offset(operand))
        return false;
      operand.parts.push_back(std::move(base));
      while (accept(',')) {
        // [tensor map, {coordinates}]
        Operand more;
        if (!parseOperand(more, depth + 1))
          return false;
        operand.parts.push_back(std::move(more));
      }
      return expect(']');
    }
    if (!immediate(base))
      return false;
    if (base.kind != Operand::Imm)
      return expected("an address");
    operand.value = base.value;
    return expect(']');
  }

  /// A register, special register, variable, function or label.
  bool named(Operand &operand) {
    const Token &token = peek();
    std::string name;
    if (!word(name, "a name"))
      return false;
    if (name == "_") {
      operand.kind = Operand::Sink;
      return true;
    }
    int reg = lookUpRegister(name);
    if (reg >= 0) {
      if (peek().kind == Token::Dotted)
        return failAt(peek().line, "vector registers are not supported");
      operand.kind = Operand::Reg;
      operand.index = reg;
      operand.name = name;
      return true;
    }
    for (size_t i = scopes.size(); i-- > 0;) {
      auto found = scopes[i].variables.find(name);
      if (found != scopes[i].variables.end()) {
        operand.kind = Operand::Symbol;
        operand.variable = found->second;
        operand.name = name;
        return true;
      }
    }
    if (name[0] == '%') {
      operand.kind = Operand::Sreg;
      operand.name = name;
      if (peek().kind == Token::Dotted)
        operand.name += "." + std::string(take().text);
      return true;
    }
    if (name == "WARP_SZ") {
      operand.kind = Operand::Imm;
      operand.value = 32;
      return true;
    }
    operand.kind = Operand::Symbol;
    operand.name = name;
    operand.label = lookUpLabel(name);
    if (operand.label < 0) {
      bool known = name == fn->name;
      for (auto &function : module.functions)
        known |= function->name == name;
      if (!known)
        return failAt(token.line, "expects a name that is declared, but got '" +
                                      name + "'");
    }
    return true;
  }

  std::vector<Token> tokens;
  Module &module;
  PtxError &error;
  size_t at = 0;
  std::vector<Scope> scopes;
  Function *fn = nullptr;
  std::vector<std::string> labelNames;
  std::vector<int> labelLines;
};
} // namespace

bool attn::emu::parseModule(std::string_view text, Module &module,
                            PtxError &error) {
  module.source = std::string(text);
  size_t begin = 0;
  while (begin <= module.source.size()) {
    size_t end = module.source.find('\n', begin);
    if (end == std::string::npos)
      end = module.source.size();
    module.lines.push_back(module.source.substr(begin, end - begin));
    begin = end + 1;
  }
  std::vector<Token> tokens;
  if (!tokenize(module.source, tokens, error))
    return false;
  return Parser(std::move(tokens), module, error).run();
}
