//===- AttnVerifiers.cpp - Rules of the ops -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each rule carries its label of docs/Spec.md.
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/CheckedArithmetic.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

static bool compatible(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

static std::string dimText(int64_t dim) {
  return ShapedType::isDynamic(dim) ? "?" : std::to_string(dim);
}

/// "[?, 8, ?, 64]"
static std::string shapeText(ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (auto [index, dim] : llvm::enumerate(shape))
    text += (index ? ", " : "") + dimText(dim);
  return text + "]";
}

/// The byte count of a static shape does not overflow 63 bits.
static bool bytesOverflow(ShapedType type) {
  int64_t bytes = std::max<int64_t>(1, type.getElementTypeBitWidth() / 8);
  for (int64_t dim : type.getShape()) {
    if (ShapedType::isDynamic(dim))
      continue;
    std::optional<int64_t> product = llvm::checkedMul(bytes, std::max<int64_t>(dim, 1));
    if (!product)
      return true;
    bytes = *product;
  }
  return false;
}

namespace {
/// Size of one axis of an optional operand: either exactly `size`, or `size` or
/// 1 where it broadcasts.
struct Expected {
  int64_t size;
  bool broadcasts = false;
  const char *name;
};
} // namespace

/// `what` has the element type and shape given.
static LogicalResult verifyOperand(Operation *op, StringRef what, Value value, Type element,
                                   ArrayRef<Expected> shape) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getElementType() != element)
    return op->emitOpError() << "expects " << what << " to have element type " << element
                             << ", but got " << type.getElementType();
  if (type.getRank() != static_cast<int64_t>(shape.size()))
    return op->emitOpError() << "expects " << what << " to have rank " << shape.size()
                             << ", but got rank " << type.getRank();
  for (auto [axis, expected] : llvm::enumerate(shape)) {
    int64_t size = type.getDimSize(axis);
    if (compatible(size, expected.size) || (expected.broadcasts && size == 1))
      continue;
    return op->emitOpError() << "expects axis " << axis << " (" << expected.name << ") of " << what
                             << " to be " << (expected.broadcasts ? "1 or " : "")
                             << dimText(expected.size) << ", but got " << size;
  }
  return success();
}

/// Right-aligned broadcasting of bias and mask_tensor to [B, Hq, Sq, Sk].
template <typename Op>
static LogicalResult verifyBroadcast(Op op, StringRef what, Value value,
                                     ArrayRef<Expected> full) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() < 1 || type.getRank() > 4)
    return op.emitOpError() << "expects " << what << " to have rank 1 to 4, but got rank "
                            << type.getRank();
  ArrayRef<Expected> shape = full.take_back(type.getRank());
  return verifyOperand(op, what, value, type.getElementType(), shape);
}

bool mlir::attn::isAllowedInScalarRegion(Operation *op) {
  static const llvm::StringSet<> allowed = {
      "arith.addf",     "arith.subf",     "arith.mulf",        "arith.divf",
      "arith.negf",     "arith.maximumf", "arith.minimumf",    "arith.maxnumf",
      "arith.minnumf",  "arith.cmpf",     "arith.cmpi",        "arith.select",
      "arith.constant", "arith.sitofp",   "arith.fptosi",      "arith.extf",
      "arith.truncf",   "arith.addi",     "arith.subi",        "arith.muli",
      "arith.divsi",    "arith.remsi",    "arith.floordivsi",  "arith.ceildivsi",
      "arith.andi",     "arith.ori",      "arith.xori",        "arith.shli",
      "arith.shrsi",    "arith.shrui",    "arith.maxsi",       "arith.minsi",
      "arith.extsi",    "arith.extui",    "arith.trunci",      "arith.index_cast",
      "math.exp",       "math.exp2",      "math.log",          "math.log2",
      "math.log1p",     "math.tanh",      "math.sqrt",         "math.rsqrt",
      "math.absf",      "math.absi",      "math.sin",          "math.cos",
      "math.powf",      "math.floor",     "math.ceil",         "math.erf",
      "attn.load",      "attn.yield"};
  return allowed.contains(op->getName().getStringRef());
}

