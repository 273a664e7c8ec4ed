//===- BufferizableOps.cpp - Bufferization of the planning ops -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// They write their outs in place; the regions read aux operands as buffers.
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Transforms.h"

#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::bufferization;

namespace {
/// Inputs are read, outs are written and never read: their old contents do not
/// matter to either op. Result n is the buffer of out n. (The ops do not say so
/// through DestinationStyleOpInterface: tensor's patterns on it rebuild an op with
/// other operand types, and the regions' arguments would not follow.)
template <typename Op>
struct OutsOnly : BufferizableOpInterface::ExternalModel<OutsOnly<Op>, Op> {
  /// The outs are the last operands.
  static unsigned firstOut(Operation *op) {
    if (isa<BlockTableOp>(op))
      return op->getNumOperands() - 1;
    if (auto loop = dyn_cast<KeyLoopOp>(op))
      return op->getNumOperands() - loop.getOuts().size();
    if (auto loop = dyn_cast<KeyLoopGradOp>(op))
      return op->getNumOperands() - loop.getOuts().size();
    return op->getNumOperands() - cast<DocumentsOp>(op).getOuts().size();
  }
  static bool isOut(Operation *op, OpOperand &operand) {
    return operand.getOperandNumber() >= firstOut(op);
  }
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand, const AnalysisState &) const {
    return !isOut(op, operand);
  }
  bool bufferizesToMemoryWrite(Operation *op, OpOperand &operand, const AnalysisState &) const {
    return isOut(op, operand);
  }
  AliasingValueList getAliasingValues(Operation *op, OpOperand &operand,
                                      const AnalysisState &) const {
    if (!isOut(op, operand) || op->getNumResults() == 0)
      return {};
    return {{op->getResult(operand.getOperandNumber() - firstOut(op)), BufferRelation::Equivalent,
             /*isDefinite=*/true}};
  }
  bool isWritable(Operation *, Value, const AnalysisState &) const { return true; }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options, BufferizationState &state) const {
    SmallVector<Value> operands;
    SmallVector<Value> outs;
    for (OpOperand &operand : op->getOpOperands()) {
      Value value = operand.get();
      if (isa<TensorType>(value.getType())) {
        FailureOr<Value> buffer = getBuffer(rewriter, value, options, state);
        if (failed(buffer))
          return failure();
        value = *buffer;
      }
      operands.push_back(value);
      if (isOut(op, operand))
        outs.push_back(value);
    }
    rewriter.setInsertionPoint(op);
    OperationState newState(op->getLoc(), op->getName());
    newState.addOperands(operands);
    newState.addAttributes(op->getAttrs());
    newState.propertiesAttr = op->getPropertiesAsAttribute();
    for (unsigned i = 0; i < op->getNumRegions(); ++i)
      newState.addRegion();
    Operation *newOp = rewriter.create(newState);
    for (auto [source, target] : llvm::zip(op->getRegions(), newOp->getRegions())) {
      target.takeBody(source);
      if (target.empty())
        continue;
      // The trailing arguments are the aux operands.
      ValueRange aux;
      if (auto loop = dyn_cast<KeyLoopOp>(newOp))
        aux = loop.getAux();
      else if (auto loop = dyn_cast<KeyLoopGradOp>(newOp))
        aux = loop.getAux();
      else if (auto table = dyn_cast<BlockTableOp>(newOp))
        aux = table.getAux();
      for (auto [argument, buffer] :
           llvm::zip(target.front().getArguments().take_back(aux.size()), aux))
        argument.setType(buffer.getType());
    }
    replaceOpWithBufferizedValues(rewriter, op, outs);
    return success();
  }
};
} // namespace

void mlir::attn::registerBufferizableOpInterfaceExternalModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, AttnDialect *) {
    KeyLoopOp::attachInterface<OutsOnly<KeyLoopOp>>(*context);
    KeyLoopGradOp::attachInterface<OutsOnly<KeyLoopGradOp>>(*context);
    BlockTableOp::attachInterface<OutsOnly<BlockTableOp>>(*context);
    DocumentsOp::attachInterface<OutsOnly<DocumentsOp>>(*context);
  });
}
