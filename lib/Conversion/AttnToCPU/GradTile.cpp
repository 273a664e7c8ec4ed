//===- GradTile.cpp - The products of a tile of a gradient -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scores, weights and the five products of one tile and one block.
//===----------------------------------------------------------------------===//

#include "GradKernel.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

/// Rows [low, high) of `keys` times the strip's queries, to the strip's cells
/// of `to`; low and high are multiples of key_rows.
void GradKernel::products(Value s, Value low, Value high, Value keys,
                          Value lanes, Value to) {
  Value strip = e.add(e.div(i0, qs), s);
  int64_t depth = cast<MemRefType>(lanes.getType()).getDimSize(3);
  e.loop(low, high, kr, [&](Value j) {
    Vectors sums = stripProducts(
        e, host.schedule, depth, dot,
        [&](int64_t r, Value d) { return e.load(keys, {e.add(j, r), d}); },
        [&](Value d, int64_t v) {
          return e.loadVec(lanes, {b, h, strip, d, e.idx(v * w)});
        });
    for (int64_t r = 0; r < kr; ++r)
      for (int64_t v = 0; v < qv; ++v)
        e.storeVec(sums[r * qv + v], to, cell(s, e.add(j, r), v));
  });
}

/// Products to weights and to gradients by the product, for rows [low, high).
/// `Careful`: hidden pairs get the weight -1 as a mark, and a score of -inf is
/// looked for. `side`: nothing is stored, what the aux operands get is.
void GradKernel::pairs(Value s, Value j0, Value low, Value high, Form form, bool side) {
  auto &op = const_cast<KeyLoopOp &>(host.op);
  bool masked = form != Form::Plain && host.hasVisible(), score = host.hasScore();
  Vectors lanes = rowLanes(e, host.schedule, e.add(i0, e.mul(s, qs)), view.sq);
  SmallVector<ScalarRegion> scores, slopes, masks;
  auto bind = [&](SmallVector<ScalarRegion> &forms, Region &region, unsigned floats, Value query) {
    ScalarRegion &form = forms.emplace_back(region, floats);
    view.bindCommon(e, form, b, h, g);
    form.bind(3, query);
    form.hoist(e);
  };
  Vectors minusLse, delta;
  Value first = e.add(i0, e.mul(s, qs));
  for (int64_t v = 0; v < qv; ++v) {
    if (score) {
      bind(scores, op.getScore(), 1, lanes[v]);
      bind(slopes, grad.getScoreGrad(), 2, lanes[v]);
    }
    if (masked)
      bind(masks, op.getVisible(), 0, lanes[v]);
    minusLse.push_back(e.loadVec(buf.rows, {b, h, e.idx(0), e.add(first, v * w)}));
    delta.push_back(e.loadVec(buf.rows, {b, h, e.idx(1), e.add(first, v * w)}));
  }
  Value zero = e.numVec(0.0), mark = e.numVec(form == Form::Careful ? -1.0 : 0.0);
  Value ninf = e.numVec(-std::numeric_limits<double>::infinity());
  e.loop(low, high, 1, [&](Value r) {
    Value j = e.toI32(e.add(j0, r));
    for (int64_t v = 0; v < qv; ++v) {
      Value x = e.loadVec(pt, cell(s, r, v)),
            reach = e.loadVec(st, cell(s, r, v));
      Value away, scaled, total;
      if (score) {
        scaled = e.fmul(x, e.numVec(host.scale));
        scores[v].bind(4, j);
        total = scores[v].finish(e, scaled);
        away = e.fadd(total, minusLse[v]);
      } else {
        total = x;
        away = e.fma(x, e.numVec(host.scale), minusLse[v]);
      }
      Value p = e.exp2(e.fmul(away, e.numVec(LoopView::kLog2e)));
      Value seen;
      if (masked) {
        masks[v].bind(4, j);
        seen = masks[v].finish(e);
      }
      if (form == Form::Careful || (form == Form::Masked && score)) {
        // -inf hides its key; the raw product's sign is its score's for a scale above 0.
        Value natural = score ? total : e.fmul(x, e.numVec(host.scale));
        Value some = e.fcmp(arith::CmpFPredicate::UNE, natural, ninf);
        seen = seen ? e.band(seen, some) : some;
      }
      Value ds = e.fmul(p, e.fsub(reach, delta[v]));
      if (seen) {
        p = e.select(seen, p, mark);
        ds = e.select(seen, ds, zero);
      } else if (score) { // a score of -inf in a tile without a mask
        ds = e.select(e.fcmp(arith::CmpFPredicate::OEQ, total, ninf), zero, ds);
      }
      if (score) {
        slopes[v].bind(4, j);
        Vectors results = slopes[v].finishAll(e, {scaled, ds});
        ds = slopes[v].vectorOf(e, results[0]);
        if (seen)
          ds = e.select(seen, ds, zero);
        if (side) {
          ValueRange rest = ValueRange(results).drop_front();
          for (int64_t number : grad.getScatters()) {
            auto type = cast<MemRefType>(grad.getAux()[number].getType());
            int64_t index = llvm::find(grad.getAuxGrads(), number) - grad.getAuxGrads().begin();
            Value gradient = slopes[v].vectorOf(e, rest[0]);
            if (seen)
              gradient = e.select(seen, gradient, zero);
            bool capture =
                cast<StringAttr>(grad.getAuxRoles()[number]).getValue().starts_with("capture");
            scatter(buf.sums[index], capture, gradient, rest.slice(1, type.getRank()));
            rest = rest.drop_front(1 + type.getRank());
          }
        }
      }
      if (side)
        continue;
      e.storeVec(p, pt, cell(s, r, v));
      e.storeVec(e.fmul(ds, e.numVec(host.scale)), st, cell(s, r, v));
    }
  });
}

