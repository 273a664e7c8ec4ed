//===- Interpreter.cpp - Functions, blocks and control flow ---------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Walks a function operation by operation.
//===----------------------------------------------------------------------===//

#include "attn/Interpreter/Interpreter.h"

#include "Detail.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/ScopeExit.h"

#include <unistd.h>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::detail;

/// Calls and regions nest this deep; more would run out of stack.
static constexpr unsigned kMaxDepth = 256;

llvm::Error mlir::attn::detail::opError(Operation *op,
                                        const llvm::Twine &message) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (auto location = op->getLoc()->findInstanceOf<FileLineColLoc>())
    stream << location.getFilename().getValue() << ":" << location.getLine()
           << ":" << location.getColumn() << ": ";
  stream << "error: '" << op->getName() << "' op " << message;
  return llvm::createStringError(text);
}

llvm::Expected<MutableRef>
mlir::attn::detail::makeDatum(Operation *op, DType dtype,
                              llvm::ArrayRef<int64_t> shape,
                              bool withElements) {
  std::optional<int64_t> count = elementCount(shape); // attention_r8
  if (!count)
    return opError(op, "expects sizes whose product in bytes fits 63 bits, but "
                       "got shape " +
                           shapeText(shape));
  auto datum = std::make_shared<Datum>();
  datum->dtype = dtype;
  datum->shape.assign(shape.begin(), shape.end());
  if (!withElements)
    return datum;
  int64_t memory =
      static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  if (*count > memory / 16)
    return opError(op, "expects values of at most half the memory of this "
                       "machine (" +
                           llvm::Twine(memory / 2) + " bytes), but got shape " +
                           shapeText(shape));
  if (isFloat(dtype))
    datum->floats.resize(*count);
  else
    datum->ints.resize(*count);
  return datum;
}

namespace {
using Values = SmallVector<Ref>;
using Environment = llvm::DenseMap<Value, Ref>;

class Machine {
public:
  Machine(ModuleOp module, RunMode &mode) : symbols(module), mode(mode) {}

  llvm::Expected<Values> call(Operation *caller, func::FuncOp function,
                              llvm::ArrayRef<Ref> args);

private:
  /// Runs a block; gives the operands of its terminator.
  llvm::Expected<Values> runBlock(Block &block, llvm::ArrayRef<Ref> arguments,
                                  Environment &values);
  llvm::Expected<Values> runOp(Operation *op, Environment &values);
  llvm::Expected<Values> runFor(scf::ForOp op, Environment &values);
  llvm::Expected<Values> runIf(scf::IfOp op, Environment &values);
  llvm::Expected<Values> runPad(tensor::PadOp op, Environment &values);

  SymbolTable symbols;
  RunMode &mode;
  unsigned depth = 0;
};
} // namespace

/// What is wrong with a value as one of this type, empty if nothing.
static std::string mismatch(Type type, const Array &array) {
  std::optional<DType> dtype = dtypeOf(type);
  if (!dtype)
    return "a type that the interpreter holds";
  auto tensor = dyn_cast<RankedTensorType>(type);
  llvm::ArrayRef<int64_t> shape =
      tensor ? tensor.getShape() : llvm::ArrayRef<int64_t>();
  bool fits = array.dtype == *dtype && shape.size() == array.shape.size();
  for (size_t axis = 0; fits && axis < shape.size(); ++axis)
    fits =
        ShapedType::isDynamic(shape[axis]) || shape[axis] == array.shape[axis];
  return fits ? "" : (dtypeName(*dtype) + shapeText(shape)).str();
}

llvm::Expected<Values> Machine::call(Operation *caller, func::FuncOp function,
                                     llvm::ArrayRef<Ref> args) {
  if (function.isExternal())
    return opError(caller, "expects a function with a body, but got the "
                           "declaration of '" +
                               function.getName() + "'");
  if (!function.getBody().hasOneBlock())
    return opError(function,
                   "expects a body of one block (branches are "
                   "written with scf), but got " +
                       llvm::Twine(function.getBody().getBlocks().size()));
  Environment values;
  return runBlock(function.getBody().front(), args, values);
}

llvm::Expected<Values> Machine::runBlock(Block &block,
                                         llvm::ArrayRef<Ref> arguments,
                                         Environment &values) {
  if (depth == kMaxDepth)
    return opError(block.getParentOp(),
                   "expects calls and regions to nest at most " +
                       llvm::Twine(kMaxDepth) + " deep, but got more");
  ++depth;
  llvm::scope_exit leave([&] { --depth; });
  for (auto [argument, value] : llvm::zip(block.getArguments(), arguments))
    values[argument] = value;
  for (Operation &op : block.without_terminator()) {
    llvm::Expected<Values> results = runOp(&op, values);
    if (!results)
      return results.takeError();
    for (auto [result, value] : llvm::zip(op.getResults(), *results)) {
      std::string expected = mismatch(result.getType(), *value);
      if (!expected.empty())
        return opError(
            &op, "expects result #" + llvm::Twine(result.getResultNumber()) +
                     " to be " + expected + ", but got " + value->typeText());
      values[result] = value;
    }
  }
  Values yielded;
  for (Value operand : block.getTerminator()->getOperands())
    yielded.push_back(values.lookup(operand));
  return yielded;
}

