# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Traces score_mod and mask_mod callables into the regions of `attn.attention`.

The callables have FlexAttention's signatures,

    score_mod(score, b, h, q_idx, kv_idx) -> score
    mask_mod(b, h, q_idx, kv_idx) -> bool

and are called once with traced scalars that record what is done to them. Arrays
they capture (in a closure, a default argument or a global) become operands of
the op, read by `attn.load`. Functions named like torch's and numpy's (`where`,
`exp`, `abs`, ...) live in `attn`; torch's and numpy's own work too when they are
given a traced value.

Typing: an index is int32, the score float32, a comparison boolean. int32 with a
float gives float32, `/` always gives float32, `//` and `%` round down as in
Python. A mask_mod that is an exact band, prefix or document test becomes a
structured mask; see `folding`. Traces are kept; see `records`.
"""

from __future__ import annotations

import functools
import inspect
import math
import os
import sys
import types
from typing import Any, Callable, Iterable, NamedTuple, Sequence

from . import checks
from .errors import CompileError

_HERE = os.path.dirname(os.path.abspath(__file__))

_I32_MIN, _I32_MAX = -(2**31), 2**31 - 1


# ---- the recorded program ----------------------------------------------------


class _Node(NamedTuple):
    """One operation: its name, operands (nodes by index), type and attribute."""

    op: str
    args: tuple[int, ...]
    type: str
    attr: Any = None


class _Trace:
    """The operations recorded so far, each kept once."""

    def __init__(self) -> None:
        self.nodes: list[_Node] = []
        self.index: dict[_Node, int] = {}
        self.captures: list[Any] = []
        #: True once `attn.capture` was called: its arrays cannot be found again
        #: without tracing again.
        self.inline_captures = False
        #: The complaint about a traced value used as a Python index.
        self.refused_index: str | None = None

    def add(self, op: str, args: Sequence["Scalar"], type: str, attr: Any = None) -> "Scalar":
        for a in args:
            if a._trace is not self:
                raise CompileError(
                    f"{_where()}a traced value is used outside of the call that it "
                    "belongs to"
                )
        node = _Node(op, tuple(a._id for a in args), type, attr)
        number = self.index.get(node)
        if number is None:
            number = self.index[node] = len(self.nodes)
            self.nodes.append(node)
        return Scalar(self, number)

    def constant(self, value: Any, type: str) -> "Scalar":
        if type == "i32" and not _I32_MIN <= value <= _I32_MAX:
            raise CompileError(
                f"{_where()}an integer constant expects 32 bits, but got {checks.show(value)}"
            )
        if type == "f32":
            try:
                value = float(value)
            except OverflowError:
                raise CompileError(
                    f"{_where()}a constant expects to fit a float, but got {checks.show(value)}"
                ) from None
        # The text is the key, so that -0.0 and 0.0 or 1 and True stay apart.
        return self.add("arith.constant", (), type, constant_text(value, type))

    def capture(self, array: Any) -> int:
        for i, seen in enumerate(self.captures):
            if seen is array:
                return i
        self.captures.append(array)
        return len(self.captures) - 1


_active: list[_Trace] = []


def constant_text(value: Any, type: str) -> str:
    """Spells a constant the way MLIR's parser reads it."""
    if type == "i1":
        return "true" if value else "false"
    if type in ("i32", "i64", "i8"):
        return str(int(value))
    return float_text(float(value), type)


def float_text(value: float, type: str = "f64") -> str:
    """Spells a float as MLIR does: with a point, and in hex when not finite."""
    if math.isfinite(value):
        text = repr(value)
        mantissa, _, exponent = text.partition("e")
        if "." not in mantissa:
            mantissa += ".0"
        return f"{mantissa}e{exponent}" if exponent else mantissa
    bits = {"f32": (0x7F800000, 0xFF800000, 0x7FC00000)}.get(
        type, (0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000000)
    )
    return f"0x{bits[2] if math.isnan(value) else bits[value < 0]:X}"


def _where() -> str:
    """Returns "file:line: " of the innermost frame outside this package."""
    frame = sys._getframe(1)
    while frame is not None and os.path.dirname(os.path.abspath(frame.f_code.co_filename)) == _HERE:
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return ""
    return f"{frame.f_code.co_filename}:{frame.f_lineno}: "


def _to(x: "Scalar", type: str) -> "Scalar":
    """Converts a traced value to another of the three working types."""
    have = x.type
    if have == type:
        return x
    t = x._trace
    if type == "f32":
        if have == "i1":
            x = t.add("arith.extui", (x,), "i32")
        return t.add("arith.sitofp", (x,), "f32")
    if type == "i32":
        if have == "i1":
            return t.add("arith.extui", (x,), "i32")
        return t.add("arith.fptosi", (x,), "i32")
    zero = t.constant(0, have)
    if have == "f32":
        return t.add("arith.cmpf", (x, zero), "i1", "une")
    return t.add("arith.cmpi", (x, zero), "i1", "ne")


