//===- Explain.cpp - Facts about key loops ----------------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is said here is read off the key plan, the IR that the backends run.
//===----------------------------------------------------------------------===//

#include "Explain.h"

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <array>
#include <optional>

using namespace attn::capi;
using mlir::attn::KeyLoopGradOp;
using mlir::attn::KeyLoopOp;

template <typename T>
static std::string printed(T value) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << value;
  return text;
}

//===----------------------------------------------------------------------===//
// The range of keys
//===----------------------------------------------------------------------===//

/// begin, full_begin, full_end and end for one block of queries, by folding the
/// `range` region on numbers. None if it reads tensors: then it depends on
/// their values.
static std::optional<std::array<int64_t, 4>>
evaluateRange(mlir::Region &region, llvm::ArrayRef<int64_t> numbers) {
  mlir::Block &block = region.front();
  llvm::DenseMap<mlir::Value, mlir::Attribute> known;
  mlir::Builder builder(region.getContext());
  for (auto [argument, number] : llvm::zip(block.getArguments(), numbers))
    known[argument] = builder.getIntegerAttr(argument.getType(), number);
  for (mlir::Operation &inner : block.without_terminator()) {
    mlir::Attribute constant;
    if (mlir::matchPattern(&inner, mlir::m_Constant(&constant))) {
      known[inner.getResult(0)] = constant;
      continue;
    }
    // Folding may change an operation; the plan must stay as it is.
    mlir::Operation *copy = inner.clone();
    llvm::SmallVector<mlir::Attribute> operands;
    for (mlir::Value operand : inner.getOperands())
      operands.push_back(known.lookup(operand));
    llvm::SmallVector<mlir::OpFoldResult> results;
    bool folded = !llvm::is_contained(operands, mlir::Attribute()) &&
                  succeeded(copy->fold(operands, results)) &&
                  results.size() == inner.getNumResults();
    for (size_t i = 0; folded && i < results.size(); ++i) {
      if (auto attribute = llvm::dyn_cast<mlir::Attribute>(results[i]))
        known[inner.getResult(i)] = attribute;
      else
        known[inner.getResult(i)] =
            known.lookup(llvm::cast<mlir::Value>(results[i]));
    }
    copy->destroy();
  }
  std::array<int64_t, 4> range;
  for (auto [i, value] :
       llvm::enumerate(block.getTerminator()->getOperands())) {
    auto number =
        llvm::dyn_cast_or_null<mlir::IntegerAttr>(known.lookup(value));
    if (!number || i >= 4)
      return std::nullopt;
    range[i] = number.getInt();
  }
  return range;
}

/// What the range comes to for an example of its sizes (the static ones where
/// they are static).
template <typename Op>
static llvm::json::Value describeRange(Op op, int64_t blockRows) {
  auto axes = op.getAxesAttr()
                  ? op.getAxesAttr()
                  : mlir::attn::AxesAttr::getDefault(op.getContext());
  auto size = [](mlir::Value tensor, int64_t axis, int64_t otherwise) {
    int64_t dim =
        llvm::cast<mlir::ShapedType>(tensor.getType()).getDimSize(axis);
    return mlir::ShapedType::isDynamic(dim) ? otherwise : dim;
  };
  constexpr int64_t kExample = 1024;
  int64_t sq = size(op.getQ(), axes.getQ()[mlir::attn::kSeq], kExample);
  int64_t sk = op.getPageTable()
                   ? kExample
                   : size(op.getK(), axes.getK()[mlir::attn::kSeq], kExample);
  if (sq <= 0 || sk <= 0 || blockRows <= 0 || sq / blockRows > 10000)
    return nullptr;
  int64_t computed = 0, unmasked = 0, pairs = 0;
  for (int64_t i0 = 0; i0 < sq; i0 += blockRows) {
    int64_t i1 = std::min(i0 + blockRows, sq);
    auto range = evaluateRange(op.getRange(), {0, 0, 0, i0, i1, sq, sk});
    if (!range)
      return nullptr;
    computed += (i1 - i0) * ((*range)[3] - (*range)[0]);
    unmasked += (i1 - i0) * ((*range)[2] - (*range)[1]);
    pairs += (i1 - i0) * sk;
  }
  return llvm::json::Object{
      {"queries", sq},
      {"keys", sk},
      {"computed", double(computed) / double(pairs)},
      {"without_mask",
       double(op.getVisible().empty() ? computed : unmasked) / double(pairs)}};
}

