# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From bytes to a graph that can be trusted to be one.

Whoever wrote a model may have meant harm. So names, order, types, sizes and places
of data are checked here, before anything is allocated, opened or compiled.
"""

from __future__ import annotations

import enum
import math
import os
from typing import Any, Callable, Collection, Iterable, Mapping, NamedTuple

from ..errors import CompileError, ResourceError

#: ONNX's number of an element type -> our name of it.
DTYPES = {1: "f32", 9: "i1", 7: "i64", 6: "i32", 3: "i8", 10: "f16", 11: "f64", 16: "bf16"}
#: What a protobuf message may hold at most, and so a model without external data.
_LARGEST_MODEL = (1 << 31) - 1
_LARGEST_DIM = (1 << 31) - 1
#: Axes of a tensor: what attn's arrays have at most.
LARGEST_RANK = 8
#: The opset since which every plain op has had the inputs and attributes that are read here.
_PLAIN_OPSET = 15


def library() -> Any:
    """The package onnx.

    Raises:
      CompileError: it is not installed.
    """
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError as e:
        raise CompileError(
            "attn.onnx expects the Python package onnx, but it cannot be imported "
            f"({e}); install attn[onnx]"
        ) from e
    return onnx


class Input(NamedTuple):
    """An input as the model declares it; a dim is a number, a name, or None."""

    name: str
    dtype: str
    dims: tuple[int | str | None, ...] | None


class Kind(enum.Enum):
    """What an attribute holds, and how errors call that."""

    INT = "an integer"
    FLOAT = "a float"
    STRING = "a string"
    TENSOR = "a tensor"
    GRAPH = "a graph"
    INTS = "a list of integers"
    FLOATS = "a list of floats"
    STRINGS = "a list of strings"


class Node(NamedTuple):
    """A node with its attributes looked up.

    `label` is how errors call it: ``node 'attn_0' (Attention)``.
    """

    label: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    kinds: Mapping[str, Kind]


class Form(NamedTuple):
    """What a plain op takes: its inputs, and the attributes that there are."""

    least: int
    most: int
    attributes: Mapping[str, Kind] = {}
    required: Iterable[str] = ()
    #: Whether an empty name may stand for an input after the least ones.
    gaps: bool = False
    #: What a node has to be beyond that.
    check: Callable[[Node], object] = lambda node: None


class Graph(NamedTuple):
    """A checked graph; nodes stand in an order in which they can run."""

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    #: The outputs' element types; None for those that the graph does not declare.
    types: tuple[str | None, ...]
    nodes: tuple[Node, ...]
    #: numpy arrays by name.
    constants: Mapping[str, Any]


class Source(NamedTuple):
    """Where a model came from, for external data: its folder, or None."""

    folder: str | None
    external_data: bool


def parse(model: Any, external_data: bool) -> tuple[Any, Source]:
    """Takes a path, bytes or a ModelProto; returns the ModelProto and its source.

    Raises:
      CompileError: not a model, or one with text that is none.
      ResourceError: the file cannot be read, or is too large.
    """
    onnx = library()
    if isinstance(model, onnx.ModelProto):
        check_text(model)
        return model, Source(None, external_data)
    folder = None
    if isinstance(model, (str, os.PathLike)):
        path = os.fsdecode(model)
        try:
            size = os.stat(path).st_size
            if size > _LARGEST_MODEL:
                raise ResourceError(
                    f"{path} expects at most {_LARGEST_MODEL} bytes, but got {size}"
                )
            with open(path, "rb") as f:
                data = f.read(_LARGEST_MODEL + 1)
        except (OSError, ValueError) as e:  # ValueError: no system takes such a path
            raise ResourceError(
                f"attn.onnx.load expects a file that it can read, but got {path!r}: "
                f"{getattr(e, 'strerror', None) or e}"
            ) from e
        folder = os.path.dirname(os.path.abspath(path))
    elif isinstance(model, (bytes, bytearray, memoryview)):
        data = bytes(model)
    else:
        raise CompileError(
            "attn.onnx.load expects a path, bytes or an onnx.ModelProto, but got "
            f"{type(model).__name__}"
        )
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except Exception as e:  # protobuf's DecodeError, whatever its module is called
        raise CompileError(
            f"attn.onnx.load expects a serialized ONNX model, but got {len(data)} bytes that are "
            f"none ({type(e).__name__}: cut off, damaged, or nested too deep)"
        ) from e
    check_text(proto)
    return proto, Source(folder, external_data)


def check_text(message: Any) -> None:
    """Refuses names that are not UTF-8, anywhere in a message.

    Protobuf hands those out as bytes, where all else of this package expects strings.
    """
    todo = [message]
    while todo:
        for field, value in todo.pop().ListFields():
            single = isinstance(value, (str, bytes)) or hasattr(value, "ListFields")
            values = [value] if single else value
            if field.type == field.TYPE_MESSAGE:
                todo.extend(values)
            elif field.type == field.TYPE_STRING:
                for text in values:
                    if not isinstance(text, str):
                        raise CompileError(
                            f"a model expects text in UTF-8, but got {text[:80]!r} as "
                            f"{field.full_name}"
                        )


def opsets(model: Any) -> dict[str, int]:
    """The version of each operator set that the model asks for."""
    found: dict[str, int] = {}
    for entry in model.opset_import:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        if domain in found:
            raise CompileError(
                f"a model expects each domain once in opset_import, but got {domain!r} twice"
            )
        found[domain] = entry.version
    if not found:
        raise CompileError("a model expects opset_import, but got none: cut off, or not a model")
    return found


def opset_of(label: str, domain: str, versions: Mapping[str, int]) -> int:
    """The version of the operator set that a node of this domain is of."""
    if domain not in versions:
        raise CompileError(
            f"{label} expects its domain {domain or 'ai.onnx'!r} in opset_import, but got "
            f"{', '.join(repr(d or 'ai.onnx') for d in versions)}"
        )
    return versions[domain]


def check_opset(
    label: str, opset: int, least: int = _PLAIN_OPSET, why: str = "where its present form begins"
) -> None:
    """Refuses a version of ONNX's own operators in which a node may mean something else."""
    newest = max(int(library().defs.onnx_opset_version()), 25)
    if not least <= opset <= newest:
        raise CompileError(
            f"{label} expects an opset from {least}, {why}, to {newest}, the newest that is known "
            f"here, but got {opset}"
        )