/// Checks, for one region of an op with captured tensors: one block with the
/// arguments `leading` then one per capture (c29, c30), only listed ops (c31),
/// one yielded value of type `result` (yield_c1).
static LogicalResult verifyScalarRegion(Operation *op, Region &region, StringRef name,
                                        ArrayRef<Type> leading, ValueRange captures, Type result,
                                        StringRef signature) {
  if (region.empty())
    return success();
  Block &block = region.front();
  SmallVector<Type> expected(leading);
  llvm::append_range(expected, captures.getTypes());
  if (!llvm::equal(block.getArgumentTypes(), expected))
    return op->emitOpError() << "expects " << name << " to take (" << signature
                             << (captures.empty() ? "" : ", captures...") << ") as ("
                             << TypeRange(expected) << "), but got ("
                             << TypeRange(block.getArgumentTypes()) << ")";
  for (Operation &inner : block)
    if (!isAllowedInScalarRegion(&inner)) // attention_c31
      return inner.emitOpError() << "is not allowed in " << name
                                 << ": expects scalar arith and math ops, attn.load and "
                                    "attn.yield, but got '"
                                 << inner.getName() << "'";
  auto yield = dyn_cast<YieldOp>(block.back());
  if (!yield || yield.getNumOperands() != 1 || yield.getOperand(0).getType() != result) {
    InFlightDiagnostic diag = op->emitOpError() // yield_c1
                              << "expects " << name << " to yield one " << result
                              << ", but got ";
    if (!yield)
      return diag << "a block that does not end in attn.yield";
    return diag << "(" << TypeRange(yield->getOperandTypes()) << ")";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// attention
//===----------------------------------------------------------------------===//

/// Shapes and types of q, k, v and the results: c1 to c9, c11, c12, c33, c34.
template <typename Op>
static LogicalResult verifyShapes(Op op) {
  auto q = cast<RankedTensorType>(op.getQ().getType());
  for (auto [name, value] : {std::pair<StringRef, Value>{"q", op.getQ()},
                             {"k", op.getK()},
                             {"v", op.getV()}}) {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getRank() != 4) // attention_c1
      return op.emitOpError() << "expects " << name
                              << " to have rank 4 [batch, heads, seq, dim], but got rank "
                              << type.getRank();
    Type element = type.getElementType(); // attention_c2
    if (!isa<Float64Type, Float32Type, Float16Type, BFloat16Type>(element))
      return op.emitOpError() << "expects " << name
                              << " to have element type f64, f32, f16 or bf16, but got " << element;
    if (element != q.getElementType())
      return op.emitOpError() << "expects q, k and v to have the same element type, but got "
                              << q.getElementType() << " for q and " << element << " for "
                              << name;
    if (bytesOverflow(type)) // attention_c33
      return op.emitOpError() << "expects the byte size of " << name
                              << " to fit 63 bits, but got shape " << shapeText(type.getShape());
  }
  int64_t d = op.getQDim(kDim), e = op.getVDim(kDim);
  if (ShapedType::isDynamic(d) || ShapedType::isDynamic(e) ||
      ShapedType::isDynamic(op.getKDim(kDim))) // attention_c4
    return op.emitOpError() << "expects head dims to be static, but got " << dimText(d)
                            << " for q, " << dimText(op.getKDim(kDim)) << " for k and "
                            << dimText(e) << " for v";
  if (op.getKDim(kDim) != d) // attention_c3
    return op.emitOpError() << "expects q and k to have the same head dim, but got " << d << " and "
                            << op.getKDim(kDim);
  for (int64_t dim : {d, e})
    if (dim < 1 || dim > 256) // attention_c4
      return op.emitOpError() << "expects head dims between 1 and 256, but got " << dim;
  if (!op.isPaged()) { // attention_c5
    for (auto [name, batch] : {std::pair<StringRef, int64_t>{"k", op.getKDim(kBatch)},
                               {"v", op.getVDim(kBatch)}})
      if (!compatible(op.getQDim(kBatch), batch))
        return op.emitOpError() << "expects " << name << " to have the batch size of q, but got "
                                << op.getQDim(kBatch) << " for q and " << batch << " for " << name;
  }
  static constexpr const char *kNames[] = {"batch size", "head count", "key count"};
  static constexpr const char *kPagedNames[] = {"page count", "head count", "page size"};
  for (int64_t role : {kBatch, kHead, kSeq}) // attention_c6
    if (!compatible(op.getKDim(role), op.getVDim(role)))
      return op.emitOpError() << "expects k and v to have the same "
                              << (op.isPaged() ? kPagedNames : kNames)[role] << ", but got "
                              << op.getKDim(role) << " and " << op.getVDim(role);
  int64_t hq = op.getQDim(kHead), hkv = op.getKDim(kHead);
  if (!ShapedType::isDynamic(hq) && !ShapedType::isDynamic(hkv) &&
      (hkv == 0 ? hq != 0 : hq % hkv != 0)) // attention_c7
    return op.emitOpError() << "expects the query head count to be a multiple of the key/value "
                               "head count, but got "
                            << hq << " and " << hkv;

  SmallVector<int64_t> outShape(q.getShape());
  outShape[3] = e;
  auto out = cast<RankedTensorType>(op.getOut().getType());
  if (out.getElementType() != q.getElementType() || failed(verifyCompatibleShape(out.getShape(), outShape))) // attention_c8
    return op.emitOpError() << "expects out to be " << shapeText(outShape) << " of "
                            << q.getElementType() << ", but got " << shapeText(out.getShape())
                            << " of " << out.getElementType();
  if (op.getLse()) { // attention_c9
    auto lse = cast<RankedTensorType>(op.getLse().getType());
    int64_t lseShape[] = {op.getQDim(kBatch), op.getQDim(kHead), op.getQDim(kSeq)};
    if (lse.getElementType() != op.getStateType() || lse.getRank() != 3 ||
        failed(verifyCompatibleShape(lse.getShape(), lseShape)))
      return op.emitOpError() << "expects lse to be " << shapeText(lseShape) << " of "
                              << op.getStateType() << ", but got " << shapeText(lse.getShape())
                              << " of " << lse.getElementType();
  }
  // Numbers whose products and reciprocals are still floats.
  auto moderate = [](double value) { return value >= 1e-30 && value <= 1e30; };
  if (op.getScale()) { // attention_c11
    double scale = op.getScale()->convertToDouble();
    if (scale != 0.0 && !moderate(std::fabs(scale)))
      return op.emitOpError() << "expects scale to be 0 or between 1e-30 and 1e30 in size, but got "
                              << scale;
  }
  if (op.getSoftcap()) { // attention_c12
    double cap = op.getSoftcap()->convertToDouble();
    if (!moderate(cap))
      return op.emitOpError() << "expects softcap to be between 1e-30 and 1e30, but got " << cap;
  }
  // The positions are i32, and the score extent is what offsets are made of.
  int64_t sq = op.getQDim(kSeq);
  int64_t sk = op.isPaged() ? ShapedType::kDynamic : op.getKDim(kSeq);
  for (auto [name, size] : {std::pair<StringRef, int64_t>{"q", sq}, {"k", sk}}) // attention_c34
    if (!ShapedType::isDynamic(size) && size > INT32_MAX)
      return op.emitOpError() << "expects the sequence of " << name
                              << " to be at most 2147483647 long, but got " << size;
  return success();
}

/// Optional operands: c13 to c17, c21 to c28.
template <typename Op>
static LogicalResult verifyOptionalOperands(Op op) {
  MLIRContext *context = op.getContext();
  Type i32 = IntegerType::get(context, 32), f32 = Float32Type::get(context),
       i1 = IntegerType::get(context, 1);
  int64_t b = op.getQDim(kBatch), hq = op.getQDim(kHead), hkv = op.getKDim(kHead),
          sq = op.getQDim(kSeq), sk = op.isPaged() ? ShapedType::kDynamic : op.getKDim(kSeq);
  if (op.isPaged() && op.getPageSize()) {
    int64_t pages = cast<RankedTensorType>(op.getPageTable().getType()).getShape().back();
    int64_t page = std::clamp<int64_t>(*op.getPageSize(), 1, 256); // attention_c25 is below
    if (!ShapedType::isDynamic(pages)) {
      if (pages > INT32_MAX / page) // attention_c34
        return op.emitOpError() << "expects page_table to hold at most " << INT32_MAX / page
                                << " pages of " << page << " slots, but got " << pages;
      sk = pages * page;
    }
  }
  Expected full[] = {{b, true, "b"}, {hq, true, "hq"}, {sq, true, "i"}, {sk, false, "j"}};
  if (Value bias = op.getBias()) { // attention_c13
    Type element = cast<RankedTensorType>(bias.getType()).getElementType();
    Type qElement = cast<RankedTensorType>(op.getQ().getType()).getElementType();
    if (element != f32 && element != qElement)
      return op.emitOpError() << "expects bias to have element type 'f32' or " << qElement
                              << ", but got " << element;
    if (failed(verifyBroadcast(op, "bias", bias, full)))
      return failure();
  }
  if (Value mask = op.getMaskTensor()) { // attention_c14
    Type element = cast<RankedTensorType>(mask.getType()).getElementType();
    if (element != i1)
      return op.emitOpError() << "expects mask_tensor to have element type 'i1' (true = attend), "
                                 "but got "
                              << element << "; a float mask is a bias";
    if (failed(verifyBroadcast(op, "mask_tensor", mask, full)))
      return failure();
  }
  Expected perBatch[] = {{b, false, "b"}};
  for (auto [name, value] : {std::pair<StringRef, Value>{"q_lengths", op.getQLengths()},
                             {"kv_lengths", op.getKvLengths()},          // attention_c15
                             {"prefix_lengths", op.getPrefixLengths()}}) // attention_c23
    if (value && failed(verifyOperand(op, name, value, i32, perBatch)))
      return failure();
  Expected perQuery[] = {{b, true, "b"}, {sq, false, "i"}};
  Expected perKey[] = {{b, true, "b"}, {sk, false, "j"}};
  for (auto [name, value, shape] :
       {std::tuple<StringRef, Value, ArrayRef<Expected>>{"q_positions", op.getQPositions(), perQuery},
        {"kv_positions", op.getKvPositions(), perKey}, // attention_c16
        {"q_segments", op.getQSegments(), perQuery},
        {"kv_segments", op.getKvSegments(), perKey}}) // attention_c21
    if (value && failed(verifyOperand(op, name, value, i32, shape)))
      return failure();
  if (static_cast<bool>(op.getQPositions()) != static_cast<bool>(op.getKvPositions())) // attention_c16
    return op.emitOpError() << "expects q_positions and kv_positions together, but got only "
                            << (op.getQPositions() ? "q_positions" : "kv_positions");
  if (op.getQPositions() && op.getAlign()) // attention_c17
    return op.emitOpError() << "expects no align with given positions, but got align "
                            << stringifyAlignment(*op.getAlign());
  if (op.getCuQ() || op.getCuKv()) { // attention_c22
    if (!op.getCuQ() || !op.getCuKv())
      return op.emitOpError() << "expects cu_q and cu_kv together, but got only " // attention_c19
                              << (op.getCuQ() ? "cu_q" : "cu_kv");
    int64_t sizes[2];
    std::pair<StringRef, Value> both[] = {{"cu_q", op.getCuQ()}, {"cu_kv", op.getCuKv()}};
    for (auto [index, named] : llvm::enumerate(both)) {
      Expected any[] = {{ShapedType::kDynamic, false, "documents + 1"}};
      if (failed(verifyOperand(op, named.first, named.second, i32, any)))
        return failure();
      sizes[index] = cast<RankedTensorType>(named.second.getType()).getDimSize(0);
      if (sizes[index] == 0)
        return op.emitOpError() << "expects " << named.first
                                << " to have at least one entry, but got 0";
    }
    if (!compatible(sizes[0], sizes[1]))
      return op.emitOpError() << "expects cu_q and cu_kv to have the same size, but got "
                              << sizes[0] << " and " << sizes[1];
  }
  if (static_cast<bool>(op.getQSegments()) != static_cast<bool>(op.getKvSegments())) // attention_c19
    return op.emitOpError() << "expects q_segments and kv_segments together, but got only "
                            << (op.getQSegments() ? "q_segments" : "kv_segments");
  if (op.isPaged() != op.getPageSize().has_value()) // attention_c24
    return op.emitOpError() << "expects page_table and page_size together, but got only "
                            << (op.isPaged() ? "page_table" : "page_size");
  if (op.isPaged()) {
    int64_t page = *op.getPageSize();
    if (page < 8 || page > 256 || (page & (page - 1))) // attention_c25
      return op.emitOpError() << "expects page_size to be a power of two between 8 and 256, but got "
                              << page;
    if (!compatible(op.getKDim(kSeq), page))
      return op.emitOpError() << "expects the page axis of k to be page_size " << page
                              << ", but got " << op.getKDim(kSeq);
    Expected table[] = {{b, false, "b"}, {hkv, true, "hkv"}, {ShapedType::kDynamic, false, "page"}};
    if (failed(verifyOperand(op, "page_table", op.getPageTable(), i32, table))) // attention_c26
      return failure();
  }
  if (Value logw = op.getLogWeight()) { // attention_c27
    Expected shape[] = {{b, true, "b"}, {hkv, true, "hkv"}, {sk, false, "j"}};
    if (failed(verifyOperand(op, "log_weight", logw, f32, shape)))
      return failure();
  }
  if (Value sinks = op.getSinks()) { // attention_c28
    Expected shape[] = {{hq, false, "hq"}};
    if (failed(verifyOperand(op, "sinks", sinks, f32, shape)))
      return failure();
  }
  for (Value capture : op.getCaptures()) { // attention_c32
    Type element = cast<RankedTensorType>(capture.getType()).getElementType();
    if (!isa<Float64Type, Float32Type, Float16Type, BFloat16Type>(element) &&
        !(element.isSignlessInteger() && llvm::is_contained({1, 8, 32, 64}, element.getIntOrFloatBitWidth())))
      return op.emitOpError() << "expects captures to have element type f64, f32, f16, bf16, i64, "
                                 "i32, i8 or i1, but got "
                              << element;
  }
  if (!op.getCaptures().empty() &&
      llvm::all_of(op->getRegions(), [](Region &region) { return region.empty(); }))
    return op.emitOpError() << "expects captures to come with score_mod, mask_mod or prob_mod, "
                               "but got "
                            << op.getCaptures().size() << " captures and no region";
  for (Value operand : op->getOperands())
    if (bytesOverflow(cast<ShapedType>(operand.getType()))) // attention_c33
      return op.emitOpError() << "expects the byte size of every operand to fit 63 bits, but got "
                                 "shape "
                              << shapeText(cast<ShapedType>(operand.getType()).getShape());
  return success();
}

/// What the mask and the regions need: c18 to c20, c23.
template <typename Op>
static LogicalResult verifyMaskNeeds(Op op) {
  std::optional<MaskAttr> mask = op.getMask();
  bool document = mask && mask->contains(MaskKind::Document);
  if (document && !op.hasDocuments()) // attention_c19
    return op.emitOpError() << "expects q_segments and kv_segments, or cu_q and cu_kv, with a "
                               "document mask, but got none";
  if (op.getQSegments() && op.getCuQ()) // attention_c19
    return op.emitOpError() << "expects segments or cumulative lengths, but got both";
  if (!document && op.hasDocuments()) // attention_c20
    return op.emitOpError() << "expects mask to hold document when "
                            << (op.getCuQ() ? "cu_q" : "q_segments") << " is given, but got "
                            << (mask ? "a mask without it" : "no mask");
  bool readsPrefix = mask && mask->readsPrefixLengths();
  if (readsPrefix != static_cast<bool>(op.getPrefixLengths())) // attention_c23
    return op.emitOpError() << "expects prefix_lengths and a prefix without a constant together, "
                               "but got only "
                            << (readsPrefix ? "the prefix" : "prefix_lengths");
  if (!op.readsPositions() || op.getAlign() || op.getQPositions())
    return success();
  if (op.getQLengths() || op.getKvLengths()) // attention_c18
    return op.emitOpError() << "expects align top_left or align bottom_right when positions are "
                               "compared and lengths are given, but got neither";
  if (op.hasDocuments())
    return op.emitOpError() << "expects align top_left or align bottom_right when positions are "
                               "compared within documents, but got neither";
  int64_t sq = op.getQDim(kSeq);
  int64_t sk = op.isPaged() ? ShapedType::kDynamic : op.getKDim(kSeq);
  if (op.isPaged() || !compatible(sq, sk))
    return op.emitOpError() << "expects align top_left or align bottom_right when query and key "
                               "lengths differ, but got neither for lengths "
                            << dimText(sq) << " and " << dimText(sk);
  return success();
}

/// The result scores: c36 and c37.
static LogicalResult verifyScores(AttentionOp op) {
  auto q = cast<RankedTensorType>(op.getQ().getType());
  if (static_cast<bool>(op.getScores()) != op.getScoresKind().has_value()) // attention_c36
    return op.emitOpError() << "expects a result scores and its kind together, but got only "
                            << (op.getScores() ? "the result" : "the kind");
  if (op.getScores()) { // attention_c37
    auto scores = cast<RankedTensorType>(op.getScores().getType());
    // Of pages, only the table knows how many slots there are.
    int64_t sk = op.isPaged() ? ShapedType::kDynamic : op.getKDim(kSeq);
    int64_t shape[] = {op.getQDim(kBatch), op.getQDim(kHead), op.getQDim(kSeq), sk};
    if (scores.getElementType() != q.getElementType() ||
        failed(verifyCompatibleShape(scores.getShape(), shape)))
      return op.emitOpError() << "expects scores to be " << shapeText(shape) << " of "
                              << q.getElementType() << ", but got "
                              << shapeText(scores.getShape()) << " of "
                              << scores.getElementType();
  }
  return success();
}

/// Whether `document` hides a key whatever else the mask says.
static bool hidesOtherDocuments(MaskAttr mask) {
  if (mask.getKind() == MaskKind::Document)
    return true;
  return mask.getKind() == MaskKind::And &&
         llvm::any_of(mask.getChildren(), [](Attribute child) {
           return hidesOtherDocuments(cast<MaskAttr>(child));
         });
}

/// What batch_invariant excludes: c39.
static LogicalResult verifyInvariant(AttentionOp op) {
  if (!op.getBatchInvariant()) // attention_c39
    return success();
  if (op.getQSegments())
    return op.emitOpError()
           << "expects documents as cu_q and cu_kv with batch_invariant, but "
              "got "
              "q_segments: where a segment's keys lie follows from the others";
  if (op.hasDocuments() && op.getMask() && !hidesOtherDocuments(*op.getMask()))
    return op.emitOpError()
           << "expects `document` as the mask or a part of its `and` with "
              "batch_invariant, but got "
           << *op.getMask() << ", which lets a row see other documents";
  if (op.materialises())
    return op.emitOpError() << "expects neither scores nor prob_mod with "
                               "batch_invariant, but got "
                            << (op.getScores() ? "scores" : "prob_mod");
  return success();
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyShapes(*this)) || failed(verifyScores(*this)) ||
      failed(verifyOptionalOperands(*this)) || failed(verifyMaskNeeds(*this)))
    return failure();
  return verifyInvariant(*this);
}

