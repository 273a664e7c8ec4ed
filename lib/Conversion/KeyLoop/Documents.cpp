//===- Documents.cpp - attn.documents to calls of the runtime -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Documents.h.
//===----------------------------------------------------------------------===//

#include "Documents.h"

#include "Emit.h"
#include "Outline.h"

using namespace mlir;
using namespace mlir::attn;

/// A contiguous copy, so that the runtime gets plain arrays.
static Value contiguous(OpBuilder &b, Location loc, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  auto target = MemRefType::get(type.getShape(), type.getElementType());
  SmallVector<Value> sizes;
  for (int64_t axis = 0; axis < type.getRank(); ++axis)
    if (type.isDynamicDim(axis))
      sizes.push_back(memref::DimOp::create(b, loc, buffer, axis));
  Value copy = memref::AllocOp::create(b, loc, target, sizes);
  memref::CopyOp::create(b, loc, buffer, copy);
  return copy;
}

void mlir::attn::lowerDocuments(ModuleOp module, OpBuilder &b, DocumentsOp op) {
  b.setInsertionPoint(op);
  Location loc = op.getLoc();
  Emit e(b, loc, Float32Type::get(b.getContext()), 1, false);
  Outliner outliner(module, b, loc);
  SmallVector<Value> copies;
  auto plain = [&](Value buffer) {
    copies.push_back(contiguous(b, loc, buffer));
    return copies.back();
  };
  auto i64 = [&](Value index) { return e.toI64(index); };
  Value bottomRight = arith::ConstantIntOp::create(b, loc, op.getBottomRight(), 32);
  Value qPosition = op.getOuts()[0], kvPosition = op.getOuts()[1];
  Value sq = e.dim(qPosition, 1), sk = e.dim(kvPosition, 1);
  if (op.getCuQ()) {
    Value q = plain(op.getCuQ()), kv = plain(op.getCuKv());
    Value nq = e.dim(q, 0), nk = e.dim(kv, 0);
    outliner.call("attnrt_check_eq",
                  {i64(nk), i64(nq),
                   outliner.text("'attn.attention' op expects cu_q and cu_kv to have the same "
                                 "size")});
    auto increasing = [&](Value buffer, Value count, Value slots, StringRef name) { // attention_r6
      outliner.call("attnrt_check_increasing_i32",
                    {outliner.address(buffer), i64(count), i64(e.idx(1)), i64(slots),
                     outliner.text(("'attn.attention' op expects " + name +
                                    " to start at 0, never decrease and end within the sequence")
                                       .str())});
    };
    increasing(q, nq, sq, "cu_q");
    increasing(kv, nk, sk, "cu_kv");
    outliner.call("attnrt_documents_cu",
                  {outliner.address(q), i64(nq), outliner.address(kv), i64(nk), bottomRight,
                   i64(sq), i64(sk), outliner.address(op.getOuts()[2]),
                   outliner.address(qPosition), outliner.address(op.getOuts()[3]),
                   outliner.address(kvPosition)});
  } else {
    Value q = plain(op.getQSegments()), kv = plain(op.getKvSegments());
    Value none = LLVM::ZeroOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext()));
    // Sizes are checked here as well: this runs before the key loop's checks.
    auto same = [&](Value got, Value want, StringRef message) {
      outliner.call("attnrt_check_eq", {i64(got), i64(want), outliner.text(message)});
    };
    same(e.dim(q, 1), sq, "'attn.attention' op expects axis 1 (i) of q_segments to be the query "
                          "length");
    same(e.dim(kv, 1), sk, "'attn.attention' op expects axis 1 (j) of kv_segments to be the key "
                           "length");
    Value batch = e.dim(qPosition, 0);
    auto rows = [&](Value buffer, StringRef name) {
      Value size = e.dim(buffer, 0);
      Value want = e.select(e.cmp(arith::CmpIPredicate::eq, size, e.idx(1)), size, batch);
      same(size, want, ("'attn.attention' op expects axis 0 (b) of " + name +
                        " to be 1 or the batch size")
                           .str());
      return i64(size);
    };
    Value qRows = rows(q, "q_segments"), kvRows = rows(kv, "kv_segments");
    auto lengths = [&](Value buffer, Value limit, StringRef name) -> Value {
      if (!buffer)
        return none;
      Value copy = plain(buffer);
      same(e.dim(copy, 0), batch,
           ("'attn.attention' op expects axis 0 (b) of " + name + " to be the batch size").str());
      outliner.call("attnrt_check_values_i32",
                    {outliner.address(copy), i64(e.idx(1)), i64(batch), i64(e.idx(0)),
                     i64(e.idx(1)), i64(e.idx(0)), i64(limit),
                     outliner.text(("'attn.attention' op expects every entry of " + name +
                                    " to lie between 0 and the sequence length")
                                       .str())});
      return outliner.address(copy);
    };
    Value qLengths = lengths(op.getQLengths(), sq, "q_lengths");
    Value kvLengths = lengths(op.getKvLengths(), sk, "kv_lengths");
    outliner.call("attnrt_documents_seg",
                  {outliner.address(q), outliner.address(kv), qLengths, kvLengths, qRows, kvRows,
                   i64(batch), i64(sq), i64(sk), bottomRight, outliner.address(qPosition),
                   outliner.address(kvPosition)});
  }
  for (Value copy : copies)
    memref::DeallocOp::create(b, loc, copy);
  op.erase();
}
