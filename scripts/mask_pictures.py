#!/usr/bin/env python3
# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Draws the masks of the dialect as text and writes docs/Masks.md, or says that the page is stale.

The pictures follow docs/Spec.md section 1.5 word by word and use nothing of the compiler but how grids are drawn; a
test compares them with the oracle's own idea of the same masks. `attn.mask_picture` draws what the compiler thinks.

    scripts/mask_pictures.py            writes docs/Masks.md
    scripts/mask_pictures.py --check    exit status 1 when the page differs
    scripts/mask_pictures.py --json     the pictures as JSON: mask, alignment, Sq, Sk, rows of 0 and 1
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import math
import sys
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "Masks.md"
INF = math.inf


def load_drawing():
    """attn's module of grids by its path: the rest of the package needs a build."""
    spec = importlib.util.spec_from_file_location("attn_drawing", ROOT / "python" / "attn" / "drawing.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


drawing = load_drawing()

# A mask here is a function of (pos_i, pos_j, segment_i, segment_j).
Mask = Callable[[int, int, int, int], bool]


def causal(i: int, j: int, *_: int) -> bool:
    return j <= i


def band(left: float, right: float) -> Mask:
    return lambda i, j, *_: -left <= j - i <= right


def prefix(bound: int) -> Mask:
    return lambda i, j, *_: j < bound


def document(i: int, j: int, si: int, sj: int) -> bool:
    return si == sj


def full(*_: int) -> bool:
    return True


def both(*parts: Mask) -> Mask:
    return lambda *a: all(p(*a) for p in parts)


def either(*parts: Mask) -> Mask:
    return lambda *a: any(p(*a) for p in parts)


@dataclasses.dataclass
class Picture:
    """One drawing: the mask as the dialect spells it, how it is aligned, and its sizes."""

    spelling: str
    mask: Mask
    queries: int
    keys: int
    align: str = ""
    q_documents: tuple[int, ...] = ()
    kv_documents: tuple[int, ...] = ()
    note: str = ""

    def rows(self) -> list[list[int]]:
        """1 where the query (row) sees the key (column): [queries][keys]."""
        q_segments = [n for n, size in enumerate(self.q_documents) for _ in range(size)]
        kv_segments = [n for n, size in enumerate(self.kv_documents) for _ in range(size)]
        out = []
        for i in range(self.queries):
            row = []
            for j in range(self.keys):
                si, sj = (q_segments[i], kv_segments[j]) if q_segments else (0, 0)
                # Positions count within a document, and bottom_right is per document too.
                qi = i - sum(self.q_documents[:si])
                kj = j - sum(self.kv_documents[:sj])
                lengths = (self.q_documents[si], self.kv_documents[si]) if q_segments else (self.queries, self.keys)
                offset = lengths[1] - lengths[0] if self.align == "bottom_right" else 0
                row.append(int(self.mask(qi + offset, kj, si, sj)))
            out.append(row)
        return out

    def draw(self) -> list[str]:
        return [" ".join(line) for line in drawing.text(self.rows(), ".#")]


PICTURES = [
    Picture("full", full, 4, 6),
    Picture("causal", causal, 5, 5, note="as many queries as keys: no alignment needed"),
    Picture("causal", causal, 3, 6, "top_left"),
    Picture("causal", causal, 3, 6, "bottom_right", note="new queries behind a cache"),
    Picture("causal", causal, 6, 3, "top_left", note="Lq > Lk"),
    Picture("causal", causal, 6, 3, "bottom_right", note="Lq > Lk: the first rows see nothing, out = 0, lse = -inf"),
    Picture("band<2, 0>", band(2, 0), 6, 6, note="a causal window of three keys"),
    Picture("band<1, 1>", band(1, 1), 6, 6),
    Picture("band<0, inf>", band(0, INF), 5, 5, note="the present and the future"),
    Picture("band<1, 0>", band(1, 0), 3, 6, "bottom_right"),
    Picture("band<1, 0>", band(1, 0), 6, 3, "bottom_right", note="Lq > Lk"),
    Picture("prefix<2>", prefix(2), 4, 6),
    Picture("or(causal, prefix<3>)", either(causal, prefix(3)), 6, 6, note="prefix language model"),
    Picture("or(band<1, 0>, and(causal, prefix<1>))", either(band(1, 0), both(causal, prefix(1))), 6, 6,
            note="a window plus one key that is always kept"),
    Picture("document", document, 6, 6, "", (2, 3, 1), (2, 3, 1), "three packed documents"),
    Picture("and(document, causal)", both(document, causal), 6, 6, "top_left", (2, 3, 1), (2, 3, 1)),
    Picture("and(document, causal)", both(document, causal), 3, 7, "bottom_right", (1, 2), (3, 4),
            "each document's queries behind its own cache"),
    Picture("and(document, causal)", both(document, causal), 6, 4, "bottom_right", (4, 2), (2, 2),
            "Lq > Lk in the first document"),
]


def page() -> str:
    """The Markdown page."""
    out = [
        "<!-- Written by scripts/mask_pictures.py; `make docs` writes it anew. -->",
        "",
        "# Masks, drawn",
        "",
        "Rows are queries, columns are keys; `#` means the query sees the key. What the names mean is",
        "[Spec.md](Spec.md), section 1.5; how positions are counted is section 1.4.",
        "",
    ]
    for picture in PICTURES:
        sizes = f"{picture.queries} queries, {picture.keys} keys"
        if picture.q_documents:
            same = picture.q_documents == picture.kv_documents
            sizes += f", documents of {', '.join(map(str, picture.q_documents))}"
            sizes += "" if same else f" queries and {', '.join(map(str, picture.kv_documents))} keys"
        title = f"`{picture.spelling}`" + (f" `align {picture.align}`" if picture.align else "")
        out += [f"**{title}**, {sizes}" + (f": {picture.note}" if picture.note else ""), "", "```"]
        out += picture.draw() + ["```", ""]
    return "\n".join(out).rstrip() + "\n"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--json", action="store_true", help="print the pictures as JSON")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page (default: docs/Masks.md)")
    args = parser.parse_args(argv)
    if args.json:
        keys = ("spelling", "queries", "keys", "align", "q_documents", "kv_documents")
        print(json.dumps([{k: getattr(p, k) for k in keys} | {"rows": p.rows()} for p in PICTURES]))
        return 0
    text = page()
    if args.check:
        if not args.page.is_file() or args.page.read_text() != text:
            print(f"{args.page} is stale; run `make docs`")
            return 1
        return 0
    args.page.write_text(text)
    print(f"wrote {args.page.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
