//===- CodeGen.cpp - From the LLVM dialect to machine code ------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Detail.h"
#include "attn/Target/Package.h"

#include "mlir/Target/LLVMIR/Export.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

using namespace attn;

static constexpr llvm::StringLiteral kDescriptionSymbol = "attn_package_json";

std::string CompileTimes::json() const {
  return llvm::formatv("{{\"parse\": {0:f5}, \"passes\": {1:f5}, "
                       "\"translate\": {2:f5}, \"optimize\": {3:f5}, "
                       "\"codegen\": {4:f5}, \"link\": {5:f5}, "
                       "\"total\": {6:f5}}",
                       parse, passes, translate, optimize, codegen, link,
                       parse + passes + translate + optimize + codegen + link)
      .str();
}

std::string attn::describePackage(const TargetSpec &target,
                                  llvm::StringRef sourceText,
                                  llvm::json::Array entries) {
  auto digest = llvm::SHA256::hash(llvm::ArrayRef(
      reinterpret_cast<const uint8_t *>(sourceText.data()), sourceText.size()));
  llvm::json::Object description{
      {"format", 1},
      {"version", ATTN_VERSION},
      {"llvm", LLVM_VERSION_STRING},
      {"target", target.gpu.empty() ? target.isa : "cuda"},
      {"cpu", target.cpu},
      {"features", target.features},
      {"ir_sha256", llvm::toHex(digest, /*LowerCase=*/true)},
      {"entries", std::move(entries)}};
  if (!target.gpu.empty())
    description["arch"] = target.gpu;
  return llvm::formatv("{0}", llvm::json::Value(std::move(description))).str();
}

static bool isExported(llvm::StringRef name) {
  return name.starts_with("attn_entry_") || name.starts_with("attn_shape_") ||
         name == kDescriptionSymbol;
}

/// Adds the description and closes the module: what is not the package's
/// interface may be inlined, changed or dropped.
static void finishModule(llvm::Module &module, llvm::StringRef description) {
  if (!description.empty()) {
    auto *text = llvm::ConstantDataArray::getString(module.getContext(),
                                                    description, true);
    new llvm::GlobalVariable(module, text->getType(), /*isConstant=*/true,
                             llvm::GlobalValue::ExternalLinkage, text,
                             kDescriptionSymbol);
  }
  for (llvm::GlobalValue &value : module.global_values()) {
    if (value.isDeclaration())
      continue;
    if (isExported(value.getName())) {
      value.setLinkage(llvm::GlobalValue::ExternalLinkage);
      value.setVisibility(llvm::GlobalValue::DefaultVisibility);
    } else {
      value.setLinkage(llvm::GlobalValue::InternalLinkage);
    }
  }
  for (llvm::Function &function : module) {
    // The runtime leaves failed calls by longjmp; nothing unwinds.
    function.setDoesNotThrow();
    function.addFnAttr("no-trapping-math", "true");
    // Full vectors where the CPU has them; LLVM prefers half on some.
    if (!function.isDeclaration())
      function.addFnAttr("prefer-vector-width", "512");
  }
}

