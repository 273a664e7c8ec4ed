# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Gradients: finite differences, a numpy twin, leaks, threads, bad input, what explain says, torch."""

import math
import re

import ml_dtypes
import numpy as np
import pytest

import attn
from attn import compiler
from attn.errors import AttnError, CompileError, ShapeError
from attn.reference import attention_grad as reference_grad

f32, bf16 = np.float32, ml_dtypes.bfloat16
RNG = np.random.default_rng


def arrays(rng, b=1, hq=4, hkv=2, sq=17, sk=17, d=16, dv=16, dtype=f32):
    shapes = [(b, hq, sq, d), (b, hkv, sk, d), (b, hkv, sk, dv), (b, hq, sq, dv)]
    return [rng.standard_normal(s).astype(dtype) for s in shapes]


def both(q, k, v, dout, **options):
    """Results and gradients of one attention."""
    extra = {n: options.pop(n) for n in ("grads", "dlse", "num_threads") if n in options}
    out, lse = attn.attention(q, k, v, return_lse=True, **options)
    return attn.attention_grad(q, k, v, out, lse, dout, **extra, **options)


def lower(n, m):
    return np.tril(np.ones((n, m), bool))


# ---- the numpy twin --------------------------------------------------------------------


@pytest.mark.parametrize("features", ["plain", "causal", "cross", "bias", "softcap", "sinks", "weights", "all"])
def test_against_the_numpy_twin(features):
    rng = RNG(len(features))
    cross = features in ("cross", "all")
    q, k, v, dout = arrays(rng, b=2, sq=37, sk=53 if cross else 37, dv=24)
    options, twin, grads, dlse = {}, {}, [], None
    if features in ("causal", "all"):
        options["causal"] = "top_left"
        twin["mask"] = lower(37, k.shape[2])
    if features in ("bias", "all"):
        twin["bias"] = options["bias"] = rng.standard_normal((4, 1, k.shape[2])).astype(f32)
        grads.append("bias")
    if features in ("softcap", "all"):
        twin["softcap"] = options["softcap"] = 2.0
    if features in ("sinks", "all"):
        twin["sinks"] = options["sinks"] = rng.standard_normal(4).astype(f32)
        grads.append("sinks")
        dlse = rng.standard_normal((2, 4, 37)).astype(f32)
    if features in ("weights", "all"):
        w = rng.standard_normal((1, 2, k.shape[2])).astype(f32)
        twin["log_weight"] = options["log_weight"] = w
        grads.append("log_weight")
    got = both(q, k, v, dout, grads=grads, dlse=dlse, **options)
    want = reference_grad(q, k, v, dout, dlse=dlse, **twin)
    for name, value in got._asdict().items():
        if value is not None:
            np.testing.assert_allclose(value, want[name], atol=2e-5, rtol=2e-4, err_msg=name)


def close(got, want):
    """Within what a few roundings of bf16 leave."""
    for a, b in zip(got[:3], want[:3]):
        np.testing.assert_allclose(a.astype(f32), b, atol=0.03 * np.abs(b).max(), rtol=0)


@pytest.mark.parametrize("sq, sk, d, dv", [(1, 1, 1, 1), (17, 40, 33, 19), (97, 193, 64, 16), (200, 391, 72, 130)])
@pytest.mark.parametrize("causal", [None, "top_left", "bottom_right"])
def test_pairs_of_odd_sizes(sq, sk, d, dv, causal):
    options = {"causal": causal} if causal else {}
    given = arrays(RNG(sq), sq=sq, sk=sk, d=d, dv=dv, dtype=bf16)
    close(both(*given, **options), both(*(x.astype(f32) for x in given), **options))


def test_lanes_without_a_query_leave_their_neighbours_alone():
    # The slope at 0, which such a lane has for a score, is infinite.
    given = arrays(RNG(14), sq=17, sk=17, dtype=bf16)
    options = {"score_mod": lambda s, b, h, i, j: attn.sqrt(attn.abs(s))}
    close(both(*given, **options), both(*(x.astype(f32) for x in given), **options))