def _lift(trace: _Trace, value: Any, like: str | None = None) -> "Scalar":
    """Makes a traced value of a Python or numpy number."""
    if isinstance(value, Scalar):
        return value
    if isinstance(value, _CapturedArray):
        raise CompileError(
            f"{_where()}a captured array expects {value.missing} more "
            f"{'index' if value.missing == 1 else 'indices'} before it is a scalar"
        )
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return trace.constant(bool(value), "i1")
    if hasattr(value, "__index__") and not getattr(value, "shape", ()):
        number = value.__index__()
        return trace.constant(number, "f32" if like == "f32" else "i32")
    if hasattr(value, "__float__") and not getattr(value, "shape", ()):
        return trace.constant(float(value), "f32")
    raise CompileError(
        f"{_where()}a traced expression expects numbers and traced values, but got "
        f"{type(value).__name__}"
    )


_RANK = {"i1": 0, "i32": 1, "f32": 2}


def _common(trace: _Trace, values: Sequence[Any], least: str = "i1") -> list["Scalar"]:
    """Lifts values to their common type, at least `least`."""
    types_ = [least]
    for v in values:
        if isinstance(v, Scalar):
            types_.append(v.type)
        elif isinstance(v, float):
            types_.append("f32")
    # A Python number beside a float becomes a float constant at once.
    like = max(types_, key=_RANK.__getitem__)
    lifted = [_lift(trace, v, like) for v in values]
    wide = max([like] + [x.type for x in lifted], key=_RANK.__getitem__)
    return [_to(x, wide) for x in lifted]


def _binary(float_op: str, int_op: str) -> Callable[..., Any]:
    def forward(self: "Scalar", other: Any) -> Any:
        if not _is_scalar_like(other):
            return NotImplemented
        a, b = _common(self._trace, (self, other), "i32")
        return self._trace.add(float_op if a.type == "f32" else int_op, (a, b), a.type)

    return forward


def _reflected(forward: Callable[..., Any]) -> Callable[..., Any]:
    def reflected(self: "Scalar", other: Any) -> Any:
        if not _is_scalar_like(other):
            return NotImplemented
        return forward(_common(self._trace, (other, self))[0], self)

    return reflected


def _is_scalar_like(value: Any) -> bool:
    if isinstance(value, (Scalar, _CapturedArray, int, float)):
        return True
    return (hasattr(value, "__index__") or hasattr(value, "__float__")) and not getattr(
        value, "shape", ()
    )


_PREDICATES = {"lt": ("slt", "olt"), "le": ("sle", "ole"), "gt": ("sgt", "ogt"),
               "ge": ("sge", "oge"), "eq": ("eq", "oeq"), "ne": ("ne", "une")}  # fmt: skip


def _compare(name: str) -> Callable[..., Any]:
    int_predicate, float_predicate = _PREDICATES[name]

    def compare(self: "Scalar", other: Any) -> Any:
        if not _is_scalar_like(other):
            return NotImplemented
        a, b = _common(self._trace, (self, other), "i32")
        if a.type == "f32":
            return self._trace.add("arith.cmpf", (a, b), "i1", float_predicate)
        return self._trace.add("arith.cmpi", (a, b), "i1", int_predicate)

    return compare


def _logical(op: str) -> Callable[..., Any]:
    def forward(self: "Scalar", other: Any) -> Any:
        if not _is_scalar_like(other):
            return NotImplemented
        a, b = _common(self._trace, (self, other))
        if a.type == "f32":
            raise CompileError(
                f"{_where()}`&`, `|` and `^` expect booleans or integers, but got float32"
            )
        return self._trace.add(op, (a, b), a.type)

    return forward


def _shift(op: str) -> Callable[..., Any]:
    def forward(self: "Scalar", other: Any) -> Any:
        if not _is_scalar_like(other):
            return NotImplemented
        a, b = _common(self._trace, (self, other), "i32")
        if a.type == "f32":
            raise CompileError(f"{_where()}a shift expects integers, but got float32")
        return self._trace.add(op, (a, b), "i32")

    return forward


