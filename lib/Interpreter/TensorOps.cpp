//===- TensorOps.cpp - Slices, joins, reshapes ----------------------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operations of the tensor dialect that programs around attention use.
//===----------------------------------------------------------------------===//

#include "Detail.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::detail;

using Result = llvm::Expected<std::optional<Ref>>;

/// Row-major strides.
static SmallVector<int64_t> stridesOf(llvm::ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t axis = static_cast<int64_t>(shape.size()) - 2; axis >= 0; --axis)
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  return strides;
}

/// Calls `visit` with each index of a box, last axis fastest.
static void
forEachIndex(llvm::ArrayRef<int64_t> shape,
             llvm::function_ref<void(llvm::ArrayRef<int64_t>)> visit) {
  if (llvm::is_contained(shape, 0))
    return;
  SmallVector<int64_t> index(shape.size(), 0);
  while (true) {
    visit(index);
    int64_t axis = static_cast<int64_t>(shape.size()) - 1;
    while (axis >= 0 && ++index[axis] == shape[axis])
      index[axis--] = 0;
    if (axis < 0)
      return;
  }
}

static void copyElement(const Datum &from, int64_t source, Datum &to,
                        int64_t target) {
  if (isFloat(from.dtype))
    to.floats[target] = from.floats[source];
  else
    to.ints[target] = from.ints[source];
}

/// Offsets, sizes or strides: constants, and operands that are scalars.
static llvm::Expected<SmallVector<int64_t>>
readNumbers(Operation *op, llvm::ArrayRef<int64_t> fixed,
            llvm::ArrayRef<Ref> operands) {
  SmallVector<int64_t> numbers;
  for (int64_t number : fixed) {
    if (!ShapedType::isDynamic(number)) {
      numbers.push_back(number);
      continue;
    }
    if (!operands.front()->hasData())
      return opError(op, "expects sizes that do not depend on the elements of "
                         "a tensor, but got one that does");
    numbers.push_back(operands.front()->ints[0]);
    operands = operands.drop_front();
  }
  return numbers;
}

namespace {
/// A strided box in a tensor.
struct Box {
  SmallVector<int64_t> offsets, sizes, strides;
};
} // namespace

/// The box of an extract_slice or insert_slice, checked against `shape`.
template <typename SliceOp>
static llvm::Expected<Box> readBox(SliceOp op, llvm::ArrayRef<Ref> dynamic,
                                   llvm::ArrayRef<int64_t> shape) {
  Box box;
  unsigned offsets = op.getOffsets().size(), sizes = op.getSizes().size();
  auto read = [&](SmallVector<int64_t> &numbers, llvm::ArrayRef<int64_t> fixed,
                  llvm::ArrayRef<Ref> operands) -> llvm::Error {
    auto values = readNumbers(op, fixed, operands);
    if (!values)
      return values.takeError();
    numbers = *values;
    return llvm::Error::success();
  };
  if (llvm::Error error =
          read(box.offsets, op.getStaticOffsets(), dynamic.take_front(offsets)))
    return error;
  if (llvm::Error error = read(box.sizes, op.getStaticSizes(),
                               dynamic.drop_front(offsets).take_front(sizes)))
    return error;
  if (llvm::Error error = read(box.strides, op.getStaticStrides(),
                               dynamic.drop_front(offsets + sizes)))
    return error;
  for (auto [axis, size] : llvm::enumerate(shape)) {
    // In 128 bits, because the numbers may be anything.
    __int128 first = box.offsets[axis];
    __int128 last = first + static_cast<__int128>(box.strides[axis]) *
                                (box.sizes[axis] - 1);
    bool fits = box.sizes[axis] == 0
                    ? first >= 0 && first <= size
                    : first >= 0 && first < size && last >= 0 && last < size;
    if (box.sizes[axis] < 0 || !fits)
      return opError(op, "expects a slice inside " + shapeText(shape) +
                             ", but got offsets " + shapeText(box.offsets) +
                             ", sizes " + shapeText(box.sizes) +
                             " and strides " + shapeText(box.strides));
  }
  return box;
}

