//===- Program.cpp - A file and the ways to run it ------------------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled backends go through the C API, as Python does: compile to a package
// file, open it, invoke it, on the CPU or on a device.
//===----------------------------------------------------------------------===//

#include "Program.h"

#include "attn-c/Compiler.h"
#include "attn-c/Runtime.h"
#include "attn/InitAll.h"
#include "attn/Support/ParseIR.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"

#include <chrono>
#include <cstdlib>
#include <cstring>

using namespace attnrun;
using namespace mlir;
using namespace mlir::attn;

static llvm::Error fail(const llvm::Twine &text) {
  return llvm::createStringError("error: " + text);
}

//===----------------------------------------------------------------------===//
// Program
//===----------------------------------------------------------------------===//

llvm::Expected<std::unique_ptr<Program>> Program::load(llvm::StringRef path) {
  DialectRegistry registry;
  ::attn::registerAllDialects(registry);
  ::attn::Limits limits;
  ::attn::Fault fault;
  auto program = std::make_unique<Program>();
  program->source = ::attn::readSource(path, registry, limits, fault);
  if (!program->source)
    return llvm::createStringError(fault.text);
  program->context =
      std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  ::attn::DiagnosticLog log(program->context.get(), program->source.get());
  program->parsed = ::attn::parseIR(*program->source, program->context.get(),
                                    log, limits, fault);
  if (!program->parsed)
    return llvm::createStringError(fault.text);
  return program;
}

SmallVector<func::FuncOp> Program::entries() const {
  SmallVector<func::FuncOp> functions;
  for (auto function : module().getOps<func::FuncOp>())
    if (function.isPublic() && !function.isExternal())
      functions.push_back(function);
  return functions;
}

llvm::Expected<func::FuncOp> Program::entry(llvm::StringRef name) const {
  SmallVector<func::FuncOp> functions = entries();
  std::string names;
  for (func::FuncOp function : functions) {
    if (function.getName() == (name.empty() ? "main" : name))
      return function;
    names += (names.empty() ? "" : ", ") + function.getName().str();
  }
  if (name.empty() && functions.size() == 1)
    return functions.front();
  if (functions.empty())
    return fail("expects a public function with a body, but got none");
  return fail(
      name.empty()
          ? "expects --entry, a function called main or a single public "
            "function, but got " +
                names
          : "expects --entry to name one of " + names + ", but got '" +
                name.str() + "'");
}

static double secondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

//===----------------------------------------------------------------------===//
// The oracle
//===----------------------------------------------------------------------===//

namespace {
class OracleBackend : public Backend {
public:
  explicit OracleBackend(const Program &program) : program(program) {}

  llvm::Expected<Outcome> run(func::FuncOp entry, llvm::ArrayRef<Array> args,
                              int repeat) override {
    Outcome outcome;
    for (int n = 0; n < repeat; ++n) {
      auto start = std::chrono::steady_clock::now();
      auto results = interpret(program.module(), entry.getName(), args);
      if (!results)
        return results.takeError();
      outcome.seconds.push_back(secondsSince(start));
      outcome.results = std::move(*results);
    }
    return outcome;
  }

  llvm::Expected<SmallVector<Array>> toJudge(func::FuncOp entry,
                                             llvm::ArrayRef<Array> args,
                                             const Outcome &) override {
    InterpretOptions options;
    options.arithmetic = Arithmetic::Plain;
    return interpret(program.module(), entry.getName(), args, options);
  }

private:
  const Program &program;
};

//===----------------------------------------------------------------------===//
// Compiled code
//===----------------------------------------------------------------------===//

/// Memory for one tensor in its own type, aligned as a vector unit likes it,
/// and its description. For a CUDA device there is memory on it as well.
class Buffer {
public:
  Buffer(DType dtype, llvm::ArrayRef<int64_t> sizes, bool onCuda)
      : shape(sizes) {
    Array sized;
    sized.shape.assign(sizes.begin(), sizes.end());
    bytes =
        llvm::alignTo(std::max<int64_t>(sized.size(), 1) * byteSize(dtype), 64);
    data = std::aligned_alloc(64, bytes);
    tensor = {};
    tensor.data = data;
    tensor.device = {kDLCPU, 0};
    if (onCuda) {
      if (attnDeviceAlloc("cuda", static_cast<int64_t>(bytes), &far))
        far = nullptr;
      tensor.data = far;
      tensor.device.device_type = kDLCUDA;
    }
    tensor.ndim = static_cast<int32_t>(shape.size());
    tensor.dtype = typeOf(dtype);
    tensor.shape = shape.data();
  }
  ~Buffer() {
    if (far)
      attnDeviceFree("cuda", far);
    std::free(data);
  }
  Buffer(const Buffer &) = delete;