# ---- finite differences -----------------------------------------------------------------


def differences(f, x, direction, h=1e-5):
    return (f(x + h * direction) - f(x - h * direction)) / (2 * h)


@pytest.fixture(scope="module")
def double():
    """Attention with everything that has a slope, and its gradients, in f64: (forward, gradient)."""
    texts, whole = [], compiler.program
    rng = RNG(3)
    q, k, v, dout = arrays(rng, sq=9, sk=13, d=8, dv=8)
    slopes, table = rng.standard_normal(4).astype(f32), rng.standard_normal(30).astype(f32)

    def mod(s, b, h, i, j):
        y = attn.tanh(s) * slopes[h] + attn.exp(0.3 * s) * attn.sqrt(attn.abs(s) + 1.0)
        y = attn.where(j > i, attn.maximum(y, 0.2 * s), y / (2.0 + attn.cos(s)))
        return y + table[i - j + 13] * s + attn.erf(s) * attn.log(2.0 + attn.sin(s))

    compiler.program = lambda text, *rest: texts.append(text) or whole(text, *rest)
    try:
        both(q, k, v, dout, bias=rng.standard_normal((9, 13)).astype(f32), score_mod=mod, softcap=5.0,
             align="top_left", dlse=np.zeros((1, 4, 9), f32), grads=("bias", "captures"))  # fmt: skip
    finally:
        compiler.program = whole
    return [attn.compile(text.replace("f32", "f64")) for text in texts]


@pytest.mark.parametrize("name", ["q", "k", "v", "bias", "slopes", "table"])
@pytest.mark.parametrize("road", ["oracle", "run"])
def test_finite_differences(double, name, road):
    rng = RNG(4)
    q, k, v, dout = arrays(rng, sq=9, sk=13, d=8, dv=8, dtype=np.float64)
    given = {"q": q, "k": k, "v": v, "bias": rng.standard_normal((9, 13)),
             "slopes": rng.standard_normal(4), "table": rng.standard_normal(30)}
    dlse = rng.standard_normal((1, 4, 9))
    forward, gradient = (getattr(plan, road) for plan in double)

    def number(x):
        out, lse = forward(*x.values())
        return float((out * dout).sum() + (lse * dlse).sum())

    got = gradient(*given.values(), *forward(*given.values()), dout, dlse)
    by = dict(zip(("q", "k", "v", "bias", "slopes", "table"), got))
    for seed in range(3):
        direction = RNG(seed).standard_normal(given[name].shape)
        slope = differences(lambda x: number({**given, name: x}), given[name], direction)
        assert abs(slope - (by[name] * direction).sum()) < 2e-6 * max(1.0, abs(slope))


# ---- nothing leaks, rows that see nothing -------------------------------------------------


# bf16 where the CPU multiplies pairs of it: hidden numbers have a neighbour that is seen.
@pytest.mark.parametrize("dtype", [f32, bf16])
@pytest.mark.parametrize("where", ["k", "v", "q", "dout"])
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_hidden_values_change_no_bit(where, poison, dtype):
    rng = RNG(5)
    given = dict(zip(("q", "k", "v", "dout"), arrays(rng, b=1, sq=71, sk=71, d=17, dv=23, dtype=dtype)))
    mask = rng.random((71, 71)) < 0.5
    row = 33
    mask[:, row] &= where not in ("k", "v")  # nobody sees the key
    mask[row] &= where not in ("q", "dout")  # the query sees nobody
    out, lse = attn.attention(given["q"], given["k"], given["v"], mask=mask, return_lse=True)
    want = attn.attention_grad(*list(given.values())[:3], out, lse, given["dout"], mask=mask)
    bad = {n: x.copy() for n, x in given.items()}
    bad[where][:, :, row] = poison
    got = attn.attention_grad(*list(bad.values())[:3], out, lse, bad["dout"], mask=mask)
    for a, b in zip(got[:3], want[:3]):
        assert a.tobytes() == b.tobytes()