static llvm::Expected<int64_t> knownInteger(Operation *op, const Ref &value) {
  if (value->hasData())
    return value->ints[0];
  return opError(op, "expects control flow and sizes that do not depend on the "
                     "elements of a tensor when only shapes are asked for, but "
                     "got one that does");
}

llvm::Expected<Values> Machine::runFor(scf::ForOp op, Environment &values) {
  int64_t bounds[3];
  for (auto [bound, value] :
       llvm::zip(bounds, ValueRange{op.getLowerBound(), op.getUpperBound(),
                                    op.getStep()})) {
    llvm::Expected<int64_t> number = knownInteger(op, values.lookup(value));
    if (!number)
      return number.takeError();
    bound = *number;
  }
  auto [begin, end, step] = bounds;
  if (step <= 0)
    return opError(op, "expects a step above 0, but got " + llvm::Twine(step));
  std::optional<DType> dtype = dtypeOf(op.getInductionVar().getType());
  if (!dtype)
    return opError(op, "expects bounds of i32, i64 or index, but got another "
                       "type");
  Values carried;
  for (Value init : op.getInitArgs())
    carried.push_back(values.lookup(init));
  for (int64_t index = begin; index < end;) {
    auto counter = std::make_shared<Datum>(*dtype, llvm::ArrayRef<int64_t>());
    counter->ints[0] = index;
    Values arguments{counter};
    llvm::append_range(arguments, carried);
    llvm::Expected<Values> next = runBlock(*op.getBody(), arguments, values);
    if (!next)
      return next.takeError();
    carried = *next;
    if (llvm::AddOverflow(index, step, index))
      break;
  }
  return carried;
}

llvm::Expected<Values> Machine::runIf(scf::IfOp op, Environment &values) {
  llvm::Expected<int64_t> condition =
      knownInteger(op, values.lookup(op.getCondition()));
  if (!condition)
    return condition.takeError();
  Region &region = *condition ? op.getThenRegion() : op.getElseRegion();
  if (region.empty())
    return Values();
  return runBlock(region.front(), {}, values);
}

llvm::Expected<Values> Machine::runPad(tensor::PadOp op, Environment &values) {
  Ref source = values.lookup(op.getSource());
  SmallVector<int64_t> low, shape;
  auto read = [&](llvm::ArrayRef<int64_t> fixed, ValueRange dynamic,
                  SmallVector<int64_t> &numbers) -> llvm::Error {
    for (int64_t number : fixed) {
      if (ShapedType::isDynamic(number)) {
        llvm::Expected<int64_t> value =
            knownInteger(op, values.lookup(dynamic.front()));
        if (!value)
          return value.takeError();
        number = *value;
        dynamic = dynamic.drop_front();
      }
      if (number < 0)
        return opError(op, "expects paddings of 0 or more, but got " +
                               llvm::Twine(number));
      numbers.push_back(number);
    }
    return llvm::Error::success();
  };
  if (llvm::Error error = read(op.getStaticLow(), op.getLow(), low))
    return error;
  if (llvm::Error error = read(op.getStaticHigh(), op.getHigh(), shape))
    return error;
  for (auto [axis, size] : llvm::enumerate(source->shape))
    if (llvm::AddOverflow(shape[axis], size, shape[axis]) ||
        llvm::AddOverflow(shape[axis], low[axis], shape[axis]))
      return opError(op, "expects a padded size that fits 64 bits, but got "
                         "more on axis " +
                             llvm::Twine(axis));
  llvm::Expected<MutableRef> result =
      makeDatum(op, source->dtype, shape, source->hasData());
  if (!result)
    return result.takeError();
  Datum &datum = **result;
  datum.isLse = source->isLse;
  if (!source->hasData())
    return Values{*result};
  // Every element is inside the source or made by the region, which may use the
  // element's indices.
  SmallVector<int64_t> index(shape.size(), 0);
  Block &body = op.getRegion().front();
  for (int64_t position = 0, count = datum.size(); position < count;
       ++position) {
    int64_t from = 0, rest = position;
    bool inside = true;
    for (int64_t axis = static_cast<int64_t>(shape.size()) - 1; axis >= 0;
         --axis) {
      index[axis] = rest % shape[axis];
      rest /= shape[axis];
    }
    for (auto [axis, size] : llvm::enumerate(source->shape)) {
      int64_t there = index[axis] - low[axis];
      inside &= there >= 0 && there < size;
      from = from * size + there;
    }
    Ref element = source;
    if (!inside) {
      Values arguments;
      for (int64_t number : index) {
        auto argument =
            std::make_shared<Datum>(DType::I64, llvm::ArrayRef<int64_t>());
        argument->ints[0] = number;
        arguments.push_back(argument);
      }
      llvm::Expected<Values> yielded = runBlock(body, arguments, values);
      if (!yielded)
        return yielded.takeError();
      element = yielded->front();
      from = 0;
    }
    if (isFloat(datum.dtype))
      datum.floats[position] = element->floats[from];
    else
      datum.ints[position] = element->ints[from];
  }
  return Values{*result};
}

