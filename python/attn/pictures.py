# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Pictures of masks: which blocks of queries and keys a call computes.

What is drawn is what the compiler makes of a call's masks, not a second reading
of them: a kernel that shows the score of every pair says which of them are hidden.
"""

from __future__ import annotations

import json
from typing import Any, Iterable, NamedTuple, Sequence

from . import checks, compiler, frontend
from .drawing import CELL_COLOURS, cells, escape, text
from .errors import ShapeError

#: The options of `attention` that say who sees whom.
OPTIONS = (
    "mask", "causal", "window", "mask_mod", "align", "q_lengths", "kv_lengths", "q_positions",
    "kv_positions", "q_segments", "kv_segments", "cu_seqlens_q", "cu_seqlens_kv", "page_table",
    "page_size",
)  # fmt: skip
SKIPPED, PARTIAL, FULL = 0, 1, 2
NAMES = ("skipped", "partial", "full")


class _Request(NamedTuple):
    """What `mask_picture` passes through `attention`: to tell which pairs are visible."""

    block: tuple[int, int] | None

    def answer(
        self, settings: Any, qkv: Sequence[Any], operands: Sequence[tuple[str, Any]],
        captures: Sequence[Any], num_threads: int | None,
    ) -> tuple[Any, tuple[int, int]]:  # fmt: skip
        """visible, bool [B, H, Sq, Sk], and the (queries, keys) of a block."""
        import numpy as np

        op, equal, ask = frontend.describe(settings, qkv, operands, captures)
        if equal:
            frontend._check_equal(qkv[0], qkv[1], operands, settings.page_size, ask)
        block = self.block
        if block is None:
            told = json.loads(compiler.backend().explain(frontend.module_text(op)))
            schedule = told["entries"][0]["key_loops"][0]["schedule"]
            block = (schedule["lanes"] * schedule["q_vectors"], schedule["kv_tile"])
        program = compiler.program(frontend.module_text(op._replace(scores="score")))
        arrays = [*qkv, *(t for _, t in operands), *captures]
        scores = program.kernel.run(arrays, None, 0, num_threads or 0, None)[1]
        # Products of zeros: a visible pair's score is 0, a hidden one's -inf.
        return np.asarray(scores) == 0, block


def block_map(visible: Any, block: tuple[int, int]) -> Any:
    """What each block of a mask is: 0 skipped, 1 partial, 2 full.

    Args:
      visible: ``bool[..., Sq, Sk]``.
      block: how many queries and keys a block has; the last ones may have fewer.

    Returns:
      ``int8[..., ceil(Sq / queries), ceil(Sk / keys)]``.
    """
    import numpy as np

    def sums(x: Any) -> Any:
        for axis, size in ((-2, block[0]), (-1, block[1])):
            x = np.add.reduceat(x, np.arange(0, x.shape[axis], size), axis=axis)
        return x

    seen = sums(visible.astype(np.int64))
    whole = sums(np.ones(visible.shape[-2:], np.int64))
    return np.where(seen == 0, SKIPPED, np.where(seen == whole, FULL, PARTIAL)).astype(np.int8)


class MaskPicture:
    """A block map, one panel per head; a notebook shows it by itself.

    Attributes:
      blocks: ``int8[panels, query blocks, key blocks]``: 0 skipped, 1 partial (computed with
        the mask), 2 full (computed without it).
      block: how many (queries, keys) a block has.
      lengths: (Sq, Sk).
      titles: the panels' names: ``"head 0"``..., or ``"all heads"`` where none differs.
    """

    def __init__(
        self, blocks: Any, block: tuple[int, int], lengths: tuple[int, int], titles: Sequence[str]
    ) -> None:
        self.blocks = blocks
        self.block = block
        self.lengths = lengths
        self.titles = tuple(titles)

    @property
    def counts(self) -> list[dict[str, int]]:
        """For each panel, how many blocks are ``"skipped"``, ``"partial"`` and ``"full"``."""
        return [{n: int((panel == kind).sum()) for kind, n in enumerate(NAMES)} for panel in self.blocks]

    def __str__(self) -> str:
        """The panels as text: ``.`` skipped, ``+`` partial, ``#`` full."""
        parts = []
        for title, panel in zip(self.titles, self.blocks):
            parts += [title, *text(panel, ".+#")]
        return "\n".join(parts)

    def __repr__(self) -> str:
        sizes = f"{self.lengths[0]} queries, {self.lengths[1]} keys"
        return f"<attn.MaskPicture of {sizes}, {len(self.blocks)} panels, blocks of {self.block}>"

    def svg(self) -> str:
        """The panels side by side, axes in slots, with the numbers of each kind of block."""
        cell = max(4, min(16, 320 // max(self.blocks.shape[1:])))
        rows, columns = (n * cell for n in self.blocks.shape[1:])
        left, top, gap = 52, 44, 28
        panel_width = max(left + columns + gap, 260)
        width, height = panel_width * len(self.blocks), top + rows + 58
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="10">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        ]
        for n, (title, panel, counts) in enumerate(zip(self.titles, self.blocks, self.counts)):
            told = ", ".join(f"{count} {name}" for name, count in counts.items())
            parts.append(f'<g class="panel" transform="translate({n * panel_width}, 0)">')
            parts.append(f'<text x="{left}" y="14" font-weight="bold">{escape(title)}</text>')
            parts.append(f'<text x="{left}" y="28">{told}</text>')
            parts.append(f'<g transform="translate({left}, {top})">')
            parts += cells(panel, cell, CELL_COLOURS, NAMES)
            parts.append("</g>")
            parts += self._axes(left, top, cell)
            parts.append("</g>")
        parts += self._legend(left, height - 8)
        return "".join([*parts, "</svg>"])

    _repr_svg_ = svg

    def _axes(self, left: int, top: int, cell: int) -> Iterable[str]:
        """Ticks at the first slot of some blocks, and what the axes count."""
        rows, columns = self.blocks.shape[1:]
        for i in range(0, rows, max(1, -(-12 // cell))):
            y = top + i * cell + 9
            yield f'<text x="{left - 4}" y="{y}" text-anchor="end">{i * self.block[0]}</text>'
        for j in range(0, columns, max(1, -(-30 // cell))):
            x = left + j * cell
            yield f'<text x="{x}" y="{top + rows * cell + 12}">{j * self.block[1]}</text>'
        x, y = left + columns * cell / 2, top + rows * cell + 26
        yield f'<text x="{x:g}" y="{y}" text-anchor="middle">keys (of {self.lengths[1]})</text>'
        y = top + rows * cell / 2
        yield (
            f'<text transform="translate(10, {y:g}) rotate(-90)" text-anchor="middle">'
            f"queries (of {self.lengths[0]})</text>"
        )

    @staticmethod
    def _legend(left: int, y: int) -> Iterable[str]:
        for kind, name in enumerate(NAMES):
            x = left + kind * 58
            yield (
                f'<rect x="{x}" y="{y - 8}" width="9" height="9" fill="{CELL_COLOURS[kind]}" '
                f'stroke="#999999"/><text x="{x + 13}" y="{y}">{name}</text>'
            )


def _page_table(table: Any) -> Any:
    """The page table as numpy has it."""
    import numpy as np

    table = np.asarray(checks.listed("page_table", table, "int32"))
    if table.dtype != np.int32 or table.ndim not in (2, 3):
        raise ShapeError(
            f"page_table expects int32 of rank 2 or 3, but got {table.dtype} of shape {table.shape}"
        )
    return table


def mask_picture(
    q_length: int, kv_length: int | None = None, *, heads: int = 1, kv_heads: int | None = None,
    batch: int = 1, entry: int = 0, block: tuple[int, int] | None = None, **masks: Any,
) -> MaskPicture:  # fmt: skip
    """Draws which blocks of queries and keys a call with these masks computes.

    Args:
      q_length: how many queries (Sq).
      kv_length: how many keys (Sk); q_length when left out, and what the table holds
        with a page_table.
      heads, kv_heads: how many query and KV heads; as many KV heads as heads when left out.
      batch: how many batch entries the operands are for.
      entry: which of them is drawn.
      block: (queries, keys) of a block; those of the CPU's schedule when left out.
      **masks: the options of `attention` that say who sees whom: mask, causal, window,
        mask_mod, align, lengths, positions, segments, cu_seqlens and pages.

    Returns:
      a `MaskPicture`: one panel per head, or one for all where none differs. It has
      `counts`, `svg()`, and text by `print`.

    Raises:
      ShapeError: another option, an entry that there is not, more than 2^28 pairs; and
        what `attention` says of the masks.

    >>> attn.mask_picture(1024, causal=True).counts  # doctest: +SKIP
    [{'skipped': ..., 'partial': ..., 'full': ...}]
    """
    import numpy as np

    for name in masks:
        if name not in OPTIONS:
            raise ShapeError(f"mask_picture expects options among {', '.join(OPTIONS)}, but got {name}")

    def size(name: str, value: Any, low: int = 1, high: int = checks.MOST_INT32) -> int:
        return checks.whole(name, value, low, high, of="mask_picture")

    q_length = size("q_length", q_length)
    heads, batch = size("heads", heads), size("batch", batch)
    kv_heads = heads if kv_heads is None else size("kv_heads", kv_heads, high=heads)
    entry = size("entry", entry, 0, batch - 1)
    if block is not None:
        wants = "a pair (queries, keys)"
        rows, keys = checks.pair("block", block, wants, of="mask_picture")
        block = size("the queries of block", rows), size("the keys of block", keys)
    if masks.get("page_table") is not None:
        table = masks["page_table"] = _page_table(masks["page_table"])
        if masks.get("page_size") is None:
            raise ShapeError("mask_picture expects a page_size beside a page_table, but got none")
        page_size = size("page_size", masks["page_size"])
        kv_length = size("the keys of page_table", table.shape[-1] * page_size)
        pool = (int(table.max(initial=0)) + 1, kv_heads, page_size, 1)
    else:
        kv_length = q_length if kv_length is None else size("kv_length", kv_length)
        pool = (batch, kv_heads, kv_length, 1)
    checks.pairs("mask_picture", batch, heads, q_length, kv_length)
    q = np.zeros((batch, heads, q_length, 1), np.float32)
    # A pool has the pages that the table names, of which none takes memory here.
    k = np.broadcast_to(np.zeros((1, 1, 1, 1), np.float32), pool)
    visible, shown = frontend.attention(q, k, k, _grad=_Request(block), **masks)
    blocks = block_map(visible[entry], shown)
    titles = [f"head {h}" for h in range(heads)]
    if (blocks == blocks[:1]).all() and (visible[entry] == visible[entry, :1]).all():
        blocks, titles = blocks[:1], ["all heads" if heads > 1 else "head 0"]
    return MaskPicture(blocks, shown, (q_length, kv_length), titles)
