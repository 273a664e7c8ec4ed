//===- Inputs.cpp - Sizes and input values --------------------------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Naming of axes, the generators of #attn.gen, a random number generator that
// gives the same numbers everywhere.
//===----------------------------------------------------------------------===//

#include "Inputs.h"

#include "attn/Dialect/Attn/IR/Attn.h"

#include "llvm/ADT/StringExtras.h"

#include <cmath>
#include <set>

using namespace attnrun;
using namespace mlir;
using namespace mlir::attn;

static llvm::Error fail(const llvm::Twine &text) {
  return llvm::createStringError("error: " + text);
}

//===----------------------------------------------------------------------===//
// Names and sizes
//===----------------------------------------------------------------------===//

std::string attnrun::argumentName(func::FuncOp function, unsigned index) {
  if (auto name = function.getArgAttrOfType<StringAttr>(index, "attn.name"))
    return name.str();
  return "arg" + std::to_string(index);
}

std::string attnrun::resultName(func::FuncOp function, unsigned index) {
  if (auto name = function.getResultAttrOfType<StringAttr>(index, "attn.name"))
    return name.str();
  return "out" + std::to_string(index);
}

llvm::Expected<std::vector<Sizes>> attnrun::sizeSets(func::FuncOp function) {
  Attribute attribute = function->getAttr("attn.sizes");
  if (!attribute)
    return std::vector<Sizes>(1);
  SmallVector<Attribute> sets;
  if (auto array = dyn_cast<ArrayAttr>(attribute))
    sets.append(array.begin(), array.end());
  else
    sets.push_back(attribute);
  std::vector<Sizes> result;
  for (Attribute set : sets) {
    auto dictionary = dyn_cast<DictionaryAttr>(set);
    if (!dictionary)
      return fail("expects attn.sizes of '" + function.getName() +
                  "' to be a dictionary or an array of dictionaries, but got "
                  "another attribute");
    Sizes &sizes = result.emplace_back();
    for (NamedAttribute entry : dictionary) {
      auto size = dyn_cast<IntegerAttr>(entry.getValue());
      if (!size || size.getInt() < 0)
        return fail("expects attn.sizes of '" + function.getName() +
                    "' to hold sizes of 0 or more, but got another attribute "
                    "for '" +
                    entry.getName().getValue() + "'");
      sizes[entry.getName().str()] = size.getInt();
    }
  }
  if (result.empty())
    return fail("expects attn.sizes of '" + function.getName() +
                "' to hold at least one set, but got none");
  return result;
}

/// The name of one axis: from attn.dims, else "<argument>.<axis>".
static std::string axisName(func::FuncOp function, unsigned index,
                            int64_t axis) {
  auto names = function.getArgAttrOfType<ArrayAttr>(index, "attn.dims");
  if (names && axis < static_cast<int64_t>(names.size()))
    if (auto name = dyn_cast<StringAttr>(names[axis]))
      return name.str();
  return argumentName(function, index) + "." + std::to_string(axis);
}

/// An axis called `name` has `size`: an error if it had another one. Names that
/// are numbers say the size of a static axis and bind nothing.
static llvm::Error bindAxis(Sizes &sizes, const std::string &name, int64_t size,
                            const llvm::Twine &where) {
  int64_t number;
  int64_t bound = llvm::StringRef(name).getAsInteger(10, number)
                      ? sizes.try_emplace(name, size).first->second
                      : number;
  if (bound == size)
    return llvm::Error::success();
  return fail("expects dimension '" + llvm::Twine(name) +
              "' to have one size, "
              "but got " +
              llvm::Twine(bound) + " and " + llvm::Twine(size) + " at " +
              where);
}

//===----------------------------------------------------------------------===//
// Random numbers
//===----------------------------------------------------------------------===//

namespace {
/// SplitMix64. The standard's distributions differ between libraries.
class Random {
public:
  /// Every argument has its own stream, so that one more argument changes no
  /// other.
  Random(uint64_t seed, uint64_t stream)
      : state(seed * 0x9e3779b97f4a7c15u + stream * 0xd1b54a32d192ed03u) {
    next();
  }
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// In [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  /// In [low, high], both included.
  int64_t between(int64_t low, int64_t high) {
    if (high <= low)
      return low;
    uint64_t span = static_cast<uint64_t>(high) - low + 1;
    return low + static_cast<int64_t>(next() % span);
  }
  /// Box and Muller.
  double normal() {
    double radius = std::sqrt(-2 * std::log(1 - unit()));
    return radius * std::cos(6.283185307179586 * unit());
  }

private:
  uint64_t state;
};
} // namespace

