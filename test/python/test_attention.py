# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiled attention against ten lines of numpy and against the float64 oracle."""

from __future__ import annotations

import re

import ml_dtypes
import numpy as np
import pytest

import attn
from attn import reference
from conftest import BUILD

RNG = np.random.default_rng(11)
BF16 = ml_dtypes.bfloat16
EPS = {"float64": 1e-14, "float32": 2e-6, "float16": 2e-3, "bfloat16": 1.6e-2}


def rand(*shape, dtype=np.float32):
    return RNG.standard_normal(shape).astype(dtype)


def i32(*values):
    return np.array(values, np.int32)


def near(got, want, dtype, scale=1.0):
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape
    assert (np.isneginf(got) == np.isneginf(want)).all()
    assert (np.isnan(got) == np.isnan(want)).all()
    finite = np.isfinite(want)
    error = np.abs(got[finite] - want[finite]).max(initial=0)
    assert error <= EPS[np.dtype(dtype).name] * max(1.0, scale), error


def check(q, k, v, expected, **named):
    """Compares a call with (out, lse) of the reference, and with the oracle."""
    out, lse = attn.attention(q, k, v, return_lse=True, **named)
    assert out.dtype == q.dtype
    assert lse.dtype == (np.float64 if q.dtype == np.float64 else np.float32)
    big = float(np.nanmax(np.abs(np.asarray(v, np.float64)), initial=0))
    near(out, expected[0], q.dtype, big)
    state = "float64" if q.dtype == np.float64 else "float32"
    near(lse, expected[1], state, max(4.0, np.abs(lse[np.isfinite(lse)]).max(initial=0)))
    plan = attn.compile(attn.attention, q, k, v, return_lse=True, **named)
    arrays = [x for x in named.values() if isinstance(x, np.ndarray)]
    oracle_out, oracle_lse = plan.oracle(q, k, v, *arrays)
    near(oracle_out, expected[0], "float64", 1e3 * big)
    near(oracle_lse, expected[1], "float64", 1e4)
    return out, lse


def causal(lq, lk, align):
    return attn.Causal().dense(lq, lk, align=align)


# ---- dtypes, shapes ------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, BF16])
def test_dtypes(dtype):
    q, k, v = rand(2, 4, 37, 64, dtype=dtype), rand(2, 2, 91, 64, dtype=dtype), rand(2, 2, 91, 64, dtype=dtype)  # fmt: skip
    check(q, k, v, reference.attention(q, k, v))


@pytest.mark.parametrize("d, dv", [(1, 1), (3, 5), (16, 64), (80, 80), (128, 128), (256, 256)])
def test_head_dims(d, dv):
    q, k, v = rand(1, 2, 19, d), rand(1, 2, 33, d), rand(1, 2, 33, dv)
    check(q, k, v, reference.attention(q, k, v))


@pytest.mark.parametrize("lq, lk", [(1, 1), (1, 300), (7, 5), (64, 64), (130, 257), (300, 1)])
@pytest.mark.parametrize("b, hq, hkv", [(1, 1, 1), (2, 6, 2)])
def test_lengths_and_heads_are_run_time_values(lq, lk, b, hq, hkv):
    q, k, v = rand(b, hq, lq, 32), rand(b, hkv, lk, 32), rand(b, hkv, lk, 32)
    check(q, k, v, reference.attention(q, k, v))


@pytest.mark.parametrize("b, h, lq, lk", [(0, 2, 3, 3), (2, 0, 3, 3), (2, 2, 0, 3)])
def test_fault_08_zero_sizes(b, h, lq, lk):
    q, k = rand(b, h, lq, 32), rand(b, h, lk, 32)
    out, lse = attn.attention(q, k, k, return_lse=True)
    assert out.shape == (b, h, lq, 32) and lse.shape == (b, h, lq)


def test_fault_08_no_keys_give_zero_and_minus_infinity():
    q, k = rand(2, 2, 3, 32), rand(2, 2, 0, 32)
    out, lse = attn.attention(q, k, k, return_lse=True)
    assert (out == 0).all() and np.isneginf(lse).all()


def test_scale_and_softcap():
    q, k, v = rand(1, 2, 20, 64), rand(1, 2, 30, 64), rand(1, 2, 30, 64)
    check(q, k, v, reference.attention(q, k, v, scale=0.5, softcap=3.0), scale=0.5, softcap=3.0)


# ---- masks ---------------------------------------------------------------------------


@pytest.mark.parametrize("align", ["top_left", "bottom_right"])
@pytest.mark.parametrize("lq, lk", [(40, 40), (17, 90), (90, 17), (1, 200)])
def test_causal(align, lq, lk):
    q, k, v = rand(1, 2, lq, 64), rand(1, 1, lk, 64), rand(1, 1, lk, 64)
    want = reference.attention(q, k, v, mask=causal(lq, lk, align))
    check(q, k, v, want, causal=align)
    if lq == lk:
        check(q, k, v, want, causal=True)


@pytest.mark.parametrize(
    "mask",
    [
        attn.Causal() & attn.Window(9, 0),
        attn.Window(5, 3),
        attn.Causal() & attn.Window(20, None) | attn.Prefix(6),
        attn.Prefix(11),
        attn.Prefix(0),
    ],
    ids=repr,
)
def test_structured_masks(mask):
    q, k, v = rand(1, 2, 50, 64), rand(1, 2, 70, 64), rand(1, 2, 70, 64)
    dense = mask.dense(50, 70, align="bottom_right")
    check(q, k, v, reference.attention(q, k, v, mask=dense), mask=mask, align="bottom_right")