/// score_mod and mask_mod: c29 to c31.
template <typename Op>
static LogicalResult verifyMods(Op op) {
  MLIRContext *context = op.getContext();
  Type i32 = IntegerType::get(context, 32), i1 = IntegerType::get(context, 1);
  Type state = op.getStateType();
  Type score[] = {state, i32, i32, i32, i32};
  if (failed(verifyScalarRegion(op, op.getScoreMod(), "score_mod", score, op.getCaptures(), state,
                                "score, b, h, i, j"))) // attention_c29
    return failure();
  return verifyScalarRegion(op, op.getMaskMod(), "mask_mod", ArrayRef<Type>(score).drop_front(),
                            op.getCaptures(), i1, "b, h, i, j"); // attention_c30
}

LogicalResult AttentionOp::verifyRegions() {
  if (failed(verifyMods(*this)))
    return failure();
  Type i32 = IntegerType::get(getContext(), 32), state = getStateType();
  Type weight[] = {state, i32, i32, i32, i32};
  return verifyScalarRegion(*this, getProbMod(), "prob_mod", weight, getCaptures(), state,
                            "weight, b, h, i, j"); // attention_c38
}

//===----------------------------------------------------------------------===//
// attention_grad
//===----------------------------------------------------------------------===//

/// A gradient comes with its operand and has its type: c5.
static LogicalResult verifyGradient(AttentionGradOp op, StringRef name, Value gradient,
                                    Value operand) {
  if (!gradient)
    return success();
  if (!operand)
    return op.emitOpError() << "expects d" << name << " to come with " << name << ", but got no "
                            << name;
  if (gradient.getType() != operand.getType())
    return op.emitOpError() << "expects d" << name << " to have the type of " << name << ", "
                            << operand.getType() << ", but got " << gradient.getType();
  return success();
}