//===----------------------------------------------------------------------===//
// Generators
//===----------------------------------------------------------------------===//

/// Rows are what the last axis runs over.
static int64_t rowLength(const Array &array) {
  return array.shape.empty() ? 1 : array.shape.back();
}
static int64_t rowCount(const Array &array) {
  int64_t rows = 1;
  for (int64_t size :
       llvm::ArrayRef(array.shape).drop_back(!array.shape.empty()))
    rows *= size;
  return rows;
}

/// A mask with a share of ones, and rows that are all zeros.
static void fillMask(Array &array, double density, int64_t deadRows,
                     Random &random) {
  for (int64_t &value : array.ints)
    value = random.unit() < density;
  int64_t length = rowLength(array), rows = rowCount(array);
  std::set<int64_t> dead;
  while (static_cast<int64_t>(dead.size()) < std::min(deadRows, rows))
    dead.insert(random.between(0, rows - 1));
  for (int64_t row : dead)
    std::fill_n(array.ints.begin() + row * length, length, 0);
}

/// Each row: pages in random order, no page twice; an entry in eight, and what
/// there are no more pages for, is -1. Rows may share pages. The order of all
/// pages is drawn for each row, so `fill` limits them.
static void fillPageTable(Array &array, int64_t pages, Random &random) {
  int64_t length = rowLength(array);
  std::vector<int64_t> order(std::max<int64_t>(pages, 0));
  for (int64_t row = 0; row < rowCount(array); ++row) {
    for (size_t n = 0; n < order.size(); ++n) {
      order[n] = static_cast<int64_t>(n);
      std::swap(order[n], order[random.between(0, static_cast<int64_t>(n))]);
    }
    for (int64_t n = 0; n < length; ++n) {
      bool missing = random.between(0, 7) == 0;
      array.ints[row * length + n] =
          n < static_cast<int64_t>(order.size()) && !missing ? order[n] : -1;
    }
  }
}

/// `count + 1` cumulative numbers from 0 to at most `last`.
static std::vector<int64_t> cuts(int64_t count, int64_t last, Random &random) {
  std::vector<int64_t> points(count + 1, 0);
  for (int64_t n = 1; n <= count; ++n)
    points[n] = random.between(0, last);
  std::sort(points.begin(), points.end());
  return points;
}

/// Each row: `count` documents one after the other, numbered from 0.
static void fillSegments(Array &array, int64_t count, Random &random) {
  int64_t length = rowLength(array);
  for (int64_t row = 0; row < rowCount(array); ++row) {
    std::vector<int64_t> points =
        cuts(std::max<int64_t>(count - 1, 0), length, random);
    for (int64_t slot = 0, document = 0; slot < length; ++slot) {
      while (document + 1 < static_cast<int64_t>(points.size()) &&
             points[document + 1] <= slot)
        ++document;
      array.ints[row * length + slot] = document;
    }
  }
}

/// How many slots cumulative lengths may cover: as many as the attention that
/// reads them has. None if that cannot be told.
static std::optional<int64_t>
slotsOf(func::FuncOp function, unsigned index,
        llvm::function_ref<int64_t(BlockArgument, int64_t)> sizeOf) {
  std::optional<int64_t> slots;
  BlockArgument argument = function.getArgument(index);
  for (Operation *user : argument.getUsers()) {
    auto attention = dyn_cast<AttentionOp>(user);
    if (!attention)
      continue;
    for (bool query : {true, false}) {
      if ((query ? attention.getCuQ() : attention.getCuKv()) != argument)
        continue;
      Value tensor = query ? attention.getQ() : attention.getK();
      AxesAttr axes = attention.getAxesOrDefault();
      int64_t axis = (query ? axes.getQ() : axes.getK())[kSeq];
      int64_t size = cast<ShapedType>(tensor.getType()).getDimSize(axis);
      if (auto source = dyn_cast<BlockArgument>(tensor);
          source && source.getOwner() == argument.getOwner())
        size = sizeOf(source, axis);
      if (ShapedType::isDynamic(size))
        return std::nullopt;
      slots = std::min(slots.value_or(size), size);
    }
  }
  return slots;
}

