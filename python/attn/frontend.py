# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The calls: `attention`, its gradients, `merge_states`.

A call takes its arrays without copying, finds the kernel for what is static about
them (dtype, head dims, which operands there are and where they broadcast, the
mask's structure, the options) and runs it. Batch, head counts and lengths are
run-time values: one kernel serves all of them.
"""

from __future__ import annotations

import atexit
import functools
import sys
from typing import Any, Callable, NamedTuple, Sequence, TypeVar

from . import _runtime, checks, compiler, ir, masks, records
from .device import target_of
from .errors import CompileError, ShapeError
from .ir import OPERAND_ORDER, TensorType

_Tensor = _runtime.Tensor
_tensor = _runtime.tensor

_LAYOUTS = {"bhsd": 0, "bshd": 1, "thd": 2}
_ALIGNMENTS = ("top_left", "bottom_right")
_EITHER_ALIGNMENT = '"top_left" or "bottom_right"'

#: What each operand is called in the Python call, where it differs.
_PYTHON_NAMES = {"cu_q": "cu_seqlens_q", "cu_kv": "cu_seqlens_kv", "mask_tensor": "mask"}

#: Operands and the ranks they may have; missing leading axes are added.
_RANKS = {
    "bias": (1, 4), "mask_tensor": (1, 4), "q_lengths": (1, 1), "kv_lengths": (1, 1),
    "q_positions": (1, 2), "kv_positions": (1, 2), "q_segments": (1, 2),
    "kv_segments": (1, 2), "cu_q": (1, 1), "cu_kv": (1, 1), "prefix_lengths": (1, 1),
    "page_table": (2, 3), "log_weight": (1, 3), "sinks": (1, 1),
}  # fmt: skip
#: Operands whose missing leading axes become axes of size 1.
_PADDED = {"q_positions", "kv_positions", "q_segments", "kv_segments", "page_table",
           "log_weight"}  # fmt: skip
_BROADCAST = _PADDED | {"bias", "mask_tensor"}
#: Operands that may be a list of numbers, and the dtype that it becomes.
_LISTED = {
    role: "float32" if role in ("log_weight", "sinks") else "int32"
    for role in _RANKS.keys() - {"bias", "mask_tensor"}
}


class Settings(NamedTuple):
    """The static part of a call besides its tensors' types."""

    mask: str | None
    needs_align: bool
    causal: Any
    window: tuple[Any, Any] | None
    align: str | None
    scale: float | None
    softcap: float | None
    page_size: int | None
    return_lse: bool
    #: q and kv come with the same lengths, segments and cu_seqlens, so that both
    #: alignments agree when Sq and Sk do.
    same_extent: bool
    score_mod: records.Record | None
    mask_mod: records.Record | None
    #: The mask_mod is the document test of its captured array.
    fold_document: bool
    batch_invariant: bool = False


class _Kernel(NamedTuple):
    run: Callable[..., Any]
    #: Alignments were not told apart: Sq must equal Sk.
    equal_lengths: bool
    #: What asks for that.
    ask: str
    program: compiler.Program


_kernels: dict[Any, _Kernel] = {}

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _dispatched(function: _Function) -> _Function:
    """Puts the kernels of plain calls that were made before in front of a function.

    A decode step lasts tens of microseconds, and reading thirty keywords takes two.
    """
    dispatch = _runtime.Dispatch(function)
    # Somebody's class may hold the function until after the kernels' module has gone.
    atexit.register(dispatch.forget)
    return functools.update_wrapper(dispatch, function)  # type: ignore


@_dispatched
def attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    mask: Any = None,
    bias: Any = None,
    causal: bool | str | None = None,
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    sinks: Any = None,
    log_weight: Any = None,
    q_lengths: Any = None,
    kv_lengths: Any = None,
    q_positions: Any = None,
    kv_positions: Any = None,
    q_segments: Any = None,
    kv_segments: Any = None,
    cu_seqlens_q: Any = None,
    cu_seqlens_kv: Any = None,
    page_table: Any = None,
    page_size: int | None = None,
    score_mod: Callable[..., Any] | None = None,
    mask_mod: Callable[..., Any] | None = None,
    align: str | None = None,
    layout: str = "bhsd",
    return_lse: bool = False,
    batch_invariant: bool = False,
    out: Any = None,
    num_threads: int | None = None,
    device: str | None = None,
    _grad: Any = None,
    _call: Any = None,
) -> Any:
    """Computes softmax(scale * q k^T + ...) v, masked.

    Arrays may come from numpy, torch, jax or any other DLPack producer, in CPU
    or CUDA memory, with any strides and a unit stride on the last axis. Nothing is
    copied. Grouped heads follow from the head counts: query head h reads KV
    head ``h // (Hq // Hkv)``.

    Args:
      q: ``[B, Hq, Sq, D]`` of float32, bfloat16, float16 or float64.
      k: ``[B, Hkv, Sk, D]`` of q's dtype.
      v: ``[B, Hkv, Sk, Dv]`` of q's dtype.
      mask: a structured mask (`attn.Causal() & attn.Window(...)`), a bool array
        ``[B|1, Hq|1, Sq|1, Sk]`` (True = attend; leading axes may be missing), or
        a mask_mod callable.
      bias: ``[B|1, Hq|1, Sq|1, Sk]`` of float32 or q's dtype, added to the scores
        after scale, softcap and score_mod.
      causal: ``"top_left"`` or ``"bottom_right"``; ``True`` where Sq == Sk.
      window: (left, right) keys seen before and after a query's position, both
        inclusive; None or -1 leaves a side open. ANDed with the other masks.
      scale: factor of q . k; 1 / sqrt(D) when left out.
      softcap: c of ``c * tanh(score / c)``, applied before the mask.
      sinks: ``float32[Hq]``; adds exp(sink) to each row's denominator.
      log_weight: ``float32[B|1, Hkv|1, Sk]`` added to the scores; -inf drops a key.
      q_lengths, kv_lengths: ``int32[B]``, how many slots are valid.
      q_positions, kv_positions: ``int32[B|1, S]`` logical positions; they exclude
        an alignment.
      q_segments, kv_segments: ``int32[B|1, S]`` document ids; a query sees the keys
        of its own document.
      cu_seqlens_q, cu_seqlens_kv: ``int32[N + 1]`` document boundaries; those of
        the keys are the queries' when left out.
      page_table: ``int32[B, Hkv|1, pages]`` (or ``[B, pages]``); k and v are then
        pools ``[N, Hkv, page, D]``; -1 stands for no page.
      page_size: the pools' page size; read off k when left out.
      score_mod: ``f(score, b, h, q_idx, kv_idx) -> score``, traced.
      mask_mod: ``f(b, h, q_idx, kv_idx) -> bool``, traced.
      align: which alignment the positions have when it is not told by `causal`:
        for windows and callables where Sq != Sk.
      layout: ``"bhsd"``, ``"bshd"`` or ``"thd"`` (packed ``[T, H, D]`` with
        cu_seqlens) of q, k, v and the result.
      return_lse: also return the log-sum-exp.
      batch_invariant: the bits of a row are then its own: the same alone, in a padded
        batch (kv_lengths), among packed documents (cu_seqlens) and over pages, for any
        batch size, number of heads and number of threads. On the CPU, without segments
        and gradients; slower for a few queries (`attn.explain` says what it costs).
      out: where to write the result (with return_lse a pair); it must not
        overlap an input.
      num_threads: how many threads to use, see `attn.set_num_threads`.
      device: where to compute: ``"cpu"``, ``"cuda"``, ``"cuda:N"``, or ``"emulated"``
        for the GPU kernels on CPU arrays, judged while they run; where the arrays
        are when left out.

    Returns:
      ``[B, Hq, Sq, Dv]`` of q's dtype and library in `layout`, or `out`. With
      return_lse the pair of it and ``[B, Hq, Sq]`` (``[Hq, T]`` for thd) of float32
      (float64 for float64). A row that sees nothing is 0, its lse -inf or its
      sink.

    Raises:
      ShapeError: shapes, dtypes, strides or index operands do not fit, or an
        alignment is missing (the text shows both as pictures).
      CompileError: a callable cannot be traced, or the program is refused.
      DeviceError: the device is missing, does not hold the arrays, or failed; or the
        emulated device found a fault.
      KeyboardInterrupt: Ctrl-C; the result is then undefined.
    """
    # Options are checked, and made plain, before anything is looked up by them: what a
    # call may say must not depend on the calls before it.
    code = _LAYOUTS[checks.choice("layout", layout, _LAYOUTS)]
    if return_lse is not False:
        return_lse = checks.flag("return_lse", return_lse)
    if batch_invariant is not False:
        batch_invariant = checks.flag("batch_invariant", batch_invariant)
    if "torch" in sys.modules and requires_grad(q, k, v, bias, log_weight, sinks):
        from . import torch_grad

        if batch_invariant:
            raise ShapeError(
                "batch_invariant expects tensors without gradients, but got some that require "
                "grad: dk and dv are sums over rows; call attention under torch.no_grad()"
            )
        return torch_grad.attention(
            q, k, v, mask=mask, bias=bias, causal=causal, window=window, scale=scale,
            softcap=softcap, sinks=sinks, log_weight=log_weight, q_lengths=q_lengths,
            kv_lengths=kv_lengths, q_positions=q_positions, kv_positions=kv_positions,
            q_segments=q_segments, kv_segments=kv_segments, cu_seqlens_q=cu_seqlens_q,
            cu_seqlens_kv=cu_seqlens_kv, page_table=page_table, page_size=page_size,
            score_mod=score_mod, mask_mod=mask_mod, align=align, layout=layout,
            return_lse=return_lse, out=out, num_threads=num_threads, device=device,
        )  # fmt: skip
    threads = checks.threads(num_threads)
    if device is not None:
        target_of(device)
    if scale is not None:
        scale = checks.number("scale", scale)
    if softcap is not None:
        softcap = checks.number("softcap", softcap)
    if align is not None:
        align = checks.choice("align", align, _ALIGNMENTS, wants=_EITHER_ALIGNMENT)
    if causal is not None:
        causal, align = _alignment(causal, align)
    if window is not None:
        window = masks.bounds(window)
    if page_size is not None:
        page_size = checks.whole("page_size", page_size, 1, checks.MOST_INT32)
    if type(q) in _tracers or type(k) in _tracers or type(v) in _tracers:
        tq, tk, tv = q, k, v
    else:
        tq = q if type(q) is _Tensor else _tensor(q, code)
        tk = k if type(k) is _Tensor else _tensor(k, code)
        tv = v if type(v) is _Tensor else _tensor(v, code)

    if device is None and type(tq) is _Tensor and tq.on_cuda:
        device = tq.device
    # Another call with nothing but these needs none of what follows.
    plain = _call is not None and _grad is None and (
        mask is bias is sinks is log_weight is q_lengths is kv_lengths is q_positions
        is kv_positions is q_segments is kv_segments is cu_seqlens_q is cu_seqlens_kv
        is page_table is None and score_mod is None and mask_mod is None
    )  # fmt: skip

    # ---- what restricts the keys ----
    mask_text = mask_tensor = prefix_lengths = None
    needs_align = False
    if mask is not None:
        if isinstance(mask, masks.Mask):
            mask_text, needs_align = mask.text, mask.needs_align
            if mask.operands:
                own = dict(mask.operands)
                for role, given in (
                    ("q_segments", q_segments), ("kv_segments", kv_segments),
                    ("cu_q", cu_seqlens_q), ("cu_kv", cu_seqlens_kv),
                ):  # fmt: skip
                    if role in own and given is not None and given is not own[role]:
                        raise ShapeError(
                            f"attention expects the documents once, but got "
                            f"{_PYTHON_NAMES.get(role, role)} beside a mask that has them"
                        )
                q_segments = own.get("q_segments", q_segments)
                kv_segments = own.get("kv_segments", kv_segments)
                cu_seqlens_q = own.get("cu_q", cu_seqlens_q)
                cu_seqlens_kv = own.get("cu_kv", cu_seqlens_kv)
                prefix_lengths = own.get("prefix_lengths")
        elif callable(mask) and not hasattr(mask, "shape"):
            if mask_mod is not None:
                raise ShapeError("attention expects one mask_mod, but got two (mask is callable)")
            mask_mod = mask
        else:
            mask_tensor = mask
    if cu_seqlens_q is not None and cu_seqlens_kv is None:
        cu_seqlens_kv = cu_seqlens_q
    if q_segments is not None and kv_segments is None:
        kv_segments = q_segments
    if code == 2 and cu_seqlens_q is None:
        raise ShapeError("layout thd expects cu_seqlens_q, but got none")
    score_record = mask_record = None
    captures: list[Any] = []
    fold_document = False
    if score_mod is not None:
        score_record, captures = records.record("score_mod", score_mod)
    if mask_mod is not None or page_table is not None:
        _check_ranks((tq, tk, tv))  # their sizes are read below
    if mask_mod is not None:
        mask_record, more = records.record("mask_mod", mask_mod)
        if mask_record.document is not None:
            array = more[mask_record.document]
            fold_document = (
                not batch_invariant
                and _document_folds(array, tq, tk)
                and mask_text in (None, "full", "causal")
                and window is None
                and align != "bottom_right"
                and (score_record is None or not score_record.region.reads_positions)
                and all(
                    x is None
                    for x in (q_segments, kv_segments, cu_seqlens_q, q_lengths, kv_lengths,
                              q_positions, kv_positions, page_table)
                )
            )  # fmt: skip
        if fold_document:
            q_segments = kv_segments = array
        elif mask_record.folded is not None and mask_record.folded.rest is not None:
            captures = captures + more
    if page_table is not None and page_size is None:
        page_size = tk.size(2)

    # ---- operands ----
    operands: list[tuple[str, Any]] = []
    signature: list[Any] = []
    for role, value in (
        ("bias", bias), ("mask_tensor", mask_tensor), ("q_lengths", q_lengths),
        ("kv_lengths", kv_lengths), ("q_positions", q_positions),
        ("kv_positions", kv_positions), ("q_segments", q_segments),
        ("kv_segments", kv_segments), ("cu_q", cu_seqlens_q), ("cu_kv", cu_seqlens_kv),
        ("prefix_lengths", prefix_lengths), ("page_table", page_table),
        ("log_weight", log_weight), ("sinks", sinks),
    ):  # fmt: skip
        if value is not None:
            t = _operand(role, value)
            operands.append((role, t))
            signature.append(role)
            signature.append(t.signature)
    settings = Settings(
        mask_text,
        needs_align,
        causal,
        window,
        align,
        scale,
        softcap,
        page_size,
        return_lse,
        q_lengths is kv_lengths and q_segments is kv_segments and cu_seqlens_q is cu_seqlens_kv,
        score_record,
        mask_record,
        fold_document,
        batch_invariant,
    )
    if batch_invariant:
        _check_invariant(settings, operands, device)
    if type(tq) is not _Tensor:
        if _grad is not None:
            raise CompileError(
                "attn.jit expects attention, merge_states and elementwise operations, but got "
                "attention_grad; call it outside of attn.jit"
            )
        if layout != "bhsd" or not (out is num_threads is device is None):
            raise CompileError(
                "attention inside attn.jit expects layout 'bhsd' and neither out nor "
                "num_threads nor device"
            )
        return _trace_attention(settings, (tq, tk, tv), operands, captures)

    # ---- the kernel ----
    extra = [_tensor(c) for c in captures]
    if _grad is not None:
        return _grad.answer(settings, (tq, tk, tv), operands, extra, threads)
    key = (
        tq.head_signature,
        tk.head_signature,
        tv.head_signature,
        settings,
        device,
        *signature,
        *[c.signature for c in extra],
    )
    kernel = _kernels.get(key)
    if kernel is None:
        op, equal, ask = describe(settings, (tq, tk, tv), operands, extra)
        if equal:  # refused before anything is compiled
            _check_equal(tq, tk, operands, page_size, ask)
        options = compiler.Options(target_of(device))
        program = compiler.program(module_text(op), options)
        kernel = _kernels[key] = _Kernel(program.kernel.run, equal, ask, program)
    elif kernel.equal_lengths:
        _check_equal(tq, tk, operands, page_size, kernel.ask)
    if plain:
        _call.remember(kernel.program.kernel, kernel.equal_lengths)
    args = [tq, tk, tv, *[t for _, t in operands], *extra]
    if out is None:
        return kernel.run(args, None, code, threads, device)
    kernel.run(args, _out_tensors(out, return_lse, code), code, threads, device)
    return out


