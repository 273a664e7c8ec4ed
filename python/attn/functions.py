# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`attn.jit` and `attn.compile`: whole functions as one program.

A function of arrays is called once with stand-ins that record the attention
calls, merges and elementwise operations made on them; the recording becomes one
module. Sizes of batch, heads and lengths stay run-time values: what the function
required of them while it was traced (two operands of `+` of one shape, Sq == Sk
for causal=True) is checked at each call.
"""

from __future__ import annotations

import functools
import time
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from . import _runtime, checks, compiler, frontend, ir, masks, tracing
from ._runtime import tensor as _tensor
from .compiler import Options, Plan, Program, as_tensors, in_order
from .device import target_of
from .errors import CompileError, ShapeError
from .ir import TensorType
from .timings import Timings

__all__ = ["ArraySpec", "compile", "explain", "jit", "spec"]


class ArraySpec(NamedTuple):
    """A dtype and a shape, None for a dynamic size; made by `attn.spec`."""

    dtype: str
    shape: tuple[int | None, ...]


def spec(shape: Sequence[int | None], dtype: str = "f32") -> ArraySpec:
    """Describes an array for `attn.compile`.

    Args:
      shape: its sizes, None for one that may differ between calls.
      dtype: ``"f32"``, ``"bf16"``, ``"f16"``, ``"f64"``, ``"i64"``, ``"i32"``, ``"i8"``,
        ``"i1"``, or numpy's name of it.

    Raises:
      ShapeError: another dtype, or sizes that are none.
    """
    names = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16",
             "int64": "i64", "int32": "i32", "int8": "i8", "bool": "i1"}  # fmt: skip
    short = names.get(str(dtype), str(dtype))
    if short not in names.values():
        raise ShapeError(f"spec expects a dtype among {', '.join(names)}, but got {dtype!r}")
    sizes = checks.sequence("shape", shape, "a tuple of sizes", of="spec")
    wants = "an integer of at least 0 that fits 64 bits, or None"
    return ArraySpec(
        short,
        tuple(
            None if n is None else checks.whole("a size", n, 0, 2**63 - 1, wants=wants, of="spec")
            for n in sizes
        ),
    )


class DynamicSize:
    """Stands for a size that a traced function may not depend on."""

    __slots__ = ()

    def _refuse(self, *unused: Any) -> Any:
        raise CompileError(
            f"{tracing._where()}a traced function expects not to depend on batch, head or length "
            "sizes, which may differ between calls; compute with them outside of attn.jit"
        )

    __index__ = __int__ = __bool__ = __float__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _refuse
    __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __eq__ = __ne__ = _refuse
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "?"


_DYNAMIC = DynamicSize()

#: Where a size comes from: (argument, axis), or a number.
_Symbol = Any


class _Recorder:
    """The program recorded so far."""

    def __init__(self) -> None:
        self.module = ir.Module()
        self.tracers: list[ArrayTracer] = []
        #: Arrays that the function brought along, as further arguments.
        self.constants: list[Any] = []
        self.constant_tracers: list[ArrayTracer] = []
        #: Sizes that must agree at each call, with the text of the complaint.
        self.equal: list[tuple[_Symbol, _Symbol, str]] = []
        #: False once the function has returned: its arrays stand for nothing then.
        self.open = True

    def add_argument(self, name: str, dtype: str, sizes: Sequence[int | None]) -> "ArrayTracer":
        number = len(self.tracers)
        t = ArrayTracer(self, dtype, tuple(sizes), tuple((number, a) for a in range(len(sizes))))
        t._argument = name
        self.tracers.append(t)
        return t

    def constant(self, array: Any) -> "ArrayTracer":
        for seen, t in zip(self.constants, self.constant_tracers):
            if seen is array:
                return t
        tensor = as_tensors([array])[0]
        t = self.add_argument(f"constant{len(self.constants)}", tensor.dtype, tensor.shape)
        self.constants.append(array)
        self.constant_tracers.append(t)
        return t

    def require(self, a: _Symbol, b: _Symbol, sizes: tuple[Any, Any], text: str) -> None:
        if a == b:
            return
        if None not in sizes and sizes[0] != sizes[1]:
            raise ShapeError(f"{tracing._where()}{text}, but got {sizes[0]} and {sizes[1]}")
        self.equal.append((a, b, text))


class ArrayTracer:
    """Stands for an array while a function is traced."""

    def __init__(
        self, recorder: _Recorder, dtype: str, sizes: tuple[int | None, ...],
        symbols: tuple[_Symbol, ...],
    ) -> None:  # fmt: skip
        self._recorder = recorder
        self.dtype = dtype
        #: The sizes seen while tracing; only a head dim may be asked for.
        self._sizes = sizes
        self._symbols = symbols
        self._argument: str | None = None
        self._value: str | None = None
        self._inserted: int | None = None

    @property
    def ndim(self) -> int:
        """The rank."""
        return len(self._sizes)

    @property
    def shape(self) -> tuple[Any, ...]:
        """The sizes; batch, heads and lengths are opaque."""
        if self.ndim != 4:
            return tuple([_DYNAMIC] * self.ndim)
        return (_DYNAMIC, _DYNAMIC, _DYNAMIC, self._sizes[3])

    def size(self, axis: int) -> int:
        """The size seen while tracing, for what is compiled in."""
        size = self._sizes[axis]
        if size is None:
            raise CompileError(f"a traced call expects axis {axis} to be static, but got None")
        return size

    @property
    def signature(self) -> int:
        return 0

    def insert(self, axis: int) -> Any:
        raise ShapeError(
            "attention inside attn.jit expects positions, segments, page tables and log-weights "
            f"of full rank, but got rank {self.ndim}"
        )

    def __repr__(self) -> str:
        return f"<traced {self.dtype} array of rank {self.ndim}>"

    # ---- the value's name, with its type settled at the first use ----------

    def _as(self, type_: TensorType) -> str:
        """The value, as the given type."""
        m = _recorder_of([self]).module
        if self._value is None:
            assert self._argument is not None
            self._value = m.argument(self._argument, type_)
        have = m.types[self._value]
        if have == type_:
            return self._value
        name = m.value("cast", type_)
        m.lines.append(f"{name} = tensor.cast {self._value} : {have} to {type_}")
        return name

    def _type(self) -> TensorType:
        """The type it has, or would get as an operand of an elementwise op."""
        if self._value is not None:
            return self._recorder.module.types[self._value]
        dims: list[int | None] = [None] * self.ndim
        if self.ndim == 4:
            dims[3] = self._sizes[3]
        return TensorType(self.dtype, tuple(dims))

    # ---- elementwise -----------------------------------------------------------

    def _binary(self, other: Any, op: str, swap: bool = False) -> Any:
        r = self._recorder
        if not isinstance(other, ArrayTracer):
            if not tracing.is_array(other):
                raise CompileError(
                    f"{tracing._where()}an elementwise operation inside attn.jit expects arrays "
                    f"of one shape, but got {type(other).__name__}"
                )
            other = r.constant(other)
        _recorder_of([self, other])
        if self.dtype not in ir.FLOATS or other.dtype != self.dtype:
            raise ShapeError(
                f"{tracing._where()}an elementwise operation expects two float arrays of one "
                f"dtype, but got {self.dtype} and {other.dtype}"
            )
        if self.ndim != other.ndim:
            raise ShapeError(
                f"{tracing._where()}an elementwise operation expects equal shapes, but got ranks "
                f"{self.ndim} and {other.ndim}"
            )
        for axis in range(self.ndim):
            r.require(
                self._symbols[axis], other._symbols[axis],
                (self._sizes[axis], other._sizes[axis]),
                f"an elementwise operation expects equal sizes of axis {axis}",
            )  # fmt: skip
        type_ = self._type() if self._value is not None else other._type()
        values = [self._as(type_), other._as(type_)]
        return self._result(r.module.elementwise(op, values[::-1] if swap else values), self)

    def _result(self, value: str, like: "ArrayTracer") -> "ArrayTracer":
        return _made(self._recorder, value, like._sizes, like._symbols)

    def __add__(self, other: Any) -> Any:
        return self._binary(other, "arith.addf")

    def __radd__(self, other: Any) -> Any:
        return self._binary(other, "arith.addf", True)

    def __sub__(self, other: Any) -> Any:
        return self._binary(other, "arith.subf")

    def __rsub__(self, other: Any) -> Any:
        return self._binary(other, "arith.subf", True)

    def __mul__(self, other: Any) -> Any:
        return self._binary(other, "arith.mulf")

    def __rmul__(self, other: Any) -> Any:
        return self._binary(other, "arith.mulf", True)

    def __neg__(self) -> Any:
        value = self._as(self._type())
        return self._result(self._recorder.module.elementwise("arith.negf", [value]), self)

    # numpy must leave `array + tracer` to us.
    __array_ufunc__ = None

    def __bool__(self) -> bool:
        raise CompileError(
            f"{tracing._where()}a traced array has no truth value: a function under attn.jit "
            "cannot branch on its arrays"
        )

    def __array__(self, *unused: Any, **also: Any) -> Any:
        raise CompileError(
            f"{tracing._where()}a traced array has no values yet: only attn's functions and "
            "+, - and * work on it inside attn.jit"
        )

    __iter__ = __getitem__ = __float__ = __len__ = __array__


frontend._tracers.add(ArrayTracer)


def _made(
    r: _Recorder, value: str, sizes: Sequence[int | None], symbols: Sequence[_Symbol]
) -> ArrayTracer:
    t = ArrayTracer(r, r.module.types[value].dtype, tuple(sizes), tuple(symbols))
    t._value = value
    return t


def _recorder_of(values: Sequence[Any]) -> _Recorder:
    """The trace that traced arrays belong to.

    Raises:
      CompileError: they belong to several, or to one that is over.
    """
    recorders = {id(v._recorder): v._recorder for v in values if isinstance(v, ArrayTracer)}
    if len(recorders) != 1 or not all(r.open for r in recorders.values()):
        raise CompileError(
            f"{tracing._where()}a traced array is used outside of the function that it belongs to"
        )
    return next(iter(recorders.values()))


class _Shaped(NamedTuple):
    """What `frontend.describe` asks of a tensor, with the real sizes."""

    dtype: str
    shape: tuple[Any, ...]


def trace_attention(
    settings: frontend.Settings, qkv: Sequence[Any], operands: Sequence[tuple[str, Any]],
    captures: Sequence[Any],
) -> Any:  # fmt: skip
    """Records an attention call; see `frontend.attention`."""
    values = [*qkv, *(t for _, t in operands)]
    r = _recorder_of(values)

    def lift(x: Any) -> ArrayTracer:
        return x if isinstance(x, ArrayTracer) else r.constant(x)

    q, k, v = map(lift, qkv)
    ops = [(role, lift(t)) for role, t in operands]
    caps = [lift(c) for c in captures]

    def shaped(t: ArrayTracer) -> _Shaped:
        return _Shaped(t.dtype, t._sizes)

    op, equal, ask = frontend.describe(
        settings, [shaped(t) for t in (q, k, v)], [(n, shaped(t)) for n, t in ops],
        [shaped(c) for c in caps],
    )  # fmt: skip
    if equal:
        if settings.page_size is not None:
            raise ShapeError(f"{ask} over pages expects an explicit alignment, but got none")
        lq, lk = q._sizes[2], k._sizes[2]
        if lq is not None and lk is not None and lq != lk:
            raise ShapeError(masks.ambiguous_causal(lq, lk, ask))
        r.require(
            q._symbols[2], k._symbols[2], (lq, lk),
            f"{ask} expects equal query and key lengths or an explicit alignment",
        )  # fmt: skip
    results = r.module.attention(
        op,
        [t._as(x) for t, x in zip((q, k, v), (op.q, op.k, op.v))],
        {role: t._as(op.operands[role]) for role, t in ops},
        [c._as(x) for c, x in zip(caps, op.captures)],
    )
    sizes = (*q._sizes[:3], v._sizes[3])
    symbols = (*q._symbols[:3], v._symbols[3])
    out = _made(r, results[0], sizes, symbols)
    if not settings.return_lse:
        return out
    return out, _made(r, results[1], sizes[:3], symbols[:3])


def trace_merge(outs: Sequence[Any], lses: Sequence[Any]) -> Any:
    """Records a merge of states; see `frontend.merge_states`."""
    r = _recorder_of([*outs, *lses])
    outs = [x if isinstance(x, ArrayTracer) else r.constant(x) for x in outs]
    lses = [x if isinstance(x, ArrayTracer) else r.constant(x) for x in lses]
    first = outs[0]
    for name, items, rank in (("outs", outs, 4), ("lses", lses, 3)):
        for i, t in enumerate(items):
            dtype = first.dtype if rank == 4 else ("f64" if first.dtype == "f64" else "f32")
            if t.ndim != rank or t.dtype != dtype:
                raise ShapeError(
                    f"merge_states expects {name}[{i}] to be {dtype} of rank {rank}, but got "
                    f"{t.dtype} of rank {t.ndim}"
                )
            for axis in range(rank):
                r.require(
                    first._symbols[axis], t._symbols[axis], (first._sizes[axis], t._sizes[axis]),
                    f"merge_states expects equal sizes of axis {axis} of {name}[{i}] and outs[0]",
                )  # fmt: skip
    out_type, lse_type = first._type(), lses[0]._type()
    out, lse = r.module.merge_states(
        [t._as(out_type) for t in outs], [t._as(lse_type) for t in lses]
    )
    return (
        _made(r, out, first._sizes, first._symbols),
        _made(r, lse, first._sizes[:3], first._symbols[:3]),
    )


# ---- traced functions ------------------------------------------------------------------


class _Traced(NamedTuple):
    """A traced function: its text, what it brought along, and what it requires."""

    text: str
    #: For each argument of the program: (which list, index in it).
    order: list[tuple[str, int]]
    constants: list[Any]
    equal: list[tuple[_Symbol, _Symbol, str]]
    #: What tracing took, in seconds.
    seconds: float = 0.0

    def fits(self, tensors: Sequence[Any]) -> str | None:
        """None when the sizes meet the requirements, else the complaint."""
        for a, b, text in self.equal:
            x = tensors[a[0]].size(a[1])
            y = tensors[b[0]].size(b[1])
            if x != y:
                return f"{text}, but got {x} and {y}"
        return None


def _trace(
    function: Callable[..., Any], arrays: Sequence[tuple[str, str, Sequence[int | None]]],
    call: Callable[[Callable[..., Any], Sequence[ArrayTracer]], Any],
) -> _Traced:  # fmt: skip
    """Traces a function whose array arguments are (name, dtype, sizes)."""
    r = _Recorder()
    try:
        return _record(r, function, arrays, call)
    finally:
        r.open = False


def _record(
    r: _Recorder, function: Callable[..., Any],
    arrays: Sequence[tuple[str, str, Sequence[int | None]]],
    call: Callable[[Callable[..., Any], Sequence[ArrayTracer]], Any],
) -> _Traced:  # fmt: skip
    start = time.perf_counter()
    inputs = [r.add_argument(n, d, s) for n, d, s in arrays]
    result = call(function, inputs)
    results = list(result) if isinstance(result, (tuple, list)) else [result]
    for x in results:
        if not isinstance(x, ArrayTracer):
            raise CompileError(
                "a function under attn.jit expects to return traced arrays, but got "
                f"{type(x).__name__}"
            )
        _recorder_of([x, *inputs])  # no array of another trace
        if x._argument is not None:
            raise CompileError(
                f"a function under attn.jit expects to return what it computed, but got its "
                f"argument {x._argument} unchanged"
            )
    # Arguments that nothing read still belong to the signature.
    for t in r.tracers:
        if t._value is None:
            t._as(t._type())
    text = r.module.finish([x._value for x in results])
    place = {t._argument: i for i, t in enumerate(r.tracers)}
    count = len(inputs)
    order = []
    for name, _ in r.module.arguments:
        i = place[name]
        order.append(("argument", i) if i < count else ("constant", i - count))
    # Sizes of arguments and constants are looked up by one number.
    return _Traced(text, order, r.constants, r.equal, time.perf_counter() - start)


class _Bound(NamedTuple):
    traced: _Traced
    program: Program
    constants: list[Any]
    #: The program takes just the arguments, in their order, and checks them.
    plain: bool
    #: Where to run it; None asks the arguments.
    device: str | None

    def arrange(self, tensors: Sequence[Any]) -> list[Any]:
        """Checks the arguments' sizes; returns what the program takes, in its order."""
        for (kind, i), t in zip(self.traced.order, self.program.arguments):
            if kind == "argument" and tensors[i].ndim != len(t.dims):
                raise ShapeError(
                    f"the plan expects argument {i} of rank {len(t.dims)}, but got shape "
                    f"{tensors[i].shape}"
                )
        complaint = self.traced.fits([*tensors, *self.constants])
        if complaint:
            raise ShapeError(complaint)
        return [
            tensors[i] if kind == "argument" else self.constants[i]
            for kind, i in self.traced.order
        ]


