//===- AttnToGPU.cpp - Key loops to kernels and launches -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The host side: checks, workspaces, launches; and what the GPU refuses.
//===----------------------------------------------------------------------===//

#include "../KeyLoop/Checks.h"
#include "../KeyLoop/Documents.h"
#include "Kernels.h"
#include "attn/Conversion/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include "llvm/ADT/TypeSwitch.h"

namespace mlir::attn {
#define GEN_PASS_DEF_CONVERTATTNTOGPU
#include "attn/Conversion/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

/// 1 where every row of q, k and v starts at a multiple of 16 bytes, so that 16
/// of them may be copied at once.
static Value rowsAligned(Emit &e, const LoopView &host) {
  int64_t bytes = host.storage.getIntOrFloatBitWidth() / 8;
  Value bits = e.idx(0);
  for (Value buffer : {host.q, host.k, host.v}) {
    auto metadata =
        memref::ExtractStridedMetadataOp::create(e.b, e.loc, buffer);
    Value base =
        memref::ExtractAlignedPointerAsIndexOp::create(e.b, e.loc, buffer);
    bits = e.bor(bits, e.add(base, e.mul(metadata.getOffset(), bytes)));
    for (int64_t axis = 0; axis < 3; ++axis)
      bits = e.bor(bits, e.mul(metadata.getStrides()[axis], bytes));
  }
  Value aligned =
      e.cmp(arith::CmpIPredicate::eq, e.rem(bits, e.idx(16)), e.idx(0));
  return e.select(aligned, e.idx(1), e.idx(0));
}

static LogicalResult lowerKeyLoop(ModuleOp module, OpBuilder &b, KeyLoopOp op) {
  if (!op.getSchedule())
    return op.emitOpError()
           << "expects a schedule, but got none; run attn-schedule first";
  if (op.getStateType().isF64())
    return op.emitOpError()
           << "expects f32, f16 or bf16 on a GPU, but got f64; compile for the "
              "CPU or convert to f32";
  if (op.materialises())
    return op.emitOpError() << "expects neither scores nor prob_mod on a GPU, "
                               "whose kernels never "
                               "hold the scores of a whole row, but got "
                            << (op.getScoresKind() ? "scores" : "prob_mod")
                            << "; compile for the CPU";
  b.setInsertionPoint(op);
  Location loc = op.getLoc();
  Emit e(b, loc, op.getStateType(), /*lanes=*/0, /*hasFma=*/true,
         /*hasHalf=*/true);
  Outliner outliner(module, b, loc);
  KernelModule kernels(module, b, loc, outliner);
  emitChecks(e, outliner, op);
  LoopView host = LoopView::onHost(e, op);
  ForwardShape shape(host);
  if (std::string problem = shape.problem(host.schedule); !problem.empty())
    return op.emitOpError() << problem;

  int64_t part = llvm::alignTo(host.schedule.getSplitKeys(), shape.kt);
  // The cut depends on the number of keys and queries alone.
  Value few = e.le(host.sq, e.idx(host.schedule.getFewRows()));
  Value one = e.idx(1);
  Value splits = e.select(few, e.max(e.ceilDiv(host.sk, part), one), one);
  Value many = e.cmp(arith::CmpIPredicate::sgt, splits, one);
  Value tasks =
      e.mul(e.mul(host.batch, host.hq), e.ceilDiv(host.sq, shape.rows));
  Value slots = e.select(many, splits, e.idx(0));
  constexpr int64_t dynamic = ShapedType::kDynamic;
  auto alloc = [&](ArrayRef<int64_t> type, Type element,
                   ValueRange sizes) -> Value {
    return memref::AllocOp::create(b, loc, MemRefType::get(type, element),
                                   sizes);
  };
  SmallVector<Value> dims = {host.batch, host.hq, host.sq, slots};
  DeviceWork work{
      alloc({dynamic, dynamic, dynamic, dynamic, host.dv}, e.state, dims),
      alloc({dynamic, dynamic, dynamic, dynamic, 2}, e.state, dims),
      alloc({dynamic}, b.getI32Type(), ValueRange{e.mul(tasks, splits)}),
      splits, rowsAligned(e, host)};

  int64_t guardShared = 0;
  KernelModule::Kernel forward = emitForward(e, kernels, host, work);
  KernelModule::Kernel merge = emitMerge(e, kernels, host, work);
  KernelModule::Kernel guard =
      emitGuard(e, kernels, host, work, shape.rows, guardShared);

  if (failed(KernelModule::checkParams(op, forward)))
    return failure();
  SmallVector<Value> values = host.values();
  values.append(work.values());
  Value params = outliner.pack(values);
  kernels.launch(e, forward, tasks, splits, shape.sharedBytes, params);
  e.when(many, [&] {
    Value rows = e.mul(e.mul(host.batch, host.hq), host.sq);
    kernels.launch(e, merge, rows, one, 0, params);
  });
  kernels.launch(e, guard, tasks, one, guardShared, params);
  outliner.call("attnrt_gpu_count_flags",
                {arith::ConstantIntOp::create(b, loc, 0, 32),
                 outliner.address(work.flags), e.toI64(e.mul(tasks, splits))});
  for (Value buffer : {work.out, work.state, work.flags})
    memref::DeallocOp::create(b, loc, buffer);
  op.erase();
  return success();
}

/// What the processor does itself; the conversion of the gpu dialect would make
/// a library call of it.
static StringRef intrinsicOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, StringRef>(op)
      .Case<math::FmaOp>([](auto) { return "llvm.fma"; })
      .Case<math::SqrtOp>([](auto) { return "llvm.sqrt"; })
      .Case<math::AbsFOp>([](auto) { return "llvm.fabs"; })
      .Case<math::Exp2Op>([](auto) { return "llvm.exp2"; })
      .Case<math::CtPopOp>([](auto) { return "llvm.ctpop"; })
      .Case<math::FloorOp>([](auto) { return "llvm.floor"; })
      .Case<math::CeilOp>([](auto) { return "llvm.ceil"; })
      .Case<math::RoundEvenOp>([](auto) { return "llvm.roundeven"; })
      .Case<math::TruncOp>([](auto) { return "llvm.trunc"; })
      .Case<math::CopySignOp>([](auto) { return "llvm.copysign"; })
      .Default([](Operation *) { return ""; });
}