class Scalar:
    """A traced int32, float32 or boolean value of a score_mod or mask_mod."""

    __slots__ = ("_trace", "_id")

    def __init__(self, trace: _Trace, number: int) -> None:
        self._trace = trace
        self._id = number

    @property
    def type(self) -> str:
        """``"f32"``, ``"i32"`` or ``"i1"``."""
        return self._trace.nodes[self._id].type

    def __repr__(self) -> str:
        return f"<traced {self.type}>"

    __add__ = _binary("arith.addf", "arith.addi")
    __sub__ = _binary("arith.subf", "arith.subi")
    __mul__ = _binary("arith.mulf", "arith.muli")
    __radd__ = _reflected(__add__)
    __rsub__ = _reflected(__sub__)
    __rmul__ = _reflected(__mul__)
    __and__ = _logical("arith.andi")
    __or__ = _logical("arith.ori")
    __xor__ = _logical("arith.xori")
    __rand__ = _reflected(__and__)
    __ror__ = _reflected(__or__)
    __rxor__ = _reflected(__xor__)
    __lshift__ = _shift("arith.shli")
    __rshift__ = _shift("arith.shrsi")
    __rlshift__ = _reflected(__lshift__)
    __rrshift__ = _reflected(__rshift__)
    __lt__ = _compare("lt")
    __le__ = _compare("le")
    __gt__ = _compare("gt")
    __ge__ = _compare("ge")
    __eq__ = _compare("eq")
    __ne__ = _compare("ne")
    __hash__ = None  # type: ignore[assignment]

    def __truediv__(self, other: Any) -> Any:
        if not _is_scalar_like(other):
            return NotImplemented
        a, b = _common(self._trace, (self, other), "f32")
        return self._trace.add("arith.divf", (a, b), "f32")

    __rtruediv__ = _reflected(__truediv__)

    def __floordiv__(self, other: Any) -> Any:
        if not _is_scalar_like(other):
            return NotImplemented
        a, b = _common(self._trace, (self, other), "i32")
        if a.type == "f32":
            return floor(a / b)
        _check_divisor(other)
        return self._trace.add("arith.floordivsi", (a, b), "i32")

    __rfloordiv__ = _reflected(__floordiv__)

    def __mod__(self, other: Any) -> Any:
        if not _is_scalar_like(other):
            return NotImplemented
        a, b = _common(self._trace, (self, other), "i32")
        return a - (a // (other if isinstance(other, int) else b)) * b

    __rmod__ = _reflected(__mod__)

    def __pow__(self, other: Any) -> Any:
        if not _is_scalar_like(other):
            return NotImplemented
        if isinstance(other, int) and not isinstance(other, bool) and 1 <= other <= 4:
            result = self
            for _ in range(other - 1):
                result = result * self
            return result
        a, b = _common(self._trace, (self, other), "f32")
        return self._trace.add("math.powf", (a, b), "f32")

    __rpow__ = _reflected(__pow__)

    def __neg__(self) -> "Scalar":
        if self.type == "f32":
            return self._trace.add("arith.negf", (self,), "f32")
        return 0 - _to(self, "i32")  # type: ignore[no-any-return]

    def __pos__(self) -> "Scalar":
        return self

    def __abs__(self) -> "Scalar":
        if self.type == "f32":
            return self._trace.add("math.absf", (self,), "f32")
        return self._trace.add("math.absi", (_to(self, "i32"),), "i32")

    def __invert__(self) -> "Scalar":
        if self.type == "f32":
            raise CompileError(f"{_where()}`~` expects a boolean, but got float32")
        ones = self._trace.constant(True if self.type == "i1" else -1, self.type)
        return self._trace.add("arith.xori", (self, ones), self.type)

    # ---- what a traced value cannot be ------------------------------------

    def __bool__(self) -> bool:
        raise CompileError(
            f"{_where()}a traced value has no truth value, so it cannot decide a Python "
            "`if`, `while`, `and`, `or`, `not`, `min` or `max`; use "
            "attn.where(condition, if_true, if_false), `&`, `|`, `~`, attn.minimum or "
            "attn.maximum instead"
        )

    def __index__(self) -> int:
        # numpy replaces the exception by one of its own; see `trace_region`.
        self._trace.refused_index = (
            f"{_where()}a traced value cannot index this object: the array was not found "
            "among the callable's captured variables; wrap it as attn.capture(array)"
        )
        raise CompileError(self._trace.refused_index)

    def __int__(self) -> int:
        raise CompileError(
            f"{_where()}a traced value has no Python value; use attn.int32(x) to convert"
        )

    def __float__(self) -> float:
        raise CompileError(
            f"{_where()}a traced value has no Python value; use attn.float32(x) to convert"
        )

    def __iter__(self) -> Any:
        raise CompileError(f"{_where()}a traced scalar cannot be iterated over")

    # ---- guests: torch's and numpy's functions on traced values ------------

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _call_by_name(getattr(func, "__name__", str(func)), args, kwargs or {})

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            raise CompileError(f"{_where()}cannot trace numpy's {ufunc.__name__}.{method}")
        return _call_by_name(ufunc.__name__, args, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _call_by_name(func.__name__, args, kwargs)

    def to(self, dtype: Any) -> "Scalar":
        """Converts to a dtype, as `torch.Tensor.to` does."""
        return _convert(self, str(dtype))

    def float(self) -> "Scalar":
        """Converts to float32, as `torch.Tensor.float` does."""
        return _to(self, "f32")

    def abs(self) -> "Scalar":
        """The absolute value, as `torch.Tensor.abs`."""
        return abs(self)

    def view(self, *shape: Any) -> "Scalar":
        raise CompileError(f"{_where()}a traced scalar has no shape to view")


def _check_divisor(divisor: Any) -> None:
    if isinstance(divisor, int) and divisor == 0:
        raise CompileError(f"{_where()}an integer division expects a divisor other than 0")


def _convert(x: "Scalar", dtype: str) -> "Scalar":
    name = dtype.rsplit(".", 1)[-1].strip("'<> ")
    if name in ("float32", "float", "float64", "float16", "bfloat16"):
        return _to(x, "f32")
    if name in ("int32", "int", "int64", "long"):
        return _to(x, "i32")
    if name == "bool":
        return _to(x, "i1")
    raise CompileError(
        f"{_where()}a traced value expects one of float32, int32 and bool, but got {dtype}"
    )


# ---- functions on traced values ------------------------------------------------


def _trace_of(values: Iterable[Any]) -> _Trace | None:
    for v in values:
        if isinstance(v, Scalar):
            return v._trace
        if isinstance(v, _CapturedArray):
            return v.trace
    return None


def _float_function(name: str, op: str, plain: Callable[[float], float]) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        trace = _trace_of((x,))
        if trace is None:
            return plain(x)
        return trace.add(op, (_to(_lift(trace, x), "f32"),), "f32")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name}(x) of a traced value, as float32."
    return function


exp = _float_function("exp", "math.exp", math.exp)
exp2 = _float_function("exp2", "math.exp2", lambda x: 2.0**x)
log = _float_function("log", "math.log", math.log)
log2 = _float_function("log2", "math.log2", math.log2)
log1p = _float_function("log1p", "math.log1p", math.log1p)
tanh = _float_function("tanh", "math.tanh", math.tanh)
sqrt = _float_function("sqrt", "math.sqrt", math.sqrt)
rsqrt = _float_function("rsqrt", "math.rsqrt", lambda x: 1.0 / math.sqrt(x))
sin = _float_function("sin", "math.sin", math.sin)
cos = _float_function("cos", "math.cos", math.cos)
floor = _float_function("floor", "math.floor", math.floor)
ceil = _float_function("ceil", "math.ceil", math.ceil)
erf = _float_function("erf", "math.erf", math.erf)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)) of a traced value, as float32."""
    return 1.0 / (1.0 + exp(-x))


def absolute(x: Any) -> Any:
    """The absolute value of a traced value; also Python's ``abs(x)``."""
    return x.__abs__()