@pytest.mark.parametrize("shape", [(30,), (20, 30), (1, 30), (2, 1, 20, 30), (2, 4, 20, 30), (4, 1, 30)])
def test_mask_tensors_broadcast(shape):
    q, k, v = rand(2, 4, 20, 64), rand(2, 2, 30, 64), rand(2, 2, 30, 64)
    mask = RNG.random(shape) < 0.6
    check(q, k, v, reference.attention(q, k, v, mask=mask), mask=mask)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("shape", [(30,), (20, 30), (2, 1, 20, 30), (1, 4, 1, 30)])
def test_biases_broadcast(shape, dtype):
    q, k, v = (rand(2, 4, n, 64, dtype=dtype) for n in (20, 30, 30))
    for bias in (rand(*shape), rand(*shape, dtype=dtype)):
        check(q, k, v, reference.attention(q, k, v, bias=bias.astype(np.float64)), bias=bias)


def test_lengths():
    q, k, v = rand(3, 2, 10, 64), rand(3, 2, 20, 64), rand(3, 2, 20, 64)
    lengths = i32(20, 7, 0)
    mask = np.arange(20) < lengths[:, None, None, None]
    check(q, k, v, reference.attention(q, k, v, mask=mask), kv_lengths=lengths)
    # Queries beyond their length see nothing; bottom-right aligns what is valid.
    queries = i32(10, 4, 3)
    seen = np.zeros((3, 1, 10, 20), bool)
    for b in range(3):
        n, m = queries[b], lengths[b]
        seen[b, 0, :n, :m] = causal(n, m, "bottom_right") if m else False
    check(
        q, k, v, reference.attention(q, k, v, mask=seen), kv_lengths=lengths, q_lengths=queries,
        causal="bottom_right",
    )  # fmt: skip


def test_positions():
    q, k, v = rand(2, 2, 5, 64), rand(2, 2, 9, 64), rand(2, 2, 9, 64)
    qp = np.stack([RNG.permutation(9)[:5], RNG.permutation(9)[:5]]).astype(np.int32)
    kp = RNG.permutation(9)[None].astype(np.int32)
    mask = kp[:, None, None, :] <= qp[:, None, :, None]
    check(q, k, v, reference.attention(q, k, v, mask=mask), causal=True, q_positions=qp, kv_positions=kp)  # fmt: skip


def test_documents_by_segments_and_by_boundaries():
    cu = i32(0, 11, 11, 30)
    ids = np.repeat([0, 2], [11, 19])[None].astype(np.int32)
    q, k, v = rand(1, 2, 30, 64), rand(1, 2, 30, 64), rand(1, 2, 30, 64)
    mask = (attn.Document(cu) & attn.Causal()).dense(30)
    want = reference.attention(q, k, v, mask=mask)
    check(q, k, v, want, causal="top_left", cu_seqlens_q=cu, cu_seqlens_kv=cu)
    check(q, k, v, want, causal="top_left", q_segments=ids, kv_segments=ids)
    out = attn.attention(q, k, v, mask=attn.Document(cu) & attn.Causal())
    near(out, want[0], np.float32, 4)


def test_packed_layout():
    cu_q, cu_k = i32(0, 3, 10), i32(0, 8, 20)
    q, k, v = rand(10, 4, 64), rand(20, 2, 64), rand(20, 2, 64)
    out, lse = attn.attention(q, k, v, layout="thd", causal="bottom_right", cu_seqlens_q=cu_q,
                              cu_seqlens_kv=cu_k, return_lse=True)  # fmt: skip
    assert out.shape == (10, 4, 64) and lse.shape == (4, 10)
    for a, b, c, d in ((0, 3, 0, 8), (3, 10, 8, 20)):
        part = [x.swapaxes(0, 1)[None] for x in (q[a:b], k[c:d], v[c:d])]
        want = reference.attention(*part, mask=causal(b - a, d - c, "bottom_right"))
        near(out[a:b].swapaxes(0, 1), want[0][0], np.float32, 4)
        near(lse[:, a:b], want[1][0], np.float32, 8)
    into = np.empty_like(out), np.empty_like(lse)
    attn.attention(q, k, v, layout="thd", causal="bottom_right", cu_seqlens_q=cu_q,
                   cu_seqlens_kv=cu_k, return_lse=True, out=into)  # fmt: skip
    assert (into[0] == out).all() and (into[1] == lse).all()


def test_prefix_per_batch():
    q, k, v = rand(2, 2, 12, 64), rand(2, 2, 12, 64), rand(2, 2, 12, 64)
    lengths = i32(3, 9)
    mask = causal(12, 12, "top_left") | (np.arange(12) < lengths[:, None, None, None])
    out = attn.attention(q, k, v, mask=attn.Causal() | attn.Prefix(lengths))
    near(out, reference.attention(q, k, v, mask=mask)[0], np.float32, 4)


def test_sinks_and_log_weights():
    q, k, v = rand(2, 4, 15, 64), rand(2, 2, 25, 64), rand(2, 2, 25, 64)
    sinks, weight = rand(4), rand(1, 2, 25)
    weight[0, 1, 4:9] = -np.inf
    check(q, k, v, reference.attention(q, k, v, sinks=sinks), sinks=sinks)
    check(q, k, v, reference.attention(q, k, v, log_weight=weight), log_weight=weight)
    want = reference.attention(q, k, v, mask=False, sinks=sinks)
    check(q, k, v, want, mask=np.zeros(25, bool), sinks=sinks)