static void optimize(llvm::Module &module, llvm::TargetMachine *machine,
                     unsigned optLevel) {
  if (optLevel == 0)
    return;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  // The kernels come unrolled as far as it pays. Unrolling them again takes a
  // quarter of the compile time and gains nothing that could be measured.
  llvm::PipelineTuningOptions tuning;
  tuning.LoopUnrolling = false;
  llvm::PassBuilder builder(machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  static const llvm::OptimizationLevel levels[] = {
      llvm::OptimizationLevel::O0, llvm::OptimizationLevel::O1,
      llvm::OptimizationLevel::O2, llvm::OptimizationLevel::O3};
  builder.buildPerModuleDefaultPipeline(levels[std::min(optLevel, 3u)])
      .run(module, modules);
}

/// What an object may leave to the libraries that a package loads with.
static bool isProvided(llvm::StringRef symbol) {
  static const llvm::StringSet<> fromC = {
      "memcpy",        "memmove",    "memset", "memcmp",
      "bcmp",          "memrefCopy", "malloc", "free",
      "aligned_alloc", "abort",      "printf", "_GLOBAL_OFFSET_TABLE_"};
  static const llvm::StringSet<> fromMath = {
      "exp",   "exp2",  "exp10", "expm1", "log",   "log2",      "log10",
      "log1p", "pow",   "sin",   "cos",   "tan",   "sincos",    "asin",
      "acos",  "atan",  "atan2", "sinh",  "cosh",  "tanh",      "asinh",
      "acosh", "atanh", "sqrt",  "cbrt",  "erf",   "erfc",      "fma",
      "floor", "ceil",  "trunc", "rint",  "round", "roundeven", "nearbyint",
      "fmod",  "fmin",  "fmax",  "fabs",  "ldexp", "frexp",     "copysign",
      "hypot", "lrint", "llrint"};
  if (symbol.starts_with("attnrt_") ||
      symbol.starts_with("_mlir_memref_to_llvm_") || fromC.contains(symbol))
    return true;
  return fromMath.contains(symbol) ||
         (symbol.ends_with("f") && fromMath.contains(symbol.drop_back()));
}

static bool checkSymbols(llvm::ArrayRef<char> object, Fault &fault) {
  auto parsed =
      llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(
          llvm::StringRef(object.data(), object.size()), "package"));
  if (!parsed)
    return fault.set(FaultClass::Compile, llvm::toString(parsed.takeError()));
  std::string missing;
  for (const llvm::object::SymbolRef &symbol : (*parsed)->symbols()) {
    llvm::Expected<uint32_t> flags = symbol.getFlags();
    llvm::Expected<llvm::StringRef> name = symbol.getName();
    if (!flags || !name) {
      llvm::consumeError(flags.takeError());
      llvm::consumeError(name.takeError());
      continue;
    }
    if ((*flags & llvm::object::SymbolRef::SF_Undefined) && !name->empty() &&
        !isProvided(*name))
      missing += (missing.empty() ? "" : ", ") + name->str();
  }
  if (missing.empty())
    return true;
  return fault.set(FaultClass::Compile,
                   "expects code that calls libattnrt and the C library only, "
                   "but got calls of: " +
                       missing);
}

bool attn::generateCode(mlir::ModuleOp lowered, const TargetSpec &target,
                        unsigned optLevel, llvm::StringRef description,
                        CodeForm form, llvm::SmallVectorImpl<char> &out,
                        CompileTimes &times, Fault &fault) {
  std::unique_ptr<llvm::TargetMachine> machine =
      makeTargetMachine(target, optLevel, fault);
  if (!machine)
    return false;

  Stopwatch watch;
  llvm::LLVMContext context;
  context.setDiagnosticHandler(std::make_unique<ErrorHandler>(fault));
  std::unique_ptr<llvm::Module> module =
      mlir::translateModuleToLLVMIR(lowered, context, "attn_package");
  if (!module)
    return fault.set(FaultClass::Compile,
                     "the lowered program does not translate to LLVM IR");
  module->setTargetTriple(machine->getTargetTriple());
  module->setDataLayout(machine->createDataLayout());
  finishModule(*module, description);
  times.translate += watch.lap();
  optimize(*module, machine.get(), optLevel);
  times.optimize += watch.lap();

  llvm::raw_svector_ostream os(out);
  if (form == CodeForm::LLVMIR) {
    module->print(os, nullptr);
    return !fault;
  }
  llvm::legacy::PassManager passes;
  passes.add(llvm::createTargetTransformInfoWrapperPass(
      machine->getTargetIRAnalysis()));
  if (machine->addPassesToEmitFile(passes, os, nullptr,
                                   form == CodeForm::Object
                                       ? llvm::CodeGenFileType::ObjectFile
                                       : llvm::CodeGenFileType::AssemblyFile))
    return fault.set(FaultClass::Compile,
                     "LLVM cannot write objects for " + target.triple);
  passes.run(*module);
  times.codegen += watch.lap();
  return !fault && (form != CodeForm::Object || checkSymbols(out, fault));
}
