# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a call writes as a program, and what it refuses before compiling anything."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

import attn
from attn import frontend, functions, ir

N = None
F = attn.spec((N, N, N, 64), "f32")


def i32(*shape):
    return attn.spec(shape, "int32")


def text(*args, **named):
    """The program of an attention call on described arrays."""
    function = functions.JitFunction(attn.attention, functions.Options())
    arrays = [a for a in (*args, *named.values()) if isinstance(a, attn.ArraySpec)]
    return function._trace(args, named, arrays).text


def op(*args, **named):
    """The attention of a program, without the function around it."""
    lines = text(*args, **named).splitlines()
    start = next(i for i, line in enumerate(lines) if "attn.attention" in line)
    return textwrap.dedent("\n".join(lines[start:-2]))


def golden(expected):
    return textwrap.dedent(expected).strip()


# ---- programs ---------------------------------------------------------------------


def test_plain_program():
    assert text(F, F, F, return_lse=True, scale=1) == (
        golden(
            """
        func.func @main(%q: tensor<?x?x?x64xf32> {attn.name = "q"},
                        %k: tensor<?x?x?x64xf32> {attn.name = "k"},
                        %v: tensor<?x?x?x64xf32> {attn.name = "v"})
            -> (tensor<?x?x?x64xf32>, tensor<?x?x?xf32>) {
          %out_0, %lse_1 = attn.attention %q, %k, %v
            {scale = 1.0 : f64}
            : tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32> -> tensor<?x?x?x64xf32>, tensor<?x?x?xf32>
          return %out_0, %lse_1 : tensor<?x?x?x64xf32>, tensor<?x?x?xf32>
        }
        """
        )
        + "\n"
    )


def test_operands_in_the_order_of_the_syntax():
    got = op(
        F, F, F,
        sinks=attn.spec((N,)), log_weight=attn.spec((1, N, N)), kv_lengths=i32(N),
        q_lengths=i32(N), mask=attn.spec((N, N), "bool"), bias=attn.spec((1, N, 1, N)),
        mask_mod=lambda b, h, q, kv: kv % 2 == 0,
    )  # fmt: skip
    wanted = ["bias(%bias : tensor<1x?x1x?xf32>)", "mask_tensor(%mask : tensor<?x?xi1>)",
              "q_lengths(%q_lengths : tensor<?xi32>)", "kv_lengths(", "log_weight(%log_weight : tensor<1x?x?xf32>)",
              "sinks(%sinks : tensor<?xf32>)", "mask_mod {"]  # fmt: skip
    places = [got.index(w) for w in wanted]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "named, mask, align",
    [
        (dict(causal="top_left"), "causal", "top_left"),
        (dict(causal="bottom_right"), "causal", "bottom_right"),
        (dict(causal=True), "causal", "top_left"),
        (dict(causal=False), None, None),
        (dict(window=(5, 0), align="bottom_right"), "band<5, 0>", "bottom_right"),
        (dict(window=(-1, None)), None, None),
        (dict(window=[3, -1]), "band<3, inf>", "top_left"),
        (dict(causal="top_left", window=(3, -1)), "and(causal, band<3, inf>)", "top_left"),
        (dict(mask=attn.Prefix(7)), "prefix<7>", None),
        (dict(mask=attn.Causal(), causal=True), "causal", "top_left"),
        (dict(mask=lambda b, h, q, kv: q >= kv), "causal", "top_left"),
        (dict(mask_mod=lambda b, h, q, kv: kv < 5, causal="top_left"), "and(causal, prefix<5>)", "top_left"),
        (dict(causal="bottom_right", q_segments=i32(N, N), kv_segments=i32(N, N)), "and(causal, document)", "bottom_right"),
        (dict(causal=True, q_positions=i32(N, N), kv_positions=i32(1, N)), "causal", None),
        (dict(align="bottom_right"), None, None),
        (dict(score_mod=lambda s, b, h, q, kv: s * kv, align="bottom_right"), None, None),
        (dict(score_mod=lambda s, b, h, q, kv: s * q, align="bottom_right"), None, "bottom_right"),
    ],
)  # fmt: skip
def test_masks_and_alignments(named, mask, align):
    got = op(F, F, F, **named)
    assert (f"mask <{mask}>\n" in got) if mask else ("mask <" not in got)
    assert (f"align {align}\n" in got) if align else ("align" not in got)


