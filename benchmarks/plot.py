# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Horizontal bars as SVG: a few lines of text instead of a plotting library."""

from __future__ import annotations

import dataclasses
from html import escape

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#9c6b4e")
_LABEL, _BAR, _EDGE = 300, 420, 70


@dataclasses.dataclass
class Bar:
    """A row of bars, one for each series; None leaves one out."""

    name: str
    values: list[float | None]
    #: Where a mark stands, such as a target.
    mark: float | None = None


def bars(title: str, series: list[str], rows: list[Bar], limit: float | None = None) -> str:
    """A chart. Bars that pass `limit` end there and say their number."""
    numbers = [v for row in rows for v in (*row.values, row.mark) if v is not None]
    top = max(numbers, default=1.0) or 1.0
    top = min(top, limit) if limit else top
    thick = 14 if len(series) == 1 else 9
    step = thick * len(series) + 8
    legend = 22 if len(series) > 1 else 0
    height = 34 + legend + step * len(rows) + 10
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LABEL + _BAR + _EDGE} {height}" '
        f'width="{_LABEL + _BAR + _EDGE}" height="{height}" font-family="sans-serif" font-size="11">',
        f'<rect width="100%" height="100%" fill="white"/><text x="8" y="20" font-size="14">{escape(title)}</text>',
    ]
    if legend:
        for n, name in enumerate(series):
            x = _LABEL + n * 100
            out.append(f'<rect x="{x}" y="30" width="10" height="10" fill="{COLOURS[n % len(COLOURS)]}"/>'
                       f'<text x="{x + 14}" y="39">{escape(name)}</text>')
    for at, row in enumerate(rows):
        y = 34 + legend + at * step
        out.append(f'<text x="{_LABEL - 8}" y="{y + step / 2}" text-anchor="end">{escape(row.name)}</text>')
        for n, value in enumerate(row.values):
            if value is None:
                continue
            width = _BAR * min(value, top) / top
            out.append(f'<rect x="{_LABEL}" y="{y + n * thick}" width="{width:.1f}" height="{thick - 1}" '
                       f'fill="{COLOURS[n % len(COLOURS)]}"/><text x="{_LABEL + width + 4:.1f}" '
                       f'y="{y + (n + 1) * thick - 2}" font-size="{min(11, thick)}">{value:.2f}</text>')
        if row.mark is not None and row.mark <= top:
            x = _LABEL + _BAR * row.mark / top
            out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 2}" y2="{y + step - 5}" stroke="black" '
                       'stroke-width="1.5"/>')
    return "\n".join([*out, "</svg>"]) + "\n"