def _alignment(causal: Any, align: str | None) -> tuple[bool | None, str | None]:
    """`causal` as True or None, and the alignment that it or `align` tells."""
    if isinstance(causal, str) and causal in _ALIGNMENTS:
        if align is not None and align != causal:
            raise ShapeError(
                f"attention expects one alignment, but got causal={causal!r} and align={align!r}"
            )
        return True, str(causal)
    wants = '"top_left", "bottom_right", True, False or None'
    return checks.flag("causal", causal, wants=wants) or None, align


def requires_grad(*arrays: Any) -> bool:
    """Whether a call with these goes by way of torch's autograd."""
    kind = sys.modules["torch"].Tensor
    return any(isinstance(x, kind) and x.requires_grad for x in arrays)


# ---- gradients ---------------------------------------------------------------------------


class _GradRequest(NamedTuple):
    """What `attention_grad` passes through `attention`, whose arguments are its own."""

    out: Any
    lse: Any
    dout: Any
    dlse: Any
    wanted: tuple[str, ...]

    def answer(self, *call: Any) -> "Gradients":
        """The gradients of a call whose arguments `attention` has taken apart."""
        return _attention_grad(self, *call)


class Gradients(NamedTuple):
    """The gradients of one attention; None where one was not asked for."""

    dq: Any
    dk: Any
    dv: Any
    dbias: Any = None
    dlog_weight: Any = None
    dsinks: Any = None
    #: One per captured array of score_mod, in the order in which it reads them first; None
    #: for one that holds no floats.
    dcaptures: tuple[Any, ...] | None = None