def test_bottom_right_without_lengths_is_not_told_apart_from_its_text():
    # One text, and so one kernel, for causal=True and for top_left.
    assert text(F, F, F, causal=True) == text(F, F, F, causal="top_left")
    assert text(F, F, F, causal=True) != text(F, F, F, causal="bottom_right")


def test_pages():
    pool = attn.spec((N, N, 16, 64))
    got = op(F, pool, pool, page_table=i32(N, 1, N), kv_lengths=i32(N), causal="bottom_right")
    assert "page_table(%page_table : tensor<?x1x?xi32>)" in got
    assert "{page_size = 16 : i64}" in got
    assert "tensor<?x?x16x64xf32>" in got


def test_score_mod_captures_become_operands():
    slopes = np.ones(3, np.float32)
    got = text(F, F, F, score_mod=lambda s, b, h, q, kv: s * slopes[h])
    assert "captures(%constant0 : tensor<?xf32>)" in got
    assert '%constant0: tensor<?xf32> {attn.name = "constant0"}' in got
    assert "align" not in got  # the callable reads no position


def test_names_that_regions_use_are_kept_apart():
    def f(s, b, h):
        return attn.attention(s, b, h, score_mod=lambda x, *_: x * 2)

    got = functions.JitFunction(f, functions.Options())._trace([F, F, F], {}, [F, F, F]).text
    assert '%s_: tensor<?x?x?x64xf32> {attn.name = "s"}' in got
    assert "attn.attention %s_, %b_, %h_" in got


def test_merge_program():
    assert ir.merge_module("f64", 32, 2).splitlines()[5] == (
        "  %out_0, %lse_1 = attn.merge_states "
        "outs(%out0, %out1 : tensor<?x?x?x32xf64>, tensor<?x?x?x32xf64>) "
        "lses(%lse0, %lse1 : tensor<?x?x?xf64>, tensor<?x?x?xf64>) "
        "-> tensor<?x?x?x32xf64>, tensor<?x?x?xf64>"
    )


# ---- refusals -----------------------------------------------------------------------

X = np.zeros((1, 2, 4, 8), np.float32)
Y = np.zeros((1, 2, 6, 8), np.float32)
INDEX = np.zeros(1, np.int32)