# ---- tensors -------------------------------------------------------------------------


def _bounded(value: str, limit: int = 80) -> str:
    return value if len(value) <= limit else value[:limit] + "..."


def array_of(tensor: Any, what: str, source: Source) -> Any:
    """A TensorProto as a numpy array, refused where its parts disagree.

    Args:
      tensor: the TensorProto.
      what: how errors call it.
      source: whether and where its data may lie outside the model.
    """
    onnx = library()
    import numpy as np

    dtype = _element_type(tensor.data_type, what)
    dims = tuple(tensor.dims)
    if len(dims) > LARGEST_RANK:
        raise CompileError(f"{what} expects at most {LARGEST_RANK} axes, but got {len(dims)}")
    if any(not 0 <= d <= _LARGEST_DIM for d in dims) or math.prod(dims) > _LARGEST_DIM:
        raise CompileError(
            f"{what} expects sizes from 0 to {_LARGEST_DIM} and as many elements, but got "
            f"{list(dims)}"
        )
    count = math.prod(dims)
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        data = _external(tensor, what, source, dims, count * kind.itemsize)
    elif tensor.HasField("raw_data"):
        data, want = tensor.raw_data, count * kind.itemsize
        if len(data) != want:
            raise CompileError(
                f"{what} of shape {list(dims)} expects {want} bytes, but got {len(data)}"
            )
    else:
        field = onnx.helper.tensor_dtype_to_field(tensor.data_type)
        have = len(getattr(tensor, field))
        if have != count:
            raise CompileError(
                f"{what} of shape {list(dims)} expects {count} elements, but got {have}"
            )
        if dtype == "i1":  # whole numbers, none of which but 0 is false
            return np.array(tensor.int32_data, np.int32).reshape(dims) != 0
        try:
            return onnx.numpy_helper.to_array(tensor)
        except Exception as e:
            raise CompileError(f"{what} expects a readable tensor, but got: {e}") from e
    if dtype == "i1":
        # Any byte may stand there; numpy and the kernels know booleans of 0 and 1.
        return np.frombuffer(data, np.uint8).reshape(dims) != 0
    return np.frombuffer(data, kind).reshape(dims)