@pytest.mark.parametrize("groups", [1, 2])
def test_pages(groups):
    page, pools = 16, 12
    k_pool, v_pool = rand(pools, 2, page, 64), rand(pools, 2, page, 48)
    table = np.full((2, groups, 4), -1, np.int32)
    for b in range(2):
        for h in range(groups):
            table[b, h, : 3 + b] = RNG.permutation(pools)[: 3 + b]
    table[0, 0, 1] = -1  # a hole
    q, lengths = rand(2, 4, 5, 64), i32(45, 60)
    k, v = np.zeros((2, 2, 64, 64), np.float32), np.zeros((2, 2, 64, 48), np.float32)
    present = np.zeros((2, 2, 64), bool)
    for b in range(2):
        for h in range(2):
            for n, p in enumerate(table[b, h % groups]):
                if p >= 0:
                    rows = slice(n * page, (n + 1) * page)
                    k[b, h, rows], v[b, h, rows] = k_pool[p, h], v_pool[p, h]
                    present[b, h, rows] = True
    present &= np.arange(64) < lengths[:, None, None]
    mask = np.repeat(present, 2, axis=1)[:, :, None, :]
    want = reference.attention(q, k, v, mask=mask)
    check(q, k_pool, v_pool, want, page_table=table, kv_lengths=lengths)


# ---- score_mod and mask_mod ----------------------------------------------------------------


def test_score_mod_with_captures():
    q, k, v = rand(2, 4, 20, 64), rand(2, 4, 20, 64), rand(2, 4, 20, 64)
    slopes, table = rand(4), rand(4, 8, dtype=np.float16)

    def mod(s, b, h, i, j):
        near = attn.minimum(abs(i - j), 7)
        return attn.where(i >= j, s - slopes[h] * abs(i - j), attn.tanh(s)) + table[h, near] * b

    i, j = np.arange(20)[:, None], np.arange(20)[None]
    s = np.einsum("bhid,bhjd->bhij", *(x.astype(np.float64) for x in (q, k))) / 8
    distance = np.abs(i - j)
    moded = np.where(i >= j, s - slopes[:, None, None] * distance, np.tanh(s))
    moded += table.astype(float)[:, np.minimum(distance, 7)] * np.arange(2)[:, None, None, None]
    out = attn.attention(q, k, v, score_mod=mod)
    near(out, reference.attention(q, k, v, bias=moded - s)[0], np.float32, 8)


def test_mask_mods():
    q, k, v = rand(2, 2, 40, 64), rand(2, 2, 40, 64), rand(2, 2, 40, 64)
    keep = RNG.random((2, 40)) < 0.5
    i, j = np.arange(40)[:, None], np.arange(40)[None]
    for mod, mask in (
        (lambda b, h, q, kv: q >= kv, i >= j),
        (lambda b, h, q, kv: (q >= kv) & (kv % 3 == 0), (i >= j) & (j % 3 == 0)),
        (lambda b, h, q, kv: (h == 1) | (q != kv), np.stack([i != j, i == i + 0 * j])),
        (lambda b, h, q, kv: keep[b, kv] | (q == kv), keep[:, None, None, :] | (i == j)),
    ):
        out = attn.attention(q, k, v, mask_mod=mod)
        near(out, reference.attention(q, k, v, mask=mask)[0], np.float32, 4)


def test_document_mask_mod_runs_as_documents():
    ids = np.repeat(np.arange(5, dtype=np.int32), 8)
    q = rand(1, 2, 40, 64)
    out = attn.attention(q, q, q, mask_mod=lambda b, h, i, j: (ids[i] == ids[j]) & (i >= j))
    mask = (ids[:, None] == ids) & (np.arange(40)[:, None] >= np.arange(40))
    near(out, reference.attention(q, q, q, mask=mask)[0], np.float32, 4)
    # Ids for more slots than there are queries: indexed, not matched.
    longer = np.repeat(np.arange(6, dtype=np.int32), 8)
    out = attn.attention(q, q, q, mask_mod=lambda b, h, i, j: longer[i] == longer[j])
    near(out, reference.attention(q, q, q, mask=ids[:, None] == ids)[0], np.float32, 4)


def test_captured_arrays_are_read_anew_at_each_call():
    q = rand(1, 2, 6, 64)
    table = np.zeros(6, np.float32)
    mod = lambda s, b, h, i, j: s + table[j]  # noqa: E731
    plain = attn.attention(q, q, q, score_mod=mod)
    table[3] = 2.0
    bias = table[None, :]
    near(attn.attention(q, q, q, score_mod=mod), reference.attention(q, q, q, bias=bias)[0], np.float32, 4)  # fmt: skip
    table = np.zeros(6, np.float32)
    assert (attn.attention(q, q, q, score_mod=mod) == plain).all()