//===----------------------------------------------------------------------===//
// Key loops
//===----------------------------------------------------------------------===//

/// How the loop's block table is made, or null. Only its shape is static, and of
/// that which axes it broadcasts along.
template <typename Op>
static llvm::json::Value describeTable(Op op) {
  mlir::Value table = op.getBlockTable();
  mlir::attn::ScheduleAttr schedule = op.getScheduleAttr();
  if (!table || !schedule)
    return nullptr;
  auto type = llvm::cast<mlir::ShapedType>(table.getType());
  return llvm::json::Object{
      {"query_block", schedule.getLanes() * schedule.getQVectors()},
      {"key_block", schedule.getKvTile()},
      {"per_batch", type.getDimSize(0) != 1},
      {"per_head", type.getDimSize(1) != 1}};
}

/// What the plans of attention and of its gradients say alike.
template <typename Op>
static llvm::json::Object describePlan(Op op) {
  llvm::json::Array reads;
  for (mlir::Attribute role : op.getAuxRoles())
    reads.push_back(llvm::cast<mlir::StringAttr>(role).getValue());
  llvm::json::Object facts{
      {"q", printed(op.getQ().getType())},
      {"k", printed(op.getK().getType())},
      {"v", printed(op.getV().getType())},
      {"scale", op.getScale().convertToDouble()},
      {"reads", std::move(reads)},
      {"sinks", static_cast<bool>(op.getSinks())},
      {"page_size", op.getPageTable()
                        ? llvm::json::Value(op.getPageSize().value_or(0))
                        : llvm::json::Value(nullptr)},
      {"equal_lengths", op.getEqualLengths()},
      {"mask", op.getVisible().empty() ? "none" : "per pair"},
      {"block_table", describeTable(op)},
      {"score", op.getScore().empty() ? "scale only" : "changed"}};
  int64_t blockRows = 64;
  if (auto schedule = op.getScheduleAttr()) {
    blockRows =
        schedule.getLanes() * schedule.getQVectors() * schedule.getStrips();
    facts["schedule"] =
        llvm::json::Object{{"isa", schedule.getIsa()},
                           {"lanes", schedule.getLanes()},
                           {"q_vectors", schedule.getQVectors()},
                           {"strips", schedule.getStrips()},
                           {"key_rows", schedule.getKeyRows()},
                           {"kv_tile", schedule.getKvTile()},
                           {"few_rows", schedule.getFewRows()},
                           {"split_keys", schedule.getSplitKeys()}};
  } else {
    facts["schedule"] = nullptr;
  }
  facts["range"] = describeRange(op, blockRows);
  return facts;
}

static llvm::json::Object describe(KeyLoopOp op) {
  llvm::json::Object facts = describePlan(op);
  facts["lse"] = op.getOuts().size() > 1;
  facts["scores"] =
      op.getScoresKind()
          ? llvm::json::Value(
                mlir::attn::stringifyScoresKind(*op.getScoresKind()))
          : llvm::json::Value(nullptr);
  facts["prob_mod"] = !op.getProb().empty();
  facts["batch_invariant"] = op.getBatchInvariant();
  return facts;
}

/// Bytes that a gradient keeps while it runs: for each query of a head its rows
/// of q and dout, laid out twice, lse, delta and the sum of dq; for each slot of
/// a KV head the sums of dk and dv.
static llvm::json::Value describeWorkspace(KeyLoopGradOp op) {
  mlir::attn::ScheduleAttr schedule = op.getScheduleAttr();
  if (!schedule)
    return nullptr;
  auto width = [](mlir::Value operand) {
    return llvm::cast<mlir::ShapedType>(operand.getType()).getDimSize(3);
  };
  int64_t number = op.getStateType().getWidth() / 8, lanes = schedule.getLanes();
  bool pairs = schedule.getIsa() == "avx512bf16" && lanes * number == 64 &&
               llvm::cast<mlir::ShapedType>(op.getQ().getType())
                   .getElementType()
                   .isBF16();
  int64_t rows = 0, sums = 0;
  for (int64_t dims : {width(op.getQ()), width(op.getV())}) {
    int64_t padded = llvm::alignTo(dims, lanes);
    rows += pairs ? llvm::divideCeil(dims, 2) * 4 + padded * 4 / 2
                  : (dims + padded) * number;
    sums += padded * number;
  }
  int64_t dq = llvm::alignTo(width(op.getQ()), lanes) * number;
  return llvm::json::Object{{"per_query", rows + 2 * number + dq},
                            {"per_key", sums}};
}

