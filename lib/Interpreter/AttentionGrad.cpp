//===- AttentionGrad.cpp - attn.attention_grad in plain loops -------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The formula of docs/Spec.md, section 8, one pair of a query and a key at a
// time.
//===----------------------------------------------------------------------===//

#include "Attention.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::detail;

namespace {
/// One gradient, summed in double however it is rounded on the way, and the
/// sums of the sizes of its terms.
struct Sums {
  MutableRef datum;
  std::vector<double> sizes;

  explicit operator bool() const { return static_cast<bool>(datum); }
  /// Adds a term; T is the type that sums are held in.
  template <typename T>
  void add(int64_t at, T term, double size) {
    datum->floats[at] = static_cast<T>(static_cast<T>(datum->floats[at]) + term);
    if (!sizes.empty() && std::isfinite(size))
      sizes[at] += size;
  }
};
} // namespace

/// What is asked for; null where it is not.
struct Attention::Gradients {
  Sums dq, dk, dv, bias, logWeight, sinks;
  SmallVector<Sums> captures; // one per captured tensor
  const Datum *out, *lse, *dout, *dlse;
};

/// A number up to `units` away: `value` was rounded, and another plain way to
/// the same attention would have rounded another one. All variants but the first
/// see the sums of such differences, which one rounding may hide by luck. Example:
/// tanh 2.6 is 0.989, and next to it the slope 1 - 0.989^2 = 0.022 is off by 5e-6 of
/// itself; of scores that differ in their last bits all have the same tanh.
static double otherRounding(DType type, double value, int64_t at, unsigned variant,
                            double units) {
  if (value == 0 || !std::isfinite(value))
    return value;
  uint64_t state = (static_cast<uint64_t>(at) << 8 | variant) * 0x9e3779b97f4a7c15u;
  state = (state ^ state >> 31) * 0xbf58476d1ce4e5b9u;
  double share = static_cast<double>(state >> 11) * 0x1p-53 - 0.5;
  return value + 2 * units * share * ulpAt(type, value);
}

