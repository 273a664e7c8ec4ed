# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Gradients of pools: pages gathered by hand, finite differences, leaks, threads, bad input, torch."""

import ml_dtypes
import numpy as np
import pytest

import attn
from attn import compiler
from attn.errors import AttnError, ShapeError
from attn.reference import attention_grad as reference_grad

f32, f16, bf16 = np.float32, np.float16, ml_dtypes.bfloat16
RNG = np.random.default_rng


def draw_table(rng, b, heads, per, pages, missing=0.2):
    """Pages in random order, none twice in a row, shared between rows, some missing."""
    table = np.full((b, heads, per), -1, np.int32)
    for row in table.reshape(b * heads, per):
        count = min(per, pages)
        row[rng.permutation(per)[:count]] = rng.permutation(pages)[:count]
        row[rng.random(per) < missing] = -1
    return table


def problem(rng, b=2, hq=4, hkv=2, sq=19, per=5, pages=9, page=8, d=16, dv=16, heads=1, dtype=f32):
    shapes = [(b, hq, sq, d), (pages, hkv, page, d), (pages, hkv, page, dv), (b, hq, sq, dv)]
    q, k, v, dout = (rng.standard_normal(s).astype(dtype) for s in shapes)
    return q, k, v, dout, draw_table(rng, b, heads, per, pages)


def rows_of(table, hkv, page):
    """Page, head and offset of every slot [B, Hkv, S], and which are there."""
    pages = np.repeat(np.broadcast_to(table, (table.shape[0], hkv, table.shape[2])), page, axis=2)
    heads = np.arange(hkv)[None, :, None]
    offsets = np.broadcast_to(np.arange(pages.shape[2]) % page, pages.shape)
    return (np.maximum(pages, 0), np.broadcast_to(heads, pages.shape), offsets), pages >= 0


def gather(pool, table):
    at, there = rows_of(table, pool.shape[1], pool.shape[2])
    return np.where(there[..., None], pool[at], np.zeros((), pool.dtype))


def scatter(grad, like, table):
    """What sequences give to the pages that they share, summed in float64."""
    at, there = rows_of(table, like.shape[1], like.shape[2])
    total = np.zeros(like.shape, np.float64)
    np.add.at(total, at, np.where(there[..., None], np.asarray(grad, np.float64), 0.0))
    return total


def both(q, k, v, dout, **options):
    extra = {n: options.pop(n) for n in ("grads", "dlse", "num_threads") if n in options}
    out, lse = attn.attention(q, k, v, return_lse=True, **options)
    return attn.attention_grad(q, k, v, out, lse, dout, **extra, **options)