def _element_type(number: int, what: str) -> str:
    if number not in DTYPES:
        raise CompileError(
            f"{what} expects an element type among float, double, float16, bfloat16, int8, int32, "
            f"int64 and bool, but got number {number}"
        )
    return DTYPES[number]


def _external(tensor: Any, what: str, source: Source, dims: tuple[int, ...], want: int) -> bytes:
    """Bytes from a file beside the model, and from nowhere else."""
    entries = {e.key: e.value for e in tensor.external_data}
    location = entries.get("location", "")
    shown = _bounded(location)
    if not source.external_data:
        raise CompileError(
            f"{what} expects its data inside the model, but got external data in {shown!r}; "
            "attn.onnx.load(path, external_data=True) reads it from the model's folder"
        )
    if source.folder is None:
        raise CompileError(
            f"{what} expects a model loaded from a path, since its data lies in {shown!r}, but "
            "got bytes or a ModelProto"
        )
    base = path = os.path.realpath(source.folder)
    if "\0" not in location and not os.path.isabs(location):
        path = os.path.realpath(os.path.join(base, location))
    # After links are followed, so that none of them leads out.
    if path == base or os.path.commonpath([base, path]) != base:
        raise CompileError(
            f"{what} expects external data in the model's folder, but got {shown!r}"
        )
    if not os.path.isfile(path):
        raise CompileError(f"{what} expects a file with its data, but got {shown!r}, which is none")
    try:
        offset = int(entries.get("offset", "0") or "0")
        length = int(entries.get("length", "") or want)
    except ValueError:
        raise CompileError(
            f"{what} expects numbers as offset and length of its external data, but got "
            f"{_bounded(entries.get('offset', ''))!r} and {_bounded(entries.get('length', ''))!r}"
        ) from None
    try:
        with open(path, "rb") as f:
            size = os.fstat(f.fileno()).st_size
            if length != want or offset < 0 or offset + length > size:
                raise CompileError(
                    f"{what} of shape {list(dims)} expects {want} bytes in {shown!r}, but got "
                    f"{length} at offset {offset} of {size}"
                )
            f.seek(offset)
            data = f.read(length)
    except OSError as e:
        raise ResourceError(
            f"{what} expects a file that can be read, but got {shown!r}: {e.strerror or e}"
        ) from e
    if len(data) != want:
        raise CompileError(f"{what} expects {want} bytes in {shown!r}, but got {len(data)}")
    return data


# ---- graphs --------------------------------------------------------------------------


def _input_of(value: Any, what: str) -> Input:
    if not value.type.HasField("tensor_type"):
        raise CompileError(f"{what} expects a tensor type, but got none or another kind")
    tensor = value.type.tensor_type
    dtype = _element_type(tensor.elem_type, what)
    if not tensor.HasField("shape"):
        return Input(value.name, dtype, None)
    dims: list[int | str | None] = []
    for dim in tensor.shape.dim:
        if dim.HasField("dim_value"):
            if not 0 <= dim.dim_value <= _LARGEST_DIM:
                raise CompileError(
                    f"{what} expects sizes from 0 to {_LARGEST_DIM}, but got {dim.dim_value}"
                )
            dims.append(dim.dim_value)
        else:
            dims.append(dim.dim_param or None)
    return Input(value.name, dtype, tuple(dims))


