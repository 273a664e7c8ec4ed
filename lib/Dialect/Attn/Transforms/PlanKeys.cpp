//===- PlanKeys.cpp - From what attention means to its key loop -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gathers the operands the regions read, writes range, visible and score, and
// asks for a block table where no interval will do.
//===----------------------------------------------------------------------===//

#include "BlockTable.h"
#include "KeyRange.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/Attn/Transforms/Transforms.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"

#include <limits>

namespace mlir::attn {
#define GEN_PASS_DEF_PLANKEYS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {

/// Builds the key loop of one attention.
class Planner {
public:
  Planner(RewriterBase &rewriter, AttentionOp op) : b(rewriter), op(op), loc(op.getLoc()) {}

  FailureOr<KeyLoopOp> run();

private:
  LoopSizes sizes();
  void gatherAux();
  void deriveDocuments();
  void addAux(StringRef role, Value value) {
    if (!value)
      return;
    roles.push_back(b.getStringAttr(role));
    aux.push_back(value);
  }
  /// Opens a block in `region` with `leading` then the aux operands.
  Block *open(Region &region, TypeRange leading);
  /// The block argument of the aux operand with this role, or null.
  Value auxIn(Block *block, StringRef role);
  Value load(Block *block, StringRef role, ValueRange indices);

  void buildRange(KeyLoopOp loop);
  void buildVisible(KeyLoopOp loop);
  void buildScore(KeyLoopOp loop);
  void buildProb(KeyLoopOp loop);
  /// Writes score_mod or prob_mod for a pair into `block`; gives what it yields.
  Value inlineMod(Region &region, Block *block, Value number, const SlotView &slot);

  // Scalars of visible and score; i32.
  Value i32(int64_t value) { return arith::ConstantIntOp::create(b, loc, value, 32); }
  Value truth(bool value) { return arith::ConstantIntOp::create(b, loc, value, 1); }
  Value both(Value a, Value c) {
    return !a ? c : !c ? a : arith::AndIOp::create(b, loc, a, c).getResult();
  }
  Value queryPosition(Block *block, const SlotView &slot);
  Value keyPosition(Block *block, const SlotView &slot);
  Value maskPredicate(Block *block, const SlotView &slot, MaskAttr mask);
  /// Right-aligned [b, hq, i, j] indices for a tensor of this rank.
  SmallVector<Value> fullIndices(const SlotView &slot, Value tensor);

  RewriterBase &b;
  AttentionOp op;
  Location loc;
  SmallVector<Attribute> roles;
  SmallVector<Value> aux;
};

} // namespace

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

LoopSizes Planner::sizes() {
  auto order = op.getAxesOrDefault();
  auto q = [&](int64_t role) { return tensor::getMixedSize(b, loc, op.getQ(), order.getQ()[role]); };
  auto k = [&](int64_t role) { return tensor::getMixedSize(b, loc, op.getK(), order.getK()[role]); };
  OpFoldResult keys;
  if (op.isPaged()) {
    OpFoldResult pages = tensor::getMixedSize(b, loc, op.getPageTable(), 2);
    int64_t size = *op.getPageSize();
    if (std::optional<int64_t> known = getConstantIntValue(pages))
      keys = b.getIndexAttr(*known * size);
    else
      keys = arith::MulIOp::create(b, loc, cast<Value>(pages),
                                   arith::ConstantIndexOp::create(b, loc, size))
                 .getResult();
  } else {
    keys = k(kSeq);
  }
  return {q(kBatch), q(kHead), k(kHead), q(kSeq), keys};
}