/// Adds a vector of gradients to the elements that it is of. An index outside of
/// a captured tensor (of a hidden pair) adds nowhere.
void GradKernel::scatter(Value sum, bool capture, Value gradient, ValueRange indices) {
  auto add = [&](Value number, ArrayRef<Value> index) {
    SmallVector<Value> at;
    Value inside;
    if (capture)
      at.push_back(part);
    for (Value n : index) {
      Value position = e.toIndex(n), size = e.dim(sum, at.size());
      if (capture) {
        Value ok = e.cmp(arith::CmpIPredicate::ult, position, size);
        inside = inside ? e.band(inside, ok) : ok;
      } else { // axes of size 1 broadcast
        position = e.select(e.cmp(arith::CmpIPredicate::eq, size, e.idx(1)), e.idx(0), position);
      }
      at.push_back(position);
    }
    auto write = [&] { e.store(e.fadd(e.load(sum, at), number), sum, at); };
    if (inside)
      e.when(inside, write);
    else
      write();
  };
  bool uniform = llvm::none_of(indices, [](Value v) { return isa<VectorType>(v.getType()); });
  if (uniform)
    return add(e.sumLanes(gradient), SmallVector<Value>(indices));
  for (int64_t n = 0; n < w; ++n) {
    SmallVector<Value> index;
    for (Value value : indices)
      index.push_back(isa<VectorType>(value.getType())
                          ? vector::ExtractOp::create(e.b, e.loc, value, n).getResult()
                          : value);
    add(vector::ExtractOp::create(e.b, e.loc, gradient, n), index);
  }
}

