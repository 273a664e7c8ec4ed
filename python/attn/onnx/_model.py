# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`load` and `run_node`: a checked model, and its programs for arrays of given shapes."""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from .. import _runtime, compiler
from ..compiler import Options, Plan, Program
from ..errors import CompileError, ShapeError
from ..functions import ArraySpec
from ..ir import FLOATS
from ..tracing import is_array
from . import _attention
from ._program import Builder, Value
from ._read import (
    CONCAT,
    CONSTANT,
    DTYPES,
    Form,
    Graph,
    Input,
    Node,
    Source,
    cast_form,
    check_opset,
    check_text,
    checked_node,
    constant_of,
    library,
    opset_of,
    opsets,
    parse,
    read_graph,
)

#: The preview domain of FlexAttention.
PREVIEW = "ai.onnx.preview"
_NUMPY = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16",
          "int64": "i64", "int32": "i32", "int8": "i8", "bool": "i1"}  # fmt: skip
#: Programs kept per model; more shapes than that are written anew.
_MOST_PROGRAMS = 1024


# ---- other nodes ---------------------------------------------------------------------

_UNARY = {"Neg": "arith.negf", "Abs": "math.absf", "Exp": "math.exp", "Tanh": "math.tanh",
          "Sqrt": "math.sqrt", "Erf": "math.erf"}  # fmt: skip
_BINARY = {"Add": "arith.addf", "Sub": "arith.subf", "Mul": "arith.mulf", "Div": "arith.divf"}
#: What a Cast may make, by ONNX's number of it.
_CASTS = {1: "f32", 10: "f16", 11: "f64", 16: "bf16"}
_OTHERS = {
    **dict.fromkeys((*_UNARY, "Identity"), Form(1, 1)), **dict.fromkeys(_BINARY, Form(2, 2)),
    "Cast": cast_form(_CASTS), "Concat": CONCAT, "Constant": CONSTANT,
}  # fmt: skip
_OUTSIDE = ("Attention", "FlexAttention", *_OTHERS)


def _checked(node: Node, graph: Graph, versions: Mapping[str, int], source: Source) -> Node:
    """Refuses what cannot be compiled, before there are arrays; reads what is inside the node."""
    name = f"{node.domain}::{node.op}" if node.domain else node.op
    opset = opset_of(node.label, node.domain, versions)
    if (node.domain, node.op) == ("", "Attention"):
        check_opset(node.label, opset, 23, "which brought Attention")
        _attention.check_attention(node, opset)
        return node
    if (node.domain, node.op) == (PREVIEW, "FlexAttention"):
        if opset != 1:
            raise CompileError(f"{node.label} expects version 1 of {PREVIEW}, but got {opset}")
        return _attention.checked_flex(node, graph.constants, versions, source)
    if node.domain or node.op not in _OTHERS:
        raise CompileError(
            f"{node.label} expects one of the ops that attn compiles ({', '.join(_OUTSIDE)}), but "
            f"got {name}; export the attention as a model of its own and run the rest elsewhere"
        )
    return checked_node(node, _OTHERS[node.op], versions, source)


# ---- programs ---------------------------------------------------------------------------


class _Bound(NamedTuple):
    """The program for arrays of given shapes."""

    text: str | None
    feeds: list[Any]
    #: For each output: a result's number, or an array or input as it is.
    outputs: list[Any]
    #: What depends on an input's values: (place in feeds, input's number, function).
    derived: list[tuple[int, int, Callable[[Any], Any]]]


class _Feed(NamedTuple):
    """An argument that is made from an input's values at each call."""

    input: int
    make: Callable[[Any], Any]