/// Position in the tensor of an index in its box.
static int64_t place(const Box &box, llvm::ArrayRef<int64_t> strides,
                     llvm::ArrayRef<int64_t> index) {
  int64_t position = 0;
  for (auto [offset, step, stride, number] :
       llvm::zip(box.offsets, box.strides, strides, index))
    position += (offset + step * number) * stride;
  return position;
}

static Result extractSlice(tensor::ExtractSliceOp op,
                           llvm::ArrayRef<Ref> operands) {
  const Datum &source = *operands.front();
  auto box = readBox(op, operands.drop_front(), source.shape);
  if (!box)
    return box.takeError();
  // The result may have dropped axes of size one.
  SmallVector<int64_t> shape;
  llvm::SmallBitVector dropped = op.getDroppedDims();
  for (auto [axis, size] : llvm::enumerate(box->sizes))
    if (!dropped.test(axis))
      shape.push_back(size);
  auto result = makeDatum(op, source.dtype, shape, source.hasData());
  if (!result)
    return result.takeError();
  Datum &datum = **result;
  datum.isLse = source.isLse;
  if (source.hasData()) {
    SmallVector<int64_t> strides = stridesOf(source.shape);
    int64_t target = 0;
    forEachIndex(box->sizes, [&](llvm::ArrayRef<int64_t> index) {
      copyElement(source, place(*box, strides, index), datum, target++);
    });
  }
  return Ref(*result);
}

static Result insertSlice(tensor::InsertSliceOp op,
                          llvm::ArrayRef<Ref> operands) {
  const Datum &source = *operands[0], &dest = *operands[1];
  auto box = readBox(op, operands.drop_front(2), dest.shape);
  if (!box)
    return box.takeError();
  // The source may lack axes of size one; its elements come in the same order.
  int64_t count = 1;
  for (int64_t size : box->sizes)
    count *= size;
  if (source.size() != count)
    return opError(op, "expects a source of the slice's sizes " +
                           shapeText(box->sizes) + ", but got " +
                           shapeText(source.shape));
  bool known = source.hasData() && dest.hasData();
  auto result = makeDatum(op, dest.dtype, dest.shape, false);
  if (!result)
    return result.takeError();
  Datum &datum = **result;
  datum.isLse = source.isLse;
  if (known) {
    datum.floats = dest.floats;
    datum.ints = dest.ints;
    SmallVector<int64_t> strides = stridesOf(dest.shape);
    int64_t from = 0;
    forEachIndex(box->sizes, [&](llvm::ArrayRef<int64_t> index) {
      copyElement(source, from++, datum, place(*box, strides, index));
    });
  }
  return Ref(*result);
}

static Result concat(tensor::ConcatOp op, llvm::ArrayRef<Ref> operands) {
  uint64_t axis = op.getDim();
  SmallVector<int64_t> shape = operands.front()->shape;
  bool known = operands.front()->hasData(), lse = operands.front()->isLse;
  for (const Ref &operand : operands.drop_front()) {
    for (auto [other, size] : llvm::enumerate(operand->shape))
      if (other != axis && size != shape[other])
        return opError(op, "expects inputs that agree in every axis but " +
                               llvm::Twine(axis) + ", but got " +
                               shapeText(operands.front()->shape) + " and " +
                               shapeText(operand->shape));
    shape[axis] += operand->shape[axis];
    known &= operand->hasData();
    lse &= operand->isLse;
  }
  auto result = makeDatum(op, operands.front()->dtype, shape, known);
  if (!result)
    return result.takeError();
  Datum &datum = **result;
  datum.isLse = lse;
  if (known) {
    SmallVector<int64_t> strides = stridesOf(shape);
    int64_t offset = 0;
    for (const Ref &operand : operands) {
      Box box{SmallVector<int64_t>(shape.size(), 0), operand->shape,
              SmallVector<int64_t>(shape.size(), 1)};
      box.offsets[axis] = offset;
      int64_t from = 0;
      forEachIndex(operand->shape, [&](llvm::ArrayRef<int64_t> index) {
        copyElement(*operand, from++, datum, place(box, strides, index));
      });
      offset += operand->shape[axis];
    }
  }
  return Ref(*result);
}

