//===- Attention.cpp - attn.attention in plain loops ----------------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The formula of docs/Spec.md, section 1, one query row at a time: which keys
// the row sees, its scores, their softmax, the weighted sum of the values.
//===----------------------------------------------------------------------===//

#include "Attention.h"

#include "llvm/Support/CheckedArithmetic.h"

#include <cmath>
#include <map>
#include <numeric>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::detail;

Attention::Attention(AttentionOp op, Operation *named,
                     llvm::ArrayRef<Ref> operands, RunMode &mode)
    : op(op), named(named), mode(mode), q(operands[0].get(), op.getAxesOrDefault().getQ()),
      k(operands[1].get(), op.getAxesOrDefault().getK()),
      v(operands[2].get(), op.getAxesOrDefault().getV()) {
  for (auto [value, datum] : llvm::zip(op->getOperands(), operands))
    byValue[value] = datum.get();
  llvm::append_range(captures, operands.take_back(op.getCaptures().size()));
  table = get(op.getPageTable());
  batch = q.sizes[kBatch];
  queryHeads = q.sizes[kHead];
  queries = q.sizes[kSeq];
  dim = q.sizes[kDim];
  keyHeads = k.sizes[kHead];
  valueDim = v.sizes[kDim];
  pageSize = table ? static_cast<int64_t>(*op.getPageSize()) : 1;
  keys = table ? table->shape[2] * pageSize : k.sizes[kSeq];
}

//===----------------------------------------------------------------------===//
// Checks of sizes
//===----------------------------------------------------------------------===//

/// `datum` has the given sizes; those whose bit is set in `broadcasting` may
/// be 1.
llvm::Error Attention::checkShape(llvm::StringRef name, const Datum *datum,
                                  llvm::ArrayRef<int64_t> sizes,
                                  llvm::ArrayRef<llvm::StringRef> names,
                                  unsigned broadcasting) {
  if (!datum)
    return llvm::Error::success();
  sizes = sizes.take_back(datum->shape.size());
  names = names.take_back(datum->shape.size());
  for (auto [axis, size] : llvm::enumerate(sizes)) {
    // Bits count from the last axis, so that a missing leading axis is no case.
    bool mayBeOne = broadcasting >> (sizes.size() - 1 - axis) & 1;
    int64_t got = datum->shape[axis];
    if (got != size && !(mayBeOne && got == 1))
      return fail("expects axis " + llvm::Twine(axis) + " (" + names[axis] +
                  ") of " + name + " to be " + (mayBeOne ? "1 or " : "") +
                  llvm::Twine(size) + ", but got " + llvm::Twine(got));
  }
  return llvm::Error::success();
}