/// Functions of 16-bit numbers are those of f32, rounded once.
static void widenMath(gpu::GPUModuleOp kernels) {
  auto narrow = [](Type type) { return type.isF16() || type.isBF16(); };
  SmallVector<Operation *> ops;
  kernels.walk([&](Operation *op) {
    if (isa<math::MathDialect>(op->getDialect()) &&
        llvm::any_of(op->getOperandTypes(), narrow))
      ops.push_back(op);
  });
  for (Operation *op : ops) {
    OpBuilder b(op);
    Location loc = op->getLoc();
    Operation *wide = b.clone(*op);
    OpBuilder inner(wide);
    for (OpOperand &operand : wide->getOpOperands())
      if (narrow(operand.get().getType()))
        operand.set(arith::ExtFOp::create(inner, loc, inner.getF32Type(),
                                          operand.get()));
    Value result = wide->getResult(0);
    if (Type type = result.getType(); narrow(type)) {
      result.setType(b.getF32Type());
      result = arith::TruncFOp::create(b, loc, type, result);
    }
    op->getResult(0).replaceAllUsesWith(result);
    op->erase();
  }
}

/// Elementary functions as polynomials: device code links no library.
static LogicalResult expandMath(gpu::GPUModuleOp kernels) {
  widenMath(kernels);
  kernels.walk([](math::RsqrtOp op) {
    OpBuilder b(op);
    Location loc = op.getLoc();
    Type type = op.getType();
    Value one = arith::ConstantOp::create(b, loc, b.getFloatAttr(type, 1.0));
    Value root = math::SqrtOp::create(b, loc, op.getOperand());
    op.replaceAllUsesWith(arith::DivFOp::create(b, loc, one, root).getResult());
    op.erase();
  });
  kernels.walk([](math::AbsIOp op) {
    OpBuilder b(op);
    Location loc = op.getLoc();
    Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(op.getType()));
    Value negative = arith::SubIOp::create(b, loc, zero, op.getOperand());
    op.replaceAllUsesWith(
        arith::MaxSIOp::create(b, loc, op.getOperand(), negative).getResult());
    op.erase();
  });
  RewritePatternSet patterns(kernels.getContext());
  math::populateExpansionPatterns(patterns,
                                  {"powf", "fpowi", "sinh", "cosh", "round"});
  populateMathPolynomialApproximationPatterns(patterns);
  if (failed(applyPatternsGreedily(kernels, std::move(patterns))))
    return failure();
  WalkResult result =
      kernels.walk([&](Operation *op) {
        if (!isa<math::MathDialect>(op->getDialect()))
          return WalkResult::advance();
        StringRef intrinsic = intrinsicOf(op);
        if (intrinsic.empty()) {
          op->emitOpError()
              << "expects an elementary function of f32 that needs no library "
                 "on a GPU (exp, exp2, log, tanh, sinh, cosh, erf, sin, cos, "
                 "asin, acos, atan, "
                 "sqrt, rsqrt), but got one of "
              << op->getResult(0).getType()
              << " that does; compile for the CPU, or write it otherwise";
          return WalkResult::interrupt();
        }
        OpBuilder b(op);
        auto call = LLVM::CallIntrinsicOp::create(
            b, op->getLoc(), op->getResult(0).getType(),
            b.getStringAttr(intrinsic), op->getOperands());
        op->replaceAllUsesWith(call->getResults());
        op->erase();
        return WalkResult::advance();
      });
  return success(!result.wasInterrupted());
}