def attention_grad(
    q: Any, k: Any, v: Any, out: Any, lse: Any, dout: Any, *, dlse: Any = None,
    grads: Sequence[str] = (), **options: Any,
) -> Gradients:  # fmt: skip
    """The gradients of `attention` by its arrays, from its results.

    Args:
      q, k, v: as for `attention`.
      out, lse: what `attention(q, k, v, return_lse=True, **options)` returned.
      dout: the gradient of a number by out; of out's dtype and shape.
      dlse: its gradient by lse, of lse's dtype and shape; none is 0.
      grads: which gradients to give beside those by q, k and v: ``"bias"``,
        ``"log_weight"``, ``"sinks"``, and ``"captures"`` for the float arrays that score_mod
        reads (None in the place of others, such as indices). Gradients of what broadcasts are sums.
      **options: those of `attention`, but for out, return_lse and device.

    Returns:
      `Gradients`, of the arrays' dtypes and library. With a page_table dk and dv are those of
      the pools: a page that several sequences share has the sum, what nobody sees 0.

    Raises:
      ShapeError: sizes that do not agree, an unknown entry of `grads`.
      CompileError: a score_mod with an operation that has no derivative.

    Exact and deterministic: the same bits on any number of threads.

    >>> out, lse = attn.attention(q, k, v, causal=True, return_lse=True)
    >>> dq, dk, dv = attn.attention_grad(q, k, v, out, lse, dout, causal=True)[:3]
    """
    known = ("bias", "log_weight", "sinks", "captures")
    wants = f"a list of names among {', '.join(known)}"
    grads = (grads,) if isinstance(grads, str) else tuple(checks.sequence("grads", grads, wants))
    for name in grads:
        if name not in known:
            raise ShapeError(
                f"grads expects names among {', '.join(known)}, but got {name!r}"
                + (" (q, k and v always have one)" if name in ("q", "k", "v") else "")
            )
    if options.pop("batch_invariant", False):
        raise ShapeError(
            "attention_grad expects no batch_invariant, but got it: dk and dv are sums over rows; "
            "attention itself may have it"
        )
    for name in ("return_lse", "device"):
        if options.pop(name, None):
            raise ShapeError(f"attention_grad expects no {name}, but got one"
                             + (": gradients have no GPU kernels yet" if name == "device" else ""))  # fmt: skip
    if options.get("layout", "bhsd") != "bhsd":
        raise ShapeError(
            f"attention_grad expects layout 'bhsd', but got {options['layout']!r}; transpose the "
            "arrays, which copies nothing"
        )
    for name in ("bias", "log_weight", "sinks"):
        if name in grads and options.get(name) is None:
            raise ShapeError(f"grads expects operands that are given, but got {name!r} without one")
    if "captures" in grads and options.get("score_mod") is None:
        raise ShapeError("grads expects a score_mod for 'captures', but got none")
    request = _GradRequest(out, lse, dout, dlse, tuple(n for n in known if n in grads))
    return attention(q, k, v, return_lse=True, _grad=request, **options)