/// capture_grads and dcaptures: c6.
static LogicalResult verifyCaptureGrads(AttentionGradOp op) {
  ArrayRef<int64_t> wanted = op.getGradCaptures();
  if (wanted.size() != op.getDcaptures().size())
    return op.emitOpError() << "expects a dcapture per entry of capture_grads, but got "
                            << op.getDcaptures().size() << " and " << wanted.size();
  int64_t count = op.getCaptures().size(), last = -1;
  for (auto [number, gradient] : llvm::zip(wanted, op.getDcaptures())) {
    if (number <= last || number >= count)
      return op.emitOpError() << "expects capture_grads to list captures from 0 to " << count - 1
                              << " in rising order, but got " << number;
    last = number;
    Type type = op.getCaptures()[number].getType();
    if (!isa<FloatType>(cast<ShapedType>(type).getElementType()))
      return op.emitOpError() << "expects capture " << number
                              << " to have float elements to have a gradient, but got " << type;
    if (op.getScoreMod().empty())
      return op.emitOpError() << "expects capture " << number
                              << " to be read by score_mod to have a gradient, but got no "
                                 "score_mod";
    if (gradient.getType() != type)
      return op.emitOpError() << "expects the gradient of capture " << number << " to be " << type
                              << ", but got " << gradient.getType();
  }
  return success();
}

