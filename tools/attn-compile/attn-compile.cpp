//===- attn-compile.cpp - Ahead-of-time compiler ----------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a program to a package, or to any stage on the way. A client of the C
// API like any other.
//===----------------------------------------------------------------------===//

#include "Header.h"

#include "attn-c/Compiler.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace cl = llvm::cl;

static cl::OptionCategory category("attn-compile options");

static cl::opt<std::string> input(cl::Positional, cl::desc("FILE.mlir"),
                                  cl::init("-"), cl::cat(category));
static cl::opt<std::string>
    output("o",
           cl::desc("Where to write (default: FILE.so for a package, standard "
                    "output for all else)"),
           cl::value_desc("file"), cl::cat(category));
static cl::opt<std::string> header(
    "header",
    cl::desc("Also write a C header with the package's functions and how "
             "to call them"),
    cl::value_desc("file"), cl::cat(category));
static cl::opt<std::string>
    target("target",
           cl::desc("host (all that this CPU has), or any CPU of a class: "
                    "avx512bf16, avx512, avx2, sse4, neon, generic; or a GPU: cuda, sm_80, "
                    "sm_86, sm_89, sm_90"),
           cl::value_desc("name"), cl::init("host"), cl::cat(category));

namespace {
/// AttnEmitKind, and what this tool adds to it.
enum class Emit : int {
  Attn = ATTN_EMIT_ATTN,
  Scheduled = ATTN_EMIT_SCHEDULED,
  Planned = ATTN_EMIT_PLANNED,
  Bufferized = ATTN_EMIT_BUFFERIZED,
  Lowered = ATTN_EMIT_LOWERED,
  LLVMDialect = ATTN_EMIT_LLVM_DIALECT,
  LLVMIR = ATTN_EMIT_LLVM_IR,
  Asm = ATTN_EMIT_ASM,
  Object = ATTN_EMIT_OBJECT,
  Ptx = ATTN_EMIT_PTX,
  Cubin = ATTN_EMIT_CUBIN,
  Package
};
} // namespace

static cl::opt<Emit> emit(
    "emit", cl::desc("What to write:"), cl::init(Emit::Package),
    cl::cat(category),
    cl::values(
        clEnumValN(Emit::Package, "package",
                   "a shared object that libattnrt loads"),
        clEnumValN(Emit::Object, "obj", "an ELF object, not linked"),
        clEnumValN(Emit::Asm, "asm", "assembly"),
        clEnumValN(Emit::Ptx, "ptx", "a GPU's kernels as PTX"),
        clEnumValN(Emit::Cubin, "cubin", "a GPU's kernels, assembled by ptxas"),
        clEnumValN(Emit::LLVMIR, "llvm", "LLVM IR, optimized"),
        clEnumValN(Emit::LLVMDialect, "mlir", "MLIR's LLVM dialect"),
        clEnumValN(Emit::Lowered, "lowered", "key loops as scf and vector"),
        clEnumValN(Emit::Bufferized, "bufferized", "key loops on buffers"),
        clEnumValN(Emit::Planned, "planned", "key loops on tensors"),
        clEnumValN(Emit::Scheduled, "scheduled",
                   "attn with a schedule on every attention"),
        clEnumValN(Emit::Attn, "attn", "the program, parsed and verified")));
static cl::opt<unsigned> optLevel("O", cl::Prefix,
                                  cl::desc("LLVM's optimization level, 0 to 3"),
                                  cl::value_desc("level"), cl::init(3),
                                  cl::cat(category));
static cl::opt<bool>
    explain("explain",
            cl::desc("Print as JSON how each attention will be "
                     "computed, and write nothing"),
            cl::cat(category));
static cl::opt<bool>
    showTime("time",
             cl::desc("Print the seconds of each stage to standard error"),
             cl::cat(category));

static cl::extrahelp examples(R"(
EXAMPLES:

  attn-compile attention.mlir -o attention.so --header attention.h
      A package and its header. A C program that includes the header and links
      libattnrt runs it; neither LLVM nor this compiler has to be there.
  attn-compile attention.mlir -o any.so --target=avx2
      For any CPU with AVX2 and FMA.
  attn-compile attention.mlir --emit=asm | less
  attn-compile attention.mlir --explain
  attn-compile attention.mlir --target=sm_80 --emit=ptx -o kernels.ptx

  FILE.mlir is text or bytecode of at most 64 MiB; '-' is standard input. Every
  public function becomes an entry; its arguments and results are tensors.
)");