def _attention_grad(
    request: _GradRequest, settings: Settings, qkv: tuple[Any, Any, Any],
    operands: Sequence[tuple[str, Any]], captures: Sequence[Any], num_threads: int | None,
) -> Gradients:  # fmt: skip
    tq, tk, tv = qkv
    op, equal, ask = describe(settings, qkv, operands, captures)
    if equal:
        _check_equal(tq, tk, operands, settings.page_size, ask)
    given = {"out": request.out, "lse": request.lse, "dout": request.dout}
    if request.dlse is not None:
        given["dlse"] = request.dlse
    state = {name: _tensor(value) for name, value in given.items()}
    for t in (*qkv, *state.values()):
        if getattr(t, "on_cuda", False):
            raise ShapeError(
                "attention_grad expects arrays in CPU memory, but got some on a CUDA device: "
                "gradients have no GPU kernels yet"
            )
    kind = "f64" if tq.dtype == "f64" else "f32"
    for name, t in state.items():
        shape = (*tq.shape[:3],) if name.endswith("lse") else (*tq.shape[:3], tv.size(3))
        dtype = kind if name.endswith("lse") else tq.dtype
        if tuple(t.shape) != shape or t.dtype != dtype:
            raise ShapeError(
                f"attention_grad expects {name} to be {dtype} of shape {list(shape)}, but got "
                f"{t.dtype} of shape {list(t.shape)}"
            )
    numbers: tuple[int, ...] = ()
    if "captures" in request.wanted:
        assert op.score_mod is not None
        read = op.score_mod[1]
        # An array of indices has no gradient; its place in the tuple holds None.
        numbers = tuple(n for n in read if captures[n].dtype in ir.FLOATS)
        if read and not numbers:
            raise ShapeError(
                "the gradient of captures expects floats, but got "
                f"{', '.join(captures[n].dtype for n in read)}; only float arrays have one"
            )
    wanted = tuple(n for n in request.wanted if n != "captures")
    grad = ir.AttentionGrad(op, request.dlse is not None, wanted, numbers)
    program = compiler.program(grad_module_text(grad), compiler.Options())
    args = [*qkv, *[t for _, t in operands], *captures, *state.values()]
    results = list(program.kernel.run(args, None, 0, num_threads or 0, None))
    named: dict[str, Any] = {f"d{n}": results[3 + i] for i, n in enumerate(wanted)}
    if op.score_mod is not None and "captures" in request.wanted:
        of = dict(zip(numbers, results[3 + len(wanted) :]))
        named["dcaptures"] = tuple(of.get(n) for n in op.score_mod[1])
    return Gradients(*results[:3], **named)


