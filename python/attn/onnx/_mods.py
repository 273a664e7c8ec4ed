# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""score_mod and prob_mod graphs of FlexAttention as regions of the op.

The graphs compute with whole tensors [B, H, L, S], the regions with one pair. So
every tensor is held as a function from an index to the operations that make the
element there, and the graph's result is asked for the element [b, h, i, j]:

    Range(0, L)                      at [n]           n
    Reshape to [1, 1, L, 1]          at [_, _, i, _]  its operand at [i]
    GreaterOrEqual of that and ...   at [b, h, i, j]  i >= j

What follows from shapes alone is computed here, with numpy, in the types that ONNX
gives it. Integers are 64 bits wide in ONNX and 32 in a region: each carries the range
it can take for the sizes at hand, and one that may leave 32 bits is refused.

Whoever wrote a graph may have meant harm: few nodes can ask for many elements. So the
constants made here and the steps of a region are counted, and end at a bound.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from ..errors import CompileError
from ..tracing import constant_text
from ._read import (
    CONCAT,
    CONSTANT,
    LARGEST_RANK,
    Form,
    Graph,
    Kind,
    Node,
    Source,
    cast_form,
    checked_node,
    constant_of,
    library,
    read_graph,
)

_INT32 = (-(1 << 31), (1 << 31) - 1)
#: Nodes of one graph; far beyond what a modifier does.
_MOST_NODES = 4096
#: Elements that the tensors of one graph are asked for; each takes a step or two of the region.
_MOST_STEPS = 1024
#: How many of these one read of a table counts as: what it takes in a compilation.
_READ_STEPS = 16
#: Elements of the constants that are computed here, all of one graph's together.
_MOST_ELEMENTS = 1 << 26


class Scalar(NamedTuple):
    """One element: the number of the operation that makes it, its type, its range."""

    id: int
    type: str
    low: float = -math.inf
    high: float = math.inf


class Region:
    """The operations of one modifier, as `ir.Attention` writes them."""

    def __init__(self, kind: str, state: str) -> None:
        self.kind = kind
        self.state = state
        self.captures: list[Any] = []
        #: (op, operands, type, attribute); the first five are the block's arguments.
        self.nodes: list[tuple[str, tuple[int, ...], str, Any]] = []
        self._memo: dict[Any, Scalar] = {}
        self.arguments = [
            self.add("argument", (), state if n == "s" else "i32", n) for n in ("s", *"bhij")
        ]
        self.result = self.arguments[0]

    def add(
        self, op: str, args: Sequence[Scalar], type: str, attr: Any = None,
        bounds: tuple[float, float] = (-math.inf, math.inf),
    ) -> Scalar:  # fmt: skip
        key = (op, tuple(a.id for a in args), type, attr)
        if key not in self._memo:
            self.nodes.append(key)
            self._memo[key] = Scalar(len(self.nodes) - 1, type, *bounds)
        return self._memo[key]

    def constant(self, value: Any, type: str) -> Scalar:
        number = float(value)
        text = constant_text(value, type)
        return self.add("arith.constant", (), type, text, (number, number))

    def capture(self, array: Any) -> int:
        for n, seen in enumerate(self.captures):
            if seen is array:
                return n
        self.captures.append(array)
        return len(self.captures) - 1

    @property
    def trivial(self) -> bool:
        return self.result.id == 0

    def _live(self) -> list[int]:
        needed, todo = set(), [self.result.id]
        while todo:
            number = todo.pop()
            if number not in needed:
                needed.add(number)
                todo.extend(self.nodes[number][1])
        return sorted(needed)

    def reads(self, name: str) -> bool:
        return any(self.nodes[n][::3] == ("argument", name) for n in self._live())

    def text(self, capture_types: Sequence[str], numbering: Sequence[int]) -> str:
        """The region's text; see `tracing.Region.text`."""
        arguments = [f"%{n}: {self.state if n == 's' else 'i32'}" for n in ("s", *"bhij")]
        arguments += [f"%cap{i}: {t}" for i, t in enumerate(capture_types)]
        lines = [f"{self.kind} {{", f"^bb0({', '.join(arguments)}):"]
        names: dict[int, str] = {}
        for number in self._live():
            op, args, type_, attr = self.nodes[number]
            if op == "argument":
                names[number] = f"%{attr}"
                continue
            name = names[number] = f"%{len(lines) - 2}"
            values = ", ".join(names[a] for a in args)
            if op == "arith.constant":
                line = f"{op} {attr}" if type_ == "i1" else f"{op} {attr} : {type_}"
            elif op == "attn.load":
                index = numbering[attr]
                line = f"{op} %cap{index}[{values}] : {capture_types[index]}"
            elif op in ("arith.cmpi", "arith.cmpf"):
                line = f"{op} {attr}, {values} : {self.nodes[args[0]][2]}"
            elif op in ("arith.sitofp", "arith.extui"):
                line = f"{op} {values} : {self.nodes[args[0]][2]} to {type_}"
            else:
                line = f"{op} {values} : {type_}"
            lines.append(f"  {name} = {line}")
        lines.append(f"  attn.yield {names[self.result.id]} : {self.state}")
        lines.append("}")
        return "\n".join(lines)


