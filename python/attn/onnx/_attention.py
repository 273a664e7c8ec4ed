# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ONNX's Attention, opsets 23 to 25, and FlexAttention as `attn.attention`.

Where the two differ in layout, the op's `axes` say so and nothing is moved; where
ONNX counts positions from a cache, the op's alignment does.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from .. import ir
from ..errors import CompileError, ShapeError
from ..ir import FLOATS
from . import _mods
from ._program import Builder, Value
from ._read import DTYPES, Graph, Kind, Node, Source, check_attributes

_KINDS_23 = {
    "is_causal": Kind.INT, "scale": Kind.FLOAT, "softcap": Kind.FLOAT, "q_num_heads": Kind.INT,
    "kv_num_heads": Kind.INT, "qk_matmul_output_mode": Kind.INT, "softmax_precision": Kind.INT,
}  # fmt: skip
_KINDS_25 = {**_KINDS_23, "left_window_size": Kind.INT, "right_window_size": Kind.INT}
_KINDS_FLEX = {"scale": Kind.FLOAT, "softmax_precision": Kind.INT,
               "score_mod": Kind.GRAPH, "prob_mod": Kind.GRAPH}  # fmt: skip
_MODIFIERS = ("score_mod", "prob_mod")

#: qk_matmul_output_mode by what it means.
MODES = ("product", "softcapped", "score", "weight")
_DEFAULT_AXES = {"q": "b, hq, i, d", "k": "b, hkv, j, d", "v": "b, hkv, j, e"}
_ROWS_AXES = {"q": "b, i, hq, d", "k": "b, j, hkv, d", "v": "b, j, hkv, e"}
_PRECISIONS = {1: "float", 10: "float16", 11: "double", 16: "bfloat16"}


def _number(node: Node, name: str, low: float, high: float, otherwise: float | None) -> Any:
    value = node.attributes.get(name, otherwise)
    if value is not None and not low <= value <= high:
        raise CompileError(
            f"{node.label} expects attribute {name} from {low:g} to {high:g}, but got {value}"
        )
    return value


def _inputs(node: Node, least: int, most: int, outputs: int) -> None:
    if not least <= len(node.inputs) <= most or "" in node.inputs[:least]:
        raise CompileError(
            f"{node.label} expects {least} to {most} inputs, the first {least} of them given, but "
            f"got {[*node.inputs]}"
        )
    if not 1 <= len(node.outputs) <= outputs or not node.outputs[0]:
        raise CompileError(
            f"{node.label} expects 1 to {outputs} outputs, the first of them named, but got "
            f"{[*node.outputs]}"
        )


def check_attention(node: Node, opset: int) -> None:
    """What can be said about an Attention node before there are arrays."""
    check_attributes(node, _KINDS_25 if opset >= 25 else _KINDS_23)
    _inputs(node, 3, 7 if opset >= 24 else 6, 4)
    _number(node, "is_causal", 0, 1, 0)
    _number(node, "qk_matmul_output_mode", 0, 3, 0)
    _number(node, "softcap", 0, 1e30, 0)
    _number(node, "scale", 0, 1e30, None)
    for name in ("left_window_size", "right_window_size"):
        _number(node, name, -1, (1 << 62), -1)
    for name in ("q_num_heads", "kv_num_heads"):
        _number(node, name, 1, 1 << 20, None)
    if ("q_num_heads" in node.attributes) != ("kv_num_heads" in node.attributes):
        raise CompileError(
            f"{node.label} expects q_num_heads and kv_num_heads together, but got only one"
        )
    _check_precision(node)
    given = [*node.inputs, *[""] * 7]
    if bool(given[4]) != bool(given[5]):
        raise CompileError(
            f"{node.label} expects past_key and past_value together, but got only one"
        )
    if given[4] and given[6]:
        raise CompileError(
            f"{node.label} expects past_key or nonpad_kv_seqlen, but got both: one says that the "
            "cache grows inside the op, the other that it was written outside"
        )