# ---- what must not leak, what must not crash ---------------------------------------------


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("where", ["causal", "lengths", "tensor", "weight"])
def test_fault_11_masked_keys_do_not_leak(poison, where):
    q, k, v = rand(1, 2, 40, 64), rand(1, 2, 40, 64), rand(1, 2, 40, 64)
    named = {
        "causal": dict(causal=True),
        "lengths": dict(kv_lengths=i32(33)),
        "tensor": dict(mask=np.arange(40) < 33),
        "weight": dict(log_weight=np.where(np.arange(40) < 33, 0, -np.inf)[None, None].astype(np.float32)),
    }[where]  # fmt: skip
    clean, clean_lse = attn.attention(q, k, v, return_lse=True, **named)
    dirty_k, dirty_v = k.copy(), v.copy()
    if where != "weight":  # the score itself is masked, not only its weight
        dirty_k[:, :, 35:] = poison
    dirty_v[:, :, 35:] = poison
    out, lse = attn.attention(q, dirty_k, dirty_v, return_lse=True, **named)
    rows = slice(0, 35)
    assert (out[:, :, rows] == clean[:, :, rows]).all()
    assert (lse[:, :, rows] == clean_lse[:, :, rows]).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
@pytest.mark.parametrize("queries", [1, 3, 70])
def test_hidden_keys_change_no_bit(dtype, queries):
    """Blocks with NaN are computed again: by the same steps, one key after the other."""
    rng = np.random.default_rng(queries)
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    for group, length, width, poison in [(1, 300, 64, np.nan), (3, 1500, 40, np.inf), (2, 129, 33, -np.inf)]:
        q = (4 * rng.standard_normal((2, 2 * group, queries, width))).astype(kind)
        k, v = ((4 * rng.standard_normal((2, 2, length, width))).astype(kind) for _ in range(2))
        lengths = rng.integers(1, length, 2).astype(np.int32)
        mask = rng.random((2, 1, 1, length)) < 0.7
        hidden = ~mask[:, 0, 0] | (np.arange(length) >= lengths[:, None])
        dirty_k, dirty_v = k.copy(), v.copy()
        for b in range(2):
            dirty_k[b][:, hidden[b]] = dirty_v[b][:, hidden[b]] = poison
        named = dict(mask=mask, kv_lengths=lengths)
        for lse in (False, True):
            clean, dirty = (attn.attention(q, *kv, return_lse=lse, **named) for kv in ((k, v), (dirty_k, dirty_v)))
            for want, got in zip(clean if lse else [clean], dirty if lse else [dirty]):
                assert want.tobytes() == got.tobytes()


def test_fault_12_visible_nan_stays_in_its_rows():
    q, k, v = rand(1, 2, 40, 64), rand(1, 2, 40, 64), rand(1, 2, 40, 64)
    k[0, 1, 20, 3] = np.nan
    out = attn.attention(q, k, v, causal=True)
    assert np.isnan(out[0, 1, 20:]).all()
    assert np.isfinite(out[0, 0]).all() and np.isfinite(out[0, 1, :20]).all()


@pytest.mark.parametrize("size", [1e2, 1e4, 1e15])
def test_fault_13_huge_scores(size):
    q, k, v = rand(1, 1, 9, 64) * np.float32(size), rand(1, 1, 9, 64), rand(1, 1, 9, 64)
    want = reference.attention(q, k, v)
    out, lse = attn.attention(q, k, v, return_lse=True)
    assert np.isfinite(out).all() and np.isfinite(lse).all()
    assert np.abs(lse - want[1]).max() <= 1e-5 * np.abs(want[1]).max()
    if size == 1e15:  # one key takes all
        near(out, want[0], np.float32, 4)


@pytest.mark.parametrize("queries", [1, 40])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_fault_13_one_score_of_any_size_takes_all(queries, sign):
    """exp(s - max) is exactly 1 at the maximum, however s was rounded."""
    for power in np.arange(0, 34, 0.5):
        q, k = np.zeros((1, 1, queries, 64), np.float32), np.zeros((1, 1, 1, 64), np.float32)
        q[..., 0], k[..., 0] = sign * np.float32(10.0**power), 8
        out, lse = attn.attention(q, k, np.ones_like(k), return_lse=True)
        assert (out == 1).all(), 10.0**power
        assert np.allclose(lse, sign * 10.0**power, rtol=1e-5), 10.0**power


def test_fault_14_rows_that_see_nothing():
    q, k, v = rand(1, 2, 30, 64), rand(1, 2, 50, 64), rand(1, 2, 50, 64)
    mask = RNG.random((30, 50)) < 0.5
    mask[::3] = False
    out, lse = attn.attention(q, k, v, mask=mask, return_lse=True)
    assert (out[:, :, ::3] == 0).all() and np.isneginf(lse[:, :, ::3]).all()
    near(out, reference.attention(q, k, v, mask=mask)[0], np.float32, 4)
    alternating = (np.arange(30)[:, None] + np.arange(50)) % 2 == 0
    near(attn.attention(q, k, v, mask=alternating), reference.attention(q, k, v, mask=alternating)[0], np.float32, 4)  # fmt: skip


