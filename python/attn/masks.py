# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Structured masks: which keys a query sees, as an algebra.

A structured mask speaks of logical positions, so the compiler knows from its
structure which key blocks exist and which of them need a mask at all. Masks
combine with ``&`` and ``|``:

>>> Causal() & Window(4096, 0) | Prefix(64)
Causal() & Window(4096, 0) | Prefix(64)

``print(mask.picture(6, 8, align="bottom_right"))`` draws one; a notebook shows
it as SVG by itself.
"""

from __future__ import annotations

import math
from typing import Any, Iterable, Mapping, Union

from . import checks, drawing
from .errors import ShapeError

__all__ = ["Causal", "Document", "Full", "Mask", "Prefix", "Window"]

Bound = Union[int, float, None]

#: Operands of `attn.attention` that a structured mask can bring along.
_OPERAND_ROLES = ("q_segments", "kv_segments", "cu_q", "cu_kv", "prefix_lengths")


class Mask:
    """A structured mask. Use the subclasses and combine them with ``&``, ``|``.

    Attributes:
      text: the body of the ``#attn.mask<...>`` attribute.
      operands: the arrays the mask reads, by operand name.
      needs_align: whether the mask compares a query's position with a key's,
        so that unequal lengths need an explicit alignment.
    """

    __slots__ = ("text", "operands", "needs_align")

    text: str
    operands: Mapping[str, Any]
    needs_align: bool

    def _set(
        self,
        text: str,
        needs_align: bool = False,
        operands: Mapping[str, Any] | None = None,
    ) -> None:
        self.text = text
        self.needs_align = needs_align
        self.operands = operands or {}

    # ---- algebra ----------------------------------------------------------

    def __and__(self, other: "Mask") -> "Mask":
        if not isinstance(other, Mask):
            return NotImplemented
        return _combine("and", (self, other))

    def __or__(self, other: "Mask") -> "Mask":
        if not isinstance(other, Mask):
            return NotImplemented
        return _combine("or", (self, other))

    def __invert__(self) -> "Mask":
        folded = self._inverse()
        if folded is None:
            raise ShapeError(
                f"the mask algebra has no complement: ~({self!r}) expects a mask "
                "whose complement is again a structured mask, but got one that has "
                "none; pass a mask_mod callable such as "
                "`lambda b, h, q, kv: ~(...)` instead"
            )
        return folded

    def _inverse(self) -> "Mask | None":
        return None

    def __bool__(self) -> bool:
        raise ShapeError(
            "a mask has no truth value: combine masks with `&` and `|`, not with "
            "`and` and `or`"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return self.text == other.text and all(
            self.operands.get(r) is other.operands.get(r) for r in _OPERAND_ROLES
        )

    def __hash__(self) -> int:
        return hash(self.text)

    # ---- pictures ---------------------------------------------------------

    def dense(
        self,
        q_length: int,
        kv_length: int | None = None,
        *,
        align: str | None = None,
        batch: int = 0,
    ) -> Any:
        """Returns the mask as ``bool[q_length, kv_length]`` (True = attend).

        Args:
          q_length: number of query rows.
          kv_length: number of keys; ``q_length`` when left out.
          align: ``"top_left"`` or ``"bottom_right"``; may be left out when the
            lengths agree or the mask does not compare positions.
          batch: which row of per-batch operands to use.

        Raises:
          ShapeError: the lengths differ and no alignment was given, or there are more
            than 2^28 pairs.
        """
        import numpy as np

        q_length = checks.whole("q_length", q_length, 0)
        kv_length = q_length if kv_length is None else checks.whole("kv_length", kv_length, 0)
        checks.pairs("a dense mask", q_length, kv_length)
        batch = checks.whole("batch", batch, 0)
        if align is not None:
            align = checks.choice("align", align, ("top_left", "bottom_right"))
        if align is None and self.needs_align and q_length != kv_length:
            raise ShapeError(ambiguous_causal(q_length, kv_length, repr(self)))
        scene = _Scene(np, self, q_length, kv_length, align, batch)
        return np.ascontiguousarray(
            np.broadcast_to(self._dense(scene), (q_length, kv_length))
        )

    def _dense(self, scene: "_Scene") -> Any:
        raise NotImplementedError

    def picture(
        self, q_length: int = 8, kv_length: int | None = None, *, align: str | None = None
    ) -> str:
        """Draws the mask: a line per query, ``#`` where it sees the key."""
        rows = self.dense(q_length, kv_length, align=align)
        return "\n".join(drawing.text(rows, ".#"))

    def _repr_svg_(self) -> str:
        import numpy as np

        size, cell = 16, 10
        if "q_segments" in self.operands:
            size = np.shape(self.operands["q_segments"])[-1]
        elif "cu_q" in self.operands:
            size = max(int(self.operands["cu_q"][-1]), 1)
        size = min(size, 64)
        side = size * cell
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side + 16}"'
            f' viewBox="0 0 {side} {side + 16}">',
            f'<rect width="{side}" height="{side}" fill="{drawing.CELL_COLOURS[0]}"/>',
        ]
        parts += drawing.cells(self.dense(size), cell, ("", drawing.CELL_COLOURS[2]))
        parts.append(
            f'<text x="0" y="{side + 12}" font-size="10" font-family="monospace">'
            f"{drawing.escape(repr(self))}</text></svg>"
        )
        return "".join(parts)