class Lazy:
    """A tensor as a function from an index to its element. `kind` is f, i or b."""

    def __init__(
        self, importer: _Importer, kind: str, shape: Sequence[int],
        make: Callable[[Sequence[Scalar]], Scalar], weight: int = 1,
    ) -> None:  # fmt: skip
        self.kind = kind
        self.shape = importer.ranked(shape)
        self._make = make
        self._weight = weight
        self._importer = importer
        #: The node that it comes from, which errors name whoever asks.
        self._label = importer.label
        #: An element is made once, however many paths lead to it.
        self._made: dict[tuple[int, ...], Scalar] = {}

    def at(self, index: Sequence[Scalar]) -> Scalar:
        key = tuple(n.id for n in index)
        if key not in self._made:
            m, asking = self._importer, self._importer.label
            m.label = self._label
            m.count(self._weight)
            self._made[key] = self._make(index)
            m.label = asking
        return self._made[key]


def _kind_of(array: Any) -> str:
    """`Lazy.kind` of an array. bfloat16 is no float to numpy: its kind is that of raw bytes."""
    return {"b": "b", "i": "i"}.get(array.dtype.kind, "f")


def dtype_of(array: Any) -> str:
    """Our name of a capture's dtype."""
    return {"float32": "f32", "float64": "f64", "int32": "i32", "bool": "i1"}[str(array.dtype)]