@pytest.mark.parametrize(
    "k, named, text",
    [
        (Y, dict(causal=True), "causal=True expects equal query and key lengths .* got 4 and 6"),
        (Y, dict(window=(1, 0)), "window expects equal query and key lengths"),
        (Y, dict(mask=attn.Causal()), "a mask that compares positions expects equal"),
        (Y, dict(mask_mod=lambda b, h, q, kv: (q + kv) % 2 == 0), "mask_mod expects equal"),
        (Y, dict(score_mod=lambda s, b, h, q, kv: s + q), "score_mod expects equal"),
        (X, dict(causal=True, kv_lengths=INDEX), "explicit alignment beside lengths"),
        (X, dict(causal="left"), 'causal expects "top_left", "bottom_right"'),
        (X, dict(causal="top_left", align="bottom_right"), "expects one alignment, but got"),
        (X, dict(align="middle"), 'align expects "top_left"'),
        (X, dict(causal="top_left", q_positions=np.zeros((1, 4), np.int32)), "either positions or an alignment, but got both"),
        (X, dict(window=3), "window expects a pair"),
        (X, dict(window=(1, 2, 3)), "window expects a pair"),
        (X, dict(window=(-3, 0)), "Window expects left"),
        (X, dict(mask=np.zeros((4, 4), np.float32)), "float mask is passed as bias"),
        (X, dict(mask=np.zeros((4, 4), np.int32)), "mask expects bool"),
        (X, dict(bias=np.zeros((4, 4), np.float64)), "bias expects float32 or q's f32, but got f64"),
        (X, dict(bias=np.zeros((1, 1, 1, 4, 4), np.float32)), "bias expects a rank of 1 to 4"),
        (X, dict(kv_lengths=np.zeros(1, np.int64)), "kv_lengths expects int32, but got i64"),
        (X, dict(kv_lengths=np.zeros((1, 1), np.int32)), "kv_lengths expects a rank of 1, but got shape"),
        (X, dict(sinks=np.zeros(2, np.float16)), "sinks expects float32"),
        (X, dict(log_weight=np.zeros(4, np.float16)), "log_weight expects float32"),
        (X, dict(kv_segments=np.zeros((1, 4), np.int32)), "q_segments and kv_segments together"),
        (X, dict(cu_seqlens_kv=np.zeros(2, np.int32)), "cu_seqlens_q and cu_seqlens_kv together"),
        (X, dict(cu_seqlens_q=INDEX, q_segments=np.zeros((1, 4), np.int32)), "either segments or cu_seqlens"),
        (X, dict(mask=attn.Document()), "Document mask expects q_segments or cu_seqlens_q"),
        (X, dict(page_size=16), "page_size expects a page_table"),
        (X, dict(scale=float("nan")), "scale expects a finite number"),
        (X, dict(softcap=float("inf")), "softcap expects a finite number"),
        (X, dict(mask=attn.Causal(), mask_mod=3), "expects a callable, but got int"),
        (X, dict(mask=lambda *x: True, mask_mod=lambda *x: True), "one mask_mod, but got two"),
        (X[..., :4], {}, "the same head dim, but got 8 and 4"),
        (X[0], {}, "k of rank 4 .* but got shape"),
        (X.astype(np.float16), {}, "one dtype, but got f32 for q and f16 for k"),
        (X.astype(np.int32), {}, "k of float32, bfloat16, float16 or float64, but got i32"),
    ],
)  # fmt: skip
def test_fault_02_calls_that_do_not_fit_are_refused(k, named, text):
    with pytest.raises(attn.AttnError, match=text):
        attn.attention(X, k, k, **named)


def test_documents_are_given_once():
    ids = np.zeros((1, 4), np.int32)
    with pytest.raises(attn.ShapeError, match="documents once, but got q_segments"):
        attn.attention(X, X, X, mask=attn.Document(segments=ids), q_segments=ids.copy())


def test_shims_refuse_what_they_do_not_have():
    with pytest.raises(attn.ShapeError, match="dropout_p = 0, but got 0.1"):
        attn.scaled_dot_product_attention(X, X, X, dropout_p=0.1)
    with pytest.raises(attn.ShapeError, match="enable_gqa is set, but got 4 and 2"):
        attn.scaled_dot_product_attention(np.concatenate([X, X], 1), X, X)
    with pytest.raises(attn.ShapeError, match="last axis to be the key length 4"):
        attn.scaled_dot_product_attention(X, X, X, np.zeros((4, 1), bool))
    with pytest.raises(attn.ShapeError, match=r"fold into one without a copy.* strides"):
        big = np.zeros((2, 3, 2, 4, 8), np.float32).swapaxes(0, 1)
        attn.scaled_dot_product_attention(big, big, big)
    with pytest.raises(attn.ShapeError, match="rank of 2 to 5"):
        attn.scaled_dot_product_attention(X[0, 0, 0], X, X)
    with pytest.raises(attn.ShapeError, match="dropout_p = 0"):
        attn.flash_attn_func(X, X, X, 0.5)
    with pytest.raises(attn.ShapeError, match="return_lse=True"):
        attn.flash_attn_func(X, X, X, return_attn_probs=True)