llvm::Error Attention::checkSizes() {
  // attention_r1
  if (!table) {
    for (auto [name, operand] :
         {std::pair<llvm::StringRef, const ByRole *>{"k", &k}, {"v", &v}})
      if (operand->sizes[kBatch] != batch)
        return fail("expects " + name +
                    " to have the batch size of q, but got " +
                    llvm::Twine(batch) + " for q and " +
                    llvm::Twine(operand->sizes[kBatch]) + " for " + name);
  }
  static constexpr const char *kNames[] = {"batch size", "head count",
                                           "key count"};
  static constexpr const char *kPagedNames[] = {"page count", "head count",
                                                "page size"};
  for (int64_t role : {kBatch, kHead, kSeq})
    if (k.sizes[role] != v.sizes[role])
      return fail("expects k and v to have the same " +
                  llvm::Twine((table ? kPagedNames : kNames)[role]) +
                  ", but got " + llvm::Twine(k.sizes[role]) + " and " +
                  llvm::Twine(v.sizes[role]));
  if (table && k.sizes[kSeq] != pageSize)
    return fail("expects the page axis of k to be page_size " +
                llvm::Twine(pageSize) + ", but got " +
                llvm::Twine(k.sizes[kSeq]));
  // attention_r2
  if (keyHeads == 0 ? queryHeads != 0 : queryHeads % keyHeads != 0)
    return fail("expects the query head count to be a multiple of the "
                "key/value head count, but got " +
                llvm::Twine(queryHeads) + " and " + llvm::Twine(keyHeads));
  // attention_r8: before anything of these sizes is made.
  if (table) {
    std::optional<int64_t> slots = llvm::checkedMul(table->shape[2], pageSize);
    if (!slots || *slots > INT32_MAX)
      return fail("expects at most 2147483647 key slots, but got " +
                  llvm::Twine(table->shape[2]) + " pages of " +
                  llvm::Twine(pageSize));
  }
  if (queries > INT32_MAX || keys > INT32_MAX)
    return fail("expects sequences of at most 2147483647, but got " +
                llvm::Twine(queries) + " queries and " + llvm::Twine(keys) +
                " keys");
  if (!elementCount({batch, queryHeads, queries, keys}))
    return fail("expects a score matrix whose size in bytes fits 63 bits, but "
                "got shape " +
                shapeText({batch, queryHeads, queries, keys}));
  // attention_r3
  struct Row {
    llvm::StringRef name;
    Value operand;
    SmallVector<int64_t, 4> sizes;
    SmallVector<llvm::StringRef, 4> axes;
    unsigned broadcasting;
  };
  int64_t pages = table ? table->shape[2] : 0;
  const Row rows[] = {
      {"bias",
       op.getBias(),
       {batch, queryHeads, queries, keys},
       {"b", "hq", "i", "j"},
       0b1110},
      {"mask_tensor",
       op.getMaskTensor(),
       {batch, queryHeads, queries, keys},
       {"b", "hq", "i", "j"},
       0b1110},
      {"q_lengths", op.getQLengths(), {batch}, {"b"}, 0},
      {"kv_lengths", op.getKvLengths(), {batch}, {"b"}, 0},
      {"prefix_lengths", op.getPrefixLengths(), {batch}, {"b"}, 0},
      {"q_positions", op.getQPositions(), {batch, queries}, {"b", "i"}, 0b10},
      {"kv_positions", op.getKvPositions(), {batch, keys}, {"b", "j"}, 0b10},
      {"q_segments", op.getQSegments(), {batch, queries}, {"b", "i"}, 0b10},
      {"kv_segments", op.getKvSegments(), {batch, keys}, {"b", "j"}, 0b10},
      {"page_table",
       op.getPageTable(),
       {batch, keyHeads, pages},
       {"b", "hkv", "page"},
       0b010},
      {"log_weight",
       op.getLogWeight(),
       {batch, keyHeads, keys},
       {"b", "hkv", "j"},
       0b110},
      {"sinks", op.getSinks(), {queryHeads}, {"hq"}, 0}};
  for (const Row &row : rows)
    if (llvm::Error error = checkShape(row.name, get(row.operand), row.sizes,
                                       row.axes, row.broadcasting))
      return error;
  const Datum *cuQ = get(op.getCuQ()), *cuKv = get(op.getCuKv());
  if (cuQ && cuQ->shape != cuKv->shape)
    return fail("expects cu_q and cu_kv to have the same size, but got " +
                llvm::Twine(cuQ->shape[0]) + " and " +
                llvm::Twine(cuKv->shape[0]));
  if (cuQ && cuQ->shape[0] == 0)
    return fail("expects cu_q and cu_kv to have at least one entry, but got 0");
  // attention_r4
  if (op.readsPositions() && !op.getAlign() && !op.getQPositions() &&
      queries != keys)
    return fail("expects align top_left or align bottom_right when query and "
                "key lengths differ, but got neither for lengths " +
                llvm::Twine(queries) + " and " + llvm::Twine(keys));
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Checks of values
//===----------------------------------------------------------------------===//

// attention_r5
llvm::Error Attention::checkLengths(llvm::StringRef name, const Datum *datum,
                                    int64_t slots) {
  if (!datum)
    return llvm::Error::success();
  for (auto [b, length] : llvm::enumerate(datum->ints))
    if (length < 0 || length > slots)
      return fail("expects every entry of " + name +
                  " to lie between 0 and the sequence length, but got " +
                  llvm::Twine(length) + " at [" + llvm::Twine(b) +
                  "] for length " + llvm::Twine(slots));
  return llvm::Error::success();
}

// attention_r6
llvm::Error Attention::checkCumulative(llvm::StringRef name, const Datum *datum,
                                       int64_t slots) {
  if (!datum)
    return llvm::Error::success();
  std::string expected = "expects " + name.str() +
                         " to start at 0, never decrease and end within the "
                         "sequence, but got ";
  llvm::ArrayRef<int64_t> ends = datum->ints;
  if (ends[0] != 0)
    return fail(expected + llvm::Twine(ends[0]) + " at [0]");
  for (size_t n = 1; n < ends.size(); ++n)
    if (ends[n] < ends[n - 1])
      return fail(expected + llvm::Twine(ends[n]) + " at [" + llvm::Twine(n) +
                  "] after " + llvm::Twine(ends[n - 1]));
  if (ends.back() > slots)
    return fail(expected + llvm::Twine(ends.back()) + " at [" +
                llvm::Twine(ends.size() - 1) + "], beyond " +
                llvm::Twine(slots));
  return llvm::Error::success();
}

// attention_r7
llvm::Error Attention::checkPages() {
  int64_t perRow = table->shape[2], pages = k.sizes[kBatch];
  for (int64_t row = 0, rows = table->shape[0] * table->shape[1]; row < rows;
       ++row) {
    llvm::ArrayRef<int64_t> entries =
        llvm::ArrayRef(table->ints).slice(row * perRow, perRow);
    std::string where =
        " in row " + shapeText({row / table->shape[1], row % table->shape[1]});
    llvm::DenseMap<int64_t, size_t> seen;
    for (auto [entry, page] : llvm::enumerate(entries)) {
      if (page < -1 || page >= pages)
        return fail("expects page_table to hold -1 or a page from 0 to " +
                    llvm::Twine(pages - 1) + ", but got " + llvm::Twine(page) +
                    where + ", entry " + llvm::Twine(entry));
      if (page >= 0 && !seen.try_emplace(page, entry).second)
        return fail("expects page_table to hold no page twice in a row, but "
                    "got page " +
                    llvm::Twine(page) + where + ", entries " +
                    llvm::Twine(seen[page]) + " and " + llvm::Twine(entry));
    }
  }
  return llvm::Error::success();
}

llvm::Error Attention::checkValues() {
  if (llvm::Error error =
          checkLengths("q_lengths", get(op.getQLengths()), queries))
    return error;
  if (llvm::Error error =
          checkLengths("kv_lengths", get(op.getKvLengths()), keys))
    return error;
  if (llvm::Error error = checkCumulative("cu_q", get(op.getCuQ()), queries))
    return error;
  if (llvm::Error error = checkCumulative("cu_kv", get(op.getCuKv()), keys))
    return error;
  return table ? checkPages() : llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Positions and documents
//===----------------------------------------------------------------------===//

/// Fills `slots` for one side: the slots that are valid, the document of each
/// and the index within it. `segments` and `cumulative` may be null.
static void placeSide(Slots &slots, int64_t count, int64_t length, int64_t b,
                      const Datum *segments, const Datum *cumulative) {
  slots.length = length;
  slots.positions.assign(count, 0);
  slots.documents.assign(count, 0);
  slots.inDocument.assign(count, true);
  if (!segments && !cumulative) {
    for (int64_t s = 0; s < count; ++s)
      slots.positions[s] = s;
    return;
  }
  if (cumulative) {
    slots.inDocument.assign(count, false);
    for (size_t n = 0; n + 1 < cumulative->ints.size(); ++n)
      for (int64_t s = cumulative->ints[n]; s < cumulative->ints[n + 1]; ++s) {
        slots.inDocument[s] = true;
        slots.documents[s] = static_cast<int64_t>(n);
        slots.positions[s] = s - cumulative->ints[n];
      }
    return;
  }
  int64_t row = segments->shape[0] == 1 ? 0 : b;
  std::map<int64_t, int64_t> counts;
  for (int64_t s = 0; s < count; ++s) {
    slots.documents[s] = segments->ints[row * count + s];
    slots.positions[s] = counts[slots.documents[s]]++;
  }
}

/// Valid slots of each document.
static std::map<int64_t, int64_t> documentLengths(const Slots &slots) {
  std::map<int64_t, int64_t> lengths;
  for (int64_t s = 0; s < slots.length; ++s)
    if (slots.inDocument[s])
      ++lengths[slots.documents[s]];
  return lengths;
}

void Attention::place(int64_t b, Slots &query, Slots &key) {
  const Datum *qLengths = get(op.getQLengths()),
              *kvLengths = get(op.getKvLengths());
  placeSide(query, queries, qLengths ? qLengths->ints[b] : queries, b,
            get(op.getQSegments()), get(op.getCuQ()));
  placeSide(key, keys, kvLengths ? kvLengths->ints[b] : keys, b,
            get(op.getKvSegments()), get(op.getCuKv()));
  if (op.getAlign() == Alignment::BottomRight) {
    std::map<int64_t, int64_t> ofQuery = documentLengths(query),
                               ofKey = documentLengths(key);
    for (int64_t i = 0; i < queries; ++i)
      query.positions[i] +=
          ofKey[query.documents[i]] - ofQuery[query.documents[i]];
  }
  auto given = [&](Slots &slots, const Datum *positions, int64_t count) {
    if (!positions)
      return;
    int64_t row = positions->shape[0] == 1 ? 0 : b;
    for (int64_t s = 0; s < count; ++s)
      slots.positions[s] = positions->ints[row * count + s];
  };
  given(query, get(op.getQPositions()), queries);
  given(key, get(op.getKvPositions()), keys);
}

//===----------------------------------------------------------------------===//
// The loops
//===----------------------------------------------------------------------===//

std::vector<int64_t> mlir::attn::detail::sumOrder(int64_t count,
                                                  unsigned variant) {
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  if (variant == 1)
    std::reverse(order.begin(), order.end());
  uint64_t state = variant;
  for (int64_t n = count - 1; variant > 1 && n > 0; --n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    std::swap(order[n], order[(state >> 33) % (n + 1)]);
  }
  return order;
}

llvm::Error Attention::openHiding(Hiding &hiding) {
  static constexpr int64_t kAll[] = {0, 1, 2, 3};
  hiding.prefixLengths = get(op.getPrefixLengths());
  if (op.getMask())
    hiding.mask.emplace(*op.getMask());
  if (const Datum *datum = get(op.getMaskTensor()))
    hiding.maskTensor =
        Broadcast(datum, llvm::ArrayRef(kAll).take_back(datum->shape.size()));
  if (op.getMaskMod().empty())
    return llvm::Error::success();
  auto made = ScalarProgram::get(op.getMaskMod(), captures, mode.arithmetic);
  if (!made)
    return made.takeError();
  hiding.maskMod = std::move(*made);
  return llvm::Error::success();
}

llvm::Error Attention::findVisible(Hiding &hiding, int64_t b, int64_t h,
                                   int64_t i, const Slots &query,
                                   const Slots &key,
                                   llvm::ArrayRef<char> present,
                                   std::vector<char> &visible,
                                   std::vector<int64_t> &seen) {
  int64_t prefixLength =
      hiding.prefixLengths ? hiding.prefixLengths->ints[b] : 0;
  const Broadcast &maskTensor = hiding.maskTensor;
  std::string fault;
  seen.clear();
  for (int64_t j = 0; j < keys; ++j) {
    visible[j] = false;
    if (!present[j] || i >= query.length)
      continue;
    if (hiding.mask &&
        !hiding.mask->sees(query.positions[i], key.positions[j],
                           query.inDocument[i] && key.inDocument[j] &&
                               query.documents[i] == key.documents[j],
                           prefixLength))
      continue;
    if (maskTensor.data && maskTensor.data->ints[maskTensor.at(b, h, i, j)] == 0)
      continue;
    if (hiding.maskMod) {
      Scalar index[] = {
          {0, b}, {0, h}, {0, query.positions[i]}, {0, key.positions[j]}};
      bool sees = hiding.maskMod->run(index, fault).i != 0;
      if (sees && !fault.empty())
        return fail(fault);
      fault.clear();
      if (!sees)
        continue;
    }
    visible[j] = true;
    seen.push_back(j);
  }
  return llvm::Error::success();
}

/// T is double, or float for plain arithmetic, where `storage` is the type
/// that weights and results are rounded to.
template <typename T>
llvm::Error Attention::compute(Datum &outDatum, Datum *lse, Datum *pairs) {
  constexpr bool kPlain = std::is_same_v<T, float>;
  DType storage = q.data->dtype;
  auto rounded = [&](T value) {
    return kPlain ? static_cast<T>(roundTo(storage, value)) : value;
  };
  // The plain ways to compute; exact arithmetic takes the first.
  bool baseTwo = kPlain && mode.variant % 2 == 1;
  // Fused: the product of two floats is exact in double.
  bool cutsOff = mode.matrixUnits && mantissaBits(storage) < 23;
  auto multiplyAdd = [&](T x, T y, T z) -> T {
    if (!kPlain || !baseTwo)
      return x * y + z;
    double sum = double(x) * double(y) + double(z);
    T rounded = static_cast<T>(sum);
    return cutsOff && std::fabs(rounded) > std::fabs(sum)
               ? std::nextafter(rounded, T(0))
               : rounded;
  };
  std::vector<int64_t> dimOrder = sumOrder(dim, mode.variant),
                       keyOrder = sumOrder(keys, mode.variant);
  ByRole out(&outDatum, op.getAxesOrDefault().getQ());
  const Datum *sinks = get(op.getSinks());
  Broadcast bias, logWeight;
  static constexpr int64_t kAll[] = {0, 1, 2, 3};
  if (const Datum *datum = get(op.getBias()))
    bias =
        Broadcast(datum, llvm::ArrayRef(kAll).take_back(datum->shape.size()));
  logWeight = Broadcast(get(op.getLogWeight()), {0, 1, 3});

  Hiding hiding;
  if (llvm::Error error = openHiding(hiding))
    return error;
  std::optional<ScalarProgram> scoreMod, probMod;
  for (auto [region, program] : {std::pair{&op.getScoreMod(), &scoreMod},
                                 std::pair{&op.getProbMod(), &probMod}}) {
    if (region->empty())
      continue;
    auto made = ScalarProgram::get(*region, captures, mode.arithmetic);
    if (!made)
      return made.takeError();
    *program = std::move(*made);
  }
  T scale = static_cast<T>(op.getScaleValue());
  T softcap = op.getSoftcap()
                  ? static_cast<T>(op.getSoftcap()->convertToDouble())
                  : T(0);
  int64_t group = keyHeads ? queryHeads / keyHeads : 1;

  // Keys of one head, transposed so that the loop over keys is the inner one;
  // its values; and which slots hold a key at all.
  std::vector<T> keyColumns(dim * keys), values(keys * valueDim);
  std::vector<T> scores(keys), weights(keys), sums(valueDim);
  std::vector<double> largestValue(keys);
  std::vector<char> present(keys), visible(keys), unmasked(keys);
  // What is told of single pairs: of every slot, hidden or not.
  std::optional<ScoresKind> told = op.getScoresKind();
  bool tellsHidden =
      told == ScoresKind::Product || told == ScoresKind::Softcapped;
  std::vector<int64_t> seen;
  Slots query, key;
  std::string fault;

  for (int64_t b = 0; b < batch; ++b) {
    place(b, query, key);
    for (int64_t kvHead = 0; kvHead < keyHeads; ++kvHead) {
      for (int64_t j = 0; j < keys; ++j) {
        Place at = find(b, kvHead, j);
        present[j] = j < key.length && at.outer >= 0;
        largestValue[j] = 0;
        if (!present[j] && !(tellsHidden && at.outer >= 0))
          continue;
        int64_t keyRow = k.rowAt(at.outer, kvHead, at.inner);
        for (int64_t d = 0; d < dim; ++d)
          keyColumns[d * keys + j] = static_cast<T>(k.data->floats[keyRow + d]);
        int64_t valueRow = v.rowAt(at.outer, kvHead, at.inner);
        for (int64_t e = 0; e < valueDim; ++e) {
          double value = v.data->floats[valueRow + e];
          values[j * valueDim + e] = static_cast<T>(value);
          if (std::isfinite(value))
            largestValue[j] = std::max(largestValue[j], std::fabs(value));
        }
      }
      for (int64_t h = kvHead * group; h < (kvHead + 1) * group; ++h) {
        for (int64_t i = 0; i < queries; ++i) {
          if (llvm::Error error = findVisible(hiding, b, h, i, query, key,
                                              present, visible, seen))
            return error;
          mode.facts.visiblePairs += static_cast<double>(seen.size());

          // q_i . k_j. With most keys visible all of them are computed, and
          // what the hidden ones give is never looked at.
          std::fill(scores.begin(), scores.end(), T(0));
          int64_t queryRow = q.rowAt(b, h, i);
          bool few =
              !tellsHidden && static_cast<int64_t>(seen.size()) < keys / 4;
          for (int64_t d : dimOrder) {
            T factor = static_cast<T>(q.data->floats[queryRow + d]);
            const T *column = keyColumns.data() + d * keys;
            if (few)
              for (int64_t j : seen)
                scores[j] = multiplyAdd(factor, column[j], scores[j]);
            else
              for (int64_t j = 0; j < keys; ++j)
                scores[j] = multiplyAdd(factor, column[j], scores[j]);
          }

          auto tell = [&](int64_t j, T value) {
            int64_t row = (b * queryHeads + h) * queries + i;
            pairs->floats[row * keys + j] = rounded(value);
          };
          for (int64_t j = 0; pairs && j < keys; ++j) {
            // A slot of a missing page has no key; its product is 0.
            bool stored = find(b, kvHead, j).outer >= 0;
            T product = stored ? scores[j] * scale : T(0);
            if (told == ScoresKind::Softcapped && op.getSoftcap())
              product = softcap * std::tanh(product / softcap);
            tell(j, tellsHidden                 ? product
                    : told == ScoresKind::Score ? T(-INFINITY)
                                                : T(0));
          }
          unmasked = visible;

          T sink = sinks ? static_cast<T>(sinks->floats[h]) : T(-INFINITY);
          T largest = sink;
          bool poisoned = std::isnan(sink);
          for (int64_t j : seen) {
            // The score, in the order of the specification.
            T score = scores[j] * scale;
            const T product = score;
            if (op.getSoftcap())
              score = softcap * std::tanh(score / softcap);
            if (scoreMod) {
              Scalar arguments[] = {{score, 0},
                                    {0, b},
                                    {0, h},
                                    {0, query.positions[i]},
                                    {0, key.positions[j]}};
              score = static_cast<T>(scoreMod->run(arguments, fault).f);
              if (!fault.empty())
                return fail(fault);
            }
            if (bias.data)
              score += static_cast<T>(bias.data->floats[bias.at(b, h, i, j)]);
            if (logWeight.data) {
              T weight = static_cast<T>(
                  logWeight.data->floats[logWeight.at(b, kvHead, 0, j)]);
              // -inf removes the key, whatever its score is.
              score = weight == T(-INFINITY) ? weight : score + weight;
            }
            scores[j] = score;
            if (told == ScoresKind::Score)
              tell(j, score);
            if (score == T(-INFINITY)) {
              visible[j] = false; // -inf hides its key as a mask would.
              continue;
            }
            poisoned |= std::isnan(score) || score == T(INFINITY);
            // A softcap of 2 hides a product of 40, but not its rounding.
            for (T step : {product, score})
              if (std::isfinite(step))
                mode.facts.maxAbsScore =
                    std::max<double>(mode.facts.maxAbsScore, std::fabs(step));
            mode.facts.maxAbsValue =
                std::max(mode.facts.maxAbsValue, largestValue[j]);
            largest = std::max(largest, score);
          }

          // The softmax, and the sum of the values it weights.
          std::fill(sums.begin(), sums.end(), T(0));
          T total = 0, rowLse = T(-INFINITY);
          if (poisoned) {
            std::fill(sums.begin(), sums.end(), T(NAN));
            rowLse = T(NAN);
            for (int64_t j : seen)
              if (told == ScoresKind::Weight && visible[j])
                tell(j, T(NAN));
          } else if (largest != T(-INFINITY)) {
            // A sink of +inf takes all the weight.
            bool sinkTakesAll = largest == T(INFINITY);
            // Base two scales the scores once, before the largest is taken.
            T unit = baseTwo ? T(1.4426950408889634) : T(1);
            T top = largest * unit;
            auto power = [&](T score) {
              T x = score * unit - top;
              return baseTwo ? std::exp2(x) : std::exp(x);
            };
            if (sinks)
              total = sinkTakesAll ? T(1) : power(sink);
            for (int64_t j : keyOrder)
              if (visible[j]) {
                weights[j] = power(scores[j]);
                total += weights[j];
              }
            rowLse = baseTwo ? (top + std::log2(total)) * T(0.6931471805599453)
                             : top + std::log(total);
            // A row without a score has no weights that prob_mod could raise.
            bool raises = probMod && llvm::is_contained(visible, char(true));
            for (int64_t j : keyOrder) {
              if (!(raises ? unmasked : visible)[j])
                continue;
              T weight = visible[j] ? weights[j] : T(0);
              // What is asked of a single weight is asked of the whole one.
              if (!baseTwo || probMod)
                weight /= total;
              if (told == ScoresKind::Weight && visible[j])
                tell(j, weights[j] / total);
              if (probMod) {
                Scalar arguments[] = {{weight, 0},
                                      {0, b},
                                      {0, h},
                                      {0, query.positions[i]},
                                      {0, key.positions[j]}};
                weight = static_cast<T>(probMod->run(arguments, fault).f);
                if (!fault.empty())
                  return fail(fault);
                // A key that its score hides counts only if it got a weight.
                if (!visible[j] && weight == T(0))
                  continue;
              }
              weight = rounded(weight);
              const T *row = values.data() + j * valueDim;
              for (int64_t e = 0; e < valueDim; ++e)
                sums[e] = multiplyAdd(weight, row[e], sums[e]);
            }
            if (baseTwo && !probMod) {
              T share = T(1) / total;
              for (T &sum : sums)
                sum *= share;
            }
          }
          int64_t outRow = out.rowAt(b, h, i);
          for (int64_t e = 0; e < valueDim; ++e)
            outDatum.floats[outRow + e] = rounded(sums[e]);
          if (lse)
            lse->floats[(b * queryHeads + h) * queries + i] = rowLse;
        }
      }
    }
  }
  return llvm::Error::success();
}

llvm::Expected<SmallVector<Ref>> Attention::run() {
  if (llvm::Error error = checkSizes())
    return error;
  bool compute = !mode.shapesOnly;
  // Out has q's axes in q's order, with the value dimension last.
  SmallVector<int64_t> shape = q.data->shape;
  shape.back() = valueDim;
  auto out = makeDatum(op, q.data->dtype, shape, compute);
  if (!out)
    return out.takeError();
  SmallVector<Ref> results{*out};
  MutableRef lse;
  if (op.getLse()) {
    auto made = makeDatum(op, *dtypeOf(op.getLse().getType()),
                          {batch, queryHeads, queries}, compute);
    if (!made)
      return made.takeError();
    lse = *made;
    lse->isLse = true;
    results.push_back(lse);
  }
  MutableRef pairs;
  if (op.getScores()) {
    auto made = makeDatum(op, *dtypeOf(op.getScores().getType()),
                          {batch, queryHeads, queries, keys}, compute);
    if (!made)
      return made.takeError();
    pairs = *made;
    results.push_back(pairs);
  }
  if (!compute)
    return results;
  if (llvm::Error error = checkValues())
    return error;
  if (mantissaBits(q.data->dtype) < mantissaBits(mode.facts.coarsest))
    mode.facts.coarsest = q.data->dtype;
  bool inFloat =
      mode.arithmetic == Arithmetic::Plain && q.data->dtype != DType::F64;
  if (llvm::Error error =
          inFloat ? this->compute<float>(**out, lse.get(), pairs.get())
                  : this->compute<double>(**out, lse.get(), pairs.get()))
    return error;
  return results;
}

llvm::Expected<SmallVector<Ref>>
mlir::attn::detail::runAttention(AttentionOp op, llvm::ArrayRef<Ref> operands,
                                 RunMode &mode) {
  return Attention(op, op, operands, mode).run();
}