def _options_for(options: Options, device: str | None, tensors: Sequence[Any]) -> Options:
    """The options, with a GPU target when a device or the arrays ask for one."""
    if device is None and any(getattr(t, "on_cuda", False) for t in tensors):
        device = "cuda"
    target = target_of(device)
    return options._replace(target=target) if options.target == "host" else options


def _bind(traced: _Traced, options: Options, device: str | None = None) -> _Bound:
    plain = not traced.equal and traced.order == [
        ("argument", i) for i in range(len(traced.order))
    ]
    program = compiler.program(traced.text, options)
    return _Bound(traced, program, as_tensors(traced.constants), plain, device)


#: Types whose instances are arrays, so that a call need not look again.
_ARRAY_TYPES: set[type] = set()


def _option(value: Any) -> Any:
    """An option as part of a key, where 1, 1.0 and True are equal but not the same."""
    if type(value) is tuple:
        return tuple(map(_option, value))
    return type(value), value


def _is_array_type(value: Any) -> bool:
    if not tracing.is_array(value):
        return False
    _ARRAY_TYPES.add(type(value))
    return True


class JitFunction:
    """A function compiled as one program; see :func:`jit`."""

    def __init__(
        self, function: Callable[..., Any], options: Options, device: str | None = None
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._options = options
        self._device = device
        self._traces: dict[Any, list[_Bound]] = {}

    def __call__(self, *args: Any, **named: Any) -> Any:
        for a in (*args, *named.values()) if named else args:
            if type(a) is ArrayTracer:
                # Inside another traced function: becomes part of it.
                return self._function(*args, **named)
        bound, tensors = self._find(args, named)
        arranged = tensors if bound.plain else bound.arrange(tensors)
        return bound.program.kernel.run(arranged, None, 0, 0, bound.device)

    def _find(self, args: Sequence[Any], named: Mapping[str, Any]) -> tuple[_Bound, list[Any]]:
        arrays: list[Any] = []
        key: list[Any] = []
        for a in args:
            if type(a) in _ARRAY_TYPES or _is_array_type(a):
                t = _tensor(a)
                arrays.append(t)
                key.append(t.full_signature)
            else:
                key.append(_option(a))
        for name, a in named.items():
            if type(a) in _ARRAY_TYPES or _is_array_type(a):
                t = _tensor(a)
                arrays.append(t)
                key.append((name, t.full_signature))
            else:
                key.append((name, _option(a)))
        try:
            found = self._traces.setdefault(tuple(key), [])
        except TypeError:
            raise CompileError(
                f"{self._function.__name__} expects arrays and hashable options, but got an argument that "
                "is neither"
            ) from None
        for bound in found:
            if bound.plain or bound.traced.fits([*arrays, *bound.constants]) is None:
                return bound, arrays
        # New, or sizes that the earlier traces do not allow: tracing says why.
        traced = self._trace(args, named, arrays)
        options = _options_for(self._options, self._device, arrays)
        bound = _bind(traced, options, self._device)
        found.append(bound)
        return bound, arrays

    def _trace(self, args: Sequence[Any], named: Mapping[str, Any], arrays: Sequence[Any]) -> _Traced:
        names = _parameter_names(self._function, args, named)
        where = [i for i, a in enumerate((*args, *named.values())) if _is_argument(a)]
        described = [(names[i], t.dtype, t.shape) for i, t in zip(where, arrays)]

        def call(function: Callable[..., Any], inputs: Sequence[ArrayTracer]) -> Any:
            full = list((*args, *named.values()))
            for i, t in zip(where, inputs):
                full[i] = t
            return function(*full[: len(args)], **dict(zip(named, full[len(args) :])))

        return _trace(self._function, described, call)

    def mlir(self, *args: Any, **named: Any) -> str:
        """The program for such arguments, without compiling it."""
        arrays = [_runtime.tensor(a) for a in (*args, *named.values()) if _is_argument(a)]
        return self._trace(args, named, arrays).text

    def plan(self, *args: Any, **named: Any) -> Plan:
        """The compiled plan for such arguments."""
        bound, _ = self._find(args, named)
        return _BoundPlan(bound)

    def explain(self, *args: Any, **named: Any) -> str:
        """Why the program for such arguments is as it is; see `Plan.explain`."""
        return self.plan(*args, **named).explain()


def _is_argument(value: Any) -> bool:
    return isinstance(value, ArraySpec) or tracing.is_array(value)


def _parameter_names(
    function: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]
) -> list[str]:
    """Names for the arguments, as the function calls them."""
    import inspect

    names = []
    try:
        for p in inspect.signature(function).parameters.values():
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
                names.append(p.name)
    except (TypeError, ValueError):
        pass
    names = names[: len(args)]
    names += [f"arg{i}" for i in range(len(names), len(args))]
    return [*names, *named]