llvm::Expected<Values> Machine::runOp(Operation *op, Environment &values) {
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return runFor(loop, values);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return runIf(branch, values);
  if (auto pad = dyn_cast<tensor::PadOp>(op))
    return runPad(pad, values);
  Values operands;
  for (Value operand : op->getOperands())
    operands.push_back(values.lookup(operand));
  if (auto attention = dyn_cast<AttentionOp>(op))
    return runAttention(attention, operands, mode);
  if (auto grad = dyn_cast<AttentionGradOp>(op))
    return runAttentionGrad(grad, operands, mode);
  if (auto merge = dyn_cast<MergeStatesOp>(op))
    return runMergeStates(merge, operands, mode);
  if (auto callOp = dyn_cast<func::CallOp>(op)) {
    auto callee = symbols.lookup<func::FuncOp>(callOp.getCallee());
    if (!callee)
      return opError(op, "expects the name of a function, but got '" +
                             callOp.getCallee() + "'");
    return call(op, callee, operands);
  }
  auto single = [](llvm::Expected<Ref> value) -> llvm::Expected<Values> {
    if (!value)
      return value.takeError();
    return Values{*value};
  };
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return single(runConstant(op, constant.getValue()));
  if (std::optional<ScalarOperation> operation =
          ScalarOperation::get(op, mode.arithmetic))
    return single(runElementwise(op, *operation, operands, mode));
  llvm::Expected<std::optional<Ref>> value = runTensorOp(op, operands, mode);
  if (!value)
    return value.takeError();
  if (!*value)
    return opError(op, "expects an operation of attn, tensor, arith, math, "
                       "func.call, scf.for or scf.if that the interpreter "
                       "knows, but got '" +
                           op->getName().getStringRef() + "'");
  return Values{**value};
}

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

static llvm::Expected<Values> run(ModuleOp module, llvm::StringRef entry,
                                  llvm::ArrayRef<Array> args, RunMode &mode) {
  auto function = module.lookupSymbol<func::FuncOp>(entry);
  if (!function)
    return llvm::createStringError("error: expects a function called '" +
                                   entry + "', but got none");
  llvm::ArrayRef<Type> types = function.getArgumentTypes();
  if (args.size() != types.size())
    return opError(function, "expects " + llvm::Twine(types.size()) +
                                 " arguments for '" + entry + "', but got " +
                                 llvm::Twine(args.size()));
  Values values;
  for (auto [index, arg] : llvm::enumerate(args)) {
    std::string expected = mismatch(types[index], arg);
    if (!expected.empty())
      return opError(function, "expects argument #" + llvm::Twine(index) +
                                   " of '" + entry + "' to be " + expected +
                                   ", but got " + arg.typeText());
    if (!mode.shapesOnly && !arg.hasData())
      return opError(function, "expects the elements of argument #" +
                                   llvm::Twine(index) + ", but got " +
                                   arg.typeText() + " without them");
    auto datum = std::make_shared<Datum>();
    static_cast<Array &>(*datum) = arg;
    values.push_back(datum);
  }
  Machine machine(module, mode);
  return machine.call(function, function, values);
}

llvm::Expected<SmallVector<Array>>
mlir::attn::interpret(ModuleOp module, llvm::StringRef entry,
                      llvm::ArrayRef<Array> args,
                      const InterpretOptions &options) {
  RunMode mode;
  mode.arithmetic = options.arithmetic;
  mode.variant = options.variant;
  mode.matrixUnits = options.matrixUnits;
  llvm::Expected<Values> values = run(module, entry, args, mode);
  if (!values)
    return values.takeError();
  SmallVector<Array> results;
  for (const Ref &value : *values) {
    results.push_back(*value);
    mode.facts.resultIsLse.push_back(value->isLse);
    mode.facts.gradScale.push_back(value->gradScale);
  }
  if (options.facts)
    *options.facts = mode.facts;
  return results;
}

llvm::Expected<SmallVector<SmallVector<int64_t>>>
mlir::attn::interpretShapes(ModuleOp module, llvm::StringRef entry,
                            llvm::ArrayRef<Array> args) {
  RunMode mode;
  mode.shapesOnly = true;
  llvm::Expected<Values> values = run(module, entry, args, mode);
  if (!values)
    return values.takeError();
  SmallVector<SmallVector<int64_t>> shapes;
  for (const Ref &value : *values)
    shapes.push_back(value->shape);
  return shapes;
}