template <typename T>
llvm::Error Attention::computeGrad(AttentionGradOp grad, Gradients &to) {
  constexpr bool kPlain = std::is_same_v<T, float>;
  DType storage = q.data->dtype;
  auto rounded = [&](T value) {
    return kPlain ? static_cast<T>(roundTo(storage, value)) : value;
  };
  bool baseTwo = kPlain && mode.variant % 2 == 1;
  // Scores in another order than the attention that lse is from, whose roundings
  // would otherwise be these: exp(s - lse) of a row with one large score s would
  // be 1 however far off both are.
  std::vector<int64_t> queryOrder = sumOrder(queries, mode.variant),
                       dimOrder = sumOrder(dim, mode.variant + 1),
                       valueOrder = sumOrder(valueDim, mode.variant),
                       keyOrder = sumOrder(keys, mode.variant);
  AxesAttr axes = op.getAxesOrDefault();
  ByRole out(to.out, axes.getQ());
  static constexpr int64_t kAll[] = {0, 1, 2, 3};
  Broadcast bias, logWeight(get(op.getLogWeight()), {0, 1, 3});
  if (const Datum *datum = get(op.getBias()))
    bias = Broadcast(datum, llvm::ArrayRef(kAll).take_back(datum->shape.size()));
  Hiding hiding;
  if (llvm::Error error = openHiding(hiding))
    return error;
  std::optional<ScalarProgram> scoreMod;
  if (!op.getScoreMod().empty()) {
    auto made = ScalarProgram::get(op.getScoreMod(), captures, mode.arithmetic);
    if (!made)
      return made.takeError();
    scoreMod = std::move(*made);
  }
  T scale = static_cast<T>(op.getScaleValue());
  T softcap = op.getSoftcap() ? static_cast<T>(op.getSoftcap()->convertToDouble()) : T(0);
  int64_t group = keyHeads ? queryHeads / keyHeads : 1;
  auto number = [](const Datum *datum, int64_t at) { return static_cast<T>(datum->floats[at]); };

  std::vector<char> present(keys), visible(keys);
  std::vector<Place> places(keys);
  std::vector<int64_t> seen;
  Slots query, key;
  std::string fault;
  for (int64_t b = 0; b < batch; ++b) {
    place(b, query, key);
    for (int64_t h = 0; h < queryHeads; ++h) {
      int64_t kvHead = h / group;
      for (int64_t j = 0; j < keys; ++j) {
        places[j] = find(b, kvHead, j);
        present[j] = j < key.length && places[j].outer >= 0;
      }
      for (int64_t i : queryOrder) {
        if (llvm::Error error =
                findVisible(hiding, b, h, i, query, key, present, visible, seen))
          return error;
        mode.facts.visiblePairs += static_cast<double>(seen.size());
        int64_t row = (b * queryHeads + h) * queries + i;
        int64_t queryRow = q.rowAt(b, h, i), outRow = out.rowAt(b, h, i);
        // delta, and the size of its terms.
        auto outAt = [&](int64_t at) {
          double value = to.out->floats[at];
          if (kPlain && mode.variant > 0)
            value = otherRounding(storage, value, at, mode.variant, 0.5);
          return static_cast<T>(value);
        };
        T delta = 0;
        double deltaSize = 0;
        for (int64_t e : valueOrder) {
          T term = outAt(outRow + e) * number(to.dout, outRow + e);
          delta += term;
          deltaSize += std::fabs(term);
        }
        if (to.dlse) {
          delta -= number(to.dlse, row);
          deltaSize += std::fabs(number(to.dlse, row));
        }
        T lse = number(to.lse, row);
        if (to.sinks) {
          T sink = number(get(op.getSinks()), h);
          // A sink of -inf takes no part.
          T share = sink == T(-INFINITY) ? T(0) : std::exp(sink - lse);
          if (share != 0)
            to.sinks.add<T>(h, -share * delta, share * deltaSize);
        }
        if (lse == T(-INFINITY))
          continue; // No key is visible.
        for (int64_t j : keyOrder) {
          if (!visible[j])
            continue;
          // Sequences that share a page add to the same rows.
          Place at = places[j];
          int64_t keyRow = k.rowAt(at.outer, kvHead, at.inner);
          int64_t valueRow = v.rowAt(at.outer, kvHead, at.inner);
          T product = 0;
          for (int64_t d : dimOrder)
            product += number(q.data, queryRow + d) * number(k.data, keyRow + d);
          product *= scale;
          T capped = product, cappedSlope = 1;
          if (op.getSoftcap()) {
            T bent = std::tanh(product / softcap);
            if (mode.arithmetic == Arithmetic::Plain && mode.variant > 0)
              bent = static_cast<T>(otherRounding(kPlain ? DType::F32 : DType::F64, bent,
                                                  row * keys + j, mode.variant, 1));
            capped = softcap * bent;
            cappedSlope = 1 - bent * bent;
          }
          T score = capped;
          if (scoreMod) {
            Scalar arguments[] = {{capped, 0},
                                  {0, b},
                                  {0, h},
                                  {0, query.positions[i]},
                                  {0, key.positions[j]}};
            score = static_cast<T>(scoreMod->run(arguments, fault).f);
            if (!fault.empty())
              return fail(fault);
          }
          if (bias.data)
            score += number(bias.data, bias.at(b, h, i, j));
          if (logWeight.data) {
            T weight = number(logWeight.data, logWeight.at(b, kvHead, 0, j));
            score = weight == T(-INFINITY) ? weight : score + weight;
          }
          if (score == T(-INFINITY))
            continue; // -inf hides its key as a mask would.
          for (T step : {product, score})
            if (std::isfinite(step))
              mode.facts.maxAbsScore =
                  std::max<double>(mode.facts.maxAbsScore, std::fabs(step));
          T unit = baseTwo ? T(1.4426950408889634) : T(1);
          T weight = baseTwo ? std::exp2(score * unit - lse * unit) : std::exp(score - lse);

          T reach = 0; // dout . v
          double reachSize = 0;
          for (int64_t e : valueOrder) {
            T dout = number(to.dout, outRow + e), value = number(v.data, valueRow + e);
            reach += dout * value;
            reachSize += std::fabs(dout * value);
          }
          T ds = weight * (reach - delta);
          double size = weight * (reachSize + deltaSize);
          T roundedWeight = rounded(weight);
          for (int64_t e = 0; e < valueDim; ++e) {
            T term = roundedWeight * number(to.dout, outRow + e);
            to.dv.add<T>(valueRow + e, term, std::fabs(term));
          }
          if (to.bias)
            to.bias.add<T>(bias.at(b, h, i, j), ds, size);
          if (to.logWeight)
            to.logWeight.add<T>(logWeight.at(b, kvHead, 0, j), ds, size);
          // Back through score_mod and softcap.
          T dr = ds;
          double drSize = size;
          if (scoreMod) {
            // Slopes do not depend on the seed: the size of ds serves for both.
            double seed = kPlain ? static_cast<double>(ds) : size;
            double ratio = kPlain ? 1 : size != 0 ? ds / size : 0;
            double by = scoreMod->reverse(
                seed, [&](const Datum *tensor, int64_t at, double byElement) {
                  for (auto [capture, sums] : llvm::zip(captures, to.captures))
                    if (capture.get() == tensor && sums)
                      sums.template add<T>(at, static_cast<T>(byElement * ratio),
                                           std::fabs(byElement));
                });
            dr = static_cast<T>(by * ratio);
            drSize = std::fabs(by);
          }
          dr *= cappedSlope;
          drSize *= std::fabs(cappedSlope);
          T share = rounded(dr);
          for (int64_t d = 0; d < dim; ++d) {
            T byQuery = scale * share * number(k.data, keyRow + d);
            T byKey = scale * share * number(q.data, queryRow + d);
            to.dq.add<T>(queryRow + d, byQuery,
                         std::fabs(scale * drSize * number(k.data, keyRow + d)));
            to.dk.add<T>(keyRow + d, byKey,
                         std::fabs(scale * drSize * number(q.data, queryRow + d)));
          }
        }
      }
    }
  }
  return llvm::Error::success();
}

