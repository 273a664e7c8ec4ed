# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""attn.onnx: ONNX's own cases, random nodes against plain numpy, and models that mean harm."""

from __future__ import annotations

import functools
import math
import os
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

import attn
import attn.onnx
from attn.onnx import _read
from onnx import TensorProto, helper

FLOAT, BOOL, INT64 = TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT64


# ---- ONNX's own cases ----------------------------------------------------------------


@functools.lru_cache(maxsize=None)
def cases() -> dict[str, object]:
    """The backend's node cases of attention, as the installed package makes them."""
    import onnx.backend.test.case.node as node

    np.random.seed(20)  # most cases draw their inputs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = node.collect_testcases(None)
    return {
        c.name: c
        for c in found
        if c.model is not None and not c.name.endswith("_expanded")
        and {n.op_type for n in c.model.graph.node} <= {"Attention", "FlexAttention"}
    }  # fmt: skip


def test_number_of_cases() -> None:
    ops = [c.model.graph.node[0].op_type for c in cases().values()]
    assert (ops.count("Attention"), ops.count("FlexAttention"), len(ops)) == (93, 11, 104)


def test_every_case_passes_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, from bytes, on the CPU's kernels, by the tolerances of ONNX's own runner."""
    from attn import compiler
    from onnx.backend.test.runner import Runner

    def no_oracle(*unused: object) -> None:
        raise AssertionError("the oracle was asked")

    monkeypatch.setattr(attn.Plan, "oracle", no_oracle)
    monkeypatch.setattr(compiler.backend(), "interpret", no_oracle)
    passed, failures = [], {}
    for name, case in cases().items():
        model = attn.onnx.load(case.model.SerializeToString())
        plan = model.plan()
        before = plan._program.kernel.calls
        for inputs, expected in case.data_sets:
            arrays = [_array(x) for x in inputs]
            got = model(*arrays)
            try:
                Runner.assert_similar_outputs(
                    [_array(x) for x in expected], [got[o] for o in model.outputs], case.rtol, case.atol
                )
            except AssertionError as e:
                failures[name] = str(e)
        # The very kernel that was compiled ran, once per data set.
        assert plan._program.kernel.calls == before + len(case.data_sets), name
        passed.append(name)
    assert not failures, failures
    print(f"{len(passed)} of 104 cases pass")
    assert len(passed) == 104


def _array(x: object) -> np.ndarray:
    return x if isinstance(x, np.ndarray) else onnx.numpy_helper.to_array(x)


# ---- plain numpy -----------------------------------------------------------------------


def twin(q, k, v, *, scale, keep=None, bias=0.0, softcap=0.0, kind=None):
    """Attention in ten lines of float64; `keep` says which pairs are visible."""
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    k, v = (np.repeat(x, q.shape[1] // x.shape[1], axis=1) for x in (k, v))
    product = scale * q @ k.swapaxes(-1, -2)
    capped = softcap * np.tanh(product / softcap) if softcap else product
    score = np.where(np.ones_like(capped, bool) if keep is None else keep, capped + bias, -np.inf)
    top = score.max(-1, keepdims=True, initial=-np.inf)
    p = np.exp(score - np.where(np.isinf(top), 0, top))
    p = p / np.where(p.sum(-1, keepdims=True) == 0, 1, p.sum(-1, keepdims=True))
    return p @ v, (product, capped, score, p)[kind or 0]


def model_of(nodes, inputs, outputs, opset=25, initializers=(), preview=False, **also):
    """A model; inputs are (name, type, shape or None)."""
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs],
        [onnx.ValueInfoProto(name=n) for n in outputs], list(initializers),
    )  # fmt: skip
    ids = [helper.make_opsetid("", opset)]
    if preview:
        ids.append(helper.make_opsetid("ai.onnx.preview", 1))
    return helper.make_model(graph, opset_imports=ids, **also)


def attention(inputs="QKV", outputs="Y", **attributes):
    return helper.make_node("Attention", list(inputs), list(outputs), name="att", **attributes)


QKV = [(n, FLOAT, None) for n in "QKV"]


@pytest.mark.parametrize("seed", range(12))
def test_random_nodes_against_numpy(seed: int) -> None:
    """Shapes, heads, caches, masks, windows and modes, drawn; every output compared."""
    rng = np.random.default_rng(seed)
    b, hkv, group = rng.integers(1, 4), rng.integers(1, 4), rng.integers(1, 4)
    d, dv = 8, [8, 12][seed % 2]
    queries, new = int(rng.integers(1, 20)), int(rng.integers(1, 20))
    if rng.random() < 0.5:
        new = queries
    past = int(rng.integers(0, 30)) if rng.random() < 0.5 else None
    hq = hkv * group
    q = rng.standard_normal((b, hq, queries, d), dtype=np.float32)
    k = rng.standard_normal((b, hkv, new, d), dtype=np.float32)
    v = rng.standard_normal((b, hkv, new, dv), dtype=np.float32)
    feeds = {"Q": q, "K": k, "V": v}
    names, attributes = ["Q", "K", "V", "", "", "", ""], {}
    offset = 0
    keys_all, values_all = k, v
    if past is not None:
        feeds["pk"] = rng.standard_normal((b, hkv, past, d), dtype=np.float32)
        feeds["pv"] = rng.standard_normal((b, hkv, past, dv), dtype=np.float32)
        names[4:6] = ["pk", "pv"]
        keys_all = np.concatenate([feeds["pk"], k], 2)
        values_all = np.concatenate([feeds["pv"], v], 2)
        offset = past
    keys = keys_all.shape[2]
    i, j = np.arange(queries)[:, None], np.arange(keys)[None, :]
    keep, bias = np.ones((b, 1, queries, keys), bool), 0.0
    if past is None and rng.random() < 0.5:
        lengths = rng.integers(0, keys + 1, b)
        feeds["n"], names[6] = lengths, "n"
        offset = (lengths - queries).reshape(b, 1, 1, 1)
        keep = keep & (j < lengths.reshape(b, 1, 1, 1))
    if rng.random() < 0.6:
        short = int(rng.integers(1, keys + 1)) if rng.random() < 0.5 else keys
        shape = [(short,), (queries, short), (hq, queries, short), (b, 1, queries, short)][seed % 4]
        names[3] = "m"
        if rng.random() < 0.5:
            mask = rng.random(shape) < 0.7
            feeds["m"] = mask
            fill = False
        else:
            mask = rng.standard_normal(shape, dtype=np.float32)
            feeds["m"] = mask
            fill = -np.inf
        full = np.pad(mask, [(0, 0)] * (mask.ndim - 1) + [(0, keys - short)], constant_values=fill)
        if mask.dtype == bool:
            keep = keep & full
        else:
            bias = full
    if rng.random() < 0.6:
        attributes["is_causal"] = 1
        keep = keep & (j <= i + offset)
    if rng.random() < 0.5:
        left, right = int(rng.integers(-1, 6)), int(rng.integers(-1, 6))
        attributes.update(left_window_size=left, right_window_size=right)
        if left >= 0:
            keep = keep & (i + offset - j <= left)
        if right >= 0:
            keep = keep & (j - i - offset <= right)
    if rng.random() < 0.4:
        attributes["softcap"] = 2.0
    if rng.random() < 0.4:
        attributes["scale"] = 0.25
    mode = int(rng.integers(0, 4))
    attributes["qk_matmul_output_mode"] = mode
    if seed % 3 == 0:
        attributes["softmax_precision"] = TensorProto.DOUBLE
    rows = seed % 2 == 1
    if rows:
        attributes.update(q_num_heads=int(hq), kv_num_heads=int(hkv))
        for n, x in (("Q", q), ("K", k), ("V", v)):
            feeds[n] = x.swapaxes(1, 2).reshape(b, x.shape[2], -1)
    # Presents cannot stand beside a cache that is written outside.
    presents = names[6] == ""
    outputs = ["Y", "PK", "PV", "S"] if presents else ["Y", "", "", "S"]
    types = {np.dtype(np.float32): FLOAT, np.dtype(bool): BOOL, np.dtype(np.int64): INT64}
    model = attn.onnx.load(model_of(
        [attention(names, outputs, **attributes)],
        [(n, types[x.dtype], [None] * x.ndim) for n, x in feeds.items()], [o for o in outputs if o],
    ))  # fmt: skip
    got = model(**feeds)
    out, scores = twin(
        q, keys_all, values_all, scale=attributes.get("scale", 1 / math.sqrt(d)),
        keep=np.broadcast_to(keep, (b, hq, queries, keys)), bias=bias,
        softcap=attributes.get("softcap", 0.0), kind=mode,
    )  # fmt: skip
    if rows:
        out = out.swapaxes(1, 2).reshape(b, queries, -1)
    np.testing.assert_allclose(got["Y"], out, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(got["S"], scores, rtol=1e-5, atol=1e-5)
    if presents:
        np.testing.assert_array_equal(got["PK"], keys_all)
        np.testing.assert_array_equal(got["PV"], values_all)


def test_one_program_serves_all_lengths() -> None:
    from attn import compiler

    model = attn.onnx.load(model_of([attention(is_causal=1)], QKV, ["Y"]))
    rng = np.random.default_rng(0)
    before = None
    for b, h, s in ((2, 3, 4), (3, 2, 7), (2, 8, 33)):
        x = rng.standard_normal((b, h, s, 24), dtype=np.float32)
        out = model(Q=x, K=x, V=x)["Y"]
        keep = np.tril(np.ones((s, s), bool))
        np.testing.assert_allclose(out, twin(x, x, x, scale=24**-0.5, keep=keep)[0], atol=1e-5)
        count = compiler.counters["compiled"] + compiler.counters["disk"]
        assert before in (None, count)
        before = count


def test_hidden_poison_does_not_leak() -> None:
    rng = np.random.default_rng(1)
    q, k, v = (rng.standard_normal((1, 2, 6, 8), dtype=np.float32) for _ in range(3))
    model = attn.onnx.load(model_of(
        [attention(["Q", "K", "V", "", "", "", "n"], ["Y", "", "", "S"], qk_matmul_output_mode=3)],
        [*QKV, ("n", INT64, [None])], ["Y", "S"],
    ))  # fmt: skip
    n = np.array([4])
    clean = model(Q=q, K=k, V=v, n=n)
    k[:, :, 4:], v[:, :, 4:] = np.nan, np.inf
    dirty = model(Q=q, K=k, V=v, n=n)
    for name in ("Y", "S"):
        np.testing.assert_array_equal(clean[name], dirty[name])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_mask_of_minus_infinity_hides_nan(dtype: type) -> None:
    """The reference does so for whole rows; here for every key."""
    rng = np.random.default_rng(8)
    q, k, v = (rng.standard_normal((1, 2, 6, 8)).astype(dtype) for _ in range(3))
    mask = np.where(np.tril(np.ones((6, 6), bool), -1), dtype(0.5), dtype(-np.inf))
    node = attention(["Q", "K", "V", "m"], ["Y", "", "", "S"], qk_matmul_output_mode=2)
    clean = attn.onnx.run_node(node, [q, k, v, mask])
    assert not clean[0][0, :, 0].any()
    k[:, :, 5], v[:, :, 5] = np.nan, np.inf
    for a, b in zip(clean, attn.onnx.run_node(node, [q, k, v, mask])):
        np.testing.assert_array_equal(a, b)


def test_double_precision_is_honoured() -> None:
    rng = np.random.default_rng(2)
    q, k, v = (100 * rng.standard_normal((1, 1, 8, 32), dtype=np.float32) for _ in range(3))
    node = attention(scale=1.0, softmax_precision=TensorProto.DOUBLE)
    (out,) = attn.onnx.run_node(node, [q, k, v])
    assert out.dtype == np.float32
    # Rounding the result is all that float32 does here: scores of 1e5 have no digits left in it.
    want = twin(q, k, v, scale=1.0)[0]
    np.testing.assert_allclose(out, want, rtol=1e-6, atol=1e-5)
    text = attn.onnx.load(model_of([node], QKV, ["Y"])).mlir(q, k, v)
    assert "arith.extf" in text and "xf64>" in text


def test_run_node_takes_bytes_and_checks_its_inputs() -> None:
    x = np.ones((1, 1, 2, 8), np.float32)
    (y,) = attn.onnx.run_node(attention().SerializeToString(), [x, x, x])
    np.testing.assert_allclose(y, x)
    with pytest.raises(attn.ShapeError, match="expects an array for each of Q, K, V, but got 2"):
        attn.onnx.run_node(attention(), [x, x])
    with pytest.raises(attn.CompileError, match="that are none"):
        attn.onnx.run_node(b"\xff\xff", [])
    attn.onnx.run_node(attention(["x"] * 3), [x, x, x])
    with pytest.raises(attn.ShapeError, match="expects one array for 'x'.*, but got two"):
        attn.onnx.run_node(attention(["x"] * 3), [x, x + 1, x])
    with pytest.raises(attn.ShapeError, match="expects arrays, but got a list that is none"):
        attn.onnx.run_node(attention(), [[[1.0], [2.0, 3.0]], x, x])
    (y,) = attn.onnx.run_node(flex(score_mod=modifier([N("Neg", ["x"], ["r"])])), [x, x, x])
    np.testing.assert_allclose(y, x)


def test_graph_of_several_nodes() -> None:
    rng = np.random.default_rng(3)
    q, k, v, r = (rng.standard_normal((1, 2, 5, 8), dtype=np.float32) for _ in range(4))
    nodes = [
        attention(outputs=["a"], is_causal=1),
        helper.make_node("Attention", ["a", "K", "V"], ["c"], name="second"),
        helper.make_node("Add", ["c", "R"], ["d"]),
        helper.make_node("Concat", ["d", "a"], ["e"], axis=2),
        helper.make_node("Identity", ["e"], ["Y"]),
    ]
    model = attn.onnx.load(model_of(nodes, [*QKV, ("R", FLOAT, None)], ["Y", "a"]))
    got = model(q, k, v, r)
    a = twin(q, k, v, scale=8**-0.5, keep=np.tril(np.ones((5, 5), bool)))[0]
    c = twin(a, k, v, scale=8**-0.5)[0]
    np.testing.assert_allclose(got["a"], a, atol=1e-5)
    np.testing.assert_allclose(got["Y"], np.concatenate([c + r, a], 2), atol=1e-5)
    assert "node 'second' (Attention): attn.attention" in model.explain(q, k, v, r)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_arithmetic_around_attention(dtype: str) -> None:
    import ml_dtypes

    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    x = np.random.default_rng(9).uniform(0.1, 1, (1, 2, 4, 8)).astype(kind)
    nodes, last = [], "Q"
    for op in ("Neg", "Abs", "Exp", "Tanh", "Sqrt", "Erf"):
        nodes.append(helper.make_node(op, [last], [op]))
        last = op
    nodes += [helper.make_node("Sub", [last, "V"], ["a"]), helper.make_node("Div", ["a", "K"], ["b"]),
              helper.make_node("Mul", ["b", "b"], ["c"]), helper.make_node("Cast", ["c"], ["d"], to=FLOAT),
              helper.make_node("Cast", ["K"], ["e"], to=FLOAT), attention(["d", "e", "e"])]  # fmt: skip
    model = attn.onnx.load(model_of(nodes, [(n, _type(x), None) for n in "QKV"], ["Y", "d"]))
    got = model(x, x, x)
    y = x.astype(np.float64)
    want = ((np.vectorize(math.erf)(np.sqrt(np.tanh(np.exp(y)))) - y) / y) ** 2
    loose = {"float32": 1e-5, "float16": 2e-2, "bfloat16": 2e-1, "float64": 1e-6}[dtype]
    np.testing.assert_allclose(got["d"], want, rtol=loose, atol=loose)
    np.testing.assert_allclose(got["Y"], twin(got["d"], y, y, scale=8**-0.5)[0], atol=1e-5)


def test_an_output_that_is_an_input_is_a_copy() -> None:
    x = np.ones((1, 1, 2, 8), np.float32)
    model = attn.onnx.load(model_of([attention(outputs=["Y", "PK", "PV"])], QKV, ["PK", "Y"]))
    got = model(x, x, x)
    np.testing.assert_array_equal(got["PK"], x)
    assert not np.shares_memory(got["PK"], x)


def test_explain_says_what_materialises() -> None:
    x = np.ones((1, 1, 2, 8), np.float32)
    model = attn.onnx.load(model_of([attention(outputs=["Y", "", "", "S"], qk_matmul_output_mode=3)], QKV, ["Y", "S"]))
    text = model.explain(x, x, x)
    assert "scores (weight), which materialise" in text
    assert "materialises: the result scores (weight) takes a number per query, head and key" in text
    # Unless nobody asks for them.
    model = attn.onnx.load(model_of([attention(outputs=["Y", "", "", "S"])], QKV, ["Y"]))
    assert "materialises:" not in model.explain(x, x, x)


# ---- modifiers -----------------------------------------------------------------------


def modifier(nodes, constants=(), dtype=FLOAT, result="r"):
    shape = ["B", "H", "L", "S"]
    return helper.make_graph(
        nodes, "mod", [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info(result, dtype, shape)],
        [onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in constants],
    )  # fmt: skip


def flex(**attributes):
    return helper.make_node(
        "FlexAttention", list("QKV"), ["Y"], name="flex", domain="ai.onnx.preview", **attributes
    )


def run_flex(q, k, v, **attributes):
    model = model_of([flex(**attributes)], [(n, _type(x), None) for n, x in zip("QKV", (q, k, v))], ["Y"], preview=True)
    return attn.onnx.load(model)(q, k, v)["Y"]


def _type(x: np.ndarray) -> int:
    return helper.np_dtype_to_tensor_dtype(x.dtype)


N = helper.make_node
POSITIONS = [
    N("Shape", ["x"], ["shape"]), N("Gather", ["shape", "two"], ["L"], axis=0),
    N("Gather", ["shape", "three"], ["S"], axis=0), N("Range", ["zero", "L", "one"], ["li"]),
    N("Range", ["zero", "S", "one"], ["lj"]), N("Unsqueeze", ["li", "last"], ["i"]),
]  # fmt: skip
NUMBERS = [("two", np.int64(2)), ("three", np.int64(3)), ("zero", np.int64(0)), ("one", np.int64(1)),
           ("last", np.array([-1]))]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_modifiers_read_tables_and_positions(dtype: type) -> None:
    """Distances clipped to a learned table, as T5 has it, and a per-head factor on weights."""
    rng = np.random.default_rng(4)
    q, k, v = (rng.standard_normal((2, 3, n, 8)).astype(dtype) for n in (5, 9, 9))
    table = rng.standard_normal(7).astype(dtype)
    factors = rng.standard_normal((3, 1, 1)).astype(dtype)
    number = _type(q)
    score = modifier(
        [*POSITIONS, N("Sub", ["i", "lj"], ["d"]), N("Clip", ["d", "low", "high"], ["c"]),
         N("Add", ["c", "high"], ["at"]), N("Gather", ["table", "at"], ["bias"]),
         N("Add", ["x", "bias"], ["r"])],
        [*NUMBERS, ("low", np.int64(-3)), ("high", np.int64(3)), ("table", table)], number,
    )  # fmt: skip
    prob = modifier([N("Mul", ["x", "f"], ["r"])], [("f", factors)], number)
    got = run_flex(q, k, v, score_mod=score, prob_mod=prob)
    i, j = np.arange(5)[:, None], np.arange(9)[None, :]
    _, p = twin(q, k, v, scale=8**-0.5, bias=table[np.clip(i - j, -3, 3) + 3].astype(float), kind=3)
    want = (p * factors) @ v.astype(np.float64)
    np.testing.assert_allclose(got, want, atol=1e-5 if dtype == np.float32 else 1e-13)
    # The oracle agrees with both.
    model = attn.onnx.load(model_of([flex(score_mod=score, prob_mod=prob)], [(n, number, None) for n in "QKV"], ["Y"], preview=True))
    plan = model.plan(q, k, v)
    oracle = plan.oracle(*(table if "constant" in n and "7" not in n else x for n, x in _arguments(plan, q, k, v, table, factors)))
    np.testing.assert_allclose(oracle, want, atol=1e-13)


def _arguments(plan, q, k, v, table, factors):
    arrays = [q, k, v, table, factors]
    return [(f"7{n}", x) for n, x in zip(plan.arguments, arrays)]


def test_prob_mod_raises_a_weight_of_zero() -> None:
    """As the reference: prob_mod is asked about keys whose score is -inf, too."""
    from onnx.reference.ops.aionnx_preview.op_flex_attention import _compute_flex_attention

    rng = np.random.default_rng(5)
    q, k, v = (rng.standard_normal((1, 2, 6, 8), dtype=np.float32) for _ in range(3))
    score = modifier(
        [*POSITIONS, N("GreaterOrEqual", ["i", "lj"], ["m"]), N("Where", ["m", "x", "no"], ["r"])],
        [*NUMBERS, ("no", np.float32(-np.inf))],
    )  # fmt: skip
    prob = modifier([N("Add", ["x", "some"], ["r"])], [("some", np.float32(0.125))])
    class Mod:
        def __init__(self, input_name, function):
            self.input_names, self.function = [input_name], function

        def run(self, unused, feeds, attributes=None):
            return [self.function(feeds[self.input_names[0]])]

    keep = np.tril(np.ones((6, 6), bool))
    (want,) = _compute_flex_attention(
        q, k, v, score_mod=Mod("x", lambda x: np.where(keep, x, np.float32(-np.inf))),
        prob_mod=Mod("x", lambda x: x + np.float32(0.125)),
    )  # fmt: skip
    np.testing.assert_allclose(run_flex(q, k, v, score_mod=score, prob_mod=prob), want, atol=1e-5)


def test_shared_steps_are_made_once() -> None:
    """A chain of doublings has 2^60 paths and 60 operations."""
    nodes, last = [], "x"
    for n in range(60):
        nodes.append(N("Add", [last, last], [f"v{n}"]))
        last = f"v{n}"
    x = np.zeros((1, 1, 2, 8), np.float32)
    np.testing.assert_array_equal(run_flex(x, x, x, score_mod=modifier(nodes, result=last)), x)


def nested(depth: int) -> list[onnx.NodeProto]:
    """As many reads as there are paths: 2^depth."""
    nodes = [*POSITIONS, N("Identity", ["lj"], ["t0"])]
    for n in range(depth):
        nodes += [N("Gather", [f"t{n}", t], [f"{t}{n}"]) for t in ("p", "q")]
        nodes.append(N("Max", [f"p{n}", f"q{n}"], [f"t{n + 1}"]))
    return [*nodes, N("Cast", [f"t{depth}"], ["f"], to=1), N("Add", ["x", "f"], ["r"])]


def shaped(op: str, to: object) -> tuple[list[onnx.NodeProto], list[tuple[str, object]]]:
    return [N(op, ["c", "to"], ["d"]), N("Add", ["x", "d"], ["r"])], [("c", F(1)), ("to", np.array(to))]


F = np.float32
BAD_MODIFIERS = {
    "paths": (nested(40), [*NUMBERS, ("p", np.array([4, 2, 3, 1, 0])), ("q", np.array([1, 0, 4, 2, 3]))],
              "at most 1024 steps"),
    "joined": ([N("Concat", ["c"] * 64, ["c0"], axis=0), *(N("Concat", [f"c{n}"] * 64, [f"c{n + 1}"], axis=0) for n in range(4)),
                N("Shape", ["c4"], ["s"]), N("Cast", ["s"], ["f"], to=1), N("Add", ["x", "f"], ["r"])],
               [("c", np.ones(16))], r"\(Concat\) expects constants of at most 67108864 elements"),
    "joined_axis": ([N("Concat", ["c"], ["d"], axis=1), N("Add", ["x", "d"], ["r"])], [("c", np.ones(1, F))], "axis to be 0 or -1, but got 1"),
    "nan_shape": (*shaped("Reshape", [math.nan]), "a shape of at most 8 integers, but got float64"),
    "inf_sizes": (*shaped("Expand", [math.inf]), "a shape of at most 8 integers, but got float64"),
    "float_axes": (*shaped("Unsqueeze", [0.5]), "axes of at most 8 integers, but got float64"),
    "half_axis": (*shaped("Squeeze", [0.5]), "axes of at most 8 integers, but got float64"),
    "many_axes": (*shaped("Unsqueeze", range(80)), r"axes of at most 8 integers, but got int64 of shape \[80\]"),
    "nine_axes": ([N("Unsqueeze", ["x", "to"], ["r"])], [("to", np.arange(5))], "tensors of at most 8 axes, but got 9"),
    "minus_true": ([N("Neg", ["c"], ["d"]), N("Add", ["x", "d"], ["r"])], [("c", np.array(True))], "expects numbers, but got booleans"),
    "nan_to_int": ([N("Cast", ["c"], ["d"], to=7), N("Shape", ["d"], ["r"])], [("c", F(math.nan))], "expects numbers that fit int64"),
    "another_pair": ([N("Shape", ["x"], ["s"]), N("Gather", ["x", "back"], ["r"], axis=2)],
                     [("back", np.array([4, 3, 2, 1, 0]))], "reads another"),
    "too_small": ([N("Gather", ["x", "k"], ["r"], axis=0)], [("k", np.int64(0))], "of shape"),
    "wide": ([*POSITIONS, N("Mul", ["i", "big"], ["c"]), N("Cast", ["c"], ["f"], to=1), N("Add", ["x", "f"], ["r"])],
             [*NUMBERS, ("big", np.int64(1 << 31))], "32 bits"),
    "overflow": ([*POSITIONS, N("Mul", ["i", "big"], ["c"]), N("Mul", ["c", "c"], ["e"]),
                  N("Cast", ["e"], ["f"], to=1), N("Add", ["x", "f"], ["r"])],
                 [*NUMBERS, ("big", np.int64(1 << 20))], "32 bits"),
    "by_zero": ([*POSITIONS, N("Div", ["i", "lj"], ["c"]), N("Cast", ["c"], ["f"], to=1), N("Add", ["x", "f"], ["r"])],
                NUMBERS, "cannot be 0"),
    "outside": ([*POSITIONS, N("Gather", ["t", "i"], ["f"]), N("Add", ["x", "f"], ["r"])],
                [*NUMBERS, ("t", np.ones(2, np.float32))], "expects indices from 0 to 1"),
    "to_int": ([N("Cast", ["x"], ["c"], to=7), N("Cast", ["c"], ["r"], to=1)], [], "computed floats"),
    "bomb": ([N("Add", ["u", "w"], ["c"]), N("Add", ["x", "c"], ["r"])],
             [("u", np.ones((9000, 1), np.float32)), ("w", np.ones((1, 9000), np.float32))], "at most 67108864 elements"),
    "unknown": ([N("Add", ["x", "y"], ["r"])], [], "which nothing makes"),
    "boolean": ([N("Less", ["x", "x"], ["r"])], [], "expects a float tensor"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_MODIFIERS)
def test_modifiers_that_no_region_can_be(name: str) -> None:
    nodes, constants, message = BAD_MODIFIERS[name]
    x = np.ones((1, 2, 5, 8), np.float32)
    with pytest.raises(attn.CompileError, match=message) as e:
        run_flex(x, x, x, score_mod=modifier(nodes, constants))
    assert "score_mod of node 'flex'" in str(e.value)


TENSOR, GRAPH = onnx.numpy_helper.from_array(np.ones(1, F)), helper.make_graph([], "g", [], [])
#: Nodes that are refused before there are arrays: (node, error), the input and the result x and r.
BAD_NODES = {
    "MatMul": (N("MatMul", ["x", "x"], ["r"]), r"\(MatMul\) expects an op .* but got MatMul"),
    "Clip-6": (N("Clip", ["x"], ["r"], min=-0.1, max=0.1), "expects no attribute, but got 'max'"),
    "nonsense": (N("Add", ["x", "x"], ["r"], nonsense=3), "expects no attribute, but got 'nonsense'"),
    "string_axis": (N("Gather", ["x", "x"], ["r"], axis=b"x"), "attribute axis to be an integer, but got a string"),
    "float_start": (N("Shape", ["x"], ["r"], start=1.0), "attribute start to be an integer, but got a float"),
    "no_to": (N("Cast", ["x"], ["r"]), "expects attribute to, but got none"),
    "to_string": (N("Cast", ["x"], ["r"], to=8), r"one of 1 \(f32\), .*, but got 8"),
    "left_out": (N("Max", ["x", ""], ["r"]), r"none of them left out, but got \['x', ''\]"),
    "two_outputs": (N("Abs", ["x"], ["r", "q"]), "expects one output with a name"),
    "no_value": (N("Constant", [], ["r"]), "one attribute, its value, but got none"),
    "two_values": (N("Constant", [], ["r"], value_int=1, value_float=1.0), "but got value_float, value_int"),
    "strings": (N("Constant", [], ["r"], value_strings=["a"]), "but got 'value_strings'"),
    "no_inputs": (N("Concat", [], ["r"], axis=0), "expects 1 to 64 inputs"),
    **{f"to_{n}": (N("Cast", ["x"], ["r"], to=v), "attribute to to be an integer, but got a")
       for n, v in (("list", [1]), ("tensor", TENSOR), ("graph", GRAPH))},
    **{f"allowzero_{n}": (N("Reshape", ["x", "x"], ["r"], allowzero=v), "allowzero to be an integer, but got a")
       for n, v in (("float", 1.0), ("bytes", b"1"), ("tensor", TENSOR))},
    **{f"{n}_of_{of}": (N("Constant", [], ["r"], **{n: v}), f"attribute {n} to be .*, but got a")
       for n in ("value_int", "value_ints", "value_float", "value_floats", "value")
       for of, v in (("bytes", b"x"), ("strings", ["x"]), ("graph", GRAPH))},
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_NODES)
def test_modifiers_are_checked_at_load(name: str) -> None:
    node, message = BAD_NODES[name]
    model = model_of([flex(prob_mod=modifier([node]))], QKV, ["Y"], preview=True)
    with pytest.raises(attn.CompileError, match=f"^prob_mod of node 'flex' .*{message}"):
        attn.onnx.load(model)


@pytest.mark.parametrize("name", [n for n, (node, _) in BAD_NODES.items() if node.op_type in ("Constant", "Concat")])
def test_so_are_nodes_outside(name: str) -> None:
    node, message = BAD_NODES[name]
    with pytest.raises(attn.CompileError, match=message):
        attn.onnx.load(model_of([node], [], ["r"]))


@pytest.mark.parametrize("opset", [6, 14, 999])
def test_modifiers_are_of_a_known_opset(opset: int) -> None:
    model = model_of([flex(score_mod=modifier([N("Clip", ["x"], ["r"])]))], QKV, ["Y"], opset, preview=True)
    with pytest.raises(attn.CompileError, match=f"an opset from 15, .*, but got {opset}"):
        attn.onnx.load(model)
    model.opset_import.pop(0)
    with pytest.raises(attn.CompileError, match="its domain 'ai.onnx' in opset_import"):
        attn.onnx.load(model)


@pytest.mark.parametrize(
    ("declared", "precision", "q"),
    [(INT64, None, F), (TensorProto.FLOAT16, None, F), (FLOAT, TensorProto.DOUBLE, F), (FLOAT, None, np.float64)],
)
def test_modifiers_are_of_the_type_of_the_scores(declared: int, precision: int | None, q: type) -> None:
    x = np.ones((1, 1, 2, 8), q)
    more = {} if precision is None else {"softmax_precision": precision}
    with pytest.raises(attn.CompileError, match="score_mod of .* expects an input and an output of f"):
        run_flex(x, x, x, score_mod=modifier([N("Neg", ["x"], ["r"])], dtype=declared), **more)


def test_constants_are_folded_in_their_types() -> None:
    import ml_dtypes

    bf16 = ml_dtypes.bfloat16
    nodes = [N("Div", ["a", "b"], ["half"]), N("Cast", ["half"], ["f"], to=FLOAT), N("Mul", ["x", "f"], ["y"]),
             N("Div", ["m", "two"], ["n"]), N("Cast", ["n"], ["g"], to=FLOAT), N("Sub", ["y", "g"], ["r"])]  # fmt: skip
    numbers = [("a", np.ones((1, 1), bf16)), ("b", np.full((1, 1), 2, bf16)), ("m", np.int64(-7)), ("two", np.int64(2))]
    model = attn.onnx.load(model_of([flex(score_mod=modifier(nodes, numbers))], QKV, ["Y"], preview=True))
    x = np.ones((1, 1, 2, 8), F)
    text = model.mlir(x, x, x)
    assert "arith.constant 0.5 : f32" in text and "arith.constant -3.0 : f32" in text


# ---- refusals --------------------------------------------------------------------------


def test_another_op_is_named() -> None:
    nodes = [N("Gemm", ["Q", "K"], ["a"], name="proj"), attention(["a", "K", "V"])]
    with pytest.raises(attn.CompileError, match=r"node 'proj' \(Gemm\) expects one of the ops .* but got Gemm"):
        attn.onnx.load(model_of(nodes, QKV, ["Y"]))


REFUSED_NODES = {
    "q_num_heads alone": (dict(q_num_heads=2), {}, "together, but got only one"),
    "is_causal 2": (dict(is_causal=2), {}, "is_causal from 0 to 1, but got 2"),
    "mode 4": (dict(qk_matmul_output_mode=4), {}, "qk_matmul_output_mode from 0 to 3, but got 4"),
    "negative softcap": (dict(softcap=-1.0), {}, "softcap from 0"),
    "NaN scale": (dict(scale=math.nan), {}, "scale from 0"),
    "window -2": (dict(left_window_size=-2), {}, "left_window_size from -1"),
    "precision": (dict(softmax_precision=7), {}, "softmax_precision to be one of"),
    "unknown attribute": (dict(dropout=0.5), {}, "but got 'dropout'"),
    "float causal": (dict(is_causal=1.0), {}, "is_causal to be an integer, but got a float"),
    "window before 25": (dict(left_window_size=1), dict(opset=24), "but got 'left_window_size'"),
    "old opset": ({}, dict(opset=22), "from 23, which brought Attention"),
    "new opset": ({}, dict(opset=999), "the newest that is known here"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_NODES)
def test_refused_at_load(name: str) -> None:
    attributes, model, message = REFUSED_NODES[name]
    with pytest.raises(attn.CompileError, match=message) as e:
        attn.onnx.load(model_of([attention(**attributes)], QKV, ["Y"], **model))
    assert "node 'att' (Attention)" in str(e.value)


REFUSED_ARRAYS = {
    "batch": ({"K": (2, 1, 4, 8)}, {}, "K to have Q's batch size 1, but got 2"),
    "head dim": ({"K": (1, 1, 4, 7)}, {}, "K to have Q's head dim 8, but got 7"),
    "length": ({"V": (1, 1, 5, 8)}, {}, "V to have K's length 4, but got 5"),
    "heads": ({"Q": (1, 3, 4, 8), "K": (1, 2, 4, 8), "V": (1, 2, 4, 8)}, {}, "multiple of those of K, but got 3 and 2"),
    "rank": ({"Q": (4, 8)}, {}, "of rank 4"),
    "heads of rank 3": ({"Q": (1, 4, 8), "K": (1, 4, 8), "V": (1, 4, 8)}, {}, "expects attribute q_num_heads"),
    "uneven heads": ({"Q": (1, 4, 8), "K": (1, 4, 8), "V": (1, 4, 8)}, dict(q_num_heads=3, kv_num_heads=3), "multiple of q_num_heads 3, but got 8"),
    "head dim 257": ({n: (1, 1, 4, 257) for n in "QKV"}, {}, "head dims between 1 and 256"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_ARRAYS)
def test_refused_arrays(name: str) -> None:
    shapes, attributes, message = REFUSED_ARRAYS[name]
    arrays = [np.ones(shapes.get(n, (1, 1, 4, 8)), F) for n in "QKV"]
    with pytest.raises(attn.AttnError, match=message):
        attn.onnx.load(model_of([attention(**attributes)], QKV, ["Y"]))(*arrays)


def test_masks_and_lengths_are_checked() -> None:
    x = np.ones((2, 1, 4, 8), F)
    node = attention(["Q", "K", "V", "m"])
    for mask, message in (
        (np.ones((4, 5), F), "its last axis at most 4, but got"),
        (np.ones((3, 1, 4, 4), F), "expects attn_mask to broadcast"),
        (np.ones((4, 4), np.float64), "expects attn_mask of bool, or of Q's f32"),
        (np.ones((4, 4), np.int32), "expects attn_mask of bool"),
    ):
        with pytest.raises(attn.ShapeError, match=message):
            attn.onnx.run_node(node, [x, x, x, mask])
    node = attention(["Q", "K", "V", "", "", "", "n"])
    for n, message in (
        ([4, 5], r"from 0 to the 4 keys, but got 5 at \[1\]"), ([-1, 0], "but got -1"),
        ([1 << 32, 0], "but got 4294967296"), ([1], "of shape"),
    ):  # fmt: skip
        with pytest.raises(attn.ShapeError, match=message):
            attn.onnx.run_node(node, [x, x, x, np.array(n)])


def test_declared_shapes_hold() -> None:
    declared = [(n, FLOAT, ["B", 1, "S", 8]) for n in "QKV"]
    model = attn.onnx.load(model_of([attention()], declared, ["Y"]))
    assert model.inputs["Q"] == "f32[B, 1, S, 8]"
    x = np.ones((1, 1, 4, 8), F)
    with pytest.raises(attn.ShapeError, match=r"'K' expects axis 2 \(S\) of size 4 as in 'Q', but got 5"):
        model(x, np.ones((1, 1, 5, 8), F), x)
    with pytest.raises(attn.ShapeError, match="axis 1 of size 1, but got 2"):
        model(np.ones((1, 2, 4, 8), F), x, x)
    with pytest.raises(attn.ShapeError, match="'Q' expects f32, but got f64"):
        model(x.astype(np.float64), x, x)
    with pytest.raises(attn.ShapeError, match="expects the inputs Q, K, V, but got 1 by position and none"):
        model(x)
    with pytest.raises(attn.ShapeError, match="expects example arrays"):
        model.mlir()


# ---- models that mean harm ---------------------------------------------------------------


def good_model():
    return model_of(
        [attention(["Q", "K", "V", "m"])], QKV, ["Y"],
        initializers=[onnx.numpy_helper.from_array(np.ones((4, 4), F), "m")],
    )  # fmt: skip


def test_cut_off_anywhere() -> None:
    data = good_model().SerializeToString()
    attn.onnx.load(data)
    for end in range(len(data)):
        with pytest.raises(attn.CompileError):
            attn.onnx.load(data[:end])


def test_bit_flips_are_errors_or_models() -> None:
    data = bytearray(good_model().SerializeToString())
    rng = np.random.default_rng(6)
    for _ in range(2000):
        copy = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            copy[at] ^= 1 << int(rng.integers(0, 8))
        try:
            attn.onnx.load(bytes(copy))
        except attn.AttnError:
            pass


def edited(edit):
    model = good_model()
    edit(model)
    return model


def _rename(at: str, n: int, to: str):
    def edit(m):
        getattr(m.graph, at)[n].name = to

    return edit


def _dims(*dims):
    def edit(m):
        m.graph.initializer[0].dims[:] = dims

    return edit


def _deep(m):
    graph = helper.make_graph([], "g", [], [])
    for _ in range(20):
        graph = helper.make_graph([N("If", ["c"], ["d"], then_branch=graph)], "g", [], [])
    m.graph.node[0].attribute.append(helper.make_attribute("score_mod", graph))


HOSTILE = {
    "no opset": (lambda m: m.ClearField("opset_import"), "expects opset_import"),
    "opset twice": (lambda m: m.opset_import.append(m.opset_import[0]), "but got '' twice"),
    "input twice": (_rename("input", 1, "Q"), "but got 'Q' twice"),
    "initializer twice": (lambda m: m.graph.initializer.append(m.graph.initializer[0]), "but got 'm' twice"),
    "unnamed initializer": (_rename("initializer", 0, ""), "with distinct names"),
    "nothing makes it": (_rename("initializer", 0, "x"), "'m', which nothing makes"),
    "output overwrites": (lambda m: m.graph.node[0].output.__setitem__(0, "Q"), "names of their own, but got 'Q' twice"),
    "cycle": (lambda m: m.graph.node[0].input.__setitem__(0, "Y"), "a cycle"),
    "no outputs": (lambda m: m.graph.ClearField("output"), "expects outputs, but got none"),
    "another output": (_rename("output", 0, "Z"), "outputs that a node makes, but got 'Z'"),
    "seventy axes": (_dims(*[1] * 70), "at most 8 axes, but got 70"),
    "absurd dims": (_dims(1 << 40, 1 << 40), "expects sizes from 0 to 2147483647"),
    "many elements": (_dims(1 << 20, 1 << 20), "as many elements, but got"),
    "negative dims": (_dims(-4, -4), "expects sizes from 0"),
    "too few bytes": (_dims(4, 5), "expects 80 bytes, but got 64"),
    "string tensor": (lambda m: setattr(m.graph.initializer[0], "data_type", 8), "but got number 8"),
    "no type": (lambda m: m.graph.input[0].ClearField("type"), "expects a tensor type"),
    "complex input": (lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 15), "but got number 15"),
    "attribute twice": (lambda m: m.graph.node[0].attribute.extend([helper.make_attribute("scale", 1.0)] * 2), "'scale' twice"),
    "reference": (lambda m: m.graph.node[0].attribute.append(onnx.AttributeProto(name="scale", ref_attr_name="s")), "got a reference"),
    "too few inputs": (lambda m: m.graph.node[0].ClearField("input"), "3 to 7 inputs"),
    "empty input": (lambda m: m.graph.node[0].input.__setitem__(1, ""), "the first 3 of them given"),
    "functions": (lambda m: m.functions.append(onnx.FunctionProto(name="f")), "no functions of its own, but got 'f'"),
    "domain": (lambda m: setattr(m.graph.node[0], "domain", "evil"), "expects its domain 'evil' in opset_import"),
    "deep subgraphs": (_deep, "but got 'score_mod'"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_models_are_refused(name: str) -> None:
    edit, message = HOSTILE[name]
    with pytest.raises(attn.CompileError, match=message):
        attn.onnx.load(edited(edit))


def test_deep_bytes_are_refused() -> None:
    """A graph in an attribute in a node in a graph, ten thousand times, as bytes."""

    def field(number: int, data: bytes) -> bytes:
        size, head = len(data), b""
        while size > 127:
            head, size = head + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + head + bytes([size]) + data

    graph = b""
    for _ in range(10000):
        graph = field(1, field(5, field(6, graph)))
    with pytest.raises(attn.CompileError, match="nested too deep"):
        attn.onnx.load(field(7, graph))


@pytest.mark.parametrize("text", [b"Q", b"Y", b"att", b"Attention", b"scale"])
def test_names_are_text(text: bytes) -> None:
    """Protobuf gives names that are not UTF-8 as bytes, which meet strings all over."""
    data = model_of([attention(scale=0.5)], QKV, ["Y"]).SerializeToString()
    broken = data.replace(text, b"\xff" * len(text))
    for model in (broken, onnx.ModelProto.FromString(broken)):
        with pytest.raises(attn.CompileError, match="expects text in UTF-8, but got b'.*xff' as onnx"):
            attn.onnx.load(model)


@pytest.mark.parametrize("data", [{"raw_data": b"\2\4\0\0" * 4}, {"int32_data": [2, 256, 0, 0] * 4}, {}])
def test_any_byte_but_zero_is_true(data: dict[str, object], tmp_path: pathlib.Path) -> None:
    tensor = TensorProto(name="m", data_type=BOOL, dims=[4, 4], **data)
    if not data:
        (tmp_path / "w").write_bytes(b"\2\4\0\0" * 4)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="w")
    array = _read.array_of(tensor, "m", _read.Source(str(tmp_path), True))
    np.testing.assert_array_equal(array.view(np.uint8), [[1, 1, 0, 0]] * 4)


def external(location: str, **more: str) -> onnx.ModelProto:
    model = good_model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return model


def test_external_data(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    bias = np.arange(16, dtype=F).reshape(4, 4)
    (folder / "weights.bin").write_bytes(b"1234" + bias.tobytes())
    (tmp_path / "secret").write_bytes(bytes(64))
    (folder / "link").symlink_to(tmp_path / "secret")
    path = folder / "m.onnx"

    def load(location: str, allowed: bool = True, **more: str):
        onnx.save(external(location, **more), path)
        return attn.onnx.load(path, external_data=allowed)

    x = np.random.default_rng(7).standard_normal((1, 1, 4, 8), dtype=F)
    got = load("weights.bin", offset="4", length="64")(x, x, x)["Y"]
    np.testing.assert_allclose(got, twin(x, x, x, scale=8**-0.5, bias=bias)[0], atol=1e-5)
    for location, message in (
        ("../secret", "in the model's folder, but got '../secret'"), ("link", "in the model's folder"),
        (str(tmp_path / "secret"), "in the model's folder"), ("", "in the model's folder"),
        (".", "in the model's folder"), ("weights.bin\0x", "in the model's folder"), ("missing", "which is none"),
        ("weights.bin", "but got 64 at offset 99"),
    ):  # fmt: skip
        with pytest.raises(attn.CompileError, match=message):
            load(location, offset="99")
    for more in (dict(offset="-1"), dict(offset="x"), dict(length="1"), dict(offset="5")):
        with pytest.raises(attn.CompileError):
            load("weights.bin", **more)
    with pytest.raises(attn.CompileError, match="external_data=True"):
        load("weights.bin", allowed=False)
    with pytest.raises(attn.CompileError, match="loaded from a path"):
        attn.onnx.load(external("weights.bin"), external_data=True)


def test_not_a_model(tmp_path: pathlib.Path) -> None:
    with pytest.raises(attn.CompileError, match="expects a path, bytes or an onnx.ModelProto, but got int"):
        attn.onnx.load(3)
    with pytest.raises(attn.ResourceError, match="No such file"):
        attn.onnx.load(tmp_path / "none.onnx")
    for path in (tmp_path, "a\0b"):
        with pytest.raises(attn.ResourceError, match="expects a file that it can read"):
            attn.onnx.load(path)
    with pytest.raises(attn.CompileError):
        attn.onnx.load(b"")


# ---- around it -----------------------------------------------------------------------


def test_onnx_is_imported_late() -> None:
    code = (
        "import sys, attn; assert 'onnx' not in sys.modules; attn.onnx; assert 'onnx' not in sys.modules\n"
        "sys.modules['onnx'] = None\n"
        "try: attn.onnx.load(b'')\n"
        "except attn.CompileError as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_env())
    assert done.returncode == 0, done.stderr
    assert "install attn[onnx]" in done.stdout


def test_command_line(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(model_of([attention(is_causal=1)], [(n, FLOAT, [1, 2, 4, 8]) for n in "QKV"], ["Y"]), path)
    done = subprocess.run([sys.executable, "-m", "attn", "onnx", path], capture_output=True, text=True, env=_env())
    assert done.returncode == 0, done.stderr
    for line in ("input  Q: f32[1, 2, 4, 8]", "node 'att' (Attention): attn.attention with causal", "mask <causal>"):
        assert line in done.stdout
    path.write_bytes(b"\x00garbage")
    done = subprocess.run([sys.executable, "-m", "attn", "onnx", path], capture_output=True, text=True, env=_env())
    assert done.returncode == 1 and done.stderr.startswith("error: attn.onnx.load expects")


def _env() -> dict[str, str]:
    folder = str(pathlib.Path(attn.__file__).parent.parent)
    return {**os.environ, "PYTHONPATH": folder}


def test_dtypes_of_the_reader_are_those_of_onnx() -> None:
    for number, name in _read.DTYPES.items():
        size = {"f64": 8, "i64": 8, "f32": 4, "i32": 4, "f16": 2, "bf16": 2}.get(name, 1)
        assert helper.tensor_dtype_to_np_dtype(number).itemsize == size


# ---- another implementation -------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_against_onnxruntime(seed: int) -> None:
    """The same bytes in ONNX Runtime, where it is installed: opset 23, no cache."""
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    rng = np.random.default_rng(seed)
    b, hkv, group, d = 2, 2, int(rng.integers(1, 4)), 16
    queries = int(rng.integers(1, 12))
    q = rng.standard_normal((b, hkv * group, queries, d), dtype=F)
    k, v = (rng.standard_normal((b, hkv, queries, d), dtype=F) for _ in range(2))
    attributes: dict[str, object] = {"is_causal": int(rng.integers(0, 2))}
    if rng.random() < 0.5:
        attributes["scale"] = 0.3
    names, feeds = list("QKV"), {"Q": q, "K": k, "V": v}
    inputs = list(QKV)
    if rng.random() < 0.6:
        feeds["m"] = rng.standard_normal((queries, queries), dtype=F)
        names.append("m")
        inputs.append(("m", FLOAT, [None, None]))
    model = model_of([attention(names, **attributes)], [(n, t, [None] * feeds[n].ndim) for n, t, _ in inputs], ["Y"], opset=23)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("Y", FLOAT, [None] * 4))
    model.ir_version = 10
    data = model.SerializeToString()
    (want,) = ort.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, feeds)
    np.testing.assert_allclose(attn.onnx.load(data)(**feeds)["Y"], want, rtol=1e-4, atol=1e-5)