  /// Brings the bytes to where the package reads them, and back.
  bool send() {
    return tensor.data &&
           (!far || !attnDeviceCopyIn("cuda", far, data, int64_t(bytes)));
  }
  bool fetch() {
    return !far || !attnDeviceCopyOut("cuda", data, far, int64_t(bytes));
  }

  SmallVector<int64_t> shape;
  size_t bytes;
  void *data;
  void *far = nullptr;
  DLTensor tensor;

private:
  static DLDataType typeOf(DType dtype) {
    uint8_t code = dtype == DType::BF16 ? kDLBfloat
                   : isFloat(dtype)     ? kDLFloat
                   : dtype == DType::I1 ? kDLBool
                                        : kDLInt;
    return {code, static_cast<uint8_t>(8 * byteSize(dtype)), 1};
  }
};

class CompiledBackend : public Backend {
public:
  CompiledBackend(const Program &program, const BackendOptions &options)
      : program(program), options(options), target(options.target) {
    if (options.name != "cpu") {
      device = options.name;
      if (target.empty())
        target = "cuda";
    }
  }
  bool hasMatrixUnits() const override { return !device.empty(); }
  ~CompiledBackend() override {
    attnPackageClose(package);
    if (!path.empty())
      llvm::sys::fs::remove(path);
  }

  llvm::Expected<Outcome> run(func::FuncOp entry, llvm::ArrayRef<Array> args,
                              int repeat) override;

  llvm::Expected<SmallVector<Array>> toJudge(func::FuncOp,
                                             llvm::ArrayRef<Array>,
                                             const Outcome &outcome) override {
    return outcome.results;
  }

private:
  llvm::Error compile();

  const Program &program;
  const BackendOptions options;
  std::string target;
  /// "emulated", "cuda", or nothing for the CPU.
  std::string device;
  std::string path;
  AttnPackage *package = nullptr;
  double compileSeconds = 0;
};
} // namespace

llvm::Error CompiledBackend::compile() {
  auto start = std::chrono::steady_clock::now();
  llvm::SmallString<128> name;
  if (std::error_code error =
          llvm::sys::fs::createTemporaryFile("attn-run", "so", name))
    return fail("cannot make a temporary file: " + error.message());
  path = name.str();
  AttnCompileOptions options = {};
  options.target = target.empty() ? nullptr : target.c_str();
  options.opt_level = 3;
  options.verify = 1;
  if (attnCompileToFile(program.text().data(), program.text().size(), &options,
                        path.c_str()))
    return llvm::createStringError(attnCompilerLastError());
  if (attnPackageOpen(path.c_str(), &package))
    return llvm::createStringError(attnLastError());
  compileSeconds = secondsSince(start);
  return llvm::Error::success();
}

/// "attn_forward: 12 of 64 blocks", in place of the line before on a terminal.
static void tellProgress(void *, const char *kernel, uint64_t done,
                         uint64_t all) {
  static const bool terminal = llvm::errs().is_displayed();
  llvm::errs() << (terminal ? "\r\033[K" : "") << kernel << ": " << done
               << " of " << all << " blocks" << (terminal ? "" : "\n");
  llvm::errs().flush();
}

/// Clears the line that tellProgress left on a terminal.
static void endProgress() {
  if (llvm::errs().is_displayed())
    llvm::errs() << "\r\033[K";
}