/// Functions that tell the sizes of results run before any memory is looked at.
static bool tellsSizes(Operation *op) {
  auto func = op->getParentOfType<func::FuncOp>();
  return func && func.getName().starts_with("attn_dims_");
}

/// Constants lie in the package, on the host: a call gets a copy on its device.
static void uploadConstants(ModuleOp module, OpBuilder &b) {
  SmallVector<memref::GetGlobalOp> constants;
  module.walk([&](memref::GetGlobalOp op) {
    if (!tellsSizes(op))
      constants.push_back(op);
  });
  for (memref::GetGlobalOp op : constants) {
    b.setInsertionPointAfter(op);
    Location loc = op.getLoc();
    auto type =
        MemRefType::get(op.getType().getShape(), op.getType().getElementType());
    int64_t bytes = type.getNumElements() *
                    llvm::divideCeil(type.getElementTypeBitWidth(), 8);
    Outliner outliner(module, b, loc);
    Value copy = memref::AllocOp::create(b, loc, type);
    op.getResult().replaceAllUsesWith(copy);
    Value size = arith::ConstantIntOp::create(b, loc, bytes, /*width=*/64);
    outliner.call("attnrt_gpu_upload",
                  {outliner.address(copy), outliner.address(op), size});
  }
}

/// Sizes of results are told before the device has done anything.
static LogicalResult refuseComputedSizes(ModuleOp module) {
  WalkResult result = module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<gpu::GPUModuleOp>(op))
      return WalkResult::skip();
    if (!tellsSizes(op))
      return WalkResult::advance();
    auto load = dyn_cast<memref::LoadOp>(op);
    bool reads = load && !load.getMemRef().getDefiningOp<memref::GetGlobalOp>();
    if (!reads &&
        !isa<KeyLoopOp, DocumentsOp, BlockTableOp, scf::ParallelOp>(op))
      return WalkResult::advance();
    op->emitError() << "expects result sizes that follow from the sizes of "
                       "the arguments in a GPU program, but got sizes that "
                       "have to be computed; give the result static sizes";
    return WalkResult::interrupt();
  });
  return success(!result.wasInterrupted());
}

namespace {
struct ConvertAttnToGPUPass
    : public attn::impl::ConvertAttnToGPUBase<ConvertAttnToGPUPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    OpBuilder b(&getContext());
    SmallVector<Operation *> ops;
    module.walk([&](Operation *op) {
      if (isa<BlockTableOp, KeyLoopOp, DocumentsOp>(op) && !tellsSizes(op))
        ops.push_back(op);
    });
    uploadConstants(module, b);
    for (Operation *op : ops) {
      for (Value operand : op->getOperands())
        if (isa<TensorType>(operand.getType())) {
          op->emitOpError() << "expects buffers, but got " << operand.getType()
                            << "; bufferize first";
          return signalPassFailure();
        }
      if (auto loop = dyn_cast<KeyLoopOp>(op)) {
        if (loop.getBatchInvariant()) {
          loop.emitError()
              << "'attn.attention' op expects a CPU for batch_invariant, but "
                 "got "
              << (loop.getSchedule() ? loop.getSchedule()->getIsa() : "a GPU")
              << "; leave batch_invariant out, or compute on the CPU";
          return signalPassFailure();
        }
        if (failed(lowerKeyLoop(module, b, loop)))
          return signalPassFailure();
      } else if (auto table = dyn_cast<BlockTableOp>(op)) {
        lowerBlockTableToKernel(module, b, table);
      } else {
        lowerDocuments(module, b, cast<DocumentsOp>(op));
      }
    }
    SmallVector<scf::ParallelOp> loops;
    module.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<gpu::GPUModuleOp>(op))
        return WalkResult::skip();
      auto loop = dyn_cast<scf::ParallelOp>(op);
      if (!loop || tellsSizes(loop))
        return WalkResult::advance();
      loops.push_back(loop);
      return WalkResult::skip();
    });
    for (scf::ParallelOp loop : loops)
      lowerParallelToKernel(module, b, loop);
    for (auto kernels : module.getOps<gpu::GPUModuleOp>())
      if (failed(expandMath(kernels)))
        return signalPassFailure();
    lowerCopies(module, b, tellsSizes);
    if (failed(refuseComputedSizes(module)) ||
        failed(lowerHostElements(module, b, tellsSizes)))
      signalPassFailure();
  }
};
} // namespace
