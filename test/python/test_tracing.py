# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""score_mod and mask_mod: the recorded text, the typing rules, folding, and refusals."""

from __future__ import annotations

import functools
import operator
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import attn
from attn import records, tracing
from attn.folding import fold_mask
from attn.records import record
from attn.tracing import trace_region


def region_text(kind, function, types=()):
    region = trace_region(kind, function)
    return region.text(list(types), range(len(types)))


def body(kind, function, types=()):
    """The operations of the region, without its frame."""
    return [line.strip() for line in region_text(kind, function, types).splitlines()[2:-1]]


def golden(text):
    return textwrap.dedent(text).strip()


def test_score_mod_text():
    slopes = np.ones(4, np.float32)
    text = region_text(
        "score_mod",
        lambda s, b, h, q, kv: s - slopes[h] * attn.abs(q - kv),
        ["tensor<?xf32>"],
    )
    assert text == golden(
        """
        score_mod {
        ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32, %cap0: tensor<?xf32>):
          %0 = attn.load %cap0[%h] : tensor<?xf32>
          %1 = arith.subi %i, %j : i32
          %2 = math.absi %1 : i32
          %3 = arith.sitofp %2 : i32 to f32
          %4 = arith.mulf %0, %3 : f32
          %5 = arith.subf %s, %4 : f32
          attn.yield %5 : f32
        }
        """
    )


def test_mask_mod_text():
    assert region_text("mask_mod", lambda b, h, q, kv: (q >= kv) | (kv < 4)) == golden(
        """
        mask_mod {
        ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
          %0 = arith.cmpi sge, %i, %j : i32
          %1 = arith.constant 4 : i32
          %2 = arith.cmpi slt, %j, %1 : i32
          %3 = arith.ori %0, %2 : i1
          attn.yield %3 : i1
        }
        """
    )


def test_equal_operations_are_recorded_once_and_dead_ones_dropped():
    def mod(s, b, h, q, kv):
        _ = q * 77
        return s + (q - kv) + (q - kv)

    lines = body("score_mod", mod)
    assert sum("subi" in line for line in lines) == 1
    assert not any("77" in line for line in lines)


@pytest.mark.parametrize(
    "function, last",
    [
        (lambda s, q: s + 1, "arith.addf"),
        (lambda s, q: s + q, "arith.addf"),
        (lambda s, q: 2 - s, "arith.subf"),
        (lambda s, q: s * 0.5, "arith.mulf"),
        (lambda s, q: q / 2, "arith.divf"),
        (lambda s, q: -s, "arith.negf"),
        (lambda s, q: abs(s), "math.absf"),
        (lambda s, q: s**2, "arith.mulf"),
        (lambda s, q: s**0.5, "math.powf"),
        (lambda s, q: attn.exp(s), "math.exp"),
        (lambda s, q: attn.tanh(s), "math.tanh"),
        (lambda s, q: attn.minimum(s, 1), "arith.minimumf"),
        (lambda s, q: attn.maximum(s, q), "arith.maximumf"),
        (lambda s, q: attn.where(q > 3, s, 0), "arith.select"),
        (lambda s, q: attn.clamp(s, -1.0, 1.0), "arith.minimumf"),
        (lambda s, q: np.tanh(s), "math.tanh"),
        (lambda s, q: np.where(q > 3, s, 0.0), "arith.select"),
        (lambda s, q: np.float32(2) * s, "arith.mulf"),
    ],
)
def test_float_operations(function, last):
    lines = body("score_mod", lambda s, b, h, q, kv: function(s, q))
    assert f" {last} " in lines[-2], lines