/// How many pages or documents a generator draws at most.
static constexpr int64_t kMostDrawn = int64_t(1) << 24;

/// Fills one argument. `slots` is for cu_seqlens.
static llvm::Error fill(Array &array, GenAttr gen, const std::string &name,
                        std::optional<int64_t> slots, Random &random) {
  bool real = isFloat(array.dtype);
  llvm::StringRef kind;
  SmallVector<double> numbers;
  if (gen) {
    kind = gen.getKind();
    numbers.append(gen.getNumbers().asArrayRef().begin(),
                   gen.getNumbers().asArrayRef().end());
  } else if (real) {
    kind = "normal";
    numbers = {1.0};
  } else if (array.dtype == DType::I1) {
    kind = "mask";
    numbers = {0.75, 0.0};
  } else {
    kind = "zeros";
  }
  for (double number : numbers)
    if (!real && !(std::fabs(number) < 9e18))
      return fail("expects generator '" + kind + "' of '" + name +
                  "' to have numbers that fit 64 bits, but got " +
                  std::to_string(number));
  auto whole = [&](unsigned n) { return static_cast<int64_t>(numbers[n]); };
  auto expects = [&](bool fits, llvm::StringRef what) -> llvm::Error {
    if (fits)
      return llvm::Error::success();
    return fail("expects '" + name + "' to hold " + what + " for generator '" +
                kind + "', but got " + dtypeName(array.dtype));
  };
  bool integer = !real && array.dtype != DType::I1;

  if (kind == "zeros")
    return llvm::Error::success();
  if (kind == "constant") {
    llvm::fill(array.floats, real ? roundTo(array.dtype, numbers[0]) : 0);
    if (!real)
      llvm::fill(array.ints,
                 array.dtype == DType::I1 ? whole(0) != 0 : whole(0));
    return llvm::Error::success();
  }
  if (kind == "normal") {
    for (double &value : array.floats)
      value = roundTo(array.dtype, numbers[0] * random.normal());
    return expects(real, "floats");
  }
  if (kind == "uniform" && real) {
    for (double &value : array.floats)
      value = roundTo(array.dtype,
                      numbers[0] + (numbers[1] - numbers[0]) * random.unit());
    return llvm::Error::success();
  }
  if (kind == "mask") {
    if (llvm::Error error = expects(array.dtype == DType::I1, "i1"))
      return error;
    fillMask(array, numbers[0], whole(1), random);
    return llvm::Error::success();
  }
  if (llvm::Error error = expects(integer, "integers"))
    return error;
  // Pages and documents are drawn one by one, for every row.
  if ((kind == "page_table" || kind == "segments") && whole(0) > kMostDrawn)
    return fail("expects generator '" + kind + "' of '" + name +
                "' to have at most 2^24 " +
                (kind == "segments" ? "documents" : "pages") + ", but got " +
                llvm::Twine(whole(0)));
  if (kind == "page_table") {
    fillPageTable(array, whole(0), random);
  } else if (kind == "segments") {
    fillSegments(array, whole(0), random);
  } else if (kind == "cu_seqlens") {
    if (array.shape.size() != 1)
      return fail("expects '" + name +
                  "' to have one axis for generator "
                  "'cu_seqlens', but got " +
                  array.typeText());
    if (!slots)
      return fail("expects '" + name +
                  "' to be cu_q or cu_kv of an attention "
                  "over the function's arguments for generator 'cu_seqlens', "
                  "but got another use");
    if (!array.ints.empty())
      array.ints = cuts(array.shape[0] - 1, *slots, random);
  } else { // uniform, lengths, positions
    for (int64_t &value : array.ints)
      value = random.between(whole(0), whole(1));
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// All arguments
//===----------------------------------------------------------------------===//

llvm::Expected<SmallVector<Array>> attnrun::makeInputs(func::FuncOp function,
                                                       InputOptions &options) {
  SmallVector<std::string> names;
  std::set<std::string> known, axes;
  for (unsigned index = 0; index < function.getNumArguments(); ++index)
    names.push_back(argumentName(function, index));

  // What is given binds the sizes of its axes.
  for (auto [index, type] : llvm::enumerate(function.getArgumentTypes())) {
    if (!known.insert(names[index]).second)
      return fail("expects arguments with different names, but got '" +
                  names[index] + "' twice");
    std::optional<DType> dtype = dtypeOf(type);
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!dtype || !tensor)
      return fail("expects argument '" + names[index] +
                  "' to be a ranked "
                  "tensor of f64, f32, f16, bf16, i64, i32, i8 or i1, but got "
                  "another type");
    auto found = options.given.find(names[index]);
    if (found != options.given.end() &&
        static_cast<int64_t>(found->second.shape.size()) != tensor.getRank())
      return fail("expects '" + names[index] + "' to have rank " +
                  llvm::Twine(tensor.getRank()) + ", but got " +
                  shapeText(found->second.shape));
    for (auto [axis, size] : llvm::enumerate(tensor.getShape())) {
      std::string name = axisName(function, index, axis);
      axes.insert(name);
      int64_t have = size;
      if (found != options.given.end()) {
        have = found->second.shape[axis];
        if (!ShapedType::isDynamic(size) && have != size)
          return fail("expects '" + names[index] + "' to have shape " +
                      shapeText(tensor.getShape()) + ", but got " +
                      shapeText(found->second.shape));
      }
      if (!ShapedType::isDynamic(have))
        if (llvm::Error error = bindAxis(options.sizes, name, have,
                                         "axis " + llvm::Twine(axis) + " of '" +
                                             names[index] + "'"))
          return error;
    }
  }
  for (const auto &entry : options.given)
    if (!known.count(entry.first))
      return fail("expects inputs called " + llvm::join(names, ", ") +
                  ", but got '" + entry.first + "'");
  for (const auto &entry : options.sizes)
    if (!axes.count(entry.first))
      return fail(
          "expects dimensions called " +
          llvm::join(std::vector<std::string>(axes.begin(), axes.end()), ", ") +
          ", but got '" + entry.first + "'");

  // The rest is made.
  SmallVector<SmallVector<int64_t>> shapes;
  for (auto [index, type] : llvm::enumerate(function.getArgumentTypes())) {
    SmallVector<int64_t> &shape =
        shapes.emplace_back(cast<RankedTensorType>(type).getShape());
    for (auto [axis, size] : llvm::enumerate(shape)) {
      if (!ShapedType::isDynamic(size))
        continue;
      std::string name = axisName(function, index, axis);
      auto found = options.sizes.find(name);
      if (found == options.sizes.end())
        return fail("expects a size for dimension '" + llvm::Twine(name) +
                    "' (axis " + llvm::Twine(axis) + " of '" + names[index] +
                    "'), but got none; give --dim " + name + "=N");
      size = found->second;
    }
    // Inputs live in float64 here, and generating more would take for ever.
    std::optional<int64_t> count = elementCount(shape);
    if (!count || *count > (int64_t(1) << 32))
      return fail("expects '" + names[index] +
                  "' to have at most 2^32 "
                  "elements, but got shape " +
                  shapeText(shape));
  }
  SmallVector<Array> arrays;
  for (auto [index, type] : llvm::enumerate(function.getArgumentTypes())) {
    DType dtype = *dtypeOf(type);
    auto found = options.given.find(names[index]);
    if (found != options.given.end()) {
      llvm::Expected<Array> array = found->second.as(dtype, names[index]);
      if (!array)
        return array.takeError();
      arrays.push_back(std::move(*array));
      continue;
    }
    Array &array = arrays.emplace_back(dtype, shapes[index]);
    Random random(options.seed, index);
    auto gen = function.getArgAttrOfType<GenAttr>(index, "attn.input");
    if (!gen && function.getArgAttr(index, "attn.input"))
      return fail("expects attn.input of '" + names[index] +
                  "' to be #attn.gen<...>, but got another attribute");
    std::optional<int64_t> slots =
        slotsOf(function, index, [&](BlockArgument source, int64_t axis) {
          return shapes[source.getArgNumber()][axis];
        });
    if (llvm::Error error = fill(array, gen, names[index], slots, random))
      return error;
  }
  return arrays;
}
