//===- Checks.cpp - Checks before a key loop runs -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Run-time twins of the verifier's rules (docs/Spec.md, labels _r).
//===----------------------------------------------------------------------===//

#include "Checks.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
class Checks {
public:
  /// What aux operands are measured against, as index.
  struct Sizes {
    Value b, hq, hkv, sq, sk;
  };

  Checks(Emit &e, Outliner &outliner, StringRef opName = "attn.attention")
      : e(e), outliner(outliner), opName(opName.str()) {}
  void run(KeyLoopOp op);
  void extents(StringRef role, Value buffer, const Sizes &sizes);

private:
  void equal(Value got, Value want, const Twine &message) {
    outliner.call("attnrt_check_eq",
                  {e.toI64(got), e.toI64(want), outliner.text(message.str())});
  }
  /// Axis `axis` of `buffer` has `want` entries, or 1 where it broadcasts.
  void extent(StringRef role, Value buffer, int64_t axis, Value want, StringRef name,
              bool broadcasts);
  void range(Value buffer, Value low, Value high, const Twine &message);
  /// Captured tensors that a region reads at its own b or h hold them all. (What
  /// it reads at i and j a mask may hide.)
  void captures(KeyLoopOp op, Region &region, bool isScore, ArrayRef<Value> sizes);
  /// The address, sizes and strides of an i32 buffer of rank 1 or 2.
  SmallVector<Value> plane(Value buffer);

  Emit &e;
  Outliner &outliner;
  std::string opName;
};
} // namespace

void Checks::extent(StringRef role, Value buffer, int64_t axis, Value want, StringRef name,
                    bool broadcasts) {
  auto type = cast<MemRefType>(buffer.getType());
  if (broadcasts && type.getDimSize(axis) == 1)
    return;
  Value size = e.dim(buffer, axis);
  Value expected = want;
  if (broadcasts) // 1 is as good as the size itself
    expected = e.select(e.cmp(arith::CmpIPredicate::eq, size, e.idx(1)), size, want);
  equal(size, expected,
        "'" + Twine(opName) + "' op expects axis " + Twine(axis) + " (" + name + ") of " + role +
            " to be " + (broadcasts ? "1 or " : "") + "the size of " + name +
            " (actual size and expected size follow)");
}

SmallVector<Value> Checks::plane(Value buffer) {
  auto metadata = memref::ExtractStridedMetadataOp::create(e.b, e.loc, buffer);
  SmallVector<Value> result = {outliner.address(buffer)};
  bool flat = cast<MemRefType>(buffer.getType()).getRank() == 1;
  if (flat)
    result.push_back(e.toI64(e.idx(1)));
  for (Value size : metadata.getSizes())
    result.push_back(e.toI64(size));
  if (flat)
    result.push_back(e.toI64(e.idx(0)));
  for (Value stride : metadata.getStrides())
    result.push_back(e.toI64(stride));
  return result;
}

void Checks::range(Value buffer, Value low, Value high, const Twine &message) {
  SmallVector<Value> arguments = plane(buffer);
  arguments.append({e.toI64(low), e.toI64(high), outliner.text(message.str())});
  outliner.call("attnrt_check_values_i32", arguments);
}

void Checks::captures(KeyLoopOp op, Region &region, bool isScore, ArrayRef<Value> sizes) {
  static constexpr const char *kNames[] = {"b", "h"};
  unsigned leading = isScore ? 1 : 0;
  region.walk([&](LoadOp load) {
    auto tensor = cast<BlockArgument>(load.getTensor());
    unsigned position = tensor.getArgNumber() - (region.getNumArguments() - op.getAux().size());
    StringRef role = cast<StringAttr>(op.getAuxRoles()[position]).getValue();
    if (!role.starts_with("capture"))
      return;
    Value buffer = op.getAux()[position];
    for (auto [axis, index] : llvm::enumerate(load.getIndices())) {
      auto argument = dyn_cast<BlockArgument>(index);
      if (!argument || argument.getArgNumber() < leading)
        continue;
      unsigned which = argument.getArgNumber() - leading;
      if (which >= 2)
        continue;
      Value size = e.dim(buffer, axis); // attention_r9
      // No entry is read where there is none to read for.
      outliner.call("attnrt_check_range",
                    {e.toI64(size), e.toI64(sizes[which]), e.toI64(e.idx(INT64_MAX)),
                     outliner.text(("'" + Twine(opName) + "' op expects index " + Twine(kNames[which]) +
                                    " of attn.load to lie inside axis " + Twine(axis) + " of " +
                                    role + ", which is to be at least its size")
                                       .str())});
    }
  });
}

