# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The peers: a file for each, which says how it computes a case.

`variants(case)` gives the ways in which a library can compute a case, each as
(name, function of no arguments, function that takes its result to numpy as
[batch, heads, queries, dim]). The fastest of them is what the library is measured
by. A case that a library cannot compute is `Unsupported`, with the reason.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, NamedTuple


class Unsupported(Exception):
    """Why a peer does not compute a case."""


class Variant(NamedTuple):
    """One way of computing a case."""

    name: str
    run: Callable[[], Any]
    result: Callable[[Any], Any]


Variants = Iterable[Variant]

#: Peer -> the package that it needs, and its module here.
PEERS = {
    "attn": ("attn", "benchmarks.peers.attn_peer"),
    "numpy": ("numpy", "benchmarks.peers.numpy_peer"),
    "torch": ("torch", "benchmarks.peers.torch_peer"),
    "flex": ("torch", "benchmarks.peers.flex_peer"),
    "onnxruntime": ("onnxruntime", "benchmarks.peers.onnxruntime_peer"),
    "jax": ("jax", "benchmarks.peers.jax_peer"),
}
#: Those with packages of their own, in .venv-peers.
FOREIGN = ("torch", "flex", "onnxruntime", "jax")
