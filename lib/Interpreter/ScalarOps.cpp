//===- ScalarOps.cpp - arith and math on one element ----------------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations on scalars, element-wise operations, and the score and mask
// regions as lists of such.
//===----------------------------------------------------------------------===//

#include "Detail.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringMap.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::detail;

//===----------------------------------------------------------------------===//
// The table of operations
//===----------------------------------------------------------------------===//

namespace {
using Fault = std::string;
/// What the functions of the table see: operands, the operation and the fault.
struct Call {
  const Scalar *x;
  const ScalarOperation &op;
  Fault &fault;

  double f(int n) const { return x[n].f; }
  /// As signed: i1 true is -1.
  int64_t s(int n) const {
    return op.operandBits == 1 ? -(x[n].i & 1) : x[n].i;
  }
  /// As unsigned.
  uint64_t u(int n) const {
    uint64_t bits = static_cast<uint64_t>(x[n].i);
    return op.operandBits >= 64 ? bits
                                : bits & ((uint64_t(1) << op.operandBits) - 1);
  }
  bool shiftIsFine() const {
    if (u(1) < static_cast<uint64_t>(op.operandBits))
      return true;
    fault = "expects a shift below the width " +
            std::to_string(op.operandBits) + ", but got " +
            std::to_string(x[1].i);
    return false;
  }
  bool divisorIsFine() const {
    if (x[1].i != 0 &&
        !(x[1].i == -1 && op.operandBits == 64 && x[0].i == INT64_MIN))
      return true;
    fault = "expects a divisor whose quotient fits, but got " +
            std::to_string(x[0].i) + " divided by " + std::to_string(x[1].i);
    return false;
  }
};
using Function = Scalar (*)(const Call &);
} // namespace

static Scalar real(double value) { return {value, 0}; }
/// Wrapped to the result's width by ScalarOperation::run.
static Scalar whole(uint64_t value) { return {0, static_cast<int64_t>(value)}; }

/// arith.maximumf: NaN wins, and +0 is above -0.
static double maximum(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return NAN;
  if (a == b)
    return std::signbit(a) ? b : a;
  return a > b ? a : b;
}
static double minimum(double a, double b) { return -maximum(-a, -b); }

static bool compareFloats(int predicate, double a, double b) {
  bool unordered = std::isnan(a) || std::isnan(b);
  switch (static_cast<arith::CmpFPredicate>(predicate)) {
  case arith::CmpFPredicate::AlwaysFalse:
    return false;
  case arith::CmpFPredicate::OEQ:
    return a == b;
  case arith::CmpFPredicate::OGT:
    return a > b;
  case arith::CmpFPredicate::OGE:
    return a >= b;
  case arith::CmpFPredicate::OLT:
    return a < b;
  case arith::CmpFPredicate::OLE:
    return a <= b;
  case arith::CmpFPredicate::ONE:
    return !unordered && a != b;
  case arith::CmpFPredicate::ORD:
    return !unordered;
  case arith::CmpFPredicate::UEQ:
    return unordered || a == b;
  case arith::CmpFPredicate::UGT:
    return unordered || a > b;
  case arith::CmpFPredicate::UGE:
    return unordered || a >= b;
  case arith::CmpFPredicate::ULT:
    return unordered || a < b;
  case arith::CmpFPredicate::ULE:
    return unordered || a <= b;
  case arith::CmpFPredicate::UNE:
    return unordered || a != b;
  case arith::CmpFPredicate::UNO:
    return unordered;
  case arith::CmpFPredicate::AlwaysTrue:
    return true;
  }
  llvm_unreachable("a predicate of cmpf");
}