def present_mask(table, hq, hkv, page, sq):
    """[B, Hq, Sq, S]: the slots of pages that are there."""
    _, there = rows_of(table, hkv, page)
    wide = np.repeat(there, hq // hkv, axis=1)
    return np.repeat(wide[:, :, None], sq, axis=2)


# ---- against the float64 twin, over pages gathered by hand -------------------------------------


@pytest.mark.parametrize("seed", range(16))
def test_random_problems(seed):
    rng = RNG(seed)
    pick = lambda *values: values[rng.integers(len(values))]  # noqa: E731
    dtype, heads, hkv = pick(f32, f32, bf16, f16), 1, pick(1, 2, 3)
    if rng.random() < 0.4:
        heads = hkv
    page, per, b, sq, group = pick(8, 16, 64), pick(1, 3, 7, 20), pick(1, 2, 4), pick(1, 7, 50, 130), pick(1, 2)
    d, dv, hq = pick(8, 17, 64), pick(8, 33, 64), hkv * group
    q, k, v, dout, table = problem(rng, b, hq, hkv, sq, per, per + pick(0, 3), page, d, dv, heads, dtype)
    keys = per * page
    options, mask, twin, grads = {}, present_mask(table, hq, hkv, page, sq), {}, []
    if rng.random() < 0.5:
        lengths = rng.integers(0, keys + 1, b).astype(np.int32)
        options["kv_lengths"] = lengths
        mask &= np.arange(keys) < lengths[:, None, None, None]
    if rng.random() < 0.4:
        options["causal"] = "top_left"
        mask &= np.tril(np.ones((sq, keys), bool))
    elif rng.random() < 0.4:
        options["mask"] = rng.random((sq, keys)) < 0.6
        mask &= options["mask"]
    if rng.random() < 0.3:
        twin["bias"] = options["bias"] = rng.standard_normal((hq, 1, keys)).astype(f32)
        grads.append("bias")
    if rng.random() < 0.3:
        w = rng.standard_normal((b, hkv, keys)).astype(f32)
        twin["log_weight"] = options["log_weight"] = w
        grads.append("log_weight")
    if rng.random() < 0.3:
        twin["sinks"] = options["sinks"] = rng.standard_normal(hq).astype(f32)
        grads.append("sinks")
    if rng.random() < 0.3:
        twin["softcap"] = options["softcap"] = 2.0
    got = both(q, k, v, dout, page_table=table, grads=grads, **options)
    want = reference_grad(q, gather(k, table), gather(v, table), dout, mask=mask, **twin)
    want["dk"], want["dv"] = scatter(want["dk"], k, table), scatter(want["dv"], v, table)
    assert got.dk.shape == k.shape and got.dv.shape == v.shape and got.dk.dtype == dtype
    share = {f32: 2e-5, f16: 6e-3, bf16: 3e-2}[dtype]
    for name, value in got._asdict().items():
        if value is not None:
            size = np.abs(want[name]).max(initial=1.0)
            np.testing.assert_allclose(value.astype(np.float64), want[name], atol=share * size, rtol=0, err_msg=name)


@pytest.mark.parametrize("dtype", [f32, bf16, f16])
def test_pages_of_one_sequence_each_have_the_bits_of_gathered_keys(dtype):
    # Slots are summed alike, and no page has anything to add to.
    rng = RNG(31)
    q, k, v, dout, _ = problem(rng, sq=70, per=9, pages=20, page=16, d=33, dv=24, dtype=dtype)
    table = rng.permutation(20)[:18].astype(np.int32).reshape(2, 1, 9)
    table[0, 0, 4] = table[1, 0, 8] = -1
    mask = present_mask(table, 4, 2, 16, 70)
    got = both(q, k, v, dout, page_table=table)
    want = both(q, gather(k, table), gather(v, table), dout, mask=mask)
    assert got.dq.tobytes() == want.dq.tobytes()
    for pool, rows in ((got.dk, want.dk), (got.dv, want.dv)):
        assert pool.tobytes() == scatter(rows, pool, table).astype(dtype).tobytes()


# ---- finite differences ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def double():
    """Attention over pages and its gradients in f64: (forward, gradient)."""
    texts, whole = [], compiler.program
    q, k, v, dout, table = problem(RNG(1))
    lengths = np.array([40, 13], np.int32)
    compiler.program = lambda text, *rest: texts.append(text) or whole(text, *rest)
    try:
        both(q, k, v, dout, page_table=table, kv_lengths=lengths, softcap=3.0,
             score_mod=lambda s, b, h, i, j: attn.tanh(s) + s * 0.5 + 0.01 * (j - i), align="top_left",
             dlse=np.zeros((2, 4, 19), f32))  # fmt: skip
    finally:
        compiler.program = whole
    return [attn.compile(text.replace("f32", "f64")) for text in texts]


@pytest.mark.parametrize("name", ["q", "k", "v"])
@pytest.mark.parametrize("road", ["oracle", "run"])
def test_finite_differences(double, name, road):
    rng = RNG(2)
    q, k, v, dout, table = problem(rng, dtype=np.float64)
    table[1, 0, :2] = table[0, 0, 3], -1  # for sure one that is shared and one that is missing
    table[1, 0, 2:] = [p for p in range(9) if p not in table[1, 0]][:3]
    given, lengths = {"q": q, "k": k, "v": v}, np.array([40, 29], np.int32)
    dlse = rng.standard_normal((2, 4, 19))
    forward, gradient = (getattr(plan, road) for plan in double)

    def number(x):
        out, lse = forward(*x.values(), lengths, table)
        return float((out * dout).sum() + np.where(np.isfinite(lse), lse * dlse, 0.0).sum())

    got = gradient(*given.values(), lengths, table, *forward(*given.values(), lengths, table), dout, dlse)
    by = dict(zip(("q", "k", "v"), got))
    for seed in range(3):
        direction, h = RNG(seed).standard_normal(given[name].shape), 1e-5
        ahead, back = (number({**given, name: given[name] + step * direction}) for step in (h, -h))
        slope = (ahead - back) / (2 * h)
        assert abs(slope - (by[name] * direction).sum()) < 2e-6 * max(1.0, abs(slope))


# ---- nothing leaks ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [f32, bf16])
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_pages_and_slots_that_nobody_sees(poison, dtype):
    rng = RNG(3)
    q, k, v, dout, _ = problem(rng, sq=70, per=4, pages=11, page=16, d=17, dv=23, dtype=dtype)
    # Page 5 is listed by nobody, page 9 beyond the lengths alone, and page 2 ends 3 slots beyond them.
    table = np.array([[[3, 8, 2, 9]], [[2, -1, 8, 9]]], np.int32)
    lengths = np.array([45, 48], np.int32)
    table[1, 0, 0] = 6
    options = {"page_table": table, "kv_lengths": lengths}
    out, lse = attn.attention(q, k, v, return_lse=True, **options)
    want = attn.attention_grad(q, k, v, out, lse, dout, **options)
    for pool in (k, v):
        pool[[0, 1, 4, 5, 7, 9, 10]] = poison
        pool[2, :, 13:] = poison
    got = attn.attention_grad(q, k, v, out, lse, dout, **options)
    for a, b in zip(got[:3], want[:3]):
        assert a.tobytes() == b.tobytes()
    for grad in got[1:3]:
        assert not grad[[0, 1, 4, 5, 7, 9, 10]].any() and not grad[2, :, 13:].any()
        assert all(grad[page].any() for page in (2, 3, 6, 8))


@pytest.mark.parametrize("per, pages", [(0, 3), (3, 0), (2, 1)])
def test_no_entries_no_pages_and_more_entries_than_pages(per, pages):
    rng = RNG(4)
    q, k, v, dout, table = problem(rng, per=per, pages=pages)
    got = both(q, k, v, dout, page_table=table)
    assert [g.shape for g in got[:3]] == [q.shape, k.shape, v.shape]
    if not per:
        assert not any(g.any() for g in got[:3])


def test_a_table_of_rank_two_and_pools_that_are_views():
    q, k, v, dout, table = problem(RNG(5))
    want = both(q, k, v, dout, page_table=table)
    wide = [np.stack([x, x], axis=3)[:, :, :, 0] for x in (k, v)]
    got = both(q, *wide, dout, page_table=table[:, 0])
    for a, b in zip(got[:3], want[:3]):
        assert a.tobytes() == b.tobytes()


# ---- determinism -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [f32, bf16])
@pytest.mark.parametrize("heads", [1, 2])
def test_the_same_bits_on_any_number_of_threads(dtype, heads):
    rng = RNG(6)
    q, k, v, dout, table = problem(rng, 3, 4, 2, 300, 40, 44, 16, 64, 64, heads, dtype)
    runs = [both(q, k, v, dout, page_table=table, causal="bottom_right", num_threads=n) for n in (1, 2, 7)]
    for other in runs[1:]:
        for a, b in zip(runs[0][:3], other[:3]):
            assert a.tobytes() == b.tobytes()


# ---- bad input -------------------------------------------------------------------------------


def test_what_does_not_agree_is_refused():
    q, k, v, dout, table = problem(RNG(7))
    out, lse = attn.attention(q, k, v, page_table=table, return_lse=True)
    grad = lambda *a, **o: attn.attention_grad(*a, out, lse, dout, **o)  # noqa: E731
    bad = table.copy()
    bad[1, 0, 2] = 9
    with pytest.raises(AttnError, match=r"a page from 0 to 8, but got 9 in row \[1, 0\], entry 2"):
        grad(q, k, v, page_table=bad)
    with pytest.raises(AttnError, match="'attn.attention_grad' op expects k and v to have the same page count"):
        grad(q, k, v[:-1], page_table=table)
    with pytest.raises(ShapeError, match="page_size expects a page_table"):
        grad(q, k, v, page_size=8)
    with pytest.raises(AttnError, match="causal=True over 19 queries and 40 keys|19.*40"):
        grad(q, k, v, page_table=table, causal=True)


# ---- torch -----------------------------------------------------------------------------------


def torch_problem():
    torch = pytest.importorskip("torch")
    q, k, v, dout, _ = problem(RNG(8))
    table = draw_table(RNG(9), 2, 1, 5, 9, missing=0.0)
    lengths = torch.tensor([40, 27], dtype=torch.int32)
    leaves = [torch.from_numpy(x).requires_grad_() for x in (q, k, v)]
    return torch, leaves, torch.from_numpy(dout), torch.from_numpy(table), lengths


def test_torch_autograd():
    torch, (q, k, v), dout, table, lengths = torch_problem()
    at = table[:, 0].long()
    wide = [x[at].transpose(1, 2).flatten(2, 3) for x in (k, v)]
    mask = (torch.arange(40) < lengths[:, None])[:, None, None]
    theirs = torch.nn.functional.scaled_dot_product_attention(q, *wide, attn_mask=mask, enable_gqa=True)
    want = torch.autograd.grad(theirs, (q, k, v), dout)
    ours = attn.attention(q, k, v, page_table=table, kv_lengths=lengths)
    for a, b in zip(torch.autograd.grad(ours, (q, k, v), dout), want):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=2e-4)
    swapped = [x.transpose(1, 2) for x in (q, k, v)]
    ours = attn.attention(*swapped, page_table=table, kv_lengths=lengths, layout="bshd").transpose(1, 2)
    for a, b in zip(torch.autograd.grad(ours, (q, k, v), dout), want):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=2e-4)


def test_torch_sees_a_table_that_changed():
    torch, (q, k, v), dout, table, lengths = torch_problem()
    out = attn.attention(q, k, v, page_table=table, kv_lengths=lengths)
    table[0, 0, 0] = 8
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(out, q, dout)