@pytest.mark.parametrize(
    "function, value",
    [
        (lambda x: x // 3, lambda x: x // 3),
        (lambda x: x % 3, lambda x: x % 3),
        (lambda x: x % -3, lambda x: x % -3),
        (lambda x: (x << 2) >> 1, lambda x: (x << 2) >> 1),
        (lambda x: (x & 6) | (x ^ 1), lambda x: (x & 6) | (x ^ 1)),
        (lambda x: attn.minimum(x, 2) - attn.maximum(x, -2), lambda x: min(x, 2) - max(x, -2)),
        (lambda x: abs(x - 4) * -x, lambda x: abs(x - 4) * -x),
        (lambda x: ~x, lambda x: ~x),
        (lambda x: 7 - x, lambda x: 7 - x),
    ],
)
def test_integer_operations_mean_what_python_means(function, value):
    region = trace_region("mask_mod", lambda b, h, q, kv: function(q - kv) == b)
    for x in range(-9, 10):
        assert evaluate(region, b=value(x), h=0, i=x, j=0) is True
        assert evaluate(region, b=value(x) + 1, h=0, i=x, j=0) is False


def evaluate(region, **arguments):
    """Runs a traced integer program on Python numbers."""
    values = {}
    ops = {
        "arith.addi": operator.add, "arith.subi": operator.sub, "arith.muli": operator.mul,
        "arith.floordivsi": operator.floordiv, "arith.andi": operator.and_,
        "arith.ori": operator.or_, "arith.xori": operator.xor, "arith.shli": operator.lshift,
        "arith.shrsi": operator.rshift, "arith.minsi": min, "arith.maxsi": max,
        "math.absi": abs,
    }  # fmt: skip
    compare = {"slt": operator.lt, "sle": operator.le, "sgt": operator.gt, "sge": operator.ge,
               "eq": operator.eq, "ne": operator.ne}  # fmt: skip
    for n in region.live:
        op, args, type_, attr = region.trace.nodes[n]
        inputs = [values[a] for a in args]
        if op == "argument":
            values[n] = arguments[attr]
        elif op == "arith.constant":
            values[n] = attr == "true" if type_ == "i1" else int(attr)
        elif op == "arith.cmpi":
            values[n] = compare[attr](*inputs)
        else:
            values[n] = ops[op](*inputs)
    return values[region.result._id]


def test_constants_are_spelled_as_mlir_reads_them():
    lines = body("score_mod", lambda s, b, h, q, kv: s * 1e-5 + float("-inf") * 1e20)
    assert "%0 = arith.constant 1.0e-05 : f32" in lines
    assert any("arith.constant 0xFF800000 : f32" in line for line in lines)


# ---- captures ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype, conversion",
    [("float32", None), ("float16", "extf"), ("float64", "truncf"), ("int32", "sitofp"),
     ("int64", "trunci"), ("int8", "extsi"), ("bool", "extui")],
)  # fmt: skip
def test_captured_dtypes_widen(dtype, conversion):
    table = np.ones((2, 3), dtype)
    region = trace_region("score_mod", lambda s, b, h, q, kv: s + table[h, 1])
    assert region.captures == [table] or region.captures[0] is table
    text = region.text(["T"], [0])
    assert "attn.load %cap0[%h, " in text
    assert conversion is None or f"arith.{conversion} " in text


GLOBAL_TABLE = np.arange(5, dtype=np.float32)


def helper(table, i):
    return table[i] * 2


def test_captures_are_found_in_closures_globals_defaults_and_helpers():
    closure = np.ones(3, np.float32)
    pair = (np.ones(4, np.float32), 2)

    def mod(s, b, h, q, kv, extra=np.ones(6, np.float32)):
        inner = lambda i: closure[i]  # noqa: E731
        return s + inner(h) + GLOBAL_TABLE[q] + helper(pair[0], kv) + extra[b] * pair[1]

    found, arrays = record("score_mod", mod)
    assert [len(a) for a in arrays] == [3, 5, 4, 6]
    assert arrays[1] is GLOBAL_TABLE


def test_partial_and_chained_indices():
    table = np.ones((2, 3, 4), np.float32)
    mod = functools.partial(lambda t, s, b, h, q, kv: s + t[b][h, q], table)
    assert "attn.load %cap0[%b, %h, %i]" in region_text("score_mod", mod, ["T"])


def test_a_trace_is_kept_until_something_it_reads_changes():
    def make(array, shift):
        return lambda s, b, h, q, kv: s + array[h] + shift

    a, b = np.ones(3, np.float32), np.zeros(3, np.float32)
    first, arrays = record("score_mod", make(a, 1))
    again, others = record("score_mod", make(b, 1))
    assert again is first and arrays[0] is a and others[0] is b
    assert record("score_mod", make(a, 2))[0] is not first
    assert record("score_mod", make(a, 1.0))[0] is not first
    assert record("score_mod", make(np.ones(4, np.float32), 1))[0] is not first