/// P and dS of rows [low, high), rounded, to their pairs. Where the range does
/// not end on pairs, the row added is one of hidden pairs.
void GradKernel::roundRows(Value s, Value low, Value high, Value mark) {
  auto hide = [&](Value r) {
    for (int64_t v = 0; v < qv; ++v) {
      e.storeVec(e.splat(mark), pt, cell(s, r, v));
      e.storeVec(e.numVec(0.0), st, cell(s, r, v));
    }
  };
  Value from = e.roundDown(low, 2), to = e.mul(e.ceilDiv(high, 2), 2);
  e.when(e.lt(from, low), [&] { hide(from); });
  e.when(e.lt(high, to), [&] { hide(high); });
  e.loop(from, to, 2, [&](Value r) {
    Value next = e.add(r, 1);
    for (int64_t v = 0; v < qv; ++v) {
      Value column = e.add(e.mul(s, qs / 2), v * w / 2);
      auto round = [&](Value numbers, Value pairs) {
        Value both = e.roundBoth(e.loadVec(numbers, cell(s, r, v)),
                                 e.loadVec(numbers, cell(s, next, v)));
        e.storeVec(e.half(both, 0), pairs, {r, column});
        e.storeVec(e.half(both, 1), pairs, {next, column});
        return both;
      };
      round(pt, pq);
      e.storeVec(e.zipHalves(round(st, sq)), sk, {e.div(r, 2), lane(s, v)});
    }
  });
}

/// The last of an odd number of queries has a neighbour that is none: no
/// weight.
void GradKernel::dropLast(Value low, Value high) {
  Value first = arith::ConstantIntOp::create(e.b, e.loc, 0xffff, 32);
  e.when(e.cmp(arith::CmpIPredicate::ne, e.rem(rows, e.idx(2)), e.idx(0)), [&] {
    e.loop(low, high, 1, [&](Value r) {
      for (Value pairs : {pq, sq}) {
        SmallVector<Value> at = {r, e.div(rows, 2)};
        e.store(e.band(e.load(pairs, at), first), pairs, at);
      }
    });
  });
}

/// Rows [from, to) of the strip's columns have no visible pair.
void GradKernel::clear(Value s, Value from, Value to, Value mark) {
  if (!dot)
    return e.loop(from, to, 1, [&](Value r) {
      for (int64_t v = 0; v < qv; ++v) {
        e.storeVec(e.splat(mark), pt, {r, lane(s, v)});
        e.storeVec(e.numVec(0.0), st, {r, lane(s, v)});
      }
    });
  Value none = e.numVec(0.0), marked = e.splat(mark);
  Value zeros = e.roundBoth(none, none),
        markedPairs = e.roundBoth(marked, marked);
  e.loop(from, to, 2, [&](Value r) {
    for (int64_t v = 0; v < qv; ++v) {
      Value column = e.add(e.mul(s, qs / 2), v * w / 2);
      for (Value row : {r, e.add(r, 1)}) {
        e.storeVec(e.half(markedPairs, 0), pq, {row, column});
        e.storeVec(e.half(zeros, 0), sq, {row, column});
      }
      e.storeVec(e.zipHalves(zeros), sk, {e.div(r, 2), lane(s, v)});
    }
  });
}

/// Columns of sums, as many vectors at a time as accumulators hold. What the
/// rows of a tile or block hold in one panel is read again for every rowTile
/// sums.
void GradKernel::panels(int64_t width,
                        llvm::function_ref<void(Value, int64_t)> body) {
  int64_t step = columns * w, whole = width / step * step;
  if (whole)
    e.loop(e.idx(0), e.idx(whole), step,
           [&](Value base) { body(base, columns); });
  if (whole < width)
    body(e.idx(whole), (width - whole) / w);
}

/// rowTile rows of sums by `count` vectors: sum[at(row) + vector] += sum over k
/// in [from, to) of factor(row, k) * row(k)[vector]; k may number pairs. The
/// last index of `at` and `row` is the panel's first column.
void GradKernel::accumulate(Value sum, int64_t count, Value from, Value to,
                            llvm::function_ref<SmallVector<Value>(int64_t)> at,
                            llvm::function_ref<Value(int64_t, Value)> factor,
                            llvm::function_ref<Line(Value)> row) {
  auto vectorAt = [&](SmallVector<Value> indices, int64_t c) {
    indices.back() = e.add(indices.back(), c * w);
    return indices;
  };
  Vectors sums;
  for (int64_t r = 0; r < rowTile; ++r)
    for (int64_t c = 0; c < count; ++c)
      sums.push_back(e.loadVec(sum, vectorAt(at(r), c)));
  sums = e.loop(from, to, 1, sums, [&](Value k, ValueRange carried) {
    Vectors next(carried), vectors;
    Line line = row(k);
    for (int64_t c = 0; c < count; ++c)
      vectors.push_back(e.loadVec(line.buffer, vectorAt(line.at, c)));
    for (int64_t r = 0; r < rowTile; ++r) {
      Value x = e.splat(factor(r, k));
      for (int64_t c = 0; c < count; ++c)
        next[r * count + c] = multiplyAdd(x, vectors[c], next[r * count + c]);
    }
    return next;
  });
  for (int64_t r = 0; r < rowTile; ++r)
    for (int64_t c = 0; c < count; ++c)
      e.storeVec(sums[r * count + c], sum, vectorAt(at(r), c));
}