def test_a_nan_that_is_seen_stays_with_those_who_see_it():
    q, k, v, dout = arrays(RNG(6), hq=1, hkv=1, sq=40, sk=40)
    v[0, 0, 39] = np.nan
    got = both(q, k, v, dout, causal=True)
    assert np.isnan(got.dq[0, 0, 39]).all() and np.isfinite(got.dq[0, 0, :39]).all()


def test_rows_that_see_nothing_have_no_gradient():
    q, k, v, dout = arrays(RNG(7), sq=20, sk=9)
    got = both(q, k, v, dout, causal="bottom_right")
    assert not got.dq[:, :, :11].any() and got.dq[:, :, 11:].any()
    got = both(q, k, v, dout, mask=np.zeros((20, 9), bool))
    assert not any(x.any() for x in got[:3])


def test_a_sink_of_an_empty_row_gets_dlse_alone():
    q, k, v, dout = arrays(RNG(8), sq=3, sk=5)
    dlse = np.ones((1, 4, 3), f32)
    sinks = np.zeros(4, f32)
    got = both(q, k, v, dout, mask=np.zeros((3, 5), bool), sinks=sinks, grads="sinks", dlse=dlse)
    np.testing.assert_allclose(got.dsinks, 3.0)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (1, 1)])
def test_empty_and_single(shape):
    q, k, v, dout = arrays(RNG(9), sq=shape[0], sk=shape[1])
    got = both(q, k, v, dout)
    assert [g.shape for g in got[:3]] == [q.shape, k.shape, v.shape]
    assert not got.dq.any() or shape == (1, 1)


# ---- determinism ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [f32, bf16])
def test_the_same_bits_on_any_number_of_threads(dtype):
    rng = RNG(10)
    q, k, v, dout = arrays(rng, hq=2, hkv=1, sq=900, sk=1100, d=64, dv=64, dtype=dtype)
    bias = rng.standard_normal((900, 1100)).astype(f32)
    runs = [both(q, k, v, dout, bias=bias, grads="bias", causal="top_left", num_threads=n)
            for n in (1, 2, 3, 7)]  # fmt: skip
    for other in runs[1:]:
        for a, b in zip(runs[0][:4], other[:4]):
            assert a.tobytes() == b.tobytes()


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out", "lse", "dout", "dlse"])
def test_sizes_that_do_not_agree(name):
    q, k, v, dout = arrays(RNG(11))
    out, lse = attn.attention(q, k, v, return_lse=True)
    state = {"out": out, "lse": lse, "dout": dout, "dlse": lse}
    state[name] = np.ascontiguousarray(state[name][:, :, 1:])
    with pytest.raises(ShapeError, match=f"expects {name} to be f32 of shape"):
        attn.attention_grad(q, k, v, **state)


@pytest.mark.parametrize("name", ["out", "lse", "dout", "dlse"])
def test_sizes_that_do_not_agree_in_compiled_code(name):
    # attention_grad_r1, on both roads
    q, k, v, dout = arrays(RNG(12))
    out, lse = attn.attention(q, k, v, return_lse=True)
    from attn import frontend, ir

    t = ir.TensorType("f32", (None, None, None, 16))
    text = frontend.grad_module_text(ir.AttentionGrad(ir.Attention(t, t, t), True))
    plan = attn.compile(text)
    state = {"out": out, "lse": lse, "dout": dout, "dlse": lse}
    plan.run(q, k, v, *state.values())
    state[name] = np.ascontiguousarray(state[name][:, :, 1:])
    for run in (plan.run, plan.oracle):
        with pytest.raises(AttnError, match=f"attention_grad' op expects {name} to"):
            run(q, k, v, *state.values())


def test_captured_indices_have_no_gradient_and_leave_the_others_theirs():
    q, k, v, dout = arrays(RNG(15), b=2)
    table, ids = RNG(16).standard_normal(3).astype(f32), np.arange(17, dtype=np.int32) % 3
    dense = np.ascontiguousarray(table[ids])
    got = both(q, k, v, dout, score_mod=lambda s, b, h, i, j: s + table[ids[j]], grads="captures")
    want = both(q, k, v, dout, score_mod=lambda s, b, h, i, j: s + dense[j], grads="captures")
    assert got.dcaptures[0] is None  # the indices are read first
    np.testing.assert_allclose(
        got.dcaptures[1], np.bincount(ids, want.dcaptures[0], 3), atol=1e-5, rtol=1e-5
    )