static int fail(const llvm::Twine &text) {
  llvm::errs() << "attn-compile: error: " << text << '\n';
  return 1;
}

/// Writes beside and renames, so that there is never half a file.
static int writeFile(llvm::StringRef path, llvm::StringRef text) {
  std::string beside = (path + "." + llvm::Twine(getpid()) + ".tmp").str();
  FILE *file = fopen(beside.c_str(), "wbx");
  int error = file ? 0 : errno;
  if (file) {
    if (fwrite(text.data(), 1, text.size(), file) != text.size())
      error = errno;
    if (fclose(file) != 0 && !error)
      error = errno;
    if (!error && rename(beside.c_str(), path.str().c_str()) != 0)
      error = errno;
    if (error)
      unlink(beside.c_str());
  }
  return error ? fail("expects to write '" + path +
                      "', but got: " + strerror(error))
               : 0;
}

static int writeText(llvm::StringRef path, llvm::StringRef text) {
  if (path.empty() || path == "-") {
    if (fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
        fflush(stdout) != 0)
      return fail(llvm::Twine("expects to write standard output, but got: ") +
                  strerror(errno));
    return 0;
  }
  // A device or a pipe cannot be replaced by a rename.
  llvm::sys::fs::file_status status;
  if (!llvm::sys::fs::status(path, status) &&
      !llvm::sys::fs::is_regular_file(status)) {
    FILE *file = fopen(path.str().c_str(), "wb");
    int error = file ? 0 : errno;
    if (file && fwrite(text.data(), 1, text.size(), file) != text.size())
      error = errno;
    if (file && fclose(file) != 0 && !error)
      error = errno;
    return error ? fail("expects to write '" + path +
                        "', but got: " + strerror(error))
                 : 0;
  }
  return writeFile(path, text);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(
      argc, argv, "attn-compile: compiles attention programs ahead of time\n");

  // The size first, so that a huge file is not read to be refused.
  uint64_t size = 0;
  constexpr uint64_t kMaxBytes = uint64_t(64) << 20;
  if (input != "-" && !llvm::sys::fs::file_size(input, size) &&
      size > kMaxBytes)
    return fail(input + ": expects at most " + llvm::Twine(kMaxBytes) +
                " bytes, but got " + llvm::Twine(size));
  auto source = llvm::MemoryBuffer::getFileOrSTDIN(input);
  if (!source)
    return fail("expects a readable file, but got '" + input +
                "': " + source.getError().message());
  llvm::StringRef program = (*source)->getBuffer();

  AttnCompileOptions options = {};
  options.target = target.c_str();
  options.opt_level = static_cast<int>(optLevel);
  options.verify = 1;
  std::string name = input == "-" ? "<stdin>" : input.getValue();
  options.name = name.c_str();

  if (explain) {
    AttnString json;
    if (attnExplain(program.data(), program.size(), &options, &json) != 0)
      return fail(attnCompilerLastError());
    int status = writeText(output, std::string(json.data, json.size) + "\n");
    attnStringFree(&json);
    return status;
  }

  std::string path = output;
  if (emit == Emit::Package) {
    if (path.empty()) {
      if (input == "-")
        return fail("expects '-o FILE' when the program comes from standard "
                    "input");
      path = llvm::sys::path::stem(input).str() + ".so";
    }
    if (attnCompileToFile(program.data(), program.size(), &options,
                          path.c_str()) != 0)
      return fail(attnCompilerLastError());
  } else {
    AttnString text;
    if (attnEmit(program.data(), program.size(), &options,
                 static_cast<AttnEmitKind>(emit.getValue()), &text) != 0)
      return fail(attnCompilerLastError());
    int status = writeText(path, llvm::StringRef(text.data, text.size));
    attnStringFree(&text);
    if (status)
      return status;
  }
  if (showTime)
    llvm::errs() << attnCompileTimes() << '\n';

  if (!header.empty()) {
    AttnString entries;
    if (attnSignature(program.data(), program.size(), nullptr, &entries) != 0)
      return fail(attnCompilerLastError());
    std::string text = makeHeader(llvm::StringRef(entries.data, entries.size),
                                  llvm::sys::path::filename(path), target);
    attnStringFree(&entries);
    return writeText(header, text);
  }
  return 0;
}