def test_merge_states_refuses_what_does_not_match():
    lse = X[..., 0]
    with pytest.raises(attn.ShapeError, match="2 outs and 1 lses"):
        attn.merge_states([X, X], [lse])
    with pytest.raises(attn.ShapeError, match=r"outs\[1\] to be f32 of shape \[1, 2, 4, 8\]"):
        attn.merge_states([X, Y], [lse, lse])
    with pytest.raises(attn.ShapeError, match=r"lses\[0\] to be f32 of shape \[1, 2, 4\]"):
        attn.merge_states([X], [X])


# ---- traced functions -----------------------------------------------------------------


def trace(function, *args, **named):
    arrays = [a for a in (*args, *named.values()) if isinstance(a, attn.ArraySpec)]
    return functions.JitFunction(function, functions.Options())._trace(args, named, arrays)


def test_function_of_several_attentions_is_one_program():
    def f(q, k, v, k2, v2):
        a, la = attn.attention(q, k, v, return_lse=True)
        b, lb = attn.attention(q, k2, v2, return_lse=True)
        out, lse = attn.merge_states([a, b], [la, lb])
        return out + a * b - -a, lse

    got = trace(f, F, F, F, F, F).text
    assert got.count("attn.attention") == 2 and got.count("attn.merge_states") == 1
    for name in ("addf", "mulf", "negf", "subf"):
        assert got.count(f"arith.{name} ") == 1


def test_sizes_that_must_agree_are_remembered():
    traced = trace(lambda q, k, v, x: attn.attention(q, k, v, causal=True) + x, F, F, F, F)
    pairs = {(a, b) for a, b, _ in traced.equal}
    assert ((0, 2), (1, 2)) in pairs  # Sq == Sk
    assert {((0, i), (3, i)) for i in range(3)} <= pairs


@pytest.mark.parametrize(
    "function, text",
    [
        (lambda q: q, "its argument q unchanged"),
        (lambda q: 3, "return traced arrays, but got int"),
        (lambda q: q + 1.0, "expects arrays of one shape, but got float"),
        (lambda q: q + attn.attention(q, q, q, return_lse=True)[1], "equal shapes, but got ranks 4 and 3"),
        (lambda q: np.exp(q), "__array_ufunc__=None"),
        (lambda q: np.asarray(q), "no values yet"),
        (lambda q: q if q else q, "no truth value"),
        (lambda q: attn.attention(q, q, q, scale=q.shape[2] ** -0.5), "not to depend on batch"),
        (lambda q: attn.attention(q, q, q, scale=1.0 if q.shape[0] > 1 else 2.0), "not to depend on batch"),
        (lambda q: attn.attention(q, q, q, layout="bshd"), "expects layout 'bhsd'"),
        (lambda q: attn.attention(q, q, q, out=q), "neither out nor"),
    ],
)  # fmt: skip
def test_what_a_traced_function_cannot_do(function, text):
    with pytest.raises((attn.AttnError, TypeError), match=text):
        trace(function, F)


def test_head_dims_may_be_read_in_a_traced_function():
    got = trace(lambda q: attn.attention(q, q, q, scale=q.shape[-1] ** -0.5), F).text
    assert "scale = 0.125 : f64" in got


def test_compile_checks_its_options():
    with pytest.raises(attn.CompileError, match="target expects one of host, avx512"):
        attn.compile(attn.attention, F, F, F, target="sparc")
    with pytest.raises(attn.CompileError, match="opt_level expects 0 to 3"):
        attn.jit(lambda q: q, opt_level=7)
    with pytest.raises(attn.CompileError, match="a function or the text of a module, but got int"):
        attn.compile(3)
    with pytest.raises(attn.ShapeError, match="spec expects a dtype among"):
        attn.spec((1,), "uint8")


def test_one_key_serves_every_length(cache_dir, stand_in):
    rng = np.random.default_rng(0)
    for b, h, s in ((1, 1, 1), (3, 2, 5), (2, 4, 33), (1, 2, 1)):
        q = rng.standard_normal((b, h, s, 64)).astype(np.float32)
        attn.attention(q, q, q)
    assert stand_in.compiled == 1 and len(frontend._kernels) == 1


# ---- calls that were made before ------------------------------------------------------------