def checked_flex(
    node: Node, constants: Mapping[str, Any], versions: Mapping[str, int], source: Source
) -> Node:
    """What can be said about a FlexAttention node before there are arrays; its modifiers read."""
    check_attributes(node, _KINDS_FLEX)
    _inputs(node, 3, 3, 1)
    _number(node, "scale", 0, 1e30, None)
    _check_precision(node)
    graphs = {
        name: _mods.read(
            node.attributes[name], _modifier_label(node, name), constants, versions, source
        )
        for name in _MODIFIERS
        if name in node.attributes
    }
    for name, graph in graphs.items():
        _check_modifier_type(node, name, graph, ("f32", "f64"))
    return node._replace(attributes={**node.attributes, **graphs})


def _modifier_label(node: Node, name: str) -> str:
    return f"{name} of {node.label}"


def _check_modifier_type(node: Node, name: str, graph: Graph, otherwise: Sequence[str]) -> None:
    """Input and output are of softmax_precision, or of what takes its place when it is left out."""
    given = DTYPES.get(node.attributes.get("softmax_precision", 0))
    want = otherwise if given is None else (given,)
    have, made = graph.inputs[0].dtype, graph.types[0]
    if have not in want or made not in (have, None):
        raise CompileError(
            f"{_modifier_label(node, name)} expects an input and an output of {' or '.join(want)}, as "
            f"softmax_precision has it, but got {have} and {made or 'no type'}"
        )


def _check_precision(node: Node) -> None:
    value = node.attributes.get("softmax_precision", 1)
    if value not in _PRECISIONS:
        known = ", ".join(f"{n} ({t})" for n, t in _PRECISIONS.items())
        raise CompileError(
            f"{node.label} expects softmax_precision to be one of {known}, but got {value}"
        )


def _double_asked(node: Node) -> bool:
    """Whether the softmax has to be in double. Every other precision is met by f32."""
    return DTYPES.get(node.attributes.get("softmax_precision", 0)) == "f64"


class _Operands:
    """q, k and v with their axes, and the sizes that follow."""

    def __init__(self, b: Builder, node: Node, q: Value, k: Value, v: Value) -> None:
        self.values = [q, k, v]
        self.axes = dict(_DEFAULT_AXES)
        for name, x in zip("QKV", self.values):
            if x.rank not in (3, 4) or x.rank != q.rank:
                raise ShapeError(
                    f"{node.label} expects Q, K and V of rank 4 [batch, heads, length, dim] or all "
                    f"of rank 3 [batch, length, heads * dim], but got {name} {x}"
                )
            if x.dtype not in FLOATS or x.dtype != q.dtype:
                raise ShapeError(
                    f"{node.label} expects Q, K and V of one float dtype, but got {q.dtype} for Q "
                    f"and {x.dtype} for {name}"
                )
        self.rows = q.rank == 3
        if not self.rows:
            return
        self.heads = []
        for name, x, attribute in zip(
            "QKV", self.values, ("q_num_heads", "kv_num_heads", "kv_num_heads")
        ):
            heads = node.attributes.get(attribute)
            if heads is None:
                raise CompileError(
                    f"{node.label} expects attribute {attribute} with inputs of rank 3, but got none"
                )
            if x.sizes[2] == 0 or x.sizes[2] % heads:
                raise ShapeError(
                    f"{node.label} expects the last axis of {name} to be a multiple of {attribute} "
                    f"{heads}, but got {x.sizes[2]}"
                )
            self.heads.append(heads)

    def split(self, b: Builder, which: int) -> None:
        """Rank 3 as rank 4 in place, its axes in their own order."""
        letter = "qkv"[which]
        self.values[which] = b.split_heads(
            self.values[which], self.heads[which], self.values[which].label
        )
        self.axes[letter] = _ROWS_AXES[letter]

    def size(self, which: int, role: str) -> int:
        letter = "qkv"[which]
        return self.values[which].sizes[self.axes[letter].split(", ").index(role)]