class _BoundPlan(Plan):
    """A plan of a traced function, which may bring arrays along."""

    def __init__(self, bound: _Bound) -> None:
        super().__init__(bound.program, bound.device)
        self._bound = bound
        order = bound.traced.order
        #: The arguments' names in the order of the function, not of the program.
        named = {i: n for (kind, i), n in zip(order, bound.program.names) if kind == "argument"}
        self._names = [named[i] for i in range(len(named))]

    def timings(self) -> Timings:
        """`Plan.timings`, tracing included."""
        rest = super().timings()
        return Timings({"trace": self._bound.traced.seconds * 1e3, **rest}, rest.source)

    def oracle(self, *args: Any) -> Any:
        tensors = as_tensors(in_order(self._names, args, {}))
        return self._interpret(self._bound.arrange(tensors))

    def run(
        self, *args: Any, out: Any = None, num_threads: int | None = None,
        device: str | None = None, **named: Any,
    ) -> Any:  # fmt: skip
        args = tuple(in_order(self._names, args, named))
        tensors = as_tensors(args)
        if not self._bound.plain:
            tensors = self._bound.arrange(tensors)
        return self._launch(tensors, out, num_threads, device)


def jit(
    function: Callable[..., Any] | None = None, *, target: str = "host", opt_level: int = 3,
    device: str | None = None,
) -> Any:  # fmt: skip
    """Compiles a function of arrays as one program, at its first call.

    The function may call `attn.attention`, `attn.merge_states` and other jitted
    functions, and use +, - and * on arrays of equal shapes. It is traced once per
    dtypes, ranks and head dims; batch, heads and lengths stay run-time values.
    Arguments that are not arrays are options and must be hashable. Arrays that it
    captures are kept, by reference, from the first call on.

    >>> @attn.jit
    ... def residual(q, k, v, k2, v2):
    ...     return attn.attention(q, k, v) + attn.attention(q, k2, v2)

    Args:
      function: the function; without one, a decorator is returned.
      target: see `attn.compile`.
      opt_level: LLVM's optimisation level.
      device: where its calls run, see `attn.attention`.
    """
    options = _options_for(Options(target, opt_level).checked(), device, ())

    def decorate(f: Callable[..., Any]) -> JitFunction:
        if not callable(f):
            raise CompileError(f"jit expects a function, but got {checks.show(f)}")
        return JitFunction(f, options, device)

    return decorate if function is None else decorate(function)