static llvm::json::Object describe(KeyLoopGradOp op) {
  llvm::json::Object facts = describePlan(op);
  facts["workspace"] = describeWorkspace(op);
  return facts;
}

/// One object per operation of this kind in an entry.
template <typename Op>
static llvm::json::Array describeAll(mlir::ModuleOp planned,
                                     llvm::StringRef entry) {
  llvm::json::Array loops;
  // The plan has moved a function's body into its entry point.
  for (auto function : planned.getOps<mlir::func::FuncOp>())
    if (function.getSymName() == entry ||
        function.getSymName() == ("attn_call_" + entry).str())
      function.walk([&](Op op) { loops.push_back(describe(op)); });
  return loops;
}

llvm::json::Array attn::capi::describeKeyLoops(mlir::ModuleOp planned,
                                               llvm::StringRef entry) {
  return describeAll<KeyLoopOp>(planned, entry);
}

llvm::json::Array attn::capi::describeGradients(mlir::ModuleOp planned,
                                                llvm::StringRef entry) {
  return describeAll<KeyLoopGradOp>(planned, entry);
}

/// The schedule in words: those of vectors and strips, or of blocks and warps.
static std::string scheduleNote(const llvm::json::Object &schedule,
                                bool invariant) {
  auto get = [&](const char *key) {
    return schedule.getInteger(key).value_or(0);
  };
  llvm::StringRef isa = schedule.getString("isa").value_or("?");
  int64_t queries = get("lanes") * get("q_vectors") * get("strips");
  if (isa.starts_with("sm_"))
    return llvm::formatv(
               "a block of {0} threads for each {1} queries ({2} warps of {3} "
               "queries), tiles of {4} keys in two stages; up to {5} queries "
               "have a block for each {6} keys, and attn_merge puts the parts "
               "together (schedule of {7})",
               32 * get("strips"), queries, get("strips"),
               get("lanes") * get("q_vectors"), get("kv_tile"), get("few_rows"),
               get("split_keys"), isa)
        .str();
  std::string few =
      invariant
          ? llvm::formatv("up to {0} queries take blocks of {1} rows, which "
                          "the heads of a group share",
                          get("few_rows"), get("lanes"))
                .str()
          : llvm::formatv(
                "up to {0} queries take the row kernel, in parts of {1} keys",
                get("few_rows"), get("split_keys"))
                .str();
  return llvm::formatv("blocks of {0} queries ({1} vectors of {2} lanes x {3} "
                       "strips), {4} keys at a time, tiles of {5} keys; {6} "
                       "(schedule of {7})",
                       queries, get("q_vectors"), get("lanes"), get("strips"),
                       get("kv_tile"), get("key_rows"), few, isa)
      .str();
}

/// That a row's bits are its own, and what that costs this loop.
static std::string invariantNote(const llvm::json::Object &loop) {
  std::string note =
      "batch invariant: a row's bits depend on its own query, keys and masks "
      "alone. That costs: a few rows take the tile kernel, whose keys are not "
      "split among threads, and the running maximum may not lag";
  const llvm::json::Object *schedule = loop.getObject("schedule");
  bool bf16 = loop.getString("q").value_or("").contains("xbf16>");
  if (bf16 && schedule &&
      schedule->getString("isa").value_or("") == "avx512bf16")
    note += "; products are those of f32, not of pairs of bf16";
  for (const llvm::json::Value &role : *loop.getArray("reads"))
    if (role.getAsString() == "cu_kv")
      note +=
          "; tiles start at each document's first key, so that every "
          "document ends with a tile of its own, and there is no block table";
  return note;
}

