# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes `attn` programs as text.

A program is written before it is compiled, and the text is what the cache
hashes, so this module needs neither the compiler nor a tensor library. Names of
values are stable: the same request gives the same text.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from .errors import ShapeError
from .tracing import Region, float_text

#: The operands of attn.attention after q, k and v, in the order of its syntax.
OPERAND_ORDER = (
    "bias", "mask_tensor", "q_lengths", "kv_lengths", "q_positions", "kv_positions",
    "q_segments", "kv_segments", "cu_q", "cu_kv", "prefix_lengths", "page_table",
    "log_weight", "sinks",
)  # fmt: skip

FLOATS = ("f64", "f32", "f16", "bf16")


class TensorType(NamedTuple):
    """A ranked tensor type; None stands for a dynamic size."""

    dtype: str
    dims: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = "".join("?x" if d is None else f"{d}x" for d in self.dims)
        return f"tensor<{sizes}{self.dtype}>"


class Attention(NamedTuple):
    """Everything that one `attn.attention` says besides its values' names.

    `operands` maps operand names (see `OPERAND_ORDER`) to their types;
    `captures` are the types of the captured tensors; `score_mod`, `mask_mod` and
    `prob_mod` come with the numbers of their captures among those. `scores` is the
    kind of a result that holds a number per pair, and `axes` the order of q's, k's
    and v's axes as an attribute; both are None where the op has none.
    """

    q: TensorType
    k: TensorType
    v: TensorType
    operands: Mapping[str, TensorType] = {}
    mask: str = "full"
    align: str | None = None
    scale: float | None = None
    softcap: float | None = None
    page_size: int | None = None
    captures: Sequence[TensorType] = ()
    score_mod: tuple[Region, Sequence[int]] | None = None
    mask_mod: tuple[Region, Sequence[int]] | None = None
    return_lse: bool = False
    schedule: str | None = None
    prob_mod: tuple[Region, Sequence[int]] | None = None
    scores: str | None = None
    axes: str | None = None
    batch_invariant: bool = False

    @property
    def results(self) -> tuple[TensorType, ...]:
        """out, then lse and scores where they are asked for."""
        results = [TensorType(self.q.dtype, (*self.q.dims[:3], self.v.dims[3]))]
        b, h, s = (None, None, None) if self.axes is not None else self.q.dims[:3]
        if self.return_lse:
            results.append(TensorType("f64" if self.q.dtype == "f64" else "f32", (b, h, s)))
        if self.scores is not None:
            results.append(TensorType(self.q.dtype, (b, h, s, None)))
        return tuple(results)

    def text(
        self, results: Sequence[str], qkv: Sequence[str], operands: Mapping[str, str],
        captures: Sequence[str],
    ) -> str:  # fmt: skip
        """The operation, given the names of its results and operands."""
        lines = [f"{', '.join(results)} = attn.attention {', '.join(qkv)}"]
        lines += self.clauses(operands, captures)
        attributes = self.attributes()
        if attributes:
            lines.append(f"{{{', '.join(attributes)}}}")
        types = ", ".join(map(str, (self.q, self.k, self.v)))
        made = list(map(str, self.results))
        told = f" scores {self.scores} : {made.pop()}" if self.scores is not None else ""
        lines.append(f": {types} -> {', '.join(made)}{told}")
        return "\n    ".join(lines)

    def clauses(self, operands: Mapping[str, str], captures: Sequence[str]) -> list[str]:
        """What stands between q, k, v and the attributes."""
        lines = []
        if self.mask != "full":
            lines.append(f"mask <{self.mask}>")
        if self.align is not None:
            lines.append(f"align {self.align}")
        for role in OPERAND_ORDER:
            if role in self.operands:
                lines.append(f"{role}({operands[role]} : {self.operands[role]})")
        if self.captures:
            types = ", ".join(map(str, self.captures))
            lines.append(f"captures({', '.join(captures)} : {types})")
        capture_types = [str(t) for t in self.captures]
        for mod in (self.score_mod, self.mask_mod, self.prob_mod):
            if mod is not None:
                region, numbering = mod
                lines.extend(region.text(capture_types, numbering).split("\n"))
        return lines

    def attributes(self) -> list[str]:
        """The attributes, without braces."""
        attributes = []
        if self.scale is not None:
            attributes.append(f"scale = {float_text(self.scale)} : f64")
        if self.softcap is not None:
            attributes.append(f"softcap = {float_text(self.softcap)} : f64")
        if self.page_size is not None:
            attributes.append(f"page_size = {self.page_size} : i64")
        if self.axes is not None:
            attributes.append(f"axes = {self.axes}")
        if self.schedule is not None:
            attributes.append(f"schedule = {self.schedule}")
        if self.batch_invariant:
            attributes.append("batch_invariant")
        return attributes


class AttentionGrad(NamedTuple):
    """One `attn.attention_grad`: the attention, and which gradients beside dq, dk and dv."""

    op: Attention
    dlse: bool = False
    #: Operands with a gradient, among "bias", "log_weight" and "sinks", in this order.
    wanted: Sequence[str] = ()
    #: Captured tensors with a gradient, by number.
    captures: Sequence[int] = ()

    @property
    def results(self) -> tuple[TensorType, ...]:
        op = self.op
        return (
            op.q, op.k, op.v, *(op.operands[w] for w in self.wanted),
            *(op.captures[n] for n in self.captures),
        )  # fmt: skip

    def text(
        self, results: Sequence[str], qkv: Sequence[str], operands: Mapping[str, str],
        captures: Sequence[str], state: Mapping[str, str],
    ) -> str:  # fmt: skip
        """The operation, given the names of its results and operands."""
        op = self.op
        out, lse = op._replace(return_lse=True).results
        lines = [f"{', '.join(results)} = attn.attention_grad {', '.join(qkv)}"]
        lines += op.clauses(operands, captures)
        for role, value in state.items():
            lines.append(f"{role}({value} : {lse if role.endswith('lse') else out})")
        attributes = op.attributes()
        if self.captures:
            attributes.append(f"capture_grads = array<i64: {', '.join(map(str, self.captures))}>")
        if attributes:
            lines.append(f"{{{', '.join(attributes)}}}")
        types = ", ".join(map(str, (op.q, op.k, op.v)))
        lines.append(f": {types} -> {types}")
        lines += [f"d{w}({op.operands[w]})" for w in self.wanted]
        if self.captures:
            lines.append(f"dcaptures({', '.join(str(op.captures[n]) for n in self.captures)})")
        return "\n    ".join(lines)