/// Positions per document are values of their own, computed once per call.
void Planner::deriveDocuments() {
  LoopSizes all = sizes();
  OpFoldResult batch = all.batch, sq = all.queries, sk = all.keys;
  auto empty = [&](OpFoldResult rows, OpFoldResult columns) -> Value {
    return tensor::EmptyOp::create(b, loc, ArrayRef<OpFoldResult>{rows, columns}, b.getI32Type());
  };
  bool bottomRight = op.getAlign() == Alignment::BottomRight;
  // Positions and, from cumulative lengths, segments. With those every batch
  // entry is packed alike.
  auto documents = [&](Value cuQ, Value cuKv, Value qSegments, Value kvSegments, Value qLengths,
                       Value kvLengths) {
    OpFoldResult rows = cuQ ? OpFoldResult(b.getIndexAttr(1)) : batch;
    SmallVector<Value> outs = {empty(rows, sq), empty(rows, sk)};
    if (cuQ)
      outs.append({empty(rows, sq), empty(rows, sk)});
    return DocumentsOp::create(b, loc, ValueRange(outs).getTypes(), cuQ, cuKv, qSegments,
                               kvSegments, qLengths, kvLengths, outs, bottomRight)
        .getResults();
  };
  Value qSegments = op.getQSegments(), kvSegments = op.getKvSegments();
  ValueRange positions;
  if (op.getCuQ()) {
    positions = documents(op.getCuQ(), op.getCuKv(), {}, {}, {}, {});
    qSegments = positions[2];
    kvSegments = positions[3];
  }
  // Lengths cut documents, batch by batch; that moves bottom_right positions.
  if (!op.getCuQ() || (bottomRight && (op.getQLengths() || op.getKvLengths())))
    positions = documents({}, {}, qSegments, kvSegments, op.getQLengths(), op.getKvLengths());
  bool given = static_cast<bool>(op.getQPositions());
  addAux("q_positions", given ? Value(op.getQPositions()) : positions[0]);
  addAux("kv_positions", given ? Value(op.getKvPositions()) : positions[1]);
  addAux("q_segments", qSegments);
  addAux("kv_segments", kvSegments);
  addAux("cu_kv", op.getCuKv());
}

void Planner::gatherAux() {
  addAux("q_lengths", op.getQLengths());
  addAux("kv_lengths", op.getKvLengths());
  if (op.hasDocuments()) {
    deriveDocuments();
  } else {
    addAux("q_positions", op.getQPositions());
    addAux("kv_positions", op.getKvPositions());
  }
  addAux("prefix_lengths", op.getPrefixLengths());
  addAux("page_table", op.getPageTable());
  addAux("mask_tensor", op.getMaskTensor());
  addAux("bias", op.getBias());
  addAux("log_weight", op.getLogWeight());
  for (auto [index, capture] : llvm::enumerate(op.getCaptures()))
    addAux(("capture" + Twine(index)).str(), capture);
}

Block *Planner::open(Region &region, TypeRange leading) {
  SmallVector<Type> types(leading);
  for (Value value : aux)
    types.push_back(value.getType());
  return b.createBlock(&region, region.end(), types, SmallVector<Location>(types.size(), loc));
}

Value Planner::auxIn(Block *block, StringRef role) {
  for (auto [name, argument] :
       llvm::zip(roles, block->getArguments().take_back(roles.size())))
    if (cast<StringAttr>(name).getValue() == role)
      return argument;
  return {};
}

Value Planner::load(Block *block, StringRef role, ValueRange indices) {
  Value tensor = auxIn(block, role);
  return LoadOp::create(b, loc, cast<ShapedType>(tensor.getType()).getElementType(), tensor,
                        indices);
}

SmallVector<Value> Planner::fullIndices(const SlotView &slot, Value tensor) {
  Value all[] = {slot.b, slot.h, slot.i, slot.j};
  return SmallVector<Value>(
      ArrayRef<Value>(all).take_back(cast<ShapedType>(tensor.getType()).getRank()));
}

//===----------------------------------------------------------------------===//
// visible
//===----------------------------------------------------------------------===//

Value Planner::queryPosition(Block *block, const SlotView &slot) {
  if (auxIn(block, "q_positions"))
    return load(block, "q_positions", {slot.b, slot.i});
  if (op.getAlign() != Alignment::BottomRight)
    return slot.i;
  // The number of keys before the query block: valid keys - valid queries.
  Value keys = auxIn(block, "kv_lengths") ? load(block, "kv_lengths", slot.b) : slot.sk;
  Value queries = auxIn(block, "q_lengths") ? load(block, "q_lengths", slot.b) : slot.sq;
  Value offset = arith::SubIOp::create(b, loc, keys, queries);
  return arith::AddIOp::create(b, loc, slot.i, offset);
}