def test_what_has_no_gradient_is_refused():
    q, k, v, dout = arrays(RNG(13))
    ids = np.zeros(4, np.int32)
    with pytest.raises(ShapeError, match="expects floats, but got i32"):
        both(q, k, v, dout, score_mod=lambda s, b, h, i, j: s * ids[h], grads="captures")
    with pytest.raises(ShapeError, match="grads expects names among bias"):
        both(q, k, v, dout, grads="scale")
    with pytest.raises(ShapeError, match="grads expects operands that are given"):
        both(q, k, v, dout, grads="bias")
    with pytest.raises(CompileError, match="'math.floor' op has no derivative"):
        both(q, k, v, dout, score_mod=lambda s, b, h, i, j: attn.floor(s))
    with pytest.raises(ShapeError, match="gradients have no GPU kernels yet"):
        attn.attention_grad(q, k, v, q, q, q, device="emulated")
    with pytest.raises(CompileError, match="but got attention_grad"):
        attn.jit(lambda q, k, v, o, l, g: attn.attention_grad(q, k, v, o, l, g))(
            q, k, v, *attn.attention(q, k, v, return_lse=True), dout
        )


def test_gpu_targets_are_refused_with_the_reason():
    from attn import frontend, ir

    t = ir.TensorType("f16", (None, None, None, 64))
    text = frontend.grad_module_text(ir.AttentionGrad(ir.Attention(t, t, t)))
    with pytest.raises(CompileError, match="gradients have no GPU kernels yet"):
        attn.compile(text, target="sm_80")


# ---- what is told ---------------------------------------------------------------------------------

PAGED = """
func.func @main(%q: tensor<2x4x480x40xT>, %k: tensor<9x2x64x40xT>, %v: tensor<9x2x64x24xT>, %o: tensor<2x4x480x24xT>,
                %t: tensor<2x1x9xi32>, %lse: tensor<2x4x480xS>)
    -> (tensor<2x4x480x40xT>, tensor<9x2x64x40xT>, tensor<9x2x64x24xT>) {
  %dq, %dk, %dv = attn.attention_grad %q, %k, %v page_table(%t : tensor<2x1x9xi32>)
      out(%o : tensor<2x4x480x24xT>) lse(%lse : tensor<2x4x480xS>) dout(%o : tensor<2x4x480x24xT>)
      {page_size = 64 : i64} : tensor<2x4x480x40xT>, tensor<9x2x64x40xT>, tensor<9x2x64x24xT>
      -> tensor<2x4x480x40xT>, tensor<9x2x64x40xT>, tensor<9x2x64x24xT>
  return %dq, %dk, %dv : tensor<2x4x480x40xT>, tensor<9x2x64x40xT>, tensor<9x2x64x24xT>
}
"""


@pytest.mark.parametrize("dtype", ["f32", "bf16", "f64"])
@pytest.mark.parametrize("target", ["host", "generic"])
def test_explain_says_what_a_gradient_keeps(dtype, target):
    text = PAGED.replace("xT>", f"x{dtype}>").replace("xS>", "xf64>" if dtype == "f64" else "xf32>")
    plan = attn.compile(text, target=target)
    told = plan.explain()
    assert re.search(r"gradient 0: blocks of \d+ queries .* as many parts, of \d+ or more, as make 32 tasks", told)
    assert "gradient 0: reads page_table, pages" in told and "attention 0" not in told
    query, key = map(int, re.search(r"keeps (\d+) bytes per query of a head and (\d+) per key slot", told).groups())
    # The sizes are multiples of every block and tile, so that nothing is padded.
    sizes = {"f32": 4, "i32": 4, "f64": 8}
    made = re.findall(r"memref\.alloc\(\).* : memref<([\dx]+)x(f32|i32|f64)>", plan.mlir("lowered"))
    assert sum(math.prod(map(int, shape.split("x"))) * sizes[t] for shape, t in made) == (
        query * 2 * 4 * 480 + key * 2 * 2 * 9 * 64
    )


