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

What follows from shapes alone is computed here, with numpy. Integers are 64 bits
wide in ONNX and 32 in a region: each carries the range it can take for the sizes
at hand, and one that may leave 32 bits is refused.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from ..errors import CompileError
from ..tracing import constant_text
from ._read import Graph, Node, Source, array_of, read_graph

_INT32 = (-(1 << 31), (1 << 31) - 1)
#: Steps of one graph; far beyond what a modifier does.
_MOST_NODES = 4096
#: Elements of a constant that is computed here.
_MOST_ELEMENTS = 1 << 24


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
        self, kind: str, shape: tuple[int, ...], make: Callable[[Sequence[Scalar]], Scalar]
    ) -> None:
        self.kind = kind
        self.shape = shape
        self._make = make
        #: An element is made once, however many paths lead to it.
        self._made: dict[tuple[int, ...], Scalar] = {}

    def at(self, index: Sequence[Scalar]) -> Scalar:
        key = tuple(n.id for n in index)
        if key not in self._made:
            self._made[key] = self._make(index)
        return self._made[key]


def dtype_of(array: Any) -> str:
    """Our name of a capture's dtype."""
    return {"float32": "f32", "float64": "f64", "int32": "i32", "bool": "i1"}[str(array.dtype)]


class _Importer:
    """One subgraph."""

    def __init__(self, region: Region, label: str, outer: Mapping[str, Any]) -> None:
        self.region = region
        self.label = label
        self.values: dict[str, Any] = dict(outer)  # numpy arrays and Lazy

    # ---- tensors --------------------------------------------------------------------

    def lazy(self, value: Any) -> Lazy:
        """A constant array as a tensor: a number, or a captured tensor that is read."""
        if isinstance(value, Lazy):
            return value
        import numpy as np

        array = np.asarray(value)
        region = self.region
        kind = {"b": "b", "i": "i"}.get(array.dtype.kind, "f")
        if kind == "i" and array.size and not (
            _INT32[0] <= int(array.min()) and int(array.max()) <= _INT32[1]
        ):
            raise CompileError(
                f"{self.label} expects integers of 32 bits, but got constants from {array.min()} "
                f"to {array.max()}"
            )
        type_ = {"b": "i1", "i": "i32", "f": region.state}[kind]
        if array.size == 1:
            number = array.reshape(()).item()
            return Lazy(kind, array.shape, lambda at: region.constant(number, type_))
        as_numpy = {"i1": np.bool_, "i32": np.int32, "f32": np.float32, "f64": np.float64}[type_]
        stored = np.ascontiguousarray(array.astype(as_numpy))
        bounds = (float(array.min()), float(array.max())) if kind == "i" and array.size else (
            -math.inf, math.inf
        )  # fmt: skip

        def read(at: Sequence[Scalar]) -> Scalar:
            return region.add("attn.load", at, type_, region.capture(stored), bounds)

        return Lazy(kind, array.shape, read)

    def broadcast(self, tensor: Lazy, at: Sequence[Scalar]) -> Scalar:
        """The element of a tensor that broadcasts from the right to where `at` points."""
        index = list(at)[len(at) - len(tensor.shape) :]
        zero = self.region.constant(0, "i32")
        return tensor.at([zero if size == 1 else n for n, size in zip(index, tensor.shape)])

    def shape_of(self, tensors: Sequence[Lazy]) -> tuple[int, ...]:
        import numpy as np

        try:
            return tuple(np.broadcast_shapes(*(t.shape for t in tensors)))
        except ValueError:
            raise CompileError(
                f"{self.label} expects shapes that broadcast, but got "
                f"{' and '.join(str(list(t.shape)) for t in tensors)}"
            ) from None

    def each(
        self, kind: str, tensors: Sequence[Lazy], make: Callable[..., Scalar]
    ) -> Lazy:
        """A tensor made element by element."""
        shape = self.shape_of(tensors)
        return Lazy(kind, shape, lambda at: make(*(self.broadcast(t, at) for t in tensors)))

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
            if any(not name for name in node.inputs) and node.op not in ("Clip",):
                raise CompileError(f"{self.label} expects every input, but got an empty one")
            if node.domain or node.op not in _OPS:
                known = ", ".join(sorted(_OPS))
                raise CompileError(
                    f"{self.label} expects an op that works element by element or on shapes "
                    f"({known}), but got {node.domain + '::' if node.domain else ''}{node.op}"
                )
            if len(node.outputs) != 1:
                raise CompileError(
                    f"{self.label} expects one output, but got {len(node.outputs)}"
                )
            inputs = [self.values[name] if name else None for name in node.inputs]
            least, most = _OPS[node.op][0]
            if not least <= len(inputs) <= most:
                raise CompileError(
                    f"{self.label} expects {least} to {most} inputs, but got {len(inputs)}"
                )
            self.values[node.outputs[0]] = _OPS[node.op][1](self, node, inputs)
        self.label = self.where
        return self.lazy(self.values[graph.outputs[0]])

    where = ""

    def concrete(self, value: Any, what: str) -> Any:
        """A value that follows from shapes and constants."""
        import numpy as np

        if isinstance(value, Lazy):
            raise CompileError(
                f"{self.label} expects {what} that follows from shapes and constants, but got one "
                "that is computed"
            )
        return np.asarray(value)


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