@pytest.mark.parametrize(
    "named, text",
    [
        (dict(kv_lengths=i32(3, 31)), "31"),
        (dict(kv_lengths=i32(-1, 3)), "-1"),
        (dict(kv_lengths=i32(3)), "1"),
        (dict(bias=np.zeros((3, 1, 1, 30), np.float32)), "3"),
        (dict(bias=np.zeros((20, 29), np.float32)), "29"),
        (dict(mask=np.ones((2, 30), bool)), "2"),
        (dict(sinks=np.zeros(3, np.float32)), "3"),
        (dict(cu_seqlens_q=i32(0, 8, 4, 20), cu_seqlens_kv=i32(0, 8, 9, 30)), "4"),
        (dict(cu_seqlens_q=i32(1, 20), cu_seqlens_kv=i32(0, 30)), "1"),
        (dict(cu_seqlens_q=i32(0, 20), cu_seqlens_kv=i32(0, 31)), "31"),
    ],
)  # fmt: skip
def test_fault_02_run_time_values_that_do_not_fit(named, text):
    q, k = rand(2, 2, 20, 64), rand(2, 2, 30, 64)
    with pytest.raises(attn.ShapeError, match=f"expects .*but got.*{text}"):
        attn.attention(q, k, k, **named)


def test_fault_02_key_lengths_and_head_counts_that_do_not_fit():
    q, k, v = rand(2, 4, 5, 64), rand(2, 2, 7, 64), rand(2, 2, 8, 64)
    with pytest.raises(attn.ShapeError, match="same key count, but got 8 and 7"):
        attn.attention(q, k, v)
    with pytest.raises(attn.ShapeError, match="4"):
        attn.attention(q, rand(2, 3, 7, 64), rand(2, 3, 7, 64))
    with pytest.raises(attn.ShapeError, match="but got 2 and 1|but got 1 and 2"):
        attn.attention(q, k[:1], k[:1])


@pytest.mark.parametrize(
    "table, text",
    [([[0, 9]], "9"), ([[-2, 0]], "-2"), ([[1, 1]], "1")],
)
def test_fault_16_page_tables_that_do_not_fit(table, text):
    pool = rand(4, 1, 16, 64)
    with pytest.raises(attn.ShapeError, match=f"page.*{text}"):
        attn.attention(rand(1, 1, 2, 64), pool, pool, page_table=np.array(table, np.int32),
                       kv_lengths=i32(20))  # fmt: skip


@pytest.mark.parametrize(
    "b, h, n", [(2**30, 2**20, 2**20), (2**62, 4, 1), (1, 2**31, 2**31), (3, 2**29, 2**31)]
)
def test_fault_06_sizes_that_overflow_are_refused(claimed_tensor, b, h, n):
    """attention_r8: stride-0 views claim more bytes than 63 bits count, over one row of memory."""
    row = rand(1, 1, 1, 64)
    huge = claimed_tensor(row.ctypes.data, (b, h, n, 64), (0, 0, 0, 1))
    with pytest.raises((attn.ShapeError, attn.ResourceError)):
        attn.attention(huge, huge, huge)


def test_fault_06_results_that_do_not_fit_memory_are_refused():
    base = np.zeros((1, 1, 1, 64), np.float32)
    big = np.lib.stride_tricks.as_strided(base, (2**12, 2**10, 2**20, 64), (0, 0, 0, 4))
    with pytest.raises(attn.ResourceError, match="cannot be had"):
        attn.attention(big, base, base)


# ---- states --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("parts", [1, 2, 5])
def test_merged_parts_are_the_whole(parts, dtype):
    q, k, v = rand(2, 2, 9, 64, dtype=dtype), rand(2, 2, 50, 64, dtype=dtype), rand(2, 2, 50, 64, dtype=dtype)  # fmt: skip
    want = reference.attention(q, k, v)
    cuts = np.linspace(0, 50, parts + 1).astype(int)
    pairs = [
        attn.attention(q, k[:, :, a:b], v[:, :, a:b], return_lse=True)
        for a, b in zip(cuts, cuts[1:])
    ]
    out, lse = attn.merge_states([o for o, _ in pairs], [s for _, s in pairs])
    near(out, want[0], dtype, 4)
    near(lse, want[1], dtype, 8)


def test_merging_states_that_saw_nothing():
    out = np.zeros((1, 1, 2, 64), np.float32)
    lse = np.full((1, 1, 2), -np.inf, np.float32)
    some = rand(1, 1, 2, 64)
    merged, total = attn.merge_states([out, some], [lse, np.ones_like(lse)])
    near(merged, some, np.float32, 4)
    assert (total == 1).all()
    merged, total = attn.merge_states([out, out], [lse, lse])
    assert (merged == 0).all() and np.isneginf(total).all()


# ---- determinism, plans, functions -----------------------------------------------------------


def test_same_bits_on_any_number_of_threads():
    q, k, v = rand(1, 3, 200, 64), rand(1, 3, 1500, 64), rand(1, 3, 1500, 64)
    first = attn.attention(q, k, v, causal="bottom_right", num_threads=1)
    row = attn.attention(q[:, :, :1], k, v, num_threads=1)
    for n in (2, 3, 7):
        assert (attn.attention(q, k, v, causal="bottom_right", num_threads=n) == first).all()
        assert (attn.attention(q[:, :, :1], k, v, num_threads=n) == row).all()


