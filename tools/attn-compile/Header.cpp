//===- Header.cpp - The C header beside a package ---------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Header.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <vector>

/// `name` as a C identifier, and unlike the ones in `taken`.
static std::string identifier(llvm::StringRef name, llvm::StringSet<> &taken) {
  static const llvm::StringSet<> keywords = {
      "auto",     "bool",     "break",    "case",     "char",    "class",
      "const",    "continue", "default",  "delete",   "do",      "double",
      "else",     "enum",     "extern",   "float",    "for",     "goto",
      "if",       "inline",   "int",      "long",     "new",     "operator",
      "private",  "public",   "register", "restrict", "return",  "short",
      "signed",   "sizeof",   "static",   "struct",   "switch",  "template",
      "this",     "typedef",  "union",    "unsigned", "virtual", "void",
      "volatile", "while",    "package",  "dims",     "options", "args",
      "results",  "entry"};
  std::string text;
  for (char c : name)
    text += llvm::isAlnum(c) ? c : '_';
  if (text.empty() || llvm::isDigit(text[0]))
    text = "_" + text;
  while (keywords.contains(text) || taken.contains(text))
    text += '_';
  taken.insert(text);
  return text;
}

namespace {
struct Tensor {
  std::string name;
  /// "f32[?, 8, ?, 64]"
  std::string type;
  size_t rank;
};
} // namespace

static std::vector<Tensor> readTensors(const llvm::json::Object &entry,
                                       llvm::StringRef key,
                                       llvm::StringSet<> &taken) {
  std::vector<Tensor> tensors;
  for (const llvm::json::Value &value : *entry.getArray(key)) {
    const llvm::json::Object &tensor = *value.getAsObject();
    std::string type = tensor.getString("dtype")->str() + "[";
    const llvm::json::Array &shape = *tensor.getArray("shape");
    for (size_t i = 0; i < shape.size(); ++i) {
      int64_t dim = *shape[i].getAsInteger();
      type += (i ? ", " : "") + (dim < 0 ? "?" : std::to_string(dim));
    }
    tensors.push_back({identifier(*tensor.getString("name"), taken), type + "]",
                       shape.size()});
  }
  return tensors;
}

static void writeEntry(llvm::raw_ostream &os, const llvm::json::Object &entry) {
  std::string name = entry.getString("name")->str();
  llvm::StringSet<> taken;
  std::vector<Tensor> args = readTensors(entry, "args", taken);
  std::vector<Tensor> results = readTensors(entry, "results", taken);
  size_t dims = 0;
  for (const Tensor &result : results)
    dims += result.rank;

  auto list = [&](llvm::StringRef what, const std::vector<Tensor> &tensors) {
    for (const Tensor &tensor : tensors)
      os << " *   " << what << ' ' << tensor.name << ": " << tensor.type
         << '\n';
  };
  auto parameters = [&](llvm::StringRef type,
                        const std::vector<Tensor> &tensors) {
    for (const Tensor &tensor : tensors)
      os << ", " << type << " *" << tensor.name;
  };
  auto array = [&](llvm::StringRef type, llvm::StringRef array,
                   const std::vector<Tensor> &tensors) {
    os << "  " << type << " *const " << array << "[] = {";
    for (size_t i = 0; i < tensors.size(); ++i)
      os << (i ? ", " : "") << tensors[i].name;
    // C has no empty arrays.
    os << (tensors.empty() ? "0};\n" : "};\n");
  };

  os << "\n/* " << name << '\n';
  list("in ", args);
  list("out", results);
  os << " */\n";
  std::string upper = llvm::StringRef(name).upper();
  os << "#define ATTN_" << upper << "_DIMS " << dims
     << " /* sizes of all results, concatenated */\n\n";
  os << "static inline int attn_" << name << "_shapes(AttnPackage *package";
  parameters("const DLTensor", args);
  os << ",\n    int64_t *dims /* ATTN_" << upper << "_DIMS */) {\n";
  array("const DLTensor", "args", args);
  os << "  return attnResultShapes(package, attnPackageFindEntry(package, \""
     << name << "\"),\n                          args, " << args.size()
     << ", dims);\n}\n\n";
  os << "static inline int attn_" << name << "_invoke(AttnPackage *package";
  parameters("const DLTensor", args);
  parameters("DLTensor", results);
  os << ",\n    const AttnInvokeOptions *options /* may be NULL */) {\n";
  array("const DLTensor", "args", args);
  array("DLTensor", "results", results);
  os << "  return attnInvoke(package, attnPackageFindEntry(package, \"" << name
     << "\"), args, " << args.size() << ",\n                    results, "
     << results.size() << ", options, 0);\n}\n";
}

std::string makeHeader(llvm::StringRef entriesJson, llvm::StringRef name,
                       llvm::StringRef target) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::Expected<llvm::json::Value> parsed = llvm::json::parse(entriesJson);
  if (!parsed) {
    llvm::consumeError(parsed.takeError());
    return text;
  }
  const llvm::json::Array &entries = *parsed->getAsArray();
  std::string first = entries[0].getAsObject()->getString("name")->str();
  llvm::StringSet<> none;
  std::string guard =
      "ATTN_PACKAGE_" +
      llvm::StringRef(identifier(name.rsplit('.').first, none)).upper() + "_H";

  os << "/* Entries of the package " << name << ", written by attn-compile "
     << ATTN_VERSION << " for target " << target
     << ".\n"
        " *\n"
        " * The package needs libattnrt and nothing else (cc program.c "
        "-lattnrt):\n"
        " *\n"
        " *   AttnPackage *package;\n"
        " *   int64_t dims[ATTN_"
     << llvm::StringRef(first).upper()
     << "_DIMS];\n"
        " *   if (attnPackageOpen(\"./"
     << name
     << "\", &package) ||\n"
        " *       attn_"
     << first
     << "_shapes(package, <inputs>, dims))\n"
        " *     puts(attnLastError());\n"
        " *   ... make results of the sizes in dims ...\n"
        " *   if (attn_"
     << first
     << "_invoke(package, <inputs>, <results>, NULL))\n"
        " *     puts(attnLastError());\n"
        " *   attnPackageClose(package);\n"
        " *\n"
        " * Functions return 0 or an AttnStatus. */\n\n"
     << "#ifndef " << guard << "\n#define " << guard
     << "\n\n#include \"attn-c/Runtime.h\"\n";
  for (const llvm::json::Value &entry : entries)
    writeEntry(os, *entry.getAsObject());
  os << "\n#endif\n";
  return text;
}