def where(condition: Any, if_true: Any, if_false: Any) -> Any:
    """Selects between two values; the traced form of Python's ``if``."""
    trace = _trace_of((condition, if_true, if_false))
    if trace is None:
        return if_true if condition else if_false
    chosen = _to(_lift(trace, condition), "i1")
    a, b = _common(trace, (if_true, if_false))
    return trace.add("arith.select", (chosen, a, b), a.type)


def _extremum(name: str, float_op: str, int_op: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    def function(a: Any, b: Any) -> Any:
        trace = _trace_of((a, b))
        if trace is None:
            return plain(a, b)
        a, b = _common(trace, (a, b), "i32")
        return trace.add(float_op if a.type == "f32" else int_op, (a, b), a.type)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {name} of two values; a NaN wins."
    return function


minimum = _extremum("minimum", "arith.minimumf", "arith.minsi", min)
maximum = _extremum("maximum", "arith.maximumf", "arith.maxsi", max)


def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    """Limits a value to [min, max]; either may be left out."""
    if min is not None:
        x = maximum(x, min)
    return x if max is None else minimum(x, max)


def power(a: Any, b: Any) -> Any:
    """a to the power of b."""
    return a**b


def logical_and(a: Any, b: Any) -> Any:
    """Whether both hold."""
    return boolean(a) & boolean(b)


def logical_or(a: Any, b: Any) -> Any:
    """Whether at least one holds."""
    return boolean(a) | boolean(b)


def logical_not(a: Any) -> Any:
    """Whether it does not hold."""
    return ~boolean(a) if _trace_of((a,)) else not a


def float32(x: Any) -> Any:
    """Converts to float32."""
    trace = _trace_of((x,))
    return float(x) if trace is None else _to(_lift(trace, x), "f32")


def int32(x: Any) -> Any:
    """Converts to int32; a float is cut towards zero."""
    trace = _trace_of((x,))
    return int(x) if trace is None else _to(_lift(trace, x), "i32")


def boolean(x: Any) -> Any:
    """Converts to bool: whether x differs from 0."""
    trace = _trace_of((x,))
    return bool(x) if trace is None else _to(_lift(trace, x), "i1")


_BY_NAME: dict[str, Callable[..., Any]] = {
    "where": where, "exp": exp, "exp2": exp2, "log": log, "log2": log2, "log1p": log1p,
    "tanh": tanh, "sqrt": sqrt, "rsqrt": rsqrt, "sin": sin, "cos": cos, "floor": floor,
    "ceil": ceil, "erf": erf, "sigmoid": sigmoid, "abs": absolute, "absolute": absolute,
    "fabs": absolute, "minimum": minimum, "maximum": maximum, "min": minimum,
    "max": maximum, "clamp": clamp, "clip": clamp, "pow": power, "power": power,
    "logical_and": logical_and, "logical_or": logical_or, "logical_not": logical_not,
    "bitwise_and": lambda a, b: a & b, "bitwise_or": lambda a, b: a | b,
    "bitwise_xor": lambda a, b: a ^ b, "bitwise_not": lambda a: ~a, "invert": lambda a: ~a,
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "subtract": lambda a, b: a - b,
    "mul": lambda a, b: a * b, "multiply": lambda a, b: a * b,
    "div": lambda a, b: a / b, "divide": lambda a, b: a / b, "true_divide": lambda a, b: a / b,
    "floor_divide": lambda a, b: a // b, "remainder": lambda a, b: a % b, "mod": lambda a, b: a % b,
    "negative": lambda a: -a, "neg": lambda a: -a, "square": lambda a: a * a,
    "less": lambda a, b: a < b, "lt": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b, "le": lambda a, b: a <= b,
    "greater": lambda a, b: a > b, "gt": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b, "ge": lambda a, b: a >= b,
    "equal": lambda a, b: a == b, "eq": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b, "ne": lambda a, b: a != b,
}  # fmt: skip


def _call_by_name(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    # torch hands over operators by their method names.
    plain = name.strip("_")
    reflected = plain.startswith("r") and plain[1:] in _BY_NAME and name.startswith("__r")
    function = _BY_NAME.get(plain[1:] if reflected else plain)
    if function is None:
        known = ", ".join(sorted(n for n in _BY_NAME if getattr(_BY_NAME[n], "__name__", "") == n))
        raise CompileError(
            f"{_where()}a traced value expects one of {known}, but got a call of {name}"
        )
    trace = _trace_of((*args, *kwargs.values()))
    assert trace is not None
    for a in (*args, *kwargs.values()):
        if isinstance(a, (list, tuple)) or (not isinstance(a, _CapturedArray) and _has_axes(a)):
            # It would hand the operation back to the array's library, and so on.
            raise CompileError(
                f"{_where()}{name} of a traced value expects numbers beside it, but got "
                f"{checks.show(a)}; index an array down to a number"
            )
    lifted = [_lift(trace, a) if _is_zero_rank(a) else a for a in args]
    try:
        inspect.signature(function).bind(*lifted, **kwargs)
    except TypeError as e:
        raise CompileError(f"{_where()}{name} of a traced value expects other arguments: {e}") from None
    return function(*(reversed(lifted) if reflected else lifted), **kwargs)


def _has_axes(value: Any) -> bool:
    """Whether a value is an array and no number in an array's clothes."""
    return bool(getattr(value, "shape", ()))


def _is_zero_rank(value: Any) -> bool:
    """A torch or numpy scalar tensor, which lends its value as a constant."""
    return not isinstance(value, Scalar) and getattr(value, "shape", None) == () and hasattr(
        value, "item"
    )


# ---- captured arrays -------------------------------------------------------------

_LOAD_TYPES = {"float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16",
               "int32": "i32", "int64": "i64", "int8": "i8", "bool": "i1"}  # fmt: skip


def dtype_name(array: Any) -> str:
    """The dtype's plain name, whatever library the array comes from."""
    return str(array.dtype).rsplit(".", 1)[-1]


def is_array(value: Any) -> bool:
    """Whether a value is an array that attn can take (a DLPack producer)."""
    return hasattr(value, "__dlpack__") and hasattr(value, "dtype") and hasattr(value, "shape")


class _CapturedArray:
    """Stands for a captured array while a callable is traced."""

    __slots__ = ("trace", "array", "indices")

    def __init__(self, trace: _Trace, array: Any, indices: tuple[Any, ...] = ()) -> None:
        self.trace = trace
        self.array = array
        self.indices = indices

    @property
    def missing(self) -> int:
        return len(self.array.shape) - len(self.indices)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)[len(self.indices) :]

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    @property
    def ndim(self) -> int:
        return self.missing

    def __len__(self) -> int:
        return int(self.shape[0])

    def size(self, axis: int) -> int:
        return int(self.shape[axis])

    def __getitem__(self, index: Any) -> Any:
        indices = self.indices + (index if isinstance(index, tuple) else (index,))
        if any(isinstance(i, slice) or i is None or i is Ellipsis for i in indices):
            raise CompileError(
                f"{_where()}a captured array expects integer indices, but got a slice, "
                "None or an ellipsis"
            )
        rank = len(self.array.shape)
        if len(indices) > rank:
            raise CompileError(
                f"{_where()}a captured array of rank {rank} expects {rank} indices, but "
                f"got {len(indices)}"
            )
        if len(indices) < rank:
            return _CapturedArray(self.trace, self.array, indices)
        name = dtype_name(self.array)
        if name not in _LOAD_TYPES:
            raise CompileError(
                f"{_where()}a captured array expects one of {', '.join(_LOAD_TYPES)}, but "
                f"got {name}"
            )
        lifted = []
        for axis, i in enumerate(indices):
            if isinstance(i, int) and not 0 <= i < self.array.shape[axis]:
                raise CompileError(
                    f"{_where()}an index of a captured array expects to be in "
                    f"[0, {self.array.shape[axis]}), but got {i}"
                )
            scalar = _lift(self.trace, i)
            if scalar.type != "i32":
                raise CompileError(
                    f"{_where()}an index of a captured array expects an integer, but got "
                    f"{scalar.type}"
                )
            lifted.append(scalar)
        element = _LOAD_TYPES[name]
        loaded = self.trace.add(
            "attn.load", lifted, element, (self.trace.capture(self.array), rank)
        )
        return _widen(loaded, element)

    def __torch_function__(self, *unused: Any, **also: Any) -> Any:
        raise CompileError(
            f"{_where()}a captured array expects to be indexed down to a scalar first"
        )

    # A captured array of rank 0 works as the scalar that it holds.
    def _scalar(self) -> Any:
        return self[()]


def _widen(x: Scalar, element: str) -> Scalar:
    """Brings a loaded element to one of the three working types."""
    op_type = {"f16": ("arith.extf", "f32"), "bf16": ("arith.extf", "f32"),
               "f64": ("arith.truncf", "f32"), "i64": ("arith.trunci", "i32"),
               "i8": ("arith.extsi", "i32")}.get(element)  # fmt: skip
    return x if op_type is None else x._trace.add(op_type[0], (x,), op_type[1])


def capture(array: Any) -> Any:
    """Marks an array for capture inside a score_mod or mask_mod.

    Only needed for arrays that are not plain captured variables, such as an
    attribute of an object: ``attn.capture(self.slopes)[h]``.
    """
    if not _active:
        return array
    _active[-1].inline_captures = True
    return _CapturedArray(_active[-1], array)


# ---- what a callable reads -------------------------------------------------------


class Reads:
    """Everything a callable reads besides its arguments, in a fixed order.

    `signature` is hashable and changes whenever the trace could: it holds the
    code objects, the constants, and the dtypes and shapes of the arrays.
    `arrays` are the arrays themselves, which may change between calls.
    """

    __slots__ = ("parts", "arrays", "opaque", "seen", "keep")

    def __init__(self, function: Any) -> None:
        self.parts: list[Any] = []
        self.arrays: list[Any] = []
        self.opaque = False
        self.seen: set[int] = set()
        #: Objects known by their id, which must not be reused meanwhile.
        self.keep: list[Any] = []
        self._value(function, 0)

    @property
    def signature(self) -> tuple[Any, ...]:
        return tuple(self.parts)

    def _value(self, v: Any, depth: int) -> None:
        parts = self.parts
        kind = type(v)
        if kind is float:
            parts.append((float, v.hex()))
        elif v is None or kind in (int, bool, str):
            parts.append((kind, v))
        elif is_array(v) and kind.__module__ != "builtins":
            if isinstance(v.shape, tuple) and not v.shape:
                # A number in an array's clothes; its value is compiled in.
                parts.append((kind, dtype_name(v), v.item()))
            else:
                parts.append(("array", dtype_name(v), tuple(v.shape)))
                self.arrays.append(v)
        elif kind is types.FunctionType:
            if id(v) in self.seen or depth > 6:
                return
            self.seen.add(id(v))
            self._function(v, depth + 1)
        elif kind is functools.partial:
            parts.append(functools.partial)
            for x in (v.func, *v.args, *v.keywords.values()):
                self._value(x, depth + 1)
        elif kind in (tuple, list):
            parts.append((kind, len(v)))
            for x in v:
                self._value(x, depth + 1)
        elif kind is dict:
            parts.append((dict, tuple(v)))
            for x in v.values():
                self._value(x, depth + 1)
        elif kind is types.ModuleType or kind is type or kind is types.BuiltinFunctionType:
            parts.append(id(v))
            self.keep.append(v)
        elif depth == 0 or kind is types.MethodType:
            # An object with state: nothing is known about what it reads.
            self.opaque = True
        else:
            parts.append(("object", id(v)))
            self.keep.append(v)
            if callable(v):
                self.opaque = self.opaque or not kind.__module__.startswith(
                    ("torch", "numpy", "jax")
                )

    def _function(self, f: types.FunctionType, depth: int) -> None:
        if _is_library(f):
            self.parts.append(id(f))
            self.keep.append(f)
            return
        self.parts.append(f.__code__)
        for cell in f.__closure__ or ():
            try:
                self._value(cell.cell_contents, depth)
            except ValueError:  # an empty cell: the name is not bound yet
                self.parts.append("empty")
        for v in f.__defaults__ or ():
            self._value(v, depth)
        for v in (f.__kwdefaults__ or {}).values():
            self._value(v, depth)
        for name in _global_names(f.__code__):
            if name in f.__globals__:
                self._value(f.__globals__[name], depth)


def _is_library(f: types.FunctionType) -> bool:
    """Whether a function is a library's: it is called as it is."""
    module = f.__module__ or ""
    return module == __name__ or module.partition(".")[0] in ("torch", "numpy", "jax")


@functools.lru_cache(maxsize=4096)
def _global_names(code: types.CodeType) -> tuple[str, ...]:
    names = dict.fromkeys(code.co_names)
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            names.update(dict.fromkeys(_global_names(c)))
    return tuple(names)


class _Rewriter:
    """Copies callables with every captured array replaced by its stand-in."""

    def __init__(self, trace: _Trace) -> None:
        self.trace = trace
        self.done: dict[int, Any] = {}
        #: Keeps every key of `done` alive, so that no id is used twice.
        self.keep: list[Any] = []

    def value(self, v: Any, depth: int = 0) -> Any:
        kind = type(v)
        if depth > 7 or kind in (int, float, bool, str, type(None)):
            return v
        if is_array(v) and kind.__module__ != "builtins":
            shape = tuple(v.shape)
            return _CapturedArray(self.trace, v) if shape else v.item()
        if id(v) in self.done:
            return self.done[id(v)]
        result = v
        if kind is types.FunctionType:
            if not _is_library(v):
                result = self.function(v, depth + 1)
        elif kind is functools.partial:
            result = functools.partial(
                self.value(v.func, depth + 1),
                *(self.value(x, depth + 1) for x in v.args),
                **{k: self.value(x, depth + 1) for k, x in v.keywords.items()},
            )
        elif kind is tuple or kind is list:
            result = kind(self.value(x, depth + 1) for x in v)
        elif kind is dict:
            result = {k: self.value(x, depth + 1) for k, x in v.items()}
        elif kind is types.MethodType:
            result = types.MethodType(self.value(v.__func__, depth + 1), v.__self__)
        self.done[id(v)] = result
        self.keep.append(v)
        return result

    def function(self, f: types.FunctionType, depth: int) -> types.FunctionType:
        changed = {
            name: self.value(f.__globals__[name], depth)
            for name in _global_names(f.__code__)
            if name in f.__globals__
        }
        cells = []
        for cell in f.__closure__ or ():
            try:
                cells.append(types.CellType(self.value(cell.cell_contents, depth)))
            except ValueError:
                cells.append(cell)
        copy = types.FunctionType(
            f.__code__,
            {**f.__globals__, **changed},
            f.__name__,
            tuple(self.value(v, depth) for v in f.__defaults__) if f.__defaults__ else None,
            tuple(cells) if f.__closure__ is not None else None,
        )
        if f.__kwdefaults__:
            copy.__kwdefaults__ = {k: self.value(v, depth) for k, v in f.__kwdefaults__.items()}
        copy.__dict__.update(f.__dict__)
        return copy


# ---- regions ---------------------------------------------------------------------


class Region:
    """One traced callable.

    Attributes:
      kind: ``"score_mod"`` or ``"mask_mod"``.
      captures: the captured arrays, in the order of first use.
      reads_positions: whether the result depends on `q_idx` and `kv_idx`.
    """

    ARGUMENTS = {
        "score_mod": (("s", "f32"), ("b", "i32"), ("h", "i32"), ("i", "i32"), ("j", "i32")),
        "mask_mod": (("b", "i32"), ("h", "i32"), ("i", "i32"), ("j", "i32")),
    }

    def __init__(self, kind: str, trace: _Trace, result: Scalar) -> None:
        self.kind = kind
        self.trace = trace
        self.result = result

    @property
    def captures(self) -> list[Any]:
        return self.trace.captures

    @property
    def live(self) -> list[int]:
        """The operations the result needs, in the order they were recorded."""
        needed, todo = set(), [self.result._id]
        while todo:
            number = todo.pop()
            if number not in needed:
                needed.add(number)
                todo.extend(self.trace.nodes[number].args)
        return sorted(needed)

    def reads(self, name: str) -> bool:
        """Whether the result depends on the block argument `name`."""
        return any(
            self.trace.nodes[n].op == "argument" and self.trace.nodes[n].attr == name
            for n in self.live
        )

    @property
    def reads_positions(self) -> bool:
        return self.reads("i") or self.reads("j")

    def text(self, capture_types: Sequence[str], numbering: Sequence[int]) -> str:
        """The region's text.

        Args:
          capture_types: the type of each capture of the op.
          numbering: for each capture of this region, its number in the op.
        """
        nodes = self.trace.nodes
        arguments = [f"%{n}: {t}" for n, t in self.ARGUMENTS[self.kind]]
        arguments += [f"%cap{i}: {t}" for i, t in enumerate(capture_types)]
        lines = [f"{self.kind} {{", f"^bb0({', '.join(arguments)}):"]
        names: dict[int, str] = {}
        for number in self.live:
            op, args, type_, attr = nodes[number]
            if op == "argument":
                names[number] = f"%{attr}"
                continue
            name = names[number] = f"%{len(lines) - 2}"
            values = ", ".join(names[a] for a in args)
            if op == "arith.constant":
                tail = attr if type_ == "i1" else f"{attr} : {type_}"
                lines.append(f"  {name} = {op} {tail}")
            elif op == "attn.load":
                index = numbering[attr[0]]
                lines.append(f"  {name} = {op} %cap{index}[{values}] : {capture_types[index]}")
            elif op in ("arith.cmpi", "arith.cmpf"):
                operand = nodes[args[0]].type
                lines.append(f"  {name} = {op} {attr}, {values} : {operand}")
            elif op in _CONVERSIONS:
                lines.append(f"  {name} = {op} {values} : {nodes[args[0]].type} to {type_}")
            else:
                lines.append(f"  {name} = {op} {values} : {type_}")
        last = nodes[self.result._id]
        lines.append(f"  attn.yield {names[self.result._id]} : {last.type}")
        lines.append("}")
        return "\n".join(lines)


_CONVERSIONS = {"arith.sitofp", "arith.fptosi", "arith.extf", "arith.truncf", "arith.extsi",
                "arith.extui", "arith.trunci"}  # fmt: skip


#: How the callables are called.
_PARAMETERS = {
    "score_mod": ("score", "b", "h", "q_idx", "kv_idx"), "mask_mod": ("b", "h", "q_idx", "kv_idx"),
}  # fmt: skip


def _check_arity(kind: str, function: Callable[..., Any]) -> None:
    """Refuses a callable that cannot be called with a mod's arguments."""
    try:
        # What a decorator passes on is its own affair.
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):  # a builtin that does not say
        return
    names = _PARAMETERS[kind]
    try:
        signature.bind(*names)
    except TypeError:
        raise CompileError(
            f"{kind} expects to be called as {kind}({', '.join(names)}), but got a function of "
            f"{signature}"
        ) from None