def _check_shapes(node: Node, o: _Operands) -> None:
    batch, dim = o.size(0, "b"), o.size(0, "d")
    hq, hkv, keys = o.size(0, "hq"), o.size(1, "hkv"), o.size(1, "j")
    for what, got, want in (
        ("K to have Q's batch size", o.size(1, "b"), batch),
        ("V to have Q's batch size", o.size(2, "b"), batch),
        ("K to have Q's head dim", o.size(1, "d"), dim),
        ("V to have K's heads", o.size(2, "hkv"), hkv),
        ("V to have K's length", o.size(2, "j"), keys),
    ):
        if got != want:
            raise ShapeError(f"{node.label} expects {what} {want}, but got {got}")
    if hkv == 0 or hq % hkv:
        raise ShapeError(
            f"{node.label} expects the heads of Q to be a multiple of those of K, but got {hq} and "
            f"{hkv}"
        )


def _emit(
    b: Builder, node: Node, o: _Operands, operands: Mapping[str, Value], double: bool,
    scores: str | None, **settings: Any,
) -> list[Value | None]:  # fmt: skip
    """Writes the op; returns Y and, if asked for, its scores."""
    dtype = o.values[0].dtype
    q, k, v = (b.cast(x, "f64") if double else x for x in o.values)
    if double and "bias" in operands:
        operands = {**operands, "bias": b.cast(operands["bias"], "f64")}
    names = [b.read(x, _qkv_dims(b, x)) for x in (q, k, v)]
    inner = {r: b.read(x, ir.broadcast_dims(x.sizes)) for r, x in operands.items()}
    captures = settings.pop("captures", ())
    arrays = [
        b.argument(f"constant_{node.op.lower()}", _mods.dtype_of(a), a.shape, a) for a in captures
    ]
    capture_names = [b.read(a, (None,) * a.rank) for a in arrays]
    # A default order is not written down.
    text = ", ".join(f"{letter} = [{order}]" for letter, order in o.axes.items())
    op = ir.Attention(
        *(b.type(n) for n in names),
        operands={r: b.type(n) for r, n in inner.items()},
        captures=tuple(b.type(n) for n in capture_names),
        axes=None if o.axes == _DEFAULT_AXES else f"#attn.axes<{text}>",
        scores=scores,
        **settings,
    )
    results = b.module.attention(op, names, inner, capture_names)
    order = o.axes["q"].split(", ")
    sizes = {"b": o.size(0, "b"), "hq": o.size(0, "hq"), "i": o.size(0, "i"), "d": o.size(2, "e")}
    out = b.cast(b.made(results[0], [sizes[r] for r in order], node.outputs[0]), dtype)
    if o.rows:
        out = b.join_heads(out)
    made: list[Value | None] = [out]
    if scores is not None:
        shape = (sizes["b"], sizes["hq"], sizes["i"], o.size(1, "j"))
        made.append(b.cast(b.made(results[-1], shape, node.outputs[-1]), dtype))
    return made


def _qkv_dims(b: Builder, x: Value) -> tuple[int | None, ...]:
    """The dims of q, k or v in the op: its head dim has to be static, more may be."""
    if x.name is not None and b.type(x.name).dims[3] is not None:
        return b.type(x.name).dims
    return (None, None, None, x.sizes[3])


