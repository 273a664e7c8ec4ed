# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Block maps: what is drawn is what numpy says of the mask, and what the plan counts when it runs."""

from __future__ import annotations

import xml.etree.ElementTree as xml

import numpy as np
import pytest

import attn
from attn import pictures

SVG = "{http://www.w3.org/2000/svg}"


def brute(visible, block):
    """The map of [Sq, Sk], block by block."""
    rows = []
    for i in range(0, visible.shape[0], block[0]):
        parts = [visible[i : i + block[0], j : j + block[1]] for j in range(0, visible.shape[1], block[1])]
        rows.append([2 if p.all() else 1 if p.any() else 0 for p in parts])
    return np.array(rows, np.int8)


def positions(sq, sk, shift=0):
    return np.arange(sq)[:, None] + shift, np.arange(sk)[None, :]


def patches(heads):
    """[heads, 288, 768] of patches of 96 x 256 that are empty, full or mixed, other ones for each head."""
    kinds = np.arange(3)[:, None] + np.arange(3)[None, :] + np.arange(heads)[:, None, None]
    kinds = np.repeat(np.repeat(kinds % 3, 96, axis=1), 256, axis=2)
    return (kinds == 1) | ((kinds == 2) & (np.random.default_rng(5).random(kinds.shape) < 0.5))


def counts_of_a_run(plan, heads, sq, sk, *operands):
    """What a plan's counters gain by one run; other tests may have run the same program."""
    kernel = plan._program.kernel
    before = dict(kernel.counters)
    plan.run(*(np.ones((1, heads, n, 16), np.float32) for n in (sq, sk, sk)), *operands)
    return {name: count - before[name] for name, count in kernel.counters.items()}