def test_plan():
    f = attn.spec((None, None, None, 64))
    plan = attn.compile(attn.attention, f, f, f, causal="bottom_right", kv_lengths=attn.spec((None,), "i32"))  # fmt: skip
    assert list(plan.arguments) == ["q", "k", "v", "kv_lengths"]
    assert plan.arguments["q"] == "tensor<?x?x?x64xf32>"
    q, k, n = rand(2, 2, 3, 64), rand(2, 2, 9, 64), i32(9, 5)
    out = plan.run(q, k, k, n)
    assert (plan.run(q, k, k, kv_lengths=n) == out).all()
    assert (plan.run(kv_lengths=n, v=k, k=k, q=q) == out).all()
    into = np.empty_like(out)
    assert plan.run(q, k, k, n, out=into) is into and (into == out).all()
    assert (attn.attention(q, k, k, causal="bottom_right", kv_lengths=n) == out).all()
    assert "calls: 5" in plan.explain() or "calls: 4" in plan.explain()
    assert "attn.attention" in plan.mlir()
    assert "schedule" in plan.mlir("scheduled")
    assert "llvm." in plan.mlir("llvm-dialect")
    with pytest.raises(attn.ShapeError, match="expects the arguments q, k, v, kv_lengths"):
        plan.run(q, k, k)
    with pytest.raises(attn.ShapeError, match="by name, but got nonsense"):
        plan.run(q, k, k, nonsense=n)
    with pytest.raises(attn.CompileError):
        plan.mlir("no-such-stage")


def test_packages_are_saved_and_loaded(tmp_path):
    q = rand(1, 2, 9, 64)
    plan = attn.compile(attn.attention, q, q, q)
    plan.save(tmp_path / "a.so")
    loaded = attn.load(tmp_path / "a.so")
    assert (loaded.run(q, q, q) == plan.run(q, q, q)).all()
    assert loaded.source == "file"
    with pytest.raises(attn.CompileError, match="no program text"):
        loaded.mlir()
    with pytest.raises(attn.CacheError, match="cannot read"):
        attn.load(tmp_path / "absent.so")
    (tmp_path / "b.so").write_bytes((tmp_path / "a.so").read_bytes()[:5000])
    with pytest.raises(attn.CacheError):
        attn.load(tmp_path / "b.so")


def test_jit():
    calls = []

    @attn.jit
    def residual(q, k, v, k2, v2, window=4):
        calls.append(1)
        near = attn.attention(q, k, v, window=(window, 0))
        out, lse = attn.attention(q, k2, v2, return_lse=True)
        return out * near - out, lse

    for b, s in ((1, 8), (2, 13), (2, 40)):
        q, k, v, k2, v2 = (rand(b, 2, s, 64) for _ in range(5))
        out, lse = residual(q, k, v, k2, v2)
        band = attn.Window(4, 0).dense(s)
        a = reference.attention(q, k, v, mask=band)[0]
        c, want_lse = reference.attention(q, k2, v2)
        near(out, c * a - c, np.float32, 16)
        near(lse, want_lse, np.float32, 8)
    # Once for B = 1, whose axes broadcast, and once for the rest.
    assert len(calls) == 2
    residual(q, k, v, k2, v2, window=5)
    assert len(calls) == 3
    with pytest.raises(attn.ShapeError, match="expects equal query and key lengths"):
        residual(q, k[:, :, :5], v[:, :, :5], k2, v2)


def test_jit_keeps_captured_arrays():
    bias = rand(10, 10)

    @attn.jit
    def f(q, k, v):
        return attn.attention(q, k, v, bias=bias)

    q = rand(1, 2, 10, 64)
    near(f(q, q, q), reference.attention(q, q, q, bias=bias)[0], np.float32, 4)
    assert "constant0" in f.mlir(q, q, q)
    assert "attention 0" in f.explain(q, q, q)


def test_compiling_text():
    text = attn.compile(attn.attention, *[attn.spec((None, None, None, 64))] * 3).mlir()
    plan = attn.compile(text)
    q = rand(1, 1, 4, 64)
    near(plan.run(q, q, q), reference.attention(q, q, q)[0], np.float32, 4)
    with pytest.raises(attn.CompileError, match="expected"):
        attn.compile("func.func @main( {")
    with pytest.raises(attn.AttnError):
        attn.compile(text.replace("tensor<?x?x?x64xf32>,", "tensor<?x?x?x32xf32>,", 1))
    with pytest.raises(attn.AttnError):
        attn.compile(text, entry="other")