/// dV += P^T dO and dK += dS^T Q over rows [low, high) of the tile.
void GradKernel::keyGradients(Value j0, Value low, Value high) {
  Value firstOfBlock = dot ? e.div(i0, 2) : i0; // of queries, or of their pairs
  auto rowsOfSums = [&](Value weights, Value sum, Value rowsOf, Value base,
                        int64_t count, Value j) {
    // From the first to the last strip that sees any of these keys.
    Vectors seen = e.loop(
        e.idx(0), stripCount, 1, {rows, e.idx(0)},
        [&](Value s, ValueRange carried) {
          Value sees =
              e.band(e.lt(e.load(bounds, {s, e.idx(0)}), e.add(j, rowTile)),
                     e.lt(j, e.load(bounds, {s, e.idx(1)})));
          Value from = e.mul(s, qs), to = e.min(e.add(from, qs), rows);
          return Vectors{e.select(sees, e.min(carried[0], from), carried[0]),
                         e.select(sees, to, carried[1])};
        });
    accumulate(
        sum, count, dot ? e.div(seen[0], 2) : seen[0], pairsOf(seen[1]),
        [&](int64_t r) { return Vectors{b, g, e.add(j0, e.add(j, r)), base}; },
        [&](int64_t r, Value i) { return e.load(weights, {e.add(j, r), i}); },
        [&](Value i) {
          return Line{rowsOf, {b, h, e.add(firstOfBlock, i), base}};
        });
  };
  panels(ep, [&](Value base, int64_t count) {
    e.loop(low, high, rowTile, [&](Value j) {
      rowsOfSums(dot ? pq : pt, buf.dvSum, buf.dorows, base, count, j);
    });
  });
  panels(dp, [&](Value base, int64_t count) {
    e.loop(low, high, rowTile, [&](Value j) {
      rowsOfSums(dot ? sq : st, buf.dkSum, buf.qrows, base, count, j);
    });
  });
}

/// dQ += dS K over the keys that each strip sees.
void GradKernel::queryGradients() {
  Value factors = dot ? sk : st, keys = dot ? kPairs : kb;
  auto strip = [&](Value s, Value base, int64_t count) {
    Value from = e.load(bounds, {s, e.idx(0)}), to = e.load(bounds, {s, e.idx(1)});
    e.when(e.lt(from, to), [&] {
      e.loop(e.mul(s, qs), e.mul(e.add(s, 1), qs), rowTile, [&](Value i) {
        accumulate(
            buf.dqSum, count, dot ? e.div(from, 2) : from, pairsOf(to),
            [&](int64_t r) {
              return Vectors{b, h, e.add(i0, e.add(i, r)), base};
            },
            [&](int64_t r, Value j) {
              return e.load(factors, {j, e.add(i, r)});
            },
            [&](Value j) { return Line{keys, {j, base}}; });
      });
    });
  };
  panels(dp, [&](Value base, int64_t count) {
    e.loop(e.idx(0), stripCount, 1, [&](Value s) { strip(s, base, count); });
  });
}