def heads(n=5, dtype=np.float32, d=64):
    return np.random.default_rng(n).standard_normal((1, 2, n, d)).astype(dtype)


def kernel_of(call):
    """Which kernel answers a call: the one whose number of calls grows."""
    from attn import frontend

    kernels = {id(k.program.kernel): k.program.kernel for k in frontend._kernels.values()}
    before = {i: k.calls for i, k in kernels.items()}
    result = call()
    (grown,) = [k for i, k in kernels.items() if k.calls != before[i]]
    return grown, result


PLAIN = [
    {}, {"causal": True}, {"causal": "top_left"}, {"scale": 0.5}, {"scale": 1}, {"scale": 1.0},
    {"window": (3, 0), "align": "top_left"}, {"window": (None, 2), "align": "top_left"},
    {"softcap": 5.0}, {"layout": "bshd"}, {"batch_invariant": True}, {"mask": None, "bias": None},
    {"num_threads": 1}, {"device": "cpu"},
]  # fmt: skip


@pytest.mark.parametrize("options", PLAIN, ids=str)
def test_a_call_made_before_is_answered_by_its_kernel(options, monkeypatch):
    from attn import frontend

    frontend.attention.forget()
    x = heads()
    first = attn.attention(x, x, x, **options)
    kernel, again = kernel_of(lambda: attn.attention(x, x, x, **options))
    assert again.tobytes() == first.tobytes()
    calls = kernel.calls
    # Nothing of Python is asked any more, also for other sizes and places.
    monkeypatch.setattr(frontend, "_kernels", None)
    other = np.concatenate([heads(7), heads(3)], axis=2)
    assert attn.attention(other, other, other, **options).shape == other.shape
    out = np.empty_like(x)
    assert attn.attention(x, x, x, out=out, **options) is out
    assert out.tobytes() == first.tobytes() and kernel.calls == calls + 2


def test_calls_that_differ_are_not_taken_for_each_other():
    x, y = heads(), heads(dtype=np.float16)
    results = {}
    for options in [*PLAIN, {"scale": True}, {"return_lse": True}]:
        for a in (x, y):
            name = (str(options), a.dtype)
            results[name] = attn.attention(a, a, a, **options)
    for options in [*PLAIN, {"scale": True}, {"return_lse": True}]:
        for a in (x, y):
            before, now = results[str(options), a.dtype], attn.attention(a, a, a, **options)
            for b, n in zip(*((r,) if not isinstance(r, tuple) else r for r in (before, now))):
                assert b.tobytes() == n.tobytes()
    assert not np.array_equal(results["{'causal': True}", x.dtype], results["{}", x.dtype])


def test_equal_lengths_are_still_asked_for():
    x = heads()
    for _ in range(2):
        attn.attention(x, x, x, causal=True)
    with pytest.raises(attn.ShapeError, match="top_left.*bottom_right"):
        attn.attention(x, heads(6), heads(6), causal=True)


@pytest.mark.parametrize(
    "change, error",
    [
        (lambda x: x[0], attn.ShapeError), (lambda x: x.astype(np.int32), attn.ShapeError),
        (lambda x: x[..., ::2], attn.ShapeError), (lambda x: x.tolist(), attn.ShapeError),
        (lambda x: None, attn.ShapeError), (lambda x: x.astype(np.float64), attn.ShapeError),
    ],
)  # fmt: skip
def test_errors_are_those_of_the_first_call(change, error):
    from attn import frontend

    x = heads()
    texts = []
    for forget in (True, False):
        if forget:
            frontend.attention.forget()
        else:
            attn.attention(x, x, x)
        with pytest.raises(error) as caught:
            attn.attention(x, change(x), x)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_out_is_still_looked_at():
    x = heads()
    attn.attention(x, x, x)
    read_only = np.empty_like(x)
    read_only.flags.writeable = False
    for out, text in ((read_only, "writable"), (np.empty((1, 2, 4, 64), np.float32), "size 5"),
                      (x, "overlaps"), ((x, x), "array")):  # fmt: skip
        with pytest.raises(attn.ShapeError, match=text):
            attn.attention(x, x, x, out=out)


