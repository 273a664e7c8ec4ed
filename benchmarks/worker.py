# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One peer in a process of its own, driven by lines of JSON over a pipe.

Thread pools of different libraries in one process disturb each other by up to a
factor of two, so nothing is ever timed beside another peer's pool.

A line {"case": {...}} prepares a case; {"time": N} answers with N times in
seconds; the worker ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from benchmarks.cases import THREADS, Case


def inputs(case: Case):
    rng = np.random.default_rng(0)

    def draw(heads, length):
        return rng.standard_normal((1, heads, length, case.dim), dtype=np.float32).astype(case.dtype, copy=False)

    return (draw(case.heads, case.queries), draw(case.kv_heads, case.keys),
            draw(case.kv_heads, case.keys))


def attn_peer(case: Case):
    import attn

    q, k, v = inputs(case)
    out = np.empty(q.shape[:3] + v.shape[3:], q.dtype)
    causal = "bottom_right" if case.causal else None
    return lambda: attn.attention(q, k, v, causal=causal, out=out, num_threads=THREADS)


def attn_grad_peer(case: Case):
    import attn

    q, k, v = inputs(case)
    causal = "bottom_right" if case.causal else None
    out, lse = attn.attention(q, k, v, causal=causal, return_lse=True)
    dout = np.random.default_rng(1).standard_normal(out.shape, dtype=np.float32).astype(case.dtype, copy=False)
    return lambda: attn.attention_grad(q, k, v, out, lse, dout, causal=causal, num_threads=THREADS)


def numpy_peer(case: Case):
    q, k, v = inputs(case)
    group = case.heads // case.kv_heads
    grouped = q.reshape(case.kv_heads, group * case.queries, case.dim)
    keys, values = k[0], v[0]
    scale = np.float32(case.dim**-0.5)

    def run():
        scores = grouped @ keys.transpose(0, 2, 1)
        scores *= scale
        if case.causal:
            shape = (case.queries, case.keys)
            hidden = ~np.tri(*shape, case.keys - case.queries, dtype=bool)
            scores.reshape(case.kv_heads, group, *shape)[..., hidden] = -np.inf
        scores -= scores.max(-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(-1, keepdims=True)
        return scores @ values

    return run


def torch_peer(case: Case):
    import torch

    torch.set_num_threads(THREADS)
    q, k, v = (torch.from_numpy(x) for x in inputs(case))
    mask = None
    if case.causal and case.queries != case.keys:
        mask = torch.ones(case.queries, case.keys, dtype=torch.bool).tril(case.keys - case.queries)
    return lambda: torch.nn.functional.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=case.causal and mask is None,
        enable_gqa=case.heads != case.kv_heads)


PEERS = {"attn": attn_peer, "attn grad": attn_grad_peer, "numpy": numpy_peer, "torch": torch_peer}


def main() -> None:
    peer = PEERS[sys.argv[1]]
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        if "case" in request:
            run = peer(Case(**request["case"]))
            run()
            answer: object = True
        else:
            times = []
            for _ in range(request["time"]):
                start = time.perf_counter()
                run()
                times.append(time.perf_counter() - start)
            answer = times
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