class _Importer:
    """One subgraph."""

    def __init__(self, region: Region, where: str, outer: Mapping[str, Any]) -> None:
        self.region = region
        #: How errors call the graph, and the node at hand.
        self.where = self.label = where
        self.values: dict[str, Any] = dict(outer)  # numpy arrays and Lazy
        self._steps = 0
        self._elements = 0
        #: Tensors of constants, by the array's id; the array is kept, so the id is its own.
        self._tensors: dict[int, tuple[Any, Lazy]] = {}

    # ---- bounds ---------------------------------------------------------------------

    def count(self, steps: int) -> None:
        """Paths through a graph can be exponentially many; each that differs makes its steps."""
        self._steps += steps
        if self._steps > _MOST_STEPS:
            raise CompileError(
                f"{self.label} expects a modifier of at most {_MOST_STEPS} steps, a read of a table "
                f"counted as {_READ_STEPS}, but got more"
            )

    def room(self, shape: Sequence[int]) -> None:
        """A few small constants must not make a huge one."""
        self._elements += math.prod(shape)
        if self._elements > _MOST_ELEMENTS:
            raise CompileError(
                f"{self.label} expects constants of at most {_MOST_ELEMENTS} elements in all, but got "
                f"{self._elements} with {list(shape)}"
            )

    def ranked(self, shape: Sequence[int]) -> tuple[int, ...]:
        if len(shape) > LARGEST_RANK:
            raise CompileError(
                f"{self.label} expects tensors of at most {LARGEST_RANK} axes, but got {len(shape)}"
            )
        return tuple(shape)

    # ---- tensors --------------------------------------------------------------------

    def lazy(self, value: Any) -> Lazy:
        """A constant array as a tensor: a number, or a captured tensor that is read."""
        if isinstance(value, Lazy):
            return value
        if id(value) not in self._tensors:
            self._tensors[id(value)] = value, self._tensor(value)
        return self._tensors[id(value)][1]

    def _tensor(self, array: Any) -> Lazy:
        import numpy as np

        region, kind = self.region, _kind_of(array)
        bounds = (-math.inf, math.inf)
        if kind == "i" and array.size:
            bounds = float(array.min()), float(array.max())
            if not (_INT32[0] <= bounds[0] and bounds[1] <= _INT32[1]):
                raise CompileError(
                    f"{self.label} expects integers of 32 bits, but got constants from {array.min()} "
                    f"to {array.max()}"
                )
        type_ = {"b": "i1", "i": "i32", "f": region.state}[kind]
        dtype = np.dtype({"i1": "bool", "i32": "int32", "f32": "float32", "f64": "float64"}[type_])
        if array.dtype != dtype:
            self.room(array.shape)
        with np.errstate(over="ignore"):  # what no f32 holds is an infinity, as in a Cast
            stored = np.ascontiguousarray(array.astype(dtype, copy=False))
        if array.size == 1:
            number = stored.item()
            return Lazy(self, kind, array.shape, lambda at: region.constant(number, type_))

        def read(at: Sequence[Scalar]) -> Scalar:
            return region.add("attn.load", at, type_, region.capture(stored), bounds)

        return Lazy(self, kind, array.shape, read, _READ_STEPS)

    def broadcast(self, tensor: Lazy, at: Sequence[Scalar]) -> Scalar:
        """The element of a tensor that broadcasts from the right to where `at` points."""
        index = list(at)[len(at) - len(tensor.shape) :]
        zero = self.region.constant(0, "i32")
        return tensor.at([zero if size == 1 else n for n, size in zip(index, tensor.shape)])

    def shape_of(self, *shapes: Sequence[int]) -> tuple[int, ...]:
        """What shapes broadcast to."""
        rank = max(map(len, shapes))
        axes = zip(*([1] * (rank - len(s)) + [*s] for s in shapes))
        sizes = [{*axis} - {1} or {1} for axis in axes]
        if any(len(s) > 1 for s in sizes):
            raise CompileError(
                f"{self.label} expects shapes that broadcast, but got "
                f"{' and '.join(str([*s]) for s in shapes)}"
            )
        return tuple(s.pop() for s in sizes)

    def each(
        self, kind: str, tensors: Sequence[Lazy], make: Callable[..., Scalar]
    ) -> Lazy:
        """A tensor made element by element."""
        shape = self.shape_of(*(t.shape for t in tensors))
        return Lazy(self, kind, shape, lambda at: make(*(self.broadcast(t, at) for t in tensors)))

    def integer(self, op: str, args: Sequence[Scalar], low: float, high: float) -> Scalar:
        """An i32, which it has to fit."""
        if not (_INT32[0] <= low and high <= _INT32[1]):
            raise CompileError(
                f"{self.label} expects integers of 32 bits, but got some that may reach from {low:g} "
                f"to {high:g}"
            )
        return self.region.add(op, args, "i32", None, (low, high))

    # ---- nodes ---------------------------------------------------------------------------

    def run(self, graph: Graph, number: Lazy) -> Lazy:
        self.values.update(graph.constants)
        self.values[graph.inputs[0].name] = number
        for node in graph.nodes:
            self.label = node.label
            inputs = [self.values[name] if name else None for name in node.inputs]
            self.values[node.outputs[0]] = _OPS[node.op][1](self, node, inputs)
        self.label = self.where
        return self.lazy(self.values[graph.outputs[0]])

    def concrete(self, value: Any, what: str) -> Any:
        """A value that follows from shapes and constants."""
        if isinstance(value, Lazy):
            raise CompileError(
                f"{self.label} expects {what} that follows from shapes and constants, but got one "
                "that is computed"
            )
        return value

    def integers(self, value: Any, what: str, most: int = LARGEST_RANK) -> list[int]:
        """Concrete integers: a shape, axes, or a bound."""
        array = self.concrete(value, what)
        if array.dtype.kind != "i" or array.size > most:
            raise CompileError(
                f"{self.label} expects {what} of at most {most} integers, but got {array.dtype} of "
                f"shape {list(array.shape)}"
            )
        return [int(n) for n in array.reshape(-1)]


