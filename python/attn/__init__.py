# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention, compiled.

>>> import numpy as np, attn
>>> q = np.random.rand(1, 8, 128, 64).astype(np.float32)
>>> attn.attention(q, q, q, causal=True).shape
(1, 8, 128, 64)

Arrays of numpy, torch and jax go in without a copy and results come out in the
same library. Importing attn loads neither torch, nor jax, nor the compiler: the
latter comes in when something has to be compiled that the cache does not hold.

See `attn.attention` for the one call that matters; masks are `Causal`, `Window`,
`Prefix`, `Document` and `Full`, joined by ``&`` and ``|``; `attn.jit` and
`attn.compile` compile whole functions; `attn.onnx` takes ONNX models; errors are in
`attn.errors`.
"""

from typing import Any

from . import cache, errors, masks, tracing
from ._build import VERSION as __version__
from .compiler import Plan, load
from .device import Device, device_report, devices
from .errors import (
    AttnError,
    CacheError,
    CommError,
    CompileError,
    DeviceError,
    NumericError,
    ResourceError,
    ShapeError,
)
from .frontend import (
    Gradients,
    attention,
    attention_grad,
    get_num_threads,
    merge_states,
    set_num_threads,
)
from .functions import ArraySpec, compile, explain, jit, spec
from .masks import Causal, Document, Full, Mask, Prefix, Window
from .pictures import MaskPicture, mask_picture
from .shims import flash_attn_func, scaled_dot_product_attention
from .timings import Timings
from .tracing import absolute as abs
from .tracing import boolean as bool_
from .tracing import (
    capture,
    ceil,
    clamp,
    cos,
    erf,
    exp,
    exp2,
    float32,
    floor,
    int32,
    log,
    log1p,
    log2,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    rsqrt,
    sigmoid,
    sin,
    sqrt,
    tanh,
    where,
)
from .tracing import power as pow

__all__ = [
    "ArraySpec", "AttnError", "CacheError", "Causal", "CommError", "CompileError", "Device", "DeviceError", "Document",
    "Full", "Gradients", "Mask", "MaskPicture", "NumericError", "Plan", "Prefix", "ResourceError", "ShapeError",
    "Timings", "Window",
    "__version__", "abs", "attention", "attention_grad", "bool_", "cache", "capture", "ceil", "clamp", "compile",
    "cos", "device_report", "devices", "erf", "errors", "exp", "exp2", "explain", "flash_attn_func", "float32", "floor",
    "get_num_threads", "int32", "jit", "load", "log", "log1p", "log2", "logical_and",
    "logical_not", "logical_or", "mask_picture", "masks", "maximum", "merge_states", "minimum", "pow", "rsqrt",
    "scaled_dot_product_attention", "set_num_threads", "sigmoid", "sin", "spec", "sqrt", "tanh",
    "tracing", "where",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """`attn.onnx`, at its first use: hardly any program needs it."""
    if name != "onnx":
        raise AttributeError(f"module 'attn' has no attribute {name!r}")
    import importlib

    return importlib.import_module("attn.onnx")
