# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The kernels for GPUs: what ptxas makes of them, and what the emulator counts while they run.

The tiles that a kernel has to compute are counted here from the mask itself, pair by pair, and the tensor cores' FLOPs
have to be theirs and no others. The lines `gpu summary: ...` are what `make check` shows at its end.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable

import numpy as np
import pytest

import attn

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ATTN_BUILD_DIR", ROOT / "build"))
RUN, COMPILE = BUILD / "bin" / "attn-run", BUILD / "bin" / "attn-compile"

DTYPES = ["bf16", "f16", "f32"]
SIZES = [(32, 32), (64, 64), (80, 80), (128, 128), (192, 128), (256, 256)]
has_gpu = any(d.name == "cuda:0" and d.available for d in attn.devices())

pytestmark = pytest.mark.skipif(not RUN.exists() or not COMPILE.exists(), reason="expects the tools of a build tree")


class Tally:
    """What the tests of this file saw, for the summary."""

    def __init__(self) -> None:
        self.kernels: collections.Counter[str] = collections.Counter()  # by architecture
        self.registers: dict[str, int] = {}  # by architecture, the most
        self.spills = 0
        self.cases = self.findings = self.requests = self.conflicts = self.flops = self.formula = 0


@pytest.fixture(scope="module")
def tally():
    seen = Tally()
    yield seen
    lines = [f"{arch}: {count} kernels built, at most {seen.registers[arch]} registers"
             for arch, count in sorted(seen.kernels.items())]
    if seen.kernels:
        lines.append(f"{seen.spills} bytes spilled")
    if seen.cases:
        lines += [f"{seen.cases} emulated cases passed, {seen.findings} findings",
                  f"{seen.conflicts} bank conflicts in {seen.requests} requests for shared memory by ldmatrix and ld",
                  f"{seen.flops} tensor-core FLOPs counted, {seen.formula} by the formula of the kept tiles"]
    print()
    for line in lines:
        print(f"gpu summary: {line}")


# ---- programs --------------------------------------------------------------------