def _attribute(attribute: Any, label: str) -> tuple[Kind, Any]:
    """An attribute's kind and value: int, float, bytes, a list of them, or a message."""
    kinds = library().AttributeProto
    fields = {kinds.INT: "i", kinds.FLOAT: "f", kinds.STRING: "s", kinds.TENSOR: "t",
              kinds.GRAPH: "g", kinds.INTS: "ints", kinds.FLOATS: "floats",
              kinds.STRINGS: "strings"}  # fmt: skip
    field = fields.get(attribute.type)
    if attribute.ref_attr_name or field is None:
        raise CompileError(
            f"{label} expects attribute {_bounded(attribute.name)!r} to hold a number, a list of "
            "numbers, a tensor or a graph, but got a reference or another kind"
        )
    value = getattr(attribute, field)
    kind = Kind[kinds.AttributeType.Name(attribute.type)]
    return kind, list(value) if kind.name.endswith("S") else value


def check_attributes(
    node: Node, kinds: Mapping[str, Kind], required: Iterable[str] = ()
) -> None:
    """Refuses attributes that are not known, are of another kind, or are missing.

    Args:
      node: the node.
      kinds: what each attribute that there is holds.
      required: those that have to be there.
    """
    for name, kind in node.kinds.items():
        if name not in kinds:
            known = f" but {', '.join(sorted(kinds))}" if kinds else ""
            raise CompileError(
                f"{node.label} expects no attribute{known}, but got {_bounded(name)!r}"
            )
        if kind is not kinds[name]:
            raise CompileError(
                f"{node.label} expects attribute {name} to be {kinds[name].value}, but got "
                f"{kind.value}"
            )
    for name in required:
        if name not in node.attributes:
            raise CompileError(f"{node.label} expects attribute {name}, but got none")


def checked_node(node: Node, form: Form, versions: Mapping[str, int], source: Source) -> Node:
    """A plain node of this form and of an opset that has it; its tensors are read."""
    check_opset(node.label, opset_of(node.label, node.domain, versions))
    needed = node.inputs[: form.least] if form.gaps else node.inputs
    if not form.least <= len(node.inputs) <= form.most or "" in needed:
        count = str(form.least) if form.least == form.most else f"{form.least} to {form.most}"
        raise CompileError(
            f"{node.label} expects {count} inputs, none of them left out, but got {[*node.inputs]}"
        )
    if len(node.outputs) != 1 or not node.outputs[0]:
        raise CompileError(
            f"{node.label} expects one output with a name, but got {[*node.outputs]}"
        )
    check_attributes(node, form.attributes, form.required)
    node = node._replace(attributes={
        name: value if node.kinds[name] is not Kind.TENSOR
        else array_of(value, f"attribute {name} of {node.label}", source)
        for name, value in node.attributes.items()
    })  # fmt: skip
    form.check(node)
    return node


# ---- forms that the model and its modifiers share ----------------------------------------


def cast_form(types: Collection[int]) -> Form:
    """Cast to these element types."""

    def check(node: Node) -> None:
        to = node.attributes["to"]
        if to not in types:
            raise CompileError(
                f"{node.label} expects attribute to to be one of "
                f"{', '.join(f'{n} ({DTYPES[n]})' for n in types)}, but got {to}"
            )

    return Form(1, 1, {"to": Kind.INT, "saturate": Kind.INT}, ["to"], check=check)


def constant_of(node: Node) -> Any:
    """The array of a checked Constant."""
    import numpy as np

    if len(node.attributes) != 1:
        raise CompileError(
            f"{node.label} expects one attribute, its value, but got "
            f"{', '.join(node.attributes) or 'none'}"
        )
    ((name, value),) = node.attributes.items()
    if name == "value":
        return value
    return np.array(value, np.int64 if name.startswith("value_int") else np.float32)