class _Scene:
    """The logical positions and document ids of one small dense picture."""

    def __init__(self, np: Any, mask: Mask, lq: int, lk: int, align: str | None, batch: int):
        self.np = np
        self.batch = batch
        qpos, kpos = np.arange(lq), np.arange(lk)
        self.qseg, self.kseg = np.zeros(lq, np.int64), np.zeros(lk, np.int64)
        ops = mask.operands
        if "cu_q" in ops:
            cu_q, cu_k = np.asarray(ops["cu_q"]), np.asarray(ops["cu_kv"])
            self.qseg[:], self.kseg[:] = -2, -1
            for d in range(len(cu_q) - 1):
                self.qseg[cu_q[d] : cu_q[d + 1]] = d
                self.kseg[cu_k[d] : cu_k[d + 1]] = d
        elif "q_segments" in ops:
            self.qseg = self._row(ops["q_segments"])[:lq]
            self.kseg = self._row(ops["kv_segments"])[:lk]
        for d in np.unique(np.concatenate([self.qseg, self.kseg])):
            qs, ks = self.qseg == d, self.kseg == d
            shift = ks.sum() - qs.sum() if align == "bottom_right" else 0
            qpos[qs] = np.arange(qs.sum()) + shift
            kpos[ks] = np.arange(ks.sum())
        self.q = qpos[:, None]
        self.k = kpos[None, :]

    def _row(self, array: Any) -> Any:
        """The batch entry's own part of an operand; one for all may lack the axis."""
        array = self.np.asarray(array)
        return array if array.ndim == 1 else self._entry(array)

    def _entry(self, array: Any) -> Any:
        if len(array) == 1:
            return array[0]
        if self.batch >= len(array):
            raise ShapeError(f"batch expects one of {len(array)} entries, but got {self.batch}")
        return array[self.batch]


class Full(Mask):
    """Every query sees every key."""

    __slots__ = ()

    def __init__(self) -> None:
        self._set("full")

    def _inverse(self) -> Mask:
        return Prefix(0)

    def _dense(self, scene: _Scene) -> Any:
        return scene.np.array([[True]])

    def __repr__(self) -> str:
        return "Full()"


class Causal(Mask):
    """A query sees the keys at its own position and before it.

    With unequal lengths `attn.attention` asks for an alignment:
    ``"top_left"`` (torch, JAX) or ``"bottom_right"`` (flash-attn, caches).
    """

    __slots__ = ()

    def __init__(self) -> None:
        self._set("causal", needs_align=True)

    def _dense(self, scene: _Scene) -> Any:
        return scene.k <= scene.q

    def __repr__(self) -> str:
        return "Causal()"