/// Which keys are computed, for whom a mask is looked at, what is read: of an
/// attention or of its gradients.
static void planNotes(const std::string &head, const llvm::json::Object &loop,
                      std::vector<std::string> &notes) {
  if (const llvm::json::Object *range = loop.getObject("range"))
    notes.push_back(
        head +
        llvm::formatv("for {0} queries and {1} keys, {2:f1} % of the pairs "
                      "are computed, {3:f1} % without a mask",
                      range->getInteger("queries").value_or(0),
                      range->getInteger("keys").value_or(0),
                      100 * range->getNumber("computed").value_or(0),
                      100 * range->getNumber("without_mask").value_or(0))
            .str());
  else
    notes.push_back(head + "which keys are computed depends on the values of "
                           "the operands");
  if (const llvm::json::Object *table = loop.getObject("block_table")) {
    bool perBatch = table->getBoolean("per_batch").value_or(true);
    bool perHead = table->getBoolean("per_head").value_or(true);
    llvm::StringRef once = perBatch && perHead ? "per batch entry and head"
                           : perHead           ? "per head"
                           : perBatch ? "per batch entry, for all heads"
                                      : "for all batch entries and heads";
    notes.push_back(
        head + llvm::formatv("the mask is looked at once {0}, in blocks of {1} queries and {2} "
                             "keys: empty blocks are skipped, full ones need no mask",
                             once, table->getInteger("query_block").value_or(0),
                             table->getInteger("key_block").value_or(0))
                   .str());
  }
  if (loop.getBoolean("equal_lengths").value_or(false))
    notes.push_back(head + "checked at run time: as many queries as keys");
  const llvm::json::Array &reads = *loop.getArray("reads");
  std::string list;
  for (const llvm::json::Value &role : reads)
    list += (list.empty() ? "" : ", ") + role.getAsString()->str();
  if (loop.getInteger("page_size"))
    list += (list.empty() ? "" : ", ") + std::string("pages");
  if (loop.getBoolean("sinks").value_or(false))
    list += (list.empty() ? "" : ", ") + std::string("sinks");
  if (!list.empty())
    notes.push_back(head + "reads " + list);
}

std::vector<std::string>
attn::capi::keyLoopNotes(const llvm::json::Array &keyLoops) {
  std::vector<std::string> notes;
  for (auto [number, value] : llvm::enumerate(keyLoops)) {
    const llvm::json::Object &loop = *value.getAsObject();
    std::string head = llvm::formatv("attention {0}: ", number).str();
    auto kind = loop.getString("scores");
    bool weighs = loop.getBoolean("prob_mod").value_or(false);
    bool invariant = loop.getBoolean("batch_invariant").value_or(false);
    if (kind || weighs)
      notes.push_back(head + "materialises: " +
                      (kind ? "the result scores (" + kind->str() +
                                  ") takes a number per query, head and key"
                            : std::string()) +
                      (kind && weighs ? ", and " : "") +
                      (weighs ? "prob_mod needs a row's weights as a whole" : "") +
                      "; every query takes the kernel of whole rows, without tiles");
    else if (const llvm::json::Object *schedule = loop.getObject("schedule"))
      notes.push_back(head + scheduleNote(*schedule, invariant));
    if (invariant)
      notes.push_back(head + invariantNote(loop));
    planNotes(head, loop, notes);
  }
  return notes;
}

/// The blocks and parts of a gradient, as the CPU has them.
static std::string gradientNote(const llvm::json::Object &schedule) {
  auto get = [&](const char *key) {
    return schedule.getInteger(key).value_or(0);
  };
  return llvm::formatv(
             "blocks of {0} queries ({1} vectors of {2} lanes x {3} strips), "
             "{4} keys at a time, tiles of {5} keys; keys and queries in as "
             "many parts, of {6} or more, as make 32 tasks of a step (schedule "
             "of {7})",
             get("lanes") * get("q_vectors") * get("strips"), get("q_vectors"),
             get("lanes"), get("strips"), get("kv_tile"), get("key_rows"),
             llvm::alignTo(get("split_keys"), get("kv_tile")),
             schedule.getString("isa").value_or("?"))
      .str();
}

std::vector<std::string>
attn::capi::gradientNotes(const llvm::json::Array &gradients) {
  std::vector<std::string> notes;
  for (auto [number, value] : llvm::enumerate(gradients)) {
    const llvm::json::Object &loop = *value.getAsObject();
    std::string head = llvm::formatv("gradient {0}: ", number).str();
    if (const llvm::json::Object *schedule = loop.getObject("schedule"))
      notes.push_back(head + gradientNote(*schedule));
    planNotes(head, loop, notes);
    if (const llvm::json::Object *workspace = loop.getObject("workspace"))
      notes.push_back(
          head + llvm::formatv("keeps {0} bytes per query of a head and {1} "
                               "per key slot of a KV head while it runs{2}",
                               workspace->getInteger("per_query").value_or(0),
                               workspace->getInteger("per_key").value_or(0),
                               loop.getInteger("page_size")
                                   ? ", for every slot that the page table has "
                                     "room for"
                                   : "")
                     .str());
  }
  return notes;
}
