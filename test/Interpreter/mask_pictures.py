# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs every mask of docs/Masks.md and compares what is seen with the picture.

Queries of zero weigh all visible keys alike, and values that are the rows of the identity say which keys those were:
out[i, j] is above 0 exactly where query i sees key j.

    mask_pictures.py ATTN_RUN MASK_PICTURES_SCRIPT FOLDER BACKEND
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np


def program(picture: dict) -> str:
    """One function for one picture."""
    sq, sk = picture["queries"], picture["keys"]
    documents = len(picture["q_documents"])
    q, k, v, out = f"1x1x{sq}x8", f"1x1x{sk}x8", f"1x1x{sk}x{sk}", f"1x1x{sq}x{sk}"
    align = f" align {picture['align']}" if picture["align"] else ""
    cu = f"tensor<{documents + 1}xi32>"
    operands = f" cu_q(%cu_q : {cu}) cu_kv(%cu_kv : {cu})" if documents else ""
    arguments = [("q", q, "f32"), ("k", k, "f32"), ("v", v, "f32")]
    if documents:
        arguments += [("cu_q", f"{documents + 1}", "i32"), ("cu_kv", f"{documents + 1}", "i32")]
    signature = ", ".join(f'%{n}: tensor<{s}x{t}> {{attn.name = "{n}"}}' for n, s, t in arguments)
    return f"""
func.func @main({signature}) -> (tensor<{out}xf32> {{attn.name = "out"}}) {{
  %out = attn.attention %q, %k, %v mask <{picture["spelling"]}>{align}{operands}
      : tensor<{q}xf32>, tensor<{k}xf32>, tensor<{v}xf32> -> tensor<{out}xf32>
  return %out : tensor<{out}xf32>
}}
"""


def cumulative(lengths: list[int]) -> np.ndarray:
    """Lengths [n] -> their running sums from 0, int32 [n + 1]."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


def main(attn_run: str, script: str, folder: str, backend: str) -> int:
    pictures = json.loads(subprocess.run([sys.executable, script, "--json"], check=True, capture_output=True, text=True).stdout)
    base = Path(folder)
    base.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for n, picture in enumerate(pictures):
        sq, sk = picture["queries"], picture["keys"]
        inputs = {
            "q": np.zeros((1, 1, sq, 8), np.float32),
            "k": np.ones((1, 1, sk, 8), np.float32),
            "v": np.eye(sk, dtype=np.float32)[None, None],
        }
        if picture["q_documents"]:
            inputs |= {"cu_q": cumulative(picture["q_documents"]), "cu_kv": cumulative(picture["kv_documents"])}
        source, given, got = base / f"{n}.mlir", base / f"{n}.in.npz", base / f"{n}.out.npz"
        source.write_text(program(picture))
        np.savez(given, **inputs)
        command = [attn_run, str(source), f"--backend={backend}", "--inputs", str(given), "--save", str(got)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{picture['spelling']}: {' '.join(command)}\n{done.stdout}{done.stderr}")
            wrong += 1
            continue
        out = np.load(got)["out"]
        if not np.array_equal(out[0, 0] > 0, np.array(picture["rows"], bool)):
            print(f"{picture['spelling']} align {picture['align']}: expects\n{np.array(picture['rows'])}\nbut got\n{out[0, 0]}")
            wrong += 1
    print(f"{len(pictures) - wrong} pictures right, {wrong} wrong")
    return 1 if wrong or not pictures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
