# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""onnxruntime: the standard's Attention, and its own MultiHeadAttention and GroupQueryAttention."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from benchmarks import inputs
from benchmarks.cases import Case
from benchmarks.peers import Unsupported, Variant, Variants

_KINDS = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
#: Inputs, with how many there must be, and results: names to arrays.
Arrays = dict[str, np.ndarray]


def bound(case: Case, op: str, domain: str, feeds: Arrays, order: list[str], shape: list[int],
          kept: tuple[str, ...] = (), **attributes: Any) -> Any:  # fmt: skip
    """A session of one node whose inputs and results are bound to memory once.

    order: the node's inputs, "" for one that is left out. kept: inputs that the
    node updates in place, as results named out_NAME.
    """
    kind = _KINDS[case.dtype]

    def value(name: str, array: np.ndarray) -> Any:
        own = helper.np_dtype_to_tensor_dtype(array.dtype) if array.dtype.name != "bfloat16" else kind
        return helper.make_tensor_value_info(name, own, array.shape)

    outs = ["out", *(f"out_{name}" for name in kept)]
    node = helper.make_node(op, order, outs, domain=domain, **attributes)
    graph = helper.make_graph(
        [node], "case", [value(n, a) for n, a in feeds.items()],
        [helper.make_tensor_value_info("out", kind, shape), *(value(f"out_{n}", feeds[n]) for n in kept)],
    )
    imports = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = case.threads
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    values = {n: ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(a)) for n, a in feeds.items()}
    for name, held in values.items():
        binding.bind_ortvalue_input(name, held)
    out = ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, inputs.numpy_type(case.dtype)))
    binding.bind_ortvalue_output("out", out)
    for name in kept:
        # A cache that is allocated once: past and present are the same memory.
        binding.bind_ortvalue_output(f"out_{name}", values[name])

    def run() -> Any:
        session.run_with_iobinding(binding)
        return out

    return run


def flat(x: np.ndarray) -> np.ndarray:
    """[b, h, s, d] -> [b, s, h d]."""
    return np.ascontiguousarray(x.transpose(0, 2, 1, 3)).reshape(x.shape[0], x.shape[2], -1)


def variants(case: Case) -> Variants:
    if case.page or case.lengths or case.backward:
        raise Unsupported("onnxruntime has no pages, packed sequences or gradients here")
    if case.dtype not in ("f32", "f16"):
        raise Unsupported(f"onnxruntime has no kernel for {case.dtype} on the CPU")
    q, k, v = inputs.arrays(case)
    shape = [case.batch, case.queries, case.heads * case.dim]
    masked = case.documents or case.blocks is not None or case.window
    causal = case.causal and not case.decode

    def unflat(out: Any) -> np.ndarray:
        split = out.numpy().reshape(case.batch, case.queries, case.heads, case.dim)
        return split.transpose(0, 2, 1, 3).astype(np.float32)

    feeds = {"q": q, "k": k, "v": v}
    order = ["q", "k", "v"]
    if masked or case.score == "alibi":
        feeds["mask"] = inputs.bias(case) if case.score else inputs.visible(case, np.arange(case.queries))
        order.append("mask")
    capped = {"softcap": inputs.SOFTCAP} if case.score == "softcap" else {}
    yield Variant(
        "Attention", bound(case, "Attention", "", feeds, order, list(q.shape), is_causal=int(causal), **capped),
        lambda out: out.numpy().astype(np.float32),
    )
    if case.score:
        return
    if case.group == 1 and not masked:
        yield Variant(
            "MultiHeadAttention",
            bound(case, "MultiHeadAttention", "com.microsoft", {"q": flat(q), "k": flat(k), "v": flat(v)},
                  ["q", "k", "v"], shape, num_heads=case.heads, unidirectional=int(causal)),
            unflat,
        )
    behind = case.window is not None and case.window[1] == 0
    if case.decode or case.causal or behind:
        # The cache holds every key; the step writes its own keys again, where they are.
        old = case.keys - case.queries
        counts = np.full(case.batch, case.keys - 1, np.int32)
        total = np.array([case.keys], np.int32)
        feeds = {"q": flat(q), "k": flat(k[:, :, old:]), "v": flat(v[:, :, old:]), "past_k": k, "past_v": v,
                 "counts": counts, "total": total}
        more = {"local_window_size": case.window[0] + 1} if case.window else {}
        yield Variant(
            "GroupQueryAttention",
            bound(case, "GroupQueryAttention", "com.microsoft", feeds, list(feeds), shape, ("past_k", "past_v"),
                  num_heads=case.heads, kv_num_heads=case.kv_heads, **more),
            unflat,
        )