_CONSTANT = {"value": Kind.TENSOR, "value_int": Kind.INT, "value_ints": Kind.INTS,
             "value_float": Kind.FLOAT, "value_floats": Kind.FLOATS}  # fmt: skip
CONSTANT = Form(0, 0, _CONSTANT, check=constant_of)
CONCAT = Form(1, 64, {"axis": Kind.INT}, ["axis"])


# ---- a graph and its nodes ---------------------------------------------------------------


def read_graph(
    graph: Any, source: Source, outer: Mapping[str, Any] = {}, where: str = "the model"
) -> Graph:
    """Checks a GraphProto and takes it apart.

    Args:
      graph: the GraphProto.
      source: where external data may be.
      outer: constants of the graph around a subgraph.
      where: how errors call the graph.

    Raises:
      CompileError: names that come twice, are missing or come later than they are
        read, types and sizes that there are none of, data that is not there.
    """
    if graph.sparse_initializer:
        raise CompileError(f"{where} expects dense initializers, but got sparse ones")
    constants: dict[str, Any] = {}
    for tensor in graph.initializer:
        name = tensor.name
        if not name or name in constants:
            raise CompileError(
                f"{where} expects initializers with distinct names, but got {_bounded(name)!r} "
                f"{'twice' if name else 'as one'}"
            )
        constants[name] = array_of(tensor, f"initializer {_bounded(name)!r}", source)
    inputs: list[Input] = []
    known = set(outer) | set(constants)
    for value in graph.input:
        # An initializer may stand among the inputs; it is no input then.
        if value.name in constants:
            continue
        if not value.name or value.name in known:
            raise CompileError(
                f"{where} expects inputs with distinct names, but got {_bounded(value.name)!r} "
                f"{'twice' if value.name else 'as one'}"
            )
        known.add(value.name)
        inputs.append(_input_of(value, f"input {_bounded(value.name)!r}"))
    inside = "" if where == "the model" else f"{where}, "
    made = [o for node in graph.node for o in node.output if o]
    later = set(made)
    nodes: list[Node] = []
    for number, node in enumerate(graph.node):
        name = f"'{_bounded(node.name)}'" if node.name else str(number)
        label = f"{inside}node {name} ({_bounded(node.op_type)})"
        for value in node.input:
            if value and value not in known:
                raise CompileError(
                    f"{label} expects inputs that are there before it, but got {_bounded(value)!r}, "
                    + ("which is made later or by itself: a cycle, or nodes out of order"
                       if value in later else "which nothing makes")
                )  # fmt: skip
        for value in node.output:
            if value in known:
                raise CompileError(
                    f"{label} expects outputs with names of their own, but got {_bounded(value)!r} "
                    "twice"
                )
            if value:
                known.add(value)
        attributes: dict[str, Any] = {}
        kinds: dict[str, Kind] = {}
        for attribute in node.attribute:
            if attribute.name in attributes:
                raise CompileError(
                    f"{label} expects each attribute once, but got {_bounded(attribute.name)!r} twice"
                )
            kinds[attribute.name], attributes[attribute.name] = _attribute(attribute, label)
        domain = "" if node.domain == "ai.onnx" else node.domain
        nodes.append(Node(
            label, node.op_type, domain, tuple(node.input), tuple(node.output), attributes, kinds
        ))  # fmt: skip
    outputs = [value.name for value in graph.output]
    if not outputs:
        raise CompileError(f"{where} expects outputs, but got none")
    for output in outputs:
        if output not in known or not output:
            raise CompileError(
                f"{where} expects outputs that a node makes, but got {_bounded(output)!r}"
            )
    if len(set(outputs)) != len(outputs):
        raise CompileError(f"{where} expects distinct outputs, but got {outputs}")
    types = tuple(
        _input_of(value, f"output {_bounded(value.name)!r}").dtype
        if value.type.WhichOneof("value") else None
        for value in graph.output
    )  # fmt: skip
    return Graph(tuple(inputs), tuple(outputs), types, tuple(nodes), constants)