static bool compareInts(const Call &c) {
  switch (static_cast<arith::CmpIPredicate>(c.op.predicate)) {
  case arith::CmpIPredicate::eq:
    return c.u(0) == c.u(1);
  case arith::CmpIPredicate::ne:
    return c.u(0) != c.u(1);
  case arith::CmpIPredicate::slt:
    return c.s(0) < c.s(1);
  case arith::CmpIPredicate::sle:
    return c.s(0) <= c.s(1);
  case arith::CmpIPredicate::sgt:
    return c.s(0) > c.s(1);
  case arith::CmpIPredicate::sge:
    return c.s(0) >= c.s(1);
  case arith::CmpIPredicate::ult:
    return c.u(0) < c.u(1);
  case arith::CmpIPredicate::ule:
    return c.u(0) <= c.u(1);
  case arith::CmpIPredicate::ugt:
    return c.u(0) > c.u(1);
  case arith::CmpIPredicate::uge:
    return c.u(0) >= c.u(1);
  }
  llvm_unreachable("a predicate of cmpi");
}

/// fptosi, fptoui: towards zero; undefined outside the type.
static Scalar toInteger(const Call &c, bool isSigned) {
  double value = std::trunc(c.f(0));
  int bits = c.op.resultBits;
  double low = isSigned ? -std::ldexp(1.0, bits - 1) : 0;
  double high = std::ldexp(1.0, isSigned ? bits - 1 : bits);
  if (!(value >= low && value < high)) {
    c.fault = "expects a value that fits " + std::to_string(bits) +
              " bits, but got " + std::to_string(c.f(0));
    return {};
  }
  return isSigned ? whole(static_cast<int64_t>(value))
                  : whole(static_cast<uint64_t>(value));
}