class _Writer:
    """Writes the program of a graph for inputs of given dtypes and sizes."""

    def __init__(self, model: "Model", shapes: Sequence[tuple[str, tuple[int, ...]]]) -> None:
        self.model = model
        self.b = Builder()
        self.values: dict[str, Value] = {}
        for n, (i, (dtype, sizes)) in enumerate(zip(model._graph.inputs, shapes)):
            self.values[i.name] = self.b.argument(i.name, dtype, sizes, n)
        for name, array in model._graph.constants.items():
            self.values[name] = self.constant(name, array)

    def constant(self, name: str, array: Any) -> Value:
        return self.b.argument(name, _NUMPY[str(array.dtype)], array.shape, array)

    def write(self) -> _Bound:
        for node in self.model._graph.nodes:
            inputs = [self.values[n] if n else None for n in node.inputs]
            for name, value in zip(node.outputs, self.run(node, inputs)):
                if not name:
                    continue
                if value is None:
                    raise CompileError(f"{node.label} expects not to be asked for {name!r}")
                self.values[name] = value
        results: list[str] = []
        outputs: list[Any] = []
        for name in self.model._graph.outputs:
            value = self.values[name]
            if value.name is None:
                outputs.append(value.feed)  # an input or a constant
                if isinstance(value.feed, int):
                    outputs[-1] = ("input", value.feed)
                continue
            if value.name in {n for n in map(_argument, self.b.module.arguments)}:
                feed = value.feed
                outputs.append(("input", feed) if isinstance(feed, int) else feed)
                continue
            if value.name not in results:
                results.append(value.name)
            outputs.append(results.index(value.name))
        text = self.b.module.finish(results) if results else None
        derived = [
            (place, feed.input, feed.make)
            for place, feed in enumerate(self.b.feeds)
            if isinstance(feed, _Feed)
        ]
        return _Bound(text, self.b.feeds, outputs, derived)

    def run(self, node: Node, inputs: Sequence[Value | None]) -> Sequence[Value | None]:
        b = self.b
        if node.op == "Attention":
            return self.attention(node, inputs)
        if node.op == "FlexAttention":
            return _attention.import_flex(b, node, inputs, self.model._graph.constants)
        if node.op == "Constant":
            return [self.constant(node.outputs[0], constant_of(node))]
        given = [v for v in inputs if v is not None]
        if node.op == "Identity":
            return given
        if node.op == "Cast":
            if given[0].dtype not in FLOATS:
                raise ShapeError(
                    f"{node.label} expects a float tensor to cast, but got {given[0]}"
                )
            return [b.cast(given[0], _CASTS[node.attributes["to"]])]
        if node.op == "Concat":
            rank, axis = given[0].rank, node.attributes["axis"]
            if not -rank <= axis < rank or any(v.rank != rank for v in given):
                raise ShapeError(
                    f"{node.label} expects tensors of one rank and an axis of theirs, but got axis "
                    f"{axis} of {' and '.join(map(str, given))}"
                )
            return [b.concat(axis % rank, given, node.label)]
        op = _UNARY.get(node.op) or _BINARY[node.op]
        return [b.elementwise(op, given, node.label)]

    def attention(self, node: Node, inputs: Sequence[Value | None]) -> Sequence[Value | None]:
        lengths = inputs[6] if len(inputs) > 6 else None
        if lengths is not None and lengths.name is not None:
            raise CompileError(
                f"{node.label} expects nonpad_kv_seqlen to be an input or an initializer, but got "
                "what another node makes"
            )
        return _attention.import_attention(
            self.b, node, inputs, lengths, self.model.opsets.get("", 0), _Feed
        )


def _argument(argument: Any) -> str:
    from .. import ir

    return ir.argument_value(argument[0])


# ---- models -------------------------------------------------------------------------------