@dataclasses.dataclass
class Case:
    """One attention: `clauses` as the dialect spells them, and the same mask for numpy."""

    name: str
    sizes: dict[str, int]  # B, Q, S
    clauses: str = ""
    visible: Callable[[int, int], bool] = lambda i, j: True  # of a query and a key slot
    operands: dict[str, tuple[str, list[str], object]] = dataclasses.field(default_factory=dict)
    dtype: str = "bf16"
    d: int = 64
    dv: int = 64
    heads: tuple[int, int] = (2, 2)
    lse: bool = True

    def text(self) -> str:
        hq, hkv = self.heads
        tensors = {"q": (self.dtype, ["B", str(hq), "Q", str(self.d)]),
                   "k": (self.dtype, ["B", str(hkv), "S", str(self.d)]),
                   "v": (self.dtype, ["B", str(hkv), "S", str(self.dv)]),
                   **{name: operand[:2] for name, operand in self.operands.items()}}
        types = {name: "tensor<" + "x".join(n if n.isdigit() else "?" for n in dims) + f"x{element}>"
                 for name, (element, dims) in tensors.items()}
        arguments = ", ".join(f'%{name}: {types[name]} {{attn.name = "{name}", attn.dims = {json.dumps(dims)}}}'
                              for name, (_, dims) in tensors.items())
        result = types["q"].replace(f"x{self.d}x", f"x{self.dv}x")
        names, results = "%out", result
        if self.lse:
            names, results = "%out, %lse", f"{result}, tensor<?x{hq}x?xf32>"
        sizes = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        given = "\n      ".join(f"{name}(%{name} : {types[name]})" for name in self.operands)
        return (f"func.func @main({arguments})\n    -> ({results}) attributes {{attn.sizes = {{{sizes}}}}} {{\n"
                f"  {names} = attn.attention %q, %k, %v\n      {self.ordered(given)}\n"
                f"      : {types['q']}, {types['k']}, {types['v']} -> {results}\n  return {names} : {results}\n}}\n")

    def ordered(self, given: str) -> str:
        """Masks and alignments stand before operands, regions behind them."""
        first = [line for line in self.clauses.splitlines() if line.startswith(("mask <", "align"))]
        rest = [line for line in self.clauses.splitlines() if line not in first]
        return "\n      ".join([*first, given, *rest])

    def write(self, folder: Path) -> list[str]:
        """The program and its inputs as files; returns attn-run's arguments."""
        (folder / "case.mlir").write_text(self.text())
        values = {name: value for name, (_, _, value) in self.operands.items() if value is not None}
        if not values:
            return [str(folder / "case.mlir")]
        np.savez(folder / "case.npz", **values)
        return [str(folder / "case.mlir"), "--inputs", str(folder / "case.npz")]

    # The tiles of lib/Conversion/AttnToGPU: 64 queries, and as many keys as the
    # schedule of GPUs says; both widths are padded to whole fragments.

    @property
    def tile_keys(self) -> int:
        width = max(self.d, self.dv)
        if self.dtype != "f32":
            return 64 if width <= 128 else 32
        return 32 if width <= 64 else 16 if width <= 128 else 8

    @property
    def padded(self) -> tuple[int, int]:
        unit = (16, 16) if self.dtype != "f32" else (4, 8)
        return math.ceil(self.d / unit[0]) * unit[0], math.ceil(self.dv / unit[1]) * unit[1]

    @property
    def shared_bytes(self) -> int:
        chunk = 8 if self.dtype != "f32" else 4
        qk, v = (16 * (width // chunk | 1) for width in self.padded)
        return 64 * qk + 2 * self.tile_keys * (qk + v)

    def tiles(self) -> tuple[int, int]:
        """Tiles with a visible pair, and all tiles."""
        queries, keys, step = self.sizes["Q"], self.sizes["S"], self.tile_keys
        pairs = np.array([[self.visible(i, j) for j in range(keys)] for i in range(queries)])
        tiles = [pairs[i:i + 64, j:j + step].any() for i in range(0, queries, 64) for j in range(0, keys, step)]
        each = self.sizes["B"] * self.heads[0]
        return each * sum(tiles), each * len(tiles)

    def flops(self) -> int:
        """What the matrix instructions of the kept tiles do; f32 uses none."""
        if self.dtype == "f32":
            return 0
        return self.tiles()[0] * 2 * 64 * self.tile_keys * sum(self.padded)


def run(case: Case, folder: Path, *options: str, backend: str = "emulated") -> dict:
    """attn-run's report of a checked run."""
    env = {**os.environ, "ATTN_PTXAS": ""} if backend == "emulated" else None
    done = subprocess.run([RUN, *case.write(folder), f"--backend={backend}", "--check", "--json", *options], text=True,
                          capture_output=True, env=env, timeout=300)
    assert done.returncode == 0, f"{case.text()}\n{done.stdout[:2000]}{done.stderr}"
    return json.loads(done.stdout)


def launches(report: dict, kernel: str) -> list[dict]:
    return [launch for launch in report["device"]["launches"] if launch["kernel"].startswith(kernel)]


def conflicts(report: dict, *instructions: str) -> tuple[int, int]:
    """Bank conflicts and requests of the forward kernel's lines with such instructions."""
    lines = [line for launch in launches(report, "attn_forward") for line in launch["lines"]
             if line["text"].split()[0].startswith(instructions) or
             re.match(rf"@\S+ ({'|'.join(map(re.escape, instructions))})", line["text"])]
    return sum(line["bank_conflicts"] for line in lines), sum(line["shared_requests"] for line in lines)


SLOPES = {"slopes": ("f32", ["2"], np.array([0.25, 0.5], np.float32))}
PARITY = """mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %six = arith.constant 6 : i32
        %one = arith.constant 1 : i32
        %zero = arith.constant 0 : i32
        %bi = arith.shrui %i, %six : i32
        %bj = arith.shrui %j, %six : i32
        %sum = arith.addi %bi, %bj : i32
        %odd = arith.andi %sum, %one : i32
        %keep = arith.cmpi eq, %odd, %zero : i32
        attn.yield %keep : i1
      }"""
CU = np.array([0, 10, 80, 80, 150], np.int32)


def document(slot: int) -> int:
    return int(np.searchsorted(CU, slot, side="right"))


CUTS = {"cu_q": ("i32", ["5"], CU), "cu_kv": ("i32", ["5"], CU)}

MASKS = [
    Case("full", dict(B=1, Q=130, S=200)),
    Case("full-one-tile", dict(B=2, Q=1, S=1)),
    Case("causal-top-left", dict(B=1, Q=200, S=130), "mask <causal>\nalign top_left", lambda i, j: j <= i),
    Case("causal-bottom-right", dict(B=1, Q=130, S=300), "mask <causal>\nalign bottom_right",
         lambda i, j: j <= i + 170),
    Case("band", dict(B=1, Q=270, S=270), "mask <band<40, 0>>", lambda i, j: -40 <= j - i <= 0),
    Case("band-both", dict(B=1, Q=200, S=270), "mask <band<10, 20>>\nalign top_left", lambda i, j: -10 <= j - i <= 20),
    Case("documents", dict(B=1, Q=150, S=150), "mask <document>", lambda i, j: document(i) == document(j), CUTS),
    Case("documents-causal", dict(B=2, Q=150, S=150), "mask <and(document, causal)>\nalign top_left",
         lambda i, j: document(i) == document(j) and j <= i, CUTS),
    Case("empty-blocks", dict(B=1, Q=140, S=270), f"align top_left\n{PARITY}",
         lambda i, j: (i // 64 + j // 64) % 2 == 0),
    Case("lengths", dict(B=1, Q=70, S=300), "", lambda i, j: j < 129,
         {"kv_lengths": ("i32", ["B"], np.array([129], np.int32))}),
    Case("groups", dict(B=1, Q=70, S=70), "mask <causal>", lambda i, j: j <= i, heads=(4, 1)),
    Case("decode", dict(B=1, Q=1, S=1100)),
]
HEADS = [Case(f"{dtype}-{d}-{dv}", dict(B=1, Q=70, S=70), "mask <causal>", lambda i, j: j <= i, dtype=dtype, d=d, dv=dv,
              heads=(1, 1))
         for dtype in DTYPES for d, dv in [(8, 8), (40, 40), (96, 96), *SIZES] if dtype != "f16" or d in (64, 80)]


# ---- on the emulator -----------------------------------------------------------------


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rounding", ["nearest", "worst"])
@pytest.mark.parametrize("case", MASKS + HEADS, ids=lambda case: case.name)
def test_only_kept_tiles_are_computed(case, rounding, tmp_path, tally):
    report = run(case, tmp_path, *(["--worst-rounding"] if rounding == "worst" else []))
    assert report["check"]["pass"]
    assert not [finding for launch in report["device"]["launches"] for finding in launch["findings"]]
    (forward,) = launches(report, "attn_forward")
    assert forward["dynamic_shared"] == case.shared_bytes
    counted = sum(launch["counters"]["tensor_flops"] for launch in report["device"]["launches"])
    assert counted == case.flops()
    found, requests = conflicts(report, "ldmatrix", "ld.shared")
    assert found == 0 and requests > 0
    tally.cases += 1
    tally.findings += sum(launch["findings_total"] for launch in report["device"]["launches"])
    tally.conflicts += found
    tally.requests += requests
    tally.flops += counted
    tally.formula += case.flops()


@pytest.mark.parametrize("case", MASKS, ids=lambda case: case.name)
def test_the_masks_here_skip_tiles(case):
    """Otherwise the test above would say little."""
    kept, all_tiles = case.tiles()
    if case.name in ("full", "full-one-tile", "decode"):
        assert kept == all_tiles
    else:
        assert 0 < kept < all_tiles


@pytest.mark.parametrize("case", HEADS, ids=lambda case: case.name)
def test_copies_into_tiles_have_no_bank_conflicts(case, tmp_path):
    found, requests = conflicts(run(case, tmp_path), "cp.async", "st.shared")
    assert found == 0 and requests > 0


def test_more_keys_than_one_part_are_split_and_merged(tmp_path):
    """Zero queries make all scores 0, so that a sink that counts once per part would show."""
    sinks = np.array([2.0, 6.0], np.float32)
    case = Case("sinks", dict(B=1, Q=1, S=1100), operands={"sinks": ("f32", ["2"], sinks)})
    arguments = case.write(tmp_path)
    np.savez(tmp_path / "case.npz", sinks=sinks, q=np.zeros((1, 2, 1, 64), np.uint16))
    done = subprocess.run([RUN, *arguments, "--backend=emulated", "--check", "--json"], text=True, capture_output=True,
                          env={**os.environ, "ATTN_PTXAS": ""})
    assert done.returncode == 0, done.stdout[:2000] + done.stderr
    report = json.loads(done.stdout)
    (forward,), (merge,) = launches(report, "attn_forward"), launches(report, "attn_merge")
    assert forward["grid"][:2] == [2, 3] and merge["grid"][0] == 2 and merge["blocks_run"] == 2
    (lse,) = [result["values"] for result in report["results"] if result["dtype"] == "f32"]
    np.testing.assert_allclose(lse, np.log(1100 + np.exp(sinks.astype(float))), atol=2e-6)
    np.testing.assert_array_less(1e-3, np.abs(np.log(1100 + 3 * np.exp(sinks.astype(float))) - lse))


def test_few_keys_are_not_merged(tmp_path):
    report = run(Case("short", dict(B=1, Q=1, S=512)), tmp_path)
    assert not launches(report, "attn_merge") and launches(report, "attn_forward")[0]["grid"][1] == 1


# ---- on a device ---------------------------------------------------------------------


@pytest.mark.device
@pytest.mark.skipif(not has_gpu, reason="expects a GPU")
@pytest.mark.parametrize("case", MASKS + HEADS, ids=lambda case: case.name)
def test_kernels_on_a_device(case, tmp_path):
    assert run(case, tmp_path, backend="cuda")["check"]["pass"]


# ---- ptxas ---------------------------------------------------------------------------


def find_ptxas() -> str | None:
    """As the compiler looks for it; an empty ATTN_PTXAS means none."""
    if "ATTN_PTXAS" in os.environ:
        return os.environ["ATTN_PTXAS"] or None
    for home in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_ROOT")):
        if home and (Path(home) / "bin" / "ptxas").exists():
            return str(Path(home) / "bin" / "ptxas")
    return shutil.which("ptxas") or shutil.which("/usr/local/cuda/bin/ptxas")


def read_ptxas(text: str) -> list[dict]:
    """Name, stack, spills and registers of each kernel in the output of `ptxas -v`."""
    pattern = (r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, "
               r"(\d+) bytes spill loads.*?Used (\d+) registers")
    return [dict(name=name, stack=int(stack), spills=int(stores) + int(loads), registers=int(registers))
            for name, stack, stores, loads, registers in re.findall(pattern, text, re.S)]


ALIBI = """score_mod {
      ^bb0(%x: f32, %b: i32, %h: i32, %i: i32, %j: i32, %t: tensor<2xf32>):
        %away = arith.subi %j, %i : i32
        %far = arith.sitofp %away : i32 to f32
        %slope = attn.load %t[%h] : tensor<2xf32>
        %bent = arith.mulf %far, %slope : f32
        %r = arith.addf %x, %bent : f32
        attn.yield %r : f32
      }"""
FEATURES = {
    "causal": Case("causal", dict(B=1, Q=70, S=70), "mask <causal>"),
    "documents+bias": Case("documents+bias", dict(B=1, Q=150, S=150), "mask <and(document, causal)>\nalign top_left",
                           operands={"bias": ("f32", ["B", "2", "Q", "S"], None), **CUTS}),
    "score_mod": Case("score_mod", dict(B=1, Q=70, S=70), f"align top_left\n{ALIBI}", operands={"captures": SLOPES["slopes"]}),
}
OTHERS = ["sm_86", "sm_89", "sm_90"]


def build_matrix() -> list[tuple[Case, list[str]]]:
    """Every dtype at every head size, once; each dtype and each size meets each feature and each architecture."""
    rows = []
    for t, dtype in enumerate(DTYPES):
        for s, (d, dv) in enumerate(SIZES):
            feature = FEATURES[list(FEATURES)[(t + s) % 3]]
            rows.append((dataclasses.replace(feature, dtype=dtype, d=d, dv=dv), ["sm_80", OTHERS[(2 * t + s) % 3]]))
    return rows


def test_the_matrix_covers_pairs():
    rows = build_matrix()
    for pick in (lambda case: case.dtype, lambda case: (case.d, case.dv)):
        assert len({(pick(case), arch) for case, archs in rows for arch in archs[1:]}) == 3 * len({pick(c) for c, _ in rows})
        assert len({(pick(case), case.name) for case, _ in rows}) == 3 * len({pick(c) for c, _ in rows})


def test_reading_ptxas():
    text = """ptxas info    : Compiling entry function 'attn_merge' for 'sm_80'
ptxas info    : Function properties for attn_merge
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 72 registers, used 0 barriers, 1088 bytes cmem[0]"""
    assert read_ptxas(text) == [dict(name="attn_merge", stack=8, spills=16, registers=72)]


def test_without_ptxas_the_builds_are_skipped(monkeypatch):
    monkeypatch.setenv("ATTN_PTXAS", "")
    assert find_ptxas() is None
    with pytest.raises(pytest.skip.Exception, match="expects ptxas"):
        assemble(Path("unread.mlir"), "", ["sm_80"], Path("."), Tally())


def assemble(program: Path, label: str, archs: list[str], folder: Path, tally: Tally) -> None:
    ptxas = find_ptxas()
    if ptxas is None:
        pytest.skip("expects ptxas")
    ptx = folder / "case.ptx"
    subprocess.run([COMPILE, program, "--target=sm_80", "--emit=ptx", "-o", ptx], check=True,
                   env={**os.environ, "ATTN_PTXAS": ""})
    for arch in archs:
        done = subprocess.run([ptxas, "-v", f"-arch={arch}", ptx, "-o", folder / "case.cubin"], text=True,
                              capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
        kernels = read_ptxas(done.stdout + done.stderr)
        assert {kernel["name"] for kernel in kernels} >= {"attn_forward", "attn_merge", "attn_guard"}
        for kernel in kernels:
            print(f"{arch} {label} {kernel['name']:16} {kernel['registers']:3} registers {kernel['spills']} spilled "
                  f"{kernel['stack']} stack")
            tally.kernels[arch] += 1
            tally.registers[arch] = max(tally.registers.get(arch, 0), kernel["registers"])
            tally.spills += kernel["spills"]
        assert not [kernel for kernel in kernels if kernel["spills"] or kernel["stack"]]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case, archs", build_matrix(),
                         ids=lambda x: f"{x.dtype}-{x.d}-{x.dv}-{x.name}" if isinstance(x, Case) else x[1])
def test_ptxas_keeps_everything_in_registers(case, archs, tmp_path, tally):
    (tmp_path / "case.mlir").write_text(case.text())
    assemble(tmp_path / "case.mlir", f"{case.dtype:4} {case.d:3}/{case.dv:<3} {case.name:14} {case.shared_bytes:6} shared",
             archs, tmp_path, tally)


# The random programs that took most registers: score functions with captures and softcaps, biases beside masks and
# documents, wide values.
@pytest.mark.timeout(300)
@pytest.mark.parametrize("program", [7, 58, 110, 266, 292, 301, 326])
def test_random_programs_stay_in_registers(program, tmp_path, tally):
    subprocess.run([sys.executable, ROOT / "test" / "Random" / "generate.py", "--gpu", "--sizes=1", f"--program={program}",
                    "--out", tmp_path], check=True)
    [text] = tmp_path.glob("*.mlir")
    assemble(text, f"program {program}", ["sm_80", "sm_90"], tmp_path, tally)