/// The sizes of one aux operand (attention_r3).
void Checks::extents(StringRef role, Value buffer, const Sizes &sizes) {
  if (role.starts_with("capture") || role == "cu_kv")
    return;
  if (role == "q_lengths" || role == "kv_lengths" || role == "prefix_lengths") {
    extent(role, buffer, 0, sizes.b, "b", false);
  } else if (role == "bias" || role == "mask_tensor") {
    Value full[] = {sizes.b, sizes.hq, sizes.sq, sizes.sk};
    StringRef names[] = {"b", "hq", "i", "j"};
    int64_t rank = cast<MemRefType>(buffer.getType()).getRank();
    for (int64_t axis = 0; axis < rank; ++axis)
      extent(role, buffer, axis, full[4 - rank + axis], names[4 - rank + axis], axis + 1 < rank);
  } else if (role == "log_weight") {
    extent(role, buffer, 0, sizes.b, "b", true);
    extent(role, buffer, 1, sizes.hkv, "hkv", true);
    extent(role, buffer, 2, sizes.sk, "j", false);
  } else if (role == "page_table") {
    extent(role, buffer, 0, sizes.b, "b", false);
    extent(role, buffer, 1, sizes.hkv, "hkv", true);
  } else {
    bool ofQueries = role.starts_with("q_");
    extent(role, buffer, 0, sizes.b, "b", true);
    extent(role, buffer, 1, ofQueries ? sizes.sq : sizes.sk, ofQueries ? "i" : "j", false);
  }
}

void Checks::run(KeyLoopOp op) {
  AxesAttr axes = op.getAxesOrDefault();
  auto q = [&](int64_t role) { return e.dim(op.getQ(), axes.getQ()[role]); };
  auto k = [&](int64_t role) { return e.dim(op.getK(), axes.getK()[role]); };
  auto v = [&](int64_t role) { return e.dim(op.getV(), axes.getV()[role]); };
  bool paged = static_cast<bool>(op.getPageTable());
  std::string name = "'" + opName + "' op expects ";
  if (!paged) { // attention_r1
    equal(k(kBatch), q(kBatch), name + "k to have the batch size of q");
    equal(v(kBatch), q(kBatch), name + "v to have the batch size of q");
  } else {
    equal(v(kBatch), k(kBatch), name + "k and v to have the same page count");
  }
  equal(v(kHead), k(kHead), name + "k and v to have the same head count");
  equal(v(kSeq), k(kSeq), name + "k and v to have the same key count");
  // attention_r2
  Value hkv = k(kHead);
  outliner.call("attnrt_check_heads", {e.toI64(q(kHead)), e.toI64(hkv)});

  Value sq = q(kSeq), b = q(kBatch), hq = q(kHead);
  Value sk = paged ? e.mul(e.dim(op.getAux("page_table"), 2),
                           static_cast<int64_t>(*op.getPageSize()))
                   : k(kSeq);
  if (op.getEqualLengths()) // attention_r4
    equal(sq, sk,
          name + "align top_left or align bottom_right when query and key lengths differ");
  if (paged && cast<MemRefType>(op.getK().getType()).isDynamicDim(axes.getK()[kSeq]))
    equal(k(kSeq), e.idx(*op.getPageSize()), name + "the page axis of k to be page_size");
  Value sizes[] = {b, hq};
  if (!op.getVisible().empty())
    captures(op, op.getVisible(), false, sizes);
  if (!op.getScore().empty())
    captures(op, op.getScore(), true, sizes);
  if (!op.getProb().empty())
    captures(op, op.getProb(), true, sizes);
  if (op.getSinks())
    extent("sinks", op.getSinks(), 0, hq, "hq", false);
  for (auto [role, buffer] :
       llvm::zip(op.getAuxRoles().getAsValueRange<StringAttr>(), op.getAux())) {
    extents(role, buffer, {b, hq, hkv, sq, sk});
    if (role == "q_lengths" || role == "kv_lengths") { // attention_r5
      range(buffer, e.idx(0), role == "q_lengths" ? sq : sk,
            name + "every entry of " + role + " to lie between 0 and the sequence length");
    } else if (role == "page_table") {
      auto metadata = memref::ExtractStridedMetadataOp::create(e.b, e.loc, buffer);
      SmallVector<Value> arguments = {outliner.address(buffer)};
      for (Value size : metadata.getSizes())
        arguments.push_back(e.toI64(size));
      for (Value stride : metadata.getStrides())
        arguments.push_back(e.toI64(stride));
      arguments.push_back(e.toI64(k(kBatch)));
      outliner.call("attnrt_check_page_table", arguments); // attention_r7
    }
  }
}

void mlir::attn::emitChecks(Emit &e, Outliner &outliner, KeyLoopOp op, StringRef name) {
  Checks(e, outliner, name).run(op);
}

void mlir::attn::emitChecks(Emit &e, Outliner &outliner, BlockTableOp op) {
  Checks checks(e, outliner);
  for (auto [role, buffer] :
       llvm::zip(op.getAuxRoles().getAsValueRange<StringAttr>(), op.getAux()))
    checks.extents(role, buffer,
                   {op.getBatch(), op.getHeads(), op.getKvHeads(), op.getQueries(), op.getKeys()});
}