def test_attention_is_a_function_to_whoever_looks():
    import inspect
    import pickle
    import pydoc

    assert attn.attention.__name__ == "attention" and attn.attention.__doc__.startswith("Computes")
    assert list(inspect.signature(attn.attention).parameters)[:3] == ["q", "k", "v"]
    assert pickle.loads(pickle.dumps(attn.attention)) is attn.attention
    assert "attention(q" in pydoc.render_doc(attn.attention, renderer=pydoc.plaintext)

    class Layer:
        call = attn.attention

    x = heads()
    with pytest.raises(attn.ShapeError):
        Layer().call(x, x)  # bound: the layer is q


# ---- options -------------------------------------------------------------------------------

POOL = np.zeros((3, 2, 8, 8), np.float32)
ARRAY = np.array([1, 1])


@pytest.mark.parametrize("name, values, wants", [
    ("num_threads", ["4", 1.5, 2**31, True, -1, 5000, [1]], "1 to 1024, or 0 for the default"),
    ("scale", ["x", "1", b"1", [1], 10**400, 10**5000, 1j, ARRAY, float("inf")], "a finite number"),
    ("softcap", ["1", [1], 10**400, np.str_("1")], "a finite number"),
    ("layout", [[], None, 1, b"bhsd"], "one of bhsd, bshd, thd"),
    ("align", [{}, 1, "middle", ARRAY], '"top_left" or "bottom_right"'),
    ("causal", [[], 1, 0, "left", ARRAY], '"top_left", "bottom_right", True, False or None'),
    ("window", [3, ARRAY, "ab", {1: 1, 2: 2}, (1,)], r"a pair \(left, right\)"),
    ("return_lse", [1, "x", ARRAY, None], "True or False"),
    ("batch_invariant", [1, "x", ARRAY], "True or False"),
    ("device", [[], 5, b"cpu", "gpu", "cuda:x"], "'cpu', 'cuda', 'cuda:N' or 'emulated'"),
])  # fmt: skip
def test_options_of_another_kind_are_refused(name, values, wants):
    for value in values:
        with pytest.raises(attn.AttnError, match=f"{name} expects {wants}.*, but got "):
            attn.attention(X, X, X, **{name: value})


@pytest.mark.parametrize("size", [True, -8, 0, b"8", "8", [8], 8.0])
def test_page_sizes_are_integers(size):
    with pytest.raises(attn.ShapeError, match="page_size expects an integer of 1 to"):
        attn.attention(X, POOL, POOL, page_table=[[0]], page_size=size)


@pytest.mark.parametrize("window", [(1.0, 0), (True, 0), (1, ARRAY), ("1", 0), (0, -2), (2**31, 0)])
def test_the_bounds_of_a_window_are_integers(window):
    with pytest.raises(attn.ShapeError, match="Window expects (left|right) to be an integer"):
        attn.attention(X, X, X, window=window)


def test_numpys_forms_of_options_are_taken():
    plain = attn.attention(X, X, X, window=(1, 0), causal=True, scale=0.5, num_threads=1)
    got = attn.attention(
        X, X, X, window=[np.int64(1), np.int32(0)], causal=np.bool_(True), scale=np.float16(0.5),
        num_threads=np.int64(1),
    )  # fmt: skip
    assert got.tobytes() == plain.tobytes()