llvm::Expected<SmallVector<Ref>> Attention::runGrad(AttentionGradOp grad,
                                                    llvm::ArrayRef<Ref> operands) {
  if (llvm::Error error = checkSizes())
    return error;
  llvm::DenseMap<Value, Ref> refs;
  for (auto [value, datum] : llvm::zip(grad->getOperands(), operands))
    refs[value] = datum;
  Gradients to;
  to.out = refs.lookup(grad.getOut()).get();
  to.lse = refs.lookup(grad.getLse()).get();
  to.dout = refs.lookup(grad.getDout()).get();
  to.dlse = grad.getDlse() ? refs.lookup(grad.getDlse()).get() : nullptr;
  // attention_grad_r1
  SmallVector<int64_t> outShape = q.data->shape, lseShape = {batch, queryHeads, queries};
  outShape.back() = valueDim;
  for (auto [name, datum, shape] :
       {std::tuple<const char *, const Datum *, SmallVector<int64_t>>{"out", to.out, outShape},
        {"dout", to.dout, outShape},
        {"lse", to.lse, lseShape},
        {"dlse", to.dlse, lseShape}})
    if (datum && datum->shape != shape)
      return fail("expects " + llvm::Twine(name) + " to be " + shapeText(shape) +
                  ", but got " + shapeText(datum->shape));

  SmallVector<Ref> results;
  SmallVector<Sums *> all;
  bool elements = !mode.shapesOnly;
  auto open = [&](Sums &sums, const Array &like) -> llvm::Error {
    auto made = makeDatum(grad, like.dtype, like.shape, elements);
    if (!made)
      return made.takeError();
    sums.datum = *made;
    if (elements && mode.arithmetic == Arithmetic::Exact)
      sums.sizes.assign(sums.datum->floats.size(), 0.0);
    results.push_back(*made);
    all.push_back(&sums);
    return llvm::Error::success();
  };
  to.captures.resize(captures.size());
  // One tensor captured twice has two gradients, so the two are told apart.
  for (Ref &capture : captures)
    capture = std::make_shared<Datum>(*capture);
  SmallVector<std::pair<Sums *, const Datum *>> wanted = {
      {&to.dq, q.data}, {&to.dk, k.data}, {&to.dv, v.data}};
  if (grad.getDbias())
    wanted.push_back({&to.bias, get(op.getBias())});
  if (grad.getDlogWeight())
    wanted.push_back({&to.logWeight, get(op.getLogWeight())});
  if (grad.getDsinks())
    wanted.push_back({&to.sinks, get(op.getSinks())});
  for (int64_t number : grad.getGradCaptures())
    wanted.push_back({&to.captures[number], captures[number].get()});
  for (auto [sums, like] : wanted)
    if (llvm::Error error = open(*sums, *like))
      return error;
  if (!elements)
    return results;
  if (llvm::Error error = checkValues())
    return error;
  if (mantissaBits(q.data->dtype) < mantissaBits(mode.facts.coarsest))
    mode.facts.coarsest = q.data->dtype;
  bool inFloat = mode.arithmetic == Arithmetic::Plain && q.data->dtype != DType::F64;
  if (llvm::Error error =
          inFloat ? computeGrad<float>(grad, to) : computeGrad<double>(grad, to))
    return error;
  for (Sums *sums : all) {
    double largest = 0;
    for (double size : sums->sizes)
      largest = std::max(largest, size);
    sums->datum->gradScale = largest;
    if (inFloat)
      for (double &value : sums->datum->floats)
        value = roundTo(sums->datum->dtype, value);
  }
  return results;
}

llvm::Expected<SmallVector<Ref>>
mlir::attn::detail::runAttentionGrad(AttentionGradOp op, llvm::ArrayRef<Ref> operands,
                                     RunMode &mode) {
  // The attention that the gradients are of, outside any block.
  OpBuilder builder(op.getContext());
  AttentionOp forward = op.makeForward(builder);
  SmallVector<Ref> shared;
  for (auto [value, datum] : llvm::zip(op->getOperands(), operands)) {
    if (shared.size() == forward->getNumOperands())
      break;
    shared.push_back(datum);
  }
  auto results = Attention(forward, op, shared, mode).runGrad(op, operands);
  forward.erase();
  return results;
}