def trace_region(kind: str, function: Callable[..., Any]) -> Region:
    """Calls a score_mod or mask_mod with traced scalars and returns the region.

    Raises:
      CompileError: the callable does what cannot be traced, or returns something
        that is not a number (score_mod) or a boolean (mask_mod).
    """
    if not callable(function):
        raise CompileError(f"{kind} expects a callable, but got {type(function).__name__}")
    trace = _Trace()
    _check_arity(kind, function)
    arguments = [
        trace.add("argument", (), type_, name) for name, type_ in Region.ARGUMENTS[kind]
    ]
    _active.append(trace)
    try:
        result = _Rewriter(trace).value(function)(*arguments)
    except (IndexError, TypeError) as e:
        if trace.refused_index is None:
            raise
        raise CompileError(trace.refused_index) from e
    finally:
        _active.pop()
    wanted = "f32" if kind == "score_mod" else "i1"
    if result is None or isinstance(result, (tuple, list)):
        raise CompileError(
            f"{kind} expects to return {'a number' if wanted == 'f32' else 'a boolean'}, "
            f"but got {type(result).__name__}"
        )
    scalar = _lift(trace, result, wanted)
    if scalar._trace is not trace:
        raise CompileError(f"{kind} expects to return what it computed, but got a value of another call")
    if wanted == "i1" and scalar.type != "i1":
        raise CompileError(
            f"mask_mod expects to return a boolean (True = attend), but got {scalar.type}; "
            "compare it with something"
        )
    region = Region(kind, trace, _to(scalar, wanted))
    # Only what the result reads becomes an operand.
    used: list[Any] = []
    numbers: dict[int, int] = {}
    live = set(region.live)
    for n, node in enumerate(trace.nodes):
        if n in live and node.op == "attn.load" and node.attr[0] not in numbers:
            numbers[node.attr[0]] = len(used)
            used.append(trace.captures[node.attr[0]])
    for n, node in enumerate(trace.nodes):
        if node.op == "attn.load" and n in live:
            trace.nodes[n] = node._replace(attr=(numbers[node.attr[0]], node.attr[1]))
    trace.captures = used
    return region