LogicalResult AttentionGradOp::verify() {
  // attention_grad_c1 and c2 of out and lse: the same lines say it of attention's results.
  if (failed(verifyShapes(*this)) || failed(verifyOptionalOperands(*this)) ||
      failed(verifyMaskNeeds(*this)))
    return failure();
  if ((*this)->hasAttr("batch_invariant")) // attention_grad_c4
    return emitOpError() << "expects no batch_invariant, but got it: dk and dv "
                            "are sums over rows; "
                            "the attention itself may have it";
  if (getDout().getType() != getOut().getType() && // attention_grad_c1
      failed(verifyCompatibleShape(getDout().getType(), getOut().getType())))
    return emitOpError() << "expects dout to have the type of out, " << getOut().getType()
                         << ", but got " << getDout().getType();
  if (cast<ShapedType>(getDout().getType()).getElementType() !=
      cast<ShapedType>(getOut().getType()).getElementType())
    return emitOpError() << "expects dout to have the type of out, " << getOut().getType()
                         << ", but got " << getDout().getType();
  if (getDlse() && (failed(verifyCompatibleShape(getDlse().getType(), getLse().getType())) ||
                    cast<ShapedType>(getDlse().getType()).getElementType() !=
                        getStateType())) // attention_grad_c2
    return emitOpError() << "expects dlse to have the type of lse, " << getLse().getType()
                         << ", but got " << getDlse().getType();
  for (auto [name, gradient, operand] : {std::tuple<StringRef, Value, Value>{"q", getDq(), getQ()},
                                         {"k", getDk(), getK()},
                                         {"v", getDv(), getV()}})
    if (gradient.getType() != operand.getType()) // attention_grad_c3
      return emitOpError() << "expects d" << name << " to have the type of " << name << ", "
                           << operand.getType() << ", but got " << gradient.getType();
  if (failed(verifyGradient(*this, "bias", getDbias(), getBias())) || // attention_grad_c5
      failed(verifyGradient(*this, "log_weight", getDlogWeight(), getLogWeight())) ||
      failed(verifyGradient(*this, "sinks", getDsinks(), getSinks())))
    return failure();
  return verifyCaptureGrads(*this); // attention_grad_c6
}

