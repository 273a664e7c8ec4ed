# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arrays for attn-run-npz.mlir: `npz.py write FOLDER`, `npz.py check FOLDER`, `npz.py hostile FOLDER TOOL PROGRAM`."""

import pathlib
import subprocess
import sys

import numpy as np

command, folder = sys.argv[1], pathlib.Path(sys.argv[2])
rng = np.random.default_rng(0)


def bf16(x: np.ndarray) -> np.ndarray:
    """f32 -> uint16 with the upper half of the bits (no rounding: the numbers are cut)."""
    return (x.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def from_bf16(x: np.ndarray) -> np.ndarray:
    """uint16 -> f64."""
    return (x.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


if command == "write":
    x, n = bf16(rng.standard_normal((1, 2, 3, 4))), np.array([2], np.int32)
    np.savez(folder / "good.npz", x=x, n=n)
    np.savez(folder / "only-x.npz", x=x)
    np.savez_compressed(folder / "compressed.npz", x=x, n=n)
    np.savez(folder / "fortran.npz", x=np.asfortranarray(x))
    np.savez(folder / "dtype.npz", x=np.zeros((1, 2, 3, 4), np.float32))
    np.savez(folder / "shape.npz", x=np.zeros((1, 2, 3, 5), np.uint16))
    np.savez(folder / "rank.npz", x=np.zeros(3, np.uint16))
    np.savez(folder / "sizes.npz", x=np.zeros((2, 2, 3, 4), np.uint16), n=n)
    np.savez(folder / "names.npz", y=n)
    (folder / "text.npz").write_text("no archive\n")
    data = bytearray((folder / "good.npz").read_bytes())
    data[data.index(x.tobytes())] ^= 1
    (folder / "flipped.npz").write_bytes(data)
elif command == "check":
    given, got, oracle = (np.load(folder / f"{name}.npz") for name in ("good", "out", "oracle"))
    x = from_bf16(given["x"])
    # Two of three keys count.
    s = x @ x[:, :, :2].transpose(0, 1, 3, 2) / 2
    p = np.exp(s)
    out, lse = p @ x[:, :, :2] / p.sum(-1, keepdims=True), np.log(p.sum(-1))
    assert oracle["out0"].dtype == np.float64 and oracle["out1"].dtype == np.float64
    assert np.abs(oracle["out0"] - out).max() < 1e-14 and np.abs(oracle["out1"] - lse).max() < 1e-14
    assert got["out0"].dtype == np.uint16 and got["out1"].dtype == np.float32
    assert np.abs(from_bf16(got["out0"]) - out).max() < 0.02 and np.abs(got["out1"] - lse).max() < 1e-5
    assert got["out2"].dtype == np.int32 and got["out2"].tolist() == [2]
else:
    good = (folder / "good.npz").read_bytes()
    files = [good[:n] for n in range(0, len(good), 37)]
    for n in range(0, len(good), 23):
        files.append(good[:n] + bytes([good[n] ^ 0xFF]) + good[n + 1 :])
    for data in files:
        (folder / "hostile.npz").write_bytes(data)
        run = subprocess.run([*sys.argv[3:], "--backend=oracle", "--inputs", str(folder / "hostile.npz")],
                             capture_output=True, text=True, timeout=60)
        assert run.returncode in (0, 1), (run.returncode, run.stderr)
        assert run.returncode == 0 or (run.stderr.startswith("error: ") and run.stderr.count("\n") == 1), run.stderr