/// All three, pair by pair, without those marked as hidden: 0 times what is not
/// finite would not be 0. Every sum has the order of the fast form.
void GradKernel::carefully(Value j0, Value low, Value high) {
  if (dot)
    return carefullyInPairs(j0, low, high);
  Value zero = e.num(0.0, e.state);
  e.loop(low, high, 1, [&](Value j) {
    e.loop(e.idx(0), rows, 1, [&](Value i) {
      Value p = e.load(pt, {j, i}), ds = e.load(st, {j, i});
      Value seen = e.fcmp(arith::CmpFPredicate::UGE, p, zero);
      auto add = [&](Value sum, ArrayRef<Value> at, Value factor, Value from,
                     ArrayRef<Value> fromAt, int64_t width) {
        SmallVector<Value> to(at), source(fromAt);
        for (int64_t column = 0; column < width; column += w) {
          to.back() = source.back() = e.idx(column);
          Value x = e.fma(e.splat(factor), e.loadVec(from, source), e.loadVec(sum, to));
          e.storeVec(x, sum, to);
        }
      };
      e.when(seen, [&] {
        Value z = e.idx(0), key = e.add(j0, j), query = e.add(i0, i);
        add(buf.dvSum, {b, g, key, z}, p, buf.dorows, {b, h, query, z}, ep);
        add(buf.dkSum, {b, g, key, z}, ds, buf.qrows, {b, h, query, z}, dp);
        add(buf.dqSum, {b, h, query, z}, ds, kb, {j, z}, dp);
      });
    });
  });
}

/// The same with pairs: what is hidden becomes 0 in both of the pairs that are
/// multiplied.
void GradKernel::carefullyInPairs(Value j0, Value low, Value high) {
  auto word = [&](int64_t value) {
    return arith::ConstantIntOp::create(e.b, e.loc, value, 32);
  };
  // Ones where the weight is not the mark, -1 as bf16.
  auto seen = [&](Value j, Value i) {
    Value mark = arith::ConstantIntOp::create(e.b, e.loc, 0xbf80, 16);
    Value shown = e.cmp(arith::CmpIPredicate::ne, e.load(marks, {j, i}), mark);
    return e.select(shown, word(0xffff), word(0));
  };
  auto join = [&](Value first, Value second) -> Value {
    return e.bor(first, arith::ShLIOp::create(e.b, e.loc, second, word(16)));
  };
  auto add = [&](Value sum, ArrayRef<Value> at, Value factor, Value shown,
                 const Line &from, int64_t width) {
    Line to = {sum, SmallVector<Value>(at)};
    for (int64_t column = 0; column < width; column += w) {
      Value c = e.idx(column);
      Value row =
          e.band(e.loadVec(from.buffer, from.column(c)), e.splat(shown));
      Value x = e.dotPairs(e.splat(e.band(factor, shown)), row,
                           e.loadVec(sum, to.column(c)));
      e.storeVec(x, sum, to.column(c));
    }
  };
  auto some = [&](Value shown, llvm::function_ref<void()> body) {
    e.when(e.cmp(arith::CmpIPredicate::ne, shown, word(0)), body);
  };
  Value z = e.idx(0);
  e.loop(low, high, 1, [&](Value j) {
    e.loop(z, pairsOf(rows), 1, [&](Value t) {
      Value i = e.mul(t, 2), next = e.add(i, 1);
      Value shown =
          join(seen(j, i), e.select(e.lt(next, rows), seen(j, next), word(0)));
      some(shown, [&] {
        Value key = e.add(j0, j), pair = e.add(e.div(i0, 2), t);
        add(buf.dvSum, {b, g, key, z}, e.load(pq, {j, t}), shown,
            {buf.dorows, {b, h, pair, z}}, ep);
        add(buf.dkSum, {b, g, key, z}, e.load(sq, {j, t}), shown,
            {buf.qrows, {b, h, pair, z}}, dp);
      });
    });
  });
  e.loop(e.div(low, 2), pairsOf(high), 1, [&](Value m) {
    e.loop(z, rows, 1, [&](Value i) {
      Value j = e.mul(m, 2), shown = join(seen(j, i), seen(e.add(j, 1), i));
      some(shown, [&] {
        add(buf.dqSum, {b, h, e.add(i0, i), z}, e.load(sk, {m, i}), shown,
            {kPairs, {m, z}}, dp);
      });
    });
  });
}