Value Planner::keyPosition(Block *block, const SlotView &slot) {
  return auxIn(block, "kv_positions") ? load(block, "kv_positions", {slot.b, slot.j}) : slot.j;
}

Value Planner::maskPredicate(Block *block, const SlotView &slot, MaskAttr mask) {
  auto compare = [&](arith::CmpIPredicate predicate, Value x, Value y) -> Value {
    return arith::CmpIOp::create(b, loc, predicate, x, y);
  };
  switch (mask.getKind()) {
  case MaskKind::Full:
    return truth(true);
  case MaskKind::Causal:
    return compare(arith::CmpIPredicate::sle, keyPosition(block, slot), queryPosition(block, slot));
  case MaskKind::Band: {
    // Given positions may be any i32, so their difference needs 64 bits.
    Value distance;
    bool wide = static_cast<bool>(op.getQPositions());
    Value q = queryPosition(block, slot), k = keyPosition(block, slot);
    if (wide) {
      q = arith::ExtSIOp::create(b, loc, b.getI64Type(), q);
      k = arith::ExtSIOp::create(b, loc, b.getI64Type(), k);
    }
    distance = arith::SubIOp::create(b, loc, k, q);
    Value result;
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantIntOp::create(b, loc, value, wide ? 64 : 32);
    };
    // Without given positions no distance leaves i32, so a larger bound is none.
    auto open = [&](int64_t bound) {
      return bound == MaskAttr::kInf || (!wide && bound > INT32_MAX);
    };
    if (!open(mask.getBounds()[0]))
      result = compare(arith::CmpIPredicate::sge, distance, constant(-mask.getBounds()[0]));
    if (!open(mask.getBounds()[1]))
      result = both(result, compare(arith::CmpIPredicate::sle, distance,
                                    constant(mask.getBounds()[1])));
    return result ? result : truth(true);
  }
  case MaskKind::Prefix: {
    Value bound = mask.getBounds().empty()
                      ? load(block, "prefix_lengths", slot.b)
                      : i32(std::min<int64_t>(mask.getBounds()[0], INT32_MAX));
    return compare(arith::CmpIPredicate::slt, keyPosition(block, slot), bound);
  }
  case MaskKind::Document:
    return compare(arith::CmpIPredicate::eq, load(block, "q_segments", {slot.b, slot.i}),
                   load(block, "kv_segments", {slot.b, slot.j}));
  case MaskKind::And:
  case MaskKind::Or: {
    Value result;
    for (Attribute child : mask.getChildren()) {
      Value term = maskPredicate(block, slot, cast<MaskAttr>(child));
      if (!result)
        result = term;
      else if (mask.getKind() == MaskKind::And)
        result = arith::AndIOp::create(b, loc, result, term);
      else
        result = arith::OrIOp::create(b, loc, result, term);
    }
    return result;
  }
  }
  llvm_unreachable("covered switch");
}

