# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arrays in and out: libraries, strides, dtypes, layouts, ownership, and refusals.

A package written by hand stands in for a compiled one here.
"""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import textwrap
import threading
import weakref

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import attn
from attn import _runtime, reference

RNG = np.random.default_rng(7)


def rand(*shape, dtype=np.float32):
    return RNG.standard_normal(shape).astype(dtype)


@pytest.fixture(autouse=True)
def hand_written(cache_dir, stand_in):
    """Every test here runs the hand-written package."""


def expected(q, k, v):
    return reference.attention(q, k, v)[0]


def close(got, want):
    assert got.shape == want.shape
    assert np.abs(np.asarray(got) - want).max(initial=0) < 1e-6


# ---- numpy ------------------------------------------------------------------------


def test_plain_call_and_grouped_heads():
    q, k, v = rand(2, 4, 5, 64), rand(2, 2, 7, 64), rand(2, 2, 7, 64)
    out = attn.attention(q, k, v)
    assert type(out) is np.ndarray and out.dtype == np.float32 and out.flags.c_contiguous
    close(out, expected(q, k, v))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_strides_on_leading_axes(data):
    """Zero, negative, large and permuted strides give what a copy gives."""

    def view():
        shape = [2, 2, 3]
        base = RNG.standard_normal((4, 4, 6, 64)).astype(np.float32)
        index = []
        for size in shape:
            step = data.draw(st.sampled_from([1, 2, -1, -2]))
            index.append(slice(None, None, step) if abs(step) == 2 else
                         (slice(0, size) if step == 1 else slice(size - 1, None, -1)))  # fmt: skip
        x = base[tuple(index)]
        if data.draw(st.booleans()):
            x = np.broadcast_to(x[:, :1], x.shape)
        if data.draw(st.booleans()):
            x = np.asarray(x.transpose(0, 2, 1, 3), order="C").transpose(0, 2, 1, 3)
        return x

    q, k, v = view(), view(), view()
    assert q.shape == k.shape == (2, 2, 3, 64)
    close(attn.attention(q, k, v), expected(q, k, v))


def test_fault_08_non_unit_last_stride_is_refused_with_the_strides():
    x = rand(1, 2, 3, 128)[..., ::2]
    with pytest.raises(attn.ShapeError, match=r"stride 1 on its last axis.*\[768, 384, 128, 2\]"):
        attn.attention(x, x, x)
    y = rand(1, 2, 3, 64)[..., ::-1]
    with pytest.raises(attn.ShapeError, match=r"\[384, 192, 64, -1\]"):
        attn.attention(y, y, y)


def test_fault_08_misaligned_data_is_refused():
    raw = np.zeros(64 * 4 + 1, np.uint8)
    x = raw[1:].view(np.float32).reshape(1, 1, 1, 64)
    assert x.ctypes.data % 4 == 1
    with pytest.raises(attn.ShapeError, match="align"):
        attn.attention(x, x, x)


def test_fault_08_strides_between_elements_are_refused():
    records = np.zeros(5, np.dtype([("x", np.float32, (64,)), ("pad", np.uint8, (3,))]))
    x = records["x"][None, None]
    with pytest.raises(attn.ShapeError, match="multiples of the element size 4, but got 259"):
        attn.attention(x, x, x)


@pytest.mark.parametrize("shape", [(0, 2, 3), (2, 0, 3), (2, 2, 0)])
def test_fault_08_empty_queries_give_empty_results(shape):
    q, k = rand(*shape, 64), rand(shape[0], max(shape[1], 1), 4, 64)
    assert attn.attention(q, k, k).shape == (*shape, 64)


def test_read_only_inputs_are_accepted_and_read_only_results_are_not():
    q = rand(1, 2, 3, 64)
    q.flags.writeable = False
    close(attn.attention(q, q, q), expected(q, q, q))
    with pytest.raises(attn.ShapeError, match="writable array, but got a read-only one"):
        attn.attention(rand(1, 2, 3, 64), q, q, out=q)


def test_out_is_written_and_returned():
    q = rand(1, 2, 3, 64)
    out = np.full_like(q, np.nan)
    assert attn.attention(q, q, q, out=out) is out
    close(out, expected(q, q, q))
    strided = np.full((1, 2, 6, 64), np.nan, np.float32)
    attn.attention(q, q, q, out=strided[:, :, ::2])
    close(strided[:, :, ::2], expected(q, q, q))
    assert np.isnan(strided[:, :, 1::2]).all()


@pytest.mark.parametrize("which", ["q", "k", "v", "part"])
def test_fault_10_overlapping_out_is_refused(which):
    big = rand(1, 2, 6, 64)
    q, k, v = big[:, :, :3], rand(1, 2, 3, 64), rand(1, 2, 3, 64)
    out = {"q": q, "k": k, "v": v, "part": big[:, :, 2:5]}[which]
    before = out.copy()
    with pytest.raises(attn.ShapeError, match="overlaps argument"):
        attn.attention(q, k, v, out=out)
    assert (out == before).all()


def test_out_of_another_shape_or_dtype_is_refused():
    q = rand(1, 2, 3, 64)
    with pytest.raises(attn.ShapeError, match="out"):
        attn.attention(q, q, q, out=np.empty((1, 2, 4, 64), np.float32))
    with pytest.raises(attn.ShapeError, match="out"):
        attn.attention(q, q, q, out=np.empty(q.shape, np.float64))


@pytest.mark.parametrize(
    "dtype, name",
    [("float64", "f64"), ("float32", "f32"), ("float16", "f16"), (ml_dtypes.bfloat16, "bf16"),
     ("int64", "i64"), ("int32", "i32"), ("int8", "i8"), ("bool", "i1")],
)  # fmt: skip
def test_dtypes_are_taken_without_a_copy(dtype, name):
    x = np.zeros((3, 4), dtype)
    t = _runtime.tensor(x[:, ::-1][:, ::-1])
    assert (t.dtype, t.shape, t.strides, t.data) == (name, (3, 4), (4, 1), x.ctypes.data)


@pytest.mark.parametrize("dtype", [">f4", "uint8", "complex64", "U4", "datetime64[s]", object])
def test_fault_09_other_dtypes_are_refused(dtype):
    with pytest.raises((attn.ShapeError, ValueError)):
        _runtime.tensor(np.zeros((2, 2), dtype))


def test_fault_09_float8_is_refused_with_the_list():
    with pytest.raises((attn.ShapeError, ValueError)):
        _runtime.tensor(np.zeros((2, 2), ml_dtypes.float8_e4m3fn))


def test_bfloat16_views_keep_their_strides():
    x = np.zeros((4, 6, 8), ml_dtypes.bfloat16)[::-2, 1::2]
    t = _runtime.tensor(x)
    assert t.strides == tuple(s // 2 for s in x.strides) and t.data == x.ctypes.data
    x.flags.writeable = False
    assert _runtime.tensor(x).read_only


def test_what_is_no_array_is_refused():
    q = rand(1, 1, 2, 64)
    for bad in (3, [1.0], None, "x", object()):
        with pytest.raises(attn.ShapeError, match="expects an array"):
            attn.attention(bad, q, q)


def test_buffers_of_other_types_are_taken():
    import array

    t = _runtime.tensor(memoryview(array.array("f", range(6))).cast("B").cast("f", (2, 3)))
    assert (t.dtype, t.shape) == ("f32", (2, 3))
    assert _runtime.tensor(array.array("i", [1, 2])).dtype == "i32"


def test_subclasses_of_ndarray_are_numpy(tmp_path):
    m = np.memmap(tmp_path / "x", np.float32, "w+", shape=(1, 2, 3, 64))
    m[:] = rand(1, 2, 3, 64)
    close(attn.attention(m, m, m), expected(m, m, m))
    assert _runtime.library(m) == "numpy"


def test_fault_07_offsets_beyond_32_bits(tmp_path):
    """A sparse file of 20 GB: rows 2^31 elements apart, three of them touched."""
    step = 2**31 + 64
    m = np.memmap(tmp_path / "sparse", np.float32, "w+", shape=(2 * step + 64,))
    x = np.lib.stride_tricks.as_strided(m, (1, 1, 3, 64), (0, 0, 4 * step, 4))
    x[:] = rand(1, 1, 3, 64)
    close(attn.attention(x, x, x), expected(x, x, x))


# ---- layouts ------------------------------------------------------------------------


def test_layout_bshd_is_a_view():
    q, k = rand(2, 5, 4, 64), rand(2, 7, 2, 64)
    out = attn.attention(q, k, k, layout="bshd")
    assert out.shape == (2, 5, 4, 64) and out.flags.c_contiguous
    swap = lambda x: x.transpose(0, 2, 1, 3)  # noqa: E731
    close(swap(out), expected(swap(q), swap(k), swap(k)))
    into = np.empty_like(out)
    attn.attention(q, k, k, layout="bshd", out=into)
    assert (into == out).all()


def test_layouts_are_checked():
    q = rand(2, 5, 4, 64)
    with pytest.raises(attn.ShapeError, match="layout expects one of bhsd, bshd, thd"):
        attn.attention(q, q, q, layout="sbhd")
    with pytest.raises(attn.ShapeError, match="thd expects q, k and v of rank 3, but got rank 4"):
        attn.attention(q, q, q, layout="thd", cu_seqlens_q=[0, 5])
    with pytest.raises(attn.ShapeError, match="layout thd expects cu_seqlens_q"):
        attn.attention(q[0], q[0], q[0], layout="thd")


# ---- other producers ------------------------------------------------------------------


class Producer:
    """A DLPack producer that is no known library's, as old or new as asked for."""

    def __init__(self, array, versioned):
        self.array, self.versioned = array, versioned

    def __dlpack__(self, **options):
        if not self.versioned and options:
            raise TypeError(f"unexpected keyword arguments {list(options)}")
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("versioned", [True, False])
def test_dlpack_producers_of_both_protocols(versioned):
    q = rand(1, 2, 3, 64)
    p = Producer(q[:, ::-1], versioned)
    assert _runtime.tensor(p).data == q[:, ::-1].ctypes.data
    close(attn.attention(p, p, p), expected(q[:, ::-1], q[:, ::-1], q[:, ::-1]))