def import_attention(
    b: Builder, node: Node, inputs: Sequence[Value | None], lengths: Value | None, opset: int,
    feed: Callable[[int, Callable[[Any], Any]], Any],
) -> list[Value | None]:  # fmt: skip
    """Attention-23, -24 and -25.

    Args:
      inputs: as many as the node has, None for those left out.
      lengths: nonpad_kv_seqlen, or None.
      feed: makes an argument that follows from an input's values at each call.

    Returns:
      Y, present_key, present_value and qk_matmul_output, None for those that the
      node does not name.
    """
    a = node.attributes
    given = [*inputs, *[None] * 7][:7]
    q, k, v, mask, past_key, past_value = given[:6]
    assert q is not None and k is not None and v is not None
    wanted = [bool(name) for name in node.outputs] + [False] * 4
    o = _Operands(b, node, q, k, v)
    if opset >= 25 and not o.rows and "q_num_heads" in a:
        raise CompileError(
            f"{node.label} expects q_num_heads and kv_num_heads with inputs of rank 3 only, but got "
            "them with rank 4"
        )
    if o.rows:
        o.split(b, 0)
    presents: list[Value | None] = [None, None]
    past = 0
    new_keys = k.sizes[1] if o.rows else k.sizes[2]
    for which, cache in ((1, past_key), (2, past_value)):
        if not o.rows:
            pass
        elif cache is None and not wanted[which]:
            o.split(b, which)
            continue
        else:  # a cache has its heads in front
            o.values[which] = b.heads_first(
                o.values[which], o.heads[which], o.values[which].label
            )
        if cache is not None:
            have = o.values[which]
            ok = cache.rank == 4 and cache.dtype == have.dtype and (
                cache.sizes[0], cache.sizes[1], cache.sizes[3]
            ) == (have.sizes[0], have.sizes[1], have.sizes[3])  # fmt: skip
            if not ok:
                raise ShapeError(
                    f"{node.label} expects past_{('key', 'value')[which - 1]} to be {have.dtype} of "
                    f"shape [{have.sizes[0]}, {have.sizes[1]}, past, {have.sizes[3]}], but got {cache}"
                )
            past = cache.sizes[2]
            o.values[which] = b.concat(2, [cache, have], node.label)
        presents[which - 1] = o.values[which]
    _check_shapes(node, o)
    batch, queries, keys = o.size(0, "b"), o.size(0, "i"), o.size(1, "j")

    operands: dict[str, Value] = {}
    if mask is not None:
        operands.update(_mask(b, node, o, mask))
    if lengths is not None:
        operands["kv_lengths"] = _lengths(b, node, lengths, batch, keys, feed)
    parts, compares = _structured(node)
    align = None
    if compares:
        if lengths is not None:
            align = "bottom_right"  # the valid keys before the queries
        elif past_key is None:
            align = "top_left"
        elif new_keys == queries:
            align = "bottom_right"
        else:
            # Neither: the queries stand behind the cache, fewer or more than the keys.
            for role, count, start in (("q_positions", queries, past), ("kv_positions", keys, 0)):
                array = _range(start, count)
                operands[role] = b.argument(role, "i32", array.shape, array)
    scores = None
    softcap = a.get("softcap", 0.0) or None
    if wanted[3]:
        scores = MODES[a.get("qk_matmul_output_mode", 0)]
    made = _emit(
        b, node, o, operands, _double_asked(node) and q.dtype != "f64", scores,
        mask="full" if not parts else parts[0] if len(parts) == 1 else f"and({', '.join(parts)})",
        align=align, scale=a.get("scale"), softcap=softcap,
    )  # fmt: skip
    return [made[0], *presents, made[1] if scores else None]


def _structured(node: Node) -> tuple[list[str], bool]:
    """Causal and window as masks, and whether there is one."""
    parts = ["causal"] if node.attributes.get("is_causal", 0) else []
    left = node.attributes.get("left_window_size", -1)
    right = node.attributes.get("right_window_size", -1)
    if left >= 0 or right >= 0:
        parts.append(f"band<{left if left >= 0 else 'inf'}, {right if right >= 0 else 'inf'}>")
    return parts, bool(parts)


def _range(start: int, count: int) -> Any:
    import numpy as np

    return np.arange(start, start + count, dtype=np.int32).reshape(1, count)