def test_capture_marks_arrays_that_are_no_variables():
    class Model:
        slopes = np.ones(2, np.float32)

    model = Model()
    _, arrays = record("score_mod", lambda s, b, h, q, kv: s + attn.capture(model.slopes)[h])
    assert arrays[0] is model.slopes
    with pytest.raises(attn.CompileError, match=r"attn\.capture\(array\)"):
        record("score_mod", lambda s, b, h, q, kv: s + model.slopes[h])


# ---- refusals -----------------------------------------------------------------------


def test_python_if_names_the_line_and_offers_where():
    def mod(s, b, h, q, kv):
        if q > kv:  # this line
            return s
        return s - 1

    line = mod.__code__.co_firstlineno + 1
    with pytest.raises(attn.CompileError) as e:
        trace_region("score_mod", mod)
    assert f"test_tracing.py:{line}:" in str(e.value)
    assert "attn.where(condition, if_true, if_false)" in str(e.value)


@pytest.mark.parametrize(
    "mod, text",
    [
        (lambda s, b, h, q, kv: s if (q > 1 and kv > 1) else s, "no truth value"),
        (lambda s, b, h, q, kv: min(s, 1.0), "attn.minimum"),
        (lambda s, b, h, q, kv: float(s), "attn.float32"),
        (lambda s, b, h, q, kv: [s][q], r"attn.capture\(array\)"),
        (lambda s, b, h, q, kv: None, "expects to return a number, but got NoneType"),
        (lambda s, b, h, q, kv: (s, s), "expects to return a number, but got tuple"),
        (lambda s, b, h, q, kv: "x", "but got str"),
        (lambda s, b, h, q, kv: q + 2**40, "32 bits"),
        (lambda s, b, h, q, kv: q // 0, "divisor other than 0"),
        (lambda s, b, h, q, kv: s & 1, "but got float32"),
        (lambda s, b, h, q, kv: GLOBAL_TABLE, "expects 1 more index"),
        (lambda s, b, h, q, kv: GLOBAL_TABLE[s], "expects an integer, but got f32"),
        (lambda s, b, h, q, kv: GLOBAL_TABLE[q, kv], "rank 1 expects 1 indices, but got 2"),
        (lambda s, b, h, q, kv: GLOBAL_TABLE[7], r"\[0, 5\), but got 7"),
        (lambda s, b, h, q, kv: GLOBAL_TABLE[1:], "but got a slice"),
        (lambda s, b, h, q, kv: np.linalg.norm(s), "call of norm"),
        (lambda s, b, h, q, kv: np.ones(3, np.float32) * s, r"numbers beside it, but got ndarray of shape \(3,\)"),
        (lambda s, b, h, q, kv: s * np.ones(3, np.float32), r"numbers beside it, but got ndarray of shape \(3,\)"),
        (lambda s, b, h, q, kv: np.multiply(s, [1, 2]), r"numbers beside it, but got \[1, 2\]"),
        (lambda s, b, h, q, kv: np.multiply(s, 2, dtype=int), "multiply of a traced value expects other arguments"),
        (lambda s, b, h, q, kv: 10**400, "a constant expects to fit a float"),
        (lambda s, b, h, q, kv: s * 10**400, "a constant expects to fit a float"),
        (lambda s, b, h, q, kv: q + 10**5000, "32 bits, but got an int"),
        (lambda s, b, h, q: s, r"called as score_mod\(score, b, h, q_idx, kv_idx\), but got a function of \(s, b, h, q\)"),
        (attn.exp, r"called as score_mod\(score, b, h, q_idx, kv_idx\), but got a function of \(x"),
    ],
)
def test_what_cannot_be_traced_is_refused(mod, text):
    with pytest.raises(attn.CompileError, match=text):
        trace_region("score_mod", mod)


def test_mask_mod_must_return_a_boolean():
    with pytest.raises(attn.CompileError, match="a boolean .* but got i32"):
        trace_region("mask_mod", lambda b, h, q, kv: q - kv)
    with pytest.raises(attn.CompileError, match="expects a callable, but got int"):
        trace_region("mask_mod", 3)


def test_errors_of_the_callable_itself_come_through():
    def mod(s, b, h, q, kv):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        trace_region("score_mod", mod)


def test_a_decorators_arguments_are_its_own_affair():
    @functools.wraps(lambda s: s)
    def mod(*all):
        return all[0]

    trace_region("score_mod", mod)


def test_values_of_another_call_are_refused():
    kept = []
    keep = kept.append
    trace_region("score_mod", lambda s, b, h, q, kv: (keep(s), s)[1])
    old = kept[0]
    for mod in (lambda s, b, h, q, kv: old, lambda s, b, h, q, kv: s + old):
        with pytest.raises(attn.CompileError, match="another call|outside of the call"):
            trace_region("score_mod", mod)


# ---- folding ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mod, text",
    [
        (lambda b, h, q, kv: q >= kv, "causal"),
        (lambda b, h, q, kv: kv <= q, "causal"),
        (lambda b, h, q, kv: ~(kv > q), "causal"),
        (lambda b, h, q, kv: 0 >= kv - q, "causal"),
        (lambda b, h, q, kv: q - kv <= 128, "band<128, inf>"),
        (lambda b, h, q, kv: q - kv < 128, "band<127, inf>"),
        (lambda b, h, q, kv: kv - q <= 3, "band<inf, 3>"),
        (lambda b, h, q, kv: q + 3 > kv, "band<inf, 2>"),
        (lambda b, h, q, kv: (q >= kv) & (q - kv <= 128), "and(causal, band<128, inf>)"),
        (lambda b, h, q, kv: (q >= kv) | (kv < 7), "or(causal, prefix<7>)"),
        (lambda b, h, q, kv: ~((q < kv) & (kv >= 7)), "or(causal, prefix<7>)"),
        (lambda b, h, q, kv: kv < 16, "prefix<16>"),
        (lambda b, h, q, kv: kv < -3, "prefix<0>"),
        # No two positions are as far apart.
        (lambda b, h, q, kv: q - (-(2**31)) >= kv, "full"),
        (lambda b, h, q, kv: kv - q >= -(2**31), "full"),
        (lambda b, h, q, kv: q - (-(2**31)) < kv, "prefix<0>"),
        (lambda b, h, q, kv: True, "full"),
        (lambda b, h, q, kv: kv < 16 and True, None),
    ],
)
def test_mask_mods_fold_into_the_algebra(mod, text):
    if text is None:
        with pytest.raises(attn.CompileError):
            trace_region("mask_mod", mod)
        return
    folded = fold_mask(trace_region("mask_mod", mod))
    assert folded.rest is None
    assert folded.mask.text == text