# ---- ops -----------------------------------------------------------------------------


def _float_op(op: str, plain: Any = None) -> Any:
    def run(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
        tensors = [m.lazy(x) for x in inputs]
        if any(t.kind != "f" for t in tensors):
            raise CompileError(f"{m.label} expects floats, but got integers or booleans")
        return m.each("f", tensors, lambda *args: m.region.add(op, args, m.region.state))

    return run


def _products(a: Scalar, b: Scalar) -> tuple[float, float]:
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return min(corners), max(corners)


def _arithmetic(name: str, float_op: str) -> Any:
    int_ops = {"Add": "arith.addi", "Sub": "arith.subi", "Mul": "arith.muli", "Div": "arith.divsi"}

    def bounds(a: Scalar, b: Scalar) -> tuple[float, float]:
        if name == "Add":
            return a.low + b.low, a.high + b.high
        if name == "Sub":
            return a.low - b.high, a.high - b.low
        return _products(a, b)

    def run(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
        if not any(isinstance(x, Lazy) for x in inputs):
            return _fold(m, name, inputs)
        tensors = [m.lazy(x) for x in inputs]
        kinds = {t.kind for t in tensors}
        if kinds == {"f"}:
            return m.each("f", tensors, lambda *x: m.region.add(float_op, x, m.region.state))
        if kinds != {"i"}:
            raise CompileError(f"{m.label} expects floats or integers, not both, nor booleans")

        def make(a: Scalar, b: Scalar) -> Scalar:
            if name != "Div":
                return m.integer(int_ops[name], (a, b), *bounds(a, b))
            if b.low <= 0 <= b.high:
                raise CompileError(
                    f"{m.label} expects an integer divisor that cannot be 0, but got one from "
                    f"{b.low:g} to {b.high:g}"
                )
            # Towards zero, as ONNX has it.
            most = max(abs(a.low), abs(a.high))
            return m.integer(int_ops[name], (a, b), -most, most)

        return m.each("i", tensors, make)

    return run


def _fold(m: _Importer, name: str, inputs: Sequence[Any]) -> Any:
    """Arithmetic on constants, in their own type."""
    import numpy as np

    a, b = inputs
    if a.dtype != b.dtype or _kind_of(a) == "b":
        raise CompileError(f"{m.label} expects numbers of one type, but got {a.dtype} and {b.dtype}")
    m.room(m.shape_of(a.shape, b.shape))
    with np.errstate(all="ignore"):
        if name != "Div":
            return {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[name](a, b)
        if _kind_of(a) == "f":
            return a / b
        if (b == 0).any():
            raise CompileError(f"{m.label} expects an integer divisor other than 0, but got 0")
        down = a // b
        # Towards zero, as ONNX has it.
        return down + ((down < 0) & (down * b != a)).astype(a.dtype)


def _extremum(float_op: str, int_op: str) -> Any:
    pick = min if "min" in int_op else max

    def run(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
        tensors = [m.lazy(x) for x in inputs]
        kinds = {t.kind for t in tensors}
        if len(kinds) != 1 or kinds == {"b"}:
            raise CompileError(f"{m.label} expects floats or integers, not both, nor booleans")

        def two(a: Scalar, b: Scalar) -> Scalar:
            if kinds == {"f"}:
                return m.region.add(float_op, (a, b), m.region.state)
            return m.integer(int_op, (a, b), pick(a.low, b.low), pick(a.high, b.high))

        result = tensors[0]
        for t in tensors[1:]:
            result = m.each(result.kind, [result, t], two)
        return result

    return run


def _clip(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    x, low, high = [*inputs, None, None][:3]
    if low is not None:
        x = _OPS["Max"][1](m, node, [x, low])
    if high is not None:
        x = _OPS["Min"][1](m, node, [x, high])
    return x


def _compare(predicate: str) -> Any:
    float_ = {"eq": "oeq", "slt": "olt", "sle": "ole", "sgt": "ogt", "sge": "oge"}[predicate]

    def run(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
        tensors = [m.lazy(x) for x in inputs]
        kinds = {t.kind for t in tensors}
        if len(kinds) != 1 or (kinds == {"b"} and predicate != "eq"):
            raise CompileError(f"{m.label} expects two operands of one type that have an order")

        def make(a: Scalar, b: Scalar) -> Scalar:
            if kinds == {"f"}:
                return m.region.add("arith.cmpf", (a, b), "i1", float_)
            return m.region.add("arith.cmpi", (a, b), "i1", predicate)

        return m.each("b", tensors, make)

    return run


def _logical(op: str) -> Any:
    def run(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
        tensors = [m.lazy(x) for x in inputs]
        if any(t.kind != "b" for t in tensors):
            raise CompileError(f"{m.label} expects booleans, but got numbers")
        return m.each("b", tensors, lambda *args: m.region.add(op, args, "i1"))

    return run


def _not(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    import numpy as np

    return _OPS["Xor"][1](m, node, [inputs[0], np.array(True)])


def _where(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    condition, *rest = (m.lazy(x) for x in inputs)
    if condition.kind != "b" or rest[0].kind != rest[1].kind:
        raise CompileError(
            f"{m.label} expects a boolean and two operands of one type, but got kinds "
            f"{condition.kind}, {rest[0].kind} and {rest[1].kind}"
        )

    def make(c: Scalar, a: Scalar, b: Scalar) -> Scalar:
        bounds = (min(a.low, b.low), max(a.high, b.high))
        return m.region.add("arith.select", (c, a, b), a.type, None, bounds)

    return m.each(rest[0].kind, [condition, *rest], make)


def _negate(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    import numpy as np

    x = inputs[0]
    if not isinstance(x, Lazy):
        if _kind_of(x) == "b":
            raise CompileError(f"{m.label} expects numbers, but got booleans")
        m.room(x.shape)
        return -x
    if x.kind == "i":
        return _OPS["Sub"][1](m, node, [np.array(0), x])
    return _float_op("arith.negf")(m, node, [x])


def _absolute(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    x = m.lazy(inputs[0])
    if x.kind == "i":
        return _OPS["Max"][1](m, node, [x, _negate(m, node, [x])])
    return _float_op("math.absf")(m, node, [x])


def _relu(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    x = m.lazy(inputs[0])
    import numpy as np

    return _OPS["Max"][1](m, node, [x, np.array(0 if x.kind == "i" else 0.0)])


def _sigmoid(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    import numpy as np

    one = np.array(1.0)
    grown = _float_op("math.exp")(m, node, [_float_op("arith.negf")(m, node, inputs)])
    return _float_op("arith.divf")(m, node, [one, _float_op("arith.addf")(m, node, [one, grown])])


def _reciprocal(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    import numpy as np

    return _float_op("arith.divf")(m, node, [np.array(1.0), inputs[0]])


#: What a Cast in a modifier may make, by `Lazy.kind`.
_CAST_KINDS = {1: "f", 10: "f", 11: "f", 16: "f", 6: "i", 7: "i", 9: "b"}


def _cast(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    import numpy as np

    # Computed floats stay in the type of the scores: never narrower than asked.
    kind = _CAST_KINDS[node.attributes["to"]]
    x = inputs[0]
    if not isinstance(x, Lazy):
        return _cast_constant(m, node, x)
    region = m.region
    if x.kind == kind:
        return x
    if kind == "f":
        if x.kind == "i":
            return m.each("f", [x], lambda a: region.add("arith.sitofp", (a,), region.state))
        return _where(m, node, [x, np.array(1.0), np.array(0.0)])
    if kind == "i":
        if x.kind == "f":
            raise CompileError(
                f"{m.label} expects not to make integers of computed floats, which may not fit 32 "
                "bits, but got such a cast"
            )
        return m.each("i", [x], lambda a: region.add("arith.extui", (a,), "i32", None, (0, 1)))
    zero = m.lazy(np.array(0.0 if x.kind == "f" else 0))

    def make(a: Scalar, b: Scalar) -> Scalar:
        if x.kind == "f":
            return region.add("arith.cmpf", (a, b), "i1", "une")
        return region.add("arith.cmpi", (a, b), "i1", "ne")

    return m.each("b", [x, zero], make)


def _cast_constant(m: _Importer, node: Node, x: Any) -> Any:
    import numpy as np

    dtype = library().helper.tensor_dtype_to_np_dtype(node.attributes["to"])
    m.room(x.shape)
    if dtype.kind == "i" and _kind_of(x) == "f":
        most = 2.0 ** (8 * dtype.itemsize - 1)
        whole = np.trunc(x.astype(np.float64))
        if not ((-most <= whole) & (whole < most)).all():  # nor is NaN
            raise CompileError(
                f"{m.label} expects numbers that fit {dtype}, but got {x.dtype} that do not"
            )
    with np.errstate(all="ignore"):
        return x.astype(dtype)


def _constant(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    return constant_of(node)


def _shape(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    import numpy as np

    shape = inputs[0].shape
    start, end = node.attributes.get("start", 0), node.attributes.get("end", None)
    return np.array(shape[start:end], np.int64)


def _gather(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    import numpy as np

    data, indices = inputs
    axis = node.attributes.get("axis", 0)
    shape = data.shape
    if not -len(shape) <= axis < len(shape):
        raise CompileError(f"{m.label} expects an axis of {list(shape)}, but got {axis}")
    axis %= len(shape)
    made = m.ranked((*shape[:axis], *indices.shape, *shape[axis + 1 :]))
    if not isinstance(data, Lazy) and not isinstance(indices, Lazy):
        if indices.dtype.kind != "i" or (
            indices.size and not -shape[axis] <= indices.min() <= indices.max() < shape[axis]
        ):
            raise CompileError(f"{m.label} expects indices inside axis {axis} of {list(shape)}")
        m.room(made)
        return np.take(data, indices, axis)
    tensor, picked = m.lazy(data), m.lazy(indices)
    if picked.kind != "i":
        raise CompileError(f"{m.label} expects integer indices, but got kind {picked.kind}")
    rank = len(picked.shape)

    def at(index: Sequence[Scalar]) -> Scalar:
        where = picked.at(list(index)[axis : axis + rank])
        if not (0 <= where.low and where.high < shape[axis]):
            raise CompileError(
                f"{m.label} expects indices from 0 to {shape[axis] - 1}, but got some that may reach "
                f"from {where.low:g} to {where.high:g}"
            )
        return tensor.at([*index[:axis], where, *index[axis + rank :]])

    return Lazy(m, tensor.kind, made, at)


def _arange(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    bounds = [m.integers(x, "bounds", 1) for x in inputs]
    if any(len(b) != 1 for b in bounds) or bounds[2] == [0]:
        raise CompileError(
            f"{m.label} expects three integers, the step other than 0, but got {bounds}"
        )
    (first,), (limit,), (step,) = bounds
    count = max(0, -((first - limit) // step))

    def at(index: Sequence[Scalar]) -> Scalar:
        n = index[0]
        last = max(count - 1, 0)
        if step != 1:
            factor = m.region.constant(step, "i32")
            n = m.integer("arith.muli", (n, factor), min(0, last * step), max(0, last * step))
        else:
            n = n._replace(low=0, high=last)
        if first:
            n = m.integer(
                "arith.addi", (n, m.region.constant(first, "i32")), n.low + first, n.high + first
            )
        return n

    return Lazy(m, "i", (count,), at)


def _reshaped(m: _Importer, x: Any, shape: Sequence[int]) -> Any:
    """The same elements in a shape that differs by axes of size 1."""
    if not isinstance(x, Lazy):
        return x.reshape(m.ranked(shape))
    old = [a for a, size in enumerate(x.shape) if size != 1]
    new = [a for a, size in enumerate(shape) if size != 1]
    if [x.shape[a] for a in old] != [shape[a] for a in new]:
        raise CompileError(
            f"{m.label} expects a shape that adds or drops axes of size 1, but got {list(shape)} for "
            f"{list(x.shape)}"
        )

    def at(index: Sequence[Scalar]) -> Scalar:
        where = [m.region.constant(0, "i32")] * len(x.shape)
        for from_, to in zip(new, old):
            where[to] = index[from_]
        return x.at(where)

    return Lazy(m, x.kind, shape, at)


def _reshape(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    x = inputs[0]
    shape = m.integers(inputs[1], "a shape")
    if not node.attributes.get("allowzero", 0):
        shape = [x.shape[a] if n == 0 and a < len(x.shape) else n for a, n in enumerate(shape)]
    total, rest = math.prod(x.shape), math.prod(n for n in shape if n != -1)
    if shape.count(-1) == 1 and rest > 0 and total % rest == 0:
        shape[shape.index(-1)] = total // rest
    if any(n < 0 for n in shape) or math.prod(shape) != total:
        raise CompileError(
            f"{m.label} expects a shape of {total} elements, but got {shape} for {list(x.shape)}"
        )
    return _reshaped(m, x, shape)


def _axes(m: _Importer, given: Sequence[int], rank: int) -> list[int]:
    if any(not -rank <= a < rank for a in given) or len({a % rank for a in given}) != len(given):
        raise CompileError(f"{m.label} expects distinct axes of rank {rank}, but got {given}")
    return sorted(a % rank for a in given)


def _unsqueeze(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    x = inputs[0]
    axes = m.integers(inputs[1], "axes")
    shape = list(x.shape)
    for a in _axes(m, axes, len(shape) + len(axes)):
        shape.insert(a, 1)
    return _reshaped(m, x, shape)


def _squeeze(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    x, axes = [*inputs, None][:2]
    drop = [a for a, size in enumerate(x.shape) if size == 1]
    if axes is not None:
        drop = _axes(m, m.integers(axes, "axes"), len(x.shape))
    if any(x.shape[a] != 1 for a in drop):
        raise CompileError(f"{m.label} expects to drop axes of size 1, but got {list(x.shape)}")
    return _reshaped(m, x, [size for a, size in enumerate(x.shape) if a not in drop])


def _expand(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    x = m.lazy(inputs[0])
    shape = m.integers(inputs[1], "a shape")
    if any(n < 0 for n in shape):
        raise CompileError(f"{m.label} expects sizes of at least 0, but got {shape}")
    return Lazy(m, x.kind, m.shape_of(x.shape, shape), lambda at: m.broadcast(x, at))


def _joined(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    import numpy as np

    arrays = [m.concrete(x, "operands") for x in inputs]
    if any(a.ndim != 1 or a.dtype != arrays[0].dtype for a in arrays):
        raise CompileError(
            f"{m.label} expects vectors of one type, but got "
            f"{' and '.join(f'{a.dtype} of shape {[*a.shape]}' for a in arrays[:8])}"
        )
    if node.attributes["axis"] not in (0, -1):
        raise CompileError(
            f"{m.label} expects attribute axis to be 0 or -1, but got {node.attributes['axis']}"
        )
    m.room((sum(a.size for a in arrays),))
    return np.concatenate(arrays)


def _identity(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    return inputs[0]


_ONE, _TWO = Form(1, 1), Form(2, 2)
#: What a modifier may hold: what an op takes, and how it is imported.
_OPS: dict[str, tuple[Form, Any]] = {
    "Add": (_TWO, _arithmetic("Add", "arith.addf")),
    "Sub": (_TWO, _arithmetic("Sub", "arith.subf")),
    "Mul": (_TWO, _arithmetic("Mul", "arith.mulf")),
    "Div": (_TWO, _arithmetic("Div", "arith.divf")),
    "Max": (Form(1, 16), _extremum("arith.maximumf", "arith.maxsi")),
    "Min": (Form(1, 16), _extremum("arith.minimumf", "arith.minsi")),
    "Clip": (Form(1, 3, gaps=True), _clip),
    "Pow": (_TWO, _float_op("math.powf")),
    "Neg": (_ONE, _negate),
    "Abs": (_ONE, _absolute),
    "Relu": (_ONE, _relu),
    "Sigmoid": (_ONE, _sigmoid),
    "Reciprocal": (_ONE, _reciprocal),
    "Exp": (_ONE, _float_op("math.exp")),
    "Log": (_ONE, _float_op("math.log")),
    "Sqrt": (_ONE, _float_op("math.sqrt")),
    "Tanh": (_ONE, _float_op("math.tanh")),
    "Erf": (_ONE, _float_op("math.erf")),
    "Sin": (_ONE, _float_op("math.sin")),
    "Cos": (_ONE, _float_op("math.cos")),
    "Floor": (_ONE, _float_op("math.floor")),
    "Ceil": (_ONE, _float_op("math.ceil")),
    "Equal": (_TWO, _compare("eq")),
    "Less": (_TWO, _compare("slt")),
    "LessOrEqual": (_TWO, _compare("sle")),
    "Greater": (_TWO, _compare("sgt")),
    "GreaterOrEqual": (_TWO, _compare("sge")),
    "And": (_TWO, _logical("arith.andi")),
    "Or": (_TWO, _logical("arith.ori")),
    "Xor": (_TWO, _logical("arith.xori")),
    "Not": (_ONE, _not),
    "Where": (Form(3, 3), _where),
    "Cast": (cast_form(_CAST_KINDS), _cast),
    "Identity": (_ONE, _identity),
    "Constant": (CONSTANT, _constant),
    "Shape": (Form(1, 1, {"start": Kind.INT, "end": Kind.INT}), _shape),
    "Gather": (Form(2, 2, {"axis": Kind.INT}), _gather),
    "Range": (Form(3, 3), _arange),
    "Reshape": (Form(2, 2, {"allowzero": Kind.INT}), _reshape),
    "Unsqueeze": (_TWO, _unsqueeze),
    "Squeeze": (Form(1, 2, gaps=True), _squeeze),
    "Expand": (_TWO, _expand),
    "Concat": (CONCAT, _joined),
}


# ---- regions -------------------------------------------------------------------------


def read(
    graph: Any, where: str, outer: Mapping[str, Any], versions: Mapping[str, int], source: Source
) -> Graph:
    """A modifier's graph, checked as far as that takes no shapes.

    Args:
      graph: the GraphProto.
      where: how errors call it.
      outer: constants of the graph around it.
      versions: the operator sets of the model.
      source: where external data may be.

    Raises:
      CompileError: it holds what no region can, or what ONNX does not have.
    """
    if len(graph.node) > _MOST_NODES:
        raise CompileError(
            f"{where} expects at most {_MOST_NODES} nodes, but got {len(graph.node)}"
        )
    checked = read_graph(graph, source, outer, where)
    if len(checked.inputs) != 1 or len(checked.outputs) != 1:
        raise CompileError(
            f"{where} expects one input and one output, but got {len(checked.inputs)} and "
            f"{len(checked.outputs)}"
        )
    return checked._replace(
        nodes=tuple(_checked(node, versions, source) for node in checked.nodes)
    )


def _checked(node: Node, versions: Mapping[str, int], source: Source) -> Node:
    if node.domain or node.op not in _OPS:
        raise CompileError(
            f"{node.label} expects an op that works element by element or on shapes "
            f"({', '.join(sorted(_OPS))}), but got {node.domain + '::' if node.domain else ''}{node.op}"
        )
    return checked_node(node, _OPS[node.op][0], versions, source)


def region_of(
    graph: Graph, kind: str, where: str, shape: tuple[int, ...], state: str,
    outer: Mapping[str, Any],
) -> Region:  # fmt: skip
    """A modifier's graph as a region.

    Args:
      graph: what `read` returned.
      kind: ``"score_mod"`` or ``"prob_mod"``.
      where: how errors call it.
      shape: [B, H, L, S].
      state: the type of scores, ``"f32"`` or ``"f64"``.
      outer: constants of the graph around it.

    Raises:
      CompileError: the graph does what no region can, with the node and the reason.
    """
    region = Region(kind, state)
    m = _Importer(region, where, outer)
    pair = [
        a._replace(low=0, high=max(size - 1, 0)) for a, size in zip(region.arguments[1:], shape)
    ]

    def at(index: Sequence[Scalar]) -> Scalar:
        for n, own, size in zip(index, pair, shape):
            if size != 1 and n.id != own.id:
                raise CompileError(
                    f"{m.label} expects a modifier to read its own pair, but got one that reads "
                    "another"
                )
        return region.arguments[0]

    try:
        result = m.run(graph, Lazy(m, "f", shape, at))
        if result.kind != "f" or result.shape != shape:
            raise CompileError(
                f"{where} expects a float tensor of shape {list(shape)}, like its input, but got "
                f"kind {result.kind} of shape {list(result.shape)}"
            )
        region.result = result.at(pair)
    except RecursionError:
        raise CompileError(f"{where} expects a chain of fewer nodes, but got one too deep") from None
    return region
