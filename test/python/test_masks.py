# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The mask algebra: its text, its pictures, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import attn
from attn import Causal, Document, Full, Prefix, Window


def test_text_of_each_mask():
    assert Full().text == "full"
    assert Causal().text == "causal"
    assert Window(4096, 0).text == "band<4096, 0>"
    assert Window(None, 3).text == "band<inf, 3>"
    assert Window(-1, -1).text == "full"
    assert Prefix(64).text == "prefix<64>"
    assert Prefix(np.array([3, 4], np.int32)).text == "prefix"
    assert Document().text == "document"


def test_text_of_the_algebra():
    mask = Causal() & Window(4096, 0) & Document() | Prefix(64)
    assert mask.text == "or(and(causal, band<4096, 0>, document), prefix<64>)"
    assert repr(mask) == "Causal() & Window(4096, 0) & Document() | Prefix(64)"
    assert repr(Causal() & (Window(1, 1) | Prefix(2))) == "Causal() & (Window(1, 1) | Prefix(2))"


def test_neutral_and_absorbing_masks_fold():
    assert (Causal() & Full()).text == "causal"
    assert (Causal() | Full()).text == "full"
    assert (Causal() & Causal()).text == "causal"
    assert (Causal() | Prefix(0)).text == "causal"
    assert (Causal() & Prefix(0)).text == "prefix<0>"


def test_complement_is_refused_unless_it_folds():
    assert (~Full()).text == "prefix<0>"
    assert (~Prefix(0)).text == "full"
    assert (~(Full() & Window(None, None))).text == "prefix<0>"
    with pytest.raises(attn.ShapeError, match=r"~\(Causal\(\)\).*mask_mod"):
        ~Causal()


def test_and_or_keywords_are_refused():
    with pytest.raises(attn.ShapeError, match="`&` and `|`"):
        Causal() and Window(1, 1)


@pytest.mark.parametrize("left, right", [(-2, 0), (0, -5), (1.5, 0), ("a", 0), (2**31, 0), (True, 0), (np.ones(2), 0)])
def test_window_refuses_bad_bounds(left, right):
    with pytest.raises(attn.ShapeError, match="Window expects"):
        Window(left, right)


def test_prefix_and_document_refuse_bad_arguments():
    with pytest.raises(attn.ShapeError, match="but got -1"):
        Prefix(-1)
    with pytest.raises(attn.ShapeError, match="but got 'x'"):
        Prefix("x")
    ids = np.zeros((1, 4), np.int32)
    with pytest.raises(attn.ShapeError, match="but got both"):
        Document(np.array([0, 4], np.int32), segments=ids)
    with pytest.raises(attn.ShapeError, match="only those of the keys"):
        Document(segments_kv=ids)
    with pytest.raises(attn.ShapeError, match="one array for q_segments"):
        Document(segments=ids) & Document(segments=ids.copy())


@pytest.mark.parametrize("size", [-1, "6", 6.0, True, 2**40])
def test_pictures_refuse_what_is_no_size(size):
    mask = Causal()
    for draw in (mask.picture, mask.dense, lambda n: mask.dense(6, n)):
        with pytest.raises(attn.ShapeError, match="expects an integer|expects at most"):
            draw(size)


def test_dense_refuses_other_options():
    with pytest.raises(attn.ShapeError, match="align expects one of top_left, bottom_right, but got 'x'"):
        Causal().dense(6, align="x")
    with pytest.raises(attn.ShapeError, match="batch expects an integer of at least 0, but got 'x'"):
        Causal().dense(6, batch="x")
    with pytest.raises(attn.ShapeError, match="batch expects one of 2 entries, but got 4"):
        Prefix(np.array([3, 4], np.int32)).dense(6, batch=4)


def test_pictures():
    assert Causal().picture(3, 5, align="top_left") == "#....\n##...\n###.."
    assert Causal().picture(3, 5, align="bottom_right") == "###..\n####.\n#####"
    # More queries than keys: the first rows see nothing.
    assert Causal().picture(3, 2, align="bottom_right") == "..\n#.\n##"
    assert (Causal() & Window(1, 0)).picture(4) == "#...\n##..\n.##.\n..##"
    assert Prefix(2).picture(2, 4) == "##..\n##.."


def test_unequal_lengths_show_both_pictures():
    with pytest.raises(attn.ShapeError) as e:
        Causal().dense(3, 5)
    text = str(e.value)
    assert "but got 3 and 5" in text
    assert "top_left   bottom_right" in text
    assert "#....      ###.." in text


def test_documents_restart_positions():
    cu = np.array([0, 2, 5], np.int32)
    assert (Document(cu) & Causal()).picture(5) == "#....\n##...\n..#..\n..##.\n..###"
    ids = np.array([[7, 7, 9, 9, 9]], np.int32)
    by_ids = Document(segments=ids) & Causal()
    assert by_ids.picture(5) == (Document(cu) & Causal()).picture(5)
    # Different documents of queries and keys, bottom-right within each.
    mask = Document(np.array([0, 1, 2], np.int32), np.array([0, 3, 5], np.int32)) & Causal()
    assert mask.picture(2, 5, align="bottom_right") == "###..\n...##"
    assert mask.picture(2, 5, align="top_left") == "#....\n...#."


def test_svg_has_a_square_per_visible_pair():
    svg = (Causal() & Window(2, 0))._repr_svg_()
    assert svg.startswith("<svg") and svg.endswith("</svg>")
    assert svg.count("#2c6fbb") == int((Causal() & Window(2, 0)).dense(16).sum())
    assert "Causal() &amp; Window(2, 0)" in svg


MASKS = st.recursive(
    st.one_of(
        st.just(Full()),
        st.just(Causal()),
        st.builds(Window, st.one_of(st.none(), st.integers(0, 5)), st.integers(0, 5)),
        st.builds(Prefix, st.integers(0, 9)),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: p[0] & p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] | p[1]),
    ),
    max_leaves=6,
)


def meaning(text: str, i: int, j: int) -> bool:
    """Evaluates an attribute's text on one pair of positions, on its own terms."""
    import re

    inf = 10**9
    python = re.sub(r"<([^<>]*)>", r"(\1)", text)
    names = {
        "full": True,
        "causal": j <= i,
        "inf": inf,
        "band": lambda left, right: -left <= j - i <= right,
        "prefix": lambda p: j < p,
        "and_": lambda *x: all(x),
        "or_": lambda *x: any(x),
    }
    return bool(eval(re.sub(r"\b(and|or)\(", r"\1_(", python), names))


@given(MASKS, st.integers(1, 7), st.integers(1, 7), st.sampled_from(["top_left", "bottom_right"]))
def test_text_and_picture_mean_the_same(mask, lq, lk, align):
    dense = mask.dense(lq, lk, align=align)
    shift = lk - lq if align == "bottom_right" else 0
    expected = [[meaning(mask.text, i + shift, j) for j in range(lk)] for i in range(lq)]
    assert dense.tolist() == expected