/// The same elements under another shape.
static Result reshape(Operation *op, const Datum &source,
                      llvm::ArrayRef<int64_t> shape) {
  std::optional<int64_t> count = elementCount(shape);
  if (!count || *count != source.size())
    return opError(op, "expects a shape of " + llvm::Twine(source.size()) +
                           " elements, but got " + shapeText(shape));
  auto datum = std::make_shared<Datum>(source);
  datum->shape.assign(shape.begin(), shape.end());
  return Ref(datum);
}

static Result collapse(tensor::CollapseShapeOp op,
                       llvm::ArrayRef<Ref> operands) {
  SmallVector<int64_t> shape;
  for (const ReassociationIndices &group : op.getReassociationIndices()) {
    int64_t size = 1;
    for (int64_t axis : group)
      size *= operands.front()->shape[axis];
    shape.push_back(size);
  }
  return reshape(op, *operands.front(), shape);
}

static Result expand(tensor::ExpandShapeOp op, llvm::ArrayRef<Ref> operands) {
  auto shape =
      readNumbers(op, op.getStaticOutputShape(), operands.drop_front());
  if (!shape)
    return shape.takeError();
  const Datum &source = *operands.front();
  for (auto [axis, group] : llvm::enumerate(op.getReassociationIndices())) {
    int64_t size = 1;
    for (int64_t inner : group)
      size *= (*shape)[inner];
    if (size != source.shape[axis])
      return opError(op, "expects an output shape that splits " +
                             shapeText(source.shape) + ", but got " +
                             shapeText(*shape));
  }
  return reshape(op, source, *shape);
}

/// The sizes of a static-or-dynamic result type, the dynamic ones from
/// operands.
static llvm::Expected<SmallVector<int64_t>>
readShape(Operation *op, llvm::ArrayRef<Ref> dynamic) {
  return readNumbers(
      op, cast<RankedTensorType>(op->getResult(0).getType()).getShape(),
      dynamic);
}

static Result empty(tensor::EmptyOp op, llvm::ArrayRef<Ref> operands,
                    RunMode &mode) {
  auto shape = readShape(op, operands);
  if (!shape)
    return shape.takeError();
  auto dtype = dtypeOf(op.getType());
  if (!dtype)
    return opError(op, "expects elements of f64, f32, f16, bf16, i64, i32, i8, "
                       "i1 or index, but got another type");
  auto result = makeDatum(op, *dtype, *shape, !mode.shapesOnly);
  if (!result)
    return result.takeError();
  // Undefined until written, so that whoever reads it shows.
  llvm::fill((*result)->floats, NAN);
  return Ref(*result);
}

static Result splat(tensor::SplatOp op, llvm::ArrayRef<Ref> operands) {
  auto shape = readShape(op, operands.drop_front());
  if (!shape)
    return shape.takeError();
  const Datum &value = *operands.front();
  auto result = makeDatum(op, value.dtype, *shape, value.hasData());
  if (!result)
    return result.takeError();
  if (value.hasData()) {
    for (double &slot : (*result)->floats)
      slot = value.floats[0];
    for (int64_t &slot : (*result)->ints)
      slot = value.ints[0];
  }
  return Ref(*result);
}

static Result scalar(Operation *op, int64_t value) {
  auto result = makeDatum(op, DType::I64, {}, true);
  if (!result)
    return result.takeError();
  (*result)->ints[0] = value;
  return Ref(*result);
}

static Result dim(tensor::DimOp op, llvm::ArrayRef<Ref> operands) {
  const Datum &source = *operands[0];
  if (!operands[1]->hasData())
    return opError(op, "expects an axis that does not depend on the elements "
                       "of a tensor, but got one that does");
  int64_t axis = operands[1]->ints[0];
  if (axis < 0 || axis >= static_cast<int64_t>(source.shape.size()))
    return opError(op, "expects an axis below the rank " +
                           llvm::Twine(source.shape.size()) + ", but got " +
                           llvm::Twine(axis));
  return scalar(op, source.shape[axis]);
}