def _mask(b: Builder, node: Node, o: _Operands, mask: Value) -> dict[str, Value]:
    """attn_mask as a mask tensor or a bias, as long as the keys."""
    dtype, keys = o.values[0].dtype, o.size(1, "j")
    if mask.dtype not in ("i1", dtype):
        raise ShapeError(
            f"{node.label} expects attn_mask of bool, or of Q's {dtype} to be added, but got "
            f"{mask.dtype}"
        )
    full = (o.size(0, "b"), o.size(0, "hq"), o.size(0, "i"), keys)
    fits = 1 <= mask.rank <= 4 and all(
        m in (1, f) for m, f in zip(mask.sizes[:-1], full[-mask.rank :])
    )
    if not fits or mask.sizes[-1] > keys:
        raise ShapeError(
            f"{node.label} expects attn_mask to broadcast to [batch, heads, queries, keys] = "
            f"{list(full)}, its last axis at most {keys}, but got {list(mask.sizes)}"
        )
    if mask.sizes[-1] < keys:
        key_axis = o.axes["k"].split(", ").index("j")
        like = b.read(o.values[1], _qkv_dims(b, o.values[1]))
        fill = "false" if mask.dtype == "i1" else f"{_NEGATIVE[mask.dtype]} : {mask.dtype}"
        mask = b.pad_last(mask, keys, like, key_axis, fill)
    if mask.dtype == "i1":
        return {"mask_tensor": mask}
    # -inf hides its key, whatever that holds: NaN - inf would be NaN. And blocks that hold
    # nothing else are skipped.
    return {"bias": mask, "mask_tensor": b.differs(mask, _NEGATIVE[mask.dtype])}


_NEGATIVE = {"f32": "0xFF800000", "f64": "0xFFF0000000000000", "f16": "0xFC00", "bf16": "0xFF80"}


def _lengths(
    b: Builder, node: Node, lengths: Value, batch: int, keys: int,
    feed: Callable[[int, Callable[[Any], Any]], Any],
) -> Value:  # fmt: skip
    """nonpad_kv_seqlen as kv_lengths; checked, since its 64 bits become 32."""
    if lengths.dtype != "i64" or lengths.sizes != (batch,):
        raise ShapeError(
            f"{node.label} expects nonpad_kv_seqlen to be i64 of shape [{batch}], but got {lengths}"
        )

    def narrowed(array: Any) -> Any:
        import numpy as np

        array = array if isinstance(array, np.ndarray) else np.from_dlpack(array)
        for n, length in enumerate(array.tolist()):
            if not 0 <= length <= keys:
                raise ShapeError(
                    f"{node.label} expects nonpad_kv_seqlen from 0 to the {keys} keys, but got "
                    f"{length} at [{n}]"
                )
        return array.astype(np.int32)

    source = lengths.feed
    made = feed(source, narrowed) if isinstance(source, int) else narrowed(source)
    return b.argument("kv_lengths", "i32", (batch,), made)


def import_flex(
    b: Builder, node: Node, inputs: Sequence[Value | None], constants: Mapping[str, Any]
) -> list[Value | None]:
    """FlexAttention-1, its modifiers as `checked_flex` leaves them."""
    q, k, v = inputs
    assert q is not None and k is not None and v is not None
    if q.rank != 4:
        raise ShapeError(f"{node.label} expects Q, K and V of rank 4, but got Q {q}")
    o = _Operands(b, node, q, k, v)
    _check_shapes(node, o)
    double = _double_asked(node) and q.dtype != "f64"
    state = "f64" if double or q.dtype == "f64" else "f32"
    shape = (o.size(0, "b"), o.size(0, "hq"), o.size(0, "i"), o.size(1, "j"))
    settings: dict[str, Any] = {}
    captures: list[Any] = []
    align = None
    for name in _MODIFIERS:
        graph = node.attributes.get(name)
        if graph is None:
            continue
        _check_modifier_type(node, name, graph, ("f64" if q.dtype == "f64" else "f32",))
        region = _mods.region_of(
            graph, name, _modifier_label(node, name), shape, state, constants
        )
        if region.trivial:
            continue
        settings[name] = (region, range(len(captures), len(captures) + len(region.captures)))
        captures += region.captures
        if region.reads("i"):
            align = "top_left"  # indices are slots
    return _emit(
        b, node, o, {}, double, None, align=align, scale=node.attributes.get("scale"),
        captures=captures, **settings,
    )  # fmt: skip
