//===- Attention.h - One attention, as the oracle sees it -------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to the interpreter: what attention and its gradients share.
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_INTERPRETER_ATTENTION_H
#define ATTN_LIB_INTERPRETER_ATTENTION_H

#include "Detail.h"

namespace mlir::attn::detail {

/// q, k or v by the roles of its axes (AxisRole), whatever order they stand in.
struct ByRole {
  const Datum *data = nullptr;
  int64_t sizes[4] = {}, strides[4] = {};

  ByRole(const Datum *datum, llvm::ArrayRef<int64_t> order) : data(datum) {
    int64_t stride = 1;
    for (int64_t axis = 3; axis >= 0; --axis) {
      int64_t role = llvm::find(order, axis) - order.begin();
      sizes[role] = datum->shape[axis];
      strides[role] = stride;
      stride *= datum->shape[axis];
    }
  }
  /// Where the head dimension of (b, h, s) begins; it is contiguous.
  int64_t rowAt(int64_t b, int64_t h, int64_t s) const {
    return b * strides[kBatch] + h * strides[kHead] + s * strides[kSeq];
  }
};

/// An optional operand that broadcasts from the right to [B, H, Sq, Sk], or to
/// fewer axes of these.
struct Broadcast {
  const Datum *data = nullptr;
  int64_t strides[4] = {};

  Broadcast() = default;
  /// `axes` names, for each axis of the operand, which of the four it is.
  Broadcast(const Datum *datum, llvm::ArrayRef<int64_t> axes) : data(datum) {
    if (!datum)
      return;
    int64_t stride = 1;
    for (int64_t axis = axes.size() - 1; axis >= 0; --axis) {
      int64_t size = datum->shape[axis];
      strides[axes[axis]] = size == 1 ? 0 : stride;
      stride *= size;
    }
  }
  int64_t at(int64_t b, int64_t h, int64_t i, int64_t j) const {
    return b * strides[0] + h * strides[1] + i * strides[2] + j * strides[3];
  }
};

/// A mask attribute as a plain tree.
struct MaskNode {
  MaskKind kind;
  int64_t left = 0, right = 0;
  std::vector<MaskNode> parts;

  explicit MaskNode(MaskAttr mask) : kind(mask.getKind()) {
    if (kind == MaskKind::Band) {
      left = mask.getBounds()[0];
      right = mask.getBounds()[1];
    } else if (kind == MaskKind::Prefix) {
      // Without a constant the bound is an operand.
      right = mask.getBounds().empty() ? -1 : mask.getBounds()[0];
    }
    for (Attribute child : mask.getChildren())
      parts.emplace_back(cast<MaskAttr>(child));
  }

  /// Whether a query sees a key, by their positions and documents.
  bool sees(int64_t query, int64_t key, bool sameDocument,
            int64_t prefixLength) const {
    auto part = [&](const MaskNode &node) {
      return node.sees(query, key, sameDocument, prefixLength);
    };
    switch (kind) {
    case MaskKind::Full:
      return true;
    case MaskKind::Causal:
      return key <= query;
    case MaskKind::Band:
      return (left == MaskAttr::kInf || -left <= key - query) &&
             (right == MaskAttr::kInf || key - query <= right);
    case MaskKind::Prefix:
      return key < (right < 0 ? prefixLength : right);
    case MaskKind::Document:
      return sameDocument;
    case MaskKind::And:
      return llvm::all_of(parts, part);
    case MaskKind::Or:
      return llvm::any_of(parts, part);
    }
    llvm_unreachable("a kind of mask");
  }
};

/// Slots of one batch entry: positions, documents, and which are there at all.
struct Slots {
  SmallVector<int64_t> positions;
  /// Equal numbers are the same document; meaningless where `inDocument` is
  /// not.
  SmallVector<int64_t> documents;
  SmallVector<bool> inDocument;
  int64_t length = 0;
};

/// The operands of one attention and what follows from their sizes.
class Attention {
public:
  Attention(AttentionOp op, Operation *named, llvm::ArrayRef<Ref> operands,
            RunMode &mode);

  llvm::Error checkSizes();
  llvm::Error checkValues();
  llvm::Expected<SmallVector<Ref>> run();
  /// The gradients (AttentionGrad.cpp); `op` is then the attention that they
  /// are of.
  llvm::Expected<SmallVector<Ref>> runGrad(AttentionGradOp grad,
                                           llvm::ArrayRef<Ref> operands);

private:
  const Datum *get(Value operand) const {
    return operand ? byValue.lookup(operand) : nullptr;
  }
  llvm::Error fail(const llvm::Twine &message) const {
    return opError(named, message);
  }
  llvm::Error checkShape(llvm::StringRef name, const Datum *datum,
                         llvm::ArrayRef<int64_t> sizes,
                         llvm::ArrayRef<llvm::StringRef> names,
                         unsigned broadcasting);
  llvm::Error checkLengths(llvm::StringRef name, const Datum *datum,
                           int64_t slots);
  llvm::Error checkCumulative(llvm::StringRef name, const Datum *datum,
                              int64_t slots);
  llvm::Error checkPages();

  void place(int64_t b, Slots &query, Slots &key);
  /// Where the key of slot j lies in k and v: batch entry and row, or page and
  /// row in it. The page is -1 where there is none.
  struct Place {
    int64_t outer, inner;
  };
  Place find(int64_t b, int64_t kvHead, int64_t j) const {
    if (!table)
      return {b, j};
    int64_t head = table->shape[1] == 1 ? 0 : kvHead;
    int64_t row = (b * table->shape[1] + head) * table->shape[2];
    return {table->ints[row + j / pageSize], j % pageSize};
  }
  /// What hides keys beside lengths and pages, looked up once per run.
  struct Hiding {
    std::optional<MaskNode> mask;
    Broadcast maskTensor;
    std::optional<ScalarProgram> maskMod;
    const Datum *prefixLengths = nullptr;
  };
  llvm::Error openHiding(Hiding &hiding);
  /// The keys that query i sees, in order, with `visible` to match; the AND of
  /// everything that hides.
  llvm::Error findVisible(Hiding &hiding, int64_t b, int64_t h, int64_t i,
                          const Slots &query, const Slots &key,
                          llvm::ArrayRef<char> present,
                          std::vector<char> &visible,
                          std::vector<int64_t> &seen);
  template <typename T>
  llvm::Error compute(Datum &out, Datum *lse, Datum *pairs);
  struct Gradients;
  template <typename T>
  llvm::Error computeGrad(AttentionGradOp grad, Gradients &gradients);

  AttentionOp op;
  /// The operation that errors name.
  Operation *named;
  RunMode &mode;
  llvm::DenseMap<Value, const Datum *> byValue;
  SmallVector<Ref> captures;
  ByRole q, k, v;
  const Datum *table;
  int64_t batch, queryHeads, keyHeads, queries, keys, dim, valueDim, pageSize;
};

/// The order in which a variant of plain arithmetic adds: 0 forward, 1
/// backward, the others shuffled.
std::vector<int64_t> sumOrder(int64_t count, unsigned variant);

} // namespace mlir::attn::detail

#endif // ATTN_LIB_INTERPRETER_ATTENTION_H