@pytest.mark.parametrize(
    "mod",
    [
        lambda b, h, q, kv: q > kv,  # a band that excludes the diagonal
        lambda b, h, q, kv: q - kv >= 3,
        lambda b, h, q, kv: kv % 2 == 0,
        lambda b, h, q, kv: kv >= 4,
        lambda b, h, q, kv: q < 4,
        lambda b, h, q, kv: 2 * q >= kv,
        lambda b, h, q, kv: (q >= kv) | (h == 1),
    ],
)
def test_what_the_algebra_cannot_say_stays_a_region(mod):
    folded = fold_mask(trace_region("mask_mod", mod))
    assert folded.mask is None and folded.rest is not None


def test_a_conjunction_folds_in_part():
    folded = fold_mask(
        trace_region("mask_mod", lambda b, h, q, kv: (q >= kv) & (kv % 3 == 0) & (kv < 9))
    )
    assert folded.mask.text == "and(causal, prefix<9>)"
    assert "floordivsi" in folded.rest.text([], [])
    assert "sge" not in folded.rest.text([], [])


def chain(kind):
    def mod(b, h, q, kv):
        seen = kv < 5
        for n in range(1000):
            if kind == "&":
                seen = seen & (kv < 5 + n)
            elif kind == "|":
                seen = seen | (q >= kv - n)
            elif kind == "~":
                seen = ~~~seen
            elif kind == "mixed":
                seen = ~((seen & (kv < 6 + n)) | (q >= kv - n))
            elif kind == "shared":
                seen = (seen & (kv < 6 + n)) | (seen & (q >= kv - n))
        if kind == "+":
            for n in range(1000):
                q = q + 1 if n % 2 else q + q - q
            seen = q >= kv
        return seen

    return mod