LogicalResult AttentionGradOp::verifyRegions() {
  if (failed(verifyMods(*this)))
    return failure();
  if (getScoreMod().empty())
    return success();
  Block &block = getScoreMod().front();
  SmallVector<Value> tensors;
  for (int64_t number : getGradCaptures())
    tensors.push_back(block.getArguments().take_back(getCaptures().size())[number]);
  SetVector<Value> active = findActive(block, block.getArgument(0), tensors);
  for (Operation &inner : block.without_terminator()) // attention_grad_c7
    if (inner.getNumResults() && active.contains(inner.getResult(0)) && !isDifferentiable(&inner))
      return inner.emitOpError() << "has no derivative: expects differentiable ops between what "
                                    "has a gradient and the result of score_mod, but got '"
                                 << inner.getName() << "'";
  return success();
}

bool mlir::attn::isDifferentiable(Operation *op) {
  static const llvm::StringSet<> known = {
      "arith.addf", "arith.subf",     "arith.mulf",     "arith.divf",    "arith.negf",
      "arith.maximumf", "arith.minimumf", "arith.maxnumf", "arith.minnumf", "arith.select",
      "arith.extf", "arith.truncf",   "math.exp",       "math.exp2",     "math.log",
      "math.log2",  "math.log1p",     "math.tanh",      "math.sqrt",     "math.rsqrt",
      "math.absf",  "math.sin",       "math.cos",       "math.powf",     "math.erf",
      "attn.load"};
  return known.contains(op->getName().getStringRef());
}

SetVector<Value> mlir::attn::findActive(Block &block, Value score, ArrayRef<Value> tensors) {
  // What the result depends on, backward.
  SetVector<Value> needed;
  for (Value value : block.getTerminator()->getOperands())
    needed.insert(value);
  for (Operation &op : llvm::reverse(block.without_terminator())) {
    if (!op.getNumResults() || !needed.contains(op.getResult(0)))
      continue;
    // A condition only chooses.
    for (Value operand : op.getOperands())
      needed.insert(operand);
  }
  // What depends on the score or a tensor, forward. Truth values have no slope.
  SetVector<Value> active;
  active.insert(score);
  for (Operation &op : block.without_terminator()) {
    if (!op.getNumResults() || op.getResult(0).getType().isInteger(1))
      continue;
    bool reads = isa<LoadOp>(op) ? llvm::is_contained(tensors, op.getOperand(0))
                                 : llvm::any_of(op.getOperands(), [&](Value operand) {
                                     return active.contains(operand);
                                   });
    if (isa<LoadOp>(op) && !reads)
      // An index made of the score.
      reads = llvm::any_of(op.getOperands().drop_front(),
                           [&](Value operand) { return active.contains(operand); });
    if (reads && needed.contains(op.getResult(0)))
      active.insert(op.getResult(0));
  }
  return active;
}

//===----------------------------------------------------------------------===//
// merge_states
//===----------------------------------------------------------------------===//