@pytest.mark.parametrize("good, bad", [
    (dict(causal=True), dict(causal=1)), (dict(window=(1, 0)), dict(window=(1.0, 0))),
    (dict(window=(1, 0)), dict(window=(True, 0))), (dict(num_threads=1), dict(num_threads=True)),
    (dict(return_lse=True), dict(return_lse=1)),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("more", [{}, dict(mask=np.ones((4, 4), bool))], ids=["plain", "masked"])
def test_what_ran_before_makes_no_call_valid(good, bad, more):
    for _ in range(2):
        attn.attention(X, X, X, **good, **more)
        with pytest.raises(attn.ShapeError, match="expects"):
            attn.attention(X, X, X, **bad, **more)


def test_options_of_a_jitted_function_are_told_apart():
    f = attn.jit(lambda q, window: attn.attention(q, q, q, window=window))
    f(X, (1, 0))
    with pytest.raises(attn.ShapeError, match="Window expects left to be an integer"):
        f(X, (1.0, 0))


@pytest.mark.parametrize("named", [
    dict(kv_lengths=[7.9]), dict(kv_lengths=[True]), dict(kv_lengths=[2**40]), dict(kv_lengths=[2**70]),
    dict(kv_lengths=[None]), dict(kv_lengths=["a"]), dict(q_segments=[0.2, 0.7, 1, 1]),
    dict(q_segments=[[1, 2], [3]]), dict(cu_seqlens_q=[0, 1.5, 4]), dict(page_table=[[0.9, 1.2]]),
    dict(sinks=[None, None]), dict(sinks=["1", "2"]), dict(sinks=[1e300, 0]), dict(log_weight=[[1], [1, 2]]),
], ids=str)  # fmt: skip
def test_lists_are_not_rounded(named):
    (name,) = named
    kind = "numbers that fit float32" if name in ("sinks", "log_weight") else "integers that fit int32"
    with pytest.raises(attn.ShapeError, match=f"{name} expects a list of {kind}, but got"):
        attn.attention(X, X, X, **named)


def test_lists_of_numbers_are_taken():
    for named, same in (
        (dict(kv_lengths=[3]), dict(kv_lengths=np.array([3], np.int32))),
        (dict(cu_seqlens_q=(0, np.int64(1), 4)), dict(cu_seqlens_q=np.array([0, 1, 4], np.int32))),
        (dict(sinks=[1, -np.inf]), dict(sinks=np.array([1, -np.inf], np.float32))),
        (dict(log_weight=[0, 0.5, 1, 2]), dict(log_weight=np.array([0, 0.5, 1, 2], np.float32))),
    ):
        x = heads(4, d=8)
        assert attn.attention(x, x, x, **named).tobytes() == attn.attention(x, x, x, **same).tobytes()


@pytest.mark.parametrize("bad, got", [
    (dict(out=b"1234"), "out expects a writable array, but got bytes"),
    (dict(mask=np.zeros((4, 4), "M8[s]")), r"but got datetime64\[s\]"),
    (dict(out=np.zeros(X.shape, "M8[s]")), r"but got datetime64\[s\]"),
])  # fmt: skip
def test_what_is_no_array_of_numbers_is_refused(bad, got):
    with pytest.raises(attn.ShapeError, match=got):
        attn.attention(X, X, X, **bad)


def test_ranks_are_looked_at_before_sizes():
    for call in (
        lambda: attn.attention(X, X[0, 0], X[0, 0], page_table=[[0]]),
        lambda: attn.attention(X[0], X, X, mask_mod=lambda b, h, i, j: INDEX[i] == INDEX[j]),
        lambda: attn.attention_grad(X[0], X[0], X[0], X[0], X[0], X[0]),
        lambda: attn.attention_grad(*[X[None]] * 6),
    ):
        with pytest.raises(attn.ShapeError, match="attention expects [qk] of rank 4"):
            call()


SHIMS = [
    (lambda: attn.flash_attn_func(X, X, X, window_size=5), r"window_size expects a pair \(left, right\)"),
    (lambda: attn.flash_attn_func(X, X, X, window_size=(None, 0)), "window_size expects a pair .* but got None"),
    (lambda: attn.flash_attn_func(X, X, X, alibi_slopes=5), r"alibi_slopes expects float32\[H\]"),
    (lambda: attn.flash_attn_func(X, X, X, alibi_slopes=["a"]), "alibi_slopes expects a list of numbers"),
    (lambda: attn.flash_attn_func(X, X, X, softcap="x"), "softcap expects a finite number"),
    (lambda: attn.flash_attn_func(X, X, X, causal="x"), "causal expects True or False"),
    (lambda: attn.scaled_dot_product_attention(X, X, X, is_causal=1), "is_causal expects True or False"),
    (lambda: attn.scaled_dot_product_attention(X, X, X, dropout_p="x"), "dropout_p expects a finite number"),
    (lambda: attn.merge_states(np.stack([X, X]), [X[..., 0]] * 2), "outs expects a list of arrays, but got ndarray"),
    (lambda: attn.merge_states([X], [X[..., 0]], num_threads="x"), "num_threads expects 1 to 1024"),
    (lambda: attn.set_num_threads("4"), "num_threads expects 1 to 1024, or 0 for the default, but got '4'"),
    (lambda: attn.set_num_threads(True), "num_threads expects .*, but got True"),
    (lambda: attn.attention_grad(*[X] * 6, grads=5), "grads expects a list of names among bias"),
    (lambda: attn.attention_grad(*[X] * 6, grads=None), "grads expects a list of names among bias"),
    (lambda: attn.compile("\ud800"), "a module's text expects a string of Unicode text"),
    (lambda: attn.compile("", entry=None), "entry expects a string of Unicode text, but got None"),
    (lambda: attn.compile(attn.attention, F, F, F, opt_level=True), "opt_level expects 0 to 3, but got True"),
    (lambda: attn.compile(attn.attention, F, F, F, device=[]), r"device expects .* but got \[\]"),
    (lambda: attn.jit(5), "jit expects a function, but got 5"),
    (lambda: attn.load("\0"), "path expects the path of a file"),
    (lambda: attn.load(5), "path expects the path of a file, but got 5"),
]  # fmt: skip


@pytest.mark.parametrize("call, text", SHIMS, ids=[text for _, text in SHIMS])
def test_options_of_the_other_functions(call, text):
    with pytest.raises(attn.AttnError, match=text):
        call()


@pytest.mark.parametrize("shape", [
    (1.5, 1, 1, 8), ("a", 1, 1, 8), (2**70, 1, 1, 8), (1, 1, 1, -8), (True,) * 4, None, "abc", 5,
])  # fmt: skip
def test_a_spec_has_sizes(shape):
    with pytest.raises(attn.ShapeError, match="spec expects (a size|shape) to be"):
        attn.spec(shape)
    assert attn.spec([np.int64(3), None]).shape == (3, None)


def test_a_plan_counts_its_arguments_on_every_road():
    plan = attn.compile(attn.attention, X, X, X)
    for some in (plan, attn.compile(plan.mlir())):
        for run in (some.run, some.oracle):
            for count in (2, 4):
                with pytest.raises(attn.ShapeError, match=f"expects the arguments q, k, v, but got {count}"):
                    run(*[X] * count)
        with pytest.raises(attn.ShapeError, match="num_threads expects"):
            some.run(X, X, X, num_threads="1")
        with pytest.raises(attn.CompileError, match="stage expects a string"):
            some.mlir(5)
        with pytest.raises(attn.CacheError, match="path expects the path of a file"):
            some.save("\0")


def test_arrays_of_a_trace_are_none_once_it_is_over():
    kept = []
    attn.jit(lambda q: (kept.append(q), q + q)[1])(X)
    attn.jit(lambda q: (kept.append(q + q), q + q)[1])(X)
    with pytest.raises(attn.ShapeError, match="kv_lengths expects a rank of 1"):  # a trace that failed
        attn.jit(lambda q: (kept.append(q), attn.attention(q, q, q, kv_lengths=q))[1])(X)
    for old in kept:
        for use in (
            lambda q: old + q, lambda q: q - old, lambda q: -old, lambda q: attn.attention(q, old, old),
            lambda q: old if old._argument is None else -old,
        ):  # fmt: skip
            with pytest.raises(attn.CompileError, match="outside of the function that it belongs to"):
                attn.jit(use)(X)
        with pytest.raises(attn.CompileError, match="outside of the function that it belongs to"):
            attn.attention(old, old, old)