@pytest.mark.parametrize("kind, text", [
    ("&", "and(prefix<5>, prefix<6>"), ("|", "or(prefix<5>, causal, band<inf, 1>"), ("~", "prefix<5>"),
    ("mixed", None), ("+", "band<inf, 500>"),
])  # fmt: skip
def test_long_chains_fold(kind, text):
    folded = record("mask_mod", chain(kind))[0].folded
    if text is None:
        assert folded.rest is not None
    else:
        assert folded.rest is None and folded.mask.text.startswith(text)


def test_graphs_that_are_endless_as_trees_are_refused():
    with pytest.raises(attn.CompileError, match="at most 16384 tests, a shared one counted for each use"):
        record("mask_mod", chain("shared"))


def test_the_traces_used_last_are_kept():
    def make(n):
        return lambda b, h, q, kv: (q + kv) % 7 == n

    first = record("mask_mod", make(0))[0]
    for n in range(2 * records._MOST_RECORDS):
        record("mask_mod", make(n))
        assert record("mask_mod", make(0))[0] is first
    assert len(records._records) == records._MOST_RECORDS


def test_document_test_is_recognised():
    ids = np.zeros(8, np.int32)
    found, arrays = record("mask_mod", lambda b, h, q, kv: (ids[q] == ids[kv]) & (q >= kv))
    assert found.document == 0 and arrays[0] is ids
    other = np.ones(8, np.int32)
    found, _ = record("mask_mod", lambda b, h, q, kv: ids[q] == other[kv])
    assert found.document is None
    found, _ = record("mask_mod", lambda b, h, q, kv: (ids[q] == ids[kv]) & (q - kv < 3))
    assert found.document is None  # a window counts positions anew in each document


TERMS = st.recursive(
    st.one_of(
        st.sampled_from([lambda q, kv: q, lambda q, kv: kv]),
        st.integers(-4, 4).map(lambda n: lambda q, kv: n),
    ),
    lambda inner: st.tuples(st.sampled_from([operator.add, operator.sub]), inner, inner).map(
        lambda t: lambda q, kv: t[0](t[1](q, kv), t[2](q, kv))
    ),
    max_leaves=4,
)
TESTS = st.recursive(
    st.tuples(
        st.sampled_from([operator.lt, operator.le, operator.gt, operator.ge]), TERMS, TERMS
    ).map(lambda t: lambda q, kv: t[0](t[1](q, kv), t[2](q, kv))),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from([operator.and_, operator.or_]), inner, inner).map(
            lambda t: lambda q, kv: t[0](t[1](q, kv), t[2](q, kv))
        ),
        inner.map(lambda f: lambda q, kv: f(q, kv) ^ True),
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(TESTS)
def test_folding_is_exact(test):
    """Whatever folds means the same as the callable, pair by pair."""
    region = trace_region("mask_mod", lambda b, h, q, kv: test(q, kv))
    folded = fold_mask(region)
    size = 7
    wanted = np.array([[bool(test(q, kv)) for kv in range(size)] for q in range(size)])
    got = np.ones((size, size), bool)
    if folded.mask is not None:
        got &= folded.mask.dense(size)
    if folded.rest is not None:
        got &= np.array(
            [[evaluate(folded.rest, b=0, h=0, i=q, j=kv) for kv in range(size)]
             for q in range(size)]
        )  # fmt: skip
    assert (got == wanted).all()


# ---- guests ------------------------------------------------------------------------------


def test_torch_functions_and_captures_trace():
    torch = pytest.importorskip("torch")
    slopes = torch.ones(4)

    def mod(s, b, h, q, kv):
        return torch.where(q >= kv, s + slopes[h] * torch.tanh(s), torch.exp(s))

    text = region_text("score_mod", mod, ["tensor<?xf32>"])
    assert "attn.load %cap0[%h]" in text and "math.tanh" in text and "arith.select" in text
    assert tracing.dtype_name(slopes) == "float32"
