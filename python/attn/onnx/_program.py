# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A module written node by node, with the sizes of every value known beside it.

A program is written for arrays of given shapes, so that every size can be checked
before it runs. Its text says only what has to be static (head dims, axes that
broadcast), so that other batch sizes and lengths give the same text, and with it
the same kernel.
"""

from __future__ import annotations

import re
from typing import Any, Sequence

from .. import ir
from ..errors import ShapeError
from ..ir import FLOATS, TensorType

Dims = tuple[int | None, ...]


class Value:
    """A tensor of the program.

    Attributes:
      dtype, sizes: its element type and sizes.
      label: how errors call it.
      name: its name in the text; None for an argument that nothing has read yet.
    """

    __slots__ = ("dtype", "feed", "label", "name", "sizes")

    def __init__(
        self, dtype: str, sizes: Sequence[int], label: str, name: str | None, feed: Any = None
    ) -> None:
        self.dtype = dtype
        self.sizes = tuple(sizes)
        self.label = label
        self.name = name
        #: Where an argument's array comes from: an input's number, or the array.
        self.feed = feed

    @property
    def rank(self) -> int:
        return len(self.sizes)

    @property
    def loose(self) -> Dims:
        """Dims that leave all open but the last, which may be a head dim."""
        return (*[None] * (self.rank - 1), self.sizes[-1]) if self.rank > 2 else (None,) * self.rank

    def __str__(self) -> str:
        return f"{self.dtype} of shape {list(self.sizes)}"


class Builder:
    """The program so far."""

    def __init__(self) -> None:
        self.module = ir.Module()
        #: What the arguments are fed with, in their order.
        self.feeds: list[Any] = []
        self._indices: dict[int, str] = {}

    # ---- values ----------------------------------------------------------------

    def argument(self, label: str, dtype: str, sizes: Sequence[int], feed: Any) -> Value:
        """An argument; its type is settled by whoever reads it first."""
        return Value(dtype, sizes, label, None, feed)

    def _argument_name(self, label: str) -> str:
        """`label` as MLIR takes it, and not yet used: ``a/b.0`` becomes ``a_b_0``."""
        name = re.sub(r"[^A-Za-z0-9_]", "_", label)[:40]
        if not re.match(r"[A-Za-z_]", name):
            name = f"x{name}"
        taken = {n for n, _ in self.module.arguments}
        # A value's number in the text is set apart by an underscore.
        while name in taken or re.search(r"_\d+$", name):
            name += "_"
        return name

    def read(self, value: Value, dims: Dims | None = None) -> str:
        """The name of a value as a tensor with these dims."""
        want = TensorType(value.dtype, value.loose if dims is None else dims)
        if value.name is None:
            value.name = self.module.argument(self._argument_name(value.label), want)
            self.feeds.append(value.feed)
        have = self.module.types[value.name]
        if have == want:
            return value.name
        return self.line("cast", want, f"tensor.cast {value.name} : {have} to {want}")

    def line(self, stem: str, type_: TensorType, text: str) -> str:
        """Adds an operation with one result and returns the result's name."""
        name = self.module.value(stem, type_)
        self.module.lines.append(f"{name} = {text}")
        return name

    def made(self, name: str, sizes: Sequence[int], label: str) -> Value:
        return Value(self.module.types[name].dtype, sizes, label, name)

    def type(self, name: str) -> TensorType:
        return self.module.types[name]

    def index(self, number: int) -> str:
        """A constant of type index."""
        if number not in self._indices:
            self._indices[number] = f"%c{number}_index"
            # First, so that whatever reads it comes later.
            self.module.lines.insert(0, f"%c{number}_index = arith.constant {number} : index")
        return self._indices[number]

    def dim(self, name: str, axis: int) -> str:
        """The size of an axis, as a value of type index."""
        result = f"%size_{self.module.counter}"
        self.module.counter += 1
        self.module.lines.append(
            f"{result} = tensor.dim {name}, {self.index(axis)} : {self.type(name)}"
        )
        return result

    # ---- operations ----------------------------------------------------------------

    def cast(self, value: Value, dtype: str) -> Value:
        """A float tensor in another float type."""
        if value.dtype == dtype:
            return value
        widths = {"f16": 16, "bf16": 16, "f32": 32, "f64": 64}
        if widths[value.dtype] == widths[dtype]:
            return self.cast(self.cast(value, "f32"), dtype)  # f16 and bf16
        op = "arith.extf" if widths[dtype] > widths[value.dtype] else "arith.truncf"
        name = self.read(value) if value.name is None else value.name
        have = self.type(name)
        want = TensorType(dtype, have.dims)
        return self.made(
            self.line("as", want, f"{op} {name} : {have} to {want}"), value.sizes, value.label
        )

    def concat(self, axis: int, values: Sequence[Value], label: str) -> Value:
        """Values side by side along an axis; the other sizes have to agree."""
        first = values[0]
        for v in values[1:]:
            rest = [s for a, s in enumerate(v.sizes) if a != axis]
            if v.dtype != first.dtype or rest != [
                s for a, s in enumerate(first.sizes) if a != axis
            ]:
                raise ShapeError(
                    f"{label} expects tensors of one dtype that differ along axis {axis} only, but "
                    f"got {first} and {v}"
                )
        sizes = list(first.sizes)
        sizes[axis] = sum(v.sizes[axis] for v in values)
        dims: list[int | None] = list(first.loose)
        dims[axis] = None
        names = [self.read(v, tuple(dims)) for v in values]
        type_ = TensorType(first.dtype, tuple(dims))
        types = ", ".join([str(type_)] * len(names))
        if axis == first.rank - 1 and first.rank > 2:
            # The last axis keeps its size: a head dim has to be known.
            names = [self.read(v) for v in values]
            types = ", ".join(str(self.type(n)) for n in names)
            type_ = TensorType(first.dtype, (*[None] * axis, sizes[axis]))
        name = self.line(
            "joined", type_, f"tensor.concat dim({axis}) {', '.join(names)} : ({types}) -> {type_}"
        )
        return self.made(name, sizes, label)

    def split_heads(self, value: Value, heads: int, label: str) -> Value:
        """[B, S, H * D] as [B, S, H, D], without moving anything."""
        batch, length, width = value.sizes
        name = self.read(value, (None, None, width))
        type_ = TensorType(value.dtype, (None, None, heads, width // heads))
        sizes = f"[{self.dim(name, 0)}, {self.dim(name, 1)}, {heads}, {width // heads}]"
        text = (
            f"tensor.expand_shape {name} [[0], [1], [2, 3]] output_shape {sizes} : "
            f"{self.type(name)} into {type_}"
        )
        return self.made(
            self.line("heads", type_, text), (batch, length, heads, width // heads), label
        )

    def join_heads(self, value: Value) -> Value:
        """[B, S, H, D] as [B, S, H * D]."""
        heads, dim = value.sizes[2:]
        name = self.read(value, (None, None, heads, dim))
        have = self.type(name)
        type_ = TensorType(have.dtype, (None, None, heads * dim))
        text = f"tensor.collapse_shape {name} [[0], [1], [2, 3]] : {have} into {type_}"
        sizes = (*value.sizes[:2], heads * dim)
        return self.made(self.line("rows", type_, text), sizes, value.label)

    def heads_first(self, value: Value, heads: int, label: str) -> Value:
        """[B, S, H * D] as [B, H, S, D]: one slice per head, side by side."""
        batch, length, width = value.sizes
        dim = width // heads
        name = self.read(value, (None, None, width))
        b, s = self.dim(name, 0), self.dim(name, 1)
        slice_type = TensorType(value.dtype, (None, None, dim))
        head_type = TensorType(value.dtype, (None, 1, None, dim))
        parts = []
        for h in range(heads):
            part = self.line(
                "slice", slice_type,
                f"tensor.extract_slice {name}[0, 0, {h * dim}] [{b}, {s}, {dim}] [1, 1, 1] : "
                f"{self.type(name)} to {slice_type}",
            )  # fmt: skip
            parts.append(self.line(
                "head", head_type,
                f"tensor.expand_shape {part} [[0, 1], [2], [3]] output_shape [{b}, 1, {s}, {dim}] : "
                f"{slice_type} into {head_type}",
            ))  # fmt: skip
        type_ = TensorType(value.dtype, (None, heads, None, dim))
        types = ", ".join([str(head_type)] * heads)
        joined = self.line(
            "heads", type_, f"tensor.concat dim(1) {', '.join(parts)} : ({types}) -> {type_}"
        )
        return self.made(joined, (batch, heads, length, dim), label)

    def pad_last(self, value: Value, size: int, like: str, axis: int, fill: str) -> Value:
        """`value` with its last axis made as long as axis `axis` of `like`, by `fill`."""
        dims = ir.broadcast_dims(value.sizes)
        name = self.read(value, dims)
        rank = value.rank
        more = f"%more_{self.module.counter}"
        want, have = self.dim(like, axis), self.dim(name, rank - 1)
        self.module.lines.append(f"{more} = arith.subi {want}, {have} : index")
        scalar = f"%fill_{self.module.counter}"
        self.module.counter += 1
        self.module.lines.append(f"{scalar} = arith.constant {fill}")
        zeros = ", ".join(["0"] * rank)
        high = ", ".join([*["0"] * (rank - 1), more])
        arguments = ", ".join(f"%p{a}: index" for a in range(rank))
        type_ = TensorType(value.dtype, dims)
        text = (
            f"tensor.pad {name} low[{zeros}] high[{high}] {{\n    ^bb0({arguments}):\n"
            f"      tensor.yield {scalar} : {value.dtype}\n    }} : {type_} to {type_}"
        )
        return self.made(
            self.line("padded", type_, text), (*value.sizes[:-1], size), value.label
        )

    def differs(self, value: Value, fill: str) -> Value:
        """Where a float tensor is not `fill`, as booleans."""
        dims = ir.broadcast_dims(value.sizes)
        name = self.read(value, dims)
        scalar = f"%fill_{self.module.counter}"
        self.module.counter += 1
        self.module.lines.append(f"{scalar} = arith.constant {fill} : {value.dtype}")
        sizes = ", ".join(self.dim(name, a) for a, d in enumerate(dims) if d is None)
        type_ = self.type(name)
        filled = self.line("filled", type_, f"tensor.splat {scalar}[{sizes}] : {type_}")
        result = TensorType("i1", dims)
        text = f"arith.cmpf une, {name}, {filled} : {type_}"
        return self.made(self.line("seen", result, text), value.sizes, value.label)

    def elementwise(self, op: str, values: Sequence[Value], label: str) -> Value:
        """An arith or math op on float tensors of one dtype and shape."""
        first = values[0]
        for v in values:
            if v.dtype not in FLOATS or v.dtype != first.dtype or v.sizes != first.sizes:
                raise ShapeError(
                    f"{label} expects float tensors of one dtype and shape outside of attention, "
                    f"but got {' and '.join(map(str, values))}"
                )
        names = [self.read(v) for v in values]
        return self.made(self.module.elementwise(op, names), first.sizes, label)