def compile(
    what: Any,
    *args: Any,
    target: str = "host",
    opt_level: int = 3,
    entry: str = "main",
    device: str | None = None,
    **named: Any,
) -> Plan:
    """Compiles a program now and returns its plan.

    Args:
      what: a function (such as `attn.attention` itself) together with example
        arguments; or a module's text, or its bytecode as bytes.
      *args, **named: the function's arguments: arrays or `attn.spec(shape, dtype)` for
        arrays, anything else as it is.
      target: ``"host"``, ``"avx512bf16"``, ``"avx512"``, ``"avx2"``, ``"sse4"`` or ``"generic"``; for GPUs
        ``"cuda"``, or an architecture such as ``"sm_90"``.
      opt_level: LLVM's optimisation level, 0 to 3.
      entry: the function to run, when `what` is text.
      device: where the plan runs, see `attn.attention`; with one, the target follows.

    Returns:
      a `Plan` with `run`, `explain`, `mlir` and `save`.

    Raises:
      CompileError, ShapeError: the program is refused, with the reason.

    >>> q = attn.spec((None, None, None, 64), "f32")
    >>> plan = attn.compile(attn.attention, q, q, q, causal="top_left")
    """
    examples = [*args, *named.values()]
    tensors = [_runtime.tensor(a) for a in examples if tracing.is_array(a)]
    options = _options_for(Options(target, opt_level).checked(), device, tensors)
    if isinstance(what, Plan):
        return what
    if isinstance(what, (str, bytes)):
        if args or named:
            raise CompileError("compiling a text expects no arguments, but got some")
        if isinstance(what, str):
            what = checks.words("a module's text", what)
        return Plan(compiler.program(what, options, checks.words("entry", entry)), device)
    function = what._function if isinstance(what, JitFunction) else what
    if not callable(function):
        raise CompileError(
            "compile expects a function or the text of a module, but got "
            f"{type(what).__name__}"
        )
    names = _parameter_names(function, args, named)
    everything = [*args, *named.values()]
    where = [i for i, a in enumerate(everything) if _is_argument(a)]
    described = []
    for i in where:
        a = everything[i]
        t = a if isinstance(a, ArraySpec) else _runtime.tensor(a)
        described.append((names[i], t.dtype, t.shape))

    def call(f: Callable[..., Any], inputs: Sequence[ArrayTracer]) -> Any:
        full = list(everything)
        for i, t in zip(where, inputs):
            full[i] = t
        return f(*full[: len(args)], **dict(zip(named, full[len(args) :])))

    return _BoundPlan(_bind(_trace(function, described, call), options, device))


def explain(what: Any, *args: Any, timings: bool = False, **named: Any) -> str:
    """Says how a function would run on such arguments; see `Plan.explain`."""
    return compile(what, *args, **named).explain(timings)