I, J = positions(190, 340)
CASES = {
    "causal": (dict(causal="top_left"), J <= I),
    "bottom_right": (dict(causal="bottom_right"), J <= I + 150),
    "window": (dict(window=(100, 20), align="top_left"), (J >= I - 100) & (J <= I + 20)),
    "algebra": (dict(mask=attn.Causal() | attn.Prefix(130), align="top_left"), (J <= I) | (J < 130)),
    "callable": (dict(mask_mod=lambda b, h, i, j: (i + j) % 160 < 90, align="top_left"), (I + J) % 160 < 90),
    "documents": (
        dict(cu_seqlens_q=[0, 60, 190], cu_seqlens_kv=[0, 100, 300]),
        ((I < 60) & (J < 100)) | ((I >= 60) & (J >= 100) & (J < 300)),
    ),
    "segments": (
        dict(q_segments=np.arange(190)[None] // 64, kv_segments=np.arange(340)[None] // 128),
        I // 64 == J // 128,
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("block", [(16, 32), (48, 128), None])
def test_blocks_are_those_of_numpy(name, block):
    options, visible = CASES[name]
    options = {k: v.astype(np.int32) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    picture = attn.mask_picture(190, 340, block=block, **options)
    assert picture.titles == ("head 0",) and picture.lengths == (190, 340)
    want = brute(visible, picture.block)
    np.testing.assert_array_equal(picture.blocks[0], want)
    assert picture.counts == [{n: int((want == k).sum()) for k, n in enumerate(["skipped", "partial", "full"])}]


def test_the_default_blocks_are_the_schedules():
    q = attn.spec((None, None, None, 16), "f32")
    plan = attn.compile(attn.attention, q, q, q, mask=attn.spec((1, 1, None, None), "i1"))
    rows, keys = attn.mask_picture(10).block
    assert f"in blocks of {rows} queries and {keys} keys" in plan.explain()


@pytest.mark.parametrize("heads", [1, 3])
def test_counts_are_those_of_the_plans_block_table(heads):
    """A run of the plan counts the blocks of its table."""
    mask = patches(heads)[None]
    q = attn.spec((None, None, None, 16), "f32")
    plan = attn.compile(attn.attention, q, q, q, mask=attn.spec((1, 1 if heads == 1 else None, None, None), "i1"))
    counted = counts_of_a_run(plan, heads, 288, 768, mask)
    picture = attn.mask_picture(288, 768, heads=heads, mask=mask)
    assert len(picture.blocks) == heads and len(set(map(str, picture.blocks))) == heads  # heads differ
    for head, panel in enumerate(picture.blocks):
        np.testing.assert_array_equal(panel, brute(mask[0, head], picture.block))
    assert counted["mask_blocks_looked_at"] == picture.blocks.size
    assert counted["mask_blocks_empty"] == sum(c["skipped"] for c in picture.counts) > 0
    assert counted["mask_blocks_full"] == sum(c["full"] for c in picture.counts) > 0


@pytest.mark.parametrize("options", [dict(causal="bottom_right"), dict(mask=attn.Prefix(100)), dict()])
def test_counts_are_the_tiles_of_a_run(options):
    """Without a table the plan's intervals do it: tiles computed, masked and skipped."""
    heads = 2
    q = attn.spec((None, None, None, 16), "f32")
    plan = attn.compile(attn.attention, q, q, q, **options)
    counted = counts_of_a_run(plan, heads, 190, 340)
    picture = attn.mask_picture(190, 340, heads=heads, **options)
    assert picture.titles == ("all heads",)
    counts = picture.counts[0]
    assert counted["key_tiles_computed"] == heads * (counts["partial"] + counts["full"])
    assert counted["key_tiles_masked"] <= heads * counts["partial"]
    assert counted["key_tiles_skipped_by_plan"] == heads * counts["skipped"]


def test_lengths_pages_and_entries():
    lengths = np.array([20, 50], np.int32)
    shown = [attn.mask_picture(64, batch=2, entry=n, kv_lengths=lengths, block=(8, 10)).blocks[0] for n in (0, 1)]
    for n, blocks in enumerate(shown):
        np.testing.assert_array_equal(blocks, brute(np.broadcast_to(np.arange(64) < lengths[n], (64, 64)), (8, 10)))
    pages = attn.mask_picture(8, page_table=[[2, -1, 0]], page_size=8, block=(8, 8))
    assert pages.lengths == (8, 24) and pages.blocks.tolist() == [[[2, 0, 2]]]


def test_the_last_page_of_a_large_pool_takes_no_memory():
    picture = attn.mask_picture(8, page_table=[[2**31 - 1, -1]], page_size=8, block=(8, 8))
    assert picture.blocks.tolist() == [[[2, 0]]]


def test_svg_has_a_square_per_block():
    mask = patches(2)[None]
    picture = attn.mask_picture(288, 768, heads=2, mask=mask, block=(96, 100))
    assert picture._repr_svg_() == picture.svg()
    root = xml.fromstring(picture.svg())
    panels = root.findall(f"{SVG}g[@class='panel']")
    assert len(panels) == 2
    for title, panel, counts in zip(picture.titles, panels, picture.counts):
        squares = [r.get("class") for r in panel.iter(f"{SVG}rect")]
        assert {n: squares.count(n) for n in counts} == counts
        words = [t.text for t in panel.iter(f"{SVG}text")]
        assert title in words and "queries (of 288)" in words and "keys (of 768)" in words
        assert "192" in words and "600" in words  # slots at the axes: 2 * 96 queries, 6 * 100 keys
    legend = [t.text for t in root.findall(f"{SVG}text")]
    assert legend == ["skipped", "partial", "full"]


def test_text():
    picture = attn.mask_picture(6, causal=True, block=(2, 2))
    assert str(picture) == "head 0\n+..\n#+.\n##+"
    assert "6 queries, 6 keys, 1 panels" in repr(picture)
    np.testing.assert_array_equal(pictures.block_map(np.eye(3, dtype=bool), (2, 2)), [[1, 0], [0, 2]])


@pytest.mark.parametrize("options, message", [
    (dict(bias=1), "mask_picture expects options among mask, causal, .*, but got bias"),
    (dict(entry=1), "mask_picture expects entry to be an integer of 0 to 0, but got 1"),
    (dict(block=(0, 3)), "mask_picture expects the queries of block to be an integer of 1 to 2147483647, but got 0"),
    (dict(heads=0), "mask_picture expects heads to be an integer of 1 to 2147483647, but got 0"),
    (dict(heads=2**27), "mask_picture expects at most 268435456 pairs .*, but got 8589934592"),
    (dict(page_table=[[0]]), "mask_picture expects a page_size beside a page_table, but got none"),
    (dict(page_table=np.array([[0]]), page_size=8), "page_table expects int32 of rank 2 or 3, but got int64 of shape"),
    (dict(page_table=np.array([[0.5]]), page_size=8), "page_table expects int32 of rank 2 or 3, but got float64"),
    (dict(page_table=5, page_size=8), r"page_table expects int32 of rank 2 or 3, but got int64 of shape \(\)"),
    (dict(page_table=[[2**40]], page_size=8), "page_table expects a list of integers that fit int32"),
    (dict(page_table=[[0]], page_size="8"), "mask_picture expects page_size to be an integer of 1 to"),
    (dict(heads=2.0), "mask_picture expects heads to be an integer of 1 to 2147483647, but got 2.0"),
    (dict(batch="a"), "mask_picture expects batch to be an integer of 1 to 2147483647, but got 'a'"),
    (dict(entry=False), "mask_picture expects entry to be an integer of 0 to 0, but got False"),
    (dict(kv_length=8.0), "mask_picture expects kv_length to be an integer"),
    (dict(kv_heads=-1), "mask_picture expects kv_heads to be an integer of 1 to 1, but got -1"),
    (dict(kv_heads=2**40), "mask_picture expects kv_heads to be an integer of 1 to 1, but got 1099511627776"),
    (dict(block=5), r"mask_picture expects block to be a pair \(queries, keys\), but got 5"),
    (dict(block={1: 1, 2: 2}), r"mask_picture expects block to be a pair \(queries, keys\), but got {1: 1"),
    (dict(block=(2, "a")), "mask_picture expects the keys of block to be an integer"),
    (dict(kv_length=9, causal=True), "expects equal query and key lengths or an explicit alignment, but got 8 and 9"),
])  # fmt: skip
def test_errors(options, message):
    with pytest.raises(attn.ShapeError, match=message):
        attn.mask_picture(8, **options)