llvm::Expected<Outcome> CompiledBackend::run(func::FuncOp entry,
                                             llvm::ArrayRef<Array> args,
                                             int repeat) {
  if (!package)
    if (llvm::Error error = compile())
      return error;
  int index = attnPackageFindEntry(package, entry.getName().str().c_str());
  if (index < 0)
    return fail("expects the package to have the entry '" + entry.getName() +
                "', but got none");
  std::vector<std::unique_ptr<Buffer>> inputs, outputs;
  SmallVector<const DLTensor *> inputTensors;
  SmallVector<DLTensor *> outputTensors;
  for (const Array &arg : args) {
    inputs.push_back(
        std::make_unique<Buffer>(arg.dtype, arg.shape, device == "cuda"));
    if (!inputs.back()->data)
      return fail("expects memory for the inputs, but got none");
    arg.toMemory(inputs.back()->data);
    if (!inputs.back()->send())
      return llvm::createStringError(attnLastError());
    inputTensors.push_back(&inputs.back()->tensor);
  }
  int64_t ranks = 0;
  for (Type type : entry.getResultTypes())
    ranks += cast<RankedTensorType>(type).getRank();
  SmallVector<int64_t> dims(ranks + 1);
  int count = static_cast<int>(inputTensors.size());
  if (attnResultShapes(package, index, inputTensors.data(), count, dims.data()))
    return llvm::createStringError(attnLastError());
  llvm::ArrayRef<int64_t> rest = dims;
  for (Type type : entry.getResultTypes()) {
    int64_t rank = cast<RankedTensorType>(type).getRank();
    outputs.push_back(std::make_unique<Buffer>(
        *dtypeOf(type), rest.take_front(rank), device == "cuda"));
    if (!outputs.back()->data)
      return fail("expects memory for the results, but got none");
    // What is not written shows: all ones are NaN, or -1.
    std::memset(outputs.back()->data, 0xff, outputs.back()->bytes);
    if (!outputs.back()->send())
      return llvm::createStringError(attnLastError());
    rest = rest.drop_front(rank);
    outputTensors.push_back(&outputs.back()->tensor);
  }
  AttnInvokeOptions invoke = {};
  invoke.num_threads = options.threads;
  invoke.device = device.empty() ? nullptr : device.c_str();
  invoke.worst_rounding = options.worstRounding;
  if (options.progress)
    invoke.progress = tellProgress;
  Outcome outcome;
  outcome.compileSeconds = compileSeconds;
  for (int n = 0; n < repeat; ++n) {
    auto start = std::chrono::steady_clock::now();
    int status = attnInvoke(
        package, index, inputTensors.data(), count, outputTensors.data(),
        static_cast<int>(outputTensors.size()), &invoke, nullptr);
    if (options.progress)
      endProgress();
    if (status)
      return llvm::createStringError(attnLastError());
    outcome.seconds.push_back(secondsSince(start));
  }
  if (!device.empty())
    outcome.deviceReport = attnDeviceReport();
  for (const std::unique_ptr<Buffer> &output : outputs)
    if (!output->fetch())
      return llvm::createStringError(attnLastError());
  for (auto [output, type] : llvm::zip(outputs, entry.getResultTypes()))
    outcome.results.push_back(
        Array::fromMemory(*dtypeOf(type), output->shape, output->data));
  return outcome;
}

//===----------------------------------------------------------------------===//
// By name
//===----------------------------------------------------------------------===//

llvm::ArrayRef<llvm::StringRef> attnrun::backendNames() {
  static constexpr llvm::StringRef names[] = {"oracle", "cpu", "emulated",
                                              "cuda"};
  return names;
}

llvm::Expected<std::unique_ptr<Backend>>
attnrun::makeBackend(const Program &program, const BackendOptions &options) {
  if (options.name == "oracle")
    return std::make_unique<OracleBackend>(program);
  if (llvm::is_contained(backendNames(), options.name))
    return std::make_unique<CompiledBackend>(program, options);
  return fail("expects --backend to be one of " +
              llvm::join(backendNames(), ", ") + ", but got '" + options.name +
              "'");
}