# ---- torch -------------------------------------------------------------------------------------------


def test_torch_autograd():
    torch = pytest.importorskip("torch")
    g = torch.Generator().manual_seed(0)
    make = lambda *s: torch.randn(*s, generator=g, requires_grad=True)  # noqa: E731
    q, k, v = make(2, 4, 33, 16), make(2, 2, 33, 16), make(2, 2, 33, 16)
    dout = torch.randn(2, 4, 33, 16, generator=g)
    theirs = torch.nn.functional.scaled_dot_product_attention
    want = torch.autograd.grad(theirs(q, k, v, is_causal=True, enable_gqa=True), (q, k, v), dout)
    got = torch.autograd.grad(attn.attention(q, k, v, causal=True), (q, k, v), dout)
    for a, b in zip(got, want):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=2e-4)
    shim = attn.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    for a, b in zip(torch.autograd.grad(shim, (q, k, v), dout), want):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=2e-4)


def test_torch_bias_sinks_and_lse():
    torch = pytest.importorskip("torch")
    g = torch.Generator().manual_seed(1)
    make = lambda *s: torch.randn(*s, generator=g, requires_grad=True)  # noqa: E731
    q, k, v, bias, sinks = make(1, 2, 9, 8), make(1, 2, 9, 8), make(1, 2, 9, 8), make(9, 9), make(2)
    out, lse = attn.attention(q, k, v, bias=bias, sinks=sinks, return_lse=True)
    (out.sin().sum() + lse.cos().sum()).backward()
    p = [x.detach().clone().requires_grad_() for x in (q, k, v, bias, sinks)]
    s = p[0] @ p[1].transpose(2, 3) / 8**0.5 + p[3]
    lse = torch.logsumexp(torch.cat([s, p[4].view(1, 2, 1, 1).expand(1, 2, 9, 1)], 3), 3)
    out = torch.exp(s - lse[..., None]) @ p[2]
    (out.sin().sum() + lse.cos().sum()).backward()
    for a, b in zip((q, k, v, bias, sinks), p):
        torch.testing.assert_close(a.grad, b.grad, atol=2e-5, rtol=2e-4)


def test_torch_refuses_double_backward_and_knows_no_grad():
    torch = pytest.importorskip("torch")
    q = torch.randn(1, 1, 5, 8, requires_grad=True)
    (dq,) = torch.autograd.grad(attn.attention(q, q, q).sum(), q, create_graph=True)
    with pytest.raises(CompileError, match="has no double backward"):
        torch.autograd.grad(dq.sum(), q)
    with torch.no_grad():
        assert not attn.attention(q, q, q).requires_grad


@pytest.mark.parametrize("dim", [1, 40, 64, 65, 130, 256])
def test_a_row_that_sees_one_key_pulls_at_nothing(dim):
    """Its weight is 1 whatever the score is: dout . v and dout . out are the same sum, and dq is 0 to the last bit."""
    rng = np.random.default_rng(dim)
    q, k = (rng.standard_normal((2, 3, 37, 24), np.float32) for _ in range(2))
    v, dout = (rng.standard_normal((2, 3, 37, dim), np.float32) for _ in range(2))
    lengths = np.array([37, 1], np.int32)
    out, lse = attn.attention(q, k, v, causal="bottom_right", kv_lengths=lengths, q_lengths=lengths, return_lse=True)
    grads = attn.attention_grad(q, k, v, out, lse, dout, causal="bottom_right", kv_lengths=lengths, q_lengths=lengths)
    assert (np.asarray(grads.dq)[:, :, 0] == 0).all()
    assert (np.asarray(grads.dk)[1] == 0).all()
    assert (np.asarray(grads.dq)[0, :, 1:] != 0).any()
