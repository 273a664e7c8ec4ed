# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""batch_invariant: the bits of a row, alone and in all sorts of company.

A trial makes one sequence and computes one of its rows alone: one query over the keys that it sees, one KV head. Then
the sequence is put among mates (padded, packed, over pages), with other head counts, lengths and threads, and with NaN
and infinities wherever the row does not look. Its bits have to be those of the row alone.
"""

from __future__ import annotations

import functools
import os
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest

import attn

TRIALS = int(os.environ.get("ATTN_INVARIANCE_TRIALS", "125"))
PAGE = 16


class Config(NamedTuple):
    """What is compiled in; the rest of a trial is drawn."""

    dtype: Any
    dim: int
    causal: bool = True
    window: int | None = None
    rich: bool = False  # score_mod, softcap, sinks and the log-sum-exp
    masked: bool = False  # a bool mask, for which there is a block table


CONFIGS = {
    "f32-causal": Config(np.float32, 40),
    "f32-full": Config(np.float32, 16, causal=False),
    "f32-window": Config(np.float32, 64, window=37),
    "f32-rich": Config(np.float32, 24, rich=True),
    "f32-masked": Config(np.float32, 24, causal=False, masked=True),
    "bf16-causal": Config(ml_dtypes.bfloat16, 64),
    "bf16-window": Config(ml_dtypes.bfloat16, 32, window=150),
    "f16-full": Config(np.float16, 48, causal=False),
    "f16-causal": Config(np.float16, 33),
}


class Sequence(NamedTuple):
    """Queries [Hq, n, D], keys and values [Hkv, m, D] of one sequence; its last query stands at its last key."""

    q: Any
    k: Any
    v: Any


def tilt(score, b, h, i, j):
    return score - 0.05 * (i - j)


def call(config: Config, sinks, *arrays, invariant=True, **operands):
    options: dict[str, Any] = {"align": "bottom_right", "batch_invariant": invariant, **operands}
    if config.causal:
        options["causal"] = "bottom_right"
    if config.window is not None:
        options["window"] = (config.window, 0)
    if config.rich:
        options |= {"score_mod": tilt, "softcap": 20.0, "sinks": sinks, "return_lse": True}
    result = attn.attention(*arrays, **options)
    return result if config.rich else (result,)


def bits(x) -> bytes:
    """The bits of an array, all NaNs alike."""
    x = np.asarray(x)
    return np.where(np.isnan(x), np.full_like(x, np.nan), x).tobytes()


def draw(config: Config, rng, heads: int, kv_heads: int, n: int, m: int) -> Sequence:
    def numbers(*shape):
        return rng.standard_normal(shape, np.float32).astype(config.dtype)

    return Sequence(numbers(heads, n, config.dim), numbers(kv_heads, m, config.dim), numbers(kv_heads, m, config.dim))


def length(rng, most: int = 330) -> int:
    """Mostly short, sometimes over several tiles of keys, often at the edge of one."""
    return int(rng.choice([rng.integers(1, 12), rng.integers(1, 70), rng.integers(1, most), 128, 129]))


class Trial:
    """One row, and how to compute it alone and in company."""

    def __init__(self, config: Config, seed: int) -> None:
        rng = self.rng = np.random.default_rng(seed)
        self.config = config
        self.kv_heads, self.group = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        m = length(rng)
        n = min(length(rng, 120), m) if rng.random() < 0.8 else int(rng.integers(1, 9))
        self.own = draw(config, rng, self.kv_heads * self.group, self.kv_heads, n, m)
        self.sinks = rng.standard_normal(self.kv_heads * self.group, np.float32)
        self.g, self.i = int(rng.integers(self.kv_heads)), int(rng.integers(n))
        #: How many keys the row may see, from the first on.
        self.seen = max(self.i + m - n + 1, 0) if config.causal else m
        self.heads = slice(self.g * self.group, (self.g + 1) * self.group)
        self.threads = int(rng.integers(1, 3))
        #: With a mask, what the row sees; whole tiles of it are empty.
        self.sight = (rng.random(m) < 0.5) & np.repeat(rng.random(-(-m // 128)) < 0.7, 128)[:m]

    def alone(self, **options):
        """The row's results [group, ...], as a sequence of one query and one KV head."""
        s, g = self.own, self.g
        arrays = [s.q[None, self.heads, self.i : self.i + 1], s.k[None, g : g + 1, : self.seen],
                  s.v[None, g : g + 1, : self.seen]]  # fmt: skip
        if self.config.masked:
            options["mask"] = self.sight[None, None, None]
        results = call(self.config, self.sinks[self.heads], *arrays, num_threads=1, **options)
        return [r[0, :, 0] for r in results]

    def mask(self, batch: int, rows: int, keys: int, at: tuple[int, int, int]):
        """A mask of [batch, 1, rows, keys] that shows the row, which is at[1] of at[0], its own keys from at[2] on."""
        mask = self.rng.random((batch, 1, rows, keys)) < self.rng.choice([0.0, 0.5, 1.0])
        mask[at[0], 0, at[1], at[2] : at[2] + len(self.sight)] = self.sight
        return mask

    def company(self) -> list[Sequence]:
        """The sequence among mates, what its row does not see spoilt at times."""
        rng, own = self.rng, self.own
        if rng.random() < 0.5:
            k, v, q = own.k.copy(), own.v.copy(), own.q.copy()
            bad = rng.choice([np.nan, np.inf, 1e4])
            if self.config.causal:
                k[:, self.seen :], v[:, self.seen :] = bad, bad
            if rng.random() < 0.3:  # keys before the window
                before = max(self.seen - 1 - (self.config.window or self.seen), 0)
                k[:, :before], v[:, :before] = bad, bad
            q[:, [i for i in range(q.shape[1]) if i != self.i and rng.random() < 0.1]] = bad
            own = Sequence(q, k, v)
        mates = []
        for _ in range(int(rng.integers(0, 4))):
            m = length(rng)
            mates.append(draw(self.config, rng, self.kv_heads * self.group, self.kv_heads, length(rng, 120), m))
            if rng.random() < 0.2:
                mates[-1].v[:] = np.nan
        self.place = int(rng.integers(0, len(mates) + 1))
        mates.insert(self.place, own)
        return mates

    def padded(self, **options):
        """The row in a padded batch with lengths."""
        rng, all_ = self.rng, self.company()
        shape = len(all_), self.kv_heads, max(s.k.shape[1] for s in all_) + int(rng.integers(0, 40)), self.config.dim
        rows = max(s.q.shape[1] for s in all_) + int(rng.integers(0, 5))
        junk = rng.choice([0, np.nan])
        q = np.full((len(all_), self.kv_heads * self.group, rows, self.config.dim), junk, self.config.dtype)
        k, v = np.full(shape, junk, self.config.dtype), np.full(shape, junk, self.config.dtype)
        for b, s in enumerate(all_):
            q[b, :, : s.q.shape[1]], k[b, :, : s.k.shape[1]], v[b, :, : s.v.shape[1]] = s
        return self._row(all_, q, k, v, kv_lengths=self._lengths(all_, 1), q_lengths=self._lengths(all_, 0), **options)

    def paged(self, **options):
        """The row in a batch whose keys lie in pages, in any order."""
        rng, all_ = self.rng, self.company()
        counts = [-(-s.k.shape[1] // PAGE) for s in all_]
        order = rng.permutation(sum(counts) + 2).astype(np.int32)
        table = np.full((len(all_), max(counts) + int(rng.integers(0, 3))), -1, np.int32)
        pools = [np.full((len(order), self.kv_heads, PAGE, self.config.dim), np.nan, self.config.dtype) for _ in "kv"]
        rows = max(s.q.shape[1] for s in all_)
        q = np.zeros((len(all_), self.kv_heads * self.group, rows, self.config.dim), self.config.dtype)
        at = 0
        for b, s in enumerate(all_):
            q[b, :, : s.q.shape[1]] = s.q
            table[b, : counts[b]] = order[at : at + counts[b]]
            for n in range(counts[b]):
                for pool, x in zip(pools, s[1:]):
                    part = x[:, n * PAGE : (n + 1) * PAGE]
                    pool[order[at + n], :, : part.shape[1]] = part
            at += counts[b]
        return self._row(all_, q, *pools, page_table=table, kv_lengths=self._lengths(all_, 1),
                         q_lengths=self._lengths(all_, 0), **options)  # fmt: skip

    def packed(self, **options):
        """The row in one of the documents of a packed axis."""
        all_ = self.company()
        cu = [np.cumsum([0, *self._lengths(all_, n)]).astype(np.int32) for n in (0, 1)]
        q, k, v = (np.concatenate([s[n] for s in all_], axis=1).transpose(1, 0, 2) for n in range(3))
        at = int(cu[0][self.place]) + self.i
        if self.config.masked:
            options["mask"] = self.mask(1, len(q), len(k), (0, at, int(cu[1][self.place])))
        results = call(self.config, self.sinks, q, k, v, layout="thd", cu_seqlens_q=cu[0], cu_seqlens_kv=cu[1],
                       num_threads=self.threads, **options)  # fmt: skip
        return [r[at, self.heads] if r.ndim == 3 else r[self.heads, at] for r in results]

    @staticmethod
    def _lengths(all_, n):
        return np.array([s[n].shape[1] for s in all_], np.int32)

    def _row(self, all_, *arrays, **options):
        if self.config.masked:
            keys = arrays[1].shape[2] if "page_table" not in options else options["page_table"].shape[1] * PAGE
            options["mask"] = self.mask(len(all_), arrays[0].shape[2], keys, (self.place, self.i, 0))
        results = call(self.config, self.sinks, *arrays, num_threads=self.threads, **options)
        return [r[self.place, self.heads, self.i] for r in results]


def agree(trial: Trial, form: str, **options) -> bool:
    """Whether a form gives the bits of the row alone."""
    got, want = getattr(trial, form)(**options), trial.alone(**options)
    return all(bits(g) == bits(w) for g, w in zip(got, want))


FORMS = ("padded", "packed", "paged")


@functools.lru_cache(maxsize=None)
def _seed(name: str) -> int:
    return sum(map(ord, name)) * 100_000


@pytest.mark.parametrize("name", CONFIGS)
def test_a_row_alone_is_the_row_in_company(name):
    """125 trials of each of 9 configurations: more than 1,000, a third of each form."""
    for n in range(TRIALS):
        seed = _seed(name) + n
        form = FORMS[n % 3]
        assert agree(Trial(CONFIGS[name], seed), form), f"seed {seed}, {form}: other bits than alone"


def test_the_trials_can_fail():
    """Without the attribute the same trials find rows whose bits depend on their mates."""
    failures = sum(
        not agree(Trial(CONFIGS["f32-causal"], _seed("f32-causal") + n), form, invariant=False)
        for n in range(12)
        for form in FORMS
    )
    assert failures > 0


@pytest.mark.parametrize("target", ["avx512", "avx2", "sse4", "generic"])
def test_other_instruction_sets(target):
    """A row of 20, in a batch of two with other lengths, against the row alone: one plan runs both."""
    with open("/proc/cpuinfo") as f:
        flags = f.read()
    needs = {"avx512": "avx512f", "avx2": "avx2", "sse4": "sse4_2", "generic": "fpu"}[target]
    if needs not in flags:
        pytest.skip(f"this CPU has no {needs}")
    x = attn.spec((None, None, None, 20), "f32")
    plan = attn.compile(attn.attention, x, x, x, kv_lengths=attn.spec((None,), "i32"), causal="bottom_right",
                        q_lengths=attn.spec((None,), "i32"), batch_invariant=True, target=target)  # fmt: skip
    rng = np.random.default_rng(7)
    q, k, v = (rng.standard_normal((2, 3, 200, 20), np.float32) for _ in range(3))
    lengths = np.array([150, 200], np.int32)
    got = plan.run(q, k, v, lengths, lengths)
    for i in (0, 3, 77, 149):
        alone = plan.run(
            q=q[:1, 1:2, i : i + 1], k=k[:1, 1:2, : i + 1], v=v[:1, 1:2, : i + 1],
            q_lengths=np.array([1], np.int32), kv_lengths=np.array([i + 1], np.int32),
        )  # fmt: skip
        assert bits(got[0, 1, i]) == bits(alone[0, 0, 0]), (target, i)


def paged(x, size: int = 8):
    """A pool of the keys or values [B, H, m, D], sequences and their pages in reverse order, and its page table."""
    batch, heads, m, dim = x.shape
    pages = -(-m // size)
    x = np.pad(x, ((0, 0), (0, 0), (0, pages * size - m), (0, 0))).reshape(batch, heads, pages, size, dim)
    table = np.arange(batch * pages, dtype=np.int32)[::-1].reshape(batch, 1, pages)
    return np.ascontiguousarray(x.transpose(0, 2, 1, 3, 4)).reshape(-1, heads, size, dim)[::-1].copy(), table.copy()


class FewQueries:
    """Several heads of a group with few queries, and one thing that each head has of its own."""

    def __init__(self, own: str, dtype, rng) -> None:
        self.own, self.group = own, int(rng.choice([2, 3, 4, 8, 16]))
        batch, kv_heads = rng.integers(1, 3, 2)
        n, m, dim = int(rng.integers(1, 21)), int(rng.choice([5, 40, 129, 300])), int(rng.choice([8, 33, 130]))
        self.heads = heads = int(kv_heads) * self.group
        self.q = rng.standard_normal((batch, heads, n, dim), np.float32).astype(dtype)
        self.k, self.v = (rng.standard_normal((batch, kv_heads, m, dim), np.float32).astype(dtype) for _ in range(2))
        self.k[:, :, m // 2] *= 20  # a large score
        self.v[:, :, -1] = np.nan  # the last query alone sees it, and not everywhere
        self.lengths = rng.integers(0, m + 1, batch).astype(np.int32)
        self.operand: Any = {
            "slopes": rng.uniform(-0.5, 0.5, heads).astype(np.float32),
            "bias": rng.standard_normal((batch, heads, n, m), np.float32).astype(dtype),
            "mask": rng.random((batch, heads, n, m)) < 0.7,
            "sinks": rng.standard_normal(heads, np.float32),
            "pages": None,
        }[own]

    def bits_of(self, heads: slice, kv_heads: slice) -> list[list[bytes]]:
        """The bits of out and lse, of each of these heads."""
        k, v, options = self.k[:, kv_heads], self.v[:, kv_heads], {}
        if self.own == "slopes":
            slopes = self.operand[heads]
            options["score_mod"] = lambda s, b, h, i, j: s + slopes[h] * (i - j)
        elif self.own == "sinks":
            options["sinks"] = self.operand[heads]
        elif self.own == "pages":
            (k, options["page_table"]), (v, _) = paged(k), paged(v)
        else:
            options[self.own] = self.operand[:, heads]
        results = attn.attention(self.q[:, heads], k, v, causal="bottom_right", kv_lengths=self.lengths,
                                 batch_invariant=True, return_lse=True, **options)  # fmt: skip
        return [[bits(x[:, h].astype(np.float32)) for x in results] for h in range(results[1].shape[1])]


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("own", ["slopes", "bias", "mask", "sinks", "pages"])
def test_heads_that_share_lanes(own, dtype):
    """Few queries: the heads of a group are computed side by side, each as it is alone, where nothing is shared."""
    rng = np.random.default_rng(_seed(own))
    for _ in range(6):
        case = FewQueries(own, dtype, rng)
        together = case.bits_of(slice(None), slice(None))
        assert len({tuple(head) for head in together}) > 1  # heads differ
        for h in range(case.heads):
            g = h // case.group
            assert case.bits_of(slice(h, h + 1), slice(g, g + 1)) == [together[h]], (case.q.shape, case.k.shape, h)


@pytest.mark.parametrize("threads", [1, 2])
def test_traced_functions_and_torch_layouts_keep_it(threads):
    """attn.jit and flash_attn_func pass it on; the layout says nothing of a row."""
    rng = np.random.default_rng(3)
    q, k, v = (rng.standard_normal((2, 50, 4, 32), np.float32) for _ in range(3))
    want = attn.attention(q, k, v, layout="bshd", causal="bottom_right", batch_invariant=True, num_threads=threads)

    @attn.jit
    def traced(q, k, v):
        return attn.attention(q, k, v, causal="bottom_right", batch_invariant=True)

    swapped = [np.ascontiguousarray(x.transpose(0, 2, 1, 3)) for x in (q, k, v)]
    assert "batch_invariant" in traced.mlir(*swapped)
    assert bits(traced(*swapped).transpose(0, 2, 1, 3)) == bits(want)
    assert bits(attn.flash_attn_func(q, k, v, causal=True, batch_invariant=True)) == bits(want)
    alone = attn.flash_attn_func(q[1:, 8:9, 2:3], k[1:, :9, 2:3], v[1:, :9, 2:3], causal=True, batch_invariant=True)
    assert bits(alone[0, 0, 0]) == bits(want[1, 8, 2])


def test_it_is_part_of_the_program_and_explained():
    x = attn.spec((None, None, None, 64), "bf16")
    plain = attn.compile(attn.attention, x, x, x)
    plan = attn.compile(attn.attention, x, x, x, batch_invariant=True)
    assert plan.mlir() != plain.mlir()
    assert "batch invariant" not in plain.explain()
    text = plan.explain()
    assert "batch invariant: a row's bits depend on its own query, keys and masks alone" in text
    assert "row kernel, in parts" not in text


def test_what_cannot_be_kept_is_refused():
    x = np.zeros((1, 1, 4, 8), np.float32)
    ids = np.zeros((1, 4), np.int32)
    with pytest.raises(attn.ShapeError, match="as cu_seqlens_q and cu_seqlens_kv, but got q_segments"):
        attn.attention(x, x, x, q_segments=ids, batch_invariant=True)
    with pytest.raises(attn.ShapeError, match="expects arrays and a device of the CPU, but got emulated"):
        attn.attention(x, x, x, device="emulated", batch_invariant=True)
    with pytest.raises(attn.ShapeError, match="attention_grad expects no batch_invariant, but got it"):
        attn.attention_grad(x, x, x, x, x[..., 0], x, batch_invariant=True)
    spec = attn.spec((None, None, None, 8), "f16")
    with pytest.raises(attn.CompileError, match="'attn.attention' op expects a CPU for batch_invariant, but got sm_80"):
        attn.compile(attn.attention, spec, spec, spec, target="sm_80", batch_invariant=True)
    cu = np.array([0, 2, 4], np.int32)
    with pytest.raises(attn.AttnError, match="expects `document` as the mask or a part of its `and`"):
        attn.attention(x, x, x, mask=attn.Document(cu) | attn.Prefix(1), align="top_left", batch_invariant=True)


def test_gradients_of_torch_are_refused():
    torch = pytest.importorskip("torch")
    x = torch.zeros(1, 1, 4, 8, requires_grad=True)
    with pytest.raises(attn.ShapeError, match="expects tensors without gradients, but got some that require grad"):
        attn.attention(x, x, x, batch_invariant=True)
    with torch.no_grad():
        assert attn.attention(x.detach(), x, x, batch_invariant=True).shape == x.shape


def test_rows_behind_the_last_document_see_nothing():
    """Packed slots that belong to no document: out = 0, lse = the sink."""
    x = np.ones((9, 1, 8), np.float32)
    out, lse = attn.attention(x, x, x, layout="thd", cu_seqlens_q=[0, 3, 3, 5], sinks=[0.5], return_lse=True,
                              batch_invariant=True)  # fmt: skip
    assert (out[5:] == 0).all() and (lse[0, 5:] == np.float32(0.5)).all()
    assert (out[:5] > 0.1).all()