class Model:
    """A model, ready to run on arrays of whatever shapes it takes.

    Made by `attn.onnx.load`. Call it with arrays of numpy or another DLPack producer,
    by position or by name; each new dtype, rank, head dim or axis that broadcasts is
    compiled once, batch sizes and lengths are run-time values.

    Attributes:
      opsets: the version of each operator set, by domain (``""`` for ONNX's own).
    """

    def __init__(self, graph: Graph, versions: Mapping[str, int], source: Source) -> None:
        self._graph = graph._replace(
            nodes=tuple(_checked(node, graph, versions, source) for node in graph.nodes)
        )
        self.opsets = dict(versions)
        self._bound: dict[Any, tuple[_Bound, Program | None]] = {}

    def __repr__(self) -> str:
        return (
            f"<attn.onnx.Model {len(self._graph.nodes)} nodes, ({', '.join(self.inputs)}) -> "
            f"({', '.join(self.outputs)})>"
        )

    @property
    def inputs(self) -> dict[str, str]:
        """What each input is declared as, such as ``f32[B, 8, ?, 64]``."""
        return {i.name: _declared(i) for i in self._graph.inputs}

    @property
    def outputs(self) -> list[str]:
        """The outputs' names."""
        return list(self._graph.outputs)

    # ---- arguments -------------------------------------------------------------------

    def _arrange(self, args: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
        names = [i.name for i in self._graph.inputs]
        rest = names[len(args) :]
        if len(args) > len(names) or sorted(rest) != sorted(named):
            raise ShapeError(
                f"the model expects the inputs {', '.join(names)}, but got {len(args)} by position "
                f"and {', '.join(named) or 'none'} by name"
            )
        return [*args, *(named[n] for n in rest)]

    def _check(self, arrays: Sequence[Any]) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The dtypes and sizes of the inputs, as far as the model declares them."""
        seen: dict[str, tuple[int, str]] = {}
        shapes = []
        for i, x in zip(self._graph.inputs, arrays):
            dtype, sizes = x.dtype, tuple(x.shape)
            if dtype != i.dtype:
                raise ShapeError(f"input {i.name!r} expects {i.dtype}, but got {dtype}")
            if i.dims is not None and len(i.dims) != len(sizes):
                raise ShapeError(
                    f"input {i.name!r} expects {_declared(i)}, but got shape {list(sizes)}"
                )
            for axis, (dim, size) in enumerate(zip(i.dims or (), sizes)):
                if isinstance(dim, int) and dim != size:
                    raise ShapeError(
                        f"input {i.name!r} expects axis {axis} of size {dim}, but got {size}"
                    )
                if isinstance(dim, str):
                    first = seen.setdefault(dim, (size, i.name))
                    if first[0] != size:
                        raise ShapeError(
                            f"input {i.name!r} expects axis {axis} ({dim}) of size {first[0]} as in "
                            f"{first[1]!r}, but got {size}"
                        )
            shapes.append((dtype, sizes))
        return tuple(shapes)

    def _find(self, shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[_Bound, Program | None]:
        found = self._bound.get(shapes)
        if found is None:
            bound = _Writer(self, shapes).write()
            program = None
            if bound.text is not None:
                program = compiler.program(bound.text, Options())
            if len(self._bound) >= _MOST_PROGRAMS:
                self._bound.clear()
            found = self._bound[shapes] = (bound, program)
        return found

    def _examples(self, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """The shapes of example arrays or specs, or of the model where it has them."""
        if not args and not named and self._graph.inputs:
            declared = []
            for i in self._graph.inputs:
                if i.dims is None or any(not isinstance(d, int) for d in i.dims):
                    raise ShapeError(
                        "the model expects example arrays or attn.spec(shape, dtype), since its "
                        f"input {i.name!r} is declared as {_declared(i)}, but got none"
                    )
                declared.append(ArraySpec(i.dtype, tuple(d for d in i.dims if isinstance(d, int))))
            return self._check(declared)
        given = self._arrange(args, named)
        examples = [x if isinstance(x, ArraySpec) else _runtime.tensor(_taken(x)) for x in given]
        for i, x in zip(self._graph.inputs, examples):
            if None in x.shape:
                raise ShapeError(
                    f"input {i.name!r} expects an example with every size, but got {list(x.shape)}"
                )
        return self._check(examples)

    # ---- calls -----------------------------------------------------------------------

    def __call__(self, *args: Any, num_threads: int | None = None, **named: Any) -> dict[str, Any]:
        """Runs the model.

        Args:
          *args, **named: the inputs, by position or by name. Names that Python cannot
            spell go through ``model(**{"q/0": q})``.
          num_threads: how many threads to use.

        Returns:
          the outputs by name, in the library of the first array that the program
          takes.

        Raises:
          ShapeError: the arrays do not fit the model, or one another.
          CompileError: the model does what cannot be compiled for such arrays.
        """
        given = self._arrange(args, named)
        arrays = [_taken(x) for x in given]
        tensors = [_runtime.tensor(x) for x in arrays]
        bound, program = self._find(self._check(tensors))
        results: Any = ()
        if program is not None:
            feeds = [tensors[f] if isinstance(f, int) else f for f in bound.feeds]
            for place, number, make in bound.derived:
                feeds[place] = make(arrays[number])
            feeds = [f if isinstance(f, _runtime.Tensor) else _runtime.tensor(f) for f in feeds]
            results = program.kernel.run(feeds, None, 0, num_threads or 0, None)
            if len(program.results) == 1:
                results = (results,)
        return {
            name: results[o] if isinstance(o, int) else _copied(arrays, o)
            for name, o in zip(self._graph.outputs, bound.outputs)
        }

    def plan(self, *args: Any, **named: Any) -> Plan:
        """The compiled plan for arrays of such shapes; see `attn.Plan`.

        Its arguments are those of the program: constants of the model are among them.
        """
        _, program = self._find(self._examples(args, named))
        if program is None:
            raise CompileError("the model expects a node to compile, but got none")
        return Plan(program)

    def mlir(self, *args: Any, stage: str = "attn", **named: Any) -> str:
        """The program for arrays of such shapes, at a stage of `attn.Plan.mlir`.

        Args:
          *args, **named: arrays, or `attn.spec(shape, dtype)`; none where the model
            declares every size.
          stage: ``"attn"`` needs no compilation.
        """
        shapes = self._examples(args, named)
        if stage == "attn":
            return _Writer(self, shapes).write().text or "// every output is an input\n"
        return self.plan(*args, **named).mlir(stage)

    def explain(self, *args: Any, **named: Any) -> str:
        """What became of each node, and why the program runs as it does."""
        lines = [
            f"{node.label}: {_destiny(node)}" for node in self._graph.nodes
        ]
        return "\n".join([*lines, self.plan(*args, **named).explain()])


def _destiny(node: Node) -> str:
    """What a node became, in a few words."""
    if node.op == "Attention":
        a = node.attributes
        facts = []
        if a.get("is_causal"):
            facts.append("causal")
        if a.get("left_window_size", -1) >= 0 or a.get("right_window_size", -1) >= 0:
            facts.append("a window")
        if len(node.outputs) > 3 and node.outputs[3]:
            kind = _attention.MODES[a.get("qk_matmul_output_mode", 0)]
            facts.append(f"scores ({kind}), which materialise")
        return "attn.attention" + (f" with {', '.join(facts)}" if facts else "")
    if node.op == "FlexAttention":
        mods = [n for n in ("score_mod", "prob_mod") if n in node.attributes]
        return "attn.attention" + (f" with {' and '.join(mods)}" if mods else "")
    if node.op in ("Identity", "Constant"):
        return "no operation"
    return {"Cast": "arith.extf or arith.truncf", "Concat": "tensor.concat"}.get(
        node.op, _UNARY.get(node.op) or _BINARY.get(node.op, "")
    )


def _declared(i: Input) -> str:
    if i.dims is None:
        return f"{i.dtype}[...]"
    return f"{i.dtype}[{', '.join('?' if d is None else str(d) for d in i.dims)}]"


def _taken(x: Any) -> Any:
    """Lists and numbers as numpy arrays; arrays of any library as they are."""
    import numpy as np

    if isinstance(x, (np.ndarray, _runtime.Tensor)) or is_array(x):
        return x
    if isinstance(x, (list, tuple, int, float, bool, np.generic)):
        try:
            return np.asarray(x)
        except ValueError as e:  # lists of different lengths
            raise ShapeError(f"the model expects arrays, but got a list that is none: {e}") from e
    raise ShapeError(f"the model expects arrays, but got {type(x).__name__}")


def _copied(arrays: Sequence[Any], output: Any) -> Any:
    """An output that is an input or a constant: a copy, so that nobody shares it."""
    import numpy as np

    source = arrays[output[1]] if isinstance(output, tuple) else output
    return np.array(source if isinstance(source, np.ndarray) else np.from_dlpack(source))


def load(model: Any, *, external_data: bool = False) -> Model:
    """Reads and checks a model; compiles nothing yet.

    Args:
      model: a path, the bytes of a model, or an ``onnx.ModelProto``.
      external_data: read tensors that lie in files beside the model. Only files in the
        model's own folder are read, links followed; without this, such a model is
        refused.

    Returns:
      a `Model`: call it with arrays.

    Raises:
      CompileError: not a model, or one that holds what attn does not compile; the
        text names the node and its op.
      ResourceError: the file cannot be read.
    """
    proto, source = parse(model, external_data)
    versions = opsets(proto)
    if proto.functions:
        raise CompileError(
            f"a model expects no functions of its own, but got {proto.functions[0].name!r}"
        )
    return Model(read_graph(proto.graph, source), versions, source)


def run_node(
    node: Any, inputs: Sequence[Any], *, opset_version: int | None = None, **unused: Any
) -> tuple[Any, ...]:
    """Runs one node, as ONNX's backend interface asks for it.

    Args:
      node: an ``onnx.NodeProto`` or its bytes.
      inputs: arrays for the inputs that the node names, in their order.
      opset_version: of the node's domain; the newest that is known when left out.

    Returns:
      the outputs that the node names.

    Raises:
      CompileError, ShapeError: as `load` and a call of its model.
    """
    onnx = library()
    if isinstance(node, (bytes, bytearray)):
        proto = onnx.NodeProto()
        try:
            proto.ParseFromString(bytes(node))
        except Exception as e:
            raise CompileError(
                f"run_node expects a serialized node, but got {len(node)} bytes that are none"
            ) from e
        node = proto
    if not isinstance(node, onnx.NodeProto):
        raise CompileError(f"run_node expects an onnx.NodeProto, but got {type(node).__name__}")
    check_text(node)
    names = [n for n in node.input if n]
    if len(names) != len(inputs):
        raise ShapeError(
            f"run_node expects an array for each of {', '.join(names)}, but got {len(inputs)}"
        )
    feeds: dict[str, Any] = {}
    for name, x in zip(names, inputs):
        if feeds.setdefault(name, x) is not x:
            raise ShapeError(
                f"run_node expects one array for {name!r}, which the node names more than once, but "
                "got two"
            )
    feeds = {name: _taken(x) for name, x in feeds.items()}
    numbers = {dtype: number for number, dtype in DTYPES.items()}
    values = [
        onnx.helper.make_tensor_value_info(name, numbers[_runtime.tensor(x).dtype], None)
        for name, x in feeds.items()
    ]
    made = [onnx.ValueInfoProto(name=n) for n in node.output if n]
    # Modifiers hold nodes of ONNX's own domain, whatever that of the node around them.
    versions = {"": min(int(onnx.defs.onnx_opset_version()), 25), PREVIEW: 1}
    if opset_version is not None:
        versions["" if node.domain == "ai.onnx" else node.domain] = opset_version
    graph = onnx.helper.make_graph([node], "node", values, made)
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid(*entry) for entry in versions.items()]
    )
    results = load(model)(**feeds)
    return tuple(results[n] for n in node.output if n)


def describe(path: str | os.PathLike[str], external_data: bool = False) -> str:
    """What ``python -m attn onnx FILE`` prints."""
    model = load(path, external_data=external_data)
    lines = [f"opset {domain or 'ai.onnx'} {version}" for domain, version in model.opsets.items()]
    lines += [f"input  {name}: {text}" for name, text in model.inputs.items()]
    lines += [f"{node.label}: {_destiny(node)}" for node in model._graph.nodes]
    lines += [f"output {name}" for name in model.outputs]
    try:
        lines += ["", model.mlir()]
    except ShapeError as e:
        lines += ["", f"no program yet: {e}"]
    return "\n".join(lines)