class Window(Mask):
    """A query sees `left` keys before and `right` keys after its position.

    Both bounds are inclusive and do not count the query's own position;
    ``None``, ``math.inf`` and ``-1`` leave a side open. ``Window(4095, 0)`` is
    the causal window of 4,096 keys.
    """

    __slots__ = ("left", "right")

    def __init__(self, left: Bound, right: Bound) -> None:
        self.left = _bound("left", left)
        self.right = _bound("right", right)
        text = "band<{}, {}>".format(
            *("inf" if b is None else str(b) for b in (self.left, self.right))
        )
        if self.left is None and self.right is None:
            self._set("full")
        else:
            self._set(text, needs_align=True)

    def _inverse(self) -> Mask | None:
        return Prefix(0) if self.text == "full" else None

    def _dense(self, scene: _Scene) -> Any:
        delta = scene.k - scene.q
        seen = delta == delta
        if self.left is not None:
            seen &= delta >= -self.left
        if self.right is not None:
            seen &= delta <= self.right
        return seen

    def __repr__(self) -> str:
        return f"Window({self.left}, {self.right})"


class Prefix(Mask):
    """Every query sees the keys at positions below `length`.

    Args:
      length: a number, compiled in, or an ``int32[B]`` array of one per batch.
    """

    __slots__ = ("length",)

    def __init__(self, length: Any) -> None:
        self.length = length
        if len(getattr(length, "shape", ())) > 0:
            self._set("prefix", operands={"prefix_lengths": length})
            return
        wants = "a number of keys in [0, 2^31) or an int32[B] array"
        number = checks.whole("Prefix", length, 0, checks.MOST_INT32, wants=wants)
        self.length = number
        self._set(f"prefix<{number}>")

    def _inverse(self) -> Mask | None:
        return Full() if self.length is not None and self.text == "prefix<0>" else None

    def _dense(self, scene: _Scene) -> Any:
        length = self.length
        if self.text == "prefix":
            length = int(scene._entry(scene.np.asarray(length)))
        return scene.k < length

    def __repr__(self) -> str:
        return f"Prefix({self.length if self.text != 'prefix' else '<int32[B]>'})"


class Document(Mask):
    """A query sees the keys of its own document, and positions restart in each.

    Args:
      cu_seqlens: ``int32[N + 1]``, where document n holds the query slots
        ``cu_seqlens[n]:cu_seqlens[n + 1]``.
      cu_seqlens_kv: the same for the keys; ``cu_seqlens`` when left out.
      segments: ``int32[B|1, Sq]`` document ids, instead of ``cu_seqlens``.
      segments_kv: ``int32[B|1, Sk]``; ``segments`` when left out.

    Without arguments it stands for the documents that `attn.attention` is
    given through ``q_segments``/``kv_segments`` or ``cu_seqlens_q``/``_kv``.
    """

    __slots__ = ()

    def __init__(
        self,
        cu_seqlens: Any = None,
        cu_seqlens_kv: Any = None,
        *,
        segments: Any = None,
        segments_kv: Any = None,
    ) -> None:
        if cu_seqlens is not None and segments is not None:
            raise ShapeError(
                "Document expects either cu_seqlens or segments, but got both"
            )
        if (cu_seqlens_kv is not None and cu_seqlens is None) or (
            segments_kv is not None and segments is None
        ):
            raise ShapeError(
                "Document expects the documents of the queries, but got only those "
                "of the keys"
            )
        operands: dict[str, Any] = {}
        if cu_seqlens is not None:
            operands["cu_q"] = cu_seqlens
            operands["cu_kv"] = cu_seqlens if cu_seqlens_kv is None else cu_seqlens_kv
        if segments is not None:
            operands["q_segments"] = segments
            operands["kv_segments"] = segments if segments_kv is None else segments_kv
        self._set("document", operands=operands)

    def _dense(self, scene: _Scene) -> Any:
        return scene.qseg[:, None] == scene.kseg[None, :]

    def __repr__(self) -> str:
        kind = "cu_seqlens" if "cu_q" in self.operands else "segments"
        return f"Document({kind}=...)" if self.operands else "Document()"


class _Combined(Mask):
    """``and`` or ``or`` of two or more masks."""

    __slots__ = ("kind", "parts")

    def __init__(self, kind: str, parts: tuple[Mask, ...]) -> None:
        self.kind = kind
        self.parts = parts
        self._set(
            f"{kind}({', '.join(p.text for p in parts)})",
            any(p.needs_align for p in parts),
            merge_operands(parts),
        )

    def _inverse(self) -> Mask | None:
        inverses = [p._inverse() for p in self.parts]
        if any(i is None for i in inverses):
            return None
        return _combine("or" if self.kind == "and" else "and", inverses)  # type: ignore[arg-type]

    def _dense(self, scene: _Scene) -> Any:
        seen = self.parts[0]._dense(scene)
        for part in self.parts[1:]:
            other = part._dense(scene)
            seen = seen & other if self.kind == "and" else seen | other
        return seen

    def __repr__(self) -> str:
        def show(part: Mask) -> str:
            # `&` binds tighter than `|`, in Python as here.
            inner = isinstance(part, _Combined) and self.kind == "and"
            return f"({part!r})" if inner else repr(part)

        return (" & " if self.kind == "and" else " | ").join(map(show, self.parts))