class Module:
    """A module of one function, written line by line.

    >>> m = Module("main")
    >>> x = m.argument("x", TensorType("f32", (None, 4)))
    >>> print(m.finish([x]))  # doctest: +SKIP
    """

    def __init__(self, entry: str = "main") -> None:
        self.entry = entry
        self.arguments: list[tuple[str, TensorType]] = []
        self.types: dict[str, TensorType] = {}
        self.lines: list[str] = []
        self.counter = 0

    def argument(self, name: str, type_: TensorType) -> str:
        """Adds an argument and returns its value's name."""
        if any(name == n for n, _ in self.arguments):
            raise ShapeError(f"a program expects distinct argument names, but got {name} twice")
        self.arguments.append((name, type_))
        value = argument_value(name)
        self.types[value] = type_
        return value

    def value(self, stem: str, type_: TensorType) -> str:
        """Makes a new value's name."""
        name = f"%{stem}_{self.counter}"
        self.counter += 1
        self.types[name] = type_
        return name

    def attention(
        self, op: Attention, qkv: Sequence[str], operands: Mapping[str, str],
        captures: Sequence[str],
    ) -> list[str]:  # fmt: skip
        """Adds an attention and returns its results' names."""
        stems = ["out", *["lse"] * op.return_lse, *["scores"] * (op.scores is not None)]
        results = [self.value(s, t) for s, t in zip(stems, op.results)]
        self.lines.append(op.text(results, qkv, operands, captures))
        return results

    def attention_grad(
        self, op: AttentionGrad, qkv: Sequence[str], operands: Mapping[str, str],
        captures: Sequence[str], state: Mapping[str, str],
    ) -> list[str]:  # fmt: skip
        """Adds a gradient and returns its results' names."""
        results = [self.value("grad", t) for t in op.results]
        self.lines.append(op.text(results, qkv, operands, captures, state))
        return results

    def merge_states(self, outs: Sequence[str], lses: Sequence[str]) -> list[str]:
        """Adds an `attn.merge_states` and returns (out, lse)."""
        types = [", ".join(str(self.types[v]) for v in vs) for vs in (outs, lses)]
        out, lse = self.types[outs[0]], self.types[lses[0]]
        results = [self.value("out", out), self.value("lse", lse)]
        self.lines.append(
            f"{', '.join(results)} = attn.merge_states outs({', '.join(outs)} : {types[0]}) "
            f"lses({', '.join(lses)} : {types[1]}) -> {out}, {lse}"
        )
        return results

    def elementwise(self, op: str, values: Sequence[str]) -> str:
        """Adds an arith op on tensors of one type and returns its result."""
        type_ = self.types[values[0]]
        result = self.value("v", type_)
        self.lines.append(f"{result} = {op} {', '.join(values)} : {type_}")
        return result

    def finish(self, results: Sequence[str]) -> str:
        """Returns the module's text."""
        arguments = ",\n                ".join(
            f'{argument_value(n)}: {t} {{attn.name = "{n}"}}' for n, t in self.arguments
        )
        types = [str(self.types[r]) for r in results]
        body = "".join(f"  {line}\n" for line in self.lines)
        return (
            f"func.func @{self.entry}({arguments})\n    -> ({', '.join(types)}) {{\n{body}"
            f"  return {', '.join(results)} : {', '.join(types)}\n}}\n"
        )


def argument_value(name: str) -> str:
    """The value of an argument called `name`."""
    # The regions of an attention have values of their own with these names.
    own = name in ("s", "b", "h", "i", "j") or name.startswith("cap")
    return f"%{name}_" if own else f"%{name}"


def broadcast_dims(shape: Sequence[int]) -> tuple[int | None, ...]:
    """Dims of an operand that broadcasts: 1 is static, the rest is dynamic.

    The last axis counts keys and is always dynamic, so that one kernel serves
    every length.
    """
    return tuple([1 if d == 1 else None for d in shape[:-1]] + [None])


def merge_module(dtype: str, head_dim: int, count: int) -> str:
    """A module `@main(out0, .., lse0, ..)` that merges `count` states."""
    m = Module()
    out = TensorType(dtype, (None, None, None, head_dim))
    lse = TensorType("f64" if dtype == "f64" else "f32", (None, None, None))
    outs = [m.argument(f"out{i}", out) for i in range(count)]
    lses = [m.argument(f"lse{i}", lse) for i in range(count)]
    return m.finish(m.merge_states(outs, lses))


def parse_signature(entry: Mapping[str, Any]) -> tuple[list[TensorType], list[TensorType]]:
    """Reads argument and result types from a package's JSON entry."""

    def types(items: Sequence[Mapping[str, Any]]) -> list[TensorType]:
        return [
            TensorType(i["dtype"], tuple(None if d < 0 else d for d in i["shape"])) for i in items
        ]

    return types(entry["args"]), types(entry["results"])