def grad_module_text(grad: ir.AttentionGrad) -> str:
    """The module of one gradient: the attention's arguments, then out, lse, dout, dlse."""
    op, m = grad.op, ir.Module()
    names = [m.argument(n, t) for n, t in zip("qkv", (op.q, op.k, op.v))]
    operands = {r: m.argument(r, op.operands[r]) for r in OPERAND_ORDER if r in op.operands}
    captures = [m.argument(f"capture{i}", t) for i, t in enumerate(op.captures)]
    out, lse = op._replace(return_lse=True).results
    state = {r: m.argument(r, out if r == "out" or r == "dout" else lse)
             for r in ("out", "lse", "dout", *(["dlse"] if grad.dlse else []))}  # fmt: skip
    return m.finish(m.attention_grad(grad, names, operands, captures, state))


#: Types that stand for arrays while a function is traced; `jit` adds its own.
_tracers: set[type] = set()


def _trace_attention(
    settings: Settings, qkv: Sequence[Any], operands: Sequence[tuple[str, Any]],
    captures: Sequence[Any],
) -> Any:  # fmt: skip
    from . import functions

    return functions.trace_attention(settings, qkv, operands, captures)


def _operand(role: str, value: Any) -> Any:
    """Takes one operand: a tensor of one of its ranks, leading axes added."""
    low, high = _RANKS[role]
    if type(value) in _tracers:
        t = value
    elif type(value) is _Tensor:
        t = value
    else:
        if role in _LISTED:
            value = checks.listed(_PYTHON_NAMES.get(role, role), value, _LISTED[role])
        t = _tensor(value)
    rank = t.ndim
    if not low <= rank <= high:
        raise ShapeError(
            f"{_PYTHON_NAMES.get(role, role)} expects a rank of "
            f"{low if low == high else f'{low} to {high}'}, but got shape {tuple(t.shape)}"
        )
    if rank < high and role in _PADDED:
        # A page table of rank 2 lacks its head axis; the others lack leading ones.
        for _ in range(high - rank):
            t = t.insert(1 if role == "page_table" else 0)
    return t