def test_device_memory_is_refused(claimed_tensor):
    with pytest.raises(attn.DeviceError, match=r"CPU or CUDA memory, but got one on DLPack device \(10, 0\)"):
        _runtime.tensor(claimed_tensor(4096, (3,), (1,), device=(10, 0)))


def test_a_producer_that_returns_nonsense_is_refused():
    class Liar:
        def __dlpack__(self, **_):
            return 7

    with pytest.raises(attn.ShapeError, match="DLPack capsule"):
        _runtime.tensor(Liar())


def test_tensors_keep_their_arrays_alive_and_let_them_go():
    import weakref

    x = np.zeros((2, 3), np.float32)
    base = weakref.ref(x)
    t = _runtime.tensor(x).insert(0)
    del x
    gc.collect()
    assert base() is not None
    del t
    gc.collect()
    assert base() is None


def test_views():
    x = rand(2, 3, 4, 64)
    t = _runtime.tensor(x)
    assert t.swap(1, 2).strides == (768, 64, 256, 1)
    assert t.merge(0).shape == (6, 4, 64)
    assert t.swap(0, 1).merge(0) is None
    assert t.select(0, 1).data == x[1].ctypes.data
    assert t.insert(0).expand(0, 5).strides == (0, 768, 256, 64, 1)
    with pytest.raises(attn.ShapeError, match=r"\[0, 2\), but got 2"):
        t.select(0, 2)
    with pytest.raises(attn.ShapeError, match="size of 1, but got 2"):
        t.expand(0, 4)
    with pytest.raises(attn.ShapeError, match="rank of 4, but got 9"):
        t.size(9)