def _bound(m: _Importer, shape: Sequence[int]) -> None:
    """A few small constants must not make a huge one."""
    if math.prod(shape) > _MOST_ELEMENTS:
        raise CompileError(
            f"{m.label} expects constants of at most {_MOST_ELEMENTS} elements, but got {list(shape)}"
        )


def _fold(m: _Importer, name: str, inputs: Sequence[Any]) -> Any:
    """Arithmetic on constants."""
    import numpy as np

    a, b = (np.asarray(x) for x in inputs)
    _bound(m, m.shape_of([Lazy("i", x.shape, lambda at: m.region.result) for x in (a, b)]))
    if a.dtype.kind != b.dtype.kind or a.dtype.kind == "b":
        raise CompileError(f"{m.label} expects numbers of one type, but got {a.dtype} and {b.dtype}")
    with np.errstate(all="ignore"):
        if name != "Div":
            return {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[name](a, b)
        if a.dtype.kind == "f":
            return a / b
        if (b == 0).any():
            raise CompileError(f"{m.label} expects an integer divisor other than 0, but got 0")
        return (np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(a.dtype)


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
        return -np.asarray(x)
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


def _cast(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    import numpy as np

    to = node.attributes.get("to")
    # Floats stay in the type of the scores: never narrower than asked.
    kind = {1: "f", 10: "f", 11: "f", 16: "f", 6: "i", 7: "i", 9: "b"}.get(to)
    if kind is None:
        raise CompileError(
            f"{m.label} expects to cast to float, float16, bfloat16, double, int32, int64 or bool, "
            f"but got type number {to}"
        )
    x = inputs[0]
    if not isinstance(x, Lazy):
        return np.asarray(x).astype({"f": np.float64, "i": np.int64, "b": np.bool_}[kind])
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


def _constant(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    import numpy as np

    found = [(n, v) for n, v in node.attributes.items() if n.startswith("value")]
    if len(found) != 1:
        raise CompileError(f"{m.label} expects one value, but got {len(found)}")
    name, value = found[0]
    if name == "value" and hasattr(value, "data_type"):
        return array_of(value, m.label, Source(None, False))
    if name in ("value_int", "value_ints"):
        return np.array(value, np.int64)
    if name in ("value_float", "value_floats"):
        return np.array(value, np.float32)
    raise CompileError(f"{m.label} expects a tensor or numbers, but got {name}")


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
    if not isinstance(data, Lazy) and not isinstance(indices, Lazy):
        picks = np.asarray(indices)
        if picks.dtype.kind != "i" or (
            picks.size and not -shape[axis] <= picks.min() <= picks.max() < shape[axis]
        ):
            raise CompileError(f"{m.label} expects indices inside axis {axis} of {list(shape)}")
        _bound(m, (*shape[:axis], *picks.shape, *shape[axis + 1 :]))
        return np.take(np.asarray(data), picks, axis)
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

    return Lazy(tensor.kind, (*shape[:axis], *picked.shape, *shape[axis + 1 :]), at)


def _arange(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    start, limit, delta = (m.concrete(x, "bounds").reshape(-1) for x in inputs)
    if any(x.size != 1 or x.dtype.kind != "i" for x in (start, limit, delta)) or delta[0] == 0:
        raise CompileError(f"{m.label} expects integers, and a step other than 0")
    first, step = int(start[0]), int(delta[0])
    count = max(0, -((first - int(limit[0])) // step))

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

    return Lazy("i", (count,), at)


def _reshaped(m: _Importer, x: Any, shape: Sequence[int]) -> Any:
    """The same elements in a shape that differs by axes of size 1."""
    import numpy as np

    if not isinstance(x, Lazy):
        return np.asarray(x).reshape(shape)
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

    return Lazy(x.kind, tuple(shape), at)


def _reshape(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    x = inputs[0]
    shape = [int(n) for n in m.concrete(inputs[1], "a shape").reshape(-1)]
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


def _axes(m: _Importer, node: Node, inputs: Sequence[Any], rank: int) -> list[int]:
    given = m.concrete(inputs[1], "axes").reshape(-1).tolist() if len(inputs) > 1 else []
    if any(not -rank <= a < rank for a in given) or len({a % rank for a in given}) != len(given):
        raise CompileError(f"{m.label} expects distinct axes of rank {rank}, but got {given}")
    return sorted(a % rank for a in given)


def _unsqueeze(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    x = inputs[0]
    count = m.concrete(inputs[1], "axes").size
    shape = list(x.shape)
    for a in _axes(m, node, inputs, len(shape) + count):
        shape.insert(a, 1)
    return _reshaped(m, x, shape)


def _squeeze(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    x = inputs[0]
    drop = _axes(m, node, inputs, len(x.shape)) if len(inputs) > 1 else [
        a for a, size in enumerate(x.shape) if size == 1
    ]  # fmt: skip
    if any(x.shape[a] != 1 for a in drop):
        raise CompileError(f"{m.label} expects to drop axes of size 1, but got {list(x.shape)}")
    return _reshaped(m, x, [size for a, size in enumerate(x.shape) if a not in drop])


def _expand(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    x = m.lazy(inputs[0])
    shape = tuple(int(n) for n in m.concrete(inputs[1], "a shape").reshape(-1))
    if any(n < 0 for n in shape):
        raise CompileError(f"{m.label} expects sizes of at least 0, but got {list(shape)}")
    full = m.shape_of([x, Lazy("i", shape, x.at)])
    return Lazy(x.kind, full, lambda at: m.broadcast(x, at))


def _joined(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    import numpy as np

    arrays = [m.concrete(x, "operands") for x in inputs]
    if any(a.ndim != 1 or a.dtype != arrays[0].dtype for a in arrays):
        raise CompileError(f"{m.label} expects vectors of one type, but got others")
    return np.concatenate(arrays)


def _identity(m: _Importer, node: Node, inputs: Sequence[Any]) -> Any:
    return inputs[0]


_ONE, _TWO = (1, 1), (2, 2)
#: What a modifier may hold: how many inputs an op takes, and how it is imported.
_OPS: dict[str, tuple[tuple[int, int], Any]] = {
    "Add": (_TWO, _arithmetic("Add", "arith.addf")),
    "Sub": (_TWO, _arithmetic("Sub", "arith.subf")),
    "Mul": (_TWO, _arithmetic("Mul", "arith.mulf")),
    "Div": (_TWO, _arithmetic("Div", "arith.divf")),
    "Max": ((1, 16), _extremum("arith.maximumf", "arith.maxsi")),
    "Min": ((1, 16), _extremum("arith.minimumf", "arith.minsi")),
    "Clip": ((1, 3), _clip),
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
    "Where": ((3, 3), _where),
    "Cast": (_ONE, _cast),
    "Identity": (_ONE, _identity),
    "Constant": ((0, 0), _constant),
    "Shape": (_ONE, _shape),
    "Gather": (_TWO, _gather),
    "Range": ((3, 3), _arange),
    "Reshape": (_TWO, _reshape),
    "Unsqueeze": (_TWO, _unsqueeze),
    "Squeeze": ((1, 2), _squeeze),
    "Expand": (_TWO, _expand),
    "Concat": ((1, 64), _joined),
}


# ---- regions -------------------------------------------------------------------------


def region_of(
    graph: Any, kind: str, label: str, shape: tuple[int, ...], state: str,
    outer: Mapping[str, Any], source: Source,
) -> Region:  # fmt: skip
    """A modifier's graph as a region.

    Args:
      graph: the GraphProto.
      kind: ``"score_mod"`` or ``"prob_mod"``.
      label: how errors call the node around it.
      shape: [B, H, L, S].
      state: the type of scores, ``"f32"`` or ``"f64"``.
      outer: constants of the graph around it.
      source: where external data may be.

    Raises:
      CompileError: the graph does what no region can, with the node and the reason.
    """
    where = f"{kind} of {label}"
    checked = read_graph(graph, source, outer, where)
    if len(checked.inputs) != 1 or len(checked.outputs) != 1:
        raise CompileError(
            f"{where} expects one input and one output, but got {len(checked.inputs)} and "
            f"{len(checked.outputs)}"
        )
    if len(checked.nodes) > _MOST_NODES:
        raise CompileError(
            f"{where} expects at most {_MOST_NODES} nodes, but got {len(checked.nodes)}"
        )
    region = Region(kind, state)
    m = _Importer(region, where, outer)
    m.where = where
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
        result = m.run(checked, Lazy("f", shape, at))
        if result.kind != "f" or result.shape != shape:
            raise CompileError(
                f"{where} expects a float tensor of shape {list(shape)}, like its input, but got "
                f"shape {list(result.shape)}"
            )
        region.result = result.at(pair)
    except RecursionError:
        raise CompileError(f"{where} expects a chain of fewer nodes, but got one too deep") from None
    return region