static Scalar divide(const Call &c, int64_t (*rounding)(int64_t, int64_t)) {
  return c.divisorIsFine() ? whole(rounding(c.s(0), c.s(1))) : Scalar();
}
static int64_t towardZero(int64_t a, int64_t b) { return a / b; }
static int64_t remainder(int64_t a, int64_t b) { return a % b; }
static int64_t floored(int64_t a, int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
static int64_t ceiled(int64_t a, int64_t b) {
  return a / b + (a % b != 0 && (a < 0) == (b < 0));
}
static Scalar divideUnsigned(const Call &c,
                             uint64_t (*quotient)(uint64_t, uint64_t)) {
  if (c.u(1))
    return whole(quotient(c.u(0), c.u(1)));
  c.fault = "expects a divisor that is not 0, but got " +
            std::to_string(c.u(0)) + " divided by 0";
  return {};
}

#define ATTN_REAL(NAME, EXPR) {NAME, [](const Call &c) { return real(EXPR); }}
#define ATTN_WHOLE(NAME, EXPR) {NAME, [](const Call &c) { return whole(EXPR); }}
#define ATTN_SCALAR(NAME, EXPR) {NAME, [](const Call &c) { return EXPR; }}

static const std::pair<llvm::StringRef, Function> kOperations[] = {
    // Floats.
    ATTN_REAL("arith.addf", c.f(0) + c.f(1)),
    ATTN_REAL("arith.subf", c.f(0) - c.f(1)),
    ATTN_REAL("arith.mulf", c.f(0) * c.f(1)),
    ATTN_REAL("arith.divf", c.f(0) / c.f(1)),
    ATTN_REAL("arith.remf", std::fmod(c.f(0), c.f(1))),
    ATTN_REAL("arith.negf", -c.f(0)),
    ATTN_REAL("arith.maximumf", maximum(c.f(0), c.f(1))),
    ATTN_REAL("arith.minimumf", minimum(c.f(0), c.f(1))),
    ATTN_REAL("arith.maxnumf", std::fmax(c.f(0), c.f(1))),
    ATTN_REAL("arith.minnumf", std::fmin(c.f(0), c.f(1))),
    ATTN_REAL("arith.extf", c.f(0)),
    ATTN_REAL("arith.truncf", c.f(0)),
    ATTN_REAL("math.absf", std::fabs(c.f(0))),
    ATTN_REAL("math.acos", std::acos(c.f(0))),
    ATTN_REAL("math.asin", std::asin(c.f(0))),
    ATTN_REAL("math.atan", std::atan(c.f(0))),
    ATTN_REAL("math.atan2", std::atan2(c.f(0), c.f(1))),
    ATTN_REAL("math.cbrt", std::cbrt(c.f(0))),
    ATTN_REAL("math.ceil", std::ceil(c.f(0))),
    ATTN_REAL("math.copysign", std::copysign(c.f(0), c.f(1))),
    ATTN_REAL("math.cos", std::cos(c.f(0))),
    ATTN_REAL("math.cosh", std::cosh(c.f(0))),
    ATTN_REAL("math.erf", std::erf(c.f(0))),
    ATTN_REAL("math.exp", std::exp(c.f(0))),
    ATTN_REAL("math.exp2", std::exp2(c.f(0))),
    ATTN_REAL("math.expm1", std::expm1(c.f(0))),
    ATTN_REAL("math.floor", std::floor(c.f(0))),
    ATTN_REAL("math.fma", c.f(0) * c.f(1) + c.f(2)),
    ATTN_REAL("math.log", std::log(c.f(0))),
    ATTN_REAL("math.log10", std::log10(c.f(0))),
    ATTN_REAL("math.log1p", std::log1p(c.f(0))),
    ATTN_REAL("math.log2", std::log2(c.f(0))),
    ATTN_REAL("math.powf", std::pow(c.f(0), c.f(1))),
    ATTN_REAL("math.round", std::round(c.f(0))),
    ATTN_REAL("math.roundeven", std::nearbyint(c.f(0))),
    ATTN_REAL("math.rsqrt", 1.0 / std::sqrt(c.f(0))),
    ATTN_REAL("math.sin", std::sin(c.f(0))),
    ATTN_REAL("math.sinh", std::sinh(c.f(0))),
    ATTN_REAL("math.sqrt", std::sqrt(c.f(0))),
    ATTN_REAL("math.tan", std::tan(c.f(0))),
    ATTN_REAL("math.tanh", std::tanh(c.f(0))),
    ATTN_REAL("math.trunc", std::trunc(c.f(0))),
    // Between floats and integers.
    ATTN_WHOLE("arith.cmpf", compareFloats(c.op.predicate, c.f(0), c.f(1))),
    ATTN_REAL("arith.sitofp", static_cast<double>(c.s(0))),
    ATTN_REAL("arith.uitofp", static_cast<double>(c.u(0))),
    ATTN_SCALAR("arith.fptosi", toInteger(c, true)),
    ATTN_SCALAR("arith.fptoui", toInteger(c, false)),
    ATTN_SCALAR("arith.select", c.x[0].i ? c.x[1] : c.x[2]),
    // Integers. Sums and products wrap, so they are taken unsigned.
    ATTN_WHOLE("arith.cmpi", compareInts(c)),
    ATTN_WHOLE("arith.addi", c.u(0) + c.u(1)),
    ATTN_WHOLE("arith.subi", c.u(0) - c.u(1)),
    ATTN_WHOLE("arith.muli", c.u(0) * c.u(1)),
    ATTN_WHOLE("arith.andi", c.u(0) & c.u(1)),
    ATTN_WHOLE("arith.ori", c.u(0) | c.u(1)),
    ATTN_WHOLE("arith.xori", c.u(0) ^ c.u(1)),
    ATTN_SCALAR("arith.shli",
                c.shiftIsFine() ? whole(c.u(0) << c.u(1)) : Scalar()),
    ATTN_SCALAR("arith.shrui",
                c.shiftIsFine() ? whole(c.u(0) >> c.u(1)) : Scalar()),
    ATTN_SCALAR("arith.shrsi",
                c.shiftIsFine() ? whole(c.s(0) >> c.u(1)) : Scalar()),
    ATTN_SCALAR("arith.divsi", divide(c, towardZero)),
    ATTN_SCALAR("arith.remsi", divide(c, remainder)),
    ATTN_SCALAR("arith.floordivsi", divide(c, floored)),
    ATTN_SCALAR("arith.ceildivsi", divide(c, ceiled)),
    ATTN_SCALAR(
        "arith.divui",
        divideUnsigned(c, [](uint64_t a, uint64_t b) { return a / b; })),
    ATTN_SCALAR(
        "arith.remui",
        divideUnsigned(c, [](uint64_t a, uint64_t b) { return a % b; })),
    ATTN_SCALAR("arith.ceildivui", divideUnsigned(c,
                                                  [](uint64_t a, uint64_t b) {
                                                    return a / b + (a % b != 0);
                                                  })),
    ATTN_WHOLE("arith.maxsi", std::max(c.s(0), c.s(1))),
    ATTN_WHOLE("arith.minsi", std::min(c.s(0), c.s(1))),
    ATTN_WHOLE("arith.maxui", std::max(c.u(0), c.u(1))),
    ATTN_WHOLE("arith.minui", std::min(c.u(0), c.u(1))),
    ATTN_WHOLE("arith.extsi", c.s(0)),
    ATTN_WHOLE("arith.extui", c.u(0)),
    ATTN_WHOLE("arith.trunci", c.u(0)),
    ATTN_WHOLE("arith.index_cast", c.s(0)),
    ATTN_WHOLE("arith.index_castui", c.u(0)),
    ATTN_WHOLE("math.absi", c.s(0) < 0 ? uint64_t(0) - c.s(0) : c.s(0)),
};

#undef ATTN_REAL
#undef ATTN_WHOLE
#undef ATTN_SCALAR

//===----------------------------------------------------------------------===//
// ScalarOperation
//===----------------------------------------------------------------------===//

static int integerBits(Type type) {
  Type element = getElementTypeOrSelf(type);
  if (auto integer = dyn_cast<IntegerType>(element))
    return integer.getWidth();
  return element.isIndex() ? 64 : 0;
}

std::optional<ScalarOperation> ScalarOperation::get(Operation *op,
                                                    Arithmetic arithmetic) {
  static const llvm::StringMap<int> codes = [] {
    llvm::StringMap<int> map;
    for (auto [index, entry] : llvm::enumerate(kOperations))
      map[entry.first] = static_cast<int>(index);
    return map;
  }();
  auto found = codes.find(op->getName().getStringRef());
  if (found == codes.end() || op->getNumResults() != 1 ||
      op->getNumOperands() > 3)
    return std::nullopt;
  ScalarOperation operation;
  operation.code = found->second;
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    operation.predicate = static_cast<int>(compare.getPredicate());
  if (auto compare = dyn_cast<arith::CmpIOp>(op))
    operation.predicate = static_cast<int>(compare.getPredicate());
  operation.operandBits = integerBits(op->getOperand(0).getType());
  Type result = op->getResult(0).getType();
  operation.resultBits = integerBits(result);
  if (operation.operandBits > 64 || operation.resultBits > 64)
    return std::nullopt;
  if (arithmetic == Arithmetic::Plain && operation.resultBits == 0)
    operation.roundedTo = dtypeOf(result);
  return operation;
}

Scalar ScalarOperation::run(const Scalar *operands, std::string &fault) const {
  Scalar result = kOperations[code].second({operands, *this, fault});
  if (resultBits == 1)
    result.i &= 1;
  else if (resultBits > 0 && resultBits < 64)
    result.i = llvm::SignExtend64(static_cast<uint64_t>(result.i), resultBits);
  if (roundedTo)
    result.f = roundTo(*roundedTo, result.f);
  return result;
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

static double toDouble(llvm::APFloat value) {
  bool losesInfo;
  value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven,
                &losesInfo);
  return value.convertToDouble();
}

static int64_t toInt(const llvm::APInt &value) {
  return value.getBitWidth() == 1 ? static_cast<int64_t>(value.getZExtValue())
                                  : value.sextOrTrunc(64).getSExtValue();
}

llvm::Expected<Ref> mlir::attn::detail::runConstant(Operation *op,
                                                    Attribute value) {
  Type type = op->getResult(0).getType();
  std::optional<DType> dtype = dtypeOf(type);
  auto refuse = [&](const llvm::Twine &got) {
    return opError(op, "expects a number or dense elements of f64, f32, f16, "
                       "bf16, i64, i32, i8, i1 or index, but got " +
                           got);
  };
  std::string text;
  llvm::raw_string_ostream(text) << type;
  if (!dtype)
    return refuse("'" + text + "'");
  SmallVector<int64_t> shape;
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    shape.append(tensor.getShape().begin(), tensor.getShape().end());
  llvm::Expected<MutableRef> result = makeDatum(op, *dtype, shape, true);
  if (!result)
    return result.takeError();
  Datum &datum = **result;
  if (auto number = dyn_cast<FloatAttr>(value)) {
    datum.floats[0] = toDouble(number.getValue());
    return Ref(*result);
  }
  if (auto number = dyn_cast<IntegerAttr>(value)) {
    datum.ints[0] = toInt(number.getValue());
    return Ref(*result);
  }
  auto elements = dyn_cast<DenseElementsAttr>(value);
  if (!elements)
    return refuse("another kind of attribute");
  if (isFloat(*dtype)) {
    if (elements.isSplat())
      llvm::fill(datum.floats,
                 toDouble(elements.getSplatValue<llvm::APFloat>()));
    else
      for (auto [slot, number] :
           llvm::zip(datum.floats, elements.getValues<llvm::APFloat>()))
        slot = toDouble(number);
  } else if (elements.isSplat()) {
    llvm::fill(datum.ints, toInt(elements.getSplatValue<llvm::APInt>()));
  } else {
    for (auto [slot, number] :
         llvm::zip(datum.ints, elements.getValues<llvm::APInt>()))
      slot = toInt(number);
  }
  return Ref(*result);
}

//===----------------------------------------------------------------------===//
// Element-wise
//===----------------------------------------------------------------------===//

static Scalar elementOf(const Datum &datum, int64_t index) {
  return isFloat(datum.dtype) ? Scalar{datum.floats[index], 0}
                              : Scalar{0, datum.ints[index]};
}

llvm::Expected<Ref> mlir::attn::detail::runElementwise(
    Operation *op, const ScalarOperation &operation,
    llvm::ArrayRef<Ref> operands, RunMode &mode) {
  // Tensors agree in shape; a scalar beside them (the condition of a select)
  // holds for every element.
  const Datum *shaped = operands.front().get();
  bool known = true;
  for (auto [operand, value] : llvm::zip(operands, op->getOperands())) {
    known &= operand->hasData();
    if (isa<ShapedType>(value.getType()))
      shaped = operand.get();
  }
  for (auto [operand, value] : llvm::zip(operands, op->getOperands()))
    if (isa<ShapedType>(value.getType()) && operand->shape != shaped->shape)
      return opError(op, "expects operands of one shape, but got " +
                             shapeText(operand->shape) + " and " +
                             shapeText(shaped->shape));
  std::optional<DType> dtype = dtypeOf(op->getResult(0).getType());
  if (!dtype)
    return opError(op, "expects a result of f64, f32, f16, bf16, i64, i32, i8, "
                       "i1 or index, but got another type");
  llvm::Expected<MutableRef> result =
      makeDatum(op, *dtype, shaped->shape, known);
  if (!result || !known)
    return result;
  Datum &datum = **result;
  std::string fault;
  for (int64_t index = 0, count = datum.size(); index < count; ++index) {
    Scalar inputs[3];
    for (auto [slot, operand, value] :
         llvm::zip(inputs, operands, op->getOperands()))
      slot = elementOf(*operand, isa<ShapedType>(value.getType()) ? index : 0);
    Scalar output = operation.run(inputs, fault);
    if (!fault.empty())
      return opError(op, fault);
    if (isFloat(*dtype))
      datum.floats[index] = output.f;
    else
      datum.ints[index] = output.i;
  }
  return Ref(*result);
}

//===----------------------------------------------------------------------===//
// ScalarProgram
//===----------------------------------------------------------------------===//

llvm::Expected<ScalarProgram> ScalarProgram::get(Region &region,
                                                 llvm::ArrayRef<Ref> captures,
                                                 Arithmetic arithmetic) {
  ScalarProgram program;
  program.arithmetic = arithmetic;
  Block &block = region.front();
  llvm::DenseMap<Value, unsigned> numbers;
  auto newSlot = [&](Value value, Scalar initial) {
    numbers[value] = program.slots.size();
    program.slots.push_back(initial);
  };
  // The captures come last and are named by loads only.
  unsigned plain = block.getNumArguments() - captures.size();
  llvm::DenseMap<Value, const Datum *> tensors;
  for (BlockArgument argument : block.getArguments()) {
    if (argument.getArgNumber() < plain)
      newSlot(argument, {});
    else
      tensors[argument] = captures[argument.getArgNumber() - plain].get();
  }
  for (Operation &op : block) {
    if (auto yield = dyn_cast<YieldOp>(op)) {
      program.yielded = numbers.lookup(yield.getOperand(0));
      continue;
    }
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      llvm::Expected<Ref> value = runConstant(&op, constant.getValue());
      if (!value)
        return value.takeError();
      newSlot(constant.getResult(), elementOf(**value, 0));
      continue;
    }
    Step step;
    step.name = op.getName().getStringRef();
    OperandRange inputs = op.getOperands();
    if (auto load = dyn_cast<LoadOp>(op)) {
      step.load = tensors.lookup(load.getTensor());
      if (!step.load)
        return opError(&op, "expects to load from a captured tensor, but got "
                            "another value");
      inputs = load.getIndices();
    } else {
      std::optional<ScalarOperation> operation =
          ScalarOperation::get(&op, arithmetic);
      if (!operation)
        return opError(&op, "expects an operation that the interpreter knows, "
                            "but got '" +
                                op.getName().getStringRef() + "'");
      step.operation = *operation;
    }
    for (Value input : inputs)
      step.operands.push_back(numbers.lookup(input));
    newSlot(op.getResult(0), {});
    step.result = program.slots.size() - 1;
    program.steps.push_back(std::move(step));
  }
  return program;
}

Scalar ScalarProgram::run(llvm::ArrayRef<Scalar> arguments,
                          std::string &fault) {
  llvm::copy(arguments, slots.begin());
  for (const Step &step : steps) {
    if (!step.load) {
      Scalar inputs[3];
      for (auto [index, operand] : llvm::enumerate(step.operands))
        inputs[index] = slots[operand];
      slots[step.result] = step.operation.run(inputs, fault);
      continue;
    }
    int64_t offset = 0;
    bool inside = true;
    for (auto [operand, size] : llvm::zip(step.operands, step.load->shape)) {
      int64_t index = slots[operand].i;
      inside &= index >= 0 && index < size;
      offset = inside ? offset * size + index : 0;
    }
    if (inside) {
      slots[step.result] = elementOf(*step.load, offset);
      continue;
    }
    // attention_r9; nothing is clamped, and the value does not matter unless
    // the pair is visible, which is then an error.
    SmallVector<int64_t> indices;
    for (unsigned operand : step.operands)
      indices.push_back(slots[operand].i);
    fault = "expects the indices of attn.load to lie inside " +
            step.load->typeText() + " where the pair is visible, but got " +
            shapeText(indices);
    slots[step.result] = {};
  }
  return slots[yielded];
}