# ---- torch and jax ----------------------------------------------------------------------


def test_torch_in_torch_out():
    torch = pytest.importorskip("torch")
    q = torch.randn(2, 4, 5, 64)
    out = attn.attention(q.transpose(0, 1), q.transpose(0, 1), q.transpose(0, 1))
    assert isinstance(out, torch.Tensor)
    want = torch.nn.functional.scaled_dot_product_attention(*[q.transpose(0, 1)] * 3)
    assert (out - want).abs().max() < 2e-6
    into = torch.empty_like(q)
    assert attn.attention(q, q, q, out=into) is into
    bent = torch.ones(4, requires_grad=True)
    with pytest.raises(attn.ShapeError, match=r"requires grad.*detach"):
        attn.attention(q, q, q, score_mod=lambda s, b, h, i, j: s * bent[h])
    assert _runtime.tensor(q.bfloat16()).dtype == "bf16"


def test_jax_in_jax_out():
    jax = pytest.importorskip("jax")
    q = jax.numpy.asarray(rand(2, 2, 3, 64))
    out = attn.attention(q, q, q)
    assert isinstance(out, jax.Array)
    close(out, expected(q, q, q))
    with pytest.raises(attn.ShapeError, match="read-only"):
        attn.attention(q, q, q, out=jax.numpy.zeros_like(q))


