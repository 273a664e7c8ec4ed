# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Grids of small numbers as text and as SVG: what every picture of a mask is made of."""

from __future__ import annotations

from typing import Any, Iterable, Sequence

#: Nothing, some, everything.
CELL_COLOURS = ("#f2f2f2", "#9cc3e6", "#2c6fbb")


def text(rows: Iterable[Iterable[int]], letters: str) -> list[str]:
    """A line per row, a letter per number: ``letters[number]``."""
    return ["".join(letters[int(x)] for x in row) for row in rows]


def cells(
    rows: Iterable[Iterable[int]], size: int, colours: Sequence[str], names: Sequence[str] = ()
) -> list[str]:
    """A square of `size` pixels per number, of class ``names[number]``, from the origin on.

    Squares leave a pixel free between them. Without names, zeros draw nothing.
    """
    parts = []
    for i, row in enumerate(rows):
        for j, x in enumerate(row):
            kind = int(x)
            if not names and not kind:
                continue
            named = f' class="{names[kind]}"' if names else ""
            parts.append(
                f'<rect{named} x="{j * size}" y="{i * size}" width="{size - 1}"'
                f' height="{size - 1}" fill="{colours[kind]}"/>'
            )
    return parts


def escape(label: Any) -> str:
    """A label as text of XML."""
    return str(label).replace("&", "&amp;").replace("<", "&lt;")