LogicalResult MergeStatesOp::verify() {
  if (getOuts().empty() || getOuts().size() != getLses().size()) // merge_states_c1
    return emitOpError() << "expects at least one out and as many lses as outs, but got "
                         << getOuts().size() << " and " << getLses().size();
  auto first = cast<RankedTensorType>(getOuts().front().getType());
  Type element = first.getElementType();
  if (!isa<Float64Type, Float32Type, Float16Type, BFloat16Type>(element) || first.getRank() < 1) // merge_states_c2
    return emitOpError() << "expects outs of rank 1 or more with element type f64, f32, f16 or "
                            "bf16, but got "
                         << first;
  for (Value out : getOuts())
    if (out.getType() != first) // merge_states_c2
      return emitOpError() << "expects every out to have type " << first << ", but got "
                           << out.getType();
  Type state = element.isF64() ? Type(Float64Type::get(getContext()))
                               : Type(Float32Type::get(getContext()));
  for (Value lse : getLses()) {
    auto type = cast<RankedTensorType>(lse.getType());
    if (type.getElementType() != state) // merge_states_c4
      return emitOpError() << "expects every lse to have element type " << state << ", but got "
                           << type.getElementType();
    if (type != getLses().front().getType() ||
        failed(verifyCompatibleShape(type.getShape(), first.getShape().drop_back()))) // merge_states_c3
      return emitOpError() << "expects every lse to have shape "
                           << shapeText(first.getShape().drop_back()) << ", but got "
                           << shapeText(type.getShape());
  }
  if (getOut().getType() != first || getLse().getType() != getLses().front().getType()) // merge_states_c5
    return emitOpError() << "expects results of types " << first << " and "
                         << getLses().front().getType() << ", but got " << getOut().getType()
                         << " and " << getLse().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// load
//===----------------------------------------------------------------------===//

LogicalResult LoadOp::verify() {
  auto argument = dyn_cast<BlockArgument>(getTensor());
  Operation *parent = (*this)->getParentOp();
  if (!isa_and_nonnull<AttentionOp, AttentionGradOp, BlockTableOp, KeyLoopOp, KeyLoopGradOp>(parent)) // load_c1
    return emitOpError() << "expects to stand in a region of attn.attention, attn.attention_grad, "
                            "attn.block_table, attn.key_loop or attn.key_loop_grad, but got "
                         << (parent ? "'" + parent->getName().getStringRef().str() + "'" : "none");
  if (!argument || argument.getOwner() != (*this)->getBlock()) // load_c5
    return emitOpError() << "expects a captured tensor, but got another value";
  int64_t rank = cast<ShapedType>(getTensor().getType()).getRank();
  if (static_cast<int64_t>(getIndices().size()) != rank) // load_c2
    return emitOpError() << "expects " << rank << " indices, one per axis, but got "
                         << getIndices().size();
  return success();
}

//===----------------------------------------------------------------------===//
// documents, block_table and key_loop
//===----------------------------------------------------------------------===//

LogicalResult DocumentsOp::verify() {
  if (static_cast<bool>(getCuQ()) == static_cast<bool>(getQSegments())) // documents_c1
    return emitOpError() << "expects cumulative lengths or segments, but got "
                         << (getCuQ() ? "both" : "neither");
  size_t expected = getCuQ() ? 4 : 2;
  if (getOuts().size() != expected) // documents_c2
    return emitOpError() << "expects " << expected << " outs, but got " << getOuts().size();
  return success();
}

/// Whether `type` is that of a table of blocks: [B|1, Hq|1, rows, columns] of i8.
static bool isBlockTable(Type type) {
  auto shaped = cast<ShapedType>(type);
  return shaped.getRank() == 4 && shaped.getElementType().isInteger(8);
}

LogicalResult BlockTableOp::verify() {
  if (getAuxRoles().size() != getAux().size()) // block_table_c1
    return emitOpError() << "expects one role per aux operand, but got " << getAuxRoles().size()
                         << " roles and " << getAux().size() << " operands";
  if (!isBlockTable(getOut().getType())) // block_table_c2
    return emitOpError() << "expects an out of rank 4 and of i8, but got " << getOut().getType();
  int64_t queryBlock = getQueryBlock(), keyBlock = getKeyBlock();
  if (queryBlock < 1 || keyBlock < 1) // block_table_c3
    return emitOpError() << "expects blocks of at least 1 query and 1 key, but got " << queryBlock
                         << " and " << keyBlock;
  return success();
}

/// Checks a `range` region: what it takes and yields.
static LogicalResult verifyRange(Operation *op, Region &region, ValueRange aux) {
  Type index = IndexType::get(op->getContext());
  SmallVector<Type> arguments(7, index);
  llvm::append_range(arguments, aux.getTypes());
  Block &range = region.front();
  if (!llvm::equal(range.getArgumentTypes(), arguments))
    return op->emitOpError() << "expects range to take (" << TypeRange(arguments) << "), but got ("
                             << TypeRange(range.getArgumentTypes()) << ")";
  auto yield = dyn_cast<YieldOp>(range.back());
  if (!yield || yield->getOperandTypes() != SmallVector<Type>(4, index))
    return op->emitOpError()
           << "expects range to yield begin, full_begin, full_end and end as index";
  return success();
}

LogicalResult BlockTableOp::verifyRegions() { // block_table_c4
  if (failed(verifyRange(*this, getRange(), getAux())))
    return failure();
  SmallVector<Type> slots(7, IntegerType::get(getContext(), 32));
  return verifyScalarRegion(*this, getVisible(), "visible", slots, getAux(),
                            IntegerType::get(getContext(), 1), "b, h, g, i, j, Sq, Sk");
}

LogicalResult KeyLoopOp::verify() {
  if (getAuxRoles().size() != getAux().size()) // key_loop_c1
    return emitOpError() << "expects one role per aux operand, but got " << getAuxRoles().size()
                         << " roles and " << getAux().size() << " operands";
  size_t outs = getOuts().size();
  if (getScoresKind() ? outs != 3 : outs < 1 || outs > 2) // key_loop_c2
    return emitOpError() << "expects out, or out and lse, or with a kind of scores out, lse and "
                            "scores, but got "
                         << outs << " outs" << (getScoresKind() ? " and a kind" : "");
  if (getBlockTable() && !isBlockTable(getBlockTable().getType())) // key_loop_c4
    return emitOpError() << "expects a block table of rank 4 and of i8, but got "
                         << getBlockTable().getType();
  return success();
}

// Once the blocks themselves are known to end in a terminator.
LogicalResult KeyLoopOp::verifyRegions() {
  Type i32 = IntegerType::get(getContext(), 32), i1 = IntegerType::get(getContext(), 1);
  if (failed(verifyRange(*this, getRange(), getAux()))) // key_loop_c3
    return failure();
  Type state = getStateType();
  Type score[] = {state, i32, i32, i32, i32, i32, i32, i32};
  if (failed(verifyScalarRegion(*this, getVisible(), "visible", ArrayRef<Type>(score).drop_front(),
                                getAux(), i1, "b, h, g, i, j, Sq, Sk")))
    return failure();
  if (failed(verifyScalarRegion(*this, getProb(), "prob", score, getAux(), state,
                                "weight, b, h, g, i, j, Sq, Sk")))
    return failure();
  return verifyScalarRegion(*this, getScore(), "score", score, getAux(), state,
                            "score, b, h, g, i, j, Sq, Sk");
}

LogicalResult KeyLoopGradOp::verify() {
  if (getAuxRoles().size() != getAux().size()) // key_loop_grad_c1
    return emitOpError() << "expects one role per aux operand, but got " << getAuxRoles().size()
                         << " roles and " << getAux().size() << " operands";
  size_t outs = 3 + (getSinks() ? 1 : 0) + getAuxGrads().size();
  if (getOuts().size() != outs) // key_loop_grad_c2
    return emitOpError() << "expects " << outs << " outs (dq, dk, dv"
                         << (getSinks() ? ", dsinks" : "") << " and one per entry of aux_grads)"
                         << ", but got " << getOuts().size();
  int64_t last = -1, count = getAux().size();
  for (int64_t number : getAuxGrads()) {
    if (number <= last || number >= count)
      return emitOpError() << "expects aux_grads to list aux operands from 0 to " << count - 1
                           << " in rising order, but got " << number;
    last = number;
  }
  for (int64_t number : getScatters())
    if (!llvm::is_contained(getAuxGrads(), number))
      return emitOpError() << "expects scatters to name entries of aux_grads, but got " << number;
  if (static_cast<bool>(getPageTable()) != getPageSize().has_value()) // key_loop_grad_c4
    return emitOpError() << "expects page_table and page_size together, but got only "
                         << (getPageTable() ? "page_table" : "page_size");
  return success();
}

LogicalResult KeyLoopGradOp::verifyRegions() { // key_loop_grad_c3
  Type i32 = IntegerType::get(getContext(), 32), i1 = IntegerType::get(getContext(), 1);
  if (failed(verifyRange(*this, getRange(), getAux())))
    return failure();
  Type state = getStateType();
  Type score[] = {state, i32, i32, i32, i32, i32, i32, i32};
  if (failed(verifyScalarRegion(*this, getVisible(), "visible", ArrayRef<Type>(score).drop_front(),
                                getAux(), i1, "b, h, g, i, j, Sq, Sk")) ||
      failed(verifyScalarRegion(*this, getScore(), "score", score, getAux(), state,
                                "score, b, h, g, i, j, Sq, Sk")))
    return failure();
  if (getScore().empty() != getScoreGrad().empty())
    return emitOpError() << "expects score and score_grad together, but got only "
                         << (getScore().empty() ? "score_grad" : "score");
  if (getScoreGrad().empty())
    return success();
  Block &block = getScoreGrad().front();
  SmallVector<Type> arguments = {state};
  llvm::append_range(arguments, score);
  llvm::append_range(arguments, getAux().getTypes());
  if (!llvm::equal(block.getArgumentTypes(), arguments))
    return emitOpError() << "expects score_grad to take (" << TypeRange(arguments) << "), but got ("
                         << TypeRange(block.getArgumentTypes()) << ")";
  SmallVector<Type> results = {state};
  for (int64_t number : getScatters()) {
    results.push_back(state);
    results.append(cast<ShapedType>(getAux()[number].getType()).getRank(), i32);
  }
  auto yield = dyn_cast<YieldOp>(block.back());
  if (!yield || !llvm::equal(yield->getOperandTypes(), results))
    return emitOpError() << "expects score_grad to yield (" << TypeRange(results) << "), but got ("
                         << (yield ? TypeRange(yield->getOperandTypes()) : TypeRange()) << ")";
  return success();
}