void Planner::buildVisible(KeyLoopOp loop) {
  bool needed = op.getMask() || op.getMaskTensor() || !op.getMaskMod().empty() ||
                op.getQLengths() || op.getKvLengths() || op.isPaged();
  if (!needed)
    return;
  OpBuilder::InsertionGuard guard(b);
  SmallVector<Type> leading(7, b.getI32Type());
  Block *block = open(loop.getVisible(), leading);
  auto arg = [&](unsigned n) -> Value { return block->getArgument(n); };
  SlotView slot{arg(0), arg(1), arg(2), arg(3), arg(4), arg(5), arg(6)};
  Value result;
  if (op.getKvLengths())
    result = both(result, arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, slot.j,
                                                load(block, "kv_lengths", slot.b)));
  if (op.getQLengths())
    result = both(result, arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, slot.i,
                                                load(block, "q_lengths", slot.b)));
  if (op.isPaged()) {
    // A page entry of -1 holds no keys.
    Value page = arith::ShRSIOp::create(b, loc, slot.j, i32(llvm::Log2_64(*op.getPageSize())));
    Value entry = load(block, "page_table", {slot.b, slot.g, page});
    result = both(result,
                  arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, entry, i32(0)));
  }
  if (op.getMask())
    result = both(result, maskPredicate(block, slot, *op.getMask()));
  if (op.getMaskTensor())
    result = both(result, load(block, "mask_tensor",
                               fullIndices(slot, auxIn(block, "mask_tensor"))));
  if (!op.getMaskMod().empty()) {
    Block &source = op.getMaskMod().front();
    IRMapping mapping;
    Value positions[] = {slot.b, slot.h, queryPosition(block, slot), keyPosition(block, slot)};
    mapping.map(source.getArguments().take_front(4), ValueRange(positions));
    mapping.map(source.getArguments().drop_front(4),
                block->getArguments().take_back(op.getCaptures().size()));
    for (Operation &inner : source.without_terminator())
      b.clone(inner, mapping);
    result = both(result, mapping.lookupOrDefault(source.getTerminator()->getOperand(0)));
  }
  YieldOp::create(b, loc, result);
}

//===----------------------------------------------------------------------===//
// score
//===----------------------------------------------------------------------===//

void Planner::buildScore(KeyLoopOp loop) {
  if (!op.getSoftcap() && op.getScoreMod().empty() && !op.getBias() && !op.getLogWeight())
    return;
  OpBuilder::InsertionGuard guard(b);
  FloatType state = op.getStateType();
  SmallVector<Type> leading = {state};
  leading.append(7, b.getI32Type());
  Block *block = open(loop.getScore(), leading);
  auto arg = [&](unsigned n) -> Value { return block->getArgument(n); };
  SlotView slot{arg(1), arg(2), arg(3), arg(4), arg(5), arg(6), arg(7)};
  Value score = arg(0);
  auto toState = [&](Value value) -> Value {
    auto type = cast<FloatType>(value.getType());
    if (type == state)
      return value;
    if (type.getWidth() < state.getWidth())
      return arith::ExtFOp::create(b, loc, state, value);
    return arith::TruncFOp::create(b, loc, state, value);
  };
  auto number = [&](double value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(state, value));
  };
  if (op.getSoftcap()) {
    double cap = op.getSoftcap()->convertToDouble();
    // A rounded 1 / cap would cost a unit in the last place of large scores.
    Value inner = arith::DivFOp::create(b, loc, score, number(cap));
    score = arith::MulFOp::create(b, loc, math::TanhOp::create(b, loc, inner), number(cap));
  }
  if (!op.getScoreMod().empty())
    score = inlineMod(op.getScoreMod(), block, score, slot);
  if (op.getBias())
    score = arith::AddFOp::create(
        b, loc, score, toState(load(block, "bias", fullIndices(slot, auxIn(block, "bias")))));
  if (op.getLogWeight()) {
    // -inf removes the key, whatever its score is, NaN included.
    Value weight = toState(load(block, "log_weight", {slot.b, slot.g, slot.j}));
    Value none = number(-std::numeric_limits<double>::infinity());
    Value removed = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, weight, none);
    score = arith::SelectOp::create(b, loc, removed, none,
                                    arith::AddFOp::create(b, loc, score, weight));
  }
  YieldOp::create(b, loc, score);
}

Value Planner::inlineMod(Region &region, Block *block, Value number, const SlotView &slot) {
  Block &source = region.front();
  IRMapping mapping;
  Value arguments[] = {number, slot.b, slot.h, queryPosition(block, slot),
                       keyPosition(block, slot)};
  mapping.map(source.getArguments().take_front(5), ValueRange(arguments));
  mapping.map(source.getArguments().drop_front(5),
              block->getArguments().take_back(op.getCaptures().size()));
  for (Operation &inner : source.without_terminator())
    b.clone(inner, mapping);
  return mapping.lookupOrDefault(source.getTerminator()->getOperand(0));
}