def _combine(kind: str, masks: Iterable[Mask]) -> Mask:
    """Joins masks, flattening nested joins and dropping what changes nothing."""
    parts: list[Mask] = []
    for mask in masks:
        same = isinstance(mask, _Combined) and mask.kind == kind
        parts.extend(mask.parts if same else [mask])  # type: ignore[attr-defined]
    unique = list(dict.fromkeys(parts))
    # Full is the neutral element of `and` and absorbs everything in `or`;
    # Prefix(0), which sees nothing, is the other way round.
    neutral, absorbing = ("full", "prefix<0>") if kind == "and" else ("prefix<0>", "full")
    for part in unique:
        if part.text == absorbing:
            return part
    kept = [p for p in unique if p.text != neutral]
    if not kept:
        return unique[0]
    return kept[0] if len(kept) == 1 else _Combined(kind, tuple(kept))


def joined(kind: str, masks: Iterable[Mask]) -> Mask:
    """Returns the ``"and"`` or ``"or"`` of some masks, at least one."""
    return _combine(kind, masks)


def conjunction(masks: Iterable[Mask]) -> Mask:
    """Returns the ``and`` of any number of masks; of none, `Full()`."""
    masks = list(masks)
    return _combine("and", masks) if masks else Full()


def merge_operands(masks: Iterable[Mask]) -> dict[str, Any]:
    """Joins the operands of several masks; each may be given once only."""
    merged: dict[str, Any] = {}
    for mask in masks:
        for role, value in mask.operands.items():
            if merged.setdefault(role, value) is not value:
                raise ShapeError(
                    f"a mask expects one array for {role}, but got two different ones"
                )
    if "cu_q" in merged and "q_segments" in merged:
        raise ShapeError("a mask expects either cu_seqlens or segments, but got both")
    return merged


def ambiguous_causal(lq: int, lk: int, what: str) -> str:
    """The error text for a causal mask of unequal lengths, with both pictures."""
    # Pictures of the real lengths when they are small, else of the same shape
    # scaled down to a few cells.
    rows, cols = lq, lk
    if max(lq, lk) > 12:
        rows = max(1, round(8 * lq / max(lq, lk)))
        cols = max(1, round(8 * lk / max(lq, lk)))
        if rows == cols:
            rows, cols = (rows - 1, cols) if lq < lk else (rows, cols - 1)
    rows, cols = max(rows, 1), max(cols, 1)
    width = max(cols, len("top_left"))

    def line(i: int, shift: int) -> str:
        return "".join("#" if j <= i + shift else "." for j in range(cols))

    lines = [f"    {'top_left':<{width}}   bottom_right"]
    for i in range(rows):
        lines.append(f"    {line(i, 0):<{width}}   {line(i, cols - rows)}")
    return (
        f"{what} expects equal query and key lengths or an explicit alignment, but "
        f'got {lq} and {lk}; choose "top_left" or "bottom_right":\n' + "\n".join(lines)
    )


def bounds(window: Any) -> tuple[int | None, int | None]:
    """The bounds of `attention`'s window as `Window` has them."""
    wants = "a pair (left, right) of keys before and after a query's position"
    left, right = checks.pair("window", window, wants)
    return _bound("left", left), _bound("right", right)


def _bound(name: str, value: Bound) -> int | None:
    """Normalises one side of a window; None means open."""
    if value is None or (isinstance(value, float) and value == math.inf):
        return None
    if type(value) is int and 0 <= value <= checks.MOST_INT32:  # a decode step may ask this
        return value
    wants = "an integer in [0, 2^31), -1, inf or None"
    number = checks.whole(name, value, -1, checks.MOST_INT32, wants=wants, of="Window")
    return None if number == -1 else number