def test_compiling_bytecode(tmp_path):
    import shutil
    import subprocess

    text = attn.compile(attn.attention, *[attn.spec((None, None, None, 64))] * 3).mlir()
    tool = shutil.which("attn-opt") or str(BUILD / "bin" / "attn-opt")
    done = subprocess.run([tool, "-", "--emit-bytecode"], input=text.encode(), capture_output=True, check=True)  # fmt: skip
    bytecode = done.stdout
    assert bytecode[:4] == b"ML\xefR"
    plan = attn.compile(bytecode)
    q = rand(1, 1, 4, 64)
    near(plan.run(q, q, q), reference.attention(q, q, q)[0], np.float32, 4)
    assert "attn.attention" in plan.mlir()
    # Fault 3: cut short anywhere, it is refused and nothing falls over.
    for length in range(4, len(bytecode), max(1, len(bytecode) // 12)):
        with pytest.raises(attn.AttnError):
            attn.compile(bytecode[:length])


# ---- shims -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [2, 3, 4, 5])
@pytest.mark.parametrize("mask", [None, "bool", "float"])
@pytest.mark.parametrize("is_causal", [False, True])
def test_scaled_dot_product_attention_ranks(rank, mask, is_causal):
    lead = (2, 3, 2)[: rank - 2]
    q, k, v = rand(*lead, 6, 64), rand(*lead, 9, 64), rand(*lead, 9, 64)
    given = {None: None, "bool": RNG.random((6, 9)) < 0.7, "float": rand(6, 9)}[mask]
    out = attn.scaled_dot_product_attention(q, k, v, given, is_causal=is_causal)
    seen = np.ones((6, 9), bool) if not is_causal else causal(6, 9, "top_left")
    if mask == "bool":
        seen = seen & given
    flat = [x.reshape(1, -1, *x.shape[-2:]) for x in (q, k, v)]
    want = reference.attention(*flat, mask=seen, bias=given if mask == "float" else 0.0)[0]
    near(out, want.reshape(*lead, 6, 64), np.float32, 4)


@pytest.mark.parametrize("q, k, mask, text", [
    ((2, 3, 2, 4, 8), (3, 2, 2, 4, 8), None, "axis 0 that are equal or 1, but got 2 for query, 3 for key"),
    ((2, 3, 2, 4, 8), (6, 2, 4, 8), None, "of one rank, a rank of 2 to 5, but got 5, 4 and 4"),
    ((2, 4, 8), (3, 2, 4, 8), None, "of one rank, .* but got 3, 4 and 4"),
    ((2, 2, 4, 8), (3, 2, 4, 8), None, "axis 0 that are equal or 1, but got 2 for query, 3 for key"),
    ((2, 3, 2, 4, 8), (2, 1, 2, 4, 8), None, "leading axes of key that fold into one without a copy"),
    ((2, 3, 2, 4, 8), (2, 3, 2, 4, 8), (3, 2, 1, 4, 4), r"attn_mask expects leading axes that broadcast to \[2, 3\]"),
    ((2, 3, 2, 4, 8), (2, 3, 2, 4, 8), (6, 1, 4, 4), r"attn_mask expects leading axes that broadcast to \[2, 3\]"),
    ((4, 8), (4, 8), (1, 4, 4), "attn_mask expects a rank of 1 to query's 2"),
])  # fmt: skip
@pytest.mark.parametrize("grad", [False, True])
def test_scaled_dot_product_attention_pairs_no_wrong_batches(q, k, mask, text, grad):
    arrays = [rand(*q), rand(*k), rand(*k), mask and rand(*mask)]
    if grad:
        torch = pytest.importorskip("torch")
        if "without a copy" in text:
            pytest.skip("torch's views copy")
        arrays = [a if a is None else torch.tensor(a, requires_grad=True) for a in arrays]
    with pytest.raises(attn.ShapeError, match=text):
        attn.scaled_dot_product_attention(*arrays)


@pytest.mark.parametrize("q, k, mask", [
    ((2, 3, 2, 5, 8), (1, 1, 2, 7, 8), None), ((1, 1, 2, 5, 8), (2, 3, 2, 7, 8), None),
    ((2, 3, 2, 5, 8), (2, 3, 2, 7, 8), (1, 1, 1, 5, 7)), ((2, 3, 2, 5, 8), (2, 3, 2, 7, 8), (2, 3, 2, 5, 7)),
    ((3, 2, 5, 8), (1, 2, 7, 8), (2, 5, 7)), ((1, 3, 2, 5, 8), (1, 3, 2, 7, 8), (3, 1, 5, 7)),
])  # fmt: skip
@pytest.mark.parametrize("grad", [False, True])
def test_scaled_dot_product_attention_broadcasts_leading_axes(q, k, mask, grad):
    q, k, v = rand(*q), rand(*k), rand(*k)
    bias = np.zeros(7, np.float32) if mask is None else rand(*mask)
    s = q @ k.swapaxes(-1, -2) / 8**0.5 + bias
    p = np.exp(s - s.max(-1, keepdims=True))
    want = p / p.sum(-1, keepdims=True) @ v
    if grad:
        torch = pytest.importorskip("torch")
        q, k, v, bias = (torch.tensor(a, requires_grad=True) for a in (q, k, v, bias))
    got = attn.scaled_dot_product_attention(q, k, v, bias)
    np.testing.assert_allclose(got.detach().numpy() if grad else got, want, atol=1e-5)


def test_scaled_dot_product_attention_matches_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.scaled_dot_product_attention
    g = torch.Generator().manual_seed(0)
    t = lambda *s: torch.randn(*s, generator=g)  # noqa: E731
    mask = torch.rand(5, 7, generator=g) < 0.7
    for named in (
        {}, dict(is_causal=True), dict(attn_mask=mask), dict(attn_mask=mask, is_causal=True),
        dict(attn_mask=t(2, 1, 5, 7)), dict(attn_mask=t(4, 1, 7)), dict(scale=0.3),
    ):  # fmt: skip
        q, k, v = t(2, 4, 5, 64), t(2, 4, 7, 64), t(2, 4, 7, 64)
        got = attn.scaled_dot_product_attention(q, k, v, **named)
        assert (got - theirs(q, k, v, **named)).abs().max() < 1e-5, named
    q, k, v = t(2, 4, 5, 64), t(2, 2, 7, 64), t(2, 2, 7, 64)
    got = attn.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    assert (got - theirs(q, k, v, enable_gqa=True)).abs().max() < 1e-5
    q, k, v = t(3, 4, 5, 64), t(1, 4, 7, 64), t(1, 4, 7, 64)
    assert (attn.scaled_dot_product_attention(q, k, v) - theirs(q, k, v)).abs().max() < 1e-5
    b = [x.bfloat16() for x in (t(2, 4, 5, 64), t(2, 4, 7, 64), t(2, 4, 7, 64))]
    got = attn.scaled_dot_product_attention(*b, attn_mask=t(5, 7).bfloat16())
    assert got.dtype == torch.bfloat16


@pytest.mark.parametrize("window", [(-1, -1), (3, 0), (-1, 2)])
@pytest.mark.parametrize("is_causal", [False, True])
def test_flash_attn_func(window, is_causal):
    q, k, v = rand(2, 5, 4, 64), rand(2, 9, 2, 64), rand(2, 9, 2, 64)
    slopes = rand(4)
    out = attn.flash_attn_func(q, k, v, causal=is_causal, window_size=window, softcap=5.0,
                               alibi_slopes=slopes)  # fmt: skip
    mask = attn.Window(*window)
    mask = mask & attn.Causal() if is_causal else mask
    i, j = np.arange(5)[:, None] + 4, np.arange(9)
    swap = lambda x: x.swapaxes(1, 2)  # noqa: E731
    want = reference.attention(
        swap(q), swap(k), swap(v), mask=mask.dense(5, 9, align="bottom_right"), softcap=5.0,
        bias=-slopes[:, None, None] * np.abs(i - j),
    )[0]  # fmt: skip
    near(swap(out), want, np.float32, 4)


# ---- block tables ------------------------------------------------------------------


def counted(plan, *args):
    """Runs a plan; returns the result and what the run added to the counters."""
    before = dict(plan._program.kernel.counters)
    out = plan.run(*args)
    return out, {k: v - before[k] for k, v in plan._program.kernel.counters.items()}


def test_flash_attn_func_takes_slopes_as_a_list():
    q = rand(1, 6, 2, 16)
    slopes = np.array([0.5, 0.25], np.float32)
    got = attn.flash_attn_func(q, q, q, alibi_slopes=[0.5, 0.25])
    assert got.tobytes() == attn.flash_attn_func(q, q, q, alibi_slopes=slopes).tobytes()


def test_a_mask_is_looked_at_once_for_all_heads():
    blocks = np.array([[1, 0], [0, 1], [1, 0]], bool)
    mask = np.kron(blocks, np.ones((288, 256), bool))  # whole blocks on every target
    q, k, v = rand(1, 8, 864, 16), rand(1, 8, 512, 16), rand(1, 8, 512, 16)
    plan = attn.compile(attn.attention, q, k, v, mask=mask)
    assert "looked at once for all batch entries and heads" in plan.explain()
    out, eight = counted(plan, q, k, v, mask)
    near(out, reference.attention(q, k, v, mask=mask)[0], np.float32, 4)
    full = eight["mask_blocks_full"]
    assert full > 0
    assert eight["mask_blocks_empty"] == full
    assert eight["mask_blocks_looked_at"] == 2 * full
    assert eight["key_tiles_masked"] == 0
    assert eight["key_tiles_computed"] == eight["key_tiles_skipped_by_mask"] == 8 * full
    assert "mask blocks looked at: " in plan.explain()
    # Nothing is kept: the same array, changed, is another mask.
    mask[:288] = ~mask[:288]
    near(plan.run(q, k, v, mask), reference.attention(q, k, v, mask=mask)[0], np.float32, 4)


def test_layers_with_one_mask_share_its_table():
    def layers(x, mask, other):
        y = attn.attention(x, x, x, mask=mask)
        return attn.attention(y, y, y, mask=other)

    def shared(x, mask):
        return layers(x, mask, mask)

    x, mask = rand(1, 2, 300, 16), RNG.random((300, 300)) < 0.5
    y = reference.attention(x, x, x, mask=mask)[0].astype(np.float32)
    want = reference.attention(y, y, y, mask=mask)[0]
    one, once = counted(attn.compile(shared, x, mask), x, mask)
    two, twice = counted(attn.compile(layers, x, mask, mask), x, mask, mask)
    near(one, want, np.float32, 4)
    near(two, want, np.float32, 4)
    assert 0 < 2 * once["mask_blocks_looked_at"] == twice["mask_blocks_looked_at"]


def test_few_rows_look_at_no_blocks():
    mask = RNG.random((300,)) < 0.5
    k, v = rand(1, 2, 300, 16), rand(1, 2, 300, 16)
    dynamic = attn.spec((None, None, None, 16))
    plan = attn.compile(attn.attention, dynamic, k, v, mask=attn.spec((300,), "bool"))
    few = int(re.search(r"up to (\d+) queries take the row kernel", plan.explain())[1])
    for rows in (1, few, few + 1):
        q = rand(1, 2, rows, 16)
        out, counts = counted(plan, q, k, v, mask)
        near(out, reference.attention(q, k, v, mask=mask)[0], np.float32, 4)
        assert (counts["mask_blocks_looked_at"] > 0) == (rows > few)


def test_reads_outside_a_captured_tensor_hide_the_pair():
    kept = RNG.random(170) < 0.5
    q, k, v = rand(1, 2, 300, 16), rand(1, 2, 300, 16), rand(1, 2, 300, 16)
    at = np.arange(300)[:, None] + np.arange(300) - 100
    mask = np.where((at >= 0) & (at < 170), kept[np.clip(at, 0, 169)], False)
    out = attn.attention(q, k, v, mask_mod=lambda b, h, i, j: kept[j - 100 + i])
    near(out, reference.attention(q, k, v, mask=mask)[0], np.float32, 4)