void Planner::buildProb(KeyLoopOp loop) {
  if (op.getProbMod().empty())
    return;
  OpBuilder::InsertionGuard guard(b);
  SmallVector<Type> leading = {op.getStateType()};
  leading.append(7, b.getI32Type());
  Block *block = open(loop.getProb(), leading);
  auto arg = [&](unsigned n) -> Value { return block->getArgument(n); };
  SlotView slot{arg(1), arg(2), arg(3), arg(4), arg(5), arg(6), arg(7)};
  YieldOp::create(b, loc, inlineMod(op.getProbMod(), block, arg(0), slot));
}

//===----------------------------------------------------------------------===//
// range
//===----------------------------------------------------------------------===//

void Planner::buildRange(KeyLoopOp loop) {
  OpBuilder::InsertionGuard guard(b);
  SmallVector<Type> leading(7, b.getIndexType());
  Block *block = open(loop.getRange(), leading);
  KeyRangeBuilder builder(b, loc, op, [&](StringRef role) { return auxIn(block, role); });
  KeyRange range = builder.build(block->getArguments().take_front(7));
  YieldOp::create(b, loc, ValueRange{range.begin, range.fullBegin, range.fullEnd, range.end});
}

FailureOr<KeyLoopOp> Planner::run() {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op);
  gatherAux();
  ReifiedRankedShapedTypeDims shapes;
  if (failed(op.reifyResultShapes(b, shapes)))
    return failure();
  SmallVector<Value> outs;
  auto addOut = [&](ArrayRef<OpFoldResult> shape, Type element) {
    outs.push_back(tensor::EmptyOp::create(b, loc, shape, element));
  };
  for (auto [result, shape] : llvm::zip(op->getResults(), shapes)) {
    // The loop gives scores beside an lse only, so that outs are known by number.
    if (result == op.getScores() && !op.getLse()) {
      AxesAttr axes = op.getAxesOrDefault();
      SmallVector<OpFoldResult> rows;
      for (int64_t role : {kBatch, kHead, kSeq})
        rows.push_back(shapes[0][axes.getQ()[role]]);
      addOut(rows, op.getStateType());
    }
    addOut(shape, cast<RankedTensorType>(result.getType()).getElementType());
  }
  // A prefix alone needs no equal lengths; comparing positions without saying
  // how they line up does (attention_c18).
  bool equalLengths = op.readsPositions() && !op.getAlign() && !op.getQPositions();
  auto loop = KeyLoopOp::create(
      b, loc, ValueRange(outs).getTypes(), op.getQ(), op.getK(), op.getV(),
      op.getPageTable(), op.getSinks(), /*block_table=*/Value(), aux, outs,
      b.getF64FloatAttr(op.getScaleValue()), b.getArrayAttr(roles),
      op.getPageSizeAttr(), op.getAxesAttr(), op.getScheduleAttr(),
      op.getScoresKindAttr(),
      op.getScoresKind() == ScoresKind::Softcapped ? op.getSoftcapAttr()
                                                   : FloatAttr(),
      equalLengths ? b.getUnitAttr() : UnitAttr(), op.getBatchInvariantAttr());
  buildRange(loop);
  buildVisible(loop);
  buildScore(loop);
  buildProb(loop);
  // What no interval describes is looked at, once. (Documents from cumulative
  // lengths are intervals.)
  bool intervals = !op.getMaskTensor() && op.getMaskMod().empty() && !op.getQSegments() &&
                   !op.getQPositions() && !op.isPaged();
  // Tiles that are counted from a document's first key are none of a table's.
  bool ownTiles = op.getBatchInvariant() && op.getCuQ();
  if (!intervals && !ownTiles && !loop.materialises()) {
    OpBuilder::InsertionGuard before(b);
    b.setInsertionPoint(loop);
    addBlockTable(b, loop, sizes());
  }
  SmallVector<Value> results, made = {loop.getResult(0)};
  if (op.getLse())
    made.push_back(loop.getResult(1));
  if (op.getScores())
    made.push_back(loop.getResult(2));
  for (auto [result, old] : llvm::zip(made, op->getResults())) {
    Value value = result;
    if (value.getType() != old.getType())
      value = tensor::CastOp::create(b, loc, old.getType(), value);
    results.push_back(value);
  }
  b.replaceOp(op, results);
  return loop;
}