def _check_ranks(qkv: Sequence[Any]) -> None:
    """Refuses q, k and v that are not of rank 4."""
    for name, t in zip("qkv", qkv):
        if len(t.shape) != 4:
            raise ShapeError(
                f"attention expects {name} of rank 4 [batch, heads, length, dim], but got "
                f"shape {tuple(t.shape)}"
            )


def _check_invariant(
    settings: Settings, operands: Sequence[tuple[str, Any]], device: str | None
) -> None:
    """Refuses what batch_invariant cannot keep to, in the words of a call."""
    roles = {role for role, _ in operands}
    if device is not None and device != "cpu":
        raise ShapeError(
            f"batch_invariant expects arrays and a device of the CPU, but got {device}: the GPU "
            'kernels have no such form yet; leave it out, or pass device="cpu"'
        )
    if "q_segments" in roles:
        raise ShapeError(
            "batch_invariant expects documents as cu_seqlens_q and cu_seqlens_kv, but got "
            "q_segments: where a segment's keys lie follows from the others"
        )


def _check_equal(
    tq: Any, tk: Any, operands: Sequence[tuple[str, Any]], page_size: int | None, ask: str
) -> None:
    """Refuses lengths that differ where no alignment was told."""
    lq, lk = tq.size(2), tk.size(2)
    if page_size is not None:
        lk = dict(operands)["page_table"].size(2) * page_size
    if lq != lk:
        raise ShapeError(masks.ambiguous_causal(lq, lk, ask))


def _document_folds(array: Any, tq: Any, tk: Any) -> bool:
    """Whether ids indexed by position can be read as ids of the slots."""
    if type(tq) is not _Tensor:
        return False
    shape = tuple(array.shape)
    length = tq.size(2)
    return (
        length == tk.size(2) == shape[-1]
        and (len(shape) == 1 or (len(shape) == 2 and shape[0] in (1, tq.size(0))))
        and not (len(shape) == 2 and shape[0] == 1 and tq.size(0) > 1)
    )


def _out_tensors(out: Any, return_lse: bool, code: int) -> list[Any]:
    if not return_lse:
        return [_runtime.out_tensor(out, code)]
    if not isinstance(out, (tuple, list)) or len(out) != 2:
        raise ShapeError("out with return_lse expects a pair (out, lse), but got one array")
    lse = _runtime.out_tensor(out[1])
    return [_runtime.out_tensor(out[0], code), lse.insert(0) if code == 2 else lse]


