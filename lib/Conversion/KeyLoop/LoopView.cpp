//===- LoopView.cpp - A key loop as its kernels see it -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See LoopView.h.
//===----------------------------------------------------------------------===//

#include "LoopView.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::attn;

Value mlir::attn::broadcastView(Emit &e, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  int64_t rank = type.getRank();
  auto metadata = memref::ExtractStridedMetadataOp::create(e.b, e.loc, buffer);
  SmallVector<OpFoldResult> sizes, strides;
  for (int64_t axis = 0; axis < rank; ++axis) {
    Value size = metadata.getSizes()[axis];
    sizes.push_back(type.isDynamicDim(axis) ? OpFoldResult(size)
                                            : OpFoldResult(e.b.getIndexAttr(type.getDimSize(axis))));
    if (axis + 1 == rank) { // the key axis never broadcasts
      strides.push_back(e.b.getIndexAttr(1));
      continue;
    }
    Value one = e.cmp(arith::CmpIPredicate::eq, size, e.idx(1));
    strides.push_back(OpFoldResult(e.select(one, e.idx(0), metadata.getStrides()[axis])));
  }
  SmallVector<int64_t> shape(type.getShape()), layout(rank, ShapedType::kDynamic);
  if (rank)
    layout.back() = 1;
  auto target = MemRefType::get(
      shape, type.getElementType(),
      StridedLayoutAttr::get(e.b.getContext(), ShapedType::kDynamic, layout));
  return memref::ReinterpretCastOp::create(e.b, e.loc, target, metadata.getBaseBuffer(),
                                           OpFoldResult(metadata.getOffset()), sizes, strides);
}

AuxViews mlir::attn::viewAux(Emit &e, ArrayAttr roles, ValueRange aux) {
  AuxViews views;
  for (auto [role, value] : llvm::zip(roles.getAsValueRange<StringAttr>(), aux)) {
    bool capture = role.starts_with("capture");
    views.captures += capture;
    bool oneAxis = cast<MemRefType>(value.getType()).getRank() <= 1;
    views.buffers.push_back(capture || oneAxis ? Value(value) : broadcastView(e, value));
  }
  return views;
}

LoopView LoopView::onHost(Emit &e, KeyLoopOp op) {
  LoopView view;
  view.op = op;
  view.scale = op.getScale().convertToDouble();
  view.q = op.getQ();
  view.k = op.getK();
  view.v = op.getV();
  view.sinks = op.getSinks();
  view.out = op.getOuts()[0];
  view.lse = op.getOuts().size() > 1 ? Value(op.getOuts()[1]) : Value();
  view.scores = op.getScoresKind() ? Value(op.getOuts()[2]) : Value();
  view.axes = op.getAxesOrDefault();
  view.schedule = op.getScheduleAttr();
  view.storage = cast<MemRefType>(view.q.getType()).getElementType();
  view.pageSize = op.getPageSize() ? static_cast<int64_t>(*op.getPageSize()) : 0;
  if (op.getBlockTable())
    view.blockTable = broadcastView(e, op.getBlockTable());
  AuxViews aux = viewAux(e, op.getAuxRoles(), op.getAux());
  view.aux = aux.buffers;
  view.captures = aux.captures;
  for (auto [role, buffer] : llvm::zip(op.getAuxRoles().getAsValueRange<StringAttr>(), view.aux))
    if (role == "page_table")
      view.pageTable = buffer;
  auto dimSize = [&](Value buffer, int64_t axis) {
    return cast<MemRefType>(buffer.getType()).getDimSize(axis);
  };
  view.d = dimSize(view.q, 3);
  view.dv = dimSize(view.v, 3);
  view.batch = e.dim(view.q, view.axes.getQ()[kBatch]);
  view.hq = e.dim(view.q, view.axes.getQ()[kHead]);
  view.sq = e.dim(view.q, view.axes.getQ()[kSeq]);
  view.hkv = e.dim(view.k, view.axes.getK()[kHead]);
  view.group = e.div(view.hq, e.max(view.hkv, e.idx(1)));
  view.sk = view.pageSize ? e.mul(e.dim(view.pageTable, 2), view.pageSize)
                          : e.dim(view.k, view.axes.getK()[kSeq]);
  return view;
}

SmallVector<Value> LoopView::values() const {
  SmallVector<Value> list = {q, k, v, out, batch, hq, hkv, group, sq, sk};
  for (Value optional : {sinks, lse, scores, blockTable})
    if (optional)
      list.push_back(optional);
  llvm::append_range(list, aux);
  return list;
}

LoopView LoopView::over(ValueRange list) const {
  LoopView view = *this;
  unsigned next = 0;
  for (Value *field : {&view.q, &view.k, &view.v, &view.out, &view.batch, &view.hq, &view.hkv,
                       &view.group, &view.sq, &view.sk})
    *field = list[next++];
  for (Value *field : {&view.sinks, &view.lse, &view.scores, &view.blockTable})
    if (*field)
      *field = list[next++];
  for (auto [index, buffer] : llvm::enumerate(view.aux)) {
    bool table = pageTable && aux[index] == pageTable;
    buffer = list[next++];
    if (table)
      view.pageTable = buffer;
  }
  return view;
}

SmallVector<Value> LoopView::at(ArrayRef<int64_t> order, Value b, Value h, Value s, Value d) {
  SmallVector<Value> indices(4);
  for (auto [role, value] : llvm::enumerate(ArrayRef<Value>{b, h, s, d}))
    indices[order[role]] = value;
  return indices;
}

LoopView::Row LoopView::locate(Emit &e, Value b, Value g, Value j) const {
  if (!pageSize)
    return {b, j, {}};
  Value entry = e.toIndex(e.load(pageTable, {b, g, e.div(j, pageSize)}));
  return {entry, e.rem(j, e.idx(pageSize)), e.le(e.idx(0), entry)};
}

KeySlots mlir::attn::writeRange(Emit &e, Region &range, ValueRange arguments) {
  Block &block = range.front();
  IRMapping map;
  map.map(block.getArguments(), arguments);
  for (Operation &inner : block.without_terminator()) {
    if (auto load = dyn_cast<LoadOp>(inner)) {
      SmallVector<Value> indices;
      for (Value index : load.getIndices())
        indices.push_back(e.toIndex(map.lookup(index)));
      map.map(load.getResult(), e.load(map.lookup(load.getTensor()), indices));
      continue;
    }
    e.b.clone(inner, map);
  }
  auto bound = [&](unsigned n) { return map.lookup(block.getTerminator()->getOperand(n)); };
  return {bound(0), bound(1), bound(2), bound(3)};
}

KeySlots LoopView::range(Emit &e, Value b, Value h, Value g, Value i0, Value i1) const {
  SmallVector<Value> arguments = {b, h, g, i0, i1, sq, sk};
  llvm::append_range(arguments, aux);
  return writeRange(e, const_cast<KeyLoopOp &>(op).getRange(), arguments);
}

void LoopView::bindCommon(Emit &e, ScalarRegion &region, Value b, Value h, Value g) const {
  region.bind(0, e.toI32(b));
  region.bind(1, isa<VectorType>(h.getType()) ? h : e.toI32(h));
  region.bind(2, e.toI32(g));
  region.bind(5, e.toI32(sq));
  region.bind(6, e.toI32(sk));
  region.bindAux(aux, captures);
}