FailureOr<KeyLoopOp> mlir::attn::planKeys(RewriterBase &rewriter, AttentionOp op) {
  return Planner(rewriter, op).run();
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

FailureOr<KeyLoopGradOp> mlir::attn::planKeys(RewriterBase &b, AttentionGradOp op) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op);
  Location loc = op.getLoc();
  // Which keys, which mask, what is added: as in the attention that it is of.
  FailureOr<KeyLoopOp> forward = planKeys(b, op.makeForward(b));
  if (failed(forward))
    return failure();
  KeyLoopOp loop = *forward;
  b.setInsertionPoint(op);
  SmallVector<int64_t> auxGrads;
  SmallVector<Value> like = {op.getQ(), op.getK(), op.getV()}, outs;
  SmallVector<Value> replaced = {op.getDq(), op.getDk(), op.getDv()};
  auto add = [&](Value gradient, Value operand) {
    if (!gradient)
      return false;
    like.push_back(operand);
    replaced.push_back(gradient);
    return true;
  };
  auto auxNumber = [&](const Twine &role) -> int64_t {
    return llvm::find(loop.getAuxRoles().getAsValueRange<StringAttr>(), role.str()) -
           loop.getAuxRoles().getAsValueRange<StringAttr>().begin();
  };
  bool sinks = add(op.getDsinks(), op.getSinks());
  if (add(op.getDbias(), op.getBias()))
    auxGrads.push_back(auxNumber("bias"));
  if (add(op.getDlogWeight(), op.getLogWeight()))
    auxGrads.push_back(auxNumber("log_weight"));
  for (auto [number, gradient] : llvm::zip(op.getGradCaptures(), op.getDcaptures()))
    if (add(gradient, op.getCaptures()[number]))
      auxGrads.push_back(auxNumber("capture" + Twine(number)));
  for (Value value : like)
    outs.push_back(tensor::EmptyOp::create(b, loc, tensor::getMixedSizes(b, loc, value),
                                           cast<ShapedType>(value.getType()).getElementType()));
  auto gradLoop = KeyLoopGradOp::create(
      b, loc, ValueRange(outs).getTypes(), op.getQ(), op.getK(), op.getV(), op.getOut(),
      op.getLse(), op.getDout(), op.getDlse(), loop.getPageTable(),
      sinks ? op.getSinks() : Value(), loop.getBlockTable(), loop.getAux(), outs,
      loop.getScaleAttr(), loop.getAuxRolesAttr(), b.getDenseI64ArrayAttr(auxGrads),
      b.getDenseI64ArrayAttr({}), loop.getPageSizeAttr(), loop.getAxesAttr(),
      loop.getScheduleAttr(), loop.getEqualLengthsAttr());
  gradLoop.getRange().takeBody(loop.getRange());
  gradLoop.getVisible().takeBody(loop.getVisible());
  gradLoop.getScore().takeBody(loop.getScore());
  b.eraseOp(loop);
  if (!gradLoop.getScore().empty())
    differentiateScore(b, gradLoop);
  for (auto [result, old] : llvm::zip(gradLoop.getResults(), replaced)) {
    Value value = result;
    if (value.getType() != old.getType())
      value = tensor::CastOp::create(b, loc, old.getType(), value);
    b.replaceAllUsesWith(old, value);
  }
  b.eraseOp(op);
  return gradLoop;
}

namespace {
struct PlanKeysPass : public attn::impl::PlanKeysBase<PlanKeysPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<AttentionOp> ops;
    getOperation().walk([&](AttentionOp op) { ops.push_back(op); });
    for (AttentionOp op : ops)
      if (failed(planKeys(rewriter, op)))
        return signalPassFailure();
    SmallVector<AttentionGradOp> gradients;
    getOperation().walk([&](AttentionGradOp op) { gradients.push_back(op); });
    for (AttentionGradOp op : gradients)
      if (failed(planKeys(rewriter, op)))
        return signalPassFailure();
  }
};
} // namespace