/// Position of an element named by scalar operands.
static llvm::Expected<int64_t> elementAt(Operation *op,
                                         llvm::ArrayRef<int64_t> shape,
                                         llvm::ArrayRef<Ref> indices) {
  SmallVector<int64_t> numbers;
  int64_t position = 0;
  bool inside = true;
  for (auto [size, index] : llvm::zip(shape, indices)) {
    numbers.push_back(index->ints[0]);
    inside &= numbers.back() >= 0 && numbers.back() < size;
    position = inside ? position * size + numbers.back() : 0;
  }
  if (!inside)
    return opError(op, "expects indices inside " + shapeText(shape) +
                           ", but got " + shapeText(numbers));
  return position;
}

static bool allKnown(llvm::ArrayRef<Ref> operands) {
  return llvm::all_of(operands, [](const Ref &ref) { return ref->hasData(); });
}

static Result extract(tensor::ExtractOp op, llvm::ArrayRef<Ref> operands) {
  const Datum &source = *operands.front();
  auto result = makeDatum(op, source.dtype, {}, allKnown(operands));
  if (!result || !allKnown(operands))
    return result;
  auto position = elementAt(op, source.shape, operands.drop_front());
  if (!position)
    return position.takeError();
  copyElement(source, *position, **result, 0);
  return Ref(*result);
}

static Result insert(tensor::InsertOp op, llvm::ArrayRef<Ref> operands) {
  const Datum &dest = *operands[1];
  auto result = std::make_shared<Datum>(dest);
  if (!allKnown(operands)) {
    result->floats.clear();
    result->ints.clear();
    return Ref(result);
  }
  auto position = elementAt(op, dest.shape, operands.drop_front(2));
  if (!position)
    return position.takeError();
  copyElement(*operands[0], 0, *result, *position);
  return Ref(result);
}

static Result fromElements(tensor::FromElementsOp op,
                           llvm::ArrayRef<Ref> operands) {
  auto dtype = dtypeOf(op.getType());
  if (!dtype)
    return opError(op, "expects elements of f64, f32, f16, bf16, i64, i32, i8, "
                       "i1 or index, but got another type");
  auto result =
      makeDatum(op, *dtype, op.getType().getShape(), allKnown(operands));
  if (!result || !allKnown(operands))
    return result;
  for (auto [position, operand] : llvm::enumerate(operands))
    copyElement(*operand, 0, **result, position);
  return Ref(*result);
}

Result mlir::attn::detail::runTensorOp(Operation *op,
                                       llvm::ArrayRef<Ref> operands,
                                       RunMode &mode) {
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case(
          [&](tensor::ExtractSliceOp op) { return extractSlice(op, operands); })
      .Case([&](tensor::InsertSliceOp op) { return insertSlice(op, operands); })
      .Case([&](tensor::ConcatOp op) { return concat(op, operands); })
      .Case([&](tensor::CollapseShapeOp op) { return collapse(op, operands); })
      .Case([&](tensor::ExpandShapeOp op) { return expand(op, operands); })
      .Case(
          [&](tensor::CastOp) { return std::optional<Ref>(operands.front()); })
      .Case([&](tensor::EmptyOp op) { return empty(op, operands, mode); })
      .Case([&](tensor::SplatOp op) { return splat(op, operands); })
      .Case([&](tensor::DimOp op) { return dim(op, operands); })
      .Case([&](tensor::RankOp op) {
        return scalar(op, operands.front()->shape.size());
      })
      .Case([&](tensor::ExtractOp op) { return extract(op, operands); })
      .Case([&](tensor::InsertOp op) { return insert(op, operands); })
      .Case(
          [&](tensor::FromElementsOp op) { return fromElements(op, operands); })
      .Default([](Operation *) { return std::optional<Ref>(); });
}