# ---- around the call ----------------------------------------------------------------------


def test_several_threads_may_call():
    q, k = rand(1, 4, 33, 64), rand(1, 4, 65, 64)
    want = expected(q, k, k)
    errors = []

    def work():
        try:
            for _ in range(20):
                close(attn.attention(q, k, k), want)
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors


def test_the_gil_is_released_during_a_call():
    """A thread counts while another one computes for a while."""
    q = rand(1, 8, 256, 64)
    attn.attention(q, q, q)
    ticks = 0
    done = threading.Event()

    def call():
        for _ in range(4):
            attn.attention(q, q, q, num_threads=1)
        done.set()

    worker = threading.Thread(target=call)
    worker.start()
    while not done.wait(0.001):
        ticks += 1
    worker.join()
    assert ticks > 5


def test_fault_45_inputs_stay_alive_during_a_call():
    """The only references to the inputs are dropped while the call runs."""
    for _ in range(20):
        arrays = [rand(1, 2, 40, 64) for _ in range(3)]
        want = expected(*arrays)
        box = list(arrays)
        arrays.clear()
        out = attn.attention(box.pop(0), box.pop(0), box.pop(0))
        gc.collect()
        close(out, want)


def test_results_of_repeated_calls_are_the_same_bits():
    q = rand(1, 4, 50, 64)
    first = attn.attention(q, q, q, num_threads=1)
    for threads in (1, 2, 4):
        assert (attn.attention(q, q, q, num_threads=threads) == first).all()


def test_thread_counts():
    before = attn.get_num_threads()
    assert before >= 1
    attn.set_num_threads(3)
    assert attn.get_num_threads() == 3
    attn.set_num_threads(0)
    assert attn.get_num_threads() == before
    with pytest.raises(attn.ShapeError):
        attn.set_num_threads(-1)
    q = rand(1, 1, 2, 64)
    with pytest.raises(attn.ShapeError):
        attn.attention(q, q, q, num_threads=-2)


def test_import_brings_in_neither_torch_nor_jax_nor_the_compiler():
    import os

    script = """
        import sys, attn
        for name in ("torch", "jax", "attn._compiler"):
            assert name not in sys.modules, name
        assert not any("libMLIR" in line or "libLLVM" in line for line in open("/proc/self/maps"))
    """
    path = os.pathsep.join(p for p in sys.path if p)
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        check=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def test_every_public_name_is_documented():
    for name in attn.__all__:
        value = getattr(attn, name)
        if callable(value):
            assert value.__doc__, name


def test_error_classes():
    for name in ("ShapeError", "CompileError", "ResourceError", "CacheError", "NumericError", "CommError"):  # fmt: skip
        assert issubclass(getattr(attn, name), attn.AttnError)
    assert issubclass(attn.ShapeError, ValueError) and issubclass(attn.CacheError, OSError)


# ---- producers that are not what they say --------------------------------------------------


class _Raw(ctypes.Structure):
    """A DLManagedTensor of version 0."""

    _fields_ = [
        ("data", ctypes.c_void_p), ("device", ctypes.c_int * 2), ("ndim", ctypes.c_int32),
        ("dtype", ctypes.c_uint8 * 4), ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p),
        ("offset", ctypes.c_uint64), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "ndim, text", [(4, "a shape, but got a null pointer"), (-1, "rank of 0 to 8, but got -1"),
                   (2**30, "rank of 0 to 8")]
)  # fmt: skip
def test_a_tensor_without_a_shape_is_refused(ndim, text):
    x = np.zeros((1, 2, 4, 64), np.float32)
    raw = _Raw(x.ctypes.data, (1, 0), ndim, (2, 32, 1, 0))
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]

    class Producer:
        def __dlpack__(self, **unused):
            return new(ctypes.addressof(raw), b"dltensor", None)

        def __dlpack_device__(self):
            return (1, 0)

    with pytest.raises(attn.ShapeError, match=text):
        attn.attention(Producer(), x, x)


def test_a_producers_type_is_not_kept():
    x = np.zeros((1, 2, 4, 64), np.float32)

    def once():
        class Producer:
            def __dlpack__(self, **unused):
                return x.__dlpack__()

            def __dlpack_device__(self):
                return (1, 0)

        attn.attention(Producer(), x, x)
        return weakref.ref(Producer)

    types = [once() for _ in range(3)]
    gc.collect()
    assert [t() for t in types] == [None] * 3