# ---- building ----------------------------------------------------------------------------


def describe(
    settings: Settings, qkv: Sequence[Any], operands: Sequence[tuple[str, Any]],
    captures: Sequence[Any],
) -> tuple[ir.Attention, bool, str]:  # fmt: skip
    """Checks what is static about a call and describes its op.

    Args:
      settings, qkv, operands, captures: the call; tensors need `dtype`, `shape`.

    Returns:
      the op, whether Sq must equal Sk at run time, and what asks for that.
    """
    s = settings
    q, k, v = qkv
    _check_ranks(qkv)
    for name, t in zip("qkv", qkv):
        if t.dtype not in ir.FLOATS:
            raise ShapeError(
                f"attention expects {name} of float32, bfloat16, float16 or float64, but got "
                f"{t.dtype}"
            )
        if t.dtype != q.dtype:
            raise ShapeError(
                f"attention expects q, k and v of one dtype, but got {q.dtype} for q and "
                f"{t.dtype} for {name}"
            )
    if q.shape[3] != k.shape[3]:
        raise ShapeError(
            f"attention expects q and k to have the same head dim, but got {q.shape[3]} and "
            f"{k.shape[3]}"
        )
    types = {}
    for role, t in operands:
        name = _PYTHON_NAMES.get(role, role)
        if role == "mask_tensor":
            if t.dtype != "i1":
                raise ShapeError(
                    f"mask expects bool (True = attend), but got {t.dtype}; a float mask is "
                    "passed as bias"
                )
        elif role == "bias":
            if t.dtype not in ("f32", q.dtype):
                raise ShapeError(f"bias expects float32 or q's {q.dtype}, but got {t.dtype}")
        elif role in ("log_weight", "sinks"):
            if t.dtype != "f32":
                raise ShapeError(f"{name} expects float32, but got {t.dtype}")
        elif t.dtype != "i32":
            raise ShapeError(f"{name} expects int32, but got {t.dtype}; convert it with .astype")
        dims = (
            ir.broadcast_dims(t.shape) if role in _BROADCAST else tuple([None] * len(t.shape))
        )
        types[role] = TensorType(t.dtype, dims)
    if ("q_positions" in types or "kv_positions" in types) and s.align is not None:
        raise ShapeError(
            f"attention expects either positions or an alignment, but got both ({s.align})"
        )
    for a, b in (("q_segments", "kv_segments"), ("cu_q", "cu_kv")):
        if (a in types) != (b in types):
            raise ShapeError(
                f"attention expects {_PYTHON_NAMES.get(a, a)} and {_PYTHON_NAMES.get(b, b)} "
                f"together, but got {_PYTHON_NAMES.get(a if a in types else b, a if a in types else b)} alone"
            )
    if "cu_q" in types and "q_segments" in types:
        raise ShapeError("attention expects either segments or cu_seqlens, but got both")
    if s.page_size is not None and "page_table" not in types:
        raise ShapeError("page_size expects a page_table, but got none")

    # ---- masks ----
    parts: list[str] = [] if s.mask in (None, "full") else [str(s.mask)]
    ask = "causal=True"
    if s.causal:
        parts.append("causal")
    if s.window is not None:
        window = masks.Window(*s.window)
        if window.text != "full":
            parts.append(window.text)
            ask = "window" if not s.causal else ask
    needs_align = s.needs_align or bool(s.causal) or (s.window is not None and window.needs_align)
    if s.needs_align and not s.causal:
        ask = "a mask that compares positions"
    score = mask = None
    count = 0
    if s.score_mod is not None:
        region = s.score_mod.region
        count = len(region.captures)
        score = (region, range(count))
        needs_align |= region.reads("i")
        ask = ask if parts else "score_mod"
    if s.mask_mod is not None:
        folded = s.mask_mod.folded
        assert folded is not None
        if folded.mask is not None and folded.mask.text != "full":
            parts.append(folded.mask.text)
            needs_align |= folded.mask.needs_align
        if folded.rest is not None and not s.fold_document:
            mask = (folded.rest, range(count, count + len(s.mask_mod.region.captures)))
            needs_align |= folded.rest.reads("i")
        ask = "mask_mod" if not s.causal and s.window is None else ask
    documents = "q_segments" in types or "cu_q" in types
    if documents and not any("document" in p for p in parts):
        parts.append("document")
    if not documents and any("document" in p for p in parts):
        raise ShapeError(
            "a Document mask expects q_segments or cu_seqlens_q, but got neither"
        )
    unique = list(dict.fromkeys(parts))
    text = "full" if not unique else unique[0] if len(unique) == 1 else f"and({', '.join(unique)})"

    # ---- alignment ----
    align = s.align
    equal = False
    positions = "q_positions" in types or "kv_positions" in types
    if align is None and needs_align and not positions:
        if not s.same_extent:
            raise ShapeError(
                f"{ask} expects an explicit alignment beside lengths or documents that "
                'differ between queries and keys, but got none; choose "top_left" (query i '
                'stands at i) or "bottom_right" (the last query stands at the last key) as '
                f"{'causal' if s.causal else 'align'}="
            )
        # Both alignments agree where the lengths do; one text serves all calls.
        equal, align = True, "top_left"
    if not needs_align:
        align = None  # nothing reads a query's position; a key's is the same in both
    op = ir.Attention(
        TensorType(q.dtype, (None, None, None, q.shape[3])),
        TensorType(k.dtype, (None, None, s.page_size, k.shape[3])),
        TensorType(v.dtype, (None, None, s.page_size, v.shape[3])),
        types,
        text,
        align,
        s.scale,
        s.softcap,
        s.page_size,
        tuple(TensorType(c.dtype, tuple([None] * len(c.shape))) for c in captures),
        score,
        mask,
        s.return_lse,
        batch_invariant=s.batch_invariant,
    )
    return op, equal, ask


def module_text(op: ir.Attention) -> str:
    """The module of one attention: arguments q, k, v, operands, captures."""
    m = ir.Module()
    names = [m.argument(n, t) for n, t in zip("qkv", (op.q, op.k, op.v))]
    operands = {r: m.argument(r, op.operands[r]) for r in OPERAND_ORDER if r in op.operands}
    captures = [m.argument(f"capture{i}", t) for i, t in enumerate(op.captures)]
    return m.finish(m.attention(op, names, operands, captures))


# ---- merge_states ----------------------------------------------------------------------


def merge_states(outs: Sequence[Any], lses: Sequence[Any], *, out: Any = None,
                 num_threads: int | None = None, device: str | None = None) -> Any:  # fmt: skip
    """Merges attention over disjoint key sets into attention over their union.

    Args:
      outs: partial results ``[B, H, S, Dv]``, all of one dtype.
      lses: their log-sum-exps ``[B, H, S]`` of float32 (float64 for float64), natural log.
      out: a pair (out, lse) of arrays to write to.
      num_threads: how many threads to use.
      device: where to compute, see `attn.attention`.

    Returns:
      The pair (out, lse).

    Raises:
      ShapeError: different numbers, shapes or dtypes.
    """
    outs = checks.sequence("outs", outs, "a list of arrays")
    lses = checks.sequence("lses", lses, "a list of arrays")
    threads = checks.threads(num_threads)
    target = target_of(device)
    if len(outs) != len(lses) or not outs:
        raise ShapeError(
            f"merge_states expects as many lses as outs, at least one, but got {len(outs)} outs "
            f"and {len(lses)} lses"
        )
    if any(type(x) in _tracers for x in (*outs, *lses)):
        from . import functions

        return functions.trace_merge(outs, lses)
    tensors = [_tensor(x) for x in (*outs, *lses)]
    first, states = tensors[0], len(outs)
    for i, t in enumerate(tensors):
        name = f"outs[{i}]" if i < states else f"lses[{i - states}]"
        shape = first.shape if i < states else first.shape[:3]
        dtype = first.dtype if i < states else ("f64" if first.dtype == "f64" else "f32")
        if t.shape != shape or t.dtype != dtype or len(first.shape) != 4:
            raise ShapeError(
                f"merge_states expects {name} to be {dtype} of shape {list(shape)} like outs[0] "
                f"of rank 4, but got {t.dtype} of shape {list(t.shape)}"
            )
    text = ir.merge_module(first.dtype, first.size(3), states)
    if device is None and first.on_cuda:
        device = first.device
        target = target_of(device)
    kernel = compiler.program(text, compiler.Options(target)).kernel
    if out is None:
        return kernel.run(tensors, None, 0, threads, device)
    kernel.run(tensors, _out_tensors(out, True, 0), 0, threads, device)
    return out


# ---- threads -------------------------------------------------------------------------------


def set_num_threads(num_threads: int) -> None:
    """Sets how many threads a call uses when it does not say; 0 for the default.

    The default is ATTN_NUM_THREADS, else the CPUs that the process may use.

    Raises:
      ShapeError: no integer from 0 to 1024.
    """
    wants = f"1 to {checks.MOST_THREADS}, or 0 for the default"
    _runtime.set_num_threads(
        checks.whole("num_threads", num_threads, 0, checks.MOST_THREADS, wants=wants)
    )


def get_num_threads() -> int:
    """How many threads a call uses when it does not say."""
    return _runtime.get_num_threads()
